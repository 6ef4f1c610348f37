"""Columns of a result: what each holds, their order, which other programs rely on, their digits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.lines import INDICES, Index
from spectype.core.names import as_text
from spectype.core.spectra import Spectra, number

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of a result holds.

    Parameters
    ----------
    name : str
    kind : {"text", "real", "integer"}
        Of its values. Missing: null in parquet, empty in CSV and texts, NaN in FITS.
    ucd : str
        Unified content descriptor of the IVOA (UCD1+).
    description : str
        In a line.
    unit : str
        As FITS and VOTable spell it; empty for a number without.
    display : str
        Fortran's format for FITS (TDISP).
    null : str
        When it is missing; empty: never.
    """

    name: str
    kind: str
    ucd: str
    description: str
    unit: str = ""
    display: str = ""
    null: str = ""


_UNTYPED = "where nothing can be said of the spectrum"
_SILENT = "where the file does not say"


def _own() -> tuple[Column, ...]:
    probability = {"kind": "real", "display": "F8.5", "null": _UNTYPED}
    return (
        Column("path", "text", "meta.id;meta.file", "File; [3] behind it: its fourth spectrum",
               null="for arrays"),
        Column("obsid", "integer", "meta.id;obs", "Identifier of the observation, as LAMOST has it",
               display="I19", null="where the file gives none, or one that is no number"),
        Column("ra", "real", "pos.eq.ra;meta.main", "Right ascension", "deg", "F11.6", _SILENT),
        Column("dec", "real", "pos.eq.dec;meta.main", "Declination", "deg", "F11.6", _SILENT),
        Column("snr", "real", "stat.snr", "Signal-to-noise a pixel: the file's in g, else the "
               "median", display="F9.2", null="where the file cannot be read"),
        Column("type", "text", "src.spType", "Spectral type: O B A F G K M", null=_UNTYPED),
        Column("type_probability", ucd="stat.probability;src.spType",
               description="Probability of the type", **probability),
        *(Column(f"p_{t}", ucd="stat.probability;src.spType",
                 description=f"Probability of type {t}", **probability) for t in mk.TYPES),
        Column("subclass", "text", "src.spType", "Type and subclass, like G2", null=_UNTYPED),
        Column("subclass_code", "real", "src.spType", "Decimal code, 10 a type: O5 is 5, B0 10, "
               "G2 42", display="F6.2", null=_UNTYPED),
        Column("subclass_error", "real", "stat.error;src.spType", "Standard deviation of "
               "subclass_code, in subclasses", display="F6.2", null=_UNTYPED),
        Column("luminosity", "text", "src.class.luminosity", "Luminosity class: I to V",
               null=_UNTYPED),
        Column("luminosity_probability", ucd="stat.probability;src.class.luminosity",
               description="Probability of the luminosity class", **probability),
        Column("type_set", "text", "src.spType", "Types that hold the true one in 90 % of cases, "
               "apart by blanks", null=_UNTYPED),
        Column("ood_score", ucd="stat.probability",
               description="Probability of being neither a normal nor a weak-lined star",
               **probability),
        Column("flags", "integer", "meta.code.qual", "Sum of quality bits", display="I10"),
        Column("flag_names", "text", "meta.code.qual", "Names of the bits in flags, apart by "
               "blanks", null="where flags is 0"),
        Column("error", "text", "meta.note", "Why there is no type", null="where there is one"),
        Column("notes", "text", "meta.note", "What the reader assumed, decided or left out",
               null="where it had nothing to say"),
        Column("kind", "text", "src.class", "Kind of object: star, galaxy, quasar ... fault",
               null=_UNTYPED),
        Column("kind_probability", ucd="stat.probability;src.class",
               description="Probability of the kind", **probability),
        Column("p_star", ucd="stat.probability;src.class.starGalaxy",
               description="Probability of being a normal star", **probability),
        Column("object", "text", "meta.id;src", "Name of the object, or of the observation where "
               "that is no number", null=_SILENT),
        Column("survey", "text", "meta.dataset", "Survey or library that the file is of",
               null="for arrays"),
        Column("redshift", "real", "src.redshift", "Redshift that the file gives",
               display="E13.6", null=_SILENT),
        Column("label", "text", "src.spType", "Type that the file itself gives", null=_SILENT),
    )  # fmt: skip


