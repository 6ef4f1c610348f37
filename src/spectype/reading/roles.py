"""Blocks of named arrays to spectra: the one place that decides what an array is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block, Cards, Named
from spectype.formats.source import Source
from spectype.reading import about, axes, frames, layout, names, positions, quality, units
from spectype.reading.clean import Raw
from spectype.reading.names import ColumnChoice, RoleSet
from spectype.reading.rows import looks_like_wave

_WITNESSES = ("ivar", "error", "variance", "mask", "good")
_MANY_STARS = 2000  # columns that may be stars of their own


def of_table(block: Block, choice: ColumnChoice | None, source: Source) -> list[Raw]:
    """The spectra of a table, a `Raw` for each flux column.

    Parameters
    ----------
    block : Block
        Of kind table or text.
    choice : mapping, sequence or str, optional
        The user's columns.
    source : Source
        For messages.

    Raises
    ------
    ReadError
        If no column looks like wavelength and flux, or shapes disagree.
    """
    sets, notes = _role_sets(block, choice, source)
    has_axis = "COEFF0" in block.cards or "CRVAL1" in block.cards
    missing = [r for r in ("wave", "flux") if r not in sets[0].roles]
    if "flux" in missing or (missing and not has_axis):
        raise source.fail(
            f"has no column that looks like {' or '.join(missing)} among"
            f" {', '.join(block.names[:12])}",
            remedy=names.NAME_THEM,
        )
    found = []
    for one in sets:
        raw = _raw_of_set(block, one, source)
        if len(sets) > 1:
            raw.name = one.key or raw.name
            label = None if names.is_arm(one.key) else one.roles["flux"]
            if label is not None and "object" not in raw.meta and len(raw) == 1:
                raw.meta["object"] = [label]
        raw.notes = [*notes, *raw.notes]
        found += _one_by_one(raw, block, one)
    return found


def _one_by_one(raw: Raw, block: Block, one: RoleSet) -> list[Raw]:
    """Spectra that follow one another down the rows of a table, a `Raw` each."""
    wave = np.ravel(raw.wave)
    if len(raw) > 1 or "wave" not in one.roles or wave.size != block.n_rows:
        return [raw]
    parts = layout.runs(block, wave)
    if len(parts) < 2:
        return [raw]
    note = f"{len(parts)} spectra follow one another down the rows"
    return [
        replace(
            raw,
            wave=wave[run.rows],
            flux=raw.flux[:, run.rows],
            ivar=None if raw.ivar is None else raw.ivar[:, run.rows],
            bad=None if raw.bad is None else raw.bad[:, run.rows],
            name=run.name or f"{raw.name} {i}".strip(),
            meta=raw.meta | ({"object": [run.name]} if run.name else {"object": [None]}),
            notes=[*raw.notes, note],
        )
        for i, run in enumerate(parts)
    ]


def is_usable(block: Block, choice: ColumnChoice | None) -> bool:
    """Whether a table has rows, a flux column and wavelengths (a column, or in the header)."""
    if not block.arrays or not block.n_rows:
        return False
    if choice is not None:
        lower = {name.strip().lower() for name in block.names}
        wanted = names.as_mapping(choice).values()
        return all(isinstance(c, int) or c.isdigit() or c.strip().lower() in lower for c in wanted)
    if not _speaks(block):
        return True
    roles = names.guess(block.names)
    if not ("wave" in roles or has_axis(block.cards)):
        return False
    if "flux" in roles:
        return block[roles["flux"]].values.dtype.kind not in "SU"
    return "wave" in roles and bool(_unnamed(block, roles))


def n_pixels(block: Block) -> int:
    """Pixels of the spectra of a usable table."""
    flux = names.guess(block.names).get("flux") if _speaks(block) else None
    shape = block[flux].values.shape if flux else (block.n_rows,)
    return int(shape[-1]) if len(shape) > 1 else block.n_rows


def _speaks(block: Block) -> bool:
    """Whether the columns have names, in an alphabet that is known."""
    return block.named and any(names.normal(name) for name in block.names)


def has_axis(cards: Cards) -> bool:
    """Whether a header describes an axis of wavelengths."""
    step = any(key in cards for key in ("CDELT1", "CD1_1", "PC1_1"))
    return "COEFF0" in cards or ("CRVAL1" in cards and step)


def _role_sets(
    block: Block, choice: ColumnChoice | None, source: Source
) -> tuple[list[RoleSet], list[str]]:
    """Columns by role, a set for each flux, and what was decided."""
    notes = list(block.notes)
    if choice is not None:
        return [RoleSet("", names.choose(block.names, choice, source))], notes
    if not _speaks(block):
        if block.named:
            notes.append(f"names not understood ({', '.join(block.names[:4])}): by position")
        return positions.by_position(block, notes, source), notes
    sets = names.families(block.names)
    if "flux" in sets[0].roles:
        left = _left_columns(block, sets)
        notes += [f"columns left out: {', '.join(left)}"] if left else []
        return sets, notes
    roles = sets[0].roles
    others = _unnamed(block, roles) if "wave" in roles else []
    if not others:
        return sets, notes
    if len(others) == 2 and _is_error(block, others):
        notes.append(f"column {others[0]} taken as flux, {others[1]} as its error")
        return [RoleSet("", {**roles, "flux": others[0], "error": others[1]})], notes
    notes.append(f"taken as flux: {', '.join(others[:8])}{', ...' * (len(others) > 8)}")
    if len(others) == 1:
        return [RoleSet("", {**roles, "flux": others[0]})], notes
    own = [names.companions(star, block.names) for star in others]
    return [RoleSet(n, {"wave": roles["wave"], "flux": n} | w) for n, w in zip(others, own)], notes


def _left_columns(block: Block, sets: list[RoleSet]) -> list[str]:
    """Columns that look like a flux, or an error of nobody's, and are in no set."""
    used = {name for one in sets for name in one.roles.values()}
    wanted = ("flux", "error", "ivar", "variance") if len(sets) > 1 else ("flux",)
    roles = [names.guess([name]) for name in block.names if name not in used]
    found = [r[role] for r in roles for role in wanted if role in r]
    return [name for name in found if block[name].is_numeric][:5]


