"""A grid of emergent fluxes, computed once a run, and interpolation in it.

Temperature and the height between the dwarf, giant and supergiant sequences are the axes, so
that every node is a star that exists; below 8,000 K there is a third, metallicity.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype import starlight
from spectype.core.files import atomic_path, cache_folder
from spectype.starlight import calibration
from spectype.starlight.physics import WAVE, emergent_flux

Floats = NDArray[np.float64]
Node = tuple[int, int, int]  # indices into TYPES, heights 0 1 2, METALLICITIES

# Type codes of the nodes: close where spectra change quickly.
TYPES = np.array(
    [3, 5, 7, 9, 10, 10.5, 11.5, 13, 15.5, 18, 20, 22, 25, 28, 30, 32, 35, 38, 41, 44.5, 48, 50, 52,
     54, 56, 58, 60, 61.5, 63, 64.5, 66, 67.5]
)  # fmt: skip
METALLICITIES = np.array([-1.5, -0.4, 0.3])
WHITE_DWARFS = np.array([8000, 10000, 12500, 16000, 22000, 32000])  # hydrogen atmospheres [K]
_POOR, _SOLAR = 0, 1
_METALS_MATTER_FROM = 28.0  # A8: hotter nodes are computed for solar abundances only


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Nodes and weights whose weighted mean of log flux is a star's log flux."""

    nodes: tuple[Node, ...]
    weights: tuple[float, ...]


def mixture(code: float, height: float, feh: float, *, metals: bool = False) -> Mixture:
    """Nodes that surround a star of this type code, height and [Fe/H], with linear weights.

    Hot stars and supergiants have the Sun's metals, as nodes cost time and a survey meets few;
    with `metals` they too have nodes of [Fe/H] -1.5, between which and the Sun's they stand.
    """
    found: dict[Node, float] = {}
    for i, a in _bracket(TYPES, code):
        for j, b in _bracket(np.arange(3.0), height):
            for k, c in _metal_nodes(i, j, feh, sparse=code < _METALS_MATTER_FROM, metals=metals):
                found[(i, j, k)] = found.get((i, j, k), 0.0) + a * b * c
    kept = {node: weight for node, weight in found.items() if weight > 1e-6}
    return Mixture(nodes=tuple(kept), weights=tuple(kept.values()))


def _metal_nodes(
    i: int, j: int, feh: float, *, sparse: bool, metals: bool
) -> list[tuple[int, float]]:
    """Nodes along metallicity for one type and height, with their weights."""
    if metals and solar_only(i, j):
        poor = float(np.clip(feh / METALLICITIES[_POOR], 0.0, 1.0))
        return [(_POOR, poor), (_SOLAR, 1 - poor)]
    if solar_only(i, j) or (sparse and not metals):
        return [(_SOLAR, 1.0)]
    return _bracket(METALLICITIES, feh)


def white_dwarf(number: int) -> Node:
    """The node of one of `WHITE_DWARFS` (log g 8, hydrogen and helium only)."""
    return (-1, number, 0)


def _bracket(axis: Floats, value: float) -> list[tuple[int, float]]:
    value = float(np.clip(value, axis[0], axis[-1]))
    low = min(int(np.searchsorted(axis, value, side="right")) - 1, len(axis) - 2)
    part = (value - axis[low]) / (axis[low + 1] - axis[low])
    return [(low, 1 - part), (low + 1, part)]


def node_parameters(node: Node) -> tuple[float, float, float]:
    """Effective temperature [K], log g and [Fe/H] of a node."""
    i, j, k = node
    if i < 0:
        return float(WHITE_DWARFS[j]), 8.0, -4.0
    teff, logg = calibration.parameters(TYPES[i : i + 1], np.array([float(j)]))
    metals = 0.0 if solar_only(i, j) and k == _SOLAR else float(METALLICITIES[k])
    return float(teff[0]), float(logg[0]), metals


def solar_only(i: int, j: int) -> bool:
    """Whether a survey's nodes of this type and height exist for solar metals only."""
    return bool(TYPES[i] < _METALS_MATTER_FROM or j == 2)


def all_nodes() -> list[Node]:
    """Every node that `mixture` with `metals` can ask for."""
    metals = {True: (_POOR, _SOLAR), False: tuple(range(len(METALLICITIES)))}
    return [
        (i, j, k) for i in range(len(TYPES)) for j in range(3) for k in metals[solar_only(i, j)]
    ]


def compute(node: Node) -> NDArray[np.float32]:
    """Log flux of a node, scaled to a median of 0, shape (len(WAVE),), float32.

    It follows from this package alone, so it is computed once and kept in the user's cache.
    """
    path = _kept() / f"{'_'.join(map(str, node))}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):  # not there yet, or damaged
        row = np.load(path)
        if row.shape == WAVE.shape and row.dtype == np.float32:
            return np.asarray(row)
    light = np.log(emergent_flux(*node_parameters(node)))
    row = np.asarray(light - np.median(light), dtype=np.float32)
    with contextlib.suppress(OSError):  # a cache that cannot be written costs time only
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, row)
    return row


@cache
def _digest() -> str:
    """Of all that a node's light depends on: the physics, the nodes, numpy's functions."""
    found = hashlib.sha256(np.__version__.encode())
    physics = sorted(Path(starlight.__file__).parent.iterdir())
    for part in (*physics, Path(__file__)):
        if part.suffix in (".py", ".txt"):
            found.update(part.read_bytes())
    return found.hexdigest()[:16]


def _kept() -> Path:
    return cache_folder() / "stars" / _digest()


class Grid:
    """Computed nodes; `light` gives any star between them.

    Parameters
    ----------
    nodes : iterable of Node
        Nodes in the order of `rows`.
    rows : ndarray, shape (n_nodes, len(WAVE)), float32
        Their log flux; may be a memory map shared by processes.
    """

    def __init__(self, nodes: Iterable[Node], rows: NDArray[Any]) -> None:
        self._row = {node: i for i, node in enumerate(nodes)}
        self._rows = rows

    def light(self, code: float, height: float, feh: float, *, metals: bool = False) -> Floats:
        """Flux per wavelength on `WAVE` [relative] of a star of this type, height and [Fe/H].

        `metals` as in `mixture`.
        """
        mix = mixture(code, height, feh, metals=metals)
        total = np.zeros(self._rows.shape[1])
        for node, weight in zip(mix.nodes, mix.weights, strict=True):
            total += weight * self._rows[self._row[node]]
        return np.exp(total)

    def node(self, node: Node) -> Floats:
        """Flux per wavelength of one node."""
        row = self._rows[self._row[node]].astype(np.float64)
        return np.asarray(np.exp(row), dtype=np.float64)
