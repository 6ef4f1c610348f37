"""Training of the standard generator: a factor model of each part of the sequence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from spectype.dataset.store import Store
from spectype.generate import factors, latent
from spectype.generate.factors import Part, StandardGenerator
from spectype.generate.factors_data import TrainingSet, training_set
from spectype.generate.learnt import FEWEST, FEWEST_AT_PIXEL
from spectype.generate.recipes import GeneratorConfig
from spectype.generate.training import Diverged, Learner, learn

FORMAT = 2  #: of the training; a checkpoint of another one does not resume


@dataclass(frozen=True)
class Piece:
    """What one part of the sequence learns from.

    Arrays as in `TrainingSet`, with gaps bridged and the weights of the pixels (`latent.bridge`).
    """

    values: NDArray[np.float32]
    good: NDArray[np.bool_]
    weight: NDArray[np.float32]
    group: NDArray[np.int64]
    sequence: latent.Sequence

    @classmethod
    def of(cls, data: TrainingSet, config: GeneratorConfig, number: int) -> Piece:
        """The piece of a part: where it and its margins hold too few, all."""
        here = config.members(data.code, number)
        if here.sum() < FEWEST:
            here = np.ones(len(data.code), bool)
        sequence = data.sequence(here, config.neighbours)
        good = data.good[here]
        values, weight = latent.bridge(data.values[here], good, sequence)
        return cls(values, good, weight, data.group[here], sequence)

    def start(self, config: GeneratorConfig) -> latent.Factors:
        """The first state."""
        k = min(config.components, len(self.values) - 1)
        groups = int(self.group.max()) + 1
        return latent.start(self.values, self.good, self.sequence, k=k, groups=groups)


def part_numbers(data: TrainingSet, config: GeneratorConfig) -> list[int]:
    """Parts of the sequence that have a spectrum."""
    return [int(n) for n in np.unique(config.part_of(data.code))]


class Factorisation(Learner):
    """The models of all parts of the sequence.

    Parameters
    ----------
    data : TrainingSet
        Training spectra.
    wave : ndarray, shape (n_pix,)
        Their grid [Angstrom].
    config : GeneratorConfig
        The recipe.
    """

    recipe = "standard"
    cure = "with fewer --components or more --neighbours"

    def __init__(
        self, data: TrainingSet, wave: NDArray[np.float64], config: GeneratorConfig
    ) -> None:
        self.data: TrainingSet = data
        self.wave, self.config, self.format = wave, config, FORMAT
        self.parts = {n: Piece.of(data, config, n) for n in part_numbers(data, config)}
        self.states: dict[int, latent.Factors] = {}

    def epoch(self, number: int) -> dict[str, float]:
        """One iteration of every part; log-likelihood a pixel over all, and the noise."""
        if not self.states:
            self.states = {n: piece.start(self.config) for n, piece in self.parts.items()}
        new, total, count = {}, 0.0, 0
        try:
            # Thousands of small matrices: threads would wait for each other, ten times as long.
            with threadpool_limits(1):
                for n, piece in self.parts.items():
                    new[n], likelihood = latent.iterate(
                        self.states[n], piece.values, piece.good, sequence=piece.sequence,
                        group=piece.group, weight=piece.weight,
                    )  # fmt: skip
                    n_good = int(piece.good.sum())
                    total, count = total + likelihood * n_good, count + n_good
        except np.linalg.LinAlgError as error:
            raise Diverged(str(error)) from error
        if not all(np.isfinite(a).all() for s in new.values() for a in s.arrays().values()):
            raise Diverged("the likelihood is not finite")
        self.states = new
        scatter = np.concatenate([state.scatter for state in new.values()])
        return {"log_likelihood": total / count, "noise": float(np.sqrt(np.median(scatter)))}

    def tensors(self) -> dict[str, Tensor]:
        """The models' arrays."""
        return factors.tensors_of(self.states)

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put a checkpoint's models back."""
        self.states = factors.states_of(tensors)

    def generator(self) -> StandardGenerator:
        """The generator as it is now."""
        data = self.data
        known = data.good[:, : self.wave.size].sum(axis=0) >= FEWEST_AT_PIXEL
        models = {
            n: Part(self.states[n], piece.sequence.code, piece.good)
            for n, piece in self.parts.items()
        }
        return StandardGenerator(
            models, code=data.code, wave=self.wave, covered=known, config=self.config
        )

    def save(self, path: Path) -> None:
        """Write the generator as it is now."""
        factors.save(self.generator(), path)

    def notes(self) -> dict[str, Any]:
        """What harmonising could not do."""
        return {"blunter": list(self.data.blunter)}


def train_standard(
    store: Store,
    out: str | Path,
    config: GeneratorConfig = GeneratorConfig(),  # noqa: B008
) -> Path:
    """Train the standard generator; a training that was stopped goes on where it was.

    Parameters
    ----------
    store : Store
        Real spectra.
    out : path-like
        Folder of the generator.
    config : GeneratorConfig
        The recipe.

    Returns
    -------
    Path
        The folder, as of `training.learn`.

    Raises
    ------
    DataError
        If the data do not suffice or hold NaN; and as `training.learn`.
    """
    return learn(lambda: Factorisation(training_set(store, config), store.wave, config), store, out)
