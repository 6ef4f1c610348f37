"""Rows of results ranked by the probability of what is wanted, one row a star."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.flags import Flag
from spectype.core.sky import identify
from spectype.mine.prevalence import FLOOR, believed, purity, shifted, shifted_kind
from spectype.mine.wanted import Wanted

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
Floats = NDArray[np.float64]
_STAR_IDS = ("gaia_id", "gaia_source_id", "source_id", "gaia")
_CELL = 0.01  # degree: exposures of a star lie in the same or a neighbouring cell
_SURVEY_TYPE = r"^\s*(?:[eu]?sd|d|g)?([OBAFGKM])[0-9]"
_MOST = 20_000  # exposures that are looked at closely


@dataclass(frozen=True)
class Cuts:
    """Rows that are left out.

    Parameters
    ----------
    flags : tuple of str
        Rows with one of these flags.
    min_snr : float
        Rows with a lower S/N.
    min_p_star : float
        Rows that are less surely a star.
    """

    flags: tuple[str, ...] = ("LITTLE_COVERAGE", "NEGATIVE_FLUX")
    min_snr: float = 0.0
    min_p_star: float = 0.0

    def __post_init__(self) -> None:
        known = [str(flag.name) for flag in Flag]
        if unknown := [name for name in self.flags if name not in known]:
            raise UsageError(f"no flag {unknown[0]!r}", remedy=f"there are {', '.join(known)}")

    @property
    def bits(self) -> int:
        """The flags as a number."""
        return sum(int(Flag[name]) for name in set(self.flags))


def rank(
    frame: pl.LazyFrame,
    question: Wanted,
    *,
    prevalence: Mapping[str, float],
    cuts: Cuts,
    n: int,
    floor: float = FLOOR,
) -> pl.DataFrame:
    """The `n` likeliest stars.

    Parameters
    ----------
    frame : polars.LazyFrame
        Results of `classify`; read in streams, so that ten million rows take little memory.
    question : Wanted
        What is looked for.
    prevalence : mapping
        From `prevalence.shares`.
    cuts : Cuts
        What is left out.
    n : int
        Stars.
    floor : float
        Of `prevalence.believed`: the caution of the model that typed them.

    Returns
    -------
    polars.DataFrame
        ``rank, score, purity, purity_low, purity_high, exposures, obsids``, then the columns of
        the star's best exposure. The score is the mean of its exposures' probabilities with
        the S/N as weight: their errors have too much in common to be multiplied.
    """
    import polars as pl

    frame = _complete(frame, question)
    usable = frame.filter(
        pl.col("type").is_not_null()
        & (pl.col("flags").and_(cuts.bits) == 0)
        & (pl.col("snr").fill_null(0.0) >= cuts.min_snr)
        & (pl.col("p_star") >= cuts.min_p_star)
    )
    bound = usable.with_columns(_bound(question, prevalence, floor).alias("_bound"))
    best = bound.filter(pl.col("_bound") > 0).top_k(min(20 * n, _MOST), by="_bound")
    found = best.collect(engine="streaming")
    if not len(found):
        raise DataError(
            f"no row can be {question.name}", remedy="loosen the cuts (--min-snr, --cut)"
        )
    exposures = _with_exposures(usable, found.drop("_bound"))
    return _stars(exposures, score(exposures, question, prevalence, floor), n)


def _complete(frame: pl.LazyFrame, question: Wanted) -> pl.LazyFrame:
    """The columns that newer versions write, where an older one did not."""
    import polars as pl

    names = frame.collect_schema().names()
    if missing := [c for c in ("type", "flags", "snr", "p_O", "p_M") if c not in names]:
        raise DataError(f"has no column {missing[0]}", remedy="give what classify wrote")
    if question.kind is not None and "kind" not in names:
        raise DataError(
            "has no column kind: it was written by an older version", remedy="run classify again"
        )
    if question.disagree and "label" not in names:
        raise DataError(
            "has no column label, the survey's own type: it was written by an older version",
            remedy="run classify again",
        )
    if "p_star" not in names:
        log.info("the results have no column p_star (an older version): 1 - ood_score in its place")
        frame = frame.with_columns(p_star=1.0 - pl.col("ood_score"))
    if "label" in names:
        frame = frame.with_columns(survey_type=pl.col("label").str.extract(_SURVEY_TYPE, 1))
    return frame.with_columns(pl.col("p_star").fill_null(0.0))


def _bound(question: Wanted, prevalence: Mapping[str, float], floor: float) -> pl.Expr:
    """A number a row that no score exceeds, as an expression that can be streamed."""
    import polars as pl

    if question.kind is not None:
        return pl.col("kind_probability") * (pl.col("kind") == question.kind)
    raw = {
        t: believed(pl.col(f"p_{t}").fill_null(0.0), floor) * prevalence.get(t, 0.0)
        for t in mk.TYPES
    }
    total = pl.sum_horizontal(list(raw.values()))
    if question.disagree:
        # No probability of the survey's type: it names none of the seven.
        own = pl.coalesce([pl.when(pl.col("survey_type") == t).then(p) for t, p in raw.items()])
        differs = pl.col("survey_type") != pl.col("type")
        return pl.when(differs).then((1 - own / total) * pl.col("p_star")).otherwise(0.0)
    inside = pl.sum_horizontal([raw[t] for t in question.types])
    return inside / total * pl.col("p_star")


def score(
    table: pl.DataFrame, question: Wanted, prevalence: Mapping[str, float], floor: float
) -> Floats:
    """Probability of what is wanted, shape (n,), at its prevalence and times that of a star."""
    if question.kind is not None:
        share = prevalence.get(question.kind)
        own = np.where(table["kind"] == question.kind, table["kind_probability"].to_numpy(), 0.0)
        if share is None:
            log.info("how often %s occurs is not known: its own probability counts", question.kind)
            return np.asarray(own, dtype=np.float64)
        return shifted_kind(own, share)
    given = table.select([f"p_{t}" for t in mk.TYPES]).to_numpy()
    types = shifted(given, prevalence, floor=floor)
    star = table["p_star"].to_numpy()
    if question.disagree:
        column = table["survey_type"].fill_null("").to_list()
        own = np.array([types[i, mk.index(t)] if t else 1.0 for i, t in enumerate(column)])
        same = table["survey_type"].eq_missing(table["type"]).to_numpy()
        return np.asarray(np.where(same, 0.0, (1.0 - own) * star))
    total = np.zeros(len(table))
    for t in question.types:
        part = types[:, mk.index(t)]
        if question.span is not None:
            part = part * _inside(table, t, question.span)
        total += part
    if question.luminosity is not None:
        p = table["luminosity_probability"].fill_null(0.0).to_numpy()
        is_it = table["luminosity"].eq_missing(question.luminosity).to_numpy()
        total *= np.where(is_it, p, (1.0 - p) / (len(mk.LUMINOSITIES) - 1))
    return np.asarray(total * star)


def _inside(table: pl.DataFrame, type: str, span: tuple[float, float]) -> Floats:
    """Share of a type's probability that lies in a span of codes: a normal within the type."""
    from scipy.special import ndtr

    first = 10.0 * mk.index(type)
    low, high = max(span[0], first), min(span[1], first + 10.0)
    code = table["subclass_code"].fill_null(35.0).to_numpy()
    error = np.maximum(table["subclass_error"].fill_null(5.0).to_numpy(), 0.5)

    def mass(a: float, b: float) -> Floats:
        return np.asarray(ndtr((b - code) / error) - ndtr((a - code) / error))

    whole = mass(first, first + 10.0)
    # So far from the type that the normal says nothing, all its subclasses are alike.
    return np.where(
        whole > 1e-9, mass(low, high) / np.maximum(whole, 1e-9), (high - low) / 10.0
    )  # fmt: skip


