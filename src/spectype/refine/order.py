"""Stars to order: what was asked for, as codes and places that a generator takes."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.generate.factors import StandardGenerator
from spectype.generate.samples import Samples
from spectype.refine.placed import PlacedGenerator
from spectype.refine.plane import CODE, LEVEL, METALS
from spectype.refine.registry import Generator
from spectype.simulate.templates import METALLICITIES
from spectype.starlight.calibration import COOLEST, HEIGHT, HOTTEST

_CLASS_SPREAD = 0.1  # of the height within a luminosity class, as `simulate.objects` has it


@dataclass(frozen=True)
class Order:
    """What kind of star is wanted; what is left out is as real stars have it.

    Parameters
    ----------
    type : str, optional
        A type's letter, or several of them: ``OB``.
    subclass : str, optional
        Of the type: ``5`` or a range, ``5-9``, all of which is equally likely.
    code : float, optional
        Decimal type code, in place of the two.
    luminosity : str, optional
        I II III IV V.
    feh : float, optional
        [Fe/H].
    """

    type: str | None = None
    subclass: str | None = None
    code: float | None = None
    luminosity: str | None = None
    feh: float | None = None

    def __post_init__(self) -> None:
        if self.code is not None and (self.type is not None or self.subclass is not None):
            raise UsageError("give --code, or --type with --subclass, not both")
        if self.subclass is not None and (self.type is None or len(self.type) > 1):
            raise UsageError("--subclass needs the one --type that it divides")
        if self.type is not None and (not self.type or set(self.type) - set(mk.TYPES)):
            raise UsageError(f"{self.type!r} is no type", remedy=f"of {', '.join(mk.TYPES)}")
        if self.luminosity is not None and self.luminosity not in HEIGHT:
            raise UsageError(
                f"{self.luminosity!r} is no luminosity class", remedy=", ".join(HEIGHT)
            )
        low, high = METALLICITIES[[0, -1]]
        if self.feh is not None and not low <= self.feh <= high:
            raise UsageError(
                f"[Fe/H] {self.feh:g} cannot be simulated", remedy=f"{low:g} to {high:g}"
            )
        self.ends()

    def ends(self) -> tuple[float, float] | None:
        """First and last code; None where real stars decide."""
        if self.code is not None:
            return self.code, self.code
        if self.subclass is None or self.type is None:
            return None
        found = re.fullmatch(r"(\d(?:\.\d+)?)(?:-(\d(?:\.\d+)?))?", self.subclass)
        low, high = (float(found[1]), float(found[2] or found[1])) if found else (1.0, 0.0)
        start = 10.0 * mk.index(self.type)
        if high < low:
            raise UsageError(
                f"{self.subclass!r} is no subclass or range of them",
                remedy="5, 9.5 or 5-9, each 0 to 9.9",
            )
        if start + low < HOTTEST or start + high > COOLEST:
            raise UsageError(
                f"{self.type}{self.subclass} is beyond O3 to M9", remedy="choose within"
            )
        return start + low, start + high

    def draw(self, generator: Generator, n: int, *, seed: int) -> Samples:
        """Draw `n` spectra of this kind.

        Raises
        ------
        UsageError
            If the generator's recipe does not know what was asked for.
        """
        if strange := [t for t in self.type or "" if t not in generator.types]:
            raise UsageError(f"the generator knows {', '.join(generator.types)}, no {strange[0]!r}")
        if isinstance(generator, PlacedGenerator):
            at = self._places(generator, n, seed)
            return generator.sample(n, at=at, seed=seed)
        for value, name in ((self.luminosity, "luminosity"), (self.feh, "feh")):
            if value is not None:
                raise UsageError(
                    f"the {generator.recipe} recipe knows no --{name}",
                    remedy="train with --recipe refined",
                )
        ends = self.ends()
        if isinstance(generator, StandardGenerator):
            if ends is not None:
                return generator.sample(n, code=_between(ends, n, seed), seed=seed)
            code = generator.codes(n, type=self.type, seed=seed) if self.type else None
            return generator.sample(n, code=code, seed=seed)
        if ends is not None:
            return generator.sample(n, code=ends[0], seed=seed)  # it says that it cannot
        if self.type is not None and set(generator.types) != set(self.type):
            raise DataError(f"its types {generator.types} are one pool; {self.type} cannot be told")
        return generator.sample(n, seed=seed)

    def _places(self, generator: PlacedGenerator, n: int, seed: int) -> NDArray[np.float64]:
        """Codes, heights and metallicities: real stars', but for what was asked for."""
        if n < 1:
            raise UsageError(f"{n} samples cannot be drawn", remedy="give a positive number")
        ends, rng = self.ends(), np.random.default_rng([seed, 16])
        at = generator.around(n, _between(ends, n, seed), seed=seed) if ends else generator.places(
            n, type=self.type, seed=seed
        )  # fmt: skip
        if self.luminosity is not None:
            at[:, LEVEL] = HEIGHT[self.luminosity] + _CLASS_SPREAD * rng.standard_normal(n)
            at[:, LEVEL] = np.clip(at[:, LEVEL], 0.0, 2.0)
        if self.feh is not None:
            at[:, METALS] = self.feh
        odd = at[:, CODE][~(np.char.find(generator.types, mk_types(at[:, CODE])) >= 0)]
        if odd.size:
            raise UsageError(
                f"the generator has not learnt code {odd[0]:g}", remedy=f"types {generator.types}"
            )
        return at


def mk_types(code: NDArray[np.float64]) -> NDArray[np.str_]:
    """Letters of codes."""
    return np.array(list(mk.TYPES))[np.clip(mk.type_indices(code), 0, len(mk.TYPES) - 1)]


def _between(ends: tuple[float, float], n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng([seed, 15]).uniform(*ends, n)
