"""The recipe for SLURM, run as a cluster would: an array of tasks, then the merge."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.classify.test_batch import write

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "slurm"


@pytest.mark.skipif(os.name == "nt", reason="a cluster has bash")
def test_an_array_of_tasks_and_its_merge(tmp_path):
    for name in ("array.sh", "merge.sh", "settings.sh"):
        shutil.copy(RECIPE / name, tmp_path)
    (tmp_path / "list.txt").write_text("\n".join(
        str(write(tmp_path / f"{code}.csv", float(code))) for code in (5, 15, 25, 55)
    ))  # fmt: skip
    settings = (tmp_path / "settings.sh").read_text()
    (tmp_path / "settings.sh").write_text(settings + "OPTIONS='--shard-size 1'\n")
    command = tmp_path / "bin" / "spectype"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spectype "$@"\n')
    command.chmod(0o755)

    def job(script, **variables):
        path = f"{command.parent}:{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "SLURM_CPUS_PER_TASK": "1"} | variables
        return subprocess.run(["bash", script], cwd=tmp_path, env=environment,
                              capture_output=True, text=True)  # fmt: skip

    array = {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_JOB_ID": "7"}
    first = job("array.sh", SLURM_ARRAY_TASK_ID="1", **array)
    assert first.returncode == 0, first.stderr
    assert job("merge.sh").returncode != 0 and not (tmp_path / "types.parquet").exists()
    assert job("array.sh", SLURM_ARRAY_TASK_ID="2", **array).returncode == 0
    assert job("merge.sh").returncode == 0
    table = pl.read_parquet(tmp_path / "types.parquet")
    assert [Path(path).stem for path in table["path"]] == ["5", "15", "25", "55"]
