"""Extinction by interstellar dust (Cardelli, Clayton & Mathis 1989, ApJ 345, 245)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RV = 3.1  #: A(V) / E(B-V) of the diffuse medium
# Their eq. 3, by falling powers of 1/lambda - 1.82 [1/micron].
_A = (0.32999, -0.77530, 0.01979, 0.72085, -0.02427, -0.50447, 0.17699, 1.0)
_B = (-2.09002, 5.30260, -0.62251, -5.38434, 1.07233, 2.28305, 1.41338, 0.0)


def extinction(wave: NDArray[np.float64], rv: float = RV) -> NDArray[np.float64]:
    """A(lambda) / E(B-V) between 3030 and 9090 Angstrom, and a little beyond.

    Parameters
    ----------
    wave : ndarray
        Wavelengths [Angstrom].
    rv : float
        A(V) / E(B-V).
    """
    y = 1e4 / np.asarray(wave, np.float64) - 1.82
    return np.asarray(rv * np.polyval(_A, y) + np.polyval(_B, y), dtype=np.float64)
