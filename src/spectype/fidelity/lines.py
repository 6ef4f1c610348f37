"""Line widths of real and synthetic spectra: the physics that a spectroscopist checks first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import air_to_vacuum
from spectype.core.indices import equivalent_width
from spectype.core.lines import INDICES, Index
from spectype.core.spectra import Spectra
from spectype.generate.harmonise import Harmonised

FloatArray = NDArray[np.float64]
ENOUGH = 20  #: held-out stars that make a 5-95 % range of their own
_DRAWS = 1000


def width_index(name: str, feature: tuple[float, float], *sides: tuple[float, float]) -> Index:
    """A width by its bands in air."""
    first, *others = (tuple(float(v) for v in air_to_vacuum(b)) for b in (feature, *sides))
    bands = tuple((b[0], b[1]) for b in others)
    return Index(name, "width", ((first[0], first[1]),), bands, "this package")


# The sides of Si IV are beyond H delta, whose wing is part of the width in B stars; those of the
# blend of C III and N III, in emission in Of stars, are clear of N V 4620 and He II 4686.
BLENDS = {
    "SiIV4089": width_index("SiIV4089", (4085.5, 4092.5), (4046.0, 4062.0), (4152.0, 4166.0)),
    "CIII/NIII4645": width_index(
        "CIII/NIII4645", (4630.0, 4655.0), (4608.0, 4617.0), (4658.0, 4669.0)
    ),
}
_HOT = {
    "He II 4541": "HeII4541", "He II 4686": "HeII4686", "He I 4471": "HeI4471",
    "Hγ": "HgammaF", "Hδ": "HdeltaF", "Si IV 4089": "SiIV4089",
    "C III/N III 4640–50": "CIII/NIII4645",
}  # fmt: skip
_WARM = {
    "Ca II K": "CaK", "Hδ": "HdeltaF", "CH G": "G4300", "Hβ": "Hbeta", "Mg b": "Mgb",
    "Fe 5270": "Fe5270", "Na D": "NaD",
}  # fmt: skip
_COOL = {
    "Ca I 4227": "Ca4227", "Mg b": "Mgb", "Na D": "NaD", "TiO 6200": "TiO2", "Hα": "Halpha",
    "CaH 6820": "CaH2", "TiO 7126": "TiO5",
}  # fmt: skip
#: Widths and indices that matter for each type, by the name a figure shows.
WIDTHS: dict[str, dict[str, str]] = {
    **dict.fromkeys("OB", _HOT), **dict.fromkeys("AFGK", _WARM), "M": _COOL,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LineScore:
    """One line, real against synthetic.

    Parameters
    ----------
    name : str
        The line.
    unit : str
        ``Å``, ``mag``, or empty for a ratio.
    n_real, n_synthetic : int
        Measured spectra.
    real_median, real_low, real_high : float
        Median, 5 and 95 % of the real ones.
    median, low, high : float
        Median of the synthetic ones and its 95 % bootstrap interval.
    spread : float
        5-95 % range of the synthetic over that of the real ones.
    inside : bool
        Whether the synthetic median lies in the real 5-95 % range.
    """

    name: str
    unit: str
    n_real: int
    n_synthetic: int
    real_median: float
    real_low: float
    real_high: float
    median: float
    low: float
    high: float
    spread: float
    inside: bool


@dataclass(frozen=True)
class Correlations:
    """Rank correlations between the widths of lines.

    Parameters
    ----------
    names : list of str
        The lines.
    real, synthetic : ndarray, shape (n_lines, n_lines)
        Spearman's coefficients.
    difference : float
        Root mean square difference of the two, off the diagonal.
    by_chance : float
        95 % of the differences between two random parts of all, as large as these.
    """

    names: list[str]
    real: FloatArray
    synthetic: FloatArray
    difference: float
    by_chance: float


def widths(light: Harmonised, type: str) -> FloatArray:
    """Widths of the lines of a type, shape (n, n_lines); NaN where not measurable."""
    spectra = Spectra(
        wave=light.wave,
        flux=light.flux,
        ivar=light.good.astype(np.float32),
        mask=~light.good,
    )
    return np.stack([equivalent_width(spectra, line_index(k))[0] for k in WIDTHS[type].values()], 1)


def line_index(key: str, bands: Mapping[str, Index] = BLENDS) -> Index:
    """An index of `bands`, or the package's own of that name."""
    return bands[key] if key in bands else INDICES[key]


