"""The preprocess chain: small steps on batches, written as data into the manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import DataError
from spectype.core.grid import LOG_STEP, SPEED_OF_LIGHT, aligned, log_grid, place, resample
from spectype.core.spectra import Spectra, row_medians, span


class Step(Protocol):
    """One step: takes a batch, returns a batch of as many spectra."""

    name: ClassVar[str]

    def __call__(self, spectra: Spectra) -> Spectra:
        """Apply the step."""
        ...


def replace(spectra: Spectra, **changes: Any) -> Spectra:
    """A copy of the batch with some arrays exchanged; masked pixels get flux and ivar 0."""
    fields = {name: getattr(spectra, name) for name in ("wave", "flux", "ivar", "mask", "meta")}
    fields.update(changes)
    mask = fields["mask"]
    for name in ("flux", "ivar"):
        fields[name] = np.where(mask, np.float32(0.0), fields[name].astype(np.float32, copy=False))
    return Spectra(**fields)


@dataclass(frozen=True, slots=True)
class BadPixels:
    """Mask what cannot be flux: not finite, ivar <= 0, cosmic rays.

    A cosmic ray stands `threshold` times the local scatter above both the median of its
    nine neighbours and the spectrum around it, within three pixels. What is found does not depend
    on how much padding a spectrum has on either side.
    """

    name: ClassVar[str] = "bad_pixels"
    threshold: float = 12.0

    def __call__(self, spectra: Spectra) -> Spectra:
        """Mask bad pixels and cosmic rays."""
        # One pass: the product is finite only where both are, and positive ivar is asked anyway.
        good = ~spectra.mask & (spectra.ivar > 0)
        with np.errstate(invalid="ignore", over="ignore"):
            good &= np.isfinite(spectra.flux) & np.isfinite(spectra.ivar)
        good &= ~self._cosmic_rays(spectra.flux, good)
        return replace(spectra, mask=~good)

    def _cosmic_rays(self, flux: NDArray[np.float32], good: NDArray[np.bool_]) -> NDArray[np.bool_]:
        hit = np.zeros_like(good)
        if flux.shape[1] < 64:
            return hit
        filled = np.where(good, flux, np.float32(0.0))
        # Difference to the larger of the pixels 3 to the left and right: an emission line
        # or band head is wider than a hit, so it survives.
        excess = filled[:, 3:-3] - np.maximum(filled[:, :-6], filled[:, 6:])
        # Every fourth pixel tells the scatter as well as all.
        left, right = np.s_[:, :-1:4], np.s_[:, 1::4]
        step, both = np.abs(filled[right] - filled[left]), good[right] & good[left]
        scatter = row_medians(step, both) / 0.954  # MAD of a difference to sigma
        level = row_medians(np.abs(filled[:, ::4]), good[:, ::4])
        limit = np.nan_to_num(np.maximum(self.threshold * scatter, 0.5 * level), nan=np.inf)
        np.greater(excess, limit[:, None], out=hit[:, 3:-3])
        struck = np.flatnonzero(hit.any(axis=1))
        if struck.size:
            ok = good[struck]
            first, last = span(ok)
            place = np.arange(flux.shape[1])
            hit[struck] &= ok & (place >= first[:, None] + 3) & (place < last[:, None] - 3)
        return hit


@dataclass(frozen=True, slots=True)
class RestFrame:
    """Shift to the rest frame by the redshift in the metadata; leave the rest as it is."""

    name: ClassVar[str] = "rest_frame"

    def __call__(self, spectra: Spectra) -> Spectra:
        """Divide each spectrum's wavelengths by 1 + z, where z is known."""
        z = np.array([float(v) if v is not None else 0.0 for v in spectra.get("redshift")])
        z = np.where(np.isfinite(z) & (z > -0.5), z, 0.0)
        if not z.any():
            return spectra
        wave = np.broadcast_to(spectra.wave, spectra.flux.shape) / (1 + z[:, None])
        return Spectra(
            wave=wave,
            flux=spectra.flux,
            ivar=spectra.ivar,
            mask=spectra.mask,
            meta={**spectra.meta, "redshift": [0.0] * len(spectra)},
        )


@dataclass(frozen=True, slots=True)
class Resample:
    """Resample onto a log grid (default: LAMOST's pixels), conserving flux."""

    name: ClassVar[str] = "resample"
    start: float = 3.5682
    step: float = LOG_STEP
    n_pix: int = 3904

    @property
    def wave(self) -> NDArray[np.float64]:
        """Pixel centres (n_pix,) [Angstrom, vacuum]."""
        return _shared_grid(self.start, self.step, self.n_pix)

    def __call__(self, spectra: Spectra) -> Spectra:
        """Resample the batch; what lies on the grid's own pixels is only moved to its place."""
        offset = aligned(spectra.wave, start=self.start, step=self.step)
        if offset is None:
            return resample(spectra, wave=self.wave)
        return place(spectra, offset=offset, wave=self.wave)


@lru_cache(maxsize=16)
def _shared_grid(start: float, step: float, n_pix: int) -> NDArray[np.float64]:
    """One read-only array a grid, so that batches on it can be told to be on it."""
    wave = log_grid(start, step=step, n_pix=n_pix)
    wave.flags.writeable = False
    return wave


@dataclass(frozen=True, slots=True)
class Scale:
    """Divide by the median of the absolute flux of good pixels."""

    name: ClassVar[str] = "scale"

    def __call__(self, spectra: Spectra) -> Spectra:
        """Scale each spectrum to order 1."""
        median = row_medians(np.abs(spectra.flux), ~spectra.mask)
        level = np.where(median > 0, median, np.float32(1.0))[:, None]
        scaled = {"flux": spectra.flux / level, "ivar": spectra.ivar * level**2}
        return dataclasses.replace(spectra, **scaled)


