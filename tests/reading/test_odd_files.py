"""Files of the kinds of `test_kinds` that were thought up afterwards, to see what holds.

Spectra down the rows of a table or on its side, words among numbers, numbers written otherwise,
axes named in other languages or not at all, images of sky and lamps, IRAF's polynomials.
"""

from __future__ import annotations

import gzip
import io
import zipfile

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from spectype.core.errors import ReadError
from spectype.core.grid import air_to_vacuum, vacuum_to_air
from spectype.surveys import read
from tests.reading.test_kinds import BARE, CARDS, LIGHT, ORDERS, identify, picture, pixels
from tests.reading.toys import LINEAR, WAVE, image, star, table, table_hdu, text
from tests.surveys.miniature import to_bytes, write

A, F, K = (star(kind) for kind in "AFK")
LIN_F, LIN_K = (star(kind, LINEAR) for kind in "FK")
AIR = vacuum_to_air(WAVE)
PIXEL = np.arange(WAVE.size)
GOOD = PIXEL % 33 != 0
SPOILT = np.where(GOOD, F, F * np.random.default_rng(2).normal(1, 0.5, WAVE.size))
BLUE, RED = WAVE < 6000, WAVE > 5900
EMPTY = fits.PrimaryHDU()


def rows(cells: object, head: str = "", sep: str = ",") -> bytes:
    """Lines of cells that are words already."""
    return (head + "".join(sep.join(row) + "\n" for row in cells)).encode()


def wide(first: str, label: str) -> bytes:
    """A star a line below a line of wavelengths."""
    lines = [(first, WAVE), *((label.format(i), flux) for i, flux in enumerate((F, K)))]
    return rows([[name, *(f"{v:.6g}" for v in values)] for name, values in lines])


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return out.getvalue()


def cds() -> bytes:
    out = io.StringIO()
    made = Table({"lambda": AIR / 10, "Flux": F, "e_Flux": F / 50})
    made["lambda"].unit, made["lambda"].description = "nm", "Wavelength in air"
    made.write(out, format="ascii.mrt")
    return out.getvalue().encode()


def rdb() -> bytes:
    out = io.StringIO()
    Table({"wave": WAVE, "flux": F}).write(out, format="ascii.rdb")
    return out.getvalue().encode()


def uneven() -> bytes:
    """Vectors of any length, a star a row."""
    cut = [(WAVE, F), (WAVE[:2500], K[:2500]), (WAVE[300:], A[300:])]
    columns = []
    for name, which in (("WAVE", 0), ("FLUX", 1)):
        vectors = np.empty(3, object)
        for i, pair in enumerate(cut):
            vectors[i] = pair[which]
        columns.append(fits.Column(name, "PD()", array=vectors))
    return table(fits.BinTableHDU.from_columns(columns))


def scaled() -> bytes:
    """Integers with scales and a number for no value, in a table."""
    counts = np.round((F - 1) * 1000).astype(np.int16)
    hdu = table_hdu({"wave": WAVE})
    flux = fits.Column("flux", "I", array=np.where(GOOD, counts, -32768), null=-32768)
    hdu = fits.BinTableHDU.from_columns([*hdu.columns, flux])
    hdu.header.update({"TSCAL2": 0.001, "TZERO2": 1.0})
    return table(hdu)


def multispec(*specs: str) -> dict[str, object]:
    """IRAF's cards for apertures with these dispersions; they fill 68 places each."""
    words = " ".join(f'spec{i} = "{i} {i} {spec}"' for i, spec in enumerate(specs, start=1))
    whole = "wtype=multispec " + words
    cards = {f"WAT2_{i // 68 + 1:03d}": whole[i : i + 68] for i in range(0, len(whole), 68)}
    return {"CTYPE1": "MULTISPE", "CDELT1": 1.0, "VACUUM": True, **cards}


LONG = (np.r_[WAVE, WAVE, WAVE], np.r_[F, K, A])
IDS = np.repeat([11, 12, 13], WAVE.size)
STACK = np.stack([LIN_F, LIN_K])
LOG = np.log10(WAVE)
NAMED = (("HD 1", F), ("BD+20 307", K))

