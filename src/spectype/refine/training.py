"""Training of the refined simulator: a factor model of what simulated stars lack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.dataset.store import Store
from spectype.generate.factors_data import training_set
from spectype.generate.factors_training import Factorisation
from spectype.generate.recipes import RefinedConfig
from spectype.generate.training import learn
from spectype.refine import simulator
from spectype.refine.atlas import Atlas, make_alike, template_stars
from spectype.refine.check import check
from spectype.refine.data import Ratios, ratios
from spectype.refine.plane import Plane
from spectype.refine.simulator import Part, RefinedGenerator

FORMAT = 1  #: of the training; a checkpoint of another one does not resume


class Refinement(Factorisation):
    """The corrections of all parts of the sequence.

    Parameters
    ----------
    data : Ratios
        Training spectra over their simulated stars.
    atlas : Atlas
        The template stars.
    wave : ndarray, shape (n_pix,)
        Their grid [Angstrom].
    config : RefinedConfig
        The recipe.
    """

    recipe = "refined"

    def __init__(
        self, data: Ratios, atlas: Atlas, wave: NDArray[np.float64], config: RefinedConfig
    ) -> None:
        super().__init__(data, wave, config)
        self.ratios, self.atlas, self.recipe_config, self.format = data, atlas, config, FORMAT
        self.checked: dict[str, dict[str, float]] = {}

    def refinement(self) -> RefinedGenerator:
        """The generator as it is now."""
        parts = {}
        for n, piece in self.parts.items():
            assert isinstance(piece.sequence, Plane)
            parts[n] = Part(self.states[n], piece.sequence, piece.good)
        return RefinedGenerator(parts, atlas=self.atlas, at=self.ratios.at, wave=self.wave,
                                config=self.recipe_config)  # fmt: skip

    def save(self, path: Path) -> None:
        """Write the generator, if it keeps velocities and types."""
        generator = self.refinement()
        self.checked = check(generator, self.ratios)
        simulator.save(generator, path)

    def notes(self) -> dict[str, Any]:
        """What harmonising could not do, and what the check has found."""
        return {**super().notes(), "check": self.checked}


def train_refined(
    store: Store,
    out: str | Path,
    config: RefinedConfig = RefinedConfig(),  # noqa: B008
) -> Path:
    """Train the refined simulator; a training that was stopped goes on where it was.

    Parameters
    ----------
    store : Store
        Real spectra.
    out : path-like
        Folder of the generator; the template stars are computed into it once (`atlas.STARS`).
    config : RefinedConfig
        The recipe.

    Returns
    -------
    Path
        The folder, as of `training.learn`.

    Raises
    ------
    DataError
        If the data do not suffice or hold NaN, or the refinement moves lines or types
        (`refined_check.check`); and as `training.learn`.
    """

    def start() -> Refinement:
        data = training_set(store, config)  # first: its faults show before minutes are spent
        atlas = make_alike(template_stars(out), store.wave, resolving_power=config.resolving_power)
        return Refinement(ratios(store, data, atlas), atlas, store.wave, config)

    return learn(start, store, out)
