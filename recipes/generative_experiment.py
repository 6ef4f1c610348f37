"""Do generated spectra help a classifier to find O and B stars? Leave one library out and see.

    python recipes/generative_experiment.py STORE --work WORK [--quick]

The same small network is trained in ways (`WAYS`) that differ only in what is done about the rare O
and B stars, each without one library, on whose real stars it is then tested. Generators never
see the library that is left out, nor its stars in other libraries. Every finished cell (library,
way, seed) is a file in WORK/cells, so that a run that was stopped goes on where it was; the seed is
the outermost loop, then the way, the most telling ones first. ``--summary`` only
writes WORK/summary.json and WORK/summary.md from the cells that are there.
"""

from __future__ import annotations

import argparse
import logging
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import generative_tables as tables
import numpy as np
import polars as pl
import torch
from generative_tables import RARE

from spectype.classify.posterior import Sequence70
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import read_json, write_json, write_text
from spectype.dataset.store import Store
from spectype.generate.factors import StandardGenerator
from spectype.generate.factors_training import train_standard
from spectype.generate.gan_data import gan_data
from spectype.generate.gan_training import train_reference
from spectype.generate.harmonise import intrinsic_shape, known_codes
from spectype.generate.recipes import (
    FlowConfig,
    GanConfig,
    GeneratorConfig,
    RefinedConfig,
    WassersteinConfig,
)
from spectype.generate.samples import Samples, write_samples
from spectype.learn.export import load_member
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.learn.training import train
from spectype.refine.atlas import STARS, template_stars
from spectype.refine.flow import Flow
from spectype.refine.neural_training import train_neural
from spectype.refine.placed import PlacedGenerator
from spectype.refine.registry import load_generator
from spectype.refine.training import train_refined
from spectype.refine.wasserstein import Adversary

log = logging.getLogger("spectype")
LIBRARIES = ("jacoby", "miles", "stelib", "indo_us", "pickles", "melchiors")
HOT = "OBA"  # what the refined simulator learns
FORMAT = 2  # of a cell
VALIDATION = 0.1
NO_AUGMENTATION = AugmentConfig(
    velocity=0, blur=0, reddening=0, tilt=0, noise=0, cut=0, gaps=0, sky=0, hide_shape=0
)


@dataclass(frozen=True)
class Way:
    """What is done about the rare types.

    Parameters
    ----------
    title : str
        For the table.
    balance : float
        Power with which the rare count more.
    balance_by : str
        In the ``loss`` or in the ``draws``.
    augment : bool
        Physical augmentation at full strength.
    synthetic : tuple of str
        Generators whose samples are added to the training spectra.
    """

    title: str
    balance: float = 0.0
    balance_by: str = "draws"
    augment: bool = False
    synthetic: tuple[str, ...] = ()


