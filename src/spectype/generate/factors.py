"""The standard generator: spectra of any type and subclass from a factor model of real ones.

It learns on spectra made alike (`dataset.harmonise`). The logarithm of the broad shape, over that
of a black body, at a few wavelengths makes further columns, so that lines and continuum of a
sample belong together. The law behind it is in `learn.latent`; why it and not a network is in
docs/generative.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.generate.harmonise import intrinsic_shape
from spectype.generate.latent import Factors, Law, Sequence, chances, distinct
from spectype.generate.recipes import GeneratorConfig
from spectype.generate.samples import Samples
from spectype.learn import checkpoint

FloatArray = NDArray[np.float32]
#: Wavelengths at which the broad shape is learnt [Angstrom]; the first close to the grid's end:
#: a hot star rises up to it.
KNOTS = np.array([3710.0, 3800.0, 4000.0, 4400.0, 4900.0, 5500.0, 6200.0, 7000.0, 7900.0, 8900.0])
LEVEL = slice(3, 6)  # knots whose mean is the shape's zero: all sources reach them
ENOUGH = 0.5  #: share of neighbours with data at a pixel that lets samples vary there in full
_BEYOND = 1.0  # subclasses outside the training spectra that may be asked for


@dataclass(frozen=True)
class Part:
    """The model of one part of the sequence.

    Parameters
    ----------
    state : Factors
        Of the spectra it has learnt from.
    code : ndarray, shape (n,), float64
        Their decimal codes.
    good : ndarray, shape (n, n_pix + n_knots), bool
        Where they have data.
    """

    state: Factors
    code: NDArray[np.float64]
    good: NDArray[np.bool_]


class StandardGenerator:
    """A trained standard generator.

    Parameters
    ----------
    parts : mapping of int to Part
        Models by number of the part.
    code : ndarray, shape (n,), float64
        Decimal codes of all training spectra.
    wave : ndarray, shape (n_pix,), float64
        Grid [Angstrom, vacuum].
    covered : ndarray, shape (n_pix,), bool
        Pixels that training spectra know.
    config : GeneratorConfig
        How it was trained.
    """

    recipe = "standard"

    def __init__(
        self,
        parts: Mapping[int, Part],
        *,
        code: NDArray[np.float64],
        wave: NDArray[np.float64],
        covered: NDArray[np.bool_],
        config: GeneratorConfig,
    ) -> None:
        self.parts, self.code, self.wave, self.covered = parts, code, wave, covered
        self.config = config
        self.types = "".join(t for t in mk.TYPES if t in config.types)
        self.laws = {
            number: Law(Sequence(p.code, config.neighbours), p.state.z, p.state.spread)
            for number, p in parts.items()
        }

    def codes(self, n: int, *, type: str | None = None, seed: int = 0) -> NDArray[np.float64]:
        """Codes of real spectra at random, rarer subclasses more often, shape (n,).

        Parameters
        ----------
        n : int
            How many.
        type : str, optional
            Of this type, or these: ``"OB"``.
        seed : int
            Seed.
        """
        share = chances(self.code, type, known=self.types)
        chosen = np.random.default_rng(seed).choice(self.code, n, p=share)
        return np.asarray(chosen, np.float64)

    def sample(self, n: int, *, code: float | ArrayLike | None = None, seed: int = 0) -> Samples:
        """Draw `n` spectra.

        Parameters
        ----------
        n : int
            How many.
        code : float or array_like, shape (n,), optional
            Decimal type codes; by default `codes`.
        seed : int
            Seed; the same seed gives the same spectra.

        Raises
        ------
        UsageError
            If `n` is not positive or a code is none that was learnt.
        """
        if n < 1:
            raise UsageError(f"{n} samples cannot be drawn", remedy="give a positive number")
        wanted = self.codes(n, seed=seed) if code is None else np.asarray(code, np.float64)
        if wanted.ndim and wanted.shape != (n,):
            raise UsageError(f"{wanted.size} codes for {n} samples", remedy="give one, or one each")
        wanted = np.broadcast_to(wanted, (n,)).copy()
        self._check_codes(wanted)
        rng = np.random.default_rng([seed, 20221])
        values = np.empty((n, self.wave.size + KNOTS.size), np.float32)
        numbers = np.array(sorted(self.parts))
        place = self.config.part_of(wanted)
        # A code just beyond the last spectrum may lie beyond a joint, too.
        place = numbers[np.abs(place[:, None] - numbers).argmin(axis=1)]
        for number in np.unique(place):
            values[place == number] = self._draw(number, wanted[place == number], rng)
        flux = np.where(self.covered, np.maximum(values[:, : self.wave.size], 0), 0)
        return Samples(
            wave=self.wave,
            flux=flux.astype(np.float32),
            good=np.broadcast_to(self.covered, flux.shape).copy(),
            code=wanted,
            type=np.array([mk.type_of(c) for c in wanted]),
            shape=shape_between(values[:, self.wave.size :] + black_body(wanted), self.wave),
        )

    def _draw(
        self, number: int, wanted: NDArray[np.float64], rng: np.random.Generator
    ) -> FloatArray:
        """Flux and log shape at the knots of one part's codes, shape (m, n_pix + n_knots).

        Where few neighbours have data, what the others tell of it is the mean, and deviations
        are guesses: they are held down by the share that has.
        """
        law, part = self.laws[number], self.parts[number]
        z = law.draw(wanted, smoothing=self.config.smoothing, rng=rng)
        codes, place = distinct(np.round(wanted, 1))
        mean = law.mean(codes)
        near = law.sequence.weights(codes).astype(np.float32)
        trust = np.minimum(near @ part.good.astype(np.float32) / ENOUGH, 1.0)
        basis = part.state.basis
        middle = part.state.mean + mean.astype(np.float32) @ basis
        apart = (z - mean[place]).astype(np.float32) @ basis
        return np.asarray(middle[place] + trust[place] * apart, np.float32)

    def _check_codes(self, wanted: NDArray[np.float64]) -> None:
        first, last = self.code.min() - _BEYOND, self.code.max() + _BEYOND
        known = set(self.types)
        for c in np.unique(wanted):
            if not (np.isfinite(c) and first <= c <= last and mk.type_of(c) in known):
                low, high = mk.format_code(self.code.min()), mk.format_code(self.code.max())
                raise UsageError(
                    f"the generator has not learnt code {c:g}",
                    remedy=f"codes from {low} ({self.code.min():g}) to {high} "
                    f"({self.code.max():g}), types {self.types}",
                )


def black_body(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the type's black body at `KNOTS`, shape (n, n_knots), zero where `LEVEL` is.

    The shape is learnt as what a star has more than this. Few hot stars are seen in the red;
    where none is, a sample gets a hot continuum and not that of cooler neighbours.
    """
    log = np.log(intrinsic_shape(code, wave=KNOTS).astype(np.float64))
    return np.asarray(log - log[:, LEVEL].mean(axis=1, keepdims=True))


