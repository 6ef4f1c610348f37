"""Draw accuracy against cost for students of several sizes, taught by the same teachers.

    python recipes/model_sizes.py DATA --work WORK [--epochs 60] [--widths 8 12]

WORK is the folder of standard_model.py: its store, its teachers and its student are used and,
where they are missing, made. A student of another size starts from nothing, since it has no
teacher of its own size. Resumable. Ends in ``WORK/sizes.csv`` and ``sizes.png``: weights,
milliseconds a spectrum of the network alone on one core (median of rounds in which the networks
take turns), types right and mean absolute subclass error of the judge's test stars, and of those
whose two catalogues agree.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import expert_labels
import numpy as np
import polars as pl
import standard_model as standard

from spectype.classify.runtime import load_model
from spectype.core import mk
from spectype.dataset.store import Store
from spectype.draw.canvas import ACCENT, GREY, INK, new_figure, save, style
from spectype.judge.metrics import share as count_share
from spectype.judge.predictions import predict_test
from spectype.learn.export import load_member

WIDTHS = (8, 12)  #: beside the shipped size and the larger teacher's
SEED = 11  #: the shipped student's


def students(data: Path, work: Path, epochs: int, widths: Sequence[int]) -> dict[str, Path]:
    """Train what is missing; names and folders of the runs, small ones first."""
    teachers = standard.teach(data, work)
    masters = [load_member(run) for run in teachers]
    runs = {
        f"student of {width}": standard.network(
            data, work, f"student-{width}", width, teachers=masters, seed=SEED, epochs=epochs,
            learning_rate=2e-3, mix=0.15,
        )
        for width in widths
    }  # fmt: skip
    runs[f"student of {standard.WIDTH} (shipped size)"] = standard.student(data, work)
    runs[f"teacher of {standard.TEACHERS[0][1]}"] = teachers[0]
    return runs


def milliseconds(runs: dict[str, Path], store: Store, *, rounds: int = 15) -> dict[str, float]:
    """Median milliseconds a spectrum of each network alone, one thread; the networks take turns."""
    ready = store.spectra(list(range(256)))
    models = {name: load_model(run, threads=1) for name, run in runs.items()}
    seen: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, model in models.items():
            began = time.perf_counter()
            model.outputs(ready.flux, ~ready.mask)
            seen[name].append(1e3 * (time.perf_counter() - began) / len(ready))
    return {name: statistics.median(values[1:]) for name, values in seen.items()}


def scores(run: Path, store: Store, data: Path) -> dict[str, float]:
    """Types right and mean absolute subclass error: all test stars, and two agreeing labels."""
    table = predict_test(run, store, system="mixed").filter(
        pl.col("true_type").is_not_null() & pl.col("type").is_not_null()
    )
    second = expert_labels.by_path(data / "second_types.csv")
    paths = [str(Path(p).resolve().relative_to(data.resolve())) for p in table["path"]]
    two = [mk.parse(second[p]["second_type"]).type if p in second else None for p in paths]
    found: dict[str, float] = {}
    sure = pl.Series(two).eq_missing(table["true_type"])
    for name, part in (("all", table), ("two labels agree", table.filter(sure))):
        right = (part["type"] == part["true_type"]).to_numpy()
        counted = count_share(right, stars=part["star_id"].to_list())
        apart = (part["subclass_code"] - part["true_code"]).abs().to_numpy()
        found |= {
            f"{name}: spectra": counted.n,
            f"{name}: types right": round(counted.value, 3),
            f"{name}: low": round(counted.low, 3),
            f"{name}: high": round(counted.high, 3),
            f"{name}: mean subclasses off": round(float(np.nanmean(apart)), 2),
        }
    return found


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Types right, with their intervals, against spectra a second of the network alone."""
    with style():
        figure = new_figure(5.5, 3.2)
        axes = figure.add_subplot()
        series = (("all", INK, "o", 0.985), ("two labels agree", ACCENT, "s", 1.015))
        for part, colour, mark, aside in series:
            speed = [aside * 1e3 / row["ms a spectrum"] for row in rows]
            value, low, high = (
                np.array([row[f"{part}: {name}"] for row in rows])
                for name in ("types right", "low", "high")
            )
            axes.errorbar(
                speed, value, [value - low, high - value], fmt=mark, color=colour, capsize=2,
                label=f"{part} ({rows[0][f'{part}: spectra']} spectra)",
            )  # fmt: skip
        for row in rows:
            at = (1e3 / row["ms a spectrum"], row["all: low"])
            axes.annotate(row["network"], at, (0, -10), textcoords="offset points", ha="center",
                          fontsize=7, color=GREY)  # fmt: skip
        axes.margins(x=0.15, y=0.12)
        axes.set(xscale="log", xlabel="spectra a second, the network alone, one core")
        axes.set_ylabel("types right")
        axes.xaxis.set_major_formatter("{x:.0f}")
        axes.xaxis.set_minor_formatter("{x:.0f}")
        figure.legend(loc="outside upper center", ncols=2)
    save(figure, path)


def main() -> None:
    """Train, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--widths", type=int, nargs="*", default=WIDTHS)
    options = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    store = standard.open_store(options.data, options.work)
    runs = students(options.data, options.work, options.epochs, options.widths)
    cost = milliseconds(runs, store)
    rows = []
    for name, run in runs.items():
        weights = sum(p.numel() for p in load_member(run).parameters())
        rows.append(
            {"network": name, "weights": weights, "ms a spectrum": round(cost[name], 3)}
            | scores(run, store, options.data)
        )
        logging.info("%s", rows[-1])
    pl.DataFrame(rows).write_csv(options.work / "sizes.csv")
    draw(rows, options.work / "sizes.png")


if __name__ == "__main__":
    main()
