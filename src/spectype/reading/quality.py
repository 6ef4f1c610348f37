"""Errors, masks and fills: what to believe of them. A quality that leaves nothing is no quality."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.reading.units import Floats

Bools = NDArray[np.bool_]

# A gap filled with one value, as 0 or the 0.0001 of the Indo-US library: so many pixels and so many
# Angstrom of exactly the same flux, below this share of the median. A real continuum that was
# rounded may repeat itself, too, but not so far down.
FILL_PIXELS, _FILL_SPAN, _FILL_LEVEL = 8, 5.0, 0.05
_NO_VALUE = np.array([
    99, 99.9, 99.99, 999, 999.9, 999.99, 9999, 9999.99, 99999, 999999, 32768, 1e10, 1e20, 1e30,
    1e31, 1e37, 1e38, 9.969209968386869e36,
])  # fmt: skip
_SENTINELS = np.concatenate([_NO_VALUE, _NO_VALUE.astype(np.float32)])  # of either sign
_FAR = 20.0  # a sentinel is so many times the usual flux away
_BITMASK = 1.5  # a mask with larger values holds bits, which mean different things


@dataclass(slots=True)
class Quality:
    """Inverse variance and bad pixels, both (n_spec, n_pix) or None, and what was decided.

    `turned` says that the mask marked the good pixels.
    """

    ivar: Floats | None = None
    bad: Bools | None = None
    turned: bool = False
    notes: list[str] = field(default_factory=list)


def variance_inverse(
    *, error: ArrayLike | None = None, variance: ArrayLike | None = None
) -> Floats | None:
    """Inverse variance from errors or variances; 0 where they are not positive and finite."""
    if error is not None:
        variance = np.square(np.where(np.asarray(error) > 0, error, np.nan), dtype=np.float64)
    if variance is None:
        return None
    var = np.asarray(variance, dtype=np.float64)
    good = np.isfinite(var) & (var > 0)
    return np.where(good, 1.0 / np.where(good, var, 1.0), 0.0)


def judge(flux: NDArray[Any], values: dict[str, NDArray[Any]]) -> Quality:
    """Inverse variance and bad pixels from what a file gives.

    Parameters
    ----------
    flux : ndarray, shape (n_spec, n_pix)
    values : dict
        By role (ivar, error, variance, mask, good), each in the shape of `flux`.
    """
    found = Quality()
    role = next((r for r in ("ivar", "error", "variance") if r in values), None)
    if role is not None:
        found.ivar = _ivar(role, values[role])
        absent = sentinels(np.atleast_2d(np.asarray(values[role], np.float64)))
        found.ivar = np.where(absent & (found.ivar > 0), 0.0, found.ivar)
        why = _useless(role, found.ivar, values[role], flux)
        if why:
            found.ivar = None
            found.notes.append(f"{role} column {why}: taken as no errors")
    if "mask" in values or "good" in values:
        _judge_mask(found, flux, values)
    return found


def _ivar(role: str, values: NDArray[Any]) -> Floats:
    if role == "ivar":
        ivar = np.asarray(values, np.float64)
        return np.where(np.isfinite(ivar) & (ivar > 0), ivar, 0.0)
    found = variance_inverse(**{role: values})
    assert found is not None
    return found


def _useless(role: str, ivar: Floats, values: NDArray[Any], flux: NDArray[Any]) -> str | None:
    """Why a column of errors says nothing, or None."""
    if not (ivar > 0).any():
        finite = values[np.isfinite(values)]
        if not finite.size:
            return "is empty"
        return f"is {finite.flat[0]:g} everywhere" if np.ptp(finite) == 0 else "is never positive"
    alive = np.isfinite(flux) & (flux != 0)
    if ivar.size > 50 and (ivar[alive] > 0).mean() < 0.02 if alive.any() else False:
        return "is not positive for 98 % of the pixels"
    constant = ivar.size > 50 and np.ptp(values) == 0 and float(values.flat[0]) == 1.0
    # One everywhere is what programs write that have no errors, unless the flux agrees.
    if constant and not 0.3 < noise(flux) < 3.0:
        return "is 1 everywhere"
    return None


def noise(flux: NDArray[Any]) -> float:
    """Typical noise of the pixels of `flux`, from differences of neighbours; NaN for none."""
    rows = np.atleast_2d(np.asarray(flux, np.float64))
    second = rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2]
    second = second[np.isfinite(second) & (second != 0)]
    return float(np.median(np.abs(second)) * 1.4826 / np.sqrt(6.0)) if second.size else float("nan")


def _judge_mask(found: Quality, flux: NDArray[Any], values: dict[str, NDArray[Any]]) -> None:
    """Decide whether a mask marks bad or good pixels, or nothing that helps."""
    said_good = "mask" not in values
    values_of = values["good"] if said_good else values["mask"]
    numbers = np.asarray(values_of, np.float64)
    finite = np.isfinite(numbers)
    distinct = np.unique(numbers[finite])
    if distinct.size > 2 and (distinct != np.rint(distinct)).any():
        found.notes.append("quality column holds no flags: ignored")
        return
    marked = ~finite | (numbers != 0)
    if said_good:
        found.bad = ~(numbers > 0)
        if found.bad.all():
            found.bad = None
            found.notes.append("mask ignored: it leaves no pixel")
        return
    if marked.all():
        found.notes.append("mask ignored: it marks every pixel")
        return
    if not marked.any():
        found.bad = marked
        return
    bits = bool(np.abs(distinct).max() > _BITMASK) if distinct.size else False
    upside_down = not bits and _marks_good(marked, flux, found.ivar)
    if upside_down:
        found.notes.append(f"mask marks {marked.mean():.0%} of the pixels: taken as 1 for good")
        found.bad, found.turned = ~marked, True
    elif bits and marked.mean() > 0.9:
        found.notes.append(f"mask ignored: it marks {marked.mean():.0%} of the pixels")
    else:
        found.bad = marked


def _marks_good(marked: Bools, flux: NDArray[Any], ivar: Floats | None) -> bool:
    """Whether the marked pixels are the good ones.

    The witnesses: pixels without flux or error stand among the bad; else the noisier part is
    the bad one; else the smaller.
    """
    defect = ~np.isfinite(flux) | (flux == 0)
    if ivar is not None:
        defect |= ivar <= 0
    if defect.any() and not defect.all():
        among, outside = defect[marked].mean(), defect[~marked].mean()
        if max(among, outside) > 0.3 and max(among, outside) > 3 * min(among, outside):
            return bool(outside > among)
    if marked.mean() < 0.5:
        return False
    inside, beyond = (_noise_of(flux, part) for part in (marked, ~marked))
    # Most pixels are marked: are they the worse ones?
    return not (np.isfinite(inside) and np.isfinite(beyond) and inside > 2 * beyond)


def _noise_of(flux: NDArray[Any], part: Bools) -> float:
    """Noise relative to the flux among the pixels of `part` whose neighbours belong to it."""
    rows = np.asarray(flux, np.float64)
    second = np.abs(rows[:, 2:] - 2 * rows[:, 1:-1] + rows[:, :-2])
    whole = part[:, 2:] & part[:, 1:-1] & part[:, :-2] & np.isfinite(second)
    if whole.sum() < 20:
        return float("nan")
    return float(np.median(second[whole]) / max(np.median(np.abs(rows[:, 1:-1][whole])), 1e-300))


def sentinels(flux: Floats) -> Bools:
    """Pixels of `flux` (n_spec, n_pix) that hold a number that stands for "no value"."""
    found = np.zeros(flux.shape, bool)
    hits = np.isin(np.abs(flux), _SENTINELS)
    for i in np.flatnonzero(hits.any(axis=1)):
        rest = np.abs(flux[i][~hits[i] & np.isfinite(flux[i]) & (flux[i] != 0)])
        usual = float(np.percentile(rest, 99)) if rest.size else 0.0
        found[i] = hits[i] & (np.abs(flux[i]) > _FAR * usual)
        negative = hits[i] & (flux[i] < -2 * usual)
        found[i] |= negative
    return found


def filled(wave: NDArray[Any], flux: NDArray[Any], good: Bools) -> Bools:
    """Which pixels of `flux` (n_spec, n_pix) belong to a gap that was filled with one value."""
    found = np.zeros(flux.shape, dtype=bool)
    for i, row in enumerate(flux):
        usable = good[i] & np.isfinite(row)
        if not usable.any():
            continue
        low = row < _FILL_LEVEL * np.median(np.abs(row[usable]))
        starts = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
        ends = np.append(starts[1:], row.size)
        long = (ends - starts >= FILL_PIXELS) & (wave[ends - 1] - wave[starts] >= _FILL_SPAN)
        found[i] = np.repeat(long & low[starts], ends - starts)
    return found


def is_error_of(other: NDArray[Any], flux: NDArray[Any]) -> bool:
    """Whether `other` (n_pix,) is the error, or variance, of `flux` (n_pix,) rather than a star.

    Errors are never negative and nearer to the noise of the pixels than to the flux.
    """
    ok = np.isfinite(other) & np.isfinite(flux)
    if ok.sum() < 10 or (other[ok] < 0).any() or not (other[ok] > 0).any():
        return False
    light, size = float(np.median(np.abs(flux[ok]))), float(np.median(other[ok]))
    sigma = noise(flux)
    if not (light > 0 and size > 0 and np.isfinite(sigma) and sigma > 0) or size > 0.5 * light:
        return False
    to_flux = abs(np.log(size / light))
    return bool(abs(np.log(size / sigma)) < to_flux)


def is_ivar_of(other: NDArray[Any], flux: NDArray[Any]) -> bool:
    """Whether `other` (n_pix,) is the inverse variance of `flux` (n_pix,): near to its noise."""
    ok = np.isfinite(other) & np.isfinite(flux)
    if ok.sum() < 10 or (other[ok] < 0).any() or (other[ok] > 0).mean() < 0.5:
        return False
    light, sigma = float(np.median(np.abs(flux[ok]))), noise(flux)
    size = 1.0 / np.sqrt(float(np.median(other[ok & (other > 0)])))
    return bool(light > 0 and size < 0.5 * light and sigma > 0 and 0.25 < size / sigma < 4.0)


def is_flag(values: NDArray[Any]) -> bool:
    """Whether numbers are flags: whole, few different, 0 among them or all the same."""
    finite = values[np.isfinite(values)]
    distinct = np.unique(finite)
    whole = bool((distinct == np.rint(distinct)).all())
    return whole and 0 < distinct.size <= 4 and bool(np.abs(distinct).max() <= 64)
