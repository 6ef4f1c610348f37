"""Who is observed when: fields, plates, spectrographs, fibres and repeated visits."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.simulate.objects import KINDS

Array = NDArray[Any]
PLATE = 200  # spectra of one plate that are kept: a release is spread over many nights
_FIBRES, _SPECTROGRAPHS = 250, 16
_FIRST_NIGHT = 55859  # local modified Julian day of 2011-10-25

# Spectra a kind in DR6 v1.1 (galaxies, quasars, unknown) and DR3 (types), as published; binaries,
# white dwarfs and carbon stars: about 0.4 %, 0.2 % and 0.03 % of the stars.
_TYPES_DR3 = {
    "O": 193, "B": 4939, "A": 275405, "F": 1269969, "G": 2293761, "K": 1089096, "M": 319957,
}  # fmt: skip
_STARS, _OTHERS = 8_966_416, {"GALAXY": 172_866, "QSO": 60_173, "Unknown": 719_651}
_RARE = {"DoubleStar": 0.004, "WD": 0.002, "Carbon": 0.0003}


def survey_weights() -> dict[str, float]:
    """Number of spectra a kind in LAMOST DR6."""
    normal = _STARS * (1 - sum(_RARE.values()))
    total = sum(_TYPES_DR3.values())
    types = {kind: normal * count / total for kind, count in _TYPES_DR3.items()}
    rare = {kind: _STARS * share for kind, share in _RARE.items()}
    return {**types, **rare, **{kind: float(count) for kind, count in _OTHERS.items()}}


def read_weights(table: Path | None, balanced: bool) -> dict[str, float]:
    """Composition: the survey's, the same with equal types, or that of a CSV (type, count)."""
    weights = survey_weights()
    if balanced:
        stars = sum(weights[t] for t in mk.TYPES)
        return weights | {t: stars / len(mk.TYPES) for t in mk.TYPES}
    if table is None:
        return weights
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("cannot be read as a table", path=table, remedy="give a CSV") from error
    return _checked(rows, table)


def _checked(rows: list[dict[str, str]], table: Path) -> dict[str, float]:
    if not rows or not {"type", "count"} <= set(rows[0]):
        raise UsageError("has no columns type and count", path=table, remedy="give a CSV with both")
    weights: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        if row["type"] not in KINDS:
            raise UsageError(
                f"line {number}: {row['type']!r} is no type", path=table,
                remedy="types are " + " ".join(KINDS),
            )  # fmt: skip
        try:
            count = float(row["count"])
        except (TypeError, ValueError):
            count = float("nan")
        if not 0 <= count < float("inf"):
            raise UsageError(f"line {number}: count {row['count']!r} is not 0 or more", path=table)
        weights[row["type"]] = weights.get(row["type"], 0.0) + count
    if not sum(weights.values()) > 0:
        raise UsageError("has no count above 0", path=table)
    return weights


