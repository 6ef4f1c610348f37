"""Training of the reference GAN: two networks against each other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from spectype.dataset.store import Store
from spectype.generate.dense import without_denormals
from spectype.generate.gan import (
    ReferenceGenerator,
    make_discriminator,
    make_generator,
    save_generator,
)
from spectype.generate.gan_data import GanData, gan_data
from spectype.generate.recipes import GanConfig
from spectype.generate.training import Learner, Line, learn
from spectype.learn import checkpoint
from spectype.learn.session import choose_device

log = logging.getLogger("spectype")
FORMAT = 1  #: of the training; a checkpoint of another one does not resume
N_SIMILAR, N_FIGURE = 177, 16  #: the study's numbers of samples for its curve and figures


@dataclass(frozen=True)
class Snapshot:
    """What a figure shows.

    Parameters
    ----------
    epoch : int
        Epochs trained.
    wave : ndarray, shape (n_pix,)
        [Angstrom].
    flux : ndarray, shape (16, n_pix)
        Samples.
    covered : ndarray, shape (n_pix,), bool
        Where training spectra had data.
    real : ndarray, shape (n, n_pix)
        Training spectra, NaN where they have no data.
    log : list of dict
        The log so far.
    folder : Path
        Folder of the training.
    """

    epoch: int
    wave: NDArray[np.float64]
    flux: NDArray[np.float32]
    covered: NDArray[np.bool_]
    real: NDArray[np.float32]
    log: list[dict[str, Any]]
    folder: Path


class Adversaries(Learner):
    """Generator, discriminator, their optimisers and data.

    Parameters
    ----------
    data : GanData
        Training spectra.
    config : GanConfig
        The recipe.
    device : torch.device
        Where to compute.
    draw : callable, optional
        Draws the figures of a `Snapshot`; called every ``figure_every`` epochs and at the end.
    """

    recipe = "reference"

    def __init__(
        self,
        data: GanData,
        config: GanConfig,
        device: torch.device,
        *,
        draw: Callable[[Snapshot], None] | None = None,
    ) -> None:
        self.data: GanData = data
        self.config, self.device, self.draw = config, device, draw
        self.format, self.every, self.keep = FORMAT, config.checkpoint_every, config.keep
        self.cure = f"with a learning rate below {config.learning_rate:g}"
        torch.manual_seed(config.seed)
        n_pix = data.values.shape[1]
        self.generator = make_generator(
            noise=config.noise, n_pix=n_pix, batch_norm=config.batch_norm
        ).to(device)
        self.discriminator = make_discriminator(n_pix=n_pix, sigmoid=config.has("logits"))
        self.discriminator.to(device)
        # One kernel updates all weights: most of a step's time is memory traffic.
        options: dict[str, Any] = {"lr": config.learning_rate, "fused": True}
        self.optimisers = {
            "generator": torch.optim.Adam(self.generator.parameters(), **options),
            "discriminator": torch.optim.Adam(self.discriminator.parameters(), **options),
        }
        self.values = torch.from_numpy(data.values).to(device)
        self.good = torch.from_numpy(data.good).to(device)
        self.steps = len(data.rows) // config.batch
        ones = torch.ones(config.batch, 1, device=device)
        self._verdicts = torch.cat([ones, torch.zeros_like(ones)])

    def epoch(self, number: int) -> dict[str, float]:
        """Train one epoch; mean losses and the discriminator's mean verdict on each side."""
        config = self.config
        draw = Generator().manual_seed(config.seed * 1_000_003 + number)
        torch.manual_seed(config.seed * 7_919 + number)  # dropout
        count = self.steps * config.batch
        order = torch.randperm(len(self.values), generator=draw)[:count]
        noise = torch.randn(count, config.noise, generator=draw)
        order, noise = order.to(self.device), noise.to(self.device)
        self.generator.train()
        self.discriminator.train()
        total = torch.zeros(4, device=self.device)
        for picks, z in zip(order.view(self.steps, -1), noise.view(self.steps, config.batch, -1)):
            total += self.step(self.values[picks], self.good[picks], z)
        names = ("discriminator_loss", "generator_loss", "real_score", "fake_score")
        return dict(zip(names, (total / self.steps).tolist(), strict=True))

    def step(self, real: Tensor, good: Tensor, noise: Tensor) -> Tensor:
        """One step of both networks; their losses and the mean scores, shape (4,).

        Each synthetic spectrum wears the coverage of the real one beside it, so that missing pixels
        say nothing about the side. One set of synthetic spectra serves both networks, real and
        synthetic go through the discriminator together (it has no batch statistics),
        and its weights take no gradient while the generator learns.
        """
        n = len(real)
        fake = self.generator(noise) * good
        verdict = self.discriminator(torch.cat([real, fake.detach()]))
        both = functional.binary_cross_entropy_with_logits(verdict, self._verdicts)
        loss = 2 * both  # the study adds the means of both sides
        self._descend(loss, "discriminator")
        self.discriminator.requires_grad_(False)
        judged = self.discriminator(fake)
        fooled = functional.binary_cross_entropy_with_logits(judged, self._verdicts[:n])
        self._descend(fooled, "generator")
        self.discriminator.requires_grad_(True)
        with torch.no_grad():
            scores = verdict if self.config.has("logits") else torch.sigmoid(verdict)
            return torch.stack([loss, fooled, scores[:n].mean(), scores[n:].mean()])

    def _descend(self, loss: Tensor, name: str) -> None:
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()
        self.optimisers[name].zero_grad()

    def sampler(self) -> ReferenceGenerator:
        """The generator as it is now."""
        return ReferenceGenerator(
            self.generator,
            wave=self.data.wave,
            covered=self.data.covered,
            scaling=self.data.scaling,
            types=self.config.types,
            noise=self.config.noise,
        )

    def networks(self) -> dict[str, nn.Module]:
        """Both networks by name."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state."""
        named: dict[str, Tensor] = {}
        for part, network in self.networks().items():
            named |= {f"{part}.{k}": v for k, v in network.state_dict().items()}
            moments = checkpoint.optimiser_tensors(self.optimisers[part])
            named |= {f"{part}/{k}": v for k, v in moments.items()}
        return named

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put a checkpoint's tensors back."""
        for part, network in self.networks().items():
            network.load_state_dict(_below(tensors, f"{part}."))
            checkpoint.restore_optimiser(self.optimisers[part], _below(tensors, f"{part}/"))

    def save(self, path: Path) -> None:
        """Write the generator as it is now."""
        save_generator(self.sampler(), path, config=self.config)

    def measure(self, line: Line) -> dict[str, float]:
        """The study's similarity of samples to real spectra."""
        alike = similarity(self.sampler(), self.data)
        log.info(
            "epoch %d: losses %.3f (discriminator), %.3f (generator); similarity %.4f",
            *(line[k] for k in ("epoch", "discriminator_loss", "generator_loss")),
            alike,
        )
        return {"similarity": alike}

    def show(self, folder: Path, lines: list[Line], *, last: bool) -> None:
        """Draw the figures where it is time."""
        epoch = int(lines[-1]["epoch"])
        if self.draw is None or not (last or epoch % self.config.figure_every == 0):
            return
        data = self.data
        real = np.where(data.good > 0, data.scaling.to_flux(data.values), np.nan)
        self.draw(
            Snapshot(
                epoch=epoch,
                wave=data.wave,
                flux=self.sampler().flux(N_FIGURE, seed=1),
                covered=data.covered,
                real=real.astype(np.float32),
                log=lines,
                folder=folder,
            )
        )

    def notes(self) -> dict[str, Any]:
        """Steps, and what harmonising could not do."""
        return {"steps_per_epoch": self.steps, **self.data.notes}


