"""One axis, one resolution, one shape: spectra of many sources made alike for generative models.

A generator copies whatever tells sources apart. So the spectra are moved to rest, convolved down
to one resolution, freed of reddening and flux calibration alike, and their missing pixels are
named, not padded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import atomic_path, check_writable
from spectype.core.grid import SPEED_OF_LIGHT, resample
from spectype.core.spectra import Spectra
from spectype.dataset.fitsfile import is_fits_name, write_spectra
from spectype.dataset.preprocess import Continuum, RestFrame, broad_shape, replace
from spectype.dataset.store import Store
from spectype.dataset.wide import wide_table
from spectype.surveys.resolution import native_fwhm

if TYPE_CHECKING:
    import polars as pl

FloatArray = NDArray[np.float32]
SHAPES = ("flat", "intrinsic")
_TO_SIGMA = 1 / 2.3548  # of a Gaussian's full width at half maximum
#: Effective temperature [K] of the main sequence at decimal codes (Pecaut & Mamajek 2013,
#: ApJS 208, 9).
_TEMPERATURE = {
    3.0: 44900.0, 5.0: 41400.0, 10.0: 31400.0, 15.0: 15700.0, 20.0: 9700.0, 25.0: 8080.0,
    30.0: 7220.0, 35.0: 6550.0, 40.0: 5930.0, 45.0: 5660.0, 50.0: 5270.0, 55.0: 4440.0,
    60.0: 3850.0, 65.0: 3060.0, 69.0: 2400.0,
}  # fmt: skip


@dataclass(frozen=True)
class Harmonised:
    """Spectra made alike.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,), float64
        The store's grid, at rest [Angstrom, vacuum].
    flux : ndarray, shape (n, n_pix), float32
        Flux over its broad shape (around 1), or that times the intrinsic shape of the
        type; 0 where a pixel is not good.
    good : ndarray, shape (n, n_pix), bool
        Where a spectrum has data.
    rows : ndarray, shape (n,), int64
        Rows of the store.
    code : ndarray, shape (n,), float64
        Decimal type codes, NaN where unknown.
    type, survey, star_id : ndarray, shape (n,), str
        From the store; empty where unknown.
    resolving_power : float
        The common resolution, wavelength over full width at half maximum.
    shape : str
        ``flat`` or ``intrinsic``.
    blunter : tuple of str
        Surveys whose spectra are blunter than the common resolution and stay so.
    unknown : tuple of str
        Surveys of unknown resolution, left as they are.
    """

    wave: NDArray[np.float64]
    flux: FloatArray
    good: NDArray[np.bool_]
    rows: NDArray[np.int64]
    code: NDArray[np.float64]
    type: NDArray[np.str_]
    survey: NDArray[np.str_]
    star_id: NDArray[np.str_]
    resolving_power: float
    shape: str
    blunter: tuple[str, ...]
    unknown: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: NDArray[Any]) -> Harmonised:
        """The spectra at these positions (integers or booleans)."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("flux", "good", "rows", "code", "type", "survey", "star_id"):
            values[name] = values[name][index]
        return Harmonised(**values)


def select(store: Store, types: Sequence[str]) -> NDArray[np.int64]:
    """Rows of real stars of these types.

    Parameters
    ----------
    store : Store
        Where from.
    types : sequence of str
        Letters, ``"O"`` or ``"OB"``.

    Raises
    ------
    UsageError
        If a letter is no type.
    DataError
        If the store has no real spectrum of one of them; it says which types it has.
    """
    import polars as pl

    if odd := [t for t in types if t not in mk.TYPES]:
        raise UsageError(f"unknown type {odd[0]!r}", remedy=f"letters of {mk.TYPES}")
    real = store.meta.filter(~pl.col("synthetic").fill_null(False))
    counts = dict(real.drop_nulls("type").group_by("type").len().iter_rows())
    if missing := [t for t in types if t not in counts]:
        held = ", ".join(f"{t} {counts[t]}" for t in mk.TYPES if t in counts) or "none with a type"
        raise DataError(
            f"has no real spectrum of type {', '.join(missing)} (it has {held})",
            path=store.folder,
            remedy="build a store with some, or choose other types",
        )
    chosen = real.filter(pl.col("type").is_in(list(types)))["row"].to_numpy()
    return np.asarray(chosen, np.int64)


