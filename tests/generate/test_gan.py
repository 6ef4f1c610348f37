import json
import logging

import numpy as np
import polars as pl
import pytest
import torch

from spectype.core.errors import DataError, UsageError
from spectype.generate import gan, gan_data, gan_training
from spectype.generate.gan import make_discriminator, make_generator
from spectype.generate.gan_training import train_reference
from spectype.generate.recipes import GanConfig
from spectype.learn import checkpoint
from spectype.refine.registry import load_generator
from tests.stores import hot_store, make_store

TINY = {"noise": 6, "validation": 0.0, "test": 0.15, "threads": 1, "device": "cpu"}


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    monkeypatch.setattr(gan, "GENERATOR", (8, 8, 12))
    monkeypatch.setattr(gan, "DISCRIMINATOR", (12, 8, 8))


@pytest.fixture
def store(tmp_path):
    return hot_store(tmp_path / "store")


def config(**options):
    return GanConfig(**(TINY | {"epochs": 6, "checkpoint_every": 2} | options))


def state_of(folder):
    path = sorted((folder / "checkpoints").iterdir())[-1]
    return checkpoint.load(path)[0]


def test_the_studys_layers(monkeypatch):
    monkeypatch.undo()
    made = make_generator(noise=900, n_pix=3500, batch_norm="before")
    linear = [m for m in made if isinstance(m, torch.nn.Linear)]
    assert [(m.in_features, m.out_features) for m in linear] == [
        (900, 256), (256, 512), (512, 1024), (1024, 3500)]  # fmt: skip
    judge = make_discriminator(n_pix=3500, sigmoid=False)
    linear = [m for m in judge if isinstance(m, torch.nn.Linear)]
    assert [m.out_features for m in linear] == [1024, 512, 256, 1]
    assert [m.p for m in judge if isinstance(m, torch.nn.Dropout)] == [0.3] * 3
    assert {m.negative_slope for m in judge if isinstance(m, torch.nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize(
    "place, kinds",
    [
        ("before", "Dense BatchNorm1d LeakyReLU"),
        ("after", "Dense LeakyReLU BatchNorm1d"),
        ("none", "Dense LeakyReLU"),
    ],
)
def test_batch_norm_stands_where_it_was_asked_for(place, kinds):
    layers = [type(m).__name__ for m in make_generator(noise=4, n_pix=9, batch_norm=place)]
    assert layers == kinds.split() * 3 + ["Dense", "Tanh"]


def test_a_step_is_the_plain_recipe(store):
    """The fast step gives the weights of two separate passes, as textbooks write it."""
    data = gan_data.gan_data(store, config())
    sides = gan_training.Adversaries(data, config(), torch.device("cpu"))
    sides.discriminator.eval()  # dropout draws differ in a joint pass
    before = {k: v.clone() for k, v in sides.tensors().items()}
    real, good = sides.values[:3], sides.good[:3]
    noise = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    sides.step(real, good, noise)
    fast = {k: v.clone() for k, v in sides.tensors().items()}

    sides.restore(before)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    slow = {n: torch.optim.Adam(m.parameters(), lr=1e-4) for n, m in sides.networks().items()}
    fake = sides.generator(noise) * good
    bce(sides.discriminator(real), torch.ones(3, 1)).backward()
    bce(sides.discriminator(fake.detach()), torch.zeros(3, 1)).backward()
    slow["discriminator"].step()
    slow["generator"].zero_grad()
    bce(sides.discriminator(fake), torch.ones(3, 1)).backward()
    slow["generator"].step()
    moved = 0.0
    for name, network in sides.networks().items():
        for key, value in network.state_dict().items():
            if "running" not in key and "tracked" not in key:
                torch.testing.assert_close(value, fast[f"{name}.{key}"], rtol=1e-4, atol=2e-6)
                moved = max(moved, float((value - before[f"{name}.{key}"]).abs().max()))
    assert moved > 5e-5  # Adam's first step is the learning rate


def test_missing_pixels_are_alike_on_both_sides(store, monkeypatch):
    seen = []
    data = gan_data.gan_data(store, config())
    sides = gan_training.Adversaries(data, config(), torch.device("cpu"))
    sides.discriminator.register_forward_pre_hook(lambda _, x: seen.append(x[0].detach()))
    short = torch.from_numpy(data.good[:, -1] == 0)
    assert 0 < short.sum() < len(data.rows)
    for _ in range(2):
        order = torch.cat([torch.where(short)[0][:1], torch.where(~short)[0][:2]])
        sides.step(sides.values[order], sides.good[order], torch.randn(3, 6))
    joint = seen[0]
    assert len(joint) == 6
    missing = joint == 0
    np.testing.assert_array_equal(missing[:3, 3500:].any(1), missing[3:, 3500:].any(1))
    assert missing[3, data.good[order[0]] == 0].all() and not missing[4].all()


def test_learning_moves_samples_towards_the_spectra(store, tmp_path):
    options = config(epochs=40, checkpoint_every=40, learning_rate=3e-3)
    folder = train_reference(store, tmp_path / "gan", options)
    data = gan_data.gan_data(store, options)
    samples = load_generator(folder).sample(64, seed=5)
    real = np.where(data.good > 0, data.scaling.to_flux(data.values), np.nan)
    real_mean, mean = np.nanmean(real, axis=0), samples.flux.mean(axis=0)
    line = np.abs(samples.wave - 4341.7) < 12
    side = np.abs(samples.wave - 4400) < 20
    assert real_mean[line].mean() < real_mean[side].mean() - 0.02
    assert mean[line].mean() < mean[side].mean() - 0.005
    assert np.isfinite(samples.flux).all() and samples.good.all()
    assert np.isnan(samples.code).all() and set(samples.type) == {"O"}
    np.testing.assert_array_equal(load_generator(folder).sample(64, seed=5).flux, samples.flux)
    assert np.abs(load_generator(folder).sample(64, seed=6).flux - samples.flux).max() > 1e-3


class Interrupt(Exception):
    pass


@pytest.mark.parametrize("norm, when", [("before", 3), ("after", 4), ("none", 5)])
def test_interrupted_and_resumed_is_uninterrupted(store, tmp_path, monkeypatch, norm, when):
    options = config(epochs=7, batch_norm=norm)
    whole = train_reference(store, tmp_path / "whole", options)
    real_epoch = gan_training.Adversaries.epoch

    def dying(self, number):
        if number == when:
            self.step(self.values[:3], self.good[:3], torch.randn(3, 6))  # half an epoch is lost
            raise Interrupt
        return real_epoch(self, number)

    monkeypatch.setattr(gan_training.Adversaries, "epoch", dying)
    with pytest.raises(Interrupt):
        train_reference(store, tmp_path / "cut", options)
    assert not (tmp_path / "cut" / "manifest.json").exists()
    with pytest.raises(DataError, match="no finished training"):
        load_generator(tmp_path / "cut")
    monkeypatch.setattr(gan_training.Adversaries, "epoch", real_epoch)
    torch.manual_seed(99)
    cut = train_reference(store, tmp_path / "cut", options)
    one, other = state_of(whole), state_of(cut)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[k], other[k]) for k in one)
    lines = [
        [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in text.splitlines()
        ]
        for text in ((f / "log.jsonl").read_text() for f in (whole, cut))
    ]
    assert lines[0] == lines[1] and [e["epoch"] for e in lines[0]] == list(range(1, 8))


