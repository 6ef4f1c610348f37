"""Occlusion: found where a known decider looks; on the shipped model, where spectroscopists do."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import spectype
from spectype.classify.explain import CRITERIA, attention, explain, join, leading_lines, near_lines
from spectype.classify.posterior import Sequence70
from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import LINES
from spectype.core.spectra import Spectra
from tests.stars import star_batch

CODES = np.arange(140) / 2.0
NEAR = 0.5 * 24 * np.log(10) * 1e-4  # relative reach of an occluded window


class Looker:
    """Calls a star earlier the deeper one line is, and looks at nothing else."""

    chain = ()
    wave = STANDARD_GRID

    def __init__(self, line):
        self.line = line

    def outputs(self, flux, good):
        centre = LINES[self.line].wave
        core = (np.abs(self.wave - centre) < 8) & good
        side = (np.abs(self.wave - centre) > 60) & (np.abs(self.wave - centre) < 90) & good
        level, below = ((flux * x).sum(1) / np.maximum(x.sum(1), 1) for x in (side, core))
        return np.where(level > 0, 1 - below / np.where(level > 0, level, 1), 0.0)

    def sequence(self, depth, *, system):
        assert system == "mk"
        p = np.exp(-0.5 * ((CODES - 35.0 + 20 * depth[:, None]) / 2.0) ** 2)
        return Sequence70(p / p.sum(1, keepdims=True))


@pytest.fixture(scope="module")
def explained():
    stars = star_batch([22.0, 33.0, 24.0], snr=300)
    return explain(stars, Looker("H beta"))


def test_the_weight_lies_where_the_decider_looks(explained):
    curve = explained.by_pixel(explained.weight)
    near = np.abs(STANDARD_GRID / LINES["H beta"].wave - 1) < 3 * NEAR
    assert (curve[:, near].sum(1) > 0.9 * curve.sum(1)).all()  # the rest: its side bands
    assert (np.abs(STANDARD_GRID[curve.argmax(1)] - LINES["H beta"].wave) < 15).all()
    assert [leading_lines(explained, i)[0].name for i in range(3)] == ["H beta"] * 3


def test_weight_and_pull_are_subclasses(explained):
    # Taking the line out takes away the 20 * depth by which it made the star earlier.
    looker, stars = Looker("H beta"), star_batch([22.0, 33.0, 24.0], snr=300)
    depth = looker.outputs(stars.flux, ~stars.mask)
    strongest = np.abs(explained.pull).argmax(axis=1)
    pull = explained.pull[np.arange(3), strongest]
    assert (pull < 0).all() and pull == pytest.approx(-20 * depth, rel=0.3)
    # The whole distribution moves one way, so distance and signed distance agree.
    np.testing.assert_allclose(explained.weight, np.abs(explained.pull), atol=1e-9)


def test_curve_is_the_mean_of_the_windows_over_a_pixel(explained):
    curve = explained.by_pixel(explained.weight)
    pixel = 1234
    over = (explained.starts <= pixel) & (pixel < explained.starts + explained.width)
    assert 1 < over.sum() <= 3
    np.testing.assert_allclose(curve[:, pixel], explained.weight[:, over].mean(1), atol=1e-12)
    assert (np.diff(explained.starts) <= 8).all() and explained.starts[-1] + 24 == 3904
    with pytest.raises(ValueError, match="shape"):
        explained.by_pixel(explained.weight[:1])


def test_missing_wavelengths_have_no_weight():
    stars = star_batch([22.0, 22.0], snr=300)
    mask = stars.mask.copy()
    mask[0, 1190:1230] = True  # beside the core
    mask[1, 300:] = True  # too little to be typed
    batch = Spectra(wave=stars.wave, flux=stars.flux, ivar=stars.ivar, mask=mask, meta={})
    got = explain(batch, Looker("H delta"), step=24)
    assert got.types == ["A", ""] and not got.weight[1].any() and got.weight[0].any()
    assert not got.by_pixel(got.weight)[0, 1190:1230].any()
    assert leading_lines(got, 1) == []
    assert list(attention(got)) == ["A"]


def test_gaps_between_windows_are_refused():
    with pytest.raises(ValueError, match="gaps"):
        explain(star_batch([22.0]), Looker("H beta"), width=10, step=11)


def test_attention_is_one_for_a_network_that_looks_everywhere(explained):
    flat = replace(explained, weight=np.ones_like(explained.weight), types=["A", "B", "M"])
    for found in attention(flat).values():
        assert found.ratio == pytest.approx(1.0) and found.curve.sum() == pytest.approx(1)
        assert 0.02 < found.expected < 0.6


def test_attention_of_one_that_looks_at_one_line(explained):
    found = attention(explained, types=["A", "A", "K"])
    assert (found["A"].n, found["K"].n) == (2, 1)
    assert found["A"].ratio > 0.6 / found["A"].expected  # the wings of the blur lie outside
    assert found["K"].share < 0.05  # H beta is not what tells K0 from K5
    assert found["A"].low <= found["A"].ratio <= found["A"].high and np.isnan(found["K"].low)


def test_joined_explanations_are_those_of_the_batch(explained):
    stars = star_batch([22.0, 33.0, 24.0], snr=300)
    joined = join([explain(one, Looker("H beta")) for one in stars])
    np.testing.assert_allclose(joined.weight, explained.weight, atol=1e-9)
    assert joined.types == explained.types


def test_criteria_are_known_lines_conspicuous_in_their_types():
    for type, names in CRITERIA.items():
        assert len(set(names)) == len(names) > 2
        inside = near_lines(STANDARD_GRID, names, reach=NEAR)
        assert 0.02 < inside.mean() < 0.35
        assert sum(type in LINES[name].types for name in names) > 0.7 * len(names)
    band = near_lines(STANDARD_GRID, ["TiO 7054"], reach=NEAR).sum()
    assert band == pytest.approx(3 * near_lines(STANDARD_GRID, ["Na D1"], reach=NEAR).sum(), abs=2)


@pytest.fixture(scope="module")
def shipped(request):
    """Occlusion maps of a few real stars a type by the shipped model, and their true types."""
    from spectype.core.spectra import concatenate
    from spectype.dataset.preprocess import run_chain
    from spectype.surveys import read

    folder = request.getfixturevalue("real_data")
    labels = pl.read_csv(folder / "labels.csv", infer_schema=False)
    model = spectype.load_model(threads=1)
    ready, types = [], []
    for type in "OBAFGKM":
        source = ["Jacoby", "Pickles"] if type in "OB" else ["LAMOST LRS"]
        part = labels.filter(
            (pl.col("mk_type") == type)
            & pl.col("survey").str.to_lowercase().is_in([s.lower() for s in source])
        )
        assert len(part) >= 5
        for path in part.sample(5, seed=7)["path"]:
            ready.append(run_chain(read(folder / path), model.chain))
            types.append(type)
    bare = [replace_meta(one) for one in ready]
    return explain(concatenate(bare), model, step=24, preprocess=False), types


def replace_meta(one):
    return Spectra(wave=one.wave, flux=one.flux, ivar=one.ivar, mask=one.mask, meta={})


@pytest.mark.real
@pytest.mark.parametrize("type", "OBAFGKM")
def test_the_shipped_model_looks_where_spectroscopists_look(shipped, type):
    found = attention(shipped[0], types=shipped[1])[type]
    assert found.n == 5
    assert found.ratio > 1.0, f"{found.share:.2f} of the weight on {found.expected:.2f} of the way"


@pytest.mark.real
@pytest.mark.parametrize(
    ("names", "looking", "not_looking"),
    [
        (("He II 4200", "He II 4541", "He I 4471", "He I 4026"), "OB", "FGKM"),
        (("H beta", "H gamma", "H delta", "H alpha"), "AF", "KM"),
        (("Ca II K", "G band", "Ca I 4227"), "AFG", "O"),
        (("TiO 5448", "TiO 5847", "TiO 6158", "TiO 7054"), "M", "BAFG"),
    ],
)
def test_lines_weigh_in_the_types_that_have_them(shipped, names, looking, not_looking):
    maps = attention(shipped[0], types=shipped[1], criteria=dict.fromkeys("OBAFGKM", names))
    there, elsewhere = (
        np.mean([maps[type].ratio for type in group]) for group in (looking, not_looking)
    )
    assert there > 1.0 and there > 1.3 * elsewhere
