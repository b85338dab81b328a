"""Figures: every one is a PNG with something on it, whatever the names and shapes."""

import io
import warnings

import numpy as np
import pytest
import verify_problems as problems

from aishw.errors import CompareError
from aishw.verify import Step, climb, figures
from aishw.verify.figures import Waveform

TIMES = np.linspace(0, 4, 5)


def pixels_of(png):
    from PIL import Image

    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return np.array(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def ladder(system, change=0.1, sites=None, name="_$\\frac{1$ \u202e\n名前 <b>"):
    state = np.random.default_rng(0).normal(size=(2, TIMES.size, system.sites))
    held = np.arange(system.sites) if sites is None else np.asarray(sites)
    other = problems.trace(system, state[:, :, held] + change, TIMES, sites=held)
    top = problems.trace(system, state, TIMES)
    return climb(system, [Step(name + "0", "", top), Step(name, "", other, limit_rad=1)])


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize(
    ("system", "sites"),
    [
        (problems.kurashil(image=(2, 3)), None),
        (problems.kurashil(), [7]),
        (problems.tanhnet(1, 5), None),
    ],
    ids=["whole", "one site", "one row, no phases"],
)
def test_every_figure_of_a_rung_draws(system, sites):
    rungs = ladder(system, sites=sites)
    low = rungs[1]
    drawn = [
        figures.rung_images(system, rungs[0]),
        figures.rung_images(system, low),
        figures.trajectories(system, low.above_trace, low.trace, low.above, (low.above_name, low.name)),
        figures.rms_over_time(system, rungs),
    ]
    for png in drawn:
        assert pixels_of(png).std() > 5


def test_the_error_map_is_red_where_the_candidate_leads():
    system = problems.kurashil(reference=True)
    change = np.zeros((2, TIMES.size, system.sites))
    change[0, -1, 8], change[1, -1, 9] = 0.5, -0.5
    rungs = ladder(system, change)
    plain, marked = (
        pixels_of(figures.rung_images(system, rung)) for rung in (ladder(system, 0.0)[1], rungs[1])
    )
    warm = (marked - plain)[..., 0] - (marked - plain)[..., 2]
    rows, columns = np.nonzero(warm > 60)
    cold_columns = np.nonzero(warm < -60)[1]
    assert rows.min() > 0.6 * marked.shape[0]  # the third row of panels
    assert columns.mean() < cold_columns.mean()  # image 0 stands left of image 1


def test_equal_rungs_and_many_rungs_draw():
    system = problems.kurashil()
    assert pixels_of(figures.rms_over_time(system, ladder(system, 0.0))).std() > 5
    base = ladder(system)
    steps = [Step(f"w{k}", "", base[k > 0].trace, above="w0" if k else None) for k in range(12)]
    assert pixels_of(figures.rms_over_time(system, climb(system, steps))).std() > 5


def test_weights_codes_and_waveform_draw():
    plan = problems.design(problems.kurashil(reference=True))
    assert pixels_of(figures.weights_and_codes(plan)).std() > 5
    t = np.linspace(0, 1e-7, 500)
    assert pixels_of(figures.waveform(Waveform("w", t, {"v(1)": np.sin(1e9 * t)}, 1e8))).std() > 5


def test_a_waveform_without_nodes_or_of_another_length_is_refused():
    with pytest.raises(CompareError, match="'a'"):
        Waveform("w", np.arange(3.0), {"a": np.arange(4.0)})
    with pytest.raises(CompareError, match="needs a node"):
        Waveform("w", np.arange(3.0), {})


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    before = dict(matplotlib.rcParams)
    figures.weights_and_codes(problems.design(problems.kurashil()))
    assert dict(matplotlib.rcParams) == before
