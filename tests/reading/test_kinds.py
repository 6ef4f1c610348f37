"""What people's files look like: stars and rows told apart, cards, masks, dialects, units.

Each case is a toy star (or several) in a file of some habit; `read` must give the stars in order,
at their wavelengths. The situations come from public bug reports.
"""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from spectype.core.errors import ReadError
from spectype.core.grid import air_to_vacuum
from spectype.surveys import read
from tests.reading.toys import LINEAR, WAVE, image, star, table, table_hdu, text
from tests.surveys.miniature import to_bytes, write

LIGHT = 2.99792458e18  # Angstrom / s
A, F, K = (star(kind) for kind in "AFK")
LIN_A, LIN_F, LIN_K = (star(kind, LINEAR) for kind in "AFK")
CARDS = {"CRVAL1": 3750.0, "CRPIX1": 1.0, "CDELT1": 1.5, "CTYPE1": "WAVE", "CUNIT1": "Angstrom"}
BARE = {key: value for key, value in CARDS.items() if key != "CTYPE1"}
BLUE, RED = WAVE < 6000, WAVE > 5900
PIXEL = np.arange(WAVE.size)
ZERO = np.zeros(WAVE.size)
ORDERS = [slice(972 * i, 972 * i + 974) for i in range(4)]


def picture(data: np.ndarray, name: str = "", **cards: object) -> fits.ImageHDU:
    """An image extension with wavelengths in its header."""
    hdu = fits.ImageHDU(np.asarray(data, np.float32), name=name)
    hdu.header.update({**CARDS, **cards})
    return hdu


def identify(spectra, row: int) -> str:
    """A, F or K where the lines of that star stand at their wavelengths; lower case in air."""
    wave = spectra.wave if spectra.wave.ndim == 1 else spectra.wave[row]
    use = ~spectra.mask[row] & (wave > 4000) & (wave < 7000)
    flux = spectra.flux[row][use]
    found = {
        name: float(np.corrcoef(np.interp(wave[use], grid, flux_of), flux)[0, 1])
        for kind, flux_of in zip("AFK", (A, F, K))
        for name, grid in ((kind, WAVE), (kind.lower(), air_to_vacuum(WAVE)))
    }
    best = max(found, key=found.get)
    return best if found[best] > 0.9 else "?"


def ecsv() -> bytes:
    out = io.StringIO()
    made = Table({"wavelength": WAVE, "flux": F, "flux_err": F / 50})
    made["wavelength"].unit = "Angstrom"
    made.meta["comments"] = ["wavelengths in vacuum"]
    made.write(out, format="ascii.ecsv")
    return out.getvalue().encode()


def votable() -> bytes:
    out = io.BytesIO()
    made = Table({"wavelength": WAVE / 10, "flux": F})
    made["wavelength"].unit = "nm"
    made.write(out, format="votable")
    return out.getvalue()


def ascii_table(style: str) -> bytes:
    out = io.StringIO()
    Table({"wavelength": WAVE, "flux": F}).write(out, format=f"ascii.{style}")
    return out.getvalue().encode()


def pixels(**columns: np.ndarray) -> bytes:
    """A FITS table with a pixel a row; a column UNIT_name gives the unit of `name`."""
    units = {k[5:]: v for k, v in columns.items() if k.startswith("UNIT_")}
    arrays = {k: v for k, v in columns.items() if not k.startswith("UNIT_")}
    cards = {f"TUNIT{i}": units[n] for i, n in enumerate(arrays, start=1) if n in units}
    return table(table_hdu(arrays, **cards))


