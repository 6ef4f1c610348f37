"""``spectype results``: shards merged, checked, summed up, joined with a catalogue."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from spectype.core.errors import UsageError
from spectype.core.sky import MATCH_RADIUS

app = App(
    name="results", help="Merge, check and sum up what `classify` wrote; join it with a catalogue."
)


@app.command
def merge(
    *folders: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    partial: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Join the shards of one folder, or of several, into one table.

    Refuses to mix models or settings, and what is not finished.

    Example: `spectype results merge results/ --output types.parquet`

    Parameters
    ----------
    folders
        Folders that `classify --output FOLDER/` wrote.
    output
        .csv, .csv.gz, .parquet, .fits, .vot or .ecsv file.
    partial
        Join what is there although shards are missing.
    """
    from spectype.bulk.results import merge as merge_folders

    if not folders:
        raise UsageError("no folder is named", remedy="see spectype results merge --help")
    rows = merge_folders(folders, output, partial=partial)
    print(f"{rows:,} rows: {output}", file=sys.stderr)
    return 0


@app.command
def check(folder: Path) -> int:
    """Prove that every input has its row, once, typed by one model; every file is read.

    Exit status: 0 complete; 1 something is missing or wrong.

    Example: `spectype results check results/`

    Parameters
    ----------
    folder
        What `classify --output FOLDER/` wrote.
    """
    from spectype.bulk.results import MOST
    from spectype.bulk.results import check as check_folder

    found = check_folder(folder)
    print(
        f"{found.with_rows:,} of {found.inputs:,} inputs have rows ({found.rows:,} rows), "
        f"{found.finished:,} of {found.shards:,} shards are finished"
    )
    for problem in found.problems[:MOST]:
        print(f"wrong: {problem}")
    if len(found.problems) > MOST:
        print(f"wrong: and {len(found.problems) - MOST} more")
    if found.strangers:
        print(f"none of ours: {', '.join(found.strangers[:MOST])}")
    if len(found.versions) > 1:
        print(f"written by versions {', '.join(sorted(found.versions))} of spectype")
    if found.complete:
        print("complete")
        return 0
    if found.finished < found.shards and not found.problems:
        print("not complete: the command that made it goes on where it stopped")
    return 1


@app.command
def join(
    results: Path,
    catalogue: Path,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    by: Literal["obsid", "position"] | None = None,
    radius: float = MATCH_RADIUS,
) -> int:
    """Write the rows with the columns of a catalogue, of the same obsid or position.

    Every row of the results stays, in its order; columns of the catalogue follow ours, and
    have _catalogue behind a name that we have, too.

    Example: `spectype results join types.parquet dr6_v2.csv.gz --output joined.fits`

    Parameters
    ----------
    results
        A folder of shards, or a table that `classify` wrote.
    catalogue
        CSV, FITS, VOTable, ECSV or parquet.
    output
        .csv, .csv.gz, .parquet, .fits, .vot or .ecsv file.
    by
        By default obsid where both tables have it, else position.
    radius
        Farthest separation of a match by position [arcsec].
    """
    from spectype.bulk.join import join as join_tables

    found = join_tables(results, catalogue, output, by=by, radius=radius)
    print(
        f"{found.matched:,} of {found.rows:,} rows are in the catalogue, by {found.by}: {output}",
        file=sys.stderr,
    )
    return 0 if found.matched else 1


@app.command
def summary(
    results: Path, *, json_: Annotated[bool, Parameter(name="--json", negative="")] = False
) -> int:
    """Count rows by type, kind, flag and error.

    Example: `spectype results summary results/`

    Parameters
    ----------
    results
        A folder of shards, or a table that `classify` wrote.
    json_
        Print JSON instead of tables.
    """
    from spectype.bulk.results import summarise

    counts = summarise(results)
    if json_:
        print(json.dumps(counts, indent=1))
    else:
        _print(counts)
    return 0


def _print(counts: dict[str, Any]) -> None:
    rows = max(counts["rows"], 1)
    print(f"{counts['rows']:,} rows, {counts['typed']:,} typed")
    if "shards" in counts:
        print(f"{counts['finished']:,} of {counts['shards']:,} shards are finished")
    for title in ("types", "kinds", "flags", "errors"):
        if counts[title]:
            print(f"\n{title}")
        for name, n in list(counts[title].items())[:40]:
            print(f"  {n:>12,}  {100 * n / rows:7.3f} %  {name}")
