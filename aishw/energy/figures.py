"""Pictures of an answer: power over couplings and bits, what an image spends, energy over couplings with the law."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aishw.atomic import check_folder, write_whole
from aishw.canvas import INK, MUTED, RULE, SERIES, drawing, png
from aishw.energy import law
from aishw.energy.ledger import Ledger
from aishw.energy.text import si
from aishw.units import uW

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from aishw.energy.answer import Answer
    from aishw.energy.sweep import Sweep

LAW_BITS = (2, 4, 6, 8)
LAW_STYLE: dict[str, Any] = {"color": MUTED, "lw": 1.2, "ls": "--"}
SMALL = 0.01  # of an image: lines below are shown as one


def write_figures(folder: Path, answer: Answer, overwrite: bool = False) -> list[Path]:
    """The PNGs that the answer allows, into `folder`. Raises StoreError if it may not be written."""
    place = check_folder(folder, overwrite)
    place.mkdir(parents=True, exist_ok=True)
    pictures = draw(answer)
    for name, picture in pictures.items():
        write_whole(place / name, picture, overwrite=True)
    return [place / name for name in pictures]


def draw(answer: Answer) -> dict[str, bytes]:
    """File name -> PNG."""
    pictures = {}
    if answer.sweep is not None:
        pictures["power_couplings.png"] = couplings_figure(answer.sweep)
        pictures["power_bits.png"] = bits_figure(answer.sweep)
    if answer.books:
        pictures["image_lines.png"] = lines_figure(answer.books, answer.strategy)
        pictures["image_couplings.png"] = energy_figure(answer.books[answer.strategy], answer.sweep)
    elif "law" in answer.record:
        pictures["image_couplings.png"] = law_figure(answer.record["law"]["sites"])
    return pictures


def couplings_figure(sweep: Sweep) -> bytes:
    """A node's power over its couplings: simulated parts, the law, and two chips."""
    kept = np.array([p == type(p)(p.couplings) for p in sweep.points()]) & sweep.nominal & (sweep.use < 2)
    order = np.flatnonzero(kept)[np.argsort(sweep.couplings[kept])]
    x = sweep.couplings[order]
    with drawing(7.2, 3.5) as figure:
        linear, both = figure.subplots(1, 2, width_ratios=(1, 1.15))
        below = np.zeros(x.size)
        for k, part in enumerate(("ring", "taps", "couplers")):
            watts = getattr(sweep, f"{part}_W")[order] / uW
            linear.fill_between(x, below, below + watts, color=SERIES[k], alpha=0.75, lw=0)
            middle = below[-1] + watts[-1] / 2
            linear.annotate(part, (x[-1], middle), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8)
            below = below + watts
        linear.plot(x, below, "o-", ms=3.5, lw=1, color=INK)
        linear.set_ylim(0, None)
        linear.set_title("simulated, 4 bits, no wires: uW a node")
        both.plot(x, below, "o-", ms=3.5, lw=1, color=SERIES[0], label="simulated, no wires")
        grid = np.arange(0, 25)
        both.plot(grid, [law.node_W(int(n)) / uW for n in grid], **LAW_STYLE, label="the law")
        both.plot([law.CHIP_COUPLINGS], [law.REFERENCE_W / uW], "s", color=INK, ms=5, label="28-nm chip, measured")
        both.plot(grid, [law.node_W(int(n), 4, "moy") / uW for n in grid], color=SERIES[3], lw=1, ls=":",
                  label="the law on Moy's node")  # fmt: skip
        both.plot([law.MOY_COUPLINGS], [law.MOY_W / law.MOY_NODES / uW], "D", color=SERIES[3], ms=5,
                  label="65-nm chip, measured")  # fmt: skip
        both.set_yscale("log")
        both.set_ylim(5, 1100)
        both.set_title("beside the law and silicon: uW a node")
        _plain_ticks(both, "y", "")
        for axes in (linear, both):
            axes.set_xlabel("couplings L")
            axes.set_xticks([0, 8, 16, 24])
            axes.grid(axis="y", color=RULE, lw=0.5, alpha=0.6)
        figure.legend(loc="lower center", ncols=3)
        figure.tight_layout(rect=(0, 0.13, 1, 1), w_pad=3)
        return png(figure)


def bits_figure(sweep: Sweep) -> bytes:
    """Power of a node and of one coupler over the width of its weight, with the law's factor of 2 a bit."""
    from aishw.energy.against_law import bit_runs

    total = (sweep.ring_W + sweep.taps_W + sweep.couplers_W) / uW
    single = sweep.couplers_W / (sweep.couplings + 1) / uW
    bits = np.arange(2, 7)
    with drawing(7.2, 3.4) as figure:
        whole, one = figure.subplots(1, 2)
        for k, (held, label) in enumerate(((False, "strongest code held"), (True, "smallest element held"))):
            place = bit_runs(sweep, held)
            place = place[np.argsort(sweep.bits[place], kind="stable")]
            if not held:
                whole.plot(sweep.bits[place], total[place], "o-", ms=4, color=SERIES[k])
                at4, one4 = (float(y[place][sweep.bits[place] == 4].mean()) for y in (total, single))
            means = np.array([single[place][sweep.bits[place] == q].mean() for q in bits])
            one.plot(bits, means, "o-", ms=4, color=SERIES[k], label=label)
        whole.plot(bits, at4 * 2.0 ** (bits - 4), **LAW_STYLE, label="the law: factor 2 a bit")
        one.plot(bits, one4 * 2.0 ** (bits - 4), **LAW_STYLE)
        whole.set_title(f"a node of {sweep.fan_in} couplings, uW")
        one.set_title("one coupler's own supply, uW")
        for axes in (whole, one):
            axes.set_yscale("log")
            axes.set_xlabel("bits q")
            axes.set_xticks(bits)
            axes.grid(axis="y", color=RULE, lw=0.5, alpha=0.6)
            _plain_ticks(axes, "y", "")
        whole.set_ylim(10, 400)
        figure.legend(loc="lower center", ncols=3)
        figure.tight_layout(rect=(0, 0.08, 1, 1), w_pad=3)
        return png(figure)


