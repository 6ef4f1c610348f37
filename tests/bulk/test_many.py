"""Two thousand files, one in a hundred broken: what recipes/million_spectra.py does with more."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import polars as pl
import pytest

from tests.surveys.miniature import lamost_bytes, lamost_rows, write

RECIPE = Path(__file__).parents[2] / "recipes" / "million_spectra.py"


@pytest.fixture
def recipe():
    pytest.importorskip("psutil")
    spec = importlib.util.spec_from_file_location("million_spectra", RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_good_one_is_typed_and_every_broken_one_named(recipe, tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(8):
        rows = lamost_rows(3909, seed=i)
        write(tmp_path / "in" / f"spec-{i}.fits.gz", lamost_bytes(rows, "image-wavelength"))
    work = tmp_path / "work"
    call = [str(tmp_path / "in"), "--n", "2000", "--work", str(work), "--shard-size", "256"]
    assert recipe.main([*call, "--workers", "2"]) == 0
    found = json.loads((work / "verdict.json").read_text())
    assert (found["good"], found["bad"], found["status"]) == (1980, 20, 3)
    assert 100 < found["peak_mb"] < 1500
    table = pl.read_parquet(work / "results" / "shard-*.parquet").filter(pl.col("type").is_null())
    ways = table["path"].str.extract(r"broken-(.*)$").to_list()
    assert sorted(ways) == sorted(2 * list(recipe.broken(recipe.gzip.compress(b""))))
    assert table["error"].n_unique() >= 8  # each says what is wrong in its own words
    # Where the inputs are as they were, a rerun types nothing and comes to the same verdict.
    assert recipe.main([*call, "--workers", "1"]) == 0
