"""What is looked for: a type, a range of subclasses, a kind of object, or a contradiction."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spectype.core import mk
from spectype.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One question to a table of results.

    Use `wanted`.

    Parameters
    ----------
    name : str
        A word for files and headings.
    types : tuple of str
        Types that can hold it; empty for a kind or a contradiction.
    span : (float, float), optional
        Decimal codes of the subclasses, half open.
    luminosity : str, optional
        Luminosity class.
    kind : str, optional
        A word of the column ``kind``.
    disagree : bool
        Whether rows are wanted whose type contradicts the survey's.
    """

    name: str
    types: tuple[str, ...] = ()
    span: tuple[float, float] | None = None
    luminosity: str | None = None
    kind: str | None = None
    disagree: bool = False


def wanted(
    *,
    type: str | None = None,
    subclass: str | None = None,
    luminosity: str | None = None,
    kind: str | None = None,
    disagree: bool = False,
) -> Wanted:
    """The question behind the options of ``spectype mine``.

    Examples
    --------
    >>> wanted(subclass="O9-B2", luminosity="I").span
    (8.5, 12.5)

    Raises
    ------
    UsageError
        If nothing is asked, or things that do not go together.
    """
    asked = sum([type is not None, subclass is not None, kind is not None, disagree])
    if asked != 1:
        raise UsageError(
            "one thing is looked for at a time",
            remedy="give one of --type O, --subclass B0-B2, --kind carbon, --disagree",
        )
    if luminosity is not None and luminosity not in mk.LUMINOSITIES:
        raise UsageError(
            f"no luminosity class {luminosity!r}", remedy=" ".join(mk.LUMINOSITIES)
        )  # fmt: skip
    if luminosity is not None and (kind is not None or disagree):
        raise UsageError("--luminosity goes with --type or --subclass")
    ending = f"-{luminosity}" if luminosity else ""
    if type is not None:
        if type not in mk.TYPES or len(type) != 1:
            raise UsageError(f"no type {type!r}", remedy=f"one of {' '.join(mk.TYPES)}")
        return Wanted(name=type + ending, types=(type,), luminosity=luminosity)
    if subclass is not None:
        low, high = _span(subclass)
        inside = [t for t in mk.TYPES if 10 * mk.index(t) < high and 10 * mk.index(t) + 10 > low]
        return Wanted(
            name=subclass + ending, types=tuple(inside), span=(low, high), luminosity=luminosity
        )
    if kind is not None:
        return Wanted(name=kind.replace(" ", "-"), kind=kind)
    return Wanted(name="disagree", disagree=True)


def _span(text: str) -> tuple[float, float]:
    """Codes of ``B0-B2``: what is printed as one of these subclasses."""
    ends = [mk.parse(part.strip()).code for part in text.split("-")]
    first, last = ends[0], ends[-1]
    if len(ends) > 2 or any(end is None or math.isnan(end) for end in ends) or first > last:
        raise UsageError(f"no range of subclasses: {text!r}", remedy="like B0-B2, or O9")
    lowest = 10.0 * mk.index(mk.type_of(first))
    highest = 10.0 * mk.index(mk.type_of(last)) + 10.0
    return max(first - 0.5, lowest), min(last + 0.5, highest)
