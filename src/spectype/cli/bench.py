"""``spectype bench``: speed against named alternatives, on this machine, in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from spectype.surveys.speed import ReadSpeed

app = App(name="bench", help="Measure speed against named alternatives.")
app.command("spectype.cli.catalogue:bench", name="catalogue")


@app.command
def read(
    *paths: Path,
    n: int = 300,
    rounds: int = 5,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure how fast spectra are read, next to astropy and to decompression alone.

    All take turns on the same LAMOST files, so that a busy machine slows all alike; a file's
    time is its best of all rounds, a reader's time the median over files. Reading means flux,
    inverse variance, wavelengths, masks and the header's metadata.

    Example: `spectype bench read raw/ --n 300`

    Parameters
    ----------
    paths
        Folders (searched to any depth) or files, gzipped LAMOST spectra.
    n
        Number of files, evenly spread over those found.
    rounds
        Times that each file is read by each reader.
    json_
        Print JSON instead of a table.
    """
    from spectype.surveys.speed import find_files, measure

    result = measure(find_files(paths, n=n), rounds=rounds)
    if json_:
        print(json.dumps(result.as_dict(), indent=1))
    else:
        _print(result)
    return 0


def _print(result: ReadSpeed) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"Reading {result.n_files} LAMOST files, {result.kilobytes:.0f} kB each when gzipped"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("files/s", "us a file", "times"):
        table.add_column(name, justify="right")
    for name, seconds in result.seconds.items():
        ratio = seconds / result.seconds["spectype"]
        table.add_row(name, f"{1 / seconds:,.0f}", f"{1e6 * seconds:,.0f}", f"{ratio:.2f} x")
    Console().print(table)
    print(
        f"spectype reads {result.against_astropy:.1f} times as fast as astropy, and at"
        f" {result.against_gunzip:.2f} of the rate of decompression alone"
    )
