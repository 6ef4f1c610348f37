"""A second opinion on each star: helium lines with errors, the nearest standard, the survey."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.bulk.tars import archive_of, members
from spectype.core.errors import DataError, SpectypeError
from spectype.core.indices import measure
from spectype.core.names import as_path
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import BadPixels
from spectype.surveys import read, read_bytes

if TYPE_CHECKING:
    import polars as pl

    from spectype.classify.standards import Match, Standards

log = logging.getLogger("spectype")
LINES = ("HeI4471", "HeII4541", "HeII4686")  #: equivalent widths that tell O from B from A
_ROW = re.compile(r"^(.*)\[(\d+)\]$")


def spectra_of(paths: Sequence[str]) -> Iterator[tuple[int, Spectra | str]]:
    """The spectra behind the paths of rows, one at a time, or why one cannot be had.

    Parameters
    ----------
    paths : sequence of str
        As in the column ``path``: a file, ``FILE[3]``, or a member of an archive.

    Yields
    ------
    place, spectrum
        Place in `paths`, and a batch of one or a problem. Each archive is read once.
    """
    packed: dict[str, dict[str, int]] = {}
    for place, path in enumerate(paths):
        if archive := archive_of(path):
            packed.setdefault(archive, {})[_split(path)[0]] = place
            continue
        name, row = _split(path)
        try:
            yield place, _one(read(as_path(name)), row)
        except (SpectypeError, IndexError) as error:
            yield place, str(error)
    for archive, places in packed.items():
        for member in members(as_path(archive)):
            if (found := places.pop(member.name, None)) is not None:
                try:
                    yield found, _one(read_bytes(member.data, member.name), _split(paths[found])[1])
                except (SpectypeError, IndexError) as error:
                    yield found, str(error)
            if not places:
                break
        for name, place in places.items():
            yield place, f"{name}: is not in its archive"


def _split(path: str) -> tuple[str, int]:
    match = _ROW.match(path)
    return (match[1], int(match[2])) if match else (path, 0)


def _one(batch: Spectra, row: int) -> Spectra:
    if row >= len(batch):
        raise IndexError(f"has no spectrum {row}")
    return batch[row : row + 1]


def check(
    table: pl.DataFrame, standards: Standards | None = None
) -> tuple[pl.DataFrame, dict[int, Spectra], dict[int, Match]]:
    """Measure each row's spectrum where its file can be read.

    Parameters
    ----------
    table : polars.DataFrame
        Ranked rows with a column ``path``.
    standards : Standards, optional
        Labelled spectra to compare with.

    Returns
    -------
    table : polars.DataFrame
        With columns ``HeI4471, HeI4471_error`` ... [Angstrom, positive in absorption], ``nearest,
        nearest_type, nearest_chi2, nearest_velocity`` [km/s], ``survey_label`` (the header's own
        type), ``check`` (why there is none).
    spectra : dict
        Place in the table to spectrum, as read.
    matches : dict
        Place to nearest standard.
    """
    import polars as pl

    spectra: dict[int, Spectra] = {}
    matches: dict[int, Match] = {}
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    for place, found in spectra_of(table["path"].to_list()):
        if isinstance(found, str):
            rows[place] = {"check": found}
            continue
        spectra[place] = found
        rows[place] = _lines(found) | {"survey_label": found.get("subclass")[0]}
        if standards is not None:
            try:
                matches[place] = standards.nearest(found, n=1)[0]
                rows[place] |= _nearest(matches[place])
            except DataError as error:
                rows[place]["check"] = str(error)
    unread = sum(place not in spectra for place in range(len(table)))
    if unread:
        log.info("%d of %d spectra cannot be read: their rows have no checks", unread, len(table))
    numbers = [name for line in LINES for name in (line, f"{line}_error")]
    texts = ["survey_label", "check"]
    if standards is not None:
        numbers += ["nearest_chi2", "nearest_velocity"]
        texts = ["nearest", "nearest_type", *texts]
    schema = dict.fromkeys(numbers, pl.Float64) | dict.fromkeys(texts, pl.String)
    checks = pl.DataFrame(rows, schema=schema, orient="row")
    known = [name for name in checks.columns if name in table.columns]
    return table.drop(known).hstack(checks), spectra, matches


def _lines(spectrum: Spectra) -> dict[str, float | None]:
    z = spectrum.get("redshift")[0]
    z = float(z) if z is not None and abs(float(z)) < 0.01 else 0.0
    found = measure(BadPixels()(spectrum), LINES, redshift=[z])
    values = {name: float(value[0]) for name, value in found.items()}
    return {name: round(v, 3) if np.isfinite(v) else None for name, v in values.items()}


def _nearest(match: Match) -> dict[str, Any]:
    return {
        "nearest": f"{match.name} ({match.survey})",
        "nearest_type": match.label,
        "nearest_chi2": round(match.distance, 3),
        "nearest_velocity": round(match.velocity, 1),
    }
