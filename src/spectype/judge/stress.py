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

from spectype.classify.runtime import Model, load_model
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import atomic_path
from spectype.core.flags import Flag
from spectype.core.progress import track
from spectype.core.spectra import Spectra
from spectype.dataset.store import Store
from spectype.judge import calibration, metrics
from spectype.judge.conditions import add_noise, broaden, cut, is_cut, louder, move, redden
from spectype.judge.predictions import in_system
from spectype.judge.scores import numbers, plain, texts

if TYPE_CHECKING:
    import polars as pl

FILE = "stress.parquet"  #: in the run's folder: stress, row, what was said
KEPT = ("type", "type_probability", "subclass_code", "type_set", "flags", "luminosity")
_BATCH = 256

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
        from spectype.classify.columns import schema

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
    half = metrics.Z95 * float(np.sqrt((fell + rose - middle**2) / (trials + 2)))
    value = float(before.mean() - after.mean())
    return Lost(value, max(middle - half, -1.0), min(middle + half, 1.0))