_OWN = _own()
_VELOCITY = (
    Column("rv", "real", "spect.dopplerVeloc", "Radial velocity, heliocentric where the "
           "wavelengths are", "km/s", "F9.2", "where none can be measured"),
    Column("rv_error", "real", "stat.error;spect.dopplerVeloc", "Standard deviation of rv",
           "km/s", "F8.2", "where none can be measured"),
)  # fmt: skip
_OF_INDICES = {
    "width": ("Angstrom", "spect.line.eqWidth", "Equivalent width"),
    "magnitude": ("mag", "spect.index", "Index"),
    "ratio": ("", "spect.index", "Flux ratio"),
}
#: Appended to, never reordered or renamed.
COLUMNS = tuple(column.name for column in _OWN)


def _of_index(index: Index) -> Iterator[Column]:
    unit, ucd, what = _OF_INDICES[index.kind]
    missing = "where a band lacks good pixels"
    yield Column(index.name, "real", ucd, f"{what} {index.name} ({index.reference})", unit,
                 "F10.4", missing)  # fmt: skip
    yield Column(f"{index.name}_error", "real", f"stat.error;{ucd}",
                 f"Standard deviation of {index.name}", unit, "F10.4",
                 f"{missing} or the file has no errors")  # fmt: skip


@cache
def dictionary() -> dict[str, Column]:
    """Every column that `classify` can write, by name, in order.

    Returns
    -------
    dict of str to Column
        Those of every result, then those of ``--velocity``, then those of ``--indices``.

    Examples
    --------
    >>> dictionary()["ra"].unit, dictionary()["type"].ucd
    ('deg', 'src.spType')
    """
    indices = (column for index in INDICES.values() for column in _of_index(index))
    return {column.name: column for column in (*_OWN, *_VELOCITY, *indices)}


def describe(columns: Iterable[Column] | None = None) -> list[str]:
    """Lines that explain columns, a row of a Markdown table each; by default those of results."""
    lines = ["| column | what | unit | empty | values | UCD |", "|---|---|---|---|---|---|"]
    for column in dictionary().values() if columns is None else columns:
        cells = (f"`{column.name}`", column.description, column.unit, column.null or "never",
                 column.kind, column.ucd)  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def schema() -> dict[str, Any]:
    """Polars types of `COLUMNS`."""
    import polars as pl

    types = {"text": pl.String, "integer": pl.Int64, "real": pl.Float64}
    return {column.name: types[column.kind] for column in _OWN}


def identity(spectra: Spectra) -> dict[str, list[Any]]:
    """The columns that say which spectrum a row is of, and what its file says of it."""
    obsids, objects = _texts(spectra.get("obsid")), _texts(spectra.get("object"))
    numbers = [_whole(text) for text in obsids]
    # An identifier that is no number, like SDSS's plate, date and fibre, is a name.
    named = [o or (t if n is None else None) for o, t, n in zip(objects, obsids, numbers)]
    return {
        "obsid": numbers,
        "object": named,
        **{name: _texts(spectra.get(name)) for name in ("path", "survey")},
        **{name: [number(v) for v in spectra.get(name)] for name in ("ra", "dec", "redshift")},
        "label": _texts(spectra.get("subclass")),
        "notes": _notes(spectra),
    }


def _texts(values: Iterable[Any]) -> list[str | None]:
    return [None if value is None else as_text(value) for value in values]


def _whole(text: str | None) -> int | None:
    """The whole number, of 64 bits, that a text is; None for any other."""
    if text is None or not text.lstrip("-").isdecimal():
        return None
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


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
