"""A network and a baseline that another package brings go the whole way by their names alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from spectype.core.grid import STANDARD_GRID
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.dataset.store import StoreWriter, encode
from tests.stars import star_batch, star_flux

PACKAGE = '''
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from spectype.judge.baselines import Named
from spectype.learn.architectures import Architecture
from spectype.learn.networks import StandardNetwork
from spectype.learn.recipe import NetworkConfig


@dataclass(frozen=True)
class ToyConfig:
    """A toy of one hidden layer.

    Parameters
    ----------
    units : int
        Units of the layer.
    """

    units: int = 32


class Toy(nn.Module):
    def __init__(self, config, wave):
        super().__init__()
        self.layer = nn.Linear(wave.size // 32, config.units)
        example = torch.ones(1, wave.size)
        outputs = StandardNetwork(NetworkConfig(width=8, hidden=8)).eval()(example, example)
        self.sizes = [output.shape[1:] for output in outputs]
        self.heads = nn.ModuleList(nn.Linear(config.units, size.numel()) for size in self.sizes)

    def forward(self, flux, good, keep_shape=None):
        binned = functional.avg_pool1d((flux * good).unsqueeze(1), 32).squeeze(1)
        x = functional.relu(self.layer(binned / binned.abs().mean(1, keepdim=True) - 1))
        return tuple(h(x).unflatten(1, s) if s else h(x).squeeze(1)
                     for h, s in zip(self.heads, self.sizes))


def always(train, *, seed):
    """The commonest type."""
    types, counts = np.unique(train.types, return_counts=True)
    best = types[counts.argmax()]
    return lambda test: ([str(best)] * len(test), np.full(len(test), np.nan))


NETWORK = Architecture(ToyConfig, Toy)
BASELINE = Named("the commonest type", always)
'''
WAY = """
from spectype.cli import run
from spectype.judge import baselines
baselines.TREES = 10
assert run(["train", "store", "--out", "run", "--recipe", "toy", "--toy.units", "24",
            "--epochs", "3", "--steps", "25", "--batch", "32", "--learning-rate", "0.01",
            "--augment.reddening", "0", "--augment.tilt", "0", "--augment.cut", "0",
            "--outliers", "0", "--generate", "", "--threads", "1", "--device", "cpu"]) == 0
assert run(["classify", "star.csv", "--model", "run", "--output", "types.csv"]) == 0
assert run(["evaluate", "run", "--baselines", "--reference-epochs", "0"]) == 0
assert run(["train", "store", "--recipe", "toy", "--start-from", "standard"]) == 2
assert run(["train", "store", "--recipe", "toi"]) == 2
run(["train", "--help"])
"""


@pytest.fixture(scope="module")
def way(tmp_path_factory):
    """What the commands print and the folder they worked in."""
    folder = tmp_path_factory.mktemp("outside")
    info = folder / "package" / "toys-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[spectype.networks]\ntoy = toys:NETWORK\n[spectype.baselines]\ncommonest = toys:BASELINE\n"
    )
    (folder / "package" / "toys.py").write_text(PACKAGE)
    codes = np.round(np.random.default_rng(8).uniform(0, 69.9, 120), 1)
    spectra = star_batch(codes, snr=50, seed=4)
    writer = StoreWriter(folder / "store", wave=spectra.wave)
    writer.append(*encode(spectra))
    rows = [
        {"path": f"{i}", "index": 0, "survey": "miles", "object": f"HD {i}", "star_id": f"HD {i}",
         "type": "OBAFGKM"[int(code // 10)], "code": code, "luminosity": "V", "kind": "star",
         "snr": 50.0, "redshift": 0.0, "ra": float(i), "dec": 5.0, "synthetic": False}
        for i, code in enumerate(codes)
    ]  # fmt: skip
    writer.close(rows, {"chain": to_data(standard_chain())})
    table = np.stack([STANDARD_GRID, star_flux(23.0, STANDARD_GRID)], axis=1)
    np.savetxt(folder / "star.csv", table, delimiter=",", header="wave,flux", comments="")
    path = os.pathsep.join([str(folder / "package"), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", WAY],
        capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_network_learns_and_types(way):
    folder, _ = way
    log = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert len(log) == 3 and log[-1]["validation_loss"] < log[0]["validation_loss"]
    scores = json.loads((folder / "run" / "report" / "report.json").read_text())
    assert scores["accuracy"]["value"] > 0.6  # 1 in 7 by chance
    [row] = pl.read_csv(folder / "types.csv").to_dicts()
    assert row["type"] == "A" and row["p_A"] > 0.4


def test_the_baseline_stands_in_the_report(way):
    folder, _ = way
    found = pl.read_parquet(folder / "run" / "baselines.parquet")
    assert found["method"].n_unique() == 5
    ours = found.filter(pl.col("method") == "the commonest type")
    assert ours["type"].n_unique() == 1 and ours["code"].is_nan().all()
    assert "the commonest type" in (folder / "run" / "report" / "report.html").read_text()


def test_the_help_and_the_errors_know_it(way):
    _, done = way
    assert "--toy.units" in done.stdout and "Units of the layer" in done.stdout
    assert "the toy recipe starts from nothing" in done.stderr
    assert "unknown network 'toi' (standard, reference, toy, or install" in done.stderr