def test_more_epochs_can_be_added(store, tmp_path):
    whole = train_reference(store, tmp_path / "a", config(epochs=6))
    part = train_reference(store, tmp_path / "b", config(epochs=3))
    train_reference(store, part, config(epochs=6))
    one, other = state_of(whole), state_of(part)
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_the_last_checkpoints_are_kept_and_the_split_is_written(store, tmp_path):
    drawn = []
    options = config(epochs=10, figure_every=4)
    folder = train_reference(store, tmp_path / "gan", options, draw=drawn.append)
    names = sorted(p.stem for p in (folder / "checkpoints").iterdir())
    assert names == ["epoch-000006", "epoch-000008", "epoch-000010"]
    assert [s.epoch for s in drawn] == [4, 8, 10] and drawn[0].flux.shape == (16, 3904)
    split = pl.read_parquet(folder / "split.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    train = split.filter(pl.col("split") == "train")["row"].to_list()
    assert train == manifest["training_rows"] and split.filter(pl.col("split") == "test").height
    assert manifest["kind"] == "gan" and manifest["recipe"] == "reference"
    assert manifest["blunter"] == ["jacoby"]


def test_faults_come_back_by_name(store):
    right = gan_data.gan_data(store, config())
    unit = gan_data.gan_data(store, config(faults=("range",)))
    assert right.values.min() < -0.1 and right.values.max() > 0.1
    assert np.median(unit.values[unit.good > 0]) == pytest.approx(0.5, abs=0.01)
    np.testing.assert_allclose(
        unit.scaling.to_flux(unit.values)[unit.good > 0],
        right.scaling.to_flux(right.values)[right.good > 0],
        atol=1e-5,
    )
    for faults, sigmoid in (((), False), (("logits",), True), (("all",), True)):
        data = gan_data.gan_data(store, config(faults=faults))
        sides = gan_training.Adversaries(data, config(faults=faults), torch.device("cpu"))
        assert isinstance(sides.discriminator[-1], torch.nn.Sigmoid) is sigmoid
    assert data.values.shape[1] == 3500 and data.values.min() >= 0 and data.values.max() <= 1


def test_the_studys_vector_matches_by_index(store):
    """Pixel 1000 is 4661 A in LAMOST and 5103 A in Jacoby, which has zeros from 7427 A on."""
    vectors = gan_data.study_vectors(store.spectra([0, 5]))
    lamost_wave = store.wave[gan_data.STUDY_PIXELS]
    jacoby_wave = 3700 + 1.4 * (2 + np.arange(3500))
    assert lamost_wave[1000] == pytest.approx(4661, abs=2)
    assert jacoby_wave[1000] == pytest.approx(5103, abs=2)
    for vector, wave in zip(vectors, (jacoby_wave, lamost_wave), strict=True):
        line = np.argmin(np.abs(wave - 4862.7))
        core, side = vector[line - 2 : line + 3].mean(), vector[line + 60 : line + 70].mean()
        assert core < side - 0.01
    assert (vectors[0, jacoby_wave > 7429] == 0).all() and (vectors[1] > 0).mean() > 0.99
    assert (jacoby_wave > 7429).mean() == pytest.approx(0.24, abs=0.01)


def test_similarity_is_zero_for_copies_and_grows_with_noise(store):
    data = gan_data.gan_data(store, config())

    class Copies:
        def __init__(self, noise):
            self.noise = noise

        def flux(self, n, *, seed):
            rng = np.random.default_rng(seed)
            real = data.scaling.to_flux(data.values[:1])
            return np.repeat(real, n, 0) * (
                1 + self.noise * rng.standard_normal((n, real.shape[1]))
            )

    assert gan_training.similarity(Copies(0.0), data) == pytest.approx(0, abs=1e-5)
    assert gan_training.similarity(Copies(0.1), data) == pytest.approx(0.1, rel=0.02)


def test_too_few_spectra_and_missing_types(tmp_path):
    few = hot_store(tmp_path / "few", n=8)
    with pytest.raises(DataError, match="7 spectra of type O are left for training of 8; 8 are"):
        train_reference(few, tmp_path / "g", config())
    with pytest.raises(DataError, match=r"no real spectrum of type B \(it has O 8\)"):
        train_reference(few, tmp_path / "g", config(types="OB"))


def test_nan_in_training_data_is_named(tmp_path):
    flux = np.ones((12, 3904), np.float32)
    flux[3, 700] = np.nan
    broken = make_store(tmp_path / "broken", flux)
    with pytest.raises(DataError, match=r"1 training spectra hold NaN or infinity \(row 3\)"):
        train_reference(broken, tmp_path / "g", config(test=0.0))


def test_another_configuration_version_or_data_does_not_resume(store, tmp_path, monkeypatch):
    folder = train_reference(store, tmp_path / "gan", config(epochs=2))
    with pytest.raises(DataError, match="batch_norm: 'before' there, 'after' here"):
        train_reference(store, folder, config(epochs=4, batch_norm="after"))
    other = hot_store(tmp_path / "other", seed=1)
    with pytest.raises(DataError, match=r"another configuration \(data: '"):
        train_reference(other, folder, config(epochs=4))
    monkeypatch.setattr(gan_training, "FORMAT", 2)
    with pytest.raises(DataError, match="format: 1 there, 2 here"):
        train_reference(store, folder, config(epochs=4))
    monkeypatch.undo()
    monkeypatch.setattr(gan, "GENERATOR", (8, 8, 12))
    monkeypatch.setattr(gan, "DISCRIMINATOR", (12, 8, 8))
    monkeypatch.setattr(checkpoint, "FORMAT", "0")
    with pytest.raises(DataError, match="has checkpoint format '1'"):
        train_reference(store, folder, config(epochs=4))


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_corrupt_checkpoint_falls_back_and_says_so(store, tmp_path, caplog, damage):
    whole = train_reference(store, tmp_path / "whole", config(epochs=8))
    folder = train_reference(store, tmp_path / "gan", config(epochs=6))
    newest = sorted((folder / "checkpoints").iterdir())[-1]
    content = bytearray(newest.read_bytes())
    content[-2000] ^= 64
    newest.write_bytes(content if damage == "flipped" else content[:-500])
    with caplog.at_level(logging.WARNING, logger="spectype"):
        train_reference(store, folder, config(epochs=8))
    assert "epoch-000006" in caplog.text and "falling back to the one before" in caplog.text
    one, other = state_of(whole), state_of(folder)
    assert all(torch.equal(one[k], other[k]) for k in one)
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="no whole checkpoint"):
        train_reference(store, folder, config(epochs=9))


