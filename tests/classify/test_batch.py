import gzip
import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.bulk import work
from spectype.classify.paths import find
from spectype.cli import run
from tests.stars import star_flux

WAVE = np.arange(3800.0, 8800.0, 2.0)


def write(path, code, seed=0):
    rng = np.random.default_rng(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    flux = star_flux(code, WAVE) * (1 + 0.02 * rng.normal(size=WAVE.size))
    path.write_text("wave,flux\n" + "\n".join(f"{w},{f:.4f}" for w, f in zip(WAVE, flux)))
    return str(path)


@pytest.fixture
def files(tmp_path):
    return [write(tmp_path / "in" / f"s{i}.csv", 20 + 10 * i) for i in range(4)]


def classify(*argv):
    return run(["classify", *map(str, argv)])


def test_one_row_a_file_in_order_all_formats(files, tmp_path):
    tables = {}
    for suffix in ("csv", "parquet"):
        out = tmp_path / f"t.{suffix}"
        assert classify(tmp_path / "in", "--output", out) == 0
        tables[suffix] = pl.read_csv(out) if suffix == "csv" else pl.read_parquet(out)
    assert tables["csv"]["path"].to_list() == files
    np.testing.assert_allclose(tables["csv"]["p_G"], tables["parquet"]["p_G"])
    assert classify(tmp_path / "in", "-o", tmp_path / "t.fits") == 0
    from astropy.table import Table

    fits = Table.read(tmp_path / "t.fits")
    assert [str(v) for v in fits["path"]] == files
    np.testing.assert_allclose(fits["p_G"], tables["parquet"]["p_G"])
    assert not list(tmp_path.glob("*.parts"))


def test_paths_of_every_kind(files, tmp_path, monkeypatch):
    (tmp_path / "list.txt").write_text(f"# mine\r\n{files[2]}\r\n\r\n{files[3]}\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(files[0] + "\n"))
    got = find([str(tmp_path / "in" / "s[01].csv"), f"@{tmp_path / 'list.txt'}", "-"])
    assert list(got) == [*files, files[0]]


def test_shares_of_a_table_are_disjoint_and_complete(files, capsys):
    parts = []
    for i in (1, 2, 3):
        assert classify(*files, files[0], "--shard", f"{i}/3") == 0
        parts.append(pl.read_csv(io.StringIO(capsys.readouterr().out))["path"].to_list())
    assert parts == [[files[0], files[3]], [files[1], files[0]], [files[2]]]


def test_bad_files_are_rows_with_errors_and_the_others_are_typed(files, tmp_path, capsys):
    folder = tmp_path / "in"
    (folder / "empty.fits").write_bytes(b"")
    (folder / "not é.fits").write_bytes(b"hello world" * 50)
    whole = gzip.compress((folder / "s0.csv").read_bytes())
    (folder / "cut.csv.gz").write_bytes(whole[: len(whole) // 2])
    crc = bytearray(whole)
    crc[-6] ^= 0xFF
    (folder / "crc.csv.gz").write_bytes(bytes(crc))
    (folder / "zero.csv").write_text("wave,flux\n" + "\n".join(f"{w},0" for w in WAVE))
    (folder / "nan.csv").write_text("wave,flux\n" + "\n".join(f"{w},nan" for w in WAVE))
    (folder / "uv.csv").write_text("wave,flux\n" + "\n".join(f"{w - 2500},1.5" for w in WAVE[:99]))
    out = tmp_path / "out.csv"
    assert classify(folder, tmp_path / "gone.fits", "--output", out) == 3
    rows = {Path(r["path"]).name: r for r in pl.read_csv(out).to_dicts()}
    assert len(rows) == 12
    bad = {n for n, r in rows.items() if r["error"]}
    assert bad >= {"empty.fits", "not é.fits", "cut.csv.gz", "crc.csv.gz", "gone.fits", "nan.csv"}
    assert rows["uv.csv"]["type"] is None
    assert all(rows[f"s{i}.csv"]["type"] and not rows[f"s{i}.csv"]["error"] for i in range(4))


def test_exit_statuses(files, tmp_path, capsys):
    assert classify(files[0], "--output", tmp_path / "o.csv") == 0
    assert classify(tmp_path / "gone.fits", "--output", tmp_path / "o.csv") == 1
    (tmp_path / "bare").mkdir()
    assert classify(tmp_path / "bare", "--output", tmp_path / "o.csv") == 2
    assert classify(files[0], "--output", tmp_path / "o.xyz") == 2
    assert classify(files[0], "--output", "/proc/none/o.csv") == 2
    assert classify(files[0], "--model", "nonesuch") == 2
    assert classify(files[0], "--nonsense") == 2
    assert classify() == 2
    assert "nonesuch" in capsys.readouterr().err


def test_stdout_is_csv_alone(files, capsys):
    assert classify(files[1], files[2]) == 0
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert table["path"].to_list() == files[1:3]


def test_several_spectra_in_a_file_give_several_rows(tmp_path):
    from astropy.table import Table

    flux = np.stack([star_flux(c, WAVE) for c in (22.0, 44.0, 64.0)]).astype(np.float32)
    Table({"WAVELENGTH": np.tile(WAVE, (3, 1)), "FLUX": flux}).write(tmp_path / "three.fits")
    assert classify(tmp_path / "three.fits", "--output", tmp_path / "o.csv") == 0
    paths = pl.read_csv(tmp_path / "o.csv")["path"].to_list()
    assert paths == [f"{tmp_path / 'three.fits'}[{i}]" for i in range(3)]


def test_what_an_interrupted_table_left_is_used_or_thrown_away(files, tmp_path, monkeypatch):
    out, parts = tmp_path / "t.csv", tmp_path / "t.csv.parts"
    monkeypatch.setattr(work, "BATCH", 1)
    plain, seen = work.type_units, []

    def dying(units, model, config):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.extend(units)
        return plain(units, model, config)

    call = [tmp_path / "in", "--output", out, "--workers", "1"]
    monkeypatch.setattr(work, "type_units", dying)
    assert classify(*call) == 130 and not out.exists() and parts.is_dir()
    again = []
    monkeypatch.setattr(work, "type_units", lambda u, m, c: again.extend(u) or plain(u, m, c))
    assert classify(*call) == 0
    assert again == files[2:] and not parts.exists()
    assert pl.read_csv(out)["path"].to_list() == files
    monkeypatch.setattr(work, "type_units", dying)
    seen.clear()
    assert classify(*call) == 130
    monkeypatch.setattr(work, "type_units", plain)
    assert classify(*call, "--system", "survey") == 0  # the parts were of another system
    assert pl.read_csv(out)["path"].to_list() == files and not parts.exists()


@pytest.mark.real
def test_real_lamost_agrees_with_the_survey(real_data, tmp_path):
    labels = pl.read_csv(real_data / "labels.csv", infer_schema=False)
    part = labels.filter((pl.col("survey") == "LAMOST LRS") & (pl.col("mk_type") != "other"))
    part = part.sample(150, seed=3)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(real_data / p) for p in part["path"]))
    assert classify(f"@{listed}", "--system", "survey", "--output", tmp_path / "o.csv") == 0
    types = pl.read_csv(tmp_path / "o.csv")["type"].to_list()
    agree = np.mean([a == b for a, b in zip(types, part["mk_type"])])
    assert agree > 0.85  # the survey's own labels of two exposures agree for 0.915
