"""Pictures of a calibration's tables and phase response, each as the bytes of a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aishw.calibrate.shape import Shape, shape_of
from aishw.canvas import MUTED, RULE, SERIES, drawing, png
from aishw.hardware.calibration import Calibration, Table
from aishw.hardware.findings import PhaseResponse
from aishw.hardware.steady import SteadyState
from aishw.units import TWO_PI

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FINE = 241


def table_figure(table: Table, kind: str) -> bytes:
    """One bias a column. Above: rate against phase difference, dots measured, lines fitted, a colour per code. Below:
    what the fit leaves of the dots, or, where no dots were kept, the rms residual of each code's fit.
    """
    biases = table.rate.size
    with drawing(2.35 * biases + 1.2, 4.2) as figure:
        panels = figure.subplots(2, biases, squeeze=False, height_ratios=(2.2, 1), sharex=table.curve is not None)
        shown: dict[int, Any] = {}
        for p in range(biases):
            above, below = panels[0, p], panels[1, p]
            for q in _measured(table, p):
                line = 1e3 * fitted(table, p, q, _grid())
                shown[int(table.codes[q])] = above.plot(_grid(), line, lw=1.3, color=_colour(table, q))[0]
                _residual(above, below, table, p, q)
            above.set_title(f"{table.rate[p]:.4f} rad/cycle")
            _turn_axis(above)
            above.axhline(0, color=RULE, lw=0.7, zorder=0)
            below.axhline(0, color=RULE, lw=0.7, zorder=0)
            if table.curve is not None:
                _turn_axis(below)
                below.set_xlabel("phase difference D (turns)")
            else:
                above.set_xlabel("phase difference D (turns)")
                below.set_xlabel("code")
                below.set_ylim(bottom=0)
                below.set_xlim(table.codes[0] - 0.5, table.codes[-1] + 0.5)
        panels[0, 0].set_ylabel("rate (mrad/cycle)")
        panels[1, 0].set_ylabel("residual\n(mrad/cycle)" if table.curve is not None else "rms residual\n(mrad)")
        codes = sorted(shown, reverse=True)
        named = [f"{code:+d}" if code else "0" for code in codes]
        figure.legend([shown[code] for code in codes], named, title=f"{kind} code", loc="center right",
                      handlelength=1.2, title_fontsize=8)  # fmt: skip
        wide = figure.get_figwidth()
        figure.tight_layout(rect=(0, 0, 1 - 0.85 / wide, 1))
        return png(figure)


def fitted(table: Table, p: int, q: int, d: NDArray[np.float64]) -> NDArray[np.float64]:
    """The table's rate (rad per cycle) at phase differences d."""
    turns = np.exp(1j * np.multiply.outer(d, np.arange(1, table.harmonics.shape[2] + 1)))
    return np.asarray(table.offset[p, q] + (turns @ table.harmonics[p, q]).real)


def gain_figure(calibration: Calibration, kind: str) -> bytes:
    """Worth of each code in rad per cycle and LSB at every bias, then INL and DNL; hollow: predicted from the PPV."""
    table, predicted = calibration.tables[kind], (calibration.predicted or {}).get(kind)
    with drawing(7.4, 2.7) as figure:
        worth, inl, dnl = figure.subplots(1, 3)
        for p in range(table.rate.size):
            shape = shape_of(table, kind, p)
            label, colour = f"{table.rate[p]:.3f} rad/cycle", SERIES[p % len(SERIES)]
            nonzero = shape.codes != 0
            worth.plot(shape.codes[nonzero], _per_lsb(shape)[nonzero], "o-", ms=3, lw=1, color=colour, label=label)
            inl.plot(shape.codes, shape.inl, "o-", ms=3, lw=1, color=colour)
            dnl.step(shape.codes[1:], shape.dnl, where="mid", lw=1.1, color=colour)
            if predicted is not None and p < predicted.rate.size:
                other = shape_of(predicted, kind, p)
                nonzero = other.codes != 0
                worth.plot(other.codes[nonzero], _per_lsb(other)[nonzero], "o", ms=5, mfc="none", color=colour)
        for axes, title, unit in (
            (worth, f"{kind}: rate of code k over k", "mrad/cycle/LSB"), (inl, "INL", "LSB"), (dnl, "DNL", "LSB"),
        ):  # fmt: skip
            axes.set_title(title)
            axes.set_ylabel(unit)
            axes.set_xlabel("code")
            axes.grid(axis="y", color=RULE, lw=0.5, alpha=0.6)
        worth.set_ylim(bottom=0)
        figure.legend(loc="lower center", ncols=table.rate.size)
        figure.tight_layout(rect=(0, 0.09, 1, 1))
        return png(figure)


