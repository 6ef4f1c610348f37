"""Simulated stars in memory and in a store."""

from __future__ import annotations

import numpy as np
import pytest

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.core.grid import STANDARD_GRID
from spectype.dataset.store import Store
from spectype.simulate import memory, templates
from spectype.starlight.physics import WAVE


@pytest.fixture(autouse=True)
def cheap_stars(monkeypatch):
    """Black bodies: these tests are not about the physics."""

    def black_body(node: templates.Node) -> np.ndarray:
        teff = templates.node_parameters(node)[0]
        light = -5 * np.log(WAVE) - np.log(np.expm1(1.4388e8 / WAVE / teff))
        return (light - np.median(light)).astype(np.float32)

    monkeypatch.setattr(memory, "compute", black_body)
    monkeypatch.setattr(memory, "_GRIDS", {})


def test_draw_spreads_over_types_and_classes():
    stars = memory.draw(600, first=5.0, last=67.0, luminosities=("I", "III", "V"), seed=3)
    codes = np.array([star.target.code for star in stars])
    luminosity = np.array([star.target.luminosity for star in stars])
    assert codes.min() >= 5.0 and codes.max() <= 67.0
    for one in ("I", "III", "V"):
        counts, _ = np.histogram(codes[luminosity == one], bins=10, range=(5, 67))
        assert counts.sum() == 200 and counts.min() >= 17 and counts.max() <= 23
    gravity = {one: np.median([s.target.logg for s in stars if s.target.luminosity == one])
               for one in ("I", "III", "V")}  # fmt: skip
    assert gravity["I"] < gravity["III"] < gravity["V"]
    snr = np.log([star.snr for star in stars])
    assert np.log(10) <= snr.min() and snr.max() <= np.log(200)
    assert np.mean(snr) == pytest.approx(np.log(10 * 200) / 2, abs=0.1)


def test_spectra_have_the_wanted_snr_and_labels():
    stars = memory.draw(12, first=20.0, last=50.0, seed=1, snr=(20.0, 80.0))
    found = memory.spectra(stars, seed=1)
    np.testing.assert_array_equal(found.wave, STANDARD_GRID)
    green = (STANDARD_GRID > 4000) & (STANDARD_GRID < 5500)
    for i, star in enumerate(stars):
        good = green & ~found.mask[i]
        measured = np.median(found.flux[i, good] * np.sqrt(found.ivar[i, good]))
        assert measured == pytest.approx(star.snr, rel=0.1)
        parsed = mk.parse(found.meta["subclass"][i])
        assert parsed.luminosity == star.target.luminosity
        assert abs(parsed.code - star.target.code) <= 0.2501
    assert (found.mask[:, -12:]).all() and (found.ivar[found.mask] == 0).all()


def test_same_seed_same_spectra_another_seed_other_noise():
    stars = memory.draw(4, first=30.0, last=40.0, seed=1)
    one, two, other = (memory.spectra(stars, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.flux, two.flux)
    assert not np.array_equal(one.flux, other.flux)


def test_store_holds_every_star_with_its_truth(tmp_path):
    stars = memory.draw(20, seed=5)
    memory.write_store(stars, tmp_path / "store", seed=5)
    store = Store(tmp_path / "store")
    meta = store.meta
    assert len(store) == 20 and meta["synthetic"].all() and meta["star_id"].n_unique() == 20
    assert meta["luminosity"].to_list() == [star.target.luminosity for star in stars]
    np.testing.assert_allclose(meta["code"], [star.target.code for star in stars])
    flux, error = store.arrays(range(20))
    assert np.isfinite(flux).all() and (error > 0).mean() > 0.97
    assert np.median(flux[error > 0]) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(
    "n, options",
    [
        (0, {}), (5, {"first": 2.0}), (5, {"first": 40.0, "last": 30.0}), (5, {"last": 75.0}),
        (5, {"luminosities": ()}), (5, {"luminosities": ("VI",)}), (5, {"snr": (0.0, 10.0)}),
        (5, {"snr": (20.0, 10.0)}), (5, {"first": float("nan")}),
    ],
)  # fmt: skip
def test_impossible_wishes_are_refused(n, options):
    with pytest.raises(UsageError):
        memory.draw(n, **options)


def test_no_stars_are_refused():
    with pytest.raises(UsageError, match="no star"):
        memory.spectra([])
