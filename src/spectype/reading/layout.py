"""How spectra lie in a table: one after another down its rows, or on their sides."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block, Named
from spectype.reading import names
from spectype.reading.rows import looks_like_wave
from spectype.reading.units import Floats, guess_unit

_WIDE = 50  # columns from which on a table may lie on its side
_LEAST = 20  # pixels of a spectrum among others in one column
# Of arms that cover 3 units of wavelength in all, 4 may be the sum; two exposures of the same
# range have the sum twice the cover.
COVER = 0.72
_IDS = (
    "object", "objectid", "objid", "objname", "name", "star", "starid", "starname", "target",
    "targetid", "targetname", "source", "sourceid", "obsid", "id", "identifier", "specid",
    "spectrum", "spectrumid", "specobjid", "fiber", "fiberid", "fibre", "fibreid", "exposure",
    "file", "filename", "hd", "hip", "tic", "kic", "gaiaid", "n", "nr", "no", "number",
)  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Run:
    """Rows of a table that are one spectrum, and what the table calls it."""

    rows: NDArray[np.intp]
    name: str | None = None


def upright(block: Block) -> Block:
    """A table with a column a pixel the usual way up; any other as it is.

    Wavelengths are the names of its columns, with a star a row, or they are its first row, with
    fluxes (or flux and error) in the rows below.
    """
    if block.kind != "text" and len(block.arrays) < _WIDE:
        return block
    by_name = {name: _wave_in(name) for name in block.names} if block.named else {}
    found = {name: wave for name, wave in by_name.items() if wave is not None}
    if (
        len(found) >= _WIDE
        and looks_like_wave(np.array(list(found.values())))
        # Beside a column of wavelengths they are stars, or days, that are called by numbers.
        and "wave" not in names.guess([name for name in block.names if name not in found])
    ):
        return _star_a_row(block, found)
    numbers = [array for array in block.arrays if array.is_numeric and array.values.ndim == 1]
    if not block.named and len(numbers) == len(block.arrays) > 2 and len(numbers) % 2 == 0:
        pairs = np.stack([array.values for array in numbers], axis=1).reshape(-1, 2)
        if looks_like_wave(pairs[:, 0]):  # several pixels a line
            columns = [Named.of(n, pairs[:, i]) for i, n in enumerate("01")]
            return replace(block, arrays=columns, n_rows=len(pairs))
    if len(numbers) < max(_WIDE, block.n_rows) or block.kind != "text":
        return block
    rows = np.stack([np.asarray(array.values, np.float64) for array in numbers], axis=1)
    rows = rows[:, np.isfinite(rows).any(axis=0)]
    return _turned(block, rows) if looks_like_wave(rows[0]) else block


def runs_like_wave(values: NDArray[Any]) -> bool:
    """Whether numbers are wavelengths of one or several spectra: optical, with few turns."""
    if looks_like_wave(values):
        return True
    sound = np.asarray(values[np.isfinite(values) & (values > 0)], np.float64)
    if sound.size < 3 or guess_unit(sound) is None:
        return False
    step = np.sign(np.diff(sound))
    way = np.sign(step.sum())
    return bool(way and (step * way < 0).sum() <= sound.size / _LEAST)


def _wave_in(name: str) -> float | None:
    """The number in a column's name, like ``3700.5`` or ``w3700``."""
    match = re.fullmatch(
        r"(?:flux|[a-z])?[\W_]*(\d+(?:\.\d*)?)\s*(?:a|aa|nm)?", name.strip().lower()
    )
    return float(match[1]) if match else None


def _star_a_row(block: Block, wave: dict[str, float]) -> Block:
    pixels = [array for array in block.arrays if array.name in wave]
    flux = np.stack([np.asarray(array.values, np.float64) for array in pixels], axis=1)
    others = [array for array in block.arrays if array.name not in wave]
    return replace(
        block,
        kind="table",
        arrays=[*others, *_vectors(np.array([[*wave.values()]] * len(flux)), flux)],
        named=True,
        notes=[*block.notes, f"{len(wave)} columns named by wavelengths: a spectrum a row"],
    )