def alpha_figure(calibration: Calibration) -> bytes:
    """The angle of each code against the ideal at every bias; hollow: predicted from the PPV."""
    kinds = [kind for kind in ("coupling", "shil") if kind in calibration.tables]
    with drawing(3.7 * len(kinds) + 0.4, 3.0) as figure:
        panels = figure.subplots(1, len(kinds), squeeze=False)[0]
        for axes, kind in zip(panels, kinds):
            table, predicted = calibration.tables[kind], (calibration.predicted or {}).get(kind)
            for p in range(table.rate.size):
                shape, colour = shape_of(table, kind, p), SERIES[p % len(SERIES)]
                axes.plot(shape.codes, np.degrees(shape.alpha_rad), "o-", ms=3, lw=1, color=colour,
                          label=f"{table.rate[p]:.3f} rad/cycle")  # fmt: skip
                if predicted is not None and p < predicted.rate.size:
                    other = shape_of(predicted, kind, p)
                    axes.plot(other.codes, np.degrees(other.alpha_rad), "o", ms=5, mfc="none", color=colour)
            axes.axhline(0, color=RULE, lw=0.7, zorder=0)
            axes.set_title(f"{kind}: angle alpha")
            axes.set_ylabel("degrees")
            axes.set_xlabel("code")
            axes.legend(handlelength=1.2, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=table.rate.size,
                        columnspacing=1.0)  # fmt: skip
            axes.margins(y=0.1)
        figure.tight_layout()
        return png(figure)


def response_figure(response: PhaseResponse, steady: SteadyState) -> bytes:
    """Above: the PE's waves over its period. Below: the lasting phase change for a charge on r0 and on r1."""
    with drawing(5.6, 4.0) as figure:
        waves, lasting = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1.4))
        for k, node in enumerate(node for node in ("r0", "r1", "p") if node in steady.waves):
            waves.plot(_grid(), steady.at(node, _grid()), color=SERIES[k], lw=1.2, label=node)
        waves.set_ylabel("V")
        waves.set_title("waves of the loaded PE")
        waves.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.2)
        error = 1e-15 * response.error
        for k, (node, values) in enumerate((("r0", response.r0), ("r1", response.r1))):
            around = np.append(response.phase_rad, TWO_PI)
            closed = 1e-15 * np.append(values, values[0])
            lasting.plot(around, closed, "o-", ms=2.5, lw=1, color=SERIES[k], label=node)
            if np.isfinite(error):
                lasting.fill_between(around, closed - error, closed + error, color=SERIES[k], alpha=0.25, lw=0)
        lasting.axhline(0, color=RULE, lw=0.7, zorder=0)
        lasting.set_title(f"phase response to {response.charge_C * 1e15:.2g} fC (band: one standard error)")
        lasting.set_ylabel("rad/fC")
        lasting.set_xlabel("phase of the PE at the pulse (turns)")
        lasting.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=1.2)
        _turn_axis(lasting)
        figure.tight_layout()
        return png(figure)


def _grid() -> NDArray[np.float64]:
    return np.linspace(0, TWO_PI, FINE)


def _measured(table: Table, p: int) -> list[int]:
    """Codes that were measured at a bias; all of them where nothing says."""
    seen = np.isfinite(table.residual_rad[p])
    if table.curve is not None:
        seen |= np.isfinite(table.curve[p]).any(axis=1)
    return [int(q) for q in np.flatnonzero(seen if seen.any() else np.ones_like(seen))]


def _residual(above: Axes, below: Axes, table: Table, p: int, q: int) -> None:
    colour = _colour(table, q)
    if table.curve is None:
        below.plot([table.codes[q]], [1e3 * table.residual_rad[p, q]], "o", ms=4, color=colour)
        return
    seen = table.curve[p, q]
    centres = TWO_PI * (np.arange(seen.size) + 0.5) / seen.size
    above.plot(centres, 1e3 * seen, "o", ms=2, mew=0, color=colour)
    below.plot(centres, 1e3 * (seen - fitted(table, p, q, centres)), "o", ms=2, mew=0, color=colour)


def _colour(table: Table, q: int) -> Any:
    from matplotlib import colormaps

    top = max(abs(int(table.codes[0])), int(table.codes[-1]))
    return colormaps["viridis"](0.92 * (int(table.codes[q]) + top) / (2 * top))


def _per_lsb(shape: Shape) -> NDArray[np.float64]:
    return np.asarray(1e3 * shape.gain * shape.steps / np.where(shape.codes == 0, 1, shape.codes))


def _turn_axis(axes: Axes) -> None:
    axes.set_xlim(0, TWO_PI)
    axes.set_xticks([0, np.pi, TWO_PI], labels=["0", "1/2", "1"])
    axes.tick_params(colors=MUTED)
