"""Labels of spectra: from headers, or a table of any format, matched by path or obsid."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.identifiers import identifier
from spectype.core.names import as_text
from spectype.core.spectra import number
from spectype.dataset.paths import match_paths
from spectype.dataset.tables import check_identifiers, read_table

log = logging.getLogger("spectype")

#: Columns of right ascensions in decimal hours.
HOURS = (
    "ra_hours", "ra_hour", "ra_hrs", "ra_hr", "ra_h", "rahours", "ra(h)", "ra (h)", "ra [h]",
    "ra (hours)",
)  # fmt: skip
# Columns of parts of a position, as the catalogues of CDS have them.
_PARTS = {"ra": ("rah", "ram", "ras"), "dec": ("de-", "ded", "dem", "des")}
# What other tables call our columns; the first that is there is taken.
COLUMNS = {
    "path": ("path", "file", "filename", "file_name", "filepath"),
    "obsid": ("obsid", "obs_id", "specobjid"),
    "subclass": (
        "subclass", "spectral_type", "spectraltype", "sptype", "sp_type", "spt", "mk", "mk_type",
        "label", "type",
    ),
    "class": ("class", "objclass"),
    "object": ("object", "name", "star", "objname", "designation"),
    "star_id": ("star_id", "uid", "gaia_source_id"),
    "survey": ("survey", "library", "source"),
    "split": ("split",),
    "index": ("index", "row"),
    "ra": ("ra", "raj2000", "objra", "ra_obs", "ra_deg", "radeg", *HOURS),
    "dec": ("dec", "dej2000", "decj2000", "objdec", "dec_obs", "dec_deg", "decdeg", "dedeg"),
    "redshift": ("redshift", "z"),
    "snr": ("snr", "snrg", "snr_g"),
    "synthetic": ("synthetic",),
    "label_spread": ("label_spread",),
}  # fmt: skip
#: Surveys whose labels are their pipeline's; names of others begin otherwise.
PIPELINES = ("lamost",)
#: What a survey's pipeline says of an object, and what that is to us.
CLASSES = {
    "STAR": "star", "": "star", "GALAXY": "galaxy", "QSO": "quasar", "QUASAR": "quasar",
    "UNKNOWN": "unknown",
}  # fmt: skip
_ROW = re.compile(r"row (\d+)$")
_PLACE = re.compile(r"^(.*)\[(\d+)\]$")

Label = dict[str, Any]


@dataclass(frozen=True)
class Labels:
    """A table of labels, before it is known which files they are for."""

    path: Path
    by_path: Mapping[str, dict[int | None, Label]]  #: path as given -> row in the file -> label
    by_obsid: Mapping[str, Label]
    n_rows: int

    def among(self, files: Sequence[Path]) -> Matched:
        """The labels of these files.

        Raises
        ------
        DataError
            If a path fits two of them equally well, or none of the labels can fit.
        """
        texts = match_paths(self.by_path, files, self.path)
        by_file: dict[str, dict[int | None, Label]] = {}
        for file, spellings in texts.items():
            for text in spellings:
                by_file.setdefault(file, {}).update(self.by_path[text])
        matched = Matched(self, by_file)
        if not by_file and not self.by_obsid:
            raise matched.nothing([{"path": str(file), "obsid": None} for file in files[:1]])
        return matched


@dataclass
class Matched:
    """Labels with the files that they are for; counts what it has found."""

    labels: Labels
    by_file: Mapping[str, dict[int | None, Label]]
    found: Counter[str] = field(default_factory=Counter)  #: spectra by path, by obsid, not found
    used: set[int] = field(default_factory=set)
    empty: int = 0  #: labels without a type

    def find(self, meta: Mapping[str, Any]) -> Label | None:
        """The label of a spectrum with this metadata (``path``, ``index``, ``obsid``), or None."""
        rows = self.by_file.get(str(meta["path"]), {})
        label, how = rows.get(meta.get("index")) or rows.get(None), "path"
        obsid = identifier(meta.get("obsid"))
        if label is None and obsid is not None:
            label, how = self.labels.by_obsid.get(obsid), "obsid"
        self.found["none" if label is None else how] += 1
        if label is not None:
            self.used.add(id(label))
            self.empty += not str(label["subclass"] or "").strip()
        return label

    def summary(self) -> str:
        """What was matched, in a line."""
        total = self.found.total()
        ways = [f"{self.found[how]} by {how}" for how in ("path", "obsid") if self.found[how]]
        count = total - self.found["none"]
        left = self.labels.n_rows - len(self.used)
        unused = f"; {left} of {self.labels.n_rows} labels matched no spectrum" if left else ""
        if self.empty:
            unused = f"; {self.empty} of the labels give no type: the header's stands{unused}"
        text = f"labels matched {count} of {total} spectra ({', '.join(ways) or 'none'})"
        return f"{text}, {self.found['none']} not found{unused}"

    def nothing(self, spectra: Sequence[Mapping[str, Any]]) -> DataError:
        """The error that none of the labels is for one of the `spectra`, with both sides."""
        sides = []
        paths, obsids = list(self.labels.by_path)[:1], list(self.labels.by_obsid)[:1]
        sides.append([f"path {p!r}" for p in paths] + [f"obsid {o}" for o in obsids])
        meta = spectra[0] if spectra else {}
        sides.append(
            [f"path {as_text(str(meta['path']))!r}" for _ in paths if meta.get("path")]
            + [f"obsid {meta.get('obsid') or '(none)'}" for _ in obsids]
        )
        theirs, ours = (", ".join(side) for side in sides)
        return DataError(
            f"none of its {self.labels.n_rows} labels matches a spectrum: labels are like "
            f"{theirs}; spectra like {ours}",
            path=self.labels.path,
            remedy="correct its column path or obsid, or build without --labels",
        )


def read_labels(path: str | Path) -> Labels:
    """Read a table of labels: CSV, FITS, parquet, ECSV or VOTable.

    Paths in the table are relative to the table's folder, or to any other: see
    `paths.match_paths`.

    Raises
    ------
    UsageError, DataError
        If it does not exist, cannot be parsed, has no column of types, or none to match by; or
        if its obsids are rounded, or one obsid or path has two labels.
    """
    file = Path(path)
    table = read_table(file)
    lower = {column.lower(): column for column in table.columns}
    found = {
        ours: next((lower[name] for name in theirs if name in lower), None)
        for ours, theirs in COLUMNS.items()
    }
    if found["subclass"] is None:
        raise DataError(
            f"has no column of types; columns are {', '.join(table.columns)}",
            path=file,
            remedy="name it subclass",
        )
    if found["path"] is None and found["obsid"] is None:
        raise DataError(
            "has neither a path nor an obsid column", path=file, remedy="add one to match by"
        )
    for name in ("obsid", "star_id"):
        if column := found[name]:
            check_identifiers(table, column, file)
    by_path: dict[str, dict[int | None, Label]] = {}
    by_obsid: dict[str, Label] = {}
    for row in table.to_dicts():
        label = {ours: row[theirs] for ours, theirs in found.items() if theirs}
        label |= _position(label, row, found["ra"], lower)
        label["index"] = _row_number(label.get("index"), row.get("layout"))
        for name in ("obsid", "star_id"):
            label[name] = identifier(label.get(name))
        if (text := label.get("path")) is not None:
            text, label["index"] = _place(str(text), label["index"])
            _add(by_path.setdefault(text, {}), label["index"], label, file, f"path {text}")
        if label["obsid"] is not None:
            _add(by_obsid, label["obsid"], label, file, f"obsid {label['obsid']}")
    return Labels(file, by_path, by_obsid, len(table))


def _position(
    label: Label, row: Mapping[str, Any], ra: str | None, lower: Mapping[str, str]
) -> Label:
    """A position in hours, or in parts, as what `core.sky.degrees` reads."""
    found: Label = {}
    if ra is not None and ra.lower() in HOURS and (hours := number(label["ra"])) is not None:
        found["ra"] = 15.0 * hours
    for axis, parts in _PARTS.items():
        if label.get(axis) is None and parts[-2] in lower and parts[-3] in lower:
            said = [str(row[lower[part]] or "").strip() for part in parts if part in lower]
            sign = said.pop(0) if axis == "dec" and parts[0] in lower else ""
            found[axis] = sign.replace("+", "") + ":".join(said)
    return found


def _add(known: dict[Any, Label], key: Any, label: Label, file: Path, what: str) -> None:
    before = known.setdefault(key, label)
    if before["subclass"] != label["subclass"]:
        raise DataError(
            f"gives {what} two types, {before['subclass']} and {label['subclass']}",
            path=file,
            remedy="keep one of the rows",
        )


def _place(text: str, index: int | None) -> tuple[str, int | None]:
    """Path and row: ``FILE[3]`` is the fourth spectrum of a file, as `classify` writes it."""
    match = None if index is not None else _PLACE.match(text)
    return (match[1], int(match[2])) if match else (text, index)


def _row_number(index: Any, layout: Any) -> int | None:
    """The spectrum's number in its file, from a column or from a layout like ``row 7``."""
    if index is not None and (number := identifier(index)) and number.isdigit():
        return int(number)
    match = _ROW.match(str(layout or ""))
    return int(match.group(1)) if match else None


