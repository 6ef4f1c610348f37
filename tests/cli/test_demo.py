"""The whole way through the real command line on a miniature release."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.cli import demo, run
from spectype.core.files import read_manifest
from spectype.dataset.store import Store

STEPS = [step for step, _ in demo.STEPS]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    assert run(["demo", "--out", str(out), "--n", "160", "--epochs", "3"]) == 0
    return out


def test_every_step_leaves_its_artefact(done):
    assert [step for step in STEPS if not (done / step).exists()] == []


def test_labels_travelled_from_catalogue_to_predictions(done):
    sample = pl.read_parquet(done / "sample" / "sample.parquet")
    store = Store(done / "store").meta
    assert len(store) == len(sample)
    predictions = pl.read_parquet(done / "runs" / "demo" / "predictions.parquet")
    test = store.filter(pl.col("split") == "test")
    assert sorted(predictions["row"]) == sorted(test["row"])
    joined = predictions.join(store, on="row")
    assert (joined["true_type"] == joined["type_right"]).all()


def test_no_star_is_on_two_sides(done):
    split = pl.read_parquet(done / "runs" / "demo" / "split.parquet")
    sides = split.group_by("star_id").agg(pl.col("split").n_unique())
    assert sides["split"].max() == 1


def test_the_report_counts_what_was_predicted(done):
    report = json.loads((done / "report" / "report.json").read_text())
    predictions = pl.read_parquet(done / "runs" / "demo" / "predictions.parquet")
    typed = predictions.filter(pl.col("true_type").is_not_null())
    right = (typed["type"] == typed["true_type"]).mean()
    assert report["spectra"] == len(typed)
    assert report["accuracy"]["value"] == pytest.approx(right)
    assert np.sum(report["confusion"]) == len(typed)
    page = (done / "report" / "report.html").read_text()
    assert "<svg" in page and 'src="http' not in page and 'href="http' not in page


def test_training_on_simulated_stars_beats_chance(done):
    log = [json.loads(x) for x in (done / "runs/demo/log.jsonl").read_text().splitlines()]
    assert log[-1]["train_loss"] < log[0]["train_loss"]
    table = pl.read_csv(done / "types.csv")
    assert len(table) == 160 and table["error"].null_count() == 160


def test_a_second_call_repeats_nothing(done, capsys):
    before = (done / "store" / "manifest.json").stat().st_mtime_ns
    assert run(["demo", "--out", str(done), "--n", "160", "--epochs", "3"]) == 0
    assert capsys.readouterr().out.count("done before") == len(STEPS)
    assert (done / "store" / "manifest.json").stat().st_mtime_ns == before


def test_a_leak_is_refused(done, tmp_path, capsys):
    import shutil

    leaky = tmp_path / "run"
    shutil.copytree(done / "runs" / "demo", leaky)
    split = pl.read_parquet(leaky / "split.parquet")
    test_star = split.filter(pl.col("split") == "test")["star_id"][0]
    row = split.filter(pl.col("split") == "train")["row"][0]
    split = split.with_columns(
        star_id=pl.when(pl.col("row") == row).then(pl.lit(test_star)).otherwise("star_id")
    )
    split.write_parquet(leaky / "split.parquet")
    assert run(["evaluate", str(leaky)]) == 1
    assert "in training" in capsys.readouterr().err


def test_report_needs_predictions(done, tmp_path, capsys):
    assert run(["report", str(done / "runs" / "demo"), "--out", str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "report.html").exists()
    assert read_manifest(done / "runs" / "demo", "run")["store_rows"] == len(Store(done / "store"))


TUTORIALS = {
    "start": "star.png types.vot types.fits",
    "o_stars": "hunt/candidates.csv results/manifest.json",
    "own_release": "run/model.json report/report.html types.parquet",
    "judge": "report/report.html report/figures/confusion-matrix.pdf",
    "figures": "two.pdf one.png compare.svg blue.pdf",
}


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials_run_as_they_stand(done, tmp_path, monkeypatch, name):
    script = Path(__file__).resolve().parents[2] / "docs" / "tutorials" / f"{name}.py"
    release = [] if name == "start" else [done / "release"]
    monkeypatch.setattr(sys, "argv", [str(script), *map(str, release), str(tmp_path)])
    runpy.run_path(str(script), run_name="__main__")
    assert all((tmp_path / made).stat().st_size for made in TUTORIALS[name].split())
