import numpy as np
import pytest

from spectype.core import grid
from spectype.core.spectra import Spectra


def batch(wave, flux, ivar=None, mask=None):
    flux = np.atleast_2d(np.asarray(flux, np.float32))
    ivar = np.ones_like(flux) if ivar is None else np.atleast_2d(np.asarray(ivar, np.float32))
    mask = ivar <= 0 if mask is None else np.atleast_2d(mask)
    return Spectra(wave=np.asarray(wave, float), flux=flux, ivar=ivar, mask=mask)


def test_air_wavelengths_of_known_lines():
    # Sodium D and H alpha: vacuum and air values of the NIST Atomic Spectra Database.
    vacuum = np.array([5891.583, 5897.558, 6564.610])
    air = np.array([5889.950, 5895.924, 6562.797])
    np.testing.assert_allclose(grid.vacuum_to_air(vacuum), air, atol=0.012)


def test_air_vacuum_round_trip_over_the_optical():
    wave = np.linspace(3000, 10500, 4001)
    np.testing.assert_allclose(grid.air_to_vacuum(grid.vacuum_to_air(wave)), wave, atol=1e-9)
    assert grid.vacuum_to_air(1500.0) == 1500.0


def test_standard_grid_is_lamosts():
    assert grid.STANDARD_GRID[0] == pytest.approx(3699.986, abs=1e-3)
    ratio = grid.STANDARD_GRID[1:] / grid.STANDARD_GRID[:-1]
    np.testing.assert_allclose(np.log10(ratio), 1e-4, rtol=1e-9)


@pytest.mark.parametrize("step", [0.7, 1.4, 5.0])
def test_resampling_conserves_flux(step, rng):
    old = np.arange(4000, 6000, step)
    flux = 1 + 0.3 * np.sin(old / 60) + 0.05 * rng.normal(size=old.size)
    new = grid.log_grid(np.log10(4100), n_pix=1200)
    out = grid.resample(batch(old, flux), wave=new)
    assert not out.mask.any()
    new_edges, old_edges = grid.edges(new), grid.edges(old)
    total = np.interp(new_edges[[0, -1]], old_edges, np.r_[0, np.cumsum(flux * step)])
    assert (out.flux[0] * np.diff(new_edges)).sum() == pytest.approx(np.diff(total)[0], rel=2e-4)


def test_same_grid_is_identity(rng):
    wave = grid.STANDARD_GRID[:500]
    spectra = batch(wave, rng.normal(1, 0.1, 500), rng.uniform(1, 9, 500))
    out = grid.resample(spectra, wave=wave)
    np.testing.assert_allclose(out.flux, spectra.flux, rtol=1e-5)
    np.testing.assert_allclose(out.ivar, spectra.ivar, rtol=1e-4)


def test_information_is_neither_made_nor_lost():
    # Total information sum(ivar * width) of a constant must stay, on finer and coarser pixels.
    old = np.arange(4000.0, 5000.0, 1.0)
    spectra = batch(old, np.ones(1000), np.full(1000, 4.0))
    for step in (0.25, 1.0, 3.7):
        new = np.arange(4100.0, 4900.0, step)
        out = grid.resample(spectra, wave=new)
        np.testing.assert_allclose(out.ivar[0, 5:-5], 4.0 * step, rtol=1e-3)


def test_noise_of_binned_pixels_is_what_is_claimed(rng):
    old = np.arange(4000.0, 6000.0, 1.0)
    flux = rng.normal(10, 0.5, (200, old.size))
    out = grid.resample(
        batch(old, flux, np.full_like(flux, 4.0)), wave=np.arange(4101.5, 5900.0, 4.0)
    )
    pull = (out.flux - 10) * np.sqrt(out.ivar)
    assert pull.std() == pytest.approx(1.0, abs=0.02)


def test_bad_pixels_do_not_leak():
    old = np.arange(4000.0, 4400.0, 1.0)
    flux, ivar = np.ones(400), np.ones(400)
    flux[100:120], ivar[100:120] = 1e6, 0
    out = grid.resample(batch(old, flux, ivar), wave=np.arange(4001.0, 4399.0, 1.3))
    assert out.flux[~out.mask].max() == pytest.approx(1.0)
    bad = out.wave[out.mask[0]]
    assert bad.min() > 4098 and bad.max() < 4122 and bad.size >= 14


def test_outside_the_coverage_is_masked_not_padded():
    old = np.arange(4500.0, 5000.0, 1.0)
    out = grid.resample(batch(old, np.ones(500)), wave=grid.STANDARD_GRID)
    good = out.wave[~out.mask[0]]
    assert good.min() == pytest.approx(4500, abs=1.5) and good.max() == pytest.approx(4999, abs=1.5)
    assert (out.ivar[out.mask] == 0).all()


def test_a_grid_a_spectrum(rng):
    wave = np.stack([np.arange(4000.0, 5000.0), np.arange(4000.3, 5000.3)])
    flux = np.stack([wave[0] / 1000, wave[1] / 1000]).astype(np.float32)
    new = np.arange(4010.0, 4990.0, 2.0)
    out = grid.resample(batch(wave, flux), wave=new)
    np.testing.assert_allclose(out.flux, np.stack([new, new]) / 1000, rtol=1e-5)


def test_coarse_pixels_come_out_smooth():
    old = np.arange(4000.0, 6000.0, 5.0)
    flux = 1 - 0.6 * np.exp(-0.5 * ((old - 4862.7) / 15) ** 2)
    new = np.arange(4700.0, 5000.0, 1.0)
    out = grid.resample(batch(old, flux), wave=new)
    true = 1 - 0.6 * np.exp(-0.5 * ((new - 4862.7) / 15) ** 2)
    np.testing.assert_allclose(out.flux[0], true, atol=0.01)
