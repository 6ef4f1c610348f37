"""Small stores for tests."""

from __future__ import annotations

import numpy as np

from spectype.core.grid import STANDARD_GRID
from spectype.core.spectra import Spectra
from spectype.dataset.store import StoreWriter, encode
from tests.stars import star_flux


def make_store(folder, flux, *, good=None, **columns):
    """A store of these spectra on the standard grid, O5 stars of LAMOST unless columns say else."""
    flux = np.asarray(flux, np.float32)
    good = np.ones(flux.shape, bool) if good is None else good
    spectra = Spectra(wave=STANDARD_GRID, flux=flux, ivar=good.astype(np.float32) * 1e4, mask=~good)
    n = len(flux)
    table = {"survey": ["lamost"] * n, "type": ["O"] * n, "code": [5.0] * n,
             "star_id": [f"star-{i}" for i in range(n)], "redshift": [None] * n,
             "synthetic": [False] * n, "kind": ["star"] * n, "luminosity": ["V"] * n,
             "path": [""] * n, "index": [0] * n} | columns  # fmt: skip
    writer = StoreWriter(folder, wave=STANDARD_GRID)
    writer.append(*encode(spectra))
    rows = [{k: v[i] for k, v in table.items()} for i in range(n)]
    return writer.close(rows, {"chain": []})


def hot_store(folder, *, n=14, seed=0, **columns):
    """A store of `n` noisy O stars; the first three end at 7427 A, as Jacoby's atlas does."""
    rng = np.random.default_rng(seed)
    codes = rng.uniform(4, 9.5, n)
    flux = np.stack([star_flux(code, STANDARD_GRID) for code in codes])
    flux *= 1 + 0.02 * rng.standard_normal(flux.shape)
    good = np.ones(flux.shape, bool)
    good[:3, STANDARD_GRID > 7427] = False
    surveys = ["jacoby"] * 3 + ["lamost"] * (n - 3)
    return make_store(
        folder, flux, good=good, **({"code": codes.tolist(), "survey": surveys} | columns)
    )
