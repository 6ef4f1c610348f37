"""The reference study's generative adversarial network: networks, configuration, sampling.

Dense networks on whole spectra, as the study had them. Its numerical faults are repaired by
default and come back by name (`FAULTS`), so that the difference can be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.generate.dense import Dense
from spectype.generate.recipes import GanConfig
from spectype.generate.samples import Samples
from spectype.learn import checkpoint

GENERATOR = (256, 512, 1024)  #: units of the generator's hidden layers
DISCRIMINATOR = (1024, 512, 256)  #: units of the discriminator's hidden layers


def make_generator(*, noise: int, n_pix: int, batch_norm: str) -> nn.Sequential:
    """Dense 256-512-1024-n_pix: (n, noise) to (n, n_pix) within -1..1.

    Parameters
    ----------
    noise : int
        Length of the input.
    n_pix : int
        Pixels of a spectrum.
    batch_norm : {"before", "after", "none"}
        Place of the batch normalisation relative to the activation.
    """
    layers: list[nn.Module] = []
    width = noise
    for units in GENERATOR:
        # Statistics of three spectra are rough: average them over a hundred batches.
        norm = nn.BatchNorm1d(units, momentum=0.01)
        activation = nn.LeakyReLU(0.2)
        orders: dict[str, list[nn.Module]] = {
            "before": [norm, activation],
            "after": [activation, norm],
            "none": [activation],
        }
        layers += [Dense(width, units), *orders[batch_norm]]
        width = units
    return nn.Sequential(*layers, Dense(width, n_pix), nn.Tanh())


def make_discriminator(*, n_pix: int, sigmoid: bool) -> nn.Sequential:
    """Dense 1024-512-256-1 with dropout: (n, n_pix) to (n, 1), a logit unless `sigmoid`."""
    layers: list[nn.Module] = []
    width = n_pix
    for units in DISCRIMINATOR:
        layers += [Dense(width, units), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
        width = units
    layers.append(Dense(width, 1))
    return nn.Sequential(*layers, nn.Sigmoid()) if sigmoid else nn.Sequential(*layers)


@dataclass(frozen=True)
class Scaling:
    """Flux to the generator's range and back: ``y = (flux - centre) / half``.

    With the fault ``range`` the middle and the half-width are those of 0..1 data, so that half of
    the generator's range has no data.
    """

    centre: float
    half: float
    limit: float = 0.98  # tanh reaches 1 at infinity only

    def to_range(self, flux: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flux as the networks see it; emission beyond the range is cut off."""
        y = (flux - self.centre) / self.half
        return np.asarray(np.clip(y, -self.limit, self.limit), np.float32)

    def to_flux(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the generator gives as flux."""
        return np.asarray(y * self.half + self.centre, np.float32)


class ReferenceGenerator:
    """A trained reference GAN: one pool of types, no subclass.

    Parameters
    ----------
    network : nn.Module
        The generator.
    wave : ndarray, shape (n_pix,), float64
        Grid of the samples [Angstrom, vacuum].
    covered : ndarray, shape (n_pix,), bool
        Where training spectra had data.
    scaling : Scaling
        Range of the network to flux.
    types : str
        Types it was trained on.
    noise : int
        Length of its input.
    """

    recipe = "reference"

    def __init__(
        self,
        network: nn.Module,
        *,
        wave: NDArray[np.float64],
        covered: NDArray[np.bool_],
        scaling: Scaling,
        types: str,
        noise: int,
    ) -> None:
        self.network, self.wave, self.covered = network, wave, covered
        self.scaling, self.types, self.noise = scaling, types, noise

    def flux(self, n: int, *, seed: int) -> NDArray[np.float32]:
        """`n` spectra (n, n_pix); the same seed gives the same ones."""
        draw = torch.Generator().manual_seed(seed)
        where = next(self.network.parameters()).device
        training = self.network.training
        self.network.eval()
        with torch.no_grad():
            parts = [
                self.network(torch.randn(min(512, n - i), self.noise, generator=draw).to(where))
                for i in range(0, n, 512)
            ]
        self.network.train(training)
        return self.scaling.to_flux(torch.cat(parts).cpu().numpy())

    def sample(self, n: int, *, code: float | ArrayLike | None = None, seed: int = 0) -> Samples:
        """Draw `n` spectra over their broad shape.

        Raises
        ------
        UsageError
            If `n` is not positive, or a `code` is asked for: this recipe knows none.
        """
        if n < 1:
            raise UsageError(f"{n} samples cannot be drawn", remedy="give a positive number")
        if code is not None:
            raise UsageError(
                "the reference recipe knows types as one pool and no subclass",
                remedy="leave the code out, or train with --recipe standard",
            )
        flux = np.where(self.covered, self.flux(n, seed=seed), 0).astype(np.float32)
        return Samples(
            wave=self.wave,
            flux=flux,
            good=np.broadcast_to(self.covered, flux.shape).copy(),
            code=np.full(n, np.nan),
            type=np.full(n, self.types if len(self.types) == 1 else ""),
            shape=np.ones_like(flux),
        )


def save_generator(generator: ReferenceGenerator, path: Path, *, config: GanConfig) -> None:
    """Write the generator's weights and what sampling needs."""
    tensors: dict[str, Tensor] = {
        f"network.{k}": v for k, v in generator.network.state_dict().items()
    }
    tensors["wave"] = torch.from_numpy(generator.wave)
    tensors["covered"] = torch.from_numpy(generator.covered)
    state = {"scaling": asdict(generator.scaling), "types": generator.types,
             "noise": generator.noise, "batch_norm": config.batch_norm}  # fmt: skip
    checkpoint.save(path, tensors=tensors, state=state)


def rebuild(tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> ReferenceGenerator:
    """The generator of what `save_generator` wrote."""
    wave = tensors["wave"].numpy()
    network = make_generator(noise=state["noise"], n_pix=wave.size, batch_norm=state["batch_norm"])
    network.load_state_dict(
        {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
    )
    return ReferenceGenerator(
        network.eval(),
        wave=wave,
        covered=tensors["covered"].numpy().astype(bool),
        scaling=Scaling(**state["scaling"]),
        types="".join(t for t in mk.TYPES if t in state["types"]),
        noise=state["noise"],
    )
