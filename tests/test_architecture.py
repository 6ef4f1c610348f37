"""The house rules: imports go downward, heavy ones are lazy, every command is documented."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from spectype.cli import VERBS, run

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "spectype"
ROOMS = ["core", "formats", "reading", "surveys", "catalogue", "archive", "dataset", "starlight",
         "simulate",
         "classify", "bulk", "draw", "mine", "learn", "judge", "generate", "fidelity", "refine",
         "study", "bench", "web", "cli"]  # fmt: skip


@cache
def modules():
    return sorted(SOURCE.rglob("*.py"))


def name_of(path):
    """Dotted name of a module."""
    parts = ["spectype", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def module_names():
    return {name_of(path) for path in modules()}


def imported(path, *, lazy=True):
    """Modules that a file imports; with `lazy` also those that it imports later or for types."""
    names = module_names()

    def walk(node):
        for child in ast.iter_child_nodes(node):
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
                isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            )
            if lazy or not later:
                yield child
                yield from walk(child)

    for node in walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            parts = {f"{node.module}.{alias.name}" for alias in node.names} & names
            yield from parts or {node.module}


def room(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "spectype" else None


def rooms():
    """Modules of each room, by path; without __init__.py."""
    paths = [path for path in modules() if path.name != "__init__.py" and path.parent != SOURCE]
    return {
        name: [path for path in paths if path.relative_to(SOURCE).parts[0] == name]
        for name in sorted({path.relative_to(SOURCE).parts[0] for path in paths})
    }


def circles(arrows):
    """Groups of nodes that reach each other (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in arrows[node]:
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def test_every_room_is_in_the_row():
    assert set(rooms()) <= set(ROOMS)


def test_imports_go_downward_only():
    wrong = []
    for name, paths in rooms().items():
        for path in paths:
            inside = str(path.relative_to(SOURCE))
            wrong += [
                f"{inside} imports {target}"
                for target in imported(path)
                if room(target) in ROOMS and ROOMS.index(room(target)) > ROOMS.index(name)
            ]
    assert not wrong


def test_no_circle_of_imports():
    arrows = {name_of(path): set(imported(path, lazy=False)) for path in modules()}
    assert not circles({name: sorted(found & set(arrows)) for name, found in arrows.items()})
    assert circles({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["a"]}) == [["b", "c"]]


def test_torch_lives_where_networks_are_made():
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in modules()
        if any(name.split(".")[0] in ("torch", "safetensors") for name in imported(path))
    }
    assert users == {"learn", "generate", "refine", "study", "bench", "cli"}
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
        "plot": ["spectrum", "compare", "explain"],
        "catalogue": ["summary", "split", "sample"],
        "fetch": ["lamost", "night", "catalogue", "jacoby", "obsids"],
        "results": ["merge", "check", "summary", "join"],
        "bench": ["read", "preprocess", "infer", "classify", "catalogue", "train", "gan"],
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


def lines_of(path):
    return len(path.read_text().splitlines())


def test_modules_stay_readable():
    assert not {str(p.relative_to(SOURCE)): n for p in modules() if (n := lines_of(p)) > 400}


def test_rooms_stay_small():
    sizes = {name: (len(paths), sum(map(lines_of, paths))) for name, paths in rooms().items()}
    assert not {name: size for name, size in sizes.items() if size[0] > 17 or size[1] > 3500}
