"""``spectype catalogue``: from a survey's catalogue to lists of spectra."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from spectype.catalogue.sample import SampleConfig

if TYPE_CHECKING:
    from spectype.catalogue.summary import Summary

app = App(name="catalogue", help="Summarise, split and sample a survey's catalogue.")


@app.command
def summary(
    file: Path,
    *,
    band: str = "g",
    separator: str | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Count a catalogue by class and type, with quantiles of S/N and repeat observations.

    Example: `spectype catalogue summary dr6_v2_general.csv.gz`

    Parameters
    ----------
    file
        Catalogue: .csv, .csv.gz, .fits, .fits.gz or .parquet.
    band
        Band of the S/N: u g r i z.
    separator
        Between the fields of a CSV; found in its header by default.
    json_
        Print JSON instead of a table.
    """
    from spectype.catalogue.summary import summarise

    result = summarise(file, band=band, separator=separator)
    if json_:
        print(json.dumps(result.as_dict(), indent=1))
    else:
        _print_summary(result)
    return 3 if result.rejected else 0


def _print_summary(result: Summary) -> None:
    from rich.console import Console
    from rich.table import Table

    from spectype.catalogue.summary import QUANTILES

    title = f"{result.path}: {result.rows:,} rows (quantiles of S/N in {result.band})"
    table = Table(title=title, title_justify="left")
    for name in ("class", "type"):
        table.add_column(name, no_wrap=True)
    for name in ("spectra", "stars", "repeats", *(f"{q:.0%}" for q in QUANTILES)):
        table.add_column(name, justify="right", no_wrap=True)
    for group in result.groups:
        counts = [group.rows, group.stars, group.repeats]
        cells = ["-" if count is None else f"{count:,}" for count in counts]
        table.add_row(group.group, group.type, *cells, *[f"{q:.1f}" for q in group.snr])
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)
    if result.stars is not None:
        print(f"{result.stars:,} stars, told apart by {result.star_key}")
    _print_faults(result.without_obsid, result.duplicate_obsids, result.rejected)


def _print_faults(without_obsid: int, duplicates: int, rejected: dict[str, int]) -> None:
    if without_obsid:
        print(f"without obsid: {without_obsid:,}")
    if duplicates:
        print(f"rows that repeat an obsid: {duplicates:,}")
    for reason, count in rejected.items():
        print(f"rejected {count:,}: {reason}")


@app.command
def split(
    file: Path,
    *,
    out: Path,
    format: Literal["parquet", "csv"] = "parquet",
    separator: str | None = None,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Split a catalogue into one table a type: O B A F G K M, and OB, unknown and other.

    Rows that cannot be trusted (too few fields, an obsid that is no number) go to a table of
    their own, with the reason. Exit status 3 if there are any.

    Example: `spectype catalogue split dr6_v2_general.csv --out catalogue/`

    Parameters
    ----------
    file
        Catalogue: .csv, .csv.gz, .fits, .fits.gz or .parquet.
    out
        Folder of the tables.
    format
        Of the tables; CSV keeps the text and the separator of a CSV source.
    separator
        Between the fields of a CSV; found in its header by default.
    overwrite
        Replace the tables of an earlier split.
    """
    from spectype.catalogue.split import split as split_catalogue

    result = split_catalogue(file, out, format=format, separator=separator, overwrite=overwrite)
    for name, count in result.counts.items():
        note = "  O or B, the survey does not say" if name == "OB" and count else ""
        print(f"{name:8s}{count:>12,}{note}{'  no such row' if not count else ''}")
    if result.kinds:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in result.kinds.items())
        print(f"unknown and other are: {kinds}")
    _print_faults(result.without_obsid, result.duplicate_obsids, result.rejected)
    if result.rejected:
        listed = ", ".join(str(row) for row in result.rejected_rows)
        print(f"rejected rows (from 0): {listed} ...; all are in {out}/rejected.{format}")
    return 3 if result.rejected else 0


@app.command
def sample(
    folder: Path,
    *,
    out: Path,
    config: Annotated[SampleConfig, Parameter(name="*")] = SampleConfig(),  # noqa: B008
    overwrite: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Draw spectra of each type: lists of obsids, and a table with splits by star.

    Writes X-sample.txt for each type X, one obsid a line, as the survey's search page takes it,
    and sample.parquet with train, validation and test by star.

    Example: `spectype catalogue sample catalogue/ --per-type 1400 --quota O=all --out sample/`

    Parameters
    ----------
    folder
        Made by catalogue split.
    out
        Folder of the sample.
    overwrite
        Replace an earlier sample.
    """
    from spectype.catalogue.sample import sample as draw

    result = draw(folder, out, config=config, overwrite=overwrite)
    for type, taken in result.taken.items():
        parts = "  ".join(f"{name} {counts[type]:,}" for name, counts in result.splits.items())
        asked = result.asked[type]
        note = f"  (asked for {asked:,}: took all there are)" if type in result.short else ""
        print(f"{type:2s} {taken:>10,} of {result.available[type]:,}   {parts}{note}")
    print(f"{sum(result.taken.values()):,} spectra of {result.stars:,} stars in {out}")
    for reason, count in result.dropped.items():
        print(f"left out {count:,}: {reason}")
    return 0


def bench(
    *,
    rows: int = 10_000_000,
    pandas: Annotated[bool, Parameter(negative="--no-pandas")] = True,
    pandas_writes: Annotated[bool, Parameter(negative="")] = False,
    folder: Path | None = None,
    seed: int = 0,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure the split of a made-up catalogue of 36 columns, next to pandas.

    Each step runs in a process of its own: split, summary, a star-disjoint split of all rows,
    and pandas.read_csv with seven filters. Ten million rows take some 5 GB of disk for the
    time, and pandas some 10 GB of memory.

    Example: `spectype bench catalogue --rows 1000000`

    Parameters
    ----------
    rows
        Of the catalogue.
    pandas
        Measure pandas, too (if installed, and if there is memory for it).
    pandas_writes
        Let pandas write the seven tables as CSV, as the reference study did: takes minutes.
    folder
        Where to work; a temporary folder by default.
    seed
        Of the catalogue.
    json_
        Print JSON instead of a table.
    """
    from rich.console import Console
    from rich.table import Table

    from spectype.bench.catalogue import measure

    report = measure(rows, folder=folder, pandas=pandas, pandas_writes=pandas_writes, seed=seed)
    if json_:
        print(json.dumps(report.as_dict(), indent=1))
        return 0
    title = f"{report.rows:,} rows, {report.columns} columns, {report.gigabytes:.2f} GB"
    table = Table("", title=title, title_justify="left")
    for name in ("seconds", "CPU seconds", "peak memory"):
        table.add_column(name, justify="right")
    for step in report.steps:
        table.add_row(step.name, f"{step.seconds:.1f}", f"{step.cpu:.1f}", f"{step.peak:.2f} GB")
    Console().print(table)
    for name, ratio in report.ratios.items():
        print(f"{name}: {ratio:.2f}")
    other = report.step("pandas")
    if other is not None:
        print(f"pandas' strings: {other.result['strings']}")
    elif pandas:
        print("pandas was not measured: not installed, or too little memory for it")
    return 0
