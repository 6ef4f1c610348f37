import os

import numpy as np
import polars as pl
import pytest

from spectype.cli import run
from spectype.core.errors import DataError, UsageError
from spectype.dataset.build import BuildConfig, build, find_files
from spectype.dataset.labels import label_columns, read_labels
from spectype.dataset.store import Store
from tests.stars import star_flux

WAVE = np.arange(3800.0, 9000.0, 1.5)


def write_star(path, code, seed=0):
    rng = np.random.default_rng(seed)
    flux = star_flux(code, WAVE) * (1 + 0.02 * rng.normal(size=WAVE.size))
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{w:.2f},{f:.5f}" for w, f in zip(WAVE, flux))
    path.write_text("wavelength,flux\n" + rows)


@pytest.fixture
def folder(tmp_path):
    for name, code in (("a", 22.0), ("b", 43.0), ("c", 64.0), ("sub/d é", 8.0)):
        write_star(tmp_path / "raw" / f"{name}.csv", code)
    (tmp_path / "raw" / "empty.csv").write_text("")
    (tmp_path / "raw" / "zero.csv").write_text(
        "wavelength,flux\n" + "\n".join(f"{w},0" for w in WAVE)
    )
    (tmp_path / "labels.csv").write_text(
        "file,type,name,ra,dec\nraw/a.csv,A2V,HD 1,,\nraw/b.csv,dG3,,10.0,20.0\n"
        "raw/c.csv,M4,,00:40:00.00,+20:00:00.5\nraw/sub/d é.csv,O8Iaf,HD 001,,\n"
    )
    return tmp_path


def test_build_labels_rejects_and_counts(folder):
    config = BuildConfig(labels=folder / "labels.csv", workers=1)
    store = build([folder / "raw"], folder / "store", config=config)
    meta = {row["subclass"]: row for row in store.meta.to_dicts()}
    assert {k: (v["type"], v["code"], v["luminosity"]) for k, v in meta.items()} == {
        "A2V": ("A", 22.0, "V"),
        "dG3": ("G", 43.0, "V"),
        "M4": ("M", 64.0, None),
        "O8Iaf": ("O", 8.0, "I"),
    }
    # One name, or one place on the sky written in two ways, is one star.
    assert meta["A2V"]["star_id"] == meta["O8Iaf"]["star_id"] != meta["M4"]["star_id"]
    assert meta["dG3"]["star_id"] == meta["M4"]["star_id"]
    assert sum(store.manifest["rejected"].values()) == 2
    rejected = pl.read_csv(folder / "store" / "rejected.csv")
    assert sorted(p.rsplit("/")[-1] for p in rejected["path"]) == ["empty.csv", "zero.csv"]


def test_the_store_holds_the_light_that_was_in_the_file(folder):
    config = BuildConfig(labels=folder / "labels.csv", workers=1)
    store = build([folder / "raw" / "a.csv"], folder / "one", config=config)
    flux, error = store.arrays([0])
    good = error[0] > 0
    assert store.wave[good].min() == pytest.approx(3801, abs=2)
    truth = star_flux(22.0, store.wave)
    ratio = flux[0, good] / truth[good]
    assert ratio.std() / ratio.mean() < 0.03


def test_processes_give_the_same_store(folder):
    for i in range(300):  # more than a process takes at once; thirty stars in turns
        if i < 30:
            write_star(folder / "many" / f"{i:03d}.csv", 20 + i, seed=i)
        else:
            os.link(folder / "many" / f"{i % 30:03d}.csv", folder / "many" / f"{i:03d}.csv")
    one = build([folder / "many"], folder / "s1", config=BuildConfig(workers=1))
    two = build([folder / "many"], folder / "s2", config=BuildConfig(workers=2))
    np.testing.assert_array_equal(one.arrays(range(300))[0], two.arrays(range(300))[0])
    assert one.meta["path"].to_list() == two.meta["path"].to_list()


def test_sources_that_cannot_be(folder):
    with pytest.raises(UsageError, match="does not exist"):
        find_files([folder / "nowhere"])
    (folder / "bare").mkdir()
    with pytest.raises(UsageError, match="holds no spectra"):
        find_files([folder / "bare"])
    with pytest.raises(DataError, match="no spectrum could be kept"):
        build([folder / "raw" / "zero.csv"], folder / "none", config=BuildConfig(workers=1))


def test_labels_tables_that_cannot_be(folder):
    (folder / "bad.csv").write_text("file,colour\na.csv,red\n")
    with pytest.raises(DataError, match=r"no column of types; columns are file, colour"):
        read_labels(folder / "bad.csv")
    (folder / "bad2.csv").write_text("type,colour\nA0,red\n")
    with pytest.raises(DataError, match="neither a path nor an obsid"):
        read_labels(folder / "bad2.csv")


def test_a_galaxy_is_no_star_whatever_its_subclass():
    assert label_columns({"class": "GALAXY", "subclass": "G2"})["type"] is None
    assert label_columns({"class": "STAR", "subclass": "Carbon"})["kind"] == "carbon"


def test_command_line(folder, capsys):
    argv = ["build", str(folder / "raw"), "--labels", str(folder / "labels.csv")]
    assert run([*argv, "--out", str(folder / "store"), "--workers", "1"]) == 0
    out = capsys.readouterr().out
    assert "4 spectra" in out and "rejected" in out
    assert len(Store(folder / "store")) == 4
    assert run([*argv, "--out", str(folder / "store")]) == 2  # it is there already


@pytest.mark.real
def test_every_real_spectrum_finds_its_label(real_data, tmp_path):
    table = pl.read_csv(real_data / "labels.csv", infer_schema=False)
    part = table.filter(pl.col("path").str.contains("pickles|bochanski|eigenstar"))
    config = BuildConfig(labels=real_data / "labels.csv", only_labelled=True, workers=1)
    folders = [real_data / "libraries" / d for d in ("pickles", "bochanski", "sdss_eigenstar")]
    store = build(folders, tmp_path / "store", config=config)
    assert len(store) == len(part)
    types = store.meta["type"].fill_null("other").value_counts().sort("type")
    wanted = part["mk_type"].value_counts().sort("mk_type")
    assert types.rows() == wanted.rows()
