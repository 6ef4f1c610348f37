import numpy as np
import pytest
import torch

from spectype.core.errors import DataError, UsageError
from spectype.core.files import read_manifest
from spectype.generate.recipes import FlowConfig, WassersteinConfig
from spectype.refine import flow, wasserstein
from spectype.refine.lessons import BIN, Stars, from_bins, lessons, to_bins
from spectype.refine.networks import FEATURES, encode
from spectype.refine.neural_training import find_simulator, train_neural
from spectype.refine.order import Order
from spectype.refine.plane import points
from spectype.refine.registry import load_generator
from tests.refine.conftest import REST, width

LEARNERS = {"wasserstein": (wasserstein.Adversary, WassersteinConfig),
            "flow": (flow.Flow, FlowConfig)}  # fmt: skip


def tiny(recipe, **options):
    """A learner of few weights and steps."""
    learner, config = LEARNERS[recipe]
    small = {"steps": 2, "batch": 2, "epochs": 2, "simulated": 1, "pool": 60}
    if recipe == "flow":
        small |= {"components": 12, "width": 32, "moves": 4}
    return learner, config(**small | options)


@pytest.fixture(scope="module")
def taught(store, trained):
    rows = read_manifest(trained, "gan")["training_rows"]
    return lessons(store, find_simulator(str(trained))[1], rows=rows, pool=60, seed=1)


def test_bins_keep_a_ratio_and_pass_over_gaps():
    log = 0.2 * np.sin(np.arange(400) / 9.0)[None].astype(np.float32)
    log = np.concatenate([log, [[0.5, -0.5]]], axis=1).astype(np.float32)
    good = np.ones(log.shape, bool)
    good[0, 100:140] = False
    values, known = to_bins(log, good, 400)
    assert known.sum() == 400 // BIN - 20 + 2 and not values[0, 50:70].any()
    back = from_bins(to_bins(log, np.ones_like(good), 400)[0], 400, 2)
    assert back[:, 1:399] == pytest.approx(log[:, 1:399], abs=2e-3)
    assert back[0, 400:].tolist() == [0.5, -0.5]


def test_real_stars_keep_their_light_whatever_class_is_drawn(taught, trained):
    """A version over another simulated star is that much more: their product stays."""
    simulator = find_simulator(str(trained))[1]
    light, _ = simulator.atlas.light(taught.real.at)
    n = REST.size // BIN
    log = (
        taught.real.values[:, :n] * taught.scale[:n]
        + to_bins(light, np.ones(light.shape, bool), REST.size)[0]
    )
    both = taught.real.good[0, :n] & taught.real.good[1, :n]
    assert log[0, both] == pytest.approx(log[1, both], abs=1e-5)
    assert taught.alone.any() and not taught.alone.all()
    # The toy store's noise of 1 % a pixel, as bins of two have it.
    noise = np.median((taught.real.noise * taught.scale)[:, 200:1500])
    assert noise == pytest.approx(0.01 / np.sqrt(2), rel=0.35)


def test_what_a_star_does_not_show_teaches_nothing():
    torch.manual_seed(0)
    critic = wasserstein.Critic(200, 10)
    good = torch.ones(3, 210)
    good[:, 50:90] = 0
    values = torch.randn(3, 210, requires_grad=True)
    condition = torch.randn(3, FEATURES)
    verdict = critic(values, good, condition)
    (slope,) = torch.autograd.grad(verdict.sum(), values)
    assert not slope[:, 50:90].any() and slope[:, :50].abs().min() > 0
    other = torch.where(good > 0, values, values + 100)
    assert torch.equal(critic(other, good, condition), verdict)


def test_the_penalty_is_how_far_the_slope_is_from_one():
    def plane(values, good, condition):
        return 3.0 * (values * good)[:, :4].sum(dim=1)

    real, fake = torch.zeros(5, 6), torch.ones(5, 6)
    found = wasserstein.slope_penalty(plane, real, fake, torch.ones(5, 6), torch.zeros(5, 1))
    assert float(found) == pytest.approx((3.0 * 2.0 - 1.0) ** 2)


def test_components_of_a_star_are_found_beside_its_gaps():
    rng = np.random.default_rng(1)
    axes = np.linalg.qr(rng.normal(size=(60, 4)))[0].T * np.array([[8.0], [4.0], [2.0], [1.0]])
    z = rng.normal(size=(400, 4))
    parts = flow.Components.of((z @ axes).astype(np.float32), 4)
    assert parts.basis.shape == (4, 60)
    values = (z[:5] @ axes).astype(np.float32)
    good = np.ones(values.shape, bool)
    good[:, 40:] = False
    stars = Stars(np.where(good, values, 0), good, np.zeros_like(values), np.zeros((5, 5)))
    scores = parts.scores(stars, 1e-4, np.zeros((5, 4), np.float32))
    assert parts.mean + scores @ parts.basis == pytest.approx(values, abs=0.05)


