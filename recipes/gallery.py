"""The pictures of docs/gallery.md, drawn from what `spectype demo` leaves behind.

Run: spectype demo --out demo && python recipes/gallery.py demo docs/figures
"""

from __future__ import annotations

import runpy
import shutil
import sys
import tempfile
from pathlib import Path

import polars as pl

import spectype
from spectype.cli import run

TUTORIAL = Path(__file__).resolve().parents[1] / "docs" / "tutorials" / "judge.py"
REPORT = ("confusion-matrix", "recall-by-type", "subclass", "calibration")
FIDELITY = ("spectra", "distances", "correlations")
DPI = "100"


def main(demo: Path, out: Path) -> None:
    """Draw everything anew."""
    out.mkdir(parents=True, exist_ok=True)
    spectra(demo / "release" / "fits", out)
    with tempfile.TemporaryDirectory() as work:
        report(demo / "release", out, Path(work))
    for name in FIDELITY:
        shutil.copy(demo / "fidelity" / "figures" / f"O-{name}.svg", out / f"gallery-{name}.svg")


def spectra(release: Path, out: Path) -> None:
    """Spectra with their types, compared, explained."""
    table = spectype.classify(str(release)).filter(pl.col("flags") == 0)
    best = table.sort("snr", descending=True).unique("type", keep="first", maintain_order=True)
    star = {row["type"]: row["path"] for row in best.iter_rows(named=True)}

    def draw(verb: str, *words: str, name: str) -> None:
        output = str(out / f"gallery-{name}.png")
        assert run(["plot", verb, *words, "--dpi", DPI, "--output", output]) == 0

    draw("spectrum", star["O"], name="spectrum")
    draw("spectrum", star["M"], "--width", "one", name="column")
    draw("compare", star["B"], star["A"], star["F"], "--offset", "1", "--between", "3800", "5200",
         "--normalise", name="compare")  # fmt: skip
    draw("explain", star["G"], name="explain")


def report(release: Path, out: Path, work: Path) -> None:
    """Figures of the report that the tutorial on judging writes."""
    sys.argv = [str(TUTORIAL), str(release), str(work)]
    runpy.run_path(str(TUTORIAL), run_name="__main__")
    for name in REPORT:
        shutil.copy(work / "report" / "figures" / f"{name}.svg", out / f"gallery-{name}.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
