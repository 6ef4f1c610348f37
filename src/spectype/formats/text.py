"""Text tables of spectra: CSV, TSV, blanks, in the many dialects of instruments and programs.

The table is where lines of numbers of one width stand; what stands before gives names and units,
what stands after is left out. Decimal commas, Fortran's exponents and the usual words for a
missing number are read.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block, Named, PlainCards
from spectype.formats.cells import Dialect, are_numbers, is_parted, is_there, number
from spectype.formats.source import Source

ECSV, CDS = b"# %ECSV", b"Byte-by-byte Description"
_COMMENT = ("#", "%", "!", "//", "\\", ";")
_EXPECTED = "a text spectrum has a line a pixel: wavelength, flux and, if known, error"
_SEPARATORS = ("\t", ",", ";", "|", None)  # None stands for blanks
_SAMPLE = 120
_WIDE = 50  # cells a line: numbers in its heading may be wavelengths
_WAVE_WORD = re.compile(r"wave|lam(bda)?(?![a-z])|lambda|^wl$|^wvl")
_HEADING = "#%!/\\;*| \t"  # what a line of names may begin with
_DASHES = re.compile(r"[-=_+.:]*")
_UNIT = re.compile(
    r"(angstroms?|nm|microns?|um|aa?)$|(1e|10\^?\*?\*?)?-?\d*\W*(erg|jy|mjy|w/m|w m)|"
    r"(counts?|adu|electrons?|none|arbitrary|normali[sz]ed|relative)$"
)
_TYPES = {"double", "float", "real", "char", "int", "integer", "r8", "r4", "f8", "f4", "float64",
          "float32", "string", "null"}  # fmt: skip
_RDB_TYPE = re.compile(r"\d*[NSM]")


@dataclass(slots=True, kw_only=True)
class _Lines:
    """Lines that are not blank, with their numbers from 1, parted at the table."""

    before: list[tuple[int, str]] = field(default_factory=list)
    table: list[tuple[int, str]] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)  # of the table, where they were needed
    values: NDArray[np.float64] | None = None  # of a table of nothing but numbers
    comments: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """How the lines of a table look: their dialect, their cells, and which of these are words."""

    dialect: Dialect
    width: int = 1
    words: frozenset[int] = frozenset()

    def are_numbers(self, cells: list[str]) -> bool:
        """Whether the cells of a line that are to be numbers are so."""
        if not self.words:
            return are_numbers(cells)
        return are_numbers([cell for i, cell in enumerate(cells) if i not in self.words])


def read_block(source: Source) -> Block:
    """The table of a text file.

    Raises
    ------
    ReadError
        If it is not a table of numbers with two columns and two rows at least.
    """
    lines, shape = _find_table(source)
    cells = lines.cells
    values = _numbers(cells, lines, shape, source) if lines.values is None else lines.values
    rows = slice(1 if _is_count(values) else 0, None)
    values, cells = values[rows], cells[rows]
    if values.shape[0] < 2 or values.shape[1] - len(shape.words) < 2:
        raise source.fail(
            f"is a text of {values.shape[0]} rows and {values.shape[1]} columns, not a spectrum",
            remedy=_EXPECTED,
        )
    names, units, named = _heading(lines, shape, values)
    keep = [i for i in range(shape.width) if i in shape.words or not np.isnan(values[:, i]).all()]
    keep = keep if len(keep) >= 2 else list(range(shape.width))
    if len(keep) < shape.width:
        empty = ", ".join(name for i, name in enumerate(names) if i not in keep)
        lines.notes.append(f"empty: {empty}")
    columns = {i: values[:, i] for i in keep}
    columns |= {i: np.array([row[i] for row in cells]) for i in shape.words}
    said = dict.fromkeys([*(line for _, line in lines.before), *lines.comments])
    return Block(
        kind="text",
        arrays=[Named.of(names[i], columns[i], unit=units[i]) for i in keep],
        cards=PlainCards(_cards(lines), "\n".join(said)),
        n_rows=values.shape[0],
        named=named,
        notes=lines.notes,
    )


def _decode(data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    # DOS ended its files with Ctrl-Z; word processors write a minus of their own.
    return text.replace("\x1a", "").replace("\x00", "").replace("\u2212", "-")


def _find_table(source: Source) -> tuple[_Lines, _Shape]:
    """Where the numbers stand, how they are written, and how many stand in a line."""
    lines = _Lines()
    rows: list[tuple[int, str]] = []
    for at, line in enumerate(_decode(source.data).splitlines(), start=1):
        stripped = line.strip()
        if stripped.startswith(_COMMENT):
            lines.comments.append(stripped)
            lines.before.append((at, stripped))
        elif stripped:
            rows.append((at, (line.partition(" #")[0] if "#" in line else line).strip("\r\n ")))
    if not rows:
        raise source.fail("holds no table: comments or blank lines only", remedy=_EXPECTED)
    shape = _shape_of([line for _, line in rows])
    if _is_plain(lines, rows, shape):
        return lines, shape
    cells = [shape.dialect.cells(line) for _, line in rows]
    numeric = [shape.are_numbers(row) for row in cells]
    if not any(numeric):
        raise source.fail(
            f"holds no row of numbers; line {rows[0][0]} is {rows[0][1].strip()[:40]!r}",
            remedy=_EXPECTED,
        )
    fits = [ok and len(row) == shape.width for ok, row in zip(numeric, cells)]
    pairs = [i for i in range(len(rows) - 1) if fits[i] and fits[i + 1]]
    first = pairs[0] if pairs else numeric.index(True)
    if first and shape.width < 3 and not any(numeric[:first]):
        first = numeric.index(True)
    last = len(rows) - numeric[::-1].index(True)
    lines.before = sorted(lines.before + rows[:first])
    heads = {line for _, line in rows[:first]}
    kept = [i for i in range(first, last) if rows[i][1] not in heads]
    lines.table, lines.cells = [rows[i] for i in kept], [cells[i] for i in kept]
    if len(lines.table) < last - first:
        lines.notes.append(f"{last - first - len(lines.table)} repeated lines of names left out")
    if last < len(rows):
        lines.notes.append(_after(len(rows) - last))
    return lines, shape


def _is_plain(lines: _Lines, rows: list[tuple[int, str]], shape: _Shape) -> bool:
    """Whether all from the first line of numbers to the last are such lines, of one width.

    Nearly all files are so. Their numbers then go to `lines` at once, which takes a third of the
    time of asking each line what it is.
    """
    dialect = shape.dialect
    if shape.words or dialect.comma or dialect.separator == "|":
        return False
    first, after = (
        next(
            (i for i, (_, x) in enumerate(order) if shape.are_numbers(dialect.cells(x))), len(rows)
        )
        for order in (rows, rows[::-1])
    )
    last = len(rows) - after
    parted = [line.split(dialect.separator) for _, line in rows[first:last]]
    if len(parted) < 2 or set(map(len, parted)) != {shape.width}:
        return False
    try:
        values = np.array(list(map(float, chain.from_iterable(parted)))).reshape(len(parted), -1)
    except ValueError:
        return False
    if not np.isfinite(values).any(axis=1).all():
        return False
    lines.table, lines.values = rows[first:last], values
    lines.before = sorted(lines.before + rows[:first])
    if last < len(rows):
        lines.notes.append(_after(len(rows) - last))
    return True


def _after(count: int) -> str:
    return f"{count} lines after the table left out"


def _shape_of(lines: list[str]) -> _Shape:
    """The way of writing under which most lines are numbers, or numbers and words."""
    sample = lines[:: max(1, len(lines) // _SAMPLE)]
    choices = [Dialect(separator=sign) for sign in _SEPARATORS]
    if any("," in line for line in sample):
        choices += [Dialect(separator=s, comma="point") for s in ("\t", ";", "|", None)]
    if any('"' in line for line in sample):
        choices.append(Dialect(separator=",", comma="point"))
    by_comma = [Dialect(separator=",").cells(line) for line in sample]
    names = 0 if are_numbers(by_comma[0]) else len(by_comma[0])
    if is_parted(by_comma[bool(names) :], names):
        choices = [Dialect(separator=",", comma="parted")]
    found = [_usual(dialect, sample, words=False) for dialect in choices]
    if not any(count for count, _ in found):
        found = [_usual(dialect, sample, words=True) for dialect in choices]
    return max(found, key=lambda pair: pair[0])[1]  # of equals the first


def _usual(dialect: Dialect, sample: list[str], *, words: bool) -> tuple[int, _Shape]:
    """How many lines of numbers have the usual count of cells, and their shape.

    With `words`, some of the cells may be words, the same ones in each line.
    """
    rows = [row for row in map(dialect.cells, sample) if len(row) > 1]
    if words:
        rows = [row for row in rows if sum(number(c) is not None and is_there(c) for c in row) > 1]
    else:
        rows = [row for row in rows if are_numbers(row)]
    widths = Counter(map(len, rows))
    if not widths:
        return 0, _Shape(dialect=Dialect(separator=None))
    width = widths.most_common(1)[0][0]
    rows = [row for row in rows if len(row) == width]
    spoken = [sum(number(cell) is None for cell in column) for column in zip(*rows)]
    shape = _Shape(
        dialect=dialect,
        width=width,
        words=frozenset(i for i, n in enumerate(spoken) if n > 0.5 * len(rows)),
    )
    return sum(map(shape.are_numbers, rows)), shape


def _numbers(
    cells: list[list[str]], lines: _Lines, shape: _Shape, source: Source
) -> NDArray[np.float64]:
    """All cells as floats, NaN for words, shape (n_rows, width)."""
    try:
        values = np.array(cells, dtype=np.float64)
        if values.ndim == 2:
            return values
    except ValueError:
        pass  # a gap, a word or a ragged line: look at each
    out = np.empty((len(cells), shape.width))
    for i, row in enumerate(cells):
        numbers = [np.nan if j in shape.words else number(cell) for j, cell in enumerate(row)]
        if len(row) != shape.width or None in numbers:
            what = f"has {len(row)} columns, not {shape.width}"
            if None in numbers:
                what = f"holds {row[numbers.index(None)][:20]!r} where a number should stand"
            raise source.fail(
                f"is no table of numbers: line {lines.table[i][0]} {what}",
                remedy=f"mend or remove that line; {_EXPECTED}",
            )
        out[i] = numbers
    return out


def _is_count(values: NDArray[np.float64]) -> bool:
    """Whether a first line says how many rows follow."""
    n_rows = values.shape[0] - 1
    if n_rows <= 2 or values[0, 0] != n_rows:
        return False
    near = values[1, 0] - values[0, 0] < 10 * abs(values[2, 0] - values[1, 0])
    return bool(not near or values[0, 1] == values.shape[1])


def _heading(
    lines: _Lines, shape: _Shape, values: NDArray[np.float64]
) -> tuple[list[str], list[str | None], bool]:
    """Names and units of the columns, and whether the names are to be believed.

    They stand in the last line before the table that has a word a column; a line of units,
    dashes or types may come between.
    """
    width, dialect = shape.width, shape.dialect
    nobody = [f"column {i}" for i in range(width)]
    candidates: list[list[str]] = []
    for at, line in reversed(lines.before):
        comment = line.startswith(_COMMENT)
        cells = _words(line, dialect, width)
        if cells is None:
            if not comment and re.search(r"(?i)wave|lambda|flux", line):
                lines.notes.append(f"line {at} has no word a column: columns by position")
            continue
        if comment and _is_prose(cells, values):
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
    if width > _WIDE and sum(number(c) is not None for c in dialect.cells(body)) > width / 2:
        return dialect.cells(body)  # wavelengths, over the fluxes of a star a line
    for choice in (dialect, *(Dialect(separator=sign) for sign in (",", "\t", ";", "|", None))):
        cells = choice.cells(body)
        if len(cells) > width and choice.separator is None:
            cells = [c for c in cells if not _is_unit(c)]
        if len(cells) == width and all(number(c) is None or not c for c in cells):
            return cells
    return None


def _names_something(cells: list[str]) -> bool:
    """Whether one of the words can only be the name of a wavelength or of a flux."""
    text = [re.sub(r"[\[(].*?[\])]", "", cell.lower()) for cell in cells]
    return any(_WAVE_WORD.search(t) or re.search(r"flux|angstrom$", t) for t in text) and not all(
        _is_unit(cell) or _DASHES.fullmatch(cell) for cell in cells
    )


def _is_prose(cells: list[str], values: NDArray[np.float64]) -> bool:
    """Whether words of a comment are no names: their "wavelengths" jump, another column does not.

    ``# AIR WAVELENGTHS`` has as many words as a table of two columns.
    """
    named = [i for i, cell in enumerate(cells) if _WAVE_WORD.search(cell.lower())]
    if not named or len(named) == len(cells):
        return bool(named)
    steps = np.sign(np.diff(values, axis=0))
    runs = np.abs(np.nansum(steps, axis=0)) > 0.9 * len(steps)
    return bool(runs.any() and not runs[named].any())


def _is_unit(word: str) -> bool:
    plain = word.lower().strip("[]()")
    return word[:1] in "[(" or bool(_UNIT.match(plain))


def _is_type(word: str) -> bool:
    return word.lower() in _TYPES or bool(_RDB_TYPE.fullmatch(word))


def _unit(*cells: str) -> str | None:
    """The unit among what stands under a column's name."""
    cells = tuple(cell.strip("| ") for cell in cells)
    words = [c for c in cells if not (_DASHES.fullmatch(c) or _is_type(c))]
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
