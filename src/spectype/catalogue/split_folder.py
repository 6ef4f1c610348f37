"""The folder of a split: made empty, filled whole or not at all, opened again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from spectype.catalogue.columns import PROBLEM, ROW
from spectype.catalogue.types import REJECTED, TABLES
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import MANIFEST, check_writable_folder, read_manifest
from spectype.core.names import twins

KIND = "catalogue"
_DISK_FULL = ("No space left", "os error 28", "os error 27", "os error 122", "Disk quota")


def check_empty(out: str | Path, *, kind: str, overwrite: bool, source: Path) -> Path:
    """Make the folder `out` for an artefact of this `kind`.

    Raises
    ------
    UsageError
        If it is, or holds, the `source`; or holds anything else, unless earlier files of this
        kind may be replaced.
    """
    folder = Path(out)
    if folder.is_file():
        raise UsageError("is a file, not a folder", path=folder, remedy="name a folder")
    if twins(folder, [str(source)]):
        raise UsageError("is the source itself", path=folder, remedy="give another folder")
    held = [p for p in folder.glob("*") if not p.name.startswith(".")] if folder.exists() else []
    if held and not overwrite:
        raise UsageError(
            f"exists and holds {len(held)} files",
            path=folder,
            remedy="give another folder, or --overwrite",
        )
    if any(twins(source, [str(file)]) for file in held):
        raise UsageError("holds the source", path=folder, remedy="give another folder")
    return check_writable_folder(folder, kind=kind)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A temporary folder inside `folder`, gone afterwards; explains a full disk."""
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder) as name:
        try:
            yield Path(name)
        except SpectypeError:
            raise
        except (OSError, pl.exceptions.PolarsError) as error:
            text = str(error)
            if any(mark in text for mark in _DISK_FULL) or getattr(error, "errno", 0) in (27, 28):
                raise SpectypeError(
                    "the disk is full or its quota used up; nothing was kept",
                    path=folder,
                    remedy="free some space, or write elsewhere",
                ) from error
            raise DataError(f"cannot be read or written: {text}", path=folder) from error


def publish(temporary: Path, folder: Path) -> None:
    """Move finished tables into `folder`, in place of those of an earlier run."""
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in (*TABLES, REJECTED):
        for suffix in (".parquet", ".csv"):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)
    for item in sorted(temporary.iterdir()):
        shutil.move(item, folder / item.name)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a finished split."""

    folder: Path
    manifest: dict[str, Any]

    def table(self, name: str) -> pl.LazyFrame:
        """The table of a type (or ``unknown``, ``other``, ``rejected``), lazily."""
        file = self.folder / f"{name}.{self.manifest['format']}"
        if not file.is_file():
            raise DataError("is missing", path=file, remedy="run catalogue split again")
        quoted = bool(self.manifest["quoted"]) or name == REJECTED
        return read_table(file, str(self.manifest["separator"]), quoted=quoted)


def open_split(folder: str | Path) -> Tables:
    """Open a folder that `split` wrote; `DataError` if it is not one."""
    if not Path(folder).is_dir():
        raise UsageError(
            "is not a folder", path=folder, remedy="give a folder made by catalogue split"
        )
    return Tables(Path(folder), read_manifest(folder, KIND))


def read_table(file: Path, separator: str, *, quoted: bool) -> pl.LazyFrame:
    """One table of a split, lazily, with the types of our own columns."""
    if file.suffix == ".parquet":
        return pl.scan_parquet(file)
    added = {
        ROW: pl.UInt32, PROBLEM: pl.String, "type": pl.String, "code": pl.Float64,
        "luminosity": pl.String, "kind": pl.String, "ob": pl.Boolean,
    }  # fmt: skip
    frame = pl.scan_csv(
        file,
        separator=separator,
        infer_schema=False,
        quote_char='"' if quoted else None,
        encoding="utf8-lossy",
    )
    return frame.with_columns(pl.col(c).replace({"": None}) for c in ("type", PROBLEM)).cast(
        {k: v for k, v in added.items() if v not in (pl.String, pl.Boolean)}
    ).with_columns(pl.col("ob") == "true")  # fmt: skip
