import json

import numpy as np
import pytest

from spectype.core.errors import DataError
from spectype.core.grid import STANDARD_GRID
from spectype.core.spectra import Spectra
from spectype.dataset import preprocess as pp
from tests.stars import star_batch


def test_cosmic_ray_goes_emission_line_stays():
    spectra = star_batch([42.0], snr=80)
    flux = spectra.flux.copy()
    line = 2.0 * np.exp(-0.5 * ((STANDARD_GRID - 6564.6) / 6) ** 2)
    flux[0] += line
    flux[0, 1000:1002] += 40
    out = pp.BadPixels()(pp.replace(spectra, flux=flux))
    assert out.mask[0, 1000:1002].all()
    assert out.mask[0].sum() <= 4
    assert out.flux[0, 1000] == 0 and out.ivar[0, 1000] == 0


def test_noise_is_not_taken_for_cosmic_rays():
    out = pp.BadPixels()(star_batch([42.0] * 20, snr=5))
    assert out.mask.mean() < 1e-3


def test_rest_frame_puts_lines_at_rest():
    wave = STANDARD_GRID
    z = np.array([0.002, 0.0])
    flux = np.stack([1 - 0.5 * np.exp(-0.5 * ((wave - 6564.6 * (1 + v)) / 5) ** 2) for v in z])
    spectra = Spectra(
        wave=wave,
        flux=flux.astype(np.float32),
        ivar=np.ones(flux.shape, np.float32),
        mask=np.zeros(flux.shape, bool),
        meta={"redshift": [0.002, None]},
    )
    out = pp.run_chain(spectra, pp.standard_chain(rest_frame=True))
    for row in range(2):
        deepest = out.wave[np.where(out.mask[row], 9, out.flux[row]).argmin()]
        assert deepest == pytest.approx(6564.6, abs=1.5)


def test_scale_is_the_median_and_keeps_snr():
    spectra = star_batch([20.0, 60.0], snr=30)
    spectra = pp.replace(spectra, flux=spectra.flux * 1e-15, ivar=spectra.ivar * 1e30)
    out = pp.Scale()(spectra)
    np.testing.assert_allclose(np.median(np.abs(out.flux), axis=1), 1.0, rtol=1e-3)
    np.testing.assert_allclose(out.snr(), spectra.snr(), rtol=1e-4)


def test_clip_masks_what_no_star_has():
    spectra = star_batch([42.0])
    flux = spectra.flux.copy()
    flux[0, 7] = 1e4
    assert pp.Clip()(pp.replace(spectra, flux=flux)).mask[0, 7]


def test_continuum_does_not_depend_on_noise():
    # The mean over many noisy spectra equals the noise-free result: an upper envelope fails this.
    clean = pp.Continuum()(star_batch([42.0], snr=1e6)).flux[0]
    noisy = pp.Continuum()(star_batch([42.0] * 400, snr=8, seed=3)).flux.mean(axis=0)
    inner = slice(200, -200)
    assert np.abs(noisy - clean)[inner].mean() < 0.012
    assert np.median(clean[inner]) == pytest.approx(1.0, abs=0.05)


def test_continuum_ignores_masked_pixels():
    spectra = star_batch([42.0], snr=1e5)
    mask = spectra.mask.copy()
    mask[0, 2000:2200] = True
    bad = np.where(mask, 1e6, spectra.flux)
    out = pp.Continuum()(pp.replace(spectra, flux=bad.astype(np.float32), mask=mask))
    plain = pp.Continuum()(spectra)
    assert np.abs(out.flux - plain.flux)[0, ~mask[0]].max() < 0.1


def test_reference_steps():
    out = pp.MinMax()(star_batch([20.0], snr=50))
    assert out.flux.min() == 0 and out.flux.max() == 1
    flux = np.tile(np.arange(9, dtype=np.float32), (1, 1))
    nine = Spectra(wave=np.arange(9.0) + 4000, flux=flux, ivar=np.ones_like(flux), mask=flux < 0)
    np.testing.assert_allclose(pp.Smooth(3)(nine).flux[0, 1:-1], flux[0, 1:-1], rtol=1e-6)


def test_chain_survives_the_manifest():
    chain = pp.standard_chain(rest_frame=True)
    again = pp.from_data(json.loads(json.dumps(pp.to_data(chain))))
    assert again == chain


@pytest.mark.parametrize("entry", [{"name": "rotate"}, {"name": "clip", "middle": 3}])
def test_unknown_steps_and_parameters_are_named(entry):
    with pytest.raises(DataError, match=r"rotate|middle"):
        pp.from_data([entry])
