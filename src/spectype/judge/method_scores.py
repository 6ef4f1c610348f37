"""How a run and simpler methods compare on the same test stars."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.judge import metrics
from spectype.judge.scores import numbers, plain, texts

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class MethodScore:
    """What one method reaches on the test stars of known type.

    Attributes
    ----------
    name : str
    accuracy : Share
        Share of right types.
    mean_recall : tuple of float
        Unweighted mean of the types' recall, and its 95 % interval.
    types : list of ClassScore
    subclass : CodeScore
    seconds : float
        Training and typing; NaN for the run itself.
    """

    name: str
    accuracy: metrics.Share
    mean_recall: tuple[float, float, float]
    types: list[metrics.ClassScore]
    subclass: metrics.CodeScore
    seconds: float

    def to_data(self) -> dict[str, Any]:
        """As nested dicts and lists for JSON."""
        return dict(plain(asdict(self)))


def score_methods(table: pl.DataFrame, predictions: pl.DataFrame) -> list[MethodScore]:
    """Score the run (first) and every baseline on the same spectra.

    Parameters
    ----------
    table : polars.DataFrame
        As `baselines.run_baselines` gives it.
    predictions : polars.DataFrame
        The run's predictions for its test stars: ``row``, ``type``, ``subclass_code``,
        ``true_type``, ``true_code``, ``star_id``.

    Raises
    ------
    DataError
        If the two are not about the same spectra.
    """
    import polars as pl

    known = predictions.filter(pl.col("true_type").is_in(list(mk.TYPES)))
    truth = known.select("row", "true_type", "true_code", "star_id")
    ours = known.select("row", "type", code="subclass_code", seconds=pl.lit(float("nan")))
    tables = {"this run": ours}
    for (name,), part in table.group_by("method", maintain_order=True):
        tables[str(name)] = part.drop("method")
    found = []
    for name, part in tables.items():
        both = truth.join(part.with_columns(pl.col("row").cast(truth["row"].dtype)), on="row")
        if both.height != known.height or part.height != known.height:
            raise DataError(
                "the baselines are of other test stars than the predictions",
                remedy="run spectype evaluate with --baselines again",
            )
        true, given, stars = (texts(both, c) for c in ("true_type", "type", "star_id"))
        right = [a == b for a, b in zip(true, given, strict=True)]
        types = metrics.by_class(true, given, stars=stars)
        found.append(
            MethodScore(
                name=name,
                accuracy=metrics.share(right, stars=stars),
                mean_recall=metrics.mean_recall(types),
                types=types,
                subclass=metrics.code_score(
                    numbers(both, "true_code"), numbers(both, "code"), stars=stars
                ),
                seconds=float(both["seconds"][0]),
            )
        )
    return found
