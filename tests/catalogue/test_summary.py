"""Summaries: counts, quantiles and repeats against a plain reading."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spectype.catalogue import table
from spectype.catalogue.summary import QUANTILES, summarise
from spectype.core.errors import DataError, UsageError

Write = Callable[..., Path]


def test_counts_types_and_what_is_none(every_label: Path) -> None:
    result = summarise(every_label)
    found = {(g.group, g.type): g.rows for g in result.groups}
    assert result.rows == 24 and sum(found.values()) == 24
    assert found[("STAR", "M")] == 4 and found[("STAR", "OB")] == 1
    assert found[("STAR", "white dwarf")] == 2 and found[("GALAXY", "galaxy")] == 1
    assert [g.type for g in result.groups][:8] == ["O", "OB", "B", "A", "F", "G", "K", "M"]


def test_repeats_by_the_best_identifier(write: Write) -> None:
    header = ["obsid", "uid", "designation", "class", "subclass", "snrg"]
    rows = [[str(i), uid, f"J{i}", "STAR", "G2", "5"] for i, uid in enumerate("aabbb")]
    rows.append(["9", "", "J9", "STAR", "G2", "5"])
    result = summarise(write(rows, header=header))
    assert result.star_key == "uid"
    (group,) = result.groups
    assert (group.rows, group.stars, group.repeats) == (6, 3, 3)


def test_missing_snr_is_no_number(write: Write, row: Any) -> None:
    rows = [row(i, "STAR", "G2", snr=s) for i, s in enumerate([-9999, 10, 20, 30, 40])]
    (group,) = summarise(write(rows)).groups
    assert group.with_snr == 4
    assert group.snr == pytest.approx(np.quantile([10, 20, 30, 40], QUANTILES))


def test_damaged_rows_are_counted_apart(
    write: Write, row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(i, "STAR", "G2") for i in range(4000)]
    rows[3500] = rows[3500][:7]
    rows[3600][0] = "zzz"
    path = write(rows)
    for limit in (0, 1 << 30):
        monkeypatch.setattr(table, "_EXACT_BELOW", limit)
        result = summarise(path)
        assert result.rejected == {"too few fields": 1, "obsid is not a number": 1}
        assert result.groups[0].rows == 3998


def test_band_and_source_must_be(every_label: Path, write: Write) -> None:
    with pytest.raises(UsageError, match="no"):
        summarise(every_label, band="q")
    with pytest.raises(DataError, match="no sound row"):
        summarise(write(["1|STAR"]))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "separator"), [("lamost_extract.csv", "|"), ("lamost_dr1_extract.csv", ",")]
)
def test_real_extracts_against_a_plain_reading(real_data: Path, name: str, separator: str) -> None:
    path = real_data / "catalogue" / name
    rows, values = defaultdict(int), defaultdict(list)
    names = set()
    with path.open() as handle:
        for line in csv.DictReader(handle, delimiter=separator):
            names.add(line["designation"])
            if line["class"] == "STAR":
                type = line["subclass"].lstrip("dgs")[0]  # dM3, gM0, sdM1
                rows[type] += 1
                if float(line["snrr"]) > -9999:
                    values[type].append(np.float32(line["snrr"]))
    result = summarise(path, band="r")
    found = {g.type: g for g in result.groups if g.group == "STAR"}
    assert {t: g.rows for t, g in found.items()} == dict(rows)
    assert result.stars == len(names)
    for type, group in found.items():
        assert group.with_snr == len(values[type])
        assert group.snr == pytest.approx(np.quantile(values[type], QUANTILES), abs=0.006)
