"""What a generator of spectra is, and how a trained one is found again."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core.errors import DataError
from spectype.core.files import read_manifest
from spectype.generate import factors, gan
from spectype.generate.samples import Samples


class Generator(Protocol):
    """A trained generator.

    Attributes
    ----------
    wave : ndarray, shape (n_pix,), float64
        Grid of the samples [Angstrom, vacuum].
    recipe : str
        ``reference`` or ``standard``.
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
    if recipe == "standard":
        return factors.load(folder)
    if recipe == "reference":
        return gan.load(folder)
    raise DataError(f"unknown recipe {recipe!r} of a generator", path=folder)
