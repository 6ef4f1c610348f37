"""From the raw columns of any file to a Spectra batch: units, order, frame, errors, zeros."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core.grid import LOG_STEP, air_to_vacuum
from spectype.core.spectra import FloatArray, Spectra
from spectype.surveys.source import Source

Floats = NDArray[np.float64]

#: Angstrom in one unit, by the unit's spelling in lower case without blanks.
_ANGSTROM_IN: dict[str, float] = {
    **dict.fromkeys(("angstrom", "angstroms", "a", "aa", "ang", "å", "0.1nm"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 10.0),
    **dict.fromkeys(
        ("um", "micron", "microns", "µm", "μm", "mum", "micrometer", "micrometers", "micrometre"),
        1e4,
    ),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e10),
}
_LOG10 = ("log10", "log", "dex", "loglam")
UNITS = "Angstrom, nm, micron, m, log10 (of Angstrom) or ln (of Angstrom)"

# A gap filled with one value, as 0 or the 0.0001 of the Indo-US library: so many pixels and so many
# Angstrom of exactly the same flux, below this share of the median. A real continuum that was
# rounded may repeat itself, too, but not so far down.
_FILL_PIXELS, _FILL_SPAN, _FILL_LEVEL = 8, 5.0, 0.05
_MEDIAN_RANGE = (1e-4, 1e6)  # a median |flux| outside it is rescaled: float32 squares must fit


@dataclass(slots=True, kw_only=True)
class Raw:
    """What a file's structure gives, before anyone has judged it.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,) or (n_spec, n_pix), any float type
        In `unit` and `frame`.
    flux : ndarray, shape (n_spec, n_pix), any float type
    ivar : ndarray, shape (n_spec, n_pix), any float type, optional
        Inverse variance; None if the file has no errors.
    bad : ndarray, shape (n_spec, n_pix), bool, optional
        Pixels that the file marks as bad.
    unit : str, optional
        Unit of `wave` as the file spells it; None to judge by the numbers.
    frame : str, optional
        "air" or "vacuum" as far as the file says; None to judge by the grid.
    per_frequency : bool
        Flux is per frequency (Jy) and is brought to per wavelength.
    meta : dict
        Lists of n_spec values.
    warnings : list of str
        What is odd about the file.
    """

    wave: FloatArray
    flux: FloatArray
    ivar: FloatArray | None = None
    bad: NDArray[np.bool_] | None = None
    unit: str | None = None
    frame: str | None = None
    per_frequency: bool = False
    meta: dict[str, list[Any]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def variance_inverse(
    *, error: ArrayLike | None = None, variance: ArrayLike | None = None
) -> Floats | None:
    """Inverse variance from errors or variances; 0 where they are not positive and finite."""
    if error is not None:
        variance = np.square(np.where(np.asarray(error) > 0, error, np.nan), dtype=np.float64)
    if variance is None:
        return None
    var = np.asarray(variance, dtype=np.float64)
    good = np.isfinite(var) & (var > 0)
    return np.where(good, 1.0 / np.where(good, var, 1.0), 0.0)


def to_angstrom(wave: Floats, unit: str | None, source: Source) -> Floats:
    """Wavelengths in Angstrom.

    Parameters
    ----------
    wave : ndarray, float64
        Finite wavelengths.
    unit : str, optional
        As a file or user spells it; None to judge by the size of the numbers.

    Raises
    ------
    ReadError
        If the unit is unknown, or the numbers are no wavelengths in any unit.
    """
    known = guess_unit(wave) if unit is None else _normal_unit(unit)
    if unit is not None and known is None:
        raise source.fail(f"wavelength unit {unit!r} is not known", remedy=f"give unit as {UNITS}")
    if known is None:
        raise source.fail(
            f"{wave.min():.6g} to {wave.max():.6g} are not optical wavelengths in any usual unit",
            remedy="name the columns and the unit of the wavelengths",
        )
    if known in ("log10", "ln"):
        if wave.max() > (300.0 if known == "ln" else 100.0):
            raise source.fail(
                f"wavelengths up to {wave.max():.6g} are not {known} of Angstrom",
                remedy="give another unit",
            )
        return np.asarray(10.0**wave if known == "log10" else np.exp(wave))
    return wave * _ANGSTROM_IN[known]


def _normal_unit(unit: str) -> str | None:
    """A key of the table of units, "log10" or "ln"; None if the spelling is unknown."""
    text = unit.strip().lower().replace(" ", "").strip("[]().'\"")
    if text.startswith(("log10", "log(")) or text in _LOG10:
        return "log10"
    if text.startswith("ln"):
        return "ln"
    return text if text in _ANGSTROM_IN else None


def trusted_unit(unit: str | None, wave: Floats) -> str | None:
    """A file's own unit where it is known and fits the numbers, else None.

    Files say "Angstrom" of log10 wavelengths, or nothing sensible; their numbers are the
    better witness then.
    """
    known = None if unit is None else _normal_unit(unit)
    if known is None or wave.size == 0:
        return None
    low, high = float(wave.min()), float(wave.max())
    if known in ("log10", "ln"):
        return known if high < 30 else None
    return known if low > 0 and 300 < high * _ANGSTROM_IN[known] < 1e7 else None


def guess_unit(wave: Floats) -> str | None:
    """The unit in which these numbers are optical wavelengths, or None.

    Judged by range: Angstrom in the thousands, nm in the hundreds, micron near 1, log10 of
    Angstrom 3-5, ln of Angstrom 7-11.5, metres below 1e-4.
    """
    low, high = float(wave.min()), float(wave.max())
    if low <= 0:
        return None
    if high < 1e-4:
        return "m"
    # 3.5-4 could be mid-infrared micron; an optical typing tool takes it as log10.
    if low > 2.9 and high < 5.1 and high - low < 1.7:
        return "log10"
    if low > 6.9 and high < 11.6 and high - low < 3:
        return "ln"
    if low > 0.05 and high < 30:
        return "um"
    if 90 < low < 1000 and high < 2700:
        return "nm"
    if low > 50 and 800 < high < 1e6:
        return "angstrom"
    return None


def on_log_grid(wave: Floats) -> bool:
    """Whether wavelengths [Angstrom] lie on the log10 grid of SDSS and LAMOST: so in vacuum.

    Their pixels are ``10**(1e-4 * k)`` with k whole, a coincidence for any other instrument.
    Tolerates wavelengths rounded to 0.1 A; gaps are allowed.
    """
    if wave.size < 100:
        return False
    k = np.log10(wave) / LOG_STEP
    # A pixel is 0.85 A wide at 3700 A and 2.4 A at 10400 A, where 0.05 A is 0.02 pixels.
    return bool(np.abs(k - np.rint(k)).max() < 0.06 and np.diff(k).min() > 0.5)


def finish(raw: Raw, source: Source, *, frame: str | None, unit: str | None) -> Spectra:
    """Judge and convert: a `Spectra` in vacuum Angstrom, increasing, bad pixels masked.

    Parameters
    ----------
    raw : Raw
        The file's columns.
    source : Source
        For names and messages.
    frame, unit : str, optional
        The user's word, which overrides the file's.

    Raises
    ------
    ReadError
        If nothing in the columns is a spectrum.
    """
    frame = frame or raw.frame
    n_spec = raw.flux.shape[0]
    one_grid = raw.wave.ndim == 1 or bool((raw.wave == raw.wave[:1]).all())
    size = _BLOCK_ROWS if one_grid else 1
    blocks = [
        _block(raw, slice(i, min(i + size, n_spec)), source, unit, frame)
        for i in range(0, n_spec, size)
    ]
    return _assemble(blocks, raw, source, one_grid=one_grid)


_BLOCK_ROWS = 256  # bounds the memory of float64 copies for tables of many spectra


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """Finished spectra that share a grid."""

    wave: Floats
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    mask: NDArray[np.bool_]
    scale: Floats
    frame: str
    notes: list[str]


def _block(raw: Raw, rows: slice, source: Source, unit: str | None, frame: str | None) -> _Block:
    """Clean the spectra `rows`, which share a grid."""
    wave = np.asarray(raw.wave if raw.wave.ndim == 1 else raw.wave[rows.start], dtype=np.float64)
    flux = np.array(raw.flux[rows], dtype=np.float64)
    ivar = np.ones_like(flux) if raw.ivar is None else np.array(raw.ivar[rows], np.float64)
    if raw.bad is not None:
        ivar[raw.bad[rows]] = 0.0
    real = np.isfinite(wave)
    if real.sum() < 2:
        raise source.fail(
            f"has {int(real.sum())} usable wavelengths",
            remedy="name the wavelength column, or look at the file",
        )
    wave = to_angstrom(wave[real], unit or trusted_unit(raw.unit, wave[real]), source)
    part = _Part(wave=wave, flux=flux[:, real], ivar=ivar[:, real])
    part.order(source)
    if frame is None:
        frame = "vacuum" if on_log_grid(part.wave) else "air"
        part.notes.append(f"wavelength frame not stated: taken as {frame}")
    if frame == "air":
        part.wave = air_to_vacuum(part.wave)
    if raw.per_frequency:
        part.to_per_wavelength()
    filled = _filled(part.wave, part.flux, part.ivar > 0)
    if filled.any():
        part.ivar = np.where(filled, 0.0, part.ivar)
        part.notes.append("pixels filled with one value: masked")
    flux32, ivar32, mask, scale = _mask_and_scale(
        part.flux, part.ivar, has_errors=raw.ivar is not None
    )
    return _Block(
        wave=part.wave,
        flux=flux32,
        ivar=ivar32,
        mask=mask,
        scale=scale,
        frame=frame,
        notes=part.notes,
    )


@dataclass(slots=True, kw_only=True)
class _Part:
    """Spectra on one grid, on their way: wave (n_pix,), flux and ivar (n_spec, n_pix)."""

    wave: Floats
    flux: Floats
    ivar: Floats
    notes: list[str] = field(default_factory=list)

    def order(self, source: Source) -> None:
        """Put wavelengths in increasing order, each once."""
        if (np.diff(self.wave) > 0).all():
            return
        if (np.diff(self.wave) < 0).all():
            self._take(slice(None, None, -1))
            return
        distinct = np.unique(self.wave).size
        if distinct < max(2, self.wave.size // 2):
            raise source.fail(
                f"{self.wave.size} pixels have {distinct} different wavelengths only",
                remedy="is that the wavelength column? name the columns",
            )
        step = np.diff(self.wave)
        if (step < 0).any() and (step > 0).any():
            self.notes.append("wavelengths were not in order: sorted")
        self._take(np.argsort(self.wave, kind="stable"))
        if distinct < self.wave.size:
            self.notes.append(f"{self.wave.size - distinct} repeated wavelengths: averaged")
            self._average_repeated()

    def _take(self, index: slice | NDArray[np.intp]) -> None:
        self.wave = self.wave[index]
        self.flux, self.ivar = self.flux[:, index], self.ivar[:, index]

    def _average_repeated(self) -> None:
        """Replace pixels of one wavelength by their mean, weighted by ivar."""
        starts = np.flatnonzero(np.diff(self.wave, prepend=-np.inf) > 0)
        weight = np.where(np.isfinite(self.flux), self.ivar, 0.0)
        light = np.where(weight > 0, self.flux, 0.0) * weight
        total = np.add.reduceat(weight, starts, axis=1)
        count = np.diff(np.append(starts, self.wave.size))
        mean = np.add.reduceat(light, starts, axis=1) / np.where(total > 0, total, 1.0)
        self.flux = np.where(total > 0, np.where(count == 1, self.flux[:, starts], mean), np.nan)
        self.wave, self.ivar = self.wave[starts], total

    def to_per_wavelength(self) -> None:
        """From flux per frequency: f_lambda = f_nu c / lambda**2, up to a constant."""
        factor = (5500.0 / self.wave) ** 2
        self.flux, self.ivar = self.flux * factor, self.ivar / factor**2


def _assemble(blocks: list[_Block], raw: Raw, source: Source, *, one_grid: bool) -> Spectra:
    """Join the blocks, padding to one width, and describe them."""
    n_spec, n_pix = raw.flux.shape[0], max(block.wave.size for block in blocks)
    wave = blocks[0].wave if one_grid else np.empty((n_spec, n_pix))
    flux = np.zeros((n_spec, n_pix), np.float32)
    ivar = np.zeros((n_spec, n_pix), np.float32)
    mask = np.ones((n_spec, n_pix), np.bool_)
    at = 0
    for block in blocks:
        rows, n = slice(at, at + len(block.flux)), block.wave.size
        flux[rows, :n], ivar[rows, :n], mask[rows, :n] = block.flux, block.ivar, block.mask
        if not one_grid:
            step = block.wave[-1] - block.wave[-2]
            wave[at, :n] = block.wave
            wave[at, n:] = block.wave[-1] + step * np.arange(1, n_pix - n + 1)
        at = rows.stop
    meta = _full_meta(raw, source, n_spec)
    meta["wave_frame"] = [block.frame for block in blocks for _ in block.flux]
    meta["flux_scale"] = [float(scale) for block in blocks for scale in block.scale]
    meta["warnings"] = [
        "; ".join([*raw.warnings, *block.notes, *(["no good pixel"] if row.all() else [])])
        for block in blocks
        for row in block.mask
    ]
    return Spectra(wave=wave, flux=flux, ivar=ivar, mask=mask, meta=meta)


def _filled(wave: Floats, flux: Floats, good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pixels of `flux` (n_spec, n_pix) belong to a gap that was filled with one value."""
    filled = np.zeros(flux.shape, dtype=bool)
    for i, row in enumerate(flux):
        usable = good[i] & np.isfinite(row)
        if not usable.any():
            continue
        low = row < _FILL_LEVEL * np.median(np.abs(row[usable]))
        starts = np.flatnonzero(np.append(True, row[1:] != row[:-1]))
        ends = np.append(starts[1:], row.size)
        long = (ends - starts >= _FILL_PIXELS) & (wave[ends - 1] - wave[starts] >= _FILL_SPAN)
        filled[i] = np.repeat(long & low[starts], ends - starts)
    return filled


def _mask_and_scale(
    flux: Floats, ivar: Floats, *, has_errors: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], Floats]:
    """float32 flux and ivar, the mask, and the factor by which flux was divided, (n_spec,)."""
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
    weights = np.where(good, ivar, 0.0) * (scale[:, None] ** 2 if has_errors else 1.0)
    good &= np.abs(scaled) < limit
    flux32 = np.clip(scaled, -limit, limit).astype(np.float32)
    ivar32 = np.where(good, np.clip(weights, 0, limit), 0.0).astype(np.float32)
    good &= ivar32 > 0
    return flux32, ivar32, ~good, scale


def _full_meta(raw: Raw, source: Source, n_spec: int) -> dict[str, list[Any]]:
    """The metadata every reader gives, with what this one knows."""
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
    meta["has_errors"] = [raw.ivar is not None] * n_spec
    meta.update(raw.meta)
    return meta
