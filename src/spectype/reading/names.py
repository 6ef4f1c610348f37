"""Which column is what: conventions of names, or the user's own word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spectype.formats.source import Source

#: What a column can be. ``good`` is a mask with True for good pixels.
ROLES = ("wave", "flux", "error", "ivar", "variance", "mask", "good")
NAME_THEM = "name them: --columns wave=...,flux=... (columns= in Python)"
ColumnChoice = Mapping[str, str | int] | Sequence[str | int] | str

_NOT_FLUX = (
    r"(?!.*(err|ivar|invvar|var|sig(ma)?$|sigma|unc|mask|std|noise|sky|backg|bkg|cont(inuum)?(?!s)|model"
    r"|wdisp|qual|flag|tell|atm|trans|resp|templ|fit|resid|weight|specid|specobj|spectype|class|name"
    r"|id$|type$|snr?$))"
)
_ANY_FLUX = _NOT_FLUX + r".*(flux|spec|intens|counts|signal).*"
# In order of preference; matched against names in lower case without signs and blanks.
_PATTERNS: dict[str, tuple[str, ...]] = {
    "wave": (
        r"wave(length)?s?",
        r"(log(10)?|ln)?(lam(bda)?|wave?(length)?s?|wl|wvl)(obs|vac(uum)?|air|rest|1)?"
        r"(ang(strom)?s?|aa?|nm|um|microns?)?",
        r"(obs|vac(uum)?|air|rest)(lam(bda)?|wave?(length)?s?|wl)",
        r"(obs|vac|air|rest)?(wave(length)?|lam(bda)?|wl).*",
        r"(freq(uency)?|nu|wavenumbers?|wavenum|wn|energy)(obs|rest|hz|ghz|thz|ev|kev|cm1?)?",
        r"spectralaxis|spectralcoord(inate)?s?|dispersion(axis)?",
        r"angstroms?|microns?|nm|w|l|x",
        r"(?!.*(err|unc|sig|sky|cal|res|model|tell|norm|flux)).*(wave(length)?s?|lambda)",
        r"(wellenlae?nge|longueurdonde|longituddeonda|lunghezzadonda|comprimentodeonda"
        r"|golflengte|dlugoscfali|vlnovadelka|hullamhossz|dalgaboyu).*",
    ),
    "flux": (
        r"flux(es)?",
        r"(flam|flambda|fluxlambda|fluxlam|flx|fluxdensity|spflux|fluxcal)",
        r"(spec(trum)?|intensity|counts?|signal|coadd|fnu|fluxnu|sci|data|f|y)",
        _NOT_FLUX + r"(?!.*(raw|orig|uncorr))(.*(flux|flam|fnu).*|spec.*|intens.*|norm.*)",
        _ANY_FLUX,
        r"(fluss|strahlungsfluss|flusso|flujo|fluxo|intensita|strumien|tok|akis|fluxus).*",
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
    """A column name in lower case, without unit in brackets, accents, signs and blanks."""
    return normal_with_ends(re.sub(r"[\[(].*?[\])]", "", name))


def bracket(name: str) -> str | None:
    """What stands in brackets at the end of a name."""
    found = re.search(r"[\[(]\s*(.+?)\s*[\])]\s*$", name)
    return found[1] if found else None


def unit_in_name(name: str) -> str | None:
    """The unit that a name carries: ``"wavelength (nm)"``, ``"lambda_um"``, ``"loglam"``."""
    if said := bracket(name):
        return said
    plain = normal(name)
    if plain.startswith("log"):
        return "log10"
    if plain.startswith("ln"):
        return "ln"
    ending = re.search(r"[_\s.-](ang|angstroms?|aa?|nm|um|microns?)$", name.lower())
    if ending:
        return ending[1]
    return plain if plain in ("angstrom", "angstroms", "micron", "microns", "nm") else None


# Letters that no decomposition brings to our alphabet: Polish l, Turkish i, lambda and nu.
_LETTERS = str.maketrans({"\u0142": "l", "\u0131": "i", "\u03bb": "lambda", "\u03bd": "nu"})


def flux_power(name: str) -> int:
    """The power of the wavelength by which a flux of this name is divided to be per wavelength.

    2 for flux per frequency (``f_nu``, ``flux_mJy``), 1 for ``lambda_f_lambda`` and ``nu f_nu``.
    """
    plain = normal(name)
    if re.fullmatch(r"(lam(bda)?|wave|wl)f(lux)?(lam(bda)?)?|nuf(lux)?nu", plain):
        return 1
    per_frequency = re.match(r"f(lux)?nu(?!m)", plain) or re.search(r"[\W_]m?jy$", name.lower())
    return 2 if per_frequency else 0


def axis_in_name(name: str) -> str | None:
    """What a column of the spectral axis holds by its name, where that is no wavelength.

    >>> axis_in_name("Wavenumber"), axis_in_name("nu_obs"), axis_in_name("wave")
    ('wavenumber', 'frequency', None)
    """
    plain = normal(name)
    kinds = {
        "wavenumber": r"wavenum.*|wn",
        "frequency": r"freq.*|nu(obs|rest)?",
        "energy": r"energy.*",
    }
    return next((kind for kind, pattern in kinds.items() if re.fullmatch(pattern, plain)), None)


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


@dataclass(slots=True)
class RoleSet:
    """Names of the arrays of one spectrum (or one a row), by role; `key` is what tells it apart."""

    key: str
    roles: dict[str, str]


def families(names: Sequence[str]) -> list[RoleSet]:
    """Sets of arrays, one for each flux: ``flux_HD1, flux_HD2`` or ``B_FLUX, B_IVAR, R_FLUX ...``.

    Parameters
    ----------
    names : sequence of str
        Column or extension names as written.

    Returns
    -------
    list of RoleSet
        One at least; with several fluxes of one kind (the same word, told apart by a key that
        is no word of processing) one for each, with the wavelengths, errors and masks of that
        key, or shared wavelengths.
    """
    found = guess(names)
    if "flux" not in found:
        return [RoleSet("", found)]
    keys = _flux_keys(names, found["flux"])
    if len(keys) < 2:
        # Names may share the key of the one flux: SCIFLUX, SCIVAR, SCIWAVE beside SKYFLUX.
        for key in filter(None, keys):
            own = {_without(name, key): name for name in names if _key_of(name, [key]) == key}
            more = {role: own[plain] for role, plain in guess(own).items()}
            found |= {role: name for role, name in more.items() if role not in found}
        return [RoleSet("", found)]
    # A name that carries another key belongs to that key's star, or arm.
    of_key = {name: _key_of(name, list(keys)) for name in names}
    common = guess([name for name in names if of_key[name] is None])
    sets = []
    for key, flux in keys.items():
        own = {_without(name, key): name for name in names if of_key[name] == key}
        roles = {role: own[plain] for role, plain in guess(own).items()}
        roles["flux"] = flux
        if "wave" not in roles and "wave" in common:
            roles["wave"] = common["wave"]
        sets.append(RoleSet(key, roles))
    return sets


_FLUX_WORDS = (
    r"(fluxdensity|fluxes|flux|flam|flx|fnu|spectrum|spectra|spec|intensity|counts|sci|star)"
)
_PROCESSING = re.compile(
    r".*(red(uced)?$|norm|corr|raw|orig|smoo|cal|der|sub|unc|fit|best|model|tell|sky|err|ivar|mask"
    r"|cont|obs|rest|lam|lambda|nu|unit|dens|noise|low|high|upp|min|max|std|med|mean|avg|sigma|var).*"
)
_ARM = re.compile(r"(b|r|g|z|i|u|blue|red|green|uvb|vis|nir|uv|ir|arm\d*|ccd\d+|order\d*|ech\d*)$")


def _flux_keys(names: Sequence[str], best: str) -> dict[str, str]:
    """Keys of the fluxes that have the word of `best`, to their names, in the file's order."""
    word = re.search(_FLUX_WORDS, normal(best))
    if word is None:
        return {}
    keys: dict[str, str] = {}
    for name in names:
        plain = normal_with_ends(name)
        found = re.fullmatch(rf"(.*?){word[0]}(.*)", plain)
        if found is None or not re.fullmatch(_ANY_FLUX, plain):
            continue
        key = (found[1] + found[2]).strip()
        keys.setdefault(key, name)
    if "" in keys:  # beside a plain "flux" only "flux2", "flux_b"; not "flux_best"
        return {k: n for k, n in keys.items() if not k or k.isdigit() or _ARM.match(k)}
    stars = {k: n for k, n in keys.items() if _ARM.match(k) or not _PROCESSING.fullmatch(k)}
    # One extraction of a star, the better one, where there are two.
    return {k: n for k, n in stars.items() if not (k.startswith("box") and "opt" in stars)}


