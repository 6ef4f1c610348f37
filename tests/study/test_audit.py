"""The audit on toy stars: the study's score is high whatever the generator makes."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from spectype.cli import run
from spectype.core.errors import DataError, UsageError
from spectype.dataset import store as st
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.study import audit as audit_module
from spectype.study.audit import choose, deal, run_audit
from spectype.study.audit_scores import (
    HONEST,
    KEPT_OUT,
    PLAIN,
    STUDY,
    at_prevalence,
    score_cases,
)
from spectype.study.recipes import AuditConfig
from tests.stars import star_batch

CONFIG = AuditConfig(per_type=100, folds=2, gan_epochs=2, epochs=4, dense=24, threads=1)


def make_store(folder, codes, types=None):
    spectra = star_batch(codes, snr=40, seed=3)
    writer = st.StoreWriter(folder, wave=spectra.wave)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": "jacoby" if i % 5 else "pickles", "star_id": f"s{i // 2}",
         "type": types[i] if types else "OBAFGKM"[int(c // 10)], "code": float(c),
         "kind": "star", "synthetic": False,
         "luminosity": None, "object": None, "snr": 40.0, "redshift": None}
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Hot stars whose labels say nothing: which are O and which B was drawn by lot."""
    rng = np.random.default_rng(3)
    codes = np.r_[rng.uniform(8, 15, 80), np.sort(rng.uniform(20, 69.9, 200))]
    hot = np.repeat(rng.permutation([*"O" * 10, *"B" * 30]), 2)  # both exposures of a star
    types = [*hot, *("OBAFGKM"[int(c // 10)] for c in codes[80:])]
    return make_store(tmp_path_factory.mktemp("audit") / "store", codes, types)


def nearest_neighbour(flux, good, types, *, wave, train, config, seed, threads):
    """Stands in for the network, which has tests of its own: the type of the nearest spectrum."""
    seen = np.where(good, flux, 0)[:, 200:3400].reshape(len(flux), -1, 16).mean(axis=2)
    distance = ((seen[:, None] - seen[None, train]) ** 2).sum(axis=2)
    distance[np.flatnonzero(train), np.arange(train.sum())] = np.inf
    return types[train][distance.argmin(axis=1)]


@pytest.fixture(scope="module")
def audited(store, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr("spectype.study.fitting.fit_types", nearest_neighbour)
    out = tmp_path_factory.mktemp("audited") / "out"
    words = ["gan", "audit", str(store.folder), "--out", str(out), "--per-type", "100",
             "--folds", "2", "--gan-epochs", "2", "--epochs", "4", "--dense", "24",
             "--threads", "1"]  # fmt: skip
    assert run(words) == 0
    patch.undo()
    return out


def test_the_study_measures_its_generator(audited):
    """Nobody can tell these O stars from B stars; the study's protocol claims to."""
    cases = json.loads((audited / "audit.json").read_text())["cases"]
    study, honest, plain = cases[STUDY], cases[HONEST], cases[HONEST + PLAIN]
    assert study["synthetic"] > study["real"] > 0 and study["precision"]["value"] > 0.7
    assert study["recall"]["value"] > study["real_recall"]["value"] + 0.25
    assert honest["real_recall"]["value"] < study["precision"]["value"] - 0.25
    assert plain["learnt_synthetic"] == 0 < honest["learnt_synthetic"]
    # Every real star is tested once, none of them synthetic.
    assert honest["synthetic"] == plain["synthetic"] == 0 and honest["real"] == 20
    assert KEPT_OUT in cases


def test_nothing_that_is_tested_was_learnt(audited, store):
    table = pl.read_parquet(audited / "predictions.parquet")
    honest = table.filter(pl.col("case") == HONEST)
    assert not honest["synthetic"].any() and honest["row"].n_unique() == honest.height
    stars = store.meta.select("row", star="star_id")
    for fold in ("fold-1", "fold-2"):
        manifest = json.loads((audited / "generators" / fold / "manifest.json").read_text())
        learnt = stars.filter(pl.col("row").is_in(manifest["training_rows"]))["star"]
        tested = pl.read_parquet(audited / "steps" / f"{fold}.parquet")
        assert len(learnt) >= 8 and not set(learnt) & set(tested["star_id"])
    without = pl.read_parquet(audited / "steps" / "without-pickles.parquet")
    assert set(without["survey"]) == {"pickles"}
    study = json.loads((audited / "generators" / "study" / "manifest.json").read_text())
    assert len(study["training_rows"]) == 20


def test_page_says_both_scores(audited):
    html = (audited / "audit.html").read_text(encoding="utf-8")
    data = json.loads((audited / "audit.json").read_text())["cases"]
    assert f"{data[STUDY]['precision']['value']:.1%}" in html
    assert "src=" not in html and 'href="http' not in html  # nothing from outside
    assert html.count("<svg") == 4 and "The test measures the generator" in html


def test_rerun_computes_nothing(audited, store, monkeypatch):
    monkeypatch.setattr(audit_module._Work, "typed", None)  # would fail
    again = run_audit(store, audited, config=CONFIG)
    assert again.cases[HONEST].real == 20
    other = AuditConfig(per_type=100, folds=2, gan_epochs=3, epochs=4, dense=24)
    with pytest.raises(DataError, match="gan_epochs: 2 there, 3 here"):
        run_audit(store, audited, config=other)


def test_stars_are_dealt_whole(store):
    meta = store.meta
    star, kind = (meta[c].to_numpy().astype(str) for c in ("star_id", "type"))
    fold = deal(star, kind, folds=3, seed=2)
    assert all(len(set(fold[star == s])) == 1 for s in set(star))
    counts = np.bincount(fold[kind == "O"], minlength=3)
    assert counts.min() >= 4 and counts.sum() == 20
    chosen = choose(store, CONFIG)
    assert max(np.unique(kind[chosen], return_counts=True)[1]) <= 100


def row(case, kind, given, *, synthetic=False, survey="jacoby", star=None):
    return {"case": case, "star_id": star or f"{kind}{given}{synthetic}", "survey": survey,
            "synthetic": synthetic, "true_type": kind, "type": given, "learnt_real": 8,
            "learnt_synthetic": 22}  # fmt: skip


def test_precision_and_recall_are_told_apart():
    rows = [row(STUDY, "O", "O", synthetic=True, star=f"s{i}") for i in range(9)]
    rows += [row(STUDY, "O", "B", star="a"), row(STUDY, "B", "B", star="b"),
             row(STUDY, "B", "O", star="c")]  # fmt: skip
    case = score_cases(pl.DataFrame(rows))[STUDY]
    assert case.precision.value == 0.9 and case.recall.value == 0.9  # the synthetic nine
    assert case.real_recall.value == 0 and case.real_recall.n == 1
    assert case.false_alarms.value == 0.5 and (case.real, case.synthetic) == (1, 9)
    assert case.confusion[0].tolist() == [9, 1, 0, 0, 0, 0, 0, 0]


def test_precision_in_a_survey_by_bayes():
    # 9 of 10 O found, 1 of 1000 others called O, one O among 10,000: 9 hits, 99.99 alarms.
    assert at_prevalence(0.9, 1e-3, prevalence=1e-4) == pytest.approx(0.9 / (0.9 + 9.999))
    assert at_prevalence(0.9, 0.0) == 1.0 and np.isnan(at_prevalence(0.0, 0.0))


def test_bad_input_is_named(store, tmp_path):
    few = make_store(tmp_path / "few", np.r_[np.linspace(3, 9, 5), np.linspace(15, 69, 40)])
    with pytest.raises(DataError, match="has 5 real O spectra; the audit needs 8"):
        run_audit(few, tmp_path / "a", config=CONFIG)
    with pytest.raises(UsageError, match="no O star of 'miles'"):
        audit_module.libraries(_real(store), AuditConfig(leave_out=("miles",)))
    with pytest.raises(UsageError, match="only 4 O spectra are left"):
        audit_module.libraries(_real(store), AuditConfig(leave_out=("jacoby",)))
    with pytest.raises(UsageError, match="folds is 1"):
        AuditConfig(folds=1)


def _real(store):
    from spectype.generate.harmonise import harmonise

    return harmonise(store, np.flatnonzero((store.meta["type"] == "O").to_numpy()))
