"""Text tables of spectra: CSV, TSV, blanks; with or without a header line."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from spectype.surveys import columns as cols
from spectype.surveys.clean import Floats, Raw, variance_inverse
from spectype.surveys.source import Source

_COMMENT = ("#", "%", "!", "//", "\\")
_MISSING = {"", "nan", "null", "none", "na", "n/a", "--", "---", "inf", "-inf", "masked"}
_EXPECTED = "a text spectrum has a line a pixel: wavelength, flux and, if known, error"
_BY_POSITION = ("wave", "flux", "error")  # the field's habit where no names are given


@dataclass(frozen=True, slots=True)
class TextTable:
    """Numbers of a text table, shape (n_rows, n_columns), its names and comment lines."""

    values: Floats
    names: list[str]
    named: bool
    comments: str


def read_raw(source: Source, *, columns: cols.ColumnChoice | None) -> Raw:
    """Columns of a text file: one spectrum, a pixel a line."""
    table = parse(source)
    if columns is None and not table.named:
        roles = dict(zip(_BY_POSITION, table.names))
    else:
        roles = cols.choose(table.names, columns, source)
    missing = [role for role in ("wave", "flux") if role not in roles]
    if missing:
        raise source.fail(
            f"has no column that looks like {' or '.join(missing)} among"
            f" {', '.join(table.names[:12])}",
            remedy='name them: columns="wave=...,flux=..."',
        )
    values = {role: table.values[:, table.names.index(name)] for role, name in roles.items()}
    wave_name = roles["wave"]
    ivar = values.get("ivar")
    if ivar is None:
        ivar = variance_inverse(error=values.get("error"), variance=values.get("variance"))
    bad = None
    if "mask" in values:
        bad = ~(values["mask"] == 0)
    elif "good" in values:
        bad = ~(values["good"] > 0)
    warnings = []
    if bad is not None and bad.all():
        bad = None
        warnings.append("the mask column marks every pixel: ignored")
    frame = cols.frame_in_text(wave_name) or cols.frame_in_text(
        " ".join(line for line in table.comments.splitlines() if "wave" in line.lower())
    )
    return Raw(
        wave=values["wave"],
        flux=values["flux"][None],
        ivar=None if ivar is None else ivar[None],
        bad=None if bad is None else bad[None],
        unit=cols.unit_in_name(wave_name),
        frame=frame,
        per_frequency=cols.normal(roles["flux"]) in ("fnu", "fluxnu"),
        meta={"layout": ["text"]},
        warnings=warnings,
    )


def parse(source: Source) -> TextTable:
    """Find separator, names and numbers of a text table.

    Raises
    ------
    ReadError
        If it is not a table of numbers with two columns at least.
    """
    text = _decode(source.data)
    comments, lines = [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith(_COMMENT):
            comments.append(stripped)
        elif stripped:
            lines.append(stripped)
    if not lines:
        raise source.fail("holds no table: comments or blank lines only", remedy=_EXPECTED)
    separator = _separator(lines[min(1, len(lines) - 1)])
    first = _cells(lines[0], separator)
    named = not _are_numbers(first)
    if named:
        lines = lines[1:]
    values = _numbers(lines, separator, len(first), source)
    names, named = (first, True) if named else _names_in_comments(comments, len(first))
    if values.shape[0] < 2 or values.shape[1] < 2:
        raise source.fail(
            f"is a text of {values.shape[0]} rows and {values.shape[1]} columns, not a spectrum",
            remedy=_EXPECTED,
        )
    return TextTable(values, _unique(names), named, "\n".join(comments))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separator(line: str) -> str | None:
    """The separator of a line of numbers; None stands for blanks."""
    return next((sign for sign in (",", "\t", ";", "|") if sign in line), None)


def _cells(line: str, separator: str | None) -> list[str]:
    if separator == "|":
        line = line.strip("|")
    return [cell.strip().strip("\"'") for cell in line.split(separator)]


def _are_numbers(cells: list[str]) -> bool:
    return all(_number(cell) is not None for cell in cells) and any(
        np.isfinite(_number(cell) or 0.0) and cell.lower() not in _MISSING for cell in cells
    )


def _number(cell: str) -> float | None:
    """A cell as a float, NaN where it says so; None if it is no number."""
    try:
        return float(cell)
    except ValueError:
        pass
    if cell.lower() in _MISSING:
        return float("nan")
    if cell.lower() in ("true", "false"):
        return float(cell.lower() == "true")
    try:
        return float(re.sub(r"[dD](?=[+-]?\d)", "e", cell))  # Fortran's exponents
    except ValueError:
        return None


def _numbers(lines: list[str], separator: str | None, n_columns: int, source: Source) -> Floats:
    """All cells as floats, shape (n_rows, n_columns)."""
    rows = [_cells(line, separator) for line in lines]
    try:
        return np.array(rows, dtype=np.float64)
    except ValueError:
        pass  # a gap, a word or a ragged line: look at each
    out = np.empty((len(rows), n_columns))
    for i, row in enumerate(rows):
        numbers = [_number(cell) for cell in row]
        if len(row) != n_columns or None in numbers:
            what = f"has {len(row)} columns, not {n_columns}"
            if None in numbers:
                what = f"holds {row[numbers.index(None)][:20]!r} where a number should stand"
            raise source.fail(
                f"is no table of numbers: its row {i + 1} {what}",
                remedy=_EXPECTED,
            )
        out[i] = numbers
    return out


def _names_in_comments(comments: list[str], n_columns: int) -> tuple[list[str], bool]:
    """Names from the last comment line that has as many words, one of them a wavelength's."""
    for line in reversed(comments):
        body = line.lstrip("#%!/\\ ")
        words = _cells(body, _separator(body))
        if len(words) == n_columns and {"wave", "flux"} <= set(cols.guess(words)):
            return words, True
    return [f"column {i}" for i in range(n_columns)], False


def _unique(names: list[str]) -> list[str]:
    """Names with numbers after those that repeat."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return out
