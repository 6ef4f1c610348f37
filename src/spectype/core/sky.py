"""Which spectra are of one star? Names and positions on the sky."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

MATCH_RADIUS = 3.0  #: arcsec; LAMOST's fibres are 3.3 arcsec wide


# 12:34:56.7, 12 34 56.7, 12h34m56.7s, 12d34m56.7s, with a decimal point or comma; seconds may lack.
_SEXAGESIMAL = re.compile(
    r"([+\-\u2212]?)(\d{1,3})\s*([:hd\s\u00b0])\s*(\d{1,2}(?:[.,]\d+)?)\s*"
    r"(?:[:m\s'\u2032]\s*(?:(\d{1,2}(?:[.,]\d*)?)\s*(?:s|\"|''|\u2033)?)?)?",
    re.IGNORECASE | re.ASCII,
)


def degrees(value: Any, *, hours: bool) -> float | None:
    """A coordinate in degrees from a number or from text, decimal or sexagesimal.

    Parameters
    ----------
    value : number or str
        ``187.5``, ``"187,5"``, ``"12:30:00.0"``, ``"12 30 00"``, ``"12h30m00s"``, ``"-0d30m"``.
    hours : bool
        Whether sexagesimal text counts hours, as right ascensions do, unless it says ``d``.

    Returns
    -------
    float or None
        None where it cannot be read.

    Examples
    --------
    >>> degrees("12:30:00.0", hours=True), degrees("-00 30 00", hours=False)
    (187.5, -0.5)
    """
    text = str(value).strip() if value is not None else ""
    try:
        plain = float(text.replace(",", ".").replace("\u2212", "-"))
    except ValueError:
        match = _SEXAGESIMAL.fullmatch(text)
        if match is None:
            return None
        sign, whole, mark, minutes, seconds = match.groups()
        parts = [float((part or "0").replace(",", ".")) for part in (whole, minutes, seconds)]
        if max(parts[1:]) >= 60.0:
            return None
        size = parts[0] + parts[1] / 60 + parts[2] / 3600
        in_hours = mark.lower() == "h" or (hours and mark not in "dD\u00b0")
        return (-size if sign in ("-", "\u2212") else size) * (15.0 if in_hours else 1.0)
    return plain if np.isfinite(plain) else None


def known_positions(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
    """Which positions [degree] are on the sky, shape (n,): neither NaN nor -9999."""
    a, d = np.asarray(ra, float), np.asarray(dec, float)
    return np.asarray((np.abs(d) <= 90.0) & (a >= -360.0) & (a <= 720.0))


def unit_vectors(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (n, 3) of positions [degree]."""
    a, d = np.deg2rad(np.asarray(ra, float)), np.deg2rad(np.asarray(dec, float))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def group_by_position(
    ra: ArrayLike, dec: ArrayLike, *, radius: float = MATCH_RADIUS
) -> NDArray[np.int64]:
    """Number the groups of positions that lie within `radius` of one another.

    Parameters
    ----------
    ra, dec : array_like, shape (n,)
        Position [degree]; one that is unknown (`known_positions`) is a group of its own.
    radius : float
        Matching radius [arcsec]. Friends of friends are one group.

    Returns
    -------
    ndarray, shape (n,), int64
        Group numbers, equal for one star.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    known = np.flatnonzero(known_positions(ra, dec))
    pairs = np.empty((0, 2), np.int64)
    if known.size > 1:
        # A chord, not an angle: exact on the whole sphere, poles and 0h included.
        chord = 2 * np.sin(np.deg2rad(radius / 3600) / 2)
        tree = cKDTree(unit_vectors(ra[known], dec[known]))
        pairs = known[tree.query_pairs(chord, output_type="ndarray")]
    links = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (ra.size, ra.size))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def normal_name(name: str) -> str:
    """A star's name without case, blanks and leading zeros: ``"HD 005384"`` -> ``"HD5384"``."""
    text = re.sub(r"[\s_]+", "", name.upper())
    return re.sub(r"(?<![\d.])0+(?=\d)", "", text)


def identify(
    *, names: Sequence[str | None], ra: ArrayLike, dec: ArrayLike, radius: float = MATCH_RADIUS
) -> NDArray[np.int64]:
    """Number the stars behind spectra that share a position or a name.

    Parameters
    ----------
    names : sequence of str or None, length n
        An identifier or name of the star, None where unknown.
    ra, dec : array_like, shape (n,)
        Position [degree], NaN where unknown.
    radius : float
        Matching radius [arcsec].

    Returns
    -------
    ndarray, shape (n,), int64
        Star numbers; a spectrum with neither name nor position is a star of its own.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    place = group_by_position(ra, dec, radius=radius)
    keys = [normal_name(n) if n else None for n in names]
    number = {key: i for i, key in enumerate(dict.fromkeys(k for k in keys if k))}
    rows = [i for i, key in enumerate(keys) if key]
    # A graph of spectra, places and names: what hangs together is one star.
    n, n_place = len(keys), int(place.max(initial=-1)) + 1
    start = np.concatenate([np.arange(n), np.array(rows, np.int64)])
    end = np.concatenate(
        [n + place, np.array([n + n_place + number[keys[i] or ""] for i in rows], np.int64)]
    )
    size = n + n_place + len(number)
    graph = coo_matrix((np.ones(start.size, bool), (start, end)), (size, size))
    labels = connected_components(graph, directed=False)[1][:n]
    return np.asarray(np.unique(labels, return_inverse=True)[1], dtype=np.int64)
