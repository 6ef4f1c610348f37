import gzip

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import InverseVariance, StdDevUncertainty, VarianceUncertainty

import spectype
from spectype.core.errors import ArgumentError, ReadError
from spectype.surveys.specutils_io import from_specutils, to_specutils
from tests.stars import star_batch, star_flux

specutils = pytest.importorskip("specutils")
WAVE = np.arange(3800.0, 8800.0, 2.0)
UNIT = u.Unit("1e-17 erg s-1 cm-2 AA-1")


def star(code=22.0, wave=WAVE, *, sigma=0.02, kind=StdDevUncertainty, **options):
    flux = star_flux(code, wave)
    value = {StdDevUncertainty: sigma, VarianceUncertainty: sigma**2, InverseVariance: sigma**-2}
    errors = kind(np.full(wave.size, value[kind]))
    axis = options.pop("axis", wave * u.AA)
    return specutils.Spectrum(spectral_axis=axis, flux=flux * UNIT, uncertainty=errors, **options)


@pytest.mark.parametrize("kind", [StdDevUncertainty, VarianceUncertainty, InverseVariance])
def test_every_uncertainty_and_axis(kind):
    batch = from_specutils(star(kind=kind, axis=(WAVE * u.AA).to(u.nm)), frame="vacuum")
    np.testing.assert_allclose(batch.wave, WAVE)
    np.testing.assert_allclose(
        batch.flux[0] * np.sqrt(batch.ivar[0]), star_flux(22.0, WAVE) / 0.02, rtol=1e-4
    )


def test_lists_collections_and_rows():
    many = specutils.SpectrumList([star(22.0), star(42.0, WAVE[:1000])])
    batch = from_specutils(many, frame="vacuum")
    assert len(batch) == 2 and batch.mask[1, 1000:].all() and not batch.mask[1, :1000].any()
    collection = specutils.SpectrumCollection(
        spectral_axis=np.stack([WAVE, WAVE + 1]) * u.AA, flux=np.ones((2, WAVE.size)) * u.Jy
    )
    assert from_specutils(collection, frame="vacuum").wave[1, 0] == WAVE[0] + 1
    rows = specutils.Spectrum(spectral_axis=WAVE * u.AA, flux=np.ones((3, WAVE.size)) * u.Jy)
    assert len(from_specutils(rows)) == 3


def test_there_and_back_nothing_is_lost():
    batch = star_batch([22.0, 44.0], meta={"object": ["a", "b"], "redshift": [1e-4, None]})
    batch.mask[0, 100:110] = True
    back = from_specutils(batch.to_specutils())
    np.testing.assert_allclose(back.wave, batch.wave, rtol=1e-12)
    np.testing.assert_array_equal(back.mask, batch.mask)
    good = ~batch.mask
    np.testing.assert_allclose(back.flux[good], batch.flux[good], rtol=1e-5)
    np.testing.assert_allclose(back.ivar[good], batch.ivar[good], rtol=1e-5)
    assert back.meta["object"] == ["a", "b"] and back.meta["redshift"] == [1e-4, None]
    # a unit comes back with the numbers it had
    again = to_specutils(from_specutils(star(), frame="vacuum"))[0]
    assert again.flux.unit == UNIT
    np.testing.assert_allclose(again.flux.value, star_flux(22.0, WAVE), rtol=1e-5)


def test_the_frame_that_a_header_says_is_kept():
    air = star(meta={"header": {"CTYPE1": "AWAV"}})
    assert from_specutils(air, frame="vacuum").wave[0] == pytest.approx(WAVE[0] + 1.08, abs=0.05)
    assert from_specutils(star(meta={"wave_frame": "vacuum"})).wave[0] == WAVE[0]


def test_predict_takes_them():
    model = spectype.load_model()
    alone = model.predict(star(meta={"wave_frame": "vacuum"}))
    both = model.predict([star(meta={"wave_frame": "vacuum"}), star_batch([64.0])])
    assert alone["type"].to_list() == ["A"] and len(both) == 2
    assert both["p_A"][0] == pytest.approx(alone["p_A"][0], rel=1e-4)


def test_what_it_is_not():
    with pytest.raises(ArgumentError, match="spectra: is a int, none of specutils"):
        from_specutils(3)
    velocity = specutils.Spectrum(
        spectral_axis=np.arange(10.0) * u.km / u.s + 1 * u.km / u.s, flux=np.ones(10) * u.Jy
    )
    with pytest.raises(ArgumentError, match="km / s"):
        from_specutils(velocity)


def test_a_file_that_astropy_would_walk_for_ever_is_refused(tmp_path) -> None:
    """An unparsable SIMPLE makes astropy's HDU end where it begins, in gzipped files endlessly."""
    head = [b"SIMPLE  =               |    T", b"BITPIX  =                  -32",
            b"NAXIS   =                    2", b"NAXIS1  =                 3500",
            b"NAXIS2  =                    2", b"END"]  # fmt: skip
    data = b"".join(card.ljust(80) for card in head).ljust(2880) + bytes(28800)
    path = tmp_path / "odd.fits.gz"
    path.write_bytes(gzip.compress(data))
    with pytest.raises(ReadError, match=r"HDU 0: broken header: Unparsable card \(SIMPLE\)"):
        spectype.read(path)
