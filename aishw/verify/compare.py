"""Two runs of one Design and Job, site by site: what differs once the family's gauge is taken out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aishw.ais.families import FAMILIES
from aishw.ais.system import System
from aishw.engines.base import Trace
from aishw.errors import CompareError
from aishw.units import TWO_PI, wrap
from aishw.verify.images import image, psnr

JUDGED = ("end_rms", "end_max", "max")


@dataclass(frozen=True)
class Slip:
    """A site that ends whole turns away from the reference: `turns` > 0 where the candidate ran ahead."""

    image: int
    site: int
    turns: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """How far a candidate's states lie from a reference's, over B images, T times and M sites that both hold.

    reference, candidate: engine names. images (B,), sites (M,), times_tau (T,): what was compared.
    gauge: what was taken out ("turn", "half_turn", "none"); gauge_rad (B, T): by how much.
    rms_rad (T,): over images and sites, phases wrapped into half a turn; rms_unwrapped_rad (T,): with slips left in.
    site_rms_rad (M,): wrapped, over images and times. chunk_rms_rad (S,): wrapped, at the end of every segment, NaN
    where no sample lies on it. end_error_rad (B, M): candidate - reference at the last time, wrapped.
    end_rms_rad, end_max_rad: of the last time; max_rad: the largest error of any image, time and site.
    worst_sites: (site, rad), largest error at the end over the images first. slips: whole turns at the last time.
    psnr_dB (B,): of the last images, peak 2 (pixels are in [-1, 1]), None unless both hold all visible sites.
    judged: which of JUDGED the limit applies to; passed: None where no limit was given.
    interpolated: the candidate was interpolated onto the reference's times.

    The states of a family that holds no phases are compared as they are: "rad" then reads "units of x".
    """

    reference: str
    candidate: str
    images: NDArray[np.int64]
    sites: NDArray[np.int64]
    times_tau: NDArray[np.float64]
    gauge: str
    gauge_rad: NDArray[np.float64]
    rms_rad: NDArray[np.float64]
    rms_unwrapped_rad: NDArray[np.float64]
    site_rms_rad: NDArray[np.float64]
    chunk_rms_rad: NDArray[np.float64]
    end_error_rad: NDArray[np.float64]
    end_rms_rad: float
    end_max_rad: float
    max_rad: float
    worst_sites: tuple[tuple[int, float], ...]
    slips: tuple[Slip, ...]
    psnr_dB: NDArray[np.float64] | None
    judged: str
    limit_rad: float | None
    interpolated: bool

    @property
    def judged_rad(self) -> float:
        """The figure that the limit applies to."""
        return {"end_rms": self.end_rms_rad, "end_max": self.end_max_rad, "max": self.max_rad}[self.judged]

    @property
    def passed(self) -> bool | None:
        return None if self.limit_rad is None else bool(self.judged_rad <= self.limit_rad)

    @property
    def end_rms_unwrapped_rad(self) -> float:
        return float(self.rms_unwrapped_rad[-1])


def compare(
    reference: Trace,
    candidate: Trace,
    system: System,
    limit_rad: float | None = None,
    *,
    judged: str = "end_rms",
    interpolate: bool = False,
    worst: int = 8,
) -> Comparison:
    """`candidate` against `reference` on the images and sites that both hold.

    Gauge, per image: an array without any reference phase ("turn") may turn as a whole, at every time by the circular
    mean of the difference; a KuraSHIL array without reference injection ("half_turn") by 0 or pi for the whole run,
    whichever fits better. A window is held by its outside: nothing is taken out unless both traces hold the whole
    array. Whole turns that a site already has at the first time are no error; those it has at the last one are slips.

    `limit_rad` applies to `judged`: the rms at the end, the largest error at the end, or the largest of the run.
    With `interpolate` the candidate is interpolated linearly onto the reference's times, where both ran.
    Raises CompareError for different designs or jobs, nothing in common, other times, and NaN.
    """
    if judged not in JUDGED:
        raise CompareError(f"cannot judge {judged!r}; choose one of {', '.join(JUDGED)}")
    if limit_rad is not None and not (math.isfinite(limit_rad) and limit_rad > 0):
        raise CompareError(f"a limit must be a positive number of rad, got {limit_rad}")
    _check_same_run(reference, candidate)
    images, of_reference, of_candidate = np.intersect1d(
        reference.images, candidate.images, return_indices=True
    )
    sites, at_reference, at_candidate = np.intersect1d(reference.sites, candidate.sites, return_indices=True)
    for what, common in (("image", images), ("site", sites)):
        if not common.size:
            raise CompareError(
                f"{reference.engine} and {candidate.engine} hold no {what} in common; run both alike"
            )
    if sites[-1] >= system.sites:
        raise CompareError(
            f"the traces hold site {sites[-1]}, the system has {system.sites} sites; give the system they ran"
        )
    wanted = reference.state[np.ix_(of_reference, np.arange(reference.times_tau.size), at_reference)]
    came = candidate.state[np.ix_(of_candidate, np.arange(candidate.times_tau.size), at_candidate)]
    for engine, state, times in (
        (reference.engine, wanted, reference.times_tau),
        (candidate.engine, came, candidate.times_tau),
    ):
        if not np.isfinite(state).all():
            b, t, m = np.argwhere(~np.isfinite(state))[0]
            raise CompareError(
                f"{engine} holds {state[b, t, m]} at image {images[b]}, {times[t]:.4g} tau, site {sites[m]}; rerun it"
            )
    times_tau, wanted, came = _on_common_times(reference, candidate, wanted, came, interpolate)

    family = FAMILIES[system.family]
    gauge = family.symmetry(system.terms) if sites.size == system.sites else "none"
    difference = came - wanted
    gauge_rad = _gauge(difference, gauge)
    error = difference - gauge_rad[:, :, None]
    wrapped = error
    slips: tuple[Slip, ...] = ()
    if family.angular:
        error = error - TWO_PI * np.round(error[:, :1] / TWO_PI)
        wrapped = wrap(error)
        turns = np.round((error[:, -1] - wrapped[:, -1]) / TWO_PI).astype(np.int64)
        slips = tuple(Slip(int(images[b]), int(sites[m]), int(turns[b, m])) for b, m in np.argwhere(turns))
    rms = np.sqrt((wrapped**2).mean(axis=(0, 2)))
    end = wrapped[:, -1]
    by_site = np.abs(end).max(axis=0)
    order = np.argsort(-by_site, kind="stable")[:worst]
    return Comparison(
        reference=reference.engine,
        candidate=candidate.engine,
        images=images,
        sites=sites,
        times_tau=times_tau,
        gauge=gauge,
        gauge_rad=gauge_rad,
        rms_rad=rms,
        rms_unwrapped_rad=np.sqrt((error**2).mean(axis=(0, 2))),
        site_rms_rad=np.sqrt((wrapped**2).mean(axis=(0, 1))),
        chunk_rms_rad=_at_boundaries(system, times_tau, rms),
        end_error_rad=end,
        end_rms_rad=float(rms[-1]),
        end_max_rad=float(by_site.max()),
        max_rad=float(np.abs(wrapped).max()),
        worst_sites=tuple((int(sites[m]), float(by_site[m])) for m in order),
        slips=slips,
        psnr_dB=_image_psnr(system, sites, wanted[:, -1], came[:, -1] - gauge_rad[:, -1:]),
        judged=judged,
        limit_rad=None if limit_rad is None else float(limit_rad),
        interpolated=interpolate,
    )


def _check_same_run(reference: Trace, candidate: Trace) -> None:
    for what, ours, theirs in (
        ("design", reference.design_id, candidate.design_id),
        ("job", reference.job_id, candidate.job_id),
    ):
        if ours != theirs:
            raise CompareError(
                f"{reference.engine} ran {what} {ours}, {candidate.engine} ran {what} {theirs}; "
                f"run both on the same {what}"
            )


def _on_common_times(
    reference: Trace,
    candidate: Trace,
    wanted: NDArray[np.float64],
    came: NDArray[np.float64],
    interpolate: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    ours, theirs = reference.times_tau, candidate.times_tau
    slack = 1e-9 * max(1.0, float(np.abs(ours).max()))
    if ours.shape == theirs.shape and np.allclose(ours, theirs, rtol=0, atol=slack):
        return ours, wanted, came
    if not interpolate:
        raise CompareError(
            f"{reference.engine} was sampled {ours.size} times up to {ours[-1]:.6g} tau, "
            f"{candidate.engine} {theirs.size} times up to {theirs[-1]:.6g}; sample both alike or ask for interpolation"
        )
    inside = (ours >= theirs[0] - slack) & (ours <= theirs[-1] + slack)
    if not inside.any():
        raise CompareError(f"{reference.engine} and {candidate.engine} have no overlapping times; rerun one")
    ours = ours[inside]
    left = np.clip(np.searchsorted(theirs, ours, side="right") - 1, 0, max(theirs.size - 2, 0))
    right = np.minimum(left + 1, theirs.size - 1)
    step = np.where(right > left, theirs[right] - theirs[left], 1.0)
    weight = np.clip((ours - theirs[left]) / step, 0.0, 1.0)[None, :, None]
    return ours, wanted[:, inside], came[:, left] * (1 - weight) + came[:, right] * weight


def _gauge(difference: NDArray[np.float64], gauge: str) -> NDArray[np.float64]:
    """(B, T) rad to take from `difference` (B, T, M)."""
    if gauge == "turn":
        turn = np.angle(np.exp(1j * difference).mean(axis=2))
        beyond = np.median(difference - turn[:, :, None], axis=2)
        return turn + TWO_PI * np.round(beyond / TWO_PI)
    amount = np.zeros(difference.shape[:2])
    if gauge == "half_turn":
        upright = (wrap(difference) ** 2).sum(axis=(1, 2))
        turned = (wrap(difference - math.pi) ** 2).sum(axis=(1, 2))
        amount[turned < upright] = math.pi
    return amount


def _at_boundaries(
    system: System, times_tau: NDArray[np.float64], rms: NDArray[np.float64]
) -> NDArray[np.float64]:
    ends = system.boundaries_tau[1:]
    nearest = np.abs(times_tau[None, :] - ends[:, None]).argmin(axis=1)
    on_it = np.abs(times_tau[nearest] - ends) <= 1e-6 * ends[-1]
    return np.where(on_it, rms[nearest], np.nan)


def _image_psnr(
    system: System, sites: NDArray[np.int64], wanted: NDArray[np.float64], came: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    if not system.topology.visible.size or not np.isin(system.topology.visible, sites).all():
        return None
    return psnr(image(system, wanted, sites), image(system, came, sites))
