"""Kinds of objects that a spectrum can be of: a normal star, or one of these strangers.

The words are those of the output column ``kind``; `of_label` takes what `mk.parse` and the
catalogues say to one of them.
"""

from __future__ import annotations

#: In the order of a model's outputs; appended to, never reordered.
KINDS = (
    "star",
    "galaxy",
    "quasar",
    "white dwarf",
    "hot subdwarf",
    "cataclysmic",
    "carbon",
    "emission-line star",
    "metal-weak",
    "composite",
    "empty",
    "fault",
    "other",
)
STAR, METAL_WEAK = KINDS.index("star"), KINDS.index("metal-weak")
_WORDS = {
    "emission": "emission-line star",
    "binary": "composite",
    "brown dwarf": "other",
    "S star": "other",
    "Wolf-Rayet": "other",
    "planetary nebula": "other",
}


#: What a person may call a spectrum that is no normal star, finer than `KINDS`, and the label that
#: `mk.parse` reads as it.
LABELS = {
    "white dwarf": "WD",
    "hot subdwarf": "sdB",
    "carbon": "carbon",
    "S star": "S",
    "brown dwarf": "L",
    "Wolf-Rayet": "WN",
    "cataclysmic": "CV",
    "emission": "emission",
    "planetary nebula": "PN",
    "binary": "binary",
    "galaxy": "galaxy",
    "quasar": "QSO",
    "artefact": "unknown",
    "unknown": "unknown",
}


def of_label(kind: str | None) -> str | None:
    """One of `KINDS` for the kind that a label was parsed to; None where it says nothing.

    A label that no type was found in ("HB", "AGB") is ``other`` to `mk.parse`: it is not
    understood, and says nothing.

    Examples
    --------
    >>> of_label("binary"), of_label("quasar"), of_label("unknown"), of_label("other")
    ('composite', 'quasar', None, None)
    """
    word = _WORDS.get(kind or "", kind)
    return word if word in KINDS and kind != "other" else None
