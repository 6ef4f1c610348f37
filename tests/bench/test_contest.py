"""Contestants do the same work; ours is beside them, and so is what nobody can do without."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest
import torch

from spectype.bench.contest import OURS, contest
from spectype.bench.infer import flops, products
from spectype.bench.preprocess import COPY, by_interp
from spectype.bench.train import plain_network
from spectype.classify.runtime import load_model
from spectype.cli import run
from spectype.core.errors import UsageError
from spectype.dataset.preprocess import run_chain
from spectype.learn.networks import StandardNetwork
from spectype.learn.recipe import NetworkConfig
from tests.bench.test_read import release  # noqa: F401 (a fixture)
from tests.stars import star_batch


def test_the_best_round_counts_and_the_first_warms_up(monkeypatch):
    clock = iter([0, 0, 0, 4, 10, 12, 20, 26, 30, 33])  # the first two warm up, then begin and end
    monkeypatch.setattr(time, "process_time", lambda: float(next(clock)))
    speed = contest({OURS: lambda: 2, "other": lambda: 1}, rounds=2, unit="step", floor="other")
    assert speed.seconds == {OURS: 2.0, "other": 2.0}
    assert speed.ratio == {"other": 1.0} and speed.as_dict()["ratio"] == speed.ratio
    with pytest.raises(UsageError, match="0 rounds"):
        contest({OURS: lambda: 1}, rounds=0, unit="step")


def test_the_plain_ways_do_the_same_work():
    model = load_model()
    spectra = star_batch(np.array([22.0, 44.0]), snr=50, wave=np.arange(3750.0, 8950.0, 1.3))
    ours = run_chain(spectra, model.chain)
    for i in range(2):
        flux, _, bad = by_interp(spectra[i : i + 1], model.wave)
        both = ~bad & ~ours.mask[i]
        assert both.mean() > 0.9
        assert np.corrcoef(flux[both], ours.flux[i][both])[0, 1] > 0.99
        assert np.median(flux[both] / ours.flux[i][both]) == pytest.approx(1, abs=0.02)
    config = NetworkConfig(width=8, hidden=16)
    flux, good = torch.rand(1, config.n_pix), torch.ones(1, config.n_pix)
    standard = flops(StandardNetwork(config), flux, good)
    plain = flops(plain_network(config), torch.stack([flux, flux, good], dim=1))
    # The broad shape's own products, which the plain one is spared, are a fortieth at this width.
    assert plain == pytest.approx(standard, rel=0.03) and plain < standard
    assert products(standard, 1000) == pytest.approx(1000, rel=0.5)


def test_commands_print_a_table_or_json(release, capsys):  # noqa: F811
    call = ["bench", "preprocess", str(release), "--n", "4", "--rounds", "1", "--moved"]
    assert run(call) == 0
    assert f"{COPY}" in capsys.readouterr().out
    assert run([*call, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["floor"] == COPY and found["ratio"][COPY] < 1
    assert found["about"]["spectra"] == 4
    assert run(["bench", "infer", "--n", "8", "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["about"]["megaflop"] > 1 and len(found["seconds"]) == 4
    assert run(["bench", "train", "--steps", "1", "--rounds", "1", "--batch", "8"]) == 0
    assert "plain torch" in capsys.readouterr().out
