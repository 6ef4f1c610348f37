"""Spectra to a folder of results: resumed, shared out, refused, ended by signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from spectype.bulk import folder as folders
from spectype.bulk import run as runs
from spectype.bulk import work
from spectype.bulk.folder import Results
from spectype.bulk.lock import locked
from spectype.bulk.results import check
from spectype.bulk.run import classify_folder
from spectype.classify.batch import ClassifyConfig, error_row
from spectype.cli import run
from spectype.core.errors import DataError, Interrupted, SpectypeError, UsageError
from tests.classify.test_batch import write

ONE = ClassifyConfig(workers=1)


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """Rows without reading anything, in batches of two; names of what was typed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, "BATCH", 2)
    typed = []

    def rows(units, model, config):
        typed.extend(map(work.name_of, units))
        plain = [error_row(work.name_of(unit), "none", config) for unit in units]
        return pl.concat(plain).with_columns(type=pl.lit("G"), error=pl.lit(None, pl.String))

    monkeypatch.setattr(work, "type_units", rows)
    return typed


def names(n):
    return [f"in/{i:03d}.csv" for i in range(n)]


def rows_of(folder):
    return pl.read_parquet(f"{folder}/*.parquet")["path"].to_list()


def test_shards_hold_every_row_in_order_and_a_rerun_types_nothing(quick):
    counts = classify_folder(names(11), "r", config=ONE, size=4)
    assert counts == {"spectra": 11, "typed": 11, "errors": 0}
    assert rows_of("r") == quick == names(11)
    assert len(list(Path("r").glob("shard-*.parquet"))) == 3
    assert classify_folder(names(11), "r", config=ONE) == counts
    assert classify_folder([], "r", config=ONE) == counts  # its own list goes on
    assert len(quick) == 11 and check("r").complete


def test_a_name_given_twice_is_typed_once_and_said(quick, caplog):
    caplog.set_level("INFO")
    assert classify_folder(names(3) + names(2), "r", config=ONE)["spectra"] == 3
    assert "2 inputs are named more than once" in caplog.text


@pytest.mark.parametrize("stops_at", range(1, 11, 2))
def test_work_that_is_stopped_anywhere_goes_on_without_a_row_twice(quick, monkeypatch, stops_at):
    plain = work.type_units

    def dying(units, model, config):
        if len(quick) >= stops_at:
            raise KeyboardInterrupt
        return plain(units, model, config)

    monkeypatch.setattr(work, "type_units", dying)
    with pytest.raises(KeyboardInterrupt):
        classify_folder(names(12), "r", config=ONE, size=5)
    kept = len(quick)
    assert rows_of("r") == names(kept)  # what was typed is there
    assert not check("r").complete
    monkeypatch.setattr(work, "type_units", plain)
    classify_folder(names(12), "r", config=ONE)
    assert quick == names(12) and rows_of("r") == names(12)
    assert check("r").complete


def test_machines_share_a_plan(quick):
    for i in (2, 1, 3):
        assert not Path("r/manifest.json").exists()
        classify_folder(names(20), "r", config=ClassifyConfig(workers=1, shard=f"{i}/3"), size=3)
    assert rows_of("r") == names(20) and sorted(quick) == names(20)
    assert Path("r/manifest.json").exists() and check("r").complete


@pytest.mark.parametrize("now, words", [
    (names(5), "input 6 was 'in/005.csv', and is nothing more"),
    (names(7), "input 7 was nothing more, and is 'in/006.csv'"),
    ([*names(3), "x.csv", *names(6)[4:]], "input 4 was 'in/003.csv', and is 'x.csv'"),
])  # fmt: skip
def test_another_list_is_refused_with_the_difference(quick, now, words):
    classify_folder(names(6), "r", config=ONE, size=2)
    with pytest.raises(UsageError, match="another list") as error:
        classify_folder(now, "r", config=ONE)
    assert words in str(error.value)


def test_another_model_or_setting_is_refused_with_the_difference(quick):
    classify_folder(names(3), "r", config=ONE)
    with pytest.raises(UsageError, match="frame None, not 'air'"):
        classify_folder(names(3), "r", config=ClassifyConfig(workers=1, frame="air"))
    with pytest.raises(UsageError, match="indices False, not True"):
        classify_folder(names(3), "r", config=ClassifyConfig(workers=1, indices=True))
    plan = Path("r/plan.json")
    sha = Results(Path("r")).model
    plan.write_text(plan.read_text().replace(sha, "0" * 64))
    with pytest.raises(
        UsageError, match=rf"model standard \(0{{12}}\), not standard \({sha[:12]}\)"
    ):
        classify_folder(names(3), "r", config=ONE)


