"""Text tables of spectra: CSV, TSV, blanks, in the many dialects of instruments and programs.

The table is where lines of numbers of one width stand; what stands before gives names and units,
what stands after is left out. Decimal commas, Fortran's exponents and the usual words for a
missing number are read.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block, Named, PlainCards
from spectype.formats.source import Source

ECSV = b"# %ECSV"
_COMMENT = ("#", "%", "!", "//", "\\", ";")
_MISSING = {
    "", "nan", "null", "none", "na", "n/a", "--", "---", "inf", "-inf", "+inf", "masked", "indef",
    "...", "-nan", "nan(ind)", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "1.#inf", "-1.#inf",
    "1.#snan", "infinity", "-infinity",
}  # fmt: skip
_EXPECTED = "a text spectrum has a line a pixel: wavelength, flux and, if known, error"
_SEPARATORS = ("\t", ",", ";", "|", None)  # None stands for blanks
_SAMPLE = 400
_HEADING = "#%!/\\;*| \t"  # what a line of names may begin with
_DASHES = re.compile(r"[-=_+.:]*")
_UNIT = re.compile(
    r"(angstroms?|nm|microns?|um|aa?)$|(1e|10\^?\*?\*?)?-?\d*\W*(erg|jy|mjy|w/m|w m)|"
    r"(counts?|adu|electrons?|none|arbitrary|normali[sz]ed|relative)$"
)
_TYPES = {"double", "float", "real", "char", "int", "integer", "r8", "r4", "f8", "f4", "float64",
          "float32", "string", "null"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How cells are written: their separator (None: blanks), and a comma for the decimal point."""

    separator: str | None
    comma: bool = False

    def cells(self, line: str) -> list[str]:
        """The cells of a line without outer blanks and quotes."""
        if self.separator == "|":
            line = line.strip().strip("|")
        if self.separator and '"' in line:
            return [c.strip() for c in next(csv.reader([line], delimiter=self.separator))]
        cells = [cell.strip(" \t\"'") for cell in line.split(self.separator)]
        return [cell.replace(",", ".") for cell in cells] if self.comma else cells


