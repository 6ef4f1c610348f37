"""What every training keeps in its folder: its log, its split, a series of checkpoints.

A series holds one checkpoint an epoch saved, each with a checksum over its tensors (safetensors
has none). A damaged one is passed over for the one before, with a warning.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from numpy.typing import NDArray
from torch import Tensor

from spectype.core.errors import DataError
from spectype.core.files import atomic_path
from spectype.learn import checkpoint

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

log = logging.getLogger("spectype")
CHECKPOINTS = "checkpoints"


def write_log(folder: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write ``log.jsonl``, one line of JSON an epoch."""
    with atomic_path(folder / "log.jsonl") as path:
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Lines of ``log.jsonl``, empty where there is none."""
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_split(folder: Path, meta: pl.DataFrame, split: NDArray[np.str_]) -> None:
    """Write ``split.parquet``: row, star_id and part of every row of a store."""
    import polars as pl

    with atomic_path(folder / "split.parquet") as path:
        meta.select("row", "star_id").with_columns(split=pl.Series(split)).write_parquet(path)


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints of a training, newest first."""
    return sorted((folder / CHECKPOINTS).glob("epoch-*.safetensors"), reverse=True)


def save(
    folder: Path, *, epoch: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any], keep: int
) -> None:
    """Add the checkpoint of an epoch to the series and drop all but the newest `keep`.

    `state` holds at least ``same``, what must be equal for a training to go on.
    """
    header = {**state, "epoch": epoch, "checksum": checksum(tensors)}
    path = folder / CHECKPOINTS / f"epoch-{epoch:06d}.safetensors"
    checkpoint.save(path, tensors=tensors, state=header)
    for old in newest_first(folder)[keep:]:
        old.unlink()


def load_newest(
    folder: Path, same: Mapping[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Tensors and state of the newest whole checkpoint; None where none was ever written.

    Raises
    ------
    DataError
        If a checkpoint is of another configuration, version or data, or none is whole.
    """
    paths = newest_first(folder)
    for path in paths:
        try:
            tensors, state = checkpoint.load(path)
            checkpoint.check_same(path, found=state["same"], wanted=same)
            if state["checksum"] != checksum(tensors):
                raise DataError("is not a whole checkpoint: its checksum differs", path=path)
        except (DataError, ValueError, KeyError) as error:
            if isinstance(error, DataError) and "whole checkpoint" not in error.problem:
                raise  # another configuration, version or data: not to be passed over in silence
            log.warning("%s; falling back to the one before", error)
            continue
        log.info("resuming after epoch %d", state["epoch"])
        return tensors, state
    if paths:
        raise DataError(
            "holds no whole checkpoint",
            path=folder / CHECKPOINTS,
            remedy="remove the folder to start anew",
        )
    return None


def checksum(tensors: Mapping[str, Tensor]) -> int:
    """A checksum over all values, in the order of the names."""
    value = 0
    for name in sorted(tensors):
        value = crc32(tensors[name].detach().cpu().contiguous().numpy().tobytes(), value)
    return value
