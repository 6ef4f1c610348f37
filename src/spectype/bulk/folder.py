"""A folder of results: the plan, its inputs, and the pieces that are done.

::

    results/
      plan.json             model, settings, number of inputs; where each shard's inputs stand
      inputs.jsonl.gz       the inputs, a line a shard, each line a gzip member of its own
      shard-000012-00000000.parquet    rows of shard 12, from its unit 0 on
      manifest.json         counts, written when all is done

A unit is what is read at once: a file, or a member of an archive. A shard is one piece, unless the
work was interrupted in it or it is a large archive; a piece says which units are in it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import spectype
from spectype.bulk.plan import covered, cut
from spectype.classify.paths import is_archive
from spectype.classify.tables import described
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.core.files import MANIFEST, atomic_path, read_json, write_bytes, write_json
from spectype.core.names import as_text

if TYPE_CHECKING:
    import polars as pl

PLAN, INPUTS = "plan.json", "inputs.jsonl.gz"
_KEY = "spectype"  # of a piece's metadata
_NAME = re.compile(r"shard-(\d{6,})-(\d{8,})\.parquet")


class OtherRun(UsageError):
    """A folder holds results of another model, of other settings or another list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of some units of a shard, as its file says.

    Parameters
    ----------
    shard, first, units : int
        Which shard, its first unit in here, how many.
    last : bool
        Whether the shard ends with it.
    inputs : str
        SHA-256 of the shard's inputs.
    model : str
        SHA-256 of the model.
    version : str
        Of spectype.
    rows, typed, errors : int
        Counts of rows.
    """

    shard: int
    first: int
    units: int
    last: bool
    inputs: str
    model: str
    version: str
    rows: int
    typed: int
    errors: int

    @property
    def name(self) -> str:
        """Its file's name."""
        return f"shard-{self.shard:06d}-{self.first:08d}.parquet"


def digest(inputs: Iterable[str]) -> str:
    """SHA-256 of the names of inputs."""
    return hashlib.sha256(json.dumps(list(inputs)).encode()).hexdigest()


def read_piece(path: Path) -> Piece:
    """What a piece says of itself, without reading its rows.

    Raises
    ------
    DataError
        If the file is cut short or none of ours.
    """
    import polars as pl

    try:
        data = json.loads(pl.read_parquet_metadata(path)[_KEY])
        piece = Piece(**{field.name: data[field.name] for field in fields(Piece)})
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"is damaged: {error}",
            path=path,
            remedy="remove it and run classify again: its spectra are typed again",
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "is no piece of these results", path=path, remedy="move it to another folder"
        ) from error
    if piece.name != path.name:
        raise DataError(f"is a copy of {piece.name}", path=path, remedy="remove it")
    return piece


