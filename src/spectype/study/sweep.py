"""The study's three sweeps and a free search, each point a run of the reference recipe."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spectype.core.errors import DataError, DependencyError, UsageError
from spectype.core.files import check_writable_folder, read_manifest, write_json
from spectype.dataset.store import Store
from spectype.learn.recipe import TrainConfig
from spectype.learn.session import choose_device
from spectype.learn.split import make_split
from spectype.learn.targets import make_targets
from spectype.study.fitting import Fit, prepared
from spectype.study.recipes import ReferenceConfig
from spectype.study.training import train_reference

log = logging.getLogger("spectype")


@dataclass(frozen=True)
class Sweep:
    """One quantity that the study varied.

    Attributes
    ----------
    name : str
    title : str
        With its unit.
    values : tuple of float
    study : tuple of float
        The accuracy that the study printed for each, on its own test set.
    """

    name: str
    title: str
    values: tuple[float, ...]
    study: tuple[float, ...]


SWEEPS = {
    s.name: s
    for s in (
        Sweep("kernel", "kernel [pixels]", (2, 3, 4, 5), (0.8088, 0.8395, 0.7886, 0.6423)),
        Sweep("filters", "feature maps in all", (45, 120, 240, 480),
              (0.5768, 0.8492, 0.8560, 0.8320)),
        Sweep("learning-rate", "learning rate", (1e-3, 5e-3, 15e-3, 50e-3),
              (0.8795, 0.8492, 0.48, 0.20)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Point:
    """One training of a sweep.

    Attributes
    ----------
    sweep : str
    value : float
    study : float
        The study's accuracy.
    accuracy : float
        Ours on test stars; NaN where the training diverged.
    validation : float
        Ours on validation stars.
    run : str
        Its folder.
    """

    sweep: str
    value: float
    study: float
    accuracy: float
    validation: float
    run: str


def filters_of(total: int) -> tuple[int, ...]:
    """Filters of the four convolutions, in the study's proportions 10:20:40:50, `total` in all."""
    shares = np.array([10, 20, 40, 50]) / 120 * total
    filters = np.maximum(1, np.floor(shares)).astype(int)
    for place in np.argsort(filters - shares, kind="stable")[: total - filters.sum()]:
        filters[place] += 1
    return tuple(int(f) for f in filters)


def varied(base: ReferenceConfig, name: str, value: float) -> ReferenceConfig:
    """The configuration with one quantity of a sweep changed."""
    if name == "kernel":
        return replace(base, kernel=int(value))
    if name == "filters":
        return replace(base, filters=filters_of(int(value)))
    return replace(base, learning_rate=float(value))


def run_sweeps(
    store: Store,
    out: str | Path,
    *,
    names: Sequence[str] = tuple(SWEEPS),
    base: ReferenceConfig,
    train: TrainConfig,
) -> list[Point]:
    """Train every point of the sweeps; what is there already is not trained again.

    Parameters
    ----------
    store : Store
        Real spectra.
    out : path-like
        Folder of the runs and of the prepared inputs, which all share.
    names : sequence of str
        Which of `SWEEPS`.
    base : ReferenceConfig
        What is not varied.
    train : TrainConfig
        Split by star, seeds, device, threads.

    Raises
    ------
    UsageError
        If there is no sweep of a name.
    """
    if unknown := [name for name in names if name not in SWEEPS]:
        raise UsageError(f"no sweep {unknown[0]!r}", remedy=f"one of {', '.join(SWEEPS)}")
    folder = check_writable_folder(out)
    points = []
    for name in names:
        for value, study in zip(SWEEPS[name].values, SWEEPS[name].study, strict=True):
            config = varied(base, name, value)
            # The study's own settings are a point of every sweep: one run serves all.
            run = folder / (
                f"kernel-{config.kernel}_filters-{sum(config.filters)}_rate-"
                f"{config.learning_rate:g}"
            )
            log.info("sweep: %s %g", name, value)
            accuracy, validation = _trained(store, run, config, train, folder)
            points.append(Point(name, value, study, accuracy, validation, str(run)))
    return points


