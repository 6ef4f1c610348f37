"""Labels find their spectra however people write paths and identifiers, or it is said."""

import gzip

import numpy as np
import polars as pl
import pytest
from astropy.io import fits
from astropy.table import Table

from spectype.cli import run
from spectype.core.errors import DataError
from spectype.core.sky import degrees
from spectype.dataset.build import BuildConfig, build
from spectype.dataset.labels import class_word, label_columns, read_labels
from tests.surveys.miniature import lamost_bytes, lamost_rows, write

OBSIDS = (101001, 101002)
NAMES = [f"spec-55859-F5902_sp01-00{i}.fits.gz" for i in (1, 2)]


def write_lamost(path, *, obsid, subclass, group="STAR"):
    path.parent.mkdir(parents=True, exist_ok=True)
    cards = {"OBSID": obsid, "CLASS": group, "SUBCLASS": subclass}
    write(path, lamost_bytes(lamost_rows(1500), "image-wavelength", **cards))


@pytest.fixture
def raw(tmp_path):
    """Two LAMOST files, F5 and K3 by their headers, beside which tables of labels will stand."""
    for name, obsid, subclass in zip(NAMES, OBSIDS, ("F5", "K3")):
        write_lamost(tmp_path / "raw" / name, obsid=obsid, subclass=subclass)
    return tmp_path


def types_with(raw, table, **config):
    config = BuildConfig(labels=table, workers=1, **config)
    return build([raw / "raw"], raw / f"store-{table.name}", config=config).meta["type"].to_list()


OBSID_COLUMNS = {
    "integer": [str(n) for n in OBSIDS],
    "float": [f"{n}.0" for n in OBSIDS],
    "scientific": [f"{n:.8e}" for n in OBSIDS],
    "padded": [f"{n:012d}" for n in OBSIDS],
    "bytes": [f"b'{n}'" for n in OBSIDS],
    "blanks": [f"  {n} " for n in OBSIDS],
    "quoted": [f'"{n}"' for n in OBSIDS],
}
PATH_COLUMNS = {
    "relative": [f"raw/{n}" for n in NAMES],
    "elsewhere": [f"/data/mine/raw/{n}" for n in NAMES],
    "name": NAMES,
    "no_gz": [f"raw/{n.removesuffix('.gz')}" for n in NAMES],
    "stem": [n.removesuffix(".fits.gz") for n in NAMES],
    "windows": [f"C:\\data\\raw\\{n}" for n in NAMES],
    "url": [f"https://host.org/raw%2Fdr6/{n}?token=1" for n in NAMES],
    "up": [f"sub/../raw/{n}" for n in NAMES],
    "row": [f"raw/{n}[0]" for n in NAMES],
}


@pytest.mark.parametrize("name", OBSID_COLUMNS)
def test_obsids_however_they_are_written(raw, name):
    rows = [f"{obsid},{new}" for obsid, new in zip(OBSID_COLUMNS[name], ("B5", "b'M1 '"))]
    (raw / "l.csv").write_text("# mine\nobsid,subclass\n" + "\n".join(rows))
    assert types_with(raw, raw / "l.csv") == ["B", "M"]


@pytest.mark.parametrize("name", PATH_COLUMNS)
def test_paths_however_they_are_written(raw, name):
    rows = [f"{path};{new}" for path, new in zip(PATH_COLUMNS[name], ("B5", "M1"))]
    (raw / "l.csv").write_bytes(("path;Type\r\n" + "\r\n".join(rows)).encode("utf-8-sig"))
    assert types_with(raw, raw / "l.csv") == ["B", "M"]


def test_tables_of_every_format_and_kind_of_number(raw):
    new = ["B5", "M1"]
    for dtype in ("u4", "i8", "u8", "f8", "S12"):
        Table({"obsid": np.array(OBSIDS).astype(dtype), "subclass": new}).write(
            raw / f"{dtype}.fits"
        )
        assert types_with(raw, raw / f"{dtype}.fits") == ["B", "M"]
    Table({"obsid": OBSIDS, "subclass": new}).write(raw / "l.ecsv")
    Table({"obsid": OBSIDS, "subclass": new}).write(raw / "l.vot", format="votable")
    frame = pl.DataFrame({"obsid": np.array(OBSIDS, np.uint64), "subclass": new, "note": "é"})
    frame.write_parquet(raw / "l.parquet")
    (raw / "gz.csv.gz").write_bytes(gzip.compress(frame.write_csv().encode("latin-1")))
    (raw / "wide.csv").write_bytes(frame.write_csv(separator="\t").encode("utf-16"))
    for name in ("l.ecsv", "l.vot", "l.parquet", "gz.csv.gz", "wide.csv"):
        assert types_with(raw, raw / name) == ["B", "M"], name


