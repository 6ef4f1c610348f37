import base64
import gzip
import json
import re
import warnings

import numpy as np
import polars as pl
import pytest
from astropy.io import fits, votable
from astropy.io.votable.ucd import check_ucd
from astropy.table import Table
from astropy.units import Unit

import spectype
from spectype.bulk.results import scan, summarise
from spectype.classify import columns, tables
from spectype.classify.output import is_table
from spectype.cli import run
from spectype.core.errors import UsageError
from spectype.core.flags import Flag
from tests.classify.test_batch import write
from tests.stars import star_batch

FORMATS = ("csv", "csv.gz", "parquet", "fits", "FITS", "vot", "ecsv")


@pytest.fixture(scope="module")
def types():
    """Three stars: one with an identifier that is a number, one with a name, one untyped."""
    batch = star_batch(
        [22.0, 44.0, 64.0],
        meta={"obsid": ["101001", "0306-51637-0004", None], "ra": [10.5, None, 350.25],
              "object": [None, None, "Wolf é"], "redshift": [1e-4, None, 0.0]},
    )  # fmt: skip
    batch.mask[2] = True
    return spectype.load_model().predict(batch)


def test_results_are_a_data_frame(types):
    assert isinstance(types, pl.DataFrame) and types.columns == list(columns.COLUMNS)
    assert types.filter(pl.col("type") == "A").height == 1
    assert types["obsid"].to_list() == [101001, None, None] and types["obsid"].dtype == pl.Int64
    assert types["object"].to_list() == [None, "0306-51637-0004", "Wolf é"]


def test_astropy_knows_units_meanings_and_what_is_missing(types):
    table = types.to_table()
    assert table["ra"].unit == "deg" and table["ra"].mask.tolist() == [False, True, False]
    assert table["obsid"].dtype == np.int64 and table["obsid"].mask.tolist() == [False, True, True]
    assert table["p_A"].meta["ucd"] == "stat.probability;src.spType"
    assert table["subclass_code"].description.startswith("Decimal code")
    assert table.meta["model"] == "standard" and re.fullmatch(
        "[0-9a-f]{64}", table.meta["model_sha256"]
    )
    assert spectype.to_table(types.select("ra"))["ra"].unit == "deg"


def test_pandas_keeps_numbers_numbers(types):
    frame = types.to_pandas()
    assert list(frame.columns) == types.columns and str(frame["obsid"].dtype) == "Int64"
    assert frame["flags"].dtype == np.int64 and np.isnan(frame["ra"][1])
    np.testing.assert_array_equal(frame["p_A"], types["p_A"].fill_null(np.nan).to_numpy())


def test_a_notebook_shows_the_type(types):
    shown = types._repr_html_()
    assert types["subclass"][0] in shown and "3 rows" in shown and "p_O" not in shown
    many = star_batch([22.0] * 25, meta={"object": [f"<b>{i}" for i in range(25)]})
    assert "and 5 more" in many._repr_html_() and "&lt;b&gt;0" in many._repr_html_()


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_holds_the_same_rows(types, tmp_path, suffix):
    path = types.write(tmp_path / f"t.{suffix}")
    assert is_table(path)
    back = scan(path).collect()
    assert back.columns == types.columns
    for name in ("type", "flag_names", "subclass"):
        assert back[name].fill_null("").to_list() == types[name].fill_null("").to_list()
    for name in ("p_A", "ra", "redshift", "flags"):
        np.testing.assert_array_equal(
            back[name].cast(float).to_numpy(), types[name].cast(float).to_numpy()
        )
    assert summarise(path)["types"] == {"A": 1, "G" if "G" in types["type"] else "K": 1}
    types.write(path)  # ours may be replaced
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="no table of types"):
        types.write(tmp_path / "mine.csv")
    with pytest.raises(UsageError, match="unknown format"):
        types.write(tmp_path / "t.xlsx")


def test_fits_says_what_its_columns_are(types, tmp_path):
    with fits.open(types.write(tmp_path / "t.fits")) as hdus:
        hdus.verify("exception")
        header, data = hdus[1].header, hdus[1].data
        place = {header[f"TTYPE{i}"]: i for i in range(1, header["TFIELDS"] + 1)}
        for name, said in columns.dictionary().items():
            if name in place:
                assert header[f"TUCD{place[name]}"] == said.ucd
                assert header[f"TCOMM{place[name]}"] == said.description
                assert header.get(f"TUNIT{place[name]}", "") == said.unit
                assert header.get(f"TDISP{place[name]}", "") == said.display
        assert header[f"TNULL{place['obsid']}"] == -1 and data["obsid"].tolist()[1:] == [-1, -1]
        assert header["MODEL"] == "standard" and header["SYSTEM"] == "mk"
        assert header["CREATOR"] == f"spectype {spectype.__version__}"
        assert "1=LOW_SNR" in header["FLAGBITS"] and len(header["MODELSHA"]) == 64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Table.read(tmp_path / "t.fits")["obsid"].mask.tolist() == [False, True, True]


