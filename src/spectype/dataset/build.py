"""Build a store: find files, read, preprocess, label, reject with reasons."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import atomic_path, check_writable_folder
from spectype.core.progress import track
from spectype.core.sky import identify
from spectype.core.spectra import Spectra, number
from spectype.dataset.labels import Labels, degrees, label_columns, read_labels
from spectype.dataset.preprocess import (
    Resample,
    Step,
    from_data,
    run_chain,
    standard_chain,
    to_data,
)
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.surveys import read

log = logging.getLogger("spectype")

SUFFIXES = (
    ".fits",
    ".fit",
    ".fts",
    ".csv",
    ".txt",
    ".dat",
    ".ascii",
    ".asc",
    ".tsv",
    ".ecsv",
    ".sp",
)
_CHUNK = 64
META = ("path", "index", "survey", "obsid", "object", "star_id", "ra", "dec", "snr", "class",
        "subclass", "redshift", "split", "synthetic", "has_errors")  # fmt: skip

_TEXT = ("path", "survey", "obsid", "object", "star_id", "class", "subclass", "split")


@dataclass(frozen=True)
class BuildConfig:
    """What `build` does.

    Parameters
    ----------
    labels : path, optional
        A labels CSV or sample table; without it labels come from the headers.
    rest_frame : bool
        Shift to the rest frame by the redshift, where one is known.
    min_coverage : float
        Reject spectra that cover less of the grid than this share.
    only_labelled : bool
        Leave out files that the labels table does not name.
    workers : int
        Processes; 0 takes all cores.
    overwrite : bool
        Replace a store that is there.
    """

    labels: Path | None = None
    rest_frame: bool = False
    min_coverage: float = 0.1
    only_labelled: bool = False
    workers: int = 0
    overwrite: bool = False


@dataclass
class Chunk:
    """What a worker returns for some files."""

    flux: list[NDArray[np.float16]] = field(default_factory=list)
    error: list[NDArray[np.float16]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


def find_files(sources: Iterable[str | Path]) -> list[Path]:
    """Files behind `sources`: files as given, folders recursively by suffix, sorted.

    Raises
    ------
    UsageError
        If a source does not exist, or a folder holds no spectra.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            inside = sorted(p for p in source.rglob("*") if is_spectrum_name(p.name))
            if not inside:
                raise UsageError("holds no spectra", path=source, remedy="expected *.fits, *.csv")
            files.extend(inside)
        elif source.exists():
            files.append(source)
        else:
            raise UsageError("does not exist", path=source, remedy="check the path")
    return list(dict.fromkeys(files))


def is_spectrum_name(name: str) -> bool:
    """Whether a file of this name may hold a spectrum."""
    lower = name.lower().removesuffix(".gz")
    return lower.endswith(SUFFIXES) and not lower.startswith((".", "labels.", "headers."))


