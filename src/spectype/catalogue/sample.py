"""Draw a sample from a split catalogue: quotas a type, cuts, and splits by star."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import polars as pl
from cyclopts import Parameter
from numpy.typing import NDArray

from spectype.catalogue.columns import ROW, present_snr, snr_column
from spectype.catalogue.sampletable import write_table
from spectype.catalogue.split_folder import Tables, check_empty, open_split, scratch
from spectype.catalogue.stars import (
    SPLITS,
    assign_splits,
    first_rows,
    identified,
    key_columns,
    number_keyed,
)  # fmt: skip
from spectype.catalogue.types import CLASSES
from spectype.core.errors import DataError, UsageError
from spectype.core.files import MANIFEST, write_manifest

KIND = "sample"
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class SampleConfig:
    """How a sample is drawn.

    Parameters
    ----------
    per_type
        Spectra of each type: a number, or "all".
    quota
        Quotas of single types that differ, like O=all or B=500.
    min_snr
        Lowest S/N; spectra without one are left out as soon as this is given.
    max_snr
        Highest S/N.
    snr_band
        Band of the S/N: u g r i z.
    where
        Further cut, an SQL condition on the catalogue's columns, like "z < 0.001 and snrr > 20".
    one_per_star
        Keep only the spectrum of highest S/N of each star.
    balance
        Share each quota evenly over the subclasses (0 to 9) of the type.
    include_ob
        Draw from the survey's OB (O or B), too, as from a type of its own.
    lines_per_file
        Split each list of obsids into files of so many lines.
    fractions
        Shares of stars for training, validation and test.
    radius
        Matching radius of stars without an identifier [arcsec].
    seed
        Of the random numbers.
    """

    per_type: str = "1400"
    quota: list[str] = field(default_factory=list)
    min_snr: float | None = None
    max_snr: float | None = None
    snr_band: Literal["u", "g", "r", "i", "z"] = "g"
    where: str | None = None
    one_per_star: bool = False
    balance: bool = False
    include_ob: Annotated[bool, Parameter(negative="--no-include-ob")] = True
    lines_per_file: int | None = None
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15)
    radius: float = 3.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample holds.

    Parameters
    ----------
    folder : Path
        Where it is.
    asked, available, taken : dict of str to int
        Spectra a type: the quota (-1 for all), those that pass the cuts, those in the sample.
    stars : int
        Distinct stars.
    splits : dict of str to dict of str to int
        Spectra by split and type.
    dropped : dict of str to int
        Rows left out, by reason.
    """

    folder: Path
    asked: dict[str, int]
    available: dict[str, int]
    taken: dict[str, int]
    stars: int
    splits: dict[str, dict[str, int]]
    dropped: dict[str, int]

    @property
    def short(self) -> list[str]:
        """Types with fewer spectra than asked for."""
        return [t for t in self.taken if self.taken[t] < max(self.asked[t], 0)]


def sample(
    source: str | Path,
    out: str | Path,
    *,
    config: SampleConfig = SampleConfig(),
    overwrite: bool = False,
) -> Sample:
    """Draw spectra of each type and write lists of obsids and a table with splits.

    Parameters
    ----------
    source : path-like
        A folder made by `split`.
    out : path-like
        Folder for ``X-sample.txt`` (one obsid a line), ``sample.parquet`` and the manifest.
    config : SampleConfig
        Quotas and cuts.
    overwrite : bool
        Replace an earlier sample.

    Raises
    ------
    UsageError
        If an option makes no sense, or `out` holds something already.
    DataError
        If no row passes the cuts.
    """
    quotas = _quotas(config)
    _check(config)
    tables = open_split(source)
    rng = np.random.default_rng(config.seed)
    rows, dropped = _eligible(tables, config)
    available = _by_type(rows)
    stars = None
    if config.one_per_star:
        stars = _stars(rows, config)
        keep = _best_of_each(rows["snr"], stars)
        if keep.size < len(rows):
            dropped["other spectra of the same star"] = len(rows) - keep.size
        rows, stars = rows[keep], stars[keep]
    chosen = _draw(rows, quotas, config.balance, rng)
    if not chosen.size:
        why = "; ".join(f"{reason} ({n})" for reason, n in dropped.items())
        remedy = "give ra and dec, uid or gaia_source_id" if "star is" in why else "ask for less"
        raise DataError(f"no row passes the cuts: {why}", path=source, remedy=remedy)
    if chosen.size < len(rows):
        rows, stars = rows[chosen], None if stars is None else stars[chosen]
    numbers = _stars(rows, config) if stars is None else stars
    rows = rows.select(ROW, "obsid", "type")
    strata = _type_numbers(rows).astype(np.int64)
    parts = assign_splits(numbers, strata, fractions=config.fractions, rng=rng)
    result = _result(Path(out), rows, quotas, available, dropped, numbers, parts)
    _write(tables, rows, numbers, parts, result, config, overwrite)
    return result


