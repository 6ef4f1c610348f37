import numpy as np
import pytest
import torch

from spectype.classify.runtime import load_model
from spectype.core.errors import DataError
from spectype.dataset import store as st
from spectype.dataset.joined import Joined
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.learn import checkpoint
from spectype.learn.export import export_model
from spectype.learn.recipe import NetworkConfig, Recipe, TrainConfig
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
         "code": float(c), "kind": "star", "synthetic": survey == "gan", "luminosity": "V",
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


@pytest.fixture(scope="module")
def atlas(store, tmp_path_factory):
    """A toy that has learnt, exported: an export takes longer than its training."""
    run = train(
        store,
        tmp_path_factory.mktemp("toy") / "r",
        recipe=recipe(epochs=8, steps=20, averaging=0.5),
    )
    export_model([run], store, run, name="toy")
    return store, run


@pytest.fixture(scope="module")
def lamost(tmp_path_factory):
    store = make_store(
        tmp_path_factory.mktemp("survey") / "s", np.linspace(4, 67, 120), survey="lamost"
    )
    run = train(
        store,
        tmp_path_factory.mktemp("survey") / "r",
        recipe=recipe(epochs=3, steps=10, averaging=0.5),
    )
    export_model([run], store, run, name="toy")
    return store, run


def session_of(store, **options):
    targets = make_targets(store.meta, balance=0.7)
    split = np.full(len(store), "train")
    return Session(store, targets, split, recipe(**options), torch.device("cpu"))


@pytest.mark.parametrize("survey", ["atlas", "lamost"])
def test_a_model_taken_up_again_gives_the_same_outputs(request, survey):
    store, run = request.getfixturevalue(survey)
    model = load_model(run)
    session = session_of(store)
    start_from_model(session, run)
    flux, good = session.batch(np.arange(20))
    expected = model.outputs(flux.numpy(), good.numpy() > 0)
    session.network.eval()
    with torch.no_grad():
        sequence, by_survey, luminosity, kind = session.network(flux, good)
    np.testing.assert_allclose(sequence.numpy(), expected.sequence, atol=2e-3)
    np.testing.assert_allclose(by_survey.numpy(), expected.survey, atol=2e-3)
    assert torch.equal(sequence, by_survey) == (survey == "atlas")
    np.testing.assert_allclose(luminosity.numpy(), expected.luminosity, atol=2e-3)
    np.testing.assert_allclose(kind.numpy(), expected.kind, atol=2e-3)
    assert network_of(run) == SMALL


def test_fine_tuning_starts_better_than_nothing(atlas, tmp_path):
    store, first = atlas
    again = recipe(epochs=1, steps=2, learning_rate=1e-4, keep="loss")
    tuned = train(store, tmp_path / "b", recipe=again, start_from=first)
    fresh = train(store, tmp_path / "c", recipe=again)
    losses = [checkpoint.load(run / "checkpoint.safetensors")[1]["best"] for run in (tuned, fresh)]
    assert losses[0] < 0.85 * losses[1]
    with pytest.raises(DataError, match="start_from"):
        train(
            store, tmp_path / "b", recipe=recipe(epochs=2, steps=2, learning_rate=1e-4, keep="loss")
        )


def test_a_network_of_another_size_is_named(atlas):
    store, run = atlas
    session = Session(
        store,
        make_targets(store.meta, balance=0.7),
        np.full(len(store), "train"),
        Recipe(network=NetworkConfig(width=16, hidden=32), train=recipe().train),
        torch.device("cpu"),
    )
    with pytest.raises(DataError, match=r"stem\.weight of shape"):
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
