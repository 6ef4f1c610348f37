"""Template stars are computed once and kept."""

import numpy as np
import pytest

from spectype.core.files import CACHE
from spectype.simulate import templates
from spectype.starlight.physics import WAVE

NODE = (20, 0, 1)  # a dwarf of type K0


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_star_is_computed_once(cache, monkeypatch):
    asked = []

    def light(*parameters):
        asked.append(parameters)
        return np.exp(WAVE / 5000.0)

    monkeypatch.setattr(templates, "emergent_flux", light)
    first, again = templates.compute(NODE), templates.compute(NODE)
    assert asked == [templates.node_parameters(NODE)]
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, (WAVE - np.median(WAVE)) / 5000.0, atol=1e-6)
    (kept,) = cache.rglob("*.npy")
    kept.write_bytes(kept.read_bytes()[:1000])
    np.testing.assert_array_equal(templates.compute(NODE), first)
    assert len(asked) == 2  # what is damaged is computed anew


def test_a_cache_that_cannot_be_written_costs_time_only(cache, monkeypatch):
    cache.write_text("a file where the folder should be")
    monkeypatch.setattr(templates, "emergent_flux", lambda *_: np.exp(-WAVE / 5000.0))
    assert np.ptp(templates.compute(NODE)) == pytest.approx(np.ptp(WAVE) / 5000.0, rel=1e-6)
