"""Flow matching among the principal components of refined stars.

A network learns the velocity that carries noise into stars along straight lines (Lipman et al.
2023, arXiv:2210.02747), told the place; drawing is an integral over 0..1. Among 64 components a
small dense network can learn what a convolutional one on 2,000 bins could not in hours of a core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spectype.generate.recipes import FlowConfig
from spectype.refine.lessons import Lessons, Picks, Stars
from spectype.refine.networks import FEATURES, Drawing, encode
from spectype.refine.neural_training import NeuralLearner
from spectype.refine.plane import CODE, LEVEL, METALS, SUBCLASSES_A_DEX, SUBCLASSES_A_HEIGHT

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
_TIMES = 8  # waves by which the network sees the time
_LAYERS = 4
_CANDIDATES = 16  # simulated stars nearest in place, one of which fills a star's gaps
_APART = 0.5  # variance of a star's components about those of such a neighbour


@dataclass(frozen=True)
class Components:
    """Principal components of unit variance.

    Parameters
    ----------
    mean : ndarray, shape (n_col,)
        Mean star.
    basis : ndarray, shape (k, n_col)
        What one standard deviation of each component adds.
    """

    mean: Singles
    basis: Singles

    @classmethod
    def of(cls, values: Singles, k: int) -> Components:
        """The first `k` of these stars, fewer where there are not so many."""
        from scipy.sparse.linalg import svds

        mean = values.mean(axis=0)
        apart = (values - mean).astype(np.float64)
        k = min(k, *(n - 1 for n in values.shape))
        _, size, axes = svds(apart, k, v0=np.ones(min(apart.shape)))
        basis = axes[::-1] * size[::-1, None] / np.sqrt(len(values))
        return cls(mean, basis.astype(np.float32))

    def scores(self, stars: Stars, noise: float, start: Singles) -> Singles:
        """Components of stars, (n, k); what their gaps leave open stays as in `start`.

        Least squares over the good columns, with `start` (n, k) as what is expected.
        """
        out = np.empty((len(stars), len(self.basis)), np.float32)
        for i in range(len(stars)):
            seen = self.basis[:, stars.good[i]].astype(np.float64)
            left = (stars.values[i] - self.mean - start[i] @ self.basis)[stars.good[i]]
            within = seen @ seen.T / noise + np.eye(len(seen)) / _APART
            out[i] = start[i] + np.linalg.solve(within, seen @ left / noise)
        return out


class Field(Drawing):
    """The velocity of a point among the components, at a time and for a place.

    Parameters
    ----------
    n_columns, k : int
        Columns of a star, and components.
    width : int
        Units of a layer.
    dropout : float
        Share of units left out in training.
    moves : int
        Steps of the integral.
    """

    mean: Tensor
    basis: Tensor

    def __init__(
        self, n_columns: int, k: int, *, width: int, dropout: float, moves: int
    ) -> None:  # fmt: skip
        super().__init__()
        self.moves = moves
        self.register_buffer("mean", torch.zeros(n_columns))
        self.register_buffer("basis", torch.zeros(k, n_columns))
        self.enter = nn.Linear(k, width)
        self.told = nn.Sequential(
            nn.Linear(FEATURES + 2 * _TIMES, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout),
                nn.Linear(width, width),
            )
            for _ in range(_LAYERS)
        )  # fmt: skip
        self.leave = nn.Linear(width, k)
        nn.init.zeros_(self.leave.weight)

    def forward(self, z: Tensor, time: Tensor, condition: Tensor) -> Tensor:
        phase = time * torch.pi * torch.arange(1, _TIMES + 1)
        told = self.told(torch.cat([condition, phase.sin(), phase.cos()], dim=1))
        x = self.enter(z)
        for layer in self.layers:
            x = x + layer(x + told)
        velocity: Tensor = self.leave(functional.silu(x))
        return velocity

    def columns(self, condition: Tensor, chance: torch.Generator | None = None) -> Tensor:
        """A draw for each condition, by the midpoint rule."""
        n, step = len(condition), 1.0 / self.moves
        z = torch.randn(n, len(self.basis), generator=chance)
        for i in range(self.moves):
            time = torch.full((n, 1), i * step)
            half = z + 0.5 * step * self(z, time, condition)
            z = z + step * self(half, time + 0.5 * step, condition)
        return self.mean + z @ self.basis


class Flow(NeuralLearner):
    """The velocity field in training."""

    recipe = "flow"
    config: FlowConfig

    def build(self, data: Lessons) -> dict[str, nn.Module]:
        """The field, and the components of all stars."""
        real, simulated = data.real, data.simulated
        parts = Components.of(simulated.values, self.config.components)
        pool = (simulated.values - parts.mean) @ np.linalg.pinv(parts.basis)
        left = simulated.values - parts.mean - pool @ parts.basis
        # What the components leave of refined stars, and the noise of real ones.
        noise = float((left**2).mean() + np.median(real.noise**2))
        start = pool[neighbours(data, np.random.default_rng([self.config.seed, 32]))]
        self.known = [torch.from_numpy(z.astype(np.float32))
                      for z in (parts.scores(real, noise, start), pool)]  # fmt: skip
        self.places = [torch.from_numpy(encode(stars.at)) for stars in (real, simulated)]
        field = Field(**self.sizes())
        field.mean.copy_(torch.from_numpy(parts.mean))
        field.basis.copy_(torch.from_numpy(parts.basis))
        return {"drawing": field}

    def sizes(self) -> dict[str, Any]:
        """Arguments of `Field`."""
        config = self.config
        return {
            "n_columns": self.n_columns,
            "k": min(config.components, config.pool - 1),
            "width": config.width,
            "dropout": config.dropout,
            "moves": config.moves,
        }

    def step(self, picks: Picks) -> dict[str, Tensor]:
        """One step down the mean square error of the velocity."""
        first = len(picks.simulated)
        chosen = torch.from_numpy(picks.real[first:]), torch.from_numpy(picks.simulated)
        star, condition = (
            torch.cat([of[i] for of, i in zip(both, chosen, strict=True)])
            for both in (self.known, self.places)
        )
        noise, time = torch.randn_like(star), torch.rand(len(star), 1)
        velocity = self.drawing(time * star + (1 - time) * noise, time, condition)
        loss = ((velocity - (star - noise)) ** 2).mean()
        self.descend(loss, "drawing")
        return {"loss": loss.detach()}


def neighbours(data: Lessons, rng: np.random.Generator) -> NDArray[np.int64]:
    """For every real star a simulated one of nearly its place, at random."""
    worth = {CODE: 1.0, LEVEL: SUBCLASSES_A_HEIGHT, METALS: SUBCLASSES_A_DEX}
    far = sum(
        (w * (data.real.at[:, c, None] - data.simulated.at[:, c])) ** 2 for c, w in worth.items()
    )
    count = min(_CANDIDATES, len(data.simulated))
    near = np.argpartition(far, count - 1, axis=1)[:, :count]
    return near[np.arange(len(near)), rng.integers(0, count, len(near))]
