"""The report: one self-contained HTML page, report.json beside it, and the pictures as files."""

from __future__ import annotations

import base64
import json
import math
import os
import shlex
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aishw.errors import StoreError
from aishw.verify import figures
from aishw.verify.images import image, png_bytes, sheet
from aishw.verify.ladder import NOT_THE_CIRCUIT, Rung
from aishw.verify.record import PROVENANCE, SCHEMA, Report, record

PREFIXES = ("f", "p", "n", "µ", "m", "", "k", "M", "G", "T")
STRIP = 4  # end images in a row of the ladder
STRIP_WIDE = 20  # in a row of the scored images


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Raises StoreError if `write_report` would refuse `folder`: ask before a long run.

    With `overwrite` only an empty folder or one that holds a report of ours is replaced.
    """
    folder = Path(folder)
    if not folder.exists() and not folder.is_symlink():
        parent = next(each for each in folder.absolute().parents if each.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise StoreError(
                f"cannot write {folder}: {parent} is not a folder you may write to; choose another"
            )
        return
    if folder.is_symlink() or not folder.is_dir():
        raise StoreError(f"{folder} exists and is not a folder; choose another name")
    if not overwrite:
        raise StoreError(f"folder {folder} exists; choose another name or ask to overwrite it")
    if any(folder.iterdir()) and not _found(folder):
        raise StoreError(
            f"folder {folder} holds something that is not a report; it is not overwritten, choose another"
        )
    if not os.access(folder.absolute().parent, os.W_OK | os.X_OK):
        raise StoreError(f"cannot replace {folder}: its parent folder may not be written; choose another")


def write_report(folder: Path, report: Report, overwrite: bool = False) -> Path:
    """Writes report.html, report.json and the PNGs into `folder`; returns the path of the page.

    Everything is written into a temporary folder beside it and renamed, so that a reader finds the old report or the
    new one. Raises StoreError if the folder exists (unless `overwrite`, see `check_folder`) or cannot be written.
    """
    folder = Path(folder)
    check_folder(folder, overwrite)
    content = record(report)
    pictures = draw(report)
    content["pictures"] = list(pictures)
    page = render(content, pictures)
    target = folder.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name[:40]}.") as scratch:
            fresh = Path(scratch) / "new"
            fresh.mkdir()
            for name, picture in pictures.items():
                (fresh / name).write_bytes(picture)
            (fresh / "report.json").write_text(
                json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8"
            )
            (fresh / "report.html").write_text(page, encoding="utf-8")
            _swap(fresh, target, Path(scratch) / "old")
    except OSError as error:
        raise StoreError(
            f"cannot write a report into {folder}: {error.strerror or error}; "
            "nothing was changed, choose another folder"
        ) from None
    return folder / "report.html"


def draw(report: Report) -> dict[str, bytes]:
    """File name -> PNG of every picture. Names are made from the rung's number, never from its name."""
    system = report.design.system
    pictures: dict[str, bytes] = {}
    for k, rung in enumerate(report.rungs):
        if _shows_image(report, rung):
            pictures[f"rung{k}_end.png"] = _strip(report, rung)
        pictures[f"rung{k}_images.png"] = figures.rung_images(system, rung, report.images_shown)
        if rung.above is not None and rung.above_trace is not None:
            names = (rung.above_name, rung.name)
            pictures[f"rung{k}_sites.png"] = figures.trajectories(
                system, rung.above_trace, rung.trace, rung.above, names
            )
    if len(report.rungs) > 1:
        pictures["rms.png"] = figures.rms_over_time(system, report.rungs)
    pictures["codes.png"] = figures.weights_and_codes(report.design)
    for k, strip in enumerate(report.distribution.strips.values() if report.distribution else ()):
        wide = sheet(strip, STRIP_WIDE, upscale=max(2, 32 // strip.shape[1]))
        pictures[f"distribution{k}.png"] = png_bytes(wide)
    for k, shown in enumerate(report.waveforms):
        pictures[f"waveform{k}.png"] = figures.waveform(shown)
    return pictures


def render(content: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page: names are escaped, pictures are data URIs, and its own policy forbids scripts and requests."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(num=_number, text=_printable, brief=_brief, si=_si)
    uris = {
        name: "data:image/png;base64," + base64.b64encode(each).decode() for name, each in pictures.items()
    }
    sizes = {name: _png_size(each) for name, each in pictures.items()}
    return environment.get_template("report.html.j2").render(
        r=content,
        picture=uris,
        size=sizes,
        command=shlex.join(content["reproduce"]["command"]),
        provenance=PROVENANCE,
        plain_words=NOT_THE_CIRCUIT,
        waveforms=sorted(name for name in pictures if name.startswith("waveform")),
        strips=sorted(name for name in pictures if name.startswith("distribution")),
    )


def _swap(fresh: Path, target: Path, old: Path) -> None:
    """`fresh` becomes `target`; files beside the old report that are not ours move along. An interrupt undoes it."""
    ours = _pictures_of(target) | {"report.html", "report.json"}
    try:
        if target.exists():
            os.rename(target, old)
        os.rename(fresh, target)
    finally:
        if old.exists() and not target.exists():
            os.rename(old, target)
    for other in list(old.iterdir()) if old.exists() else ():
        if other.name not in ours and not (target / other.name).exists():
            os.rename(other, target / other.name)


def _shows_image(report: Report, rung: Rung) -> bool:
    visible = report.design.system.topology.visible
    return bool(visible.size and np.isin(visible, rung.trace.sites).all())


def _strip(report: Report, rung: Rung) -> bytes:
    system, trace = report.design.system, rung.trace
    ends = image(system, trace.state[:STRIP, -1], trace.sites)
    height = max(ends.shape[1], ends.shape[2] // 4)
    return png_bytes(sheet(ends, STRIP, upscale=2 * max(1, 60 // height), gap=8))


def _found(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}


def _pictures_of(folder: Path) -> set[str]:
    named = _found(folder).get("pictures", [])
    return {name for name in named if isinstance(name, str)} if isinstance(named, list) else set()


def _png_size(png: bytes) -> tuple[int, int]:
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


def _printable(text: object, limit: int = 200) -> str:
    """`text` with control, bidirectional and other invisible characters spelt out, `limit` characters at most."""
    cut = str(text)
    cut = cut if len(cut) <= limit else cut[: limit - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)


def _number(value: float | int | None, digits: int = 3) -> str:
    """Three significant digits, plain between 1e-3 and 1e5; a dash for what does not exist."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-3 <= abs(value) < 1e5:
        places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:,.{places}f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def _brief(values: list[float], unit: str = "") -> str:
    """A list of numbers as one of them if all are alike, else all, or its range if it is long."""
    if not values:
        return "–"
    said = [_si(value, unit) if unit else _number(value) for value in values]
    if min(values) == max(values):
        return said[0] if len(values) == 1 else f"{said[0]} each"
    if len(values) <= 6:
        return ", ".join(said)
    return f"{said[values.index(min(values))]} to {said[values.index(max(values))]}"


def _si(value: float | None, unit: str) -> str:
    """`value` with an SI prefix, for the eye; report.json keeps the plain number."""
    if value is None or value == 0:
        return f"{_number(value)} {unit}"
    power = max(-5, min(4, math.floor(math.log10(abs(value)) / 3)))
    if float(f"{abs(value) / 1000.0**power:.3g}") >= 1000 and power < 4:
        power += 1
    return f"{value / 1000.0**power:.3g}\u00a0{PREFIXES[power + 5]}{unit}"
