"""Labels of spectra: from headers, a sample table or a labels CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.spectra import number

# What other tables call our columns; the first that is there is taken.
COLUMNS = {
    "path": ("path", "file", "filename", "file_name"),
    "obsid": ("obsid", "obs_id", "specobjid"),
    "subclass": ("subclass", "spectral_type", "sptype", "sp_type", "mk", "label", "type"),
    "class": ("class", "objclass"),
    "object": ("object", "name", "star", "objname", "designation"),
    "star_id": ("star_id", "uid", "gaia_source_id"),
    "survey": ("survey", "library", "source"),
    "split": ("split",),
    "index": ("index", "row"),
    "ra": ("ra",),
    "dec": ("dec",),
    "redshift": ("redshift", "z"),
    "snr": ("snr", "snrg", "snr_g"),
    "synthetic": ("synthetic",),
    "label_spread": ("label_spread",),
}
#: Surveys whose labels are their pipeline's; names of others begin otherwise.
PIPELINES = ("lamost",)
_ROW = re.compile(r"row (\d+)$")


@dataclass(frozen=True)
class Labels:
    """A table of labels, found by path (and row in the file), file name or obsid."""

    path: Path
    by_path: Mapping[tuple[str, int | None], dict[str, Any]]
    by_name: Mapping[tuple[str, int | None], dict[str, Any] | None]
    by_obsid: Mapping[str, dict[str, Any]]

    def find(self, meta: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row of labels for a spectrum with this metadata, or None."""
        where = Path(str(meta["path"])).resolve()
        for index in (meta.get("index"), None):
            if row := self.by_path.get((str(where), index)):
                return row
            if row := self.by_name.get((where.name, index)):
                return row
        return self.by_obsid.get(str(meta["obsid"])) if meta.get("obsid") else None


def read_labels(path: str | Path) -> Labels:
    """Read a labels CSV or a sample's parquet table.

    Paths in the table are relative to the table's folder.

    Raises
    ------
    UsageError, DataError
        If it does not exist, cannot be parsed, or has no column of types, or none to match by.
    """
    file = Path(path)
    columns, rows = _rows_of(file)
    lower = {column.lower(): column for column in columns}
    found = {
        ours: next((lower[name] for name in theirs if name in lower), None)
        for ours, theirs in COLUMNS.items()
    }
    if found["subclass"] is None:
        raise DataError(
            f"has no column of types; columns are {', '.join(columns)}",
            path=file,
            remedy="name it subclass",
        )
    if found["path"] is None and found["obsid"] is None:
        raise DataError(
            "has neither a path nor an obsid column", path=file, remedy="add one to match by"
        )
    by_path: dict[tuple[str, int | None], dict[str, Any]] = {}
    by_name: dict[tuple[str, int | None], dict[str, Any] | None] = {}
    by_obsid: dict[str, dict[str, Any]] = {}
    for row in rows:
        label = {ours: _clean(row[theirs]) for ours, theirs in found.items() if theirs}
        label["index"] = _row_number(label.get("index"), row.get("layout"))
        if label.get("path"):
            where = (file.parent / str(label["path"])).resolve()
            by_path[(str(where), label["index"])] = label
            # Two files of one name: the name alone does not identify either.
            key = (where.name, label["index"])
            by_name[key] = None if key in by_name else label
        if label.get("obsid"):
            by_obsid[str(label["obsid"])] = label
    return Labels(file, by_path, by_name, by_obsid)


def _rows_of(file: Path) -> tuple[list[str], list[dict[str, Any]]]:
    import polars as pl

    if not file.is_file():
        raise UsageError("does not exist", path=file, remedy="give a CSV or parquet table")
    try:
        if file.suffix == ".parquet":
            table = pl.read_parquet(file)
        else:
            separator = _separator(file)
            table = pl.read_csv(file, separator=separator, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot be read as a table: {error}", path=file) from error
    return table.columns, table.to_dicts()


def _separator(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as handle:
        header = handle.readline()
    return max(",|\t;", key=header.count)


def _clean(value: Any) -> Any:
    text = value.strip() if isinstance(value, str) else value
    return None if text == "" else text


def _row_number(index: Any, layout: Any) -> int | None:
    """The spectrum's number in its file, from a column or from a layout like ``row 7``."""
    if index is not None and re.fullmatch(r"\d+", str(index)):
        return int(index)
    match = _ROW.match(str(layout or ""))
    return int(match.group(1)) if match else None


def is_pipeline(survey: Iterable[str | None]) -> NDArray[np.bool_]:
    """Which spectra of these surveys carry a pipeline's labels, not an expert's, shape (n,)."""
    return np.array([(name or "").lower().startswith(PIPELINES) for name in survey], dtype=bool)


def degrees(value: Any, *, hours: bool) -> float | None:
    """A position in degrees from a number or sexagesimal text (hours for right ascension)."""
    if (plain := number(value)) is not None or not isinstance(value, str):
        return plain
    match = re.fullmatch(r"([+-]?)(\d+)[: ](\d+)[: ]([\d.]+)", value.strip())
    if not match:
        return None
    sign, whole, minutes, seconds = match.groups()
    size = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    return (-size if sign == "-" else size) * (15.0 if hours else 1.0)


def label_columns(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Type columns of a store row from the metadata's ``class`` and ``subclass``.

    Returns
    -------
    dict
        ``type``, ``code``, ``luminosity`` (None where the label does not say) and ``kind``.
    """
    parsed = mk.parse(str(meta.get("subclass") or ""))
    group = str(meta.get("class") or "STAR").upper()
    if group not in ("STAR", ""):
        kind = {"GALAXY": "galaxy", "QSO": "quasar"}.get(group, "unknown")
        return {"type": None, "code": None, "luminosity": None, "kind": kind}
    # A composite such as K0III+A2V has no one type to learn.
    star = parsed.type is not None and parsed.kind == "star"
    return {
        "type": parsed.type if star else None,
        "code": float(parsed.code) if star and not np.isnan(parsed.code) else None,
        "luminosity": parsed.luminosity if star else None,
        "kind": parsed.kind,
    }
