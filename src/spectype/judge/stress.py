"""The same stars under worse conditions: what noise, gaps, motion, dust and blur cost.

Each stress is a function from spectra to spectra. The test stars of a run are typed again after
each, and compared with what the same spectra got untouched, so that the cost is that of the
stress and not of another sample.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.runtime import Model, load_model, signal_to_noise
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import atomic_path
from spectype.core.flags import Flag
from spectype.core.grid import SPEED_OF_LIGHT, resample
from spectype.core.progress import track
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import replace
from spectype.dataset.store import Store
from spectype.judge import calibration, metrics
from spectype.judge.predictions import in_system
from spectype.judge.scores import numbers, plain, texts
from spectype.simulate.instrument import extinction, noise_variance
from spectype.surveys.resolution import NATIVE_FWHM, native_fwhm

if TYPE_CHECKING:
    import polars as pl

FILE = "stress.parquet"  #: in the run's folder: stress, row, what was said
KEPT = ("type", "type_probability", "subclass_code", "type_set", "flags", "luminosity")
_BATCH = 256
_LEAST_LOST = 0.05  # of its good pixels: a cut that takes less is no stress
_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))  # of a Gaussian, in standard deviations

Floats = NDArray[np.float64]
Stressed = Callable[[Spectra, np.random.Generator], Spectra]


@dataclass(frozen=True, slots=True)
class Stress:
    """One way to make spectra worse.

    Attributes
    ----------
    name : str
    apply : callable
        From a batch on one grid and a random generator to as many spectra on the same grid.
    touches : callable, optional
        Which spectra of a batch it makes worse, shape (n,) bool; by default all.
    allowed : float, optional
        The share of right types that a good classifier may lose.
    """

    name: str
    apply: Stressed
    touches: Callable[[Spectra], NDArray[np.bool_]] | None = None
    allowed: float | None = None


def add_noise(spectra: Spectra, rng: np.random.Generator, *, snr: float) -> Spectra:
    """Add the noise that LAMOST would have had on a fainter star, to a median S/N a pixel.

    The star's own flux, a median night sky and the detector decide where the noise is. The own
    noise of the spectrum counts; where it is not known it is estimated from the flux.

    Parameters
    ----------
    spectra : Spectra
        On one grid, of a median S/N above `snr`; others are left as they are.
    rng : numpy.random.Generator
        Source of the noise.
    snr : float
        Wanted median S/N a pixel.
    """
    flux, ivar = spectra.flux.astype(np.float64), spectra.ivar.astype(np.float64)
    has_errors = [value is not False for value in spectra.get("has_errors", True)]
    star, rest = noise_variance(spectra.wave)
    before = signal_to_noise(spectra)
    for i in np.flatnonzero(before > snr):
        good = ~spectra.mask[i] & (ivar[i] > 0)
        light = flux[i, good]
        level = float(np.median(light))
        own = 1.0 / ivar[i, good] if has_errors[i] else np.full(light.size, level / before[i]) ** 2
        shot, sky = np.clip(light, 0, None) * level * star[good], level**2 * rest[good]
        added = _fainter(snr, light, own, shot, sky)
        flux[i, good] += np.sqrt(added) * rng.standard_normal(added.size)
        ivar[i, good] = 1.0 / (own + added)
        has_errors[i] = True
    # The header's S/N is that of the untouched spectrum.
    meta = {**spectra.meta, "has_errors": has_errors, "snr": [None] * len(spectra)}
    return replace(spectra, flux=flux, ivar=ivar, meta=meta)


def _fainter(snr: float, light: Floats, own: Floats, shot: Floats, sky: Floats) -> Floats:
    """Variance that brings the median S/N, beside the variance `own`, down to `snr`.

    ``shot / photons + sky / photons**2``, with the photons found by bisection.
    """
    low, high = -6.0, 12.0  # log10 of the photons: a star below every limit, and above
    for _ in range(30):
        middle = 0.5 * (low + high)
        variance = own + shot / 10.0**middle + sky / 100.0**middle
        if np.median(light / np.sqrt(variance)) < snr:
            low = middle
        else:
            high = middle
    return np.asarray(shot / 10.0**high + sky / 100.0**high, dtype=np.float64)


def cut(spectra: Spectra, rng: np.random.Generator, *, low: float, high: float) -> Spectra:
    """Keep the wavelengths from `low` to `high` [Angstrom] alone."""
    outside = (spectra.wave < low) | (spectra.wave > high)
    return replace(spectra, mask=spectra.mask | outside)


def is_cut(spectra: Spectra, *, low: float, high: float) -> NDArray[np.bool_]:
    """Which spectra reach visibly beyond a range, shape (n,)."""
    good = ~spectra.mask
    outside = (spectra.wave < low) | (spectra.wave > high)
    return np.asarray((good & outside).sum(axis=1) > _LEAST_LOST * good.sum(axis=1))


def move(spectra: Spectra, rng: np.random.Generator, *, velocity: float) -> Spectra:
    """Give the stars another radial velocity [km/s]."""
    factor = 1.0 + velocity / SPEED_OF_LIGHT
    z = [None if v is None else (1.0 + v) * factor - 1.0 for v in spectra.get("redshift")]
    moved = Spectra(
        wave=spectra.wave * factor,
        flux=spectra.flux,
        ivar=spectra.ivar,
        mask=spectra.mask,
        meta={**spectra.meta, "redshift": z},
    )
    return resample(moved, wave=spectra.wave)


def redden(spectra: Spectra, rng: np.random.Generator, *, ebv: float) -> Spectra:
    """Put dust of E(B-V) magnitudes before the stars (Cardelli, Clayton & Mathis 1989)."""
    dimmed = 10.0 ** (-0.4 * ebv * (extinction(spectra.wave) - 3.1))
    return replace(spectra, flux=spectra.flux * dimmed, ivar=spectra.ivar / dimmed**2)


def broaden(spectra: Spectra, rng: np.random.Generator, *, resolving_power: float) -> Spectra:
    """Blur to a resolving power; what is as blunt already is left as it is.

    The noise becomes less a pixel and correlated between pixels, as in a real spectrum that is
    sampled too finely.
    """
    from scipy.ndimage import gaussian_filter1d

    native = np.array([native_fwhm(survey) for survey in spectra.get("survey")])
    native = np.where(np.isnan(native), NATIVE_FWHM["lamost"], native)
    step = SPEED_OF_LIGHT * float(np.median(np.diff(np.log(spectra.wave))))
    square = (SPEED_OF_LIGHT / resolving_power) ** 2 - native**2
    flux, ivar = spectra.flux.astype(np.float64), spectra.ivar.astype(np.float64)
    for i in np.flatnonzero(square > 0):
        sigma = float(np.sqrt(square[i])) / _FWHM / step
        good = (~spectra.mask[i] & (ivar[i] > 0)).astype(np.float64)
        variance = good / np.where(good > 0, ivar[i], 1.0)
        blur = partial(gaussian_filter1d, mode="constant", truncate=5.0)
        weight = np.maximum(blur(good, sigma), 1e-9)
        flux[i] = blur(flux[i] * good, sigma) / weight
        # The square of a Gaussian is one of sigma / sqrt 2, of area 1 / (2 sqrt(pi) sigma).
        narrow = blur(variance, sigma / np.sqrt(2.0)) / (2.0 * np.sqrt(np.pi) * max(sigma, 0.3))
        ivar[i] = np.where(good > 0, weight**2 / np.maximum(narrow, 1e-12), 0.0)
    return replace(spectra, flux=flux, ivar=ivar)


def louder(spectra: Spectra, *, snr: float) -> NDArray[np.bool_]:
    """Which spectra have a median S/N a pixel above `snr`, shape (n,)."""
    return np.asarray(signal_to_noise(spectra) > snr)


def _range(name: str, low: float, high: float, allowed: float) -> Stress:
    """The stress of a cut to a range of wavelengths."""
    keep, touches = partial(cut, low=low, high=high), partial(is_cut, low=low, high=high)
    return Stress(name, keep, touches, allowed)


STRESSES = (
    Stress("noise to S/N 10", partial(add_noise, snr=10.0), partial(louder, snr=10.0), 0.06),
    Stress("noise to S/N 5", partial(add_noise, snr=5.0), partial(louder, snr=5.0), 0.15),
    _range("3800–5600 Å alone", 3800.0, 5600.0, 0.04),
    _range("3510–7427 Å (Jacoby's atlas)", 3510.0, 7427.0, 0.04),
    _range("3800–4620 Å alone", 3800.0, 4620.0, 0.12),
    Stress("moved by +300 km/s", partial(move, velocity=300.0)),
    Stress("moved by −300 km/s", partial(move, velocity=-300.0)),
    Stress("reddened by E(B−V) = 1", partial(redden, ebv=1.0)),
    Stress("blurred to R = 900", partial(broaden, resolving_power=900.0)),
)


def run_stress(
    run: str | Path,
    store: Store,
    predictions: pl.DataFrame,
    *,
    system: str = "mixed",
    seed: int = 0,
) -> pl.DataFrame:
    """Type the test stars of a run again under each stress.

    Parameters
    ----------
    run : path-like
        A finished run.
    store : Store
        Its store.
    predictions : polars.DataFrame
        What the run says of them untouched (`predictions.predict_test`).
    system : str
        As in `predictions.predict_test`.
    seed : int
        Of the noise.

    Returns
    -------
    polars.DataFrame
        Columns ``stress``, ``system``, ``row`` and those of `KEPT`; a row for each spectrum
        that the stress makes worse; also in ``stress.parquet`` of the run.
    """
    import polars as pl

    folder = Path(run)
    model = load_model(folder)
    known = predictions.filter(pl.col("true_type").is_in(list(mk.TYPES)))
    if not known.height:
        raise DataError("has no test star of known type to put under stress", path=folder)
    rows = known["row"].to_numpy()
    survey = in_system(known["survey"], system)
    tables = []
    for number, stress in enumerate(track(STRESSES, title="stress tests")):
        for name, chosen in (("survey", rows[survey]), ("mk", rows[~survey])):
            for start in range(0, len(chosen), _BATCH):
                part = chosen[start : start + _BATCH]
                rng = np.random.default_rng([seed, number, int(part[0])])
                table = _retyped(model, store.spectra(part), stress, rng, name)
                tables.append(table.with_columns(stress=pl.lit(stress.name)))
    table = pl.concat(tables).select("stress", pl.lit(system).alias("system"), "row", *KEPT)
    with atomic_path(folder / FILE) as path:
        table.write_parquet(path)
    return table


def _retyped(
    model: Model, spectra: Spectra, stress: Stress, rng: np.random.Generator, system: str
) -> pl.DataFrame:
    """What the model says of the spectra that a stress makes worse, with their ``row``."""
    import polars as pl

    if stress.touches is not None:
        spectra = spectra[np.flatnonzero(stress.touches(spectra))]
    rows = pl.Series("row", spectra.get("row"), dtype=pl.UInt32)
    if not len(spectra):
        from spectype.classify.runtime import schema

        return pl.DataFrame(schema=schema()).with_columns(rows)
    return model.predict(stress.apply(spectra, rng), system=system).with_columns(rows)


@dataclass(frozen=True, slots=True)
class Lost:
    """Right types lost between two answers for the same spectra [share of them].

    Parameters
    ----------
    value, low, high : float
        Share right before minus share right after, and its 95 % interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StressScore:
    """What one stress costs; all over the spectra that it makes worse.

    Parameters
    ----------
    name : str
    allowed : float or None
        The share of right types that may be lost.
    before, after : Share
        Right types untouched and under stress.
    lost : Lost
    code_before, code : CodeScore
        Subclass differences untouched and under stress.
    recall : dict of str to Share
        Under stress, by true type.
    calibration_error : float
        Of the probabilities under stress.
    coverage : Share
        Sets under stress that hold the true type.
    flagged : Share
        Normal stars that are called out of distribution under stress.
    """

    name: str
    allowed: float | None
    before: metrics.Share
    after: metrics.Share
    lost: Lost
    code_before: metrics.CodeScore
    code: metrics.CodeScore
    recall: dict[str, metrics.Share]
    calibration_error: float
    coverage: metrics.Share
    flagged: metrics.Share

    def to_data(self) -> dict[str, Any]:
        """As nested dicts and lists for JSON."""
        return dict(plain(asdict(self)))


