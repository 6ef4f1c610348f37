"""The study's network: its size, its input, its run on disk, its way into a model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from spectype.cli import run as cli
from spectype.core.errors import DataError, UsageError
from spectype.core.grid import STANDARD_GRID
from spectype.dataset import store as st
from spectype.dataset.preprocess import MinMax, Smooth, run_chain, standard_chain, to_data
from spectype.learn import checkpoint
from spectype.learn.export import export_model, load_member
from spectype.learn.recipe import TrainConfig
from spectype.study import training
from spectype.study.fitting import Fit, fit_types, prepare, prepared
from spectype.study.network import N_PIX, Prepare, ReferenceBody
from spectype.study.recipes import ReferenceConfig
from spectype.study.training import repeat_reference, train_reference
from tests.stars import star_batch

SMALL = ReferenceConfig(dense=24, epochs=3, batch=16)
TRAIN = TrainConfig(threads=1, device="cpu")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """240 toy stars without an O, two exposures each."""
    codes = np.sort(np.random.default_rng(5).uniform(11, 68, 240))
    spectra = star_batch(codes)
    spectra.mask[::7, 3000:] = True
    spectra.ivar[spectra.mask] = 0
    writer = st.StoreWriter(tmp_path_factory.mktemp("store") / "s", wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": "lamost" if i % 3 else "atlas", "star_id": f"s{i // 2}",
         "type": "OBAFGKM"[int(c // 10)], "code": float(c), "kind": "star", "synthetic": False,
         "luminosity": None, "object": None, "snr": 60.0, "obsid": None, "ra": None, "dec": None,
         "redshift": None}
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


def count(config):
    return sum(p.numel() for p in ReferenceBody(config).parameters())


def test_as_many_weights_as_the_study():
    # Four convolutions, 218 x 50 -> 11,500, 11,500 -> 7: 125,451,157 in all.
    convolutions = 10 * (3 + 1) + 20 * (30 + 1) + 40 * (60 + 1) + 50 * (120 + 1)
    assert count(ReferenceConfig(dense=1)) == convolutions + (10_900 + 1) + 2 * 7
    with torch.device("meta"):  # without the half gigabyte
        body = ReferenceBody(ReferenceConfig())
    assert sum(p.numel() for p in body.parameters()) == 125_451_157
    # One step of 3,500 channels leaves 50 numbers for the dense layer.
    assert count(ReferenceConfig(as_published=True)) == 781_127


def test_as_published_nothing_slides_along_wavelength():
    torch.manual_seed(0)
    published = ReferenceBody(ReferenceConfig(dense=8, as_published=True))
    x = torch.rand(2, N_PIX)
    shape = published.convolutions[0](torch.nn.functional.pad(x.unsqueeze(2), (1, 1))).shape
    assert shape == (2, 10, 1)  # one step, not 3,500
    # The outer taps of the kernels see padding alone: they get no gradient and do nothing.
    published(x).sum().backward()
    taps = published.convolutions[0].weight.grad.abs().sum(dim=(0, 1))
    assert taps[1] > 0 and taps[0] == taps[2] == 0
    along = ReferenceBody(ReferenceConfig(dense=8))
    along(x).sum().backward()
    assert (along.convolutions[0].weight.grad.abs().sum(dim=(0, 1)) > 0).all()
    first = along.convolutions[0]
    moved = torch.roll(x, 5, dims=1).unsqueeze(1)
    np.testing.assert_allclose(
        first(moved)[..., 10:-10].detach(), torch.roll(first(x.unsqueeze(1)), 5, -1)[..., 10:-10]
        .detach(), atol=1e-6,
    )  # fmt: skip


def test_input_is_the_studys_steps_and_its_cut():
    spectra = star_batch([25.0, 45.0, 62.0])
    good = ~spectra.mask
    steps = run_chain(spectra, [Smooth(3)])
    cut = steps[np.arange(3)]
    published = prepare(spectra.flux, good, STANDARD_GRID, as_published=True)
    inside = slice(2, 3502)  # 3702 to 8287 Angstrom
    part = type(cut)(wave=cut.wave[inside], flux=cut.flux[:, inside], ivar=cut.ivar[:, inside],
                     mask=cut.mask[:, inside], meta={})  # fmt: skip
    np.testing.assert_allclose(published, MinMax()(part).flux, atol=2e-5)
    along = prepare(spectra.flux, good, STANDARD_GRID, as_published=False)
    assert along.shape == published.shape == (3, N_PIX)
    assert along.min() == 0 and along.max() == 1
    # The same wavelength stands where the cut to 8671.6 Angstrom puts it.
    line = np.abs(spectra.flux[0] / np.median(spectra.flux[0]))[3500 - 20 :]
    assert line.size and not np.allclose(along, published, atol=1e-3)
    wave = np.geomspace(3700.0, 8671.6, N_PIX)
    h_alpha = np.abs(wave - 6564.6) < 25
    assert abs(wave[h_alpha][along[0, h_alpha].argmin()] - 6564.6) < 3


def test_missing_pixels_are_neighbours_or_zero():
    flux = np.tile(np.linspace(1, 2, STANDARD_GRID.size, dtype="f4"), (2, 1))
    good = np.ones(flux.shape, bool)
    good[1, 1000:1040] = False  # a gap: bridged
    good[1, 3000:] = False  # the end of a shorter spectrum: zero
    flux[1, ~good[1]] = 1e6
    whole, holed = prepare(flux, good, STANDARD_GRID, as_published=True)
    scale = np.ptp(flux[0, 3:3501]) / np.ptp(flux[1, good[1]])
    assert abs(holed[1018] - whole[1018] * scale) < 0.03
    assert not holed[3060:].any() and holed.max() == pytest.approx(1, abs=1e-5)
    empty = prepare(flux[:1], np.zeros((1, flux.shape[1]), bool), STANDARD_GRID, as_published=False)
    assert not empty.any()
    with pytest.raises(DataError, match="3502 are needed"):
        Prepare(STANDARD_GRID[:3000], as_published=True)


@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_any_kernel_keeps_the_length(kernel):
    body = ReferenceBody(ReferenceConfig(dense=4, kernel=kernel))
    assert body(torch.rand(2, N_PIX)).shape == (2, 7) and body.dense.in_features == 10_900


def test_killed_and_resumed_gives_the_same_weights(store, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole = train_reference(store, tmp_path / "whole", config=SMALL, train=TRAIN)
    epoch, calls = Fit.epoch, iter(range(9))

    def dying(self):
        if next(calls) == 2:
            raise KeyboardInterrupt
        return epoch(self)

    monkeypatch.setattr(Fit, "epoch", dying)
    with pytest.raises(KeyboardInterrupt):
        train_reference(store, tmp_path / "killed", config=SMALL, train=TRAIN)
    monkeypatch.setattr(Fit, "epoch", epoch)
    with pytest.raises(DataError, match="kernel: 3 there, 5 here"):
        other = ReferenceConfig(dense=24, epochs=3, batch=16, kernel=5)
        train_reference(store, tmp_path / "killed", config=other, train=TRAIN)
    killed = train_reference(store, tmp_path / "killed", config=SMALL, train=TRAIN)
    for name in ("last", "best"):
        one, two = (checkpoint.load(run / f"{name}.safetensors") for run in (whole, killed))
        assert one[1] == two[1]
        assert all(torch.equal(value, two[0][key]) for key, value in one[0].items())
    logs = [[json.loads(x) for x in (r / "log.jsonl").read_text().splitlines()]
            for r in (whole, killed)]  # fmt: skip
    assert [e["train_loss"] for e in logs[0]] == [e["train_loss"] for e in logs[1]]
    # A finished run is left as it is; one of other options is refused.
    before = (whole / "last.safetensors").stat().st_mtime_ns
    train_reference(store, whole, config=SMALL, train=TRAIN)
    assert (whole / "last.safetensors").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="dense: 24 there, 25 here"):
        train_reference(store, whole, config=ReferenceConfig(dense=25, epochs=3, batch=16),
                        train=TRAIN)  # fmt: skip


@pytest.fixture(scope="module")
def learnt(store, tmp_path_factory):
    """A run through the command line."""
    out = tmp_path_factory.mktemp("learnt") / "run"
    words = ["train", str(store.folder), "--recipe", "reference", "--out", str(out),
             "--reference.dense", "48", "--reference.epochs", "12", "--threads", "1",
             "--validation", "0.2"]  # fmt: skip
    assert cli(words) == 0
    return out


def test_run_is_a_citizen(learnt, store, capsys):
    from spectype.classify.runtime import load_model

    model = load_model(learnt)
    flux, error = store.arrays(range(40))
    good = (error > 0) & (np.arange(flux.shape[1]) > 300)
    ours = model.outputs(flux, good)
    with torch.no_grad():
        theirs = load_member(learnt)(torch.from_numpy(flux * good), torch.from_numpy(good).float())
    for one, two in zip((ours.sequence, ours.survey, ours.luminosity, ours.kind), theirs):
        np.testing.assert_allclose(one, two.numpy(), atol=3e-4)
    # A type's probability is spread over its bins; classes stay undecided, and all are stars.
    np.testing.assert_allclose(np.exp(ours.sequence).sum(axis=1), 1, rtol=1e-4)
    assert np.ptp(ours.sequence.reshape(40, 7, 20), axis=2).max() < 1e-6
    assert not ours.luminosity.any() and (ours.kind.argmax(1) == 0).all()
    table = model.predict(star_batch(np.array([15.0, 25, 35, 45, 55, 65] * 3), seed=9, snr=80))
    right = [t == "BAFGKM"[i % 6] for i, t in enumerate(table["type"])]
    assert np.mean(right) > 0.6
    assert not any("OUT_OF_DISTRIBUTION" in names for names in table["flag_names"])
    assert "O" not in model.card["seen"] and table["p_O"].max() == 0
    capsys.readouterr()
    assert cli(["evaluate", str(learnt)]) == 0
    assert "recall" in capsys.readouterr().out


def test_command_line_says_what_is_missing(store, learnt, tmp_path, capsys):
    words = ["train", str(store.folder), "--recipe", "reference", "--out", str(tmp_path / "r"),
             "--reference.dense", "8", "--reference.epochs", "1", "--threads", "1",
             "--repeats", "2"]  # fmt: skip
    assert cli(words) == 0
    said = capsys.readouterr().out
    assert "no training spectra of O: the model never predicts them" in said
    assert "accuracy: 0." in said and "+- " in said and "2 splits" in said
    kept = json.loads((tmp_path / "r" / "repeats.json").read_text())
    values = kept["values"]["accuracy"]
    assert kept["mean"]["accuracy"] == pytest.approx(np.mean(values))
    assert kept["standard_deviation"]["accuracy"] == pytest.approx(np.std(values, ddof=1))
    splits = [(tmp_path / "r" / f"repeat-{i}" / "split.parquet").read_bytes() for i in (1, 2)]
    assert splits[0] != splits[1]
    assert cli(["train", str(store.folder), "--repeats", "2"]) == 2
    assert cli([*words, "--start-from", "standard"]) == 2
    assert cli([*words[:-2], "--reference.kernel", "0"]) == 2


def test_prepared_inputs_are_made_once(store, tmp_path, monkeypatch):
    first = prepared(store, tmp_path, as_published=True)
    monkeypatch.setattr("spectype.study.fitting.prepare", None)  # would fail
    np.testing.assert_array_equal(first, prepared(store, tmp_path, as_published=True))
    with pytest.raises(TypeError):
        prepared(store, tmp_path, as_published=False)


def test_fit_types_learns_from_training_rows_alone(store):
    flux, error = store.arrays(range(len(store)))
    meta = store.meta
    types = meta["type"].to_numpy().astype(str)
    train = np.arange(len(store)) % 4 != 0
    config = ReferenceConfig(dense=48, epochs=10)
    hidden = np.where(train, types, "O")  # labels of the others are not looked at
    given = [fit_types(flux, error > 0, t, wave=store.wave, train=train, config=config, threads=1)
             for t in (types, hidden)]  # fmt: skip
    assert given[0].tolist() == given[1].tolist()
    assert (given[0][~train] == types[~train]).mean() > 0.6 and "O" not in given[0]


def test_repeats_of_a_given_split_are_refused(store, tmp_path):
    import polars as pl

    class Given:
        meta = store.meta.with_columns(split=pl.lit("train"))
        folder = store.folder

    with pytest.raises(UsageError, match="its own split"):
        repeat_reference(Given(), tmp_path, repeats=2, config=SMALL, train=TRAIN)


def test_two_runs_make_one_model(store, learnt, tmp_path):
    model = export_model([learnt, learnt], store, tmp_path / "m", name="pair")
    assert model.card["members"] == 2
    alone = export_model([learnt], store, tmp_path / "one", name="one")
    flux, error = store.arrays(range(8))
    pair, one = (m.outputs(flux, error > 0).sequence for m in (model, alone))
    np.testing.assert_allclose(np.exp(pair), np.exp(one), atol=1e-4)
