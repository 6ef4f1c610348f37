"""Scores against scikit-learn, known intervals and cases counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.core import mk
from spectype.judge import metrics, repeats

TYPES = list(mk.TYPES)


def random_types(rng: np.random.Generator, n: int = 600) -> tuple[list[str], list[str]]:
    true = rng.choice(TYPES, n, p=[0.02, 0.08, 0.2, 0.25, 0.25, 0.15, 0.05])
    moved = np.array([mk.index(t) for t in true]) + rng.choice([-1, 0, 0, 0, 1], n)
    return list(true), [TYPES[i] for i in np.clip(moved, 0, 6)]


def test_scores_equal_scikit_learn(rng: np.random.Generator) -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    true, predicted = random_types(rng)
    counts = metrics.confusion(true, predicted)
    np.testing.assert_array_equal(
        counts[:, :7], sklearn.confusion_matrix(true, predicted, labels=TYPES)
    )
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        true, predicted, labels=TYPES
    )
    scores = metrics.by_class(true, predicted)
    np.testing.assert_allclose([s.recall.value for s in scores], recall)
    np.testing.assert_allclose([s.precision.value for s in scores], precision)
    np.testing.assert_allclose([s.f1 for s in scores], f1)
    np.testing.assert_array_equal([s.recall.n for s in scores], support)
    assert metrics.macro(scores) == pytest.approx(sklearn.balanced_accuracy_score(true, predicted))
    assert metrics.macro(scores, "f1") == pytest.approx(
        sklearn.f1_score(true, predicted, average="macro")
    )


def test_untyped_spectra_are_misses() -> None:
    true, predicted = ["A", "A", "A", "F"], ["A", None, "", "F"]
    counts = metrics.confusion(true, predicted)
    assert counts[2].tolist() == [0, 0, 1, 0, 0, 0, 0, 2]
    assert metrics.by_class(true, predicted)[2].recall.value == pytest.approx(1 / 3)


def test_unknown_truth_is_left_out() -> None:
    assert metrics.confusion(["A", None, "WD"], ["A", "A", "A"]).sum() == 1
    assert metrics.by_class(["A", None], ["A", "A"])[2].precision.n == 1


def test_class_never_seen_is_nan_and_out_of_the_mean() -> None:
    scores = metrics.by_class(["A", "A"], ["A", "F"])
    by_name = {s.name: s for s in scores}
    assert np.isnan(by_name["O"].f1) and np.isnan(by_name["O"].recall.value)
    assert by_name["F"].f1 == 0.0
    assert metrics.macro(scores) == pytest.approx(0.5)


def test_wilson_known_values() -> None:
    # Newcombe 1998, Stat. Med. 17, 857, table I, method 3.
    for k, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
    ]:
        assert metrics.wilson(k, n) == pytest.approx((low, high), abs=1e-4)
    assert metrics.wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_holds_the_share_and_shrinks(k: int, n: int) -> None:
    k = min(k, n)
    low, high = metrics.wilson(k, n)
    assert 0 <= low <= k / n + 1e-12 and k / n - 1e-12 <= high <= 1
    wide_low, wide_high = metrics.wilson(k / 4, n / 4)
    assert wide_high - wide_low >= high - low


def test_intervals_count_stars_not_spectra() -> None:
    hits = np.tile([True, True, False, True], 25)
    few = metrics.share(hits, stars=np.repeat(np.arange(10), 10))
    many = metrics.share(hits)
    assert few.value == many.value == 0.75
    assert (few.n, few.n_stars, many.n_stars) == (100, 10, 100)
    assert few.high - few.low > 2 * (many.high - many.low)


def test_code_score_by_hand() -> None:
    score = metrics.code_score([42.0, 44.0, np.nan, 30.0], [43.0, 41.0, 10.0, 30.0])
    assert score.mean_abs == pytest.approx(4 / 3)
    assert score.median_abs == 1.0
    assert score.bias == pytest.approx(-2 / 3)
    assert score.within_one == pytest.approx(2 / 3)
    assert (score.n, score.n_stars) == (3, 3)
    assert score.low < score.mean_abs < score.high
    assert metrics.code_score([np.nan], [1.0]).n == 0


def test_code_interval_covers_the_truth(rng: np.random.Generator) -> None:
    held = 0
    for _ in range(300):
        errors = rng.normal(0, 1.5, 80)
        score = metrics.code_score(np.zeros(80), errors)
        held += score.low <= 1.5 * np.sqrt(2 / np.pi) <= score.high
    assert 0.90 <= held / 300 <= 0.99


def test_bins_of_snr() -> None:
    snr = [3.0, 7.0, 7.0, 60.0, np.nan, 5.0]
    right = [False, True, False, True, True, True]
    bins = metrics.by_snr(snr, right, true_code=np.zeros(6), code=np.arange(6.0))
    assert [(b.low, b.accuracy.n) for b in bins] == [(0, 1), (5, 3), (50, 1)]
    assert bins[1].accuracy.value == pytest.approx(2 / 3)
    assert bins[1].code.mean_abs == pytest.approx((1 + 2 + 5) / 3)
    assert bins[0].coverage is None
    held = [True, True, False, True, False, True]
    bins = metrics.by_snr(snr, right, true_code=np.zeros(6), code=np.arange(6.0), covered=held)
    for b in bins:
        inside = [h for h, s in zip(held, snr, strict=True) if b.low <= s < b.high]
        assert b.coverage is not None and b.coverage.value == pytest.approx(np.mean(inside))


def test_repeatability_by_hand() -> None:
    stars = ["a", "a", "a", "b", "b", "c", None, None, ""]
    types = ["G", "G", "K", "F", "F", "A", "A", "A", "B"]
    codes = [49.0, 49.5, 50.5, 32.0, 34.0, 25.0, 0.0, 9.0, 12.0]
    found = repeats.repeatability(stars, types, codes)
    assert (found.agreement.n, found.agreement.n_stars) == (4, 2)
    assert found.agreement.value == pytest.approx(2 / 4)
    assert found.mean_abs == pytest.approx((0.5 + 1.5 + 1.0 + 2.0) / 4)
    assert found.median_abs == pytest.approx(1.25)
    nothing = repeats.repeatability(["a"], ["G"], [42.0])
    assert nothing.agreement.n == 0 and np.isnan(nothing.mean_abs)


def test_repeats_by_the_poorer_exposure_with_the_labels_beside() -> None:
    stars = ["a", "a", "b", "b", "c", "c"]
    found = repeats.repeats_by_snr(
        stars,
        [80.0, 30.0, 60.0, 90.0, 70.0, np.nan],
        types=["A", "F", "G", "G", "K", "K"],
        codes=[28.0, 30.0, 41.0, 41.5, 50.0, 50.0],
        labels=["A", "A", "G", "K", "K", "K"],
        label_codes=[28.0, 29.0, 48.0, 50.0, 50.0, 50.0],
    )
    # The star c has an exposure of unknown S/N: its pair is in no bin.
    assert [(r.low, r.high) for r in found] == [(20.0, 50.0), (50.0, np.inf)]
    poor, good = found
    assert poor.predicted.agreement.value == 0.0 and poor.labels.agreement.value == 1.0
    assert good.predicted.agreement.value == 1.0 and good.labels.agreement.value == 0.0
    assert good.predicted.mean_abs == pytest.approx(0.5) and good.labels.mean_abs == 2.0


def test_macro_f1_of_some_classes_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(8)
    classes = np.array(["I", "II", "III", "IV", "V"])
    true = rng.choice(classes, 300)
    predicted = np.where(rng.random(300) < 0.7, true, rng.choice(classes, 300))
    stars = [str(i // 2) for i in range(300)]
    wanted = ["I", "III", "V"]
    mean, low, high = metrics.macro_f1(true, predicted, labels=wanted, stars=stars)
    assert mean == pytest.approx(f1_score(true, predicted, labels=wanted, average="macro"))
    assert low < mean < high and 0.05 < high - low < 0.25
    only = metrics.macro_f1(["V"] * 4, ["V"] * 4, labels=wanted, stars=["1", "2", "3", "4"])
    assert only == (1.0, 1.0, 1.0)  # classes without a member do not count
    assert np.isnan(metrics.macro_f1([], [], labels=wanted, stars=[])[0])