def build(sources: Sequence[str | Path], out: str | Path, *, config: BuildConfig) -> Store:
    """Read `sources` into a new store at `out`.

    Parameters
    ----------
    sources : sequence of path-like
        Files and folders.
    out : path-like
        Folder of the store.
    config : BuildConfig
        How.

    Returns
    -------
    Store
        The finished store. ``rejected.csv`` beside its manifest lists what was left out and
        why; the manifest counts it.

    Raises
    ------
    UsageError
        If a source or the output cannot be used. DataError if no spectrum could be kept.
    """
    check_writable_folder(out)
    files = find_files(sources)
    labels = None if config.labels is None else read_labels(config.labels)
    chain = standard_chain(rest_frame=config.rest_frame)
    grid = next(step for step in chain if isinstance(step, Resample))
    writer = StoreWriter(out, wave=grid.wave, overwrite=config.overwrite)
    if labels is not None and config.only_labelled:
        named = {name for name, _ in labels.by_name}
        files = [file for file in files if file.name in named]
    rejected: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    n_chunks = -(-len(files) // _CHUNK)
    for chunk in track(_read_chunks(files, chain, config), total=n_chunks, title="reading"):
        rejected += chunk.rejected
        kept += [_store_row(_labelled(row, labels)) for row in chunk.rows]
        if chunk.rows:
            writer.append(np.concatenate(chunk.flux), np.concatenate(chunk.error))
    with atomic_path(writer.folder / "rejected.csv") as path:
        _write_rejected(path, rejected)
    if not kept:
        counts = Counter(row["reason"] for row in rejected).most_common(3)
        reasons = "; ".join(f"{reason} ({n})" for reason, n in counts) or "no file is labelled"
        raise DataError(f"no spectrum could be kept: {reasons}", path=out)
    _name_stars(kept)
    return writer.close(kept, _manifest(kept, rejected, chain, sources, config))


def _labelled(row: dict[str, Any], labels: Labels | None) -> dict[str, Any]:
    """The metadata `row` with what the labels table says of it, which wins over the header."""
    label = labels.find(row) if labels is not None else None
    if label is None:
        return row
    return row | {k: v for k, v in label.items() if v is not None and k not in ("path", "index")}


def _name_stars(rows: list[dict[str, Any]]) -> None:
    """Give every row a ``star_id``: equal for one name or identifier or one place on the sky."""
    names = [row["star_id"] or _proper_name(row["object"]) for row in rows]
    ra, dec = (
        [np.nan if row[axis] is None else row[axis] for row in rows] for axis in ("ra", "dec")
    )
    for row, star in zip(rows, identify(names=names, ra=ra, dec=dec)):
        row["star_id"] = f"star-{star}"


def _proper_name(name: str | None) -> str | None:
    """A name that can identify a star: one with a digit ("sky", "NULL" and "flat" cannot)."""
    return name if name and any(c.isdigit() for c in name) else None


def _write_rejected(path: Path, rejected: list[dict[str, Any]]) -> None:
    import polars as pl

    schema = {"path": pl.String, "index": pl.Int64, "reason": pl.String}
    pl.DataFrame(rejected, schema=schema).write_csv(path)


def _manifest(
    kept: list[dict[str, Any]],
    rejected: list[dict[str, Any]],
    chain: Sequence[Step],
    sources: Sequence[str | Path],
    config: BuildConfig,
) -> dict[str, Any]:
    """What the store's manifest says beside the grid: where from, how, and what was left out."""
    unparsed = Counter(str(row["subclass"] or "") for row in kept if row["type"] is None)
    return {
        "chain": to_data(chain),
        "sources": [str(source) for source in sources],
        "config": asdict(config),
        "types": dict(sorted(Counter(str(row["type"]) for row in kept).items())),
        "kinds": dict(sorted(Counter(str(row["kind"]) for row in kept).items())),
        "labels_without_type": dict(unparsed.most_common()),
        "rejected": dict(Counter(row["reason"] for row in rejected).most_common()),
    }


def _read_chunks(
    files: Sequence[Path], chain: Sequence[Step], config: BuildConfig
) -> Iterator[Chunk]:
    """Read files a chunk at a time, over processes where that pays."""
    data = to_data(chain)
    tasks = [
        (files[i : i + _CHUNK], data, config.min_coverage) for i in range(0, len(files), _CHUNK)
    ]
    workers = config.workers or os.cpu_count() or 1
    if workers == 1 or len(tasks) < 4:
        yield from map(_read_chunk, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("forkserver")) as pool:
        yield from pool.map(_read_chunk, tasks)


def _read_chunk(task: tuple[Sequence[Path], list[dict[str, Any]], float]) -> Chunk:
    files, data, min_coverage = task
    chain, chunk = from_data(data), Chunk()
    for file in files:
        try:
            spectra = run_chain(read(file), chain)
        except SpectypeError as error:
            chunk.rejected.append({"path": str(file), "index": 0, "reason": error.problem})
            continue
        keep = []
        for i in range(len(spectra)):
            if fault := _fault(spectra, i, min_coverage):
                chunk.rejected.append({"path": str(file), "index": i, "reason": fault})
            else:
                keep.append(i)
        if keep:
            flux, error_array = encode(spectra[keep])
            chunk.flux.append(flux)
            chunk.error.append(error_array)
            chunk.rows += [
                {name: spectra.get(name)[i] for name in META} | {"path": str(file), "index": i}
                for i in keep
            ]
    return chunk


def _fault(spectra: Spectra, row: int, min_coverage: float) -> str | None:
    """Why a spectrum cannot be used, or None."""
    good = ~spectra.mask[row]
    if not good.any():
        return "no good pixel in the model's range"
    if good.mean() < min_coverage:
        return f"covers under {min_coverage:.0%} of the model's range"
    if not (spectra.flux[row, good] != 0).any():
        return "flux is zero everywhere"
    return None


def _store_row(meta: dict[str, Any]) -> dict[str, Any]:
    """A store's metadata row: types fixed, label parsed."""
    text = {name: None if meta.get(name) is None else str(meta[name]) for name in _TEXT}
    return {
        **text,
        "index": int(meta.get("index") or 0),
        "ra": degrees(meta.get("ra"), hours=True),
        "dec": degrees(meta.get("dec"), hours=False),
        "snr": number(meta.get("snr")),
        "redshift": number(meta.get("redshift")),
        "label_spread": number(meta.get("label_spread")),
        "synthetic": str(meta.get("synthetic") or "").lower() in ("true", "1"),
        "has_errors": meta.get("has_errors") is not False,
        **label_columns(meta),
    }