def quotas(weights: Mapping[str, float], n: int) -> NDArray[np.int64]:
    """Whole numbers a kind (order of `KINDS`) that add up to `n`: the largest remainders."""
    share = np.array([weights.get(kind, 0.0) for kind in KINDS])
    exact = n * share / share.sum()
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: n - int(whole.sum())]] += 1
    return np.asarray(whole, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One row a spectrum; all arrays have shape (n,)."""

    row: Array
    star: Array
    kind: Array
    plate: Array
    lmjd: Array
    planid: Array
    spid: Array
    fiberid: Array
    ra: Array
    dec: Array

    @property
    def n(self) -> int:
        """Number of spectra."""
        return len(self.row)

    @property
    def n_targets(self) -> int:
        """Number of objects."""
        return int(self.star.max()) + 1

    def plates(self) -> Iterator[int]:
        """Numbers of the plates."""
        return iter(range(int(self.plate[-1]) + 1))

    def first_plates(self) -> Iterator[int]:
        """Plates that hold first observations: together they hold every object."""
        last = int(self.plate[self.n_targets - 1])
        return iter(range(last + 1))

    def part(self, plate: int) -> Plan:
        """The plan of one plate (rows are ordered by plate)."""
        low, high = np.searchsorted(self.plate, (plate, plate + 1))
        return Plan(**{f.name: getattr(self, f.name)[low:high] for f in fields(self)})

    def obsid(self, i: int) -> int:
        """LAMOST's number of a spectrum: plate, spectrograph, fibre."""
        return (int(self.plate[i]) + 1) * 100_000 + int(self.spid[i]) * 1000 + int(self.fiberid[i])


def make_plan(n: int, *, weights: Mapping[str, float], repeats: float, seed: int) -> Plan:
    """Distribute `n` spectra over objects, fields and plates.

    Parameters
    ----------
    n : int
        Spectra.
    weights : mapping
        Relative numbers of each kind.
    repeats : float
        Share of the spectra that are second observations; they lie on later plates of the
        same field.
    seed : int
        Seed.

    Returns
    -------
    Plan
        Rows ordered by plate.
    """
    rng = np.random.default_rng([seed, 0])
    per_kind = quotas(weights, n)
    second = np.floor(per_kind * repeats).astype(np.int64)
    kinds = np.repeat(np.arange(len(KINDS)), per_kind - second).astype(np.int8)
    rng.shuffle(kinds)
    again = [
        rng.choice(np.flatnonzero(kinds == k), size=count, replace=False)
        for k, count in enumerate(second)
        if count
    ]
    twice = np.sort(np.concatenate(again)) if again else np.empty(0, np.int64)
    star = np.concatenate([np.arange(len(kinds)), twice])
    field = star // PLATE
    visit = np.repeat([0, 1], [len(kinds), len(twice)])
    _, plate = np.unique(visit * (field.max() + 1) + field, return_inverse=True)
    night = _FIRST_NIGHT + 3 * plate.astype(np.int64) % 2300
    spid, fiberid = _fibres(plate, rng)
    ra, dec, names = _sky(int(field.max()) + 1, len(kinds), rng)
    planid = np.char.add(names[field], np.where(visit == 0, "B01", "B02"))
    return Plan(
        row=np.arange(n), star=star, kind=kinds[star], plate=plate, lmjd=night, planid=planid,
        spid=spid, fiberid=fiberid, ra=ra[star], dec=dec[star],
    )  # fmt: skip


def _fibres(plate: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Spectrograph and fibre of each row, all different within a plate."""
    slot = np.empty(len(plate), np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(plate) > 0, True])
    for low, high in pairwise(starts):
        slot[low:high] = rng.choice(_FIBRES * _SPECTROGRAPHS, high - low, replace=False)
    return slot // _FIBRES + 1, slot % _FIBRES + 1


def _sky(n_fields: int, n_stars: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Positions of the stars [degree] in fields 5 degrees wide, and the fields' names."""
    centre_ra = rng.uniform(0, 360, n_fields)
    centre_dec = np.rad2deg(
        np.arcsin(rng.uniform(np.sin(np.deg2rad(-5)), np.sin(np.deg2rad(60)), n_fields))
    )
    field = np.arange(n_stars) // PLATE
    radius, angle = 2.5 * np.sqrt(rng.random(n_stars)), rng.uniform(0, 2 * np.pi, n_stars)
    dec = centre_dec[field] + radius * np.sin(angle)
    ra = (centre_ra[field] + radius * np.cos(angle) / np.cos(np.deg2rad(dec))) % 360
    names = [_field_name(a, d) for a, d in zip(centre_ra, centre_dec, strict=True)]
    return ra, dec, np.array(names)


def _field_name(ra: float, dec: float) -> str:
    seconds, arc = int(ra / 15 * 3600), int(abs(dec) * 3600)
    hours = f"{seconds // 3600:02d}{seconds // 60 % 60:02d}{seconds % 60:02d}"
    degrees = f"{arc // 3600:02d}{arc // 60 % 60:02d}{arc % 60:02d}"
    return f"HD{hours}{'S' if dec < 0 else 'N'}{degrees}"