@pytest.mark.parametrize("recipe", LEARNERS)
def test_resumption_gives_the_same_weights_to_the_bit(recipe, taught, trained):
    make, config = tiny(recipe)
    simulator = find_simulator(str(trained))[1]
    whole, first = (make(taught, simulator, config) for _ in range(2))
    for number in range(2):
        whole.epoch(number)
    first.epoch(0)
    kept = {k: v.clone() for k, v in first.tensors().items()}
    second = make(taught, simulator, config)
    second.restore(kept)
    second.epoch(1)
    names = [k for k in kept if k != "clock"]
    ends = whole.tensors(), second.tensors()
    assert all(torch.equal(ends[0][k], ends[1][k]) for k in names)
    assert any(not torch.equal(kept[k], ends[0][k]) for k in names)


@pytest.fixture(scope="module")
def flowing(store, trained, tmp_path_factory):
    make, config = tiny("flow", simulator=str(trained), epochs=5, simulated=3, steps=60,
                        batch=64, pool=200, width=64, moves=6, averaging=0.97, learning_rate=3e-3,
                        checkpoint_every=9)  # fmt: skip
    return train_neural(store, tmp_path_factory.mktemp("flow") / "g", config, make)


def test_samples_follow_what_was_ordered(flowing, trained):
    made, refined = load_generator(flowing), load_generator(trained)
    he_ii = {}
    for code in (6.0, 15.0):
        at = np.repeat(points(np.array([code]), 0.0, 0.0), 60, axis=0)
        drawn = made.sample(60, at=at, seed=1)
        he_ii[code] = width(drawn, "HeII4541")
        # The mean star is that of the simulator, which is that of the real ones.
        mean = refined.sample(60, at=at, seed=2).flux.mean(axis=0)
        bare = np.exp(refined.atlas.light(at[:1])[0][0])
        off, before = (np.abs(flux - mean).mean() for flux in (drawn.flux.mean(axis=0), bare))
        assert off < 0.75 * before or code > 10
    assert he_ii[6.0] > 0.6 and abs(he_ii[15.0]) < 0.35 * he_ii[6.0]
    giant = Order(type="O", subclass="6-7", luminosity="I").draw(made, 5, seed=3)
    assert giant.labels["extrapolated"].all() and set(giant.labels["luminosity"]) <= {"I", "II"}
    assert np.isfinite(giant.flux).all() and not np.array_equal(giant.flux[0], giant.flux[1])


def test_a_training_says_how_it_went(flowing):
    manifest = read_manifest(flowing, "gan")
    assert manifest["recipe"] == "flow" and manifest["types"] == "OBA"
    assert set(manifest["check"]) == {"O", "B", "A"}
    assert (flowing / "figures" / "fidelity.png").exists() and (flowing / "stars.npz").exists()


def test_what_cannot_be_learnt_from_is_refused(store, trained, flowing, tmp_path):
    make, config = tiny("wasserstein")
    with pytest.raises(UsageError, match="--simulator"):
        train_neural(store, tmp_path / "a", config, make)
    make, config = tiny("wasserstein", simulator=str(flowing))
    with pytest.raises(DataError, match="of the flow recipe"):
        train_neural(store, tmp_path / "a", config, make)
    make, config = tiny("wasserstein", simulator=str(trained))
    with pytest.raises(DataError, match="another configuration"):
        train_neural(store, flowing, config, make)
    with pytest.raises(UsageError, match="code nan cannot be simulated"):
        load_generator(flowing).sample(2, code=float("nan"))
    for odd in ({"steps": 0}, {"rehearsal": 1.0}, {"learning_rate": 0.0}, {"penalty": 0.0}):
        with pytest.raises(UsageError):
            WassersteinConfig(**odd)


def test_places_are_told_apart():
    at = points(np.array([3.0, 3.5, 29.0]), np.array([0.0, 0.0, 2.0]), 0.0)
    told = encode(at)
    assert told.shape == (3, FEATURES) and np.abs(told).max() < 2
    assert np.linalg.norm(told[0] - told[1]) > 0.3 and np.linalg.norm(told[0] - told[2]) > 2
