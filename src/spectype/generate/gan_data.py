"""The training spectra of the reference GAN: harmonised and masked, or as the study had them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.dataset.preprocess import MinMax, Smooth
from spectype.dataset.store import Store
from spectype.generate.gan import Scaling
from spectype.generate.harmonise import harmonise, select
from spectype.generate.learnt import FEWEST, FEWEST_AT_PIXEL, enough_arrays, fingerprint
from spectype.generate.recipes import GanConfig
from spectype.learn.split import make_split

if TYPE_CHECKING:
    from spectype.core.spectra import Spectra

FloatArray = NDArray[np.float32]
STUDY_PIXELS = slice(2, 3502)  # the study's cut, meant to end at 8671.6 A, ends at 8287 A
_JACOBY_FIRST, _JACOBY_STEP = 3700.0, 1.4  # [Angstrom]


@dataclass(frozen=True)
class GanData:
    """What the networks see.

    Parameters
    ----------
    values : ndarray, shape (n, n_pix), float32
        Spectra in the networks' range; 0 where a pixel is missing.
    good : ndarray, shape (n, n_pix), float32
        1 where a spectrum has data, else 0.
    wave : ndarray, shape (n_pix,), float64
        Grid [Angstrom, vacuum].
    rows : ndarray, shape (n,), int64
        Rows of the store.
    scaling : Scaling
        Range to flux.
    split : ndarray of str, shape (store rows,)
        Part of every row of the store.
    notes : dict
        What harmonising could not do, for the manifest.
    """

    values: FloatArray
    good: FloatArray
    wave: NDArray[np.float64]
    rows: NDArray[np.int64]
    scaling: Scaling
    split: NDArray[np.str_]
    notes: dict[str, list[str]]

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Pixels that enough training spectra know, shape (n_pix,)."""
        return np.asarray(self.good.sum(axis=0) >= min(FEWEST_AT_PIXEL, len(self.good)))

    def fingerprint(self) -> str:
        """See `learnt.fingerprint`."""
        return fingerprint(self.values, self.good)


def gan_data(store: Store, config: GanConfig) -> GanData:
    """The training spectra of a store.

    Raises
    ------
    DataError
        If a type has no spectrum, fewer than 8 are left for training, or one holds NaN.
    """
    rows = select(store, config.types)
    split = make_split(store.meta, config)
    train = rows[split[rows] == "train"]
    fewest = max(FEWEST, config.batch)
    of = f"type {config.types}"
    _, error = enough_arrays(store, train, n_all=len(rows), of=of, fewest=fewest)
    if (empty := ~(error > 0).any(axis=1)).any():
        raise DataError(f"row {train[empty][0]} has no good pixel", path=store.folder)
    if config.has("padding"):
        values, wave = study_vectors(store.spectra(train)), store.wave[STUDY_PIXELS]
        good = np.ones_like(values)
        scaling = Scaling(centre=0.0, half=1.0) if config.has("range") else Scaling(0.5, 0.5)
        ready, notes = values if config.has("range") else scaling.to_range(values), {}
    else:
        alike = harmonise(store, train, resolving_power=config.resolving_power)
        wave, good = store.wave, alike.good.astype(np.float32)
        scaling = line_scaling(alike.flux[alike.good], unit=config.has("range"))
        ready = scaling.to_range(alike.flux) * good
        notes = {"blunter": list(alike.blunter), "unknown": list(alike.unknown)}
    return GanData(
        values=np.ascontiguousarray(ready, np.float32),
        good=good,
        wave=np.asarray(wave),
        rows=train,
        scaling=scaling,
        split=split,
        notes=notes,
    )


def line_scaling(flux: FloatArray, *, unit: bool) -> Scaling:
    """A scale in which one flux in a thousand lies beyond half of the range, both signs.

    The other half is room for emission lines. With `unit` the data fill 0..1 only.
    """
    reach = 2 * float(np.quantile(np.abs(flux - 1), 0.999)) or 1.0
    if unit:  # y = (flux - 1) / (2 reach) + 1/2
        return Scaling(centre=1.0 - reach, half=2 * reach)
    return Scaling(centre=1.0, half=reach)


def study_vectors(spectra: Spectra) -> FloatArray:
    """Spectra as the study's vectors, shape (n, 3500), 0..1.

    Moving average of 3 pixels, minimum and maximum to 0 and 1, pixels 2 to 3501 by index: LAMOST's
    logarithmic ones, and for Jacoby's atlas its linear ones of 1.4 Angstrom, so that one index is
    4661 Angstrom here and 5103 there, with zeros after its end. Masks are ignored. Other
    sources keep the store's pixels.
    """
    smooth = MinMax()(Smooth()(spectra))
    size = STUDY_PIXELS.stop
    vectors = np.zeros((len(spectra), size), np.float32)
    for i, survey in enumerate(spectra.get("survey")):
        flux, good = smooth.flux[i], ~smooth.mask[i]
        if "jacoby" in str(survey).lower() and good.any():
            last = spectra.wave[good][-1]
            linear = np.arange(_JACOBY_FIRST, last, _JACOBY_STEP)[:size]
            vectors[i, : linear.size] = np.interp(linear, spectra.wave[good], flux[good])
        else:
            vectors[i, : min(size, flux.size)] = flux[:size]
    return np.clip(vectors[:, STUDY_PIXELS], 0, 1)
