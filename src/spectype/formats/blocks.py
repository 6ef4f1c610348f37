"""What every container delivers: blocks of named arrays with their units and cards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Cards(Protocol):
    """A header: FITS cards, or what stands in their place in other containers."""

    def __contains__(self, key: str) -> bool: ...
    def get(self, key: str, default: Any = None) -> Any:
        """Value of a card."""

    def text(self, key: str) -> str | None:
        """The value as text without outer blanks; None where missing or empty."""

    def number(self, key: str) -> float | None:
        """The value as a finite float; None if it is none."""

    def commentary(self) -> str:
        """Comment and history lines."""

    def lines(self) -> str:
        """Every card with its keyword, value and comment, a line each."""


class PlainCards:
    """Cards from a mapping and comment lines, for containers that are not FITS.

    Parameters
    ----------
    values : mapping
        By keyword; asked for in upper case.
    comments : str
        Lines of comment.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, comments: str = "") -> None:
        self._values = {str(key).upper(): value for key, value in (values or {}).items()}
        self._comments = comments

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a card."""
        return self._values.get(key, default)

    def text(self, key: str) -> str | None:
        """The value as text without outer blanks; None where missing or empty."""
        value = self._values.get(key)
        return None if value is None else str(value).strip() or None

    def number(self, key: str) -> float | None:
        """The value as a finite float; None if it is none."""
        try:
            value = float(self._values[key])
        except (KeyError, TypeError, ValueError):
            return None
        return value if np.isfinite(value) else None

    def commentary(self) -> str:
        """Comment and history lines."""
        return self._comments

    def lines(self) -> str:
        """Every value with its key, a line each."""
        return "\n".join(f"{key} = {value}" for key, value in self._values.items())


class Inherited:
    """Cards of an extension, and those of the primary header where it has none of a name.

    The INHERIT convention (Pence+2010, A&A 524, A42, appendix K).
    """

    def __init__(self, own: Cards, primary: Cards) -> None:
        self._both = (own, primary)

    def _having(self, key: str) -> Cards:
        return self._both[0] if key in self._both[0] else self._both[1]

    def __contains__(self, key: str) -> bool:
        return key in self._having(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Value of a card."""
        return self._having(key).get(key, default)

    def text(self, key: str) -> str | None:
        """The value as text without outer blanks; None where missing or empty."""
        return self._having(key).text(key)

    def number(self, key: str) -> float | None:
        """The value as a finite float; None if it is none."""
        return self._having(key).number(key)

    def commentary(self) -> str:
        """Comment and history lines of both."""
        return "\n".join(cards.commentary() for cards in self._both)

    def lines(self) -> str:
        """Every card of both."""
        return "\n".join(cards.lines() for cards in self._both)


@dataclass(kw_only=True)
class Named:
    """One array of a file, loaded when first looked at.

    Parameters
    ----------
    name : str
        Column or extension name as written; may be empty.
    load : callable
        Returns the values: (n_rows,), (n_rows, n), an object array of vectors, or an image.
    unit : str, optional
        As written.
    cards : Cards, optional
        The array's own header, for images.
    """

    name: str
    load: Callable[[], Any]
    unit: str | None = None
    cards: Cards = field(default_factory=PlainCards)

    @classmethod
    def of(cls, name: str, values: NDArray[Any], *, unit: str | None = None) -> Named:
        """An array whose values are there already."""
        return cls(name=name, load=lambda: values, unit=unit)

    @cached_property
    def values(self) -> NDArray[Any]:
        """The numbers (or words) themselves."""
        return np.asarray(self.load())

    @property
    def is_numeric(self) -> bool:
        """Whether the values are numbers, or vectors of numbers."""
        kind = self.values.dtype.kind
        if kind == "O" and self.values.size:
            return np.asarray(self.values.flat[0]).dtype.kind in "fiub"
        return kind in "fiub"


@dataclass(kw_only=True)
class Block:
    """One table (FITS, VOTable, text), or all images of a FITS file.

    Parameters
    ----------
    kind : {"table", "text", "images"}
        What it is.
    name : str
        The extension's name; may be empty.
    number : int
        Its place in the file, from 0.
    arrays : list of Named
        Columns, or images.
    cards : Cards
        The table's header; for images the file's primary header.
    n_rows : int
        Rows of a table; 0 for images.
    named : bool
        False where the names of columns are made up: a text without a header line.
    notes : list of str
        What was skipped on the way.
    """

    kind: str
    name: str = ""
    number: int = 0
    arrays: list[Named] = field(default_factory=list)
    cards: Cards = field(default_factory=PlainCards)
    n_rows: int = 0
    named: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Names of the arrays."""
        return [array.name for array in self.arrays]

    def __getitem__(self, name: str) -> Named:
        return next(array for array in self.arrays if array.name == name)

    @property
    def title(self) -> str:
        """What to call it in messages."""
        return f"table {self.name}" if self.name else f"table {self.number}"
