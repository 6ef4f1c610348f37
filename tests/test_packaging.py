"""What is published says one version, one set of needs, and points at what is there."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

import spectype

ROOT = Path(__file__).resolve().parents[1]
CONDA = {"isal": "python-isal", "matplotlib": "matplotlib-base"}  # names that differ there


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere():
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.M)
    # What is not released yet stands above the first version; every version has its day.
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    versions = [heading for heading in headings if heading != "Unreleased"]
    assert all(re.fullmatch(r"\S+ - \d{4}-\d\d-\d\d", heading) for heading in versions)
    conda = re.search(r'version = "(\S+)"', (ROOT / "recipes/conda/meta.yaml").read_text())
    assert {cited[1], versions[0].split()[0], conda[1]} == {spectype.__version__}


def test_the_conda_recipe_needs_what_the_package_needs():
    text = (ROOT / "recipes/conda/meta.yaml").read_text()
    run = text.partition("  run:")[2].partition("\n\n")[0]
    needs = dict(re.findall(r"- ([\w-]+) >=(\S+)", run))
    assert needs.pop("python") == project()["requires-python"].removeprefix(">=")
    own = dict(need.split(">=") for need in project()["dependencies"])
    assert needs == {CONDA.get(name, name): version for name, version in own.items()}


def anchors(page):
    """Names of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_in_the_pages_lead_somewhere():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"),
             *(ROOT / "recipes").rglob("*.md")]  # fmt: skip
    broken, n = [], 0
    for page in pages:
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text()):
            if "://" in target:
                continue
            there = page.parent / target if target else page
            n += 1
            if not there.exists() or (anchor and anchor not in anchors(there)):
                broken.append(f"{page.relative_to(ROOT)}: {target}#{anchor}")
    assert n > 40 and not broken


def test_the_readme_of_an_index_has_no_link_that_leads_nowhere():
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    text = "see [the card](src/a.md), [there](https://b.org)"
    assert hook.for_index(text, repository=None) == "see the card, [there](https://b.org)"
    absolute = hook.for_index(text, repository="https://c.org/spectype/")
    assert absolute.startswith("see [the card](https://c.org/spectype/blob/main/src/a.md), ")
    shown = hook.for_index((ROOT / "README.md").read_text(), repository=None)
    assert "](" not in shown and "spectype classify" in shown


def test_every_extra_is_known_to_doctor():
    from spectype.cli.doctor import EXTRAS

    assert set(EXTRAS) == set(project()["optional-dependencies"]) - {
        "test",
        "test-web",
        "docs",
        "dist",
    }