def is_pipeline(survey: Iterable[str | None]) -> NDArray[np.bool_]:
    """Which spectra of these surveys carry a pipeline's labels, not an expert's, shape (n,)."""
    return np.array([(name or "").lower().startswith(PIPELINES) for name in survey], dtype=bool)


def class_word(meta: Mapping[str, Any]) -> str | None:
    """The metadata's ``class`` where it is no class of a survey; None where it is one.

    A table's own column ``class`` may hold luminosity classes, or anything else.
    """
    word = str(meta.get("class") or "").strip()
    return None if word.upper() in CLASSES else word


def label_columns(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Type columns of a store row from the metadata's ``class`` and ``subclass``.

    Returns
    -------
    dict
        ``type``, ``code``, ``luminosity`` (None where the label does not say), ``kind``, and
        ``code_low`` and ``code_high`` of a star whose label is a range: ``OB`` has no type, but
        the range of O and B.
    """
    parsed = mk.parse(str(meta.get("subclass") or ""))
    # A word that is no class of a survey says nothing about a star that has a type.
    kind = CLASSES.get(str(meta.get("class") or "").strip().upper(), "star")
    # A composite such as K0III+A2V has no one type to learn.
    star = kind == "star" == parsed.kind
    low, high = (parsed.range if star else None) or (None, None)
    return {
        "type": parsed.type if star else None,
        "code": float(parsed.code) if star and not np.isnan(parsed.code) else None,
        "code_low": low,
        "code_high": high,
        "luminosity": parsed.luminosity if star else None,
        "kind": parsed.kind if kind == "star" else kind,
    }