_OTHER_THINGS = (
    "ra", "dec", "z", "snr", "sn", "id", "obsid", "index", "pixel", "pix", "teff", "logg", "feh",
    "mjd", "date", "exptime", "fwhm", "wdisp", "disp", "resolution", "res", "order", "sky", "model",
    "continuum", "cont", "weight", "weights", "airmass", "npix", "n", "number", "rv", "vrad",
    "mag", "magnitude", "mags", "abmag", "stmag", "vegamag",
)  # fmt: skip


def _unnamed(block: Block, roles: dict[str, str]) -> list[str]:
    """Columns of numbers without a role that may each be a star: ``wavelength, HD1, HD2``."""
    if roles.get("wave") is None:
        return []
    shape = block[roles["wave"]].values.shape
    taken = set(roles.values())
    found = [
        array.name
        for array in block.arrays
        if array.name not in taken
        and names.normal(array.name) not in _OTHER_THINGS
        and not names.guess([array.name])
        and array.is_numeric
        and array.values.shape[: len(shape)] == shape
        and array.values.size > 1
    ]
    return found if len(found) <= _MANY_STARS else []


def _is_error(block: Block, columns: Sequence[str]) -> bool:
    first, second = (np.ravel(block[name].values) for name in columns[:2])
    return quality.is_error_of(second, first)


def _raw_of_set(block: Block, one: RoleSet, source: Source) -> Raw:
    roles = one.roles
    flux = matrix(block[roles["flux"]], source)
    arrays = {role: block[name] for role, name in roles.items()}
    words = [role for role in _WITNESSES if role in arrays and not arrays[role].is_numeric]
    spoken = [arrays.pop(role).name for role in words]
    by_pixel = _is_pixel_a_row(block, roles)
    if by_pixel:
        flux = flux.T  # wavelengths down the rows, a star a column of the vector
    values = {r: like(flux, arrays[r], source, turn=by_pixel) for r in _WITNESSES if r in arrays}
    raw = build(flux, arrays, values, block.cards, source)
    raw.notes += [f"columns of words left out: {', '.join(spoken)}"] if spoken else []
    if "wave" in arrays:
        raw.wave = like(flux, arrays["wave"], source, one_row=True)
    many = block[roles["flux"]].values.ndim > 1 or block[roles["flux"]].values.dtype == object
    kind = "text" if block.kind == "text" else f"table, a {'spectrum' if many else 'pixel'} a row"
    raw.meta["layout"] = [kind] * len(raw)
    raw.name = block.name
    if many and not by_pixel:
        raw.meta |= about.of_rows(block)
    return raw


