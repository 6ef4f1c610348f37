"""What the simulated instrument does to light."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.errors import UsageError
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.simulate import instrument
from spectype.simulate.instrument import BANDS, Conditions, observe
from spectype.simulate.light import redden, rotate, shift
from spectype.starlight.physics import STEP, WAVE


@pytest.fixture(scope="module")
def sunlike() -> np.ndarray:
    """A black body of 5800 K with one narrow line."""
    light = WAVE**-5.0 / np.expm1(1.4388e8 / WAVE / 5800)
    return light * (1 - 0.8 * np.exp(-0.5 * ((WAVE - 6000) / 0.5) ** 2))


@pytest.mark.parametrize("snr", [2.0, 20.0, 200.0])
def test_wanted_snr_is_reached(sunlike, snr, rng):
    seen = observe(sunlike, Conditions(snr_g=snr), rng)
    assert seen.snr["g"] == pytest.approx(snr, rel=0.02)
    inside = (seen.wave > BANDS["g"][0]) & (seen.wave < BANDS["g"][1]) & (seen.ivar > 0)
    measured = np.median(seen.flux[inside] * np.sqrt(seen.ivar[inside]))
    assert measured == pytest.approx(snr, rel=0.1)


def test_errors_are_the_scatter(sunlike, rng):
    # Second differences of a smooth spectrum have six times the variance of a pixel.
    seen = observe(sunlike, Conditions(snr_g=30.0), rng)
    part = (seen.wave > 4600) & (seen.wave < 5400) & (seen.ormask == 0)
    pull = np.diff(seen.flux[part], 2) * np.sqrt(seen.ivar[part][1:-1] / 6)
    assert 1.4826 * np.median(np.abs(pull)) == pytest.approx(1.0, abs=0.12)


def test_red_stars_have_little_blue_signal(sunlike, rng):
    red = sunlike * (WAVE / 6000) ** 6
    cool = observe(red, Conditions(snr_g=30.0), rng).snr
    warm = observe(sunlike, Conditions(snr_g=30.0), rng).snr
    assert cool["u"] < warm["u"] < warm["g"]
    assert cool["z"] > 1.3 * warm["z"]
    # The ratios of LAMOST's own headers for G stars: u 0.16, r 1.58, i 2.06, z 1.38 of g.
    assert warm["r"] / warm["g"] == pytest.approx(1.58, rel=0.25)
    assert warm["u"] / warm["g"] == pytest.approx(0.16, abs=0.2)  # a black body has no lines in u


def test_zero_tail_has_positive_inverse_variance(sunlike, rng):
    seen = observe(sunlike, Conditions(snr_g=50.0, zero_tail=17, n_pixels=3751), rng)
    assert len(seen.flux) == 3751
    assert (seen.flux[-17:] == 0).all() and (seen.ivar[-17:] > 0).all()
    assert seen.flux[-18] != 0
    assert (seen.ivar >= 0).all() and np.isfinite(seen.flux).all()


def test_wavelengths_are_lamosts():
    wave = instrument.pixels(3909)
    assert wave[0] == pytest.approx(3699.986, abs=1e-3)
    assert wave[-1] == pytest.approx(9099.135, abs=5e-3)


def test_resolution_is_that_of_the_arms():
    for centre, low, high in ((4800.0, 1500, 2100), (7400.0, 1600, 2200)):
        light = np.exp(-0.5 * ((WAVE - centre) / 0.3) ** 2)
        seen = instrument.line_spread(1.0, 3909) @ light
        wave = instrument.pixels()
        mean = np.average(wave, weights=seen)
        sigma = np.sqrt(np.average((wave - mean) ** 2, weights=seen))
        assert mean == pytest.approx(centre, abs=0.1)
        assert low < centre / (2.3548 * sigma) < high


def test_line_spread_conserves_flux():
    flat = instrument.line_spread(1.0, 3900) @ np.ones_like(WAVE)
    np.testing.assert_allclose(flat, 1, atol=1e-12)


@given(st.floats(-600, 600))
def test_velocity_moves_lines(velocity):
    light = 1 - 0.5 * np.exp(-0.5 * ((WAVE - 6000) / 2) ** 2)
    moved = shift(light, velocity)
    centre = np.average(WAVE, weights=1 - moved + 1e-12 * (1 - moved))
    assert centre == pytest.approx(6000 * (1 + velocity / SPEED_OF_LIGHT), abs=0.02)


@pytest.mark.parametrize("rotation", [0.0, 5.0, 60.0, 300.0])
def test_rotation_keeps_equivalent_width(rotation):
    light = 1 - 0.5 * np.exp(-0.5 * ((WAVE - 6000) / 1) ** 2)
    turned = rotate(light, rotation)
    width = [np.sum((1 - one) * WAVE * STEP) for one in (light, turned)]
    assert width[1] == pytest.approx(width[0], rel=1e-3)
    if rotation > 50:
        assert turned.min() > light.min()


def test_dust_reddens_and_adds_interstellar_lines():
    flat = np.ones_like(WAVE)
    dimmed = redden(flat, 1.0)
    assert dimmed[np.searchsorted(WAVE, 4000)] < 0.5 * dimmed[np.searchsorted(WAVE, 7000)]
    line, side = np.searchsorted(WAVE, (5891.5, 5885.0))
    assert dimmed[line] < 0.7 * dimmed[side]
    np.testing.assert_array_equal(redden(flat, 0.0), flat)


def test_sky_lines_are_noisier(sunlike, rng):
    seen = observe(sunlike, Conditions(snr_g=10.0), rng)
    line = np.abs(seen.wave - 5578.9) < 2
    side = (np.abs(seen.wave - 5578.9) > 15) & (np.abs(seen.wave - 5578.9) < 40) & (seen.ivar > 0)
    assert seen.ivar[line].max() < 0.7 * np.median(seen.ivar[side])


def test_arms_join_is_noisy(sunlike, rng):
    seen = observe(sunlike, Conditions(snr_g=50.0), rng)
    snr = seen.flux * np.sqrt(seen.ivar)

    def level(centre: float) -> float:
        return float(np.median(snr[np.abs(seen.wave - centre) < 40]))

    lowest = min(level(centre) for centre in range(5660, 5900, 20))
    assert lowest < 0.93 * level(5300) and lowest < 0.93 * level(6200)


def test_same_seed_same_spectrum(sunlike):
    first, second = (
        observe(sunlike, Conditions(snr_g=30.0), np.random.default_rng(5)) for _ in range(2)
    )
    np.testing.assert_array_equal(first.flux, second.flux)
    other = observe(sunlike, Conditions(snr_g=30.0), np.random.default_rng(6))
    assert not np.array_equal(first.flux, other.flux)


@pytest.mark.parametrize(
    "wrong",
    [
        {"snr_g": 0.0}, {"snr_g": -3.0}, {"snr_g": float("nan")}, {"snr_g": 10.0, "ebv": -0.1},
        {"snr_g": 10.0, "velocity": 5000.0}, {"snr_g": 10.0, "rotation": -1.0},
        {"snr_g": 10.0, "n_pixels": 5000}, {"snr_g": 10.0, "zero_tail": 4000},
        {"snr_g": 10.0, "ebv": float("nan")},
    ],
)  # fmt: skip
def test_impossible_conditions_are_refused(wrong):
    with pytest.raises(UsageError):
        Conditions(**wrong)


def test_darkness_is_refused(rng):
    with pytest.raises(UsageError, match="no light"):
        observe(np.zeros_like(WAVE), Conditions(snr_g=10.0), rng)


def test_noise_is_poisson_of_bright_stars_and_the_skys_of_faint_ones():
    wave = instrument.pixels()
    flux = 0.5 + wave / 5000
    own, rest = instrument.noise_variance(wave)
    counts = 1e7 * flux * instrument.throughput(wave) * (wave / 5000) ** 2
    bright = flux / np.sqrt(flux * own / 1e7 + rest / 1e14)
    middle = (wave > 4400) & (wave < 5400)
    np.testing.assert_allclose(bright[middle], np.sqrt(counts)[middle], rtol=0.01)
    oxygen = np.searchsorted(wave, 5578.9)  # the brightest line of the night sky
    assert rest[oxygen] > 16 * rest[oxygen - 60] and own[oxygen] < 1.2 * own[oxygen - 60]


def test_noise_is_that_of_an_exposure(sunlike):
    seen = observe(sunlike, Conditions(snr_g=20.0), np.random.default_rng(3))
    part = (seen.wave > 4200) & (seen.wave < 8800) & (seen.ivar > 0)
    flux = np.clip(seen.flux / np.median(seen.flux), 0, None)
    own, rest = instrument.noise_variance(seen.wave)
    ratio = np.log(np.sqrt((flux * own / 500 + rest / 500**2) * seen.ivar)[part])
    assert np.std(ratio) < 0.25  # over a range of a factor of several
