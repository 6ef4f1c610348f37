"""The house rules: imports go downward, heavy ones are lazy, every command is documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from spectype.cli import VERBS, run

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "spectype"
ROOMS = ["core", "surveys", "catalogue", "archive", "dataset", "simulate", "classify", "learn",
         "judge", "cli"]  # fmt: skip


def modules():
    return sorted(SOURCE.rglob("*.py"))


def imported(path):
    """Names of the spectype modules and outside packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "spectype" else None


def test_imports_go_downward_only():
    wrong = []
    for path in modules():
        parts = path.relative_to(SOURCE).parts
        if len(parts) == 1:
            continue
        for name in imported(path):
            target = room(name)
            if target in ROOMS and ROOMS.index(target) > ROOMS.index(parts[0]):
                wrong.append(f"{'/'.join(parts)} imports {name}")
    assert not wrong


def test_torch_lives_in_learn_alone():
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in modules()
        if any(name.split(".")[0] in ("torch", "safetensors") for name in imported(path))
    }
    assert users <= {"learn", "cli"} and "learn" in users
    torch_in_cli = [p.name for p in (SOURCE / "cli").glob("*.py") if "torch" in set(imported(p))]
    assert torch_in_cli == ["doctor.py"]  # which only asks whether it is there


@pytest.mark.parametrize(
    "code, forbidden",
    [
        ("import spectype", "numpy torch polars astropy matplotlib scipy onnxruntime sklearn"),
        (
            "from spectype.cli import run; run(['--help'])",
            "torch polars astropy matplotlib scipy onnxruntime sklearn",
        ),
        ("import spectype.classify.batch", "torch sklearn matplotlib"),
    ],
)
def test_heavy_imports_are_lazy(code, forbidden):
    probe = f"{code}\nimport sys; print('LOADED', *sys.modules)"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = set(out.stdout.split("LOADED")[1].split())
    assert not loaded & set(forbidden.split())


def commands():
    """Every command line that has a help of its own."""
    nested = {
        "plot": ["spectrum", "compare"],
        "catalogue": ["summary", "split", "sample"],
        "fetch": ["lamost", "night", "catalogue", "jacoby", "obsids"],
        "bench": ["read", "catalogue", "gan"],
        "gan": ["train", "sample", "table", "evaluate", "audit"],
    }
    return [[verb, *sub] for verb in VERBS for sub in ([s] for s in nested.get(verb, []))] + [
        [verb] for verb in VERBS if verb not in nested
    ]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command, capsys):
    assert run([*command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert f"Example: spectype {' '.join(command)}" in text


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_stands_in_the_readme_or_docs(command):
    texts = (ROOT / "README.md").read_text() + "".join(
        path.read_text() for path in (ROOT / "docs").glob("*.md")
    )
    assert command[0] in texts and command[-1] in texts


def test_errors_exit_with_their_status(tmp_path, capsys):
    assert run(["build", str(tmp_path / "nowhere"), "--out", str(tmp_path / "s")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert run(["evaluate", str(tmp_path)]) == 1
    assert "manifest.json" in capsys.readouterr().err
    assert run(["--config", str(tmp_path / "no.toml"), "doctor"]) == 2


def test_config_file_gives_options(tmp_path, capsys):
    (tmp_path / "c.toml").write_text('[classify]\nmodel = "nonesuch"\n')
    assert run(["--config", str(tmp_path / "c.toml"), "classify", "x.fits"]) == 2
    assert "nonesuch" in capsys.readouterr().err


def test_modules_stay_readable():
    long = {
        str(path.relative_to(SOURCE)): n
        for path in modules()
        if (n := len(path.read_text().splitlines())) > 450
    }
    assert not long