def test_divergence_stops_with_the_last_good_checkpoint(store, tmp_path, monkeypatch):
    real_epoch = gan_training.Adversaries.epoch

    def exploding(self, number):
        if number == 5:
            for group in self.optimisers["generator"].param_groups:
                group["lr"] = 1e38
        return real_epoch(self, number)

    monkeypatch.setattr(gan_training.Adversaries, "epoch", exploding)
    with pytest.raises(
        DataError, match=r"epoch [67] .* checkpoint of epoch [46] is good"
    ) as caught:
        train_reference(store, tmp_path / "gan", config(epochs=30, checkpoint_every=4))
    assert "learning rate below 0.0001" in str(caught.value)
    assert "--epochs 4 keeps" in str(caught.value)
    assert all(torch.isfinite(v).all() for v in state_of(tmp_path / "gan").values())
    monkeypatch.setattr(gan_training.Adversaries, "epoch", real_epoch)
    train_reference(store, tmp_path / "gan", config(epochs=4))
    assert np.isfinite(load_generator(tmp_path / "gan").sample(3).flux).all()


def test_impossible_options_and_samples_are_refused(store, tmp_path):
    for options, match in (
        ({"batch_norm": "beside"}, "batch normalisation"),
        ({"faults": ("gamma",)}, "unknown fault 'gamma'"),
        ({"batch": 1}, "batch is 1"),
        ({"learning_rate": 0.0}, "learning rate"),
    ):
        with pytest.raises(UsageError, match=match):
            GanConfig(**options)
    with pytest.raises(DataError, match="no finished training"):
        load_generator(tmp_path)
    made = load_generator(train_reference(store, tmp_path / "g", config(epochs=1)))
    with pytest.raises(UsageError, match="no subclass"):
        made.sample(2, code=5.0)
    with pytest.raises(UsageError, match="0 samples"):
        made.sample(0)
