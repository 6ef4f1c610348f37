"""MK notation: the one place that knows how spectral types are written, ordered and printed.

A type is a decimal code inside: ten times its place in ``OBAFGKM`` plus the subclass, so
O5 is 5.0, B0 10.0, G2 42.0 and M4.5 64.5. Everything that is not a type from O to M (white
dwarfs, carbon stars, galaxies ...) has a `MK.kind` of its own and no code.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

TYPES = "OBAFGKM"
LUMINOSITIES = ("I", "II", "III", "IV", "V")

_NAN = math.nan  # one object, so that two MKs without a subclass compare equal
_PREFIXES = {"d": "V", "g": "III", "sd": "V", "esd": "V", "usd": "V"}
_WORDS = {
    "hypergiant": "I",
    "supergiant": "I",
    "brightgiant": "II",
    "giant": "III",
    "subgiant": "IV",
    "dwarf": "V",
    "subdwarf": "VI",
}

# What is not a type from O to M; the first pattern that matches the whole text decides.
_KINDS: tuple[tuple[str, str], ...] = (
    ("unknown", r"|non|none|null|nan|n/a|unknown|unk|-+|\?+|-9999"),
    ("white dwarf", r"wd[^+]*|carbon_?dq.*|white ?dwarf.*"),
    ("carbon", r"carbon.*|cemp.*|c-?[nhrj]?[\d.,:?]*"),
    ("cataclysmic", r"cv|cataclysmic.*"),
    ("emission", r"em|emission.*"),
    ("binary", r"double ?star|binary|sb[12]?|wd\+.*"),
    ("planetary nebula", r"pne?"),
    ("galaxy", r"galaxy.*|gal|agn|starforming.*|starburst.*"),
    ("quasar", r"qso.*|quasar"),
)
# The same, where the case of letters matters: DA is not a dwarf A star.
_KINDS_BY_CASE: tuple[tuple[str, str], ...] = (
    ("white dwarf", r"D[ABCFGKOQXZ][ABCEHOPQVXZ]*[\d.]*[A-Za-z]*[:?]*"),
    ("binary", r"D[ABCOQZ][A-Z]*[\d.]*\s*\+.*"),
    ("hot subdwarf", r"(?:He-?)?sd[OB].*"),
    ("carbon", r"dC.*|[RN](?:[\d.,]+.*|\W*)"),
    ("S star", r"SC?(?:[\d.,/*]+.*|\W*)"),
    ("brown dwarf", r"(?:[eu]?sd|d)?[LTY](?:\d.*|\W*)"),
    ("Wolf-Rayet", r"W[NCOR](?:[\d./-].*|[hL].*|\W*)"),
)
_KIND_OF = tuple(
    (kind, re.compile(pattern, flags | re.ASCII))
    for table, flags in ((_KINDS, re.IGNORECASE), (_KINDS_BY_CASE, re.NOFLAG))
    for kind, pattern in table
)

_NUMBER = r"(10(?:\.\d+)?|\d(?:\.\d+)?)(?!\d)"
_SUBCLASS = re.compile(rf"\s*{_NUMBER}", re.ASCII)
# Pickles (1998) writes ranges as two digits: K34II is K3-4 II.
_PAIR = re.compile(r"\s*(\d)(\d)(?![\d.]\d)", re.ASCII)
_RANGE_END = re.compile(rf"\s*[-/]\s*([{TYPES}]?){_NUMBER}", re.ASCII)
_OTHER_TYPE = re.compile(rf"\s*[-/]\s*[{TYPES}](?![a-z])")
_ONE = r"(?:I(?:a\+(?![.A-Z])|ab|a-?0|a|b|-?0)|(?:IV|VI|V|III|II|I)(?:ab|a|b)?)"
_LUMINOSITY = re.compile(rf"\s*\(?({_ONE}(?:\s*[-/]\s*(?:{_ONE}|ab|a|b))?)\)?")
_WORD = re.compile(r"\s*((?:super|sub|bright ?|hyper)?(?:giant|dwarf))s?\b", re.IGNORECASE)
_IRON = re.compile(r"\s+([+-]\d\.\d+)(?=\s|$)", re.ASCII)
_COMPANION = re.compile(rf"\s*\+\s*(?=[a-z]*[{TYPES}DWLT])")
_DOUBT = re.compile(r"\s*[:?~]")
_NOISE = re.compile(r"\s*(?:\+?[.?]{2,}|\+\?|\+$|[,;.*_])|\s+")
_MARK = re.compile(
    r"\s*(\(\(f[*+]?\)\)|\(\([en]\)\)|\([A-Za-z0-9*+ _-]+\)"
    r"|shell|comp|subdwarf|weak|strong|var|va|wk|met|lB|lamBoo|nn|sh|sp|sb|EM|em"
    r"|(?:Fe|CN|CH|Ca|Ba|Sr|Si|Cr|Eu|Mn|Hg|He|Ti|Mg|Zr|Hdel|C2|C|N|S)(?:[+-]?\d(?:\.\d+)?)?"
    r"|f[*+]?|[ehkmnpqsvwzE])",
    re.ASCII,
)
_WORD_END = re.compile(r"\s*\S+")
_AM_STAR = re.compile(r"k[OBAFGKM][\d.]*h([OBAFGKM])([\d.]+)(?:m[OBAFGKM][\d.]*)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class MK:
    """A spectral type taken apart.

    Parameters
    ----------
    text : str
        What was parsed.
    type : str or None
        One of `TYPES`. None where the text names no type from O to M.
    code : float
        Decimal code; the middle of a range; NaN without a subclass.
    luminosity : str or None
        One of `LUMINOSITIES`; the first of a range (``IV/V`` is IV).
    luminosity_detail : str
        As written: ``Ia``, ``IV-V``, or a prefix that says it: ``d``, ``g``, ``sd``.
    kind : str
        ``star``, or what it is instead: ``white dwarf``, ``hot subdwarf``, ``carbon``,
        ``S star``, ``brown dwarf``, ``Wolf-Rayet``, ``cataclysmic``, ``emission``,
        ``planetary nebula``, ``binary``, ``galaxy``, ``quasar``, ``unknown``, ``other``.
        A composite such as ``K0III+A2V`` is a ``binary`` with the type of its first star.
    uncertain : bool
        Marked with a colon or a question mark.
    range : tuple of float, or None
        Lowest and highest code, where two are given.
    peculiarities : str
        Known marks that follow, space-separated: ``e``, ``n``, ``p``, ``CN``, ``Si``,
        ``Fe-1.0``, ``subdwarf`` ...
    unparsed : str
        What nobody here understands.
    """

    text: str
    type: str | None = None
    code: float = _NAN
    luminosity: str | None = None
    luminosity_detail: str = ""
    kind: str = "star"
    uncertain: bool = False
    range: tuple[float, float] | None = None
    peculiarities: str = ""
    unparsed: str = ""

    def __str__(self) -> str:
        """The type in canonical notation; the text itself where it names no type."""
        if self.type is None or self.kind != "star":
            return self.text.strip()
        prefix = self.luminosity_detail if self.luminosity_detail in _PREFIXES else ""
        body = self.type if self.range is None else _format_range(*self.range)
        if self.range is None and not math.isnan(self.code):
            body = exact(self.code)
        marks = self.peculiarities.split()
        if prefix.endswith("sd") or "VI" in self.luminosity_detail:
            marks = [mark for mark in marks if mark != "subdwarf"]
        head = prefix + body + ("" if prefix else self.luminosity_detail)
        glued, doubt = "".join(marks), ":" * self.uncertain
        short = all(len(mark) < 4 for mark in marks) and not head.endswith("+")
        if short and _MARK.findall(glued) == marks:
            return head + glued + doubt  # K0IIICN
        return " ".join([head + doubt, *marks])  # A8V Fe-1.0


@lru_cache(maxsize=8192)
def parse(text: str | None) -> MK:
    """Read a spectral type in any of the spellings that surveys and libraries use.

    Parameters
    ----------
    text : str or None
        For example ``G2V``, ``O9.5Iae``, ``dM3``, ``B2-3III:``, ``K0IIICN``, ``F8/G0``, ``WD``.

    Returns
    -------
    MK
        Never raises on any text: what is not understood has kind ``other`` or stands in
        `MK.unparsed`.

    Notes
    -----
    The prefixes of older work give the luminosity class: d dwarf (V), g giant (III), sd
    subdwarf (V with the peculiarity ``subdwarf``, as class VI has); sdO and sdB are hot
    subdwarfs, not types. An Am star such as kA2hF0mF2 has the type of its hydrogen lines
    (Gray & Corbally 2009, Stellar Spectral Classification, ch. 5). ``OB`` (O or early B) has
    no type, but a range. [Fe/H] of a template (``A8 -1.0 Dwarf``) becomes the peculiarity
    ``Fe-1.0``.

    Examples
    --------
    >>> parse("O9.5Iae").code, parse("O9.5Iae").luminosity, parse("dM3").luminosity
    (9.5, 'I', 'V')
    >>> str(parse("B2-3 III:"))
    'B2-3III:'
    """
    text = "" if text is None else text
    stripped = text.strip()
    for kind, pattern in _KIND_OF:
        if pattern.fullmatch(stripped):
            return MK(text=text, kind=kind)
    if re.fullmatch(r"OB\W*", stripped):
        return MK(text=text, uncertain=True, range=(0.0, 20.0))
    return _parse_star(text, _normalise(stripped))


#: What LAMOST's template OB stands for: a star of type O or B, and no more is known.
OB = "OB"


def type_or_range(label: Mapping[str, Any]) -> str:
    """How a store's row is counted: its ``type``, ``OB`` for that range, else ``None``."""
    if label["type"] is not None:
        return str(label["type"])
    return OB if label.get("code_low") == 0.0 and label.get("code_high") == 20.0 else "None"


