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
import string
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import expert_labels
import numpy as np
import polars as pl
from torch import nn

import spectype
from spectype.classify.obtain import SHIPPED
from spectype.core import mk
from spectype.core.files import read_json, write_json, write_text
from spectype.dataset.build import BuildConfig, build
from spectype.dataset.store import Store
from spectype.judge.metrics import share as count_share
from spectype.judge.predictions import predict_test
from spectype.judge.report import write_report
from spectype.judge.strangers import run_strangers
from spectype.judge.stress import run_stress
from spectype.learn.export import export_model, load_member
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.learn.training import train
from spectype.simulate import halo, memory

HERE = Path(__file__).parent
#: Name, channels and training of the teachers: what differs in more than its seed errs more
#: independently.
TEACHERS = (
    ("teacher-a", 24, {"seed": 1, "epochs": 90}),
    ("teacher-b", 16, {"seed": 2, "epochs": 110, "survey_weight": 0.1}),
)
WIDTH = 16  #: channels of the student
#: It starts from the teacher of its own size.
STUDENT = {"seed": 11, "epochs": 45, "learning_rate": 1e-3, "mix": 0.15}
SHIP = {"seed": 12, "epochs": 25, "learning_rate": 5e-4, "mix": 0.15, "test": 0.0}
#: Libraries left out, two by two, so that each training still knows O and B stars.
LEFT_OUT = {
    "without-miles": (("miles", "indo_us"), {"seed": 3, "epochs": 75}),
    "without-jacoby": (("jacoby", "stelib"), {"seed": 4, "epochs": 70}),
}