STARS = {
    "stars down the rows, by a column": (table(table_hdu({
        "star": IDS, "wave": LONG[0], "flux": LONG[1]})), "FKA"),
    "stars down the rows of a text": (text(IDS, *LONG, head="id,wave,flux\n", sep=","), "FKA"),
    "stars down the rows, by words": (rows(
        ([n, f"{w:.3f}", f"{v:.5g}"] for n, flux in NAMED for w, v in zip(WAVE, flux)),
        "star,wavelength,flux\n"), "FK"),
    "stars down the rows, by nothing": (text(*LONG, head="wave,flux\n", sep=","), "FKA"),
    "stars parted by a blank line": (text(WAVE, F) + b"\n\n" + text(WAVE, K), "FK"),
    "stars each under the names": (text(WAVE, F, head="wave flux\n") +
                                   text(WAVE, K, head="wave flux\n"), "FK"),
    "orders down the rows": (text(
        np.concatenate([np.full(970, i) for i in range(4)]),
        *(np.concatenate([v[o][:970] for o in ORDERS[::-1]]) for v in (WAVE, K)),
        head="order,wave,flux\n", sep=","), "K"),
    "wavelengths as names": (wide("name", "HD{}"), "FK"),
    "wavelengths as names, numbered": (wide("id", "{}"), "FK"),
    "wavelengths as names with a letter": (wide("name", "HD{}").replace(b",3", b",w3", 1).replace(
        b"\n", b",\n"), "FK"),
    "rows of wavelengths and stars": (rows([f"{v:.6g}" for v in row] for row in (WAVE, F, K, A)),
                                      "FKA"),
    "rows of wavelengths, flux, error": (rows(
        ([f"{v:.6g}" for v in row] for row in (WAVE, F, F / 50)), sep=" "), "F"),
    "rows called by their roles": (rows(
        [name, *(f"{v:.6g}" for v in row)]
        for name, row in (("wave", WAVE), ("flux", F), ("err", F / 50))), "F"),
    "vectors of any length": (uneven(), "FKA"),
    "wavelengths in a table of their own": (table(table_hdu({"flux": np.stack([F, K])}, "FLUX"),
                                                  table_hdu({"wave": WAVE}, "WAVE")), "FK"),
    "wavelengths of an image in a table": (to_bytes([
        fits.PrimaryHDU(np.stack([F, K])), table_hdu({"LAMBDA": WAVE}, "COORDS")]), "FK"),
    "a sky beside the star": (table(table_hdu({"wave": WAVE, "flux": F}, "OBJECT"),
                                    table_hdu({"wave": WAVE, "flux": F * 0 + 2}, "SKY")), "F"),
    "a lamp, a flat and a telluric": (table(*(
        table_hdu({"wave": WAVE, "flux": flux}, name) for name, flux in (
            ("SCI", F), ("ARC", np.exp(-WAVE % 37)), ("FLAT_1", F * 0 + 1),
            ("TELLURIC", 1 - 0.1 * (np.sin(WAVE) > 0.9))))), "F"),
    "a list of lines beside a spectrum": (table(
        table_hdu({"wave": WAVE, "flux": F}, "SPEC"),
        table_hdu({"wave": np.array([4861.0, 5000, 6563]), "flux": np.ones(3)}, "LINES")), "F"),
    "a list of lines beside an image": (image(LIN_F, CARDS, table_hdu(
        {"wave": np.array([4861.0, 6563]), "flux": np.array([1.0, 2])}, "EW")), "F"),
    "arms side by side in a text": (text(
        WAVE, np.where(BLUE, F, np.nan), np.where(RED, F, np.nan), sep=",",
        head="wave,flux_blue,flux_red\n"), "F"),
    "PypeIt's two extractions": (table(table_hdu({
        "OPT_WAVE": WAVE, "OPT_COUNTS": F, "OPT_COUNTS_IVAR": F * 0 + 1e4, "OPT_MASK": F > 0,
        "OPT_COUNTS_SKY": F * 0, "BOX_WAVE": WAVE, "BOX_COUNTS": F * 1.1, "BOX_MASK": F > 0},
        "SPAT0123")), "F"),
    "specutils' own columns": (pixels(spectral_axis=WAVE, flux=F, uncertainty=F / 50), "F"),
    "stars pixel by pixel": (text(np.tile([1, 2], WAVE.size), np.repeat(WAVE, 2),
                                  np.stack([F, K], 1).ravel(), sep=",",
                                  head="id,wave,flux\n"), "FK"),
    "days beside wavelengths": (text(
        WAVE, *([F] * 60), sep=",",
        head="wave," + ",".join(f"{57000 + i}.5" for i in range(60)) + "\n"), "F" * 60),
    "labels after the fluxes": (rows([
        [*(f"{w:.2f}" for w in WAVE), "label"],
        *([*(f"{v:.5g}" for v in flux), label] for flux, label in ((F, "F5"), (K, "K2")))]), "FK"),
    "five pixels a line": (rows(
        ([f"{v:.5f}" for pair in zip(WAVE[i : i + 5], F[i : i + 5]) for v in pair]
         for i in range(0, 3885, 5)), sep=" "), "F"),
    "pairs of columns without names": (text(WAVE, F, WAVE, K), "FK"),
    "a raw and a corrected flux": (text(WAVE, F * np.exp(WAVE / 2e3), F, sep=",",
                                        head="wave,flux_raw,flux_corr\n"), "F"),
}  # fmt: skip

