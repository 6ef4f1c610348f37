"""Ratios of lines that type hot stars, against the subclass, in real and synthetic spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core.indices import equivalent_width
from spectype.core.spectra import Spectra
from spectype.fidelity.lines import BLENDS, line_index, width_index
from spectype.generate.harmonise import Harmonised

FloatArray = NDArray[np.float64]
#: Criteria of Gray & Corbally (2009), chapters 3 and 4: ionisation of He and Si for O and early B
#: stars, Mg II against He I for late B stars.
RATIOS = {
    "He I 4471 / He II 4541": ("HeI4471", "HeII4541"),
    "Si III 4552 / Si IV 4089": ("SiIII4552", "SiIV4089"),
    "Mg II 4481 / He I 4471": ("MgII4481", "HeI4471"),
}
TYPES = "OB"  #: types that they tell
BANDS = {
    **BLENDS,
    "SiIII4552": width_index("SiIII4552", (4549.5, 4556.0), (4520.0, 4534.0), (4580.0, 4600.0)),
    "MgII4481": width_index("MgII4481", (4478.0, 4485.5), (4445.0, 4461.0), (4488.0, 4506.0)),
}
_LEAST = 0.05  # width [Angstrom] below which a line is noise and a ratio means nothing
_NEAR = 1.0  # stars within this of a code say what is usual there [subclass]
_ENOUGH = 4  # of them
_FEWEST = 8  # spectra that can be judged


@dataclass(frozen=True, slots=True)
class RatioScore:
    """One ratio, real against synthetic.

    Parameters
    ----------
    name : str
        The lines.
    n_real, n_synthetic : int
        Spectra in which both lines are seen, and that have enough real ones nearby.
    inside, real_inside : float
        Share of the synthetic spectra, and of the real ones, whose ratio lies in the range of
        the (other) real stars within a subclass.
    offset : float
        Median difference from the median of these stars [dex].
    """

    name: str
    n_real: int
    n_synthetic: int
    inside: float
    real_inside: float
    offset: float


def ratios(light: Harmonised) -> FloatArray:
    """Logarithms (base 10) of the ratios, shape (n, 3); NaN where a line is not seen."""
    spectra = Spectra(
        wave=light.wave, flux=light.flux, ivar=light.good.astype(np.float32), mask=~light.good
    )
    keys = sorted({key for pair in RATIOS.values() for key in pair})
    width = {k: equivalent_width(spectra, line_index(k, bands=BANDS))[0] for k in keys}
    seen = {k: np.where(w > _LEAST, w, np.nan) for k, w in width.items()}
    return np.stack([np.log10(seen[a] / seen[b]) for a, b in RATIOS.values()], axis=1)


def compare(
    real: FloatArray, code: FloatArray, synthetic: FloatArray, synthetic_code: FloatArray
) -> list[RatioScore]:
    """Score each ratio that can be seen often enough.

    Parameters
    ----------
    real, synthetic : ndarray, shape (n, 3)
        From `ratios`.
    code, synthetic_code : ndarray, shape (n,)
        Decimal type codes.
    """
    scores = []
    for i, name in enumerate(RATIOS):
        ours, _ = _placed(real[:, i], code, real[:, i], code, same=True)
        theirs, apart = _placed(synthetic[:, i], synthetic_code, real[:, i], code, same=False)
        if min(ours.size, theirs.size) < _FEWEST:
            continue
        scores.append(
            RatioScore(
                name=name,
                n_real=int(ours.size),
                n_synthetic=int(theirs.size),
                inside=float(theirs.mean()),
                real_inside=float(ours.mean()),
                offset=float(np.median(apart)),
            )
        )
    return scores


def _placed(
    value: FloatArray, at: FloatArray, real: FloatArray, code: FloatArray, *, same: bool
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Whether values lie in the range of real ones of their subclass, and how far from the median.

    With `same` the values are the real ones, and each is left out of its own range.
    """
    inside, apart = [], []
    for j in np.flatnonzero(np.isfinite(value) & np.isfinite(at)):
        near = np.isfinite(real) & (np.abs(code - at[j]) <= _NEAR)
        if same:
            near[j] = False
        if near.sum() >= _ENOUGH:
            inside.append(bool(real[near].min() <= value[j] <= real[near].max()))
            apart.append(float(value[j] - np.median(real[near])))
    return np.array(inside, bool), np.array(apart, np.float64)
