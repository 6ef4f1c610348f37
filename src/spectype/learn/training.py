"""Training of the standard network: balanced draws, augmentation, early stopping, resume."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import atomic_path, check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.dataset.store import Store
from spectype.learn import checkpoint
from spectype.learn.augment import Augment, AugmentConfig
from spectype.learn.networks import NetworkConfig, StandardNetwork, SurveyView
from spectype.learn.outliers import Outliers
from spectype.learn.targets import BINS_PER_SUBCLASS, Targets, make_targets, split_by_star

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")


@dataclass(frozen=True)
class TrainConfig:
    """How a network is trained.

    Parameters
    ----------
    epochs : int
        Longest training; the learning rate falls to zero over it.
    steps : int
        Batches an epoch.
    batch : int
        Spectra a batch.
    learning_rate : float
        Peak learning rate of AdamW.
    weight_decay : float
        Weight decay.
    balance : float
        0 draws spectra as they are, 1 every part of the sequence equally often.
    outliers : float
        Share of a batch turned into what is no normal star (galaxies, quasars, empty fibres).
    averaging : float
        Decay of the exponential average of the weights that is validated and kept.
    type_weight : float
        Weight of the loss over the seven types against that along the sequence.
    luminosity_weight : float
        Weight of the loss of the luminosity class.
    validation : float
        Share of stars for early stopping and calibration.
    test : float
        Share of stars never touched by training.
    leave_out : tuple of str
        Surveys or libraries whose stars all go to the test set.
    patience : int
        Epochs without a better validation before stopping.
    seed : int
        Seed of weights and augmentation.
    split_seed : int
        Seed of the split: members of an ensemble share it, so that their validation and test
        stars are the same.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    precision : str
        ``float32``, ``bfloat16`` for the convolutions, or ``auto``: bfloat16 where the
        processor has instructions for it (elsewhere it is several times slower).
    threads : int
        CPU threads; 0 lets torch choose.
    """

    epochs: int = 60
    steps: int = 100
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.03
    balance: float = 0.7
    outliers: float = 0.12
    averaging: float = 0.995
    type_weight: float = 0.7
    luminosity_weight: float = 0.3
    validation: float = 0.1
    test: float = 0.2
    leave_out: tuple[str, ...] = ()
    patience: int = 25
    seed: int = 1
    split_seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    threads: int = 0


@dataclass(frozen=True)
class Recipe:
    """A named whole: network, augmentation and training."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


def choose_device(name: str) -> torch.device:
    """The device called `name`; ``auto`` takes CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("this machine has no CUDA device", remedy="give --device cpu")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}", remedy="cpu or cuda") from error


def use_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether to convolve in bfloat16."""
    if precision not in ("auto", "float32", "bfloat16"):
        raise UsageError(f"unknown precision {precision!r}", remedy="float32, bfloat16 or auto")
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported())


def make_split(meta: pl.DataFrame, config: TrainConfig) -> NDArray[np.str_]:
    """The part of every row: the table's own split where it has one, else by star.

    With `leave_out`, the stars of those libraries are the test set wherever they occur.
    """
    star = meta["star_id"].to_numpy().astype(str)
    types = np.array([mk.index(t) if t else -1 for t in meta["type"].to_list()], np.int64)
    if config.leave_out:
        survey = meta["survey"].fill_null("").to_numpy().astype(str)
        unknown = set(config.leave_out) - set(survey)
        if unknown:
            known = ", ".join(sorted(set(survey)))
            raise UsageError(f"no survey {', '.join(sorted(unknown))}; the store has {known}")
        split = split_by_star(star, types, seed=config.split_seed, shares=(config.validation, 0.0))
        left_out = np.isin(survey, config.leave_out)
        # A left-out star that another library holds too is in no part at all there.
        split = np.where(np.isin(star, np.unique(star[left_out])), "unused", split)
        return np.asarray(np.where(left_out, "test", split))
    given = meta["split"].to_list() if "split" in meta.columns else [None]
    if all(part in ("train", "validation", "test") for part in given):
        return np.asarray(given, dtype=str)
    return split_by_star(
        star, types, seed=config.split_seed, shares=(config.validation, config.test)
    )