IMAGES = {
    "axis in the primary header": (to_bytes([
        fits.PrimaryHDU(header=fits.Header(CARDS)),
        *(fits.ImageHDU(flux, name=name) for name, flux in (("HD1", LIN_F), ("HD2", LIN_K)))]),
        "FK"),
    "wavelengths along the second axis": (image(STACK.T, {
        f"{key[:-1]}2": value for key, value in CARDS.items()}), "FK"),
    "wavelengths along the third axis": (image(LIN_F[:, None, None], {
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN",
        **{f"{key[:-1]}3": value for key, value in CARDS.items()}}), "F"),
    "an axis of length one": (image(STACK[None], CARDS), "FK"),
    "bands of two apertures": (image(np.stack([STACK, STACK * 1.1, STACK * 0 + 0.2, STACK / 50]), {
        **CARDS, "BANDID1": "spectrum - background none", "BANDID2": "raw",
        "BANDID3": "background", "BANDID4": "sigma"}), "FK"),
    "orders of a logarithmic multispec": (image(np.stack([K[o][:970] for o in ORDERS]), multispec(
        *(f"1 {LOG[o.start]:.6f} 0.0001 970 0. 1. 10." for o in ORDERS))), "K"),
    "Chebyshev's polynomials": (image(LIN_F[None], multispec(
        "2 3750. 1.5 3500 0. 1. 10. 1. 0. 1 2 1. 3500. 6374.25 2624.25")), "F"),
    "Legendre's polynomials, twice": (image(STACK, multispec(*2 * (
        "2 3750. 1.5 3500 0. 1. 10. 1. 0. 2 3 1. 3500. 6374.25 2624.25 0.",))), "FK"),
    "pairs of wavelength and flux": (image(np.stack([LINEAR, LIN_F, LINEAR, LIN_K]), {
        "VACUUM": True}), "FK"),
    "flux, sky and error without a word": (image(np.stack([
        LIN_F, 0.3 + 0.05 * np.sin(LINEAR / 20), LIN_F / 40]), CARDS), "F"),
    "flux and ivar without a word": (image(np.stack([LIN_F, 1e4 / LIN_F**2]), CARDS), "F"),
    "nameless images of error and sky": (image(LIN_F, CARDS, picture(LIN_F / 50), picture(
        LIN_F * 0 + 0.3)), "F"),
    "images of continuum and telluric": (image(LIN_F, CARDS, picture(LIN_F * 0 + 1, "CONT"),
                                               picture(1 - LIN_F / 99, "TELLURIC")), "F"),
    "orders with a sky and a lamp": (to_bytes([EMPTY, *(
        fits.ImageHDU(np.stack([values[o][:970] for o in ORDERS]), name=name)
        for name, values in (("SCIFLUX", F), ("SKYFLUX", F * 0 + 0.1), ("CALFLUX", F * 0),
                             ("SCIVAR", F * 0 + 1e-4), ("SKYVAR", F * 0), ("SCIWAVE", WAVE),
                             ("SKYWAVE", WAVE)))]), "F"),
    "another version of the flux": (to_bytes([EMPTY, picture(STACK, "RED_DATA"), picture(
        2500 / STACK**2, "RED_IVAR"), picture(STACK * 1.1, "RED_DATA_NOSS")]), "FK"),
    "names that hold two words": (to_bytes([EMPTY, picture(LIN_F, "SPECTRUM"), picture(
        LIN_F * 0 + 0.3, "SKYSPEC"), picture(LIN_F / 50, "SPECERR")]), "F"),
}  # fmt: skip


@pytest.mark.parametrize("name", STARS | IMAGES)
def test_each_star_is_a_row(tmp_path, name) -> None:
    content, expected = (STARS | IMAGES)[name]
    spectra = read(write(tmp_path / "a.dat", content))
    assert "".join(identify(spectra, i) for i in range(len(spectra))) == expected
    assert spectra.get("index") == list(range(len(expected)))
    if "error" in name or "ivar" in name or "bands" in name:
        assert spectra.get("has_errors") == [True] * len(spectra)
        assert 20 < spectra.snr()[0] < 120
    if "sky" in name or "list of lines" in name or "lamp" in name:
        assert "left out" in spectra.get("notes")[0]