def _trained(
    store: Store, run: Path, config: ReferenceConfig, train: TrainConfig, cache: Path
) -> tuple[float, float]:
    """Test and validation accuracy of a run; NaN if it diverges, which is a result here."""
    try:
        train_reference(store, run, config=config, train=train, cache=cache)
    except DataError as error:
        if "diverged" not in error.problem:
            raise
        log.info("%s", error)
        return float("nan"), float("nan")
    best = read_manifest(run, "run")["test"]["best"]
    lines = (run / "log.jsonl").read_text().splitlines()
    held = json.loads(lines[best["epoch"] - 1])["validation_accuracy"]
    value = best["accuracy"]
    return float("nan") if value is None else float(value), float(held)


def search(
    store: Store, out: str | Path, *, trials: int, base: ReferenceConfig, train: TrainConfig
) -> dict[str, Any]:
    """Search freely over size and training; validation stars decide, test stars are told once.

    A Parzen estimator (optuna) proposes kernel, feature maps, dense units, learning rate and
    batch. Trials are kept in ``search.journal``: a rerun goes on.

    Parameters
    ----------
    store, out, base, train
        As in `run_sweeps`; epochs are those of `base`.
    trials : int
        How many in all, those of earlier runs counted.

    Returns
    -------
    dict
        ``trials`` (settings and validation accuracy of each), ``best`` (settings, validation
        and test accuracy, run); also in ``search.json``.

    Raises
    ------
    DependencyError
        Without optuna.
    """
    try:
        import optuna
    except ImportError as error:
        raise DependencyError(
            "the free search needs optuna", remedy='pip install "spectype[search]"'
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = check_writable_folder(out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # optuna's notes on what it calls experimental
        from optuna.storages.journal import JournalFileBackend

        storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "search.journal")))
        study = optuna.create_study(
            storage=storage, study_name="reference", load_if_exists=True, direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=train.seed),
        )  # fmt: skip
    objective = _Objective(store, folder, base, train)
    done = len([t for t in study.trials if t.value is not None])
    study.optimize(objective, n_trials=max(trials - done, 0))
    best = objective.config(study.best_trial.params)
    accuracy, validation = _trained(store, folder / f"search-best-{study.best_trial.number}", best,
                                    train, folder)  # fmt: skip
    result = {
        "trials": [
            {"number": t.number, **t.params, "validation": t.value} for t in study.trials
        ],
        "best": {**study.best_trial.params, "validation": validation, "test": accuracy},
    }  # fmt: skip
    write_json(folder / "search.json", result)
    return result


class _Objective:
    """Validation accuracy of proposed settings, on inputs prepared once."""

    def __init__(
        self, store: Store, folder: Path, base: ReferenceConfig, train: TrainConfig
    ) -> None:
        if train.threads:
            torch.set_num_threads(train.threads)
        self.base, self.train = base, train
        self.types = make_targets(store.meta, balance=0.0).type_index
        split = make_split(store.meta, train)
        self.parts = {
            name: np.flatnonzero((split == name) & (self.types >= 0))
            for name in ("train", "validation")
        }
        self.inputs = prepared(store, folder, as_published=base.as_published)

    def config(self, values: dict[str, Any]) -> ReferenceConfig:
        """Settings of a trial as a configuration."""
        return replace(
            self.base,
            kernel=values["kernel"],
            filters=filters_of(values["filters"]),
            dense=values["dense"],
            learning_rate=values["learning_rate"],
            batch=values["batch"],
        )

    def __call__(self, trial: Any) -> float:
        config = self.config(
            {
                "kernel": trial.suggest_int("kernel", 2, 15),
                "filters": trial.suggest_int("filters", 45, 480, log=True),
                "dense": trial.suggest_int("dense", 64, max(128, self.base.dense), log=True),
                "learning_rate": trial.suggest_float("learning_rate", 1e-4, 2e-2, log=True),
                "batch": trial.suggest_categorical("batch", [16, 32, 64]),
            }
        )
        fit = Fit(config, self.inputs, self.types, self.parts["train"], self.train.seed,
                  choose_device(self.train.device))  # fmt: skip
        best = 0.0
        for _ in range(config.epochs):
            try:
                fit.epoch()
            except DataError:  # diverged: as bad as it gets
                break
            best = max(best, fit.judge(self.parts["validation"])[1])
        log.info("search: trial %d, validation %.3f", trial.number, best)
        return best