class Results:
    """A results folder with its plan.

    Use `make` or `Results(folder)` of one that is there.

    Raises
    ------
    DataError
        If the folder has no plan, or one that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / PLAN).is_file():
            raise DataError(
                f"is no folder of results: it has no {PLAN}",
                path=folder,
                remedy="spectype classify PATHS --output FOLDER/ makes one",
            )
        self.plan: dict[str, Any] = read_json(folder / PLAN)
        if not isinstance(self.plan, dict) or self.plan.get("kind") != "results":
            raise DataError("is no plan of results", path=folder / PLAN)

    def __len__(self) -> int:
        """Number of shards."""
        return len(self.plan["ends"])

    @property
    def model(self) -> str:
        """SHA-256 of the model."""
        return str(self.plan["model"]["sha256"])

    def inputs(self, shard: int) -> list[str]:
        """The inputs of a shard: paths of files, or of one archive."""
        with (self.folder / INPUTS).open("rb") as handle:
            return self._inputs(handle, shard)

    def all_inputs(self) -> Iterator[list[str]]:
        """The inputs of all shards, one shard in memory at a time."""
        with (self.folder / INPUTS).open("rb") as handle:
            for shard in range(len(self)):
                yield self._inputs(handle, shard)

    def _inputs(self, handle: BinaryIO, shard: int) -> list[str]:
        ends = self.plan["ends"]
        start = ends[shard - 1] if shard else 0
        handle.seek(start)
        try:
            line = zlib.decompress(handle.read(ends[shard] - start), wbits=31)
            return [str(name) for name in json.loads(line)]
        except (zlib.error, ValueError) as error:
            raise DataError(
                f"is damaged: {error}", path=self.folder / INPUTS, remedy="choose another output"
            ) from error

    def pieces(self, shard: int | None = None) -> dict[int, list[Piece]]:
        """The finished pieces of each shard that has any, in order; or of one shard alone.

        Raises
        ------
        DataError
            If one is damaged, or of another model or list.
        """
        found: dict[int, list[Piece]] = {}
        which = "*" if shard is None else f"{shard:06d}-*"
        for path in sorted(self.folder.glob(f"shard-{which}.parquet")):
            piece = read_piece(path)
            if piece.model != self.model:
                raise DataError(
                    f"was typed by another model ({piece.model[:12]}) than the plan's "
                    f"({self.model[:12]})",
                    path=path,
                    remedy="results of two models are not mixed: move it to another folder",
                )
            found.setdefault(piece.shard, []).append(piece)
        return found

    def strangers(self) -> list[str]:
        """Names of what lies in the folder and is none of ours."""
        known = (PLAN, INPUTS, MANIFEST)
        return sorted(
            as_text(path.name)
            for path in self.folder.iterdir()
            if path.name not in known and not path.name.startswith(".")
            if not _NAME.fullmatch(path.name)
        )

    def done(self, pieces: Mapping[int, list[Piece]], shard: int) -> tuple[int, bool]:
        """How many units of a shard are done, and whether that is all of it.

        Raises
        ------
        DataError
            If its pieces do not fit each other.
        """
        own = pieces.get(shard, [])
        units = covered([(piece.first, piece.units) for piece in own])
        if units < 0 or any(piece.last for piece in own[:-1]):
            raise DataError(
                f"the pieces of shard {shard} overlap or leave a gap",
                path=self.folder / own[0].name,
                remedy=f"remove shard-{shard:06d}-*.parquet and run classify again",
            )
        return units, bool(own) and own[-1].last

    def write(
        self, table: pl.DataFrame, *, shard: int, first: int, units: int, last: bool, inputs: str
    ) -> Piece:
        """Write a piece: rows of `units` units of a shard from unit `first` on.

        Raises
        ------
        SpectypeError
            If the disk is full or fails; what was written before stays.
        """
        piece = Piece(
            shard=shard, first=first, units=units, last=last, inputs=inputs, model=self.model,
            version=spectype.__version__, rows=len(table),
            typed=int(table["type"].is_not_null().sum()),
            errors=int(table["error"].is_not_null().sum()),
        )  # fmt: skip
        buffer = io.BytesIO()
        table.write_parquet(
            buffer,
            metadata={_KEY: json.dumps(asdict(piece))},
            arrow_schema=described(table.schema),
        )
        try:
            write_bytes(self.folder / piece.name, buffer.getvalue())
        except OSError as error:
            raise SpectypeError(
                f"cannot be written any further: {error.strerror or error}",
                path=self.folder,
                remedy="what is done stays: free space and run the same command again",
            ) from error
        return piece


def identity(model: Any, settings: Mapping[str, Any], table: list[str]) -> dict[str, Any]:
    """What rows of one folder have in common: model, settings and columns."""
    return {
        "model": {"name": model.name, "sha256": model.checksum},
        "settings": dict(settings),
        "table": table,
    }


def make(folder: Path, inputs: Iterable[str], *, size: int, **same: Any) -> Results:
    """Write the plan of a new folder, or check that it is the one that is there.

    Parameters
    ----------
    folder : Path
        Made if needed. The caller holds its lock.
    inputs : iterable of str
        Without repetitions; taken one by one.
    size : int
        Inputs a shard. A folder that is there keeps its own.
    **same
        From `identity`.

    Raises
    ------
    UsageError
        If the folder holds files of others, or results of another model, of other settings or
        of other inputs: the difference is said.
    """
    if (folder / PLAN).exists():
        results = Results(folder)
        check_identity(results, same)
        _check_inputs(results, inputs)
        return results
    if found := sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")):
        raise UsageError(
            f"holds files that are not ours ({as_text(found[0])})",
            path=folder,
            remedy="choose another output",
        )
    ends: list[int] = []
    end = n = archives = 0
    with atomic_path(folder / INPUTS) as temporary, temporary.open("wb") as handle:
        for shard in cut(inputs, size, alone=is_archive):
            packer = zlib.compressobj(wbits=31)
            data = packer.compress(json.dumps(shard).encode() + b"\n") + packer.flush()
            handle.write(data)
            end += len(data)
            ends.append(end)
            n += len(shard)
            archives += is_archive(shard[0])
    plan = {"kind": "results", "spectype_version": spectype.__version__, **same}
    plan |= {"inputs": n, "archives": archives, "size": size, "ends": ends}
    write_json(folder / PLAN, plan)
    return Results(folder)


def check_identity(results: Results, same: Mapping[str, Any]) -> None:
    """Raise `UsageError` with the difference unless model, settings and columns are the plan's."""
    there = results.plan
    differences = []
    if there["model"] != same["model"]:
        old, new = (f"{m['name']} ({m['sha256'][:12]})" for m in (there["model"], same["model"]))
        differences.append(f"model {old}, not {new}")
    old, new = there["settings"], same["settings"]
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            differences.append(f"{name} {old.get(name)!r}, not {new.get(name)!r}")
    if not differences and there["table"] != same["table"]:
        odd = sorted({*there["table"]} ^ {*same["table"]})
        differences.append(f"other columns ({', '.join(odd)})")
    if differences:
        raise OtherRun(
            f"holds results of another run: {'; '.join(differences)}",
            path=results.folder,
            remedy="choose another output, or give the same options as before",
        )


def _check_inputs(results: Results, inputs: Iterable[str]) -> None:
    """Compare inputs with the plan's, shard by shard."""
    now = cut(inputs, results.plan["size"], alone=is_archive)
    number = 0
    for there in results.all_inputs():
        here = next(now, [])
        if here != there:
            pairs = zip([*here, None], [*there, None])
            place, (new, old) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
            raise _other_list(results, number + place, old, new)
        number += len(there)
    if more := next(now, None):
        raise _other_list(results, number, None, more[0])


def _other_list(results: Results, place: int, old: str | None, new: str | None) -> OtherRun:
    was, now = (f"{as_text(name)!r}" if name else "nothing more" for name in (old, new))
    return OtherRun(
        f"holds results of another list: input {place + 1:,} was {was}, and is {now}",
        path=results.folder,
        remedy="choose another output; with no PATHS at all the list in the folder goes on",
    )