def recipe(width: int, **options: object) -> Recipe:
    """The recipe of a network of `width` channels."""
    settings = {
        "threads": 1, "validation": 0.1, "test": 0.2, "synthetic_share": 0.13, "survey_weight": 0.0,
    } | options  # fmt: skip
    return Recipe(
        network=NetworkConfig(width=width),
        augment=AugmentConfig(cut=0.3, hide_shape=0.2),
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
    """Stars evenly from O4 to A9, classes I, III and V, and halo stars and hot subdwarfs, once.

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
            stars = halo.draw(1200, snr=(12.0, 200.0), seed=3)
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
    **options: object,
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


def agreeing(data: Path, work: Path, runs: Sequence[str]) -> str:
    """A table of the test stars whose two catalogues agree in letter, and the gross errors."""
    second = expert_labels.by_path(data / "second_types.csv")
    labels = {row["path"]: row["subclass"] for row in expert_labels.rows_of(data / "labels.csv")}
    rows, gross = [], []
    for name in runs:
        table = pl.read_parquet(work / name / "predictions.parquet")
        right, off, stars = [], [], []
        for row in table.iter_rows(named=True):
            path = str(Path(row["path"]).resolve().relative_to(data.resolve()))
            one = mk.parse(labels.get(path) or "")
            two = mk.parse(second[path]["second_type"]) if path in second else None
            if two is None or one.type is None or one.type != two.type:
                continue
            right.append(row["type"] == one.type)
            stars.append(row["star_id"])
            apart = abs(row["subclass_code"] - one.code)
            off.append(apart)
            if apart > 8:
                gross.append(f"{labels[path]} read as {row['subclass']} ({row['flag_names']})")
        counted = count_share(np.array(right), stars=stars)
        shown = f"{counted.value:.3f} ({counted.low:.3f}-{counted.high:.3f})"
        mean = f"{np.nanmean(off):.2f}"
        rows.append([name, f"{counted.n} / {counted.n_stars}", shown, mean])
    header = "test set | spectra / stars | types right | mean abs. subclass error"
    said = "; ".join(gross) or "none"
    return f"{rows_of(header, rows)}\n\nOff by more than 8 subclasses: {said}."


def card(data: Path, work: Path) -> None:
    """Fill the card's template with the tables of the reports."""
    runs = ("student", *LEFT_OUT)
    reports = {name: read_json(work / name / "report" / "report.json") for name in runs}
    judged = reports["student"]
    tables = {
        "version": spectype.__version__,
        "overall": overall_table(reports),
        "agreeing": agreeing(data, work, runs),
        "types": type_table(judged),
        "surveys": survey_table(judged),
        "luminosity": luminosity_table(reports),
        "repeats": repeats_table(judged),
        "snr": snr_table(judged),
        "stress": stress_table(judged),
        "flagged": flagged_table(judged),
        "left_out": "\n\n".join(
            f"Trained without {' and '.join(libraries)}, tested on them:\n\n"
            f"{type_table(reports[name])}\n\n{survey_table(reports[name])}"
            for name, (libraries, _) in LEFT_OUT.items()
        ),
    }
    template = string.Template((HERE / "model_card.md").read_text())
    write_text(SHIPPED / "standard" / "README.md", template.substitute(tables))


def rows_of(header: str, rows: list[list[str]]) -> str:
    """A Markdown table."""
    names = [name.strip() for name in header.split("|")]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def share(entry: dict[str, float]) -> str:
    """A share with its 95 % interval."""
    if entry["value"] is None:
        return "-"
    return f"{entry['value']:.3f} ({entry['low']:.3f}-{entry['high']:.3f})"


def number(value: float | None) -> str:
    """Two decimals, or a dash where there is nothing to measure."""
    return "-" if value is None else f"{value:.2f}"


def overall_table(reports: dict[str, dict]) -> str:
    """One row a test set."""
    rows = []
    for name, report in reports.items():
        rows.append(
            [
                name,
                f"{report['spectra']} / {report['stars']}",
                share(report["accuracy"]),
                f"{report['mean_recall'][0]:.3f}",
                number(report["subclass"]["mean_abs"]),
                f"{report['calibration_error']:.3f}",
                share(report["sets"]["coverage"]) if report["sets"] else "-",
            ]
        )
    header = "test set | spectra / stars | types right | mean recall | mean abs. subclass error"
    return rows_of(header + " | calibration error | coverage of 90 % sets", rows)


def type_table(report: dict) -> str:
    """One row a type."""
    rows = [
        [
            entry["name"],
            f"{entry['recall']['n']} / {entry['recall']['n_stars']}",
            share(entry["recall"]),
            share(entry["precision"]),
            number(report["subclass_by_type"][entry["name"]]["mean_abs"]),
        ]
        for entry in report["types"]
        if entry["recall"]["n"]
    ]
    return rows_of("type | spectra / stars | recall | precision | mean abs. subclass error", rows)


def survey_table(report: dict) -> str:
    """One row a survey or library."""
    rows = [
        [
            name,
            f"{entry[0]['n']} / {entry[0]['n_stars']}",
            share(entry[0]),
            number(entry[1]["mean_abs"]),
        ]
        for name, entry in report["surveys"].items()
    ]
    return rows_of(
        "survey or library | spectra / stars | types right | mean abs. subclass error", rows
    )


def luminosity_table(reports: dict[str, dict]) -> str:
    """One row a test set: recall of the classes, macro-F1 over I, III and V."""
    rows = []
    for name, report in reports.items():
        recall = {entry["name"]: entry["recall"] for entry in report["luminosity"]}
        found = [f"{share(recall[c])} of {recall[c]['n']}" for c in ("I", "III", "V")]
        f1 = dict(zip(("value", "low", "high"), report["luminosity_f1"]))
        rows.append([name, *found, share(f1)])
    return rows_of("test set | I found | III found | V found | macro-F1", rows)


def repeats_table(report: dict) -> str:
    """What is said of two exposures of one star, by the model and by the survey's pipeline."""
    rows = [
        [
            name,
            f"{entry['agreement']['n']} / {entry['agreement']['n_stars']}",
            share(entry["agreement"]),
            number(entry["mean_abs"]),
        ]
        for name, entry in (("this model", report["repeats"]), ("labels", report["label_repeats"]))
    ]
    return rows_of("types by | pairs / stars | of one type | subclasses apart, mean", rows)


def snr_table(report: dict) -> str:
    """One row an S/N bin."""
    rows = [
        [f"{e['low']:g}-{e['high']:g}" if e["high"] else f"{e['low']:g} and more",
         f"{e['accuracy']['n']}", share(e["accuracy"]), number(e["code"]["mean_abs"])]
        for e in report["snr"] if e["accuracy"]["n"]
    ]  # fmt: skip
    header = "S/N (header, in g; else measured) | spectra | types right"
    return rows_of(header + " | mean abs. subclass error", rows)


def stress_table(report: dict) -> str:
    """One row a stress."""
    rows = []
    for entry in report["stress"]:
        points = [f"{100 * entry['lost'][k]:.1f}" for k in ("value", "low", "high")]
        rows.append(
            [
                entry["name"],
                f"{entry['after']['n']}",
                f"{entry['before']['value']:.3f}",
                share(entry["after"]),
                f"{points[0]} ({points[1]} to {points[2]})",
                f"{number(entry['code_before']['mean_abs'])}, {number(entry['code']['mean_abs'])}",
            ]
        )
    header = "stress | spectra | types right before | after | points lost"
    return rows_of(header + " | mean abs. subclass error before, after", rows)


def flagged_table(report: dict) -> str:
    """One row a kind of stranger and origin, then the false alarms by survey."""
    rows = [
        [
            "normal star (false alarm)" if entry["kind"] == "star" else entry["kind"],
            entry["origin"],
            f"{entry['share']['n']}",
            share(entry["share"]),
            share(entry["named"]) if entry["named"] else "-",
        ]
        for entry in report["flagged"]
    ]
    return rows_of("what | origin | spectra | flagged OUT_OF_DISTRIBUTION | kind right", rows)


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
        "card": card,
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
