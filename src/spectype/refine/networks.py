"""What the networks that draw stars have in common: how a place is told them, what they give."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spectype.refine.plane import CODE, LEVEL, METALS

#: Waves along the sequence by which a network sees a code [subclass]; shorter ones would let it
#: learn stars by heart.
_WAVES = np.array([8.0, 16.0, 32.0, 64.0])
FEATURES = 2 * _WAVES.size + 3  #: numbers that a place is told in


def encode(at: NDArray[np.float64]) -> NDArray[np.float32]:
    """Places (n, 5) as numbers of order 1, shape (n, FEATURES)."""
    phase = 2 * np.pi * at[:, CODE, None] / _WAVES
    plain = np.stack([at[:, CODE] / 15 - 1, at[:, LEVEL] - 1, at[:, METALS] + 0.5], axis=1)
    return np.concatenate([plain, np.sin(phase), np.cos(phase)], axis=1).astype(np.float32)


class Drawing(nn.Module):
    """A network that draws ratios (`lessons.Stars`) of places."""

    @abstractmethod
    def columns(self, condition: Tensor, chance: torch.Generator | None = None) -> Tensor:
        """A draw for each condition (n, FEATURES), shape (n, n_col)."""
