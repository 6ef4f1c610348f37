import numpy as np
import pytest
import torch

from spectype.core.grid import STANDARD_GRID
from spectype.core.kinds import KINDS
from spectype.dataset.preprocess import broad_shape
from spectype.learn.augment import Augment, gaussian_blur, shift_pixels
from spectype.learn.networks import Standardise, SurveyView
from spectype.learn.outliers import Outliers
from spectype.learn.recipe import AugmentConfig
from tests.stars import star_batch

WAVE = torch.as_tensor(STANDARD_GRID)
OFF = dict.fromkeys(AugmentConfig.__dataclass_fields__, 0.0) | {"faintest": 4.0}


def stars(codes=(22.0, 42.0, 60.0), snr=200):
    spectra = star_batch(codes, snr=snr)
    return torch.from_numpy(spectra.flux), torch.ones(spectra.flux.shape)


def draw(seed=1):
    return torch.Generator().manual_seed(seed)


def test_velocity_moves_lines_by_doppler():
    line = torch.exp(-0.5 * ((WAVE - 6564.6) / 4) ** 2)[None].float()
    pixels = torch.tensor([[3.3]])
    moved, _ = shift_pixels(line, torch.ones_like(line), pixels)
    centre = float((moved * WAVE).sum() / moved.sum())
    # 3.3 pixels of 1e-4 in log10 wavelength are 227.9 km/s.
    assert centre == pytest.approx(6564.6 * (1 + 227.9 / 299792.458), abs=0.05)


def test_what_comes_from_outside_is_bad():
    flux, good = stars()
    _, ok = shift_pixels(flux, good, torch.full((3, 1), 5.0))
    assert (ok[:, :5] == 0).all() and ok[:, 6:].all()


def test_blur_conserves_flux_and_widens():
    line = torch.exp(-0.5 * ((torch.arange(400.0) - 200) / 2) ** 2)[None]
    wide = gaussian_blur(line, torch.ones_like(line), torch.tensor([[3.0]]))
    assert float(wide.sum() / line.sum()) == pytest.approx(1.0, abs=1e-3)
    x = torch.arange(400.0) - 200
    width = float(((wide * x**2).sum() / wide.sum()).sqrt())
    assert width == pytest.approx(np.hypot(2, 3), rel=0.02)


def test_off_means_off():
    flux, good = stars()
    out, ok = Augment(AugmentConfig(**OFF), WAVE)(flux, good, draw())
    inner = slice(20, -20)
    assert (out - flux)[:, inner].abs().max() < 2e-3 and ok[:, inner].all()


def test_noise_has_the_drawn_size():
    flux, good = stars([42.0] * 256, snr=1e5)
    config = AugmentConfig(**(OFF | {"noise": 1.0, "faintest": 299.9}))
    out, _ = Augment(config, WAVE)(flux, good, draw())
    middle = slice(1500, 2500)
    snr = flux[:, middle].mean() / (out - flux)[:, middle].std()
    assert 200 < float(snr) < 400


