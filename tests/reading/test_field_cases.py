"""From a file of some habit to its rows in the table of types, with the model that is shipped.

Toy stars are no stars, and models change: what a file is typed as is compared with what a plain
file of the same star is typed as, and that with the letter.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from spectype.classify.batch import ClassifyConfig, File, classify_files
from spectype.classify.runtime import load_model
from spectype.cli import run
from spectype.core.mk import TYPES
from tests.reading import test_kinds as kinds
from tests.reading import test_odd_files as odd
from tests.reading.toys import LINEAR, WAVE, image, star, text
from tests.surveys.miniature import write

_SHARED = Path(
    os.environ.get("SPECTYPE_DATA", Path(__file__).parents[3] / "shared" / "data")
).parent
SCRIPTS = _SHARED / "fieldcases"
_NEAR = 3.0  # subclasses by which a few masked or missing pixels may move a type


def typed(*paths: Path | str, **config) -> pl.DataFrame:
    files = [File(str(path)) for path in paths]
    return classify_files(files, load_model(), ClassifyConfig(**config))


def plain_file(flux: np.ndarray) -> bytes:
    return text(WAVE, flux, flux / 100, head="lambda_vac,flux,err\n", sep=",")


def codes_of(stars: dict[str, np.ndarray], folder: Path) -> dict[str, float]:
    """Subclass codes of stars by their letters, from the plainest files of them there are."""
    paths = [write(folder / f"{kind}.csv", plain_file(flux)) for kind, flux in stars.items()]
    found = dict(zip(stars, typed(*paths)["subclass_code"].to_list()))
    for kind, code in found.items():
        assert abs(code - (10 * TYPES.index(kind) + 5)) <= 8, f"the toy {kind} is typed {code}"
    return found


def check(rows: pl.DataFrame, expected: str, codes: dict[str, float]) -> None:
    """Rows are stars of these letters, in this order."""
    assert rows.height == len(expected), rows.select("path", "type", "notes", "error").to_dicts()
    for row, letter in zip(rows.to_dicts(), expected.upper()):
        assert row["error"] is None, (row["path"], row["error"])
        code = row["subclass_code"]
        assert abs(code - codes[letter]) <= _NEAR, (row["path"], row["subclass"], row["notes"])


@pytest.fixture(scope="module")
def codes(tmp_path_factory) -> dict[str, float]:
    return codes_of({k: star(k) for k in "AFK"}, tmp_path_factory.mktemp("plain"))


IMAGES = {name: (image(flux, cards), "F") for name, (flux, cards) in kinds.AXES.items()}
ROWS = {n: (image(r, kinds.CARDS | c), "F") for n, (r, c) in kinds.ROWS.items()}
MINE = {
    "stars": kinds.STARS,
    "rows with roles": ROWS,
    "axes": IMAGES,
    "quality": {name: (content, "F") for name, (content, _) in kinds.QUALITY.items()},
    "text": {name: (kinds.TEXTS[name], "F") for name in list(kinds.TEXTS)[::4]},
    "units": {name: (content, "F") for name, content in kinds.UNITS.items()},
    "odd stars": odd.STARS | odd.IMAGES,
    "odd text": {name: (odd.TEXTS[name], "F") for name in list(odd.TEXTS)[::4]},
    "odd axes": {name: (content, "F") for name, content in odd.AXES.items()},
    "odd marks": {name: (content, "F") for name, content in odd.MARKED.items()},
}


@pytest.mark.parametrize("kind", MINE)
def test_every_kind_is_typed_as_the_plain_file_is(tmp_path, codes, kind) -> None:
    """All files of a kind in one run: the right number of rows, in order, of the right types."""
    paths = [write(tmp_path / f"{i:02d}.dat", content) for i, (content, _) in
             enumerate(MINE[kind].values())]  # fmt: skip
    rows = typed(*paths)
    for path, (_content, expected) in zip(paths, MINE[kind].values()):
        check(rows.filter(pl.col("path").str.starts_with(str(path))), expected, codes)
    assert rows["path"].str.head(len(str(paths[0]))).to_list() == sorted(
        rows["path"].str.head(len(str(paths[0]))).to_list()
    )


def test_notes_reach_the_table(tmp_path) -> None:
    """What was assumed, decided and left out; and why a row has no type."""
    silent = write(tmp_path / "silent.fits", image(star("F", LINEAR), kinds.BARE))
    lists = write(tmp_path / "lines.fits", odd.STARS["a list of lines beside a spectrum"][0])
    infrared = np.linspace(11000, 13000, 3000)
    far = write(
        tmp_path / "far.csv", text(infrared, star("F", infrared), head="wave,flux\n", sep=",")
    )
    rows = typed(silent, lists, far).to_dicts()
    assert "air assumed" in rows[0]["notes"] and "left out: table LINES" in rows[1]["notes"]
    assert "no overlap with 3700-9100 A: its good pixels span" in rows[2]["error"]
    asked = typed(silent, frame="vacuum").to_dicts()[0]
    assert "frame vacuum as asked for" in asked["notes"]
    kept = typed(write(tmp_path / "a.fits", image(star("F", LINEAR), kinds.CARDS)), frame="air")
    assert "but the file says vacuum: kept" in kept["notes"][0]


def test_columns_and_unit_that_messages_recommend_exist(tmp_path, codes) -> None:
    odd_names = text(star("F"), WAVE / 10, head="q1,q2\n", sep=",")
    path = write(tmp_path / "a.csv", odd_names)
    assert "--columns" in typed(path)["error"][0]
    check(typed(path, columns="wave=q2,flux=q1", unit="nm"), "F", codes)


# What each script's files are: letters of its rows in order, and words of their notes.
CASES: dict[str, dict[str, tuple[str, str]]] = {
    "01_loglam_rows_merged": {"two.fits": ("FK", ""), "shifted.fits": ("AFK", ""),
                              "four.fits": ("AFKF", "")},
    "03_several_flux_columns": {"two_stars.csv": ("FK", ""), "telluric.csv": ("K", "")},
    "04_rows_are_flux_and_error": {
        f"{name}_{kind}.fits": (kind, note) for kind in "FK" for name, note in (
            ("flux_error", "beside the flux: error"),
            ("flux_variance_sky", "beside the flux: variance, sky"),
            ("popler", "beside the flux: error, continuum"))},
    "05_lamost_image_moved_or_fpacked": dict.fromkeys(
        ("plain.fits", "packed.fits.fz", "moved.fits"), ("F", "")),
    "07_pc_matrix": {f"{unit}_{kind}.fits": (kind, "") for unit in ("angstrom", "metre")
                     for kind in "FK"},
    "08_stale_coeff0": dict.fromkeys(
        ("linear.fits", "cut8.fits", "cut200.fits"), ("F", "contradict CRVAL1")),
    "10_axis_is_no_wavelength": {
        f"{unit}{kind}.fits": ("K", "converted") for kind in ("", "_table")
        for unit in ("THz", "GHz", "Hz", "cm-1", "eV")},
    "12_mask_one_is_good": {
        "few.fits": ("K", "taken as 1 for good"), "red.fits": ("K", "taken as 1 for good"),
        "red.txt": ("K", "taken as 1 for good"), "all_good.fits": ("K", "mask ignored")},
    "13_errors_all_zero": dict.fromkeys(
        ("ispec.txt", "zero.fits", "ivar.fits", "minus1.fits", "nan.fits"),
        ("K", "taken as no errors")),
    "19_file_name_not_utf8": {"spectra/good.csv": ("F", ""), "spectra/last.csv": ("A", ""),
                              "spectra/\udce9toile.csv": ("K", "")},
    "21_text_preamble": {f"{name}.txt": ("K", "") for name in (
        "names", "star", "preamble", "units", "dashes", "idl", "count", "ipac", "ocean", "footer",
        "ctrl_z", "qnan")},
    "22_vacuum_said_otherwise": {
        **{f"{name}.fits": ("K", "") for name in ("ctype", "history", "yes", "unit")},
        "silent.fits": ("K", "air assumed")},
    "24_desi_coadd": {"coadd.fits": ("FK", "3 arms joined")},
    "27_output_is_an_input": {"a.csv": ("F", ""), "b.csv": ("K", ""), "c.fits": ("K", "")},
}  # fmt: skip


def script(name: str) -> ModuleType:
    """A script that writes files; the test is skipped where it is absent."""
    path = SCRIPTS / f"{name}.py"
    if not path.is_file():
        pytest.skip(f"no scripts at {SCRIPTS}; set SPECTYPE_DATA to the folder beside theirs")
    spec = importlib.util.spec_from_file_location(f"case_{name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written(name: str, folder: Path) -> Path:
    """A folder with the files of a script."""
    script(name).write(folder)
    return folder


@pytest.fixture(scope="module")
def their_codes(tmp_path_factory) -> dict[str, float]:
    stars = {kind: script("01_loglam_rows_merged").star(kind) for kind in "AFK"}
    return codes_of(stars, tmp_path_factory.mktemp("reference"))


@pytest.mark.parametrize("name", CASES)
def test_scripts(tmp_path, their_codes, name) -> None:
    folder = written(name, tmp_path)
    rows = typed(*(folder / file for file in CASES[name]))
    at = 0
    for file, (letters, note) in CASES[name].items():
        here = rows[at : at + len(letters)]
        check(here, letters, their_codes)
        assert note in (here["notes"][0] or ""), file
        at += len(letters)
    assert at == rows.height


def test_rows_of_roles_and_lamost_images_have_errors(tmp_path) -> None:
    for name in ("04_rows_are_flux_and_error", "05_lamost_image_moved_or_fpacked"):
        rows = typed(*(written(name, tmp_path) / file for file in CASES[name]))
        assert not rows["flag_names"].str.contains("NO_ERRORS").any()
    assert set(rows["survey"]) == {"lamost"} and set(rows["obsid"]) == {"101001"}


def test_frames_of_script_22(tmp_path) -> None:
    from spectype.surveys import read

    folder = written("22_vacuum_said_otherwise", tmp_path)
    for name in CASES["22_vacuum_said_otherwise"]:
        frame = "air" if name == "silent.fits" else "vacuum"
        assert read(folder / name).get("wave_frame") == [frame], name


def test_a_word_alone_is_refused_by_its_line(tmp_path) -> None:
    folder = written("21_text_preamble", tmp_path)
    assert "line 1 is 'hello'" in typed(folder / "hello.txt")["error"][0]


def test_lamost_medium_resolution(tmp_path) -> None:
    """Recognised, its arms joined, exposures noted, typed on what overlaps: late, and in doubt."""
    folder = written("25_lamost_mrs_is_sdss", tmp_path)
    for row in typed(folder / "loglam.fits", folder / "wavelength.fits").to_dicts():
        assert row["survey"] == "lamost_mrs" and row["obsid"] == "601234567"
        assert row["type"] in "GK" and "PARTIAL_COVERAGE" in row["flag_names"]
        assert "2 arms joined: 4950-5350, 6300-6800 A" in row["notes"]
        assert "2 arms of single exposures left out" in row["notes"]


LABELS = ("ok", "float_obsid", "sci", "zeros", "no_gz", "stem", "windows", "class_dwarf", "b",
          "latin1", "comment")  # fmt: skip


def test_labels_find_their_files(tmp_path, capsys) -> None:
    folder = written("15_labels_do_not_match", tmp_path)
    for name in LABELS:
        labels, store = str(folder / f"{name}.csv"), str(tmp_path / f"store_{name}")
        words = ["build", str(folder / "raw"), "--labels", labels, "--out", store]
        assert run([*words, "--workers", "1"]) == 0
        said = capsys.readouterr()
        assert "by type: B 1, M 1" in said.out and "matched 2 of 2" in said.err, name
        assert ("'dwarf' 2" in said.err) == (name == "class_dwarf")


def test_catalogues_of_rounded_numbers_are_refused(tmp_path, capsys) -> None:
    folder = written("17_catalogue_obsid_rounded", tmp_path)
    for kind, status in (("float32", 1), ("int64", 0), ("unsigned", 0)):
        got = run(
            ["catalogue", "split", str(folder / f"{kind}.fits"), "--out", str(tmp_path / kind)]
        )
        assert got == status, kind
    assert "32-bit floats" in capsys.readouterr().err
    for kind in ("int64", "unsigned"):
        tables = pl.concat([pl.read_parquet(f) for f in (tmp_path / kind).glob("*.parquet")])
        assert sorted(tables["obsid"].cast(pl.Int64)) == list(range(601234567, 601234592))


@pytest.mark.parametrize("name", ["degrees", "hms", "comma"])
def test_catalogues_keep_stars_together(tmp_path, capsys, name) -> None:
    """Each star is there twice; both stand in one split, however its position is written."""
    folder = written("18_catalogue_positions_lost", tmp_path)
    tables, sample = str(tmp_path / "tables"), str(tmp_path / "sample")
    assert run(["catalogue", "split", str(folder / f"{name}.csv"), "--out", tables]) == 0
    words = ["catalogue", "sample", tables, "--per-type", "400", "--min-snr", "10", "--out", sample]
    assert run(words) == 0
    assert "400 spectra of 200 stars" in capsys.readouterr().out
    drawn = pl.read_parquet(tmp_path / "sample" / "sample.parquet")
    pairs = drawn.group_by(pl.col("obsid").cast(pl.Int64) // 2).agg(pl.col("split").n_unique())
    assert pairs.height == 200 and pairs["split"].max() == 1


def test_lists_in_other_encodings(tmp_path, monkeypatch) -> None:
    folder = written("19_file_name_not_utf8", tmp_path)
    monkeypatch.chdir(folder)
    for name, kind in (("list_utf16.txt", "F"), ("list_latin1.txt", "K"), ("spectra", "FAK")):
        source = name if name == "spectra" else f"@{name}"
        assert run(["classify", source, "--output", str(tmp_path / "t.csv"), "--workers", "1"]) == 0
        rows = pl.read_csv(tmp_path / "t.csv")
        assert rows.height == len(kind)
        (tmp_path / "t.csv").unlink()


def test_an_output_is_never_an_input(tmp_path, monkeypatch, capsys) -> None:
    """However the input is spelt: by name, by another way to its folder, by a link."""
    if SCRIPTS.is_dir():
        folder = written("27_output_is_an_input", tmp_path)
    else:
        folder = tmp_path
        for name, kind in (("a.csv", "F"), ("b.csv", "K"), ("c.fits", "K")):
            write(folder / name, plain_file(star(kind)))
    (folder / "link.csv").symlink_to("a.csv")
    (folder / "hard.csv").hardlink_to(folder / "a.csv")
    monkeypatch.chdir(folder)
    before = {name: (folder / name).read_bytes() for name in ("a.csv", "b.csv", "c.fits")}
    for words in (
        ["-o", "a.csv", "b.csv", "c.fits"],
        ["a.csv", "b.csv", "-o", "a.csv"],
        ["c.fits", "-o", "c.fits"],
        ["a.csv", "-o", "link.csv"],
        ["a.csv", "-o", "hard.csv"],
        ["link.csv", "-o", "a.csv"],
        ["a.csv", "-o", f"../{folder.name}/a.csv"],
        [".", "-o", "a.csv"],
    ):
        assert run(["classify", *words]) == 2, words
        assert "would be lost" in capsys.readouterr().err
    assert before == {name: (folder / name).read_bytes() for name in before}
    shutil.rmtree(folder, ignore_errors=True)
