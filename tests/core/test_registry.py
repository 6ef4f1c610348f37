"""Registries: things by name, spectype's own before those of other packages."""

import logging

import pytest

from spectype.core.errors import DependencyError, UsageError
from spectype.core.registry import Registry


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """A registry whose group has entry points of an installed package, one of them broken."""
    info = tmp_path / "shapes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shapes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tests.shapes]\nsquare = shapes_of_tests:SQUARE\ncircle = no_such_module:CIRCLE\n"
    )
    (tmp_path / "shapes_of_tests.py").write_text("SQUARE = 4\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("shape", group="tests.shapes")
    registry.add("triangle", 3)
    return registry


def test_own_and_outside_are_found(outside):
    assert outside.names() == ["triangle", "square", "circle"]
    assert outside.get("triangle") == 3 and outside.get("square") == 4
    assert outside.add("square", 5) == 5 and outside.get("square") == 5  # own goes first


def test_unknown_and_broken_are_said(outside, caplog):
    with pytest.raises(UsageError, match=r"unknown shape 'star' \(triangle, square, circle, or"):
        outside.get("star")
    with pytest.raises(DependencyError, match=r"'circle' \(no_such_module:CIRCLE\) cannot"):
        outside.get("circle")
    with caplog.at_level(logging.WARNING, logger="spectype"):
        assert dict(outside.items()) == {"triangle": 3, "square": 4}
    assert "no_such_module" in caplog.text