STARS = {  # one row a star, in order
    "rows of loglam, flux, ivar": (table(table_hdu({
        "flux": np.stack([A, F, K]), "ivar": np.full((3, WAVE.size), 1e4),
        "loglam": np.log10(WAVE) + np.array([[0], [4e-6], [-7e-6]])})), "AFK"),
    "one row of loglam": (table(table_hdu({
        "FLUX": F[None], "LOGLAM": np.log10(WAVE)[None], "IVAR": np.full((1, WAVE.size), 9.0)})),
        "F"),
    "a table a star": (table(table_hdu({"wave": WAVE, "flux": F}, "HD1"),
                             table_hdu({"wave": WAVE, "flux": K}, "HD2")), "FK"),
    "a nameless table a star": (table(*(table_hdu({"wave": WAVE, "flux": f}) for f in (F, K, A))),
                                "FKA"),
    "an image a star": (to_bytes([fits.PrimaryHDU(), picture(LIN_F, "HD1"),
                                  picture(LIN_K, "HD2")]), "FK"),
    "a nameless image a star": (image(LIN_F, CARDS, picture(LIN_K), picture(LIN_A)), "FKA"),
    "SCI and ERR twice": (to_bytes([fits.PrimaryHDU(), *(
        picture(data, name, EXTVER=i) for i, f in ((1, LIN_F), (2, LIN_K))
        for name, data in (("SCI", f), ("ERR", f / 50)))]), "FK"),
    "a column a star": (text(WAVE, F, K, head="wavelength,flux_HD1,flux_HD2\n", sep=","), "FK"),
    "columns called by the stars": (text(WAVE, F, K, A, head="wavelength,HD1,HD2,HD3\n", sep=","),
                                    "FKA"),
    "stars and their errors": (text(WAVE, F, F / 50, K, K / 50, sep=",",
                                    head="wavelength,HD1,HD1_err,HD2,HD2_err\n"), "FK"),
    "columns without names": (text(WAVE, F, K, A, F, sep=","), "FKAF"),
    "a matrix beside wavelengths": (table(table_hdu({"wave": WAVE, "flux": np.stack([F, K], 1)})),
                                    "FK"),
    "two rows of an image": (image([LIN_F, LIN_K], CARDS), "FK"),
    "images of flux and one of wavelengths": (to_bytes([
        fits.PrimaryHDU(), fits.ImageHDU(np.stack([F, K]), name="FLUX"),
        fits.ImageHDU(WAVE, name="LAMBDA")]), "FK"),
    "a catalogue before the spectrum": (table(
        table_hdu({"ra": np.ones(3), "dec": np.ones(3)}, "CAT"),
        table_hdu({"wave": WAVE, "flux": F}, "SPEC")), "F"),
    "telluric before star": (text(WAVE, ZERO + 5, K, sep=",",
                                  head="wavelength,telluric_flux,star_flux\n"), "K"),
    "arms in tables": (table(table_hdu({"wave": WAVE[BLUE], "flux": K[BLUE]}, "BLUE"),
                             table_hdu({"wave": WAVE[RED], "flux": K[RED]}, "RED")), "K"),
    "arms without names": (table(table_hdu({"wave": WAVE[BLUE], "flux": K[BLUE]}),
                                 table_hdu({"wave": WAVE[RED], "flux": K[RED]})), "K"),
    "arms in columns": (table(table_hdu({
        "wave_b": WAVE[BLUE][None], "flux_b": K[BLUE][None],
        "wave_r": WAVE[RED][None], "flux_r": K[RED][None]})), "K"),
    "orders a row": (table(table_hdu({
        "order": np.arange(4), "wave": np.stack([WAVE[o] for o in ORDERS]),
        "flux": np.stack([K[o] for o in ORDERS])})), "K"),
}  # fmt: skip

ROWS = {  # rows of an image with roles: one star
    "flux and error": ([LIN_F, LIN_F / 40], {"ARRAY1": "SPECTRUM", "ARRAY2": "ERROR"}),
    "error before flux": ([LIN_F / 40, LIN_F], {"ARRAY1": "ERROR", "ARRAY2": "SPECTRUM"}),
    "variance and sky": ([LIN_F, LIN_F / 900, LIN_F * 0 + 0.2],
                         {"ROW1": "spectrum", "ROW2": "variance", "ROW3": "sky"}),
    "counted from 0": ([LIN_F, LIN_F / 40], {"ROW0": "flux", "ROW1": "error"}),
    "UVES_popler": ([LIN_F, LIN_F / 50, LIN_F * 0 + 0.02, LIN_F * 0 + 1], {
        "ARRAY1": "Normalized flux spectrum", "ARRAY2": "Normalized error",
        "ARRAY3": "Norm. expected fluctuation",
        "ARRAY4": "Continuum by which data are normalized"}),
    "IRAF's bands": ([LIN_F, LIN_F * 1.1, LIN_F * 0 + 0.2, LIN_F / 40], {
        "BANDID1": "spectrum: background fit, weights variance, clean no",
        "BANDID2": "raw: background fit, weights none", "BANDID3": "background: fit",
        "BANDID4": "sigma: background fit"}),
    "no cards": ([LIN_F, LIN_F / 40], {}),
    "no cards, and flags": ([LIN_F, LIN_F / 40, np.arange(3500) % 9 == 0], {}),
}  # fmt: skip

