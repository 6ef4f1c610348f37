"""``spectype catalogue`` and ``spectype bench catalogue`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from spectype.bench.catalogue import write_catalogue
from spectype.catalogue.table import scan
from spectype.cli import run

LABELS = ["O", "OB", "B6", "A7V", "F5", "G2", "K1", "dM3", "Carbon", "Non"]


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    lines = ["obsid|designation|class|subclass|snrg|ra|dec"]
    lines += [
        f"{100 + i}|J{i}|STAR|{LABELS[i % 10]}|{10 + i}|{i * 1.5}|{i * 0.5}" for i in range(100)
    ]
    path = tmp_path / "c.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_from_catalogue_to_lists(
    catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tables, drawn = str(tmp_path / "t"), tmp_path / "s"
    assert run(["catalogue", "split", str(catalogue), "--out", tables]) == 0
    assert "OB                10  O or B" in capsys.readouterr().out
    command = ["catalogue", "sample", tables, "--per-type", "5", "--quota", "O=all", "--out"]
    assert run([*command, str(drawn), "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert "45 spectra of 45 stars" in out
    assert len((drawn / "O-sample.txt").read_text().split()) == 10
    assert len((drawn / "M-sample.txt").read_text().split()) == 5
    assert set(pl.read_parquet(drawn / "sample.parquet")["split"]) == {
        "train",
        "validation",
        "test",
    }


def test_fewer_than_asked_is_said(
    catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["catalogue", "split", str(catalogue), "--out", str(tmp_path / "t")])
    assert run(["catalogue", "sample", str(tmp_path / "t"), "--out", str(tmp_path / "s")]) == 0
    assert "asked for 1,400: took all there are" in capsys.readouterr().out


def test_config_file_gives_the_same_options(catalogue: Path, tmp_path: Path) -> None:
    run(["catalogue", "split", str(catalogue), "--out", str(tmp_path / "t")])
    (tmp_path / "x.toml").write_text('[catalogue.sample]\nper-type = "3"\nmin-snr = 50\n')
    code = run(
        ["--config", str(tmp_path / "x.toml"), "catalogue", "sample", str(tmp_path / "t"),
         "--out", str(tmp_path / "s")]
    )  # fmt: skip
    assert code == 0
    manifest = json.loads((tmp_path / "s" / "manifest.json").read_text())
    assert manifest["config"]["per_type"] == "3" and manifest["config"]["min_snr"] == 50
    assert manifest["taken"]["G"] == 3


def test_summary_as_table_and_json(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["catalogue", "summary", str(catalogue)]) == 0
    table = capsys.readouterr().out
    assert "OB" in table and "carbon" in table and "100 stars" in table
    assert run(["catalogue", "summary", str(catalogue), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 100
    assert {g["type"]: g["rows"] for g in found["groups"]}["M"] == 10


def test_rejected_rows_give_status_3(
    catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with catalogue.open("a") as handle:
        handle.write("999|cut\n")
    assert run(["catalogue", "split", str(catalogue), "--out", str(tmp_path / "t")]) == 3
    out = capsys.readouterr().out
    assert "rejected 1: too few fields" in out and "rows (from 0): 100" in out
    assert run(["catalogue", "summary", str(catalogue)]) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["split", "none.csv", "--out", "t"], 2, "does not exist"),
        (["sample", "none", "--out", "s"], 2, "is not a folder"),
        (["split", "none.csv"], 2, "out"),
        (["summary", "{c}", "--separator", ","], 1, "separated by '|'"),
        (["split", "{c}", "--out", "{c}"], 2, "is a file"),
    ],
)
def test_bad_usage(
    catalogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str],
    code: int, message: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    filled = [a.format(c=catalogue) for a in arguments]
    assert run(["catalogue", *filled]) == code
    said = capsys.readouterr()
    assert message in said.err + said.out


def test_the_made_up_catalogue_is_one(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    assert write_catalogue(path, 3000, seed=4) == 36
    source = scan(path)
    assert len(source.columns) == 36 and source.separator == "|"
    table = source.frame().collect(engine="streaming")
    assert table.height == 3000 and table["problem"].null_count() == 3000
    assert table["obsid"].n_unique() == 3000
    stars = table.filter(pl.col("class") == "STAR")
    assert 0.85 < stars.height / 3000 < 0.95
    again = 3000 - table.select(pl.col("ra", "dec").round(3)).unique().height
    assert 400 < again < 1000  # repeat observations, within a few 0.1 arcsec
    row = table.row(0, named=True)
    hours = row["ra"] / 15
    assert row["designation"][1:3] == f"{int(hours):02d}"
    assert row["designation"][3:5] == f"{int(hours % 1 * 60):02d}"


def test_bench_measures_all_steps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pandas")
    command = ["bench", "catalogue", "--rows", "4000", "--folder", str(tmp_path), "--json"]
    assert run([*command, "--pandas-writes"]) == 0
    report = json.loads(capsys.readouterr().out)
    steps = {step["name"]: step for step in report["steps"]}
    ours = {"split", "split to CSV", "summary", "split by star"}
    assert set(steps) == ours | {"pandas", "pandas, and write"}
    assert steps["split"]["result"] == steps["split to CSV"]["result"]
    assert report["rows"] == 4000 and report["columns"] == 36
    split = steps["split"]["result"]["counts"]
    assert {t: split[t] for t in "OBAFGKM"} == steps["pandas"]["result"]["counts"]
    assert steps["pandas"]["result"]["strings"] in ("pyarrow", "python")
    assert steps["summary"]["result"]["rows"] == 4000
    assert steps["split by star"]["result"]["rows"] == sum(split[t] for t in "OBAFGKM")
    assert all(step["seconds"] > 0 and 0.02 < step["peak"] < 20 for step in steps.values())
    assert not list(tmp_path.iterdir())