def test_numbers_that_were_rounded_are_refused(tmp_path):
    obsids = 601234567 + np.arange(25)
    table = {"obsid": obsids.astype(np.float32), "subclass": ["G5"] * 25}
    Table(table).write(tmp_path / "f4.fits")
    pl.DataFrame(table).write_parquet(tmp_path / "f4.parquet")
    for name in ("f4.fits", "f4.parquet"):
        with pytest.raises(DataError, match=r"obsid holds 32-bit floats: .*16777216"):
            read_labels(tmp_path / name)
    (tmp_path / "e.csv").write_text("obsid,subclass\n6.01235E+08,G5\n6.01235E+08,K5\n")
    with pytest.raises(DataError, match=r"rounded numbers: 6.01235E\+08"):
        read_labels(tmp_path / "e.csv")
    gaia = pl.DataFrame(
        {"obsid": [1, 2], "subclass": ["G5"] * 2, "gaia_source_id": [1.2e18, 1.3e18]}
    )
    gaia.write_parquet(tmp_path / "g.parquet")
    with pytest.raises(DataError, match="gaia_source_id holds 64-bit floats"):
        read_labels(tmp_path / "g.parquet")
    small = pl.DataFrame({"obsid": np.array([7, 8], np.float32), "subclass": ["G5", "K5"]})
    small.write_parquet(tmp_path / "s.parquet")
    assert sorted(read_labels(tmp_path / "s.parquet").by_obsid) == ["7", "8"]


def test_nothing_matched_is_an_error_with_both_sides(raw):
    (raw / "o.csv").write_text("obsid,subclass\n7,B5\n8,M1\n")
    with pytest.raises(DataError, match=r"none of its 2 labels.*obsid 7; .*obsid 10100"):
        types_with(raw, raw / "o.csv")
    (raw / "p.csv").write_text("path,subclass\nother/x.fits,B5\n")
    with pytest.raises(DataError, match=r"none of its 1 labels.*'other/x.fits'; .*spec-55859"):
        types_with(raw, raw / "p.csv")


def test_what_matched_is_counted_and_said(raw, caplog):
    (raw / "l.csv").write_text("obsid,subclass\n101001,B5\n7,M1\n")
    with caplog.at_level("INFO", logger="spectype"):
        store = build([raw / "raw"], raw / "s", config=BuildConfig(labels=raw / "l.csv"))
    said = "labels matched 1 of 2 spectra (1 by obsid), 1 not found; 1 of 2 labels matched no"
    assert said in store.manifest["labels"] and said in caplog.text
    assert sorted(store.meta["subclass"]) == ["B5", "K3"]  # the other keeps its header's
    config = BuildConfig(labels=raw / "l.csv", only_labelled=True)
    assert build([raw / "raw"], raw / "t", config=config).meta["subclass"].to_list() == ["B5"]


def test_equal_names_in_two_folders_do_not_share_labels(tmp_path):
    for folder, obsid in (("x", 1), ("y", 2)):
        write_lamost(tmp_path / "raw" / folder / "a.fits", obsid=obsid, subclass="F5")
    files = [tmp_path / "raw" / f / "a.fits" for f in ("x", "y")]

    def found(text, files=files):
        (tmp_path / "l.csv").write_text("path,subclass\n" + text)
        labels = read_labels(tmp_path / "l.csv").among(files)
        rows = [labels.find({"path": str(f), "index": 0, "obsid": None}) for f in files]
        return [row and row["subclass"] for row in rows]

    assert found("x/a.fits,A0\ny/a.fits,B0\n") == ["A0", "B0"]
    assert found("lib\\y\\a,B0\nlib\\x\\a,A0\n") == ["A0", "B0"]
    assert found("y/a.fits,B0\n") == [None, "B0"]
    assert found("raw/x/a.fits,A0\n", files=files[1:] + files[:1]) == [None, "A0"]
    with pytest.raises(DataError, match=r"'a.fits' may mean .*x/a.fits or .*y/a.fits"):
        found("a.fits,A0\n")
    with pytest.raises(DataError, match=r"'p/a.fits' and 'q/a.fits' both may mean .*x/a.fits"):
        found("p/a.fits,A0\nq/a.fits,B0\n", files=files[:1])
    # A path that is there means that file, even if it is none of those that are built.
    with pytest.raises(DataError, match="none of its 1 labels"):
        found("raw/y/a.fits,B0\n", files=files[:1])


def test_one_spectrum_with_two_types_is_refused(tmp_path):
    (tmp_path / "l.csv").write_text("obsid,subclass\n7,B5\n7.0,M1\n")
    with pytest.raises(DataError, match="gives obsid 7 two types, B5 and M1"):
        read_labels(tmp_path / "l.csv")


def test_a_word_that_is_no_class_does_not_hide_the_type(raw, caplog):
    rows = "".join(f"raw/{n},dwarf,{t}\n" for n, t in zip(NAMES, ("B5", "M1")))
    (raw / "l.csv").write_text("path,class,subclass\n" + rows)
    assert types_with(raw, raw / "l.csv") == ["B", "M"]
    assert "'dwarf' 2" in caplog.text
    assert class_word({"class": "galaxy"}) is None and class_word({"class": "V"}) == "V"


