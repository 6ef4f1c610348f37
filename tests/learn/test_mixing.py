import numpy as np
import polars as pl
import pytest
import torch

from spectype.learn.mixing import Exposures, Neighbours
from spectype.learn.targets import make_targets


def test_blends_are_of_neighbours_and_lie_between():
    code = np.linspace(1, 68, 120)
    meta = pl.DataFrame({"survey": "atlas", "code": code, "luminosity": "V", "kind": "star",
                         "type": ["OBAFGKM"[int(c // 10)] for c in code]})  # fmt: skip
    targets = make_targets(meta, balance=0.7)
    rows = np.arange(len(code))
    neighbours = Neighbours(targets, rows)
    draw = torch.Generator().manual_seed(3)
    other = neighbours.pick(rows, draw)
    assert np.abs(code[other] - code).max() < 2.6  # two subclasses and the rounding to bins
    assert (targets.type_index[other] == targets.type_index).all()
    assert (other != rows).mean() > 0.5
    flux, good = torch.ones(4, 50), torch.ones(4, 50)
    flux2 = torch.linspace(0.5, 1.5, 50).repeat(4, 1)
    good2 = torch.ones(4, 50)
    good2[1, 25:] = 0  # shares too little
    on = torch.tensor([True, True, False, True])
    mixed, there = neighbours.blend((flux, good), (flux2, good2), on, draw)
    assert torch.equal(mixed[1], flux[1]) and torch.equal(mixed[2], flux[2])
    assert (mixed[0] >= flux2[0].clamp(max=1.0) - 1e-6).all() and mixed[0, -1] > 1.05 - 0.05
    assert mixed[0].mean() == pytest.approx(1.0, abs=1e-5)
    assert there.sum() == 200


def test_another_exposure_is_of_the_same_star_and_of_the_training_part():
    star = np.array(["c", "a", "b", "a", "c", "a", "d"])
    rows = np.array([0, 1, 2, 3, 5])  # the second of c and all of d are not training's
    exposures = Exposures(star, rows)
    asked = np.repeat(rows, 300)
    got = exposures.pick(asked, torch.Generator().manual_seed(1))
    assert (star[got] == star[asked]).all() and np.isin(got, rows).all()
    assert (got[asked == 0] == 0).all() and (got[asked == 2] == 2).all()
    counts = np.bincount(got[asked == 3], minlength=7)[[1, 3, 5]]
    assert (np.abs(counts - 100) < 30).all()  # 100 expected of each, 3.7 sigma
