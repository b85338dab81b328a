"""The law gives the digits that were printed, its variants differ by what they say, and the impossible is refused."""

from __future__ import annotations

import pytest

from aishw.energy import law
from aishw.energy.law import array_W, image_J, node_W
from aishw.errors import EnergyError

SITES = 56 * 56


def test_the_printed_digits() -> None:
    assert f"{law.REFERENCE_W * 1e6:.0f}" == "320"
    assert f"{(law.OSCILLATOR_W + law.COUPLER_W * 8) * 1e6:.0f}" == "297"
    assert node_W(24) == pytest.approx((113.3 + 23 * 24 * 1.1) * 1e-6, rel=1e-12)
    assert abs(node_W(24) * 1e6 - 721) <= 0.5 + 1e-9  # 720.5, which the paper rounds up
    assert f"{array_W(SITES, 24):.1f}" == "2.3"
    assert f"{image_J(SITES, 24) * 1e6:.0f}" == "23"
    assert f"{image_J(SITES, SITES - 1) * 1e3:.1f}" == "2.5"
    assert f"{node_W(SITES - 1) / node_W(24):.0f}" == "110"
    assert f"{image_J(SITES, 24, 8) * 1e3:.2f}" == "0.36"


def test_it_scales_as_it_says() -> None:
    for bits in range(1, 9):
        assert image_J(SITES, 24, bits) == pytest.approx(image_J(SITES, 24) * 2.0 ** (bits - 4), rel=1e-12)
    assert image_J(100, 8, cycles=500, frequency_Hz=1e9) == pytest.approx(image_J(100, 8) / 20)
    assert node_W(9) - node_W(8) == pytest.approx(node_W(1) - node_W(0)) == pytest.approx(25.3e-6)


def test_variants_count_other_things() -> None:
    assert node_W(24, 4, "coupler_bits") == node_W(24)
    assert node_W(0, 8, "coupler_bits") == law.OSCILLATOR_W and node_W(0, 8) == 16 * law.OSCILLATOR_W
    assert node_W(24, 5, "injections") == node_W(26, 5)
    assert node_W(8, 4, "moy") == pytest.approx(42e-3 / 1968)
    assert node_W(24, 4, "moy") / node_W(8, 4, "moy") == pytest.approx(node_W(24) / node_W(8))
    with pytest.raises(EnergyError, match=r"no variant 'chip'.*coupler_bits"):
        node_W(24, 4, "chip")


@pytest.mark.parametrize(
    "sites, couplings, bits, said",
    [
        (0, 0, 4, "0 sites"), (-3, 1, 4, "-3 sites"), (10, -1, 4, "-1 couplings"), (10, 10, 4, "0 to 9"),
        (10, 4, 0, "0 bits"), (10, 4, 17, "1 to 16"), (10**10, 4, 4, "1,000,000,000"),
    ],
)  # fmt: skip
def test_sizes_that_cannot_be(sites, couplings, bits, said) -> None:
    with pytest.raises(EnergyError, match=said):
        image_J(sites, couplings, bits)


@pytest.mark.parametrize("cycles", [0, -1, 0.5, 40.7, float("nan"), float("inf"), 1e13])
def test_partial_cycles_are_refused(cycles) -> None:
    with pytest.raises(EnergyError, match="cycles"):
        image_J(10, 4, cycles=cycles)


@pytest.mark.parametrize("frequency_Hz", [0.0, -1e8, 1e13, float("nan")])
def test_frequencies_that_cannot_be(frequency_Hz) -> None:
    with pytest.raises(EnergyError, match="frequency"):
        image_J(10, 4, frequency_Hz=frequency_Hz)
