"""Simulated stars without files: a table of types in, labelled spectra out.

What `survey` writes as a release goes through FITS files, because that is what it is for. A
network that wants thousands of labelled stars is better served by this module: `draw` makes a
table of stars, `spectra` observes them, `write_store` puts them into a training store.

Examples
--------
>>> from spectype.simulate import memory
>>> stars = memory.draw(6000, first=5.0, last=67.0, luminosities=("I", "III", "V"), seed=1)
>>> store = memory.write_store(stars, "simulated/", seed=1)             # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import kinds, mk
from spectype.core.errors import UsageError
from spectype.core.grid import STANDARD_GRID
from spectype.core.progress import track
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import run_chain, standard_chain, to_data
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.simulate import objects
from spectype.simulate.instrument import Conditions, observe
from spectype.simulate.objects import Target
from spectype.simulate.templates import Grid, Node, compute
from spectype.starlight.calibration import COOLEST, HOTTEST

#: Scatter of the types that catalogues give to weak-lined stars [subclass].
WEAK_LINED_SPREAD = 3.0
_CHUNK = 256
_GOLDEN = 0.6180339887  # multiples of it, less their whole part, fill the unit interval evenly
#: From an object and its random stream to its flux on `physics.WAVE`.
Light = Callable[[Target, np.random.Generator], NDArray[np.float64]]
_GRIDS: dict[frozenset[Node], Grid] = {}  # the last one computed in this process


@dataclass(frozen=True, slots=True, kw_only=True)
class Star:
    """One star to observe: its truth and the wanted median S/N a pixel in g."""

    target: Target
    snr: float


def draw(
    n: int,
    *,
    first: float = 5.0,
    last: float = 67.0,
    luminosities: Sequence[str] = ("I", "III", "V"),
    snr: tuple[float, float] = (10.0, 200.0),
    seed: int = 0,
) -> list[Star]:
    """Stars spread evenly over type, luminosity class and the logarithm of S/N.

    Parameters
    ----------
    n : int
        Stars.
    first, last : float
        Range of decimal type codes, 3 (O3) to 69 (M9).
    luminosities : sequence of str
        Classes to take turns, of I II III IV V.
    snr : tuple of float
        Smallest and largest median S/N a pixel in g.
    seed : int
        Same seed, same stars. Metallicity, rotation, velocity and reddening are drawn as those of
        a survey's stars of that type are.

    Returns
    -------
    list of Star

    Raises
    ------
    UsageError
        If a range is empty or outside what can be simulated.
    """
    if n < 1:
        raise UsageError(f"cannot draw {n} stars")
    if not HOTTEST <= first <= last <= COOLEST:
        raise UsageError(f"type codes {first:g}-{last:g} are not a range in 3-69")
    if not luminosities or not set(luminosities) <= set(mk.LUMINOSITIES):
        raise UsageError(f"luminosity classes {luminosities} are not some of I II III IV V")
    if not 0 < snr[0] <= snr[1]:
        raise UsageError(f"S/N {snr[0]:g}-{snr[1]:g} is not a range above 0")
    found = []
    for i in range(n):
        rng = np.random.default_rng([seed, 4, i])
        # Stratified: any first part of the list is spread over all classes.
        part = (i // len(luminosities) * _GOLDEN + rng.random() / n) % 1.0
        code = first + (last - first) * part
        target = objects.star(code, luminosities[i % len(luminosities)], rng)
        found.append(Star(target=target, snr=float(np.exp(rng.uniform(*np.log(snr))))))
    return found


def spectra(stars: Sequence[Star], *, seed: int = 0) -> Spectra:
    """Observe the stars with LAMOST.

    Parameters
    ----------
    stars : sequence of Star
        From `draw`, or made by hand around `objects.star`.
    seed : int
        Seed of the noise.

    Returns
    -------
    Spectra
        On `spectype.core.grid.STANDARD_GRID`, as observed (noise, dust, velocity, faults), with
        ``type``, ``code``, ``luminosity``, ``teff``, ``logg``, ``feh``, ``ebv``, ``snr`` and
        ``redshift`` in the metadata.
    """
    return _batch(stars, 0, _light_of(stars), seed)


def write_store(
    stars: Sequence[Star],
    out: str | Path,
    *,
    seed: int = 0,
    workers: int = 1,
    light: Light | None = None,
    more: Mapping[str, Sequence[Any]] | None = None,
    overwrite: bool = False,
) -> Store:
    """Observe the stars and write a training store that `train` and `gan train` take.

    Parameters
    ----------
    stars : sequence of Star
        From `draw`.
    out : path-like
        Folder of the new store.
    seed : int
        Seed of the noise.
    workers : int
        Processes that compute the template stars.
    light : callable, optional
        ``light(target, rng)`` for stars that are not between the templates (`halo.light`).
    more : mapping of str to sequence, optional
        More columns of the store, a value a star.
    overwrite : bool
        Replace a store that is there.

    Returns
    -------
    Store
        Rows in the order of `stars`, ``synthetic`` True, each a star of its own.
    """
    writer = StoreWriter(out, wave=STANDARD_GRID, overwrite=overwrite)
    chain = standard_chain()
    light = light or _light_of(stars, workers)
    rows: list[dict[str, Any]] = []
    starts = range(0, len(stars), _CHUNK)
    for start in track(starts, total=len(starts), title="observing"):
        batch = run_chain(_batch(stars[start : start + _CHUNK], start, light, seed), chain)
        writer.append(*encode(batch))
        rows += _rows(batch)
    rows = [row | {k: v[i] for k, v in (more or {}).items()} for i, row in enumerate(rows)]
    manifest = {"chain": to_data(chain), "sources": ["simulation"], "seed": seed}
    return writer.close(rows, manifest)


def _light_of(stars: Sequence[Star], workers: int = 1) -> Light:
    """The light of stars between the template stars."""
    grid = _grid(stars, workers)
    return lambda target, rng: objects.light(target, grid, rng)


def _batch(stars: Sequence[Star], start: int, light: Light, seed: int) -> Spectra:
    shape = (len(stars), STANDARD_GRID.size)
    flux, ivar = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    mask = np.zeros(shape, np.bool_)
    for i, star in enumerate(stars):
        rng, target = np.random.default_rng([seed, 5, start + i]), star.target
        tail = int(rng.integers(12, 32))
        conditions = Conditions(
            snr_g=star.snr, velocity=target.velocity, rotation=target.rotation, ebv=target.ebv,
            n_pixels=STANDARD_GRID.size, zero_tail=tail,
        )  # fmt: skip
        seen = observe(light(target, rng), conditions, rng)
        flux[i], ivar[i] = seen.flux, seen.ivar
        mask[i] = (seen.ormask > 0) | ~(seen.ivar > 0)
        mask[i, -tail:] = True
    ivar[mask] = 0
    return Spectra(
        wave=STANDARD_GRID, flux=flux, ivar=ivar, mask=mask, meta=_meta(stars, start)
    )  # fmt: skip


def _meta(stars: Sequence[Star], start: int) -> dict[str, list[Any]]:
    targets = [star.target for star in stars]
    columns = {f.name: [getattr(t, f.name) for t in targets] for f in fields(Target)}
    return columns | {
        "type": [None if np.isnan(t.code) else mk.type_of(t.code) for t in targets],
        "subclass": [_label(t) for t in targets],
        "snr": [star.snr for star in stars],
        "star_id": [f"simulated-{start + i}" for i in range(len(stars))],
    }


def _label(target: Target) -> str:
    """The type as a catalogue would write it, or the kind of what has none."""
    if np.isnan(target.code):
        return target.kind
    return mk.format_code(target.code) + target.luminosity


def _rows(batch: Spectra) -> Iterator[dict[str, Any]]:
    """Rows of a store's metadata, with the simulation's truth beside the usual columns."""
    for i, star_id in enumerate(batch.get("star_id")):
        value = {name: batch.meta[name][i] for name in batch.meta}
        nothing = dict.fromkeys(("obsid", "split"))
        yield nothing | value | {
            "path": "simulation", "index": int(star_id.rpartition("-")[2]), "survey": "simulation",
            "object": star_id, "ra": None, "dec": None, "class": "STAR",
            "kind": value["kind"] if value["kind"] in kinds.KINDS else "star",
            "label_spread": WEAK_LINED_SPREAD if value["kind"] == "metal-weak" else None,
            "code": None if np.isnan(value["code"]) else value["code"], "synthetic": True,
            "has_errors": True,
        }  # fmt: skip


def _grid(stars: Sequence[Star], workers: int = 1) -> Grid:
    """Template stars for these, computed once a process."""
    if not stars:
        raise UsageError("there is no star to simulate")
    wanted = frozenset(node for star in stars for node in objects.needed(star.target))
    for have, grid in _GRIDS.items():
        if wanted <= have:
            return grid
    nodes = sorted(wanted)
    if workers > 1:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            found = pool.map(compute, nodes)
            rows = list(track(found, total=len(nodes), title="computing stars"))
    else:
        rows = list(track(map(compute, nodes), total=len(nodes), title="computing stars"))
    _GRIDS.clear()
    _GRIDS[wanted] = Grid(nodes, np.stack(rows))
    return _GRIDS[wanted]
