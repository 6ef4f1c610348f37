"""Train, judge and ship the standard model. Anyone with the labelled spectra can rerun it.

    python recipes/standard_model.py DATA --work WORK [--stage judge|leave-out|ship|card]

DATA is a folder with ``labels.csv`` and the spectra it names. WORK keeps everything: the stores,
the runs (resumable), the reports. Because real O and B stars are so few, a tenth of the draws of
every training are simulated ones, and of some members' also samples of a generator that has learnt
from the same training stars; what is validated, calibrated and judged is real. Stages: ``judge``
trains members on 70 % of the stars and scores them on 20 % never seen; ``leave-out`` trains without
one library and scores it; ``ship`` trains on all stars but those kept for calibration and writes
the model into the package; ``card`` writes the model card from the reports.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import string
from collections.abc import Sequence
from pathlib import Path

import spectype
from spectype.classify.runtime import SHIPPED
from spectype.core.files import write_manifest, write_text
from spectype.dataset.build import BuildConfig, build
from spectype.dataset.store import Store
from spectype.generate.fill import fill_rare
from spectype.judge.predictions import predict_test
from spectype.judge.report import write_report
from spectype.judge.strangers import run_strangers
from spectype.judge.stress import run_stress
from spectype.learn.export import export_model
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.learn.training import train
from spectype.simulate import memory

HERE = Path(__file__).parent
#: Seeds of the members, and which learn from a generator's O and B spectra beside simulated ones;
#: these have narrower labels, too. What differs in more than its seed errs more independently.
MEMBERS = ((1, False), (1, True), (2, False), (2, True))
GENERATED = {"label_spread": 0.65, "synthetic_share": 0.15}
EPOCHS = 30
LEAVE_OUT = ("jacoby", "miles")
LEFT_OUT_MEMBERS = 2  # one of each kind
SIMULATED = 2700
NETWORK = NetworkConfig(width=40, hidden=224)
AUGMENT = AugmentConfig(cut=0.3, hide_shape=0.2)


def recipe(**options: object) -> Recipe:
    """The recipe of a member."""
    settings = {
        "epochs": EPOCHS, "threads": 1, "validation": 0.1, "test": 0.2,
        "synthetic_share": 0.1,
    } | options  # fmt: skip
    return Recipe(network=NETWORK, augment=AUGMENT, train=TrainConfig(**settings))  # type: ignore[arg-type]


def open_store(data: Path, work: Path) -> Store:
    """Build the store of all labelled spectra, once."""
    folder = work / "store"
    if (folder / "manifest.json").exists():
        return Store(folder)
    config = BuildConfig(labels=data / "labels.csv", only_labelled=True, overwrite=True)
    return build([data], folder, config=config)


def simulated_store(work: Path) -> Store:
    """Simulate stars evenly from O4 to A5, classes I, III and V, S/N 15 to 200, once.

    Not to A0 only: synthetic stars on one side of a type's boundary would move it.
    """
    folder = work / "simulated"
    if (folder / "manifest.json").exists():
        return Store(folder)
    stars = memory.draw(
        SIMULATED, first=4.0, last=26.0, luminosities=("I", "III", "V"), snr=(15.0, 200.0), seed=1
    )
    return memory.write_store(stars, folder, seed=1, workers=1)


def members(store: Store, simulated: Store, folder: Path, n: int, **options: object) -> list[Path]:
    """Train `n` members of an ensemble; those that are done are left as they are."""
    runs = []
    for place, (seed, generated) in enumerate(MEMBERS[:n], 1):
        run = folder / f"member-{place}"
        if not (run / "manifest.json").exists():
            plan = recipe(seed=seed, **(GENERATED if generated else {}), **options)
            extra = [simulated]
            if generated and (made := fill_rare(store, run, plan.train, types="OB")):
                extra.append(made)
            train(store, run, recipe=plan, synthetic=extra)
        runs.append(run)
    return runs


def judge(
    store: Store, simulated: Store, folder: Path, n: int, title: str, **options: object
) -> None:
    """Train an ensemble, score it on its test stars, write the report."""
    runs = members(store, simulated, folder, n, **options)
    export_model(runs, store, folder, name=folder.name, compact=True)
    shutil.copy(runs[0] / "split.parquet", folder / "split.parquet")
    manifest = json.loads((runs[0] / "manifest.json").read_text())
    write_manifest(folder, "run", {k: v for k, v in manifest.items() if k != "kind"})
    predictions = predict_test(folder, store, system="mixed")
    write_report(
        folder / "report",
        predictions,
        system="mixed",
        title=title,
        about={"members": n, "training spectra by type": manifest["types"]["train"]},
        log_path=runs[0] / "log.jsonl",
        spectra=lambda rows: store.spectra(list(rows)),
        stress=run_stress(folder, store, predictions),
        strangers=run_strangers(folder, store, predictions),
    )


def ship(store: Store, simulated: Store, folder: Path) -> None:
    """Train on all stars but the calibration's and write the model into the package."""
    runs = members(store, simulated, folder, len(MEMBERS), test=0.0)
    target = SHIPPED / "standard"
    export_model(runs, store, target, name="standard", compact=True)


def card(work: Path) -> None:
    """Fill the card's template with the tables of the reports."""
    reports = {
        name: json.loads((work / name / "report" / "report.json").read_text())
        for name in ("judge", *(f"without-{library}" for library in LEAVE_OUT))
    }
    tables = {
        "version": spectype.__version__,
        "overall": overall_table(reports),
        "types": type_table(reports["judge"]),
        "surveys": survey_table(reports["judge"]),
        "luminosity": luminosity_table(reports),
        "repeats": repeats_table(reports["judge"]),
        "snr": snr_table(reports["judge"]),
        "stress": stress_table(reports["judge"]),
        "flagged": flagged_table(reports["judge"]),
        "left_out": "\n\n".join(
            f"Trained without {library}, tested on it:\n\n"
            + type_table(reports[f"without-{library}"])
            for library in LEAVE_OUT
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
        ]
        for entry in report["flagged"]
    ]
    return rows_of("what | origin | spectra | flagged OUT_OF_DISTRIBUTION", rows)


def main() -> None:
    """Run the stages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"))
    stages = ("judge", "leave-out", "ship", "card")
    parser.add_argument("--stage", choices=stages, nargs="*", default=stages)
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    if {"judge", "leave-out", "ship"} & set(options.stage):
        train_stages(options.data, options.work, options.stage)
    if "card" in options.stage:
        card(options.work)


def train_stages(data: Path, work: Path, stages: Sequence[str]) -> None:
    """The stages that train."""
    store, simulated = open_store(data, work), simulated_store(work)
    if "judge" in stages:
        title = "The standard recipe on stars it has not seen"
        judge(store, simulated, work / "judge", len(MEMBERS), title)
    if "leave-out" in stages:
        for library in LEAVE_OUT:
            title = f"The standard recipe, trained without {library}"
            folder = work / f"without-{library}"
            judge(store, simulated, folder, LEFT_OUT_MEMBERS, title, leave_out=(library,))
    if "ship" in stages:
        ship(store, simulated, work / "ship")


if __name__ == "__main__":
    main()
