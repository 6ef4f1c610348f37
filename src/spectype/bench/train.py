"""How fast is a step of training? Beside the network's own step, and the same in plain torch."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spectype.bench.contest import OURS, Speed, contest
from spectype.bench.infer import PRODUCTS, flops, products
from spectype.core import kinds, mk
from spectype.core.grid import STANDARD_GRID
from spectype.core.spectra import Spectra
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.learn.recipe import NetworkConfig, Recipe, TrainConfig
from spectype.learn.session import Session
from spectype.learn.targets import N_BINS, make_targets

_STARS = 256


class PlainBlock(nn.Module):
    """A residual block as a textbook has it: Conv1d."""

    def __init__(self, before: int, after: int, kernel: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(before, after, kernel, stride=2, padding=kernel // 2, bias=False)
        self.second = nn.Conv1d(after, after, kernel, padding=kernel // 2, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm1d(after), nn.BatchNorm1d(after)
        self.skip = nn.Conv1d(before, after, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, before, p) -> (n, after, p / 2)."""
        y = self.norm2(self.second(functional.silu(self.norm1(self.first(x)))))
        return functional.silu(y + self.skip(functional.avg_pool1d(x, 2)))


def plain_network(config: NetworkConfig) -> nn.Module:
    """The standard network's layers, `Conv1d` for each, in their usual memory layout."""
    w = config.width
    sizes = (w, w, 3 * w // 2, 2 * w, 3 * w)
    return nn.Sequential(
        nn.Conv1d(3, w, 11, stride=4, padding=5, bias=False), nn.BatchNorm1d(w), nn.SiLU(),
        *(PlainBlock(a, b, config.kernel) for a, b in itertools.pairwise(sizes)),
        nn.Conv1d(sizes[-1], w, 1, bias=False), nn.BatchNorm1d(w), nn.SiLU(), nn.Flatten(),
        nn.Dropout(config.dropout), nn.Linear(w * (config.n_pix // 64), config.hidden), nn.SiLU(),
        nn.Linear(config.hidden, 2 * N_BINS + len(mk.LUMINOSITIES) + len(kinds.KINDS)),
    )  # fmt: skip


def measure(*, steps: int = 5, rounds: int = 3, batch: int = 64) -> Speed:
    """Steps of the standard recipe on made-up stars, one thread, beside what does less.

    Plain torch has the same layers and one cross entropy, on the same spectra every time: no
    draws, no augmentation, no second look at a star, no average of the weights.
    """
    torch.set_num_threads(1)
    config = TrainConfig(batch=batch, threads=1, device="cpu", precision="float32")
    with tempfile.TemporaryDirectory() as folder:
        store = _store(Path(folder) / "store")
        split = np.full(len(store), "train")
        targets = make_targets(store.meta, balance=config.balance, label_spread=1.0)
        session = Session(store, targets, split, Recipe(train=config), torch.device("cpu"))
        draw = torch.Generator().manual_seed(0)
        rows = np.arange(batch) % len(store)

        def ours() -> int:
            session.network.train()
            for _ in range(steps):
                session.step(rows, draw)
            return steps

        flux, good = session.batch(rows)
        label = torch.as_tensor(targets.sequence[rows].argmax(1))
        network = plain_network(NetworkConfig())
        inputs = torch.stack([flux, flux, good], dim=1)
        operations = 3 * flops(network, inputs)  # forward, and back to inputs and to weights
        contestants: dict[str, Callable[[], int]] = {
            OURS: ours,
            "its augmentation alone": lambda: _augmented(session, flux, good, draw, steps),
            "plain torch": _plain(network, inputs, label, steps),
            PRODUCTS: lambda: products(operations, steps),
        }
        about = {"batch": batch, "megaflop": operations / 1e6, "torch": torch.__version__}
        return contest(contestants, rounds=rounds, unit="step", floor=PRODUCTS, about=about)


def _augmented(
    session: Session, flux: Tensor, good: Tensor, draw: torch.Generator, steps: int
) -> int:
    for _ in range(steps):
        session.augment(flux.clone(), good.clone(), draw)
    return steps


def _plain(network: nn.Module, inputs: Tensor, label: Tensor, steps: int) -> Callable[[], int]:
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)

    def work() -> int:
        for _ in range(steps):
            optimiser.zero_grad()
            functional.cross_entropy(network(inputs)[:, :N_BINS], label).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return steps

    return work


def _store(folder: Path) -> Store:
    """Stars of noise with labels all along the sequence: a step's time is that of real ones."""
    rng = np.random.default_rng(0)
    codes = np.linspace(3, 69, _STARS)
    shape = (_STARS, STANDARD_GRID.size)
    spectra = Spectra(
        wave=STANDARD_GRID, flux=rng.normal(1, 0.1, shape).astype(np.float32),
        ivar=np.full(shape, 100, np.float32), mask=np.zeros(shape, np.bool_),
    )  # fmt: skip
    writer = StoreWriter(folder, wave=STANDARD_GRID)
    writer.append(*encode(spectra))
    rows = [
        {"path": str(i), "survey": "lamost" if i % 3 else "library", "star_id": f"star-{i // 2}",
         "type": mk.type_of(code), "code": float(code), "kind": "star", "synthetic": False,
         "luminosity": "V", "object": None, "snr": 10.0}
        for i, code in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": []})
