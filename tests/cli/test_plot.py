"""``spectype plot`` through the real command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spectype.cli import run
from spectype.core.errors import UsageError
from spectype.core.grid import STANDARD_GRID, vacuum_to_air
from spectype.core.lines import LINES


def write_csv(path: Path, *, start: float = 3700.0, end: float = 7000.0) -> Path:
    wave = STANDARD_GRID[(start < STANDARD_GRID) & (end > STANDARD_GRID)]
    flux = 5.0 * (1 - 0.5 * np.exp(-0.5 * ((wave - LINES["H beta"].wave) / 9.0) ** 2))
    rows = np.stack([vacuum_to_air(wave), flux, 0.05 + 0 * flux], axis=1)
    np.savetxt(path, rows, delimiter=",", header="wavelength,flux,error", comments="")
    return path


@pytest.fixture
def star(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "Sirius β 1.csv")


def test_one_spectrum_to_each_format(star: Path, tmp_path: Path) -> None:
    for suffix, magic in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        target = tmp_path / "new folder" / f"out.{suffix}"
        assert run(["plot", "spectrum", str(star), "-o", str(target), "--no-typed"]) == 0
        assert target.read_bytes().startswith(magic)


def test_several_become_pages_or_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x").mkdir()
    files = [str(write_csv(tmp_path / p)) for p in ("a.csv", "b.csv", "x/a.csv")]
    book = tmp_path / "book.pdf"
    assert run(["plot", "spectrum", *files, "-o", str(book), "--no-typed"]) == 0
    assert book.read_bytes().count(b"/Type /Page ") == 3
    folder = tmp_path / "figures"
    assert run(["plot", "spectrum", *files, "-o", str(folder), "--no-typed"]) == 0
    assert {p.name for p in folder.iterdir()} == {"a.png", "b.png", "a-2.png"}
    assert capsys.readouterr().out.splitlines()[0] == str(book)


def test_an_unreadable_file_among_others_is_named_and_the_rest_drawn(
    star: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.fits").write_bytes(b"")
    files = [str(tmp_path / "empty.fits"), str(star)]
    assert run(["plot", "spectrum", *files, "-o", str(tmp_path / "f"), "--no-typed"]) == 3
    assert "empty.fits" in capsys.readouterr().err
    assert [p.name for p in (tmp_path / "f").iterdir()] == ["Sirius β 1.png"]
    assert run(["plot", "spectrum", files[0], files[0], "--no-typed"]) == 1


def test_the_default_name_is_beside_you(
    star: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(["plot", "spectrum", str(star), "--no-typed"]) == 0
    assert (tmp_path / "here" / "Sirius β 1.png").is_file()


def test_type_of_the_model_is_drawn(
    star: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import polars as pl

    class Stub:
        def predict(self, spectra: object) -> pl.DataFrame:
            return pl.DataFrame(
                {"type": ["A"], "p_A": [0.97], "subclass": ["A1.5"], "luminosity": ["V"],
                 "subclass_error": [0.8], "type_set": ["A"], "flag_names": ["NO_ERRORS"]}
            )  # fmt: skip

    monkeypatch.setattr("spectype.classify.runtime.load_model", lambda *a: Stub())
    target = tmp_path / "typed.svg"
    assert run(["plot", "spectrum", str(star), "-o", str(target), "--lines", "A"]) == 0
    text = target.read_text(encoding="utf-8")
    assert "A1.5 V" in text and "0.97" in text and "no errors" in text and ">Hβ<" in text


def test_without_a_model_it_draws_and_says_so(
    star: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def missing(*name: str) -> None:
        raise UsageError(f"no model {name}")

    monkeypatch.setattr("spectype.classify.runtime.load_model", missing)
    target = tmp_path / "bare.png"
    assert run(["plot", "spectrum", str(star), "-o", str(target)]) == 0
    assert "drawn without types: no model" in capsys.readouterr().err and target.is_file()
    assert run(["plot", "spectrum", str(star), "-o", str(target), "--model", "mine"]) == 2


def test_compare_air_with_vacuum(star: Path, tmp_path: Path) -> None:
    other = write_csv(tmp_path / "other.csv", start=4200.0)
    target = tmp_path / "both.svg"
    arguments = ["plot", "compare", str(star), str(other), "-o", str(target), "--normalise",
                 "--fwhm", "300", "--names", "one", "two", "--title", "A test"]  # fmt: skip
    assert run(arguments) == 0
    text = target.read_text(encoding="utf-8")
    for said in ("one", "two", "A test", "ratio", "vacuum wavelength at rest"):
        assert f">{said}" in text


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["spectrum"], 2, "no file is named"),
        (["spectrum", "gone.fits", "-o", "a.png"], 1, "gone.fits"),
        (["spectrum", "STAR", "-o", "a.jpg"], 2, "cannot be written as .jpg"),
        (["spectrum", "STAR", "STAR", "-o", "a.png"], 2, "do not fit into one .png"),
        (["spectrum", "STAR[7]", "-o", "a.png"], 2, "has no spectrum 7; the last is 0"),
        (["spectrum", "STAR", "--between", "5000", "4000"], 2, "no wavelengths lie between"),
        (["spectrum", "STAR", "--lines", "XY"], 2, "names no types"),
        (["compare", "STAR"], 2, "a comparison needs two"),
        (["compare", "STAR", "STAR", "-o", "a.txt"], 2, "cannot be written as .txt"),
        (["compare", "STAR", "STAR", "--names", "one"], 2, "1 names for 2 spectra"),
        (["compare", "STAR", "STAR", "--fwhm", "-3"], 2, "not positive"),
        (["compare", "STAR", "RED"], 1, "share no wavelength"),
    ],
)
def test_bad_requests_are_refused_by_name(
    arguments: list[str],
    status: int,
    message: str,
    star: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    red = write_csv(tmp_path / "red.csv", start=7500.0, end=9000.0)
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    filled = [a.replace("STAR", str(star)).replace("RED", str(red)) for a in arguments]
    if arguments[0] == "spectrum":
        filled.append("--no-typed")
    assert run(["plot", *filled]) == status
    assert message in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("spectrum", "compare"):
        assert run(["plot", verb, "--help"]) == 0
        assert f"Example: spectype plot {verb}" in capsys.readouterr().out


@pytest.mark.real
def test_lamost_against_jacoby(real_data: Path, tmp_path: Path) -> None:
    lamost = next((real_data / "lamost").rglob("*.fits.gz"))
    target = tmp_path / "compare.png"
    files = [str(lamost), str(real_data / "libraries" / "jacoby" / "jc_20.fits.gz")]
    assert run(["plot", "compare", *files, "-o", str(target)]) == 0
    assert target.stat().st_size > 20_000
