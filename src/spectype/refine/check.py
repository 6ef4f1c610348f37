"""Does a refinement keep what was ordered, lines in their places and types as real stars tell?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.refine.data import Ratios, velocities
from spectype.refine.placed import PlacedGenerator
from spectype.refine.plane import CODE, LEVEL, METALS, points

Floats = NDArray[np.float64]
FASTEST = 10.0  #: shift of the lines against the simulated star's that is allowed [km/s]
FARTHEST = 1.0  #: shift of the type, as real stars read it [subclass]
_HEIGHTS = (0.0, 1.0, 2.0)
_USED = 0.4  # share of the real stars that must have data at a pixel


def check(generator: PlacedGenerator, data: Ratios) -> dict[str, dict[str, float]]:
    """Measure the refined simulation where real stars support it.

    At every subclass and class that they do, the mean refined star is correlated with its bare
    simulated one (velocity), and read by the means of real stars along the sequence (type).

    Parameters
    ----------
    generator : PlacedGenerator
        Fresh from its training.
    data : Ratios
        What it has learnt from.

    Returns
    -------
    dict
        For each type: ``velocity`` [km/s], ``subclass`` and ``subclass_before`` (of the bare
        simulation), medians over the places.

    Raises
    ------
    DataError
        If lines of a type are moved by more than `FASTEST`, or its types by more than `FARTHEST`
        and farther than the bare simulation has them.
    """
    codes = np.arange(np.ceil(data.code.min()), data.code.max() + 0.1)
    grid = [(c, h) for c in codes for h in _HEIGHTS]
    code, height = np.array(grid).T
    at = points(code, height, float(np.median(data.at[:, METALS])))
    at = at[~generator.extrapolated(at)]
    if not len(at):
        return {}
    bare, _ = generator.atlas.light(at)
    refined = bare + generator.correction(at)[:, : generator.wave.size]
    whole = np.ones(refined.shape, bool)
    moved = velocities(np.exp(refined), whole, bare, at[:, CODE], wave=generator.wave)
    read = _reading(np.stack([refined, bare]), at, generator, data)
    found: dict[str, dict[str, float]] = {}
    kinds = mk.type_indices(at[:, CODE])
    for number in np.unique(kinds):
        here = kinds == number
        clear = moved[here & np.isfinite(moved)]
        after, before = (float(np.nanmedian(r[here] - at[here, CODE])) for r in read)
        found[mk.TYPES[number]] = {
            "velocity": float(np.median(clear)) if clear.size else 0.0,
            "subclass": after,
            "subclass_before": before,
        }
    _refuse(found)
    return found


def _refuse(found: dict[str, dict[str, float]]) -> None:
    """Raise where a type is moved too far."""
    remedy = (
        "look at the labels and rest frames of the store's stars of this type, or keep "
        "them out with --types"
    )
    for type, by in found.items():
        if not abs(by["velocity"]) <= FASTEST:
            raise DataError(
                f"the refinement moves the lines of {type} stars by {by['velocity']:+.0f} km/s; "
                f"{FASTEST:g} are allowed", remedy=remedy,
            )  # fmt: skip
        if abs(by["subclass"]) > max(FARTHEST, abs(by["subclass_before"])):
            raise DataError(
                f"the refinement moves {type} stars by {by['subclass']:+.1f} subclasses, as real "
                f"stars read them; {FARTHEST:g} is allowed", remedy=remedy,
            )  # fmt: skip


def _reading(log: NDArray[np.float32], at: Floats, generator: PlacedGenerator,
             data: Ratios) -> Floats:  # fmt: skip
    """Codes of spectra (k, m, n_pix) of places `at` by the nearest mean of real stars, (k, m)."""
    n_pix, plane = generator.wave.size, generator.stars
    good = data.good[:, :n_pix]
    out = np.full(log.shape[:2], np.nan)
    for i, place in enumerate(at):
        codes = np.arange(place[CODE] - 6, place[CODE] + 6.1, 0.5)
        codes = codes[(codes >= data.code.min()) & (codes <= data.code.max())]
        near = plane.weights(points(codes, place[LEVEL], place[METALS])).astype(np.float32)
        there = near @ good.astype(np.float32)
        mean = (near @ data.flat) / np.maximum(there, 1e-3)
        used = (there > _USED).all(axis=0)
        if used.sum() < 0.2 * n_pix:
            continue
        far = ((np.exp(log[:, i, None][..., used]) - mean[:, used]) ** 2).mean(axis=2)
        out[:, i] = codes[far.argmin(axis=1)]
    return out
