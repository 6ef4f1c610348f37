"""What is flagged: kinds told apart, false alarms counted on normal stars alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.classify.quality import signal_to_noise
from spectype.classify.runtime import load_model
from spectype.core.flags import Flag
from spectype.core.grid import STANDARD_GRID
from spectype.judge import page, strangers
from spectype.judge.scores import score
from tests.stars import star_batch

ODD = int(Flag.OUT_OF_DISTRIBUTION)


@pytest.fixture(scope="module")
def made():
    """White dwarfs, quasars and empty fibres: few, because atmospheres take time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strangers, "_SIMULATED", {"quasar": "QSO", "white dwarf": "WD"})
        return strangers.simulated(n=4, seed=2)


def test_simulated_kinds_look_like_what_they_are(made):
    kinds = np.array(made.get("kind"))
    assert [int((kinds == k).sum()) for k in ("quasar", "white dwarf", "empty fibre")] == [4] * 3
    snr = signal_to_noise(made)
    assert (np.abs(snr[kinds == "empty fibre"]) < 1.5).all() and (snr[kinds == "quasar"] > 2).all()
    # The Balmer lines of a white dwarf are broadened by its gravity: deep far from the centre.
    wing = np.abs(np.abs(STANDARD_GRID - 4862.7) - 25) < 8
    level = np.abs(np.abs(STANDARD_GRID - 4862.7) - 150) < 20
    dwarfs = made.flux[kinds == "white dwarf"]
    assert (np.median(dwarfs[:, wing], axis=1) < 0.97 * np.median(dwarfs[:, level], axis=1)).all()


def test_the_shipped_model_flags_quasars_and_empty_fibres(made):
    kinds = np.array(made.get("kind"))
    flags = load_model().predict(made)["flags"].to_numpy()
    odd = (flags & ODD) > 0
    assert odd[kinds == "empty fibre"].all() and odd[kinds == "quasar"].mean() >= 0.75


def test_fault_is_a_step_between_the_arms():
    stars = star_batch([42.0, 42.0])
    ratio = strangers.broken(stars).flux / stars.flux
    blue, red = (np.searchsorted(STANDARD_GRID, w) for w in (5000.0, 7000.0))
    assert ratio[:, blue] == pytest.approx(1.0)
    assert ratio[:, red] == pytest.approx([3.0, 1 / 3.0])
    assert signal_to_noise(strangers.broken(stars)) == pytest.approx(signal_to_noise(stars))


def test_real_kinds_are_told_apart():
    table = pl.DataFrame(
        {
            "true_kind": ["star", "star", "unknown", "unknown", "white dwarf", "other"],
            "kind": ["star", "star", "galaxy", "star", "white dwarf", "star"],
            "survey": ["lamost", "miles", "LAMOST LRS", "miles", "calspec", "miles"],
            "true_type": ["A", None, None, None, None, None],
            "star_id": list("abcdef"),
            "ood_score": [0.1] * 6,
            "flags": [0] * 6,
        }
    )
    found = strangers.real(table)
    # An unlabelled star of a library is no stranger, and no test of false alarms either.
    assert found["kind"].to_list() == ["star", "unknown to the survey", "white dwarf"]
    assert found["star_id"].to_list() == ["a", "c", "e"]
    scores = {s.kind: s for s in strangers.score_strangers(found)}
    assert scores["white dwarf"].named.value == 1 and scores["unknown to the survey"].named is None


def test_shares_are_counted_at_the_models_limit(predictions):
    table = pl.DataFrame(
        {
            "kind": ["star"] * 8 + ["galaxy"] * 4 + ["carbon"] * 2,
            "origin": ["lamost"] * 5 + ["miles"] * 3 + ["simulated"] * 4 + ["miles"] * 2,
            "star_id": [str(i) for i in range(14)],
            "ood_score": [0.5] * 14,
            "flags": [ODD, 1, 0, 0, 0, ODD | 1, 0, 0, ODD, ODD, ODD, 4, ODD, 0],
        }
    )
    found = strangers.score_strangers(table)
    assert [(s.kind, s.origin, s.share.value) for s in found] == [
        ("carbon", "miles", 0.5),
        ("galaxy", "simulated", 0.75),
        ("star", "all", 0.25),
        ("star", "lamost", 0.2),
        ("star", "miles", pytest.approx(1 / 3)),
    ]
    shown = page.render(score(predictions, system="mk"), title="t", system_text="x", about={},
                        figures={}, strangers=found)  # fmt: skip
    assert "What is no normal star" in shown and "False alarms" in shown


def test_run_judges_real_simulated_and_broken(tmp_path: Path, monkeypatch, made, predictions):
    class Rows:
        def spectra(self, rows):
            return star_batch(np.full(len(rows), 42.0), meta={"star_id": list(map(str, rows))})

    monkeypatch.setattr(strangers, "load_model", lambda folder: load_model())
    monkeypatch.setattr(strangers, "simulated", lambda **options: made)
    some = predictions.head(20).with_columns(
        true_kind=pl.lit("star"), kind=pl.lit("star"), flags=pl.lit(0, dtype=pl.Int64)
    )
    table = strangers.run_strangers(tmp_path, Rows(), some)  # type: ignore[arg-type]
    assert table.equals(pl.read_parquet(tmp_path / strangers.FILE))
    counts = dict(table.group_by("kind").len().iter_rows())
    assert counts["star"] == counts["calibration fault"] == 20 and counts["quasar"] == 4
