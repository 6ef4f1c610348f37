"""``spectype evaluate`` and ``spectype report``: judge a run on stars it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from spectype.core.errors import DataError
from spectype.core.files import read_manifest
from spectype.draw.canvas import SCREEN
from spectype.draw.targets import OnPaper
from spectype.judge import baselines as simpler
from spectype.judge import strangers, stress
from spectype.judge.predictions import open_store, predict_test
from spectype.judge.report import write_report
from spectype.study.baseline import ReferenceBaseline

Switch = Annotated[bool, Parameter(negative="")]


@dataclass(frozen=True)
class ReportConfig:
    """Which run is judged how, and where the report goes.

    Parameters
    ----------
    store
        The run's store, if it has moved.
    out
        Folder of the report; by default report/ in the run.
    system
        mixed: each spectrum in the system of its own label; mk or survey: all in one. Of a
        report, the system that the run was evaluated in.
    paper
        Of the figures' files.
    """

    store: Path | None = None
    out: Path | None = None
    system: Literal["mixed", "mk", "survey"] = "mixed"
    paper: OnPaper = SCREEN


Config = Annotated[ReportConfig, Parameter(name="*")]


def evaluate(
    run: Path,
    *,
    baselines: Switch = False,
    stress_tests: Annotated[bool, Parameter(name="--stress", negative="")] = False,
    config: Config = ReportConfig(),
    reference: Annotated[
        ReferenceBaseline, Parameter(name="*", group="Reference network of --baselines")
    ] = ReferenceBaseline(),  # noqa: B008
) -> int:
    """Judge a run on its test stars: report.json and a self-contained report.html.

    A test star that training has seen, or a synthetic spectrum in the test set, is refused.

    Example: `spectype evaluate runs/first --stress`

    Parameters
    ----------
    run
        Folder of a finished run.
    baselines
        Train and score simpler methods on the same stars: template matching, PCA with nearest
        neighbours, random forest on line indices, linear support vectors, the reference CNN.
        Some minutes, most of them for the last.
    stress_tests
        Type the same stars again with noise, cut, moved, reddened and blurred, and see whether
        galaxies, quasars, white dwarfs, carbon stars, empty fibres and faults are flagged. A
        minute or two. Those of an earlier evaluation are dropped.
    """
    data = open_store(run, config.store)
    predictions = predict_test(run, data, system=config.system)
    if not predictions["true_type"].is_not_null().any():
        raise DataError("no test star has a type", path=run)
    if baselines:
        methods = [m for _, m in simpler.METHODS.items() if not isinstance(m, ReferenceBaseline)]
        if reference.reference_epochs:
            methods.append(reference)
        simpler.run_baselines(run, data, methods=methods)
    for file in (stress.FILE, strangers.FILE):  # of an earlier model, perhaps
        (run / file).unlink(missing_ok=True)
    if stress_tests:
        stress.run_stress(run, data, predictions, system=config.system)
        strangers.run_strangers(run, data, predictions)
    return _write(run, config)


def report(run: Path, *, config: Config = ReportConfig()) -> int:
    """Write the report of an evaluated run again, from its predictions.

    Example: `spectype report runs/first`

    Parameters
    ----------
    run
        Folder of an evaluated run.
    """
    if not (run / "predictions.parquet").is_file():
        raise DataError(
            "has no predictions yet", path=run, remedy=f"run spectype evaluate {run} first"
        )
    return _write(run, config)


def _write(run: Path, config: ReportConfig) -> int:
    import polars as pl

    data = open_store(run, config.store)
    manifest = read_manifest(run, "run")
    folder = config.out or run / "report"
    extra = {
        name: pl.read_parquet(run / file)
        for name, file in (("baselines", simpler.FILE), ("stress", stress.FILE),
                           ("strangers", strangers.FILE))
        if (run / file).exists()
    }  # fmt: skip
    scores = write_report(
        folder,
        pl.read_parquet(run / "predictions.parquet"),
        system=config.system,
        title=f"Evaluation of {run.resolve().name}",
        about={
            "run": str(run),
            "store": str(data.folder),
            "training spectra by type": manifest["types"]["train"],
            "seed": manifest["recipe"]["train"]["seed"],
            "left out of training": ", ".join(manifest["recipe"]["train"]["leave_out"]) or "-",
        },
        log_path=run / "log.jsonl" if (run / "log.jsonl").exists() else None,
        spectra=lambda rows: data.spectra(list(rows)),
        paper=config.paper,
        **extra,
    )
    for line in summary(scores.to_data()):
        print(line)
    print(f"report: {folder / 'report.html'}")
    return 0


def summary(data: dict[str, object]) -> list[str]:
    """Lines for the terminal: recall of each type with its interval."""
    lines = []
    for entry in data["types"]:  # type: ignore[attr-defined]
        recall = entry["recall"]
        if not recall["n"]:
            lines.append(f"{entry['name']}: none in the test set")
            continue
        lines.append(
            f"{entry['name']}: recall {recall['value']:.3f} "
            f"({recall['low']:.3f}-{recall['high']:.3f}), {recall['n']} spectra"
        )
    return lines
