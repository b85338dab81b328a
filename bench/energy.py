"""The README's energy tables and pictures, from stored results: `python bench/energy.py [--write]`.

Without --write the tables are printed. With it they replace what stands between the README's two `<!-- energy -->`
lines, and the pictures go into docs/energy/. Nothing is simulated: `aishw power --sweep` does that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from marks import write_between

from aishw.energy.answer import Sizes, of_sizes
from aishw.energy.figures import write_figures
from aishw.energy.text import si
from aishw.library import DEFAULT_TARGET

TOP = Path(__file__).parent.parent
SIZES = Sizes(56 * 56, 24, 4, 4)
MARK = "<!-- energy -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def sections(found: dict[str, Any]) -> str:
    """Every table, with a sentence before each."""
    book = found["ledger"]
    lines = [
        (x["group"], x["name"], si(x["energy_J"], "J"), si(x["error_J"], "J"), x["provenance"], x["source"])
        for x in book["lines"]
    ]
    lines.append(("", "**an image**", f"**{si(book['image_J'], 'J')}**", si(book["error_J"], "J"), "", ""))
    beside = [(x["name"], span(x), x["provenance"], x["source"]) for x in found["beside"]]
    nodes = [(x["name"], si(x["watts"], "W"), x["provenance"], x["source"]) for x in found["nodes"]]
    kinds = [
        (name, si(x["image_J"], "J"), si(x["image_s"], "s"), f"{x['storage_bits']:,}", f"{x['area_m2'] * 1e6:.2g}")
        for name, x in found["strategies"].items()
    ]
    least = [(f"{x['cycles']:g}", f"{x['images']:g}", x["strategy"],
              ", ".join(si(joules, "J") for joules in x["energy_J"].values())) for x in found["winners"]]  # fmt: skip
    said = (
        f"An image on 56x56 sites of `{DEFAULT_TARGET}`, 24 couplings, 4 bits, 4 chunks: {book['cycles']:.0f} cycles "
        f"({book['cycles_from']}) at {si(book['frequency_Hz'], 'Hz')}, {si(book['image_s'], 's')} with the readout."
    )
    blocks = [
        said,
        table(("", "line", "energy", "+-", "provenance", "source"), lines),
        table(("beside it, an image", "energy", "provenance", "source"), beside),
        table(("one node", "power", "provenance", "source"), nodes),
        *(sweep_sections(found["sweep"]) if found["sweep"] else []),
        table(("schedule", "energy", "an image takes", "weight bits", "mm2 (proxy)"), kinds),
        table(("cycles", "images a programming", "least energy", ", ".join(found["strategies"])), least),
    ]
    return "\n\n".join(blocks)


def sweep_sections(sweep: dict[str, Any]) -> list[str]:
    """The simulation against the law."""
    against = [
        (x["name"], number(x["found"], x["unit"]), number(x["off"], x["unit"]), number(x["law"], x["unit"]),
         "yes" if x["agrees"] else "no", x["why"])
        for x in sweep["against_law"]
    ]  # fmt: skip
    met, checks = sweep["law_met_at"], sweep["checks"]
    runs = [
        (str(x["couplings"]), str(x["bits"]), f"{x['level']:g}", str(x["bias"]), f"{x['slower']:g}", f"{x['size']:.2f}",
         si(x["measured_W"], "W"), si(x["predicted_W"], "W"), f"{100 * x['error']:+.1f} %")
        for x in sweep["held_out"]
    ]  # fmt: skip
    tried = f" ({si(met['tried_W'], 'W')} a coupling was simulated at {met['tried']:g} times)" if met["tried"] else ""
    return [
        table((f"{sweep['runs']} runs, {sweep['simulator']}", "found", "+- 95 %", "law", "agrees", "why"), against),
        f"The law's slope is met by couplers {met['size']:.0f} times as large{tried}; their strongest code would move "
        f"a phase by {met['rate_rad_per_cycle']:.2g} rad in a cycle.",
        table(("couplings", "bits", "level", "bias", "slower", "size", "measured", "predicted", "error"), runs),
        table(("check", "found", "limit"), [(x["name"], f"{100 * x['found']:+.2f} %", f"{100 * x['limit']:g} %")
                                            for x in checks]),
    ]  # fmt: skip


def span(row: dict[str, Any]) -> str:
    low, high = si(row["low_J"], "J"), si(row["high_J"], "J")
    return low if low == high else f"{low} to {high}"


def number(value: float, unit: str) -> str:
    return si(value, unit) if unit else f"{value:.3g}"


def main() -> None:
    answer = of_sizes(SIZES, DEFAULT_TARGET, DEFAULT_TARGET, None, None, None)
    text = sections(answer.record)
    if "--write" not in sys.argv[1:]:
        print(text)
        return
    for path in write_figures(TOP / "docs" / "energy", answer, overwrite=True):
        print(path.relative_to(TOP))
    write_between(MARK, text)


if __name__ == "__main__":
    main()
