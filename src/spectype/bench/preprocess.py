"""How fast do spectra come onto the network's grid? As a batch, one by one, and by others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.bench.contest import OURS, Speed, contest
from spectype.classify.batch import prepare
from spectype.classify.runtime import BATCH, DEFAULT, load_model
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import run_chain
from spectype.surveys import read

COPY = "a copy of its arrays"
_SHIFT = 1.00011  #: as of 33 km/s: pixels that fall between those of the grid


def measure(files: Sequence[str], *, rounds: int = 5, moved: bool = False) -> Speed:
    """Bring the spectra of files, which have been read before, through the model's chain.

    Parameters
    ----------
    files : sequence of str
        LAMOST spectra.
    rounds : int
        Times that each contestant does all of them.
    moved : bool
        Shift the wavelengths, so that all must be resampled; else they lie on the model's pixels
        as the survey's do.
    """
    model = load_model(DEFAULT, threads=1)
    spectra = [_moved(read(file)) if moved else read(file) for file in files]
    wave = model.wave
    contestants = {
        OURS: lambda: sum(len(prepare(part, model)) for part in _parts(spectra)),
        "the same, one by one": lambda: _each(lambda one: run_chain(one, model.chain), spectra),
        "numpy.interp, one by one": lambda: _each(lambda one: by_interp(one, wave), spectra),
        COPY: lambda: _each(lambda one: (one.flux.copy(), one.ivar.copy()), spectra),
    }
    if util.find_spec("specutils") is not None:
        resampler, few = _specutils(wave), spectra[: max(1, len(spectra) // 20)]  # it is slow
        contestants["specutils, resampling alone"] = lambda: _each(resampler, few)
    about = {"spectra": len(spectra), "pixels": wave.size, "moved": moved}
    return contest(contestants, rounds=rounds, unit="spectrum", floor=COPY, about=about)


def _each(action: Callable[[Spectra], object], spectra: Sequence[Spectra]) -> int:
    for one in spectra:
        action(one)
    return len(spectra)


def _moved(spectra: Spectra) -> Spectra:
    return Spectra(
        wave=spectra.wave * _SHIFT, flux=spectra.flux, ivar=spectra.ivar, mask=spectra.mask,
        meta=spectra.meta,
    )  # fmt: skip


def _parts(spectra: Sequence[Spectra]) -> list[Sequence[Spectra]]:
    return [spectra[i : i + BATCH] for i in range(0, len(spectra), BATCH)]


def by_interp(spectra: Spectra, wave: NDArray[np.float64]) -> tuple[Any, Any, Any]:
    """The plain way: mask bad pixels, interpolate flux and variance, divide by the median.

    No cosmic rays are looked for, and flux is not conserved.
    """
    own = spectra.wave if spectra.wave.ndim == 1 else spectra.wave[0]
    good = ~spectra.mask[0] & np.isfinite(spectra.flux[0]) & (spectra.ivar[0] > 0)
    flux = np.interp(wave, own[good], spectra.flux[0][good])
    variance = np.interp(wave, own[good], 1 / spectra.ivar[0][good])
    bad = np.interp(wave, own, (~good).astype(float)) > 0.5
    level = np.median(np.abs(flux[~bad])) or 1.0
    return np.where(bad, 0, flux / level), np.where(bad, 0, level**2 / variance), bad


def _specutils(wave: NDArray[np.float64]) -> Callable[[Spectra], Any]:
    """The flux-conserving resampler of astropy's specutils, with errors."""
    import warnings

    from astropy import units as u
    from astropy.nddata import InverseVariance
    from specutils import Spectrum
    from specutils.manipulation import FluxConservingResampler

    resampler, axis = FluxConservingResampler(), wave * u.AA

    def resampled(one: Spectra) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own = one.wave if one.wave.ndim == 1 else one.wave[0]
            ivar = np.maximum(one.ivar[0], 1e-12)
            spectrum = Spectrum(
                spectral_axis=own * u.AA, flux=one.flux[0] * u.ct, uncertainty=InverseVariance(ivar)
            )
            return resampler(spectrum, axis)

    return resampled
