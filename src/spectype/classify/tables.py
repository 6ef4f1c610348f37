"""Results as other programs take them: astropy, FITS, VOTable, ECSV, parquet.

Every form says of each column its unit, UCD and meaning (`classify.columns`), and of the whole how
it came about.
"""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import spectype
from spectype.classify.columns import Column, dictionary
from spectype.core.arrow import Described
from spectype.core.flags import Flag

if TYPE_CHECKING:
    import polars as pl
    from astropy.io.votable.tree import VOTableFile
    from astropy.table import Table

Provenance = Mapping[str, str]
Columns = Mapping[str, Column]  #: what is known of the columns, by name
NULL = -1  #: a missing whole number in FITS and VOTable; none of ours is negative
#: Cards of FITS for what `provenance` says.
_CARDS = {"creator": "CREATOR", "model": "MODEL", "model_sha256": "MODELSHA", "system": "SYSTEM",
          "date": "DATE", "command": "COMMAND", "flags": "FLAGBITS"}  # fmt: skip
#: Keys of VOParquet 1.0: a VOTable without data in the file's own metadata, which TOPCAT reads.
_VOPARQUET = ("IVOA.VOTable-Parquet.version", "IVOA.VOTable-Parquet.content")
_PROVENANCE = "spectype.provenance"


def provenance(*, model: str, checksum: str, system: str) -> dict[str, str]:
    """How a table of types came about.

    Parameters
    ----------
    model, checksum : str
        Name of the model, and SHA-256 of its card and weights.
    system : str
        ``mk`` or ``survey``.

    Returns
    -------
    dict of str to str
        ``creator``, ``model``, ``model_sha256``, ``system``, ``date`` (UTC), ``command`` (of the
        command line), ``flags`` (the names of their bits).
    """
    line = Path(sys.argv[0]).stem if sys.argv else ""
    own = line == "spectype" or Path(sys.argv[0]).parent.name == "cli" if line else False
    return {
        "creator": f"spectype {spectype.__version__}",
        "model": model,
        "model_sha256": checksum,
        "system": system,
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "command": shlex.join(["spectype", *sys.argv[1:]]) if own else "called from Python",
        "flags": " ".join(f"{flag.value}={flag.name}" for flag in Flag),
    }


def to_table(
    frame: pl.DataFrame, *, about: Provenance | None = None, known: Columns | None = None
) -> Table:
    """A table of results as astropy's, with units, UCDs and descriptions.

    Parameters
    ----------
    frame : polars.DataFrame
        What `predict` or `classify` gave, or part of it.
    about : mapping of str to str, optional
        For ``table.meta``.
    known : mapping of str to Column, optional
        What the columns are; by default those of `classify`.

    Returns
    -------
    astropy.table.Table
        A column a column: ``unit``, ``description`` and ``format`` set, ``meta["ucd"]``; masked
        where a value is missing.

    Examples
    --------
    >>> import polars as pl
    >>> table = to_table(pl.DataFrame({"ra": [10.5, None], "type": ["A", "M"]}))
    >>> table["ra"].unit, table["ra"].mask.tolist(), table["type"].meta["ucd"]
    (Unit("deg"), [False, True], 'src.spType')
    """
    from astropy.table import Column as Plain
    from astropy.table import MaskedColumn, Table

    table = Table(meta=dict(about or {}), masked=False)
    known = dictionary() if known is None else known
    for name in frame.columns:
        values, missing = _arrays(frame[name])
        said = known.get(name)
        options: dict[str, Any] = {"name": name, "meta": {}}
        if said is not None:
            options |= {"unit": said.unit or None, "description": said.description}
            options["meta"] = {"ucd": said.ucd}
        whole = values.dtype.kind == "i"
        if missing.any() or (said is not None and said.null and whole):
            fill = NULL if whole else "" if values.dtype.kind == "U" else np.nan
            column = MaskedColumn(values, mask=missing, fill_value=fill, **options)
        else:
            column = Plain(values, **options)
        table.add_column(column)
    return table


