"""What a generator of spectra is, and how a trained one is found again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core.errors import DataError
from spectype.core.files import read_manifest
from spectype.generate import factors, gan
from spectype.generate.samples import Samples
from spectype.generate.training import WEIGHTS
from spectype.learn import checkpoint
from spectype.refine import neural, simulator
from spectype.refine.flow import Field
from spectype.refine.wasserstein import Synthesis


class Generator(Protocol):
    """A trained generator.

    Attributes
    ----------
    wave : ndarray, shape (n_pix,), float64
        Grid of the samples [Angstrom, vacuum].
    recipe : str
        A name of `REBUILD`.
    types : str
        Types it was trained on, as ``OBAFGKM``.
    """

    wave: NDArray[np.float64]
    recipe: str
    types: str

    def sample(self, n: int, *, code: float | ArrayLike | None = None, seed: int = 0) -> Samples:
        """Draw `n` spectra; the same seed gives the same ones.

        Parameters
        ----------
        n : int
            How many.
        code : float or array_like, shape (n,), optional
            Decimal type codes; the generator's own mixture by default.
        seed : int
            Seed.
        """
        ...


REBUILD: dict[str, Callable[..., Generator]] = {
    "standard": factors.rebuild,
    "refined": simulator.rebuild,
    "reference": gan.rebuild,
    "wasserstein": partial(neural.rebuild, Synthesis),
    "flow": partial(neural.rebuild, Field),
}


def load_generator(folder: str | Path) -> Generator:
    """The generator of a folder that `gan train` made.

    Raises
    ------
    DataError
        If the folder holds no finished training, or one of an unknown recipe.
    """
    try:
        manifest = read_manifest(folder, "gan")
    except DataError as error:
        raise DataError(
            f"no finished training of a generator: {error.problem}",
            path=folder,
            remedy="run `spectype gan train` to its end first",
        ) from error
    recipe = manifest.get("recipe")
    if recipe not in REBUILD:
        raise DataError(f"unknown recipe {recipe!r} of a generator", path=folder)
    path = Path(folder) / WEIGHTS
    tensors, state = checkpoint.load(path)
    try:
        return REBUILD[recipe](tensors, state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"is not a generator of the {recipe} recipe: {error}", path=path, remedy="train again"
        ) from error
