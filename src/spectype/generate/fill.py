"""Rare types filled up: samples of the standard generator for the types a store has few of.

What helped most on O stars of libraries never seen (docs/experiments.md, recipes/
generative_experiment.py) is done by default: a generator learns from the training stars alone,
and its O and B spectra join the training.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import MANIFEST
from spectype.dataset.store import Store
from spectype.generate import factors
from spectype.generate.factors_training import train_standard
from spectype.generate.recipes import GeneratorConfig
from spectype.generate.samples import write_samples
from spectype.generate.training import WEIGHTS
from spectype.learn import checkpoint
from spectype.learn.recipe import TrainConfig
from spectype.learn.split import make_split

log = logging.getLogger("spectype")
PER_TYPE = 400  #: samples a type, as in the experiment
SNR = 50.0  #: of the samples; the augmentation adds more noise


def fill_rare(store: Store, folder: str | Path, config: TrainConfig, *, types: str) -> Store | None:
    """Train a generator on the training stars of a run and sample the rare types.

    Parameters
    ----------
    store : Store
        Real spectra.
    folder : path-like
        The run's folder: ``generator/`` and ``samples/`` are made inside, once.
    config : TrainConfig
        The run's training, whose split decides which stars the generator may see.
    types : str
        Types to sample, as letters. Types without training stars are passed over.

    Returns
    -------
    Store or None
        The samples; None, with a word of why, if there is too little to learn from.

    Raises
    ------
    UsageError
        If `types` names something else than types.
    """
    if odd := [t for t in types if t not in mk.TYPES]:
        raise UsageError(f"{odd[0]!r} is no type to generate", remedy=f"letters of {mk.TYPES}")
    home = Path(folder)
    if (home / "samples" / MANIFEST).exists():
        return Store(home / "samples")
    split = make_split(store.meta, config)
    kinds = np.array([t or "" for t in store.meta["type"].to_list()])[split == "train"]
    there = "".join(t for t in mk.TYPES if (kinds == t).any())
    wanted = [t for t in types if t in there]
    if not wanted:
        log.info("no training stars of %s: nothing to generate from", ", ".join(types))
        return None
    settings = GeneratorConfig(
        types=there,
        validation=config.validation,
        test=config.test,
        leave_out=config.leave_out,
        split_seed=config.split_seed,
    )
    try:
        train_standard(store, home / "generator", settings)
    except DataError as error:
        log.warning("no synthetic spectra: %s", error)
        return None
    generator = factors.rebuild(*checkpoint.load(home / "generator" / WEIGHTS))
    codes = [generator.codes(PER_TYPE, type=t, seed=config.seed) for t in wanted]
    samples = generator.sample(
        PER_TYPE * len(wanted), code=np.concatenate(codes), seed=config.seed + 1
    )
    return write_samples(
        samples, home / "samples", generator="standard", snr=SNR, seed=config.seed, overwrite=True
    )
