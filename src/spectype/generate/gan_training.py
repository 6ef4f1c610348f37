"""Training of the reference GAN: two networks against each other, checkpoints, resumption."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from spectype.core.errors import DataError
from spectype.core.files import check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.dataset.store import Store
from spectype.generate.dense import without_denormals
from spectype.generate.gan import (
    WEIGHTS,
    ReferenceGenerator,
    make_discriminator,
    make_generator,
    save_generator,
)
from spectype.generate.gan_data import GanData, gan_data
from spectype.generate.recipes import GanConfig
from spectype.learn import checkpoint, series
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


class Adversaries:
    """Generator, discriminator, their optimisers and data.

    The draws of an epoch depend on the seed and the epoch alone: so they are the random state, and
    a resumed training repeats to the bit what an uninterrupted one does.
    """

    def __init__(self, data: GanData, config: GanConfig, device: torch.device) -> None:
        self.data, self.config, self.device = data, config, device
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
        The folder: ``generator.safetensors``, ``split.parquet``, ``log.jsonl``,
        ``checkpoints/`` and, last, the manifest of kind ``gan``.

    Raises
    ------
    DataError
        If the data do not suffice, a checkpoint is of another configuration, version or
        data, no checkpoint is whole, or the training diverges.
    """
    folder = check_writable_folder(out, kind="gan")
    if config.threads:
        torch.set_num_threads(config.threads)
    data = gan_data(store, config)
    sides = Adversaries(data, config, choose_device(config.device))
    same = {**config.comparable(), "format": FORMAT, "data": data.fingerprint()}
    done, lines = resume(sides, folder, same)
    if done < config.epochs:
        (folder / "manifest.json").unlink(missing_ok=True)
    series.write_split(folder, store.meta, data.split)
    started = time.monotonic()
    for epoch in track(range(done, config.epochs), title="training"):
        entry = {"epoch": epoch + 1, **sides.epoch(epoch)}
        if not all(np.isfinite(v) for v in entry.values()):
            raise _diverged(entry, folder, config)
        entry["seconds"] = round(time.monotonic() - started, 2)
        lines.append(entry)
        last = epoch + 1 == config.epochs
        if last or (epoch + 1) % config.checkpoint_every == 0:
            entry["similarity"] = similarity(sides.sampler(), data)
            save_progress(sides, folder, lines, same)
        if draw is not None and (last or (epoch + 1) % config.figure_every == 0):
            draw(snapshot(sides, folder, lines))
    finish(store, sides, folder, n_epochs=max(done, config.epochs))
    return folder


def finish(store: Store, sides: Adversaries, folder: Path, *, n_epochs: int) -> None:
    """Write the generator and, last, the manifest."""
    config, data = sides.config, sides.data
    save_generator(sides.sampler(), folder / WEIGHTS, config=config)
    write_manifest(
        folder,
        "gan",
        {
            "recipe": "reference",
            "types": config.types,
            "config": asdict(config),
            "epochs": n_epochs,
            "store": str(store.folder.resolve()),
            "store_rows": len(store),
            "training_spectra": len(data.rows),
            "training_rows": data.rows,
            "steps_per_epoch": sides.steps,
            **data.notes,
        },
    )


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


def snapshot(sides: Adversaries, folder: Path, lines: list[dict[str, Any]]) -> Snapshot:
    """What the figures show now."""
    data, sampler = sides.data, sides.sampler()
    real = np.where(data.good > 0, data.scaling.to_flux(data.values), np.nan)
    return Snapshot(
        epoch=int(lines[-1]["epoch"]),
        wave=data.wave,
        flux=sampler.flux(N_FIGURE, seed=1),
        covered=data.covered,
        real=real.astype(np.float32),
        log=lines,
        folder=folder,
    )


def save_progress(
    sides: Adversaries, folder: Path, lines: list[dict[str, Any]], same: dict[str, Any]
) -> None:
    """Write the log and a checkpoint, then drop the oldest ones."""
    series.write_log(folder, lines)
    series.save(
        folder,
        epoch=int(lines[-1]["epoch"]),
        tensors=sides.tensors(),
        state={"same": same, "log": lines[-1:]},
        keep=sides.config.keep,
    )
    entry = lines[-1]
    log.info(
        "epoch %d: losses %.3f (discriminator), %.3f (generator); similarity %.4f",
        *(entry[k] for k in ("epoch", "discriminator_loss", "generator_loss", "similarity")),
    )


def resume(
    sides: Adversaries, folder: Path, same: dict[str, Any]
) -> tuple[int, list[dict[str, Any]]]:
    """Take up the newest whole checkpoint; returns its epoch and the log up to it."""
    found = series.load_newest(folder, same)
    if found is None:
        return 0, []
    tensors, state = found
    sides.restore(tensors)
    epoch = int(state["epoch"])
    # A log that is gone costs its curves, not the training.
    return epoch, [line for line in series.read_log(folder) if line["epoch"] <= epoch]


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _diverged(entry: dict[str, Any], folder: Path, config: GanConfig) -> DataError:
    kept = series.newest_first(folder)
    epoch = int(kept[0].stem.split("-")[1]) if kept else 0
    good = f"the checkpoint of epoch {epoch} is good" if kept else "no checkpoint came before"
    keep = f"; --epochs {epoch} keeps what was learnt till then" if kept else ""
    return DataError(
        f"training diverged in epoch {entry['epoch']} (a loss is not finite); {good}",
        path=folder,
        remedy=f"start anew in another --out with a learning rate below {config.learning_rate:g}"
        + keep,
    )