@dataclass(frozen=True, slots=True)
class Clip:
    """Mask pixels outside `low` to `high`, in units of the scaled flux."""

    name: ClassVar[str] = "clip"
    low: float = -10.0
    high: float = 50.0

    def __call__(self, spectra: Spectra) -> Spectra:
        """Mask the pixels that no star has."""
        out = (spectra.flux < self.low) | (spectra.flux > self.high)
        return replace(spectra, mask=spectra.mask | out) if out.any() else spectra


@dataclass(frozen=True, slots=True)
class Continuum:
    """Divide by the broad shape: a mask-aware Gaussian mean of `width` km/s (sigma).

    Unlike an upper envelope it does not depend on the noise: the expectation of the result
    is the same at any S/N. Lines keep their depth relative to the local mean flux.
    """

    name: ClassVar[str] = "continuum"
    width: float = 10_000.0

    def __call__(self, spectra: Spectra) -> Spectra:
        """Divide flux by its broad shape; ivar scales along."""
        shape = broad_shape(spectra, width=self.width)
        bad = spectra.mask | ~(shape > 0)
        safe = np.where(bad, 1.0, shape)
        return replace(spectra, flux=spectra.flux / safe, ivar=spectra.ivar * safe**2, mask=bad)


@dataclass(frozen=True, slots=True)
class Smooth:
    """Running mean over `n_pix` pixels, bad ones left out (the reference study used 3)."""

    name: ClassVar[str] = "smooth"
    n_pix: int = 3

    def __call__(self, spectra: Spectra) -> Spectra:
        """Average neighbouring pixels."""
        good = ~spectra.mask
        total = _running_sum(np.where(good, spectra.flux, 0).astype(np.float64), self.n_pix)
        count = _running_sum(good.astype(np.float64), self.n_pix)
        return replace(spectra, flux=total / np.maximum(count, 1.0), ivar=spectra.ivar * count)


@dataclass(frozen=True, slots=True)
class MinMax:
    """Scale to 0..1 by the smallest and largest good flux (the reference study's scale)."""

    name: ClassVar[str] = "min_max"

    def __call__(self, spectra: Spectra) -> Spectra:
        """Scale each spectrum; one bright pixel sets the scale, which is why we do not."""
        flux = np.where(spectra.mask, np.nan, spectra.flux)
        empty = spectra.mask.all(axis=1)
        flux[empty] = 0.0
        low, high = np.nanmin(flux, axis=1)[:, None], np.nanmax(flux, axis=1)[:, None]
        span = np.where(high > low, high - low, 1.0)
        return replace(spectra, flux=(spectra.flux - low) / span, ivar=spectra.ivar * span**2)


STEPS: dict[str, type[Any]] = {
    step.name: step
    for step in (BadPixels, RestFrame, Resample, Scale, Clip, Continuum, Smooth, MinMax)
}


def standard_chain(*, rest_frame: bool = False) -> list[Step]:
    """The chain of stores and of the shipped model.

    The continuum is not among the steps: the network takes it out itself, after noise,
    reddening and gaps have been added in training.
    """
    first: list[Step] = [BadPixels()]
    if rest_frame:
        first.append(RestFrame())
    return [*first, Resample(), Scale(), Clip()]


def run_chain(spectra: Spectra, chain: Iterable[Step]) -> Spectra:
    """Apply the steps in order."""
    for step in chain:
        spectra = step(spectra)
    return spectra


def to_data(chain: Iterable[Step]) -> list[dict[str, Any]]:
    """The chain as plain data for a manifest."""
    return [{"name": step.name, **asdict(step)} for step in chain]  # type: ignore[call-overload]


def from_data(data: Sequence[Mapping[str, Any]]) -> list[Step]:
    """The chain of a manifest; an unknown step or parameter raises `DataError`."""
    chain: list[Step] = []
    for entry in data:
        parameters = dict(entry)
        name = parameters.pop("name", None)
        if name not in STEPS:
            raise DataError(f"unknown preprocess step {name!r}; known: {', '.join(STEPS)}")
        try:
            chain.append(STEPS[name](**parameters))
        except TypeError as error:
            raise DataError(f"preprocess step {name!r}: {error}") from error
    return chain


def broad_shape(spectra: Spectra, *, width: float) -> NDArray[np.float64]:
    """Mask-aware Gaussian mean of the flux, shape (n_spec, n_pix).

    Parameters
    ----------
    spectra : Spectra
        On one grid; a pixel's velocity width is taken from its middle.
    width : float
        Standard deviation of the Gaussian [km/s].
    """
    from scipy.ndimage import gaussian_filter1d

    wave = np.atleast_2d(spectra.wave)[0]
    velocity = SPEED_OF_LIGHT * np.median(np.diff(np.log(wave)))
    good = (~spectra.mask).astype(np.float64)
    options: dict[str, Any] = {"sigma": width / velocity, "axis": 1, "mode": "constant"}
    weight = gaussian_filter1d(good, **options)
    total = gaussian_filter1d(spectra.flux * good, **options)
    return np.asarray(np.where(weight > 1e-6, total / np.maximum(weight, 1e-6), 0.0))


def _running_sum(values: NDArray[np.float64], n_pix: int) -> NDArray[np.float64]:
    """Sum over `n_pix` pixels around each, fewer at the ends."""
    half = n_pix // 2
    padded = np.pad(values, ((0, 0), (half + 1, n_pix - 1 - half)))
    total = np.cumsum(padded, axis=1)
    return np.asarray(total[:, n_pix:] - total[:, :-n_pix])
