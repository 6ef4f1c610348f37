"""Two processes on one machine, as torchrun starts them, train what one trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from spectype.core.errors import UsageError
from spectype.learn import checkpoint, together
from tests.learn.test_training import store_of
from tests.learn.two_processes import train_plain

ROOT = Path(__file__).parents[2]


def test_two_processes_end_with_the_weights_of_one(tmp_path):
    codes = np.random.default_rng(3).uniform(5, 67, 120)
    store = store_of(tmp_path / "s", codes, codes, ["atlas"] * 120)
    where = str(store.folder)
    train_plain(where, tmp_path / "one")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    script = ["--nproc-per-node", "2", "--module", "tests.learn.two_processes"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*torchrun, *script, where, str(tmp_path / "two")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, _ = checkpoint.load(tmp_path / "one" / "checkpoint.safetensors")
    two, _ = checkpoint.load(tmp_path / "two" / "plain" / "checkpoint.safetensors")
    assert one.keys() == two.keys()
    for name, value in one.items():  # weights, their averages, the optimiser's state
        apart = (two[name] - value).abs().max()  # Adam magnifies rounding where a gradient is nil
        assert apart <= 5e-3 * value.abs().max(), name
    logs = [(tmp_path / d / "log.jsonl").read_text().splitlines() for d in ("one", "two/plain")]
    for mine, theirs in zip(*(map(json.loads, log) for log in logs), strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
        assert mine["validation_error"] == pytest.approx(theirs["validation_error"], rel=1e-3)
    weights = tmp_path / "two" / "standard" / "best.safetensors"
    assert all(torch.isfinite(value).all() for value in checkpoint.load(weights)[0].values())


def test_one_process_alone_takes_all(monkeypatch):
    assert (together.rank(), together.count(), together.mean([3.0])) == (0, 1, [3.0])
    assert np.arange(7)[together.part_of(7)].tolist() == list(range(7))
    monkeypatch.setattr(together, "count", lambda: 3)
    monkeypatch.setattr(together, "rank", lambda: 1)
    assert np.arange(6)[together.part_of(6)].tolist() == [1, 4]
    with pytest.raises(UsageError, match="give --batch 63"):
        together.part_of(64)
