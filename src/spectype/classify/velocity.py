"""Radial velocities: each spectrum against the simulated standards of its type.

The correlation's own error (`classify.correlation`) is widened by a factor and a floor that were
fitted on real stars (`ERROR_FACTOR`, `ERROR_FLOOR`).

Simulated standards are as good as their line list. Where library stars at rest showed them to be
off (heads of TiO by up to 150 km/s), and where the light is not the star's (tellurics, interstellar
Na D and Ca II K) or moves with its wind (H alpha), pixels are left out: `WINDOWS`. docs/velocity.md
has the figures, docs/experiments.md what was tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.correlation import flattened, peaks, transform
from spectype.core.grid import LOG_STEP, SPEED_OF_LIGHT, STANDARD_GRID, resample
from spectype.core.spectra import BoolArray, Spectra
from spectype.core.spectra import FloatArray as Floats

if TYPE_CHECKING:
    import polars as pl

STANDARDS = Path(__file__).parent / "models" / "velocity.npz"
NOTE = "no velocity: "  #: how the notes of a spectrum without one begin

STEP = LOG_STEP * np.log(10)  #: of a pixel, in ln(wavelength)
_NEIGHBOURS = (-1, 0, 1)  # standards tried, along the sequence from the found type
_HEIGHT = {"V": 0, "IV": 0, "III": 1, "II": 1, "I": 2}  # luminosity class to sequence

# First and last wavelength [Angstrom, vacuum] of what is compared.
WINDOWS = {
    "warm": ((3950, 5883), (5903, 6270), (6320, 6540), (6590, 6700)),
    "cool": ((4200, 4700), (5100, 5500), (6320, 6540), (8160, 8230), (8400, 8800)),
    # Where there is little of the above: H alpha, and the red arm with its own zero point.
    "red": ((5903, 6270), (6320, 6850), (8400, 8800)),
}
_NO_STARS = ("galaxy", "quasar", "empty", "fault")  # kinds without a star's lines
_COOL_FROM = 58.0  # K8
_LEAST_PIXELS = 300  # of a window set, below which "red" is tried
_LEAST_RED = 150

#: What the standards of cool stars give too much [km/s]: the median of rest-frame libraries.
OFFSET = {"cool": 3.0}
#: On the formal error, and in quadrature to it [km/s]: fitted by recipes/velocity_scores.py on half
#: of the stars of libraries at rest, moved and with noise added. The formal error is right; the
#: floors are what the standards' lines, the libraries' wavelengths and their rest frames add.
ERROR_FACTOR = 1.0
ERROR_FLOOR = {"O": 10.0, "B": 10.0, "A": 10.0, "F": 7.5, "G": 4.0, "K": 3.5, "M": 8.0}


@dataclass(frozen=True)
class Velocities:
    """What the comparison found for n spectra.

    Attributes
    ----------
    velocity : ndarray, shape (n,)
        [km/s], positive when receding; NaN where there is none.
    sigma : ndarray, shape (n,)
        Its formal error [km/s].
    standard : ndarray, shape (n,), int
        Row of the standard that fitted best; -1 where none was compared.
    problem : list of str
        Why there is no velocity; None where there is.
    """

    velocity: NDArray[np.float64]
    sigma: NDArray[np.float64]
    standard: NDArray[np.int64]
    problem: list[str | None]


@dataclass(frozen=True)
class VelocityStandards:
    """Standards at rest on `core.grid.STANDARD_GRID`.

    Attributes
    ----------
    code : ndarray, shape (m,)
        Decimal type codes, increasing within a sequence.
    height : ndarray, shape (m,), int
        Sequence: 0 dwarfs, 1 giants, 2 supergiants.
    flux : ndarray, shape (m, n_pix), float32
        Flux over its broad shape, minus 1.
    """

    code: NDArray[np.float64]
    height: NDArray[np.int64]
    flux: NDArray[np.float32]

    @cached_property
    def transforms(self) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
        """Conjugate Fourier transforms of the flux and of its square, each (m, n_frequencies)."""
        return transform(self.flux).conj(), transform(self.flux**2).conj()

    def near(self, code: float, luminosity: str | None) -> list[int]:
        """Rows of the standard nearest in type and of its neighbours, of one sequence."""
        rows = np.flatnonzero(self.height == _HEIGHT.get(luminosity or "V", 0))
        best = int(np.abs(self.code[rows] - code).argmin())
        return [int(rows[min(max(best + k, 0), len(rows) - 1)]) for k in _NEIGHBOURS]


@lru_cache(maxsize=1)
def load_standards(path: Path = STANDARDS) -> VelocityStandards:
    """The shipped standards, made by recipes/velocity_standards.py."""
    with np.load(path) as found:
        return VelocityStandards(
            code=found["code"].astype(np.float64),
            height=found["height"].astype(np.int64),
            flux=found["flux"].astype(np.float32),
        )


def with_velocity(table: pl.DataFrame, ready: Spectra) -> pl.DataFrame:
    """The table with ``rv``, ``rv_error`` [km/s] after its columns, and a note where both are null.

    Velocities are positive when receding; null without a star's type, with too few good pixels
    where the standards can be trusted, or without a peak of the correlation that stands out.

    Parameters
    ----------
    table : polars.DataFrame
        Of `Model.predict`.
    ready : Spectra
        The same spectra, in the same order, through the model's chain and not moved to rest. Their
        wavelengths are taken as they are: heliocentric where the file's are.
    """
    import polars as pl

    found = _measure_typed(ready, table)
    said = [None if p is None else NOTE + p for p in found.problem]
    added = pl.concat_str(
        pl.col("notes"), pl.Series("rv_note", said, pl.String), separator="; ", ignore_nulls=True
    )
    notes = table.select(pl.when(added != "").then(added).alias("notes"))["notes"]
    return table.with_columns(notes).hstack(_columns(found, table))


def velocity_schema() -> dict[str, Any]:
    """Polars types of the columns that ``velocity`` adds."""
    import polars as pl

    return {"rv": pl.Float64, "rv_error": pl.Float64}


def _measure_typed(ready: Spectra, table: pl.DataFrame) -> Velocities:
    codes = zip(table["subclass_code"].to_list(), table["kind"].to_list())
    code = [np.nan if c is None or kind in _NO_STARS else c for c, kind in codes]
    luminosity = table["luminosity"].to_list()
    return correlate(ready, code=np.array(code, np.float64), luminosity=luminosity)


def _columns(found: Velocities, table: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    error = calibrated_error(found.sigma, table["type"].to_list())
    columns = {"rv": found.velocity.round(2), "rv_error": error.round(2)}
    return pl.DataFrame(columns, schema=velocity_schema()).fill_nan(None)


def calibrated_error(sigma: Floats, types: list[str | None]) -> NDArray[np.float64]:
    """Errors [km/s] that real stars bear out, from formal ones `sigma` (n,), by type."""
    floor = np.array([ERROR_FLOOR.get(t or "", np.nan) for t in types], dtype=np.float64)
    return np.asarray(np.hypot(ERROR_FACTOR * sigma, floor), dtype=np.float64)


def correlate(
    ready: Spectra,
    *,
    code: Floats,
    luminosity: list[str | None],
    standards: VelocityStandards | None = None,
) -> Velocities:
    """Compare spectra with the standards near their types.

    Parameters
    ----------
    ready : Spectra
        On `core.grid.STANDARD_GRID`, or on another grid, from which they are resampled.
    code : ndarray, shape (n,)
        Decimal type codes; NaN: no type.
    luminosity : list of str
        Luminosity classes; None is taken for V.
    standards : VelocityStandards, optional
        By default those shipped.
    """
    standards = standards or load_standards()
    if ready.wave.shape != STANDARD_GRID.shape or not np.allclose(ready.wave, STANDARD_GRID):
        ready = resample(ready, wave=STANDARD_GRID)
    n = len(ready)
    problem: list[str | None] = [None if np.isfinite(c) else "no star's type" for c in code]
    good = ~ready.mask & (ready.ivar > 0) & np.isfinite(ready.flux)
    used = _trusted(good, code)
    few = used.sum(axis=1) < _LEAST_RED
    problem = [p or ("too few good pixels" if f else None) for p, f in zip(problem, few)]
    rows = np.flatnonzero([p is None for p in problem])
    velocity, sigma = np.full(n, np.nan), np.full(n, np.nan)
    standard = np.full(n, -1)
    if rows.size:
        flux, weight = flattened(ready.flux[rows], ready.ivar[rows], good[rows], used[rows])
        near = np.array([standards.near(code[i], luminosity[i]) for i in rows])
        plain, squared = standards.transforms
        found = peaks(flux, weight, near, plain=plain, squared=squared)
        standard[rows], sigma[rows] = found.standard, found.sigma * STEP * SPEED_OF_LIGHT
        offset = np.where(code[rows] >= _COOL_FROM, OFFSET["cool"], 0.0)
        velocity[rows] = SPEED_OF_LIGHT * np.expm1(found.lag * STEP) - offset
        for i in rows[np.isnan(found.lag)]:
            problem[i] = "no line stands out"
    return Velocities(velocity, sigma, standard, problem)


@lru_cache(maxsize=1)
def _windows() -> dict[str, BoolArray]:
    """Pixels of each entry of `WINDOWS`, shape (n_pix,)."""
    wave = STANDARD_GRID
    return {
        name: np.any([(wave > low) & (wave < high) for low, high in windows], axis=0)
        for name, windows in WINDOWS.items()
    }


def _trusted(good: BoolArray, code: Floats) -> BoolArray:
    """Good pixels (n, n_pix) that are compared for stars of these types (n,)."""
    windows = _windows()
    first = np.where((code >= _COOL_FROM)[:, None], windows["cool"], windows["warm"]) & good
    little = first.sum(axis=1, keepdims=True) < _LEAST_PIXELS
    return np.where(little, windows["red"] & good, first)
