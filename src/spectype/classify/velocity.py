"""Radial velocities: each spectrum against the simulated standards of its type.

The spectrum and a standard, both without their broad shape, are compared by

    chi2(v) = min over a of sum w (d - a t(v))^2,

which expands into two correlations, ``sum w d t(v)`` and ``sum w t(v)^2``, so that masked pixels
weigh nothing at any velocity. Fast Fourier transforms give all of the search range a pixel apart;
about the minimum the same sums are evaluated at fractions of a pixel, exactly, by the shift
theorem. The error is that of the curvature there, scaled by the reduced chi-square, by a factor and
a floor that were fitted on real stars (`ERROR_FACTOR`, `ERROR_FLOOR`).

Simulated standards are as good as their line list. Where library stars at rest showed them to be
off (heads of TiO by up to 150 km/s), and where the light is not the star's (tellurics, interstellar
Na D) or moves with its wind (H alpha), pixels are left out: `WINDOWS`. docs/experiments.md has the
measurements.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import LOG_STEP, SPEED_OF_LIGHT, STANDARD_GRID, resample
from spectype.core.spectra import BoolArray, Spectra

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.floating[Any]]
STANDARDS = Path(__file__).parent / "models" / "velocity.npz"
NOTE = "no velocity: "  #: how the notes of a spectrum without one begin

STEP = LOG_STEP * np.log(10)  #: of a pixel, in ln(wavelength)
REACH = 15  #: velocities searched [pixels to each side]: +-1,030 km/s
_LENGTH = 4000  # of the transforms: the grid, and room for REACH so that nothing wraps round
_SHAPE_HALF = 25  # half a running mean [pixels]; three of them take the broad shape
_FRACTIONS = np.arange(-4, 5) * 0.25  # pixels about the minimum at which chi-square is evaluated
_NEIGHBOURS = (-1, 0, 1)  # standards tried, along the sequence from the found type
_HEIGHT = {"V": 0, "IV": 0, "III": 1, "II": 1, "I": 2}  # luminosity class to sequence

# First and last wavelength [Angstrom, vacuum] of what is compared.
WINDOWS = {
    "warm": ((3950, 5883), (5903, 6270), (6320, 6540), (6590, 6700)),
    "cool": ((4200, 4700), (5100, 5500), (6320, 6540), (8160, 8230), (8400, 8800)),
    # Where there is little of the above: H alpha, and the red arm with its own zero point.
    "red": ((5903, 6270), (6320, 6850), (8400, 8800)),
}
_COOL_FROM = 58.0  # K8
_LEAST_PIXELS = 300  # of a window set, below which "red" is tried
_LEAST_RED = 150
_LEAST_SIGMA = 6.0  # significance of the correlation's peak
_LEAST_LEAD = 9.0  # chi-square by which the peak must lead the next one

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
        return _transform(self.flux).conj(), _transform(self.flux**2).conj()

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

    Parameters
    ----------
    table : polars.DataFrame
        Of `Model.predict`.
    ready : Spectra
        The same spectra, in the same order, through the model's chain and not moved to rest.
    """
    import polars as pl

    found = _measure_typed(ready, table)
    said = [None if p is None else NOTE + p for p in found.problem]
    added = pl.concat_str(
        pl.col("notes"), pl.Series("rv_note", said, pl.String), separator="; ", ignore_nulls=True
    )
    notes = table.select(pl.when(added != "").then(added).alias("notes"))["notes"]
    return table.with_columns(notes).hstack(_columns(found, table))


def measure_velocity(ready: Spectra, table: pl.DataFrame) -> pl.DataFrame:
    """Radial velocities of typed spectra.

    Parameters
    ----------
    ready : Spectra
        Through the model's chain. Their wavelengths are taken as they are: heliocentric where the
        file's are.
    table : polars.DataFrame
        Their types: columns ``type``, ``subclass_code``, ``luminosity``, as from `Model.predict`.

    Returns
    -------
    polars.DataFrame
        ``rv`` and ``rv_error`` [km/s], positive when receding; null without a type, with too few
        good pixels where the standards can be trusted, or without a peak of the correlation that
        stands out.
    """
    return _columns(_measure_typed(ready, table), table)


