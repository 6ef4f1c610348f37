"""Which rows are looked at: the query of an address as a filter of the table.

``type=O,B&subclass=O3:B2&p_O=0.5:&flags=LOW_SNR,-NO_ERRORS&differs=1&text=F5902&sort=-p_O``

Beside the columns there are ``text`` (in any of several), ``theirs`` (the survey's type, a letter)
and ``differs``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.core.flags import Flag

if TYPE_CHECKING:
    import polars as pl

    from spectype.web.table import Table

#: Words of an address that are about something else than the selection.
OTHERS = frozenset({"offset", "n", "column", "row", "token", "format", "review", "reviewer"})
_NAMES = ("path", "obsid", "object", "notes", "error")  # where a text is looked for
_TYPES = ("label", "subclass")  # and here: ten million rows hold a few hundred of these
NONE = "none"  #: stands for an empty value


@dataclass(frozen=True)
class Filter:
    """A selection and its order; hashable, so that what was found for it can be kept.

    Parameters
    ----------
    terms : tuple of (str, str)
        Column or special word, and what is asked of it, sorted.
    sort : str
        Column; empty for the order of the table.
    descending : bool
    paths : tuple of str, optional
        Only these spectra (or, with `paths_out`, all but these).
    paths_out : bool
    """

    terms: tuple[tuple[str, str], ...] = ()
    sort: str = ""
    descending: bool = False
    paths: tuple[str, ...] | None = None
    paths_out: bool = False

    def __bool__(self) -> bool:
        return bool(self.terms) or self.paths is not None

    @staticmethod
    def from_query(query: Mapping[str, str]) -> Filter:
        """The filter that the words of an address ask for."""
        sort = query.get("sort", "")
        terms = {k: v for k, v in query.items() if v and k not in OTHERS and k != "sort"}
        return Filter(tuple(sorted(terms.items())), sort.removeprefix("-"), sort.startswith("-"))

    def unsorted(self) -> Filter:
        """The same rows in the order of the table."""
        return replace(self, sort="", descending=False)

    def without(self, column: str) -> Filter:
        """The same without what is asked of a column: what its histogram shows."""
        return replace(self.unsorted(), terms=tuple(t for t in self.terms if t[0] != column))

    def among(self, paths: Sequence[str], *, out: bool = False) -> Filter:
        """Only (or all but) the spectra of these names."""
        return replace(self, paths=tuple(sorted(paths)), paths_out=out)

    def check_sort(self, table: Table) -> None:
        """UsageError where the table has no such column to sort by."""
        if self.sort not in table.schema:
            raise UsageError(f"there is no column {self.sort!r} to sort by")

    def expressions(self, table: Table) -> list[pl.Expr]:
        """As polars expressions, all of which must hold."""
        import polars as pl

        found = [_expression(name, wanted, table) for name, wanted in self.terms]
        if self.paths is not None:
            inside = pl.col("path").is_in(pl.Series(self.paths, dtype=pl.String).implode())
            found.append(~inside if self.paths_out else inside)
        return found


def _expression(name: str, wanted: str, table: Table) -> pl.Expr:
    import polars as pl

    if name == "text":
        return _anywhere(wanted, table)
    if name == "differs":  # where the survey gives a type from O to M, and another than ours
        return (theirs(table) != pl.col("type")).fill_null(False)
    if name == "theirs":
        return theirs(table).is_in(wanted.split(","))
    if name == "subclass" and ":" in wanted:
        return _between("subclass_code", *_codes(wanted), table)
    if name == "flags" and name in table.schema:
        return _flags(wanted)
    if name not in table.schema:
        raise UsageError(f"there is no column {name!r}", remedy=", ".join(table.columns))
    if table.schema[name].is_numeric():
        return _between(name, *_numbers(name, wanted), table)
    if name == "type_set":
        return pl.all_horizontal(
            pl.col(name).str.contains(t, literal=True) for t in wanted.split(",")
        )
    values = wanted.split(",")
    inside = pl.col(name).cast(pl.String).is_in(values)
    empty = pl.col(name).is_null() | (pl.col(name).cast(pl.String) == "")
    return (inside | empty) if NONE in values else inside


def _anywhere(wanted: str, table: Table) -> pl.Expr:
    """Where a text, in capitals or not, is part of a name, a note or a type; an obsid is whole."""
    import polars as pl

    found = [pl.lit(False)]
    for name in _NAMES:
        if table.schema.get(name) == pl.String:
            if wanted.upper() == wanted.lower():  # digits: a plain search is faster
                found.append(pl.col(name).str.contains(wanted, literal=True))
            else:
                found.append(pl.col(name).str.contains_any([wanted], ascii_case_insensitive=True))
        elif name in table.schema and wanted.isdecimal() and len(wanted) < 19:
            found.append(pl.col(name) == int(wanted))
    for name in _TYPES:
        if table.schema.get(name) == pl.String:
            among = [word for word in table.words(name) if wanted.lower() in word.lower()]
            found += [pl.col(name).is_in(among)] if among else []
    return pl.any_horizontal(found)


def _between(name: str, low: float, high: float, table: Table) -> pl.Expr:
    import polars as pl

    if name not in table.schema:
        raise UsageError(f"there is no column {name!r}")
    parts = [pl.col(name).is_not_null()]
    if math.isfinite(low):
        parts.append(pl.col(name) >= low)
    if math.isfinite(high):
        parts.append(pl.col(name) <= high)
    return pl.all_horizontal(parts)


def _numbers(name: str, wanted: str) -> tuple[float, float]:
    low, colon, high = wanted.partition(":")
    try:
        first = float(low) if low else -math.inf
        last = (float(high) if high else math.inf) if colon else first
    except ValueError:
        raise UsageError(
            f"{name}={wanted} is no range of numbers", remedy=f"like {name}=0.5:1 or {name}=0.5:"
        ) from None
    return first, last


def _codes(wanted: str) -> tuple[float, float]:
    """A range of subclasses like ``O9:B2`` as decimal codes; a type alone is all of it."""
    ends = []
    for text, empty, last in zip(wanted.split(":", 1), (0.0, 70.0), (0.0, 9.99)):
        star = mk.parse(text) if text else None
        if star is not None and star.type is None:
            raise UsageError(f"{text!r} is no type from O to M", remedy="like subclass=O9:B2")
        code = empty if star is None else star.code
        if star is not None and math.isnan(code):
            code = 10.0 * mk.index(str(star.type)) + last
        ends.append(code)
    return ends[0], ends[1]


def _flags(wanted: str) -> pl.Expr:
    """Flags that must be set, or with a minus must not be."""
    import polars as pl

    parts = []
    for word in wanted.split(","):
        name = word.removeprefix("-")
        if name == NONE:
            parts.append(pl.col("flags").fill_null(0) == 0)
            continue
        if name not in Flag.__members__:
            raise UsageError(f"there is no flag {name!r}", remedy=", ".join(Flag.__members__))
        bit = (pl.col("flags").fill_null(0) & int(Flag[name])) != 0
        parts.append(~bit if word.startswith("-") else bit)
    return pl.all_horizontal(parts)


def theirs(table: Table) -> pl.Expr:
    """The type from O to M that the survey gives, or a run's label; null where it gives none."""
    import polars as pl

    if table.label is None:
        raise UsageError(
            "the table does not have the survey's own types",
            remedy="it needs a column label",
        )
    types: dict[str, Any] = {text: mk.parse(text).type for text in table.labels}
    column = pl.col(table.label)
    return column.replace_strict(types, default=None, return_dtype=pl.String)