def compare(
    real: FloatArray, synthetic: FloatArray, *, type: str, seed: int = 0
) -> list[LineScore]:
    """Score each line that can be measured in three spectra of both kinds."""
    rng = np.random.default_rng(seed)
    units = {"width": "Å", "magnitude": "mag", "ratio": ""}
    scores = []
    for i, (name, key) in enumerate(WIDTHS[type].items()):
        a, b = (x[np.isfinite(x[:, i]), i] for x in (real, synthetic))
        if min(a.size, b.size) < 3:
            continue
        low, middle, high = np.percentile(a, [5, 50, 95])
        draws = np.median(b[rng.integers(b.size, size=(_DRAWS, b.size))], axis=1)
        ends = np.percentile(b, [5, 95])
        median = float(np.median(b))
        scores.append(
            LineScore(
                name=name,
                unit=units[line_index(key).kind],
                n_real=int(a.size),
                n_synthetic=int(b.size),
                real_median=float(middle),
                real_low=float(low),
                real_high=float(high),
                median=median,
                low=float(np.percentile(draws, 2.5)),
                high=float(np.percentile(draws, 97.5)),
                spread=float((ends[1] - ends[0]) / max(high - low, 1e-9)),
                inside=bool(low <= median <= high),
            )
        )
    return scores


def correlate(
    real: FloatArray, synthetic: FloatArray, *, type: str, seed: int = 0
) -> Correlations | None:
    """Correlations between lines, and how far two samples of one kind differ by chance.

    None with fewer than five spectra of either kind that have all lines; lines that most
    spectra lack are left out.
    """
    names = list(WIDTHS[type])
    seen = [np.isfinite(x).mean(axis=0) > 0.7 for x in (real, synthetic)]
    kept = np.flatnonzero(seen[0] & seen[1])
    a, b = (x[:, kept] for x in (real, synthetic))
    a, b = (x[np.isfinite(x).all(axis=1)] for x in (a, b))
    if min(len(a), len(b)) < 5 or len(kept) < 2:
        return None
    first, second = _spearman(a), _spearman(b)
    rng = np.random.default_rng(seed)
    # Ranks within each kind first: a shifted median is not a different correlation.
    pool = np.concatenate([_ranks(a), _ranks(b)])
    chance = []
    for _ in range(300):
        shuffled = pool[rng.permutation(len(pool))]
        chance.append(_difference(_spearman(shuffled[: len(a)]), _spearman(shuffled[len(a) :])))
    return Correlations(
        [names[i] for i in kept],
        first,
        second,
        _difference(first, second),
        float(np.percentile(chance, 95)),
    )


def _ranks(x: FloatArray) -> FloatArray:
    """Ranks by column from 0 to 1."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(x, axis=0) - 0.5) / len(x))


def _spearman(x: FloatArray) -> FloatArray:
    ranks = _ranks(x) - 0.5
    norm = np.sqrt((ranks**2).sum(axis=0))
    safe = np.where(norm > 0, norm, 1.0)  # all alike: no correlation with anything
    table = (ranks / safe).T @ (ranks / safe)
    np.fill_diagonal(table, 1.0)
    return np.asarray(table)


def _difference(first: FloatArray, second: FloatArray) -> float:
    off = ~np.eye(len(first), dtype=bool)
    return float(np.sqrt(((first - second)[off] ** 2).mean()))