def _arrays(series: pl.Series) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values as numpy has them, and which are missing."""
    missing = series.is_null().to_numpy()
    if series.dtype.is_integer():
        return series.fill_null(NULL).to_numpy(), missing
    if series.dtype.is_numeric():
        return series.cast(float).fill_null(np.nan).to_numpy(), missing
    if series.dtype == bool:
        return series.fill_null(False).to_numpy(), missing
    return np.array(series.cast(str).fill_null("").to_list() or [], dtype=np.str_), missing


def write_fits(
    frame: pl.DataFrame,
    path: Path,
    *,
    about: Provenance | None = None,
    known: Columns | None = None,
) -> None:
    """Write a binary table with TUNIT, TUCD, TCOMM, TDISP and TNULL; provenance in its cards."""
    from astropy.io import fits

    known = dictionary() if known is None else known
    columns = [_fits_column(frame[name], known.get(name)) for name in frame.columns]
    hdu = fits.BinTableHDU.from_columns(columns, name="TYPES")
    for number, name in enumerate(frame.columns, 1):
        if (said := known.get(name)) is not None:
            after = f"TFORM{number}"
            hdu.header.set(f"TCOMM{number}", said.description, after=after)
            hdu.header.set(f"TUCD{number}", said.ucd, after=after)
    for key, value in (about or {}).items():
        hdu.header[_CARDS.get(key, key[:8].upper())] = value
    hdu.writeto(path, overwrite=True)


def _fits_column(series: pl.Series, said: Column | None) -> Any:
    from astropy.io import fits

    values, _ = _arrays(series)
    unit = said.unit or None if said is not None else None
    options: dict[str, Any] = {"name": series.name, "unit": unit}
    options["disp"] = (said.display or None) if said is not None else None
    if values.dtype.kind in "US":
        # FITS holds ASCII; what else a name has is written with backslashes, as `core.names` does.
        text = [str(v).encode("ascii", "backslashreplace") for v in values.tolist()]
        width = max(map(len, text), default=1) or 1
        array = np.array(text, dtype=f"S{width}")
        return fits.Column(format=f"{width}A", array=array, name=series.name)
    if values.dtype.kind == "i":
        return fits.Column(format="K", null=NULL, array=values, **options)
    if values.dtype.kind == "b":
        return fits.Column(format="L", array=values, name=series.name)
    return fits.Column(format="D", array=values, **options)


def to_votable(
    frame: pl.DataFrame, *, about: Provenance | None = None, known: Columns | None = None
) -> VOTableFile:
    """A table of results as a VOTable (1.4) with an INFO for each fact of its provenance."""
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import Info
    from astropy.units import Unit

    table = to_table(frame, known=known)
    for column in table.columns.values():
        if column.unit == Unit("Angstrom"):
            column.unit = Unit("0.1 nm")  # the standard of VOTables has no Angstrom any more
        if column.dtype.kind == "i" and hasattr(column, "mask"):
            column.meta["values"] = {"null": NULL}
    document = from_table(table, table_id="types")
    resource = document.resources[0]
    resource.tables[0].name = "types"
    for field in resource.tables[0].fields:
        if field.datatype == "unicodeChar":
            field.arraysize = "*"  # of a width of its own a text may be neither 1 nor empty
    for key, value in (about or {}).items():
        info = Info(name=key, value=value)
        info.ID = None  # or it would be its name, and `flags` is a column as well
        resource.infos.append(info)
    return document


def write_votable(
    frame: pl.DataFrame,
    path: Path,
    *,
    about: Provenance | None = None,
    known: Columns | None = None,
) -> None:
    """Write a VOTable, its rows as text (TABLEDATA)."""
    with path.open("wb") as stream:
        _write_xml(to_votable(frame, about=about, known=known), stream)


def _write_xml(document: VOTableFile, stream: IO[bytes]) -> None:
    document.to_xml(stream, tabledata_format="tabledata")


def write_ecsv(
    frame: pl.DataFrame,
    path: Path,
    *,
    about: Provenance | None = None,
    known: Columns | None = None,
) -> None:
    """Write astropy's enhanced CSV."""
    to_table(frame, about=about, known=known).write(path, format="ascii.ecsv", overwrite=True)


def parquet_options(
    schema: pl.Schema, *, about: Provenance | None = None, known: Columns | None = None
) -> dict[str, Any]:
    """What ``write_parquet`` is to be given, that a file says what it holds.

    Parameters
    ----------
    schema : polars.Schema
        Names and types of the columns.
    about : mapping of str to str, optional
        Kept as JSON, too, under ``spectype.provenance``.
    known : mapping of str to Column, optional
        What the columns are; by default those of `classify`.

    Returns
    -------
    dict
        ``metadata`` of the file, as the VOParquet convention has it, and ``arrow_schema``
        (`described`).

    References
    ----------
    Taylor et al., "VOParquet", IVOA Note 1.0: a VOTable without rows describes the columns.
    """
    import polars as pl

    buffer = io.BytesIO()
    _write_xml(to_votable(pl.DataFrame(schema=schema), about=about, known=known), buffer)
    version, content = _VOPARQUET
    metadata = {
        version: "1.0",
        content: buffer.getvalue().decode(),
        _PROVENANCE: json.dumps(dict(about or {})),
    }
    return {"metadata": metadata, "arrow_schema": described(schema, about=about, known=known)}


def described(
    schema: pl.Schema, *, about: Provenance | None = None, known: Columns | None = None
) -> Described:
    """The schema with ``unit``, ``ucd`` and ``description`` of each field, and the provenance."""
    fields = {
        name: {
            **({"unit": column.unit} if column.unit else {}),
            "ucd": column.ucd,
            "description": column.description,
        }
        for name, column in (dictionary() if known is None else known).items()
    }
    return Described(schema, fields, {_PROVENANCE: json.dumps(dict(about))} if about else {})


def read_provenance(path: Path) -> dict[str, str]:
    """What a table of results says of itself (`provenance`); nothing where it is CSV."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        import polars as pl

        said = pl.read_parquet_metadata(path).get(_PROVENANCE, "{}")
        return {key: str(value) for key, value in json.loads(said).items()}
    if suffix == ".fits":
        from astropy.io import fits

        header = fits.getheader(path, 1)
        return {key: str(header[card]) for key, card in _CARDS.items() if card in header}
    if suffix == ".vot":
        from astropy.io.votable import parse

        return {info.name: info.value for info in parse(path).resources[0].infos}
    if suffix == ".ecsv":
        from astropy.table import Table

        meta = Table.read(path, format="ascii.ecsv").meta
        return {key: str(meta[key]) for key in _CARDS if key in meta}
    return {}


def read_table(path: Path) -> pl.DataFrame:
    """Read a table of results in FITS, VOTable or ECSV."""
    import polars as pl
    from astropy.table import Table

    kinds = {".fits": "fits", ".vot": "votable", ".ecsv": "ascii.ecsv"}
    table = Table.read(path, format=kinds[path.suffix.lower()])
    table.convert_bytestring_to_unicode()
    frame = pl.DataFrame({name: table[name].tolist() for name in table.colnames}, strict=False)
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    reals = [name for name, kind in frame.schema.items() if kind == pl.Float64]
    return frame.with_columns(
        *(pl.col(name).replace("", None) for name in texts),
        *(pl.col(n).fill_nan(None) for n in reals),
    )
