"""Radial velocities against others', between exposures of one star, and the worth of their errors.

Everything here is robust: medians, and scatter as 1.4826 times the median absolute deviation,
because spectroscopic binaries and mistyped stars are in every sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_HIGHEST_FLOOR = 100.0  # km/s


@dataclass(frozen=True, slots=True)
class Agreement:
    """How measured velocities agree with true ones.

    Parameters
    ----------
    n : int
        Spectra (or pairs) compared.
    offset : float
        Median of measured minus true [km/s].
    scatter : float
        Robust standard deviation about it [km/s].
    pull : float
        Robust standard deviation, about zero, of the difference over its error: 1 where errors
        are honest, smaller where they are too large.
    """

    n: int
    offset: float
    scatter: float
    pull: float


def agreement(measured: ArrayLike, true: ArrayLike, error: ArrayLike) -> Agreement:
    """Compare velocities [km/s], each (n,); rows with NaN are left out."""
    m, t, e = (np.asarray(values, dtype=np.float64) for values in (measured, true, error))
    known = np.isfinite(m) & np.isfinite(t) & np.isfinite(e)
    difference, e = (m - t)[known], e[known]
    if not difference.size:
        return Agreement(0, float("nan"), float("nan"), float("nan"))
    offset = float(np.median(difference))
    return Agreement(
        n=int(difference.size),
        offset=offset,
        scatter=about_zero(difference - offset),
        pull=about_zero(difference / e),
    )


def about_zero(values: ArrayLike) -> float:
    """Robust standard deviation of values whose mean is known to be zero."""
    return 1.4826 * float(np.median(np.abs(np.asarray(values, dtype=np.float64))))


def pairs_of(stars: Sequence[str | None]) -> NDArray[np.int64]:
    """Rows of every two spectra of one star, shape (n_pairs, 2); None stands for unknown."""
    groups: dict[str, list[int]] = {}
    for row, star in enumerate(stars):
        if star:
            groups.setdefault(star, []).append(row)
    found = [(i, j) for rows in groups.values() for k, i in enumerate(rows) for j in rows[k + 1 :]]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def repeats(stars: Sequence[str | None], measured: ArrayLike, error: ArrayLike) -> Agreement:
    """Compare the velocities of every two exposures of one star.

    Offset and scatter are of the difference of two exposures: a single one scatters by
    1/sqrt(2) of that, if the star's own velocity does not change.
    """
    m, e = (np.asarray(values, dtype=np.float64) for values in (measured, error))
    first, second = pairs_of(stars).T
    return agreement(m[first], m[second], np.hypot(e[first], e[second]))


def fit_factor(difference: ArrayLike, sigma: ArrayLike) -> float:
    """Factor on formal errors `sigma` (n,) that gives differences (n,) pulls of unit width."""
    return about_zero(np.asarray(difference) / np.asarray(sigma))


def fit_floor(difference: ArrayLike, sigma: ArrayLike) -> float:
    """What must be added in quadrature to errors `sigma` (n,) for pulls of unit width [km/s].

    0 where they are wide enough as they are.
    """
    d, s = (np.asarray(values, dtype=np.float64) for values in (difference, sigma))
    low, high = 0.0, _HIGHEST_FLOOR
    for _ in range(50):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if about_zero(d / np.hypot(s, middle)) > 1 else (low, middle)
    return float(high if high > 1e-6 else 0.0)
