"""What a file says of its stars: names, positions, types, from cards and from columns a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spectype.core.sky import degrees
from spectype.formats.blocks import Block, Cards
from spectype.reading.names import normal

# Columns of a table with a spectrum a row that say what the spectrum is.
_ROW_NAMES = {
    "object": (
        "object",
        "name",
        "target",
        "star",
        "objid",
        "id",
        "targetid",
        "objname",
        "starname",
    ),
    "obsid": ("obsid", "specobjid"),
    "ra": ("ra", "plugra", "targetra", "radeg"),
    "dec": ("dec", "plugdec", "targetdec", "dedeg", "decdeg"),
    "class": ("class",),
    "subclass": ("subclass", "sptype", "spectype", "spectraltype"),
    "redshift": ("z", "redshift"),
}
_HOURS = ("h", "hour", "hours", "hr", "hourangle")
_TYPE_KEYS = ("SPTYPE", "SP_TYPE", "SPECTYPE", "SPTYPE1", "SUBCLASS", "SPEC_TYP")


def of_rows(block: Block) -> dict[str, list[Any]]:
    """Metadata that a table gives for each of its rows."""
    plain = {normal(name): name for name in reversed(block.names)}
    found: dict[str, list[Any]] = {}
    for key, spellings in _ROW_NAMES.items():
        name = next((plain[s] for s in spellings if s in plain), None)
        if name is None or block[name].values.ndim != 1:
            continue
        values = block[name].values.tolist()
        if key in ("ra", "dec", "redshift"):
            scale = 15.0 if key == "ra" and str(block[name].unit).lower() in _HOURS else 1.0
            places = [degrees(v, hours=key == "ra") for v in values]
            found[key] = [None if place is None else place * scale for place in places]
        else:
            found[key] = [_word(v) for v in values]
    return found


def _word(value: Any) -> str | None:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip() or None


def of_cards(headers: Sequence[Cards]) -> dict[str, Any]:
    """Metadata from headers, the most specific first."""
    found = {
        "object": _first(headers, ("OBJECT", "OBJNAME", "TARGNAME", "TARGETID", "TARGET", "STAR")),
        "subclass": _first(headers, _TYPE_KEYS),
        "ra": degrees(_first(headers, ("RA", "RA_TARG", "RA_OBJ", "OBJ_RA")), hours=True),
        "dec": degrees(_first(headers, ("DEC", "DEC_TARG", "DEC_OBJ", "OBJ_DEC")), hours=False),
    }
    if found["subclass"] is not None:
        found["class"] = "STAR"
    return {name: value for name, value in found.items() if value is not None}


def _first(headers: Sequence[Cards], keys: tuple[str, ...]) -> Any:
    """The first of these cards that is there and not empty."""
    for header in headers:
        for key in keys:
            value = header.get(key)
            if value is not None and str(value).strip():
                return value.strip() if isinstance(value, str) else value
    return None
