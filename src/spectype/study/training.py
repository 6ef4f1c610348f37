"""Runs of the study's network on disk, and repeats of them on new random splits."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import (
    MANIFEST,
    check_writable_folder,
    read_manifest,
    write_json,
    write_manifest,
)
from spectype.core.progress import track
from spectype.dataset.joined import Joined
from spectype.dataset.store import Store
from spectype.learn import checkpoint, series
from spectype.learn.recipe import TrainConfig
from spectype.learn.session import choose_device
from spectype.learn.split import make_split
from spectype.learn.targets import make_targets
from spectype.learn.training import type_counts
from spectype.study.fitting import Fit, prepared
from spectype.study.network import describe
from spectype.study.recipes import ReferenceConfig

if TYPE_CHECKING:
    pass

log = logging.getLogger("spectype")
SECONDS_BETWEEN_CHECKPOINTS = 60.0  # at full width one is 1.5 GB
SHARED = ("validation", "test", "leave_out", "seed", "split_seed")  #: used of `TrainConfig`


def train_reference(
    store: Store,
    out: str | Path,
    *,
    config: ReferenceConfig,
    train: TrainConfig,
    synthetic: Sequence[Store] = (),
    cache: str | Path | None = None,
) -> Path:
    """Train the study's network on a store; a run that was stopped goes on where it was.

    The split is by star, unlike the study's. The weights of the best validation accuracy and
    the last ones are kept.

    Parameters
    ----------
    store : Store
        Real spectra.
    out : path-like
        Folder of the run.
    config : ReferenceConfig
        Network, epochs, batch, learning rate.
    train : TrainConfig
        Split, seeds, device and threads; the rest of it is the standard recipe's.
    synthetic : sequence of Store
        Synthetic spectra, for training only.
    cache : path-like, optional
        Folder that keeps the prepared inputs; by default the run's.

    Returns
    -------
    Path
        The run's folder, with the files that `training.train` writes and ``last.safetensors``.
    """
    folder = check_writable_folder(out, kind="run")
    if train.threads:
        torch.set_num_threads(train.threads)
    recipe = _comparable(config, train, synthetic)
    if (folder / "last.safetensors").exists() and (folder / MANIFEST).exists():
        found = read_manifest(folder, "run")["comparable"]
        checkpoint.check_same(folder / MANIFEST, found=found, wanted=recipe)
        return folder
    split = make_split(store.meta, train)
    series.write_split(folder, store.meta, split)
    everything = Joined(store, synthetic) if synthetic else store
    split = np.append(split, np.full(len(everything) - len(store), "train"))
    targets = make_targets(everything.meta, balance=0.0)
    typed = targets.type_index >= 0
    parts = {name: np.flatnonzero(typed & (split == name)) for name in ("train", "validation")}
    inputs = prepared(everything, Path(cache or folder), as_published=config.as_published)
    fit = Fit(config, inputs, targets.type_index, parts["train"], train.seed,
              choose_device(train.device))  # fmt: skip
    _epochs(fit, folder, parts["validation"], recipe, describe(config, store.wave))
    test = np.flatnonzero(typed & (split == "test"))
    write_manifest(
        folder,
        "run",
        {
            "recipe": {"name": "reference", "reference": asdict(config), "train": asdict(train)},
            "comparable": recipe,
            "store": str(store.folder.resolve()),
            "store_rows": len(store),
            "types": type_counts(targets, split),
            "synthetic_spectra": len(everything) - len(store),
            "parameters": sum(p.numel() for p in fit.body.parameters()),
            "test": _score(folder, fit, test),
        },
    )
    return folder


def _comparable(
    config: ReferenceConfig, train: TrainConfig, synthetic: Sequence[Store]
) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    values = {**asdict(config), **{name: getattr(train, name) for name in SHARED}}
    values["synthetic"] = [str(s.folder.resolve()) for s in synthetic]
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def _epochs(
    fit: Fit,
    folder: Path,
    validation: NDArray[np.int64],
    recipe: Mapping[str, Any],
    network: Mapping[str, Any],
) -> None:
    """All epochs from where the checkpoint stands, with the log and the weights to keep."""
    lines = _resume(fit, folder, recipe)
    best = max((_rank(line) for line in lines), default=(-1.0, -np.inf))
    saved = time.monotonic()
    epochs = range(fit.epochs_done, fit.config.epochs)
    for _ in track(epochs, total=len(epochs), title="training"):
        loss, accuracy = fit.epoch()
        entry = _entry(fit, loss, accuracy, validation)
        lines.append(entry)
        if _rank(entry) > best or len(lines) == 1:
            best = _rank(entry)
            _save_weights(fit, folder / "best.safetensors", network)
        last = fit.epochs_done == fit.config.epochs
        if last or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
            state = {"epoch": fit.epochs_done, "recipe": dict(recipe), "log": lines}
            checkpoint.save(folder / "checkpoint.safetensors", tensors=fit.tensors(), state=state)
            saved = time.monotonic()
        series.write_log(folder, lines)
        log.info(
            "epoch %d: loss %.3f / %.3f, accuracy %.3f / %.3f",
            *(entry[k] for k in ("epoch", "train_loss", "validation_loss", "train_accuracy",
                                 "validation_accuracy")),
        )  # fmt: skip
    _save_weights(fit, folder / "last.safetensors", network)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)


def _entry(fit: Fit, loss: float, accuracy: float, validation: NDArray[np.int64]) -> dict[str, Any]:
    held_loss, held = fit.judge(validation)
    return {
        "epoch": fit.epochs_done,
        "train_loss": loss,
        "train_accuracy": accuracy,
        "validation_loss": held_loss,
        "validation_accuracy": held,
        "learning_rate": fit.config.learning_rate,
        "seconds": round(fit.seconds, 2),
    }


def _rank(line: Mapping[str, Any]) -> tuple[float, float]:
    """Best is the highest validation accuracy; among equals the lowest loss.

    Without validation stars every epoch beats the one before, as the study kept its last.
    """
    held = float(line["validation_accuracy"])
    if not np.isfinite(held):
        return float(line["epoch"]), 0.0
    return held, -float(line["validation_loss"])


def _resume(fit: Fit, folder: Path, recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Take up a checkpoint if there is one; returns the lines of the log so far."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        return []
    tensors, state = checkpoint.load(path)
    checkpoint.check_same(path, found=state["recipe"], wanted=recipe)
    fit.restore(tensors, epochs_done=int(state["epoch"]))
    fit.seconds = float(state["log"][-1]["seconds"])
    series.write_log(folder, state["log"])
    log.info("resuming after epoch %d", state["epoch"])
    return list(state["log"])


def _save_weights(fit: Fit, path: Path, network: Mapping[str, Any]) -> None:
    tensors = {f"body.{k}": v for k, v in fit.body.state_dict().items()}
    state = {"network": dict(network), "epoch": fit.epochs_done}
    checkpoint.save(path, tensors=tensors, state=state)


def _score(folder: Path, fit: Fit, test: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy and recall on the test rows, of the best and of the last weights."""
    found: dict[str, Any] = {}
    for name in ("last", "best"):
        tensors, state = checkpoint.load(folder / f"{name}.safetensors")
        fit.body.load_state_dict({k.removeprefix("body."): v for k, v in tensors.items()})
        truth, given = fit.types[test], fit.predict(test)
        found[name] = {
            "epoch": state["epoch"],
            "spectra": int(test.size),
            "accuracy": float((truth == given).mean()) if test.size else None,
            "recall": {
                t: float((given[truth == i] == i).mean())
                for i, t in enumerate(mk.TYPES)
                if (truth == i).any()
            },
        }
    return found


