"""The template stars of the simulation, kept in a generator's folder and on its footing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.core.files import atomic_path
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.core.mk import type_of
from spectype.core.progress import track
from spectype.core.spectra import Spectra
from spectype.generate.factors import LEVEL
from spectype.generate.factors_data import shape_at_knots
from spectype.generate.harmonise import over_shape
from spectype.simulate.light import rotate
from spectype.simulate.objects import ROTATION
from spectype.simulate.templates import TYPES, Grid, Node, all_nodes, compute, mixture
from spectype.starlight.physics import STEP, WAVE

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
STARS = "stars.npz"  #: the template stars' light inside a generator's folder
FAINTEST = 0.05  #: flux over the broad shape below which a logarithm says nothing
_PIXEL = 4  # fine pixels of a LAMOST pixel
_MOST_ROTATION = np.sqrt(np.pi / 2)  # mean of Rayleigh's distribution over its scale


def template_stars(folder: str | Path) -> Grid:
    """The light of all template stars; computed once, a few minutes, and kept in `folder`.

    Raises
    ------
    DataError
        If the file there is damaged.
    """
    path, nodes = Path(folder) / STARS, all_nodes()
    if path.exists():
        return _read(path, nodes)
    rows = np.stack(list(track(map(compute, nodes), total=len(nodes), title="computing stars")))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, nodes=np.array(nodes), rows=rows)
    return Grid(nodes, rows)


def _read(path: Path, nodes: list[Node]) -> Grid:
    try:
        with path.open("rb") as file, np.load(file) as found:
            held, rows = found["nodes"], found["rows"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(
            f"cannot be read as template stars: {error}", path=path, remedy="delete it"
        ) from error
    if held.tolist() != [list(n) for n in nodes] or rows.shape != (len(nodes), WAVE.size):
        raise DataError("holds other template stars", path=path, remedy="delete it")
    return Grid(nodes, rows)


@dataclass(frozen=True)
class Atlas:
    """Template stars made alike, as `harmonise` makes real spectra; any star lies between them.

    Parameters
    ----------
    flat : ndarray, shape (n_nodes, n_pix), float32
        Log of flux over the broad shape, in the order of `all_nodes`.
    shape : ndarray, shape (n_nodes, n_knots), float32
        Log of the broad shape at `factors.KNOTS`, zero on average over `factors.LEVEL`.
    """

    flat: Singles
    shape: Singles

    def light(self, at: Floats) -> tuple[Singles, Singles]:
        """Log flux over the broad shape and log shape of stars at `at` (m, 5), from `plane`."""
        row = {node: i for i, node in enumerate(all_nodes())}
        weight = np.zeros((len(at), len(row)), np.float32)
        for i, (code, height, feh) in enumerate(at[:, :3].tolist()):
            mix = mixture(code, height, feh, metals=True)
            for node, share in zip(mix.nodes, mix.weights, strict=True):
                weight[i, row[node]] += share
        return weight @ self.flat, weight @ self.shape


def make_alike(stars: Grid, wave: Floats, *, resolving_power: float) -> Atlas:
    """Bring the template stars to a store's grid, the common resolution and the common shape.

    Each turns as fast as stars of its type do on average: what is learnt of real ones is the rest.

    Parameters
    ----------
    stars : Grid
        From `template_stars`.
    wave : ndarray, shape (n_pix,)
        The store's grid [Angstrom, vacuum].
    resolving_power : float
        The common resolution.
    """
    from scipy.ndimage import gaussian_filter1d, uniform_filter1d

    sigma = SPEED_OF_LIGHT / resolving_power / 2.3548 / (SPEED_OF_LIGHT * STEP)
    flux = np.empty((len(all_nodes()), wave.size), np.float32)
    for i, node in enumerate(all_nodes()):
        light = gaussian_filter1d(turning(stars.node(node), float(TYPES[node[0]])), sigma)
        flux[i] = np.interp(wave, WAVE, uniform_filter1d(light, _PIXEL))
    flux /= np.median(flux, axis=1, keepdims=True)
    good = np.ones(flux.shape, bool)
    flat = over_shape(Spectra(wave=wave, flux=flux, ivar=np.ones_like(flux), mask=~good)).flux
    shape, _ = shape_at_knots(wave, flux, flat, good)
    shape -= shape[:, LEVEL].mean(axis=1, keepdims=True)
    return Atlas(np.log(np.maximum(flat, FAINTEST)), shape.astype(np.float32))


def turning(light: Floats, code: float) -> Floats:
    """Light on `WAVE` of a star that turns as fast as its type does on average."""
    return rotate(light, float(_MOST_ROTATION * ROTATION[type_of(code)]))
