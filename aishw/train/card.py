"""Model cards: what a checkpoint is, how it was made, how good it is, what it is for. Markdown, every number from the
checkpoint's own header or from `aishw score`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aishw.ais.families import FAMILIES
from aishw.ais.system import System

# name of a data set or its folder: what it is, its licence, where that is stated
SOURCES = {
    "digits": (
        "Optical Recognition of Handwritten Digits (E. Alpaydin, C. Kaynak, 1998; UCI Machine Learning Repository): "
        "1,797 images of 8x8 pixels, as scikit-learn ships them",
        "CC BY 4.0 (stated by the UCI repository)",
    ),
    "mnist": (
        "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges, 1998): handwritten digits, 28x28 pixels",
        "CC BY-SA 3.0 (stated by the documentation of Keras and TensorFlow)",
    ),
    "fashion": (
        "Fashion-MNIST (H. Xiao, K. Rasul, R. Vollgraf, 2017; Zalando SE): pictures of clothes, 28x28 pixels",
        "MIT (stated in its repository)",
    ),
}


def write_card(system: System, made_by: Mapping[str, Any], scored: Mapping[str, Any]) -> str:
    """The card. made_by: the checkpoint's statement. scored: what `aishw score --json` prints of it."""
    parts = [
        f"# {system.name}\n\n{_sentence(system)}",
        _table(_facts(system, made_by, scored), ("", "")),
        "## How it was made\n\n" + _table(_making(made_by), ("", "")) + _recipe(made_by),
        "## Data\n\n" + _data(made_by, scored),
        "## How good it is\n\n" + _scores(scored),
        "## What it is for\n\n" + _use(scored),
        "## Limits\n\n" + "\n".join(f"- {line}" for line in _limits(system, scored)),
    ]
    return "\n\n".join(parts) + "\n"


def _sentence(system: System) -> str:
    top, rows = system.topology, system.topology.image_shape
    return (
        f"Draws images of {rows[0]}x{rows[1]} pixels: the end state of {system.sites:,} {system.family} sites on a "
        f"{top.height}x{top.width} torus, {top.fan_in} {'symmetric ' if top.symmetric else ''}couplings a site, "
        f"{system.segments} chunk(s), from random start states."
    )


def _facts(system: System, made_by: Mapping[str, Any], scored: Mapping[str, Any]) -> list[tuple[str, str]]:
    recipe = made_by.get("recipe") or {}
    bits = recipe.get("bits") or 0
    return [
        ("file", f"`{scored['checkpoint']}`"),
        ("equation", f"`{FAMILIES[system.family].equation}`"),
        ("parameters", f"{system.parameters:,}"),
        ("weights", f"what {bits}-bit codes of {recipe.get('target')} stand for" if bits else "floating point"),
        ("duration", f"{system.boundaries_tau[-1]:g} tau"),
        ("start state", f"N({system.start.mean:g}, {system.start.deviation:g}^2) at every site"),
        ("pixel", f"{system.readout} of the phase" if system.readout != "identity" else "the state itself"),
        ("noise in training", f"{system.noise.delta:g} ({system.noise.convention})"),
        ("system id", f"`{system.id}`"),
    ]


def _making(made_by: Mapping[str, Any]) -> list[tuple[str, str]]:
    names = {"command": "command", "seed": "seed", "cpu_s": "processor time, s", "weights": "kept weights",
             "torch": "torch"}  # fmt: skip
    rows = [
        (shown, f"`{made_by[key]}`" if key == "command" else str(made_by[key]))
        for key, shown in names.items() if made_by.get(key) not in (None, "")
    ]  # fmt: skip
    return rows or [("command", "the checkpoint does not say")]