def _stars(rows: pl.DataFrame, config: SampleConfig) -> NDArray[np.int64]:
    keys = [name for name in rows.columns if name.startswith("_")]
    return number_keyed(rows.select(keys), radius=config.radius)


def _quotas(config: SampleConfig) -> dict[str, int]:
    """Spectra asked for of each type; -1 for all."""
    quotas = dict.fromkeys(CLASSES, _count(config.per_type))
    for text in config.quota:
        type, found, count = text.partition("=")
        if not found or type.strip().upper() not in quotas:
            raise UsageError(f"{text!r} is no quota", remedy="write it like O=all or B=500")
        quotas[type.strip().upper()] = _count(count)
    return quotas


def _count(text: str) -> int:
    if text.strip().lower() == ALL:
        return -1
    if not text.strip().isdigit():
        raise UsageError(f"{text!r} is no number of spectra", remedy='give a number or "all"')
    return int(text)


def _check(config: SampleConfig) -> None:
    share = config.fractions
    if any(part < 0 for part in share) or not sum(share) > 0:
        raise UsageError(
            f"fractions {share} make no split", remedy="give shares like 0.7 0.15 0.15"
        )
    if config.lines_per_file is not None and config.lines_per_file < 1:
        raise UsageError("a file needs at least one line", remedy="give a larger lines_per_file")
    if not config.radius > 0:
        raise UsageError("the matching radius is not positive", remedy="3 arcsec is usual")


def _eligible(tables: Tables, config: SampleConfig) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows that pass the cuts, in the order of the catalogue: numbers only, no text."""
    frame = pl.concat([tables.table(type) for type in CLASSES])
    schema = frame.collect_schema()
    snr, keys = snr_column(config.snr_band, list(schema)), key_columns(schema)
    # Keys first: the text of a position is read once.
    frame = frame.with_columns(keys)
    cuts = _cuts(config, schema, snr, identified(keys))
    failed = [pl.when(~ok.fill_null(False)).then(pl.lit(why)) for why, ok in cuts]
    wanted = [
        pl.col(ROW),
        pl.col("obsid").cast(pl.Int64, strict=False),
        pl.col("type").cast(pl.Enum(list(CLASSES))),
        pl.col("code").cast(pl.Float32),
        (pl.lit(None, pl.Float32) if snr is None else present_snr(snr, schema[snr])).alias("snr"),
        *[pl.col(key.meta.output_name()) for key in keys],
        pl.coalesce(*failed).cast(pl.Categorical).alias("reason"),
    ]
    try:
        rows = frame.select(wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"the cut {config.where!r} cannot be applied: {error}") from error
    reasons = rows.drop_in_place("reason")
    dropped = dict(reasons.drop_nulls().cast(pl.String).value_counts(sort=True).rows())
    keep = np.flatnonzero(reasons.is_null().to_numpy())
    keep = keep[np.argsort(rows[ROW].to_numpy()[keep])]
    once = _once(rows["obsid"].to_numpy()[keep])
    if once.size < keep.size:
        dropped["duplicate obsid"] = keep.size - once.size
        keep = keep[once]
    # Column by column, so that there are never two of the whole table.
    return pl.DataFrame([rows.drop_in_place(name).gather(keep) for name in rows.columns]), dropped


def _once(obsids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the first of each obsid, in order."""
    sorted_ = np.sort(obsids)
    if not (sorted_[1:] == sorted_[:-1]).any():
        return np.arange(obsids.size)
    return np.sort(np.unique(obsids, return_index=True)[1])


def _cuts(
    config: SampleConfig, schema: pl.Schema, snr: str | None, known: pl.Expr
) -> list[tuple[str, pl.Expr]]:
    """Reason of rejection and the condition to pass, in the order they are applied."""
    cuts = [
        ("no obsid", pl.col("obsid").cast(pl.Int64, strict=False).is_not_null()),
        ("no position that can be read, and no identifier: its star is unknown", known),
    ]
    if not config.include_ob:
        cuts.append(("OB", ~pl.col("ob")))
    if (config.min_snr, config.max_snr) != (None, None):
        if snr is None:
            raise DataError(f"has no S/N in {config.snr_band}", remedy="choose another band")
        value = present_snr(snr, schema[snr])
        cuts.append(("no S/N", value.is_not_null()))
        if config.min_snr is not None:
            cuts.append((f"S/N below {config.min_snr:g}", value >= config.min_snr))
        if config.max_snr is not None:
            cuts.append((f"S/N above {config.max_snr:g}", value <= config.max_snr))
    if config.where is not None:
        try:
            condition = pl.sql_expr(config.where)
        except pl.exceptions.PolarsError as error:
            raise UsageError(
                f"{config.where!r} is no condition: {error}",
                remedy='like "snrr > 20 and z < 0.001"',
            ) from error
        cuts.append((f"not {config.where}", condition))
    return cuts


