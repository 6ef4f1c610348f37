"""``spectype plot explain`` through the real command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spectype.classify import explain as reasons
from spectype.cli import run
from spectype.core import mk
from spectype.core.grid import STANDARD_GRID
from spectype.dataset.preprocess import standard_chain, to_data
from spectype.dataset.store import StoreWriter, encode
from tests.stars import star_batch, star_flux

WAVE = np.arange(3800.0, 7400.0, 2.0)


@pytest.fixture(autouse=True)
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer windows, so that the test is fast."""
    plain = reasons.explain
    monkeypatch.setattr(
        reasons, "explain", lambda *a, **k: plain(*a, **{"width": 64, "step": 64, **k})
    )


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    names = []
    for code in (22.0, 44.0):
        path = tmp_path / f"star {code}.csv"
        rows = np.stack([WAVE, star_flux(code, WAVE)], axis=1)
        np.savetxt(path, rows, delimiter=",", header="wavelength,flux", comments="")
        names.append(str(path))
    return names


def explain(*arguments: object) -> int:
    return run(["plot", "explain", *map(str, arguments), "--frame", "vacuum"])


def test_one_page_a_spectrum(files: list[str], tmp_path: Path) -> None:
    assert explain(*files, "-o", tmp_path / "why.pdf") == 0
    assert (tmp_path / "why.pdf").read_bytes().count(b"/Type /Page ") == 2


def test_figure_says_type_and_pull(files: list[str], tmp_path: Path) -> None:
    assert explain(files[0], "-o", tmp_path / "why.svg", "--title", "A star") == 0
    text = (tmp_path / "why.svg").read_text(encoding="utf-8")
    assert ">A star<" in text and "features here make it later" in text and ">Hβ<" in text


def test_average_of_each_type(files: list[str], tmp_path: Path) -> None:
    assert explain(*files, "-o", tmp_path / "mean.svg", "--average") == 0
    text = (tmp_path / "mean.svg").read_text(encoding="utf-8")
    assert "where spectroscopists do" in text and "1 spectrum" in text


@pytest.fixture
def library(tmp_path: Path) -> Path:
    codes = [22.0, 24.0, 44.0, 64.0]
    spectra = star_batch(codes, snr=200.0)
    writer = StoreWriter(tmp_path / "library", wave=spectra.wave)
    writer.append(*encode(spectra))
    rows = [
        {"path": f"{c}", "object": f"standard {c:g}", "survey": "miles", "star_id": str(c),
         "type": mk.type_of(c), "code": c, "subclass": mk.format_code(c), "synthetic": False,
         "redshift": 0.0, "index": 0, "has_errors": True}
        for c in codes
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())}).folder


def test_standards_stand_under_the_spectrum(
    files: list[str], library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(files[1], "-o", tmp_path / "why.svg", "--standards", library) == 0
    text = (tmp_path / "why.svg").read_text(encoding="utf-8")
    assert "nearest standards" in text and text.count("km/s<") == 3
    assert text.index("standard 44") < text.index("standard 64")
    short = tmp_path / "short.csv"
    short.write_text("wavelength,flux\n" + "\n".join(f"{w},1" for w in WAVE[:50]))
    assert explain(short, "-o", tmp_path / "short.png", "--standards", library) == 0
    assert "drawn without standards" in capsys.readouterr().err


def test_stores_that_cannot_be_compared_with(
    files: list[str], library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(files[0], "--standards", tmp_path / "nowhere") == 1
    assert "nowhere" in capsys.readouterr().err
    assert explain(files[0], "--standards", library, "--average") == 2
    assert "exclude each other" in capsys.readouterr().err
    empty = StoreWriter(tmp_path / "empty", wave=STANDARD_GRID)
    columns = {"type": None, "code": None, "survey": None, "synthetic": None}
    spectra = star_batch([42.0])
    empty.append(*encode(spectra))
    empty.close([columns], {"chain": to_data(standard_chain())})
    assert explain(files[0], "--standards", tmp_path / "empty") == 1
    assert "no real spectrum with a type" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "no file is named"),
        (["FILE", "--system", "martian"], 2, "martian"),
        (["FILE", "--model", "nonesuch"], 2, "nonesuch"),
        (["FILE", "-o", "x.gif"], 2, "cannot be written as .gif"),
        (["SHORT", "--average"], 1, "none of the spectra is given a type"),
    ],
)
def test_bad_requests_are_refused(
    arguments: list[str],
    status: int,
    message: str,
    files: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    short = tmp_path / "short.csv"
    short.write_text("wavelength,flux\n" + "\n".join(f"{w},1" for w in WAVE[:50]))
    monkeypatch.chdir(tmp_path)
    names = {"FILE": files[0], "SHORT": short}
    assert explain(*(names.get(a, a) for a in arguments)) == status
    assert message in capsys.readouterr().err


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plot", "explain", "--help"]) == 0
    assert "Example: spectype plot explain" in capsys.readouterr().out
