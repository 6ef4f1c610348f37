"""Rare stars first: at their real frequency, one row a star, with an honest purity."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from spectype.classify.columns import COLUMNS, schema
from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.mine.prevalence import estimate, purity, shares, shifted, shifted_kind
from spectype.mine.rank import Cuts, rank
from spectype.mine.wanted import wanted

SURVEY = shares()


def results(types, **columns):
    """Results with these probabilities of the types, shape (n, 7)."""
    types = np.asarray(types, float)
    n = len(types)
    best = types.argmax(axis=1)
    table = {name: [None] * n for name in COLUMNS}
    table |= {f"p_{t}": types[:, i].tolist() for i, t in enumerate(mk.TYPES)}
    table |= {"path": [f"{i:06d}.fits" for i in range(n)],
              "obsid": [1000 + i for i in range(n)],
              "type": [mk.TYPES[i] for i in best], "snr": [20.0] * n, "flags": [0] * n,
              "subclass_code": (10.0 * best + 5).tolist(), "subclass_error": [1.0] * n,
              "luminosity": ["V"] * n, "luminosity_probability": [0.9] * n,
              "kind": ["star"] * n, "kind_probability": [0.9] * n, "p_star": [1.0] * n,
              "ood_score": [0.1] * n} | columns  # fmt: skip
    return pl.DataFrame(table, schema=schema()).lazy()


def order(frame, n=10, **options):
    cuts = options.pop("cuts", Cuts())
    share, floor = options.pop("prevalence", SURVEY), options.pop("floor", 0.0)
    return rank(frame, wanted(**options), prevalence=share, cuts=cuts, n=n, floor=floor)


def mixture(rng, n, share, sharpness=3.0):
    """True types drawn with these shares, and the posteriors of an evenly trained, ideal model."""
    truth = rng.choice(7, n, p=[share[t] for t in mk.TYPES])
    # A measurement on the sequence with unit scatter: its likelihood is the even posterior.
    seen = sharpness * truth + rng.standard_normal(n)
    like = np.exp(-0.5 * (seen[:, None] - sharpness * np.arange(7)) ** 2)
    return truth, like / like.sum(axis=1, keepdims=True)


def test_shift_is_bayes_theorem(rng):
    even = np.full((1, 7), 1 / 7)
    np.testing.assert_allclose(shifted(even, SURVEY)[0], [SURVEY[t] for t in mk.TYPES])
    certain = np.eye(7)
    np.testing.assert_allclose(shifted(certain, SURVEY), certain)
    share = {"O": 0.001, "B": 0.02, "A": 0.1, "F": 0.3, "G": 0.3, "K": 0.2, "M": 0.079}
    truth, types = mixture(rng, 200_000, share)
    p = shifted(types, share)[:, 0]
    some = (p > 0.2) & (p < 0.8)
    assert p.sum() == pytest.approx(
        (truth == 0).sum(), rel=0.1
    )  # calibrated where types[:, 0] is not
    assert types[:, 0].sum() > 2 * (truth == 0).sum()
    assert np.mean(truth[some] == 0) == pytest.approx(p[some].mean(), abs=0.12)


def test_frequencies_are_found_from_the_probabilities_alone(rng):
    share = {"O": 0.002, "B": 0.02, "A": 0.1, "F": 0.3, "G": 0.3, "K": 0.2, "M": 0.078}
    _, types = mixture(rng, 50_000, share)
    found = estimate(types)
    assert found["O"] == pytest.approx(share["O"], rel=0.3)
    assert all(found[t] == pytest.approx(share[t], rel=0.1) for t in "AFGKM")


def test_purity_of_a_planted_hunt_lies_in_its_interval(rng):
    share = {"O": 1e-3, "B": 0.02, "A": 0.1, "F": 0.3, "G": 0.3, "K": 0.2, "M": 0.079}
    truth, types = mixture(rng, 60_000, share)
    table = order(results(types), n=100, type="O", prevalence=share)
    true = truth[[int(path[:6]) for path in table["path"]]] == 0
    for depth in (20, 50, 100):
        low, high = table.select("purity_low", "purity_high").row(depth - 1)
        assert low <= true[:depth].mean() <= high
    assert true.sum() / (truth == 0).sum() > 0.85
    assert table["score"].is_sorted(descending=True)
    expected, low, high = purity(np.full(50, 0.5))
    assert expected[-1] == 0.5 and low[-1] < 0.5 < high[-1] and high[0] - low[0] > 0.9


def test_the_caution_of_a_network_is_not_taken_for_stars(rng):
    share = {"O": 1e-3, "B": 0.02, "A": 0.1, "F": 0.3, "G": 0.3, "K": 0.2, "M": 0.079}
    truth, ideal = mixture(rng, 60_000, share, sharpness=4.0)
    cautious = results(0.986 * ideal + 0.002)  # two thousandths for every type, however far
    found = {
        floor: order(cautious, n=50, type="O", prevalence=share, floor=floor)
        for floor in (0.0, 0.1)
    }
    true = (truth[[int(path[:6]) for path in found[0.1]["path"]]] == 0).mean()
    assert found[0.0]["purity_high"][-1] < true
    assert found[0.1]["purity_low"][-1] <= true <= found[0.1]["purity_high"][-1]


def test_a_b_star_is_not_an_o_star_at_the_survey_s_frequency():
    types = np.zeros((3, 7))
    types[:, 0], types[:, 1] = (0.6, 0.99, 0.9), (0.4, 0.01, 0.1)
    table = order(results(types, p_star=[1.0, 1.0, 0.2]), type="O")
    assert table["path"].to_list() == ["000001.fits", "000000.fits", "000002.fits"]
    odds = 0.6 / 0.4 * SURVEY["O"] / SURVEY["B"]
    assert table["score"][1] == pytest.approx(odds / (1 + odds), rel=1e-3)


def test_exposures_of_a_star_are_one_row_weighted_by_signal():
    types = np.zeros((5, 7))
    types[:, 0] = (0.999, 0.0, 0.99, 0.5, 0.97)
    types[:, 2] = 1 - types[:, 0]
    frame = results(
        types, ra=[10.0, 10.0002, 359.9999, None, 0.0001], dec=[5.0, 5.0001, 0.0, None, 0.0],
        snr=[5.0, 45.0, 10.0, 9.0, 30.0], object=[None, None, "HD 5", None, None],
    )  # fmt: skip
    table = order(frame, type="O", prevalence=dict.fromkeys(mk.TYPES, 1 / 7))
    stars = {row["path"]: row for row in table.to_dicts()}
    # The second exposure, of high S/N, is not O at all: it drags the first down.
    joined = stars["000001.fits"]
    assert joined["exposures"] == 2 and joined["obsids"] == "1001 1000"
    assert joined["score"] == pytest.approx((5 * 0.999 + 45 * 0) / 50, rel=1e-3)
    assert stars["000004.fits"]["exposures"] == 2  # across 0h
    assert stars["000003.fits"]["exposures"] == 1
    assert len(table) == 3 and table["rank"].to_list() == [1, 2, 3]


def test_subclasses_luminosity_and_kinds():
    types = np.zeros((4, 7))
    types[:, 1] = 1.0
    frame = results(types, subclass_code=[11.0, 15.0, 19.0, 11.0], luminosity=["V", "V", "V", "I"])
    table = order(frame, subclass="B0-B2")
    assert table["path"].to_list()[:2] == ["000000.fits", "000003.fits"]
    assert table["score"][0] == pytest.approx(0.92, abs=0.02)  # the normal's share of B0-B2.5
    table = order(frame, subclass="B0-B2", luminosity="I")
    assert table["path"][0] == "000003.fits" and table["score"][1] < 0.05
    kinds = results(
        types, kind=["carbon", "star", "carbon", "star"], kind_probability=[0.99, 1, 0.9, 1]
    )
    table = order(kinds, kind="carbon")
    assert table["path"].to_list() == ["000000.fits", "000002.fits"]
    yes, no = 0.99 * SURVEY["carbon"] * 13, 0.01 * (1 - SURVEY["carbon"]) * 13 / 12
    assert table["score"][0] == pytest.approx(yes / (yes + no), rel=1e-3)
    assert shifted_kind(np.array([1 / 13]), 0.2)[0] == pytest.approx(0.2)


def test_disagreement_is_where_the_survey_s_type_has_no_probability():
    types = np.zeros((5, 7))
    types[:, 1] = (0.9999, 0.9, 1.0, 0.9999, 0.6)
    types[:, 2] = 1 - types[:, 1]
    frame = results(types, label=["A2V", "A5", "B8", "Unknown", "gM3"])
    table = order(frame, disagree=True)
    assert table["path"].to_list() == ["000004.fits", "000000.fits", "000001.fits"]
    assert table["survey_type"].to_list() == ["M", "A", "A"]
    assert table["score"][0] == 1.0 and table["score"][2] < 0.2


def test_cuts_and_older_results(caplog):
    caplog.set_level("INFO")
    types = np.zeros((4, 7))
    types[:, 0] = 1.0
    frame = results(types, flags=[16, 0, 1, 0], snr=[9.0, 2.0, 9.0, None])
    assert order(frame, type="O")["path"].to_list() == [f"00000{i}.fits" for i in (1, 2, 3)]
    strict = Cuts(flags=("LOW_SNR",), min_snr=5.0)
    assert order(frame, type="O", cuts=strict)["path"].to_list() == ["000000.fits"]
    with pytest.raises(DataError, match="no row can be O"):
        order(frame, type="O", cuts=Cuts(min_snr=99.0))
    old = frame.drop("p_star", "kind", "kind_probability", "label")
    assert order(old, type="O")["score"][0] == pytest.approx(0.9)  # 1 - ood_score
    assert "no column p_star" in caplog.text
    for option in ({"kind": "carbon"}, {"disagree": True}):
        with pytest.raises(DataError, match="older version"):
            order(old, **option)


@pytest.mark.parametrize("options", [
    {}, {"type": "X"}, {"type": "O", "kind": "carbon"}, {"subclass": "B2-B0"}, {"subclass": "x"},
    {"type": "O", "luminosity": "VI"}, {"kind": "carbon", "luminosity": "I"},
])  # fmt: skip
def test_impossible_wishes_are_refused(options):
    with pytest.raises(UsageError):
        wanted(**options)


def test_spans_follow_what_is_printed():
    assert wanted(subclass="O9-B2").span == (8.5, 12.5) and wanted(subclass="O9-B2").types == (
        "O",
        "B",
    )
    assert wanted(subclass="B0").span == (10.0, 10.5) and wanted(subclass="B9").span == (18.5, 19.5)
    with pytest.raises(UsageError, match="no flag 'NONE'"):
        Cuts(flags=("NONE",))