def test_same_seed_same_spectra_other_seed_others():
    flux, good = stars()
    augment = Augment(AugmentConfig(), WAVE)
    one, two, other = (augment(flux, good, draw(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.isfinite(one).all()


def test_reddening_dims_the_blue():
    flux, good = stars([22.0] * 64)
    config = AugmentConfig(**(OFF | {"reddening": 2.0}))
    out, _ = Augment(config, WAVE)(flux, good, draw(4))
    colour = (out / flux)[:, 200] / (out / flux)[:, -200]
    assert colour.min() < 0.5 and colour.median() < 1.01


def test_standardise_matches_the_preprocess_step():
    spectra = star_batch([22.0, 42.0, 60.0], snr=1e5)
    flux, good = torch.from_numpy(spectra.flux), torch.ones(spectra.flux.shape)
    out = Standardise(145.0)(flux, good)
    shape = broad_shape(spectra, width=145.0 * 69.03)
    inner = slice(400, -400)
    ours = (out[:, 0] + 1).numpy()[:, inner]
    np.testing.assert_allclose(ours, (spectra.flux / shape)[:, inner], atol=0.03)


def test_standardise_ignores_scale_and_masked_flux():
    flux, good = stars()
    good[:, 1000:1400] = 0
    wild = torch.where(good > 0, flux * 1e-16, torch.tensor(1e3))
    a, b = Standardise(145.0)(flux, good), Standardise(145.0)(wild, good)
    assert (a - b).abs().max() < 1e-3
    assert (a[:, :2, 1000:1400] == 0).all()


def test_survey_view_is_a_stochastic_matrix_near_identity():
    matrix = SurveyView().matrix().detach()
    np.testing.assert_allclose(matrix.sum(1).numpy(), 1.0, rtol=1e-5)
    middle = matrix[40:100]
    assert (middle.argmax(1) == torch.arange(40, 100)).all()


def test_a_wavering_calibration_is_a_wave_of_five_percent():
    flux, good = stars([22.0] * 64)
    out, _ = Augment(AugmentConfig(**(OFF | {"ripple": 1.0})), WAVE)(flux, good, draw(5))
    gain = torch.log(out / flux)[:, 200:-200]
    gain = gain - gain.mean(1, keepdim=True)
    assert 0.02 < float(gain.abs().amax(1).median()) < 0.1
    # It turns many times within the spectrum: no slope that a broad shape would take out.
    turns = (gain[:, 1:].sign() != gain[:, :-1].sign()).sum(1).float()
    assert turns.median() > 20


def test_telluric_bands_are_masked_and_nothing_else():
    flux, good = stars([52.0] * 8)
    _, ok = Augment(AugmentConfig(**(OFF | {"telluric": 1.0})), WAVE)(flux, good, draw(6))
    lost = WAVE[20:-20][(ok[0] == 0)[20:-20]]
    assert ((lost > 6864) & (lost < 6950)).any() and not ((lost > 6300) & (lost < 6860)).any()
    assert float(lost.min()) > 6860  # the blue, where types are told, is whole


def pools(flux):
    return {"hot": flux[:4], "cool": flux[:8], "red": flux[-4:]}


def test_a_composite_is_red_in_the_red_and_hot_in_the_blue():
    hot, red = stars([15.0] * 24, snr=1e5)[0], stars([64.0] * 24, snr=1e5)[0]
    both, _ = Outliers(WAVE).composite(
        hot, torch.ones_like(hot), {"hot": hot, "cool": hot, "red": red}, draw(7)
    )

    def share(light, low, high):
        here = (low < WAVE) & (high > WAVE)
        return light[:, here].mean(1) / light.mean(1)

    for low, high in ((3900, 4500), (8500, 9000)):
        a, b, c = (float(share(s, low, high).median()) for s in (hot, both, red))
        assert min(a, c) < b < max(a, c)


def test_outliers_are_no_stars():
    flux, good = stars([25.0, 35.0, 45.0, 55.0] * 16)
    out, ok, kind = Outliers(WAVE)(flux, good, pools(flux), draw(2))
    assert set(kind.tolist()) <= set(range(1, len(KINDS))) and len(set(kind.tolist())) > 6
    assert torch.isfinite(out).all() and ok.shape == good.shape
    a = out / out.abs().median(1, keepdim=True).values
    b = flux / flux.median(1, keepdim=True).values
    # An emission-line star differs in a few pixels only.
    assert ((a - b).abs().amax(1) > 0.3).float().mean() > 0.95
    assert ((a - b).abs().mean(1) > 0.05).float().mean() > 0.85


def test_galaxy_lines_stand_at_their_redshift():
    flux, good = stars([45.0] * 40)
    light, _ = Outliers(WAVE).quasar(flux, good, pools(flux), draw(1))
    assert (light > 0).all() and float(light.std()) > 0.1


def test_white_dwarf_lines_are_broader_than_those_of_a_stars():
    flux, good = stars([45.0] * 60)
    light, _ = Outliers(WAVE).white_dwarf(flux, good, pools(flux), draw(3))
    wave = WAVE.numpy()
    at = {w: light.numpy()[:, np.abs(wave - w).argmin()] for w in (4735, 4842.7, 4862.7, 4990)}
    # Optical depth at the centre and 20 Angstrom from it; an A star's falls to a quarter there.
    side = 0.5 * np.log(at[4735] * at[4990])
    centre, wing = side - np.log(at[4862.7]), side - np.log(at[4842.7])
    hydrogen = centre > 0.3
    assert 0.2 < hydrogen.mean() < 0.8
    assert np.median(wing[hydrogen] / centre[hydrogen]) > 0.5
