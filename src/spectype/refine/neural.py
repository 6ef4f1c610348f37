"""Generators whose ratios a network draws, which has learnt them of real stars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spectype.generate.factors import KNOTS
from spectype.generate.latent import distinct
from spectype.generate.recipes import RefinedConfig
from spectype.learn import checkpoint
from spectype.refine.atlas import Atlas
from spectype.refine.lessons import from_bins
from spectype.refine.networks import Drawing, encode
from spectype.refine.placed import PlacedGenerator, again, kept

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
_AT_ONCE = 256
_FOR_MEAN = 24  # draws a place


class NeuralGenerator(PlacedGenerator):
    """A trained network and the template stars that its ratios multiply.

    Parameters
    ----------
    recipe : str
        ``wasserstein`` or ``flow``.
    drawing : Drawing
        The network, with averaged weights.
    scale : ndarray, shape (n_col,)
        Usual size of the ratios.
    atlas, at, wave, config
        As for `PlacedGenerator`.
    """

    def __init__(
        self, recipe: str, drawing: Drawing, *, scale: Singles, atlas: Atlas, at: Floats,
        wave: Floats, config: RefinedConfig,
    ) -> None:  # fmt: skip
        super().__init__(atlas=atlas, at=at, wave=wave, config=config)
        self.recipe, self.drawing, self.scale = recipe, drawing.eval(), scale

    def ratios(self, at: Floats, rng: np.random.Generator) -> Singles:
        """What the network draws."""
        chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
        condition = torch.from_numpy(encode(at))
        parts = []
        with torch.no_grad():
            for i in range(0, len(at), _AT_ONCE):
                made = self.drawing.columns(condition[i : i + _AT_ONCE], chance).numpy()
                parts.append(from_bins(made * self.scale, self.wave.size, KNOTS.size))
        return np.concatenate(parts)

    def correction(self, at: Floats) -> Singles:
        """Mean of many draws."""
        found, place = distinct(np.round(at, 2))
        rng = np.random.default_rng(0)
        total = sum(self.ratios(found, rng) for _ in range(_FOR_MEAN))
        return np.asarray(total / _FOR_MEAN, np.float32)[place]


def save(generator: NeuralGenerator, path: Path, *, sizes: Mapping[str, Any]) -> None:
    """Write what sampling needs; `sizes` are the arguments that make the network."""
    tensors = {f"network.{k}": v for k, v in generator.drawing.state_dict().items()}
    tensors |= kept(generator) | {"scale": torch.from_numpy(generator.scale)}
    state = {"config": asdict(generator.config), "sizes": dict(sizes), "recipe": generator.recipe}
    checkpoint.save(path, tensors=tensors, state=state)


def rebuild(
    make: Callable[..., Drawing], tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]
) -> NeuralGenerator:
    """The generator of what `save` wrote; `make` makes the recipe's network."""
    drawing = make(**state["sizes"])
    drawing.load_state_dict(
        {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
    )
    scale = tensors["scale"].numpy()
    return NeuralGenerator(state["recipe"], drawing, scale=scale, **again(tensors, state["config"]))
