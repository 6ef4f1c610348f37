"""Which names have come before, for ten million of them in a hundred megabytes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_CHUNK = 65_536  # names that are looked up together
Hashes = NDArray[np.uint64]


class Seen:
    """A set of names, of which 64-bit hashes are kept: 8 bytes a name.

    The hashes lie in sorted arrays of doubling length, so that a name is moved only a few times and
    looked up in a few. Two different names of ten million are taken for one with a probability
    of 3e-6.
    """

    def __init__(self) -> None:
        self._levels: list[Hashes] = []

    def __len__(self) -> int:
        return sum(len(level) for level in self._levels)

    def add(self, names: list[str]) -> NDArray[np.bool_]:
        """Add names; which of them are new, shape (n,)."""
        hashes = np.array([_hash(name) for name in names], np.uint64)
        unique, first = np.unique(hashes, return_index=True)
        known = np.zeros(len(unique), bool)
        for level in self._levels:
            place = np.minimum(np.searchsorted(level, unique), len(level) - 1)
            known |= level[place] == unique
        new = np.zeros(len(names), bool)
        new[first[~known]] = True
        self._keep(unique[~known])
        return new

    def _keep(self, hashes: Hashes) -> None:
        if not len(hashes):
            return
        while self._levels and len(self._levels[-1]) <= 2 * len(hashes):
            hashes = np.concatenate([self._levels.pop(), hashes])
            hashes.sort()
        self._levels.append(hashes)


def _hash(name: str) -> int:
    return int.from_bytes(blake2b(os.fsencode(name), digest_size=8).digest(), "little")


def unique(names: Iterable[str], seen: Seen | None = None) -> Iterator[str]:
    """The names without those that came before, in order; `seen` counts the ones that are kept."""
    seen = Seen() if seen is None else seen
    chunk: list[str] = []
    for name in names:
        chunk.append(name)
        if len(chunk) == _CHUNK:
            yield from _fresh(chunk, seen)
            chunk = []
    yield from _fresh(chunk, seen)


def _fresh(chunk: list[str], seen: Seen) -> Iterator[str]:
    for name, new in zip(chunk, seen.add(chunk)):
        if new:
            yield name