def test_two_runs_on_one_output(quick):
    with locked(Path(), "1/1"), pytest.raises(UsageError, match=rf"process {os.getpid()} on "):
        classify_folder(names(3), ".", config=ONE)
    with locked(Path(), "1/2"), locked(Path(), "2/2"):  # shares of one plan get on
        third = locked(Path(), "1/3")
        with pytest.raises(UsageError, match=r"as its share [12]/2"):
            third.__enter__()
    Path(".lock-1-of-1").write_text("process 1 on a machine that fell over")  # held by nobody
    with locked(Path(), "1/1"):
        pass


def test_damaged_and_foreign_files_are_named(quick, caplog):
    classify_folder(names(6), "r", config=ONE, size=2)
    piece = Path("r/shard-000001-00000000.parquet")
    whole = piece.read_bytes()
    piece.write_bytes(whole[:-9])
    with pytest.raises(DataError, match=r"shard-000001-.*damaged.*remove it"):
        classify_folder(names(6), "r", config=ONE)
    assert "is damaged" in check("r").problems[0] and not check("r").complete
    piece.unlink()
    Path("r/notes.txt").write_text("mine")
    classify_folder(names(6), "r", config=ONE)
    assert "notes.txt is none of ours" in caplog.text and check("r").strangers == ["notes.txt"]
    assert quick == names(6) + names(4)[2:]
    Path("r/shard-000009-00000000.parquet").write_bytes(whole)
    with pytest.raises(DataError, match="is a copy of shard-000001-00000000"):
        classify_folder(names(6), "r", config=ONE)
    assert any("no such shard" in problem for problem in check("r").problems)
    Path("mine").mkdir()
    Path("mine/a.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"not ours \(a.txt\)"):
        classify_folder(names(6), "mine", config=ONE)


def test_a_full_disk_is_said_and_what_is_done_stays(quick, monkeypatch):
    plain, written = folders.write_bytes, []

    def full(path, data):
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path)
        plain(path, data)

    monkeypatch.setattr(folders, "write_bytes", full)
    with pytest.raises(SpectypeError, match=r"No space left on device.*run the same command"):
        classify_folder(names(9), "r", config=ONE, size=2)
    assert rows_of("r") == names(4)
    monkeypatch.setattr(folders, "write_bytes", plain)
    classify_folder(names(9), "r", config=ONE)
    assert rows_of("r") == names(9) and check("r").complete


def test_a_signal_ends_in_order_and_the_status_says_which(quick, monkeypatch, tmp_path):
    plain = work.type_units

    def asked(units, model, config):
        if len(quick) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(units, model, config)

    monkeypatch.setattr(work, "type_units", asked)
    with pytest.raises(Interrupted, match="run the same command") as error:
        classify_folder(names(12), "r", config=ONE, size=100)
    assert error.value.exit_code == 143
    assert rows_of("r") == names(6)  # the batch in hand was finished
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_processes_give_the_same_rows_and_bad_files_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(5):
        write(tmp_path / "in" / f"s{i}.csv", 22.0 + 8 * i, seed=i)
    (tmp_path / "in" / "bad.csv").write_text("nothing")
    assert run(["classify", "in", "-o", "one/", "--workers", "1"]) == 3
    assert run(["classify", "in", "-o", "two/", "--workers", "2", "--shard-size", "2"]) == 3
    one, two = (pl.read_parquet(f"{n}/*.parquet") for n in ("one", "two"))
    assert one["path"].to_list() == two["path"].to_list() and len(one) == 6
    assert one["type"].to_list() == two["type"].to_list()
    assert (one["p_G"] - two["p_G"]).abs().max() < 1e-3


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_is_ended_leaves_what_it_did(tmp_path, number):
    write(tmp_path / "a.csv", 42.0)
    (tmp_path / "in").mkdir()
    for i in range(24):
        (tmp_path / "in" / f"{i:03d}.csv").symlink_to(tmp_path / "a.csv")
    call = [sys.executable, "-m", "spectype", "classify", "in", "-o", "r/", "--shard-size", "4"]
    call += ["--workers", "1"]
    process = subprocess.Popen(call, cwd=tmp_path, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("r/shard-*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate()
    assert process.returncode == (-9 if number == signal.SIGKILL else 143)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("r/shard-*")}
    assert before
    subprocess.run(call, cwd=tmp_path, check=True, stderr=subprocess.PIPE)
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert check(tmp_path / "r").complete
    table = pl.read_parquet(tmp_path / "r" / "*.parquet")
    assert table["path"].to_list() == [f"in/{i:03d}.csv" for i in range(24)]
    assert table["type"].n_unique() == 1


def test_an_unknown_system_or_size_is_refused(quick):
    with pytest.raises(UsageError, match="unknown system"):
        classify_folder(names(2), "r", config=ClassifyConfig(system="x"))
    with pytest.raises(UsageError, match="a shard of 0"):
        classify_folder(names(2), "r", config=ONE, size=0)
    with pytest.raises(UsageError, match="no files given"):
        classify_folder([], "r", config=ONE)
    assert runs.counts([]) == {"spectra": 0, "typed": 0, "errors": 0}
