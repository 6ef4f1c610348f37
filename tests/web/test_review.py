"""Decisions are neither lost nor doubled; agreement is Cohen's."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import polars as pl
import pytest
from sklearn.metrics import cohen_kappa_score

from spectype.core.errors import DataError, UsageError
from spectype.web.agreement import FORMATS, agreement, as_table, encoded, kappa
from spectype.web.review import Decision, Review

ROW = {"path": "a.fits", "obsid": "7", "type": "O", "subclass": "O9", "luminosity": "V"}
WRITER = """
import sys
from pathlib import Path
from spectype.web.review import Decision, Review
review = Review(Path(sys.argv[1]), model="m")
for i in range(100000):
    said = Decision(key=f"{sys.argv[2]}-{i:06d}", reviewer="Ada", verdict="accept")
    review.add(said, {"path": f"{sys.argv[2]}-{i}.fits", "type": "O"})
    print(said.key, flush=True)
"""


def decision(key, verdict="accept", reviewer="Ada", **fields):
    return Decision(key=f"key-{key:06}", verdict=verdict, reviewer=reviewer, **fields)


def test_a_decision_is_kept_with_who_when_model_and_version(tmp_path):
    Review(tmp_path / "r.sqlite", model="standard").add(decision(1, note="He II"), ROW)
    kept = Review(tmp_path / "r.sqlite").of(["a.fits"])["a.fits"][0]
    assert kept["label"] == kept["machine"] == "O9 V"
    assert (kept["reviewer"], kept["model"], kept["note"]) == ("Ada", "standard", "He II")
    assert kept["time"].endswith("+00:00") and kept["version"]


def test_the_same_key_is_taken_once(tmp_path):
    review = Review(tmp_path / "r.sqlite")
    assert review.add(decision(1), ROW)["id"] == review.add(decision(1), ROW)["id"]
    assert len(review.all()) == 1


def test_undo_brings_back_the_decision_before(tmp_path):
    review = Review(tmp_path / "r.sqlite")
    review.add(decision(1), ROW)
    review.add(decision(2, "relabel", label="b0.5iv"), ROW | {"path": "a.fits"})
    review.add(decision(3, "reject", reviewer="Ben"), ROW)
    assert review.undo("Ada")["verdict"] == "relabel"
    assert [d["verdict"] for d in review.of(["a.fits"])["a.fits"]] == ["accept", "reject"]
    assert review.undo("Ada")["verdict"] == "accept" and review.undo("Ada") is None


@pytest.mark.parametrize(
    "fields", [{"verdict": "maybe"}, {"verdict": "relabel", "label": "?"}, {"kind": "comet"},
               {"reviewer": " "}, {"note": "x" * 3000}]
)  # fmt: skip
def test_a_decision_that_says_nothing_is_refused(fields):
    with pytest.raises(UsageError):
        decision(1, **fields)


def test_a_file_that_is_no_review_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "r.sqlite"
    path.write_bytes(b"something else " * 100)
    with pytest.raises(DataError, match="cannot be used"):
        Review(path)
    assert path.read_bytes() == b"something else " * 100


def test_a_locked_file_is_waited_for_and_then_named(tmp_path, monkeypatch):
    monkeypatch.setattr("spectype.web.review._PATIENCE", 0.05)
    review = Review(tmp_path / "r.sqlite")
    review.add(decision(1), ROW)
    with closing(sqlite3.connect(review.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(review.all()) == 1  # it can be read all the while
        with pytest.raises(DataError, match=r"locked.*--review"):
            review.add(decision(2), ROW)
        other.execute("ROLLBACK")
    assert review.add(decision(2), ROW)["id"] == 2


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be used.*folder writable"):
        Review(tmp_path / "file" / "r.sqlite").add(decision(1), ROW)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to every file")
def test_a_read_only_file_is_named(tmp_path):
    Review(tmp_path / "r.sqlite").add(decision(1), ROW)
    (tmp_path / "r.sqlite").chmod(0o400)
    with pytest.raises(DataError, match="cannot be used"):
        Review(tmp_path / "r.sqlite").add(decision(2), ROW)


def test_on_a_full_disk_what_was_answered_is_kept(tmp_path):
    review, kept = Review(tmp_path / "r.sqlite"), 0
    review.add(decision(0), ROW)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, hard))  # of any file, as a full disk would
    try:
        with pytest.raises(DataError, match="disk full"):
            for kept in range(1, 2000):
                review.add(decision(kept, note="x" * 1900), ROW | {"path": f"{kept}.fits"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    found = [d["key"] for d in Review(review.path).all()]
    assert found == [f"key-{i:06}" for i in range(kept)] and kept > 5
    assert review.add(decision(kept), ROW)["id"]  # and there is room again


def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path):
    path, said = tmp_path / "r.sqlite", []
    wait = random.Random(5)
    for turn in range(2):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), f"turn{turn}"], stdout=subprocess.PIPE
        )
        first = writer.stdout.readline()
        time.sleep(wait.uniform(0.0, 0.3))
        writer.send_signal(signal.SIGKILL)
        said += (first + writer.communicate()[0]).decode().split("\n")[:-1]
    kept = [d["key"] for d in Review(path).all()]
    assert said and set(said) <= set(kept)
    # At most the one decision of each turn that was on disk, its answer not yet sent.
    assert len(kept) == len(set(kept)) <= len(said) + 2


def test_kappa_is_cohens():
    rng = random.Random(1)
    one = [rng.choice("OBA") for _ in range(200)]
    other = [a if rng.random() < 0.7 else rng.choice("OBA") for a in one]
    assert kappa(one, other) == pytest.approx(cohen_kappa_score(one, other), abs=1e-12)
    assert kappa(["O"], ["O"]) is None and kappa([], []) is None


def test_two_reviewers_are_compared_by_type_and_exported(tmp_path):
    review = Review(tmp_path / "r.sqlite")
    for i, (a, b) in enumerate([("O5", "O6"), ("B1", "B1"), ("B2", "O9"), ("A0", "A0")]):
        row = ROW | {"path": f"{i}.fits"}
        review.add(decision(2 * i, "relabel", label=a), row)
        review.add(decision(2 * i + 1, "relabel", reviewer="Ben", label=b), row)
    found = agreement(review, "Ada", "Ben")
    assert (found["n"], found["same"]) == (4, 3)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(list("OBBA"), list("OBOA")))
    assert found["by_type"]["A"] == {"n": 1, "kappa": 1.0}
    assert found["conflicts"] == [{"path": "2.fits", "Ada": "B", "Ben": "O"}]
    table = as_table(review)
    for format in FORMATS:
        assert encoded(table, format)
    assert pl.read_csv(encoded(table, "csv"))["label"].to_list() == table["label"].to_list()
