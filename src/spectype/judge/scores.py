"""All scores of a table of predictions, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.dataset.labels import is_pipeline
from spectype.judge import calibration, metrics
from spectype.judge.repeats import Repeat, RepeatSnr, repeatability, repeats_by_snr

if TYPE_CHECKING:
    import polars as pl

NEEDED = ("type", "true_type", "star_id")
MIN_STRANGERS = 5  #: fewer spectra of other kinds say nothing about detection


@dataclass(frozen=True, slots=True)
class Scores:
    """What a table of predictions is worth; see `score`.

    Parameters
    ----------
    system : str
        System of the labels that are scored against: ``mk`` or ``survey``.
    spectra, stars : int
        With a true type on the sequence O to M.
    untyped : int
        Spectra among them that were given no type; they count as misses.
    accuracy : Share
        Share of right types.
    mean_recall : tuple of float
        Unweighted mean of the types' recall, and its 95 % interval.
    macro_f1 : float
        Unweighted mean of the types' F1.
    types : list of ClassScore
    confusion : ndarray, shape (7, 8)
        Counts by true type (rows); the last column is untyped.
    subclass : CodeScore
    subclass_by_type : dict of str to CodeScore
    snr : list of SnrScore
    surveys : dict of str to (Share, CodeScore)
    luminosity : list of ClassScore
        Empty where no true luminosity class is known.
    luminosity_f1 : tuple of float
        Macro-F1 over I, III and V of the libraries, whose classes experts gave, and its 95 %
        interval; NaN without them.
    luminosity_confusion : ndarray, shape (5, 6)
    bins : list of Bin
    calibration_error, log_loss : float
    sets : Sets or None
        None without the column ``type_set``.
    strangers : Detection or None
        Detection of spectra whose true kind is not a type; None with fewer than five.
    repeats, label_repeats : Repeat
        Agreement over pairs of exposures of one star, of the predictions and of the labels.
    repeats_by_snr : list of RepeatSnr
        The same by the S/N of the poorer exposure.
    """

    system: str
    spectra: int
    stars: int
    untyped: int
    accuracy: metrics.Share
    mean_recall: tuple[float, float, float]
    macro_f1: float
    types: list[metrics.ClassScore]
    confusion: NDArray[np.int64]
    subclass: metrics.CodeScore
    subclass_by_type: dict[str, metrics.CodeScore]
    snr: list[metrics.SnrScore]
    surveys: dict[str, tuple[metrics.Share, metrics.CodeScore]]
    luminosity: list[metrics.ClassScore]
    luminosity_confusion: NDArray[np.int64]
    luminosity_f1: metrics.Mean
    bins: list[calibration.Bin]
    calibration_error: float
    log_loss: float
    sets: calibration.Sets | None
    strangers: calibration.Detection | None
    repeats: Repeat
    label_repeats: Repeat
    repeats_by_snr: list[RepeatSnr]

    def to_data(self) -> dict[str, Any]:
        """As nested dicts and lists for JSON; what is not a finite number becomes None."""
        data = plain(asdict(self))
        return {"labels": list(mk.TYPES), "columns": [*mk.TYPES, "none"], **data}


def score(predictions: pl.DataFrame, *, system: str) -> Scores:
    """Score a table of predictions against its true labels.

    Parameters
    ----------
    predictions : polars.DataFrame
        A row a spectrum: the columns of ``classify`` and ``true_type``, ``true_code``,
        ``true_luminosity``, ``survey``, ``star_id``. Rows whose ``true_type`` is none of
        O B A F G K M are strangers, for the out-of-distribution score alone.
    system : str
        System of the true labels: ``mk`` or ``survey``.

    Raises
    ------
    DataError
        If a needed column is missing, or no row has a true type.
    """
    import polars as pl

    if missing := [name for name in NEEDED if name not in predictions.columns]:
        raise DataError(f"the predictions have no column {missing[0]!r}")
    on_sequence = pl.col("true_type").is_in(list(mk.TYPES)).fill_null(False)
    known, others = predictions.filter(on_sequence), predictions.filter(~on_sequence)
    if known.height == 0:
        raise DataError("no prediction has a true type from O to M: there is nothing to score")
    true, typed = known["true_type"].to_list(), texts(known, "type")
    stars = np.array(texts(known, "star_id"))
    true_code, code = numbers(known, "true_code"), numbers(known, "subclass_code")
    right = np.array([a == b for a, b in zip(true, typed, strict=True)])
    types = metrics.by_class(true, typed, stars=stars)
    bins = calibration.reliability(numbers(known, "type_probability"), right, stars=stars)
    lum_true, lum = texts(known, "true_luminosity"), texts(known, "luminosity")
    lum_known = any(x in mk.LUMINOSITIES for x in lum_true)
    surveys = np.array(texts(known, "survey"))
    probabilities = np.stack([numbers(known, f"p_{t}") for t in mk.TYPES], axis=1)
    stated = np.flatnonzero(np.isfinite(probabilities).all(axis=1))
    sets = texts(known, "type_set") if "type_set" in known.columns else None
    # Two instruments do not observe in one system: pairs are made within a survey.
    observed = [f"{star} in {survey}" for star, survey in zip(stars, surveys, strict=True)]
    return Scores(
        system=system,
        spectra=known.height,
        stars=int(np.unique(stars).size),
        untyped=sum(t not in mk.TYPES or not t for t in typed),
        accuracy=metrics.share(right, stars=stars),
        mean_recall=metrics.mean_recall(types),
        macro_f1=metrics.macro(types, "f1"),
        types=types,
        confusion=metrics.confusion(true, typed),
        subclass=metrics.code_score(true_code, code, stars=stars),
        subclass_by_type={
            t: metrics.code_score(true_code[rows], code[rows], stars=stars[rows])
            for t in mk.TYPES
            if (rows := np.array([x == t for x in true])).any()
        },
        snr=metrics.by_snr(
            numbers(known, "snr"),
            right,
            true_code=true_code,
            code=code,
            stars=stars,
            covered=None if sets is None else calibration.covered(sets, true),
        ),
        surveys={
            str(name): (
                metrics.share(right[rows], stars=stars[rows]),
                metrics.code_score(true_code[rows], code[rows], stars=stars[rows]),
            )
            for name in sorted(set(surveys))
            if (rows := surveys == name).any()
        },
        luminosity=metrics.by_class(lum_true, lum, labels=mk.LUMINOSITIES, stars=stars)
        if lum_known
        else [],
        luminosity_confusion=metrics.confusion(lum_true, lum, labels=mk.LUMINOSITIES),
        luminosity_f1=_luminosity_f1(known),
        bins=bins,
        calibration_error=calibration.expected_calibration_error(bins),
        log_loss=calibration.log_loss(probabilities[stated], [true[i] for i in stated]),
        sets=None if sets is None else calibration.conformal_sets(sets, true, stars=stars),
        strangers=_strangers(known, others),
        repeats=repeatability(observed, typed, code),
        label_repeats=repeatability(observed, true, true_code),
        repeats_by_snr=repeats_by_snr(
            observed,
            numbers(known, "snr"),
            types=typed,
            codes=code,
            labels=true,
            label_codes=true_code,
        ),
    )


def worst_mistakes(predictions: pl.DataFrame, *, n: int = 12) -> pl.DataFrame:
    """The wrong types that weigh most, one spectrum a star, worst first.

    Weight is the distance in subclasses times the probability that was claimed: an A star
    called M with certainty comes before a G0 called F9 with a shrug.
    """
    import polars as pl

    distance = (pl.col("subclass_code") - pl.col("true_code")).abs()
    wrong = predictions.filter(
        pl.col("true_type").is_in(list(mk.TYPES))
        & pl.col("type").is_in(list(mk.TYPES))
        & (pl.col("type") != pl.col("true_type"))
    )
    weighed = wrong.with_columns(
        weight=distance.fill_nan(None).fill_null(10.0)
        * pl.col("type_probability").fill_nan(None).fill_null(0.0)
    )
    return (
        weighed.sort("weight", descending=True, maintain_order=True)
        .unique("star_id", keep="first", maintain_order=True)
        .head(n)
    )


def numbers(table: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """A column as floats, NaN where it is null or absent."""
    if name not in table.columns:
        return np.full(table.height, np.nan)
    return np.array([np.nan if v is None else float(v) for v in table[name].to_list()])


def texts(table: pl.DataFrame, name: str) -> list[str]:
    """A column as text, empty where it is null or absent."""
    if name not in table.columns:
        return [""] * table.height
    return ["" if v is None else str(v) for v in table[name].to_list()]


def _luminosity_f1(known: pl.DataFrame) -> metrics.Mean:
    """Macro-F1 over I, III and V of spectra with an expert's class."""
    import polars as pl

    classed = [x in mk.LUMINOSITIES for x in texts(known, "true_luminosity")]
    expert = known.filter(pl.Series(~is_pipeline(texts(known, "survey")) & np.array(classed)))
    return metrics.macro_f1(
        texts(expert, "true_luminosity"),
        texts(expert, "luminosity"),
        labels=("I", "III", "V"),
        stars=texts(expert, "star_id"),
    )


def _strangers(known: pl.DataFrame, others: pl.DataFrame) -> calibration.Detection | None:
    inside = numbers(known, "ood_score")
    if others.height < MIN_STRANGERS or not np.isfinite(inside).any():
        return None
    return calibration.detection(inside, numbers(others, "ood_score"))


def plain(value: Any) -> Any:
    """Arrays as lists and numbers that are not finite as None, for JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
