"""Columns without names, judged by their numbers and by the field's habits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block
from spectype.formats.source import Source
from spectype.reading import layout, names, quality, units
from spectype.reading.names import RoleSet


def by_position(block: Block, notes: list[str], source: Source) -> list[RoleSet]:
    """Columns without names: wavelength, flux and error, or wavelength and a star each.

    Raises
    ------
    ReadError
        If no column runs like wavelengths.
    """
    arrays = [array for array in block.arrays if array.is_numeric]
    columns = [array.name for array in arrays]
    values = [np.asarray(array.values, np.float64) for array in arrays]
    waves = [i for i, v in enumerate(values) if layout.runs_like_wave(v)]
    if not waves and _stands_out(values):
        waves = [0]
    if not waves:
        raise source.fail(
            f"none of its {len(columns)} columns without names runs like wavelengths",
            remedy=names.NAME_THEM.replace("wave=...,flux=...", "wave=0,flux=1"),
        )
    if len(waves) > 1 and (each := _a_spectrum_each(columns, waves)):
        notes.append(f"{len(waves)} columns of wavelengths: a spectrum each")
        return each
    first = waves[0]
    if first:
        notes.append(f"column {first} taken as the wavelengths")
    # A running number beside the wavelengths is no flux.
    others = [i for i in range(len(columns)) if i != first]
    others = [i for i in others if i == others[-1] or not _counts(values[i])]
    roles = {"wave": columns[first], "flux": columns[others[0]]}
    if len(others) == 1:
        return [RoleSet("", roles)]
    return _with_more(columns, values, roles, others, notes)


def _a_spectrum_each(columns: list[str], waves: list[int]) -> list[RoleSet]:
    """Sets of wavelength and flux (and error) that stand side by side; none if they do not."""
    apart = {int(step) for step in np.diff(waves)}
    width = min(apart)
    if len(apart) > 1 or width == 1 or waves[0] != 0 or waves[-1] + width != len(columns):
        return []
    roles = ("wave", "flux", "error")[:width]
    return [RoleSet(columns[i], dict(zip(roles, columns[i:]))) for i in waves]


def _with_more(
    columns: list[str],
    values: Sequence[NDArray[Any]],
    roles: dict[str, str],
    others: list[int],
    notes: list[str],
) -> list[RoleSet]:
    """What columns after wavelength and flux are: error, mask, or stars of their own."""
    flux, second = values[others[0]], values[others[1]]
    if quality.is_flag(second) and not quality.is_flag(flux) and np.ptp(second) > 0:
        notes.append(f"column {others[1]} holds flags: taken as a mask")
        return [RoleSet("", {**roles, "mask": columns[others[1]]})]
    more = len(others) > 2 or _negative(second) or _level(second, flux)
    if more and not quality.is_error_of(second, flux) and not _is_empty(second):
        stars = [i for i in others if not quality.is_flag(values[i])]
        if len(stars) > 1:
            notes.append(f"{len(stars)} columns without names taken as a star each")
            return [RoleSet(columns[i], {"wave": roles["wave"], "flux": columns[i]}) for i in stars]
    left = [str(i) for i in others[2:]]
    notes += [f"columns {', '.join(left)} left out"] if left else []
    return [RoleSet("", {**roles, "error": columns[others[1]]})]


def _stands_out(values: Sequence[NDArray[Any]]) -> bool:
    """Whether the first column can only be wavelengths in no order: large, each its own."""
    sound = values[0][np.isfinite(values[0])]
    if np.unique(sound).size < 0.9 * max(sound.size, 1):
        return False
    sizes = [float(np.nanmedian(np.abs(v))) for v in values]
    return units.guess_unit(sound) in ("angstrom", "nm") and sizes[0] > 3 * max(sizes[1:])


def _counts(values: NDArray[Any]) -> bool:
    step = np.diff(values)
    return bool(values.size > 2 and (step == 1).all() and values[0] in (0, 1))


def _negative(values: NDArray[Any]) -> bool:
    finite = values[np.isfinite(values)]
    return bool(finite.size and (finite < 0).any() and (finite > 0).mean() > 0.5)


def _level(other: NDArray[Any], flux: NDArray[Any]) -> bool:
    """Whether `other` is as bright as `flux` and as rough: a star rather than its error."""
    a, b = (float(np.nanmedian(np.abs(v))) if v.size else 0.0 for v in (other, flux))
    sigma = quality.noise(flux)
    return b > 0 and 0.5 < a / b < 2.0 and sigma < 0.1 * b and quality.noise(other) > 0


def _is_empty(values: NDArray[Any]) -> bool:
    return not (np.isfinite(values) & (values > 0)).any()