def similarity(sampler: ReferenceGenerator, data: GanData) -> float:
    """The study's similarity of samples to real spectra: smaller is more alike.

    The standard deviation of (sample - real) / real, the smallest over three real spectra
    (the first, middle and last of the training spectra), averaged over 177 samples.
    Pixels count where the real spectrum has data above a twentieth of its mean.
    """
    flux = sampler.flux(N_SIMILAR, seed=0)
    deviations = []
    for i in (0, len(data.rows) // 2, len(data.rows) - 1):
        real = data.scaling.to_flux(data.values[i])
        use = data.good[i] > 0
        use &= real > 0.05 * real[use].mean()
        deviations.append((flux[:, use] / real[use] - 1).std(axis=1))
    return float(np.min(deviations, axis=0).mean())


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@without_denormals()
def train_reference(
    store: Store,
    out: str | Path,
    config: GanConfig = GanConfig(),  # noqa: B008
    *,
    draw: Callable[[Snapshot], None] | None = None,
) -> Path:
    """Train the reference GAN; a training that was stopped goes on where it was.

    Parameters
    ----------
    store : Store
        Real spectra.
    out : path-like
        Folder of the generator.
    config : GanConfig
        The recipe.
    draw : callable, optional
        Draws the figures of a `Snapshot`; called every ``figure_every`` epochs and at the end.

    Returns
    -------
    Path
        The folder, as of `training.learn`.

    Raises
    ------
    DataError
        If the data do not suffice; and as `training.learn`.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    return learn(
        lambda: Adversaries(
            gan_data(store, config), config, choose_device(config.device), draw=draw
        ),
        store,
        out,
    )