def shape_between(knots: NDArray[np.floating[Any]], wave: NDArray[np.float64]) -> FloatArray:
    """Broad shapes (n, n_pix) from their logarithms at `KNOTS` (n, n_knots): splines."""
    from scipy.interpolate import CubicSpline

    inside = np.clip(wave, KNOTS[0], KNOTS[-1])
    spline = CubicSpline(np.log(KNOTS), np.clip(knots, -5, 5), axis=1, bc_type="natural")
    return np.asarray(np.exp(np.clip(spline(np.log(inside)), -6, 6)), np.float32)


def tensors_of(states: Mapping[int, Factors]) -> dict[str, torch.Tensor]:
    """The models' arrays as tensors for a checkpoint."""
    return {
        f"{number}.{name}": torch.from_numpy(np.ascontiguousarray(array))
        for number, state in states.items()
        for name, array in state.arrays().items()
    }


def states_of(tensors: Mapping[str, torch.Tensor]) -> dict[int, Factors]:
    """The models of a checkpoint's tensors."""
    arrays: dict[int, dict[str, NDArray[Any]]] = {}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        if number.isdigit() and name in Factors.__dataclass_fields__:
            arrays.setdefault(int(number), {})[name] = tensor.numpy()
    return {number: Factors.of(arrays[number]) for number in sorted(arrays)}


def save(generator: StandardGenerator, path: Path) -> None:
    """Write what sampling needs."""
    tensors = tensors_of({number: p.state for number, p in generator.parts.items()})
    for number, part in generator.parts.items():
        tensors |= {f"{number}.code": torch.from_numpy(part.code),
                    f"{number}.good": torch.from_numpy(part.good)}  # fmt: skip
    tensors |= {
        "code": torch.from_numpy(generator.code),
        "wave": torch.from_numpy(generator.wave),
        "covered": torch.from_numpy(generator.covered),
    }
    checkpoint.save(path, tensors=tensors, state={"config": asdict(generator.config)})


def rebuild(tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> StandardGenerator:
    """The generator of what `save` wrote."""
    config = dict(state["config"])
    config |= {name: tuple(config[name]) for name in ("leave_out", "joints")}
    states = states_of(tensors)
    n_col = tensors["wave"].numel() + KNOTS.size
    if any(state.basis.shape[1] != n_col for state in states.values()):
        raise ValueError("it is of another version")
    return StandardGenerator(
        {
            n: Part(state, tensors[f"{n}.code"].numpy(), tensors[f"{n}.good"].numpy())
            for n, state in states.items()
        },
        code=tensors["code"].numpy(),
        wave=tensors["wave"].numpy(),
        covered=tensors["covered"].numpy(),
        config=GeneratorConfig(**config),
    )