def test_a_label_of_mine_wins_over_the_headers_class(raw):
    write_lamost(raw / "raw" / "u.fits", obsid=9, subclass="Non", group="Unknown")
    (raw / "l.csv").write_text("obsid,subclass\n9,O7V\n")
    config = BuildConfig(labels=raw / "l.csv", only_labelled=True)
    assert build([raw / "raw"], raw / "s", config=config).meta["type"].to_list() == ["O"]


def test_ob_is_a_range_and_is_shown(raw, capsys):
    (raw / "l.csv").write_text("obsid,subclass\n101001,OB\n101002,O9-B1 V\n")
    command = ["build", str(raw / "raw"), "--labels", str(raw / "l.csv"), "--out", str(raw / "s")]
    assert run(command) == 0
    assert "by type: B 1, OB 1" in capsys.readouterr().out
    assert label_columns({"subclass": "OB"}) == {
        "type": None, "code": None, "code_low": 0.0, "code_high": 20.0, "luminosity": None,
        "kind": "star",
    }  # fmt: skip


def test_the_store_is_never_one_of_its_sources(raw, capsys):
    folder = str(raw / "raw")
    assert run(["build", folder, "--out", folder]) == 2
    assert "is one of the sources" in capsys.readouterr().err
    (raw / "link").symlink_to(raw / "raw")
    assert run(["build", folder, "--out", str(raw / "link")]) == 2
    # A store among the sources may be built twice: its own lists are no spectra.
    for _ in range(2):
        assert run(["build", str(raw), "--out", str(raw / "store"), "--overwrite"]) == 0
        assert "2 spectra" in capsys.readouterr().out


def test_no_artefact_takes_the_place_of_another(raw, capsys):
    assert run(["build", str(raw / "raw"), "--out", str(raw / "s")]) == 0
    before = (raw / "s" / "manifest.json").read_bytes()
    assert run(["simulate", "--out", str(raw / "s"), "--n", "5"]) == 2
    assert "holds a store already" in capsys.readouterr().err
    assert (raw / "s" / "manifest.json").read_bytes() == before


def test_names_that_are_not_utf8_are_built(raw):
    import os

    odd = raw / "raw" / os.fsdecode(b"\xe9toile.fits")
    write_lamost(odd, obsid=5, subclass="A2V")
    (raw / "raw" / os.fsdecode(b"\xff.fits")).write_bytes(b"no spectrum")
    store = build([raw / "raw"], raw / "s", config=BuildConfig(workers=1))
    assert any(path.endswith("\\xe9toile.fits") for path in store.meta["path"])
    assert "\\xff.fits" in (raw / "s" / "rejected.csv").read_text()


def test_unsigned_columns_with_gaps(tmp_path):
    columns = [
        fits.Column("obsid", "J", array=np.array([3_000_000_000, 7], np.uint32), bzero=2**31),
        fits.Column("subclass", "4A", array=["G5", ""]),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "u.fits")
    labels = read_labels(tmp_path / "u.fits")
    assert labels.by_obsid["3000000000"]["subclass"] == "G5"
    assert labels.by_obsid["7"]["subclass"] is None


def test_positions_in_hours_and_in_parts(tmp_path):
    """One star at 12h 30m -0d 30m, however the table says so."""
    for name, head, place in (
        ("hours", "ra_hours,dec", "12.5,-0.5"),
        ("bracket", "ra (h),dec", "12.5,-0.5"),
        ("parts", "RAh,RAm,RAs,DE-,DEd,DEm,DEs", "12,30,00.0,-,00,30,00"),
        ("minus", "ra,dec", "187.5,\u22120.5"),
        ("letters", "ra,dec", "12h30m00s,-00d30m00s"),
        ("degrees", "RA_deg,DE_deg", "187.5,-0.5"),
    ):
        file = tmp_path / f"{name}.csv"
        file.write_text(f"obsid,subclass,{head.replace('DE_deg', 'dec_deg')}\n7,B5,{place}\n")
        label = read_labels(file).by_obsid["7"]
        found = degrees(label["ra"], hours=True), degrees(label["dec"], hours=False)
        assert found == pytest.approx((187.5, -0.5)), name
    table = Table({"obsid": [7], "subclass": ["B5"], "ra": [12.5], "dec": [-0.5]})
    table["ra"].unit = "hourangle"
    table.write(tmp_path / "unit.ecsv")
    assert read_labels(tmp_path / "unit.ecsv").by_obsid["7"]["ra"] == pytest.approx(187.5)


def test_tables_of_spreadsheets_and_names_in_capitals(raw, caplog):
    table = raw / "sep.csv"
    table.write_text(f"sep=;\npath;subclass\n{NAMES[0].upper()};B5\n{NAMES[1]};\n")
    with caplog.at_level("INFO", "spectype"):
        assert types_with(raw, table) == ["B", "K"]
    assert "matched 2 of 2" in caplog.text and "1 of the labels give no type" in caplog.text
    (raw / "a.xlsx").write_bytes(b"PK\x03\x04" + bytes(99))
    with pytest.raises(DataError, match="spreadsheet"):
        read_labels(raw / "a.xlsx")