def _with_exposures(usable: pl.LazyFrame, found: pl.DataFrame) -> pl.DataFrame:
    """The rows that were found, and all others at their positions on the sky."""
    import polars as pl

    cells = {
        (int(np.floor(a / _CELL)) + i, int(np.floor(d / _CELL)) + j)
        for a, d in found.select("ra", "dec").drop_nulls().iter_rows()
        for i in (-1, 0, 1)
        for j in (-1, 0, 1)
    }
    if not cells:
        return found
    near = pl.DataFrame(sorted(cells), schema={"_a": pl.Int64, "_d": pl.Int64}, orient="row")
    cell = {f"_{name[0]}": (pl.col(name) / _CELL).floor().cast(pl.Int64) for name in ("ra", "dec")}
    cell["_a"] = cell.pop("_r")
    others = usable.with_columns(**cell).join(near.lazy(), on=["_a", "_d"], how="semi")
    others = others.drop("_a", "_d").join(found.lazy().select("path"), on="path", how="anti")
    return pl.concat([found, others.collect(engine="streaming").select(found.columns)])


def _stars(table: pl.DataFrame, scores: Floats, n: int) -> pl.DataFrame:
    """One row a star, the likeliest first, with the estimate of purity at each depth."""
    import polars as pl

    star = identify(
        names=_names(table),
        ra=table["ra"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
        dec=table["dec"].cast(pl.Float64).fill_null(np.nan).to_numpy(),
    )
    weight = np.clip(table["snr"].fill_null(1.0).to_numpy(), 0.1, None)
    size = int(star.max(initial=-1)) + 1
    total = np.bincount(star, weight, size)
    joined = np.bincount(star, weight * scores, size) / total
    rows = (
        table.with_columns(star=pl.Series(star), _weight=pl.Series(weight))
        .with_columns(score=pl.Series(joined[star]))
        .sort("_weight", descending=True, maintain_order=True)
    )
    best = rows.unique("star", keep="first", maintain_order=True)
    all_of = rows.group_by("star").agg(
        exposures=pl.len().cast(pl.Int64),
        obsids=pl.col("obsid").drop_nulls().cast(pl.String).str.join(" "),
    )
    order = ["score", "p_star", "path"]
    ranked = (
        best.join(all_of, on="star").sort(order, descending=[True, True, False]).head(n)
    ).with_columns(pl.col("score").round_sig_figs(5))
    expected, low, high = purity(ranked["score"].to_numpy())
    front = {
        "rank": pl.Series(range(1, len(ranked) + 1), dtype=pl.Int64),
        "score": ranked["score"],
        "purity": pl.Series(expected.round(4)),
        "purity_low": pl.Series(low.round(4)),
        "purity_high": pl.Series(high.round(4)),
    }
    rest = [
        c for c in ranked.columns if c not in (*front, "star", "_weight", "exposures", "obsids")
    ]
    return pl.DataFrame(front).hstack(ranked.select("exposures", "obsids", *rest))


def _names(table: pl.DataFrame) -> Sequence[str | None]:
    """What a star is called: Gaia's number, else the object's name."""
    column: list[Any] = [None] * len(table)
    for name in (*_STAR_IDS, "object"):
        if name in table.columns:
            given = table[name].cast(str).to_list()
            column = [a or (f"{name}:{b}" if b else None) for a, b in zip(column, given)]
    return column
