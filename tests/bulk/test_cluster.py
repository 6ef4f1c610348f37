"""A scheduler and two workers on loopback: one worker is killed, one shard is poisoned."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from pathlib import Path

import polars as pl
import pytest

from spectype.bulk import work
from spectype.bulk.cluster import classify_on_cluster
from spectype.bulk.folder import INPUTS, Results
from spectype.bulk.results import check
from spectype.bulk.run import classify_folder, prepare
from spectype.classify.batch import ClassifyConfig
from spectype.cli import run
from spectype.core.errors import SpectypeError, UsageError
from tests.bulk.test_run import quick, rows_of  # noqa: F401 (a fixture)
from tests.classify.test_batch import write

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")
pytestmark = pytest.mark.filterwarnings("ignore")  # of distributed itself, when workers die


def test_shards_outlive_a_worker_and_the_poisoned_one_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", 42.0)
    names = []
    for i in range(32):
        names.append(f"{tmp_path}/{i:03d}.csv")
        Path(names[-1]).symlink_to("a.csv")
    Path("list.txt").write_text("\n".join(names))
    Path("r").mkdir()
    prepare(iter(names), Path("r"), config=ClassifyConfig(), size=4)
    whole = Path("r", INPUTS).read_bytes()
    ends = Results(Path("r")).plan["ends"]
    poisoned = bytearray(whole)
    poisoned[ends[5] - 8] ^= 0xFF  # the check sum of shard 5's inputs
    Path("r", INPUTS).write_bytes(bytes(poisoned))
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        killed = []

        def kill():
            deadline = time.monotonic() + 60
            while not list(Path("r").glob("shard-*")) and time.monotonic() < deadline:
                time.sleep(0.02)
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            status = run(["classify", "--output", "r/", "--dask", cluster.scheduler_address])
        killer.join()
        assert killed and killed[0] not in [nanny.pid for nanny in cluster.workers.values()]
    assert status == 3
    assert "shard 5 failed twice: DataError" in caplog.text
    Path("r", INPUTS).write_bytes(whole)
    found = check("r")
    assert not found.problems and found.finished == 7 and found.with_rows == 28
    assert run(["classify", "@list.txt", "--output", "r/", "--workers", "1"]) == 0
    assert check("r").complete
    assert pl.read_parquet("r/*.parquet")["path"].to_list() == names


def test_a_scheduler_that_goes_away_leaves_what_is_done(quick, caplog, monkeypatch):  # noqa: F811
    plain = work.type_units
    monkeypatch.setattr(work, "type_units", lambda *given: time.sleep(0.2) or plain(*given))
    names = [f"{i:03d}.csv" for i in range(40)]
    impatient = {"distributed.comm.timeouts.connect": "1s"}  # else it waits half a minute for it
    with (
        dask.config.set(impatient),
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
    ):

        def go_away():
            deadline = time.monotonic() + 60
            while not list(Path("r").glob("shard-*")) and time.monotonic() < deadline:
                time.sleep(0.02)
            cluster.sync(cluster.scheduler.close)

        threading.Thread(target=go_away).start()
        with pytest.raises(SpectypeError, match=r"has gone away.*finished shards are kept"):
            classify_on_cluster(
                names, "r", cluster.scheduler_address, config=ClassifyConfig(), size=2
            )
    kept = rows_of("r")
    assert 0 < len(kept) < 40 and kept == names[: len(kept)]
    classify_folder(names, "r", config=ClassifyConfig(workers=1))
    assert check("r").complete and rows_of("r") == names


def test_what_cannot_go_to_a_cluster_is_refused(tmp_path, capsys):
    assert run(["classify", "x.csv", "--output", str(tmp_path / "t.csv"), "--dask", "local"]) == 2
    assert "NAME/" in capsys.readouterr().err
    with pytest.raises(UsageError, match="leave --shard out"):
        classify_on_cluster([], tmp_path, "local", config=ClassifyConfig(shard="1/2"))
