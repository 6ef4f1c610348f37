import numpy as np
import polars as pl
import pytest

from spectype.core.errors import DataError, UsageError
from spectype.core.grid import SPEED_OF_LIGHT, STANDARD_GRID
from spectype.generate import harmonise as hm
from tests.stars import star_flux
from tests.stores import make_store

WAVE = STANDARD_GRID
LINE = 4542.9


def line(fwhm, *, centre=LINE, depth=0.4):
    """A Gaussian absorption line of this full width at half maximum [km/s] on flux 1."""
    velocity = np.log(WAVE / centre) * SPEED_OF_LIGHT
    return 1 - depth * np.exp(-0.5 * (velocity / (fwhm / 2.3548)) ** 2)


def width_and_area(flux):
    """Second moment as full width at half maximum [km/s], and equivalent width [km/s]."""
    velocity = np.log(WAVE / LINE) * SPEED_OF_LIGHT
    near = np.abs(velocity) < 2500
    v, d = velocity[near], 1 - flux[near] / np.median(flux[near & (np.abs(velocity) > 0)][:9])
    return 2.3548 * np.sqrt((d * v**2).sum() / d.sum()), d.sum()


def test_sharper_spectra_come_to_the_common_width_and_keep_their_area(tmp_path):
    # At R = 600 (500 km/s) all of these are sharper than the target but Pickles.
    surveys = ["lamost", "jacoby", "sdss_templates", "miles"]
    native = [167.0, 270.0, 150.0, 150.0]
    store = make_store(tmp_path / "s", [line(w) for w in native], survey=surveys)
    out = hm.harmonise(store, range(4), resolving_power=600.0)
    measured = [width_and_area(f)[0] for f in out.flux]
    np.testing.assert_allclose(measured, SPEED_OF_LIGHT / 600, rtol=0.04)
    before = [width_and_area(line(w))[1] for w in native]
    np.testing.assert_allclose([width_and_area(f)[1] for f in out.flux], before, rtol=0.03)
    assert out.blunter == () and out.unknown == ()


def test_blunter_and_unknown_sources_are_named_and_stay(tmp_path):
    flux = [line(600.0), line(270.0), line(200.0)]
    store = make_store(tmp_path / "s", flux, survey=["pickles", "jacoby", "my telescope"])
    out = hm.harmonise(store, [0, 1, 2])
    assert out.blunter == ("jacoby", "pickles") and out.unknown == ("my telescope",)
    # A line's mean is 0.01 of the broad shape; a convolution would take 0.1 off its depth.
    np.testing.assert_allclose(out.flux, flux, atol=0.02)


def test_reddening_and_calibration_go_alike(tmp_path):
    star = star_flux(5.0, WAVE)
    tilted = star * (WAVE / 6000) ** 2.5
    store = make_store(tmp_path / "s", [star, tilted])
    flat = hm.harmonise(store, [0, 1])
    inner = (WAVE > 3900) & (WAVE < 8600)
    assert np.abs(star / tilted - 1).max() > 1.0
    np.testing.assert_allclose(flat.flux[0, inner], flat.flux[1, inner], atol=0.01)
    assert abs(np.median(flat.flux) - 1) < 0.01
    hot = hm.harmonise(store, [0, 1], shape="intrinsic").flux
    blue, red = np.abs(WAVE - 4300) < 60, np.abs(WAVE - 8000) < 60
    # Rayleigh-Jeans: a hot star falls nearly as wavelength to the power -4.
    slope = np.log(hot[:, blue].mean(1) / hot[:, red].mean(1)) / np.log(8000 / 4300)
    assert ((slope > 3.3) & (slope < 4.0)).all()


def test_coverage_is_masked_and_not_padded(tmp_path):
    good = np.ones((1, WAVE.size), bool)
    good[0, WAVE > 7427] = False
    store = make_store(tmp_path / "s", [np.ones(WAVE.size)], good=good, survey=["miles"])
    out = hm.harmonise(store, [0], resolving_power=1000.0)
    np.testing.assert_array_equal(out.good, good)
    np.testing.assert_allclose(out.flux[out.good], 1.0, atol=1e-3)
    assert (out.flux[~out.good] == 0).all()


def test_known_velocities_are_taken_out(tmp_path):
    z = 300 / SPEED_OF_LIGHT
    flux = [line(200.0, centre=LINE * (1 + z)), line(200.0), line(200.0)]
    store = make_store(tmp_path / "s", flux, redshift=[z, None, -9999.0])
    out = hm.harmonise(store, [0, 1, 2])
    deepest = np.where(out.good, out.flux, 9.0).argmin(1)
    assert (np.abs(WAVE[deepest] - LINE) < 1.1).all()


def test_the_table_has_a_row_a_spectrum_and_a_column_a_wavelength(tmp_path):
    good = np.ones((2, WAVE.size), bool)
    good[1, :9] = False
    store = make_store(tmp_path / "s", np.ones((2, WAVE.size)), good=good)
    out = hm.harmonise(store, [1, 0])
    for name in ("o.csv", "o.parquet"):
        path = hm.write_table(out, tmp_path / name)
        table = pl.read_csv(path) if name.endswith("csv") else pl.read_parquet(path)
        assert table.columns[:6] == ["row", "star_id", "survey", "type", "code", "3699.99"]
        assert table.shape == (2, 5 + WAVE.size) and table["row"].to_list() == [1, 0]
        assert table["3699.99"].to_list() == [None, pytest.approx(1.0, abs=1e-3)]
    with pytest.raises(UsageError, match=r"\.csv"):
        hm.write_table(out, tmp_path / "o.txt")


def test_select_leaves_synthetic_spectra_out_and_names_what_is_missing(tmp_path):
    store = make_store(
        tmp_path / "s", np.ones((4, WAVE.size)), type=["O", "O", "B", None],
        synthetic=[False, True, False, False],
    )  # fmt: skip
    assert hm.select(store, "O").tolist() == [0]
    assert hm.select(store, "OB").tolist() == [0, 2]
    with pytest.raises(DataError, match=r"type A \(it has O 1, B 1\)"):
        hm.select(store, "OA")
    with pytest.raises(UsageError, match="'X'"):
        hm.select(store, "X")


def test_impossible_requests_are_refused(tmp_path):
    store = make_store(tmp_path / "s", np.ones((1, WAVE.size)), type=[None])
    with pytest.raises(DataError, match="without a type"):
        hm.harmonise(store, [0], shape="intrinsic")
    with pytest.raises(UsageError, match="shape"):
        hm.harmonise(store, [0], shape="round")
    with pytest.raises(UsageError, match="positive"):
        hm.harmonise(store, [0], resolving_power=-1.0)
    with pytest.raises(DataError, match="no spectrum"):
        hm.harmonise(store, [])
