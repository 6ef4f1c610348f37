"""Training of the networks that draw stars: on refined simulated ones first, then on real ones."""

from __future__ import annotations

import logging
import shutil
import time
from abc import abstractmethod
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from spectype.core.errors import DataError, UsageError
from spectype.core.files import atomic_path, check_writable_folder, read_manifest
from spectype.dataset.store import Store
from spectype.generate.dense import without_denormals
from spectype.generate.factors import KNOTS
from spectype.generate.recipes import NeuralConfig
from spectype.generate.training import WEIGHTS, Learner, Line, learn
from spectype.learn import checkpoint
from spectype.refine import neural, simulator
from spectype.refine.atlas import STARS
from spectype.refine.check import check
from spectype.refine.lessons import Lessons, Picks, lessons
from spectype.refine.networks import Drawing
from spectype.refine.simulator import RefinedGenerator
from spectype.refine.watch import Watch, draw_curve

log = logging.getLogger("spectype")
FORMAT = 1  #: of the training; a checkpoint of another one does not resume
_MOMENTS = (0.0, 0.99)  # of Adam: the critic's slopes change too fast for a first moment


class NeuralLearner(Learner):
    """A network that draws stars, its optimisers and its averaged weights.

    Parameters
    ----------
    data : Lessons
        What it learns from.
    simulator : RefinedGenerator
        Whose template stars its ratios multiply.
    config : NeuralConfig
        The recipe.
    watch : Watch, optional
        Measures fidelity at every checkpoint.

    Attributes
    ----------
    networks : dict of str to nn.Module
        ``drawing``, and what else learns.
    """

    config: NeuralConfig

    def __init__(
        self,
        data: Lessons,
        simulator: RefinedGenerator,
        config: NeuralConfig,
        *,
        watch: Watch | None = None,
    ) -> None:
        self.data: Lessons = data
        self.simulator, self.config, self.watch = simulator, config, watch
        self.format, self.every, self.keep = FORMAT, config.checkpoint_every, config.keep
        self.cure = f"with a learning rate below {config.learning_rate:g}"
        self.n_columns, self.n_knots = data.scale.size, KNOTS.size
        torch.manual_seed(config.seed)
        self.networks = self.build(data)
        self.average = deepcopy(self.drawing).requires_grad_(False)
        self.optimisers = {
            name: torch.optim.Adam(
                network.parameters(), lr=config.learning_rate, betas=_MOMENTS, fused=True
            )
            for name, network in self.networks.items()
        }
        self.done, self.spent, self.since = 0, 0.0, time.monotonic()
        self.checked: dict[str, dict[str, float]] = {}

    @property
    def drawing(self) -> Drawing:
        """The network that draws."""
        return cast(Drawing, self.networks["drawing"])

    @property
    def types(self) -> str:
        """Types of the simulator."""
        return self.simulator.types

    @abstractmethod
    def build(self, data: Lessons) -> dict[str, nn.Module]:
        """The networks, fresh; ``drawing`` is the one to be averaged and kept."""

    @abstractmethod
    def sizes(self) -> dict[str, Any]:
        """Arguments that make the network that draws."""

    @abstractmethod
    def step(self, picks: Picks) -> dict[str, Tensor]:
        """Learn from one batch; returns losses for the log."""

    def descend(self, loss: Tensor, name: str) -> None:
        """One step of an optimiser."""
        self.optimisers[name].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimisers[name].step()

    def epoch(self, number: int) -> dict[str, float]:
        """Learn from `steps` batches; mean losses."""
        config = self.config
        rng = np.random.default_rng([config.seed, 33, number])
        torch.manual_seed(config.seed * 1_000_003 + number)
        simulated = number < config.simulated
        total: dict[str, float] = {}
        for network in self.networks.values():
            network.train()
        for picks in self.data.picks(config.steps, config.batch, simulated=simulated,
                                     rehearsal=config.rehearsal, rng=rng):  # fmt: skip
            for name, value in self.step(picks).items():
                total[name] = total.get(name, 0.0) + float(value) / config.steps
            self._remember()
        now = time.monotonic()
        self.spent, self.since = self.spent + now - self.since, now
        return {"simulated": float(simulated), "minutes": round(self.spent / 60, 3), **total}

    @torch.no_grad()
    def _remember(self) -> None:
        """Move the averaged weights towards the present ones, fast at first."""
        decay = min(self.config.averaging, (1 + self.done) / (10 + self.done))
        for mine, theirs in zip(self.average.parameters(), self.drawing.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
        self.done += 1

    def tensors(self) -> dict[str, Tensor]:
        """Weights, moments, averaged weights, how long it took."""
        named = {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for part, network in self.networks.items():
            named |= {f"{part}.{k}": v for k, v in network.state_dict().items()}
            moments = checkpoint.optimiser_tensors(self.optimisers[part])
            named |= {f"{part}/{k}": v for k, v in moments.items()}
        clock = torch.tensor([self.done, self.spent], dtype=torch.float64)
        return named | {"clock": clock}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put a checkpoint's tensors back."""
        for part, network in {"average": self.average, **self.networks}.items():
            network.load_state_dict(_below(tensors, f"{part}."))
            if part in self.optimisers:
                checkpoint.restore_optimiser(self.optimisers[part], _below(tensors, f"{part}/"))
        done, self.spent = tensors["clock"].tolist()
        self.done, self.since = int(done), time.monotonic()

    def generator(self) -> neural.NeuralGenerator:
        """The generator as it is now, with averaged weights."""
        return neural.NeuralGenerator(
            self.recipe,
            self.average,
            scale=self.data.scale,
            atlas=self.simulator.atlas,
            at=self.simulator.stars.at,
            wave=self.simulator.wave,
            config=self.simulator.config,
        )

    def save(self, path: Path) -> None:
        """Write the generator, if it keeps velocities and types."""
        generator = self.generator()
        self.checked = check(generator, self.data.ratios)
        neural.save(generator, path, sizes=self.sizes())

    def measure(self, line: Line) -> dict[str, float]:
        """Fidelity to stars kept for validation; the clock stands still meanwhile."""
        found = self.watch.measure(self.generator()) if self.watch else {}
        self.since = time.monotonic()
        return found

    def show(self, folder: Path, lines: list[Line], *, last: bool) -> None:
        """Draw the curve of fidelity at the end."""
        if last and self.watch:
            draw_curve(lines, folder / "figures" / "fidelity.png")

    def notes(self) -> dict[str, Any]:
        """What the check has found, and the simulator."""
        return {"check": self.checked, "simulator": str(Path(self.config.simulator).resolve())}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@without_denormals()
def train_neural(
    store: Store, out: str | Path, config: NeuralConfig, learner: type[NeuralLearner]
) -> Path:
    """Train a network on a refined simulator's samples and on real stars; resumes.

    Parameters
    ----------
    store : Store
        Real spectra, the ones that the simulator has learnt from.
    out : path-like
        Folder of the generator.
    config : NeuralConfig
        The recipe; names the simulator.
    learner : type
        What learns: `wasserstein.Adversary` or `flow.Flow`.

    Returns
    -------
    Path
        The folder, as of `training.learn`, with ``figures/fidelity.png``.

    Raises
    ------
    UsageError
        If no simulator is named.
    DataError
        If it is none, or of another store; if the network moves lines or types
        (`check.check`); and as `training.learn`.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    source, refined = find_simulator(config.simulator)
    folder = check_writable_folder(out, kind="gan")

    def start() -> NeuralLearner:
        rows = read_manifest(source, "gan")["training_rows"]
        data = lessons(store, refined, rows=rows, pool=config.pool, seed=config.seed)
        return learner(data, refined, config, watch=Watch.of(store, data.split, refined))

    if not (folder / STARS).exists():  # exposures take the template stars' own light
        with atomic_path(folder / STARS) as temporary:
            shutil.copyfile(source / STARS, temporary)
    return learn(start, store, folder)


def find_simulator(named: str) -> tuple[Path, RefinedGenerator]:
    """The refined simulator of a folder."""
    remedy = "train one with --recipe refined and name its folder with --simulator"
    if not named:
        raise UsageError("this recipe learns from a refined simulator first", remedy=remedy)
    source = Path(named)
    recipe = read_manifest(source, "gan").get("recipe")
    if recipe != "refined":
        raise DataError(f"is a generator of the {recipe} recipe", path=source, remedy=remedy)
    return source, simulator.rebuild(*checkpoint.load(source / WEIGHTS))
