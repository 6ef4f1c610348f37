"""Every registered network keeps the contract by which the rest of the code knows it."""

import json

import numpy as np
import pytest
import torch

from spectype.core.errors import DataError
from spectype.core.files import write_manifest
from spectype.core.grid import STANDARD_GRID
from spectype.learn import checkpoint
from spectype.learn.architectures import ARCHITECTURES, describe, rebuild
from spectype.learn.export import load_member
from spectype.learn.networks import StandardNetwork
from spectype.learn.recipe import NetworkConfig
from spectype.study.recipes import REFERENCE  # noqa: F401  (a network more)

SMALL = {"standard": {"width": 8, "hidden": 8}, "reference": {"dense": 8}}  # else as they come


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_a_network_is_found_again_from_what_is_kept_of_it(name):
    architecture = ARCHITECTURES.get(name)
    config = architecture.config(**SMALL.get(name, {}))
    network = architecture.build(config, STANDARD_GRID).eval()
    again = rebuild(json.loads(json.dumps(describe(name, config, STANDARD_GRID)))).eval()
    again.load_state_dict(network.state_dict())
    draw = torch.Generator().manual_seed(3)
    flux = 1 + 0.1 * torch.randn(3, STANDARD_GRID.size, generator=draw)
    good = (torch.rand(flux.shape, generator=draw) > 0.1).float()
    outputs = network(flux, good)
    wanted = StandardNetwork(NetworkConfig(**SMALL["standard"])).eval()(flux, good)
    for mine, other, model in zip(outputs, again(flux, good), wanted, strict=True):
        assert mine.shape == model.shape
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)  # the grid is kept rounded
    # The scale of a spectrum says nothing of its type.
    torch.testing.assert_close(network(1e-16 * flux, good)[0], outputs[0], rtol=1e-3, atol=1e-3)


def test_a_run_of_an_unknown_network_is_refused(tmp_path):
    write_manifest(tmp_path, "run", {})
    state = {"network": {"kind": "toy", "units": 3}}
    checkpoint.save(tmp_path / "best.safetensors", tensors={"a": torch.ones(1)}, state=state)
    with pytest.raises(DataError, match=r"best.safetensors: unknown network 'toy' \(standard, "):
        load_member(tmp_path)


def test_weights_of_another_size_are_refused(tmp_path):
    write_manifest(tmp_path, "run", {})
    network = StandardNetwork(NetworkConfig(width=8, hidden=8))
    state = {"network": describe("standard", NetworkConfig(width=8, hidden=16), STANDARD_GRID)}
    tensors = {f"network.{k}": v for k, v in network.state_dict().items()}
    checkpoint.save(tmp_path / "best.safetensors", tensors=tensors, state=state)
    with pytest.raises(DataError, match="does not fit its own description"):
        load_member(tmp_path)


def test_runs_older_than_the_choice_hold_the_standard_network():
    network = rebuild({"width": 8, "hidden": 8})
    assert isinstance(network, StandardNetwork) and network.config.width == 8
    assert np.prod(network.dense.weight.shape) == 8 * (8 * 61)
