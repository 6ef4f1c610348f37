"""What is published says one version, one set of needs, and points at what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import spectype

ROOT = Path(__file__).resolve().parents[1]
CONDA = {"isal": "python-isal", "matplotlib": "matplotlib-base"}  # names that differ there


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    changed = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    conda = re.search(r'version = "(\S+)"', (ROOT / "recipes/conda/meta.yaml").read_text())
    assert {cited[1], changed[1], conda[1]} == {spectype.__version__}


def test_the_conda_recipe_needs_what_the_package_needs():
    text = (ROOT / "recipes/conda/meta.yaml").read_text()
    run = text.partition("  run:")[2].partition("\n\n")[0]
    needs = dict(re.findall(r"- ([\w-]+) >=(\S+)", run))
    assert needs.pop("python") == project()["requires-python"].removeprefix(">=")
    own = dict(need.split(">=") for need in project()["dependencies"])
    assert needs == {CONDA.get(name, name): version for name, version in own.items()}


def test_links_in_the_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_every_extra_is_known_to_doctor():
    from spectype.cli.doctor import EXTRAS

    assert set(EXTRAS) == set(project()["optional-dependencies"]) - {
        "test",
        "test-web",
        "docs",
        "dist",
    }
