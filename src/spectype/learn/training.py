"""Training of the standard network and its like: splits, epochs, early stopping, resumption."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.dataset.joined import Joined
from spectype.dataset.store import Store
from spectype.learn import checkpoint, series, together
from spectype.learn.architectures import describe
from spectype.learn.recipe import Recipe, comparable
from spectype.learn.session import Session, choose_device
from spectype.learn.split import make_split
from spectype.learn.start import start_from_model
from spectype.learn.targets import Targets, make_targets

log = logging.getLogger("spectype")


def train(
    store: Store,
    out: str | Path,
    *,
    recipe: Recipe,
    synthetic: Sequence[Store] = (),
    start_from: str | Path | None = None,
    teachers: Sequence[nn.Module] = (),
) -> Path:
    """Train on a store; a run that was stopped goes on where it was.

    Of several processes (`together.joined`) all train and the first writes.

    Parameters
    ----------
    store : Store
        Real spectra: training, validation and test stars.
    out : path-like
        Folder of the run.
    recipe : Recipe
        Network, augmentation, training.
    synthetic : sequence of Store
        Synthetic spectra, for training only.
    start_from : path-like, optional
        Name or folder of a model whose weights are the start (fine-tuning).
    teachers : sequence of Module
        Networks whose mean teaches this one beside the labels (distillation).

    Returns
    -------
    Path
        The run's folder with ``best.safetensors``, ``split.parquet``, ``log.jsonl`` and the
        manifest; `export.export_run` makes a model of it.
    """

    folder = check_writable_folder(out, kind="run")
    config = recipe.train
    if config.keep not in ("last", "error", "loss"):
        raise UsageError(f"unknown keep {config.keep!r}", remedy="last, error or loss")
    if config.threads:
        torch.set_num_threads(config.threads)
    split = make_split(store.meta, config)
    first = together.rank() == 0  # the one that writes
    if first:
        series.write_split(folder, store.meta, split)
    everything = Joined(store, synthetic) if synthetic else store
    targets = make_targets(
        everything.meta, balance=config.balance, label_spread=config.label_spread
    )
    split = np.append(split, np.full(len(everything) - len(store), "train"))
    device = choose_device(config.device)
    session = Session(everything, targets, split, recipe, device, teachers)
    if start_from is not None:
        start_from_model(session, start_from)
    origin = {"start_from": str(start_from or ""), "synthetic": [str(s.folder) for s in synthetic],
              "teachers": len(teachers)}  # fmt: skip
    start, best, since = resume(session, folder, origin)
    started = time.monotonic()
    epochs = range(start, config.epochs)
    for epoch in track(epochs, total=len(epochs), title="training"):
        if since >= config.patience:
            break
        loss, accuracy = session.train_epoch(epoch)
        validation, validation_accuracy, error = session.validate()
        if not np.isfinite(loss):
            raise DataError(
                f"training diverged in epoch {epoch}; the best weights before it are kept",
                path=folder,
                remedy="lower --learning-rate",
            )
        # Late in training the loss rises because the network grows too sure of itself, which the
        # temperature repairs, while its types still get better: so there is a choice.
        score = {"last": -float(epoch), "error": error, "loss": validation}[config.keep]
        since = since + 1 if score >= best else 0
        entry = {
            "epoch": epoch + 1,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "validation_loss": validation,
            "validation_accuracy": validation_accuracy,
            "validation_error": error,
            "learning_rate": session.learning_rate((epoch + 1) * config.steps - 1),
            "seconds": round(time.monotonic() - started, 2),
        }
        if since == 0 or not np.isfinite(score):
            best = score
            if first:
                save_best(session, folder)
        if first:
            save_progress(session, folder, entry, origin, best=best, since=since)
    manifest = {
        "recipe": asdict(recipe),
        "store": str(store.folder.resolve()),
        "store_rows": len(store),
        "types": type_counts(targets, split),
        "synthetic_spectra": len(everything) - len(store),
        **origin,
        "best_validation": None if config.keep == "last" else best,
    }
    if first:
        write_manifest(folder, "run", manifest)
    return folder


def type_counts(targets: Targets, split: NDArray[np.str_]) -> dict[str, dict[str, int]]:
    """Spectra of each type in each part; a type without training spectra is never predicted."""
    return {
        part: {
            t: int(((targets.type_index == i) & (split == part)).sum())
            for i, t in enumerate(mk.TYPES)
        }
        for part in ("train", "validation", "test")
    }


def save_best(session: Session, folder: Path) -> None:
    """Write the averaged weights, the ones to keep."""
    recipe = session.recipe
    checkpoint.save(
        folder / "best.safetensors",
        tensors={f"network.{k}": v for k, v in session.average.state_dict().items()},
        state={"network": describe(recipe.architecture, recipe.network, session.store.wave)},
    )


def save_progress(
    session: Session,
    folder: Path,
    entry: dict[str, Any],
    origin: Mapping[str, Any],
    *,
    best: float,
    since: int,
) -> None:
    """Append to the log and write the checkpoint to resume from."""
    state = {
        "epoch": entry["epoch"],
        "best": best,
        "since": since,
        "recipe": {**comparable(session.recipe), **origin},
        "log": [*series.read_log(folder), entry],
    }
    checkpoint.save(folder / "checkpoint.safetensors", tensors=session.tensors(), state=state)
    series.write_log(folder, state["log"])
    log.info(
        "epoch %d: loss %.3f, validation %.3f, accuracy %.3f / %.3f",
        *(entry[k] for k in ("epoch", "train_loss", "validation_loss", "train_accuracy",
                             "validation_accuracy")),
    )  # fmt: skip


def resume(session: Session, folder: Path, origin: Mapping[str, Any]) -> tuple[int, float, int]:
    """Take up a checkpoint if there is one; returns next epoch, best loss, epochs since."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        return 0, float("inf"), 0
    tensors, state = checkpoint.load(path)
    checkpoint.check_same(
        path, found=state["recipe"], wanted={**comparable(session.recipe), **origin}
    )
    session.restore(tensors)
    session.steps_done = int(state["epoch"]) * session.recipe.train.steps
    # The log may be one line ahead of, or behind, the checkpoint: the checkpoint rules.
    series.write_log(folder, state["log"])
    log.info("resuming after epoch %d", state["epoch"])
    return int(state["epoch"]), float(state["best"]), int(state["since"])
