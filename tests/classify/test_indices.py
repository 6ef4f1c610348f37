"""``spectype classify --indices``: widths and their errors after the contract's columns."""

import io

import numpy as np
import polars as pl
import pytest

from spectype.bulk import run as bulk
from spectype.classify import batch
from spectype.classify.columns import COLUMNS
from spectype.cli import run
from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import INDICES, LINES
from spectype.core.spectra import Spectra

WAVE = STANDARD_GRID[:3500]
SIGMA, DEPTH = 4.0, 0.4  # of a Gaussian line [Angstrom]
WIDTH = DEPTH * SIGMA * np.sqrt(2 * np.pi)  # its equivalent width [Angstrom]


def flux_of(*lines, redshift=0.0):
    flux = 3.0 * np.ones_like(WAVE)
    for line in lines:
        centre = LINES[line].wave * (1 + redshift)
        flux *= 1 - DEPTH * np.exp(-0.5 * ((WAVE - centre) / SIGMA / (1 + redshift)) ** 2)
    return flux


def batch_of(flux, *, snr=50.0, meta=None, seed=2):
    rng = np.random.default_rng(seed)
    flux = np.atleast_2d(flux)
    noisy = flux + rng.normal(size=flux.shape) * 3.0 / snr
    return Spectra(
        wave=WAVE,
        flux=noisy.astype(np.float32),
        ivar=np.full(flux.shape, (snr / 3.0) ** 2, np.float32),
        mask=np.zeros(flux.shape, bool),
        meta=meta or {},
    )


def write(path, flux, error=None):
    columns = [WAVE, flux] + ([] if error is None else [error])
    head = "wave,flux" + ("" if error is None else ",error")
    np.savetxt(path, np.stack(columns, 1), "%.5f", ",", header=f"# frame vacuum\n{head}",
               comments="")  # fmt: skip
    return str(path)


def classify(*argv):
    return run(["classify", *map(str, argv), "--frame", "vacuum", "--indices"])


@pytest.fixture
def files(tmp_path):
    (tmp_path / "in").mkdir()
    flux = flux_of("H beta", "He II 4686")
    write(tmp_path / "in" / "a.csv", flux, 0.01 * flux)
    write(tmp_path / "in" / "b.csv", flux_of())
    (tmp_path / "in" / "c.fits").write_bytes(b"nothing")
    return tmp_path / "in"


def test_widths_and_errors_of_known_lines():
    n = 300
    found = batch.measure_indices(batch_of(np.tile(flux_of("He II 4686", "H beta"), (n, 1))))
    assert found.columns[:2] == ["CaK", "CaK_error"]
    width = found["HeII4686"].to_numpy()
    assert width.mean() == pytest.approx(WIDTH * 0.908, abs=0.03)  # 6.75 A are 1.69 sigma
    assert found["HeII4541"].to_numpy().mean() == pytest.approx(0, abs=0.03)
    assert width.std() == pytest.approx(found["HeII4686_error"].mean(), rel=0.12)


def test_bad_pixels_and_a_cosmic_ray_do_not_count():
    clean = batch_of(flux_of("H beta"), snr=400)
    place = int(np.searchsorted(WAVE, LINES["H beta"].wave - 6))
    flux, ivar = clean.flux.copy(), clean.ivar.copy()
    flux[0, place] = 500.0  # a hit
    flux[0, place - 5 : place - 3], ivar[0, place - 5 : place - 3] = -90.0, 0.0
    dirty = Spectra(wave=WAVE, flux=flux, ivar=ivar, mask=clean.mask, meta={})
    before, after = (batch.measure_indices(s)["Hbeta"][0] for s in (clean, dirty))
    assert before == pytest.approx(WIDTH, rel=0.03)
    assert after == pytest.approx(before, rel=0.15)
    gone = clean.mask.copy()
    gone[:, place - 10 : place + 30] = True
    masked = Spectra(wave=WAVE, flux=flux, ivar=ivar, mask=gone, meta={})
    row = batch.measure_indices(masked).to_dicts()[0]
    assert row["Hbeta"] is None and row["Hbeta_error"] is None and row["Mgb"] is not None


@pytest.mark.parametrize("redshift", [0.003, -0.003])
def test_measured_at_rest_where_the_redshift_is_known(redshift):
    flux = flux_of("He II 4686", redshift=redshift)
    lost, known = (
        batch.measure_indices(batch_of(flux, snr=500, meta={"redshift": [z]}))["HeII4686"][0]
        for z in (-9999.0, redshift)
    )
    assert known == pytest.approx(WIDTH * 0.908, rel=0.03)
    assert lost < 0.4 * WIDTH


def test_columns_follow_the_contract_in_every_format(files, tmp_path, capsys):
    names = [n for index in INDICES for n in (index, f"{index}_error")]
    assert classify(files) == 3
    tables = [pl.read_csv(io.StringIO(capsys.readouterr().out))]
    for suffix in ("csv", "parquet"):
        assert classify(files, "-o", tmp_path / f"o.{suffix}") == 3
        reader = pl.read_csv if suffix == "csv" else pl.read_parquet
        tables.append(reader(tmp_path / f"o.{suffix}"))
    assert classify(files, "-o", tmp_path / "o.fits") == 3
    from astropy.table import Table

    fits = Table.read(tmp_path / "o.fits")
    for table in tables:
        assert table.columns == [*COLUMNS, *names] == fits.colnames
        assert table["Hbeta"][0] == pytest.approx(WIDTH, rel=0.05)
        assert table["Hbeta_error"][0] == pytest.approx(0.05, rel=0.4)
        # The second file has no errors, the third is not a spectrum.
        assert table["Hbeta_error"][1] is None and abs(table["Hbeta"][1]) < 0.01
        assert table["Hbeta"][2] is None and table["error"][2]
        np.testing.assert_allclose(fits["Hbeta"][0], table["Hbeta"][0], rtol=1e-6)
    assert fits["Hbeta_error"].mask[1] and fits["TiO5"].mask[2]


def test_every_file_bad_still_has_the_columns(files, tmp_path):
    assert classify(files / "c.fits", "-o", tmp_path / "o.parquet") == 1
    table = pl.read_parquet(tmp_path / "o.parquet")
    assert table.schema["Hbeta"] == pl.Float64 and table["Hbeta"].to_list() == [None]


def test_parts_without_indices_are_not_resumed_with_them(files, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    output = str(tmp_path / "o.parquet")
    monkeypatch.setattr(bulk, "write", stop)
    for indices in (False, True):
        with pytest.raises(KeyboardInterrupt):
            bulk.classify([str(files)], output, config=batch.ClassifyConfig(indices=indices))
        part = next((tmp_path / "o.parquet.parts").glob("*.parquet"))
        assert ("Hbeta" in pl.read_parquet(part).columns) == indices
