"""Train, judge and ship the standard model. Anyone with the labelled spectra can rerun it.

    python recipes/standard_model.py DATA --work WORK [--stage teach judge leave-out ship card]

DATA is a folder with ``labels.csv`` and the spectra it names, and perhaps other catalogues' types
(expert_labels.py). WORK keeps everything: the stores, the runs (resumable), the reports, and
``times.json``, the seconds of each stage. Real O and B stars and weak-lined ones are few, so an
eighth of the draws are simulated stars; what is validated, calibrated and judged is real.

Stages: ``teach`` trains the teachers on 70 % of the stars; ``judge`` the student, one small
network that learns from them and from the labels, and scores it on 20 % of the stars, which
neither has seen; ``leave-out`` trains the same network, without teachers, without whole
libraries and scores it on them; ``ship`` trains the student on with all stars but those kept
for calibration and writes it into the package; ``card`` writes the model card from the reports.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import expert_labels
from model_card import write_card
from torch import nn

from spectype.classify.obtain import SHIPPED
from spectype.core.files import read_json, write_json
from spectype.dataset.build import BuildConfig, build
from spectype.dataset.store import Store
from spectype.judge.predictions import predict_test
from spectype.judge.report import write_report
from spectype.judge.strangers import run_strangers
from spectype.judge.stress import run_stress
from spectype.learn.export import export_model, load_member
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.learn.training import train
from spectype.simulate import halo, memory

#: Name, channels and training of the teachers: what differs in more than its seed errs more
#: independently.
TEACHERS = (
    ("teacher-a", 24, {"seed": 1, "epochs": 90}),
    ("teacher-b", 16, {"seed": 2, "epochs": 110, "survey_weight": 0.1}),
)
WIDTH = 16  #: channels of the student
#: It starts from the teacher of its own size.
STUDENT = {"seed": 11, "epochs": 45, "learning_rate": 1e-3, "mix": 0.15, "faintest": 2.5}
SHIP = STUDENT | {"seed": 12, "epochs": 25, "learning_rate": 5e-4, "test": 0.0}
#: Libraries left out, two by two, so that each training still knows O and B stars.
LEFT_OUT = {
    "without-miles": (("miles", "indo_us"), {"seed": 3, "epochs": 75}),
    "without-jacoby": (("jacoby", "stelib"), {"seed": 4, "epochs": 70}),
}


def recipe(width: int, *, faintest: float = 4.0, **options: object) -> Recipe:
    """The recipe of a network of `width` channels that learns down to an S/N of `faintest`."""
    settings = {
        "threads": 1, "validation": 0.1, "test": 0.2, "synthetic_share": 0.13, "survey_weight": 0.0,
    } | options  # fmt: skip
    return Recipe(
        network=NetworkConfig(width=width),
        augment=AugmentConfig(cut=0.3, hide_shape=0.2, faintest=faintest),
        train=TrainConfig(**settings),  # type: ignore[arg-type]
    )


def open_store(data: Path, work: Path) -> Store:
    """Build the store of all labelled spectra, once."""
    folder, labels = work / "store", work / "labels.csv"
    if (folder / "manifest.json").exists():
        return Store(folder)
    done = expert_labels.write(data, labels)
    logging.info("labels: %s", ", ".join(f"{n} {what}" for what, n in sorted(done.items())))
    config = BuildConfig(labels=labels, only_labelled=True, overwrite=True)
    return build([data], folder, config=config)


def simulated(work: Path) -> list[Store]:
    """Stars from O4 to A9, classes I, III, V, and halo stars, subdwarfs and white dwarfs, once.

    Not to A0 only: synthetic stars on one side of a type's boundary would move it.
    """
    stores = []
    for name in ("simulated", "halo"):
        folder = work / name
        if (folder / "manifest.json").exists():
            stores.append(Store(folder))
        elif name == "simulated":
            stars = memory.draw(3000, first=4.0, last=30.0, snr=(15.0, 200.0), seed=1)
            stores.append(memory.write_store(stars, folder, seed=1))
        else:
            stars = halo.draw(1500, snr=(12.0, 200.0), seed=3)
            stores.append(memory.write_store(stars, folder, seed=3, light=halo.light))
    return stores


def network(
    data: Path,
    work: Path,
    name: str,
    width: int,
    *,
    teachers: Sequence[nn.Module] = (),
    start_from: Path | None = None,
    **options: Any,
) -> Path:
    """Train one network into ``WORK/NAME`` and export it; what is done is left as it is."""
    run = work / name
    store = open_store(data, work)
    if not (run / "manifest.json").exists():
        plan = recipe(width, **options)
        train(
            store, run, recipe=plan, synthetic=simulated(work), teachers=teachers,
            start_from=start_from,
        )  # fmt: skip
    if not (run / "model.json").exists():
        export_model([run], store, run, name=name, compact=True)
    return run


def teach(data: Path, work: Path) -> list[Path]:
    """Train the teachers."""
    return [network(data, work, name, width, **options) for name, width, options in TEACHERS]


def student(data: Path, work: Path) -> Path:
    """The judged student."""
    runs = teach(data, work)
    start = next(run for run, (_, width, _) in zip(runs, TEACHERS) if width == WIDTH)
    masters = [load_member(run) for run in runs]
    return network(
        data, work, "student", WIDTH, teachers=masters, start_from=start, **STUDENT
    )  # fmt: skip


def score(store: Store, run: Path, title: str) -> None:
    """Score a run on its test stars and write its report."""
    manifest = read_json(run / "manifest.json")
    predictions = predict_test(run, store, system="mixed")
    write_report(
        run / "report",
        predictions,
        system="mixed",
        title=title,
        about={"training spectra by type": manifest["types"]["train"]},
        log_path=run / "log.jsonl",
        spectra=lambda rows: store.spectra(list(rows)),
        stress=run_stress(run, store, predictions),
        strangers=run_strangers(run, store, predictions),
    )


def leave_out(data: Path, work: Path) -> None:
    """Train without whole libraries and score the networks on them."""
    for name, (libraries, options) in LEFT_OUT.items():
        run = network(data, work, name, WIDTH, leave_out=libraries, **options)
        score(
            open_store(data, work), run, f"The standard network without {' and '.join(libraries)}"
        )


def ship(data: Path, work: Path) -> None:
    """Train the student on with all stars but the calibration's; write it into the package.

    Its calibration stars are of the judge's test part: no network before it has seen them.
    """
    start, masters = student(data, work), [load_member(run) for run in teach(data, work)]
    run = network(data, work, "ship", WIDTH, teachers=masters, start_from=start, **SHIP)
    export_model([run], open_store(data, work), SHIPPED / "standard", name="standard", compact=True)


@contextmanager
def timed(work: Path, stage: str) -> Iterator[None]:
    """Add the seconds of a stage to ``times.json``."""
    path, start = work / "times.json", time.monotonic()
    yield
    times = read_json(path) if path.exists() else {}
    times[stage] = round(times.get(stage, 0) + time.monotonic() - start, 1)
    write_json(path, times)
    logging.info("%s: %.0f s", stage, times[stage])


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"))
    stages = {
        "teach": teach,
        "judge": lambda data, work: score(
            open_store(data, work), student(data, work), "The standard model's recipe"
        ),
        "leave-out": leave_out,
        "ship": ship,
        "card": lambda data, work: write_card(data, work, LEFT_OUT),
    }
    parser.add_argument("--stage", choices=list(stages), nargs="*", default=list(stages))
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    options.work.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        if stage in options.stage:
            with timed(options.work, stage):
                stages[stage](options.data, options.work)


if __name__ == "__main__":
    main()
