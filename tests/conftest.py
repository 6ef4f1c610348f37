"""Shared fixtures: real spectra where present, seeds, the hypothesis profile."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from spectype.core.files import CACHE
from spectype.draw import canvas

settings.register_profile(
    "spectype",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("spectype")


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests, all processes of them together, a cache of their own."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="spectype-cache-")
        config.add_cleanup(folder.cleanup)
        os.environ[CACHE] = folder.name


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms whose files take longest come first: at the end both processes have work."""
    items.sort(key=lambda item: item.path.parent.name not in ("study", "cli", "learn"))


@pytest.fixture(scope="session", autouse=True)
def outlined_letters() -> Iterator[None]:
    """Letters of PDFs as outlines: to embed their font takes half a second a figure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(canvas._STYLE, "pdf.fonttype", 3)
        yield


_HERE = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real labelled spectra; the test is skipped where it is absent."""
    folder = Path(os.environ.get("SPECTYPE_DATA", _HERE.parent / "shared" / "data"))
    if not (folder / "labels.csv").is_file():
        pytest.skip(f"no real spectra at {folder}; set SPECTYPE_DATA to their folder")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded random generator."""
    return np.random.default_rng(20221)
