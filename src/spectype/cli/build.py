"""``spectype build``: files and labels into a training store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spectype.dataset.build import BuildConfig
from spectype.dataset.build import build as build_store


def build(
    *sources: Path,
    out: Path,
    config: Annotated[BuildConfig, Parameter(name="*")] = BuildConfig(),  # noqa: B008
) -> int:
    """Gather files and labels into a training store.

    Labels come from the headers, or from a table (columns path or obsid, and subclass).
    Rejected spectra are counted by reason and listed in rejected.csv.

    Example: `spectype build raw/ --labels sample/sample.parquet --out store/`

    Parameters
    ----------
    sources
        Files and folders of spectra.
    out
        Folder of the store.
    """
    if config.workers is None:
        config = replace(config, workers=0)
    store = build_store(sources, out, config=config)
    types = ", ".join(f"{k} {v}" for k, v in store.manifest["types"].items())
    print(f"{len(store)} spectra in {out} (by type: {types})")
    for reason, count in store.manifest["rejected"].items():
        print(f"rejected {count}: {reason}")
    unparsed = store.manifest["labels_without_type"]
    if unparsed:
        listed = ", ".join(f"{k or '(none)'} {v}" for k, v in list(unparsed.items())[:12])
        print(f"without a type on the sequence O-M: {sum(unparsed.values())} ({listed})")
    return 0