@dataclass(slots=True, kw_only=True)
class _Lines:
    """Lines that are not blank, with their numbers from 1, parted at the table."""

    before: list[tuple[int, str]] = field(default_factory=list)
    table: list[tuple[int, str]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_block(source: Source) -> Block:
    """The table of a text file.

    Raises
    ------
    ReadError
        If it is not a table of numbers with two columns and two rows at least.
    """
    lines, dialect, width = _find_table(source)
    values = _numbers(lines.table, dialect, width, source)
    values = _without_count(values, lines)
    if values.shape[0] < 2 or values.shape[1] < 2:
        raise source.fail(
            f"is a text of {values.shape[0]} rows and {values.shape[1]} columns, not a spectrum",
            remedy=_EXPECTED,
        )
    names, units, named = _heading(lines, dialect, values.shape[1])
    keep = [i for i in range(values.shape[1]) if not np.isnan(values[:, i]).all()]
    keep = keep if len(keep) >= 2 else list(range(values.shape[1]))
    if len(keep) < values.shape[1]:
        empty = ", ".join(name for i, name in enumerate(names) if i not in keep)
        lines.notes.append(f"empty: {empty}")
    return Block(
        kind="text",
        arrays=[_named(names[i], values[:, i], units[i]) for i in keep],
        cards=PlainCards(_cards(lines), "\n".join(lines.comments)),
        n_rows=values.shape[0],
        named=named,
        notes=lines.notes,
    )


def _named(name: str, values: NDArray[np.float64], unit: str | None) -> Named:
    return Named(name=name, load=lambda: values, unit=unit)


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\x1a", "").replace("\x00", "")  # DOS ended its files with Ctrl-Z


def _find_table(source: Source) -> tuple[_Lines, Dialect, int]:
    """Where the numbers stand, how they are written, and how many stand in a line."""
    lines = _Lines()
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(_decode(source.data).splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith(_COMMENT):
            lines.comments.append(stripped)
            lines.before.append((number, stripped))
        elif stripped:
            rows.append((number, line.partition(" #")[0].strip("\r\n ")))
    if not rows:
        raise source.fail("holds no table: comments or blank lines only", remedy=_EXPECTED)
    dialect, width = _dialect([line for _, line in rows])
    numeric = [_are_numbers(dialect.cells(line)) for _, line in rows]
    if not any(numeric):
        raise source.fail(
            f"holds no row of numbers; line {rows[0][0]} is {rows[0][1].strip()[:40]!r}",
            remedy=_EXPECTED,
        )
    fits = [ok and len(dialect.cells(line)) == width for ok, (_, line) in zip(numeric, rows)]
    pairs = [i for i in range(len(rows) - 1) if fits[i] and fits[i + 1]]
    first = pairs[0] if pairs else numeric.index(True)
    if first and width < 3 and not any(numeric[:first]):
        first = numeric.index(True)
    last = len(rows) - numeric[::-1].index(True)
    lines.before = sorted(lines.before + rows[:first])
    lines.table = rows[first:last]
    if last < len(rows):
        lines.notes.append(f"{len(rows) - last} lines after the table left out")
    return lines, dialect, width


def _dialect(lines: list[str]) -> tuple[Dialect, int]:
    """The way of writing under which most lines are numbers, and their usual width."""
    sample = lines[:: max(1, len(lines) // _SAMPLE)]
    best: tuple[int, int, Dialect, int] | None = None
    choices = [Dialect(separator=sign) for sign in _SEPARATORS]
    if any("," in line for line in sample):
        choices += [Dialect(separator=sign, comma=True) for sign in ("\t", ";", "|", None)]
    for order, dialect in enumerate(choices):
        cells = [dialect.cells(line) for line in sample]
        widths = Counter(len(row) for row in cells if len(row) > 1 and _are_numbers(row))
        if not widths:
            continue
        width, count = widths.most_common(1)[0]
        if best is None or (count, -order) > best[:2]:
            best = (count, -order, dialect, width)
    if best is None:
        return Dialect(separator=None), 1
    return best[2], best[3]


def _are_numbers(cells: list[str]) -> bool:
    return all(_number(cell) is not None for cell in cells) and any(
        cell.lower() not in _MISSING and not _is_stars(cell) for cell in cells
    )


def _is_stars(cell: str) -> bool:
    return len(cell) > 1 and not cell.strip("*")  # Fortran's overflow


def _number(cell: str) -> float | None:
    """A cell as a float, NaN where it says so; None if it is no number."""
    try:
        return float(cell)
    except ValueError:
        pass
    lower = cell.lower()
    if lower in _MISSING or _is_stars(cell):
        return float("nan")
    if lower in ("true", "false"):
        return float(lower == "true")
    try:
        # Fortran's exponents: 1.5D+03, and 1.5-103 where three digits leave no room for the D.
        return float(re.sub(r"(?<=[\d.])[dD]?(?=[+-]\d+$)|(?<=[\d.])[dDqQ](?=\d+$)", "e", cell))
    except ValueError:
        return None


def _numbers(
    rows: list[tuple[int, str]], dialect: Dialect, width: int, source: Source
) -> NDArray[np.float64]:
    """All cells as floats, shape (n_rows, width)."""
    cells = [dialect.cells(line) for _, line in rows]
    try:
        values = np.array(cells, dtype=np.float64)
        if values.ndim == 2:
            return values
    except ValueError:
        pass  # a gap, a word or a ragged line: look at each
    out = np.empty((len(cells), width))
    for i, row in enumerate(cells):
        numbers = [_number(cell) for cell in row]
        if len(row) != width or None in numbers:
            what = f"has {len(row)} columns, not {width}"
            if None in numbers:
                what = f"holds {row[numbers.index(None)][:20]!r} where a number should stand"
            raise source.fail(
                f"is no table of numbers: line {rows[i][0]} {what}",
                remedy=f"mend or remove that line; {_EXPECTED}",
            )
        out[i] = numbers
    return out


def _without_count(values: NDArray[np.float64], lines: _Lines) -> NDArray[np.float64]:
    """The table without a first line that says how many rows follow."""
    n_rows = values.shape[0] - 1
    if (
        n_rows > 2
        and values[0, 0] == n_rows
        and not values[1, 0] - values[0, 0] < 10 * abs(values[2, 0] - values[1, 0])
    ):
        return values[1:]
    if n_rows > 2 and values[0, 0] == n_rows and values[0, 1] == values.shape[1]:
        return values[1:]
    return values


def _heading(
    lines: _Lines, dialect: Dialect, width: int
) -> tuple[list[str], list[str | None], bool]:
    """Names and units of the columns, and whether the names are to be believed.

    They stand in the last line before the table that has a word a column; a line of units,
    dashes or types may come between.
    """
    nobody = [f"column {i}" for i in range(width)]
    candidates: list[list[str]] = []
    for number, line in reversed(lines.before):
        comment = line.startswith(_COMMENT)
        cells = _words(line, dialect, width)
        if cells is None:
            if not comment and re.search(r"(?i)wave|lambda|flux", line):
                lines.notes.append(f"line {number} has no word a column: columns by position")
            continue
        candidates.append(cells)
        if _names_something(cells):
            units = [_unit(*column) for column in zip(*candidates[:-1])] or [None] * width
            return _unique(cells), units, True
    if candidates and dialect.separator is not None:
        words = candidates[-1] if len(candidates) <= 3 else candidates[0]
        if not lines.before[-1][1].startswith(_COMMENT):
            return _unique(words), [None] * width, True
    return nobody, [None] * width, False


def _words(line: str, dialect: Dialect, width: int) -> list[str] | None:
    """A line as one word a column, under the table's dialect or its own; None if it has others."""
    body = line.strip().lstrip(_HEADING).rstrip("| ")
    for choice in (dialect, *(Dialect(separator=sign) for sign in (",", "\t", ";", "|", None))):
        cells = choice.cells(body)
        if len(cells) > width and choice.separator is None:
            cells = [c for c in cells if not _is_unit(c)]
        if len(cells) == width and all(_number(c) is None or not c for c in cells):
            return cells
    return None


def _names_something(cells: list[str]) -> bool:
    """Whether one of the words can only be the name of a wavelength or of a flux."""
    text = [re.sub(r"[\[(].*?[\])]", "", cell.lower()) for cell in cells]
    return any(
        re.search(r"wave|lam(bda)?(?![a-z])|lambda|^wl$|^wvl|flux|angstrom$", t) for t in text
    ) and not all(_is_unit(cell) or _DASHES.fullmatch(cell) for cell in cells)


def _is_unit(word: str) -> bool:
    plain = word.lower().strip("[]()")
    return word[:1] in "[(" or bool(_UNIT.match(plain))


def _unit(*cells: str) -> str | None:
    """The unit among what stands under a column's name."""
    cells = tuple(cell.strip("| ") for cell in cells)
    words = [c for c in cells if not _DASHES.fullmatch(c) and c.lower() not in _TYPES]
    return words[0].strip("[]()") if words else None


def _unique(names: list[str]) -> list[str]:
    """Names with numbers after those that repeat."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return out


def _cards(lines: _Lines) -> dict[str, str]:
    """What lines before the table say as ``KEY = value`` or ``key: value``."""
    found: dict[str, str] = {}
    for _, line in lines.before:
        match = re.fullmatch(r"\s*([A-Za-z][\w-]{0,20})\s*[:=]\s*(\S.*)", line.lstrip(_HEADING))
        if match:
            found.setdefault(match[1].upper(), match[2].strip(" '\""))
    return found
