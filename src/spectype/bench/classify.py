"""How fast do files become rows? This package on one core, bare decompression, another release."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spectype.bench.read import GUNZIP, gunzip_alone
from spectype.classify.batch import ClassifyConfig, File, classify_files
from spectype.classify.runtime import BATCH, DEFAULT, load_model
from spectype.core.errors import DataError, UsageError
from spectype.core.progress import track
from spectype.surveys import read

OURS, NETWORK, READING = "spectype", "its network alone", "its reading alone"
# What another release is asked to do, with the names that releases have had.
_CHILD = """
import json, resource, sys, time
from spectype.classify import batch
from spectype.classify.runtime import load_model
model = load_model(threads=1)
config = batch.ClassifyConfig()
def type_files(files):
    if hasattr(batch, "classify_files"):
        return batch.classify_files([batch.File(f) for f in files], model, config)
    return [batch.classify_file(f, model, config) for f in files]
for line in sys.stdin:
    files = json.loads(line)
    begin = time.perf_counter()
    type_files(files)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": peak}), flush=True)
"""


@dataclass(frozen=True, slots=True)
class ClassifySpeed:
    """Typical seconds a file, by what was done.

    Parameters
    ----------
    n_files : int
        Files that were typed.
    seconds : dict
        Name to the median over rounds of the seconds a file [s].
    megabytes : dict
        Name to peak memory of the process [MB].
    """

    n_files: int
    seconds: dict[str, float]
    megabytes: dict[str, float]

    def ratio(self, name: str) -> float:
        """Seconds of another over ours: above 1 we are faster."""
        return self.seconds[name] / self.seconds[OURS]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with files a second and ratios."""
        return {
            **asdict(self),
            "files_per_second": {name: 1 / s for name, s in self.seconds.items()},
            "ratio": {name: self.ratio(name) for name in self.seconds if name != OURS},
        }


class Other:
    """Another release, in a process of its own.

    Parameters
    ----------
    source : Path
        Its ``src`` folder, as of a git worktree.
    """

    def __init__(self, source: Path) -> None:
        if not (source / "spectype").is_dir():
            raise UsageError("holds no spectype", path=source, remedy="give a checkout's src")
        environment = {**os.environ, "PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": "1"}
        self._child = subprocess.Popen(
            [sys.executable, "-c", _CHILD], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.megabytes = 0.0

    def seconds(self, files: Sequence[str]) -> float:
        """Seconds it takes to type these files."""
        assert self._child.stdin is not None and self._child.stdout is not None
        self._child.stdin.write(json.dumps(list(files)) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        if not line:
            self.close()
            raise DataError("the other release ended without an answer: see its error above")
        said = json.loads(line)
        self.megabytes = float(said["megabytes"])
        return float(said["seconds"])

    def close(self) -> None:
        """End the process."""
        self._child.communicate(timeout=30)


def measure(
    files: Sequence[str], *, rounds: int = 5, against: Path | None = None, model: str = DEFAULT
) -> ClassifySpeed:
    """Type `files` on one core, in turns with the alternatives, `BATCH` files a turn.

    Parameters
    ----------
    files : sequence of str
        Gzipped LAMOST spectra.
    rounds : int
        Times that each does all files; the median of a file's mean time counts.
    against : Path, optional
        The ``src`` folder of another release.
    model : str
        Ours.
    """
    if rounds < 1:
        raise UsageError(f"cannot measure in {rounds} rounds", remedy="give --rounds 1 or more")
    loaded, config = load_model(model, threads=1), ClassifyConfig(model=model)
    pixels = loaded.wave.size
    flux, good = np.ones((BATCH, pixels), np.float32), np.ones((BATCH, pixels), np.bool_)
    tasks: dict[str, Callable[[Sequence[str]], object]] = {
        OURS: lambda part: classify_files([File(f) for f in part], loaded, config),
        READING: lambda part: [read(f) for f in part],
        NETWORK: lambda part: loaded.outputs(flux[: len(part)], good[: len(part)]),
        GUNZIP: lambda part: [gunzip_alone(f) for f in part],
    }
    other = None if against is None else Other(against)
    parts = [files[i : i + BATCH] for i in range(0, len(files), BATCH)]
    spent: dict[str, list[float]] = {name: [] for name in (*tasks, *(["other"] if other else []))}
    for task in tasks.values():
        task(parts[0])  # imports, caches, the file into the system's cache
    if other:
        other.seconds(parts[0])
    for _ in track(range(rounds), total=rounds, title="typing"):
        total = dict.fromkeys(spent, 0.0)
        for part in parts:
            for name, task in tasks.items():
                begin = time.perf_counter()
                task(part)
                total[name] += time.perf_counter() - begin
            if other:
                total["other"] += other.seconds(part)
        for name, seconds in total.items():
            spent[name].append(seconds / len(files))
    peak = {OURS: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    if other:
        peak["other"] = other.megabytes
        other.close()
    return ClassifySpeed(len(files), {k: statistics.median(v) for k, v in spent.items()}, peak)
