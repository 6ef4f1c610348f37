"""Positions and identifiers as people write them: one star never stands on two sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy.io import fits

from spectype.catalogue.sample import SampleConfig, sample
from spectype.catalogue.split import split
from spectype.cli import run
from spectype.core.errors import DataError
from spectype.core.sky import degrees


def sexagesimal(value: float, mark: str) -> str:
    sign, size = "-" if value < 0 else "", abs(value)
    whole, rest = divmod(round(size * 360000), 360000)
    minutes, seconds = divmod(rest, 6000)
    a, b, c = {"hms": "hms", "dms": "dms"}.get(mark, (mark, mark, ""))
    return f"{sign}{whole:02d}{a}{minutes:02d}{b}{seconds / 100:05.2f}{c}"


WRITTEN = {
    "degrees": lambda ra, dec: (f"{ra:.6f}", f"{dec:.6f}"),
    "comma": lambda ra, dec: (f"{ra:.6f}".replace(".", ","), f"{dec:.6f}".replace(".", ",")),
    "colons": lambda ra, dec: (sexagesimal(ra / 15, ":"), sexagesimal(dec, ":")),
    "blanks": lambda ra, dec: (sexagesimal(ra / 15, " "), sexagesimal(dec, " ")),
    "letters": lambda ra, dec: (sexagesimal(ra / 15, "hms"), sexagesimal(dec, "dms")),
}


def catalogue(path: Path, written: str, *, mark: str = "|") -> Path:
    """150 stars that are hardly apart in a table of whole degrees, each observed twice."""
    lines = [mark.join(("obsid", "class", "subclass", "ra", "dec", "snrg"))]
    for i in range(300):
        star = i // 2
        ra, dec = WRITTEN[written](15.0 * (star % 24) + star / 96, -10.5 + (star % 60) / 360)
        snr = "40,5" if written == "comma" else "40.5"
        lines.append(mark.join((str(1000 + i), "STAR", "G5", ra, dec, snr)))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("format", ["parquet", "csv"])
@pytest.mark.parametrize("written", WRITTEN)
def test_both_exposures_stand_on_one_side(tmp_path: Path, written: str, format: str) -> None:
    file = catalogue(tmp_path / "c.csv", written, mark=";" if written == "comma" else "|")
    split(file, tmp_path / "t", format=format)
    result = sample(tmp_path / "t", tmp_path / "s", config=SampleConfig(min_snr=10.0))
    assert (result.taken["G"], result.stars) == (300, 150)
    table = pl.read_parquet(tmp_path / "s" / "sample.parquet")
    star = (table["obsid"] - 1000) // 2
    assert table.group_by(star).agg(pl.col("split").n_unique())["split"].to_list() == [1] * 150
    ra = [degrees(value, hours=True) for value in table.sort("obsid")["ra"]]
    assert ra[2::2] == pytest.approx([15 * (k % 24) + k / 96 for k in range(1, 150)], abs=1e-3)


def test_stars_that_nothing_identifies_are_not_dealt(tmp_path: Path, capsys, caplog) -> None:
    file = tmp_path / "c.csv"
    head = "obsid|class|subclass|ra|dec|snrg\n"
    file.write_text(head + "".join(f"{i}|STAR|G5|north|{i}.0|40\n" for i in range(1, 9)))
    assert run(["catalogue", "split", str(file), "--out", str(tmp_path / "t")]) == 0
    assert "ra cannot be read from 'north'" in caplog.text
    command = ["catalogue", "sample", str(tmp_path / "t"), "--out", str(tmp_path / "s")]
    assert run(command) == 1
    error = capsys.readouterr().err
    assert "no position that can be read" in error and "(8)" in error and "gaia_source_id" in error
    rows = "".join(f"{i}|STAR|G5|{-9999.0 if i < 3 else i}|{i}.0|40\n" for i in range(1, 9))
    file.write_text(head + rows)
    split(file, tmp_path / "t", overwrite=True)
    result = sample(tmp_path / "t", tmp_path / "s")
    assert result.stars == 6 and sum(result.dropped.values()) == 2


def fits_catalogue(path: Path, *columns: fits.Column) -> Path:
    n = len(columns[0].array)
    given = [
        fits.Column("class", "8A", array=["STAR"] * n),
        fits.Column("subclass", "8A", array=["G5"] * n),
        fits.Column("ra", "D", array=np.arange(float(n))),
        fits.Column("dec", "D", array=np.arange(float(n))),
    ]
    table = fits.BinTableHDU.from_columns([*columns, *given])
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def test_obsids_that_were_rounded_are_refused(tmp_path: Path) -> None:
    obsid = 601234567 + np.arange(25)
    file = fits_catalogue(
        tmp_path / "f.fits", fits.Column("obsid", "E", array=obsid.astype(np.float32))
    )
    with pytest.raises(DataError, match=r"obsid holds 32-bit floats: .*16777216"):
        split(file, tmp_path / "t")
    table = pl.DataFrame({"obsid": obsid.astype(np.float32), "class": "STAR", "subclass": "G5"})
    table.write_parquet(tmp_path / "f.parquet")
    with pytest.raises(DataError, match="obsid holds 32-bit floats"):
        split(tmp_path / "f.parquet", tmp_path / "t")
    gaia = pl.DataFrame({"obsid": obsid, "class": "STAR", "subclass": "G5", "uid": obsid * 1e11})
    gaia.write_parquet(tmp_path / "g.parquet")
    with pytest.raises(DataError, match="uid holds 64-bit floats"):
        split(tmp_path / "g.parquet", tmp_path / "t")
    (tmp_path / "e.csv").write_text("obsid,class,subclass\n6.01235E+08,STAR,G5\n")
    with pytest.raises(DataError, match=r"rounded numbers like 6.01235E\+08"):
        split(tmp_path / "e.csv", tmp_path / "t")


def test_scaled_and_unsigned_columns_are_exact(tmp_path: Path) -> None:
    obsid = np.array([601234567, 601234568, 4_000_000_000], np.uint32)
    gaia = np.array([2**64 - 1, 2**63 + 1, 5], np.uint64)
    file = fits_catalogue(
        tmp_path / "u.fits",
        fits.Column("obsid", "J", array=obsid, bzero=2**31),
        fits.Column("gaia_source_id", "K", array=gaia, bzero=2**63),
        fits.Column("snrg", "I", array=np.array([42, 80, -11], np.int16)),
        fits.Column("fiberid", "I", array=np.array([1, 65535, 3], np.uint16), bzero=2**15),
    )
    content = file.read_bytes()
    scale = b"TSCAL3  =                 0.25".ljust(80) + b"TZERO3  =                 10.0".ljust(
        80
    )
    end = content.rindex(b"END".ljust(80))
    file.write_bytes(content[:end] + scale + content[end:][:80] + content[end + 240 :])
    split(file, tmp_path / "t")
    table = pl.read_parquet(tmp_path / "t" / "G.parquet").sort("catalogue_row")
    assert table["obsid"].to_list() == obsid.tolist()
    assert table["gaia_source_id"].to_list() == gaia.tolist()
    assert table["fiberid"].to_list() == [1, 65535, 3]
    np.testing.assert_allclose(table["snrg"], [20.5, 30.0, 7.25])


def test_ob_has_its_own_table_list_and_quota(tmp_path: Path, capsys) -> None:
    labels = ["O", "OB", "OB", "B2", "G5", "OB"]
    rows = "".join(f"{i}|STAR|{s}|{10 * i}.5|{i}.0|40\n" for i, s in enumerate(labels, start=1))
    (tmp_path / "c.csv").write_text("obsid|class|subclass|ra|dec|snrg\n" + rows)
    tables, drawn = str(tmp_path / "t"), tmp_path / "s"
    assert run(["catalogue", "split", str(tmp_path / "c.csv"), "--out", tables]) == 0
    assert "OB                 3" in capsys.readouterr().out
    command = ["catalogue", "sample", tables, "--quota", "OB=2", "--out", str(drawn)]
    assert run(command) == 0
    assert "OB          2 of 3" in capsys.readouterr().out
    assert len((drawn / "OB-sample.txt").read_text().split()) == 2
    assert (drawn / "O-sample.txt").read_text().split() == ["1"]


def test_the_source_is_never_overwritten(tmp_path: Path, capsys) -> None:
    file = catalogue(tmp_path / "G.csv", "degrees")
    before = file.read_bytes()
    overwrite = ["--format", "csv", "--overwrite"]
    assert run(["catalogue", "split", str(file), "--out", str(tmp_path), *overwrite]) == 2
    assert "holds the source" in capsys.readouterr().err
    assert file.read_bytes() == before
    tables = tmp_path / "t"
    assert run(["catalogue", "split", str(file), "--out", str(tables)]) == 0
    for out in (tables, tmp_path / "link"):
        if out != tables:
            out.symlink_to(tables)
        assert run(["catalogue", "sample", str(tables), "--out", str(out), "--overwrite"]) == 2
    assert run(["catalogue", "sample", str(tables), "--out", str(tmp_path / "s")]) == 0
    assert run(["catalogue", "split", str(file), "--out", str(tmp_path / "s"), "--overwrite"]) == 2
    assert "holds a sample already" in capsys.readouterr().err
