"""Properties: one spectrum is one spectrum in any container, unit, frame, order and compression."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import warnings
import zipfile
from functools import lru_cache

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from spectype.classify.runtime import load_model
from spectype.core.grid import SPEED_OF_LIGHT, vacuum_to_air
from spectype.core.spectra import Spectra
from spectype.surveys import read
from tests.reading.fuzzing import fault, seeds, spoil
from tests.reading.toys import LINEAR, image, star
from tests.surveys.miniature import to_bytes

FLUX = star("F", LINEAR)
SIGMA = 0.02 * FLUX
LIGHT = 2.99792458e18  # Angstrom / s
TO_UNIT = {
    "Angstrom": lambda w: w, "nm": lambda w: w / 10, "um": lambda w: w / 1e4,
    "m": lambda w: w / 1e10, "log10": np.log10, "ln": np.log, "THz": lambda w: LIGHT / 1e12 / w,
    "cm-1": lambda w: 1e8 / w, "eV": lambda w: 12398.419843320026 / w,
}  # fmt: skip
QUALITY = {"error": ("err", SIGMA), "ivar": ("ivar", SIGMA**-2), "variance": ("var", SIGMA**2)}
PACK = {
    "none": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress,
    "zip": lambda data: _zipped(data),
}  # fmt: skip


def _zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("spectrum", data)
    return out.getvalue()


def container(kind: str, columns: dict[str, np.ndarray], unit: str) -> bytes:
    """Columns, the wavelengths first, in a container; the unit stands where it has a place."""
    names = list(columns)
    if kind in ("csv", "blanks", "semicolons"):
        sep = {"csv": ",", "blanks": " ", "semicolons": ";"}[kind]
        head = sep.join([f"{names[0]}({unit})", *names[1:]]) + "\n"
        rows = (sep.join(f"{value:.12g}" for value in row) for row in zip(*columns.values()))
        return (head + "\n".join(rows)).encode()
    made = Table(columns)
    if unit not in ("log10", "ln"):  # which are no units to astropy: left to the numbers
        made[names[0]].unit = unit
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "vector table":
            units = {name: made[name].unit for name in names if made[name].unit}
            made = Table({name: np.atleast_2d(columns[name]) for name in names}, units=units)
        if kind == "ecsv":
            text = io.StringIO()
            made.write(text, format="ascii.ecsv")
            return text.getvalue().encode()
        made.write(out, format="votable" if kind == "votable" else "fits")
    return out.getvalue()


@lru_cache
def code_of(kind: str) -> float:
    """Subclass code of a toy star whose wavelengths are known."""
    flux = star(kind, LINEAR).astype(np.float32)[None]
    ivar = np.full_like(flux, 2500.0)
    plain = Spectra(wave=LINEAR, flux=flux, ivar=ivar, mask=np.zeros(flux.shape, bool))
    return float(load_model().predict(plain)["subclass_code"][0])


def codes_of(spectra: Spectra) -> list[float]:
    """Subclass codes that the shipped model gives."""
    return load_model().predict(spectra)["subclass_code"].to_list()


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["csv", "blanks", "semicolons", "table", "vector table", "ecsv",
                          "votable"]),
    unit=st.sampled_from(list(TO_UNIT)),
    frame=st.sampled_from(["air", "vac"]),
    role=st.sampled_from([None, *QUALITY]),
    order=st.sampled_from(["up", "down", "mixed"]),
    pack=st.sampled_from(list(PACK)),
)  # fmt: skip
def test_one_spectrum_in_any_dress(tmp_path, kind, unit, frame, role, order, pack) -> None:
    """The same wavelengths to 1 km/s, the same flux, the same errors; so the same type."""
    wave = LINEAR if frame == "vac" or unit in ("THz", "cm-1", "eV") else vacuum_to_air(LINEAR)
    columns = {f"wave_{frame}" if unit not in ("THz", "cm-1", "eV") else "wave": wave}
    columns = {name: TO_UNIT[unit](values) for name, values in columns.items()}
    columns["flux"] = FLUX
    if role:
        columns[QUALITY[role][0]] = QUALITY[role][1]
    index = {
        "up": np.arange(LINEAR.size), "down": np.arange(LINEAR.size)[::-1],
        "mixed": np.random.default_rng(1).permutation(LINEAR.size),
    }[order]  # fmt: skip
    columns = {name: values[index] for name, values in columns.items()}
    path = tmp_path / "a.dat"
    path.write_bytes(PACK[pack](container(kind, columns, unit)))
    spectra = read(path)
    assert len(spectra) == 1
    shift = (spectra.wave / LINEAR - 1) * SPEED_OF_LIGHT
    assert np.abs(shift).max() < 1.0
    np.testing.assert_allclose(spectra.flux[0], FLUX, rtol=1e-5)
    assert spectra.get("has_errors") == [role is not None]
    if role:
        np.testing.assert_allclose(spectra.ivar[0], SIGMA**-2, rtol=1e-4)
    np.testing.assert_allclose(codes_of(spectra), [code_of("F")], atol=0.5)


@settings(max_examples=20)
@given(
    n=st.integers(2, 7),
    kind=st.sampled_from(
        [
            "rows",
            "tables",
            "images",
            "image rows",
            "columns",
            "text columns",
            "down the rows",
            "lines",
        ]
    ),
    pack=st.sampled_from(list(PACK)),
)
def test_a_batch_is_a_row_a_spectrum_in_order(tmp_path, n, kind, pack) -> None:
    rng = np.random.default_rng(n)
    flux = [star("AFK"[i % 3], LINEAR) * rng.uniform(0.5, 2) for i in range(n)]
    cards = {"CRVAL1": LINEAR[0], "CDELT1": 1.5, "CRPIX1": 1.0, "CTYPE1": "WAVE"}
    if kind == "rows":
        data = _fits(Table({"wave_vac": np.tile(LINEAR, (n, 1)), "flux": np.array(flux)}))
    elif kind == "tables":
        made = [fits.table_to_hdu(Table({"wave_vac": LINEAR, "flux": f})) for f in flux]
        data = to_bytes([fits.PrimaryHDU(), *made])
    elif kind == "images":
        made = [fits.ImageHDU(f.astype(np.float32)) for f in flux]
        for hdu in made:
            hdu.header.update(cards)
        data = to_bytes([fits.PrimaryHDU(), *made])
    elif kind == "image rows":
        data = image(np.array(flux), cards)
    elif kind == "down the rows":
        columns = {"wave_vac": np.tile(LINEAR, n), "flux": np.concatenate(flux)}
        data = container("csv", columns, "Angstrom")
    elif kind == "lines":  # wavelengths in the first, a star in each of the others
        rows = [["name", *LINEAR], *([f"HD {i}", *f] for i, f in enumerate(flux))]
        lines = (",".join(v if isinstance(v, str) else f"{v:.9g}" for v in row) for row in rows)
        data = ("# vacuum wavelengths\n" + "\n".join(lines)).encode()
    else:
        columns = {"wave_vac": LINEAR} | {f"flux_HD{i}": f for i, f in enumerate(flux)}
        data = _fits(Table(columns))
        if kind == "text columns":
            data = container("csv", columns, "Angstrom")
    path = tmp_path / "a.dat"
    path.write_bytes(PACK[pack](data))
    spectra = read(path)
    assert len(spectra) == n
    np.testing.assert_allclose(spectra.flux, np.array(flux), rtol=1e-5)
    assert np.abs(spectra.wave / LINEAR - 1).max() * SPEED_OF_LIGHT < 1
    expected = [code_of("AFK"[i % 3]) for i in range(n)]
    np.testing.assert_allclose(codes_of(spectra), expected, atol=0.5)


def _fits(made: Table) -> bytes:
    out = io.BytesIO()
    made.write(out, format="fits")
    return out.getvalue()


@pytest.mark.parametrize("block", range(3))
def test_spoilt_files_are_read_or_refused_in_words(tmp_path, block) -> None:
    """A hundred a block; recipes/fuzz_readers.py does ten thousand."""
    whole = seeds()
    path = tmp_path / "spoilt"
    for i in range(100 * block, 100 * block + 100):
        path.write_bytes(spoil(whole[(7 * i) % len(whole)], np.random.default_rng(i)))
        assert fault(path) is None, f"seed {i}"


@pytest.mark.real
def test_real_spectra_come_back_from_every_container(real_data, tmp_path) -> None:
    """Sixty files (all with SPECTYPE_CORPUS=1) written as tables and texts and read again."""
    files = sorted(p for p in real_data.rglob("*") if p.name.endswith((".fits", ".fits.gz")))
    files = [p for p in files if {"lamost", "libraries"} & set(p.parts)]
    files = files if os.environ.get("SPECTYPE_CORPUS") else files[:: len(files) // 60]
    kinds = ["csv", "table", "vector table", "ecsv", "votable"]
    path = tmp_path / "a.dat"
    for i, file in enumerate(files):
        one = read(file)[:1]
        wave = one.wave if one.wave.ndim == 1 else one.wave[0]
        good = ~one.mask[0]
        if good.sum() < 100:
            continue
        columns = {"wave_vac": wave[good], "flux": one.flux[0, good].astype(float)}
        if one.get("has_errors")[0]:
            columns["ivar"] = one.ivar[0, good].astype(float)
        chosen = kinds if os.environ.get("SPECTYPE_CORPUS") else [kinds[i % len(kinds)]]
        for kind in chosen:
            path.write_bytes(container(kind, columns, "Angstrom"))
            again = read(path)
            assert len(again) == 1, file
            np.testing.assert_allclose(again.wave, wave[good], rtol=1e-9, err_msg=str(file))
            np.testing.assert_allclose(again.flux[0], one.flux[0, good], rtol=1e-4)
            assert again.mask.mean() < 0.01, file