def _is_pixel_a_row(block: Block, roles: dict[str, str]) -> bool:
    """A column of vectors beside a column of single wavelengths."""
    if "wave" not in roles:
        return False
    wave, flux = block[roles["wave"]].values, block[roles["flux"]].values
    return wave.ndim == 1 and flux.ndim == 2 and wave.dtype != object and looks_like_wave(wave)


def build(
    flux: NDArray[Any],
    arrays: dict[str, Named],
    values: dict[str, NDArray[Any]],
    cards: Cards,
    source: Source,
) -> Raw:
    """A `Raw` of `flux` (n_spec, n_pix) with what goes with it; the same for every container.

    Parameters
    ----------
    flux : ndarray, shape (n_spec, n_pix)
    arrays : dict
        Role to array, for units and names.
    values : dict
        Errors and masks by role, in the shape of `flux`.
    cards : Cards
        The header next to the flux.
    source : Source
        For messages.
    """
    found = quality.judge(flux, values)
    array = arrays.get("flux")
    unit = array and (array.unit or names.bracket(array.name))
    name = names.normal(array.name) if array else ""
    if units.is_logarithm(unit) or re.match(r"log(10)?(f|spec|counts)|mag|.*abmag", name):
        raise source.fail(
            f"{array.name if array else 'its flux'} [{unit or 'no unit'}] holds logarithms or"
            " magnitudes, not flux",
            remedy="write it as flux, 10**(-0.4 mag), or name another: --columns flux=...",
        )
    raw = Raw(
        wave=np.empty(0),
        flux=flux,
        ivar=found.ivar,
        bad=found.bad,
        turned=found.turned,
        power=2 if units.is_per_frequency(unit) else names.flux_power(array.name if array else ""),
        notes=found.notes,
    )
    if raw.power:
        kind = "per frequency" if raw.power == 2 else "times wavelength"
        raw.notes.append(f"flux {kind} converted to flux per wavelength")
    wave = arrays.get("wave")
    if wave is None:
        axis = axes.from_cards(cards, flux.shape, source)
        if axis is not None:
            raw.wave, raw.unit = axis.wave, axis.unit
            raw.notes += axis.notes
        return raw
    raw.unit = names.unit_in_name(wave.name) or wave.unit
    quantity = names.axis_in_name(wave.name)
    if quantity is not None and raw.unit is None:
        numbers = np.asarray(matrix(wave, source), np.float64)
        raw.unit = units.guess_unit_of(quantity, numbers) or quantity
    said = frames.frame_in_text(wave.name) or frames.frame_in_text(wave.unit or "")
    raw.frame = said or raw.frame
    if raw.frame is None and names.normal(wave.name) == "loglam":
        raw.habit = "vacuum"
    return raw


def matrix(array: Named, source: Source) -> NDArray[Any]:
    """An array as (n_spec, n_pix) floats: single numbers are pixels, vectors are spectra."""
    column = array.values
    try:
        if column.dtype == object:  # vectors of different lengths
            width = max((len(row) for row in column), default=0)
            out = np.full((len(column), width), np.nan)
            for i, row in enumerate(column):
                out[i, : len(row)] = row
            return out
        data = column
        if data.dtype.kind != "f":  # float32 stays as it is, for the memory of big tables
            data = data.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise source.fail(
            f"column {array.name!r} holds no numbers", remedy=f"name another: {names.NAME_THEM}"
        ) from error
    if data.ndim == 1:
        return data[None]
    return data.reshape(data.shape[0], -1)


def like(
    flux: NDArray[Any], array: Named, source: Source, *, turn: bool = False, one_row: bool = False
) -> NDArray[Any]:
    """An array in the shape of `flux`; with `one_row` also (n_pix,) for all rows."""
    data = matrix(array, source)
    if turn:
        data = data.T
    if data.shape == flux.shape:
        return data
    if one_row and data.shape == (1, flux.shape[1]):
        return np.asarray(data[0])
    if data.shape == (1, flux.shape[1]):
        return np.broadcast_to(data, flux.shape)
    raise source.fail(
        f"column {array.name!r} has shape {data.shape}, flux {flux.shape}",
        remedy="name columns of one shape: --columns wave=...,flux=...",
    )
