"""The library standards nearest to a spectrum: what an eye would lay beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.matching import Floats, chi_squares, normalised
from spectype.classify.quality import signal_to_noise
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.grid import SPEED_OF_LIGHT, resample
from spectype.core.spectra import Spectra
from spectype.dataset.labels import is_pipeline
from spectype.dataset.preprocess import BadPixels, Scale, replace
from spectype.dataset.store import Store

if TYPE_CHECKING:
    import polars as pl

FARTHEST = 9  #: velocity search [pixels of 69 km/s to each side]
MOST = 4000  #: standards; of a larger store a sample
_OWN_SHARE = 0.5  # of the spectrum's pixels that a standard must cover, if any does
_CHUNK = 512


@dataclass(frozen=True)
class Match:
    """A standard beside a spectrum.

    Attributes
    ----------
    row : int
        Of the store.
    name : str
        Object, or file.
    label : str
        Type as the library writes it.
    type : str
    survey : str
        The library.
    distance : float
        Reduced chi-square of the difference without the broad shapes; a template is allowed to
        differ by 5 % of the flux, so that 1 is a difference of 5 % a pixel without noise.
    velocity : float
        Of the star [km/s], to the nearest pixel or better.
    common : float
        Share of the spectrum's good pixels that the standard covers.
    flux : ndarray, shape (n_pix,)
        Flux over its broad shape, at rest; NaN where the standard has no data.
    """

    row: int
    name: str
    label: str
    type: str
    survey: str
    distance: float
    velocity: float
    common: float
    flux: NDArray[np.float64]


class Standards:
    """Labelled spectra of libraries, ready to be compared.

    Experts' labels alone, where the store has any; no synthetic spectrum.

    Parameters
    ----------
    store : Store
        Where from.

    Raises
    ------
    DataError
        If no real spectrum of the store has a type with a subclass.
    """

    def __init__(self, store: Store) -> None:
        import polars as pl

        self.store = store
        usable = pl.col("type").is_in(list(mk.TYPES)) & pl.col("code").is_not_null()
        rows = store.meta.filter(usable & ~pl.col("synthetic").fill_null(False))
        experts = rows.filter(pl.Series(~is_pipeline(rows["survey"]), dtype=pl.Boolean))
        self.meta = experts if experts.height else rows
        if not self.meta.height:
            raise DataError(
                "has no real spectrum with a type and subclass to compare with",
                path=store.folder,
                remedy="build a store from labelled library spectra (build --labels)",
            )
        if self.meta.height > MOST:
            self.meta = self.meta.sample(MOST, seed=0).sort("row")

    def __len__(self) -> int:
        return int(self.meta.height)

    @cached_property
    def _arrays(self) -> tuple[Floats, Floats]:
        """Flux and good pixels (n, n_pix) as `matching.normalised` gives them."""
        rows, parts = self.meta["row"].to_numpy(), []
        for start in range(0, len(rows), _CHUNK):
            spectra = _with_errors(self.store.spectra(rows[start : start + _CHUNK]))
            flux, weight = normalised(spectra, _redshifts(spectra))
            parts.append((flux, (weight > 0).astype(np.float32)))
        flux, good = (np.concatenate(kind) for kind in zip(*parts, strict=True))
        return flux, good

    def nearest(self, spectrum: Spectra, *, n: int = 3) -> list[Match]:
        """The nearest standards, the best first; the spectrum's own file is left out.

        Parameters
        ----------
        spectrum : Spectra
            A batch of one, on any grid. Its own redshift, where known, is where the search for
            its velocity begins.
        n : int
            Standards at most.

        Raises
        ------
        DataError
            If no standard has a tenth of the wavelengths in common with it.
        """
        if len(spectrum) != 1:
            raise ValueError(f"one spectrum is compared, not {len(spectrum)}")
        flux, weight, pixels = self._prepared(spectrum)
        chi2, common = self._search(flux, weight)
        best = chi2.min(axis=0)
        share = common / max(int((weight > 0).sum()), 1)
        best[self._own(spectrum)] = np.inf
        wide = share.max(axis=0) >= _OWN_SHARE
        if np.isfinite(best[wide]).any():  # a short stretch is easily like another
            best = np.where(wide, best, np.inf)
        order = [int(i) for i in np.argsort(best, kind="stable")[:n] if np.isfinite(best[i])]
        if not order:
            raise DataError(
                "no standard has a tenth of the wavelengths in common with the spectrum",
                path=spectrum.get("path")[0],
                remedy="name a store whose spectra cover it",
            )
        return [self._match(i, chi2[:, i], share[:, i], pixels) for i in order]

    def _prepared(self, spectrum: Spectra) -> tuple[Floats, Floats, int]:
        """Flux and weight (1, n_pix) at rest by its redshift, and that in pixels."""
        ready = _with_errors(Scale()(resample(BadPixels()(spectrum), wave=self.store.wave)))
        z = _redshifts(ready)
        flux, weight = normalised(ready, z)
        return flux, weight, int(np.rint(np.log1p(z[0]) / self._step))

    @property
    def _step(self) -> float:
        return float(np.median(np.diff(np.log(self.store.wave))))

    def _search(self, flux: Floats, weight: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
        """Chi-square and common pixels by velocity, each (2 FARTHEST + 1, n_standards)."""
        templates, good = self._arrays
        found = list(chi_squares(flux, weight, templates, good, farthest=FARTHEST))
        return np.stack([c[0] for _, c, _ in found]), np.stack([b[0] for _, _, b in found])

    def _own(self, spectrum: Spectra) -> NDArray[np.bool_]:
        """Standards that are the spectrum itself: of the same file and place in it."""
        path = spectrum.get("path")[0]
        if not path:
            return np.zeros(len(self), bool)
        own = (Path(str(path)).name, spectrum.get("index")[0] or 0)
        paths, places = self.meta["path"].to_list(), _column(self.meta, "index")
        return np.array(
            [(Path(str(p)).name, i or 0) == own for p, i in zip(paths, places, strict=True)]
        )

    def _match(
        self, i: int, chi2: NDArray[Any], share: NDArray[Any], pixels: int
    ) -> Match:  # fmt: skip
        row = self.meta.row(i, named=True)
        place = int(chi2.argmin())
        # A spectrum that must be moved to the blue comes from a star that recedes.
        moved = pixels - (_vertex(chi2, place) - FARTHEST)
        flux, good = (array[i] for array in self._arrays)
        file = Path(str(row.get("path") or f"row {row['row']}")).name
        name = row.get("object") or re.sub(r"\.(fits?|csv|txt|dat)?(\.gz)?$", "", file)
        return Match(
            row=int(row["row"]),
            name=" ".join(str(name).split()),
            label=str(row.get("subclass") or mk.format_code(row["code"])),
            type=str(row["type"]),
            survey=str(row.get("survey") or ""),
            distance=float(chi2[place]),
            velocity=float(SPEED_OF_LIGHT * np.expm1(moved * self._step)),
            common=float(share[place]),
            flux=np.where(good > 0, 1.0 + flux.astype(np.float64), np.nan),
        )


def flattened(spectrum: Spectra, wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """A batch of one as it is compared, where it was observed: flux over its broad shape.

    Shape (n_pix,) on `wave`; NaN where it has no data.
    """
    ready = _with_errors(Scale()(resample(BadPixels()(spectrum), wave=wave)))
    flux, weight = normalised(ready, np.zeros(1))
    return np.where(weight[0] > 0, 1.0 + flux[0].astype(np.float64), np.nan)


def _with_errors(spectra: Spectra) -> Spectra:
    """Where a file gives no errors, those that the scatter of the flux tells."""
    unknown = np.array([value is False for value in spectra.get("has_errors", True)])
    if not unknown.any():
        return spectra
    snr = np.maximum(signal_to_noise(spectra), 1.0)
    level = np.array([np.median(np.abs(f[~m])) if (~m).any() else 1.0
                      for f, m in zip(spectra.flux, spectra.mask, strict=True)])  # fmt: skip
    ivar = (snr / np.maximum(level, 1e-6)) ** 2
    return replace(spectra, ivar=np.where(unknown[:, None], ivar[:, None], spectra.ivar))


def _redshifts(spectra: Spectra) -> NDArray[np.float64]:
    """Redshift of each where it can be a star's, 0 elsewhere."""
    z = np.array([np.nan if v is None else float(v) for v in spectra.get("redshift")])
    return np.where(np.abs(z) < 0.1, z, 0.0)


def _column(meta: pl.DataFrame, name: str) -> list[Any]:
    return meta[name].to_list() if name in meta.columns else [None] * meta.height


def _vertex(values: NDArray[Any], place: int) -> float:
    """Place of the minimum between samples, by a parabola through three of them."""
    if not 0 < place < len(values) - 1 or not np.isfinite(values[place - 1 : place + 2]).all():
        return float(place)
    before, here, after = (float(v) for v in values[place - 1 : place + 2])
    bend = before - 2 * here + after
    return place + (0.5 * (before - after) / bend if bend > 0 else 0.0)
