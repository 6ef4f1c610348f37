"""The standard model's card: the tables of its reports, and what it measures of the shipped model.

Velocities and cost are measured here; everything else comes from the reports that
standard_model.py has written.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import expert_labels
import numpy as np
import polars as pl
import velocity_scores

import spectype
from spectype.bench.classify import measure
from spectype.classify.obtain import SHIPPED, sha256
from spectype.classify.runtime import load_model
from spectype.core import mk
from spectype.core.files import read_json, write_text
from spectype.core.sky import group_by_position
from spectype.judge.metrics import share as count_share
from spectype.judge.velocity import agreement, repeats

HERE = Path(__file__).parent
LeftOut = Mapping[str, tuple[tuple[str, ...], Mapping[str, object]]]


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


def write_card(data: Path, work: Path, left_out: LeftOut) -> None:
    """Fill the card's template with the tables of the reports."""
    runs = ("student", *left_out)
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
        "velocity": velocity_table(data),
        "cost": cost_table(data),
        "left_out": "\n\n".join(
            f"Trained without {' and '.join(libraries)}, tested on them:\n\n"
            f"{type_table(reports[name])}\n\n{survey_table(reports[name])}"
            for name, (libraries, _) in left_out.items()
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
         f"{e['accuracy']['n']}", share(e["accuracy"]), number(e["code"]["mean_abs"]),
         share(e["coverage"]) if e["coverage"] else "-"]
        for e in report["snr"] if e["accuracy"]["n"]
    ]  # fmt: skip
    header = "S/N (header, in g; else measured) | spectra | types right"
    return rows_of(header + " | mean abs. subclass error | coverage of 90 % sets", rows)


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


def velocity_table(data: Path) -> str:
    """One row a range of S/N: our velocities against the survey's own, of A to M stars."""
    found = velocity_scores.lamost(data, load_model("standard", threads=1))
    rows = []
    for low, high in ((20, 50), (50, 1e9), (20, 1e9)):
        part = found.filter(
            pl.col("snr_g").is_between(low, high)
            & pl.col("type").is_in(list("AFGKM"))
            & pl.col("rv").is_not_null()
        )
        one = agreement(part["rv"], part["true"], part["rv_error"])
        star = [str(i) for i in group_by_position(part["ra"], part["dec"])]
        two = repeats(star, part["rv"], part["rv_error"])
        name = f"{low:g} and more" if high > 1e6 else f"{low:g}-{high:g}"
        cells = (f"{one.offset:+.1f}", f"{one.scatter:.1f}", f"{two.n}", f"{two.scatter:.1f}")
        rows.append([name, f"{one.n}", *cells])
    header = "S/N in g | spectra | median difference | scatter | pairs of exposures | scatter"
    return rows_of(header, rows)


def cost_table(data: Path) -> str:
    """Milliseconds a LAMOST file on one core of this machine, and what else was timed in turns."""
    files = sorted(str(p) for p in (data / "lamost").rglob("*.fits.gz"))[:640]
    found = measure(files, rounds=3)
    rows = [
        [name, f"{1e3 * seconds:.2f}", f"{1 / seconds:.0f}"]
        for name, seconds in found.seconds.items()
    ]
    weights = SHIPPED / "standard" / "model.onnx"
    said = f"The model is one file of {weights.stat().st_size / 1e6:.2f} MB; its SHA-256 is "
    said += f"`{sha256(weights)}`."
    return f"{rows_of('what | ms a file | files a second', rows)}\n\n{said}"