def normal_with_ends(name: str) -> str:
    """Like `normal`, but with what stands in brackets."""
    text = name.lower()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return re.sub(r"[^a-z0-9]", "", text)


def _key_of(name: str, keys: Sequence[str]) -> str | None:
    """The key that a name carries at its beginning or end; the longest, None where none."""
    text = normal_with_ends(name)
    hits = [k for k in keys if k and (text.startswith(k) or text.endswith(k))]
    hits = [k for k in hits if guess([_without(name, k)])]
    if hits:
        return max(hits, key=len)
    return "" if "" in keys and guess([name]) and "wave" not in guess([name]) else None


def _without(name: str, key: str) -> str:
    text = normal_with_ends(name)
    if not key:
        return text
    return text.removeprefix(key) if text.startswith(key) else text.removesuffix(key)


def companions(star: str, names: Sequence[str]) -> dict[str, str]:
    """Errors and masks of a column that is called by its star: ``HD1`` has ``HD1_err``."""
    key = normal_with_ends(star)
    own = {
        _without(name, key): name
        for name in names
        if name != star and normal_with_ends(name).startswith(key)
    }
    return {role: own[plain] for role, plain in guess(own).items() if role not in ("wave", "flux")}


def is_arm(word: str) -> bool:
    """Whether a key names an arm of a spectrograph, or an order: B, red, UVB, ccd2."""
    return bool(_ARM.fullmatch(word.lower()))


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
    for role, column in as_mapping(choice).items():
        if role not in ROLES:
            raise source.fail(
                f"columns are asked for a role {role!r}", remedy=f"roles are {', '.join(ROLES)}"
            )
        chosen[role] = _find(names, column, source)
    if "flux" not in chosen or "wave" not in chosen:
        rest = guess([name for name in names if name not in chosen.values()])
        chosen = {**{r: rest[r] for r in ("wave", "flux") if r in rest}, **chosen}
    return chosen


def as_mapping(choice: ColumnChoice) -> dict[str, str | int]:
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
