"""A convolutional conditional Wasserstein GAN.

Its generator makes the ratio of a star to its simulated one from noise and the place; its critic is
told the place, too, and is held to slopes of one by a penalty (Gulrajani et al. 2017,
arXiv:1704.00028). Coverage and noise must not give the source away: what the generator makes
wears the gaps of the real star beside it and its noise before it is judged, so it learns stars
without noise from noisy ones (Bora et al. 2018, AmbientGAN, ICLR).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from spectype.generate.recipes import WassersteinConfig
from spectype.refine.lessons import Lessons, Picks
from spectype.refine.networks import FEATURES, Drawing
from spectype.refine.neural_training import NeuralLearner

_DOUBLINGS = 5  # of the coarsest map to the bins: three blocks, and the last one by four
_CHANNELS = (64, 48, 32, 24)  # of the generator's maps, coarse to fine
_LAST = 12  # channels at full length
_CRITIC = (24, 32, 48, 64)  # of the critic's maps, fine to coarse
_STYLE = 96
_EVERY = 4  # steps from penalty to penalty
_DRIFT = 1e-3  # keeps the critic's verdicts from running away


def _coarsest(n_bins: int) -> int:
    return int(np.ceil(n_bins / 2**_DOUBLINGS))


class Block(nn.Module):
    """Twice as long, a convolution, a map of its own at every wavelength, and the style.

    Lines stand at fixed wavelengths: the map is what a convolution alone cannot know.
    """

    def __init__(self, wide: int, narrow: int, length: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(wide, narrow, 5, padding=2)
        self.map = nn.Parameter(0.1 * torch.randn(narrow, length))
        self.style = nn.Linear(_STYLE, 2 * narrow)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = functional.interpolate(x, scale_factor=2.0, mode="linear", align_corners=False)
        return _styled(self.convolution(x) + self.map, self.style(style))


def _styled(x: Tensor, style: Tensor) -> Tensor:
    gain, shift = style[:, :, None].chunk(2, dim=1)
    return functional.leaky_relu(x * (1 + gain) + shift, 0.2)


class Synthesis(Drawing):
    """The generator: noise and place to ratios.

    Parameters
    ----------
    n_bins, n_knots : int
        Columns to make.
    noise : int
        Length of the random input.
    """

    def __init__(self, n_bins: int, n_knots: int, noise: int) -> None:
        super().__init__()
        self.n_bins, self.noise, length = n_bins, noise, _coarsest(n_bins)
        self.mapping = nn.Sequential(
            nn.Linear(noise + FEATURES, _STYLE), nn.LeakyReLU(0.2),
            nn.Linear(_STYLE, _STYLE), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.start = nn.Parameter(torch.randn(_CHANNELS[0], length))
        self.blocks = nn.ModuleList(
            Block(a, b, length * 2 ** (i + 1)) for i, (a, b) in enumerate(pairwise(_CHANNELS))
        )
        self.fine = nn.Conv1d(_CHANNELS[-1], 4 * _LAST, 5, padding=2)
        self.map = nn.Parameter(0.1 * torch.randn(_LAST, length * 2**_DOUBLINGS))
        self.style = nn.Linear(_STYLE, 2 * _LAST)
        self.out = nn.Conv1d(_LAST, 1, 5, padding=2)
        self.knots = nn.Linear(_STYLE, n_knots)

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        style = self.mapping(torch.cat([noise, condition], dim=1))
        x = self.start.expand(len(style), -1, -1)
        for block in self.blocks:
            x = block(x, style)
        x = self.fine(x).view(len(x), _LAST, 4, -1).transpose(2, 3).flatten(2)
        x = self.out(_styled(x + self.map, self.style(style)))[:, 0, : self.n_bins]
        return torch.cat([x, self.knots(style)], dim=1)

    def columns(self, condition: Tensor, chance: torch.Generator | None = None) -> Tensor:
        """A draw for each condition."""
        noise = torch.randn(len(condition), self.noise, generator=chance)
        return self.forward(condition, noise)


class Critic(nn.Module):
    """How real does a star of this place look? One number, of any size.

    Parameters
    ----------
    n_bins, n_knots : int
        Columns to judge; those that are not good count nothing.
    """

    def __init__(self, n_bins: int, n_knots: int) -> None:
        super().__init__()
        self.n_bins, self.length = n_bins, _coarsest(n_bins) * 2**_DOUBLINGS
        layers: list[nn.Module] = [nn.Conv1d(8, _CRITIC[0], 3, padding=1), nn.LeakyReLU(0.2)]
        for a, b in pairwise(_CRITIC):
            layers += [nn.Conv1d(a, b, 5, stride=2, padding=2), nn.LeakyReLU(0.2)]
        self.maps = nn.Sequential(*layers)
        flat = _CRITIC[-1] * _coarsest(n_bins)
        self.whole = nn.Linear(flat + 2 * n_knots, 128)
        self.verdict = nn.Linear(128, 1)
        self.place = nn.Sequential(
            nn.Linear(FEATURES, 64), nn.LeakyReLU(0.2), nn.Linear(64, 128)
        )  # fmt: skip

    def forward(self, values: Tensor, good: Tensor, condition: Tensor) -> Tensor:
        seen = values * good
        bins = torch.stack([seen[:, : self.n_bins], good[:, : self.n_bins]], dim=1)
        bins = functional.pad(bins, (0, self.length - self.n_bins))
        four = bins.view(len(bins), 2, -1, 4).transpose(2, 3).reshape(len(bins), 8, -1)
        knots = torch.cat([seen[:, self.n_bins :], good[:, self.n_bins :]], dim=1)
        x = torch.cat([self.maps(four).flatten(1), knots], dim=1)
        x = functional.leaky_relu(self.whole(x), 0.2)
        # Real for its place, not only real (Miyato & Koyama 2018, arXiv:1802.05637).
        verdict: Tensor = self.verdict(x)[:, 0] + (x * self.place(condition)).sum(dim=1)
        return verdict


class Adversary(NeuralLearner):
    """Generator and critic in training."""

    recipe = "wasserstein"
    config: WassersteinConfig

    def build(self, data: Lessons) -> dict[str, nn.Module]:
        """The generator, which draws, and the critic."""
        critic = Critic(self.n_columns - self.n_knots, self.n_knots)
        return {"drawing": Synthesis(**self.sizes()), "critic": critic}

    def sizes(self) -> dict[str, Any]:
        """Arguments of `Synthesis`."""
        n_bins = self.n_columns - self.n_knots
        return {"n_bins": n_bins, "n_knots": self.n_knots, "noise": self.config.noise}

    def step(self, picks: Picks) -> dict[str, Tensor]:
        """One step of the critic, one of the generator."""
        batch = self.data.batch(picks)
        good, condition, critic = batch.good, batch.condition, self.networks["critic"]
        made = self.drawing.columns(condition)
        real = batch.values + batch.quiet * batch.noise * torch.randn_like(batch.values)
        seen = made + batch.noise * torch.randn_like(made)
        fake = seen.detach()
        verdict_real = critic(real, good, condition)
        distance = verdict_real.mean() - critic(fake, good, condition).mean()
        loss = _DRIFT * (verdict_real**2).mean() - distance
        if self.done % _EVERY == 0:
            # Seldom and strongly does as well as always, for half the time (Karras et al. 2020).
            penalty = slope_penalty(critic, real, fake, good, condition)
            loss = loss + _EVERY * self.config.penalty * penalty
        self.descend(loss, "critic")
        critic.requires_grad_(False)
        self.descend(-critic(seen, good, condition).mean(), "drawing")
        critic.requires_grad_(True)
        return {"distance": distance.detach()}


def slope_penalty(
    critic: nn.Module, real: Tensor, fake: Tensor, good: Tensor, condition: Tensor
) -> Tensor:
    """Mean square of how far the critic's slope is from one, between real and made stars."""
    share = torch.rand(len(real), 1)
    between = (share * real + (1 - share) * fake).requires_grad_(True)
    verdict = critic(between, good, condition).sum()
    (slope,) = torch.autograd.grad(verdict, between, create_graph=True)
    apart: Tensor = slope.norm(dim=1) - 1
    return (apart**2).mean()
