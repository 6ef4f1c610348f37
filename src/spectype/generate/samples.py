"""Synthetic spectra that a generator has drawn, and their way to a store or a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import check_writable_folder
from spectype.core.spectra import Spectra
from spectype.dataset.fitsfile import write_spectra
from spectype.dataset.preprocess import Clip, Scale, Step, run_chain, to_data
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.generate.harmonise import Harmonised, write_table
from spectype.simulate.instrument import BANDS, noise_variance

FloatArray = NDArray[np.float32]
NOISE_FREE = "noise-free"  #: the store without noise inside a folder of noisy samples
_QUIET = 1e-3  # nominal error of a noise-free pixel; a store's error 0 would mean a bad one


@dataclass(frozen=True)
class Samples:
    """Synthetic spectra without noise.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,), float64
        Grid at rest [Angstrom, vacuum].
    flux : ndarray, shape (n, n_pix), float32
        Normalised as `dataset.harmonise.harmonise` gives real spectra: over the broad shape.
    good : ndarray, shape (n, n_pix), bool
        Where the generator knows the spectrum.
    code : ndarray, shape (n,), float64
        Decimal type codes; NaN from a generator that knows none.
    type : ndarray, shape (n,), str
        Types; empty where the generator does not know.
    shape : ndarray, shape (n, n_pix), float32
        The broad shape; 1 everywhere from a generator that has none.
    labels : mapping of str to ndarray, shape (n,)
        What else the generator knows of each: ``luminosity``, ``feh``, ``extrapolated``. Columns of
        the store.
    """

    wave: NDArray[np.float64]
    flux: FloatArray
    good: NDArray[np.bool_]
    code: NDArray[np.float64]
    type: NDArray[np.str_]
    shape: FloatArray
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.flux)


def write_samples(
    samples: Samples,
    out: str | Path,
    *,
    generator: str,
    snr: float | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> Store:
    """Write samples as a store, as training takes them.

    Parameters
    ----------
    samples : Samples
        What a generator drew.
    out : path-like
        New folder. With `snr` it holds the noisy spectra, and ``noise-free/`` inside is
        a store of the same spectra without noise.
    generator : str
        Name of the generator, for the stars' names.
    snr : float, optional
        Median S/N a pixel in g (4000-5500 Angstrom); no noise by default.
    seed : int
        Seed of the noise.
    overwrite : bool
        Replace a store that is there.

    Returns
    -------
    Store
        The one with noise where there is one.
    """
    quiet = to_spectra(samples, generator=generator)
    noisy = None if snr is None else to_spectra(samples, generator=generator, snr=snr, seed=seed)
    folder = check_writable_folder(out, kind="store")
    made = {"generator": generator, "seed": seed}
    store = _write(
        quiet, folder if noisy is None else folder / NOISE_FREE, {**made, "snr": None}, overwrite
    )
    return store if noisy is None else _write(noisy, folder, {**made, "snr": snr}, overwrite)


def to_spectra(
    samples: Samples, *, generator: str, snr: float | None = None, seed: int = 0
) -> Spectra:
    """Samples as a batch of spectra with their broad shape.

    Parameters
    ----------
    samples, generator, snr, seed
        As for `write_samples`.

    Returns
    -------
    Spectra
        Without noise, errors of a thousandth stand for none: an error of 0 would be a bad pixel.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]+", generator):
        raise UsageError(f"{generator!r} is no name of a generator", remedy="letters and digits")
    if snr is not None and not 0 < snr < 1e5:
        raise UsageError(f"an S/N of {snr:g} is not a positive number below 100,000")
    light: NDArray[np.floating] = samples.flux * samples.shape
    sigma: NDArray[np.floating] = np.full(light.shape, _QUIET)
    if snr is not None:
        sigma = noise_for(light, samples.good, wave=samples.wave, snr=snr)
        light = light + sigma * np.random.default_rng(seed).standard_normal(light.shape)
    rows = _rows(samples, generator, snr)
    return Spectra(
        wave=samples.wave,
        flux=np.where(samples.good, light, 0).astype(np.float32),
        ivar=np.where(samples.good, 1 / sigma**2, 0).astype(np.float32),
        mask=~samples.good,
        meta={name: [row[name] for row in rows] for name in rows[0]} if rows else {},
    )