def score_stress(
    table: pl.DataFrame, predictions: pl.DataFrame, *, system: str = "mixed"
) -> list[StressScore]:
    """Score every stress of a table of `run_stress` against the untouched predictions.

    Raises
    ------
    DataError
        If the table is of other spectra than the predictions, or in another system.
    """
    import polars as pl

    again = "run spectype evaluate with --stress again"
    if any(name != system for name in table["system"].unique()):
        raise DataError(f"the stress tests are not in the system {system!r}", remedy=again)
    untouched = predictions.select(
        "row", "true_type", "true_code", "star_id",
        type_before="type", code_before="subclass_code",
    )  # fmt: skip
    allowed = {stress.name: stress.allowed for stress in STRESSES}
    scores = []
    for (name,), part in table.group_by("stress", maintain_order=True):
        both = part.with_columns(pl.col("row").cast(untouched["row"].dtype)).join(
            untouched, on="row"
        )
        if both.height != part.height:
            raise DataError(
                "the stress tests are of other test stars than the predictions", remedy=again
            )
        scores.append(_score(str(name), allowed.get(str(name)), both))
    return scores


def _score(name: str, allowed: float | None, both: pl.DataFrame) -> StressScore:
    true, stars = np.array(texts(both, "true_type")), np.array(texts(both, "star_id"))
    before, after = (np.array(texts(both, c)) == true for c in ("type_before", "type"))
    code = numbers(both, "true_code")
    bins = calibration.reliability(numbers(both, "type_probability"), after)
    odd = (both["flags"].to_numpy() & int(Flag.OUT_OF_DISTRIBUTION)) > 0
    return StressScore(
        name=name,
        allowed=allowed,
        before=metrics.share(before, stars=stars),
        after=metrics.share(after, stars=stars),
        lost=lost(before, after, n_stars=np.unique(stars).size),
        code_before=metrics.code_score(code, numbers(both, "code_before"), stars=stars),
        code=metrics.code_score(code, numbers(both, "subclass_code"), stars=stars),
        recall={
            t: metrics.share(after[true == t], stars=stars[true == t])
            for t in mk.TYPES
            if (true == t).any()
        },
        calibration_error=calibration.expected_calibration_error(bins),
        coverage=calibration.conformal_sets(
            texts(both, "type_set"), true.tolist(), stars=stars
        ).coverage,
        flagged=metrics.share(odd, stars=stars),
    )


def lost(
    before: NDArray[np.bool_], after: NDArray[np.bool_], *, n_stars: int | None = None
) -> Lost:
    """Right types lost from `before` to `after`, each (n,), the same spectra in the same order.

    Parameters
    ----------
    before, after : ndarray of bool, shape (n,)
        Whether each spectrum's type is right.
    n_stars : int, optional
        Stars among them: the independent trials behind the interval; by default n.

    References
    ----------
    Adjusted Wald interval for paired proportions of Bonett & Price (2012, J. Educ. Behav.
    Stat. 37, 479): what both answers share drops out, so it is narrower than two intervals.
    """
    n = before.size
    if not n:
        return Lost(float("nan"), -1.0, 1.0)
    trials = n if n_stars is None else n_stars
    fell = ((before & ~after).mean() * trials + 1) / (trials + 2)
    rose = ((~before & after).mean() * trials + 1) / (trials + 2)
    middle = float(fell - rose)
    half = 1.959964 * float(np.sqrt((fell + rose - middle**2) / (trials + 2)))
    value = float(before.mean() - after.mean())
    return Lost(value, max(middle - half, -1.0), min(middle + half, 1.0))
