"""Calibration, conformal sets and detection of strangers on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from spectype.judge import calibration


def test_honest_probabilities_have_no_error_and_boasting_has(rng: np.random.Generator) -> None:
    p = rng.uniform(0.2, 1.0, 40_000)
    honest = calibration.reliability(p, rng.uniform(size=p.size) < p)
    boast = calibration.reliability(p, rng.uniform(size=p.size) < p - 0.15)
    assert calibration.expected_calibration_error(honest) < 0.01
    assert calibration.expected_calibration_error(boast) == pytest.approx(0.15, abs=0.01)
    inside = [b.right.low <= b.stated <= b.right.high for b in honest]
    assert np.mean(inside) > 0.75


def test_bins_hold_their_edges() -> None:
    bins = calibration.reliability([0.0, 0.5, 1.0, np.nan], [False, True, True, True], n_bins=2)
    assert [(b.low, b.right.n) for b in bins] == [(0.0, 2), (0.5, 1)]
    assert calibration.expected_calibration_error(bins) == pytest.approx((2 * 0.25 + 0) / 3)
    assert np.isnan(calibration.expected_calibration_error([]))


def test_calibration_error_equals_its_definition(rng: np.random.Generator) -> None:
    p = rng.uniform(size=500)
    right = rng.uniform(size=500) < p**2
    found = calibration.expected_calibration_error(calibration.reliability(p, right, n_bins=10))
    place = np.minimum((p * 10).astype(int), 9)
    by_hand = sum(
        abs(p[place == i].sum() - right[place == i].sum()) for i in range(10)
    ) / 500  # fmt: skip
    assert found == pytest.approx(by_hand)


def test_log_loss_equals_scikit_learn(rng: np.random.Generator) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    p = rng.dirichlet(np.ones(7), 50)
    true = list("OBAFGKM" * 7 + "O")
    order = np.argsort(list("OBAFGKM"))
    assert calibration.log_loss(p, true) == pytest.approx(
        sklearn.log_loss(true, p[:, order], labels=sorted("OBAFGKM"))
    )


def test_conformal_sets_by_hand() -> None:
    found = calibration.conformal_sets(
        ["A", "A F", "", None, "F G K"], ["A", "F", "A", "G", "M"], stars=["1", "1", "2", "3", "4"]
    )
    assert found.coverage.value == pytest.approx(2 / 5)
    assert found.coverage.n_stars == 4
    assert found.mean_size == pytest.approx(6 / 5)
    assert (found.single, found.empty) == (pytest.approx(0.2), pytest.approx(0.4))
    assert found.by_type["A"].value == 0.5 and found.by_type["M"].value == 0.0
    assert "O" not in found.by_type


def test_detection_against_scikit_learn(rng: np.random.Generator) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    known, strangers = rng.normal(size=2000), rng.normal(2.0, 1.0, 300)
    found = calibration.detection(known, strangers)
    assert (known > found.threshold).mean() <= 0.05
    assert (known > found.threshold).mean() > 0.045
    # A normal score 2 sigma apart: P(x > 1.645 - 2) = 0.639.
    assert found.detected.value == pytest.approx(0.639, abs=0.06)
    labels = np.r_[np.zeros(2000), np.ones(300)]
    assert found.area == pytest.approx(sklearn.roc_auc_score(labels, np.r_[known, strangers]))


def test_detection_with_ties_and_gaps() -> None:
    found = calibration.detection([0.0, 0.0, np.nan, 0.0], [0.0, 1.0, np.nan])
    assert found.detected.value == pytest.approx(1 / 3)
    assert found.area == pytest.approx((0.5 + 1.0 + 0.0) / 3)
    with pytest.raises(ValueError, match="strangers"):
        calibration.detection([1.0], [])
