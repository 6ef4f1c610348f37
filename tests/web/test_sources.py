"""What can be opened beside a table: mined lists, runs, stores; spectra in archives."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import polars as pl
import pytest

from spectype.core.errors import ReadError, UsageError
from spectype.mine.folder import write_list
from spectype.web.desk import open_desk
from spectype.web.filters import Filter
from spectype.web.links import links
from spectype.web.shelf import Shelf
from spectype.web.sources import STORE_ROW, open_source
from tests.stores import hot_store
from tests.web.conftest import make_run, make_table, spectrum_text


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTYPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run(tmp_path):
    """A run of two epochs, evaluated on five stars of its store."""
    return make_run(tmp_path)


def test_the_cells_of_a_runs_confusion_matrix_open_their_spectra(run):
    desk = open_desk(run)
    found = desk.results.confusion(Filter())
    rows = desk.page({"theirs": "O", "type": "A"}, 0, 10)["rows"]
    # By construction: our types are O B A F G, the labels of store rows 7 2 3 0 5 B O O O B.
    assert [row[STORE_ROW] for row in rows] == [3]
    expected = np.zeros((7, 7), int)
    for true, ours in zip("BOOOB", "OBAFG", strict=True):
        expected["OBAFGKM".index(true), "OBAFGKM".index(ours)] += 1
    assert np.array_equal(found["counts"], expected)
    _, spectrum = desk.spectrum(rows[0]["row"])
    store = hot_store(run.parent / "same", n=8)
    assert np.array_equal(spectrum.flux, store.spectra([3]).flux)
    assert [line["epoch"] for line in desk.facts()["epochs"]] == [1, 2]


def test_a_run_that_was_not_evaluated_says_what_to_do(run):
    (run / "predictions.parquet").unlink()
    with pytest.raises(UsageError, match="spectype evaluate"):
        open_source(run)


def test_a_run_whose_store_is_gone_is_told_where_it_is(run):
    before = open_source(run)
    (run.parent / "store").rename(run.parent / "moved")
    with pytest.raises(UsageError, match=r"the run's store is gone.*--store"):
        open_source(run)
    after = open_source(run, store=run.parent / "moved")
    row = before.table.row(3)
    assert after.table.row(3)["path"] == row["path"]
    assert (after.spectra.spectrum(row).flux == before.spectra.spectrum(row).flux).all()
    with pytest.raises(UsageError, match="--store goes with a run"):
        open_source(run.parent / "moved", store=run.parent / "moved")


def test_real_and_synthetic_spectra_lie_side_by_side(tmp_path):
    hot_store(tmp_path / "real", n=4, seed=1)
    other = hot_store(tmp_path / "made", n=3, seed=2)
    desk = open_desk(tmp_path / "real", synthetic=tmp_path / "made")
    real, made = (desk.page({"synthetic": v, "type": "O"}, 0, 9) for v in ("false", "true"))
    assert (real["total"], made["total"]) == (4, 3)
    _, spectrum = desk.spectrum(made["rows"][2]["row"])
    assert np.array_equal(spectrum.flux, other.spectra([2]).flux)
    paths = [row["path"] for row in real["rows"] + made["rows"]]
    assert len(set(paths)) == 7 and all(paths)  # decisions are kept by name
    with pytest.raises(UsageError, match="goes with a store"):
        open_source(tmp_path, synthetic=tmp_path / "made")


def test_a_mined_list_is_a_queue_in_its_order(tmp_path):
    table = make_table(6).sort("snr", descending=True)
    table = table.select(pl.int_range(1, 7).alias("rank"), pl.all())
    write_list(table, tmp_path / "hunt", name="O", manifest={})
    desk = open_desk(tmp_path / "hunt")
    assert desk.facts()["queue"] and not open_desk(None).facts()["queue"]
    rows = desk.page({}, 0, 10)["rows"]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5, 6] and rows[0]["snr"] == 90


def test_a_spectrum_in_an_archive_is_found_also_where_the_archive_has_moved(tmp_path):
    (tmp_path / "raw").mkdir()
    with tarfile.open(tmp_path / "raw" / "20111024.tar.gz", "w:gz") as tar:
        for i in range(3):
            text = spectrum_text(12.0 + 10 * i, n_pix=200).encode()
            entry = tarfile.TarInfo(f"HD01/spec-{i}.csv")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    shelf = Shelf(tmp_path / "types.parquet")
    name = "raw/20111024.tar.gz/HD01/spec-1.csv"
    wanted = np.loadtxt(io.StringIO(spectrum_text(22.0, n_pix=200)), delimiter=",", skiprows=1)
    assert np.allclose(shelf.spectrum({"path": name}).flux[0], wanted[:, 1], atol=1e-4)
    (tmp_path / "raw").rename(tmp_path / "elsewhere")
    other = name.replace("spec-1", "spec-2")
    with pytest.raises(ReadError, match="is not where"):
        shelf.spectrum({"path": other})
    shelf.move(tmp_path / "elsewhere")
    assert shelf.spectrum({"path": other}).flux.shape == (1, 200)
    with pytest.raises(ReadError, match="is in no archive"):
        shelf.spectrum({"path": name.replace("spec-1", "../../secret")})


def test_links_name_the_place_and_only_a_release_that_is_known():
    row = {"ra": 120.5, "dec": 7.25, "obsid": "353301108", "survey": "lamost"}
    found = links(row)
    assert "120.500000%20%2B7.250000" in found["SIMBAD"] and "VizieR" in str(list(found))
    assert not any("dr8" in address for address in found.values())
    known = links(row | {"release": "LAMOST DR5"})
    assert known["LAMOST DR5"] == "http://dr5.lamost.org/spectrum/view?obsid=353301108"
    assert links({"ra": None, "dec": None, "obsid": "1", "survey": "sdss"}) == {}
