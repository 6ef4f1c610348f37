"""``spectype simulate``: a small LAMOST release on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spectype.simulate.survey import Settings


def simulate(*, out: Path, settings: Annotated[Settings, Parameter(name="*")] | None = None) -> int:
    """Write a simulated LAMOST release whose labels are known exactly.

    The folder gets a '|' separated catalogue with DR6 columns, a tree of FITS files with the
    survey's names, headers and layouts, the true parameters in truth.parquet, and a manifest.

    Example: `spectype simulate --n 3000 --out release/`

    Parameters
    ----------
    out
        Folder to write; must be empty unless --overwrite is given.
    settings
        What to simulate.
    """
    from spectype.simulate.survey import write_release

    counts = write_release(out, settings=settings or Settings())
    print(f"{counts['spectra']} spectra of {counts['targets']} objects in {out}")
    return 0
