"""VOTable, ECSV and the tables of CDS as blocks, read by astropy."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from spectype.formats.blocks import Block, Named, PlainCards
from spectype.formats.source import Source


def read_blocks(source: Source) -> list[Block]:
    """The tables of a VOTable.

    Raises
    ------
    ReadError
        If astropy cannot read it.
    """
    from astropy.io import votable

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = votable.parse(io.BytesIO(source.data), verify="ignore")
            tables = [table for table in document.iter_tables() if len(table.array)]
            return [
                _block(table.to_table(use_names_over_ids=True), i, _parameters(document, table))
                for i, table in enumerate(tables)
            ]
    except Exception as error:
        words = " ".join(str(error).split())[:150]
        raise source.fail(f"is a broken VOTable: {words}", remedy="write it again") from error


def _parameters(document: Any, table: Any) -> dict[str, Any]:
    """PARAM elements of a table and its resources, by name."""
    params = [*table.params, *(p for r in document.resources for p in r.params)]
    return {str(p.name): getattr(p.value, "item", lambda p=p: p.value)() for p in params}


def read_text(source: Source, format: str) -> list[Block]:
    """The one table of a text that describes its own columns.

    Parameters
    ----------
    source : Source
        The file.
    format : {"ascii.ecsv", "ascii.cds"}
        ECSV (astropy's APE 6), or the machine-readable tables of CDS and AAS.

    Raises
    ------
    ReadError
        If astropy cannot read it.
    """
    from astropy.table import Table

    text = source.data.decode("utf-8", "replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = Table.read(text.splitlines(), format=format)
    except Exception as error:
        words = " ".join(str(error).split())[:150]
        raise source.fail(
            f"is a broken {format} table: {words}", remedy="write it again"
        ) from error
    return [_block(table, 0, {})]


def _block(table: Any, number: int, params: dict[str, Any]) -> Block:
    """An astropy table as a block."""
    meta = {key: value for key, value in table.meta.items() if isinstance(value, (str, int, float))}
    comments = table.meta.get("comments", [])
    lines = [str(line) for line in (comments if isinstance(comments, list) else [comments])]
    lines += [str(table.meta.get("description", ""))]
    lines += [str(c.description) for c in table.columns.values() if c.description]
    return Block(
        kind="table",
        name=str(table.meta.get("name", "")),
        number=number,
        arrays=[
            Named(name=name, load=_loader(table[name]), unit=_unit(table[name]))
            for name in table.colnames
        ],
        cards=PlainCards({**params, **meta}, "\n".join(lines)),
        n_rows=len(table),
    )


def _unit(column: Any) -> str | None:
    unit = getattr(column, "unit", None)
    return None if unit is None else str(unit)


def _loader(column: Any) -> Any:
    def load() -> Any:
        values = np.ma.MaskedArray(getattr(column, "value", column))
        if values.dtype.kind in "fiu" and np.ma.is_masked(values):
            return np.where(np.ma.getmaskarray(values), np.nan, values.data.astype(np.float64))
        return values.filled() if np.ma.is_masked(values) else np.asarray(values)

    return load