WAYS = {
    "plain": Way("as they are"),
    "augmented": Way("drawn more often, physical augmentation", balance=0.7, augment=True),
    "standard-augmented": Way(
        "drawn more often, physical augmentation, standard generator samples",
        balance=0.7, augment=True, synthetic=("standard",),
    ),
    "refined-augmented": Way(
        "drawn more often, physical augmentation, refined simulator samples",
        balance=0.7, augment=True, synthetic=("refined",),
    ),
    "flow-augmented": Way(
        "drawn more often, physical augmentation, flow samples",
        balance=0.7, augment=True, synthetic=("flow",),
    ),
    "wasserstein-augmented": Way(
        "drawn more often, physical augmentation, Wasserstein GAN samples",
        balance=0.7, augment=True, synthetic=("wasserstein",),
    ),
    "refined": Way("with refined simulator samples", synthetic=("refined",)),
    "weighted": Way("weighted in the loss", balance=0.7, balance_by="loss"),
    "oversampled": Way("drawn more often", balance=0.7),
    "reference": Way("with reference GAN samples", synthetic=("reference",)),
    "standard": Way("with standard generator samples", synthetic=("standard",)),
    "both": Way("with samples of both generators", synthetic=("reference", "standard")),
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a cell gives; a cell of other settings is not taken up."""

    steps: int
    width: int
    samples: int
    snr: float
    gan_steps: int
    generator_epochs: int
    n_seeds: int


def generated(name: str, store: Store, library: str, work: Path, settings: Settings) -> Store:
    """O and B samples of a generator that was trained without the library, made once."""
    home = work / "generators" / library
    without = {"leave_out": (library,), "validation": VALIDATION}
    folder = home / f"{name}-samples"
    if not (folder / "manifest.json").exists():
        started = time.monotonic()
        samples = GENERATORS[name](store, home, without, settings)
        write_samples(samples, folder, generator=name, snr=settings.snr, overwrite=True)
        log.info("%s without %s: %.0f s", name, library, time.monotonic() - started)
    return Store(folder)


def _standard(store: Store, home: Path, without: dict, settings: Settings) -> Samples:
    folder = home / "standard"
    train_standard(store, folder, GeneratorConfig(epochs=settings.generator_epochs, **without))
    generator = load_generator(folder)
    assert isinstance(generator, StandardGenerator)
    codes = [generator.codes(settings.samples, type=t, seed=3) for t in RARE]
    return generator.sample(settings.samples * len(RARE), code=np.concatenate(codes), seed=4)


def _reference(store: Store, home: Path, without: dict, settings: Settings) -> Samples:
    """One GAN a type, as the recipe knows no types; given the black body of the type.

    A type of which fewer stars are left than the recipe takes has no samples.
    """
    parts = []
    for t in RARE:
        config = GanConfig(types=t, threads=1, figure_every=10**6, **without)
        try:
            n = len(gan_data(store, config).rows)
        except DataError as error:  # too few stars of the type are left
            log.warning("no samples of %s: %s", t, error)
            continue
        epochs = math.ceil(settings.gan_steps / (n // config.batch))
        config = replace(config, epochs=epochs, checkpoint_every=max(epochs // 4, 1))
        folder = train_reference(store, home / f"reference-{t}", config)
        part = load_generator(folder).sample(settings.samples, seed=4)
        shape = intrinsic_shape(known_codes(part.code, part.type), wave=part.wave)
        parts.append(replace(part, shape=shape))
    arrays = ("flux", "good", "code", "type", "shape")
    joined = {a: np.concatenate([getattr(p, a) for p in parts]) for a in arrays}
    return Samples(wave=parts[0].wave, **joined)


def _refined(store: Store, home: Path, without: dict, settings: Settings) -> Samples:
    return _placed(_simulator(store, home, without), settings)


def _simulator(store: Store, home: Path, without: dict) -> Path:
    """A refined simulator; the template stars are computed once for all libraries."""
    folder, shared = home / "refined", home.parent
    if not (folder / STARS).exists():
        template_stars(shared)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shared / STARS, folder / STARS)
    return train_refined(store, folder, RefinedConfig(types=HOT, **without))


def _flow(store: Store, home: Path, without: dict, settings: Settings) -> Samples:
    config = FlowConfig(simulator=str(_simulator(store, home, without)), threads=1)
    return _placed(train_neural(store, home / "flow", config, Flow), settings)


def _wasserstein(store: Store, home: Path, without: dict, settings: Settings) -> Samples:
    config = WassersteinConfig(simulator=str(_simulator(store, home, without)), threads=1)
    return _placed(train_neural(store, home / "wasserstein", config, Adversary), settings)


def _placed(folder: Path, settings: Settings) -> Samples:
    """Samples at places of real O and B stars, rarer subclasses more often."""
    generator = load_generator(folder)
    assert isinstance(generator, PlacedGenerator)
    at = [generator.places(settings.samples, type=t, seed=3) for t in RARE]
    return generator.sample(settings.samples * len(RARE), at=np.concatenate(at), seed=4)


GENERATORS: dict[str, Callable[[Store, Path, dict, Settings], Samples]] = {
    "standard": _standard, "reference": _reference, "refined": _refined, "flow": _flow,
    "wasserstein": _wasserstein,
}  # fmt: skip


def run_cell(
    store: Store, synthetic: list[Store], way: Way, library: str, seed: int, folder: Path,
    settings: Settings,
) -> dict:  # fmt: skip
    """Train one network and type the left-out library's stars."""
    epochs = max(1, settings.steps // 100)
    recipe = Recipe(
        network=NetworkConfig(width=settings.width, hidden=96),
        augment=AugmentConfig() if way.augment else NO_AUGMENTATION,
        train=TrainConfig(
            epochs=epochs, steps=settings.steps // epochs, balance=way.balance,
            balance_by=way.balance_by, validation=VALIDATION, leave_out=(library,), seed=seed,
            split_seed=0, threads=1, device="cpu", averaging=0.98,
        ),
    )  # fmt: skip
    started = time.monotonic()
    train(store, folder, recipe=recipe, synthetic=synthetic)
    split = pl.read_parquet(folder / "split.parquet")
    meta = store.meta.drop("split", strict=False).join(split.select("row", "split"), on="row")
    test = meta.filter((pl.col("split") == "test") & pl.col("type").is_not_null())
    test = test.filter(~pl.col("synthetic").fill_null(False))
    said, code = predict(store, test["row"].to_numpy(), folder)
    return {
        "seconds": round(time.monotonic() - started, 1),
        "star": test["star_id"].to_list(),
        "true": test["type"].to_list(),
        "said": said,
        "true_code": test["code"].to_list(),
        "said_code": code,
        "luminosity": test["luminosity"].to_list(),
        "feh": test["feh"].to_list() if "feh" in test.columns else [None] * len(test),
    }


@torch.no_grad()
def predict(store: Store, rows: np.ndarray, folder: Path) -> tuple[list[str], list[float]]:
    """The most probable type of each row and its decimal code, in the MK system."""
    network = load_member(folder)
    said: list[str] = []
    code: list[float] = []
    for first in range(0, len(rows), 256):
        flux, error = store.arrays(rows[first : first + 256])
        good = torch.from_numpy((error > 0).astype(np.float32))
        found = torch.softmax(network(torch.from_numpy(flux), good)[0], dim=1)
        sequence = Sequence70(found.numpy().astype(np.float64))
        said += [mk.TYPES[i] for i in sequence.types().argmax(axis=1)]
        code += sequence.code().round(2).tolist()
    return said, code


def run(
    store: Store, work: Path, settings: Settings, libraries: list[str], ways: list[str]
) -> None:
    """Run all cells that are not there yet."""
    for seed, library, name in cells(settings.n_seeds, libraries, ways):
        target = cell_path(work, library, name, seed)
        if target.exists() and read_json(target)["settings"] == comparable(settings):
            continue
        synthetic = [generated(g, store, library, work, settings) for g in WAYS[name].synthetic]
        folder = work / "runs" / target.stem
        shutil.rmtree(folder, ignore_errors=True)
        cell = run_cell(store, synthetic, WAYS[name], library, seed, folder, settings)
        head = {"library": library, "way": name, "seed": seed, "settings": comparable(settings)}
        write_json(target, head | cell)
        shutil.rmtree(folder)
        hits = {t: sum(a == b == t for a, b in zip(cell["true"], cell["said"])) for t in RARE}
        log.info("%s: %s of %s, %.0f s", target.stem, hits,
                 {t: cell["true"].count(t) for t in RARE}, cell["seconds"])  # fmt: skip
        summarise(work, settings, libraries, ways)


def comparable(settings: Settings) -> dict:
    """Settings without the number of seeds, which may grow."""
    return {"format": FORMAT} | {k: v for k, v in asdict(settings).items() if k != "n_seeds"}


def cells(n_seeds: int, libraries: list[str], ways: list[str]) -> Iterator[tuple[int, str, str]]:
    """Seed, library and way of every cell, seeds outermost, then ways."""
    return ((s, lib, w) for s in range(1, n_seeds + 1) for w in ways for lib in libraries)


def cell_path(work: Path, library: str, way: str, seed: int) -> Path:
    """Where a cell is kept."""
    return work / "cells" / f"{library}--{way}--{seed}.json"


def summarise(work: Path, settings: Settings, libraries: list[str], ways: list[str]) -> None:
    """Recall and precision of O and B, by library and over all, from the finished cells."""
    found = []
    for seed, library, name in cells(settings.n_seeds, libraries, ways):
        path = cell_path(work, library, name, seed)
        if path.exists() and (cell := read_json(path))["settings"] == comparable(settings):
            found.append(cell)
    entries = [
        tables.entry(found, way, scope, t)
        for way in ways
        for scope in ("all", *libraries)
        for t in RARE
        if any(c["way"] == way and (scope in ("all", c["library"])) for c in found)
    ]
    types = {way: tables.overall(found, way) for way in ways if any(c["way"] == way for c in found)}
    write_json(work / "summary.json", {"settings": asdict(settings), "cells": len(found),
               "entries": entries, "types_right": types})  # fmt: skip
    text = tables.markdown(entries, types, settings=asdict(settings), libraries=libraries,
                           titles={way: WAYS[way].title for way in ways})  # fmt: skip
    write_text(work / "summary.md", text)


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--work", type=Path, default=Path("generative-experiment"))
    parser.add_argument("--libraries", nargs="*", default=LIBRARIES)
    parser.add_argument("--ways", nargs="*", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=500, help="optimiser steps of a network")
    parser.add_argument("--width", type=int, default=16, help="channels of a network")
    parser.add_argument("--samples", type=int, default=400, help="synthetic spectra a type")
    parser.add_argument("--snr", type=float, default=50.0, help="of the synthetic spectra")
    parser.add_argument("--gan-steps", type=int, default=8000, help="of each reference GAN")
    parser.add_argument("--generator-epochs", type=int, default=10, help="standard generator")
    parser.add_argument("--quick", action="store_true", help="one seed, two libraries, minutes")
    parser.add_argument("--summary", action="store_true", help="write the summary alone")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", level=logging.INFO)
    logging.getLogger("spectype").setLevel(logging.INFO)
    torch.set_num_threads(1)
    libraries = list(options.libraries)
    if options.quick:
        options.seeds, options.steps, options.width = 1, 60, 8
        options.samples, options.gan_steps, options.generator_epochs = 60, 200, 2
        libraries = [lib for lib in libraries if lib in ("melchiors", "pickles")]
    settings = Settings(
        options.steps, options.width, options.samples, options.snr, options.gan_steps,
        options.generator_epochs, options.seeds,
    )  # fmt: skip
    act: Callable = summarise if options.summary else lambda *a: run(Store(options.store), *a)
    act(options.work, settings, libraries, options.ways)
    if not options.summary:
        summarise(options.work, settings, libraries, options.ways)


if __name__ == "__main__":
    main()
