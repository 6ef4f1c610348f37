"""How good spectra are, as a batch: signal-to-noise, coverage, the join of the arms, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from spectype.core.flags import Flag
from spectype.core.spectra import BoolArray, FloatArray, Spectra, row_medians, span

Floats = NDArray[np.float64]
ARM_STEP = 0.5  #: natural logarithm of a jump between the arms that no star has
LEAST_COVERAGE = 0.1  #: share of the grid below which nothing is said
UNSURE_PROBABILITY, UNSURE_SUBCLASSES = 0.6, 4.0  #: what makes a type uncertain
_SPECTRUM_BITS = 0xFFFF  # flags of the spectrum, not of the type


def signal_to_noise(spectra: Spectra) -> Floats:
    """Median S/N a pixel, shape (n,); from the flux itself where there are no errors.

    References
    ----------
    DER_SNR: Stoehr et al. (2008, ASP Conf. 394, 505).
    """
    good = ~spectra.mask
    half = np.s_[:, ::2]  # every other pixel: thousands are enough
    ratio = spectra.flux[half] * np.sqrt(spectra.ivar[half])
    out = row_medians(ratio, good[half]).astype(np.float64)
    for i in np.flatnonzero(~with_errors(spectra)):
        flux = spectra.flux[i, good[i]].astype(np.float64)
        if flux.size > 16:
            second = 2 * flux[2:-2] - flux[:-4] - flux[4:]
            noise = 1.482602 / np.sqrt(6.0) * np.median(np.abs(second))
            out[i] = np.median(flux) / noise if noise > 0 else np.inf
    return np.nan_to_num(out, nan=0.0, posinf=9999.0)


def with_errors(spectra: Spectra) -> BoolArray:
    """Which spectra come with errors of their own, shape (n,)."""
    return np.array([v is not False for v in spectra.get("has_errors", True)], dtype=bool)


def arm_step(spectra: Spectra) -> Floats:
    """How far the flux jumps where LAMOST's and SDSS's arms join, shape (n,): a natural logarithm.

    Median flux of 5900-6150 over that of 5550-5800 Angstrom; 0 where either side has less than
    half of its pixels good, or no flux. Of 2,800 labelled spectra 4 jump by more than `ARM_STEP`.
    """
    wave = np.atleast_2d(spectra.wave)[0]
    levels = []
    for low, high in ((5550, 5800), (5900, 6150)):
        first, last = np.searchsorted(wave, (low, high))
        good = ~spectra.mask[:, first:last]
        if last - first < 2:
            return np.zeros(len(spectra))
        level = row_medians(spectra.flux[:, first:last], good)
        levels.append(np.where((good.mean(axis=1) >= 0.5) & (level > 0), level, np.nan))
    with np.errstate(invalid="ignore"):
        return np.nan_to_num(np.log(levels[1].astype(np.float64) / levels[0]))


def flags_of(
    ready: Spectra,
    *,
    snr: Floats,
    types: Floats,
    code: Floats,
    error: Floats,
    strange: BoolArray,
) -> NDArray[np.int64]:
    """Quality flags of typed spectra, shape (n,).

    Parameters
    ----------
    ready : Spectra
        On the model's grid.
    snr, code, error : ndarray, shape (n,)
        Signal-to-noise a pixel, decimal code and its error [subclass].
    types : ndarray, shape (n, 7)
        Probabilities of the types.
    strange : ndarray, shape (n,), bool
        Beyond the model's limit for normal stars.
    """
    good = ~ready.mask
    coverage = good.mean(axis=1)
    first, last = span(good)
    holes = 1.0 - good.sum(axis=1) / np.maximum(last - first, 1)
    level = row_medians(ready.flux[:, ::4], good[:, ::4])  # NaN, so no sign, without a good pixel
    inside = np.mod(code, 10.0)
    rules: Mapping[Flag, BoolArray] = {
        Flag.LOW_SNR: snr < 5,
        Flag.LITTLE_COVERAGE: coverage < LEAST_COVERAGE,
        Flag.PARTIAL_COVERAGE: (coverage >= LEAST_COVERAGE) & (coverage < 0.6),
        Flag.MANY_BAD_PIXELS: holes > 0.2,
        Flag.NEGATIVE_FLUX: level <= 0,
        Flag.NO_ERRORS: ~with_errors(ready),
        Flag.SHAPE_UNRELIABLE: np.abs(arm_step(ready)) > ARM_STEP,
        Flag.OUT_OF_DISTRIBUTION: strange,
        Flag.UNCERTAIN_TYPE: (types.max(axis=1) < UNSURE_PROBABILITY) | (error > UNSURE_SUBCLASSES),
        Flag.BOUNDARY_TYPE: ((inside < 1) & (code >= 1)) | ((inside > 9) & (code < 69)),
    }
    total = np.zeros(len(ready), np.int64)
    for flag, on in rules.items():
        total |= np.where(on, int(flag), 0)
    return np.where(coverage < LEAST_COVERAGE, total & _SPECTRUM_BITS, total)


def coverage_faults(found: Sequence[Spectra], ready: Spectra, grid: FloatArray) -> list[str | None]:
    """Why spectra cannot be typed: no good pixel, or too little of the model's `grid` [Angstrom].

    Parameters
    ----------
    found : sequence of Spectra
        As read.
    ready : Spectra
        All of them on the grid.
    grid : ndarray, shape (n_pix,)
        What the model sees.
    """
    faults: list[str | None] = [None] * len(ready)
    lacking = np.flatnonzero((~ready.mask).mean(axis=1) < LEAST_COVERAGE)
    if not lacking.size:
        return faults
    low, high = np.round(grid[[0, -1]], -2)
    places = [(spectra, i) for spectra in found for i in range(len(spectra))]
    for row in lacking:
        spectra, i = places[row]
        wave = spectra.wave if spectra.wave.ndim == 1 else spectra.wave[i]
        good = wave[~spectra.mask[i]]
        if not good.size:
            faults[row] = "has no good pixel"
            continue
        apart = good[-1] < grid[0] or good[0] > grid[-1]
        faults[row] = (
            f"{'no' if apart else 'too little'} overlap with {low:.0f}-{high:.0f} A: "
            f"its good pixels span {good[0]:.0f}-{good[-1]:.0f} A"
        )
    return faults
