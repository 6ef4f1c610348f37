"""Shards joined, proved and summed up."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from spectype.bulk.folder import Results
from spectype.bulk.results import check, merge, scan, summarise
from spectype.bulk.run import classify_folder
from spectype.cli import run
from spectype.core.errors import DataError, UsageError
from tests.bulk.test_run import ONE, names, quick  # noqa: F401

pytestmark = pytest.mark.usefixtures("quick")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "fits"])
def test_merge_joins_all_rows_in_order(suffix):
    classify_folder(names(7), "a", config=ONE, size=3)
    classify_folder([f"other/{n}" for n in names(2)], "b", config=ONE)
    assert run(["results", "merge", "a", "b", "--output", f"t.{suffix}"]) == 0
    table = scan(f"t.{suffix}").collect()
    assert table["path"].to_list() == names(7) + [f"other/{n}" for n in names(2)]
    assert run(["results", "merge", "a", "-o", f"t.{suffix}"]) == 0  # a table of ours is replaced
    Path(f"mine.{suffix}").write_text("mine")
    with pytest.raises(UsageError, match="would be lost"):
        merge(["a"], f"mine.{suffix}")


def test_merge_refuses_two_models_and_what_is_not_finished():
    for name in "ab":
        classify_folder(names(4), name, config=ONE, size=2)
    plan = json.loads(Path("b/plan.json").read_text())
    plan["settings"]["system"] = "survey"
    Path("b/plan.json").write_text(json.dumps(plan))
    with pytest.raises(DataError, match="its settings is not that of a"):
        merge(["a", "b"], "t.csv")
    plan["model"]["sha256"] = "f" * 64
    Path("b/plan.json").write_text(json.dumps(plan))
    with pytest.raises(DataError, match=r"its model is not that of a: standard \(f{12}\)"):
        merge(["a", "b"], "t.csv")
    with pytest.raises(DataError, match="another model"):
        merge(["b"], "t.csv")
    Path("a/shard-000001-00000000.parquet").unlink()
    with pytest.raises(DataError, match="1 of 2 shards are not finished"):
        merge(["a"], "t.csv")
    assert merge(["a"], "t.csv", partial=True) == 2
    assert not Path("t.fits").exists()


def test_check_finds_rows_that_are_missing_double_or_foreign(capsys):
    classify_folder(names(6), "r", config=ONE, size=3)
    assert run(["results", "check", "r"]) == 0
    assert "6 of 6 inputs have rows" in capsys.readouterr().out
    results = Results(Path("r"))
    (piece,) = results.pieces()[1]
    table = pl.read_parquet("r/" + piece.name)
    values = {"shard": 1, "first": 0, "units": 3, "last": True, "inputs": piece.inputs}
    results.write(table[:2], **values)
    assert any("fewer rows than files" in p for p in check("r").problems)
    assert check("r").with_rows == 5
    results.write(pl.concat([table, table[:1]]), **values)
    assert any("a row twice: in/003.csv" in p for p in check("r").problems)
    results.write(pl.concat([table, table[:1].with_columns(path=pl.lit("x.csv"))]), **values)
    assert any("of no input: x.csv" in p for p in check("r").problems)
    results.write(table, **{**values, "inputs": "0" * 64})
    assert any("another list" in p for p in check("r").problems)
    assert run(["results", "check", "r"]) == 1
    assert "wrong: r/shard-000001" in capsys.readouterr().out
    several = table.with_columns(path=pl.concat_str("path", pl.lit("[3]")))
    results.write(pl.concat([table, several]), **values)  # a file with several spectra
    assert check("r").complete


def test_summary_counts_types_flags_and_errors(capsys):
    classify_folder(names(5), "r", config=ONE, size=3)
    results = Results(Path("r"))
    (piece,) = results.pieces()[1]
    table = pl.read_parquet("r/" + piece.name).with_columns(
        type=pl.lit(None, pl.String), flags=pl.lit(1 | 1 << 16, pl.Int64),
        error=pl.Series(["is empty (0 bytes)", "is empty (7 bytes)"]),
    )  # fmt: skip
    results.write(table, shard=1, first=0, units=2, last=True, inputs=piece.inputs)
    found = summarise("r")
    assert found["rows"] == 5 and found["typed"] == 3 and found["types"] == {"G": 3}
    assert found["flags"] == {"LOW_SNR": 2, "OUT_OF_DISTRIBUTION": 2}
    assert found["errors"] == {"is empty (# bytes)": 2}
    assert found["shards"] == found["finished"] == 2
    merge(["r"], "t.csv")
    assert summarise("t.csv") == {k: v for k, v in found.items() if k not in ("shards", "finished")}
    assert run(["results", "summary", "r", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found
    with pytest.raises(UsageError, match="does not exist"):
        summarise("none")
    with pytest.raises(DataError, match="no folder of results"):
        summarise(".")
