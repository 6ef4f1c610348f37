import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked

import spectype
from spectype.core.errors import ArgumentError
from spectype.core.grid import air_to_vacuum, vacuum_to_air
from spectype.reading.arrays import from_arrays
from tests.stars import star_flux

WAVE = np.arange(3800.0, 8800.0, 2.0)
FLUX = star_flux(22.0, WAVE)
ERROR = np.full(WAVE.size, 0.02)


def star(wave=WAVE, flux=FLUX, **options):
    return from_arrays(wave, flux, **({"error": ERROR, "frame": "vacuum"} | options))


def test_every_unit_gives_the_same_wavelengths():
    by_unit = {
        "nm": WAVE / 10, "micron": WAVE / 1e4, "m": WAVE * 1e-10, "log10": np.log10(WAVE),
        "ln": np.log(WAVE), "Angstrom": WAVE, "THz": 2997924.58 / WAVE, "cm-1": 1e8 / WAVE,
    }  # fmt: skip
    for unit, wave in by_unit.items():
        flux = FLUX[::-1] if unit in ("THz", "cm-1") else FLUX
        order = np.argsort(-wave) if unit in ("THz", "cm-1") else np.arange(WAVE.size)
        batch = star(wave[order], flux[::-1] if unit in ("THz", "cm-1") else flux, unit=unit)
        np.testing.assert_allclose(batch.wave, WAVE, rtol=1e-9)
        np.testing.assert_allclose(batch.flux[0], FLUX, rtol=1e-5)


def test_quantities_bring_their_units_and_errors_are_converted():
    flux = FLUX * 1e-14 * u.erg / u.s / u.cm**2 / u.AA
    error = (0.02 * np.ones_like(FLUX) * 1e-14 * u.erg / u.s / u.cm**2 / u.AA).to(
        u.W / u.m**2 / u.um
    )
    batch = from_arrays(WAVE / 10 * u.nm, flux, error=error, frame="vacuum")
    np.testing.assert_allclose(batch.wave, WAVE)
    np.testing.assert_allclose(batch.flux[0] * np.sqrt(batch.ivar[0]), FLUX / 0.02, rtol=1e-4)
    assert batch.meta["flux_unit"] == [str(flux.unit)]
    # f_nu = f_lambda lambda**2 / c: the ratio of two wavelengths tells
    jansky = flux.to(u.Jy, u.spectral_density(WAVE * u.AA))
    again = from_arrays(WAVE * u.AA, jansky, frame="vacuum")
    ratio = again.flux[0] / FLUX
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)


def test_any_order_and_either_frame():
    rng = np.random.default_rng(3)
    mixed = rng.permutation(WAVE.size)
    np.testing.assert_allclose(star(WAVE[mixed], FLUX[mixed]).flux, star().flux)
    air = star(vacuum_to_air(WAVE), frame="air")
    np.testing.assert_allclose(air.wave, WAVE, atol=1e-6)
    assumed = star(frame=None)
    np.testing.assert_allclose(assumed.wave, air_to_vacuum(WAVE))
    assert "air assumed" in assumed.meta["notes"][0]


def test_two_dimensions_and_a_grid_a_spectrum():
    flux = np.stack([FLUX, 2 * FLUX])
    both = star(flux=flux, error=None, meta={"object": ["a", "b"], "redshift": [0.0, 1e-3]})
    assert len(both) == 2 and both.meta["object"] == ["a", "b"] and both.wave.ndim == 1
    own = star(np.stack([WAVE, WAVE + 1]), flux, error=None)
    assert own.wave.shape == flux.shape and own.wave[1, 0] == WAVE[0] + 1


def test_what_is_missing_is_masked_however_that_is_said():
    flux, error, mask = FLUX.copy(), ERROR.copy(), np.zeros(WAVE.size, int)
    flux[10], error[20], error[30], mask[40] = np.nan, 0.0, np.inf, 4
    batch = star(flux=flux, error=error, mask=mask)
    assert np.flatnonzero(batch.mask[0]).tolist() == [10, 20, 30, 40]
    hidden = np.arange(WAVE.size) % 50 == 7
    for masked in (
        np.ma.masked_array(FLUX, hidden),
        MaskedColumn(FLUX, mask=hidden),
        Masked(FLUX * u.Unit("erg s-1 cm-2 AA-1"), mask=hidden),
    ):
        np.testing.assert_array_equal(star(flux=masked, error=None).mask[0], hidden)
    gone = star(np.where(hidden, np.nan, WAVE))
    assert gone.n_pix == (~hidden).sum()
    np.testing.assert_array_equal(star(error=None, ivar=np.where(hidden, 0, 9)).mask[0], hidden)


