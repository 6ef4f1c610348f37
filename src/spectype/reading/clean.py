"""From the raw arrays of any file to a Spectra batch: units, order, frame, fills, scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import air_to_vacuum
from spectype.core.spectra import FloatArray, Spectra
from spectype.formats.source import Source
from spectype.reading import frames, units
from spectype.reading.quality import filled, sentinels
from spectype.reading.units import Floats

_MEDIAN_RANGE = (1e-4, 1e6)  # a median |flux| outside it is rescaled: float32 squares must fit
_BLOCK_ROWS = 256  # bounds the memory of float64 copies for tables of many spectra
_OPTICAL = (3700.0, 9100.0)  # Angstrom: what is typed
_FEW, _COARSE = 50, 60.0  # pixels, Angstrom: the widest lines and bands are a few pixels then
_SAME = 1e-3  # of a pixel: wavelengths nearer than this are one


@dataclass(slots=True, kw_only=True)
class Raw:
    """What a file's structure gives, before units, frame and order have been judged.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,) or (n_spec, n_pix), any float type
        In `unit` and `frame`.
    flux : ndarray, shape (n_spec, n_pix), any float type
    ivar : ndarray, shape (n_spec, n_pix), any float type, optional
        Inverse variance; None if the file has no errors.
    bad : ndarray, shape (n_spec, n_pix), bool, optional
        Pixels that the file marks as bad.
    turned : bool
        The file's mask was found to mark the good pixels.
    unit : str, optional
        Unit of `wave` as the file spells it; None to judge by the numbers.
    frame : str, optional
        "air" or "vacuum" as far as the file says; None to judge by the grid.
    habit : str, optional
        The frame that the names of its columns suggest.
    power : int
        Of the wavelength by which flux is divided to be per wavelength: 2 for flux per frequency
        (Jy), 1 for flux times wavelength.
    name : str
        Of the table, image or column it comes from.
    meta : dict
        Lists of n_spec values.
    notes : list of str
        What was decided or is odd.
    """

    wave: FloatArray
    flux: FloatArray
    ivar: FloatArray | None = None
    bad: NDArray[np.bool_] | None = None
    turned: bool = False
    unit: str | None = None
    frame: str | None = None
    habit: str | None = None
    power: int = 0
    name: str = ""
    meta: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return int(self.flux.shape[0])


@dataclass(slots=True, kw_only=True)
class Part:
    """Spectra on one grid in vacuum Angstrom: wave (n_pix,), flux and ivar (n_spec, n_pix)."""

    wave: Floats
    flux: Floats
    ivar: Floats
    has_errors: bool
    frame: str
    name: str = ""
    meta: dict[str, list[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return int(self.flux.shape[0])

    def order(self, source: Source) -> None:
        """Put wavelengths in increasing order, each once."""
        step = np.diff(self.wave)
        if (step > 0).all():
            return
        if (step < 0).all():
            self._take(slice(None, None, -1))
            return
        distinct = np.unique(self.wave).size
        if distinct < max(2, self.wave.size // 2):
            raise source.fail(
                f"{self.wave.size} pixels have {distinct} different wavelengths only",
                remedy="is that the wavelength column? name the columns: --columns",
            )
        if (step < 0).any() and (step > 0).any():
            self.notes.append("wavelengths were not in order: sorted")
        self.sort()
        if distinct < len(step) + 1:
            self.notes.append(f"{len(step) + 1 - distinct} repeated wavelengths: averaged")

    def sort(self) -> None:
        """Sort pixels by wavelength; equal ones become their mean, weighted by ivar."""
        self._take(np.argsort(self.wave, kind="stable"))
        step = np.diff(self.wave)
        new = np.append(True, step > _SAME * np.median(step[step > 0]))
        if not new.all():
            self._average(np.flatnonzero(new))

    def _take(self, index: slice | NDArray[np.intp]) -> None:
        self.wave = self.wave[index]
        self.flux, self.ivar = self.flux[:, index], self.ivar[:, index]

    def _average(self, starts: NDArray[np.intp]) -> None:
        """Replace the pixels from each of `starts` to the next by their mean."""
        weight = np.where(np.isfinite(self.flux), self.ivar, 0.0)
        light = np.where(weight > 0, self.flux, 0.0) * weight
        total = np.add.reduceat(weight, starts, axis=1)
        count = np.diff(np.append(starts, self.wave.size))
        mean = np.add.reduceat(light, starts, axis=1) / np.where(total > 0, total, 1.0)
        self.flux = np.where(total > 0, np.where(count == 1, self.flux[:, starts], mean), np.nan)
        self.wave, self.ivar = self.wave[starts], total

    def to_per_wavelength(self, power: int) -> None:
        """Divide by a power of the wavelength: f_lambda = f_nu c / lambda**2, up to a constant."""
        factor = (5500.0 / self.wave) ** power
        self.flux, self.ivar = self.flux * factor, self.ivar / factor**2


def parts_of(raw: Raw, source: Source, *, frame: str | None, unit: str | None) -> list[Part]:
    """The spectra of `raw` in vacuum Angstrom, increasing; a part for each grid.

    Parameters
    ----------
    raw : Raw
        The file's arrays.
    source : Source
        For names and messages.
    frame, unit : str, optional
        The user's word: `frame` counts where the file is silent, `unit` before the file's.

    Raises
    ------
    ReadError
        If nothing in the arrays is a spectrum.
    """
    one_grid = raw.wave.ndim == 1 or bool((raw.wave == raw.wave[:1]).all())
    size = _BLOCK_ROWS if one_grid else 1
    return [
        _part(raw, slice(i, min(i + size, len(raw))), source, unit, frame)
        for i in range(0, len(raw), size)
    ]


def finish(raw: Raw, source: Source, *, frame: str | None, unit: str | None) -> Spectra:
    """The `Spectra` of one `Raw`; parameters and errors as those of `parts_of`."""
    return assemble(parts_of(raw, source, frame=frame, unit=unit), source)


def _part(raw: Raw, rows: slice, source: Source, unit: str | None, frame: str | None) -> Part:
    """Clean the spectra `rows`, which share a grid."""
    wave = np.asarray(raw.wave if raw.wave.ndim == 1 else raw.wave[rows.start], dtype=np.float64)
    flux = np.array(raw.flux[rows], dtype=np.float64)
    ivar = np.ones_like(flux) if raw.ivar is None else np.array(raw.ivar[rows], np.float64)
    if raw.bad is not None:
        ivar[raw.bad[rows]] = 0.0
    real = _real_wavelengths(wave)
    if real.sum() < 2:
        raise source.fail(
            f"has {int(real.sum())} usable wavelengths",
            remedy="name the wavelength column (--columns), or look at the file",
        )
    found = units.to_angstrom(wave[real], raw.unit, source, asked=unit)
    part = Part(
        wave=found.wave,
        flux=flux[:, real],
        ivar=ivar[:, real],
        has_errors=raw.ivar is not None,
        frame="",
        name=raw.name,
        meta={name: values[rows] for name, values in raw.meta.items()},
        notes=[*raw.notes, *found.notes],
    )
    part.order(source)
    _check_sampling(part.wave, source)
    stated = "vacuum" if found.in_vacuum else raw.frame
    settled = frames.settle(stated, frame, part.wave, habit=raw.habit)
    part.frame = settled.name
    part.notes += [settled.note] if settled.note else []
    if part.frame == "air":
        part.wave = air_to_vacuum(part.wave)
    if raw.power:
        part.to_per_wavelength(raw.power)
    _mask_fills(part)
    return part


def _check_sampling(wave: Floats, source: Source) -> None:
    """Raise where pixels are so far apart that there are no lines: photometry is no spectrum."""
    inside = wave[(wave > _OPTICAL[0]) & (wave < _OPTICAL[1])]
    if 1 < inside.size < _FEW and (step := float(np.median(np.diff(inside)))) > _COARSE:
        raise source.fail(
            f"is sampled every {step:.0f} A only: it shows no lines",
            remedy=f"give a spectrum with a pixel every {_COARSE:.0f} A at least",
        )


def _real_wavelengths(wave: Floats) -> NDArray[np.bool_]:
    """Which numbers can be wavelengths: finite, and not the padding of a longer table."""
    real = np.isfinite(wave)
    if (wave[real] > 0).mean() > 0.02 if real.any() else False:
        real &= np.where(real, wave, 0.0) > 0
    return real


def _mask_fills(part: Part) -> None:
    """Mask numbers that stand for "no value", and gaps filled with one value."""
    absent = sentinels(part.flux)
    if absent.any():
        part.ivar = np.where(absent, 0.0, part.ivar)
        part.notes.append(f"{int(absent.sum())} pixels hold a number for no value: masked")
        part.flux = np.where(absent, np.nan, part.flux)
    gap = filled(part.wave, part.flux, part.ivar > 0)
    if gap.any():
        part.ivar = np.where(gap, 0.0, part.ivar)
        part.notes.append("pixels filled with one value: masked")


def assemble(parts: Sequence[Part], source: Source) -> Spectra:
    """Join parts to one batch, padding to one width where their grids differ."""
    n_spec, n_pix = sum(map(len, parts)), max(part.wave.size for part in parts)
    one_grid = all(np.array_equal(part.wave, parts[0].wave) for part in parts[1:])
    wave = parts[0].wave if one_grid else np.empty((n_spec, n_pix))
    flux = np.zeros((n_spec, n_pix), np.float32)
    ivar = np.zeros((n_spec, n_pix), np.float32)
    mask = np.ones((n_spec, n_pix), np.bool_)
    scales: list[float] = []
    at = 0
    for part in parts:
        rows, n = slice(at, at + len(part)), part.wave.size
        flux[rows, :n], ivar[rows, :n], mask[rows, :n], scale = _mask_and_scale(part)
        scales += scale.tolist()
        if not one_grid:
            step = part.wave[-1] - part.wave[-2]
            wave[rows, :n] = part.wave
            wave[rows, n:] = part.wave[-1] + step * np.arange(1, n_pix - n + 1)
        at = rows.stop
    meta = _full_meta(parts, source, n_spec)
    meta["flux_scale"] = scales
    notes = [part.notes for part in parts for _ in range(len(part))]
    meta["notes"] = [
        "; ".join(dict.fromkeys([*said, *(["no good pixel"] if row.all() else [])]))
        for said, row in zip(notes, mask)
    ]
    return Spectra(wave=wave, flux=flux, ivar=ivar, mask=mask, meta=meta)


def _mask_and_scale(
    part: Part,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], Floats]:
    """float32 flux and ivar, the mask, and the factor by which flux was divided, (n_spec,)."""
    flux, ivar = part.flux, part.ivar
    good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    lit = np.isfinite(flux) & (flux != 0)
    # Leading and trailing zeros are padding in every archive's habit.
    good &= np.logical_or.accumulate(lit, axis=1)
    good &= np.logical_or.accumulate(lit[:, ::-1], axis=1)[:, ::-1]
    scale = np.ones(flux.shape[0])
    for i, row in enumerate(good):
        typical = float(np.median(np.abs(flux[i, row]))) if row.any() else 1.0
        if typical > 0 and not _MEDIAN_RANGE[0] <= typical <= _MEDIAN_RANGE[1]:
            scale[i] = 10.0 ** np.floor(np.log10(typical))
    limit = float(np.finfo(np.float32).max)
    scaled = np.where(np.isfinite(flux), flux, 0.0) / scale[:, None]
    weights = np.where(good, ivar, 0.0) * (scale[:, None] ** 2 if part.has_errors else 1.0)
    good &= np.abs(scaled) < limit
    flux32 = np.clip(scaled, -limit, limit).astype(np.float32)
    ivar32 = np.where(good, np.clip(weights, 0, limit), 0.0).astype(np.float32)
    good &= ivar32 > 0
    return flux32, ivar32, ~good, scale


def _full_meta(parts: Sequence[Part], source: Source, n_spec: int) -> dict[str, list[Any]]:
    """The metadata every reader gives, with what the parts know."""
    meta: dict[str, list[Any]] = {
        "path": [source.path] * n_spec,
        "index": list(range(n_spec)),
        "survey": ["table"] * n_spec,
    }
    for name in (
        "layout", "object", "obsid", "ra", "dec", "class", "subclass", "redshift", "snr",
        *(f"snr_{band}" for band in "ugriz"), "star_id",
    ):  # fmt: skip
        meta[name] = [None] * n_spec
    names = dict.fromkeys(name for part in parts for name in part.meta)
    for name in names:
        meta[name] = [v for part in parts for v in part.meta.get(name, [None] * len(part))]
    meta["has_errors"] = [part.has_errors for part in parts for _ in range(len(part))]
    meta["wave_frame"] = [part.frame for part in parts for _ in range(len(part))]
    return meta
