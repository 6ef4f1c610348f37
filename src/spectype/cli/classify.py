"""``spectype classify``: files in, a table out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spectype.bulk.run import classify as classify_paths
from spectype.classify import columns
from spectype.classify.batch import ClassifyConfig
from spectype.core import flags
from spectype.core.errors import UsageError


def classify(
    *paths: Annotated[str, Parameter(allow_leading_hyphen=True)],
    output: Annotated[str, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)] = "-",
    shard_size: int = 4096,
    dask: str | None = None,
    describe: Annotated[bool, Parameter(negative="")] = False,
    config: Annotated[ClassifyConfig, Parameter(name="*", group="Reading and typing")] = (
        ClassifyConfig()  # noqa: B008
    ),
) -> int:
    """Type spectra: one row a spectrum, with probabilities, subclass, class, sets and flags.

    Exit status: 0 all typed; 3 some rows carry an error; 2 bad usage; 1 nothing could be done.
    An interrupted run is resumed by the same command. With --velocity, the radial velocity and
    its error [km/s] follow as further columns; with --indices, line indices and equivalent widths
    [Angstrom, magnitude or ratio].

    Example: `spectype classify spec-*.fits.gz --output types.csv`

    Parameters
    ----------
    paths
        Files, folders (recursive), globs, @list.txt, or - for a list on stdin; FILE[3] is the
        fourth spectrum of a file. Stores and tables of samples, too.
    output
        .csv, .csv.gz, .parquet, .fits, .vot (VOTable) or .ecsv file; - writes CSV to stdout. A
        folder (NAME/) takes parquet shards: any number of spectra in little memory; without
        PATHS its own list goes on.
    shard_size
        Inputs a shard of such a folder.
    dask
        Type the shards of a folder on a cluster: the address of a Dask scheduler, local, or slurm.
    describe
        Say what every column and flag means, and type nothing.
    """
    if describe:
        print("\n".join(["Columns", "", *columns.describe(), "", "Flags", "", *flags.describe()]))
        return 0
    if config.workers is None:
        config = replace(config, workers=0)
    if dask is None:
        counts = classify_paths(paths, output, config=config, size=shard_size)
    elif output.endswith("/") or Path(output).is_dir():
        from spectype.bulk.cluster import classify_on_cluster

        counts = classify_on_cluster(paths, output, dask, config=config, size=shard_size)
    else:
        raise UsageError("--dask writes to a folder", remedy="give --output NAME/")
    if output != "-":
        print(
            f"{counts['typed']} of {counts['spectra']} spectra typed, "
            f"{counts['errors']} with an error: {output}",
            file=sys.stderr,
        )
    if counts["errors"] == counts["spectra"]:
        return 1
    return 3 if counts["errors"] or counts.get("failed") else 0
