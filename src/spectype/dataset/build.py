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

from spectype.core import mk
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import atomic_path, check_writable_folder
from spectype.core.grid import Medium
from spectype.core.names import as_text, twins
from spectype.core.processes import workers_may_start
from spectype.core.progress import track
from spectype.core.sky import degrees, identify, known_positions
from spectype.core.spectra import Spectra, number
from spectype.dataset.labels import Matched, class_word, label_columns, read_labels
from spectype.dataset.paths import PACKED, SUFFIXES
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

_CHUNK = 64
META = ("path", "index", "survey", "obsid", "object", "star_id", "ra", "dec", "snr", "class",
        "subclass", "redshift", "split", "synthetic", "has_errors")  # fmt: skip

_ASIDE = ("class_word", "unread")  # of a row: for the manifest, not for the store
_TEXT = ("path", "survey", "obsid", "object", "star_id", "class", "subclass", "split")


@dataclass(frozen=True)
class BuildConfig:
    """What `build` does.

    Parameters
    ----------
    labels : path, optional
        A table of labels (CSV, FITS, parquet) or a sample; without it labels come from the headers.
    frame : str, optional
        ``air`` or ``vacuum`` for files that do not say which their wavelengths are.
    columns : str, optional
        Columns of tables without conventional names, like ``wave=LAM,flux=F,error=DF``, or their
        numbers from 0: ``wave=0,flux=1``.
    unit : str, optional
        Unit of the wavelengths: Angstrom, nm, micron, m, log10 or ln (of Angstrom).
    rest_frame : bool
        Shift to the rest frame by the redshift, where one is known.
    min_coverage : float
        Reject spectra that cover less of the grid than this share.
    only_labelled : bool
        Leave out spectra that the labels table does not name.
    workers : int, optional
        Processes; 0 takes all cores. By default the command line takes all, a call from Python one.
    overwrite : bool
        Replace a store that is there.
    """

    labels: Path | None = None
    frame: Medium | None = None
    columns: str | None = None
    unit: str | None = None
    rest_frame: bool = False
    min_coverage: float = 0.1
    only_labelled: bool = False
    workers: int | None = None
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
    lower = name.lower()
    lower = next((lower.removesuffix(p) for p in PACKED if lower.endswith(p)), lower)
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
    check_writable_folder(out, kind="store")
    files = spectra_files(sources, out, config.labels)
    labels = None if config.labels is None else read_labels(config.labels).among(files)
    chain = standard_chain(rest_frame=config.rest_frame)
    grid = next(step for step in chain if isinstance(step, Resample))
    writer = StoreWriter(out, wave=grid.wave, overwrite=config.overwrite)
    if labels is not None and config.only_labelled and not labels.labels.by_obsid:
        files = [file for file in files if str(file) in labels.by_file]
    rejected: list[dict[str, Any]] = []
    kept: list[dict[str, Any]] = []
    n_chunks = -(-len(files) // _CHUNK)
    for chunk in track(_read_chunks(files, chain, config), total=n_chunks, title="reading"):
        rejected += chunk.rejected
        rows, there = _labelled(chunk.rows, labels, config.only_labelled)
        kept += [_store_row(row) for row in rows]
        if rows:
            flux, error = np.concatenate(chunk.flux), np.concatenate(chunk.error)
            writer.append(flux[there], error[there])
    if labels is not None and labels.found and not labels.used:
        raise labels.nothing(kept)
    with atomic_path(writer.folder / "rejected.csv") as path:
        _write_rejected(path, rejected)
    if not kept:
        counts = Counter(row["reason"] for row in rejected).most_common(3)
        reasons = "; ".join(f"{reason} ({n})" for reason, n in counts) or "no file is labelled"
        raise DataError(f"no spectrum could be kept: {reasons}", path=out)
    _name_stars(kept)
    manifest = _manifest(kept, rejected, chain, sources, config)
    manifest["labels"] = None if labels is None else labels.summary()
    _say(manifest, kept)
    return writer.close(
        [{k: v for k, v in row.items() if k not in _ASIDE} for row in kept], manifest
    )


def spectra_files(
    sources: Sequence[str | Path], out: str | Path, labels: Path | None
) -> list[Path]:  # fmt: skip
    """The files to read: without those of the store itself, if it lies among them, and the labels.

    Raises
    ------
    UsageError
        If the store is to be one of the sources: its files would mix with theirs.
    """
    if same := twins(out, map(str, sources)):
        raise UsageError(
            "is one of the sources", path=as_text(same[0]), remedy="give another folder to --out"
        )
    inside = Path(out).resolve()
    table = set() if labels is None else {labels.resolve()}
    found = [(file, file.resolve()) for file in find_files(sources)]
    return [file for file, real in found if inside not in real.parents and real not in table]


def _labelled(
    rows: list[dict[str, Any]], labels: Matched | None, only: bool
) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows with what the labels table says of them, which wins over the header; which are kept."""
    if labels is None:
        return rows, list(range(len(rows)))
    found = [labels.find(row) for row in rows]
    there = [i for i, label in enumerate(found) if label is not None or not only]
    return [_with_label(rows[i], found[i]) for i in there], there


def _with_label(row: dict[str, Any], label: dict[str, Any] | None) -> dict[str, Any]:
    if label is None:
        return row
    said = {k: v for k, v in label.items() if v is not None and k not in ("path", "index")}
    if "subclass" in said:
        row = row | {"class": None}  # the header's class went with the header's type
    return row | said


def _name_stars(rows: list[dict[str, Any]]) -> None:
    """Give every row a ``star_id``: equal for one name or identifier or one place on the sky."""
    names = [row["star_id"] or _proper_name(row["object"]) for row in rows]
    ra, dec = (
        [np.nan if row[axis] is None else row[axis] for row in rows] for axis in ("ra", "dec")
    )
    placed = known_positions(ra, dec)
    for row, star, name, known in zip(rows, identify(names=names, ra=ra, dec=dec), names, placed):
        row["star_id"] = f"star-{star}"
        row["identified"] = bool(name or known)


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
    unparsed = Counter(
        str(row["subclass"] or "")
        for row in kept
        if row["type"] is None and row["code_low"] is None
    )
    words = Counter(row["class_word"] for row in kept if row["class_word"])
    return {
        "chain": to_data(chain),
        "sources": [as_text(source) for source in sources],
        "config": asdict(config),
        "types": dict(sorted(Counter(mk.type_or_range(row) for row in kept).items())),
        "kinds": dict(sorted(Counter(str(row["kind"]) for row in kept).items())),
        "labels_without_type": dict(unparsed.most_common()),
        "class_words": dict(words.most_common()),
        "unidentified": sum(not row["identified"] for row in kept),
        "unreadable_positions": sum(row["unread"] is not None for row in kept),
        "rejected": dict(Counter(row["reason"] for row in rejected).most_common()),
    }


def _say(manifest: dict[str, Any], kept: list[dict[str, Any]]) -> None:
    """Log what the user has to know of labels and positions."""
    if manifest["labels"] is not None:
        log.info("%s", manifest["labels"])
    if words := manifest["class_words"]:
        listed = ", ".join(f"{word!r} {n}" for word, n in list(words.items())[:5])
        log.warning("column class holds no class of a survey: %s; it is not used", listed)
    if n := manifest["unreadable_positions"]:
        example = next(row["unread"] for row in kept if row["unread"])
        log.warning("%d positions cannot be read, like %r: they are unknown", n, example)
    if n := manifest["unidentified"]:
        log.warning(
            "%d of %d spectra have neither a position nor a star's name: repeats of one star among "
            "them are not known as such (give star_id, object, or ra and dec in --labels)",
            n, len(kept),
        )  # fmt: skip


def _read_chunks(
    files: Sequence[Path], chain: Sequence[Step], config: BuildConfig
) -> Iterator[Chunk]:
    """Read files a chunk at a time, over processes where that pays."""
    data = to_data(chain)
    tasks = [(files[i : i + _CHUNK], data, config) for i in range(0, len(files), _CHUNK)]
    workers = 1 if config.workers is None else config.workers or os.cpu_count() or 1
    if workers == 1 or len(tasks) < 4:
        yield from map(_read_chunk, tasks)
        return
    context = get_context("forkserver")
    with workers_may_start(), ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_read_chunk, tasks)


def _read_chunk(task: tuple[Sequence[Path], list[dict[str, Any]], BuildConfig]) -> Chunk:
    files, data, config = task
    chain, chunk = from_data(data), Chunk()
    for file in files:
        try:
            spectra = read(file, frame=config.frame, columns=config.columns, unit=config.unit)
            spectra = run_chain(spectra, chain)
        except SpectypeError as error:
            chunk.rejected.append({"path": as_text(file), "index": 0, "reason": error.problem})
            continue
        keep = []
        for i in range(len(spectra)):
            if fault := _fault(spectra, i, config.min_coverage):
                chunk.rejected.append({"path": as_text(file), "index": i, "reason": fault})
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
    text = {name: None if meta.get(name) is None else as_text(str(meta[name])) for name in _TEXT}
    place = {axis: degrees(meta.get(axis), hours=axis == "ra") for axis in ("ra", "dec")}
    unread = (str(meta[a]) for a in place if place[a] is None and str(meta.get(a) or "").strip())
    return {
        **text,
        "index": int(meta.get("index") or 0),
        **place,
        "snr": number(meta.get("snr")),
        "redshift": number(meta.get("redshift")),
        "label_spread": number(meta.get("label_spread")),
        "synthetic": str(meta.get("synthetic") or "").lower() in ("true", "1"),
        "has_errors": meta.get("has_errors") is not False,
        **label_columns(meta),
        "class_word": class_word(meta),
        "unread": next(unread, None),
    }