def _vectors(wave: Floats, flux: Floats) -> list[Named]:
    return [Named.of("wave", wave), Named.of("flux", flux)]


def _turned(block: Block, rows: Floats) -> Block:
    """A table whose first row holds the wavelengths."""
    words = [array for array in block.arrays if not array.is_numeric]
    note = "the first row holds the wavelengths: a spectrum a row"
    if not words:
        columns = [Named.of(f"row {i}", row) for i, row in enumerate(rows)]
        return replace(
            block, arrays=columns, n_rows=rows.shape[1], named=False, notes=[*block.notes, note]
        )
    labels = [str(word) for word in words[0].values[1:]]
    if "flux" in names.guess(labels) and len(set(labels)) == len(labels):
        columns = [Named.of(n, row) for n, row in zip(labels, rows[1:])]
        columns = [Named.of("wave", rows[0]), *columns]
        return replace(block, arrays=columns, n_rows=rows.shape[1], named=True)
    others = [
        Named.of("object" if array is words[0] else array.name, array.values[1:]) for array in words
    ]
    stars = _vectors(np.tile(rows[0], (len(rows) - 1, 1)), rows[1:])
    return replace(
        block,
        kind="table",
        arrays=[*others, *stars],
        n_rows=len(rows) - 1,
        named=True,
        notes=[*block.notes, note],
    )


def runs(block: Block, wave: NDArray[Any]) -> list[Run]:
    """The spectra that follow one another down the rows of a table; one run where it is one.

    They are told apart by a column that names them, else by wavelengths that begin anew over the
    same range. Orders and arms, whose ranges hardly overlap, are one spectrum.

    Parameters
    ----------
    block : Block
        A table with a pixel a row.
    wave : ndarray, shape (n_rows,)
        Its wavelengths, in any unit.
    """
    whole = [Run(rows=np.arange(wave.size))]
    found = _by_names(block, wave.size) or _by_restarts(wave)
    if len(found) < 2:
        return whole
    spans = []
    for run in found:
        sound = wave[run.rows][np.isfinite(wave[run.rows])]
        spans.append((float(sound.min()), float(sound.max())) if sound.size else (0.0, 0.0))
    return found if cover(spans) <= COVER else whole


def _by_names(block: Block, n_rows: int) -> list[Run]:
    """Rows by the first column that names spectra, each in many rows."""
    for array in block.arrays:
        values = array.values
        known = names.normal(array.name) in _IDS if block.named else values.dtype.kind in "SU"
        if not known or values.shape != (n_rows,) or values.dtype.kind not in "iufSU":
            continue
        distinct, first, which = np.unique(values, return_index=True, return_inverse=True)
        if distinct.size < 2 or np.bincount(which).min() < _LEAST:
            continue
        return [
            Run(rows=np.flatnonzero(which == i), name=_word(distinct[i])) for i in first.argsort()
        ]
    return []


def _word(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1").strip()
    return f"{value:g}" if isinstance(value, np.floating) else str(value).strip()


def _by_restarts(wave: NDArray[Any]) -> list[Run]:
    """Rows between the places where wavelengths turn back."""
    step = np.sign(np.diff(wave))
    way = np.sign(np.nansum(step))
    turns = np.flatnonzero(step * way < 0) + 1
    pieces = np.split(np.arange(wave.size), turns)
    if min(map(len, pieces)) < _LEAST:
        return []
    return [Run(rows=piece) for piece in pieces]


def cover(spans: list[tuple[float, float]]) -> float:
    """Length of the union of ranges over the sum of their lengths; 1 where they do not overlap."""
    total = sum(high - low for low, high in spans)
    union, end = 0.0, -np.inf
    for low, high in sorted(spans):
        union += max(0.0, high - max(low, end))
        end = max(end, high)
    return union / total if total > 0 else 0.0
