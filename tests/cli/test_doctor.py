"""`doctor FILE` says in words what a file is taken for, why, and how much of it is usable."""

from __future__ import annotations

import numpy as np

from spectype import from_arrays
from spectype.cli import run
from tests.reading.toys import LINEAR, WAVE, image, star, table, table_hdu, text
from tests.stores import hot_store
from tests.surveys.miniature import lamost_bytes, lamost_rows, write

FLUX = star("F")
BARE = {"CRVAL1": 3750.0, "CRPIX1": 1.0, "CDELT1": 1.5}


def explained(path, capsys, *, status: int = 0) -> str:
    assert run(["doctor", str(path)]) == status
    return capsys.readouterr().out


def test_a_table(tmp_path, capsys) -> None:
    good = np.arange(WAVE.size) >= WAVE.size // 5
    columns = {"wave_vac": WAVE, "flux": FLUX, "sigma": FLUX / 50, "mask": ~good, "z": FLUX * 0}
    said = explained(write(tmp_path / "a.fits", table(table_hdu(columns, "SPEC"))), capsys)
    assert "FITS, 2 HDUs" in said
    assert "survey: none that is known" in said
    assert "table SPEC: 3890 rows; columns wave_vac, flux, sigma, mask, z" in said
    assert "wave = wave_vac, flux = flux, error = sigma, mask = mask" in said
    assert "wavelengths of the file in vacuum" in said
    assert "spectra: 1, 3890 pixels" in said and "S/N 50" in said
    share = np.mean(good[(WAVE > 3700) & (WAVE < 9100)])
    assert f"{share:.0%} good in 3700-9100 A" in said
    assert "[0] type F" in said or "[0] type A" in said or "[0] type G" in said


def test_an_image_of_rows(tmp_path, capsys) -> None:
    flux = star("F", LINEAR)
    cards = BARE | {"ARRAY1": "SPECTRUM", "ARRAY2": "ERROR"}
    said = explained(write(tmp_path / "a.fits", image(np.stack([flux, flux / 40]), cards)), capsys)
    assert "FITS, 1 HDU\n" in said and "images: image 2x3500" in said
    assert "rows beside the flux: error" in said
    assert "wavelength frame not stated: air assumed" in said and "file in air" in said
    assert "S/N 40" in said


def test_texts_with_and_without_names(tmp_path, capsys) -> None:
    named = text(WAVE / 10, FLUX, head="wavelength (nm),flux\n", sep=",")
    said = explained(write(tmp_path / "a.csv", named), capsys)
    assert ": text\n" in said and "wave = wavelength (nm), flux = flux" in said
    assert "no errors" in said and "vacuum assumed (SDSS pixels)" in said
    said = explained(write(tmp_path / "b.txt", text(WAVE, FLUX)), capsys)
    assert "without names: judged by position and numbers" in said


def test_a_survey(tmp_path, capsys) -> None:
    path = write(tmp_path / "a.fits", lamost_bytes(lamost_rows(3909), "image-wavelength"))
    said = explained(path, capsys)
    assert "survey: LAMOST low-resolution survey (cite Cui et al. 2012" in said
    assert "images: image 5x3909" in said and "file in vacuum" in said


def test_a_broken_file_and_one_that_is_no_spectrum(tmp_path, capsys) -> None:
    whole = lamost_bytes(lamost_rows(200), "bintable-coadd")
    said = explained(write(tmp_path / "a.fits", whole[:9000]), capsys, status=1)
    assert "is truncated" in said and "fetch or copy it again" in said
    prose = write(tmp_path / "b.txt", b"It was a dark and stormy night.\nAll was closed.\n")
    said = explained(prose, capsys, status=1)
    assert "cannot be read: holds no row of numbers; line 1 is 'It was" in said
    assert "does not exist" in explained(tmp_path / "gone.fits", capsys, status=1)


def test_one_spectrum_of_a_file_and_of_a_store(tmp_path, capsys) -> None:
    path = from_arrays(WAVE, [FLUX, star("K")], frame="vacuum").write(tmp_path / "two.fits")
    said = explained(f"{path}[1]", capsys)
    assert "spectra: 2" in said and "[1] type K" in said and "[0]" not in said
    assert "no spectrum 2; the last is 1" in explained(f"{path}[2]", capsys, status=1)
    hot_store(tmp_path / "store", n=4)
    said = explained(tmp_path / "store[3]", capsys)
    assert "store: a store\nspectra: 4, 3904 pixels\n  [3]" in said and "\n  [3] type " in said
