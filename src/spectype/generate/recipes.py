"""Settings of the generators; plain data, without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import UsageError

BATCH_NORMS = ("before", "after", "none")
#: What the study did wrong, by name: see `GanConfig.faults`.
FAULTS = ("logits", "range", "padding")


@dataclass(frozen=True)
class GanConfig:
    """The reference recipe.

    Parameters
    ----------
    types : str
        Types to learn, as one pool: ``O``, ``OB``.
    epochs : int
        Passes over the training spectra. More can be added to a finished training.
    batch : int
        Spectra a batch; what is left of an epoch after the last whole batch waits for another.
    noise : int
        Length of the generator's random input.
    learning_rate : float
        Of Adam, for both networks.
    batch_norm : str
        Batch normalisation in the generator: ``before`` the activation, ``after`` it, ``none``.
    faults : tuple of str
        Faults of the study to bring back, or ``all``. ``logits``: the discriminator's sigmoid goes
        into a loss that expects logits. ``range``: the generator's tanh is held against data
        in 0..1. ``padding``: the study's vector of 3,500 pixels by index, scaled by minimum and
        maximum, zeros where there is no data.
    resolving_power : float
        Common resolution of the spectra.
    validation : float
        Share of stars kept out as `train` keeps them for its validation.
    test : float
        Share of stars kept out of training altogether, the same as in `train`.
    leave_out : tuple of str
        Surveys or libraries whose stars are all kept out.
    checkpoint_every : int
        Epochs between checkpoints.
    keep : int
        Checkpoints to keep.
    figure_every : int
        Epochs between figures of 16 samples.
    seed : int
        Seed of weights, batches, noise.
    split_seed : int
        Seed of the split.
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    threads : int
        CPU threads; 0 lets torch choose. Results are the same to the bit for one number.
    """

    types: str = "O"
    epochs: int = 8000
    batch: int = 3
    noise: int = 900
    learning_rate: float = 1e-4
    batch_norm: Literal["before", "after", "none"] = "before"
    faults: tuple[str, ...] = ()
    resolving_power: float = 1800.0
    validation: float = 0.1
    test: float = 0.2
    leave_out: tuple[str, ...] = ()
    checkpoint_every: int = 50
    keep: int = 3
    figure_every: int = 500
    seed: int = 1
    split_seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        if self.batch_norm not in BATCH_NORMS:
            raise UsageError(
                f"unknown batch normalisation {self.batch_norm!r}", remedy=", ".join(BATCH_NORMS)
            )
        if odd := [f for f in self.faults if f not in (*FAULTS, "all")]:
            raise UsageError(f"unknown fault {odd[0]!r}", remedy=f"all, {', '.join(FAULTS)}")
        for name, least in (("epochs", 1), ("batch", 2), ("noise", 1), ("checkpoint_every", 1),
                            ("keep", 1), ("figure_every", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}, must be {least} at least")
        if not self.learning_rate > 0:
            raise UsageError(f"a learning rate of {self.learning_rate:g} is not positive")

    def has(self, fault: str) -> bool:
        """Whether this fault of the study is wanted."""
        return fault in self.faults or "all" in self.faults

    def comparable(self) -> dict[str, Any]:
        """What may not change between a start and its resumption, as plain data."""
        free = {"epochs", "checkpoint_every", "keep", "figure_every", "device", "threads"}
        values = {k: v for k, v in asdict(self).items() if k not in free}
        values["faults"] = [f for f in FAULTS if self.has(f)]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@dataclass(frozen=True)
class GeneratorConfig:
    """The standard recipe.

    Parameters
    ----------
    types : str
        Types to learn. More types than are wanted help: neighbours are borrowed from.
    components : int
        Factors of each part.
    joints : tuple of float
        Codes where one part of the sequence ends and the next begins. Each part has its own
        basis: in one for all, the bands of M stars would leave nothing for lines of O stars.
    margin : float
        Subclasses beyond its ends from which a part learns, too.
    epochs : int
        Iterations of expectation and maximisation.
    neighbours : float
        Effective number of spectra under a kernel along the sequence.
    smoothing : float
        1 draws factors from a Gaussian; below, a part sqrt(1 - smoothing**2) of the
        deviation of a real neighbour stays.
    crowd : int
        Most spectra a subclass to learn from, picked at random.
    resolving_power : float
        Common resolution of the spectra.
    validation : float
        Share of stars kept out as `train` keeps them for its validation.
    test : float
        Share of stars kept out altogether, the same as in `train`.
    leave_out : tuple of str
        Surveys or libraries whose stars are all kept out.
    seed : int
        Seed of the picks where subclasses are crowded.
    split_seed : int
        Seed of the split.
    """

    types: str = mk.TYPES
    components: int = 40
    joints: tuple[float, ...] = (22.0, 45.0)
    margin: float = 7.0
    epochs: int = 10
    neighbours: float = 12.0
    smoothing: float = 0.5
    crowd: int = 40
    resolving_power: float = 1800.0
    validation: float = 0.1
    test: float = 0.2
    leave_out: tuple[str, ...] = ()
    seed: int = 1
    split_seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("components", 1), ("epochs", 1), ("crowd", 1), ("neighbours", 2)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}, must be {least} at least")
        if not 0 <= self.smoothing <= 1:
            raise UsageError(f"a smoothing of {self.smoothing:g} is outside 0-1")

    def part_of(self, code: NDArray[np.float64]) -> NDArray[np.int64]:
        """Number of the part of the sequence that each code belongs to."""
        return np.searchsorted(self.joints, code, side="right")

    def members(self, code: NDArray[np.float64], part: int) -> NDArray[np.bool_]:
        """Which spectra of these codes a part learns from."""
        ends = (-np.inf, *self.joints, np.inf)
        return (code >= ends[part] - self.margin) & (code < ends[part + 1] + self.margin)

    def comparable(self) -> dict[str, Any]:
        """What may not change between a start and its resumption, as plain data."""
        free = {"epochs", "smoothing"}
        values = {k: v for k, v in asdict(self).items() if k not in free}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


@dataclass(frozen=True)
class RefinedConfig(GeneratorConfig):
    """The refined recipe: a simulated star times a correction learnt from real ones.

    Its options are those of the standard recipe, which here shape the correction, and

    Parameters
    ----------
    half : float
        Effective number of real stars at which the correction counts half; without any
        the bare simulation stands.
    supported : float
        Effective number of real stars below which a sample is called extrapolated.
    """

    half: float = 0.5
    supported: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("half", "supported"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} is {getattr(self, name):g}, must be positive")

    def comparable(self) -> dict[str, Any]:
        """What may not change between a start and its resumption, as plain data."""
        free = {"half", "supported"}
        return {k: v for k, v in super().comparable().items() if k not in free}


@dataclass(frozen=True)
class NeuralConfig:
    """What the recipes share that train a network on the samples of a refined simulator.

    Types, split and resolution are the simulator's.

    Parameters
    ----------
    simulator : str
        Folder of a trained generator of the refined recipe.
    epochs : int
        Epochs altogether. More can be added to a finished training.
    simulated : int
        How many of them, the first ones, learn from refined simulated stars alone.
    steps : int
        Batches an epoch.
    batch : int
        Spectra a batch.
    rehearsal : float
        Share of simulated stars, at places that no real one supports, in the later batches:
        what only they teach would be forgotten.
    pool : int
        Refined simulated stars to learn from.
    learning_rate : float
        Of Adam.
    averaging : float
        Decay of the exponential average of the weights, which is what draws samples.
    checkpoint_every : int
        Epochs between checkpoints, each with a measurement of fidelity.
    keep : int
        Checkpoints to keep.
    seed : int
        Seed of weights and draws.
    threads : int
        CPU threads; 0 lets torch choose. Results are the same to the bit for one number.
    """

    simulator: str = ""
    epochs: int = 80
    simulated: int = 60
    steps: int = 50
    batch: int = 16
    rehearsal: float = 0.25
    pool: int = 4000
    learning_rate: float = 1e-3
    averaging: float = 0.998
    checkpoint_every: int = 10
    keep: int = 2
    seed: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("simulated", 0), ("steps", 1), ("batch", 2),
                            ("pool", 2), ("checkpoint_every", 1), ("keep", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}, must be {least} at least")
        for name in ("rehearsal", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name):g}, must be 0 to below 1")
        if not self.learning_rate > 0:
            raise UsageError(f"a learning rate of {self.learning_rate:g} is not positive")

    def comparable(self) -> dict[str, Any]:
        """What may not change between a start and its resumption, as plain data."""
        free = {"simulator", "epochs", "checkpoint_every", "keep", "threads"}
        return {k: v for k, v in asdict(self).items() if k not in free}


@dataclass(frozen=True)
class WassersteinConfig(NeuralConfig):
    """The wasserstein recipe: a convolutional conditional Wasserstein GAN.

    Parameters
    ----------
    epochs, simulated
        As for `NeuralConfig`.
    noise : int
        Length of the random input.
    penalty : float
        Weight of the penalty on the critic's gradient.
    """

    epochs: int = 120
    simulated: int = 40
    noise: int = 64
    penalty: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise < 1 or not self.penalty > 0:
            raise UsageError("noise and penalty must be positive")


@dataclass(frozen=True)
class FlowConfig(NeuralConfig):
    """The flow recipe: flow matching among the principal components of refined stars.

    Parameters
    ----------
    batch : int
        Spectra a batch.
    components : int
        Principal components.
    width : int
        Units of the network's layers.
    dropout : float
        Share of units left out in training.
    moves : int
        Steps from noise to a star.
    """

    batch: int = 256
    components: int = 64
    width: int = 256
    dropout: float = 0.1
    moves: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("components", "width", "moves"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}, must be 1 at least")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"a dropout of {self.dropout:g} is outside 0-1")
