"""The command line: a list in four formats, checks of the spectra, a sheet."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy.table import Table

from spectype.cli import run
from spectype.mine.checks import check, spectra_of
from tests.classify.test_batch import WAVE
from tests.mine.test_rank import results


@pytest.fixture
def hunt(tmp_path, monkeypatch):
    """Four results: two with files, one in an archive, one whose file is gone."""
    monkeypatch.chdir(tmp_path)
    for i, depth in enumerate((0.0, 0.2, 0.4)):
        flux = 1 - depth * np.exp(-0.5 * ((WAVE - 4687.0) / 2.5) ** 2)
        lines = "\n".join(f"{w},{f:.5f},0.01" for w, f in zip(WAVE, flux))
        Path(f"s{i}.csv").write_text("wave,flux,error\n" + lines)
    data = Path("s2.csv").read_bytes()
    with tarfile.open("n.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo("p/s2.csv")
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    Path("s2.csv").unlink()
    types = np.zeros((4, 7))
    types[:, 0], types[:, 1] = (0.5, 0.9, 0.99, 0.7), (0.5, 0.1, 0.01, 0.3)
    frame = results(types, path=["s0.csv", "s1.csv", "n.tar.gz/p/s2.csv", "gone.csv"])
    frame.collect().write_parquet("types.parquet")
    return frame.collect()


def test_the_list_is_written_in_every_format(hunt, capsys):
    assert run(["mine", "types.parquet", "--type", "O", "--out", "h", "--sheet", "2"]) == 0
    assert "4 stars for O" in capsys.readouterr().out
    table = pl.read_csv("h/candidates.csv")
    assert table["path"].to_list() == ["n.tar.gz/p/s2.csv", "s1.csv", "gone.csv", "s0.csv"]
    for name, options in (("fits", {}), ("vot", {"format": "votable"})):
        other = Table.read(f"h/candidates.{name}", **options)
        assert [str(p) for p in other["path"]] == table["path"].to_list()
        np.testing.assert_allclose(other["score"], table["score"])
    assert (
        other["purity"].description.startswith("Expected share") and other["HeI4471"].unit == "AA"
    )
    assert Path("h/O-sample.txt").read_text() == "1002\n1001\n1003\n1000\n"
    assert Path("h/sheet.pdf").read_bytes().startswith(b"%PDF")
    assert Path("h/sheet.png").stat().st_size > 20_000
    assert Path("h/manifest.json").exists()
    # A Gaussian of depth 0.2 and sigma 2.5 A: its width is known.
    width = table.filter(path="s1.csv")["HeII4686"].item()
    assert width == pytest.approx(0.2 * 2.5 * np.sqrt(2 * np.pi), rel=0.1)
    assert table.filter(path="s0.csv")["HeII4686"].item() == pytest.approx(0.0, abs=0.05)
    assert 0 < table.filter(path="s1.csv")["HeII4686_error"].item() < 0.2
    gone = table.filter(path="gone.csv")
    assert gone["HeII4686"].item() is None and "does not exist" in gone["check"].item()


def test_spectra_are_found_in_files_and_archives(hunt):
    found = dict(spectra_of(["n.tar.gz/p/s2.csv", "s1.csv", "s1.csv[3]", "n.tar.gz/none.csv"]))
    assert found[0].flux.shape == found[1].flux.shape
    assert found[0].flux.min() < 0.65 < found[1].flux.min()
    assert "no spectrum 3" in found[2] and "not in its archive" in found[3]
    table, spectra, matches = check(hunt)
    assert set(spectra) == {0, 1, 2} and not matches and len(table) == 4


def test_bad_wishes_end_with_status_two(hunt, tmp_path):
    assert run(["mine", "types.parquet"]) == 2
    assert run(["mine", "none.parquet", "--type", "O"]) == 2
    assert run(["mine", "types.parquet", "--type", "O", "--prevalence", "none.csv"]) == 2
    assert run(["mine", "types.parquet", "--type", "O", "--cut", "NONE"]) == 2
    (tmp_path / "w.csv").write_text("type,count\nO,50\nB,50\n")
    assert run(["mine", "types.parquet", "--type", "O", "--floor", "2"]) == 2
    wish = ["--type", "O", "--prevalence", "w.csv", "--sheet", "0", "--floor", "0"]
    assert run(["mine", "types.parquet", *wish]) == 0
    assert pl.read_csv("O-hunt/candidates.csv")["score"][0] == pytest.approx(0.99)
    assert not Path("O-hunt/sheet.pdf").exists()
