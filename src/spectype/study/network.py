"""The reference study's network, made a citizen: the same interface as the standard network.

The study (2022, LAMOST DR6) typed spectra with four convolutions and one very wide dense
layer. Its code gave the spectrum to the convolutions as one step of 3,500 channels, so that
they never slid along wavelength. Here they do; `as_published` brings the old arrangement back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spectype.core import kinds, mk
from spectype.core.errors import DataError
from spectype.core.grid import log_grid
from spectype.learn.targets import N_BINS
from spectype.study.recipes import ReferenceConfig

KIND = "reference"
N_PIX = 3500  #: pixels of the study's spectra
FIRST, LAST = 3700.0, 8671.6  #: of the cut that the study describes [Angstrom]
SKIPPED = 2  #: pixels; its code cut [2:3502] of LAMOST's, which ends at 8287 Angstrom
SMOOTH = 3  # pixels of its moving average
GAP = 101  # a missing pixel takes the mean of the good ones in so many around it


class Prepare(nn.Module):
    """Flux and good pixels -> the study's input of 3,500 numbers in 0..1.

    Moving average over three pixels, cut, smallest and largest value to 0 and 1. Bad pixels
    are left out of the average. A missing pixel takes the mean of the good ones in the 101
    around it; where there are none, as beyond the end of a shorter spectrum, it is 0, as the
    study padded. As meant, 3,500 pixels reach from 3700 to 8671.6 Angstrom, linear between
    the grid's; as published they are the grid's own from the third on.
    """

    def __init__(self, wave: NDArray[np.float64], *, as_published: bool) -> None:
        super().__init__()
        if as_published:
            if wave.size < SKIPPED + N_PIX:
                raise DataError(f"the grid has {wave.size} pixels; {SKIPPED + N_PIX} are needed")
            place = np.arange(SKIPPED, SKIPPED + N_PIX, dtype=np.float64)
        else:
            wanted = np.geomspace(FIRST, LAST, N_PIX)
            place = np.interp(wanted, wave, np.arange(wave.size), left=-1.0, right=-1.0)
            # The first pixel of the standard grid is 0.01 pixel off the cut.
            place[np.abs(wanted / wave[0] - 1.0) < 1e-5] = 0.0
        left = np.clip(place.astype(np.int64), 0, wave.size - 2)
        inside = place >= 0
        for name, values in (
            ("left", left),
            ("part", np.where(inside, place - left, 0.0).astype(np.float32)),
            ("inside", inside.astype(np.float32)),
        ):
            self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def forward(self, flux: Tensor, good: Tensor) -> Tensor:
        """`flux` on any scale and `good` (1 or 0), each (n, n_pix) -> (n, N_PIX)."""
        size = (flux.abs() * good).mean(-1, keepdim=True).clamp(min=1e-30)
        both = torch.stack([flux * good / size, good], dim=1)
        near, far = (
            functional.avg_pool1d(both, width, stride=1, padding=width // 2)
            for width in (SMOOTH, GAP)
        )
        close, around = near[:, 1] > 1e-6, far[:, 1] > 1e-6
        value = torch.where(
            close,
            near[:, 0] / near[:, 1].clamp(min=1e-6),
            far[:, 0] / far[:, 1].clamp(min=1e-6),
        )
        known = (close | around).to(flux.dtype)
        left, part = self.get_buffer("left"), self.get_buffer("part")
        value = value[:, left] + part * (value[:, left + 1] - value[:, left])
        known = torch.minimum(known[:, left], known[:, left + 1]) * self.get_buffer("inside")
        low = torch.where(known > 0, value, torch.full_like(value, 1e9)).amin(-1, keepdim=True)
        high = torch.where(known > 0, value, torch.full_like(value, -1e9)).amax(-1, keepdim=True)
        return known * (value - low) / (high - low).clamp(min=1e-6)


class ReferenceBody(nn.Module):
    """The study's layers: (n, N_PIX) -> logits of the seven types."""

    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.as_published = config.as_published
        self.kernel = config.kernel
        before, length = (N_PIX, 1) if config.as_published else (1, N_PIX)
        self.convolutions = nn.ModuleList()
        for filters in config.filters:
            self.convolutions.append(nn.Conv1d(before, filters, config.kernel))
            before, length = filters, max(1, length // 2)
        self.dense = nn.Linear(before * length, config.dense)
        self.types = nn.Linear(config.dense, len(mk.TYPES))
        for module in self.modules():
            if isinstance(module, (nn.Conv1d, nn.Linear)):
                # The study's framework starts from Glorot's weights and zero biases.
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(n, N_PIX) -> (n, 7)."""
        x = x.unsqueeze(2 if self.as_published else 1)
        for convolution in self.convolutions:
            # "same" padding; an even kernel reaches one pixel further to the red.
            x = functional.pad(x, ((self.kernel - 1) // 2, self.kernel // 2))
            x = functional.relu(convolution(x))
            if x.shape[-1] > 1:
                x = functional.max_pool1d(x, 2)
        x = functional.relu(self.dense(x.flatten(1)))
        return self.types(x)  # type: ignore[no-any-return]


class ReferenceNetwork(nn.Module):
    """Flux and good pixels -> the three outputs of `StandardNetwork`.

    The network knows types alone: the logarithm of a type's probability is spread evenly over
    its 20 bins, and the luminosity classes stay at "don't know" and every
    object is a star.
    """

    def __init__(self, config: ReferenceConfig, wave: NDArray[np.float64]) -> None:
        super().__init__()
        self.config = config
        self.prepare = Prepare(wave, as_published=config.as_published)
        self.body = ReferenceBody(config)

    def forward(self, flux: Tensor, good: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """`flux`, `good` (n, n_pix) -> the outputs of `StandardNetwork`, both systems alike."""
        types = torch.log_softmax(self.body(self.prepare(flux, good)), dim=-1)
        bins = N_BINS // len(mk.TYPES)
        sequence = types.repeat_interleave(bins, dim=-1) - float(np.log(bins))
        unknown = torch.zeros_like(types)
        classes = unknown[:, : len(mk.LUMINOSITIES)]
        # It knows of stars only.
        star = torch.cat([unknown[:, :1] + 9.0, unknown[:, :1].expand(-1, len(kinds.KINDS) - 1)], 1)
        return sequence, sequence.clone(), classes, star


def describe(config: ReferenceConfig, wave: NDArray[np.float64]) -> dict[str, Any]:
    """What `rebuild` needs, as plain data."""
    log = np.log10(wave)
    return {
        "kind": KIND,
        "filters": list(config.filters),
        "kernel": config.kernel,
        "dense": config.dense,
        "as_published": config.as_published,
        "grid": {"start": float(log[0]), "step": float(log[1] - log[0]), "n_pix": wave.size},
    }


def rebuild(state: Mapping[str, Any]) -> ReferenceNetwork:
    """A network of this description, with fresh weights."""
    grid = state["grid"]
    config = ReferenceConfig(
        filters=tuple(state["filters"]),
        kernel=state["kernel"],
        dense=state["dense"],
        as_published=state["as_published"],
    )
    wave = log_grid(grid["start"], step=grid["step"], n_pix=grid["n_pix"])
    return ReferenceNetwork(config, wave)
