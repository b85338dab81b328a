"""Pictures of what stands beside the tables: noise, mismatch, corners, power. Each is the bytes of a PNG."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aishw.canvas import MUTED, RULE, SERIES, drawing, plain, png
from aishw.hardware.findings import CornerFinding, MismatchFinding, NoiseFinding, PowerFinding
from aishw.units import uW

DEVICES = 12


def noise_figure(noise: NoiseFinding) -> bytes:
    """Which devices the phase diffusion comes from, and the check of an ensemble against the PPV."""
    named = sorted(noise.by_device.items(), key=lambda item: -item[1])
    rest = sum(value for _, value in named[DEVICES:])
    bars = named[:DEVICES] + ([(f"{len(named) - DEVICES} more", rest)] if rest else [])
    with drawing(7.0, 0.9 + 0.21 * max(len(bars), 7)) as figure:
        share, check = figure.subplots(1, 2, width_ratios=(2.4, 1))
        place = np.arange(len(bars))
        share.barh(place, [100 * value / noise.thermal for _, value in bars], color=SERIES[0], height=0.7)
        share.set_yticks(place, labels=[plain(name) for name, _ in bars])
        share.invert_yaxis()
        share.set_xlabel("% of the thermal diffusion")
        share.set_title(f"thermal {noise.thermal:.3g}, flicker {noise.flicker:.3g} rad^2/cycle")
        check.errorbar([0], [noise.ensemble], [noise.ensemble_error], fmt="o", color=SERIES[1], capsize=4)
        check.plot([1], [noise.predicted], "o", color=SERIES[0])
        check.set_xticks([0, 1], labels=["ensemble", "PPV"])
        check.set_xlim(-0.6, 1.6)
        check.set_ylim(0, 1.25 * max(noise.ensemble + noise.ensemble_error, noise.predicted))
        check.set_ylabel("rad^2/cycle")
        check.set_title(f"white, {noise.test_A2_per_Hz:.2g} A^2/Hz")
        check.grid(axis="y", color=RULE, lw=0.5, alpha=0.6)
        figure.tight_layout()
        return png(figure)


def mismatch_figure(mismatch: MismatchFinding) -> bytes:
    """Histograms over the chips drawn: frequency before and after trim, gain and angle of the strongest code."""
    top = int(mismatch.codes[-1])
    shown = (
        ("frequency against nominal", 100 * mismatch.frequency, "%"),
        ("frequency after trim", 1e6 * mismatch.trim_residual, "1e-6 of f"),
        (f"gain of code {top}", 100 * (mismatch.gain[:, -1] - 1), "% from nominal"),
        (f"angle of code {top}", np.degrees(mismatch.alpha_rad[:, -1]), "degrees from nominal"),
    )
    with drawing(7.0, 4.0) as figure:
        for k, (axes, (title, values, unit)) in enumerate(zip(figure.subplots(2, 2).flat, shown)):
            kept = values[np.isfinite(values)]
            axes.hist(kept, bins=max(5, int(np.sqrt(kept.size)) + 2), color=SERIES[k], alpha=0.85)
            spread = kept.std(ddof=1) if kept.size > 1 else 0.0
            axes.set_title(f"{title}: sigma {spread:.3g}")
            axes.set_xlabel(f"{unit} ({kept.size} chips)")
            axes.set_ylabel("chips")
            axes.yaxis.get_major_locator().set_params(integer=True)
        figure.tight_layout()
        return png(figure)


def corners_figure(corners: CornerFinding) -> bytes:
    """Frequency, strengths, angle and power: a place for each corner, a colour for each temperature."""
    places = {name: k for k, name in enumerate(dict.fromkeys(corners.corner))}
    celsius = sorted(set(corners.temperature_C.tolist()))
    shown: tuple[tuple[str, str, tuple[NDArray[np.float64], ...]], ...] = (
        ("frequency", "MHz", (corners.frequency_Hz / 1e6,)),
        ("strongest code: coupling; hollow: SHIL", "rad/cycle", (corners.coupling, corners.shil)),
        ("angle of the coupling", "degrees", (np.degrees(corners.alpha_rad),)),
        ("PE with its couplers", "uW", (corners.power_W / uW,)),
    )
    with drawing(7.0, 4.6) as figure:
        for axes, (title, unit, rows) in zip(figure.subplots(2, 2).flat, shown):
            for k, temperature in enumerate(celsius):
                here = np.flatnonzero(corners.temperature_C == temperature)
                aside = 0.16 * (k - (len(celsius) - 1) / 2)
                at = [places[corners.corner[c]] + aside for c in here]
                for row, values in enumerate(rows):
                    filled = SERIES[k] if row == 0 else "none"
                    named = f"{temperature:g} C" if title == "frequency" else None
                    axes.plot(at, values[here], "o", ms=5, color=SERIES[k], mfc=filled, label=named)
            axes.set_title(title)
            axes.set_ylabel(unit)
            axes.set_xticks(range(len(places)), labels=list(places))
            axes.set_xlim(-0.5, len(places) - 0.5)
            axes.margins(y=0.15)
            axes.grid(axis="y", color=RULE, lw=0.5, alpha=0.6)
        figure.legend(loc="lower center", ncols=len(celsius))
        figure.tight_layout(rect=(0, 0.05, 1, 1))
        return png(figure)


def power_figure(power: PowerFinding, fan_in: int) -> bytes:
    """Where a PE's power goes, and what one coupler and the SHIL unit take at each code."""
    mean = float(np.mean(power.coupler_W))
    parts = (
        ("ring", power.ring_W), ("taps", power.taps_W), (f"{fan_in} couplers", fan_in * mean),
        ("SHIL, strongest", float(power.shil_W[-1])), ("reference", power.reference_W),
    )  # fmt: skip
    with drawing(7.0, 2.6) as figure:
        split, codes = figure.subplots(1, 2, width_ratios=(1.3, 1))
        place = np.arange(len(parts))
        bars = split.barh(place, [value / uW for _, value in parts], color=SERIES[0], height=0.65)
        split.bar_label(bars, fmt="%.3g", padding=3, fontsize=8, color=MUTED)
        split.set_yticks(place, labels=[name for name, _ in parts])
        split.invert_yaxis()
        split.margins(x=0.15)
        split.set_xlabel("uW")
        split.set_title(f"one PE: {sum(value for _, value in parts) / uW:.3g} uW")
        codes.plot(power.codes, power.coupler_W / uW, "o-", ms=3, lw=1, color=SERIES[0], label="coupler")
        codes.plot(power.codes, power.shil_W / uW, "o-", ms=3, lw=1, color=SERIES[1], label="SHIL unit")
        codes.set_xlabel("code")
        codes.set_ylabel("uW")
        codes.set_title("one unit by code")
        codes.margins(y=0.25)
        codes.legend()
        figure.tight_layout()
        return png(figure)
