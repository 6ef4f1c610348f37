"""LAMOST: three layouts, their traps, names and addresses; astropy as the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import assume, given
from hypothesis import strategies as st

from spectype.bench.read import read_by_astropy
from spectype.core.errors import ReadError, UsageError
from spectype.surveys import lamost_names, read
from tests.surveys.miniature import lamost_bytes, lamost_rows, lamost_wave, to_bytes, write

LAYOUTS = ("image-subcontinuum", "image-wavelength", "bintable-coadd")
NAME = "spec-55862-M31_011N40_B1_sp07-009.fits.gz"

FLOATS = st.floats(-1e10, 1e10, width=32, allow_subnormal=False)


def one(path, **options):
    """The single spectrum of a file, its arrays without the first axis, and its metadata."""
    spectra = read(path, **options)
    assert len(spectra) == 1
    meta = {name: values[0] for name, values in spectra.meta.items()}
    return spectra.wave, spectra.flux[0], spectra.ivar[0], spectra.mask[0], meta


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_each_layout_gives_the_numbers_of_the_file(tmp_path, layout, suffix) -> None:
    rows = lamost_rows(300)
    if layout == "image-subcontinuum":
        rows[2] = 1.0 + 0.01 * np.sin(np.arange(300))  # not wavelength at all
    path = write(tmp_path / f"a{suffix}", lamost_bytes(rows, layout))
    wave, flux, ivar, mask, meta = one(path)
    assert np.array_equal(flux, rows[0])
    assert np.array_equal(ivar, rows[1])
    assert not mask.any()
    assert meta["layout"] == layout
    if layout == "image-subcontinuum":
        assert np.array_equal(wave, 10.0 ** (3.5682 + 1e-4 * np.arange(300)))
    else:
        assert np.array_equal(wave, rows[2].astype(np.float64))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_header_becomes_metadata(tmp_path, layout) -> None:
    path = write(tmp_path / NAME, lamost_bytes(lamost_rows(), layout))
    meta = one(path)[4]
    assert {name: meta[name] for name in ("obsid", "object", "class", "subclass", "release")} == {
        "obsid": "707009",
        "object": "LAMOST J233805.09-011500.0",
        "class": "STAR",
        "subclass": "G8",
        "release": "LAMOST DR5",
    }
    assert (meta["ra"], meta["dec"], meta["redshift"]) == (354.521234, -1.25, -0.00029681)
    assert [meta[f"snr_{band}"] for band in "ugriz"] == [0.43, 12.65, 28.0, 37.14, 24.12]
    assert meta["snr"] == 12.65
    assert (meta["lmjd"], meta["planid"], meta["spid"], meta["fiberid"]) == (
        55862, "M31_011N40_B1", 7, 9,
    )  # fmt: skip
    assert (meta["survey"], meta["wave_frame"], meta["has_errors"]) == ("lamost", "vacuum", True)
    assert meta["path"] == str(path)
    assert meta["notes"] == ""


@given(
    flux=st.lists(FLOATS, min_size=2, max_size=50),
    layout=st.sampled_from(LAYOUTS),
    data=st.data(),
)
def test_round_trip_of_any_numbers(tmp_path, flux, layout, data) -> None:
    n = len(flux)
    assume("0" * 8 not in "".join("01"[x != 0] for x in flux).strip("0"))  # a hole: tested below
    rows = lamost_rows(n)
    rows[0] = flux
    rows[1] = data.draw(st.lists(FLOATS, min_size=n, max_size=n))
    rows[4] = data.draw(st.lists(st.sampled_from([0, 0, 0, 1, 128]), min_size=n, max_size=n))
    path = write(tmp_path / "a.fits", lamost_bytes(rows, layout))
    _, got, ivar, mask, _ = one(path)
    lit = np.flatnonzero(rows[0])
    good = (rows[1] > 0) & (rows[4] == 0)
    good &= (np.arange(n) >= lit[0]) & (np.arange(n) <= lit[-1]) if lit.size else False
    assert np.array_equal(got, rows[0])
    assert np.array_equal(mask, ~good)
    assert np.array_equal(ivar, np.where(good, rows[1], 0))


def test_bad_pixels_are_masked_and_have_no_weight(tmp_path) -> None:
    rows = lamost_rows(400)
    rows[0, :3] = 0  # leading and trailing zeros keep ivar > 0 and masks 0: the trap
    rows[0, -110:] = 0
    rows[0, 50] = 0  # a zero inside is a measurement
    rows[0, 200:230] = 0  # thirty of them are a hole, as in spec-59550-TD084806N172341H01
    rows[0, 60] = -5
    rows[0, 70] = np.nan
    rows[1, 80] = np.inf
    rows[1, 90] = 0
    rows[1, 100] = -1
    rows[4, 110] = 2
    rows[3, 120] = 2  # an and-mask bit is an or-mask bit too in real files; alone it is nothing
    _, _, ivar, mask, _ = one(write(tmp_path / "a.fits", lamost_bytes(rows, "bintable-coadd")))
    expected = np.zeros(400, bool)
    expected[[0, 1, 2, 70, 80, 90, 100, 110]] = True
    expected[200:230] = True
    expected[-110:] = True
    assert np.flatnonzero(mask != expected).size == 0
    assert (ivar[mask] == 0).all()
    assert (ivar[~mask] > 0).all()


@pytest.mark.parametrize("row", [0, 1])
def test_nothing_good_is_returned_masked(tmp_path, row) -> None:
    rows = lamost_rows(100)
    rows[row] = 0
    _, _, ivar, mask, _ = one(write(tmp_path / "a.fits", lamost_bytes(rows, "image-wavelength")))
    assert mask.all()
    assert not ivar.any()


def test_wavelengths_from_coefficients_where_the_row_holds_none(tmp_path) -> None:
    rows = lamost_rows(200)
    rows[2] = rows[0] / 300  # continuum-normalised flux under a header that says otherwise
    wave, *_, meta = one(write(tmp_path / "a.fits", lamost_bytes(rows, "image-wavelength")))
    assert np.allclose(wave, lamost_wave(200), rtol=1e-7)
    assert "COEFF0" in meta["notes"]


def test_no_wavelengths_at_all_is_an_error(tmp_path) -> None:
    rows = lamost_rows(200)
    rows[2] = 1
    path = write(tmp_path / "a.fits", lamost_bytes(rows, "image-wavelength", COEFF0=None))
    with pytest.raises(ReadError, match="no usable wavelengths") as error:
        read(path)
    assert error.value.path == str(path)


def test_double_precision_image_is_read(tmp_path) -> None:
    rows = lamost_rows(200).astype(np.float64) + 1e-9
    hdu = fits.PrimaryHDU(rows)
    hdu.header["EXTEN0"] = "Flux Inverse Wavelength Andmask Ormask"
    hdu.header["FIBERID"] = "9"
    wave, flux, _, _, meta = one(write(tmp_path / "a.fits.gz", to_bytes([hdu])))
    assert np.array_equal(wave, rows[2])
    assert np.array_equal(flux, rows[0].astype(np.float32))
    assert meta["fiberid"] == 9


def test_scaled_image_is_scaled(tmp_path) -> None:
    rows = lamost_rows(200)
    raw = lamost_bytes(rows, "image-subcontinuum")  # astropy writes no BSCALE for floats
    at = raw.index(b"CRPIX1  =")
    raw = raw[:at] + b"BSCALE  =                  2.0".ljust(80) + raw[at + 80 :]
    _, flux, *_ = one(write(tmp_path / "a.fits", raw))
    assert np.allclose(flux, 2 * rows[0])


def test_coadd_table_in_other_formats_is_left_to_astropy(tmp_path) -> None:
    rows = lamost_rows(120).astype(np.float64)
    names = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK")
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, "120D", array=row[None]) for name, row in zip(names, rows)],
        name="COADD",
    )
    path = write(tmp_path / "a.fits", to_bytes([fits.PrimaryHDU(), table]))
    wave, flux, ivar, _, meta = one(path)
    assert meta["layout"] == "bintable-coadd"
    assert np.array_equal(wave, rows[2])
    assert np.allclose(flux, rows[0])
    assert np.allclose(ivar, rows[1])


def test_missing_values_are_none_and_warts_are_told(tmp_path) -> None:
    raw = lamost_bytes(
        lamost_rows(),
        "bintable-coadd",
        OBSID=None,
        Z=-9999.0,
        SNRU=-9999.0,
        SNRR=999.0,
        FIBERID=166,
        CLASS="Unknown",
        SUBCLASS="Non",
    )
    meta = one(write(tmp_path / NAME, raw))[4]
    assert meta["obsid"] is None
    assert meta["redshift"] is None
    assert meta["snr_u"] is None
    assert meta["snr_r"] == 999.0
    assert (meta["class"], meta["subclass"]) == ("Unknown", "Non")
    assert meta["fiberid"] == 166  # the header's
    for wart in ("FIBERID 166 differs from the file name (9)", "no OBSID", "snr_r at the cap"):
        assert wart in meta["notes"]


def test_star_is_identified_where_the_header_does(tmp_path) -> None:
    raw = lamost_bytes(lamost_rows(), "bintable-coadd", UID="G16830052393951")
    assert one(write(tmp_path / "a.fits", raw))[4]["star_id"] == "G16830052393951"


def test_spectra_of_one_grid_share_it_and_cannot_spoil_it(tmp_path) -> None:
    first = one(write(tmp_path / "a.fits", lamost_bytes(lamost_rows(77), "bintable-coadd")))[0]
    second = one(write(tmp_path / "b.fits", lamost_bytes(lamost_rows(77), "image-wavelength")))[0]
    assert first is second
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1.0


def test_a_frame_that_contradicts_the_survey_is_noted(tmp_path) -> None:
    path = write(tmp_path / "a.fits", lamost_bytes(lamost_rows(), "bintable-coadd"))
    wave, *_, meta = one(path, frame="air")
    assert np.array_equal(wave, lamost_wave(300).astype(np.float64))
    assert meta["wave_frame"] == "vacuum"
    assert "frame air asked for" in meta["notes"]
    with pytest.raises(UsageError, match="frame 'moon'"):
        read(path, frame="moon")


@pytest.mark.parametrize("kind", ["coadd of two rows", "one pixel", "columns of two lengths"])
def test_wrong_shapes_are_errors(tmp_path, kind) -> None:
    names = ("FLUX", "IVAR", "WAVELENGTH", "ANDMASK", "ORMASK")
    lengths = {"one pixel": [1] * 5, "columns of two lengths": [9, 9, 8, 9, 9]}.get(kind, [9] * 5)
    rows = 2 if kind == "coadd of two rows" else 1
    columns = [
        fits.Column(name, f"{n}E", array=np.ones((rows, n))) for name, n in zip(names, lengths)
    ]
    table = fits.BinTableHDU.from_columns(columns, name="COADD")
    path = write(tmp_path / "a.fits", to_bytes([fits.PrimaryHDU(), table]))
    with pytest.raises(ReadError) as error:
        read(path)
    assert error.value.path == str(path)
    assert error.value.remedy


@given(
    st.integers(50000, 69999),
    st.from_regex(r"[A-Z0-9_+]{1,12}", fullmatch=True),
    st.integers(1, 16),
    st.integers(1, 250),
)
def test_names_round_trip(lmjd, planid, spid, fiberid) -> None:
    name = lamost_names.file_name(lmjd, planid, spid, fiberid)
    assert lamost_names.parse_name(f"raw/{name}") == (lmjd, planid, spid, fiberid)
    assert lamost_names.parse_name(name.removesuffix(".gz")) == (lmjd, planid, spid, fiberid)


def test_other_names_are_not_parsed() -> None:
    assert lamost_names.parse_name("spec-0306-51637-0004.fits") is None
    assert lamost_names.parse_name("jc_1.fits.gz") is None


def test_place_in_the_tree() -> None:
    place = lamost_names.tree_path("2011-10-28", "B6212", lmjd=55862, spid=6, fiberid=3)
    assert place == "20111028/B6212/spec-55862-B6212_sp06-003.fits.gz"
    with pytest.raises(UsageError, match="not a night"):
        lamost_names.tree_path("yesterday", "B6212", lmjd=55862, spid=6, fiberid=3)


@pytest.mark.parametrize(
    ("release", "token", "url"),
    [
        ("dr10/v2.0", None, "https://www.lamost.org/openapi/dr10/v2.0/lrs/spectrum/fits?obsid=101"),
        ("DR6 v2", None, "https://www.lamost.org/openapi/dr6/v2.0/lrs/spectrum/fits?obsid=101"),
        ("dr12/v1.1", "T", "https://www.lamost.org/openapi/dr12/v1.1/lrs/spectrum/fits"
         "?obsid=101&token=T"),
        ("dr5/v3.0", None, "http://dr5.lamost.org/v3/spectrum/fits/101"),
        ("dr3", None, "http://dr3.lamost.org/spectrum/fits/101"),
        ("dr2", "T", "http://dr2.lamost.org/spectrum/fits/101?token=T"),
    ],
)  # fmt: skip
def test_address_of_a_spectrum(release, token, url) -> None:
    assert lamost_names.spectrum_url(101, release, token=token) == url


@pytest.mark.parametrize("release", ["10", "dr10", "latest", "dr10/v2.0.1x"])
def test_impossible_releases_are_usage_errors(release) -> None:
    with pytest.raises(UsageError, match=r"LAMOST release|versions"):
        lamost_names.spectrum_url(101, release)


def test_obsid_must_be_a_number() -> None:
    with pytest.raises(UsageError, match="not an obsid"):
        lamost_names.spectrum_url("../101", "dr10/v2.0")


def test_address_of_a_night() -> None:
    url = "https://www.lamost.org/dr11/v2.0/tar/lrs-fits/20201028.tar.gz"
    assert lamost_names.night_url("2020-10-28", "dr11/v2.0") == url


@pytest.mark.real
def test_real_files_are_bit_identical_to_astropy(real_data) -> None:
    files = sorted((real_data / "lamost").rglob("*.fits.gz"))
    assert len(files) > 1000
    layouts = set()
    for path in files[::4]:
        wave, flux, ivar, mask, meta = one(path)
        old_wave, old_flux, old_ivar, old_bad, old_meta = read_by_astropy(str(path))
        layouts.add(meta["layout"])
        lit = np.flatnonzero(old_flux)
        old_bad[: lit[0]] = old_bad[lit[-1] + 1 :] = True
        assert np.array_equal(wave, old_wave), path
        assert np.array_equal(flux, old_flux), path
        assert np.array_equal(mask, old_bad), path
        assert np.array_equal(ivar, np.where(old_bad, 0, old_ivar)), path
        assert meta["subclass"] == old_meta["SUBCLASS"]
        assert (meta["ra"], meta["dec"]) == (old_meta["RA"], old_meta["DEC"])
        assert meta["obsid"] == (None if old_meta["OBSID"] is None else str(old_meta["OBSID"]))
    assert layouts == set(LAYOUTS)


@pytest.mark.real
def test_real_metadata_agree_with_the_table_of_labels(real_data) -> None:
    import polars as pl

    table = pl.read_csv(real_data / "labels.csv", infer_schema_length=0)
    rows = table.filter(pl.col("survey") == "LAMOST LRS").to_dicts()
    warts = {}
    for row in rows:
        path = real_data / row["path"]
        *_, meta = one(path)
        assert meta["layout"] == row["layout"]
        assert meta["class"] == row["class"]
        for ours, theirs in (("snr_g", "snr_g"), ("redshift", "redshift"), ("ra", "ra")):
            value = None if row[theirs] is None else float(row[theirs])
            assert meta[ours] == (None if value == -9999 else value)
        for wart in meta["notes"].split("; "):
            warts.setdefault(wart.split(" ")[0], set()).add(path.name)
    assert len(warts["no"]) == 166  # early files without OBSID
    assert warts["header"] == {"spec-57308-GAC069N16M1_sp03-131.fits.gz"}