def velocity_schema() -> dict[str, Any]:
    """Polars types of the columns that ``velocity`` adds."""
    import polars as pl

    return {"rv": pl.Float64, "rv_error": pl.Float64}


def _measure_typed(ready: Spectra, table: pl.DataFrame) -> Velocities:
    import polars as pl

    code = table["subclass_code"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    return correlate(ready, code=code, luminosity=table["luminosity"].to_list())


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
    problem: list[str | None] = [None if np.isfinite(c) else "no type" for c in code]
    good = ~ready.mask & (ready.ivar > 0) & np.isfinite(ready.flux)
    used = _trusted(good, code)
    few = used.sum(axis=1) < _LEAST_RED
    problem = [p or ("too few good pixels" if f else None) for p, f in zip(problem, few)]
    rows = np.flatnonzero([p is None for p in problem])
    velocity, sigma = np.full(n, np.nan), np.full(n, np.nan)
    chosen = np.full(n, -1)
    if rows.size:
        flux, weight = flattened(ready.flux[rows], ready.ivar[rows], good[rows], used[rows])
        near = np.array([standards.near(code[i], luminosity[i]) for i in rows])
        v, s, chosen[rows], clear = _best(flux, weight, near, standards)
        v -= np.where(code[rows] >= _COOL_FROM, OFFSET["cool"], 0.0)
        velocity[rows], sigma[rows] = np.where(clear, v, np.nan), np.where(clear, s, np.nan)
        for i in rows[~clear]:
            problem[i] = "no line stands out"
    return Velocities(velocity, sigma, chosen, problem)


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


def flattened(
    flux: Floats, ivar: Floats, good: BoolArray, used: BoolArray
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Flux over its broad shape, minus 1, and its inverse variance; 0 where not used.

    Parameters
    ----------
    flux, ivar, good : ndarray, shape (n, n_pix)
        Spectra and their good pixels, of which the shape is made.
    used : ndarray, shape (n, n_pix), bool
        Pixels wanted.
    """
    shape = broad_shape(flux, good)
    level = np.abs(np.where(good, shape, 0)).max(axis=1, keepdims=True)
    ok = used & (shape > 0.01 * level)
    safe = np.where(ok, shape, 1.0).astype(np.float32)
    flat = np.where(ok, flux / safe - 1.0, 0.0)
    # No star has a line of three times its light: what is left of cosmic rays and sky.
    ok &= np.abs(flat) < 2.0
    weight = np.where(ok, ivar * safe**2, 0.0)
    weight /= np.maximum(weight.mean(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return np.where(ok, flat, 0.0).astype(np.float32), weight.astype(np.float32)


def broad_shape(flux: Floats, good: BoolArray) -> NDArray[np.float32]:
    """Mean flux about each pixel, bad ones left out, shape (n, n_pix).

    Three running means, in effect a Gaussian of 1,760 km/s: narrow enough to take out what
    calibration, dust and broad molecular bands do.
    """
    from scipy.ndimage import uniform_filter1d

    total, count = np.where(good, flux, 0).astype(np.float32), good.astype(np.float32)
    for _ in range(3):
        total, count = (
            uniform_filter1d(a, 2 * _SHAPE_HALF + 1, axis=-1, mode="constant")
            for a in (total, count)
        )
    return np.asarray(np.where(count > 0.01, total / np.maximum(count, 0.01), 0), np.float32)


def _transform(values: Floats) -> NDArray[np.complex64]:
    return np.fft.rfft(values.astype(np.float32), _LENGTH, axis=-1).astype(np.complex64)


def _best(
    flux: NDArray[np.float32],
    weight: NDArray[np.float32],
    near: NDArray[np.int64],
    standards: VelocityStandards,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], BoolArray]:
    """Velocity and formal error [km/s], standard, and whether the peak is clear, each (n,).

    `near` (n, k) are the standards to try.
    """
    plain, squared = standards.transforms
    data, weights = _transform(weight * flux), _transform(weight)
    total = np.einsum("ij,ij->i", weight, flux**2).astype(np.float64)
    gains = np.stack(
        [_coarse(data * plain[t], weights * squared[t]) for t in near.T], axis=1
    )  # fmt: skip
    each = np.arange(len(flux))
    which, place = np.unravel_index(
        gains.reshape(len(flux), -1).argmax(axis=1), gains.shape[1:]
    )  # fmt: skip
    chosen = near[each, which]
    gain = _fine(data * plain[chosen], weights * squared[chosen], place - REACH)
    k = np.clip(gain.argmax(axis=1), 1, len(_FRACTIONS) - 2)
    before, here, after = (gain[each, k + i] for i in (-1, 0, 1))
    bend = 2 * here - before - after
    inside = (bend > 0) & (here >= before) & (here >= after)
    safe = np.where(inside, bend, 1.0)
    step = _FRACTIONS[1] - _FRACTIONS[0]
    lag = place - REACH + _FRACTIONS[k] + step * 0.5 * (after - before) / safe
    used = (weight > 0).sum(axis=1)
    reduced = (total - here) / np.maximum(used - 3, 1)
    sigma = step * np.sqrt(2 * np.maximum(reduced, 0) / safe) * SPEED_OF_LIGHT * STEP
    clear = inside & (np.abs(lag) < REACH) & (here > _LEAST_SIGMA**2 * reduced)
    clear &= here - _runner_up(gains[each, which], place) > _LEAST_LEAD * reduced
    return SPEED_OF_LIGHT * np.expm1(lag * STEP), sigma, chosen, clear


def _coarse(top: NDArray[np.complex64], bottom: NDArray[np.complex64]) -> Floats:
    """Gain in chi-square of whole-pixel shifts -REACH ... REACH, from the correlations' spectra."""
    a, b = (np.fft.irfft(x, _LENGTH, axis=-1) for x in (top, bottom))
    lags = np.arange(-REACH, REACH + 1)
    return _gain(a[:, lags], b[:, lags])


def _fine(
    top: NDArray[np.complex64], bottom: NDArray[np.complex64], lag: NDArray[np.int64]
) -> Floats:
    """The same at `_FRACTIONS` about the whole-pixel shifts `lag` (n,)."""
    shift, by_fractions = _turns()
    to_lag = shift[lag[:, None] * np.arange(top.shape[1]) % _LENGTH]
    a, b = (((x * to_lag) @ by_fractions).real.astype(np.float64) for x in (top, bottom))
    return _gain(a, b)


@lru_cache(maxsize=1)
def _turns() -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Phases of the shift theorem: of whole pixels (_LENGTH,), of fractions (n_freq, n_fractions).

    The latter carry the weights of the inverse transform of real values.
    """
    turn, frequency = 2j * np.pi / _LENGTH, np.arange(_LENGTH // 2 + 1)
    weight = np.where((frequency == 0) | (frequency == _LENGTH // 2), 1.0, 2.0) / _LENGTH
    whole = np.exp(turn * np.arange(_LENGTH))
    parts = np.exp(turn * np.outer(frequency, _FRACTIONS)) * weight[:, None]
    return whole.astype(np.complex64), parts.astype(np.complex64)


def _gain(top: Floats, bottom: Floats) -> Floats:
    """How much a standard lowers chi-square; nothing where lines would have to be turned over."""
    return np.where((top > 0) & (bottom > 0), top**2 / np.maximum(bottom, 1e-12), 0.0)


def _runner_up(gain: Floats, place: NDArray[np.int64]) -> Floats:
    """Largest gain of a local peak other than the one at `place` (n,)."""
    middle = gain[:, 1:-1]
    peak = (middle >= gain[:, :-2]) & (middle >= gain[:, 2:])
    peak &= np.abs(np.arange(1, gain.shape[1] - 1) - place[:, None]) > 1
    return np.asarray(np.where(peak, middle, 0.0).max(axis=1))
