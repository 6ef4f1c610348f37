"""Limits of the conformal sets, and what a label says, on cases whose answer is known."""

import numpy as np
import pytest

from spectype.classify.posterior import type_sets
from spectype.learn.calibration import (
    LEAST_MASS,
    conformal_mass,
    fit_types,
    type_probability,
)
from spectype.learn.targets import soft_targets


def stars(n, *, seed):
    """G stars the model knows and K stars it mostly calls G: probabilities, truth, S/N."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([4, 5], n, p=[0.8, 0.2])
    p_k = np.where(truth == 5, rng.beta(2, 3, n), rng.beta(1, 12, n))
    types = np.zeros((n, 7))
    types[:, 4], types[:, 5] = 1 - p_k, p_k
    return types, truth, rng.uniform(5, 200, n)


def covered(table, types, truth, snr):
    """Whether each star's set holds its type, and the sizes of the sets."""
    rows = np.searchsorted(table["snr_edges"], snr, side="right")
    sets = type_sets(types, np.asarray(table["mass"])[rows, types.argmax(1)])
    hold = np.array(["OBAFGKM"[t] in s for t, s in zip(truth, sets)])
    return hold, np.array([len(s.split()) for s in sets])


def test_sets_hold_as_often_as_promised_and_grow_with_doubt():
    table = conformal_mass(*stars(4000, seed=1))
    types, truth, snr = stars(4000, seed=2)
    hold, size = covered(table, types, truth, snr)
    assert 0.88 < hold.mean() < 0.94
    sure = types.max(axis=1)
    assert size[sure < 0.6].min() == 2  # who doubts names two
    assert size[sure > 0.95].max() == 1
    # The types that are mostly mistaken are in the sets more often than they are the best type.
    k = truth == 5
    assert hold[k].mean() > (types[k].argmax(1) == 5).mean() + 0.2


def test_where_the_best_type_is_always_right_the_least_mass_decides():
    n = 400
    types = np.zeros((n, 7))
    types[:, 3] = np.linspace(0.51, 0.99, n)
    types[:, 4] = 1 - types[:, 3]
    table = conformal_mass(types, np.full(n, 3), np.full(n, 30.0))
    assert np.allclose(table["mass"], LEAST_MASS)
    _, size = covered(table, types, np.full(n, 3), np.full(n, 30.0))
    assert (size == np.where(types[:, 3] < LEAST_MASS, 2, 1)).all()


def test_a_type_with_few_calibration_stars_takes_the_mass_of_all():
    types, truth, snr = stars(300, seed=3)
    table = conformal_mass(types, truth, snr)
    for row in table["mass"]:
        assert row[0] == row[6] == row[1]


def test_soft_labels_know_their_neighbours_and_their_side():
    codes = np.array([49.0, 50.0, 54.0])
    soft = soft_targets(codes, np.full(3, 0.9))
    np.testing.assert_allclose(soft.sum(axis=1), 1.0, rtol=1e-5)
    sums = soft.reshape(3, 7, 20).sum(axis=2)
    assert 0 < sums[0, 5] < 0.1 and 0 < sums[1, 4] < 0.1  # G9 and K0 are neighbours
    assert sums[2, 5] > 0.999
    assert (soft.argmax(axis=1) == 2 * codes).all()


def too_many_g(n, *, seed, factor=2.0, temperature=1.3):
    """Logits (n, 140) of a network too sure that has seen `factor` times too many G stars."""
    rng = np.random.default_rng(seed)
    right = rng.normal(0, 1.5, (n, 7))
    chance = np.exp(right) / np.exp(right).sum(axis=1, keepdims=True)
    truth = (rng.random((n, 1)) > chance.cumsum(axis=1)).sum(axis=1)
    right[:, 4] += np.log(factor)
    return np.repeat(right * temperature, 20, axis=1).astype(np.float32), truth


def test_a_bias_takes_back_what_training_had_too_much_of():
    logits, truth = too_many_g(4000, seed=4)
    temperature, bias = fit_types(logits, truth)
    assert 1.2 < temperature < 1.4
    others = np.delete(bias, 4)
    assert np.ptp(others) < 0.25
    assert bias[4] - others.mean() == pytest.approx(-np.log(2.0), abs=0.12)
    new, known = too_many_g(4000, seed=5)
    expected = type_probability(new, temperature, bias).mean(axis=0)
    np.testing.assert_allclose(expected, np.bincount(known, minlength=7) / 4000, atol=0.02)
    assert type_probability(new, temperature).mean(axis=0)[4] > expected[4] + 0.05


def test_few_stars_hardly_bias_and_none_do_not():
    logits, truth = too_many_g(30, seed=6)
    assert np.abs(fit_types(logits, truth)[1]).max() < 0.5
    assert fit_types(logits, truth, biased=False)[1] == [0.0] * 7
