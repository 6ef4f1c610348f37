import numpy as np
import pytest
import torch

from spectype.core.errors import DataError
from spectype.dataset import store as st
from spectype.dataset.joined import Joined
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.learn import checkpoint
from spectype.learn.export import export_model, load_member
from spectype.learn.mixing import Neighbours
from spectype.learn.networks import NetworkConfig
from spectype.learn.recipe import Recipe, TrainConfig
from spectype.learn.session import Session
from spectype.learn.start import network_of, start_from_model
from spectype.learn.targets import make_targets
from spectype.learn.training import train
from tests.stars import star_batch

SMALL = NetworkConfig(width=8, hidden=32)


def recipe(**options):
    options = {"epochs": 2, "steps": 4, "batch": 16, "threads": 1, "device": "cpu",
               "precision": "float32"} | options  # fmt: skip
    return Recipe(network=SMALL, train=TrainConfig(**options))


def make_store(folder, codes, *, seed=1, survey="atlas"):
    spectra = star_batch(codes, seed=seed)
    writer = st.StoreWriter(folder, wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": survey, "star_id": f"s{i}", "type": "OBAFGKM"[int(c // 10)],
         "code": float(c), "kind": "star", "synthetic": survey != "atlas", "luminosity": "V",
         "object": None, "snr": 60.0}
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    codes = np.sort(np.random.default_rng(5).uniform(3, 68, 120))
    return make_store(tmp_path_factory.mktemp("real") / "s", codes)


@pytest.fixture(scope="module")
def extra(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("extra") / "s", np.linspace(4, 9, 40), survey="gan")


def session_of(store, **options):
    targets = make_targets(store.meta, balance=0.7)
    split = np.full(len(store), "train")
    return Session(store, targets, split, recipe(**options), torch.device("cpu"))


def test_a_model_taken_up_again_gives_the_same_outputs(store, tmp_path):
    run = train(store, tmp_path / "r", recipe=recipe(epochs=3, steps=10, averaging=0.5))
    model = export_model([run], store, run, name="toy")
    session = session_of(store)
    start_from_model(session, run)
    flux, good = session.batch(np.arange(20))
    expected = model.outputs(flux.numpy(), good.numpy() > 0)
    session.network.eval()
    with torch.no_grad():
        sequence, luminosity, outlier = session.network(flux, good)
    np.testing.assert_allclose(sequence.numpy(), expected.sequence, atol=2e-3)
    np.testing.assert_allclose(luminosity.numpy(), expected.luminosity, atol=2e-3)
    np.testing.assert_allclose(outlier.numpy(), expected.outlier, atol=2e-3)
    np.testing.assert_allclose(
        session.view.matrix().detach().numpy(), load_member(run).view, atol=2e-3
    )
    assert network_of(run) == SMALL


def test_fine_tuning_starts_better_than_nothing(store, tmp_path):
    first = train(store, tmp_path / "a", recipe=recipe(epochs=8, steps=20, averaging=0.5))
    export_model([first], store, first, name="toy")
    again = recipe(epochs=1, steps=2, learning_rate=1e-4)
    tuned = train(store, tmp_path / "b", recipe=again, start_from=first)
    fresh = train(store, tmp_path / "c", recipe=again)
    losses = [checkpoint.load(run / "checkpoint.safetensors")[1]["best"] for run in (tuned, fresh)]
    assert losses[0] < 0.85 * losses[1]
    with pytest.raises(DataError, match="start_from"):
        train(store, tmp_path / "b", recipe=recipe(epochs=2, steps=2, learning_rate=1e-4))


def test_a_network_of_another_size_is_named(store, tmp_path):
    session = Session(
        store,
        make_targets(store.meta, balance=0.7),
        np.full(len(store), "train"),
        Recipe(network=NetworkConfig(width=16, hidden=32), train=recipe().train),
        torch.device("cpu"),
    )
    with pytest.raises(DataError, match=r"stem\.weight of shape"):
        run = train(store, tmp_path / "r", recipe=recipe(epochs=1))
        export_model([run], store, run, name="toy")
        start_from_model(session, run)


def test_synthetic_spectra_train_and_are_never_split_off(store, extra, tmp_path):
    import polars as pl

    joined = Joined(store, [extra])
    meta = joined.meta
    assert meta["synthetic"].sum() == len(extra) == 40
    assert set(meta.filter("synthetic")["survey"]) == {"synthetic"}
    flux, _ = joined.arrays([3, len(store) + 7])
    np.testing.assert_array_equal(flux[0], store.arrays([3])[0][0])
    np.testing.assert_array_equal(flux[1], extra.arrays([7])[0][0])
    run = train(store, tmp_path / "r", recipe=recipe(epochs=1), synthetic=[extra])
    split = pl.read_parquet(run / "split.parquet")
    assert split.height == len(store)  # the synthetic ones stand in no split
    with pytest.raises(DataError, match="synthetic"):
        train(store, tmp_path / "r", recipe=recipe(epochs=1))


def test_draws_follow_the_share_and_the_weights(store, extra):
    joined = Joined(store, [extra])
    session = session_of(joined, synthetic_share=0.25)
    fake = joined.synthetic[session.rows]
    assert session.chance[fake].sum() == pytest.approx(0.25)
    by_draws, by_loss = session_of(store), session_of(store, balance_by="loss")
    assert np.ptp(by_loss.chance) == 0
    expected = by_draws.chance * len(by_draws.rows)
    np.testing.assert_allclose(by_loss.extra[by_loss.rows], expected, rtol=1e-5)


def test_blends_are_of_neighbours_and_lie_between(store):
    targets = make_targets(store.meta, balance=0.7)
    neighbours = Neighbours(targets, np.arange(len(store)))
    draw = torch.Generator().manual_seed(3)
    rows = np.arange(len(store))
    other = neighbours.pick(rows, draw)
    code = store.meta["code"].to_numpy()
    assert np.abs(code[other] - code).max() < 2.6  # two subclasses and the rounding to bins
    assert (targets.type_index[other] == targets.type_index).all()
    assert (other != rows).mean() > 0.5
    flux, good = torch.ones(4, 50), torch.ones(4, 50)
    flux2 = torch.linspace(0.5, 1.5, 50).repeat(4, 1)
    good2 = torch.ones(4, 50)
    good2[1, 25:] = 0  # shares too little
    on = torch.tensor([True, True, False, True])
    mixed, there = neighbours.blend((flux, good), (flux2, good2), on, draw)
    assert torch.equal(mixed[1], flux[1]) and torch.equal(mixed[2], flux[2])
    assert (mixed[0] >= flux2[0].clamp(max=1.0) - 1e-6).all() and mixed[0, -1] > 1.05 - 0.05
    assert mixed[0].mean() == pytest.approx(1.0, abs=1e-5)
    assert there.sum() == 200