def test_big_endian_single_precision_and_lists_are_taken():
    kinds = (FLUX.astype(">f4"), FLUX.astype(">f8"), FLUX.astype(np.float32), FLUX.tolist())
    for flux in kinds:
        np.testing.assert_allclose(star(WAVE.astype(">f8"), flux).flux[0], FLUX, rtol=1e-6)


BAD = {
    "wave: has 2499 pixels, flux 2500": {"wave": WAVE[1:]},
    "flux: has shape (2500, 3), wave (2500,): wavelengths run along": {"flux": np.ones((2500, 3))},
    "wave: has shape (3, 2500), flux (2, 2500)": {
        "wave": np.tile(WAVE, (3, 1)), "flux": np.ones((2, 2500)),
    },
    "flux: has shape (1, 1, 2500)": {"flux": FLUX[None, None]},
    "flux: is a single number": {"flux": 1.0},
    "wave: is a single number": {"wave": np.float64(5)},
    "flux: is empty: its shape is (0,)": {"flux": []},
    "wave: is empty": {"wave": np.empty((0, 5))},
    "flux: is an array of object": {"flux": FLUX.astype(object)},
    "wave: is an array of object": {"wave": [None, 1.0]},
    "flux: is an array of str": {"flux": ["1", "2"]},
    "flux: is an array of complex128": {"flux": FLUX + 0j},
    "flux: is an array of bool": {"flux": FLUX > 1},
    "flux: has rows of different lengths": {"flux": [[1.0, 2.0], [1.0]]},
    "error: has shape (1, 3), flux (1, 2500)": {"error": np.ones(3)},
    "error: is a single number": {"error": 0.1},
    "error: holds no positive number": {"error": np.zeros(WAVE.size)},
    "error: is given beside ivar": {"ivar": ERROR},
    "error: is in km / s, flux in Jy": {"flux": FLUX * u.Jy, "error": ERROR * u.km / u.s},
    "mask: is an array of float64": {"mask": FLUX},
    "mask: has shape (1, 9), flux (1, 2500)": {"mask": np.zeros(9, bool)},
    "unit: 'parsnip' is no unit": {"unit": "parsnip"},
    "unit: 'km/s' is no unit of wavelengths": {"unit": "km/s"},
    "wave: 'km / s' is no unit of wavelengths": {"wave": WAVE * u.km / u.s},
    "wave: 'pix' is no unit": {"wave": np.arange(2500.0) * u.pix + 1 * u.pix},
    "unit: 'nm' contradicts wave, which is in Angstrom": {"wave": WAVE * u.AA, "unit": "nm"},
    "wave: 1 to 2500 are not optical wavelengths": {"wave": np.arange(1.0, 2501)},
    "wave: holds no two finite numbers": {"wave": np.full(WAVE.size, np.nan)},
    "wave: reaches down to -8798 nm": {"wave": -WAVE, "unit": "nm"},
    "wave: 2500 pixels have 1 different": {"wave": np.full(WAVE.size, 5000.0)},
    "frame: 'ether' is not known": {"frame": "ether"},
    "meta: 'object' is not a sequence of 1 values": {"meta": {"object": "HD 1"}},
    "flux: is in mag(AB)": {"flux": FLUX * u.ABmag, "error": None},
}  # fmt: skip


@pytest.mark.parametrize("said", BAD)
def test_what_is_wrong_names_its_argument(said):
    with pytest.raises(ArgumentError) as caught:
        star(**BAD[said])
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith(said)


def test_nanometres_are_typed_as_angstrom_are():
    model = spectype.load_model()
    one, two = (model.predict(star(w, unit=n)) for w, n in ((WAVE, None), (WAVE / 10, "nm")))
    assert one["type"].to_list() == two["type"].to_list() == ["A"]
    assert one["p_A"][0] == pytest.approx(two["p_A"][0], rel=1e-3)
    # What is built by hand in the wrong unit says so, and has no negative flux.
    wrong = spectype.Spectra(
        wave=WAVE / 10, flux=FLUX[None].astype(np.float32),
        ivar=np.ones((1, WAVE.size), np.float32), mask=np.zeros((1, WAVE.size), bool),
    )  # fmt: skip
    row = model.predict(wrong).to_dicts()[0]
    assert row["type"] is None and "NEGATIVE_FLUX" not in row["flag_names"].split()
    assert row["error"] == "no overlap with 3700-9100 A: its good pixels span 380-880 A"
