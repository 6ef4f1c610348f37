"""Files on disk: atomic writes, manifests, checks that come before the work."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import spectype
from spectype.core.errors import DataError, UsageError

MANIFEST = "manifest.json"
CACHE = "SPECTYPE_CACHE"  #: variable of the environment that names the cache
PARTIAL = ".partial-"  #: how the names of unfinished files begin


@contextlib.contextmanager
def atomic_path(path: str | Path, *, suffix: str | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place if the block succeeds.

    The file appears whole or not at all. The temporary name keeps the suffixes of `path`,
    so that writers that choose a format by suffix choose the same one; or it ends in `suffix`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    ending = "".join(target.suffixes[-2:]) if suffix is None else suffix
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=ending, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files private
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def cache_folder() -> Path:
    """Where what can be made or fetched again is kept: ``SPECTYPE_CACHE``, else the user's (XDG).

    It need not exist.
    """
    if own := os.environ.get(CACHE):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spectype"


def write_text(path: str | Path, text: str) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write `data` to `path` atomically, and through to the disk.

    Until it is whole its name has no suffix: who reads ``*.parquet`` of a folder in which another
    process is writing meets finished files only.
    """
    with atomic_path(path, suffix="") as temporary, temporary.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def write_json(path: str | Path, content: Any) -> None:
    """Write `content` as indented JSON to `path` atomically."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a missing or broken one raises `DataError` naming it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from error
    except ValueError as error:
        raise DataError(f"is not valid JSON: {error}", path=path) from error


def write_manifest(folder: str | Path, kind: str, content: Mapping[str, Any]) -> None:
    """Write ``manifest.json`` into `folder`: the last file of an artefact, so its seal.

    Parameters
    ----------
    folder : path-like
        The artefact's folder.
    kind : str
        What the artefact is: ``"store"``, ``"run"``, ``"sample"`` ...
    content : mapping
        Configuration, seed, fingerprints of inputs, counts. Never a secret.
    """
    write_json(
        Path(folder) / MANIFEST,
        {"kind": kind, "spectype_version": spectype.__version__, **content},
    )


def read_manifest(folder: str | Path, kind: str) -> dict[str, Any]:
    """Read the manifest of an artefact of this `kind`; raise `DataError` if it is not one."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise DataError(
            f"is not a finished {kind}: it has no {MANIFEST}",
            path=folder,
            remedy="the step that makes it did not finish; run it again",
        )
    content = read_json(path)
    found = content.get("kind") if isinstance(content, dict) else None
    if found != kind:
        raise DataError(f"is a {found!r} folder, not a {kind!r} folder", path=folder)
    return dict(content)


def check_writable(path: str | Path) -> Path:
    """Raise `UsageError` now if the file `path` could not be written later."""
    target = Path(path)
    if target.is_dir():
        raise UsageError("is a folder, not a file", path=target, remedy="name a file")
    check_writable_folder(target.parent)
    if target.exists() and not os.access(target, os.W_OK):
        raise UsageError("is not writable", path=target, remedy="choose another output")
    return target


def check_writable_folder(path: str | Path, *, kind: str | None = None) -> Path:
    """Make the folder `path` if needed; raise `UsageError` if files cannot be made in it.

    Given the `kind` of artefact that is to be made there, a finished one of another kind is
    refused as well: its manifest would be lost, and with it the artefact.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot be written to: {error.strerror}", path=folder, remedy="choose another output"
        ) from error
    if kind is not None and (folder / MANIFEST).is_file():
        content = read_json(folder / MANIFEST)
        found = content.get("kind") if isinstance(content, dict) else None
        if found != kind:
            raise UsageError(
                f"holds a {found or 'manifest that is not ours'} already, which would be lost",
                path=folder,
                remedy="choose another output",
            )
    return folder


def _plain(value: Any) -> Any:
    """Turn numpy scalars and arrays and paths into what JSON knows."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")
