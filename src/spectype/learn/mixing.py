"""Partners of a spectrum: neighbouring stars to blend with, other exposures to agree with.

A blend of an F5 V and an F6 V is as good an F5 V as the labels can tell; it has another
noise, another abundance and another instrument. So a network cannot learn single stars by heart
(mixup of Zhang et al. 2018, ICLR, kept to neighbours on the sequence, where it is physical).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from spectype.learn.augment import masked_mean
from spectype.learn.targets import BINS_PER_SUBCLASS, Targets

REACH = 2.0  #: farthest partner [subclass]


class Neighbours:
    """Partners of each training spectrum: same system, type and luminosity class, close in code.

    Parameters
    ----------
    targets : Targets
        Targets of all rows.
    rows : ndarray, shape (m,)
        Training rows.
    """

    def __init__(self, targets: Targets, rows: NDArray[np.int64]) -> None:
        has_code = targets.sequence[rows].sum(axis=1) > 0
        self.code = np.full(len(targets.type_index), np.nan)
        peak = targets.sequence[rows].argmax(axis=1) / BINS_PER_SUBCLASS
        self.code[rows] = np.where(has_code, peak, np.nan)
        self.group = (
            targets.type_index * 100 + (targets.luminosity + 1) * 10 + targets.survey.astype(int)
        )
        order = np.lexsort((self.code[rows], self.group[rows]))
        self.sorted = rows[order]
        key = self._key(self.sorted)
        self.first = np.searchsorted(key, self._key(rows) - REACH, side="left")
        self.last = np.searchsorted(key, self._key(rows) + REACH, side="right")
        self.place = np.full(len(targets.type_index), -1)
        self.place[rows] = np.arange(len(rows))

    def _key(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """One ascending number for group and code; rows without code stand far from all."""
        return np.asarray(self.group[rows] * 1000.0 + np.nan_to_num(self.code[rows], nan=500.0))

    def pick(self, rows: NDArray[np.int64], draw: Generator) -> NDArray[np.int64]:
        """A random partner of each row (perhaps itself), shape (n,)."""
        place = self.place[rows]
        first, last = self.first[place], self.last[place]
        u = torch.rand(len(rows), generator=draw, dtype=torch.float64).numpy()
        other = self.sorted[first + (u * (last - first)).astype(np.int64)]
        return np.asarray(np.where(np.isnan(self.code[rows]), rows, other))

    @staticmethod
    def blend(
        one: tuple[Tensor, Tensor], two: tuple[Tensor, Tensor], on: Tensor, draw: Generator
    ) -> tuple[Tensor, Tensor]:
        """Blend the spectra marked in `on` (n,); where one has no pixel, it is no pixel.

        The first keeps more than half, and its label. Two that share little are left alone.
        """
        (flux, good), (flux2, good2) = one, two
        both = good * good2
        enough = both.sum(1) > 0.7 * good.sum(1)
        part = 0.5 * torch.rand(len(flux), 1, generator=draw)
        scale = masked_mean(flux, both) / masked_mean(flux2, both).clamp(min=1e-6)
        mixed = (1 - part) * flux + part * scale.clamp(0.0, 1e4) * flux2
        use = (on & enough)[:, None]
        return torch.where(use, mixed * both, flux), torch.where(use, both, good)


class Exposures:
    """Other spectra of the same star: another night, fibre or instrument.

    Parameters
    ----------
    star : ndarray of str, shape (n,)
        Star of every row.
    rows : ndarray, shape (m,)
        Training rows.
    """

    def __init__(self, star: NDArray[np.str_], rows: NDArray[np.int64]) -> None:
        self.sorted = rows[np.argsort(star[rows], kind="stable")]
        _, number, count = np.unique(star[rows], return_inverse=True, return_counts=True)
        first = np.concatenate([[0], np.cumsum(count)[:-1]])
        self.first, self.count = (np.zeros(len(star), np.int64) for _ in range(2))
        self.first[rows], self.count[rows] = first[number], count[number]

    def pick(self, rows: NDArray[np.int64], draw: Generator) -> NDArray[np.int64]:
        """A random exposure of the star of each row, itself perhaps or of need, shape (n,)."""
        u = torch.rand(len(rows), generator=draw, dtype=torch.float64).numpy()
        return self.sorted[self.first[rows] + (u * self.count[rows]).astype(np.int64)]
