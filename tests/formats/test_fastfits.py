"""The fast FITS scanner against astropy, and against damage."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.errors import ReadError
from spectype.formats.fastfits import Header, number_of, scan, text_of
from tests.surveys.miniature import lamost_bytes, lamost_rows, to_bytes

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
KEYS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", min_size=2, max_size=8).filter(
    lambda key: (
        key not in ("END", "COMMENT", "HISTORY", "SIMPLE", "BITPIX", "CONTINUE")
        and not key.startswith("NAXIS")
        and key != "EXTEND"
    )
)
VALUES = st.one_of(
    TEXT,
    st.integers(-(10**15), 10**15),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)


def header_of(raw: bytes) -> Header:
    return scan(raw, path="a.fits")[0].header


@given(st.dictionaries(KEYS, VALUES, max_size=40))
def test_every_card_reads_as_astropy_reads_it(cards: dict) -> None:
    hdu = fits.PrimaryHDU()
    for key, value in cards.items():
        hdu.header[key] = (value, "a / comment") if len(str(value)) < 20 else value
    raw = to_bytes([hdu])
    header = header_of(raw)
    expected = fits.Header.fromstring(raw[: raw.index(b"END" + b" " * 77)])
    picked = header.pick(tuple(cards))
    for key, field in zip(cards, picked):
        assert header.get(key) == expected[key]
        assert type(header.get(key)) is type(expected[key])
        if isinstance(expected[key], str):
            assert text_of(field) == (expected[key].strip() or None)
        elif not isinstance(expected[key], bool):
            assert number_of(field) == header.number(key) == float(expected[key])
    assert header.get("MISSING") is None
    assert "MISSING" not in header


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("A       = 'it''s'             / b", "it's"),
        ("A       = '''quoted'''", "'quoted'"),
        ("A       = ''", ""),
        ("A       = '' / it isn't there", ""),
        ("A       =   'late '", "late"),
        ("A       = 1.5D3 / Fortran", 1500.0),
        ("A       = T", True),
        ("A       =                    F / no", False),
        ("A       =", None),
        ("A         12 / no equals sign", None),
        ("A       = 12345678901234567890123 / long", 12345678901234567890123),
        ("A       = 'no end", "no end"),
        ("A       = -9999.00", -9999.0),
    ],
)
def test_odd_cards(card: str, value: object) -> None:
    got = Header(card.ljust(80).encode()).get("A")
    assert got == value
    assert type(got) is type(value)


def test_first_of_repeated_cards_counts() -> None:
    raw = b"".join(f"KEY     = {i}".ljust(80).encode() for i in (1, 2, 3))
    assert Header(raw).get("KEY") == 1


def test_long_string_continues_over_cards() -> None:
    hdu = fits.PrimaryHDU()
    hdu.header["LONG"] = "x" * 100 + " it's long " + "y" * 90
    assert header_of(to_bytes([hdu])).get("LONG") == hdu.header["LONG"]


def test_commentary_is_kept_apart_from_values() -> None:
    hdu = fits.PrimaryHDU()
    hdu.header["COMMENT"] = "KEY = 5"
    hdu.header["HISTORY"] = "made from Pickles"
    header = header_of(to_bytes([hdu]))
    assert header.commentary() == "KEY = 5\nmade from Pickles"
    assert header.get("COMMENT") is None


def test_quoted_number_is_a_number_where_one_is_asked_for() -> None:
    header = Header("FIBERID = '17      '".ljust(80).encode())
    assert header.number("FIBERID") == 17.0
    assert header.text("FIBERID") == "17"
    assert Header("A       = 'no'".ljust(80).encode()).number("A") is None


def test_scan_finds_each_hdu_where_astropy_finds_it(rng) -> None:
    hdus = [
        fits.PrimaryHDU(rng.normal(size=(5, 301)).astype(np.float32)),
        fits.ImageHDU(rng.integers(0, 9, (7, 11)).astype(np.int16)),
        fits.BinTableHDU.from_columns([fits.Column("A", "33E", array=rng.normal(size=(2, 33)))]),
    ]
    raw = to_bytes(hdus)
    found = scan(raw, path="a.fits")
    with fits.open(io.BytesIO(raw)) as expected:
        offsets = [hdu._data_offset for hdu in expected]
        shapes = [hdu.shape for hdu in expected[:2]]
    assert [hdu.start for hdu in found] == offsets
    assert [hdu.shape for hdu in found[:2]] == shapes
    assert found[2].size == 2 * 33 * 4


def test_stray_axes_of_an_empty_primary_are_not_data() -> None:
    raw = lamost_bytes(lamost_rows(50), "bintable-coadd")
    primary, table = scan(raw, path="a.fits")
    assert primary.header.get("NAXIS1") == 50  # the trap is there
    assert primary.size == 0
    assert table.header.get("EXTNAME") == "COADD"


def test_junk_after_the_last_hdu_is_ignored() -> None:
    raw = to_bytes([fits.PrimaryHDU(np.zeros(10, np.float32))])
    assert len(scan(raw + b"\x00" * 500, path="a.fits")) == 1


@pytest.mark.parametrize("cut", [300, 2000, 2880, 2881, 4000])
def test_cut_file_says_so(cut: int) -> None:
    raw = to_bytes([fits.PrimaryHDU(np.zeros((5, 400), np.float32))])
    with pytest.raises(ReadError, match="END card" if cut == 300 else "truncated") as error:
        scan(raw[:cut], path="a b.fits")
    assert "a b.fits" in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize(
    "card", ["NAXIS1  =                 many", "BITPIX  = 'x'", "NAXIS1  =               -4000"]
)
def test_impossible_size_says_so(card: str) -> None:
    raw = to_bytes([fits.PrimaryHDU(np.zeros((5, 400), np.float32))])
    at = raw.index(card[:9].encode())
    raw = raw[:at] + card.ljust(80).encode() + raw[at + 80 :]
    with pytest.raises(ReadError, match="broken header"):
        scan(raw, path="a.fits")
