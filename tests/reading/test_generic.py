"""Generic spectra: tables, images and text in the forms that astronomers keep them."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.errors import ReadError
from spectype.core.grid import air_to_vacuum, log_grid, vacuum_to_air
from spectype.core.sky import degrees
from spectype.reading.names import guess
from spectype.surveys import read
from tests.surveys.miniature import image_bytes, table_bytes, to_bytes, write

WAVE = np.linspace(3800.0, 7000.0, 641)  # 5 A, in air unless a test says otherwise
FLUX = 2.0 + np.sin(WAVE / 300.0)
ERROR = 0.01 + 0.01 * np.cos(WAVE / 500.0) ** 2
VACUUM = air_to_vacuum(WAVE)


def check(spectra, *, wave=VACUUM, flux=FLUX, error=None, rtol=1e-6):
    """One spectrum with these vacuum wavelengths and this flux, up to its scale."""
    assert len(spectra) == 1
    scale = spectra.get("flux_scale")[0]
    assert np.allclose(spectra.wave, wave, rtol=1e-9)
    assert np.allclose(spectra.flux[0] * scale, flux, rtol=rtol)
    assert not spectra.mask.any()
    if error is None:
        assert spectra.get("has_errors") == [False]
        assert (spectra.ivar == 1).all()
    else:
        assert spectra.get("has_errors") == [True]
        assert np.allclose(spectra.ivar[0], scale**2 / error**2, rtol=1e-5)


# --- text -------------------------------------------------------------------------------


def text(*columns, sep=" ", head="", fmt="%.8g"):
    lines = [sep.join(fmt % value for value in row) for row in zip(*columns)]
    return (head + "\n".join(lines) + "\n").encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", text(WAVE, FLUX)),
        ("a.dat", text(WAVE, FLUX, sep="\t")),
        ("a.csv", text(WAVE, FLUX, sep=",", head="wavelength,flux\n")),
        ("a.csv", text(WAVE, FLUX, sep=",", head='"Wavelength (Angstrom)","Flux"\n')),
        ("a.csv", text(WAVE, FLUX, sep=";", head="\ufeffWAVE;FLUX\n")),
        ("a.tsv", text(WAVE, FLUX, sep="|", head="|lambda|spec|\n")),
        ("a.txt", text(WAVE, FLUX, head="# a star\n# wave flux\n\n")),
        ("a.txt", text(FLUX, WAVE, head="# flux wave\n")),
        ("a.txt", text(WAVE, FLUX, head="% observed\n! by me\n")),
        ("a.ecsv", text(WAVE, FLUX, head="# %ECSV 1.0\n# ---\nwave flux\n")),
        ("a.txt", text(WAVE, FLUX, fmt="%.8E").replace(b"E", b"D")),
        ("a.txt", text(WAVE, FLUX).replace(b"\n", b"\r\n")),
        ("a.csv", text(WAVE, np.arange(641), FLUX, sep=",", head="wave,number,flux\n")),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_text_in_many_hands(tmp_path, name, content, zipped) -> None:
    path = write(tmp_path / (name + ".gz" * zipped), content)
    check(read(path), rtol=1e-5)


@pytest.mark.parametrize(
    ("head", "column"),
    [
        ("", ERROR),
        ("wave,flux,err\n", ERROR),
        ("wave,flux,ivar\n", 1 / ERROR**2),
        ("wave,flux,variance\n", ERROR**2),
        ("lambda,f_lambda,flux_error\n", ERROR),
    ],
)
def test_text_with_errors(tmp_path, head, column) -> None:
    check(
        read(write(tmp_path / "a.csv", text(WAVE, FLUX, column, sep=",", head=head))),
        error=ERROR,
        rtol=1e-5,
    )


def test_gaps_in_text_are_masked(tmp_path) -> None:
    lines = text(WAVE, FLUX, sep=",", head="wave,flux\n").decode().splitlines()
    for i, gap in ((11, ""), (12, "nan"), (13, "--"), (14, "NULL")):
        lines[i] = lines[i].split(",")[0] + "," + gap
    spectra = read(write(tmp_path / "a.csv", "\n".join(lines).encode()))
    assert np.flatnonzero(spectra.mask[0]).tolist() == [10, 11, 12, 13]
    assert np.isfinite(spectra.flux).all()


@pytest.mark.parametrize("fill", [0.0, 1e-4, -1.0])
def test_gaps_filled_with_one_value_are_masked(tmp_path, fill) -> None:
    gap = (WAVE > 4800) & (WAVE < 4860)
    spectra = read(write(tmp_path / "a.txt", text(WAVE, np.where(gap, fill, FLUX))))
    np.testing.assert_array_equal(spectra.mask[0], gap)
    assert "one value" in spectra.get("notes")[0]


def test_a_rounded_continuum_is_no_gap(tmp_path) -> None:
    """So near 1 that a hundred pixels in a row say the same, under a line that is deep."""
    line = 1 - 0.99 * np.exp(-0.5 * ((WAVE - 5000) / 5.0) ** 2)
    spectra = read(write(tmp_path / "a.txt", text(WAVE, line, fmt="%.3f")))
    assert (np.diff(spectra.flux[0]) == 0).sum() > 600 and not spectra.mask.any()


@given(
    st.lists(st.floats(0.01, 1e6), min_size=3, max_size=40),
    st.sampled_from([",", "\t", ";", " "]),
    st.booleans(),
)
def test_any_text_table_round_trips(tmp_path, flux, sep, named) -> None:
    wave = 4000.0 + 2.0 * np.arange(len(flux))
    head = f"wave{sep}flux\n" if named else ""
    spectra = read(write(tmp_path / "a.txt", text(wave, flux, sep=sep, head=head, fmt="%.17g")))
    scale = spectra.get("flux_scale")[0]
    assert np.allclose(spectra.flux[0] * scale, flux, rtol=1e-6)
    assert np.allclose(spectra.wave, air_to_vacuum(wave), rtol=1e-12)


# --- units, frames, order -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("nm", WAVE / 10),
        ("micron", WAVE / 1e4),
        ("m", WAVE / 1e10),
        ("log10", np.log10(WAVE)),
        ("ln", np.log(WAVE)),
    ],
)
@pytest.mark.parametrize("said", ["nothing", "by the user", "in the header"])
def test_units_are_judged_or_given(tmp_path, name, values, said) -> None:
    head = f"wave ({name}),flux\n" if said == "in the header" else "wave,flux\n"
    path = write(tmp_path / "a.csv", text(values, FLUX, sep=",", head=head, fmt="%.14g"))
    check(read(path, unit=name if said == "by the user" else None))


def test_unit_in_a_fits_column(tmp_path) -> None:
    raw = table_bytes({"WAVE": WAVE / 10, "FLUX": FLUX}, units={"WAVE": "nm"})
    check(read(write(tmp_path / "a.fits", raw)))


def test_wrong_unit_in_a_file_yields_to_the_numbers(tmp_path) -> None:
    raw = table_bytes({"wave": np.log10(WAVE), "flux": FLUX}, units={"wave": "Angstrom"})
    spectra = read(write(tmp_path / "a.fits", raw))
    check(spectra)
    assert "does not fit" in spectra.get("notes")[0]


def test_unknown_unit_from_the_user_is_an_error(tmp_path) -> None:
    path = write(tmp_path / "a.txt", text(WAVE, FLUX))
    with pytest.raises(ReadError, match="'furlong' is not known"):
        read(path, unit="furlong")


def test_flux_per_frequency_becomes_flux_per_wavelength(tmp_path) -> None:
    per_hertz = FLUX * (VACUUM / 5500) ** 2
    raw = table_bytes(
        {"WAVE": WAVE, "FLUX": per_hertz, "ERR": 0.1 * per_hertz}, units={"FLUX": "mJy"}
    )
    spectra = read(write(tmp_path / "a.fits", raw))
    ratio = spectra.flux[0] / FLUX
    assert np.ptp(ratio) / ratio.mean() < 1e-6
    assert np.allclose(spectra.flux * np.sqrt(spectra.ivar), 10, rtol=1e-5)


@pytest.mark.parametrize(
    ("cards", "frame"),
    [
        ({}, "air"),
        ({"VACUUM": True}, "vacuum"),
        ({"VACUUM": False}, "air"),
        ({"AIRORVAC": "vac"}, "vacuum"),
        ({"AIRORVAC": "air"}, "air"),
        ({"HISTORY": "All wavelengths are vacuum."}, "vacuum"),
        ({"COMMENT": "wavelengths in air"}, "air"),
        ({"COMMENT": "seen through clear air"}, "air"),
    ],
)
def test_frame_is_read_from_the_header(tmp_path, cards, frame) -> None:
    spectra = read(write(tmp_path / "a.fits", table_bytes({"WAVE": WAVE, "FLUX": FLUX}, **cards)))
    assert spectra.get("wave_frame") == [frame]
    check(spectra, wave=VACUUM if frame == "air" else WAVE)


@pytest.mark.parametrize(("name", "frame"), [("wave_vac", "vacuum"), ("wave_air", "air")])
def test_frame_is_read_from_the_column_name(tmp_path, name, frame) -> None:
    path = write(tmp_path / "a.csv", text(WAVE, FLUX, sep=",", head=f"{name},flux\n"))
    assert read(path).get("wave_frame") == [frame]


def test_the_users_frame_is_for_files_that_do_not_say(tmp_path) -> None:
    path = write(tmp_path / "a.fits", table_bytes({"WAVE": WAVE, "FLUX": FLUX}, VACUUM=True))
    spectra = read(path, frame="air")
    check(spectra, wave=WAVE)
    assert "the file says vacuum: kept" in spectra.get("notes")[0]
    silent = write(tmp_path / "b.fits", table_bytes({"WAVE": WAVE, "FLUX": FLUX}))
    check(read(silent, frame="vacuum"), wave=WAVE)


@pytest.mark.parametrize("decimals", [6, 2])
def test_sdss_pixels_are_vacuum(tmp_path, decimals) -> None:
    wave = np.round(log_grid(3.5823, n_pix=3000), decimals)
    spectra = read(write(tmp_path / "a.txt", text(wave, np.ones(3000), fmt="%.12g")))
    assert spectra.get("wave_frame") == ["vacuum"]
    assert np.array_equal(spectra.wave, wave)
    off = wave * (1 + 0.5e-4 * np.log(10))  # half a pixel off: some other instrument
    spectra = read(write(tmp_path / "a.txt", text(off, np.ones(3000), fmt="%.9g")))
    assert spectra.get("wave_frame") == ["air"]


def test_reversed_wavelengths_are_turned(tmp_path) -> None:
    path = write(tmp_path / "a.txt", text(WAVE[::-1], FLUX[::-1], ERROR[::-1]))
    spectra = read(path)
    check(spectra, error=ERROR, rtol=1e-5)
    assert "order" not in spectra.get("notes")[0]


def test_unsorted_wavelengths_are_sorted_and_told(tmp_path, rng) -> None:
    order = rng.permutation(641)
    spectra = read(write(tmp_path / "a.txt", text(WAVE[order], FLUX[order])))
    check(spectra, rtol=1e-5)
    assert "sorted" in spectra.get("notes")[0]


def test_repeated_wavelengths_are_averaged_by_weight(tmp_path) -> None:
    wave = [4000, 4001, 4001, 4002, 4003]
    spectra = read(write(tmp_path / "a.txt", text(wave, [1, 2, 4, 1, 1], [1, 1, 0.5, 1, 1])))
    assert spectra.n_pix == 4
    assert np.isclose(spectra.flux[0, 1], (2 * 1 + 4 * 4) / 5)
    assert np.isclose(spectra.ivar[0, 1], 5)
    assert "repeated" in spectra.get("notes")[0]


def test_overlapping_arms_are_joined(tmp_path) -> None:
    blue, red = WAVE[:400], WAVE[350:]
    path = write(
        tmp_path / "a.txt", text(np.r_[blue, red], np.r_[FLUX[:400], FLUX[350:]], fmt="%.9g")
    )
    spectra = read(path)
    assert np.allclose(spectra.wave, VACUUM, rtol=1e-8)
    assert np.allclose(spectra.flux[0], FLUX, rtol=1e-6)


# --- FITS tables --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "third"),
    [
        (("WAVELENGTH", "FLUX", "ERROR"), ERROR),
        (("wave", "flux", "ivar"), ERROR**-2.0),
        (("LAMBDA", "FLAM", "SIGMA"), ERROR),
        (("lam", "spec", "unc"), ERROR),
        (("WAVE", "FLUX_REDUCED", "ERR_REDUCED"), ERROR),
    ],
)
@pytest.mark.parametrize("vector", [False, True])
def test_fits_table_of_one_spectrum(tmp_path, names, third, vector) -> None:
    columns = {n: v[None] if vector else v for n, v in zip(names, (WAVE, FLUX, third))}
    raw = table_bytes(columns, OBJECT="HD 1", SPTYPE="G2V", RA="10:00:00", DEC="-00 30 00")
    spectra = read(write(tmp_path / "a.fits.gz", raw))
    check(spectra, error=ERROR)
    assert spectra.get("object") == ["HD 1"]
    assert spectra.get("subclass") == ["G2V"]
    assert (spectra.get("ra"), spectra.get("dec")) == ([150.0], [-0.5])


def test_rows_of_vectors_are_spectra(tmp_path, rng) -> None:
    flux = rng.uniform(1, 2, (7, 641)).astype(np.float32)
    raw = table_bytes(
        {
            "OBSID": np.arange(100, 107),
            "RA": np.linspace(0, 6, 7),
            "SUBCLASS": np.array(["A0", "A1", "F0", "F5", "G0", "", "K5"]).astype("S4"),
            "WAVE": np.tile(WAVE, (7, 1)),
            "FLUX": flux,
            "IVAR": np.full((7, 641), 4.0),
        }
    )
    spectra = read(write(tmp_path / "a.fits", raw))
    assert len(spectra) == 7
    assert spectra.wave.shape == (641,)
    assert np.array_equal(spectra.flux, flux)
    assert (spectra.ivar == 4).all()
    assert spectra.get("index") == list(range(7))
    assert spectra.get("obsid") == [str(i) for i in range(100, 107)]
    assert spectra.get("subclass") == ["A0", "A1", "F0", "F5", "G0", None, "K5"]
    assert spectra.get("ra") == list(np.linspace(0, 6, 7))


def test_rows_on_their_own_grids_are_padded_with_bad_pixels(tmp_path) -> None:
    wave = np.stack([WAVE, WAVE + 1.0])
    wave[1, 600:] = np.nan  # a shorter spectrum in a wide table
    raw = table_bytes({"wave": wave, "flux": np.tile(FLUX, (2, 1))})
    spectra = read(write(tmp_path / "a.fits", raw))
    assert spectra.wave.shape == (2, 641)
    assert np.allclose(spectra.wave[0], VACUUM)
    assert np.allclose(spectra.wave[1, :600], air_to_vacuum(WAVE[:600] + 1.0))
    assert (np.diff(spectra.wave, axis=1) > 0).all()
    assert spectra.mask[1, 600:].all()
    assert not spectra.mask[1, :600].any()
    assert not spectra.mask[0].any()


def test_vectors_of_different_lengths(tmp_path) -> None:
    pieces = [WAVE[:500], WAVE]
    flux = [FLUX[:500], FLUX]
    columns = [
        fits.Column("WAVE", "PD()", array=np.array(pieces, dtype=object)),
        fits.Column("FLUX", "PD()", array=np.array(flux, dtype=object)),
    ]
    raw = to_bytes([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)])
    spectra = read(write(tmp_path / "a.fits", raw))
    assert [int((~row).sum()) for row in spectra.mask] == [500, 641]
    assert np.allclose(spectra.wave[1], VACUUM)


def test_ten_thousand_rows_of_one_pixel_are_one_spectrum(tmp_path) -> None:
    wave = np.linspace(3700, 9100, 10_000)
    path = write(tmp_path / "a.fits", table_bytes({"WAVE": wave, "FLUX": np.ones(10_000)}))
    spectra = read(path)
    assert (len(spectra), spectra.n_pix) == (1, 10_000)


def test_ten_thousand_rows_of_one_spectrum_are_ten_thousand_spectra(tmp_path) -> None:
    wave = np.tile(np.linspace(4000, 4500, 20), (10_000, 1)).astype(np.float32)
    flux = (1.0 + np.arange(200_000).reshape(10_000, 20) % 7).astype(np.float32)
    spectra = read(write(tmp_path / "a.fits", table_bytes({"WAVE": wave, "FLUX": flux})))
    assert (len(spectra), spectra.n_pix) == (10_000, 20)
    assert np.array_equal(spectra.flux, flux)


def test_ascii_fits_table(tmp_path) -> None:
    columns = [
        fits.Column("WAVE", "F12.5", ascii=True, array=WAVE),
        fits.Column("FLUX", "F12.8", ascii=True, array=FLUX),
    ]
    raw = to_bytes([fits.PrimaryHDU(), fits.TableHDU.from_columns(columns)])
    check(read(write(tmp_path / "a.fits", raw)))


def test_mask_column_marks_bad_pixels(tmp_path) -> None:
    mask = np.zeros(641, np.int32)
    mask[[3, 70]] = 8
    raw = table_bytes({"WAVE": WAVE, "FLUX": FLUX, "MASK": mask})
    assert np.flatnonzero(read(write(tmp_path / "a.fits", raw)).mask[0]).tolist() == [3, 70]


def test_mask_that_condemns_everything_is_not_believed(tmp_path) -> None:
    raw = table_bytes({"WAVE": WAVE, "FLUX": FLUX, "QUALITY": np.ones(641, np.int32)})
    spectra = read(write(tmp_path / "a.fits", raw))
    assert not spectra.mask.any()
    assert "mask ignored" in spectra.get("notes")[0]


@pytest.mark.parametrize(
    "columns",
    [
        {"wave": "AAA", "flux": "BBB", "error": "CCC"},
        ["AAA", "BBB", "CCC"],
        [0, 1, 2],
        "aaa,bbb,ccc",
        "error=CCC,wave=AAA,flux=1",
    ],
)
@pytest.mark.parametrize("kind", ["fits", "csv"])
def test_columns_can_be_named(tmp_path, columns, kind) -> None:
    if kind == "fits":
        raw = table_bytes({"AAA": WAVE, "BBB": FLUX, "CCC": ERROR})
    else:
        raw = text(WAVE, FLUX, ERROR, sep=",", head="AAA,BBB,CCC\n", fmt="%.12g")
    path = write(tmp_path / f"a.{kind}", raw)
    check(read(path, columns=columns), error=ERROR)


@pytest.mark.parametrize("kind", ["fits", "csv"])
def test_missing_column_names_those_that_are_there(tmp_path, kind) -> None:
    raw = (
        table_bytes({"AAA": WAVE, "BBB": FLUX})
        if kind == "fits"
        else text(WAVE, FLUX, sep=",", head="AAA,BBB\n")
    )
    path = write(tmp_path / f"a.{kind}", raw)
    with pytest.raises(ReadError, match=r"no column 'XXX'.*AAA, BBB"):
        read(path, columns="wave=XXX,flux=BBB")
    with pytest.raises(ReadError, match="role 'flavour'"):
        read(path, columns="flavour=AAA")
    with pytest.raises(ReadError, match="AAA, BBB"):
        read(path)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Wavelength", "Flux", "BestFit", "SkyFlux"], {"wave": "Wavelength", "flux": "Flux"}),
        (
            ["flux", "loglam", "ivar", "and_mask", "or_mask", "wdisp", "sky", "model"],
            {"wave": "loglam", "flux": "flux", "ivar": "ivar", "mask": "and_mask"},
        ),
        (
            ["WAVE", "FLUX", "ERR", "QUAL", "SNR", "FLUX_REDUCED", "ERR_REDUCED"],
            {"wave": "WAVE", "flux": "FLUX", "error": "ERR", "mask": "QUAL"},
        ),
        (
            ["WAVELENGTH", "FLUX", "STATERROR", "SYSERROR", "FWHM"],
            {"wave": "WAVELENGTH", "flux": "FLUX", "error": "STATERROR"},
        ),
        (["lambda_um", "f_lambda", "e_flux"], {
            "wave": "lambda_um", "flux": "f_lambda", "error": "e_flux"}),
        (["obsid", "ra", "dec", "snrg"], {}),
    ],
)  # fmt: skip
def test_guesses_follow_the_fields_habits(names, expected) -> None:
    assert guess(names) == expected


# --- FITS images --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cards",
    [
        {"CRVAL1": 3800.0, "CDELT1": 5.0, "CRPIX1": 1.0},
        {"CRVAL1": 3800.0, "CD1_1": 5.0},
        {"CRVAL1": 3900.0, "CDELT1": 5.0, "CRPIX1": 21.0, "CTYPE1": "AWAV"},
        {"CRVAL1": 380.0, "CDELT1": 0.5, "CRPIX1": 1.0, "CUNIT1": "nm"},
        {"CRVAL1": 380.0, "CDELT1": 0.5},
    ],
)
def test_image_with_linear_wavelengths(tmp_path, cards) -> None:
    check(read(write(tmp_path / "a.fits", image_bytes(FLUX, **cards))))


@pytest.mark.parametrize(
    "cards",
    [
        {"CRVAL1": 3.58, "CDELT1": 2e-4, "CRPIX1": 1.0, "DC__FLAG": 1},
        {"CRVAL1": 3.58, "CD1_1": 2e-4, "CTYPE1": "LOG-LINEAR"},
        {"CRVAL1": 3.58, "CDELT1": 2e-4},
        {"CRVAL1": 3.58, "CDELT1": 2e-4, "CUNIT1": "Angstrom"},
        {"CRVAL1": 3.58 * np.log(10), "CDELT1": 2e-4 * np.log(10)},
        {"COEFF0": 3.58, "COEFF1": 2e-4},
    ],
)
def test_image_with_logarithmic_wavelengths(tmp_path, cards) -> None:
    wave = 10 ** (3.58 + 2e-4 * np.arange(641))
    spectra = read(write(tmp_path / "a.fits", image_bytes(FLUX, **cards)), frame="vacuum")
    check(spectra, wave=wave)


def test_standard_logarithmic_axis(tmp_path) -> None:
    raw = image_bytes(FLUX, CRVAL1=4000.0, CDELT1=1.0, CRPIX1=1.0, CTYPE1="WAVE-LOG")
    spectra = read(write(tmp_path / "a.fits", raw))
    check(spectra, wave=4000 * np.exp(np.arange(641) / 4000))  # Greisen+2006, eq. 5
    assert spectra.get("wave_frame") == ["vacuum"]


def test_rows_of_an_image_are_spectra(tmp_path, rng) -> None:
    flux = rng.uniform(1, 2, (12, 641))
    spectra = read(write(tmp_path / "a.fits", image_bytes(flux, CRVAL1=3800.0, CDELT1=5.0)))
    assert np.allclose(spectra.flux, flux)
    assert np.allclose(spectra.wave, VACUUM)


@pytest.mark.parametrize("turned", [False, True])
def test_rows_that_are_wavelength_flux_and_error(tmp_path, turned) -> None:
    data = np.stack([WAVE, FLUX, ERROR])
    path = write(tmp_path / "a.fits", image_bytes(data.T if turned else data))
    check(read(path), error=ERROR)


def test_bands_of_iraf(tmp_path) -> None:
    data = np.stack([FLUX, FLUX + 1, FLUX * 0, ERROR])[:, None]
    raw = image_bytes(
        data,
        CRVAL1=3800.0,
        CD1_1=5.0,
        BANDID1="spectrum - background fit",
        BANDID2="raw - background fit",
        BANDID3="background - background fit",
        BANDID4="sigma - background fit",
    )
    check(read(write(tmp_path / "a.fits", raw)), error=ERROR)


def test_multispec_of_iraf(tmp_path) -> None:
    raw = image_bytes(
        FLUX[None],
        CTYPE1="MULTISPE",
        CTYPE2="MULTISPE",
        WAT2_001='wtype=multispec spec1 = "1 1 0 3800. 5. 641 0. 1. 10."',
    )
    check(read(write(tmp_path / "a.fits", raw)))
    raw = raw.replace(b'"1 1 0 3800.', b'"1 1 2 3800.')
    with pytest.raises(ReadError, match="non-linear") as error:
        read(write(tmp_path / "b.fits", raw))
    assert "dispcor" in error.value.remedy


def test_extensions_by_name(tmp_path) -> None:
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(FLUX, name="FLUX"),
        fits.ImageHDU(ERROR**-2.0, name="IVAR"),
        fits.ImageHDU(WAVE, name="WAVELENGTH"),
    ]
    check(read(write(tmp_path / "a.fits", to_bytes(hdus))), error=ERROR)
    hdus = [fits.PrimaryHDU(FLUX), fits.ImageHDU(ERROR, name="ERRS")]
    hdus[0].header.update({"CRVAL1": 3800.0, "CDELT1": 5.0, "OBJECT": "a star"})
    spectra = read(write(tmp_path / "b.fits", to_bytes(hdus)))
    check(spectra, error=ERROR)
    assert spectra.get("object") == ["a star"]


@pytest.mark.parametrize(
    ("data", "cards", "said"),
    [
        (np.ones((50, 60)), {}, "no wavelengths"),
        (np.ones(641), {}, "no wavelengths"),
        (np.ones(641), {"CRVAL1": 1.0, "CDELT1": 1.0}, "no wavelengths"),
        (np.ones(641), {"CRVAL1": 1.0, "CDELT1": 1.0, "CTYPE1": "PIXEL"}, "no wavelengths"),
        (np.ones((50, 60)), {"CTYPE1": "RA---TAN", "CRVAL1": 10.0, "CDELT1": 0.1}, "of the sky"),
        (np.ones((9, 50, 60)), {"CRVAL1": 4000.0, "CDELT1": 1.0}, "3 axes"),
        (np.ones(641), {"CRVAL1": -5000.0, "CDELT1": 1.0}, "not optical wavelengths"),
    ],
)
def test_images_that_are_no_spectra(tmp_path, data, cards, said) -> None:
    path = write(tmp_path / "a.fits", image_bytes(data, **cards))
    with pytest.raises(ReadError, match=said) as error:
        read(path)
    assert error.value.path == str(path)
    assert error.value.remedy


# --- scale, zeros, coordinates --------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-17, 1e-30, 1e12])
@pytest.mark.parametrize("errors", [False, True])
def test_physical_units_fit_into_single_precision(tmp_path, scale, errors) -> None:
    columns = {"WAVE": WAVE, "FLUX": scale * FLUX}
    if errors:
        columns["ERR"] = scale * ERROR
    spectra = read(write(tmp_path / "a.fits", table_bytes(columns)))
    assert not spectra.mask.any()
    assert 0.1 < np.median(spectra.flux) < 10
    factor = spectra.get("flux_scale")[0]
    assert np.allclose(spectra.flux[0] * factor / scale, FLUX, rtol=1e-6)
    snr = FLUX / ERROR if errors else spectra.flux[0]
    assert np.allclose(spectra.flux * np.sqrt(spectra.ivar), snr, rtol=1e-5)


def test_zeros_at_the_ends_are_padding(tmp_path) -> None:
    flux = FLUX.copy()
    flux[:5] = flux[-9:] = flux[300] = 0
    mask = read(write(tmp_path / "a.fits", table_bytes({"WAVE": WAVE, "FLUX": flux}))).mask[0]
    assert np.flatnonzero(mask).tolist() == [*range(5), *range(632, 641)]


@pytest.mark.parametrize(
    "columns",
    [
        {"FLUX": np.zeros(641)},
        {"FLUX": np.full(641, np.nan)},
    ],
)
def test_nothing_good_is_returned_masked(tmp_path, columns) -> None:
    spectra = read(write(tmp_path / "a.fits", table_bytes({"WAVE": WAVE, **columns})))
    assert spectra.mask.all()
    assert not spectra.ivar.any()
    assert np.isfinite(spectra.flux).all()
    assert "no good pixel" in spectra.get("notes")[0]


def test_wavelengths_far_from_the_optical_are_read(tmp_path) -> None:
    wave = np.linspace(11000.0, 24000.0, 641)
    spectra = read(write(tmp_path / "a.fits", table_bytes({"WAVE": wave, "FLUX": FLUX})))
    assert np.allclose(vacuum_to_air(spectra.wave), wave)


@pytest.mark.parametrize(
    ("value", "hours", "expected"),
    [
        (12.5, True, 12.5),
        ("12.5", True, 12.5),
        ("12:30:00", True, 187.5),
        ("-00 30 36", False, -0.51),
        ("nowhere", False, None),
        (None, True, None),
    ],
)
def test_coordinates(value, hours, expected) -> None:
    got = degrees(value, hours=hours)
    assert got == expected if expected is None else np.isclose(got, expected)


def test_names_with_blanks_and_other_letters(tmp_path) -> None:
    folder = tmp_path / "Спектры звёзд"
    folder.mkdir()
    path = write(folder / "α Lyr (2024).fits.gz", table_bytes({"WAVE": WAVE, "FLUX": FLUX}))
    spectra = read(path)
    check(spectra)
    assert spectra.get("path") == [str(path)]
    assert gzip.decompress(path.read_bytes())[:6] == b"SIMPLE"
