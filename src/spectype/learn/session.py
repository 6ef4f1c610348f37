"""One training in progress: data, network, optimiser, steps and their state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional

from spectype.classify.posterior import Sequence70
from spectype.core.errors import DataError, UsageError
from spectype.dataset.joined import Joined
from spectype.dataset.store import Store
from spectype.learn import checkpoint, together
from spectype.learn.architectures import ARCHITECTURES
from spectype.learn.augment import Augment
from spectype.learn.losses import disagreement, divergence, sequence_loss, type_sums
from spectype.learn.mixing import Exposures, Neighbours
from spectype.learn.networks import StandardNetwork, SurveyView
from spectype.learn.outliers import Outliers
from spectype.learn.recipe import Recipe
from spectype.learn.targets import BINS_PER_SUBCLASS, Targets


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


@dataclass
class Session:
    """One training in progress: data, network, optimiser and their state.

    With `teachers` the network also learns what their mean says of each augmented spectrum
    (`recipe.TrainConfig.distil`), labelled or not.
    """

    store: Store | Joined
    targets: Targets
    split: NDArray[np.str_]
    recipe: Recipe
    device: torch.device
    teachers: Sequence[nn.Module] = ()

    def __post_init__(self) -> None:
        config = self.recipe.train
        torch.manual_seed(config.seed)
        self.network = self.fresh().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        fast = use_bfloat16(config.precision, self.device)
        if isinstance(self.network, StandardNetwork):
            self.network.fast = fast
        self.view = SurveyView().to(self.device)
        # The same two where one process trains alone.
        self.shared, self.shared_view = map(together.parallel, (self.network, self.view))
        self.part = together.part_of(config.batch)
        self.average = self.fresh()
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
        # Without a survey's labels its system stays the MK type's.
        self.systems = 2 if self.targets.survey[self.rows].any() else 1
        self.simulated = self.store.synthetic
        self.chance, self.extra = self.draws()
        self.neighbours = Neighbours(self.targets, self.rows)
        star = self.store.meta["star_id"].to_numpy().astype(str)
        self.exposures = Exposures(star, self.rows)
        if not (self.targets.type_index[self.rows] >= 0).any():
            raise DataError("the training part has no typed spectrum", path=self.store.folder)
        self.pools = self.outlier_pools()
        for teacher in self.teachers:
            teacher.to(self.device).eval().requires_grad_(False)

    def outlier_pools(self) -> dict[str, NDArray[np.int64]]:
        """Training rows of which strangers are made: hot O-F, cool F-K, red K5-M stars."""
        code = self.targets.sequence[self.rows].argmax(1) / BINS_PER_SUBCLASS
        known = self.targets.sequence[self.rows].any(1)
        ranges = {"hot": (0, 40), "cool": (30, 60), "red": (55, 70)}
        found = {k: self.rows[known & (code >= a) & (code < b)] for k, (a, b) in ranges.items()}
        return {k: rows if rows.size else self.rows for k, rows in found.items()}

    def fresh(self) -> nn.Module:
        """The recipe's network with fresh weights, on the device."""
        architecture = ARCHITECTURES.get(self.recipe.architecture)
        return architecture.build(self.recipe.network, self.store.wave).to(self.device)

    def draws(self) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Chance of each training row to be drawn, and each row's extra weight in the loss."""
        config = self.recipe.train
        if config.balance_by not in ("draws", "loss"):
            raise UsageError(f"unknown balance_by {config.balance_by!r}", remedy="draws or loss")
        chance = self.targets.balance[self.rows]
        chance = chance / chance.sum()
        extra = np.ones(len(self.split), np.float32)
        if config.balance_by == "loss":
            extra[self.rows] = chance * len(chance)
            chance = np.full(len(chance), 1.0 / len(chance))
        fake = self.simulated[self.rows]
        if config.synthetic_share is not None and fake.any() and not fake.all():
            share = config.synthetic_share
            chance = np.where(
                fake,
                chance * share / chance[fake].sum(),
                chance * (1 - share) / chance[~fake].sum(),
            )
        return chance, extra

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

        Of several processes all draw the same batches, and each augments its part in its own way.
        Returns mean loss and accuracy over types.
        """
        config, other = self.recipe.train, 1_000_003 * together.rank()
        draw = Generator().manual_seed(config.seed * 100_003 + epoch)
        torch.manual_seed(config.seed * 7_919 + epoch + other)  # dropout
        picks = torch.multinomial(
            torch.as_tensor(self.chance),
            config.steps * config.batch,
            replacement=True,
            generator=draw,
        ).numpy()
        if other:
            draw.manual_seed(config.seed * 100_003 + epoch + other)
        self.network.train()
        losses, right, typed = 0.0, 0.0, 0.0
        for step in range(config.steps):
            rows = self.rows[picks[step * config.batch : (step + 1) * config.batch][self.part]]
            for group in self.optimiser.param_groups:
                group["lr"] = self.learning_rate(epoch * config.steps + step)
            loss, hits, count = self.step(rows, draw)
            losses, right, typed = losses + loss, right + hits, typed + count
        losses, right, typed = together.mean([losses, right, typed])
        return losses / config.steps, right / max(typed, 1)

    def step(self, rows: NDArray[np.int64], draw: Generator) -> tuple[float, int, int]:
        """One step of the optimiser; returns loss, right types, typed spectra."""
        config = self.recipe.train
        twice = len(rows) // 4 if config.consistency else 0
        again = self.exposures.pick(rows[:twice], draw)
        rows = np.concatenate([rows[: len(rows) - twice], again])
        flux, good = self.batch(rows)
        mixed = torch.rand(len(rows), generator=draw) < config.mix
        if mixed.any():
            other = self.neighbours.pick(rows, draw)
            flux, good = self.neighbours.blend((flux, good), self.batch(other), mixed, draw)
        fake = torch.rand(len(rows), generator=draw) < config.outliers
        kind = torch.as_tensor(self.targets.kind[rows])
        if fake.any():
            pools = {}
            for name, members in self.pools.items():
                pick = torch.randint(len(members), (16,), generator=draw).numpy()
                pools[name], _ = self.batch(members[pick])
            made = self.outliers(flux[fake], good[fake], pools, draw)
            flux[fake], good[fake], kind[fake] = made
        flux, good = self.augment(flux, good, draw)
        keep = (torch.rand(len(rows), generator=draw) >= self.recipe.augment.hide_shape).float()
        inputs = [t.to(self.device) for t in (flux, good, keep)]
        outputs = self.shared(*inputs)
        fake, kind = fake.to(self.device), kind.to(self.device)
        loss, hits, count = self.loss(outputs, rows, fake, kind, self.shared_view)
        if self.teachers:
            simulated = torch.as_tensor(self.simulated[rows], device=self.device)
            apart = divergence(self.lesson(inputs), outputs, fake, simulated)
            loss = (1 - config.distil) * loss + config.distil * apart
        loss = loss + 0.02 * self.view.roughness()
        if twice:
            alike = ~(fake | mixed.to(self.device))
            loss = loss + config.consistency * disagreement(outputs[: self.systems], alike, twice)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        self.optimiser.step()
        self.follow()
        return float(loss.detach()), hits, count

    @torch.no_grad()
    def lesson(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """What the teachers say of a batch on average: probabilities of each output."""
        said = [[torch.softmax(o, 1) for o in teacher(*inputs)] for teacher in self.teachers]
        return [torch.stack(output).mean(0) for output in zip(*said)]

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
        outputs: tuple[Tensor, Tensor, Tensor, Tensor],
        rows: NDArray[np.int64],
        fake: Tensor,
        kind: Tensor,
        view: nn.Module,
    ) -> tuple[Tensor, int, int]:
        """Loss of a batch, number of right types, number of typed spectra.

        `fake` marks spectra turned into outliers: their type and class do not count. `kind` (n,)
        is the index of what each is, -1 where not known.
        """
        config, t = self.recipe.train, self.targets
        sequence, survey, luminosity, kinds = outputs
        wanted = ["sequence", "types", "type_index", "luminosity", "survey", "weight", "anchored"]
        put = {k: torch.as_tensor(getattr(t, k)[rows], device=self.device) for k in wanted}
        mine = torch.softmax(torch.where(put["survey"][:, None], survey, sequence), dim=1)
        viewed = view(torch.softmax(sequence, dim=1))
        real = ~fake
        weight = put["weight"] * real * torch.as_tensor(self.extra[rows], device=self.device)
        typed = put["types"].any(dim=1) & real
        label = put["sequence"], put["types"], config.type_weight
        each = sequence_loss(mine, *label)
        each = each + config.survey_weight * put["anchored"] * sequence_loss(viewed, *label)
        total = (weight * typed * each).sum() / (weight * typed).sum().clamp(min=1)
        # Luminosity classes of a survey's pipeline are weak where it gives any.
        classed = ((put["luminosity"] >= 0) & real) * torch.where(put["survey"], 0.2, 1.0)
        by_class = functional.cross_entropy(
            luminosity, put["luminosity"].clamp(min=0), reduction="none"
        )
        total = total + config.luminosity_weight * (classed * by_class).sum() / classed.sum().clamp(
            min=1
        )
        by_kind = functional.cross_entropy(kinds, kind.clamp(min=0), reduction="none")
        known = kind >= 0
        total = total + config.kind_weight * (by_kind * known).sum() / known.sum().clamp(min=1)
        named = (put["type_index"] >= 0) & real  # of OB nobody knows whether O is right
        right = (type_sums(mine).argmax(1) == put["type_index"]) & named
        return total, int(right.sum()), int(named.sum())

    @torch.no_grad()
    def validate(self) -> tuple[float, float, float]:
        """Loss, accuracy and mean absolute subclass error of the averaged network.

        On the validation part as observed, each label in its own system.
        """
        rows = np.flatnonzero((self.split == "validation") & (self.targets.type_index >= 0))
        if not rows.size:
            return float("nan"), float("nan"), float("nan")
        self.average.eval()
        total, right = 0.0, 0
        codes = []
        for start in range(0, rows.size, 256):
            part = rows[start : start + 256]
            flux, good = (tensor.to(self.device) for tensor in self.batch(part))
            fake = torch.zeros(len(part), dtype=torch.bool, device=self.device)
            outputs = self.average(flux, good)
            kind = torch.as_tensor(self.targets.kind[part], device=self.device)
            loss, hits, _ = self.loss(outputs, part, fake, kind, self.average_view)
            total, right = total + float(loss) * len(part), right + hits
            survey = torch.as_tensor(self.targets.survey[part], device=self.device)[:, None]
            mine = torch.softmax(torch.where(survey, outputs[1], outputs[0]), dim=1)
            codes.append(Sequence70(mine.double().cpu().numpy()).code())
        label = self.targets.sequence[rows]
        off = np.abs(np.concatenate(codes) - label.argmax(axis=1) / BINS_PER_SUBCLASS)
        off = off[label.sum(axis=1) > 0]
        error = float(off.mean()) if off.size else float("nan")
        found = together.mean([total / rows.size, right / rows.size, error])
        return found[0], found[1], found[2]

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
