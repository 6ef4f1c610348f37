"""The judge of synthetic spectra on toy stars: footing, widths, answers, page, command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.cli.gan_judge import evaluate
from spectype.core.errors import DataError, UsageError
from spectype.core.grid import air_to_vacuum, log_grid
from spectype.core.lines import LINES
from spectype.core.spectra import Spectra
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.fidelity import lines, sets, two_sample
from spectype.fidelity.judge import judge
from spectype.fidelity.page import write_page
from spectype.fidelity.verdicts import verdicts
from spectype.generate.harmonise import Harmonised, harmonise

WAVE = log_grid(3.585, n_pix=1800)  # 3846-5820 A: quicker than all
PARTS = ["train", "test"] * 24


def light_of(codes: np.ndarray, rng: np.random.Generator, noise: float) -> np.ndarray:
    """Hot stars: He II fades, He I and hydrogen grow along the sequence, with a spread."""
    flux = np.ones((codes.size, WAVE.size))
    spread = rng.normal(1.0, 0.15, (codes.size, 3))
    depths = {
        "He II 4541": 0.25 * np.clip(1 - codes / 10, 0, 1) * spread[:, 0],
        "He II 4686": 0.25 * np.clip(1 - codes / 11, 0, 1) * spread[:, 0],
        "He I 4471": 0.20 * np.clip(codes / 10, 0, 1.2) * spread[:, 1],
        "H gamma": (0.15 + 0.02 * codes) * spread[:, 2],
        "H delta": (0.15 + 0.02 * codes) * spread[:, 2],
        "H beta": (0.15 + 0.02 * codes) * spread[:, 2],
    }
    for name, depth in depths.items():
        flux *= 1 - depth[:, None] * np.exp(-0.5 * ((WAVE - LINES[name].wave) / 4.0) ** 2)
    return flux + noise * rng.standard_normal(flux.shape)


def write(folder: Path, flux: np.ndarray, codes: np.ndarray, *, synthetic: bool) -> Store:
    """A store of these spectra; the real ones end early, some begin late."""
    mask = np.zeros(flux.shape, bool)
    if not synthetic:
        mask[:, WAVE > 5600] = True
        mask[::4, WAVE < 3950] = True
    ivar = np.where(mask, 0.0, 1e4).astype(np.float32)
    batch = Spectra(wave=WAVE, flux=np.where(mask, 0, flux).astype("f4"), ivar=ivar, mask=mask)
    writer = StoreWriter(folder, wave=WAVE)
    writer.append(*encode(batch))
    kind = "synthetic" if synthetic else "jacoby"
    rows = [
        {"star_id": f"{kind}-{i}", "survey": kind, "type": "O" if code < 10 else "B",
         "code": float(code), "synthetic": synthetic, "kind": "star", "redshift": None,
         "ra": None, "dec": None, "path": f"{i}.fits", "has_errors": False}
        for i, code in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {})


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> tuple[Path, Store, pl.DataFrame]:
    """48 real O stars, every other held out; 30 B stars; three generators."""
    folder = tmp_path_factory.mktemp("fidelity")
    rng = np.random.default_rng(7)
    codes = np.concatenate([np.linspace(4, 9.8, 48), rng.uniform(12, 19, 30)])
    flux = light_of(codes, rng, 0.01)
    store = write(folder / "store", flux, codes, synthetic=False)
    split = store.meta.filter(pl.col("row") < 48).select("row", "star_id")
    split = split.with_columns(split=pl.Series(PARTS))
    split.write_parquet(folder / "split.parquet")
    new = rng.uniform(4, 9.8, 60)
    write(folder / "fresh", light_of(new, rng, 0.0), new, synthetic=True)
    pick = 2 * rng.integers(24, size=60)
    copies = flux[pick] + 0.001 * rng.standard_normal((60, WAVE.size))
    write(folder / "copies", copies, codes[pick], synthetic=True)
    one = np.full(60, codes[0])
    collapsed = flux[:1] + 0.001 * rng.standard_normal((60, WAVE.size))
    write(folder / "collapsed", collapsed, one, synthetic=True)
    return folder, store, split


@pytest.fixture(scope="module")
def judged(toy):
    """What is said of each generator."""
    folder, store, split = toy
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_sample, "REPEATS", 1)
        patch.setattr(two_sample, "FOLDS", 4)
        found = {}
        for name in ("fresh", "copies", "collapsed"):
            compared = sets.gather(Store(folder / name), store, split, type="O")
            found[name] = (compared, *judge(compared))
        return found


def answers(judged, name):
    return {v.question: v.state for v in verdicts(judged[name][1])}


def test_new_stars_pass(judged):
    found = judged["fresh"][1]
    assert found.held_out[0].low < 0.65
    assert found.copying.p_copying > 0.05 > 0.01 > found.copies.p_copying
    assert found.coverage.coverage.value > 0.7
    assert 0.6 < found.diversity.value < 1.5
    assert all(line.inside for line in found.lines)
    assert found.transfer[1].recall.value > 0.9 and found.recognised.value > 0.9
    states = answers(judged, "fresh")
    assert "missed" not in states.values() and states["New, not copies?"] == "met"


def test_copies_are_caught_though_their_lines_are_right(judged):
    found = judged["copies"][1]
    assert found.copying.statistic < -3 and found.copying.p_copying < 0.01
    assert sum(line.inside for line in found.lines) >= 6
    assert answers(judged, "copies")["New, not copies?"] == "missed"


def test_a_collapsed_generator_is_caught(judged):
    found = judged["collapsed"][1]
    assert found.held_out[0].value > 0.9
    assert found.diversity.high < 0.3 and found.coverage.coverage.value < 0.5
    states = answers(judged, "collapsed")
    assert states["As varied as stars?"] == states["Hard to tell from real stars?"] == "missed"


def test_synthetic_spectra_get_the_gaps_and_noise_of_real_ones(judged):
    compared = judged["fresh"][0]
    real, made, plain = (g.light for g in (compared.test, compared.synthetic, compared.plain))
    assert plain.good.all() and not made.good[:, WAVE > 5600].any()
    share = [(~light.good[:, WAVE < 3950]).all(axis=1).mean() for light in (real, made)]
    assert share[1] == pytest.approx(0.25, abs=0.1)
    noise = [np.median(sets.scatter(light.flux, light.good)) for light in (real, made, plain)]
    assert noise[1] == pytest.approx(noise[0], rel=0.1) and noise[2] < 0.3 * noise[0]
    # What gives a noise-free spectrum away is gone.
    found = judged["fresh"][1]
    assert found.as_made[0].value > found.held_out[0].value + 0.2


def test_only_what_real_spectra_cover_is_compared(judged):
    compared = judged["fresh"][0]
    assert compared.bin_wave[0] > 3950 and compared.bin_wave[-1] < 5600
    assert not set(compared.train.star) & set(compared.test.star)
    assert set(compared.others_train.light.type) == {"B"}


def harmonised(flux: np.ndarray) -> Harmonised:
    n = len(flux)
    text = np.full(n, "O")
    return Harmonised(
        wave=WAVE, flux=flux.astype("f4"), good=np.ones(flux.shape, bool), rows=np.arange(n),
        code=np.full(n, 5.0), type=text, survey=text, star_id=text, resolving_power=1800.0,
        shape="flat", blunter=(), unknown=(),
    )  # fmt: skip


@pytest.mark.parametrize("name, air", [("Si IV 4089", 4088.86), ("C III/N III 4640–50", 4643.0)])
def test_width_of_a_gaussian_line(name, air):
    depth, sigma = np.array([0.0, 0.1, -0.2])[:, None], 1.3
    profile = np.exp(-0.5 * ((WAVE - float(air_to_vacuum(air))) / sigma) ** 2)
    measured = lines.widths(harmonised(1 - depth * profile), "O")
    column = list(lines.WIDTHS["O"]).index(name)
    expected = depth[:, 0] * sigma * np.sqrt(2 * np.pi)
    # A pixel's edge through the band costs a little; the line is within it.
    assert measured[:, column] == pytest.approx(expected, abs=0.02)


def test_widths_fall_outside_where_they_do():
    rng = np.random.default_rng(1)
    real = rng.normal(1.0, 0.1, (30, 7))
    made = rng.normal(1.0, 0.1, (50, 7))
    made[:, 1] += 1.0
    made[:, 2] = np.nan
    found = {line.name: line for line in lines.compare(real, made, type="O")}
    assert not found["He II 4686"].inside and found["He II 4541"].inside
    assert "He I 4471" not in found
    line = found["He II 4686"]
    assert line.low < line.median < line.high and line.median == pytest.approx(2.0, abs=0.05)


def test_correlations_that_differ_are_named():
    rng = np.random.default_rng(4)
    common = rng.normal(size=(40, 1))
    tied = common + 0.3 * rng.normal(size=(40, 7))
    free = rng.normal(size=(60, 7))
    apart = lines.correlate(tied, free, type="O")
    assert apart is not None and apart.difference > 2 * apart.by_chance
    alike = lines.correlate(tied[:20], tied[20:] * 3 + 1, type="O")
    assert alike is not None and alike.difference < 1.5 * alike.by_chance
    assert lines.correlate(tied[:3], free, type="O") is None


def test_page_is_whole_and_says_what_was_found(judged, tmp_path):
    page = write_page(tmp_path, [judged["copies"]], title="Copies & more", about={"seed": 0})
    text = page.read_text()
    assert "Copies &amp; more" in text and text.count("<svg") == 8
    assert not re.search(r'(src|href)="(https?:)?//', text)  # needs nothing from outside
    data = json.loads((tmp_path / "fidelity.json").read_text())
    assert data["types"][0]["copying"]["p_copying"] < 0.01
    assert {v["state"] for v in data["types"][0]["verdicts"]} <= {"met", "missed", "open"}
    for kind in ("svg", "pdf"):
        assert len(list((tmp_path / "figures").glob(f"O-*.{kind}"))) == 8


def test_subclasses_are_drawn_like_the_real_ones(toy):
    folder, _, _ = toy
    made = harmonise(Store(folder / "fresh"), np.arange(60))
    late = np.full(20, 9.0)
    drawn, matched = sets._draw(made, late, np.random.default_rng(0))
    assert matched and np.median(drawn.code) > np.median(made.code) + 1
    unknown = replace(made, code=np.full(60, np.nan))
    assert not sets._draw(unknown, late, np.random.default_rng(0))[1]


def test_what_cannot_be_judged_is_refused(toy, tmp_path):
    folder, store, split = toy
    with pytest.raises(UsageError, match="no real spectra"):
        evaluate(folder / "fresh", out=tmp_path)
    with pytest.raises(DataError, match="0 real stars of type O held out"):
        sets.gather(
            Store(folder / "fresh"), store, split.with_columns(split=pl.lit("train")), type="O"
        )
    with pytest.raises(DataError, match="not marked as synthetic"):
        sets.gather(store, store, split, type="O")
    with pytest.raises(DataError, match="no synthetic spectrum of type M"):
        sets._synthetic_rows(Store(folder / "fresh"), "M")
    leaked = split.with_columns(
        split=pl.when(pl.col("row") == 24).then(pl.lit("train")).otherwise("split"),
        star_id=pl.when(pl.col("row") == 24).then(pl.lit("jacoby-25")).otherwise("star_id"),
    )
    with pytest.raises(DataError, match="in training or validation"):
        sets.gather(Store(folder / "fresh"), store, leaked, type="O")
