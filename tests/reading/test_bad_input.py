"""Every bad file ends in a ReadError that names it, says what is wrong and what to do."""

from __future__ import annotations

import gzip
import os
import pickle
import re
import threading

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.errors import ReadError
from spectype.core.spectra import Spectra
from spectype.formats.source import load
from spectype.surveys import read
from tests.surveys.miniature import (
    image_bytes,
    lamost_bytes,
    lamost_rows,
    table_bytes,
    to_bytes,
    write,
)

GOOD = lamost_bytes(lamost_rows(200), "bintable-coadd")
ZIPPED = gzip.compress(GOOD)
IMAGE = lamost_bytes(lamost_rows(200), "image-wavelength")


def problem_of(path) -> str:
    """What `read` says is wrong; the message has the file's name and a remedy."""
    with pytest.raises(ReadError) as caught:
        read(path)
    error = caught.value
    assert error.path == str(path)
    assert str(path) in str(error)
    assert error.remedy
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # from a worker process
    return error.problem


CASES = {
    "empty": (b"", "empty"),
    "empty gzip": (gzip.compress(b""), "empty once decompressed"),
    "truncated gzip": (ZIPPED[:-3000], "truncated gzip"),
    "gzip without its last bytes": (ZIPPED[:-4], "truncated gzip"),
    "gzip header only": (ZIPPED[:10], "truncated gzip"),
    "corrupt gzip CRC": (ZIPPED[:-8] + b"\x00\x00\x00\x00" + ZIPPED[-4:], "corrupt gzip"),
    "corrupt gzip length": (ZIPPED[:-4] + b"\x01\x02\x03\x04", "corrupt gzip"),
    "gzip of nonsense": (b"\x1f\x8b\x08\x00" + b"x" * 500, "gzip"),
    "truncated FITS": (GOOD[:9000], "truncated"),
    "truncated FITS in whole gzip": (gzip.compress(IMAGE[:6000]), "truncated"),
    "FITS header cut": (GOOD[:400], "END card"),
    "binary": (os.urandom(1) + bytes(range(256)) * 20, "not FITS"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + b"\x00" * 500, "HDF5"),
    "zip": (b"PK\x03\x04" + b"\x00" * 500, "zip archive"),
    "web page": (b"<!DOCTYPE html><html>404 not found</html>", "web page"),
    "gzipped web page": (gzip.compress(b"\n<html>log in</html>"), "web page"),
    "prose": (b"It was a dark and stormy night.\nThe telescope was closed.\n", "row|column"),
    "comments only": (b"# nothing\n# here\n", "no table"),
    "one column": (b"1.0\n2.0\n3.0\n", "1 columns"),
    "one row": (b"4000.0 1.0\n", "1 rows"),
    "ragged": (b"4000 1\n4001 1\n4002\n4003 1\n", "line 3 has 1 columns, not 2"),
    "word among numbers": (b"4000 1\n4001 high\n4002 1\n", "line 2 holds 'high'"),
    "catalogue": (b"obsid,ra,dec\n1,2.0,3.0\n2,2.0,3.0\n", "wave or flux"),
    "no HDU with data": (to_bytes([fits.PrimaryHDU()]), "neither an image nor a table"),
    "table HDU missing": (GOOD[: GOOD.index(b"XTENSION")], "neither an image nor a table"),
    "table without rows": (table_bytes({"WAVE": np.ones(0), "FLUX": np.ones(0)}), "no table|row"),
    "table of other things": (table_bytes({"RA": np.ones(5), "DEC": np.ones(5)}), "RA, DEC"),
    "table of words": (
        table_bytes({"WAVE": np.array([b"a", b"b"]), "FLUX": np.ones(2)}),
        "no numbers",
    ),
    "wrong shape": (
        table_bytes({"WAVE": np.ones((1, 30)), "FLUX": np.ones((1, 40))}),
        r"shape \(1, 30\), flux \(1, 40\)",
    ),
    "one pixel": (table_bytes({"WAVE": np.array([5000.0]), "FLUX": np.ones(1)}), "1 usable"),
    "no wavelength is finite": (
        table_bytes({"WAVE": np.full(9, np.nan), "FLUX": np.ones(9)}),
        "0 usable wavelengths",
    ),
    "one wavelength for all": (
        table_bytes({"WAVE": np.full(90, 5000.0), "FLUX": np.ones(90)}),
        "1 different wavelengths",
    ),
    "negative wavelengths": (
        table_bytes({"WAVE": -np.arange(1.0, 90), "FLUX": np.ones(89)}),
        "not optical wavelengths",
    ),
    "square image": (image_bytes(np.ones((64, 64))), "no wavelengths"),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("suffix", [".fits.gz", ".csv"])
def test_bad_content_is_named(tmp_path, name, suffix) -> None:
    """Whatever the file is called: content decides."""
    content, said = CASES[name]
    path = tmp_path / f"bad {name}{suffix}"
    path.write_bytes(content)
    assert re.search(said, problem_of(path))


def test_missing_file(tmp_path) -> None:
    assert "does not exist" in problem_of(tmp_path / "gone.fits")


def test_folder(tmp_path) -> None:
    assert "is a folder" in problem_of(tmp_path)


def test_file_that_vanishes_between_listing_and_reading(tmp_path) -> None:
    path = write(tmp_path / "a.fits", GOOD)
    assert len(read(path)) == 1
    path.unlink()
    assert "does not exist" in problem_of(path)


def test_file_that_fails_while_being_read(tmp_path, monkeypatch) -> None:
    """A disk error or a file server that has gone shows in the read, not in the open."""
    path = write(tmp_path / "a.fits", GOOD)

    def fail(*args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.read", fail)
    with pytest.raises(ReadError, match="Input/output error") as error:
        load(path)
    assert error.value.path == str(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path) -> None:
    path = write(tmp_path / "a.fits", GOOD)
    path.chmod(0)
    assert "no permission" in problem_of(path)


def test_permission_error_is_explained(tmp_path, monkeypatch) -> None:
    path = write(tmp_path / "a.fits", GOOD)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(ReadError, match="no permission") as error:
        load(path)
    assert "ls -l" in error.value.remedy


def test_pipe_is_read_to_its_end(tmp_path) -> None:
    path = tmp_path / "pipe.fits"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(GOOD,))
    writer.start()
    spectra = read(path)
    writer.join()
    assert np.array_equal(spectra.flux[0], lamost_rows(200)[0])


def test_trailing_zeros_of_a_tape_are_no_fault(tmp_path) -> None:
    path = tmp_path / "a.fits.gz"
    path.write_bytes(ZIPPED + bytes(512))
    assert len(read(path)) == 1


def test_gzip_of_two_members_is_read_whole(tmp_path) -> None:
    path = tmp_path / "a.fits.gz"
    path.write_bytes(gzip.compress(GOOD[:3000]) + gzip.compress(GOOD[3000:]))
    assert np.array_equal(read(path).flux[0], lamost_rows(200)[0])


@given(data=st.data(), kind=st.sampled_from(["bintable", "image", "table", "text"]))
def test_random_damage_never_crashes(tmp_path, data, kind) -> None:
    """Overwritten bytes and cuts give spectra of the right kind or a ReadError, nothing else."""
    wave = np.linspace(4000, 5000, 40)
    whole = {
        "bintable": GOOD,
        "image": IMAGE,
        "table": table_bytes({"WAVE": wave, "FLUX": wave / 4000, "ERR": wave / 1e5}),
        "text": b"wave,flux\n" + b"".join(b"%f,%f\n" % (w, w / 2) for w in wave),
    }[kind]
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(broken), 9000) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "broken"
    path.write_bytes(bytes(broken[: data.draw(st.integers(1, len(broken)))]))
    try:
        spectra = read(path)
    except ReadError as error:
        assert error.path == str(path)
    else:
        assert isinstance(spectra, Spectra)
        assert np.isfinite(spectra.ivar).all()
        assert (np.diff(spectra.wave) > 0).all()