AXES = {
    "PC matrix": (LIN_F, CARDS | {"PC1_1": 1.5, "CDELT1": 1.0}),
    "PC matrix in metres": (LIN_F, CARDS | {
        "PC1_1": 1.5e-10, "CDELT1": 1.0, "CRVAL1": 3.75e-7, "CUNIT1": "m"}),
    "CD matrix beside CDELT1": (LIN_F, CARDS | {"CD1_1": 1.5, "CDELT1": 1.0}),
    "stale COEFF0 of a linear axis": (LIN_F, CARDS | {"COEFF0": 3.5690, "COEFF1": 1e-4}),
    "stale COEFF0 of a section": (F[8:], {
        "COEFF0": 3.5690, "COEFF1": 1e-4, "CRVAL1": 3.5690, "CRPIX1": -7.0, "CD1_1": 1e-4,
        "CTYPE1": "LINEAR", "DC-FLAG": 1}),
    "LTV of COEFF0": (F[200:], {"COEFF0": 3.569, "COEFF1": 1e-4, "LTV1": -200.0, "LTM1_1": 1.0}),
    "LTV and CRPIX1": (LIN_F[200:], CARDS | {"CRPIX1": -199.0, "LTV1": -200.0, "LTM1_1": 1.0}),
    "LTV of a multispec": (LIN_F[200:][None], {
        "CTYPE1": "MULTISPE", "LTV1": -200.0, "LTM1_1": 1.0, "CDELT1": 1.0, "VACUUM": True,
        "WAT2_001": 'wtype=multispec spec1 = "1 1 0 3750. 1.5 3500 0. 1. 10."'}),
    "WAVE-LOG in metres": (np.interp(3750 * np.exp(np.arange(3000) * 4e-4), WAVE, F), {
        "CRVAL1": 3.75e-7, "CDELT1": 1.5e-10, "CRPIX1": 1.0, "CTYPE1": "WAVE-LOG",
        "CUNIT1": "m"}),
    "FREQ-LOG": (np.interp(LIGHT / (3.33e14 * np.exp(np.arange(4000) * 2.2e-4)), WAVE, F), {
        "CRVAL1": 3.33e14, "CDELT1": 3.33e14 * 2.2e-4, "CRPIX1": 1.0, "CTYPE1": "FREQ-LOG",
        "CUNIT1": "Hz"}),
    **{f"axis in {unit}": (
        np.interp(LIGHT / np.linspace(LIGHT / 9000, LIGHT / 3750, 4000), WAVE, F), {
            "CRVAL1": LIGHT / 9000 * factor, "CRPIX1": 1.0, "CTYPE1": kind, "CUNIT1": unit,
            "CDELT1": (LIGHT / 3750 - LIGHT / 9000) / 3999 * factor})
       for unit, kind, factor in (("THz", "FREQ", 1e-12), ("Hz", "FREQ", 1.0),
                                  ("cm-1", "WAVN", 1e8 / LIGHT), ("eV", "ENER", 4.135667e-15))},
    "HISTORY": (LIN_F, BARE | {"HISTORY": "wavelengths converted from air to vacuum"}),
    "VACUUM yes": (LIN_F, BARE | {"VACUUM": "yes"}),
    "unit that says vacuum": (LIN_F, BARE | {"CUNIT1": "Angstrom (vac)"}),
}  # fmt: skip

