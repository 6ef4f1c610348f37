"""The study's sweeps: its points, ours beside them, nothing trained twice; the free search."""

from __future__ import annotations

import json
import sys

import numpy as np
import polars as pl
import pytest

from spectype.cli import run as cli
from spectype.core.errors import DataError, UsageError
from spectype.dataset import store as st
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.learn.recipe import TrainConfig
from spectype.learn.split import make_split
from spectype.study import sweep, sweep_figure
from spectype.study.fitting import Fit
from spectype.study.network import ReferenceBody
from spectype.study.recipes import ReferenceConfig
from spectype.study.sweep import SWEEPS, filters_of, run_sweeps, search
from tests.stars import star_batch

BASE = ReferenceConfig(dense=16, epochs=1, batch=32)
TRAIN = TrainConfig(threads=1, device="cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    codes = np.sort(np.random.default_rng(5).uniform(1, 69, 84))
    spectra = star_batch(codes)
    writer = st.StoreWriter(tmp_path_factory.mktemp("store") / "s", wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": "atlas", "star_id": f"s{i}", "type": "OBAFGKM"[int(c // 10)],
         "code": float(c), "kind": "star", "synthetic": False, "luminosity": None}
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


@pytest.mark.parametrize("total", [45, 120, 240, 480])
def test_feature_maps_add_up_in_the_studys_proportions(total):
    filters = filters_of(total)
    assert sum(filters) == total and len(filters) == 4
    np.testing.assert_allclose(np.array(filters) / total, np.array([10, 20, 40, 50]) / 120,
                               atol=1 / total)  # fmt: skip
    assert filters_of(120) == (10, 20, 40, 50)


def test_the_studys_best_points_are_the_ones_it_named():
    best = {name: s.values[int(np.argmax(s.study))] for name, s in SWEEPS.items()}
    assert best == {"kernel": 3, "filters": 240, "learning-rate": 1e-3}
    assert all(len(s.values) == len(s.study) == 4 for s in SWEEPS.values())


@pytest.fixture(scope="module")
def swept(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("swept") / "out"
    words = ["sweep", str(store.folder), "--out", str(out), "--only", "kernel", "--only",
             "learning-rate", "--reference.dense", "16", "--reference.epochs", "1",
             "--threads", "1"]  # fmt: skip
    assert cli(words) == 0
    return out


def test_ours_stand_beside_the_studys(swept, store):
    data = json.loads((swept / "sweep.json").read_text())
    points = data["points"]
    assert [p["value"] for p in points] == [2, 3, 4, 5, 1e-3, 5e-3, 15e-3, 50e-3]
    assert points[1]["study"] == 0.8395 and points[1]["run"] == points[4]["run"]
    for point in points:
        assert point["stars"] == (make_split(store.meta, TRAIN) == "test").sum() > 10
        assert point["low"] <= point["accuracy"] <= point["high"]
    assert data["about"]["dense"] == 16 and "not seen in training" in data["note"]
    assert (swept / "sweep.png").stat().st_size > 10_000 and (swept / "sweep.pdf").is_file()
    svg = (swept / "sweep.svg").read_text()
    assert "kernel [pixels]" in svg and "feature maps" not in svg
    # The kernel of each run is the one it stands for.
    from spectype.learn.export import load_member

    for point in points[:4]:
        member = load_member(point["run"])
        assert member.body.convolutions[0].weight.shape[-1] == point["value"]


def test_only_typed_stars_count_as_tested(swept, store):
    run = json.loads((swept / "sweep.json").read_text())["points"][0]["run"]
    every = sweep_figure.stars_tested(run, store.meta)
    split = make_split(store.meta, TRAIN)
    untyped = np.flatnonzero(split == "test")[:3]
    types = store.meta["type"].to_list()
    meta = store.meta.with_columns(
        type=pl.Series([None if i in untyped else t for i, t in enumerate(types)])
    )
    assert sweep_figure.stars_tested(run, meta) == every - 3


def test_nothing_is_trained_or_prepared_twice(swept, store, monkeypatch):
    monkeypatch.setattr(Fit, "epoch", None)  # would fail
    monkeypatch.setattr("spectype.study.fitting.prepare", None)
    points = run_sweeps(store, swept, names=["kernel"], base=BASE_OF_CLI, train=CLI_TRAIN)
    assert len(points) == 4 and all(np.isfinite(p.accuracy) for p in points)


BASE_OF_CLI = ReferenceConfig(dense=16, epochs=1)
CLI_TRAIN = TrainConfig(threads=1)


def test_divergence_is_a_result(store, tmp_path, monkeypatch):
    def diverging(self):
        raise DataError("training diverged in epoch 1")

    monkeypatch.setattr(Fit, "epoch", diverging)
    points = run_sweeps(store, tmp_path, names=["learning-rate"], base=BASE, train=TRAIN)
    assert all(np.isnan(p.accuracy) for p in points)
    lines = sweep_figure.write_sweeps(points, tmp_path, meta=store.meta, about={})
    assert "diverged" in lines[1]
    assert json.loads((tmp_path / "sweep.json").read_text())["points"][0]["accuracy"] is None


def test_free_search_goes_on_and_asks_the_test_stars_once(store, tmp_path, monkeypatch):
    pytest.importorskip("optuna")
    judged, held = [], (make_split(store.meta, TRAIN) == "validation").sum()
    judge = Fit.judge
    monkeypatch.setattr(Fit, "judge", lambda self, rows: judged.append(len(rows)) or
                        judge(self, rows))  # fmt: skip
    first = search(store, tmp_path, trials=1, base=BASE, train=TRAIN)
    again = search(store, tmp_path, trials=2, base=BASE, train=TRAIN)
    assert len(first["trials"]) == 1 and again["trials"][0] == first["trials"][0]
    assert len(again["trials"]) == 2 and set(judged) == {held}  # validation stars alone
    best = max(again["trials"], key=lambda t: t["validation"])
    assert again["best"]["kernel"] == best["kernel"] and 0 <= again["best"]["test"] <= 1
    body = ReferenceBody(ReferenceConfig(filters=filters_of(best["filters"]), dense=4))
    assert sum(c.out_channels for c in body.convolutions) == best["filters"]


def test_without_optuna_it_is_said(store, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    words = ["sweep", str(store.folder), "--out", str(tmp_path), "--search", "1"]
    assert cli(words) == 1
    assert 'pip install "spectype[search]"' in capsys.readouterr().err


def test_unknown_sweeps_are_refused(store, tmp_path):
    with pytest.raises(UsageError, match="no sweep 'colour'"):
        run_sweeps(store, tmp_path, names=["colour"], base=BASE, train=TRAIN)
    assert cli(["sweep", str(store.folder), "--search", "-1"]) == 2
    assert sweep.varied(BASE, "kernel", 5).kernel == 5
