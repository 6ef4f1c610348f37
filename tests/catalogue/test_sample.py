"""Samples: quotas, cuts, lists for the search page, splits by star."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from spectype.catalogue.sample import SampleConfig, sample
from spectype.catalogue.split import split
from spectype.core.errors import DataError, UsageError

Write = Callable[..., Path]


@pytest.fixture
def tables(write: Write, row: Any, tmp_path: Path, rng: np.random.Generator) -> Path:
    """300 G, 100 K, 12 O (4 of them OB) of distinct stars, two spectra of each tenth star."""
    rows, obsid = [], 1000
    for n, label in [(300, "G{}"), (100, "K{}"), (8, "O"), (4, "OB")]:
        for i in range(n):
            ra, dec = rng.uniform(0, 360), rng.uniform(0, 60)
            subclass = label.format(i % 3 if i % 2 else 7)
            for repeat in range(2 if i % 10 == 0 else 1):
                obsid += 1
                snr = -9999.0 if i % 25 == 24 else 10.0 + (i % 50) + repeat
                rows.append(row(obsid, "STAR", subclass, snr=snr, ra=ra, dec=dec))
    order = rng.permutation(len(rows))
    split(write([rows[i] for i in order]), tmp_path / "tables")
    return tmp_path / "tables"


def table_of(out: Path) -> pl.DataFrame:
    return pl.read_parquet(out / "sample.parquet")


def lines_of(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()]


def test_quotas_and_lists(tables: Path, tmp_path: Path) -> None:
    config = SampleConfig(per_type="50", quota=["O=all", "K=20"])
    result = sample(tables, tmp_path / "s", config=config)
    assert result.taken == {"O": 9, "OB": 5, "B": 0, "A": 0, "F": 0, "G": 50, "K": 20, "M": 0}
    assert result.available["G"] == 330
    assert result.short == ["OB", "B", "A", "F", "M"]
    table = table_of(tmp_path / "s")
    assert table.height == 84 and table["obsid"].n_unique() == 84
    for type, count in result.taken.items():
        listed = lines_of(tmp_path / "s" / f"{type}-sample.txt")
        assert len(listed) == count
        assert sorted(listed) == sorted(table.filter(pl.col("type") == type)["obsid"].to_list())


def test_splits_are_by_star(tables: Path, tmp_path: Path) -> None:
    sample(tables, tmp_path / "s", config=SampleConfig(per_type="all"))
    table = table_of(tmp_path / "s")
    sides = table.group_by("star_id").agg(pl.col("split").n_unique(), pl.len())
    assert sides["split"].max() == 1
    assert sides["len"].max() == 2
    # By position, independently: rows at one place have one star and one split.
    places = table.group_by("ra", "dec").agg(pl.col("star_id").n_unique())
    assert places["star_id"].max() == 1 and places.height == sides.height == 412
    shares = table.unique("star_id")["split"].value_counts().sort("split").rows()
    assert dict(shares)["train"] == pytest.approx(0.7 * 412, abs=4)
    assert dict(shares)["test"] == pytest.approx(0.15 * 412, abs=4)


def test_seeds(tables: Path, tmp_path: Path) -> None:
    drawn = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sample(tables, tmp_path / name, config=SampleConfig(per_type="30", seed=seed))
        drawn[name] = table_of(tmp_path / name)
    assert drawn["a"].equals(drawn["b"])
    assert set(drawn["a"]["obsid"]) != set(drawn["c"]["obsid"])


def test_cuts_in_snr_and_sql(tables: Path, tmp_path: Path) -> None:
    config = SampleConfig(per_type="all", min_snr=30, max_snr=50, where="dec > 10")
    result = sample(tables, tmp_path / "s", config=config)
    table = table_of(tmp_path / "s")
    assert table["snrg"].min() >= 30 and table["snrg"].max() <= 50 and table["dec"].min() > 10
    assert result.dropped["no S/N"] == 12 + 4  # every 25th of 300 and 100 stars
    assert sum(result.dropped.values()) + table.height == 412 + 42


@pytest.mark.parametrize("where", ["no_such_column > 1", "dec >", "dec + 1", "; drop table"])
def test_conditions_that_are_none(tables: Path, tmp_path: Path, where: str) -> None:
    with pytest.raises(UsageError):
        sample(tables, tmp_path / "s", config=SampleConfig(where=where))


def test_one_per_star_keeps_the_best(tables: Path, tmp_path: Path) -> None:
    config = SampleConfig(per_type="all", one_per_star=True)
    result = sample(tables, tmp_path / "s", config=config)
    table = table_of(tmp_path / "s")
    assert table.height == table["star_id"].n_unique() == result.stars == 412
    assert result.dropped["other spectra of the same star"] == 42
    everything = pl.concat(
        [pl.read_parquet(tables / f"{t}.parquet").select("ra", "dec", "snrg") for t in "OGK"]
    )
    best = everything.group_by("ra", "dec").agg(pl.col("snrg").max())
    joined = table.join(best, on=["ra", "dec"], suffix="_best")
    assert (joined["snrg"] == joined["snrg_best"]).all()


def test_a_star_is_named_after_its_first_row(tables: Path, tmp_path: Path) -> None:
    sample(tables, tmp_path / "s", config=SampleConfig(per_type="all"))
    table = table_of(tmp_path / "s").sort("catalogue_row")
    first = table.group_by("ra", "dec", maintain_order=True).agg(pl.col("designation").first())
    named = table.join(first, on=["ra", "dec"], suffix="_first")
    assert (named["star_id"] == named["designation_first"]).all()


def test_balanced_by_subclass(tables: Path, tmp_path: Path) -> None:
    config = SampleConfig(per_type="80", balance=True)
    sample(tables, tmp_path / "s", config=config)
    g = table_of(tmp_path / "s").filter(pl.col("type") == "G")
    counts = Counter(g["subclass"].to_list())
    assert sum(counts.values()) == 80
    assert set(counts.values()) == {20} and len(counts) == 4


def test_balance_takes_all_of_a_rare_subclass(write: Write, row: Any, tmp_path: Path) -> None:
    rows = [row(i, "STAR", "G2" if i < 90 else "G8", ra=i) for i in range(95)]
    split(write(rows), tmp_path / "t")
    sample(tmp_path / "t", tmp_path / "s", config=SampleConfig(per_type="40", balance=True))
    assert Counter(table_of(tmp_path / "s")["subclass"].to_list()) == {"G2": 35, "G8": 5}


def test_ob_can_be_left_out(tables: Path, tmp_path: Path) -> None:
    result = sample(tables, tmp_path / "s", config=SampleConfig(include_ob=False))
    assert result.taken["O"] == 9 and result.taken["OB"] == 0 and result.dropped["OB"] == 5


def test_lists_in_pieces(tables: Path, tmp_path: Path) -> None:
    config = SampleConfig(per_type="50", lines_per_file=20)
    sample(tables, tmp_path / "s", config=config)
    parts = sorted((tmp_path / "s").glob("G-sample-*.txt"))
    assert [len(lines_of(p)) for p in parts] == [20, 20, 10]
    assert parts[0].name == "G-sample-001.txt"


def test_duplicates_and_missing_obsids_are_left_out(write: Write, row: Any, tmp_path: Path) -> None:
    rows = [row(o, "STAR", "G2", ra=i) for i, o in enumerate((1, 1, 2, "", 3))]
    split(write(rows), tmp_path / "t")
    result = sample(tmp_path / "t", tmp_path / "s")
    assert result.taken["G"] == 3
    assert result.dropped == {"no obsid": 1, "duplicate obsid": 1}


def test_a_csv_split_gives_the_same_sample(
    write: Write, row: Any, tmp_path: Path, rng: np.random.Generator
) -> None:
    rows = [row(i, "STAR", f"K{i % 8}", ra=rng.uniform(0, 360)) for i in range(200)]
    path = write(rows)
    for format in ("parquet", "csv"):
        split(path, tmp_path / format, format=format)
        sample(tmp_path / format, tmp_path / f"s-{format}", config=SampleConfig(per_type="50"))
    one, two = (table_of(tmp_path / f"s-{f}") for f in ("parquet", "csv"))
    shared = ["obsid", "subclass", "split", "star_id", "catalogue_row", "type"]
    assert one.select(shared).equals(two.select(shared))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"per_type": "many"}, "no number"),
        ({"quota": ["X=5"]}, "no quota"),
        ({"quota": ["O:5"]}, "no quota"),
        ({"fractions": (0.0, 0.0, 0.0)}, "no split"),
        ({"fractions": (1.0, -0.1, 0.1)}, "no split"),
        ({"lines_per_file": 0}, "at least one line"),
        ({"radius": 0.0}, "radius"),
    ],
)
def test_options_that_make_no_sense(
    tables: Path, tmp_path: Path, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        sample(tables, tmp_path / "s", config=SampleConfig(**options))


def test_nothing_passes(tables: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row passes"):
        sample(tables, tmp_path / "s", config=SampleConfig(min_snr=1e6))


def test_existing_sample_is_kept_unless_told(tables: Path, tmp_path: Path) -> None:
    config = SampleConfig(per_type="5", lines_per_file=2)
    sample(tables, tmp_path / "s", config=config)
    with pytest.raises(UsageError, match="--overwrite"):
        sample(tables, tmp_path / "s")
    sample(tables, tmp_path / "s", config=SampleConfig(per_type="5"), overwrite=True)
    assert len(list((tmp_path / "s").glob("G-sample*.txt"))) == 1


def test_the_manifest_says_how_it_was_made(tables: Path, tmp_path: Path) -> None:
    sample(tables, tmp_path / "s", config=SampleConfig(per_type="5", seed=9))
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["kind"] == "sample" and manifest["config"]["seed"] == 9
    assert manifest["taken"]["G"] == 5 and manifest["catalogue"]["format"] == "csv"


@pytest.mark.real
def test_real_extract_against_an_independent_reading(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "catalogue" / "lamost_extract.csv"
    split(path, tmp_path / "t")
    result = sample(tmp_path / "t", tmp_path / "s", config=SampleConfig(per_type="all"))
    with path.open() as handle:
        rows = list(csv.DictReader(handle, delimiter="|"))
    first: dict[str, dict[str, str]] = {}
    for row in rows:
        if row["class"] == "STAR" and row["obsid"]:
            first.setdefault(row["obsid"], row)
    expected = Counter(row["subclass"].lstrip("dgs")[0] for row in first.values())
    assert {k: v for k, v in result.taken.items() if v} == dict(expected)
    table = table_of(tmp_path / "s")
    assert sorted(map(str, table["obsid"])) == sorted(first)
    # Every pair within 3 arcsec, found the slow way, is one star on one side.
    ra, dec = (np.radians(table[c].to_numpy()) for c in ("ra", "dec"))
    xyz = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    near = np.linalg.norm(xyz[:, None] - xyz[None], axis=2) < np.radians(3 / 3600)
    stars, sides = table["star_id"].to_numpy(), table["split"].to_numpy()
    for i, j in zip(*np.nonzero(np.triu(near, 1))):
        assert stars[i] == stars[j] and sides[i] == sides[j]
    assert table.height - table["star_id"].n_unique() >= 30  # the extract does hold repeats


@pytest.mark.real
def test_the_sample_names_the_files(real_data: Path, tmp_path: Path) -> None:
    from spectype.archive.lists import read_wishes

    split(real_data / "catalogue" / "lamost_extract.csv", tmp_path / "t")
    sample(tmp_path / "t", tmp_path / "s", config=SampleConfig(per_type="20"))
    real = {p.name for p in (real_data / "lamost").rglob("spec-*")}
    wishes = read_wishes(tmp_path / "s" / "sample.parquet")
    assert all(Path(str(item.place)).name in real for item in wishes.items)
