"""Trains on a store; torchrun starts it twice, a test calls it alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import torch
from torch import nn

from spectype.core import kinds, mk
from spectype.dataset.store import Store
from spectype.learn import together
from spectype.learn.architectures import ARCHITECTURES, Architecture
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.learn.targets import N_BINS
from spectype.learn.training import train


@dataclass(frozen=True)
class PlainConfig:
    """A network without chance and without statistics of a batch."""

    hidden: int = 12


class Plain(nn.Module):
    """Two layers."""

    def __init__(self, config: PlainConfig, n_pix: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_pix, config.hidden)
        sizes = (N_BINS, N_BINS, len(mk.LUMINOSITIES), len(kinds.KINDS))
        self.last = nn.ModuleList(nn.Linear(config.hidden, size) for size in sizes)

    def forward(self, flux, good, keep_shape=None):
        size = (flux.abs() * good).mean(1, keepdim=True)
        x = torch.tanh(self.first(flux * good / size - 1))
        return tuple(layer(x) for layer in self.last)


def plain(config, wave):
    return Plain(config, len(wave))


NOTHING = dict.fromkeys(AugmentConfig.__dataclass_fields__, 0.0) | {"faintest": 4.0}
PLAN = TrainConfig(
    epochs=2, steps=5, batch=24, balance=0.0, outliers=0.0, consistency=0.0, averaging=0.5,
    learning_rate=0.02, threads=1, device="cpu", precision="float32",
)  # fmt: skip
SMALL = TrainConfig(epochs=1, steps=2, batch=16, threads=1, device="cpu")
RECIPE = Recipe(
    network=PlainConfig(), augment=AugmentConfig(**NOTHING), train=PLAN, architecture="plain"
)


def train_plain(store: str, out: str) -> None:
    ARCHITECTURES.add("plain", Architecture(PlainConfig, plain))
    try:
        train(Store(store), out, recipe=RECIPE)
    finally:
        ARCHITECTURES._own.pop("plain")  # other tests train every network there is


if __name__ == "__main__":
    store, out = sys.argv[1:3]
    with together.joined():
        assert together.mean([float(together.rank())]) == [0.5]  # there are two
        train_plain(store, f"{out}/plain")
        # The standard network, with all that its training does: the first writes, and once.
        recipe = Recipe(network=NetworkConfig(width=4, hidden=16), train=SMALL)
        train(Store(store), f"{out}/standard", recipe=recipe)
