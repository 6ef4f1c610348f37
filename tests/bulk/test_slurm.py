"""The recipe for SLURM: its scripts, with `spectype` and `scontrol` that only note their calls."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from spectype.cli import build_app

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "slurm"
ARRAY = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "50", "SLURM_ARRAY_JOB_ID": "7",
         "SLURM_CPUS_PER_TASK": "4"}  # fmt: skip


@pytest.fixture
def job(tmp_path):
    """Run a script of the recipe; its status, and the commands it called."""
    for script in RECIPE.glob("*.sh"):
        shutil.copy(script, tmp_path)
    (tmp_path / "bin").mkdir()
    for name in ("spectype", "scontrol"):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\necho {name} "$@" >> calls\nexit $STATUS\n')
        command.chmod(0o755)

    def run(script, status):
        (tmp_path / "calls").write_text("")
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        environment = os.environ | ARRAY | {"PATH": path, "STATUS": str(status)}
        done = subprocess.run(["bash", script], cwd=tmp_path, env=environment)
        return done.returncode, (tmp_path / "calls").read_text().splitlines()

    return run


def test_a_task_types_its_share(job):
    status, (call,) = job("array.sh", 0)
    assert status == 0
    _, bound, _ = build_app("classify").parse_args(call.split()[1:])
    config = bound.arguments["config"]
    assert (config.shard, config.workers, config.model) == ("2/50", 4, "standard")
    assert bound.arguments["paths"] == ("@list.txt",) and bound.arguments["output"] == "results/"


@pytest.mark.parametrize(
    ("status", "ends", "requeued"), [(3, 0, []), (1, 1, []), (143, 143, ["scontrol requeue 7_2"])]
)
def test_a_task_ends_as_its_work_did(job, status, ends, requeued):
    found, (_, *further) = job("array.sh", status)
    assert (found, further) == (ends, requeued)


def test_nothing_is_merged_unless_all_is_there(job):
    status, calls = job("merge.sh", 1)
    assert status == 1 and calls == ["spectype results check results/"]
    status, calls = job("merge.sh", 0)
    assert status == 0 and calls[-1] == "spectype results merge results/ --output types.parquet"
