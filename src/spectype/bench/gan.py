"""Speed of the reference GAN's training step next to the same recipe written plainly in torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from spectype.core.grid import STANDARD_GRID
from spectype.generate.dense import without_denormals
from spectype.generate.gan import DISCRIMINATOR, GENERATOR, Scaling
from spectype.generate.gan_data import GanData
from spectype.generate.gan_training import Adversaries
from spectype.generate.recipes import GanConfig
from spectype.learn.session import choose_device


@dataclass(frozen=True)
class GanSpeed:
    """What was measured.

    Parameters
    ----------
    seconds : dict of str to float
        Wall time of a step, the best round of each implementation.
    processor : dict of str to float
        Processor time of a step of this process [s], likewise: on a busy machine the fairer one;
        on a GPU without meaning.
    device, threads, batch, n_pix
        Where and on what.
    """

    seconds: dict[str, float]
    processor: dict[str, float]
    device: str
    threads: int
    batch: int
    n_pix: int


def plain_step(data: Tensor, config: GanConfig) -> Callable[[], None]:
    """The recipe as a textbook has it, in plain torch: `torch.nn.Linear`, `torch.optim.Adam` with
    its defaults, real and synthetic spectra one after the other, gradients for everything.

    Parameters
    ----------
    data : Tensor, shape (n, n_pix)
        Training spectra.
    config : GanConfig
        Batch, noise, learning rate.
    """
    n_pix, device = data.shape[1], data.device
    layers: list[nn.Module] = []
    width = config.noise
    for units in GENERATOR:
        layers += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.LeakyReLU(0.2)]
        width = units
    generator = nn.Sequential(*layers, nn.Linear(width, n_pix), nn.Tanh()).to(device)
    layers, width = [], n_pix
    for units in DISCRIMINATOR:
        layers += [nn.Linear(width, units), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
        width = units
    discriminator = nn.Sequential(*layers, nn.Linear(width, 1)).to(device)
    of_generator = torch.optim.Adam(generator.parameters(), lr=config.learning_rate)
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=config.learning_rate)
    loss = nn.BCEWithLogitsLoss()
    ones = torch.ones(config.batch, 1, device=device)

    def step() -> None:
        real = data[torch.randint(len(data), (config.batch,), device=device)]
        of_discriminator.zero_grad()
        loss(discriminator(real), ones).backward()
        fake = generator(torch.randn(config.batch, config.noise, device=device))
        loss(discriminator(fake.detach()), 0 * ones).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        loss(discriminator(fake), ones).backward()
        of_generator.step()

    return step


def our_step(data: GanData, config: GanConfig, device: torch.device) -> Callable[[], None]:
    """A step as `gan train` does it, its draws included."""
    sides = Adversaries(data, config, device)
    draw = torch.Generator().manual_seed(0)

    def step() -> None:
        picks = torch.randint(len(sides.values), (config.batch,), generator=draw).to(device)
        noise = torch.randn(config.batch, config.noise, generator=draw).to(device)
        sides.step(sides.values[picks], sides.good[picks], noise)

    return step


@without_denormals()
def measure(
    *, steps: int = 20, rounds: int = 5, device: str = "auto", threads: int = 0
) -> GanSpeed:
    """Let both take turns on the same data, so that a busy machine slows both alike.

    Parameters
    ----------
    steps : int
        Steps a round.
    rounds : int
        Rounds; the best counts.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    threads : int
        CPU threads; 0 lets torch choose.
    """
    if threads:
        torch.set_num_threads(threads)
    where, config = choose_device(device), GanConfig()
    data = _spectra_like(64)
    contestants = {
        "spectype": our_step(data, config, where),
        "plain torch": plain_step(torch.from_numpy(data.values).to(where), config),
    }
    wall = dict.fromkeys(contestants, np.inf)
    processor = dict.fromkeys(contestants, np.inf)
    for number in range(rounds + 1):  # the first warms up
        for name, step in contestants.items():
            began, used = time.perf_counter(), time.process_time()
            for _ in range(steps):
                step()
            if where.type == "cuda":
                torch.cuda.synchronize()
            if number:
                wall[name] = min(wall[name], (time.perf_counter() - began) / steps)
                processor[name] = min(processor[name], (time.process_time() - used) / steps)
    return GanSpeed(
        seconds=wall,
        processor=processor,
        device=str(where),
        threads=torch.get_num_threads(),
        batch=config.batch,
        n_pix=data.values.shape[1],
    )


def _spectra_like(n: int) -> GanData:
    """Random numbers in the shape and range of training spectra; a step's time is the same."""
    values = np.random.default_rng(0).uniform(-0.5, 0.5, (n, STANDARD_GRID.size))
    return GanData(
        values=values.astype(np.float32),
        good=np.ones(values.shape, np.float32),
        wave=STANDARD_GRID,
        rows=np.arange(n),
        scaling=Scaling(1.0, 1.0),
        split=np.full(n, "train"),
        notes={},
    )
