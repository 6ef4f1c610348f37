"""Statistics of synthetic against real on samples whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from spectype.fidelity import distances
from spectype.fidelity import two_sample as module
from spectype.fidelity.distances import copying, coverage, diversity, mann_whitney_z
from spectype.fidelity.two_sample import auc_interval, two_sample

DIM = 12


def sample(n: int, seed: int, *, shift: float = 0.0) -> np.ndarray:
    """Spectra of one population: three directions that vary much, the others little."""
    rng = np.random.default_rng(seed)
    scale = np.where(np.arange(DIM) < 3, 1.0, 0.2)
    return shift * np.eye(DIM)[0] + scale * rng.standard_normal((n, DIM))


def stars(n: int, each: int = 1) -> np.ndarray:
    return np.array([f"s{i // each}" for i in range(n)])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "REPEATS", 1)
    monkeypatch.setattr(distances, "PERMUTATIONS", 1999)


def test_one_population_is_not_told_apart():
    found = two_sample(sample(60, 1), sample(90, 2), stars=stars(60))
    # The strongest of four is above a coin by choice.
    assert all(one.low < 0.55 and one.high > 0.5 for one in found)
    assert found[0].value == max(one.value for one in found) < 0.7


def test_a_shifted_population_is_told_apart():
    found = two_sample(sample(30, 1), sample(60, 2, shift=4.0), stars=stars(30))
    assert found[0].value > 0.97 and found[0].low > 0.85
    assert found[0].high == pytest.approx(1.0)


def test_widths_make_a_classifier_of_their_own():
    rng = np.random.default_rng(3)
    widths = (rng.normal(0, 1, (40, 2)), rng.normal(5, 1, (60, 2)))
    widths[0][::3, 0] = np.nan  # not measured
    found = two_sample(sample(40, 1), sample(60, 2), stars=stars(40), widths=widths)
    assert found[0].name == "logistic regression on line widths" and found[0].value > 0.98


def test_exposures_of_a_star_count_once_and_stay_together():
    # Ten stars, six exposures each: the star's own offset would be learnt if folds split it.
    rng = np.random.default_rng(5)
    real = np.repeat(sample(10, 4), 6, axis=0) + 0.01 * rng.standard_normal((60, DIM))
    split_by_star = two_sample(real, sample(60, 6), stars=stars(60, 6))
    by_spectrum = two_sample(real, sample(60, 6), stars=stars(60))
    assert split_by_star[0].n_real == 10
    neighbours = [
        next(a for a in found if a.name == "nearest neighbours").value
        for found in (split_by_star, by_spectrum)
    ]
    assert neighbours[1] > 0.9 > neighbours[0] + 0.15
    assert split_by_star[0].high - split_by_star[0].low > by_spectrum[0].high - by_spectrum[0].low


def test_auc_interval_covers_and_is_honest_at_the_ends():
    low, high = auc_interval(1.0, 6, 100)
    assert high == 1.0 and 0.6 < low < 0.95
    mirrored = auc_interval(0.0, 6, 100)
    assert mirrored == pytest.approx((0.0, 1 - low), abs=1e-3)
    assert auc_interval(float("nan"), 5, 5) == (0.0, 1.0)
    # Two Gaussians 0.954 sigma apart have an AUC of 0.75.
    rng = np.random.default_rng(8)
    inside = 0
    for _ in range(300):
        a, b = rng.normal(0, 1, 12), rng.normal(0.9539, 1, 40)
        found = roc_auc_score(np.repeat([0, 1], [12, 40]), np.concatenate([a, b]))
        low, high = auc_interval(float(found), 12, 40)
        inside += low <= 0.75 <= high
    assert 0.92 <= inside / 300 <= 0.99


def test_z_of_mann_whitney_is_scipys():
    rng = np.random.default_rng(2)
    test, made = rng.random(15), 0.6 * rng.random(40)
    z = mann_whitney_z(test, made)
    p = mannwhitneyu(made, test, alternative="less", method="asymptotic", use_continuity=False)
    from scipy.stats import norm

    assert norm.cdf(z) == pytest.approx(p.pvalue, rel=1e-6)


def test_copies_are_caught_and_new_spectra_are_not():
    train, test = sample(60, 1), sample(30, 2)
    rng = np.random.default_rng(3)
    copies = train[rng.integers(60, size=100)] + 0.02 * rng.standard_normal((100, DIM))
    caught = copying(train, test, copies)
    assert caught.statistic < -4 and caught.p_copying < 1e-3 and caught.cells == 5
    fresh = copying(train, test, sample(100, 4))
    assert fresh.p_copying > 0.05 and fresh.p_remote > 0.05
    remote = copying(train, test, sample(100, 4) * 1.8, cells=1)
    assert remote.p_remote < 1e-3 < remote.p_copying


def test_copying_does_not_accuse_the_innocent_more_than_its_level():
    # Five held-out stars, forty trials: p below 0.1 in about four of them.
    low = [
        copying(sample(20, 3 * i), sample(5, 3 * i + 1), sample(40, 3 * i + 2)).p_copying
        for i in range(40)
    ]
    assert sum(p < 0.1 for p in low) <= 9
    assert 0.3 < np.mean(low) < 0.7


def test_one_held_out_star_has_no_power():
    train = sample(20, 1)
    assert copying(train, sample(1, 2), train.repeat(2, axis=0)).p_copying > 0.01


def test_coverage_of_one_population_is_what_theory_says():
    found = [coverage(sample(20, 2 * i), sample(50, 2 * i + 1)) for i in range(12)]
    value = np.mean([f.coverage.value for f in found])
    assert value == pytest.approx(found[0].expected, abs=0.06)
    assert np.mean([f.density.value for f in found]) == pytest.approx(1.0, abs=0.25)
    assert all(f.n == 20 and f.k == 5 for f in found)


def test_a_collapsed_generator_covers_little_and_varies_little():
    real = sample(30, 1)
    rng = np.random.default_rng(2)
    made = real[:1] + 0.01 * rng.standard_normal((80, DIM))
    found = coverage(real, made)
    assert found.coverage.value < 0.4 < found.expected and found.coverage.high < found.expected
    ratio = diversity(real, made)
    assert ratio.value < 0.05 and ratio.high < 0.1


def test_diversity_of_one_population_is_one():
    ratio = diversity(sample(30, 1), sample(80, 2))
    assert ratio.low < 1.0 < ratio.high and 0.7 < ratio.value < 1.4


def test_everything_is_seeded():
    real, made = sample(20, 1), sample(30, 2)
    for again in (
        lambda: copying(real, sample(10, 3), made, seed=5),
        lambda: coverage(real, made, seed=5),
        lambda: diversity(real, made, seed=5),
        lambda: two_sample(real, made, stars=stars(20), seed=5),
    ):
        assert again() == again()