def harmonise(
    store: Store,
    rows: Sequence[int] | NDArray[np.integer[Any]],
    *,
    resolving_power: float = 1800.0,
    shape: str = "flat",
) -> Harmonised:
    """Bring spectra of a store to rest, to one resolution and to one broad shape.

    Sharper spectra are convolved down; blunter ones cannot be sharpened and are named. The broad
    shape (a Gaussian mean of 10,000 km/s) holds reddening and flux calibration, and is divided
    out of all; ``intrinsic`` multiplies by a black body of the type's temperature,
    alike for all spectra of one type.

    Parameters
    ----------
    store : Store
        Where from.
    rows : sequence of int
        Which.
    resolving_power : float
        The common resolution.
    shape : {"flat", "intrinsic"}
        The common broad shape.

    Returns
    -------
    Harmonised

    Raises
    ------
    UsageError
        If an option is impossible. DataError if there is no row, or `intrinsic` is asked of
        spectra without a type.
    """
    if shape not in SHAPES:
        raise UsageError(f"unknown shape {shape!r}", remedy=" or ".join(SHAPES))
    if not resolving_power > 0:
        raise UsageError(f"a resolving power of {resolving_power:g} is not positive")
    index = np.asarray(rows, dtype=np.int64)
    if not index.size:
        raise DataError("no spectrum to harmonise", path=store.folder)
    spectra = _at_rest(store.spectra(index), store.wave)
    target = SPEED_OF_LIGHT / resolving_power
    spectra, blunter, unknown = _to_resolution(spectra, target)
    spectra = over_shape(spectra)
    code = np.array([np.nan if c is None else c for c in spectra.get("code")], np.float64)
    text = {name: np.array([v or "" for v in spectra.get(name)], dtype=str)
            for name in ("type", "survey", "star_id")}  # fmt: skip
    flux = spectra.flux
    if shape == "intrinsic":
        if (text["type"] == "").any():
            raise DataError("spectra without a type have no known intrinsic shape",
                            path=store.folder, remedy="choose typed rows")  # fmt: skip
        flux = flux * intrinsic_shape(known_codes(code, text["type"]), wave=store.wave)
    return Harmonised(
        wave=store.wave,
        flux=np.where(spectra.mask, 0, flux).astype(np.float32),
        good=~spectra.mask,
        rows=index,
        code=code,
        **text,
        resolving_power=float(resolving_power),
        shape=shape,
        blunter=blunter,
        unknown=unknown,
    )


def over_shape(spectra: Spectra) -> Spectra:
    """Spectra over their broad shape: a parabola in log flux, then a mean of 10,000 km/s."""
    return Continuum()(_level(spectra))


def known_codes(code: NDArray[np.float64], types: NDArray[np.str_]) -> NDArray[np.float64]:
    """Decimal codes, with the middle of the type where the subclass is unknown."""
    middle = np.array([10.0 * mk.index(t) + 5.0 if t else np.nan for t in types])
    return np.where(np.isfinite(code), code, middle)


def intrinsic_shape(code: NDArray[np.float64], *, wave: NDArray[np.float64]) -> FloatArray:
    """Black body of a type's main-sequence temperature, shape (n, n_pix), median 1.

    Parameters
    ----------
    code : ndarray, shape (n,)
        Decimal type codes.
    wave : ndarray, shape (n_pix,)
        [Angstrom].
    """
    knots = np.array(list(_TEMPERATURE))
    log_t = np.interp(code, knots, np.log(list(_TEMPERATURE.values())))
    x = 1.438777e8 / (wave * np.exp(log_t)[:, None])  # hc/k [Angstrom K]
    planck = (wave / 5500.0) ** -5 / np.expm1(x)
    return np.asarray(planck / np.median(planck, axis=1, keepdims=True), np.float32)


def table_of(
    harmonised: Harmonised, labels: Mapping[str, NDArray[Any]] | None = None
) -> pl.DataFrame:
    """A row a spectrum: ``row``, ``star_id``, ``survey``, ``type``, ``code``, `labels`, then one
    column a wavelength [vacuum Angstrom, two decimals]; null where a spectrum has no data."""
    head = {name: getattr(harmonised, name) for name in ("star_id", "survey", "type", "code")}
    return wide_table(
        harmonised.wave,
        harmonised.flux,
        harmonised.good,
        row=harmonised.rows,
        **head,
        **(labels or {}),
    )


