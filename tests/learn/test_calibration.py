"""Limits of the conformal sets, and what a label says, on cases whose answer is known."""

import numpy as np
import pytest

from spectype.classify.posterior import type_sets
from spectype.learn.calibration import (
    conformal_limits,
    fit_types,
    lower_quantile,
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
    """Whether each star's set holds its type."""
    limits = np.asarray(table["limits"])[np.searchsorted(table["snr_edges"], snr)]
    sets = type_sets(types, limits)
    return np.array(["OBAFGKM"[t] in s for t, s in zip(truth, sets)])


def test_sets_hold_for_the_type_that_is_mistaken_too():
    table = conformal_limits(*stars(4000, seed=1))
    types, truth, snr = stars(4000, seed=2)
    hold = covered(table, types, truth, snr)
    assert 0.87 < hold[truth == 5].mean() < 0.93
    assert hold[truth == 4].mean() > 0.87
    # One limit for all types would leave the K stars behind.
    one = lower_quantile(types[np.arange(4000), truth])
    assert (types[truth == 5, 5] >= one).mean() < 0.8


def test_the_likeliest_type_is_in_its_set_whatever_its_limit():
    types = np.array([[0, 0, 0, 0.45, 0.42, 0.13, 0], [0, 0, 0, 0.1, 0.9, 0, 0]])
    limits = np.array([[0.35, 0.35, 0.35, 0.46, 0.36, 0.36, 0.36]] * 2)
    assert type_sets(types, limits) == ["F G", "G"]


def test_a_type_with_few_calibration_stars_takes_the_limit_of_all():
    types, truth, snr = stars(300, seed=3)
    truth[truth == 5] = 4
    table = conformal_limits(types, truth, snr)
    for row in table["limits"]:
        assert row[5] == row[0] == row[6]


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
