import numpy as np
import polars as pl
import pytest
from astropy.table import Table

import spectype
from spectype.bulk.join import join
from spectype.bulk.results import origin
from spectype.classify.tables import read_provenance
from spectype.cli import run
from spectype.core.errors import DataError, UsageError
from tests.stars import star_batch

OBSIDS = [101001, 102002, None, 104004]
RA, DEC = [10.0, 359.9999, None, 120.0], [0.0, 45.0, None, 89.9995]


@pytest.fixture
def results(tmp_path):
    """Four typed stars, one of them without identifier and position."""
    meta = {"obsid": [o if o is None else str(o) for o in OBSIDS], "ra": RA, "dec": DEC}
    table = spectype.load_model().predict(star_batch([22.0] * 4, meta=meta))
    return table.write(tmp_path / "types.parquet")


def joined(results, catalogue, name="out.parquet", **options):
    found = join(results, catalogue, results.with_name(name), **options)
    return found, pl.read_parquet(results.with_name(name)) if name.endswith("t") else None


@pytest.mark.parametrize("dress", ["{}", "{}.0", "000{}", "b'{}'"])
def test_by_obsid_however_it_is_written(results, tmp_path, dress):
    rows = [f"{dress.format(o)}|K|{i}" for i, o in enumerate((104004, 999, 101001))]
    (tmp_path / "c.csv").write_text("obsid|type|mag\n" + "\n".join(rows))
    found, table = joined(results, tmp_path / "c.csv")
    assert (found.rows, found.matched, found.by) == (4, 2, "obsid")
    assert table["mag"].to_list() == ["2", None, None, "0"]
    assert table.columns[-2:] == ["type_catalogue", "mag"] and table["type"].to_list() == ["A"] * 4


def test_by_position_over_the_zero_meridian_and_at_the_pole(results, tmp_path):
    # 2 arcsec north; over RA 0, 1.1 arcsec on the sky; by the pole 90 degrees of RA are 2.5 arcsec
    ra, dec = [10.0, 0.0003, 210.0], [2 / 3600, 45.0, 89.9995]
    Table({"RAJ2000": ra, "DEJ2000": dec, "mag": [1.0, 2.0, 3.0]}).write(tmp_path / "c.fits")
    found, table = joined(results, tmp_path / "c.fits", radius=3.0)
    assert found.by == "position" and table["mag"].to_list() == [1.0, 2.0, None, 3.0]
    apart = table["separation"].to_list()
    assert apart[0] == pytest.approx(2.0, abs=1e-6)
    assert apart[1] == pytest.approx(0.0004 * 3600 * np.cos(np.pi / 4), rel=1e-4)
    assert apart[3] == pytest.approx(0.0005 * 3600 * np.sqrt(2), rel=1e-4)
    assert joined(results, tmp_path / "c.fits", radius=1.5)[0].matched == 1
    (tmp_path / "hours.csv").write_text("ra,dec\n00:40:00.0,+00:00:01\n")
    assert joined(results, tmp_path / "hours.csv")[0].matched == 1


def test_what_cannot_be_joined_says_why(results, tmp_path):
    (tmp_path / "twice.csv").write_text("obsid,m\n101001,1\n101001,2\n")
    with pytest.raises(DataError, match="obsid 101001 stands in rows 1 and 2"):
        joined(results, tmp_path / "twice.csv")
    (tmp_path / "none.csv").write_text("name,m\na,1\n")
    with pytest.raises(UsageError, match="neither obsid nor ra and dec"):
        joined(results, tmp_path / "none.csv")
    with pytest.raises(UsageError, match="has no columns ra and dec"):
        joined(results, tmp_path / "twice.csv", by="position")
    with pytest.raises(UsageError, match="not positive"):
        joined(results, tmp_path / "twice.csv", radius=0)


def test_the_command_joins_tables_of_every_format(results, tmp_path, capsys):
    (tmp_path / "c.csv").write_text("obsid,mag\n104004,12.5\n")
    for suffix in ("csv", "fits", "vot", "ecsv"):
        out = tmp_path / f"j.{suffix}"
        assert run(["results", "join", str(results), str(tmp_path / "c.csv"), "-o", str(out)]) == 0
        assert "1 of 4 rows are in the catalogue, by obsid" in capsys.readouterr().err
        said = read_provenance(out)
        assert said.get("model") == (None if suffix == "csv" else "standard")
        assert suffix == "csv" or said["flags"].startswith("1=LOW_SNR")
    assert origin(tmp_path / "j.csv")["model"] == "unknown"
    assert origin(tmp_path / "j.fits")["model_sha256"] == said["model_sha256"]
    assert pl.read_csv(tmp_path / "j.csv")["mag"].to_list() == [None, None, None, 12.5]
    (tmp_path / "c.csv").write_text("obsid,mag\n1,12.5\n")
    assert run(["results", "join", str(results), str(tmp_path / "c.csv"), "-o", str(out)]) == 1
