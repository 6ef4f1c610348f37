"""The benchmark of reading: it measures the same work, and says what it compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spectype.bench.read import GUNZIP, ZLIB, find_files, measure, read_by_astropy
from spectype.cli import run
from spectype.core.errors import UsageError
from spectype.surveys import read
from tests.surveys.miniature import lamost_bytes, lamost_rows, write


@pytest.fixture
def release(tmp_path):
    """A folder with eight gzipped LAMOST files and two files of other kinds."""
    for i, layout in enumerate(["image-subcontinuum", "image-wavelength"] + ["bintable-coadd"] * 6):
        rows = lamost_rows(200, seed=i)
        rows[4, i] = 1
        (tmp_path / "night").mkdir(exist_ok=True)
        write(tmp_path / "night" / f"spec-{i}.fits.gz", lamost_bytes(rows, layout))
    write(tmp_path / "other.txt.gz", b"4000 1\n4001 1\n")
    (tmp_path / "broken.fits.gz").write_bytes(b"")
    return tmp_path


def test_only_lamost_files_are_taken_evenly(release) -> None:
    files = find_files([release], n=100)
    assert [file.rsplit("/", 1)[1] for file in files] == [f"spec-{i}.fits.gz" for i in range(8)]
    few = find_files([release], n=3)
    assert len(few) == 3
    assert (few[0], few[-1]) == (files[0], files[-1])


def test_both_readers_do_the_same_work(release) -> None:
    for file in find_files([release], n=8):
        spectra = read(file)
        wave, flux, ivar, bad, meta = read_by_astropy(file)
        assert np.array_equal(spectra.wave, wave)
        assert np.array_equal(spectra.flux[0], flux)
        assert np.array_equal(spectra.mask[0], bad)
        assert np.array_equal(spectra.ivar[0], np.where(bad, 0, ivar))
        assert meta["SUBCLASS"] == spectra.get("subclass")[0]


def test_ratios_follow_from_the_times(release) -> None:
    result = measure(find_files([release], n=4), rounds=2)
    assert result.n_files == 4
    assert set(result.seconds) == {"spectype", GUNZIP, "astropy", ZLIB}
    assert all(0 < seconds < 10 for seconds in result.seconds.values())
    assert result.against_astropy == result.seconds["astropy"] / result.seconds["spectype"]
    assert result.against_gunzip == result.seconds[GUNZIP] / result.seconds["spectype"]


def test_command_prints_a_table_or_json(release, capsys) -> None:
    assert run(["bench", "read", str(release), "--n", "2", "--rounds", "1"]) == 0
    shown = capsys.readouterr().out
    assert "files/s" in shown and "astropy" in shown and GUNZIP in shown
    assert run(["bench", "read", str(release), "--n", "2", "--rounds", "1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["n_files"] == 2
    assert result["files_per_second"]["astropy"] == 1 / result["seconds"]["astropy"]


@pytest.mark.parametrize("arguments", [[], ["missing"], ["."], ["{}", "--n", "0"]])
def test_nothing_to_measure_is_a_usage_error(tmp_path, monkeypatch, capsys, arguments) -> None:
    monkeypatch.chdir(tmp_path)
    status = run(["bench", "read", *(a.format(tmp_path) for a in arguments)])
    assert status == 2
    assert "spectype:" in capsys.readouterr().err


def test_rounds_must_be_positive(release) -> None:
    with pytest.raises(UsageError, match="0 rounds"):
        measure(find_files([release], n=1), rounds=0)
