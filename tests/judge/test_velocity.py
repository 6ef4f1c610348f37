"""Scores of velocities on numbers whose answer is known."""

import numpy as np
import pytest

from spectype.judge import velocity


def test_agreement_of_normal_deviates(rng):
    error = rng.uniform(2, 6, 40_000)
    true = rng.uniform(-100, 100, error.size)
    measured = true + 3.0 + error * rng.standard_normal(error.size)
    measured[::10] += 500.0  # a tenth are wrong
    measured[1::10] = np.nan
    found = velocity.agreement(measured, true, error)
    assert found.n == 36_000
    assert found.offset == pytest.approx(3.5, abs=0.3)
    assert found.scatter == pytest.approx(4.6, abs=0.4)
    honest = velocity.agreement(true + error * rng.standard_normal(error.size), true, error)
    assert honest.pull == pytest.approx(1.0, abs=0.02)
    assert velocity.agreement([np.nan], [0.0], [1.0]).n == 0


def test_pairs_are_every_two_spectra_of_a_star():
    assert velocity.pairs_of(["a", "b", "a", None, "a", None]).tolist() == [[0, 2], [0, 4], [2, 4]]
    assert velocity.pairs_of(["a", "b"]).shape == (0, 2)


def test_repeats_need_no_true_velocity(rng):
    star = np.repeat(np.arange(3000), 2)
    own = rng.uniform(-300, 300, 3000)[star]
    error = np.full(star.size, 4.0)
    found = velocity.repeats([str(s) for s in star], own + 4 * rng.standard_normal(6000), error)
    assert (found.n, found.pull) == (3000, pytest.approx(1.0, abs=0.05))
    assert found.scatter == pytest.approx(4 * np.sqrt(2), abs=0.3)


def test_factor_and_floor_are_recovered(rng):
    sigma = rng.uniform(1, 20, 50_000)
    deviates = rng.standard_normal(sigma.size)
    assert velocity.fit_factor(1.3 * sigma * deviates, sigma) == pytest.approx(1.3, abs=0.02)
    assert velocity.fit_floor(np.hypot(sigma, 5) * deviates, sigma) == pytest.approx(5, abs=0.3)
    assert velocity.fit_floor(0.5 * sigma * deviates, sigma) == 0
