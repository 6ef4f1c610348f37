import numpy as np
import polars as pl
import pytest
from astropy.io import fits

import spectype
from spectype.classify.given import batches, read
from spectype.cli import run
from spectype.core.errors import ArgumentError, ReadError, UsageError
from spectype.core.grid import STANDARD_GRID
from spectype.dataset.wide import is_wide, wide_table
from tests.classify.test_batch import write
from tests.stars import star_batch, star_flux
from tests.stores import make_store

CODES = (5.0, 22.0, 62.0)  # which the model takes for B, A and K: toys are no stars


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store, a wide table and a text file, of the same three stars."""
    folder = tmp_path_factory.mktemp("given")
    flux = np.stack([star_flux(code, STANDARD_GRID) for code in CODES])
    flux *= 1 + 0.01 * np.random.default_rng(1).normal(size=flux.shape)
    make_store(folder / "store", flux, code=list(CODES), subclass=["O5", "A2", "M2"])
    table = wide_table(STANDARD_GRID, flux, np.ones(flux.shape, bool), star_id=["a", "b", "c"],
                       code=list(CODES))  # fmt: skip
    table.write_parquet(folder / "wide.parquet")
    table.write_csv(folder / "wide.csv", float_precision=5)
    write(folder / "a.csv", 22.0)
    return folder


@pytest.fixture(scope="module")
def model():
    return spectype.load_model()


@pytest.mark.parametrize("name", ["store", "wide.parquet", "wide.csv"])
def test_a_store_and_tables_of_samples_are_read_and_typed(place, model, name):
    batch = read(place / name)
    assert batch.get("subclass") == ["O5", "A2", "M2"]
    np.testing.assert_allclose(batch.wave, STANDARD_GRID, atol=0.006)
    np.testing.assert_allclose(batch.flux[1], star_flux(22.0, STANDARD_GRID), rtol=0.06)
    whole = model.predict(place / name)
    one = model.predict(f"{place / name}[1]")
    assert whole["type"].to_list() == ["B", "A", "K"] and one["type"].to_list() == ["A"]
    assert one["p_A"][0] == pytest.approx(whole["p_A"][1], rel=1e-3)


def test_whatever_is_given_comes_in_order(place, model):
    given = [star_batch([62.0]), place / "a.csv", [str(place / "store")]]
    assert [len(batch) for batch in batches(given)] == [1, 1, 3]
    assert model.predict(given)["type"].to_list() == ["K", "A", "B", "A", "K"]
    assert model.predict([]).columns == model.predict(given).columns


def test_what_is_no_spectrum_is_refused_by_name(place, model):
    for wrong in (3, None, np.ones(5), object()):
        with pytest.raises(ArgumentError, match="spectra: is a"):
            model.predict(wrong)
    with pytest.raises(UsageError, match="no spectrum 7; the last is 2"):
        read(f"{place / 'store'}[7]")
    with pytest.raises(ReadError, match="does not exist"):
        model.predict(place / "gone.fits")


def test_the_command_line_types_rows_and_stores(place, tmp_path, monkeypatch):
    monkeypatch.chdir(place)
    out = tmp_path / "t.csv"
    assert run(["classify", "store", "a.csv[0]", "wide.parquet", "-o", str(out)]) == 0
    table = pl.read_csv(out)
    rows = [f"{name}[{i}]" for name in ("store", "wide.parquet") for i in range(3)]
    assert table["path"].to_list() == [*rows[:3], "a.csv[0]", *rows[3:]]
    assert table["type"].to_list() == ["B", "A", "K", "A", "B", "A", "K"]
    assert run(["classify", "store[2]", "store[9]", "-o", str(out)]) == 3
    table = pl.read_csv(out)
    assert table["type"].to_list() == ["K", None] and "no spectrum 9" in table["error"][1]
    assert run(["plot", "spectrum", "store[1]", "wide.csv[0]", "-o", str(tmp_path / "f.pdf")]) == 0
    assert run(["plot", "compare", "store[1]", "a.csv", "-o", str(tmp_path / "c.png")]) == 0


def test_spectra_are_written_to_fits_and_read_again(place, tmp_path):
    batch = star_batch([22.0, 62.0], meta={
        "object": ["a", "é"], "ra": [1.5, None], "obsid": [101, None], "redshift": [1e-4, 0.0],
    })  # fmt: skip
    batch.mask[0, :50] = True
    with fits.open(batch.write(tmp_path / "two.fits")) as hdus:
        hdus.verify("exception")
        assert hdus[1].header["TUNIT1"] == "Angstrom" and hdus[1].header["TUCD1"] == "em.wl"
    back = read(tmp_path / "two.fits")
    good = ~back.mask
    np.testing.assert_array_equal(back.mask[:, 50:], batch.mask[:, 50:])
    np.testing.assert_allclose(back.flux[good], batch.flux[good], rtol=1e-6)
    np.testing.assert_allclose(back.ivar[good], batch.ivar[good], rtol=1e-6)
    assert back.get("object") == ["a", "\\xe9"] and back.get("redshift") == [1e-4, 0.0]
    assert read(place / "wide.csv").write(tmp_path / "wide.fits").stat().st_size > 3 * 3904 * 12
    with pytest.raises(UsageError, match="no name of a FITS file"):
        batch.write(tmp_path / "two.csv")


def test_a_catalogue_is_no_wide_table(tmp_path):
    (tmp_path / "c.csv").write_text("path,type,1,2,3\na,b,1,2,3\n")
    assert not is_wide(tmp_path / "c.csv") and not is_wide(tmp_path)
