"""Training of any generator: epochs, checkpoints, resumption, divergence, the log.

What is learnt in an epoch is the business of a `Learner`; when it is kept, taken up again or
given up is the same for all.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import MANIFEST, check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.dataset.store import Store
from spectype.learn import series

WEIGHTS = "generator.safetensors"
Line = dict[str, Any]  # of the log


class Diverged(Exception):
    """An epoch has come to nothing; says why."""


class Data(Protocol):
    """What the loop needs of the training spectra."""

    @property
    def rows(self) -> NDArray[np.int64]: ...

    @property
    def split(self) -> NDArray[np.str_]: ...

    def fingerprint(self) -> str:
        """A checksum: a checkpoint resumes on the same data only."""
        ...


class Learner(ABC):
    """A generator on its way through the epochs.

    Attributes
    ----------
    recipe : str
        Its name in the manifest.
    format : int
        Of the training; a checkpoint of another one does not resume.
    config : dataclass
        The recipe, with ``epochs`` and ``comparable()``, what may not change between a
        start and its resumption.
    data : Data
        The training spectra.
    every, keep : int
        Epochs from checkpoint to checkpoint, and how many of them are kept.
    cure : str
        What helps against divergence.
    """

    recipe: str
    format: int
    config: Any
    data: Data
    every: int = 1
    keep: int = 2
    cure: str

    @property
    def types(self) -> str:
        """Types it learns, as letters."""
        return str(self.config.types)

    @abstractmethod
    def epoch(self, number: int) -> dict[str, float]:
        """Train one epoch, whose chance depends on the seed and the number alone.

        Returns what the log is to hold. `Diverged`, or a value that is not finite, ends the
        training.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """All that the next epoch needs."""

    @abstractmethod
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put back what `tensors` gave."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the generator as it is now."""

    def measure(self, line: Line) -> dict[str, float]:
        """What the log is to hold of an epoch with a checkpoint beside the rest."""
        return {}

    def show(self, folder: Path, lines: list[Line], *, last: bool) -> None:  # noqa: B027
        """Called after every epoch with the log so far."""

    def notes(self) -> dict[str, Any]:
        """What the manifest says beside what all generators say."""
        return {}


def learn(start: Callable[[], Learner], store: Store, out: str | Path) -> Path:
    """Train a generator; a training that was stopped goes on where it was.

    A training resumed repeats to the bit what an uninterrupted one does.

    Parameters
    ----------
    start : callable
        Makes a fresh learner; called once the folder is known to be fit for it.
    store : Store
        Where its spectra are from.
    out : path-like
        Folder of the generator.

    Returns
    -------
    Path
        The folder: ``generator.safetensors``, ``split.parquet``, ``log.jsonl``,
        ``checkpoints/`` and, last, the manifest of kind ``gan``.

    Raises
    ------
    DataError
        If a checkpoint is of another configuration, version or data, no checkpoint is whole,
        or the training diverges.
    """
    folder = check_writable_folder(out, kind="gan")
    learner = start()
    config, data = learner.config, learner.data
    same = {**config.comparable(), "format": learner.format, "data": data.fingerprint()}
    done, lines = _resume(learner, folder, same)
    if done < config.epochs:
        (folder / MANIFEST).unlink(missing_ok=True)
    series.write_split(folder, store.meta, data.split)
    started = time.monotonic()
    for number in track(range(done, config.epochs), title="training"):
        line = _epoch(learner, number, folder)
        line["seconds"] = round(time.monotonic() - started, 2)
        lines.append(line)
        last = number + 1 == config.epochs
        if last or (number + 1) % learner.every == 0:
            line |= learner.measure(line)
            series.write_log(folder, lines)
            series.save(folder, epoch=number + 1, tensors=learner.tensors(),
                        state={"same": same, "log": lines[-1:]}, keep=learner.keep)  # fmt: skip
        learner.show(folder, lines, last=last)
    learner.save(folder / WEIGHTS)
    content = {
        "recipe": learner.recipe,
        "types": "".join(t for t in mk.TYPES if t in learner.types),
        "config": asdict(config),
        "epochs": max(done, config.epochs),
        "store": str(store.folder.resolve()),
        "store_rows": len(store),
        "training_spectra": len(data.rows),
        "training_rows": data.rows,
        **learner.notes(),
    }
    write_manifest(folder, "gan", content)
    return folder


def _resume(learner: Learner, folder: Path, same: dict[str, Any]) -> tuple[int, list[Line]]:
    """Take up the newest whole checkpoint; returns its epoch and the log up to it."""
    found = series.load_newest(folder, same)
    if found is None:
        return 0, []
    tensors, state = found
    learner.restore(tensors)
    epoch = int(state["epoch"])
    # A log that is gone costs its curves, not the training.
    return epoch, [line for line in series.read_log(folder) if line["epoch"] <= epoch]


def _epoch(learner: Learner, number: int, folder: Path) -> Line:
    """One epoch's line of the log; a divergence says what there is to go back to."""
    try:
        line = {"epoch": number + 1, **learner.epoch(number)}
        for name, value in line.items():
            if not np.isfinite(value):
                raise Diverged(f"{name.replace('_', ' ')} is not finite")
    except Diverged as error:
        kept = series.newest_first(folder)
        epoch = int(kept[0].stem.split("-")[1]) if kept else 0
        good = f"the checkpoint of epoch {epoch} is good" if kept else "no checkpoint came before"
        stay = f"; --epochs {epoch} keeps what was learnt till then" if kept else ""
        raise DataError(
            f"training diverged in epoch {number + 1} ({error}); {good}",
            path=folder,
            remedy=f"start anew in another --out {learner.cure}{stay}",
        ) from error
    return line
