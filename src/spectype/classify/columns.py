"""Columns of a result: their order, which other programs rely on, their types and digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.names import as_text
from spectype.core.spectra import Spectra, number

if TYPE_CHECKING:
    import polars as pl

#: Appended to, never reordered or renamed.
COLUMNS = ("path", "obsid", "ra", "dec", "snr", "type", "type_probability",
           *(f"p_{t}" for t in mk.TYPES), "subclass", "subclass_code", "subclass_error",
           "luminosity", "luminosity_probability", "type_set", "ood_score", "flags",
           "flag_names", "error", "notes", "kind", "kind_probability", "p_star", "object",
           "survey", "redshift", "label")  # fmt: skip
_TEXT = {"path", "obsid", "type", "subclass", "luminosity", "type_set", "flag_names", "error",
         "notes", "kind", "object", "survey", "label"}  # fmt: skip


def schema() -> dict[str, Any]:
    """Polars types of `COLUMNS`."""
    import polars as pl

    return {
        name: pl.String if name in _TEXT else pl.Int64 if name == "flags" else pl.Float64
        for name in COLUMNS
    }


def identity(spectra: Spectra) -> dict[str, list[Any]]:
    """The columns that say which spectrum a row is of, and what its file says of it."""
    return {
        **{name: _texts(spectra.get(name)) for name in ("path", "obsid", "object", "survey")},
        **{name: [number(v) for v in spectra.get(name)] for name in ("ra", "dec", "redshift")},
        "label": _texts(spectra.get("subclass")),
        "notes": _notes(spectra),
    }


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [None if value is None else as_text(value) for value in values]


def _notes(spectra: Spectra) -> list[str | None]:
    """What the reader decided or left out, a text a spectrum; None where it had nothing to say."""
    return [str(note) if note else None for note in spectra.get("notes")]


def digits(values: NDArray[np.floating[Any]], n: int = 5) -> list[float]:
    """The values to `n` significant digits (not decimals: small ones rank rare stars)."""
    return [float(f"{value:.{n}g}") for value in values.tolist()]


def where(values: Iterable[Any], usable: Sequence[bool]) -> list[Any]:
    """The values, None where nothing can be said."""
    return [value if ok else None for value, ok in zip(values, usable)]


def table(columns: dict[str, list[Any]]) -> pl.DataFrame:
    """A data frame of `COLUMNS`, in their order, whatever the order of `columns`."""
    import polars as pl

    types = schema()
    return pl.DataFrame({name: columns[name] for name in COLUMNS}, schema=types)
