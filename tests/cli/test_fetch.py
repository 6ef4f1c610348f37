"""``spectype fetch`` from the command line, against a local archive."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spectype.cli import run

SECRET = "a-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def local() -> Any:
    name = "local_archive"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "archive" / "local_archive.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def archive(local: Any) -> Iterator[Any]:
    server = local.LocalArchive()
    yield server
    server.close()


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "list.txt"
    path.write_bytes(b"# mine\r\n101\r\n\r\n102\r\n101\r\n103\r\n")
    return path


def test_lamost_and_what_is_missing(
    archive: Any, local: Any, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.serve_spectra()
    archive.on("102", local.send(b"", status=404))
    command = ["fetch", "lamost", str(listed), "--release", "dr6/v2", "--out", str(tmp_path / "r")]
    assert run([*command, "--mirror", archive.url]) == 3
    said = capsys.readouterr()
    assert "1 obsids stand in the list more than once" in said.err
    assert "3 wanted: ok 2, missing 1" in said.out and "does not have it" in said.out
    archive.serve_spectra()
    archive.script.clear()
    assert run([*command, "--mirror", archive.url, "--retry-missing"]) == 0
    assert "3 wanted: present 2, ok 1" in capsys.readouterr().out


def test_no_token_for_a_mirror_and_none_on_the_screen(
    archive: Any, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("LAMOST_TOKEN", SECRET)
    archive.serve_spectra()
    out = tmp_path / "r"
    command = ["fetch", "lamost", str(listed), "--release", "dr6/v2", "--out", str(out)]
    assert run([*command, "--mirror", archive.url]) == 0
    assert run([*command, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert SECRET not in str(archive.requests)
    assert SECRET not in said.out + said.err + caplog.text
    for file in out.glob("*.*"):
        assert SECRET.encode() not in file.read_bytes()


def test_dry_run_asks_nothing(
    archive: Any, listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "fetch",
        "lamost",
        str(listed),
        "--release",
        "dr10/v2.0",
        "--out",
        str(tmp_path / "r"),
    ]
    assert run([*command, "--mirror", archive.url, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert f"{archive.url}/openapi/dr10/v2.0/lrs/spectrum/fits?obsid=101  ~44.5 kB" in out
    assert "3 files, about 133.5 kB" in out
    assert not archive.requests and not (tmp_path / "r").exists()


def test_dry_run_of_a_night_tells_its_size(
    archive: Any, local: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive.on("/dr11/v2.0/tar/lrs-fits/20111024.tar.gz", local.send(b"x" * 2_500_000))
    command = ["fetch", "night", "2011-10-24", "20111025", "--release", "dr11/v2.0"]
    assert run([*command, "--out", str(tmp_path), "--mirror", archive.url, "--dry-run"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("2.5 MB") and "does not have it" in second
    assert {method for method, _, _ in archive.requests} == {"HEAD"}


def test_closed_network_names_the_hosts(
    listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["fetch", "lamost", str(listed), "--release", "dr6/v2", "--out", str(tmp_path / "r")]
    assert run([*command, "--mirror", "http://127.0.0.1:9"]) == 1
    said = capsys.readouterr().err
    assert "cannot be reached" in said and "127.0.0.1 (http, port 9)" in said
    assert "--dry-run" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lamost", "{list}", "--release", "six", "--out", "r"], "not a LAMOST release"),
        (["lamost", "{list}", "--release", "dr6", "--out", "r"], "has versions"),
        (["lamost", "nothing.txt", "--release", "dr6/v2", "--out", "r"], "does not exist"),
        (["lamost", "{list}", "--release", "dr6/v2", "--out", "r", "--parallel", "900"], "polite"),
        (["lamost", "{list}", "--release", "dr6/v2", "--out", "r", "--mirror", "x"], "no mirror"),
        (["night", "--release", "dr11/v2.0", "--out", "r"], "no night is given"),
        (["night", "someday", "--release", "dr11/v2.0", "--out", "r"], "is no night"),
        (["obsids", "--type", "X", "--release", "dr6"], "is no type"),
        (["obsids", "--type", "O", "--release", "dr10/v2.0"], "DR6 only"),
        (["catalogue", "--release", "dr6/v2", "--name", "../x", "--out", "r"], "no file name"),
    ],
)
def test_bad_usage(
    listed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["fetch", *[a.format(list=listed) for a in arguments]]) == 2
    assert message in capsys.readouterr().err


def test_night_catalogue_and_obsids(
    archive: Any, local: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import gzip
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in (
            "20111024/P1/spec-55859-P1_sp01-001.fits.gz",
            "../spec-55859-P1_sp01-002.fits.gz",
        ):
            content = local.spectrum(1)
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive.on("/dr11/v2.0/tar/lrs-fits/20111024.tar.gz", local.send(buffer.getvalue()))
    archive.on("/v2/catdl?name=c.csv.gz", local.send(gzip.compress(b"obsid|class|subclass\n")))
    end = ["--out", str(tmp_path / "raw"), "--mirror", archive.url]
    assert run(["fetch", "night", "20111024", "--release", "dr11/v2.0", *end]) == 3
    assert "ok 1, refused 1" in capsys.readouterr().out
    assert run(["fetch", "catalogue", "--release", "dr6/v2", "--name", "c.csv.gz", *end]) == 0
    assert (tmp_path / "raw" / "c.csv.gz").is_file()
    assert [p.name for p in tmp_path.rglob("*.fits.gz")] == ["spec-55859-P1_sp01-001.fits.gz"]
    assert run(["fetch", "obsids", "--type", "O", "--release", "dr6", "--dry-run"]) == 0
    assert "lamost6.ssa_lrs" in capsys.readouterr().out