def _recipe(made_by: Mapping[str, Any]) -> str:
    recipe = made_by.get("recipe")
    if not recipe:
        return ""
    lines = [f"{key} = {_toml(value)}" for key, value in recipe.items() if not isinstance(value, Mapping)]
    for key, table in recipe.items():
        if isinstance(table, Mapping) and table:
            lines += ["", f"[{key}]", *(f"{name} = {_toml(value)}" for name, value in table.items())]
    return "\n\nThe recipe, whole (`aishw train --recipe` takes it):\n\n```toml\n" + "\n".join(lines) + "\n```"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def _data(made_by: Mapping[str, Any], scored: Mapping[str, Any]) -> str:
    name = str(scored["dataset"])
    found = next((facts for key, facts in SOURCES.items() if key in name.lower()), None)
    what, licence = found or (f"a folder of idx files named {name!r}", "not known to aishw; its owner states it")
    return (
        f"{what}.\nLicence: {licence}. Trained on and scored against: {scored['real']:,} images "
        f"(split: {scored['split']}). The images are not part of this file."
    )


def _scores(scored: Mapping[str, Any]) -> str:
    seeds, right = scored["seeds"], scored["accuracy"]
    named = "" if right is None else f", which names {right:.1%} of held-out images rightly"
    over = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]} to {seeds[-1]} (mean; lowest to highest)"
    text = (
        f"Frechet distance on the features of {scored['extractor']}{named}; n = {scored['images']:,} images of start "
        f"{over}, against {scored['real']:,} real ones. Floor (one half of the real images against the other): "
        f"{scored['floor']:.3g}. Noise (pixels without structure): {scored['noise']:.4g}. Distances on other features, "
        "or at another n, mean something else.\n\n"
    )
    rows = []
    for row in (*scored["rows"], scored["real_halves"]):
        each = row["qualities"]
        low, high = (pick(q["score"]["distance"] for q in each) for pick in (min, max))
        spread = "" if len(each) == 1 else f" ({low:.3g} to {high:.3g})"
        apart = [q["class_distance"] for q in each]
        rows.append((
            row["way"], f"{row['distance']:.3g}{spread}", _mean(each, "precision", ".2f"), _mean(each, "recall", ".2f"),
            "-" if None in apart else _mean(each, "class_distance", ".3f"), _mean(each, "nearest", ".2f"),
            _mean(each, "copies", ".1%"),
        ))  # fmt: skip
    heads = ("way", "distance", "precision", "recall", "classes", "nearest", "copies")
    growth, circuit = scored["sensitivity"], scored.get("circuit")
    text += _table(rows, heads) + (
        "\n\nPrecision and recall: k = 3 neighbours, at most 2,000 images a side. Classes: total variation distance of "
        "the class histogram from the real one. Nearest: median distance to the nearest real image over the real "
        "images' own. Copies: images nearer to a real one than 99 % of the real ones are to each other.\n\n"
        f"A start perturbation grows {growth['median']:.3g} times over a run (median of {growth['images']} images)."
    )
    if circuit and circuit["calibrated"]:
        text += (
            f"\n\nThe circuit is {circuit['target']} as its calibration has it, {circuit['bits']} bit, "
            f"{circuit['cycles']:.0f} cycles an image; its reference is shifted by {circuit['reference_shift']:+.5f} "
            "rad per cycle. Untouched means without that shift."
        )
    return text + f"\n\nMade by `{scored['command']}`."


def _use(scored: Mapping[str, Any]) -> str:
    return (
        f"A test object: something worth verifying on a circuit (`aishw lower`, `aishw verify`), and a yardstick for "
        f"training. It draws pictures like those of {scored['dataset']} and knows nothing else."
    )


def _limits(system: System, scored: Mapping[str, Any]) -> list[str]:
    lines = [
        "It draws without condition: a class cannot be asked for.",
        "Its score is against images that it was trained on; the copies column says how near it comes to them.",
        "Small differences grow over a run, so two faithful runs need not give the same pixels.",
    ]
    best = min(row["distance"] for row in scored["rows"])
    lines += [
        f"{row['way']} costs quality: {row['distance']:.3g} where the best way has {best:.3g}."
        for row in scored["rows"] if row["distance"] > 1.5 * best
    ]  # fmt: skip
    if not (scored.get("circuit") or {}).get("calibrated"):
        lines.append("It was not scored through a circuit here; `aishw score --through macromodel` does.")
    return lines


def _mean(each: list[Mapping[str, Any]], name: str, form: str) -> str:
    return format(sum(q[name] for q in each) / len(each), form)


def _table(rows: Sequence[tuple[str, ...]], heads: tuple[str, ...]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