def _best_of_each(snr: pl.Series, stars: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of highest S/N of each star (the first of equals), in the order of rows."""
    value = snr.fill_null(-np.inf).to_numpy()
    order = np.lexsort((np.arange(stars.size), -value, stars))
    first = np.ones(order.size, bool)
    first[1:] = stars[order][1:] != stars[order][:-1]
    return np.sort(order[first])


def _draw(
    rows: pl.DataFrame, quotas: Mapping[str, int], balance: bool, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Row numbers of the sample, in the order of the catalogue."""
    types = _type_numbers(rows)
    codes = rows["code"].fill_null(np.nan).to_numpy()
    chosen = []
    for number, type in enumerate(CLASSES):
        place = np.flatnonzero(types == number)
        quota = place.size if quotas[type] < 0 else min(quotas[type], place.size)
        if balance:
            subclass = np.nan_to_num(np.floor(codes[place]), nan=-1.0)
            chosen.append(place[_balanced(subclass, quota, rng)])
        else:
            chosen.append(rng.permutation(place)[:quota])
    return np.sort(np.concatenate(chosen))


def _balanced(
    subclass: NDArray[np.floating[Any]], quota: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `quota` of the values, as evenly over their distinct ones as these allow."""
    order = rng.permutation(subclass.size)
    shuffled = subclass[order]
    by_value = np.argsort(shuffled, kind="stable")
    _, start, count = np.unique(shuffled[by_value], return_index=True, return_counts=True)
    # The k-th of each subclass is taken before the (k+1)-th of any.
    turn = np.arange(shuffled.size) - np.repeat(start, count)
    tie = rng.random(shuffled.size)
    return order[by_value[np.lexsort((tie, turn))[:quota]]]


def _type_numbers(rows: pl.DataFrame) -> NDArray[np.uint8]:
    """Place in `CLASSES` of the type of each row."""
    return np.asarray(rows["type"].to_physical().to_numpy(), dtype=np.uint8)


def _by_type(rows: pl.DataFrame) -> dict[str, int]:
    counts = dict(rows["type"].cast(pl.String).value_counts().rows())
    return {type: counts.get(type, 0) for type in CLASSES}


def _result(
    folder: Path,
    rows: pl.DataFrame,
    quotas: dict[str, int],
    available: dict[str, int],
    dropped: dict[str, int],
    stars: NDArray[np.int64],
    parts: NDArray[np.int8],
) -> Sample:
    types = rows.select("type")
    splits = {name: _by_type(types.filter(pl.Series(parts == i))) for i, name in enumerate(SPLITS)}
    count = first_rows(stars)[0].size
    return Sample(folder, quotas, available, _by_type(types), count, splits, dropped)


def _write(
    tables: Tables,
    rows: pl.DataFrame,
    stars: NDArray[np.int64],
    parts: NDArray[np.int8],
    result: Sample,
    config: SampleConfig,
    overwrite: bool,
) -> None:
    folder = check_empty(result.folder, kind=KIND, overwrite=overwrite, source=tables.folder)
    with scratch(folder) as temporary:
        for type in CLASSES:
            obsids = rows.filter(pl.col("type") == type)["obsid"].to_list()
            _write_list(temporary, type, obsids, config.lines_per_file)
        write_table(tables, rows[ROW].to_numpy(), stars, parts, temporary / "sample.parquet")
        (folder / MANIFEST).unlink(missing_ok=True)
        for old in (file for type in CLASSES for file in folder.glob(f"{type}-sample*.txt")):
            old.unlink()
        for item in sorted(temporary.iterdir()):
            item.replace(folder / item.name)
    content = {k: v for k, v in asdict(result).items() if k != "folder"}
    write_manifest(
        folder,
        KIND,
        {
            "config": asdict(config),
            "seed": config.seed,
            "source": str(tables.folder),
            "catalogue": tables.manifest["source"],
            **content,
        },
    )


def _write_list(folder: Path, type: str, obsids: Sequence[int], lines: int | None) -> None:
    size = len(obsids) if lines is None else lines
    starts = range(0, max(len(obsids), 1), max(size, 1))
    for i, start in enumerate(starts, start=1):
        name = f"{type}-sample.txt" if lines is None else f"{type}-sample-{i:03d}.txt"
        part = obsids[start : start + size] if size else []
        (folder / name).write_text("".join(f"{obsid}\n" for obsid in part), encoding="ascii")