def repeat_reference(
    store: Store,
    out: str | Path,
    *,
    repeats: int,
    config: ReferenceConfig,
    train: TrainConfig,
    synthetic: Sequence[Store] = (),
) -> dict[str, Any]:
    """Train on `repeats` new random splits, as the study did; mean and standard deviation.

    Returns
    -------
    dict
        ``runs`` (folders), ``accuracy`` and ``recall`` of each type as lists, their ``mean``
        and ``standard_deviation``; also in ``repeats.json`` of `out`.
    """
    if repeats < 1:
        raise UsageError(f"{repeats} repeats are none")
    given = store.meta["split"].to_list() if "split" in store.meta.columns else []
    if repeats > 1 and given and None not in given:
        raise UsageError(
            "the store brings its own split: repeats would all be the same",
            path=store.folder,
            remedy="leave out --repeats",
        )
    folder = check_writable_folder(out, kind="run")
    runs, scores = [], []
    for number in range(repeats):
        seeds = replace(train, seed=train.seed + number, split_seed=train.split_seed + number)
        target = folder / f"repeat-{number + 1}" if repeats > 1 else folder
        run = train_reference(store, target, config=config, train=seeds,
                              synthetic=synthetic, cache=folder)  # fmt: skip
        runs.append(run)
        scores.append(read_manifest(run, "run")["test"]["best"])
    if scores[0]["accuracy"] is None:
        raise DataError("the runs have no test stars", path=folder, remedy="train with --test 0.2")
    columns = {"accuracy": [s["accuracy"] for s in scores]}
    columns |= {
        f"recall {t}": [s["recall"][t] for s in scores if t in s["recall"]] for t in mk.TYPES
    }
    result = {
        "runs": [str(run) for run in runs],
        "values": columns,
        "mean": {k: float(np.mean(v)) for k, v in columns.items() if v},
        "standard_deviation": {
            k: float(np.std(v, ddof=1)) if len(v) > 1 else None for k, v in columns.items() if v
        },
    }
    write_json(folder / "repeats.json", result)
    return result