def lines_figure(books: dict[str, Ledger], strategy: str) -> bytes:
    """What an image spends, stacked line by line: above under `strategy`, below under each. Hatched: assumed."""
    from matplotlib import colormaps

    shown: list[tuple[str, bool]] = []
    for book in books.values():
        for line in book.lines:
            key = (line.name, line.provenance == "assumed")
            if line.energy_J > SMALL * book.total()[0] and key not in shown:
                shown.append(key)
    rows = ({strategy: books[strategy]}, books)
    with drawing(7.4, 2.2 + 0.55 * len(books)) as figure:
        panels = figure.subplots(2, 1, height_ratios=(1.2, 0.5 + len(books)))
        for axes, held in zip(panels, rows):
            scale, unit = (1e9, "nJ") if max(book.total()[0] for book in held.values()) < 1e-6 else (1e6, "uJ")
            for row, book in enumerate(held.values()):
                left = 0.0
                for k, (name, assumed) in enumerate(shown):
                    same = (x for x in book.lines if (x.name, x.provenance == "assumed") == (name, assumed))
                    joules = sum(x.energy_J for x in same) * scale
                    axes.barh(row, joules, left=left, height=0.62, color=colormaps["tab20"](k % 20), edgecolor="white",
                              lw=0.4, hatch="///" if assumed else None, label=name if row == 0 else None)  # fmt: skip
                    left += joules
                total, error = (scale * each for each in book.total())
                axes.errorbar(total, row, xerr=[[min(error, total)], [error]], color=INK, lw=1, capsize=3)
            axes.set_yticks(range(len(held)), labels=[name.replace("_", " ") for name in held])
            axes.invert_yaxis()
            axes.set_xlim(left=0)
            axes.set_xlabel(f"{unit} an image")
        panels[0].set_title("an image, line by line (hatched: assumed; bar: error of the sum)")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="center left", bbox_to_anchor=(0.76, 0.5),
                      handlelength=1.2, fontsize=7)  # fmt: skip
        figure.tight_layout(rect=(0, 0, 0.76, 1))
        return png(figure)


def energy_figure(book: Ledger, sweep: Sweep | None) -> bytes:
    """Energy of an image over couplings at several widths: the law at 1000 cycles, the model at the ledger's cycles."""
    work = book.work
    with drawing(6.4, 3.8) as figure:
        axes = figure.subplots()
        _law_lines(axes, work.sites)
        run_s = float(work.run_s.sum())
        few = np.arange(1, min(work.sites, 25))
        axes.plot(few, [law.array_W(work.sites, int(n), work.bits) * run_s for n in few], color=INK, lw=1, ls=":",
                  label=f"the law, {work.bits} bits, {work.cycles:.0f} cycles")  # fmt: skip
        if sweep is not None:
            from aishw.energy.bench import Point
            from aishw.energy.model import fit_model

            model, grid = fit_model(sweep), np.arange(1, sweep.fan_in + 1)
            for k, bits in enumerate((2, 4, 6)):
                watts = np.array([model.watts(Point(int(n), bits), book.pe.frequency_Hz) for n in grid])
                axes.plot(grid, work.sites * watts * run_s, lw=1.4, color=SERIES[k],
                          label=f"simulated PEs, {bits} bits, {work.cycles:.0f} cycles")  # fmt: skip
        total, error = book.total()
        axes.errorbar([max(work.couplings, 1)], [total], yerr=[[min(error, 0.9 * total)], [error]], fmt="o", ms=5,
                      color=INK, capsize=3, label="the ledger's sum")  # fmt: skip
        _finish(axes, work.sites)
        figure.tight_layout()
        return png(figure)


def law_figure(sites: int) -> bytes:
    """The law's lines alone."""
    with drawing(6.4, 3.8) as figure:
        axes = figure.subplots()
        _law_lines(axes, sites)
        _finish(axes, sites)
        figure.tight_layout()
        return png(figure)


def _law_lines(axes: Axes, sites: int) -> None:
    most = max(sites - 1, 2)
    grid = np.unique(np.geomspace(1, most, 60).astype(int))
    for bits in LAW_BITS:
        joules = [law.image_J(sites, min(int(n), sites - 1), bits) for n in grid]
        axes.plot(grid, joules, **LAW_STYLE, label="the law, 1000 cycles at 100 MHz" if bits == LAW_BITS[0] else None)
        axes.annotate(f"{bits} bits", (grid[-1], joules[-1]), xytext=(4, 0), textcoords="offset points", fontsize=7,
                      color=MUTED, va="center")  # fmt: skip


def _finish(axes: Axes, sites: int) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("couplings L")
    axes.set_title(f"an image on {sites:,} sites")
    axes.grid(color=RULE, lw=0.5, alpha=0.6)
    axes.legend(loc="upper left", fontsize=7)
    axes.set_ylim(top=axes.get_ylim()[1] * 30)
    _plain_ticks(axes, "x", "")
    _plain_ticks(axes, "y", "J")


def _plain_ticks(axes: Axes, which: str, unit: str) -> None:
    """Decades as words: the style draws no mathematics."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(subs=(1.0,) if unit or which == "x" else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: si(value, unit) if unit else f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
