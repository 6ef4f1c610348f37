"""Which column is what: conventions of names, or the user's own word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from spectype.surveys.source import Source

#: What a column can be. ``good`` is a mask with True for good pixels.
ROLES = ("wave", "flux", "error", "ivar", "variance", "mask", "good")
ColumnChoice = Mapping[str, str | int] | Sequence[str | int] | str

_NOT_FLUX = r"(?!.*(err|ivar|var|sig|unc|mask|std|noise|sky|cont|model|wdisp|qual))"
# In order of preference; matched against names in lower case without signs and blanks.
_PATTERNS: dict[str, tuple[str, ...]] = {
    "wave": (
        r"wave(length)?s?",
        r"(log(10)?|ln)?(lam(bda)?|wave?(length)?s?|wl|wvl)(obs|vac(uum)?|air|rest|1)?"
        r"(ang(strom)?s?|aa?|nm|um|microns?)?",
        r"(obs|vac(uum)?|air|rest)(lam(bda)?|wave?(length)?s?|wl)",
        r"angstroms?|microns?|nm|w|x",
    ),
    "flux": (
        r"flux(es)?",
        r"(flam|flambda|fluxlambda|fluxlam|flx|fluxdensity|spflux|fluxcal)",
        r"(spec(trum)?|intensity|counts?|signal|coadd|fnu|fluxnu|sci|data|f|y)",
        _NOT_FLUX + r"(.*flux.*|spec.*|intens.*|norm.*)",
    ),
    "error": (
        r"(flux)?(err|error|errs|errors|sigma|sig|unc|uncertainty|noise|std|stddev|stderr|eflux)",
        r"(?!.*(wave|lam|sky|sys)).*(err(or)?|errs|sigma|unc(ertainty)?|noise|stdev|stddev)",
        r"(?!.*(wave|lam|sky|sys)).*(err(or)?|sigma|unc).*",
        r"eflux|e",
    ),
    "ivar": (r"(flux)?(ivar|invvar|inversevariance|invvariance)(flux)?",),
    "variance": (r"(flux)?var(iance)?(flux)?|stat",),
    "mask": (
        r"(and|pix|bad|flux)?mask|badpix(els?)?|bpm|bad",
        r"(data)?qual(ity)?|dq|flags?|(and|pix)?maskbits",
    ),
    "good": (r"good(pix(els?)?)?|isgood|ok",),
}


def normal(name: str) -> str:
    """A column name in lower case, without unit in brackets, signs and blanks."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[\[(].*?[\])]", "", name.lower()))


def unit_in_name(name: str) -> str | None:
    """The unit that a name carries: ``"wavelength (nm)"``, ``"lambda_um"``, ``"loglam"``."""
    bracket = re.search(r"[\[(]\s*(.+?)\s*[\])]\s*$", name)
    if bracket:
        return bracket[1]
    plain = normal(name)
    if plain.startswith("log"):
        return "log10"
    if plain.startswith("ln"):
        return "ln"
    ending = re.search(r"[_\s.-](ang|angstroms?|aa?|nm|um|microns?)$", name.lower())
    if ending:
        return ending[1]
    return plain if plain in ("angstrom", "angstroms", "micron", "microns", "nm") else None


def frame_in_text(text: str) -> str | None:
    """ "air" or "vacuum" where a text says one and not the other."""
    air = re.search(r"(?<![a-z])air(?![a-z])|awav", text.lower())
    vacuum = re.search(r"(?<![a-z])vac(uum)?(?![a-z])", text.lower())
    if bool(air) == bool(vacuum):
        return None
    return "air" if air else "vacuum"


def guess(names: Iterable[str]) -> dict[str, str]:
    """Columns by role, guessed from their names.

    Parameters
    ----------
    names : iterable of str
        Column names as written.

    Returns
    -------
    dict
        Role (of `ROLES`) to column name; roles without a column are left out.

    Examples
    --------
    >>> guess(["loglam", "flux", "ivar", "and_mask"])
    {'wave': 'loglam', 'flux': 'flux', 'ivar': 'ivar', 'mask': 'and_mask'}
    """
    plain = {name: normal(name) for name in names}
    found: dict[str, str] = {}
    for role, patterns in _PATTERNS.items():
        hits = (
            name
            for pattern in patterns
            for name, text in plain.items()
            if name not in found.values() and re.fullmatch(pattern, text)
        )
        first = next(hits, None)
        if first is not None:
            found[role] = first
    return found


def choose(names: Sequence[str], choice: ColumnChoice | None, source: Source) -> dict[str, str]:
    """Columns by role: the user's `choice` where given, else guessed.

    Parameters
    ----------
    names : sequence of str
        The file's columns.
    choice : mapping, sequence or str, optional
        Role to name or number (from 0); or names or numbers of wave, flux and error in this
        order; or either written as text: ``"wave=LAM,flux=F"``, ``"LAM,F,DF"``.

    Raises
    ------
    ReadError
        If the file has no such column, or the roles are not known.
    """
    if choice is None:
        return guess(names)
    chosen: dict[str, str] = {}
    for role, column in _as_mapping(choice).items():
        if role not in ROLES:
            raise source.fail(
                f"columns are asked for a role {role!r}", remedy=f"roles are {', '.join(ROLES)}"
            )
        chosen[role] = _find(names, column, source)
    if "flux" not in chosen or "wave" not in chosen:
        rest = guess([name for name in names if name not in chosen.values()])
        chosen = {**{r: rest[r] for r in ("wave", "flux") if r in rest}, **chosen}
    return chosen


def _as_mapping(choice: ColumnChoice) -> dict[str, str | int]:
    if isinstance(choice, Mapping):
        return dict(choice)
    items = [part.strip() for part in choice.split(",")] if isinstance(choice, str) else choice
    if all(isinstance(item, str) and "=" in item for item in items):
        pairs = (str(item).partition("=") for item in items)
        return {role.strip(): column.strip() for role, _, column in pairs}
    return dict(zip(("wave", "flux", "error", "mask"), items))


def _find(names: Sequence[str], column: str | int, source: Source) -> str:
    """The column that the user means, whatever its case."""
    number = int(column) if isinstance(column, int) or column.isdigit() else None
    by_case = {name.strip().lower(): name for name in reversed(names)}
    if isinstance(column, str) and column.strip().lower() in by_case:
        return by_case[column.strip().lower()]
    if number is not None and 0 <= number < len(names):
        return names[number]
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise source.fail(f"has no column {column!r}", remedy=f"its columns are {shown}")
