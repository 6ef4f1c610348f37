"""Recipes: everything that decides what a training gives, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class NetworkConfig:
    """Size of the standard network.

    Parameters
    ----------
    width : int
        Channels of the first stage; later stages have 1.5, 2 and 3 times as many.
    kernel : int
        Kernel of the residual blocks [pixels of their stage].
    hidden : int
        Units of the dense layer.
    dropout : float
        Dropout before and after the dense layer.
    shape_width : float
        Standard deviation of the broad shape's Gaussian [native pixels of 69 km/s].
    n_pix : int
        Pixels of the input grid.
    """

    width: int = 32
    kernel: int = 5
    hidden: int = 192
    dropout: float = 0.3
    shape_width: float = 145.0
    n_pix: int = 3904


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of each effect; 0 switches it off.

    Parameters
    ----------
    velocity : float
        Standard deviation of the radial velocity [km/s], cut at 3 times.
    blur : float
        Largest standard deviation of extra instrumental broadening [pixels of 69 km/s].
    reddening : float
        Largest E(B-V) added [mag]; up to a quarter of it is taken away.
    tilt : float
        Standard deviation of the log flux-calibration slope over the grid, and of half the
        curvature; a tenth of it is the step between the two arms.
    faintest : float
        Lowest S/N a pixel drawn (log-uniform up to 300).
    noise : float
        Share of spectra that get noise.
    cut : float
        Share of spectra whose coverage is cut.
    gaps : float
        Share of spectra with gaps inside the coverage.
    sky : float
        Share of spectra with sky-line residuals or a wrong sky level.
    hide_shape : float
        Share of spectra whose broad shape is hidden from the network.
    telluric : float
        Share of spectra whose telluric bands are masked: a network that sees them in every
        spectrum of one survey and in none of another's learns the survey.
    ripple : float
        Share of spectra with a calibration that wavers by up to 5 % over 40 to 250 Angstrom, as
        badly joined echelle orders do.
    """

    velocity: float = 120.0
    blur: float = 3.0
    reddening: float = 0.8
    tilt: float = 0.35
    faintest: float = 4.0
    noise: float = 0.75
    cut: float = 0.4
    gaps: float = 0.3
    sky: float = 0.25
    hide_shape: float = 0.25
    telluric: float = 0.5
    ripple: float = 0.15


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
    balance_by : str
        ``draws`` draws the rare more often; ``loss`` gives them more weight in the loss.
    mix : float
        Share of a batch blended with a star of the same type, class and label system that
        lies within two subclasses.
    synthetic_share : float, optional
        Share of the draws that are synthetic, where there are any; by default they count
        like real ones.
    outliers : float
        Share of a batch turned into what is no normal star (galaxies, quasars, empty fibres).
    averaging : float
        Decay of the exponential average of the weights that is validated and kept.
    type_weight : float
        Weight of the loss over the seven types against that along the sequence.
    survey_weight : float
        Weight with which a survey's labels also teach the MK type, through a learnt
        noise-adaptation layer; beside it they teach what the survey would have said.
    consistency : float
        Weight of the difference between what is said of one star observed twice: of another
        exposure where there is one, else of another version of its spectrum. A quarter of each
        batch is then drawn twice. 0: none.
    luminosity_weight : float
        Weight of the loss of the luminosity class.
    kind_weight : float
        Weight of the loss of the kind of object.
    distil : float
        Where there are teachers: share of what they say in the loss, beside the labels.
    validation : float
        Share of stars for early stopping and calibration.
    test : float
        Share of stars never touched by training.
    leave_out : tuple of str
        Surveys or libraries whose stars all go to the test set.
    patience : int
        Epochs without a better validation before stopping; with ``keep="last"`` none stops.
    keep : str
        Weights to keep: the ``last``, at the end of the falling learning rate; those of the
        least mean subclass ``error`` on validation stars, or of the least ``loss``, which
        come earlier and are less sure of themselves. A few hundred validation stars choose
        among epochs by chance (docs/experiments.md), and stars that have not chosen the weights
        calibrate them better.
    label_spread : float
        Factor on the scatter of all labels (`targets.SOURCES`).
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
    balance_by: Literal["draws", "loss"] = "draws"
    mix: float = 0.0
    synthetic_share: float | None = None
    outliers: float = 0.12
    averaging: float = 0.995
    type_weight: float = 0.7
    survey_weight: float = 0.4
    consistency: float = 0.2
    luminosity_weight: float = 0.3
    kind_weight: float = 0.3
    distil: float = 0.5
    validation: float = 0.1
    test: float = 0.2
    leave_out: tuple[str, ...] = ()
    patience: int = 25
    keep: Literal["last", "error", "loss"] = "last"
    label_spread: float = 1.0
    seed: int = 1
    split_seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = 0


@dataclass(frozen=True)
class Recipe:
    """A named whole: network, augmentation and training.

    Parameters
    ----------
    network : dataclass
        Options of the network.
    augment : AugmentConfig
        Strength of the augmentation.
    train : TrainConfig
        How the network is trained.
    architecture : str
        Which network it is (`architectures.ARCHITECTURES`).
    """

    network: Any = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    architecture: str = "standard"


def comparable(recipe: Recipe) -> dict[str, Any]:
    """The recipe as flat data, without what may change between a start and its resumption."""
    free = {"device", "threads", "patience"}
    parts = asdict(recipe)
    architecture = parts.pop("architecture")
    flat = {
        f"{part}.{name}": list(value) if isinstance(value, tuple) else value
        for part, values in parts.items()
        for name, value in values.items()
        if name not in free
    }
    # Checkpoints older than the choice hold the standard network and say nothing.
    return flat if architecture == "standard" else {**flat, "architecture": architecture}
