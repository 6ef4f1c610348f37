"""specutils both ways: what only its loaders know is read, and it reads LAMOST through ours."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits

from spectype.core.errors import ReadError
from spectype.surveys import read, specutils_io
from tests.reading.toys import WAVE, star
from tests.surveys.miniature import lamost_bytes, lamost_rows, to_bytes, write

pytestmark = pytest.mark.skipif(
    not specutils_io.is_installed(), reason='needs the extra: pip install "spectype[specutils]"'
)
LABEL = "toy survey of spectype's tests"


@pytest.fixture
def toy_survey():
    """A format that no reader of ours knows and a loader of specutils does."""
    import astropy.units as u
    import specutils
    from astropy.nddata import StdDevUncertainty
    from specutils.io.registers import data_loader

    def identify(origin, path, *args, **kwargs):
        return origin == "read" and b"TOYSURV" in io.FileIO(path).read(2880)

    @data_loader(LABEL, identifier=identify, dtype=specutils.SpectrumList, force=True)
    def load(path, **kwargs):
        with fits.open(path) as hdus:
            data = np.asarray(hdus[1].data["blob"])
        flux, sigma = data[:, 0] * u.Jy, StdDevUncertainty(data[:, 1] * u.Jy)
        axis = WAVE / 10 * u.nm
        return specutils.SpectrumList(
            [specutils.Spectrum(spectral_axis=axis, flux=flux, uncertainty=sigma)]
        )

    return to_bytes


def test_a_file_that_only_specutils_knows(tmp_path, toy_survey) -> None:
    flux = star("F") * WAVE**2  # per frequency, up to a constant
    blob = fits.Column("blob", "2D", array=np.stack([flux, flux / 50], axis=1))
    primary = fits.PrimaryHDU()
    primary.header["TOYSURV"] = True
    content = toy_survey([primary, fits.BinTableHDU.from_columns([blob])])
    spectra = read(write(tmp_path / "a.fits", content), frame="vacuum")
    assert spectra.get("survey") == ["specutils"] and spectra.get("layout") == [LABEL]
    assert f"read by specutils ({LABEL})" in spectra.get("notes")[0]
    np.testing.assert_allclose(spectra.wave, WAVE, rtol=1e-9)
    slope = spectra.flux[0] / star("F")
    assert np.ptp(slope) / slope.mean() < 1e-3
    assert abs(spectra.snr()[0] - 50) < 1
    with pytest.raises(ReadError, match="blob"):
        read(tmp_path / "a.fits", columns="wave=x,flux=y")


def test_what_neither_knows_keeps_our_message(tmp_path) -> None:
    content = to_bytes([fits.PrimaryHDU(np.ones((64, 64)))])
    with pytest.raises(ReadError, match="no wavelengths"):
        read(write(tmp_path / "a.fits", content))


def test_specutils_reads_lamost_through_our_loader(tmp_path) -> None:
    import specutils

    specutils_io.register()
    path = write(tmp_path / "a.fits", lamost_bytes(lamost_rows(300), "bintable-coadd"))
    ours = read(path)
    (theirs,) = specutils.SpectrumList.read(str(path), format="LAMOST")
    np.testing.assert_allclose(theirs.spectral_axis.to_value("Angstrom"), ours.wave)
    np.testing.assert_array_equal(theirs.flux.value, ours.flux[0])
    np.testing.assert_array_equal(theirs.uncertainty.array, ours.ivar[0])
    np.testing.assert_array_equal(theirs.mask, ours.mask[0])
    assert theirs.meta["obsid"] == ours.get("obsid")[0]
