"""The study's network among the simpler methods that a run is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spectype.core import mk
from spectype.judge.baselines import METHODS, Guess, Predict, Sample


@dataclass(frozen=True)
class ReferenceBaseline:
    """The reference network among the baselines, small so that it takes minutes.

    It convolves along wavelength, sees spectra as they are and gives no subclasses.

    Parameters
    ----------
    reference_epochs : int
        Its epochs; the study had 140. 0 leaves it out.
    reference_dense : int
        Units of its dense layer; the study had 11,500.
    """

    reference_epochs: int = 20
    reference_dense: int = 256

    @property
    def name(self) -> str:
        """The name in the table, which says the size."""
        return f"reference CNN, {self.reference_epochs} epochs, dense {self.reference_dense}"

    def fit(self, train: Sample, *, seed: int) -> Predict:
        """Train on these spectra; see `judge.baselines.Method`."""
        from spectype.study.fitting import Fit, prepare
        from spectype.study.recipes import ReferenceConfig

        config = ReferenceConfig(epochs=self.reference_epochs, dense=self.reference_dense)

        def inputs(sample: Sample) -> np.ndarray:
            flux, error = sample.store.arrays(sample.rows)
            return prepare(flux, error > 0, sample.store.wave, as_published=False)

        types = np.array([mk.TYPES.index(t) for t in train.types], np.int64)
        fit = Fit(config, inputs(train), types, np.arange(len(train)), seed)
        for _ in range(config.epochs):
            fit.epoch()

        def predict(test: Sample) -> Guess:
            fit.inputs = inputs(test)  # of which it types any rows
            given = fit.predict(np.arange(len(test)))
            return [mk.TYPES[i] for i in given], np.full(len(test), np.nan)

        return predict


REFERENCE = METHODS.add("reference CNN", ReferenceBaseline())
