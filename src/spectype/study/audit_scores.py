"""Scores of the audit: what each way of judging says of the O class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.judge import metrics

if TYPE_CHECKING:
    import polars as pl

RARE = "O"
#: O stars and all stars of the survey's sixth release, as its catalogues count them.
PREVALENCE = 122 / 8_966_416
STUDY, HONEST, KEPT_OUT = "study", "other stars", "other library"
PLAIN = ", without synthetic"


@dataclass(frozen=True)
class Case:
    """What one way of judging says of the O class.

    Attributes
    ----------
    name : str
    recall : Share
        Share of the true O spectra of the test set that are called O.
    real_recall : Share
        The same of the real ones alone.
    precision : Share
        Share of what is called O that is O: the column-normalised diagonal.
    false_alarms : Share
        Share of real spectra of other types that are called O.
    accuracy : Share
        Types right, over the whole test set.
    real, synthetic : int
        O spectra of the test set.
    learnt_real, learnt_synthetic : int
        O spectra that the network learnt from, the mean over its trainings.
    confusion : ndarray, shape (7, 8)
        Counts as `metrics.confusion` gives them.
    libraries : dict of str to Share
        Recall of the real O spectra of each library.
    """

    name: str
    recall: metrics.Share
    real_recall: metrics.Share
    precision: metrics.Share
    false_alarms: metrics.Share
    accuracy: metrics.Share
    real: int
    synthetic: int
    learnt_real: float
    learnt_synthetic: float
    confusion: NDArray[np.int64]
    libraries: dict[str, metrics.Share]


def score_cases(table: pl.DataFrame) -> dict[str, Case]:
    """Scores of every way of judging.

    Parameters
    ----------
    table : polars.DataFrame
        Columns ``case``, ``star_id``, ``survey``, ``synthetic``, ``true_type``, ``type``,
        ``learnt_real``, ``learnt_synthetic``.
    """
    import polars as pl

    cases = {}
    for name in table["case"].unique(maintain_order=True).to_list():
        part = table.filter(pl.col("case") == name)
        rare, real = pl.col("true_type") == RARE, ~pl.col("synthetic")
        called = part["type"] == RARE

        def share(rows: pl.DataFrame) -> metrics.Share:
            return metrics.share((rows["type"] == rows["true_type"]).to_numpy(),
                                 stars=rows["star_id"].to_numpy())  # fmt: skip

        others = part.filter(~rare & real)
        cases[name] = Case(
            name=name,
            recall=share(part.filter(rare)),
            real_recall=share(part.filter(rare & real)),
            precision=share(part.filter(called)),
            false_alarms=metrics.share(
                (others["type"] == RARE).to_numpy(), stars=others["star_id"].to_numpy()
            ),
            accuracy=share(part),
            real=part.filter(rare & real).height,
            synthetic=part.filter(rare & ~real).height,
            learnt_real=float(part["learnt_real"].cast(pl.Float64).unique().mean()),  # type: ignore[arg-type]
            learnt_synthetic=float(part["learnt_synthetic"].cast(pl.Float64).unique().mean()),  # type: ignore[arg-type]
            confusion=metrics.confusion(part["true_type"].to_list(), part["type"].to_list()),
            libraries={
                str(survey): share(rows)
                for (survey,), rows in part.filter(rare & real)
                .sort("survey")
                .group_by("survey", maintain_order=True)
            },
        )
    return cases


def at_prevalence(
    recall: float, false_alarms: float, *, prevalence: float = PREVALENCE
) -> float:  # fmt: skip
    """Precision among stars of which a share `prevalence` is O: Bayes' rule."""
    hits = recall * prevalence
    total = hits + false_alarms * (1 - prevalence)
    return hits / total if total > 0 else float("nan")