def test_stars_down_the_rows_keep_their_names(tmp_path) -> None:
    spectra = read(write(tmp_path / "a.csv", STARS["stars down the rows, by words"][0]))
    assert spectra.get("object") == ["HD 1", "BD+20 307"]
    assert "2 spectra follow one another" in spectra.get("notes")[0]


def commas(cells: str) -> list[str]:
    return cells.replace(".", ",").split(" ")


FIXED = [f"{w:.3f} {f:.5f}" for w, f in zip(WAVE, F)]
TEXTS = {
    "commas between and within numbers": rows(map(commas, FIXED), "wave,flux\n"),
    "the same without names": rows(map(commas, FIXED)),
    "decimal commas in quotes": rows(([f'"{c}"' for c in commas(r)] for r in FIXED), "wave,flux\n"),
    "thousands": rows(([f"{w:,.3f}", f"{f:.5f}"] for w, f in zip(WAVE, F)), "wave\tflux\n", "\t"),
    "a typesetter's minus": rows([f"{w:.3f}", f"{f * 1e-9:.5e}".replace("-", "\u2212")]
                                 for w, f in zip(WAVE, F)),
    "brackets": rows((f"({r})".split(" ") for r in FIXED), sep=", "),
    "a column of letters": rows((f"{r} ok".split(" ") for r in FIXED), "wave,flux,flag\n"),
    "a column of dates": rows((f"2020-01-01 {r}".split(" ") for r in FIXED), "time,wave,flux\n"),
    "names twice": text(WAVE[:2000], F[:2000], head="wave flux\n")
    + text(WAVE[2000:], F[2000:], head="wave flux\n"),
    "German": "Wellenl\u00e4nge;Fluss\n".encode("latin-1")
    + text(WAVE, F, sep=";").replace(b".", b","),
    "French": text(WAVE, F, head="longueur d'onde\tflux\n", sep="\t"),
    "Spanish": text(WAVE, F, head="longitud de onda,flujo\n", sep=","),
    "Italian, flux first": text(F, WAVE, head="flusso,lunghezza d'onda\n", sep=","),
    "Polish": "d\u0142ugo\u015b\u0107 fali;strumie\u0144\n".encode() + text(WAVE, F, sep=";"),
    "Chinese": "\u6ce2\u957f,\u6d41\u91cf\n".encode() + text(WAVE, F, sep=","),
    "Greek letters": "\u03bb,F\u03bb\n".encode() + text(WAVE, F, sep=","),
    "RDB": rdb(),
    "words that are no names": b"# AIR WAVELENGTHS\n" + text(AIR, F),
    "CDS with a description": cds(),
    "gzipped twice": gzip.compress(gzip.compress(text(WAVE, F))),
    "gzipped in a zip archive": zipped(a__gz=gzip.compress(text(WAVE, F)), __DS_Store=b"x"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_text_dialects(tmp_path, name) -> None:
    spectra = read(write(tmp_path / "a.txt", TEXTS[name]))
    assert len(spectra) == 1 and identify(spectra, 0) == "F"
    assert int((~spectra.mask).sum()) == WAVE.size


def flux_at(values: np.ndarray, head: str) -> bytes:
    return text(values, F, head=f"{head},flux\n", sep=",")


AXES = {
    "THz without a word": flux_at(LIGHT / 1e12 / WAVE, "frequency"),
    "Hz without a word": flux_at(LIGHT / WAVE, "nu"),
    "1/cm without a word": flux_at(1e8 / WAVE, "wavenumber"),
    "keV without a word": flux_at(12.398419843320026 / WAVE, "energy"),
    "log10 of nm without a word": text(LOG - 1, F),
    "log of Angstrom": flux_at(np.log(WAVE), "loglam"),
    "flux in mJy by its name": text(WAVE, F * WAVE**2, head="wave,flux_mJy\n", sep=","),
    "flux in Jy by its name": text(WAVE, F * WAVE**2, head="wave,flux_jy\n", sep=","),
    "nu f_nu": text(WAVE, F * WAVE, head="wave,nuFnu\n", sep=","),
    "lambda f_lambda": text(WAVE, F * WAVE, head="wave,lambda_f_lambda\n", sep=","),
}


@pytest.mark.parametrize("name", AXES)
def test_quantities_without_units(tmp_path, name) -> None:
    spectra = read(write(tmp_path / "a.csv", AXES[name]))
    assert identify(spectra, 0) == "F"
    slope = np.interp(spectra.wave, WAVE, F) / spectra.flux[0]
    assert np.ptp(slope) / slope.mean() < 0.01
    assert spectra.get("notes")[0]


VACUUM = {
    "comment of a card": {"CRVAL1": (3750.0, "[Angstrom] vacuum wavelength of pixel 1")},
    "WAVEREF": {"WAVEREF": "Vacuum"},
    "HIERARCH": {"HIERARCH PIPE WAVEREF": "vacuum"},
    "WAVE-VAC": {"CTYPE1": "WAVE-VAC"},
    "helcor": {"HISTORY": "air2vac: converted to vacuum, helcorr"},
    "not air": {"COMMENT": "Wavelength solution in vacuum (not air)"},
}
IN_AIR = {
    "a word against the code": {"CTYPE1": "WAVE", "COMMENT": "wavelengths in air"},
    "UCD": {"TUCD1": "em.wl;obs.atmos"},
    "a switch": {"AIR2VAC": (False, "air to vacuum conversion of wavelengths"),
                 "WAVEMED": "air"},
}  # fmt: skip


@pytest.mark.parametrize("name", VACUUM | IN_AIR)
def test_frames_in_other_words(tmp_path, name) -> None:
    """Each file has its lines where they belong if the frame is understood."""
    grid = air_to_vacuum(LINEAR) if name in IN_AIR else LINEAR
    cards = {**BARE, **(VACUUM | IN_AIR)[name]}
    spectra = read(write(tmp_path / "a.fits", image(np.interp(grid, WAVE, F), cards)))
    assert spectra.get("wave_frame") == ["air" if name in IN_AIR else "vacuum"]
    assert identify(spectra, 0) == "F"
    assert "not stated" not in spectra.get("notes")[0]


MARKED = {
    "a huge error": pixels(wave=WAVE, flux=SPOILT, err=np.where(GOOD, F / 50, 1e20)),
    "99.99 for no value": pixels(wave=WAVE, flux=np.where(GOOD, F, 99.99)),
    "TNULL of scaled integers": scaled(),
}


@pytest.mark.parametrize("name", MARKED)
def test_numbers_for_no_value(tmp_path, name) -> None:
    spectra = read(write(tmp_path / "a.fits", MARKED[name]))
    np.testing.assert_array_equal(spectra.mask[0], ~GOOD)
    assert identify(spectra, 0) == "F"


REFUSED = {
    "fluxes alone, ten a line": (rows((
        [f"{v:.4f}" for v in F[i : i + 10]] for i in range(0, 3880, 10)), sep=" "),
        "runs like wavelengths"),
    "a light curve": (text(PIXEL / 50 + 1300, F, F / 50, head="time,flux,flux_err\n", sep=","),
                      "like wave"),
    "photometry": (text(np.array([3600.0, 4400, 5500, 6400, 8000]), np.arange(5.0) + 1,
                        head="wave,flux\n", sep=","), "sampled every"),
    "a table of fpack": (table(table_hdu({"wave": WAVE, "flux": F}, ZTABLE=True)), "funpack"),
    "magnitudes": (text(WAVE, 15 - 2.5 * np.log10(F), head="wave,mag\n", sep=","), "like flux"),
    "AB magnitudes": (pixels(wave=WAVE, flux=F, UNIT_flux="mag(AB)"), "magnitudes, not flux"),
    "logarithms": (text(WAVE, np.log10(F), head="wave,log_flux\n", sep=","), "logarithms"),
    "a frequency of radio": (flux_at(np.linspace(1e9, 2e9, WAVE.size), "freq"), "frequency is in"),
    "velocities": (flux_at(np.linspace(-500, 500, WAVE.size), "velocity"), "like wave"),
    "a cube": (image(np.ones((99, 5, 5)), {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", **{
        f"{key[:-1]}3": value for key, value in CARDS.items()}}), "3 axes"),
    "splines": (image(LIN_F[None], multispec(
        "2 3750. 1.5 3500 0. 1. 10. 1. 0. 3 1 1. 3500. 3750. 9000. 1. 1.")), "no polynomial"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_known_is_refused(tmp_path, name) -> None:
    content, said = REFUSED[name]
    with pytest.raises(ReadError, match=said) as error:
        read(write(tmp_path / "a.dat", content))
    assert error.value.remedy
