"""lower: what the codes stand for, how long a tau takes, the three timelines, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aishw.ais.system import System
from aishw.ais.topology import complete, grid
from aishw.errors import PreflightError
from aishw.hardware.target import Injection, Target
from aishw.hardware.technology import Technology
from aishw.lower import SCHEDULES, lower, preflight
from aishw.lower.design import level_table

BENT = np.array([0.0, 0.2, 0.38, 0.53, 0.67, 0.8, 0.91, 1.0])
BIAS_V = np.array([0.3, 0.4])


def a_target(**changes):
    technology = Technology("t28", 0.9, 300.0, "tt", ("tt",), "t28.lib", "n", "p", {}, "made up for a test")
    injections = {
        "coupling": Injection(np.arange(8) / 7, BIAS_V, np.array([0.005, 0.05])),
        "shil": Injection(BENT, BIAS_V, np.array([0.004, 0.04])),
        "reference": Injection(BENT, BIAS_V, np.array([0.005, 0.05])),
    }
    target = Target(
        "small", technology, "small", ("kurashil",), 8, 8, 2, 24, 4, "offset", (4, 8), ("array", "chunk", "site"),
        ("state_stationary", "save_and_reprogram", "weight_stationary"), 32, 100e6, injections,
        {"switch_s": 2e-9, "write_s": 1e-9, "transfer_s": 20e-9, "state_bits": 6}, {}, "made up for a test",
    )  # fmt: skip
    return replace(target, **changes)


def a_system(seed=0, height=3, width=4, segments=2, neighbourhood="cross4", symmetric=False, scale=0.5):
    chance = np.random.default_rng(seed)
    topology = grid(height, width, neighbourhood, symmetric=symmetric)
    coupling = chance.normal(0, scale, (segments, topology.couplings))[:, topology.pair]
    terms = {name: chance.normal(0, 1, (segments, topology.sites)) for name in ("shil", "reference")}
    return System("kurashil", topology, coupling, terms, 0.5 + np.arange(segments))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), policy=st.sampled_from(["array", "chunk"]), bits=st.sampled_from([4, 8]))
def test_lowering_what_was_realised_changes_nothing(seed, policy, bits):
    first = lower(a_system(seed), a_target(), bits=bits, policy=policy)
    again = lower(first.realised, a_target(), bits=bits, policy=policy)
    assert np.array_equal(again.realised.coupling, first.realised.coupling)
    for name in ("shil", "reference"):
        assert np.array_equal(again.realised.terms[name], first.realised.terms[name])
    assert all(np.array_equal(again.codes[kind], first.codes[kind]) for kind in first.codes)


def test_site_policy_is_idempotent_when_every_site_uses_its_strongest_code():
    system, target = a_system(), a_target()
    largest = np.linspace(0.25, 1.0, system.sites).round(3)
    coupling = np.sign(system.coupling) * np.repeat(largest, 4)
    ratio = np.ceil(largest * 32 - 1e-9) / 32
    coupling = np.sign(coupling) * np.repeat(ratio, 4)
    first = lower(replace(system, coupling=coupling), target, policy="site")
    assert np.array_equal(first.realised.coupling, coupling)
    assert np.array_equal(lower(first.realised, target, policy="site").realised.coupling, coupling)


@pytest.mark.parametrize("policy", ["array", "chunk", "site"])
def test_error_is_at_most_half_a_level_of_the_drivens_full_scale(policy):
    design = lower(a_system(), a_target(), policy=policy)
    per_edge = design.full_scale["coupling"][:, design.system.topology.edges[0]]
    assert (np.abs(design.realised.coupling - design.system.coupling) <= per_edge / 14 + 1e-12).all()
    for name in ("shil", "reference"):
        error = np.abs(design.realised.terms[name] - design.system.terms[name])
        assert (error <= np.diff(BENT).max() / 2 * design.full_scale[name] + 1e-12).all()


def test_symmetric_stays_symmetric():
    system = a_system(height=5, width=5, neighbourhood="king8", symmetric=True)
    realised = lower(system, a_target()).realised  # a System checks C_ij = C_ji itself
    assert realised.topology.symmetric and not np.array_equal(realised.coupling, system.coupling)


def test_one_lopsided_edge_keeps_its_place_sign_and_chunk():
    system = a_system()
    coupling = np.zeros_like(system.coupling)
    coupling[1, 7] = -0.8
    coupling[0, 2] = 0.4
    design = lower(replace(system, coupling=coupling), a_target(), policy="array")
    assert np.argwhere(design.codes["coupling"]).tolist() == [[0, 2], [1, 7]]
    assert design.codes["coupling"][1, 7] == -7
    assert design.codes["coupling"][0, 2] in (3, 4)


def test_the_strongest_injection_of_a_segment_sets_its_speed():
    system = a_system()
    coupling, shil, reference = np.zeros((2, 48)), np.zeros((2, 12)), np.zeros((2, 12))
    coupling[0, 5], coupling[1, 5] = 1.0, 0.2
    shil[0, 3], shil[1, 3] = 0.4, 0.6
    reference[:, 1] = 0.1
    system = replace(system, coupling=coupling, terms={"shil": shil, "reference": reference})
    design = lower(system, a_target())
    assert design.cycles_per_tau == pytest.approx([1.0 / 0.05, 0.6 / 0.04])
    assert design.rate["coupling"].max(axis=1) == pytest.approx([0.05, 0.2 / 15])
    assert design.rate["shil"].max(axis=1) == pytest.approx([0.02, 0.04])
    assert design.cycles == pytest.approx(0.5 * 20 + 1.5 * 15)
    assert lower(system, a_target(), policy="array").cycles_per_tau == pytest.approx([20, 20])
    assert lower(system, a_target(), policy="site").cycles_per_tau == pytest.approx([20, 20])


def test_stretch_turns_every_bias_down_and_keeps_the_weights():
    plain, slow = lower(a_system(), a_target()), lower(a_system(), a_target(), stretch=3)
    assert slow.cycles == pytest.approx(3 * plain.cycles)
    for kind, rate in plain.rate.items():
        assert np.allclose(slow.rate[kind], rate / 3)
    assert np.array_equal(slow.realised.coupling, plain.realised.coupling)
    for stretch in (0.9, float("nan"), 1e9):
        with pytest.raises(PreflightError, match=r"stretch is .*, allowed is 1 \(the strongest bias\) to 100"):
            lower(a_system(), a_target(), stretch=stretch)


def test_every_rate_can_be_had_from_the_bias_dac():
    target = a_target()
    for policy in ("array", "chunk", "site"):
        design = lower(a_system(), target, policy=policy)
        for kind, rate in design.rate.items():
            injection = target.injections[kind]
            bias = injection.bias_for(rate)
            slope = np.log(injection.rate[1] / injection.rate[0]) / 0.1
            assert np.allclose(injection.rate[0] * np.exp(slope * (bias - 0.3)), rate)


@pytest.mark.parametrize("policy", ["array", "chunk", "site"])
def test_a_kind_too_weak_for_its_bias_gets_a_larger_full_scale(policy):
    system = a_system()
    faint = {"shil": system.terms["shil"], "reference": system.terms["reference"] * 1e-6}
    design = lower(replace(system, terms=faint), a_target(), policy=policy)
    assert (design.rate["reference"] >= 0.01 * 0.005 * (1 - 1e-9)).all()
    assert not design.codes["reference"].any()
    assert not design.realised.terms["reference"].any()


def test_clipping_is_counted_by_kind():
    system = a_system()
    coupling = np.full_like(system.coupling, 0.1)
    coupling[0, 0] = -5
    design = lower(replace(system, coupling=coupling), a_target(), clip="sigma3")
    assert design.clipped["coupling"] == 1 and design.clipped["shil"] == 0
    assert lower(system, a_target()).clipped == {"coupling": 0, "shil": 0, "reference": 0}


def test_the_default_design_carries_what_was_asked():
    design = lower(a_system(), a_target())
    assert (design.bits, design.policy, design.timeline.strategy) == (4, "chunk", "state_stationary")
    assert design.codes["coupling"].dtype == np.int8 and np.abs(design.codes["coupling"]).max() == 7


# Timelines ----------------------------------------------------------------------------------------------------------

WEIGHTS = 48 + 2 * 12  # of one segment: 12 sites with 4 couplings, SHIL and reference


def test_state_stationary():
    design = lower(a_system(), a_target())
    line = design.timeline
    assert (line.writes, line.transfers, line.cores, line.state_bits) == (0, 0, 1, 0)
    assert line.storage_bits == 2 * WEIGHTS * 4
    assert line.switch_s.tolist() == [0, 2e-9] and not line.write_s.any()
    assert line.run_s == pytest.approx(design.cycles_per_tau * [0.5, 1.5] / 100e6)
    assert line.image_s == pytest.approx(design.cycles / 100e6 + 2e-9)


def test_save_and_reprogram():
    line = lower(a_system(), a_target(), strategy="save_and_reprogram").timeline
    assert (line.writes, line.transfers, line.cores, line.state_bits) == (2 * WEIGHTS, 12, 1, 6)
    assert line.storage_bits == WEIGHTS * 4
    assert line.write_s == pytest.approx([WEIGHTS * 1e-9] * 2)
    assert line.switch_s == pytest.approx([0, 2e-9 + 12 * 20e-9])


def test_weight_stationary():
    line = lower(a_system(), a_target(), strategy="weight_stationary").timeline
    assert (line.writes, line.transfers, line.cores, line.state_bits) == (0, 12, 2, 6)
    assert line.storage_bits == 2 * WEIGHTS * 4
    assert line.switch_s == pytest.approx([0, 12 * 20e-9]) and not line.write_s.any()


def test_strategies_differ_in_time_only_by_what_they_write_and_move():
    lines = [lower(a_system(), a_target(), strategy=name).timeline for name in SCHEDULES]
    assert len(lines) == 3
    assert all(np.array_equal(line.run_s, lines[0].run_s) for line in lines)


# Refusals -----------------------------------------------------------------------------------------------------------


def _with_nan():
    system = a_system()
    system.coupling[1, 6] = np.nan  # a System refuses this itself; its arrays can still be written to
    return system


def _without_second_chunk():
    system = a_system()
    terms = {name: value * [[1.0], [0.0]] for name, value in system.terms.items()}
    return replace(system, coupling=system.coupling * [[1.0], [0.0]], terms=terms)


REFUSED = {
    "family": (a_system, {"families": ("kuramoto",)}, {}, "family 'kurashil'; it realises kuramoto"),
    "grid": (lambda: a_system(height=9), {}, {}, r"36 sites \(9x4\), target 'small' holds 64 \(8x8\); choose a larger"),
    "fan-in": (a_system, {"fan_in": 3}, {}, "site 0 is driven by 4 couplings .* has 3"),
    "reach": (lambda: a_system(neighbourhood=((0, 1), (-3, 0)), height=8), {}, {}, "to site 0 from site 20 spans 3 "),
    "bits": (a_system, {}, {"bits": 5}, "no 5-bit weights; it has 4, 8 bit"),
    "policy": (a_system, {"policies": ("chunk",)}, {"policy": "site"}, "no full-scale policy 'site'; it has chunk"),
    "strategy": (a_system, {}, {"strategy": "magic"}, "no strategy 'magic'; it has state_stationary, "),
    "bank": (lambda: a_system(segments=5), {}, {}, r"chunk 4 \(of 0..4\) .* 4; use the strategy save_and_reprogram"),
    "symmetric site": (lambda: a_system(symmetric=True, height=5, width=5), {}, {"policy": "site"}, "C_ij = C_ji"),
    "NaN": (_with_nan, {}, {}, "coupling to site 1 from site 2 of chunk 1 is nan"),
    "zero chunk": (_without_second_chunk, {}, {}, "chunk 1 has no weight other than 0"),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_refused_in_one_line_with_the_culprit_and_the_way_out(case):
    make, changes, asked, message = REFUSED[case]
    with pytest.raises(PreflightError, match=message) as caught:
        lower(make(), a_target(**changes), **asked)
    assert "\n" not in str(caught.value)


def test_preflight_lists_everything_and_nothing():
    assert preflight(a_system(), a_target()) == []
    many = preflight(a_system(segments=5), a_target(height=2, fan_in=1, reach=0), bits=3)
    assert len(many) == 5


def test_other_strategies_take_more_chunks_than_the_bank_holds():
    assert lower(a_system(segments=5), a_target(), strategy="save_and_reprogram").timeline.writes == 5 * WEIGHTS


def test_offsets_count_the_short_way_round_the_torus():
    topology = grid(8, 8, ((0, 7), (7, 0)))
    terms = {name: np.ones((1, 64)) for name in ("shil", "reference")}
    system = System("kurashil", topology, np.ones((1, 128)), terms, np.ones(1))
    assert preflight(system, a_target(reach=1)) == []


def test_a_family_with_terms_that_no_injection_makes_is_refused():
    system = System("kuramoto", complete(3), np.ones((1, 6)), {"detuning": np.ones((1, 3))}, np.ones(1))
    (objection,) = preflight(system, a_target(families=("kuramoto",)))
    assert "no injection for the term 'detuning'" in objection


def test_fewer_bits_use_the_table_at_the_same_fraction_of_full_scale():
    assert np.allclose(level_table(a_target(), "shil", 3), np.interp(np.arange(4) / 3, np.arange(8) / 7, BENT))
