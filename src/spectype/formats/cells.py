"""Cells of text tables: how they are parted, and the many ways of writing a number."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from typing import Literal

_MISSING = {
    "", "nan", "null", "none", "na", "n/a", "--", "---", "inf", "-inf", "+inf", "masked", "indef",
    "...", "-nan", "nan(ind)", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind", "1.#inf", "-1.#inf",
    "1.#snan", "infinity", "-infinity",
}  # fmt: skip
# Fortran's exponents: 1.5D+03, and 1.5-103 where three digits leave no room for the D.
_EXPONENT = re.compile(r"(?<=[\d.])[dD]?(?=[+-]\d+$)|(?<=[\d.])[dDqQ](?=\d+$)")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d*(?:[eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How cells are written.

    Parameters
    ----------
    separator : str or None
        Between cells; None for blanks.
    comma : {"", "point", "parted"}
        Whether a comma stands for the decimal point; "parted" where it separates cells, too, so
        that each number has become two cells.
    """

    separator: str | None
    comma: Literal["", "point", "parted"] = ""

    def cells(self, line: str) -> list[str]:
        """The cells of a line without outer blanks and quotes."""
        if self.separator == "|":
            line = line.strip().strip("|")
        if self.separator and '"' in line:
            cells = [c.strip() for c in next(csv.reader([line], delimiter=self.separator))]
        else:
            cells = [cell.strip(" \t\"'") for cell in line.split(self.separator)]
        if self.comma == "point":
            return [cell.replace(",", ".") for cell in cells]
        if self.comma == "parted" and len(cells) % 2 == 0 and all(map(_is_digits, cells)):
            return [f"{whole}.{rest}" for whole, rest in zip(cells[::2], cells[1::2])]
        return cells


def _is_digits(cell: str) -> bool:
    return cell.lstrip("+-").isdigit()


def is_parted(rows: list[list[str]], names: int) -> bool:
    """Whether commas part the numbers themselves: ``3706,807,0,0996``, once 3706.807 and 0.0996.

    Parameters
    ----------
    rows : list of list of str
        Cells of lines, parted at commas.
    names : int
        Words in the header, 0 where there is none.

    Notes
    -----
    A header of half as many names says so, or zeros before a second half, as no number has.
    """
    plain = [row for row in rows if len(row) >= 4 and all(map(_is_digits, row))]
    if not plain or len(plain) < 0.9 * len(rows) or any(len(row) % 2 for row in plain):
        return False
    padded = any(re.match(r"0\d", cell) for row in plain for cell in row[1::2])
    return padded or names * 2 == len(plain[0])


def are_numbers(cells: list[str]) -> bool:
    """Whether all cells are numbers or missing ones, and one at least is there."""
    try:  # as nearly all lines are; each cell by itself takes several times as long
        values = list(map(float, cells))
    except ValueError:
        return _are_numbers_or_gaps(cells)
    return any(map(math.isfinite, values))


def _are_numbers_or_gaps(cells: list[str]) -> bool:
    return all(number(cell) is not None for cell in cells) and any(map(is_there, cells))


def is_there(cell: str) -> bool:
    """Whether a cell holds something else than a word for a missing number."""
    return cell.lower() not in _MISSING and not _is_overflow(cell)


def _is_overflow(cell: str) -> bool:
    return len(cell) > 1 and not cell.strip("*")  # Fortran's


def number(cell: str) -> float | None:
    """A cell as a float, NaN where it says so; None if it is no number."""
    try:
        return float(cell)
    except ValueError:
        pass
    lower = cell.lower()
    if lower in _MISSING or _is_overflow(cell):
        return float("nan")
    if lower in ("true", "false"):
        return float(lower == "true")
    if _THOUSANDS.fullmatch(cell):
        cell = cell.replace(",", "")
    try:
        return float(_EXPONENT.sub("e", cell.strip("[]()")))
    except ValueError:
        return None