@dataclass
class Session:
    """One training in progress: data, network, optimiser and their state."""

    store: Store
    targets: Targets
    split: NDArray[np.str_]
    recipe: Recipe
    device: torch.device

    def __post_init__(self) -> None:
        config = self.recipe.train
        torch.manual_seed(config.seed)
        self.network = StandardNetwork(self.recipe.network).to(self.device)
        self.network = self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.fast = use_bfloat16(config.precision, self.device)
        self.view = SurveyView().to(self.device)
        self.average = StandardNetwork(self.recipe.network).to(self.device)
        self.average.load_state_dict(self.network.state_dict())
        self.average_view = SurveyView().to(self.device)
        self.optimiser = torch.optim.AdamW(
            [*self.network.parameters(), *self.view.parameters()],
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        wave = torch.as_tensor(self.store.wave, dtype=torch.float32)
        self.augment = Augment(self.recipe.augment, wave)
        self.outliers = Outliers(wave)
        self.steps_done = 0
        self.rows = np.flatnonzero((self.split == "train") & (self.targets.balance > 0))
        if not (self.targets.type_index[self.rows] >= 0).any():
            raise DataError("the training part has no typed spectrum", path=self.store.folder)
        code = self.targets.sequence[self.rows].argmax(1) / BINS_PER_SUBCLASS
        cool = self.rows[(self.targets.type_index[self.rows] >= 3) & (code < 60)]
        self.cool = cool if cool.size else self.rows

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Flux and good pixels of these rows, each (n, n_pix) float32."""
        flux, error = self.store.arrays(rows)
        return torch.from_numpy(flux), torch.from_numpy((error > 0).astype(np.float32))

    def learning_rate(self, step: int) -> float:
        """Warm-up over a twentieth of the training, then half a cosine to zero."""
        config = self.recipe.train
        total = config.epochs * config.steps
        warm = max(1, total // 20)
        if step < warm:
            return config.learning_rate * (step + 1) / warm
        turn = np.cos(np.pi * (step - warm) / max(total - warm, 1))
        return float(0.5 * config.learning_rate * (1 + turn))

    def train_epoch(self, epoch: int) -> tuple[float, float]:
        """One epoch; its draws depend on the seed and the epoch alone, so a resumed run repeats.

        Returns mean loss and accuracy over types.
        """
        config = self.recipe.train
        draw = Generator().manual_seed(config.seed * 100_003 + epoch)
        torch.manual_seed(config.seed * 7_919 + epoch)  # dropout
        chance = torch.as_tensor(self.targets.balance[self.rows])
        picks = torch.multinomial(
            chance, config.steps * config.batch, replacement=True, generator=draw
        ).numpy()
        self.network.train()
        losses, right, typed = 0.0, 0, 0
        for step in range(config.steps):
            rows = self.rows[picks[step * config.batch : (step + 1) * config.batch]]
            for group in self.optimiser.param_groups:
                group["lr"] = self.learning_rate(epoch * config.steps + step)
            loss, hits, count = self.step(rows, draw)
            losses, right, typed = losses + loss, right + hits, typed + count
        return losses / config.steps, right / max(typed, 1)

    def step(self, rows: NDArray[np.int64], draw: Generator) -> tuple[float, int, int]:
        """One step of the optimiser; returns loss, right types, typed spectra."""
        config = self.recipe.train
        flux, good = self.batch(rows)
        fake = torch.rand(len(rows), generator=draw) < config.outliers
        if fake.any():
            pick = torch.randint(len(self.cool), (16,), generator=draw).numpy()
            cool, _ = self.batch(self.cool[pick])
            flux[fake], good[fake] = self.outliers(flux[fake], good[fake], cool, draw)
        flux, good = self.augment(flux, good, draw)
        keep = (torch.rand(len(rows), generator=draw) >= self.recipe.augment.hide_shape).float()
        outputs = self.network(*(t.to(self.device) for t in (flux, good, keep)))
        loss, hits, count = self.loss(outputs, rows, fake.to(self.device), self.view)
        loss = loss + 0.02 * self.view.roughness()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.follow()
        return float(loss.detach()), hits, count

    def follow(self) -> None:
        """Move the averaged weights towards the present ones."""
        self.steps_done += 1
        # Early on a short memory: the random start is to be forgotten.
        n = self.steps_done
        decay = min(self.recipe.train.averaging, (1 + n) / (10 + n))
        pairs = ((self.average, self.network), (self.average_view, self.view))
        with torch.no_grad():
            for mean, now in pairs:
                for a, b in zip(mean.state_dict().values(), now.state_dict().values()):
                    if a.is_floating_point():
                        a.lerp_(b, 1 - decay)
                    else:
                        a.copy_(b)

    def loss(
        self,
        outputs: tuple[Tensor, Tensor, Tensor],
        rows: NDArray[np.int64],
        fake: Tensor,
        view: SurveyView,
    ) -> tuple[Tensor, int, int]:
        """Loss of a batch, number of right types, number of typed spectra.

        `fake` marks spectra turned into outliers: their type and class do not count.
        """
        config, t = self.recipe.train, self.targets
        sequence, luminosity, outlier = outputs
        put = {name: torch.as_tensor(getattr(t, name)[rows], device=self.device) for name in
               ("sequence", "type_index", "luminosity", "outlier", "survey", "weight")}  # fmt: skip
        probability = torch.softmax(sequence, dim=1)
        seen = torch.where(put["survey"][:, None], view(probability), probability)
        real = ~fake
        weight = put["weight"] * real
        along = -(put["sequence"] * seen.clamp(min=1e-7).log()).sum(1)
        types = seen.view(len(rows), len(mk.TYPES), -1).sum(2).clamp(min=1e-7)
        typed = (put["type_index"] >= 0) & real
        by_type = functional.nll_loss(types.log(), put["type_index"].clamp(min=0), reduction="none")
        total = (weight * typed * (along + config.type_weight * by_type)).sum()
        total = total / (weight * typed).sum().clamp(min=1)
        # Luminosity classes of a survey's pipeline are weak where it gives any.
        classed = ((put["luminosity"] >= 0) & real) * torch.where(put["survey"], 0.2, 1.0)
        by_class = functional.cross_entropy(
            luminosity, put["luminosity"].clamp(min=0), reduction="none"
        )
        total = total + config.luminosity_weight * (classed * by_class).sum() / classed.sum().clamp(
            min=1
        )
        odd = torch.where(fake, torch.ones_like(put["outlier"]), put["outlier"])
        known = torch.isfinite(odd)
        by_odd = functional.binary_cross_entropy_with_logits(
            outlier, torch.nan_to_num(odd), reduction="none"
        )
        total = total + 0.3 * (by_odd * known).sum() / known.sum().clamp(min=1)
        right = (types.argmax(1) == put["type_index"]) & typed
        return total, int(right.sum()), int(typed.sum())

    @torch.no_grad()
    def validate(self) -> tuple[float, float]:
        """Loss and accuracy of the averaged network on the validation part, as observed."""
        rows = np.flatnonzero((self.split == "validation") & (self.targets.type_index >= 0))
        if not rows.size:
            return float("nan"), float("nan")
        self.average.eval()
        total, right = 0.0, 0
        for start in range(0, rows.size, 256):
            part = rows[start : start + 256]
            flux, good = (tensor.to(self.device) for tensor in self.batch(part))
            fake = torch.zeros(len(part), dtype=torch.bool, device=self.device)
            loss, hits, _ = self.loss(self.average(flux, good), part, fake, self.average_view)
            total, right = total + float(loss) * len(part), right + hits
        return total / rows.size, right / rows.size

    def tensors(self) -> dict[str, Tensor]:
        """All tensors of the state."""
        parts = {"network": self.network, "view": self.view, "average": self.average,
                 "average_view": self.average_view}  # fmt: skip
        named = {f"{p}.{k}": v for p, m in parts.items() for k, v in m.state_dict().items()}
        return {**named, **checkpoint.optimiser_tensors(self.optimiser)}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put a checkpoint's tensors back."""
        for name in ("network", "view", "average", "average_view"):
            inside = {k.removeprefix(f"{name}."): v for k, v in tensors.items()
                      if k.startswith(f"{name}.")}  # fmt: skip
            getattr(self, name).load_state_dict(inside)
        checkpoint.restore_optimiser(self.optimiser, tensors)


def train(store: Store, out: str | Path, *, recipe: Recipe) -> Path:
    """Train on a store; a run that was stopped goes on where it was.

    Parameters
    ----------
    store : Store
        Training data.
    out : path-like
        Folder of the run.
    recipe : Recipe
        Network, augmentation, training.

    Returns
    -------
    Path
        The run's folder with ``best.safetensors``, ``split.parquet``, ``log.jsonl`` and the
        manifest; `export.export_run` makes a model of it.
    """
    import polars as pl

    folder = check_writable_folder(out)
    config = recipe.train
    if config.threads:
        torch.set_num_threads(config.threads)
    meta = store.meta
    targets = make_targets(meta, balance=config.balance)
    split = make_split(meta, config)
    session = Session(store, targets, split, recipe, choose_device(config.device))
    with atomic_path(folder / "split.parquet") as path:
        meta.select("row", "star_id").with_columns(split=pl.Series(split)).write_parquet(path)
    start, best, since = resume(session, folder)
    started = time.monotonic()
    epochs = range(start, config.epochs)
    for epoch in track(epochs, total=len(epochs), title="training"):
        if since >= config.patience:
            break
        loss, accuracy = session.train_epoch(epoch)
        validation, validation_accuracy = session.validate()
        if not np.isfinite(loss):
            raise DataError(
                f"training diverged in epoch {epoch}; the best weights before it are kept",
                path=folder,
                remedy="lower --learning-rate",
            )
        since = since + 1 if validation >= best else 0
        entry = {
            "epoch": epoch + 1,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "validation_loss": validation,
            "validation_accuracy": validation_accuracy,
            "learning_rate": session.learning_rate((epoch + 1) * config.steps - 1),
            "seconds": round(time.monotonic() - started, 2),
        }
        if since == 0 or not np.isfinite(validation):
            best = validation
            save_best(session, folder)
        save_progress(session, folder, entry, best=best, since=since)
    write_manifest(
        folder,
        "run",
        {
            "recipe": asdict(recipe),
            "store": str(store.folder.resolve()),
            "store_rows": len(store),
            "types": type_counts(targets, split),
            "best_validation_loss": best,
        },
    )
    return folder


def type_counts(targets: Targets, split: NDArray[np.str_]) -> dict[str, dict[str, int]]:
    """Spectra of each type in each part; a type without training spectra is never predicted."""
    return {
        part: {
            t: int(((targets.type_index == i) & (split == part)).sum())
            for i, t in enumerate(mk.TYPES)
        }
        for part in ("train", "validation", "test")
    }


def save_best(session: Session, folder: Path) -> None:
    """Write the averaged weights, the ones to keep."""
    parts = (("network", session.average), ("view", session.average_view))
    tensors = {f"{n}.{k}": v for n, m in parts for k, v in m.state_dict().items()}
    checkpoint.save(
        folder / "best.safetensors",
        tensors=tensors,
        state={"network": asdict(session.recipe.network)},
    )


def comparable(recipe: Recipe) -> dict[str, Any]:
    """The recipe as flat data, without what may change between a start and its resumption."""
    free = {"device", "threads", "patience"}
    return {
        f"{part}.{name}": list(value) if isinstance(value, tuple) else value
        for part, values in asdict(recipe).items()
        for name, value in values.items()
        if name not in free
    }


def save_progress(
    session: Session, folder: Path, entry: dict[str, Any], *, best: float, since: int
) -> None:
    """Append to the log and write the checkpoint to resume from."""
    state = {
        "epoch": entry["epoch"],
        "best": best,
        "since": since,
        "recipe": comparable(session.recipe),
        "log": [*read_log(folder), entry],
    }
    checkpoint.save(folder / "checkpoint.safetensors", tensors=session.tensors(), state=state)
    with atomic_path(folder / "log.jsonl") as path:
        path.write_text("".join(json.dumps(line) + "\n" for line in state["log"]))
    log.info(
        "epoch %d: loss %.3f, validation %.3f, accuracy %.3f / %.3f",
        *(entry[k] for k in ("epoch", "train_loss", "validation_loss", "train_accuracy",
                             "validation_accuracy")),
    )  # fmt: skip


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Lines of ``log.jsonl``, empty where there is none."""
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def resume(session: Session, folder: Path) -> tuple[int, float, int]:
    """Take up a checkpoint if there is one; returns next epoch, best loss, epochs since."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        (folder / "log.jsonl").unlink(missing_ok=True)
        return 0, float("inf"), 0
    tensors, state = checkpoint.load(path)
    checkpoint.check_same(path, found=state["recipe"], wanted=comparable(session.recipe))
    session.restore(tensors)
    session.steps_done = int(state["epoch"]) * session.recipe.train.steps
    # The log may be one line ahead of, or behind, the checkpoint: the checkpoint rules.
    with atomic_path(folder / "log.jsonl") as log_path:
        log_path.write_text("".join(json.dumps(line) + os.linesep for line in state["log"]))
    log.info("resuming after epoch %d", state["epoch"])
    return int(state["epoch"]), float(state["best"]), int(state["since"])
