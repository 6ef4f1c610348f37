"""Kinds are said once: what a person calls a spectrum is what a label is parsed to."""

from __future__ import annotations

import pytest

from spectype.core import kinds, mk


@pytest.mark.parametrize("kind, label", kinds.LABELS.items(), ids=str)
def test_a_kinds_label_is_read_as_that_kind(kind, label):
    parsed = mk.parse(label)
    assert parsed.kind == ("unknown" if kind == "artefact" else kind)
    assert parsed.type is None
    known = kinds.of_label(parsed.kind)
    assert known in kinds.KINDS or parsed.kind == "unknown"