def write_fits(
    samples: Samples,
    path: str | Path,
    *,
    generator: str,
    snr: float | None = None,
    seed: int = 0,
) -> Path:
    """Write samples as one FITS table, a row a spectrum; parameters as for `write_samples`."""
    return write_spectra(to_spectra(samples, generator=generator, snr=snr, seed=seed), path)


def noise_for(
    light: NDArray[np.floating], good: NDArray[np.bool_], *, wave: NDArray[np.float64], snr: float
) -> NDArray[np.float64]:
    """Standard deviation of a survey's noise at a wanted S/N, shape (n, n_pix).

    Parameters
    ----------
    light : ndarray, shape (n, n_pix)
        Flux with its broad shape, of order 1.
    good : ndarray, shape (n, n_pix), bool
        Pixels that count.
    wave : ndarray, shape (n_pix,)
        [Angstrom].
    snr : float
        Median S/N a pixel in g.
    """
    first, last = BANDS["g"]
    band = (wave >= first) & (wave < last)
    if not band.any():
        raise DataError("the grid has no pixel in g (4000-5500 A): no S/N to reach there")
    inside = np.where(good[:, band] & (light[:, band] > 0), light[:, band], np.nan)
    if np.isnan(inside).all(axis=1).any():
        raise DataError("a sample has no light in g (4000-5500 A): no S/N to reach there")
    by_star, by_sky = noise_variance(wave)
    low, high = np.full((len(light), 1), -6.0), np.full((len(light), 1), 12.0)
    for _ in range(40):  # the S/N grows with the brightness: bisection in its logarithm
        photons = 10 ** (0.5 * (low + high))
        sigma = np.sqrt(inside * by_star[band] / photons + by_sky[band] / photons**2)
        faint = np.nanmedian(inside / sigma, axis=1, keepdims=True) < snr
        low = np.where(faint, np.log10(photons), low)
        high = np.where(faint, high, np.log10(photons))
    photons = 10**high
    return np.asarray(np.sqrt(np.maximum(light, 0) * by_star / photons + by_sky / photons**2))


def _rows(samples: Samples, generator: str, snr: float | None) -> list[dict[str, Any]]:
    """Metadata of each sample, as a store has it."""
    return [
        {
            "path": "", "survey": "synthetic", "obsid": None, "object": None,
            "star_id": f"synthetic-{generator}-{i}", "class": "STAR",
            "subclass": mk.format_code(code) if np.isfinite(code) else kind or None,
            "split": None, "index": i, "ra": None, "dec": None, "snr": snr, "redshift": 0.0,
            "synthetic": True, "has_errors": snr is not None, "type": kind or None,
            "code": float(code) if np.isfinite(code) else None, "luminosity": None, "kind": "star",
            **{name: values[i].item() for name, values in samples.labels.items()},
        }
        for i, (code, kind) in enumerate(zip(samples.code, samples.type.tolist()))
    ]  # fmt: skip


def _write(spectra: Spectra, folder: Path, made: dict[str, Any], overwrite: bool) -> Store:
    chain: list[Step] = [Scale(), Clip()]
    writer = StoreWriter(folder, wave=spectra.wave, overwrite=overwrite)
    writer.append(*encode(run_chain(spectra, chain)))
    rows = [{name: values[i] for name, values in spectra.meta.items()} for i in range(len(spectra))]
    return writer.close(rows, {"chain": to_data(chain), "synthetic": made})


def export_samples(samples: Samples, path: str | Path, *, generator: str) -> Path:
    """Write samples as one table, a row a spectrum, wavelengths as columns: CSV or parquet."""
    n = len(samples)
    table = Harmonised(
        wave=samples.wave,
        flux=samples.flux,
        good=samples.good,
        rows=np.arange(n),
        code=samples.code,
        type=samples.type,
        survey=np.full(n, "synthetic"),
        star_id=np.array([f"synthetic-{generator}-{i}" for i in range(n)]),
        resolving_power=0.0,
        shape="flat",
        blunter=(),
        unknown=(),
    )
    return write_table(table, path, labels=samples.labels)