def write_table(
    harmonised: Harmonised, path: str | Path, *, labels: Mapping[str, NDArray[Any]] | None = None
) -> Path:
    """Write `table_of` as CSV or parquet, or the spectra as FITS, by suffix."""
    target = Path(path)
    if is_fits_name(target):
        return write_spectra(_as_spectra(harmonised), target)
    if target.suffix not in (".csv", ".parquet"):
        raise UsageError("ends in neither .csv, .parquet nor .fits", path=target)
    check_writable(target)
    table = table_of(harmonised, labels)
    with atomic_path(target) as temporary:
        if target.suffix == ".csv":
            table.write_csv(temporary, float_precision=5)
        else:
            table.write_parquet(temporary)
    return target


def _as_spectra(harmonised: Harmonised) -> Spectra:
    """The spectra as a batch, without errors: those of many sources were made alike."""
    n, known = len(harmonised), np.isfinite(harmonised.code)
    types = [mk.format_code(c) if ok else t for c, t, ok in
             zip(harmonised.code.tolist(), harmonised.type.tolist(), known)]  # fmt: skip
    return Spectra(
        wave=harmonised.wave,
        flux=harmonised.flux.astype(np.float32),
        ivar=harmonised.good.astype(np.float32),
        mask=~harmonised.good,
        meta={
            "object": harmonised.star_id.tolist(),
            "survey": harmonised.survey.tolist(),
            "subclass": types,
            "redshift": [0.0] * n,
            "has_errors": [False] * n,
        },
    )


def _at_rest(spectra: Spectra, wave: NDArray[np.float64]) -> Spectra:
    """Shift by the redshift where a star's is known; others are taken to be at rest."""
    z = np.array([np.nan if v is None else float(v) for v in spectra.get("redshift")])
    moved = np.flatnonzero(np.isfinite(z) & (z != 0) & (np.abs(z) < 0.05))
    if not moved.size:
        return spectra
    rest = resample(RestFrame()(spectra[moved]), wave=wave)
    flux, ivar, mask = spectra.flux.copy(), spectra.ivar.copy(), spectra.mask.copy()
    flux[moved], ivar[moved], mask[moved] = rest.flux, rest.ivar, rest.mask
    return replace(spectra, flux=flux, ivar=ivar, mask=mask)


def _level(spectra: Spectra) -> Spectra:
    """Divide by a parabola in log flux and log wavelength.

    Where coverage ends a mean over both sides has one side only, and a tilt would remain: a tell
    of the source. Without the tilt little is left there.
    """
    x = np.log(spectra.wave / spectra.wave.mean()) / np.ptp(np.log(spectra.wave))
    shape = broad_shape(spectra, width=10_000.0)
    terms = np.stack([np.ones_like(x), x, x**2], axis=1)
    level = np.ones_like(shape)
    for i in range(len(spectra)):
        use = ~spectra.mask[i] & (shape[i] > 0)
        if use.sum() > 100:
            fit, *_ = np.linalg.lstsq(terms[use], np.log(shape[i, use]), rcond=None)
            level[i] = np.exp(np.clip(terms @ fit, -20, 20))
    return replace(spectra, flux=spectra.flux / level, ivar=spectra.ivar * level**2)


def _to_resolution(
    spectra: Spectra, target: float
) -> tuple[Spectra, tuple[str, ...], tuple[str, ...]]:
    """Convolve to a full width at half maximum of `target` [km/s]; name what stays as it is."""
    from scipy.ndimage import gaussian_filter1d

    velocity = SPEED_OF_LIGHT * np.median(np.diff(np.log(spectra.wave)))
    survey = np.array([v or "" for v in spectra.get("survey")], dtype=str)
    flux, blunter, unknown = spectra.flux.copy(), [], []
    for name in np.unique(survey):
        native = native_fwhm(str(name))
        if np.isnan(native):
            unknown.append(str(name) or "(no survey)")
        elif native > 1.02 * target:
            blunter.append(str(name))
        elif (square := target**2 - native**2) > 0:
            here = survey == name
            good = (~spectra.mask[here]).astype(np.float32)
            options: dict[str, Any] = {"sigma": np.sqrt(square) * _TO_SIGMA / velocity, "axis": 1}
            weight = gaussian_filter1d(good, **options)
            total = gaussian_filter1d(spectra.flux[here] * good, **options)
            flux[here] = total / np.where(weight > 0, weight, 1)
    return replace(spectra, flux=flux), tuple(blunter), tuple(unknown)
