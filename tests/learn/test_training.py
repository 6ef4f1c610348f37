import json

import numpy as np
import pytest
import torch

from spectype.classify.obtain import SHIPPED
from spectype.classify.runtime import load_model
from spectype.core.errors import DataError, UsageError
from spectype.dataset import store as st
from spectype.dataset.preprocess import run_chain, standard_chain, to_data
from spectype.learn import checkpoint
from spectype.learn.export import Ensemble, export_model, load_member
from spectype.learn.losses import disagreement
from spectype.learn.recipe import NetworkConfig, Recipe, TrainConfig
from spectype.learn.split import make_split
from spectype.learn.training import train
from tests.stars import star_batch

SMALL = NetworkConfig(width=8, hidden=32)


def recipe(**options):
    options = {"epochs": 3, "steps": 4, "batch": 16, "threads": 1, "device": "cpu"} | options
    return Recipe(network=SMALL, train=TrainConfig(**options))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(5)
    codes = np.sort(rng.uniform(3, 68, 240))
    folder = tmp_path_factory.mktemp("store") / "s"
    spectra = star_batch(codes)
    writer = st.StoreWriter(folder, wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": "lamost" if i % 3 else "atlas", "star_id": f"s{i // 2}",
         "type": "OBAFGKM"[int(c // 10)], "code": float(c), "kind": "star", "synthetic": False,
         "luminosity": "V" if i % 2 else "III", "object": None, "snr": 60.0}
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


@pytest.fixture(scope="module")
def exported(store, tmp_path_factory):
    """A toy that has learnt, exported: an export takes longer than its training."""
    run = tmp_path_factory.mktemp("toy") / "r"
    config = recipe(epochs=9, steps=25, batch=32, averaging=0.9, learning_rate=5e-3)
    train(store, run, recipe=config)
    export_model([run], store, run, name="toy")
    return run


def weights(folder):
    return checkpoint.load(folder / "checkpoint.safetensors")[0]


def test_killed_and_resumed_gives_the_same_weights(store, tmp_path, monkeypatch):
    train(store, tmp_path / "whole", recipe=recipe())
    from spectype.learn import training

    count = iter(range(100))
    step = training.Session.step

    def dying(self, rows, draw):
        if next(count) == 6:  # in the middle of the second epoch
            raise KeyboardInterrupt
        return step(self, rows, draw)

    monkeypatch.setattr(training.Session, "step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(store, tmp_path / "killed", recipe=recipe())
    monkeypatch.undo()
    train(store, tmp_path / "killed", recipe=recipe())
    one, two = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    logs = [
        [json.loads(line) for line in (tmp_path / d / "log.jsonl").read_text().splitlines()]
        for d in ("whole", "killed")
    ]
    assert [e["train_loss"] for e in logs[0]] == [e["train_loss"] for e in logs[1]]


def test_a_checkpoint_of_another_configuration_is_refused_by_name(store, tmp_path):
    train(store, tmp_path / "r", recipe=recipe(epochs=1))
    with pytest.raises(DataError, match=r"train\.learning_rate: 0\.002 there, 0\.5 here"):
        train(store, tmp_path / "r", recipe=recipe(epochs=1, learning_rate=0.5))


def test_a_corrupt_checkpoint_is_named(store, tmp_path):
    train(store, tmp_path / "r", recipe=recipe(epochs=1))
    path = tmp_path / "r" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"checkpoint\.safetensors"):
        train(store, tmp_path / "r", recipe=recipe(epochs=2))


def test_training_learns_and_the_model_types_unseen_stars(exported):
    log = [json.loads(x) for x in (exported / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train_loss"] < 0.75 * log[0]["train_loss"]
    model = load_model(exported)
    codes = np.array([14.0, 22.0, 44.0, 65.0] * 3)
    table = model.predict(star_batch(codes, seed=77, snr=100))
    assert np.abs(table["subclass_code"].to_numpy() - codes).mean() < 6
    probabilities = table.select([f"p_{t}" for t in "OBAFGKM"]).to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=5e-5)  # five digits each
    # A blue-only piece of the same stars is typed by the same model.
    wave = np.arange(3800.0, 5600.0, 1.2)
    blue = model.predict(star_batch(codes, seed=3, snr=100, wave=wave))
    assert (np.abs(blue["subclass_code"].to_numpy() - codes) < 12).mean() > 0.7
    assert all("PARTIAL_COVERAGE" in names for names in blue["flag_names"])


def test_onnx_agrees_with_torch(store, tmp_path):
    for seed in (1, 2):
        train(store, tmp_path / f"r{seed}", recipe=recipe(seed=seed, validation=0.4))
    runs = [tmp_path / "r1", tmp_path / "r2"]
    model = export_model(runs, store, tmp_path / "m", name="pair")
    network = Ensemble([load_member(r) for r in runs])
    flux, error = store.arrays(range(37))
    good = (error > 0) & (np.arange(flux.shape[1]) > 500)
    outputs = model.outputs(flux, good)
    with torch.no_grad():
        expected = network(torch.from_numpy(flux * good), torch.from_numpy(good).float())
    found = (outputs.sequence, outputs.survey, outputs.luminosity, outputs.kind)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=3e-4)
    assert load_model(tmp_path / "m").name == "pair"


def test_a_type_never_seen_is_never_predicted(exported):
    model = load_model(exported)
    model.card["seen"][:] = ["A", "F", "G"]
    table = model.predict(star_batch(np.arange(2.0, 69.0, 3.0)))
    assert set(table["type"]) <= {"A", "F", "G"}
    assert table["p_O"].max() == 0 and table["p_M"].max() == 0


def test_splits_keep_stars_whole(store):
    split = make_split(store.meta, TrainConfig())
    star = store.meta["star_id"].to_numpy()
    for name in np.unique(star):
        assert len(set(split[star == name])) == 1
    assert 0.1 < (split == "test").mean() < 0.3
    # Leaving a library out leaves out its stars in the others too.
    split = make_split(store.meta, TrainConfig(leave_out=("atlas",)))
    survey = store.meta["survey"].to_numpy()
    assert (split[survey == "atlas"] == "test").all()
    assert not set(star[split == "train"]) & set(star[survey == "atlas"])
    with pytest.raises(UsageError, match="the store has atlas, lamost"):
        make_split(store.meta, TrainConfig(leave_out=("iue",)))


def test_a_store_without_types_is_refused(tmp_path):
    spectra = star_batch([42.0, 20.0])
    writer = st.StoreWriter(tmp_path / "s", wave=spectra.wave)
    writer.append(*st.encode(spectra))
    row = {"path": "x", "survey": None, "star_id": "s", "type": None, "code": None,
           "luminosity": None, "kind": "galaxy"}  # fmt: skip
    store = writer.close([row, row], {"chain": []})
    with pytest.raises(DataError, match="no spectrum of the store has a type"):
        train(store, tmp_path / "r", recipe=recipe())


def test_no_cuda_is_said(store, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UsageError, match="no CUDA device"):
        train(store, tmp_path / "r", recipe=recipe(device="cuda"))


def test_a_model_tells_nothing_of_the_machine_that_trained_it(exported):
    import onnx

    shipped = SHIPPED / "standard" / "model.onnx"
    for path in (exported / "model.onnx", shipped):
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            tensor.ClearField("raw_data")  # weights may spell anything
        written = model.SerializeToString()
        assert b".py" not in written and b"File " not in written
    assert shipped.stat().st_size < 8_000_000


def test_a_compact_model_is_half_as_large_and_types_alike(store, exported, tmp_path):
    whole = load_model(exported)
    compact = export_model([exported], store, tmp_path / "x", name="x", compact=True)
    sizes = [(m.folder / "model.onnx").stat().st_size for m in (whole, compact)]
    assert sizes[1] < 0.75 * sizes[0]  # a toy: half of it is graph
    flux, error = store.arrays(range(50))
    one, two = (m.outputs(flux, error > 0).sequence for m in (whole, compact))
    np.testing.assert_allclose(one, two, atol=2e-2)
    assert np.ptp(one) > 1


def test_the_weights_kept_are_the_last_or_the_best_by_loss_or_by_error(store, tmp_path):
    for keep in ("loss", "error"):
        run = train(store, tmp_path / keep, recipe=recipe(epochs=5, steps=6, keep=keep))
        lines = [json.loads(x) for x in (run / "log.jsonl").read_text().splitlines()]
        best = json.loads((run / "manifest.json").read_text())["best_validation"]
        assert best == min(line[f"validation_{keep}"] for line in lines)
    run = train(store, tmp_path / "last", recipe=recipe(epochs=5, steps=6, patience=1))
    kept = checkpoint.load(run / "best.safetensors")[0]["network.dense.weight"]
    assert torch.equal(kept, weights(run)["average.dense.weight"])
    with pytest.raises(UsageError, match="keep"):
        train(store, tmp_path / "x", recipe=recipe(keep="first"))


def store_of(folder, codes, labels, surveys):
    """Stars of these true codes, labelled as said by these surveys."""
    spectra = star_batch(codes)
    writer = st.StoreWriter(folder, wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": survey, "star_id": f"s{i}", "type": "OBAFGKM"[int(c // 10)],
         "code": float(c), "kind": "star", "synthetic": False, "luminosity": None,
         "object": None, "snr": 60.0}
        for i, (c, survey) in enumerate(zip(labels, surveys))
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


def test_the_shift_of_a_surveys_labels_does_not_reach_the_mk_type(tmp_path):
    # The survey says 4 subclasses later than the experts, who have typed one star in five.
    codes = np.sort(np.random.default_rng(2).uniform(31, 64, 300))
    expert = np.arange(300) % 5 == 0
    surveys = np.where(expert, "atlas", "lamost")
    store = store_of(tmp_path / "s", codes, np.where(expert, codes, codes + 4.0), surveys)
    plan = recipe(epochs=20, steps=25, averaging=0.9, test=0.0, validation=0.2, outliers=0.0)
    run = train(store, tmp_path / "r", recipe=plan)
    model = export_model([run], store, run, name="x")
    true = np.linspace(34, 60, 40)
    new = star_batch(true, seed=8, snr=100)
    mk, survey = (
        model.predict(new, system=s)["subclass_code"].to_numpy() for s in ("mk", "survey")
    )
    assert abs(np.median(mk - true)) < 1.5
    assert 2.0 < np.median(survey - mk) < 5.5


def test_without_a_surveys_labels_its_system_is_the_mk_type(tmp_path):
    codes = np.linspace(4, 68, 60)
    store = store_of(tmp_path / "s", codes, codes, ["atlas"] * 60)
    network = load_member(train(store, tmp_path / "r", recipe=recipe()))
    sequence, survey, _, _ = network(torch.rand(3, 3904) + 1, torch.ones(3, 3904))
    assert torch.equal(sequence, survey)
    assert not torch.allclose(sequence[0], sequence[1])


def test_disagreement_is_the_symmetric_divergence_of_pairs():
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    # Two pairs: rows 0 and 3 agree; rows 1 and 4 do not: (p - q)(logit p - logit q).
    p, q = 1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(-1.0))
    expected = (p - q) * (2.0 - 1.0)
    everything = torch.ones(5, dtype=torch.bool)
    found = disagreement([logits], everything, 2)
    assert float(found) == pytest.approx(expected / 2, rel=1e-5)
    assert float(disagreement([logits, logits], everything, 2)) == pytest.approx(expected, rel=1e-5)
    everything[4] = False  # one of the second pair was made into something else
    assert float(disagreement([logits], everything, 2)) == 0.0


def test_consistency_makes_two_versions_of_a_spectrum_agree(store, tmp_path):
    spread = []
    codes = np.linspace(5, 65, 40)
    twice = [run_chain(star_batch(codes, seed=s, snr=15), standard_chain()) for s in (1, 2)]
    for name, weight in (("without", 0.0), ("with", 3.0)):
        run = train(store, tmp_path / name, recipe=recipe(epochs=5, steps=20, consistency=weight))
        network, said = load_member(run), []
        for batch in twice:
            good = torch.from_numpy(~batch.mask).float()
            with torch.no_grad():
                sequence, *_ = network(torch.from_numpy(batch.flux) * good, good)
            said.append(sequence.softmax(dim=1).reshape(len(codes), 7, -1).sum(dim=2))
        spread.append(float((said[0] - said[1]).abs().sum(dim=1).mean()))
    assert spread[1] < 0.9 * spread[0]