GOOD = PIXEL % 33 != 0
SPOILT = np.where(PIXEL < 2700, F, F * np.random.default_rng(1).normal(1, 0.3, WAVE.size))
QUALITY = {
    "mask of the good, ivar 0 where bad": (pixels(wave=WAVE, flux=F, ivar=GOOD / 1e-4, mask=GOOD),
                                           ~GOOD),
    "mask of the good in text": (text(WAVE, SPOILT, F / 50, PIXEL < 2700,
                                      head="wave flux err mask\n"), PIXEL >= 2700),
    "mask of the bad": (pixels(wave=WAVE, flux=F, mask=~GOOD), ~GOOD),
    "mask of everything": (pixels(wave=WAVE, flux=F, mask=ZERO + 1), PIXEL < 0),
    "flags without a name": (text(WAVE, F, ~GOOD), ~GOOD),
    "quality that is no flag": (pixels(wave=WAVE, flux=F, quality=np.linspace(0.5, 1, WAVE.size)),
                                PIXEL < 0),
    **{f"errors all {value}": (pixels(wave=WAVE, flux=F, err=ZERO + value), PIXEL < 0)
       for value in (0.0, -1.0, np.nan, 1.0)},
    "ivar all zero": (pixels(wave=WAVE, flux=F, ivar=ZERO), PIXEL < 0),
    "empty third column": (b"wave,flux,err\n" + text(WAVE, F, sep=",").replace(b"\n", b",\n"),
                           PIXEL < 0),
    "padding with -9999": (pixels(wave=WAVE, flux=np.where(GOOD, F, -9999), err=F / 50), ~GOOD),
    "wavelengths padded with -9999": (pixels(wave=np.where(PIXEL < 3800, WAVE, -9999), flux=F),
                                      PIXEL[:3800] < 0),
    "wavelengths padded with 0": (pixels(wave=np.where(PIXEL < 3800, WAVE, 0), flux=F),
                                  PIXEL[:3800] < 0),
}  # fmt: skip

PLAIN = text(WAVE, F)
TEXTS = {
    "more words than columns": b"Wavelength Angstrom Flux\n" + PLAIN,
    "a star before the names": b"* wave flux\n" + PLAIN,
    "preamble": b"Star: X\nObserver: Y Z\nDate 2021\n" + PLAIN,
    "units below": b"wave flux\nAngstrom erg/s/cm2/A\n" + PLAIN,
    "dashes below": b"wave flux\n---- ----\n" + PLAIN,
    "IDL": b"; wave flux\n; made by IDL\n" + PLAIN,
    "count": b"%d 2\n" % WAVE.size + PLAIN,
    "IPAC": b"|  wave  |  flux  |\n| double | double |\n| Angstrom | |\n" + PLAIN,
    "Ocean Optics": b"Data from x\n\n>>>>>Begin Spectral Data<<<<<\n" + PLAIN,
    "footer": PLAIN + b"END\n",
    "Ctrl-Z": PLAIN + b"\x1a",
    "Windows' NaN": PLAIN + b"9080.35 1.#QNAN\n9082.44 ****\n",
    "decimal commas, semicolons": text(WAVE, F, sep=";").replace(b".", b","),
    "decimal commas, tabs": text(WAVE, F, sep="\t", head="wave\tflux\n").replace(b".", b","),
    "decimal commas, blanks": text(WAVE, F, sep="  ").replace(b".", b","),
    "Fortran": b"".join(b" %.8fD+03 %.6fD-14\n" % (w / 1e3, f) for w, f in zip(WAVE, F)),
    "Fortran without room": b"".join(b" %.8fD+03 %.6f-101\n" % (w / 1e3, f)
                                     for w, f in zip(WAVE, F)),
    "UTF-16": text(WAVE, F, sep="\t", head="wave\tflux\n").decode().encode("utf-16"),
    "ECSV": ecsv(),
    "VOTable": votable(),
    **{style: ascii_table(style) for style in ("ipac", "mrt", "rst", "fixed_width", "basic",
                                               "commented_header", "fixed_width_two_line")},
}  # fmt: skip

PER_HERTZ = F * WAVE**2
UNITS = {
    "log(Angstrom)": pixels(wave=np.log10(WAVE), flux=F, UNIT_wave="log(Angstrom)"),
    "log10(nm)": pixels(wave=np.log10(WAVE / 10), flux=F, UNIT_wave="log10(nm)"),
    "cm": pixels(wave=WAVE * 1e-8, flux=F, UNIT_wave="cm"),
    "1/cm": pixels(wavenumber=1e8 / WAVE, flux=F, UNIT_wavenumber="1/cm"),
    "THz in a name": text(LIGHT / 1e12 / WAVE, F, sep=",", head="frequency (THz),flux\n"),
    **{unit: pixels(wave=WAVE, flux=PER_HERTZ, UNIT_flux=unit) for unit in (
        "erg / (Hz s cm2)", "1e-29 erg / (s cm2 Hz)", "W m-2 Hz-1", "mJy",
        "10**-23 erg s**-1 cm**-2 Hz**-1", "erg Hz-1 s-1 cm-2")},
    "mJy in a name": text(WAVE, PER_HERTZ, sep=",", head="wave,flux (mJy)\n"),
    "per Angstrom": pixels(wave=WAVE, flux=F, UNIT_flux="erg / (Angstrom s cm2)"),
}  # fmt: skip


