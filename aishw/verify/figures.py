"""The report's pictures, each as the bytes of a PNG; matplotlib is imported when one is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.system import System
from aishw.canvas import MUTED, RULE, SERIES, drawing, plain, png
from aishw.engines.base import Trace
from aishw.errors import CompareError
from aishw.lower.design import Design
from aishw.units import ns
from aishw.verify.compare import Comparison
from aishw.verify.images import image
from aishw.verify.ladder import Rung

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch


@dataclass(frozen=True, eq=False)
class Waveform:
    """Node voltages of a window: times_s (T,), volts by node name, each (T,) V; shown over the last `cycles`."""

    title: str
    times_s: NDArray[np.float64]
    volts_V: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    frequency_Hz: float | None = None
    cycles: float = 6.0

    def __post_init__(self) -> None:
        for node, volts in self.volts_V.items():
            if np.shape(volts) != np.shape(self.times_s):
                raise CompareError(
                    f"node {node!r} has {np.shape(volts)} volts for {np.shape(self.times_s)} times"
                )
        if not self.volts_V or np.size(self.times_s) < 2:
            raise CompareError("a waveform needs a node and two times")


def rung_images(system: System, rung: Rung, count: int = 4) -> bytes:
    """Start, end and error of the first `count` images of a rung: pixels in grey, the error of every site in rad.

    The error is taken against the rung above, at the end, wrapped; sites that the run does not hold are hatched.
    """
    trace, against = rung.trace, rung.above
    shown = min(count, trace.images.size)
    ends = image(system, trace.state[:shown, -1], trace.sites)
    starts = image(system, trace.state[:shown, 0], trace.sites)
    rows: list[tuple[str, Sequence[NDArray[np.float64]]]] = [("start", list(starts)), ("end", list(ends))]
    limit = 1.0
    if against is not None:
        rows.append(("error", _error_maps(system, trace, against, shown)))
        limit = max(float(np.nanmax(np.abs(against.end_error_rad))), 1e-12)
    unit = _unit(system)
    with drawing(1.12 * shown + 1.15, 1.2 * len(rows) + 0.3) as figure:
        wide, high = figure.get_size_inches()
        panels = figure.subplots(len(rows), shown, squeeze=False)
        figure.subplots_adjust(
            0.34 / wide, 0.06 / high, 1 - 0.81 / wide, 1 - 0.3 / high, wspace=0.08, hspace=0.08
        )
        for r, (label, maps) in enumerate(rows):
            error = label == "error"
            scale = limit if error else 1.0
            for k in range(shown):
                axes = panels[r, k]
                _frame(axes)
                drawn = axes.imshow(
                    maps[k], cmap="RdBu_r" if error else "gray", vmin=-scale, vmax=scale, interpolation="nearest",
                    aspect="equal" if len(maps[k]) > 1 else "auto",
                )  # fmt: skip
                if r == 0:
                    axes.set_title(
                        f"image {int(trace.images[k])}", loc="center", fontsize=9, color=MUTED, pad=4
                    )
            panels[r, 0].set_ylabel(label, fontsize=10)
            box = panels[r, -1].get_position()
            place = (1 - 0.74 / wide, box.y0 + 0.12 * box.height, 0.09 / wide, 0.76 * box.height)
            bar = figure.colorbar(drawn, cax=figure.add_axes(place))
            bar.set_ticks([-scale, 0, scale], labels=[f"{-scale:.2g}", "0", f"{scale:.2g}"])
            bar.ax.tick_params(labelsize=8, length=2, pad=2)
            bar.ax.set_ylabel(unit if error else "pixel", fontsize=8, color=MUTED, labelpad=1)
            bar.outline.set_visible(False)  # type: ignore[operator]
        return png(figure)


def trajectories(
    system: System,
    reference: Trace,
    candidate: Trace,
    against: Comparison,
    names: tuple[str, str],
    count: int = 6,
) -> bytes:
    """States of the worst sites over tau, reference solid and candidate dashed, chunk boundaries as lines.

    Of every site the image is shown that ends furthest away; the gauge is taken out of the candidate.
    """
    worst = against.worst_sites[:count]
    columns = min(2, len(worst))
    rows = -(-len(worst) // columns)
    unit = _unit(system)
    with drawing(2.8 * columns + 0.2, 1.55 * rows + 0.6) as figure:
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True)
        for axes, (site, _) in zip(panels.flat, worst):
            column = int(np.flatnonzero(against.sites == site)[0])
            row = int(np.abs(against.end_error_rad[:, column]).argmax())
            which = int(against.images[row])
            turn = np.interp(candidate.times_tau, against.times_tau, against.gauge_rad[row])
            for trace, shift, style, colour in (
                (reference, 0.0, "-", SERIES[0]),
                (candidate, turn, "--", SERIES[1]),
            ):
                b, m = np.flatnonzero(trace.images == which)[0], np.flatnonzero(trace.sites == site)[0]
                axes.plot(trace.times_tau, trace.state[b, :, m] - shift, style, color=colour, lw=1.4)
            _boundaries(axes, system)
            at_row, at_column = divmod(site, system.topology.width)
            error = float(against.end_error_rad[row, column])
            axes.set_title(f"site ({at_row}, {at_column}), image {which}: {error:+.2g} {unit}", fontsize=8)
            axes.margins(x=0.02)
        for axes in list(panels.flat)[len(worst) :]:
            axes.set_axis_off()
        for axes in panels[:, 0]:
            axes.set_ylabel(f"state ({unit})")
        for axes in list(panels.flat)[max(0, len(worst) - columns) : len(worst)]:
            axes.set_xlabel("tau")
            axes.tick_params(labelbottom=True)
        lines = panels[0, 0].get_lines()[:2]
        figure.legend(
            lines, [plain(name) for name in names], loc="upper left", ncols=2, bbox_to_anchor=(0.005, 1.0)
        )
        figure.tight_layout(rect=(0, 0, 1, 1 - 0.3 / figure.get_figheight()))
        return png(figure)


def rms_over_time(system: System, rungs: Sequence[Rung]) -> bytes:
    """The wrapped rms over tau of every rung against the one above, on a logarithmic axis, its limit as a bar."""
    compared = [rung for rung in rungs if rung.above is not None]
    named = compared[: len(SERIES)]
    entries = len(named) + (len(compared) > len(named))
    with drawing(6.4, 3.1 + 0.16 * entries) as figure:
        axes = figure.add_subplot()
        for k, rung in enumerate(compared):
            assert rung.above is not None
            colour = SERIES[k] if k < len(SERIES) else RULE
            rms = np.where(rung.above.rms_rad > 0, rung.above.rms_rad, np.nan)
            label = f"{plain(rung.name)} against {plain(rung.above_name)}"
            if k >= len(named):
                label = f"{len(compared) - len(named)} more" if k == len(named) else "_"
            axes.plot(
                rung.above.times_tau, rms, color=colour, lw=1.5, label=label, zorder=2 - (k >= len(named))
            )
            if rung.limit_rad is not None:
                axes.plot(
                    [rung.above.times_tau[-1]],
                    [rung.limit_rad],
                    marker="_",
                    ms=14,
                    mew=2,
                    color=colour,
                    clip_on=False,
                )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(
            lambda value, _: f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
        )
        if not any((rung.above.rms_rad > 0).any() for rung in compared if rung.above is not None):
            axes.set_ylim(1e-16, 1)
            axes.text(
                0.5,
                0.5,
                "every rung equals the one above",
                transform=axes.transAxes,
                ha="center",
                color=MUTED,
            )
        _boundaries(axes, system)
        axes.grid(axis="y", color=RULE, lw=0.5, alpha=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel("tau (bars at the right: limits; thin lines: chunk boundaries)")
        axes.set_ylabel(f"rms ({_unit(system)})")
        figure.legend(loc="upper left", ncols=1, bbox_to_anchor=(0.02, 1.0), handlelength=1.6)
        figure.tight_layout(rect=(0, 0, 1, 1 - (0.1 + 0.17 * entries) / figure.get_figheight()))
        return png(figure)


def weights_and_codes(design: Design) -> bytes:
    """Histograms: the trained couplings in 1/tau, and how often each code of each kind of injection is used."""
    kinds = [kind for kind, codes in design.codes.items() if np.size(codes)]
    limit = design.code_limit
    with drawing(6.4, 2.0 + 1.15 * len(kinds)) as figure:
        panels = figure.subplots(
            1 + len(kinds), 1, squeeze=False, gridspec_kw={"height_ratios": [1.5] + [1.0] * len(kinds)}
        )[:, 0]
        weights = design.system.coupling.reshape(-1)
        panels[0].hist(weights if weights.size else [0.0], bins=61, color=SERIES[0])
        panels[0].set_title("trained couplings, 1/tau")
        panels[0].set_ylabel("edges")
        for axes, kind in zip(panels[1:], kinds):
            codes = np.asarray(design.codes[kind], dtype=np.int64).reshape(-1)
            levels = np.arange(-limit, limit + 1)
            counts = np.array([(codes == level).sum() for level in levels])
            axes.bar(levels, counts, width=0.8, color=SERIES[2])
            clipped = int(design.clipped.get(kind, 0))
            share = 100 * clipped / codes.size
            axes.set_title(f"{kind} codes: {codes.size} written, {clipped} clipped ({share:.2g} %)")
            axes.set_xticks(levels if limit <= 15 else [-limit, 0, limit])
            axes.set_ylabel("count")
        figure.tight_layout(h_pad=0.8)
        return png(figure)


def waveform(shown: Waveform) -> bytes:
    """Node voltages over the last cycles of a window, one panel a node (at most 6)."""
    nodes = list(shown.volts_V.items())[:6]
    times = np.asarray(shown.times_s)
    span = times[-1] - times[0] if shown.frequency_Hz is None else shown.cycles / shown.frequency_Hz
    late = times >= times[-1] - span
    with drawing(6.4, 0.85 + 0.85 * len(nodes)) as figure:
        panels = figure.subplots(len(nodes), 1, squeeze=False, sharex=True)[:, 0]
        for k, (axes, (node, volts)) in enumerate(zip(panels, nodes)):
            axes.plot(times[late] / ns, np.asarray(volts)[late], color=SERIES[k % len(SERIES)], lw=1.2)
            axes.set_title(plain(node), fontsize=8)
            axes.set_ylabel("V")
            axes.margins(x=0.01)
        panels[-1].set_xlabel("ns")
        figure.tight_layout(h_pad=0.4)
        return png(figure)


def _error_maps(system: System, trace: Trace, against: Comparison, shown: int) -> list[NDArray[np.float64]]:
    top = system.topology
    maps = []
    for which in trace.images[:shown]:
        full = np.full(system.sites, np.nan)
        row = np.flatnonzero(against.images == which)
        if row.size:
            full[against.sites] = against.end_error_rad[row[0]]
        maps.append(full.reshape(top.height, top.width))
    return maps


def _frame(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor("#e6e9ef")
    axes.add_patch(_hatching(axes))
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_color(RULE)


def _hatching(axes: Axes) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle(
        (0, 0), 1, 1, transform=axes.transAxes, hatch="////", fill=False, ec="#b4bcca", lw=0, zorder=-1
    )


def _boundaries(axes: Axes, system: System) -> None:
    for boundary in system.boundaries_tau[1:-1]:
        axes.axvline(boundary, color=RULE, lw=0.8, zorder=0)


def _unit(system: System) -> str:
    return "rad" if FAMILIES[system.family].angular else "units of x"
