"""Rows of an image that are no stars: error, variance, sky, continuum, wavelengths, masks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Cards
from spectype.reading.quality import is_error_of, is_flag, is_ivar_of
from spectype.reading.units import Floats, guess_unit

FEW = 8  #: a small axis may hold wavelength, flux, error ... rather than spectra
_CARDS = ("BANDID", "ARRAY", "ROW", "PLANE", "ROWNAM", "NAMES", "LAYER", "EXTEN", "SPECAX", "LABEL")
# In this order, in what a card says before the first colon, comma or dash with blanks around.
_WORDS = {
    "ivar": r"inv(erse)?\W*(var|$)|ivar|weight",
    "variance": r"varian|\bvar\b",
    "error": r"err|sigma|uncert|noise|std|stdev|fluctuation|rms",
    "mask": r"mask|flag|qual|bad|status|\bdq\b",
    "sky": r"sky(?!\W*sub)|backgr|\bbkg\b",
    "continuum": r"contin(?!\w*\W*(norm|sub|corr))|^cont$",
    "raw": r"^raw",
    "model": r"model|template|\bfit\b",
    "other": r"tellur|transm|throughput|respon|\blsf\b|fwhm|\bw?disp(ersion)?$|specres|resolution"
    r"|\b(arc|lamp|flat|bias|dark|snr|s/n|exptime|coverage|lines?|linelist|ew)s?\d*\b",
    "wave": r"wave|lambda|angstrom",
    "flux": r"flux|spec|object|counts|signal|intens|star|data|norm",
}


@dataclass(slots=True, kw_only=True)
class Rows:
    """Rows of an image sorted by role; `flux` lists stars, the others go with the star before them.

    Parameters
    ----------
    flux : list of int
        Rows that are stars.
    roles : dict
        Role to row, for a single star only.
    wave : ndarray, optional
        A row that holds wavelengths, or one for each star.
    notes : list of str
        What was decided.
    """

    flux: list[int]
    roles: dict[str, list[int]] = field(default_factory=dict)
    wave: Floats | None = None
    notes: list[str] = field(default_factory=list)


def role_of_text(text: str) -> str | None:
    """The role that a card's words give to a row; None where they give none.

    Examples
    --------
    >>> role_of_text("spectrum: background median, weights variance, clean no")
    'flux'
    """
    lead = re.split(r"[:,;(]|\s-\s", text.strip().lower().replace("_", " "))[0]
    return next((role for role, pattern in _WORDS.items() if re.search(pattern, lead)), None)


def sort_rows(data: NDArray[Any], cards: Cards, *, axis: Floats | None) -> Rows:
    """Tell stars from rows with other roles.

    Parameters
    ----------
    data : ndarray, shape (n_rows, n_pix)
    cards : Cards
        The image's header.
    axis : ndarray, shape (n_pix,) or (n_rows, n_pix), optional
        Wavelengths by the header.
    """
    n_rows = data.shape[0]
    said = roles_said(cards, n_rows)
    if said:
        return _by_words(data, said)
    if 2 <= n_rows <= FEW:
        return _by_numbers(data, axis)
    return Rows(flux=list(range(n_rows)))


def roles_said(cards: Cards, n_rows: int) -> dict[int, str]:
    """Row (from 0) to role, from numbered cards or one card that lists the rows."""
    for stem in _CARDS:
        first = 0 if f"{stem}0" in cards else 1
        texts = [cards.text(f"{stem}{i}") for i in range(first, first + n_rows)]
        roles = [None if text is None else role_of_text(text) for text in texts]
        if any(role not in (None, "flux") for role in roles) and roles[0] is not None:
            return {i: role or "other" for i, role in enumerate(roles)}
    for stem in ("EXTEN0", "ROWS", "ARRAYS", "BANDS", "LAYOUT"):
        words = [w for w in re.split(r"[\s,;/]+", cards.text(stem) or "") if w]
        roles = [role_of_text(word) for word in words]
        if len(words) == n_rows > 1 and roles[0] == "flux":
            return {i: role or "other" for i, role in enumerate(roles)}
    return {}


def _by_words(data: NDArray[Any], said: dict[int, str]) -> Rows:
    stars = [i for i, role in said.items() if role == "flux"]
    found = Rows(flux=stars or [0])
    others: list[str] = []
    for i, role in said.items():
        if role in ("error", "variance", "ivar", "mask"):
            found.roles.setdefault(role, []).append(i)
        elif role == "wave":
            found.wave = np.asarray(data[i], np.float64)
        elif role != "flux" and i not in found.flux:
            others.append(role)
    # "Expected fluctuation" beside "error": the first is taken.
    per_star = len(found.flux)
    found.roles = {r: rows[:per_star] for r, rows in found.roles.items() if len(rows) >= per_star}
    named = [*found.roles, *(["wavelength"] if found.wave is not None else []), *others]
    if named:
        found.notes.append(f"rows beside the flux: {', '.join(named)}")
    return found


def _by_numbers(data: NDArray[Any], axis: Floats | None) -> Rows:
    """Judge few rows without cards by their numbers."""
    rows = np.asarray(data, np.float64)
    waves = [i for i in range(len(rows)) if looks_like_wave(rows[i]) and _runs_with(rows[i], axis)]
    others = [i for i in range(len(rows)) if i not in waves]
    if not others:
        return Rows(flux=list(range(len(rows))))
    found = _by_quality(rows, others)
    if waves:
        found.wave = rows[waves] if len(waves) == len(found.flux) > 1 else rows[waves[0]]
    return found


def _by_quality(rows: Floats, others: list[int]) -> Rows:
    """Tell stars from errors and flags among the rows `others`."""
    found = Rows(flux=others)
    first, rest = found.flux[0], found.flux[1:]
    pairs = len(found.flux) % 2 == 0 and len(found.flux) > 2 and _alternate(rows, found.flux)
    if pairs:
        found.roles["error"] = found.flux[1::2]
        found.notes.append(f"each row {rest[0] - first} below another taken as its error")
        found.flux = found.flux[::2]
        return found
    witness = next(((r, i) for i in rest if (r := quality_of(rows[i], rows[first]))), None)
    if witness is not None:
        role, at = witness
        found.roles[role] = [at]
        found.flux = [first]
        left = len(rest) - 1
        found.notes.append(
            f"row {at} taken as the {role} of row {first}" + f"; {left} rows left out" * bool(left)
        )
        return found
    flags = [i for i in rest if is_flag(rows[i])]
    if flags and not is_flag(rows[first]):
        found.flux = [i for i in found.flux if i not in flags]
        found.notes.append(f"{len(flags)} rows of flags or one value left out")
    return found


def quality_of(other: Floats, flux: Floats) -> str | None:
    """Whether an array is the "error" or "ivar" of a flux by its numbers, both (n_pix,)."""
    if is_error_of(other, flux):
        return "error"
    return "ivar" if is_ivar_of(other, flux) else None


def _runs_with(row: Floats, axis: Floats | None) -> bool:
    """Whether a row repeats the header's wavelengths, in whatever unit; True where it has none."""
    if axis is None:
        return True
    same = axis if axis.ndim == 1 else axis[0]
    return any(abs(np.corrcoef(row, f(same))[0, 1]) > 0.99999 for f in (np.asarray, np.log10))


def _alternate(rows: Floats, index: list[int]) -> bool:
    return all(is_error_of(rows[b], rows[a]) for a, b in zip(index[::2], index[1::2]))


def looks_like_wave(row: NDArray[Any]) -> bool:
    """Whether numbers run one way and are optical wavelengths in some unit."""
    finite = row[np.isfinite(row)]
    if finite.size < row.size or finite.size < 3:
        return False
    step = np.diff(finite)
    one_way = bool((step > 0).all() or (step < 0).all())
    return one_way and guess_unit(np.asarray(finite, np.float64)) is not None
