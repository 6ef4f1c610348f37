import numpy as np
import polars as pl
import pytest
from astropy.table import Table

from spectype.cli import run
from tests.classify.test_batch import WAVE, write
from tests.stars import star_flux


@pytest.fixture
def spectra(tmp_path, monkeypatch):
    """Spectra in text and FITS, with a soft and a hard link to one of them."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.csv", 22.0)
    write(tmp_path / "b.csv", 52.0)
    Table({"WAVELENGTH": WAVE, "FLUX": star_flux(42.0, WAVE)}).write(tmp_path / "c.fits")
    (tmp_path / "soft.csv").symlink_to("a.csv")
    (tmp_path / "hard.csv").hardlink_to("a.csv")
    return tmp_path


@pytest.mark.parametrize(
    "argv",
    [
        ["-o", "a.csv", "b.csv"],  # -o *.csv: the shell puts a spectrum behind -o
        ["a.csv", "b.csv", "-o", "a.csv"],
        ["a.csv", "b.csv", "-o", "./b.csv"],
        ["c.fits", "-o", "c.fits"],
        ["a.csv", "-o", "soft.csv"],
        ["soft.csv", "-o", "a.csv"],
        ["a.csv", "-o", "hard.csv"],
        [".", "-o", "b.csv"],
        ["a.csv", "-o", "c.fits"],
        ["a.csv", "-o", "notes.csv"],
        ["a.csv", "-o", "notes.parquet"],
    ],
)
def test_nothing_of_the_users_is_overwritten(spectra, argv, capsys):
    (spectra / "notes.csv").write_text("path,obsid,colour\na.csv,1,red\n")
    pl.DataFrame({"path": ["a"], "obsid": [1]}).write_parquet("notes.parquet")
    before = {p.name: p.read_bytes() for p in spectra.iterdir()}
    assert run(["classify", *argv]) == 2
    assert {p.name: p.read_bytes() for p in spectra.iterdir()} == before
    error = capsys.readouterr().err
    assert "one of the spectra" in error or "is no table of types" in error


@pytest.mark.parametrize("output", ["t.csv", "t.parquet", "t.fits"])
def test_an_earlier_table_is_replaced_and_never_typed(spectra, output, capsys):
    (spectra / output).touch()  # an empty file has nothing to lose
    assert run(["classify", "a.csv", "-o", output]) == 0
    assert run(["classify", "a.csv", "b.csv", output, "-o", output]) == 0
    table = Table.read(output) if output.endswith("fits") else None
    if table is None:
        table = pl.read_csv(output) if output.endswith("csv") else pl.read_parquet(output)
    assert list(table["path"]) == ["a.csv", "b.csv"]
    assert [str(t) for t in table["type"]] == ["A", "K"]


def test_a_folder_in_the_place_of_partial_results_is_kept(spectra, capsys):
    (spectra / "t.csv.parts").mkdir()
    (spectra / "t.csv.parts" / "mine.txt").write_text("mine")
    assert run(["classify", "a.csv", "-o", "t.csv"]) == 2
    assert (spectra / "t.csv.parts" / "mine.txt").read_text() == "mine"


def test_what_cannot_be_typed_says_why(spectra, capsys):
    flux = star_flux(22.0, WAVE)
    rows = {"uv": WAVE - 2500, "ir": WAVE + 6000, "edge": WAVE + 5200}
    for name, wave in rows.items():
        inside = wave < 3690 if name == "uv" else wave > 0
        lines = [f"{w},{f:.4f}" for w, f in zip(wave[inside], flux[inside])]
        (spectra / f"{name}.csv").write_text("wave,flux\n" + "\n".join(lines))
    (spectra / "nan.csv").write_text("wave,flux\n" + "\n".join(f"{w},nan" for w in WAVE))
    files = [f"{name}.csv" for name in (*rows, "nan")]
    assert run(["classify", *files, "-o", "t.csv"]) == 1
    errors = dict(pl.read_csv("t.csv").select("path", "error").iter_rows())
    assert errors["uv.csv"].startswith("no overlap with 3700-9100 A")
    assert errors["ir.csv"].startswith("no overlap with 3700-9100 A")
    assert errors["edge.csv"].startswith("too little overlap with 3700-9100 A")
    assert "no good pixel" in errors["nan.csv"]
    assert run(["classify", "a.csv", *files, "-o", "t.csv"]) == 3


def test_notes_of_the_reader_follow_the_error(spectra):
    wave = np.where(np.arange(WAVE.size) == 7, np.nan, WAVE)
    rows = "\n".join(f"{w},{f:.4f}" for w, f in zip(wave, star_flux(22.0, WAVE)))
    (spectra / "d.csv").write_text("wave,flux\n" + rows)
    assert run(["classify", "d.csv", "a.csv", "-o", "t.csv"]) == 0
    table = pl.read_csv("t.csv", infer_schema=False)
    assert table.columns[table.columns.index("error") + 1] == "notes"
    import spectype

    meta = spectype.read("d.csv").meta
    assert table["notes"].to_list()[0] == (meta["notes"][0] or None)


def test_columns_and_unit_by_the_users_word(spectra):
    rows = "\n".join(f"{f:.4f},{w / 10}" for w, f in zip(WAVE, star_flux(22.0, WAVE)))
    (spectra / "odd.csv").write_text("foo,bar\n" + rows)
    say = ["--columns", "wave=bar,flux=foo", "--unit", "nm"]
    assert run(["classify", "odd.csv", *say, "-o", "t.csv"]) == 0
    assert run(["classify", "a.csv", "-o", "u.csv"]) == 0
    one, two = (pl.read_csv(n)["subclass_code"].item() for n in ("t.csv", "u.csv"))
    assert one == pytest.approx(two, abs=1.0)
    assert run(["plot", "spectrum", "odd.csv", *say, "--no-typed", "-o", "f.png"]) == 0
    assert run(["plot", "compare", "odd.csv", "odd.csv", *say, "-o", "g.png"]) == 0


def test_a_figure_never_takes_the_place_of_something_else(spectra, capsys):
    (spectra / "paper.svg").write_text("no figure")
    before = (spectra / "a.csv").read_bytes()
    for command, output in (("spectrum", "a.csv"), ("spectrum", "paper.svg")):
        assert run(["plot", command, "b.csv", "--no-typed", "-o", output]) == 2
    assert run(["plot", "compare", "a.csv", "b.csv", "-o", "paper.svg"]) == 2
    assert (spectra / "a.csv").read_bytes() == before
    assert (spectra / "paper.svg").read_text() == "no figure"
