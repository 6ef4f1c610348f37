"""Stars that surveys meet and libraries hardly hold: weak-lined, hot subdwarfs, white dwarfs.

`draw` makes them as `memory.draw` makes normal stars: red giants, dwarfs and horizontal-branch
stars of [Fe/H] -1.2 to -3, hot subdwarfs and white dwarfs of hydrogen, each computed at its own
temperature, gravity and metallicity. A network that has seen none of them takes a metal-poor giant
for a reddened O star, since both have hardly a line, and knows a white dwarf by the width of its
lines only if it has seen widths on either side of the border.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import SPEED_OF_LIGHT
from spectype.simulate.memory import Star
from spectype.simulate.objects import Target
from spectype.starlight import calibration
from spectype.starlight.physics import emergent_flux

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A branch of the halo's colour-magnitude diagram.

    Parameters
    ----------
    kind : str
        Of `core.kinds.KINDS`.
    points : tuple of (float, float)
        Effective temperature [K] and log gravity along it.
    metals : tuple of float
        [Fe/H] of its stars.
    height : float
        Place between dwarfs, giants and supergiants, for the type of their temperature.
    luminosity : str or None
        Class that an eye would give; None where it would give none.
    earlier : float
        Subclasses that the type by metal lines is earlier for each dex below -0.6.
    """

    kind: str
    points: tuple[tuple[float, float], ...]
    metals: tuple[float, ...] = (-3.0, -2.4, -1.8, -1.2)
    height: float = 0.0
    luminosity: str | None = None
    earlier: float = 0.0


#: Temperatures and gravities after isochrones of 12 Gyr (Dotter et al. 2008, ApJS 178, 89) and the
#: horizontal branch of Dorman, Rood & O'Connell (1993, ApJ 419, 596); subdwarfs after Heber (2016,
#: PASP 128, 082001). `earlier` after catalogue types of well-known stars, which scatter by three
#: subclasses: HD 122563 (4600 K, -2.7) F8, HD 6268 (4700 K, -2.3) G0, HD 110184 (4400 K, -2.3) G5,
#: HD 165195 (4400 K, -2.2) K3; of dwarfs HD 140283 (5750 K, -2.4) F3, HD 103095 (5050 K, -1.3) K1.
BRANCHES = (
    Branch(
        kind="metal-weak", height=1.0, luminosity="III", earlier=3.5,
        points=((4100, 0.5), (4300, 0.8), (4500, 1.2), (4700, 1.7), (4900, 2.2), (5150, 2.8),
                (5400, 3.3)),
    ),
    Branch(
        kind="metal-weak", luminosity="V", earlier=2.0,
        points=((6500, 4.1), (6200, 4.4), (5900, 4.5), (5500, 4.6), (5000, 4.65), (4600, 4.7)),
    ),
    Branch(
        kind="metal-weak", height=0.5,
        points=((5600, 2.4), (6300, 2.6), (7200, 2.9), (8200, 3.2), (9200, 3.4), (10500, 3.6)),
    ),
    Branch(
        kind="hot subdwarf", metals=(-0.5,),
        points=((24000, 5.3), (28000, 5.5), (32000, 5.6), (37000, 5.8), (43000, 5.8)),
    ),
    Branch(
        kind="white dwarf", metals=(-4.0,),
        points=((9000, 7.9), (11200, 8.2), (14000, 8.0), (18500, 7.8), (26000, 7.9), (38000, 7.7),
                (55000, 7.5)),
    ),
)  # fmt: skip


def draw(n: int, *, snr: tuple[float, float] = (10.0, 200.0), seed: int = 0) -> list[Star]:
    """Stars of all branches in turn, spread over their points, metallicities and S/N.

    Parameters
    ----------
    n : int
        Stars.
    snr : tuple of float
        Smallest and largest median S/N a pixel in g.
    seed : int
        Same seed, same stars.

    Returns
    -------
    list of Star
        Subdwarfs and white dwarfs have no type (code NaN), the others the one that their lines
        suggest.
    """
    found = []
    for i, (branch, point, feh) in zip(range(n), _in_turn()):
        rng = np.random.default_rng([seed, 6, i])
        teff, logg = point
        code = np.nan
        if branch.kind == "metal-weak":  # the others have no place on the sequence
            code = float(calibration.code_of([teff], branch.height)[0])
            code -= branch.earlier * max(0.0, -0.6 - feh)
        velocity = float(rng.normal(0, 130))
        target = Target(
            kind=branch.kind, code=code, luminosity=branch.luminosity or "", height=branch.height,
            teff=float(teff), logg=logg, feh=feh, rotation=float(rng.rayleigh(8.0)),
            velocity=velocity, redshift=velocity / SPEED_OF_LIGHT,
            ebv=float(min(rng.exponential(0.15), 1.5)), companion=float("nan"),
        )  # fmt: skip
        found.append(Star(target=target, snr=float(np.exp(rng.uniform(*np.log(snr))))))
    return found


def _in_turn() -> Iterator[tuple[Branch, tuple[float, float], float]]:
    """Branches by turns, each running through its points, then its metallicities, for ever."""
    turn = 0
    while True:
        for branch in BRANCHES:
            point = branch.points[turn % len(branch.points)]
            yield branch, point, branch.metals[turn // len(branch.points) % len(branch.metals)]
        turn += 1


def light(target: Target, rng: np.random.Generator) -> Floats:
    """Flux per wavelength on `physics.WAVE` [relative] of a star of `draw`."""
    return _flux(target.teff, target.logg, target.feh)


@lru_cache(maxsize=128)
def _flux(teff: float, logg: float, feh: float) -> Floats:
    flux = emergent_flux(teff, logg, feh)
    return np.asarray(flux / np.median(flux), dtype=np.float64)
