"""What a catalogue's class and subclass say: a type from O to M, or what it is instead.

Labels are read by the MK parser, never by the first letter: Carbon is no C type, EM no E, CV
no type at all. Ten million rows have a few hundred distinct labels, so only those are parsed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import polars as pl

from spectype.core import mk
from spectype.core.identifiers import plain_text

CLASSES = (mk.TYPES[0], mk.OB, *mk.TYPES[1:])  #: the types, and the survey's OB: O or B
TABLES = (*CLASSES, "unknown", "other")  #: the tables that a catalogue is split into
REJECTED = "rejected"
TABLE = "_table"
_KINDS = {
    "GALAXY": "galaxy", "QSO": "quasar", "QUASAR": "quasar", "UNKNOWN": "unknown", "": "unknown",
}  # fmt: skip
_SCHEMA = {
    "type": pl.String,
    "code": pl.Float64,
    "luminosity": pl.String,
    "kind": pl.String,
    "ob": pl.Boolean,
    TABLE: pl.String,
}


class Label(NamedTuple):
    """A label of the catalogue, understood."""

    type: str | None  #: one of `CLASSES`
    code: float | None  #: decimal code, None without a subclass
    luminosity: str | None
    kind: str  #: star, or what it is instead: white dwarf, carbon, galaxy, unknown ...
    ob: bool  #: the survey wrote OB: O or B, and nobody knows which
    table: str  #: which of `TABLES` it belongs to


@lru_cache(maxsize=65536)
def classify(group: str, subclass: str) -> Label:
    """Read the columns `class` and `subclass` of a catalogue.

    Examples
    --------
    >>> classify("STAR", "dM3").type, classify("STAR", "Carbon").table
    ('M', 'other')
    >>> classify("STAR", "OB").ob, classify("GALAXY", "Non").kind
    (True, 'galaxy')
    """
    name = (plain_text(group) or "").upper()
    if name != "STAR":
        # A word that no survey uses is told, not hidden among the others.
        kind = _KINDS.get(name, f"class {group.strip()[:32]!r}")
        return Label(None, None, None, kind, False, "unknown" if kind == "unknown" else "other")
    parsed = mk.parse(plain_text(subclass))
    ob = parsed.type is None and parsed.kind == "star" and parsed.range == (0.0, 20.0)
    if ob:
        return Label(mk.OB, None, None, "star", True, mk.OB)
    if parsed.kind == "star" and parsed.type is not None:
        code = None if np.isnan(parsed.code) else float(parsed.code)
        return Label(parsed.type, code, parsed.luminosity, "star", False, parsed.type)
    table = "unknown" if parsed.kind == "unknown" else "other"
    return Label(None, None, None, parsed.kind, False, table)


def classified(labels: pl.DataFrame) -> pl.DataFrame:
    """Understand the distinct pairs of columns ``class`` and ``subclass`` (str)."""
    found = [classify(str(a or ""), str(b or "")) for a, b in labels.rows()]
    return labels.hstack(pl.DataFrame(found, schema=_SCHEMA, orient="row"))


def with_types(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add the columns type, code, luminosity, kind, ob and ``_table`` to a catalogue's rows."""

    def look_up(pairs: pl.Series) -> pl.Series:
        rows = pairs.struct.unnest()
        known = classified(rows.unique())
        joined = rows.join(
            known, on=["class", "subclass"], how="left", nulls_equal=True, maintain_order="left"
        )
        return joined.select(*_SCHEMA).to_struct(pairs.name)

    pairs = pl.struct(pl.col("class", "subclass").cast(pl.String))
    found = pairs.map_batches(look_up, return_dtype=pl.Struct(_SCHEMA), is_elementwise=True)
    return frame.with_columns(found.alias("_label")).unnest("_label")
