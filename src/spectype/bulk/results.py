"""What came out of it: is every input there, the shards as one table, counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.bulk.folder import PLAN, Piece, Results, digest, read_piece
from spectype.classify import tables as forms
from spectype.classify.output import check_output, is_table, suffix_of, write_table
from spectype.classify.paths import is_archive
from spectype.core.errors import DataError, UsageError
from spectype.core.files import atomic_path
from spectype.core.flags import Flag
from spectype.core.names import as_text

if TYPE_CHECKING:
    import polars as pl

_ROW = re.compile(r"\[\d+\]$")
MOST = 20  #: problems of a kind that are listed


@dataclass
class Check:
    """What `check` found.

    Attributes
    ----------
    inputs, with_rows, rows : int
        Inputs of the plan, those of them that have a row, and rows.
    shards, finished : int
        Shards of the plan, and those that are done.
    problems : list of str
        What is wrong, the first of a kind in full.
    strangers : list of str
        Files in the folder that are none of ours.
    versions : set of str
        Of spectype that wrote rows.
    """

    inputs: int
    shards: int
    with_rows: int = 0
    rows: int = 0
    finished: int = 0
    problems: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)

    @property
    def complete(self) -> bool:
        """Whether every input has its row and nothing is wrong."""
        return not self.problems and self.with_rows == self.inputs and self.finished == self.shards


def check(folder: str | Path) -> Check:
    """Prove that every input of the plan has its rows, once; one shard in memory at a time.

    Every file is read to its end, so that one that is damaged is found.

    Raises
    ------
    DataError
        If the folder has no plan. What is wrong within is in the result, not raised.
    """
    results = Results(Path(folder))
    found = Check(inputs=results.plan["inputs"], shards=len(results))
    found.strangers = results.strangers()
    paths: dict[int, list[Path]] = {}
    for path in sorted(results.folder.glob("shard-*.parquet")):
        which = path.name.split("-")[1].removesuffix(".parquet")
        paths.setdefault(int(which) if which.isdigit() else -1, []).append(path)
    for path in paths.pop(-1, []):
        found.problems.append(f"{as_text(path)}: is no piece of these results")
    for number, inputs in enumerate(results.all_inputs()):
        _check_shard(results, number, inputs, paths.pop(number, []), found)
    for extra in (path for own in paths.values() for path in own):
        found.problems.append(f"{as_text(extra)}: the plan has no such shard")
    return found


def _check_shard(
    results: Results, number: int, inputs: list[str], paths: list[Path], found: Check
) -> None:
    import polars as pl

    pieces, rows = [], []
    for path in paths:
        try:
            piece = read_piece(path)
            rows += pl.read_parquet(path, columns=["path"])["path"].to_list()
        except DataError as error:
            found.problems.append(str(error))
            continue
        except pl.exceptions.PolarsError as error:
            found.problems.append(f"{as_text(path)}: is damaged: {error}")
            continue
        found.versions.add(piece.version)
        if piece.model != results.model:
            found.problems.append(f"{as_text(path)}: was typed by another model than the plan's")
        elif piece.inputs != digest(inputs):
            found.problems.append(f"{as_text(path)}: was typed from another list than the plan's")
        elif piece.rows < piece.units:
            found.problems.append(f"{as_text(path)}: has fewer rows than files")
        pieces.append(piece)
    found.rows += len(rows)
    if len(set(rows)) < len(rows):
        twice = next(path for path, count in Counter(rows).items() if count > 1)
        found.problems.append(f"shard {number} has a row twice: {twice}")
    have, strange = _matched(inputs, rows)
    found.with_rows += have
    if strange:
        found.problems.append(f"shard {number} has a row of no input: {strange[0]}")
    try:
        _, finished = results.done({number: pieces}, number)
    except DataError as error:
        found.problems.append(str(error))
        return
    found.finished += finished
    if finished and have < len(inputs):
        found.problems.append(f"shard {number} is finished without {len(inputs) - have} inputs")


def _matched(inputs: Sequence[str], rows: Sequence[str]) -> tuple[int, list[str]]:
    """How many inputs have a row, and the rows that belong to none of them."""
    names = {as_text(name) for name in inputs}
    if is_archive(inputs[0]):
        archive = next(iter(names))
        strange = [r for r in rows if r != archive and not r.startswith(f"{archive}/")]
        return int(len(strange) < len(rows)), strange
    have, strange = set(), []
    for row in rows:
        name = row if row in names else _ROW.sub("", row)
        if name in names:
            have.add(name)
        else:
            strange.append(row)
    return len(have), strange


def tables(path: str | Path) -> list[Path]:
    """Parquet files of results: a folder's pieces in order, or a table of `classify`.

    Raises
    ------
    UsageError
        If there is nothing of the kind. DataError if pieces of two models lie together.
    """
    place = Path(path)
    if not place.exists():
        raise UsageError("does not exist", path=as_text(place), remedy="check the path")
    if place.is_dir():
        results = Results(place)
        pieces = results.pieces()
        found = [place / piece.name for number in sorted(pieces) for piece in pieces[number]]
        if not found:
            raise DataError("has no rows yet", path=place, remedy="run classify")
        return found
    if not is_table(place):
        raise DataError(
            "is no table of types", path=as_text(place), remedy="give what classify wrote"
        )
    return [place]


def scan(path: str | Path) -> pl.LazyFrame:
    """Rows of results, lazily: of a folder, or of a table in any format that `classify` writes."""
    import polars as pl

    found = tables(path)
    suffix = suffix_of(found[0])
    if suffix == ".parquet":
        return pl.scan_parquet(found)
    if suffix in (".csv", ".csv.gz"):
        text = {"path": pl.String, "obsid": pl.String, "error": pl.String, "notes": pl.String}
        return pl.scan_csv(found[0], schema_overrides=text, infer_schema_length=10_000)
    return forms.read_table(found[0]).lazy()


def merge(folders: Sequence[str | Path], output: str | Path, *, partial: bool = False) -> int:
    """Join the shards of one folder or of several into one table; the number of rows.

    Parameters
    ----------
    folders : sequence of path-like
        Results of one model and of the same settings.
    output : path-like
        .parquet and .csv are written piece by piece, other formats from memory.
    partial : bool
        Join what is there although work is left.

    Raises
    ------
    DataError
        If models or settings differ, or work is left.
    """
    target = check_output(output)
    opened = [Results(Path(folder)) for folder in folders]
    _alike(opened)
    for results in opened:
        pieces = results.pieces()
        left = sum(not results.done(pieces, number)[1] for number in range(len(results)))
        if left and not partial:
            raise DataError(
                f"{left} of {len(results)} shards are not finished",
                path=results.folder,
                remedy="run classify again with the same options, or merge --partial",
            )
    pieces_of_all = [path for results in opened for path in tables(results.folder)]
    write(target, pieces_of_all, about=origin(opened[0].folder))
    return sum(piece.rows for results in opened for piece in _all(results))


def origin(path: str | Path) -> forms.Provenance:
    """Provenance of a table that the running command makes of these results.

    The model is the one that typed them, ``unknown`` where they do not say, as CSV does not.
    """
    place = Path(path)
    if place.is_dir():
        plan = Results(place).plan
        model, settings = plan["model"], plan["settings"]
        said = {"model": model["name"], "model_sha256": model["sha256"], **settings}
    else:
        said = forms.read_provenance(place)
    return forms.provenance(
        model=said.get("model", "unknown"),
        checksum=said.get("model_sha256", "unknown"),
        system=said.get("system", "unknown"),
    )


def write(target: Path, pieces: list[Path], *, about: forms.Provenance) -> None:
    """Write pieces as one table: .parquet and .csv piece by piece, other formats from memory."""
    import polars as pl

    frame = pl.scan_parquet(pieces)
    suffix = suffix_of(target)
    if suffix not in (".csv", ".parquet"):
        write_table(frame.collect(), target, about=about)
        return
    with atomic_path(target) as temporary:
        if suffix == ".csv":
            frame.sink_csv(temporary)
        else:
            frame.sink_parquet(
                temporary, **forms.parquet_options(frame.collect_schema(), about=about)
            )


def _all(results: Results) -> Iterator[Piece]:
    for own in results.pieces().values():
        yield from own


def _alike(opened: Sequence[Results]) -> None:
    first = opened[0]
    for other in opened[1:]:
        for key in ("model", "settings", "table"):
            if other.plan[key] != first.plan[key]:
                raise DataError(
                    f"its {key} is not that of {as_text(first.folder)}: "
                    f"{_words(other.plan[key])}, not {_words(first.plan[key])}",
                    path=other.folder / PLAN,
                    remedy="results of two models are not mixed: merge them into two tables",
                )


def _words(value: Any) -> str:
    if isinstance(value, dict) and "sha256" in value:
        return f"{value['name']} ({value['sha256'][:12]})"
    return str(value)[:200]


def summarise(path: str | Path) -> dict[str, Any]:
    """Counts of rows: by type, kind, flag, error, and what is left to do in a folder.

    Returns
    -------
    dict
        ``rows``, ``typed``, ``types``, ``kinds``, ``flags``, ``errors`` (by the beginning of the
        error, without names and numbers); for a folder ``shards`` and ``finished`` too.
    """
    import polars as pl

    frame = scan(path)
    names = frame.collect_schema().names()
    flags = [pl.col("flags").and_(int(flag)).ne(0).sum().alias(str(flag.name)) for flag in Flag]
    some = frame.select(
        pl.len().alias("rows"), pl.col("type").is_not_null().sum().alias("typed"), *flags
    ).collect()  # fmt: skip
    counts: dict[str, Any] = {"rows": some["rows"].item(), "typed": some["typed"].item()}
    counts["types"] = _by(frame, pl.col("type"))
    counts["kinds"] = _by(frame, pl.col("kind")) if "kind" in names else {}
    counts["flags"] = {flag.name: n for flag in Flag if (n := some[str(flag.name)].item())}
    plain = pl.col("error").str.replace_all(r"\d+(\.\d+)?", "#").str.slice(0, 80)
    counts["errors"] = _by(frame, plain)
    if Path(path).is_dir():
        results = Results(Path(path))
        pieces = results.pieces()
        counts["shards"] = len(results)
        counts["finished"] = sum(results.done(pieces, n)[1] for n in range(len(results)))
    return counts


def _by(frame: pl.LazyFrame, what: pl.Expr) -> dict[str, int]:
    import polars as pl

    table = (
        frame.select(what.alias("what"))
        .drop_nulls()
        .group_by("what")
        .len()
        .sort(pl.col("len"), "what", descending=[True, False])
        .collect()
    )
    return dict(table.iter_rows())
