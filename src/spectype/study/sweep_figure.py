"""The study's sweeps beside ours: one figure, one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.core.files import write_json
from spectype.draw.canvas import (
    ACCENT,
    FORMATS,
    SCREEN,
    SECOND,
    Paper,
    new_figure,
    page,
    save,
    style,
)
from spectype.judge import metrics
from spectype.judge.scores import plain

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from spectype.study.sweep import Point

_SMALL = 7.5  # points, of the footnote
_LETTERS = 72.0 / (0.58 * _SMALL)  # of it in an inch
NOTE = "Study: its own test set, split by spectrum. Ours: stars not seen in training."


def stars_tested(run: str | Path, meta: pl.DataFrame) -> int:
    """Typed stars in the test part of a run: the independent trials behind its accuracy."""
    import polars as pl

    path = Path(run) / "split.parquet"
    if not path.is_file():
        return 0
    typed = meta.filter(pl.col("type").is_not_null()).select("row")
    test = pl.read_parquet(path).filter(pl.col("split") == "test")
    return int(test.join(typed, on="row")["star_id"].n_unique())


def write_sweeps(
    points: Sequence[Point],
    folder: Path,
    *,
    meta: pl.DataFrame,
    about: dict[str, Any],
    paper: Paper = SCREEN,
) -> list[str]:
    """Write sweep.json and the figure as PDF, SVG and PNG; returns the table as lines.

    Parameters
    ----------
    points : sequence of Point
        The trainings.
    folder : Path
        Where to.
    meta : polars.DataFrame
        Of the store: ``row`` and ``type``.
    about : dict
        What is said under the figure.
    paper : Paper
        Width and resolution of the figure.
    """
    shares = [_share(point, meta) for point in points]
    rows = [{**asdict(p), "low": s.low, "high": s.high, "stars": s.n_stars}
            for p, s in zip(points, shares, strict=True)]  # fmt: skip
    write_json(folder / "sweep.json", {"about": about, "note": NOTE, "points": plain(rows)})
    with page(paper):
        figure = sweep_figure(points, shares, about=about)
        for kind in FORMATS:
            save(figure, folder / f"sweep.{kind}")
    lines = [f"{'':14}{'value':>8}{'study':>9}{'ours':>8}   95 % interval"]
    for p, s in zip(points, shares, strict=True):
        ours = f"{p.accuracy:8.4f}   {s.low:.3f}-{s.high:.3f}" if s.n_stars else "  diverged"
        lines.append(f"{p.sweep:14}{p.value:>8g}{p.study:>9.4f}{ours}")
    return [*lines, NOTE]


def _share(point: Point, meta: pl.DataFrame) -> metrics.Share:
    n = stars_tested(point.run, meta) if np.isfinite(point.accuracy) else 0
    low, high = metrics.wilson(point.accuracy * n if n else 0.0, n)
    return metrics.Share(point.accuracy, float(low), float(high), n, n)


def sweep_figure(
    points: Sequence[Point], shares: Sequence[metrics.Share], *, about: dict[str, Any]
) -> Figure:
    """A panel a sweep: accuracy of the study and ours against the quantity varied."""
    from spectype.study.sweep import SWEEPS

    names = list(dict.fromkeys(p.sweep for p in points))
    with style():
        figure = new_figure(3.1 * len(names) + 0.6, 3.6, panels=len(names))
        panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
        for axes, name in zip(panels, names, strict=True):
            here = [(p, s) for p, s in zip(points, shares, strict=True) if p.sweep == name]
            place = np.arange(len(here))
            axes.plot(place - 0.06, [p.study for p, _ in here], "s--", color=SECOND, lw=0.9,
                      ms=5, label="study")  # fmt: skip
            known = [(x, s) for x, (_, s) in zip(place, here, strict=True) if s.n_stars]
            axes.vlines([x + 0.06 for x, _ in known], [s.low for _, s in known],
                        [s.high for _, s in known], color=ACCENT, lw=2.4, alpha=0.4)  # fmt: skip
            axes.plot([x + 0.06 for x, _ in known], [s.value for _, s in known], "o-",
                      color=ACCENT, lw=0.9, ms=5, label="ours")  # fmt: skip
            for x, (_, s) in zip(place, here, strict=True):
                if not s.n_stars:
                    axes.annotate("diverged", (x, 0.03), ha="center", size=7, color=ACCENT)
            axes.set_xticks(place, [f"{p.value:g}" for p, _ in here])
            axes.set_xlabel(SWEEPS[name].title)
            axes.set_xlim(-0.4, len(here) - 0.6)
            axes.set_ylim(0, 1)
            axes.grid(axis="y")
        panels[0].set_ylabel("accuracy over seven types")
        panels[0].legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, borderpad=0)
        said = [NOTE, "Ours: " + ", ".join(f"{k} {v}" for k, v in about.items()) + "."]
        letters = int(figure.get_figwidth() * _LETTERS)
        figure.supxlabel("\n".join(fill(line, letters) for line in said), size=_SMALL)
    return figure
