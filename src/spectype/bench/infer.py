"""How fast is the network? As it is run, one spectrum at a time, in torch, and at its least."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from spectype.bench.contest import OURS, Speed, contest
from spectype.classify.runtime import BATCH, DEFAULT, load_model
from spectype.learn.networks import StandardNetwork
from spectype.learn.start import load_folded, member_weights, network_of

PRODUCTS = "its multiplications as one matrix product"
_SIDE = 1024  #: of the square matrices


def measure(*, n: int = 512, rounds: int = 5) -> Speed:
    """Run the shipped network on `n` spectra of noise: its time does not depend on what it sees.

    On one thread. Beside it one spectrum at a time, torch with the same weights in the same
    batches, and the floor: as many multiplications as the network has, as one product of matrices.
    """
    torch.set_num_threads(1)
    model = load_model(DEFAULT, threads=1)
    shape = (n, model.wave.size)
    flux = np.random.default_rng(0).normal(1, 0.1, shape).astype(np.float32)
    good = np.ones(shape, np.bool_)
    network = StandardNetwork(network_of(DEFAULT))
    path = model.folder / "model.onnx"
    load_folded(network, member_weights(path, 0), path)
    network.eval()
    operations = flops(network, torch.from_numpy(flux[:1]), torch.from_numpy(good[:1]).float())
    contestants: dict[str, Callable[[], int]] = {
        OURS: lambda: len(model.outputs(flux, good).sequence),
        "one spectrum at a time": lambda: sum(
            len(model.outputs(flux[i : i + 1], good[i : i + 1]).sequence) for i in range(n // 4)
        ),
        "torch, the same batches": lambda: _by_torch(network, flux, good),
        PRODUCTS: partial(products, operations, n),
    }
    about = {"spectra": n, "batch": BATCH, "megaflop": operations / 1e6, "torch": torch.__version__}
    return contest(contestants, rounds=rounds, unit="spectrum", floor=PRODUCTS, about=about)


def flops(network: torch.nn.Module, *inputs: torch.Tensor) -> int:
    """Multiplications and additions of a network for these inputs."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return int(counter.get_total_flops())


@torch.no_grad()
def _by_torch(network: StandardNetwork, flux: NDArray[np.float32], good: NDArray[np.bool_]) -> int:
    for i in range(0, len(flux), BATCH):
        part = good[i : i + BATCH]
        network(torch.from_numpy(flux[i : i + BATCH] * part), torch.from_numpy(part).float())
    return len(flux)


_MATRIX = torch.rand(_SIDE, _SIDE)


def products(operations: int, n: int) -> int:
    """Products of matrices with the operations of about `n` spectra; how many spectra exactly."""
    times = max(1, round(operations * n / (2 * _SIDE**3)))
    for _ in range(times):
        torch.mm(_MATRIX, _MATRIX)
    return max(1, round(times * 2 * _SIDE**3 / operations))
