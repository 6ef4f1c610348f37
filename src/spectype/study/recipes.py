"""Sizes and settings of the study's network and of its audit; plain data, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import UsageError
from spectype.learn.architectures import ARCHITECTURES, Architecture, Trained

if TYPE_CHECKING:
    from torch import nn

NAME = "reference"  #: of the study's network among the architectures


@dataclass(frozen=True)
class ReferenceConfig:
    """The study's network and its training.

    Parameters
    ----------
    filters : tuple of int
        Filters of the convolutions, each followed by a max-pool of 2.
    kernel : int
        Kernel of the convolutions [pixels].
    dense : int
        Units of the dense layer. The study's 11,500 make 125 million weights, 0.6 s a step
        on one core; a few hundred serve as well.
    as_published : bool
        Give the spectrum as one step of 3,500 channels, as the study's code did, cut at
        pixels 2 to 3502 (3702-8287 Angstrom); nothing is convolved along wavelength then.
    epochs : int
        Passes over the training spectra.
    batch : int
        Spectra a step.
    learning_rate : float
        Of Adam.
    """

    filters: tuple[int, ...] = (10, 20, 40, 50)
    kernel: int = 3
    dense: int = 11_500
    as_published: bool = False
    epochs: int = 140
    batch: int = 32
    learning_rate: float = 1e-3

    def __post_init__(self) -> None:
        for name in ("kernel", "dense", "epochs", "batch", "learning_rate"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} must be positive, not {getattr(self, name)}")
        if not self.filters or min(self.filters) <= 0 or len(self.filters) > 8:
            raise UsageError("filters must be one to eight positive numbers")


@dataclass(frozen=True)
class SweepConfig(ReferenceConfig):
    """What a sweep does not vary; smaller than the study's.

    Parameters
    ----------
    dense : int
        Units of the dense layer; the study had 11,500.
    epochs : int
        Passes over the training spectra; the study had 140.
    """

    dense: int = 512
    epochs: int = 40


def _build(config: ReferenceConfig, wave: NDArray[np.float64]) -> nn.Module:
    from spectype.study.network import ReferenceNetwork

    return ReferenceNetwork(config, wave)


def _train(*args: Any, **options: Any) -> Trained:
    from spectype.study.training import train_repeats

    return train_repeats(*args, **options)


REFERENCE = ARCHITECTURES.add(NAME, Architecture(ReferenceConfig, _build, _train))


@dataclass(frozen=True)
class AuditConfig:
    """Sizes of the audit; the defaults take some minutes on two cores.

    Parameters
    ----------
    per_type : int
        Spectra a type; the O class is filled up to it. The study had 1,400.
    folds : int
        Parts of the honest protocol: each star is tested once, by networks that have not
        seen it.
    leave_out : tuple of str
        Libraries to keep out, one after the other; by default those with 3 or more O stars.
    gan_epochs : int
        Of the reference GAN. The study had 8,000.
    epochs : int
        Of the reference network. The study had 140.
    dense : int
        Units of its dense layer. The study had 11,500.
    as_published : bool
        The network as the study's code had it, not convolving along wavelength.
    seed : int
        Of samples, splits, weights.
    threads : int
        CPU threads; 0 leaves the choice to torch.
    """

    per_type: int = 200
    folds: int = 3
    leave_out: tuple[str, ...] = ()
    gan_epochs: int = 1000
    epochs: int = 20
    dense: int = 256
    as_published: bool = False
    seed: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        for name, least in (("per_type", 10), ("folds", 2), ("gan_epochs", 1), ("epochs", 1),
                            ("dense", 1)):  # fmt: skip
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}, must be {least} at least")