def type_of(code: float) -> str:
    """Type of a decimal code, ``""`` for NaN.

    >>> type_of(42.0)
    'G'
    """
    return "" if math.isnan(code) else TYPES[min(max(int(code // 10), 0), 6)]


def index(type: str) -> int:
    """Place of a type in `TYPES`; `ValueError` for anything else."""
    if len(type) != 1:
        raise ValueError(f"{type!r} is not one of the types {' '.join(TYPES)}")
    return TYPES.index(type)


def type_indices(codes: ArrayLike) -> NDArray[np.int64]:
    """Place in `TYPES` of each decimal code, shape as `codes`; -1 for NaN."""
    values = np.asarray(codes, dtype=np.float64)
    tens = np.floor_divide(np.where(np.isnan(values), 0.0, values), 10.0)
    return np.where(np.isnan(values), -1, np.clip(tens, 0, 6)).astype(np.int64)


def split(code: float) -> tuple[str, float]:
    """Type and subclass of a decimal code; M10 is code 70.

    >>> split(64.5)
    ('M', 4.5)
    """
    type = type_of(code)
    return type, code - 10.0 * index(type) if type else _NAN


def format_code(code: float, half: bool = True) -> str:
    """Print a decimal code, rounded to half a subclass (or a whole one); ``""`` for NaN.

    >>> format_code(42.1), format_code(9.5), format_code(49.9), format_code(9.5, half=False)
    ('G2', 'O9.5', 'K0', 'B0')
    """
    if math.isnan(code):
        return ""
    steps = 2 if half else 1
    return exact(math.floor(code * steps + 0.5) / steps)


def exact(code: float) -> str:
    """Print a decimal code without rounding it.

    >>> exact(42.25)
    'G2.25'
    """
    type, subclass = split(code)
    return f"{type}{subclass:.10g}"


def _format_range(low: float, high: float) -> str:
    end = exact(high)
    return f"{exact(low)}-{end[1:] if end[0] == type_of(low) else end}"


def _normalise(text: str) -> str:
    """Bring spellings that differ only in dress to one: ``g2v``, ``MPF4V``."""
    # All lower case, as in the names of Pickles' files; "var" keeps its v.
    if head := re.match(r"[obafgkm]\d[\d./-]*(?:\s*(?:iii|ii|iv|i|v)(?![a-z]{2}))?", text):
        text = head.group().upper() + text[head.end() :]
    if metal_poor := re.match(rf"MP([{TYPES}]\d.*)", text, re.ASCII):  # Jacoby et al. (1984)
        text = metal_poor.group(1) + " weak met"
    return text


def _parse_star(text: str, stripped: str) -> MK:
    if am := _AM_STAR.match(stripped):
        stripped = am.group(1) + am.group(2).strip(".") + "m" + stripped[am.end() :]
    head = re.match(rf"(?:(usd|esd|sd|d|g):?)?\s*([{TYPES}])", stripped)
    if head is None:
        return MK(text=text, kind="other", unparsed=stripped)
    prefix, type = head.group(1) or "", head.group(2)
    low, high, doubt, position = _parse_subclass(stripped, type, head.end())
    tail = _parse_tail(stripped, position)
    if math.isnan(low) and tail.unparsed:
        return MK(text=text, kind="other", unparsed=stripped)  # AGB is not a type A
    if prefix.endswith("sd") or "VI" in tail.detail:
        tail.marks.insert(0, "subdwarf")
    return MK(
        text=text,
        type=type if math.isnan(low) else type_of((low + high) / 2),
        code=_NAN if math.isnan(low) else (low + high) / 2,
        luminosity=_PREFIXES.get(prefix) or _first_class(tail.detail),
        luminosity_detail=prefix or tail.detail,
        kind="binary" if tail.companion else "star",
        uncertain=doubt or tail.doubt,
        range=None if math.isnan(low) or low == high else (min(low, high), max(low, high)),
        peculiarities=" ".join(dict.fromkeys(tail.marks)),
        unparsed=tail.unparsed,
    )


def _parse_subclass(text: str, type: str, position: int) -> tuple[float, float, bool, int]:
    """Lowest and highest code (NaN without one), whether in doubt, and where the rest begins."""
    base = 10.0 * index(type)
    if (pair := _PAIR.match(text, position)) and pair.group(1) < pair.group(2):
        return base + int(pair.group(1)), base + int(pair.group(2)), False, pair.end()
    if other := _OTHER_TYPE.match(text, position):
        return _NAN, _NAN, True, other.end()  # A/B
    number = _SUBCLASS.match(text, position)
    if number is None:
        return _NAN, _NAN, False, position
    low, position = base + float(number.group(1)), number.end()
    end = None if _IRON.match(text, position) else _RANGE_END.match(text, position)
    if end is None:
        return low, low, False, position
    high = 10.0 * index(end.group(1) or type) + float(end.group(2))
    return low, high, False, end.end()


@dataclass(slots=True)
class _Tail:
    """What follows type and subclass."""

    detail: str = ""
    marks: list[str] = field(default_factory=list)
    doubt: bool = False
    companion: bool = False
    unparsed: str = ""


def _parse_tail(text: str, position: int) -> _Tail:
    tail = _Tail()
    while position < len(text):
        if not tail.detail and (match := _LUMINOSITY.match(text, position)):
            tail.detail = re.sub(r"\s", "", match.group(1))
        elif not tail.detail and (match := _WORD.match(text, position)):
            tail.detail = _WORDS[match.group(1).lower().replace(" ", "")]
        elif match := _IRON.match(text, position):
            tail.marks.append("Fe" + match.group(1))
        elif match := _COMPANION.match(text, position):
            tail.companion = True
            return tail
        elif match := _NOISE.match(text, position):
            pass
        elif match := _DOUBT.match(text, position):
            tail.doubt = True
        elif match := _MARK.match(text, position):
            tail.marks.append(match.group(1).replace(" ", ""))
        else:
            match = _WORD_END.match(text, position)
            tail.unparsed = f"{tail.unparsed} {match.group().strip() if match else ''}".strip()
        position = match.end() if match else len(text)
    return tail


def _first_class(detail: str) -> str | None:
    match = re.match(r"IV|V|III|II|I", detail)
    return match.group() if match else None