@pytest.mark.parametrize("name", STARS)
def test_each_star_is_a_row_and_arms_are_one(tmp_path, name) -> None:
    content, expected = STARS[name]
    spectra = read(write(tmp_path / "a.dat", content))
    assert "".join(identify(spectra, i) for i in range(len(spectra))) == expected
    assert spectra.get("index") == list(range(len(expected)))
    if name.startswith(("arms", "orders")):
        assert "arms joined" in spectra.get("notes")[0]
    if name == "a catalogue before the spectrum":
        assert "left out: table CAT" in spectra.get("notes")[0]


@pytest.mark.parametrize("name", ROWS)
def test_rows_with_roles_are_no_stars(tmp_path, name) -> None:
    rows, cards = ROWS[name]
    spectra = read(write(tmp_path / "a.fits", image(rows, CARDS | cards)))
    assert len(spectra) == 1 and identify(spectra, 0) == "F"
    assert spectra.get("has_errors") == [True]
    assert 20 < spectra.snr()[0] < 60
    assert "row" in spectra.get("notes")[0]


@pytest.mark.parametrize("name", AXES)
def test_wavelength_cards(tmp_path, name) -> None:
    flux, cards = AXES[name]
    spectra = read(write(tmp_path / "a.fits", image(flux, cards)))
    assert identify(spectra, 0) == "F"
    assert spectra.get("wave_frame") == ["vacuum"]
    assert (3700 < spectra.wave[0] < 4060) and (8900 < spectra.wave[-1] < 12500)


@pytest.mark.parametrize(
    ("cards", "said"),
    [
        ({"CTYPE1": "VELO", "CUNIT1": "km/s"}, "a velocity"),
        ({"CUNIT1": "K"}, "temperature"),
        ({"CUNIT1": "pixel"}, "pixel"),
        ({"CTYPE1": "WAVE-GRI"}, "not linear"),
    ],
)
def test_an_axis_that_is_no_wavelength_is_refused(tmp_path, cards, said) -> None:
    with pytest.raises(ReadError, match=said) as error:
        read(write(tmp_path / "a.fits", image(LIN_F, CARDS | cards)))
    assert error.value.remedy


@pytest.mark.parametrize("name", QUALITY)
def test_quality_is_judged(tmp_path, name) -> None:
    content, bad = QUALITY[name]
    spectra = read(write(tmp_path / "a.dat", content))
    np.testing.assert_array_equal(spectra.mask[0], bad)
    assert identify(spectra, 0) == "F"
    if name.startswith(("errors all", "ivar all")):
        assert spectra.get("has_errors") == [False]
        assert "taken as no errors" in spectra.get("notes")[0]


@pytest.mark.parametrize("name", TEXTS)
def test_text_dialects(tmp_path, name) -> None:
    spectra = read(write(tmp_path / "a.txt", TEXTS[name]))
    assert len(spectra) == 1 and identify(spectra, 0) == "F"
    assert int((~spectra.mask).sum()) == WAVE.size


@pytest.mark.parametrize("name", UNITS)
def test_units_of_wavelength_and_flux(tmp_path, name) -> None:
    spectra = read(write(tmp_path / "a.dat", UNITS[name]))
    assert identify(spectra, 0) == "F"
    slope = np.interp(spectra.wave, WAVE, F) / spectra.flux[0]
    assert np.ptp(slope) / slope.mean() < 0.01


def test_a_silent_frame_is_noted(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.fits", image(LIN_F, BARE)))
    assert identify(spectra, 0) == "f"  # 82 km/s off: air was assumed
    assert "frame not stated: air assumed" in spectra.get("notes")[0]
    assert identify(read(tmp_path / "a.fits", frame="vacuum"), 0) == "F"
