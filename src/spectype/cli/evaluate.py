"""``spectype evaluate`` and ``spectype report``: judge a run on stars it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spectype.core.errors import DataError
from spectype.core.files import read_manifest
from spectype.judge.baselines import FILE, run_baselines
from spectype.judge.predictions import open_store, predict_test
from spectype.judge.report import write_report


def evaluate(
    run: Path,
    *,
    store: Path | None = None,
    out: Path | None = None,
    system: str = "mixed",
    baselines: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Judge a run on its test stars: report.json and a self-contained report.html.

    A test star that training has seen, or a synthetic spectrum in the test set, is refused.

    Example: `spectype evaluate runs/first`

    Parameters
    ----------
    run
        Folder of a finished run.
    store
        The run's store, if it has moved.
    out
        Folder of the report; by default report/ in the run.
    system
        mixed: each spectrum in the system of its own label; mk or survey: all in one.
    baselines
        Train and score simpler methods on the same stars: template matching, PCA with nearest
        neighbours, random forest on line indices, linear support vectors. A minute or two.
    """
    data = open_store(run, store)
    predictions = predict_test(run, data, system=system)
    known = predictions["true_type"].is_not_null().sum()
    if not known:
        raise DataError("no test star has a type", path=run)
    if baselines:
        run_baselines(run, data)
    return _write(run, out, system=system, store=store)


def report(
    run: Path, *, store: Path | None = None, out: Path | None = None, system: str = "mixed"
) -> int:
    """Write the report of an evaluated run again, from its predictions.

    Example: `spectype report runs/first`

    Parameters
    ----------
    run
        Folder of an evaluated run.
    store
        The run's store, if it has moved.
    out
        Folder of the report; by default report/ in the run.
    system
        The system the run was evaluated in.
    """
    if not (run / "predictions.parquet").is_file():
        raise DataError(
            "has no predictions yet", path=run, remedy=f"run spectype evaluate {run} first"
        )
    return _write(run, out, system=system, store=store)


def _write(run: Path, out: Path | None, *, system: str, store: Path | None) -> int:
    import polars as pl

    data = open_store(run, store)
    manifest = read_manifest(run, "run")
    folder = out or run / "report"
    scores = write_report(
        folder,
        pl.read_parquet(run / "predictions.parquet"),
        system=system,
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
        baselines=pl.read_parquet(run / FILE) if (run / FILE).exists() else None,
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
