"""``spectype plot explain`` through the real command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spectype.classify import explain as reasons
from spectype.cli import run
from tests.stars import star_flux

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