def test_the_votable_is_valid(types, tmp_path):
    path = types.write(tmp_path / "t.vot")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = votable.parse(path, verify="exception")
    table = document.get_first_table()
    field = {f.name: f for f in table.fields}
    assert field["ra"].unit == "deg" and field["ra"].ucd == "pos.eq.ra;meta.main"
    assert field["obsid"].datatype == "long" and field["obsid"].values.null == -1
    assert field["type"].description == "Spectral type: O B A F G K M"
    infos = {info.name: info.value for info in document.resources[0].infos}
    assert infos["model"] == "standard" and infos["system"] == "mk"
    report = tmp_path / "report.txt"
    with report.open("w") as stream:
        assert votable.validate(path, output=stream, xmllint=False), report.read_text()


def test_fields_of_parquet_say_what_they_are(types, tmp_path):
    path = types.write(tmp_path / "t.parquet")
    schema = base64.b64decode(pl.read_parquet_metadata(path)["ARROW:schema"])
    assert all(columns.dictionary()[n].description.encode() in schema for n in types.columns)
    pyarrow = pytest.importorskip("pyarrow.parquet")
    fields = pyarrow.read_schema(path)
    assert fields.field("ra").metadata == {
        b"unit": b"deg", b"ucd": b"pos.eq.ra;meta.main", b"description": b"Right ascension"
    }  # fmt: skip
    said = columns.dictionary()
    for name in types.columns:
        assert fields.field(name).metadata[b"ucd"].decode() == said[name].ucd
    assert json.loads(fields.metadata[b"spectype.provenance"]) == types.provenance
    assert pyarrow.read_table(path)["p_A"].to_pylist() == types["p_A"].to_list()


def test_parquet_is_voparquet(types, tmp_path):
    said = pl.read_parquet_metadata(types.write(tmp_path / "t.parquet"))
    assert said["IVOA.VOTable-Parquet.version"] == "1.0"
    (tmp_path / "head.vot").write_text(said["IVOA.VOTable-Parquet.content"])
    table = votable.parse_single_table(tmp_path / "head.vot", verify="exception")
    assert [f.name for f in table.fields] == types.columns and len(table.array) == 0
    assert json.loads(said["spectype.provenance"])["model"] == "standard"


def test_compressed_csv_is_the_same_bytes_every_time(types, tmp_path):
    one, two = (types.write(tmp_path / f"{n}.csv.gz").read_bytes() for n in "ab")
    assert one == two and gzip.decompress(one).decode().splitlines()[0].startswith("path,obsid,ra")


def test_every_column_is_described_in_the_vocabulary_of_the_ivoa():
    for name, said in columns.dictionary().items():
        assert check_ucd(said.ucd, check_controlled_vocabulary=True), name
        assert Unit(said.unit, format="fits") is not None and said.description
    assert list(columns.dictionary())[: len(columns.COLUMNS)] == list(columns.COLUMNS)


def test_the_command_line_writes_each_and_describes_its_columns(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", 22.0)
    monkeypatch.setattr("sys.argv", ["/usr/bin/spectype", "classify", "a.csv", "-o", "t.FITS"])
    for suffix in FORMATS[1:]:
        assert run(["classify", "a.csv", "--velocity", "--indices", "-o", f"t.{suffix}"]) == 0
        assert is_table(tmp_path / f"t.{suffix}")
    header = fits.getheader("t.FITS", 1)
    assert header["COMMAND"] == "spectype classify a.csv -o t.FITS"
    units = [header.get(f"TUNIT{i}") for i in range(1, header["TFIELDS"] + 1)]
    assert units.count("km/s") == 2 and units.count("Angstrom") > 20
    capsys.readouterr()
    assert run(["classify", "--describe"]) == 0
    said = capsys.readouterr().out
    assert all(f"| `{name}` |" in said for name in columns.dictionary())
    assert all(str(flag.name) in said for flag in Flag)


def test_provenance_of_python_names_no_command(types):
    assert types.provenance["command"] == "called from Python"
    about = tables.provenance(model="m", checksum="0" * 64, system="mk")
    assert about["flags"].split()[0] == "1=LOW_SNR" and about["date"][10] == "T"
