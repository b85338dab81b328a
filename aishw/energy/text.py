"""What `aishw power` prints: tables with a provenance column, and beneath them the sources and what is left out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from aishw.energy.ledger import GROUPS

RUN_HEAD = ("couplings", "bits", "level", "bias", "slower", "size", "measured", "predicted", "error")
PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def si(value: float, unit: str, digits: int = 3) -> str:
    """So many digits with an SI prefix."""
    if not value:
        return f"0 {unit}"
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3 + 1e-12), -18), 9)
    if float(f"{abs(value) / 10.0**power:.{digits}g}") >= 1000 and power < 9:
        power += 3
    return f"{value / 10.0**power:.{digits}g} {PREFIXES[power]}{unit}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    """Columns as wide as their entries; `right`: columns of numbers."""
    every, right = [list(head), *map(list, rows)], set(right)
    wide = [max(len(row[k]) for row in every) for k in range(len(head))]
    lines = ["  ".join(c.rjust(w) if k in right else c.ljust(w) for k, (c, w) in enumerate(zip(row, wide))).rstrip()
             for row in every]  # fmt: skip
    return [lines[0], "  ".join("-" * w for w in wide), *lines[1:]]


def law_text(found: dict[str, Any]) -> list[str]:
    """The law's table."""
    title = (
        f"The law for {found['sites']:,} sites, {found['couplings']:,} couplings, {found['bits']} bits, "
        f"{found['cycles']:g} cycles at {si(found['frequency_Hz'], 'Hz')}:"
    )
    rows = [
        (name, *(si(row[key], key[-1], 4) for key in ("node_W", "array_W", "image_J")), row["provenance"])
        for name, row in found["variants"].items()
    ]
    return [title, "", *table(("variant", "a node", "the array", "an image", "provenance"), rows, (1, 2, 3))]


def power_text(found: dict[str, Any]) -> list[str]:
    """The whole answer for a ledger."""
    lines = [*_ledger(found["ledger"]), "", *_beside(found), "", *_strategies(found)]
    if found["sweep"]:
        lines += ["", *sweep_text(found["sweep"])]
    lines += ["", *_corners(found["corners"])] if found["corners"] else []
    lines += ["", "Assumed, with the factor by which each may be off:"]
    lines += [f"  {each['name']}: {each['source']} (x {each['off']:g})" for each in found["assumed"]]
    lines += ["", "Left out of the sum:", *(f"  {each}" for each in found["ledger"]["left_out"])]
    return lines


def _ledger(book: dict[str, Any]) -> list[str]:
    said = (
        f"{book['name']} on {book['target']}: {book['sites']:,} sites of {book['couplings']} couplings, {book['bits']} "
        f"bits, {book['chunks']} chunks, {book['strategy']}",
        f"{book['cycles']:.4g} cycles at {si(book['frequency_Hz'], 'Hz')} ({book['cycles_from']}); "
        f"an image takes {si(book['image_s'], 's')}",
    )
    rows: list[tuple[str, ...]] = []
    for group in GROUPS:
        for line in (line for line in book["lines"] if line["group"] == group):
            share = f"{100 * line['energy_J'] / book['image_J']:.1f}"
            rows.append((group, line["name"], si(line["energy_J"], "J"), si(line["error_J"], "J"), share,
                         line["provenance"], line["source"]))  # fmt: skip
    total = ("all", "an image", si(book["image_J"], "J"), si(book["error_J"], "J"), "100", "", "")
    head = ("group", "line", "energy", "+-", "%", "provenance", "source")
    return [*said, "", *table(head, [*rows, total], (2, 3, 4))]


def _beside(found: dict[str, Any]) -> list[str]:
    rows = []
    for each in found["beside"]:
        low, high = si(each["low_J"], "J"), si(each["high_J"], "J")
        rows.append((each["name"], low if low == high else f"{low} to {high}", each["provenance"], each["source"]))
    nodes = [(each["name"], si(each["watts"], "W"), each["provenance"], each["source"]) for each in found["nodes"]]
    return [
        *table(("beside it, an image", "energy", "provenance", "source"), rows, (1,)), "",
        *table(("one node", "power", "provenance", "source"), nodes, (1,)),
    ]  # fmt: skip


def _strategies(found: dict[str, Any]) -> list[str]:
    rows = [
        (name, si(each["image_J"], "J"), si(each["error_J"], "J"), si(each["image_s"], "s"),
         f"{each['storage_bits']:,}", f"{each['writes']:,}", f"{each['transfers']:,}", str(each["cores"]),
         f"{each['area_m2'] * 1e6:.3g}")
        for name, each in found["strategies"].items()
    ]  # fmt: skip
    head = ("strategy", "energy", "+-", "an image", "bits stored", "writes", "states moved", "cores", "mm2 (proxy)")
    least = [
        (f"{each['cycles']:g}", f"{each['images']:g}", each["strategy"],
         ", ".join(f"{name} {si(joules, 'J')}" for name, joules in each["energy_J"].items()))
        for each in found["winners"]
    ]  # fmt: skip
    return [
        *table(head, rows, range(1, 9)), "",
        *table(("cycles", "images a programming", "least energy", "each"), least, (0, 1)),
    ]  # fmt: skip


def sweep_text(found: dict[str, Any]) -> list[str]:
    """The sweep's checks, held-out runs, and the law."""

    def number(value: float, unit: str) -> str:
        return si(value, unit) if unit else f"{value:.3g}"

    against = [
        (each["name"], number(each["found"], each["unit"]), number(each["off"], each["unit"]),
         number(each["law"], each["unit"]), "yes" if each["agrees"] else "no", each["why"])
        for each in found["against_law"]
    ]  # fmt: skip
    runs = [
        (str(each["couplings"]), str(each["bits"]), f"{each['level']:g}", str(each["bias"]), f"{each['slower']:g}",
         f"{each['size']:.3g}", si(each["measured_W"], "W"), si(each["predicted_W"], "W"),
         f"{100 * each['error']:+.1f} %")
        for each in found["held_out"]
    ]  # fmt: skip
    met = found["law_met_at"]
    tried = f"; simulated at {met['tried']:g} times: {si(met['tried_W'], 'W')} a coupling" if met["tried"] else ""
    checks = [
        f"{'held' if each['passed'] else 'FELL SHORT'}: {each['name']}: {100 * each['found']:+.2f} % (limit "
        f"{100 * each['limit']:g} %)"
        for each in found["checks"]
    ]
    return [
        f"Simulated ({found['runs']} runs, {found['simulator']}) against the law:", "",
        *table(("figure", "found", "+- 95 %", "law", "agrees (or within 5 %)", "why"), against, (1, 2, 3)), "",
        f"The law's slope would be met by couplers {met['size']:.0f} times as large, whose strongest code would move a "
        f"phase by {met['rate_rad_per_cycle']:.2g} rad in a cycle (along the model, far beyond its runs{tried}).", "",
        "Runs that the power model did not see:", "",
        *table(RUN_HEAD, runs, range(9)), "", *checks,
    ]  # fmt: skip


def _corners(rows: list[dict[str, Any]]) -> list[str]:
    shown = [
        (each["corner"], f"{each['temperature_C']:g} C", si(each["pe_W"], "W"), si(each["cycle_J"], "J"),
         f"{each['image_over_nominal']:.2f}")
        for each in rows
    ]  # fmt: skip
    head = ("corner", "at", "PE, merged cells", "a cycle", "an image over tt, 27 C, biases fixed")
    return table(head, shown, (1, 2, 3, 4))
