"""The benchmark of typing: all do the same files, and another release is another process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import spectype
from spectype.bench.classify import OURS, measure
from spectype.bench.read import GUNZIP, find_files
from spectype.cli import run
from spectype.core.errors import UsageError
from tests.bench.test_read import release  # noqa: F401 (a fixture)


def test_ours_costs_more_than_decompression_and_the_other_is_measured(release, capsys) -> None:  # noqa: F811
    source = Path(spectype.__file__).parents[1]
    result = measure(find_files([release], n=8), rounds=1, against=source)
    assert result.n_files == 8 and set(result.seconds) > {OURS, GUNZIP, "other"}
    assert 0 < result.seconds[GUNZIP] < result.seconds[OURS]
    assert result.megabytes[OURS] > 50 and result.megabytes["other"] > 50
    assert result.as_dict()["ratio"][GUNZIP] == result.ratio(GUNZIP) < 1
    assert run(["bench", "classify", str(release), "--n", "4", "--rounds", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_files"] == 4


def test_another_release_must_be_there(release, tmp_path) -> None:  # noqa: F811
    with pytest.raises(UsageError, match="holds no spectype"):
        measure(find_files([release], n=2), rounds=1, against=tmp_path / "night")
