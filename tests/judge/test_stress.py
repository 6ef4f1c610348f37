"""Each stress does to a spectrum what nature would; its cost is that of paired answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.classify.quality import signal_to_noise
from spectype.classify.runtime import load_model
from spectype.core.errors import DataError
from spectype.core.grid import SPEED_OF_LIGHT, STANDARD_GRID
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import replace, standard_chain, to_data
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.judge import page, stress
from spectype.judge.conditions import add_noise, broaden, cut, is_cut, louder, move, redden
from spectype.judge.scores import score
from spectype.judge.wording import share_text
from tests.stars import star_batch

H_BETA = 4862.7
CODES = np.array([23.0, 34.0, 43.0, 55.0, 64.0])


def one_line(*, survey: str | None = "lamost", noise: float = 1e-3) -> Spectra:
    """A flat star with one absorption line of 150 km/s sigma, and a little noise."""
    sigma = H_BETA * 150.0 / SPEED_OF_LIGHT
    flux = 1 - 0.5 * np.exp(-0.5 * ((STANDARD_GRID - H_BETA) / sigma) ** 2)
    flux = flux + noise * np.random.default_rng(1).standard_normal(flux.size)
    return Spectra(
        wave=STANDARD_GRID,
        flux=flux[None].astype(np.float32),
        ivar=np.full((1, flux.size), noise**-2, np.float32),
        mask=np.zeros((1, flux.size), bool),
        meta={"survey": [survey], "redshift": [0.0], "snr": [80.0], "has_errors": [True]},
    )


def line(spectra: Spectra) -> tuple[float, float, float]:
    """Equivalent width [Angstrom], centre [Angstrom] and sigma [km/s] of the line near H beta."""
    near = np.abs(STANDARD_GRID / H_BETA - 1) < 2500.0 / SPEED_OF_LIGHT
    wave, depth = STANDARD_GRID[near], 1 - spectra.flux[0, near].astype(float)
    width = np.gradient(wave)
    total = (depth * width).sum()
    centre = (depth * width * wave).sum() / total
    sigma = np.sqrt((depth * width * (wave - centre) ** 2).sum() / total)
    return total, centre, SPEED_OF_LIGHT * sigma / centre


@pytest.mark.parametrize("snr", [5.0, 10.0, 30.0])
def test_noise_reaches_the_snr_and_the_errors_are_the_scatter(snr, rng):
    clean = star_batch(CODES, snr=120.0)
    noisy = add_noise(clean, rng, snr=snr)
    true = np.median(clean.flux * np.sqrt(noisy.ivar), axis=1)
    np.testing.assert_allclose(true, snr, rtol=0.01)
    np.testing.assert_allclose(signal_to_noise(noisy), snr, rtol=0.15)  # of the noisy flux
    pull = (noisy.flux - clean.flux) * np.sqrt(noisy.ivar)
    # The scatter that was added is the stated error, less the share that was there before.
    before = np.median(noisy.ivar / clean.ivar)
    assert pull.std() == pytest.approx(np.sqrt(1 - before), rel=0.05)
    assert noisy.get("snr") == [None] * 5  # the header's S/N no longer holds


def test_noise_is_where_lamost_is_blind_and_the_sky_bright(rng):
    noisy = add_noise(one_line(), rng, snr=10.0)
    error = 1 / np.sqrt(noisy.ivar[0])
    blue, middle, join = np.searchsorted(STANDARD_GRID, [3720.0, 5000.0, 5700.0])
    assert error[blue] > 3 * error[middle] and error[join] > 1.15 * error[middle]
    oxygen = np.searchsorted(STANDARD_GRID, 5578.9)
    assert error[oxygen] > 2 * error[oxygen - 60]


def test_noise_leaves_noisier_spectra_alone_and_estimates_unknown_errors(rng):
    faint = star_batch(CODES, snr=4.0)
    same = add_noise(faint, rng, snr=5.0)
    np.testing.assert_array_equal(same.flux, faint.flux)
    assert not louder(faint, snr=5.0).any()
    bare = replace(one_line(noise=0.02), ivar=np.ones((1, STANDARD_GRID.size)))
    bare = replace(bare, meta={**bare.meta, "has_errors": [False]})
    noisy = add_noise(bare, rng, snr=10.0)
    np.testing.assert_allclose(signal_to_noise(noisy), 10.0, rtol=0.05)


def test_cut_keeps_a_range_and_counts_only_what_reaches_beyond(rng):
    whole = one_line()
    blue = cut(whole, rng, low=3800.0, high=5600.0)
    kept = STANDARD_GRID[~blue.mask[0]]
    assert kept[0] == pytest.approx(3800, abs=1) and kept[-1] == pytest.approx(5600, abs=2)
    assert not blue.flux[blue.mask].any() and not blue.ivar[blue.mask].any()
    assert is_cut(whole, low=3800.0, high=5600.0).tolist() == [True]
    assert is_cut(blue, low=3510.0, high=7427.0).tolist() == [False]


@pytest.mark.parametrize("velocity", [-300.0, 300.0])
def test_motion_moves_the_line_by_doppler_and_keeps_its_width(velocity, rng):
    before, after = line(one_line()), line(move(one_line(), rng, velocity=velocity))
    assert after[1] / before[1] - 1 == pytest.approx(velocity / SPEED_OF_LIGHT, abs=3e-5)
    assert after[0] == pytest.approx(before[0], rel=0.01)
    moved = move(one_line(), rng, velocity=velocity)
    assert moved.get("redshift")[0] == pytest.approx(velocity / SPEED_OF_LIGHT)
    assert moved.mask[0, 0 if velocity > 0 else -1]  # nothing is known of what comes in


def test_dust_reddens_b_minus_v_by_its_name(rng):
    flat = one_line()
    red = redden(flat, rng, ebv=1.0)
    ratio = red.flux[0] / flat.flux[0]
    blue, visual = (ratio[np.searchsorted(STANDARD_GRID, w)] for w in (4400.0, 5500.0))
    assert -2.5 * np.log10(blue / visual) == pytest.approx(1.0, abs=0.05)
    np.testing.assert_allclose(signal_to_noise(red), signal_to_noise(flat), rtol=1e-3)


def test_blur_widens_lines_in_quadrature_and_keeps_their_light(rng):
    sharp = one_line(noise=1e-5)
    blunt = broaden(sharp, rng, resolving_power=900.0)
    before, after = line(sharp), line(blunt)
    target, native = SPEED_OF_LIGHT / 900.0 / 2.3548, 167.0 / 2.3548
    assert after[2] ** 2 - before[2] ** 2 == pytest.approx(target**2 - native**2, rel=0.05)
    assert after[0] == pytest.approx(before[0], rel=0.01)
    # What is as blunt by nature stays.
    pickles = one_line(survey="pickles")
    same = broaden(pickles, rng, resolving_power=900.0)
    np.testing.assert_array_equal(same.flux, pickles.flux)


def test_blur_knows_how_much_noise_it_takes(rng):
    flat = one_line(noise=0.05)
    part = STANDARD_GRID > 5200
    blunt = broaden(flat, rng, resolving_power=900.0)
    stated = 1 / np.sqrt(np.median(blunt.ivar[0, part]))
    assert blunt.flux[0, part].std() == pytest.approx(stated, rel=0.1)
    assert stated < 0.6 * 0.05


def test_blur_does_not_smear_bad_pixels(rng):
    spectra = one_line()
    mask = spectra.mask.copy()
    mask[0, 2000:2010] = True
    flux = np.where(mask, 1e4, spectra.flux).astype(np.float32)
    holed = Spectra(wave=STANDARD_GRID, flux=flux, ivar=np.where(mask, 0, spectra.ivar),
                    mask=mask, meta=spectra.meta)  # fmt: skip
    blunt = broaden(holed, rng, resolving_power=900.0)
    assert np.abs(blunt.flux[0, 1900:2100][~mask[0, 1900:2100]] - 1).max() < 0.01


def test_lost_is_paired_and_by_hand():
    before = np.array([True] * 90 + [False] * 10)
    after = before.copy()
    after[:8] = False
    after[95:97] = True
    found = stress.lost(before, after)
    assert found.value == pytest.approx(0.06)
    # Bonett & Price: (8 + 1) / 102 - (2 + 1) / 102, and its standard error.
    middle = 6 / 102
    half = 1.95996 * np.sqrt((12 / 102 - middle**2) / 102)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-4)
    fewer = stress.lost(before, after, n_stars=50)
    assert fewer.value == found.value and fewer.high - fewer.low > found.high - found.low
    assert stress.lost(before, before).low < 0 < stress.lost(before, before).high


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> tuple[Store, pl.DataFrame]:
    """A store of toy stars and what the shipped model says of them."""
    codes = np.repeat(CODES, 6)
    spectra = star_batch(codes, snr=80.0)
    writer = StoreWriter(tmp_path_factory.mktemp("stress") / "store", wave=spectra.wave)
    writer.append(*encode(spectra))
    said = load_model().predict(spectra)
    rows = [
        {"path": f"{i}", "survey": "lamost" if i % 2 else "miles", "star_id": f"s{i}",
         "type": t, "code": float(codes[i]), "kind": "star", "synthetic": False,
         "luminosity": "V", "object": None, "snr": 80.0, "redshift": 0.0, "has_errors": True}
        for i, t in enumerate(said["type"])
    ]  # fmt: skip
    store = writer.close(rows, {"chain": to_data(standard_chain())})
    truth = store.meta.select("row", "star_id", "survey", "synthetic", true_kind="kind",
                              true_type="type", true_code="code")  # fmt: skip
    return store, pl.concat([said.drop("survey"), truth], how="horizontal")


def test_run_is_typed_again_under_every_stress(toy, tmp_path: Path, monkeypatch):
    store, predictions = toy
    monkeypatch.setattr(stress, "load_model", lambda folder: load_model())
    table = stress.run_stress(tmp_path, store, predictions)
    assert table["stress"].unique(maintain_order=True).to_list() == [
        s.name for s in stress.STRESSES
    ]
    assert (table.group_by("stress").len()["len"] == 30).all()
    again = stress.run_stress(tmp_path, store, predictions)
    assert again.equals(table) and again.equals(pl.read_parquet(tmp_path / stress.FILE))
    scores = stress.score_stress(table, predictions)
    for found in scores:
        assert found.before.value == 1.0  # the truth is what the model said untouched
        assert found.lost.value == pytest.approx(1 - found.after.value)
    by_name = {s.name: s for s in scores}
    dust, noise = by_name["reddened by E(B−V) = 1"], by_name["noise to S/N 5"]
    # The toy stars are no real ones; what the shapes lose is bounded all the same.
    assert dust.lost.value < 0.6 and noise.lost.value > 0 and noise.code.mean_abs > 0
    shown = page.render(score(predictions, system="mixed"), title="t", system_text="x", about={},
                        figures={}, stresses=scores)  # fmt: skip
    assert "Under worse conditions" in shown
    assert all(share_text(s.after) in shown for s in scores)


def test_stress_of_another_evaluation_is_refused(toy, tmp_path: Path, monkeypatch):
    store, predictions = toy
    monkeypatch.setattr(stress, "load_model", lambda folder: load_model())
    monkeypatch.setattr(stress, "STRESSES", stress.STRESSES[-1:])
    table = stress.run_stress(tmp_path, store, predictions)
    with pytest.raises(DataError, match="other test stars"):
        stress.score_stress(table, predictions.head(10))
    with pytest.raises(DataError, match="system 'mk'"):
        stress.score_stress(table, predictions, system="mk")
    strangers = predictions.with_columns(true_type=pl.lit(None, dtype=pl.String))
    with pytest.raises(DataError, match="no test star of known type"):
        stress.run_stress(tmp_path, store, strangers)
