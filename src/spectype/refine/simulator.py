"""The refined simulator: simulated stars times a correction that is learnt from real ones.

A sample is the simulated star of its type, luminosity and metallicity, brought to the common
footing, times exp(correction). The correction is the mean of what real stars there have more than
their simulated ones, plus the scatter of a real neighbour about that mean: the factor model
of `latent`, on logarithms of ratios and in a plane of type and height. The mean counts by how many
real stars speak for it, so that without any the bare simulation is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectype.generate.factors import ENOUGH, KNOTS, states_of, tensors_of
from spectype.generate.latent import Factors, Law, distinct
from spectype.generate.recipes import RefinedConfig
from spectype.learn import checkpoint
from spectype.refine.atlas import Atlas
from spectype.refine.placed import PlacedGenerator, again, kept
from spectype.refine.plane import CODE, Plane

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """The correction of one part of the sequence.

    Parameters
    ----------
    state : Factors
        Of the ratios it has learnt from.
    plane : Plane
        Where these stand.
    good : ndarray, shape (n, n_pix + n_knots), bool
        Where they have data.
    """

    state: Factors
    plane: Plane
    good: NDArray[np.bool_]


class RefinedGenerator(PlacedGenerator):
    """A trained refined simulator.

    Parameters
    ----------
    parts : mapping of int to Part
        Corrections by number of the part of the sequence.
    atlas, at, wave, config
        As for `PlacedGenerator`.
    """

    recipe = "refined"

    def __init__(
        self, parts: Mapping[int, Part], *, atlas: Atlas, at: Floats, wave: Floats,
        config: RefinedConfig,
    ) -> None:  # fmt: skip
        super().__init__(atlas=atlas, at=at, wave=wave, config=config)
        self.parts = parts
        self.laws = {n: Law(p.plane, p.state.z, p.state.spread) for n, p in parts.items()}

    def correction(self, at: Floats) -> Singles:
        """Mean correction of log flux and log shape, as far as real stars speak for it."""
        out = np.empty((len(at), self.wave.size + KNOTS.size), np.float32)
        for number, here in self._by_part(at):
            law, part = self.laws[number], self.parts[number]
            speaking = part.plane.speaking(at[here]).astype(np.float32)
            # Where a pixel has no data in the stars that speak, nobody speaks for it.
            stars = speaking @ part.good.astype(np.float32)
            mean = part.state.mean + law.mean(at[here]).astype(np.float32) @ part.state.basis
            out[here] = mean * stars / (stars + self.config.half)
        return out

    def ratios(self, at: Floats, rng: np.random.Generator) -> Singles:
        """Mean correction of each place and the scatter of a real neighbour about it."""
        found, place = distinct(np.round(at, 1))
        log = self.correction(found)[place]
        for number, here in self._by_part(at):
            law, part = self.laws[number], self.parts[number]
            rounded, same = distinct(np.round(at[here], 1))
            z = law.draw(at[here], smoothing=self.config.smoothing, rng=rng)
            z = z - law.mean(rounded)[same]
            near = law.sequence.weights(rounded).astype(np.float32)
            trust = np.minimum(near @ part.good.astype(np.float32) / ENOUGH, 1.0)
            log[here] += trust[same] * (z.astype(np.float32) @ part.state.basis)
        return log

    def _by_part(self, at: Floats) -> list[tuple[int, NDArray[np.bool_]]]:
        """Numbers of the parts that places fall into, and which do."""
        numbers = np.array(sorted(self.parts))
        part = self.config.part_of(at[:, CODE])
        part = numbers[np.abs(part[:, None] - numbers).argmin(axis=1)]
        return [(int(n), part == n) for n in np.unique(part)]


def save(generator: RefinedGenerator, path: Path) -> None:
    """Write what sampling needs, but for the template stars' own light."""
    tensors = tensors_of({number: p.state for number, p in generator.parts.items()})
    for number, part in generator.parts.items():
        tensors |= {f"{number}.at": torch.from_numpy(part.plane.at),
                    f"{number}.good": torch.from_numpy(part.good)}  # fmt: skip
    checkpoint.save(
        path, tensors=tensors | kept(generator), state={"config": asdict(generator.config)}
    )


def rebuild(tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> RefinedGenerator:
    """The generator of what `save` wrote."""
    placed = again(tensors, state["config"])
    parts = {
        n: Part(
            factors,
            Plane(tensors[f"{n}.at"].numpy(), placed["config"].neighbours),
            tensors[f"{n}.good"].numpy(),
        )
        for n, factors in states_of(tensors).items()
    }
    return RefinedGenerator(parts, **placed)
