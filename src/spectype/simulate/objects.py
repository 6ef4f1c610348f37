"""What a survey points at: stars of all types, binaries, white dwarfs, galaxies and quasars.

Every object is drawn from its own random stream, so that a repeated observation meets the same
star, whichever process makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.simulate.light import shift
from spectype.simulate.templates import WHITE_DWARFS, Grid, Node, mixture, white_dwarf
from spectype.starlight import calibration
from spectype.starlight.physics import STEP, WAVE

Floats = NDArray[np.float64]

KINDS = (*mk.TYPES, "DoubleStar", "WD", "Carbon", "GALAXY", "QSO", "Unknown")

# Weight of each subclass of a type among the stars a survey of bright northern fields meets.
_SUBCLASSES = {
    "O": ((4, 1), (5, 1), (6, 2), (7, 3), (8, 4), (9, 5), (9.5, 5)),
    "B": tuple((10 + i, w) for i, w in enumerate((2, 2, 3, 3, 2, 3, 4, 4, 6, 8))),
    "A": tuple((20 + i, w) for i, w in enumerate((4, 5, 4, 3, 3, 4, 5, 7, 5, 4))),
    "F": tuple((30 + i, w) for i, w in enumerate((5, 3, 5, 4, 4, 8, 7, 8, 7, 7))),
    "G": tuple((40 + i, w) for i, w in enumerate((6, 5, 8, 8, 6, 8, 5, 5, 6, 4))),
    "K": tuple((50 + i, w) for i, w in enumerate((6, 6, 5, 6, 5, 5, 2, 3, 1, 1))),
    "M": tuple((60 + i, w) for i, w in enumerate((8, 7, 6, 5, 4, 2, 1))),
}
# Shares of luminosity classes V IV III II I.
LUMINOSITIES = {
    "O": (0.6, 0.05, 0.2, 0.05, 0.1), "B": (0.6, 0.15, 0.15, 0.04, 0.06),
    "A": (0.75, 0.12, 0.1, 0.01, 0.02), "F": (0.8, 0.15, 0.03, 0.01, 0.01),
    "G": (0.7, 0.12, 0.16, 0.01, 0.01), "K": (0.4, 0.05, 0.52, 0.02, 0.01),
    "M": (0.85, 0.0, 0.14, 0.0, 0.01),
}  # fmt: skip
ROTATION = {"O": 110.0, "B": 110.0, "A": 90.0, "F": 25.0, "G": 4.0, "K": 3.0, "M": 4.0}
_REDDENING = {"O": 0.6, "B": 0.35, "A": 0.15, "F": 0.1, "G": 0.1, "K": 0.15, "M": 0.03}
_GALAXY_MIX = ((52.0, 1.0, 0.0), (45.0, 0.0, 0.0), (23.0, 0.0, 0.0))  # old, middle-aged, young
# Emission lines: rest vacuum wavelength [Angstrom], relative flux.
_NEBULAR = (
    (3728.5, 2.0), (4862.7, 1.0), (4960.3, 0.5), (5008.2, 1.5), (6549.9, 0.4), (6564.6, 2.9),
    (6585.3, 1.2), (6718.3, 0.6), (6732.7, 0.5),
)  # fmt: skip
# Composite quasar of Vanden Berk et al. 2001 (AJ 122, 549), table 2, strongest lines:
# rest wavelength, width sigma, equivalent width [Angstrom].
_QUASAR = (
    (1216.3, 19.5, 92.9), (1398.3, 14.0, 8.1), (1546.2, 14.3, 23.8), (1905.9, 23.6, 21.2),
    (2800.3, 34.9, 32.3), (4102.7, 18.6, 5.1), (4346.4, 20.3, 12.6), (4853.1, 40.4, 46.2),
    (5008.2, 6.0, 13.2), (6564.9, 47.4, 194.5),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One object of the sky: the truth of the simulation.

    Parameters
    ----------
    kind : str
        One of `KINDS`; a type letter for a normal star.
    code, luminosity, height : float, str, float
        True decimal type code, luminosity class, and height between the sequences (of the
        brighter star of a binary; NaN and "" for galaxies and quasars).
    teff, logg, feh : float
        [K], log10 [cm/s2], [dex]; NaN where they mean nothing.
    rotation, velocity : float
        v sin i and radial velocity [km/s].
    ebv : float
        Reddening [mag].
    redshift : float
        Of galaxies and quasars; velocity / c of stars.
    companion : float
        Type code of a binary's fainter star; NaN for others.
    """

    kind: str
    code: float
    luminosity: str
    height: float
    teff: float
    logg: float
    feh: float
    rotation: float
    velocity: float
    ebv: float
    redshift: float
    companion: float


def draw(kind: str, rng: np.random.Generator) -> Target:
    """Draw an object of this kind: type, luminosity, metallicity, motion and reddening."""
    if kind in ("GALAXY", "QSO"):
        redshift = rng.uniform(0.01, 0.25) if kind == "GALAXY" else rng.uniform(0.3, 3.2)
        return _extragalactic(kind, float(redshift), float(rng.exponential(0.04)))
    if kind == "WD":
        number = int(rng.integers(len(WHITE_DWARFS)))
        teff = float(WHITE_DWARFS[number])
        velocity = float(rng.normal(0, 45))
        return Target(
            kind=kind, code=float("nan"), luminosity="", height=float("nan"), teff=teff, logg=8.0,
            feh=float("nan"), rotation=0.0, velocity=velocity, ebv=float(rng.exponential(0.02)),
            redshift=velocity / SPEED_OF_LIGHT, companion=float("nan"),
        )  # fmt: skip
    type_ = kind
    if kind == "Unknown":
        type_ = str(rng.choice(list(mk.TYPES), p=[0.02, 0.08, 0.15, 0.2, 0.2, 0.2, 0.15]))
    elif kind == "DoubleStar":
        type_ = str(rng.choice(["A", "F"], p=[0.4, 0.6]))
    elif kind == "Carbon":
        type_ = "K"
    return _star(kind, type_, rng)


def _star(kind: str, type_: str, rng: np.random.Generator) -> Target:
    codes, weights = np.array(_SUBCLASSES[type_]).T
    code = float(rng.choice(codes, p=weights / weights.sum()))
    # Types are steps on a continuum: a G2 star is anything between G1.5 and G2.5. Late O stars
    # are told apart by half subclasses.
    step = 0.25 if type_ == "O" else 0.5
    code = float(np.clip(code + rng.uniform(-step, step), 10 * mk.index(type_), None))
    code = min(code, 10 * mk.index(type_) + 9.99)
    luminosity = str(rng.choice(list(mk.LUMINOSITIES)[::-1], p=LUMINOSITIES[type_]))
    return star(code, "III" if kind == "Carbon" else luminosity, rng, kind=kind)


def star(code: float, luminosity: str, rng: np.random.Generator, *, kind: str = "") -> Target:
    """Draw the rest of a star of this decimal type code and luminosity class.

    Parameters
    ----------
    code, luminosity : float, str
        What it is, 3.0 (O3) to 69.0 (M9); I II III IV V.
    rng : numpy.random.Generator
        Source of metallicity, rotation, velocity, reddening and the scatter within the class.
    kind : str
        One of `KINDS`; the type's letter if not given.
    """
    type_ = mk.type_of(code)
    kind = kind or type_
    height = float(np.clip(calibration.HEIGHT[luminosity] + rng.normal(0, 0.1), 0, 2))
    teff, logg = calibration.parameters([code], [height])
    halo = code > 28 and rng.random() < 0.05
    feh = rng.normal(-1.3, 0.3) if halo else rng.normal(-0.15, 0.22 if code > 28 else 0.1)
    velocity = float(rng.normal(0, 150 if halo else 35))
    companion = float(rng.uniform(62, 66)) if kind == "DoubleStar" else float("nan")
    return Target(
        kind=kind, code=code, luminosity=luminosity, height=height, teff=float(teff[0]),
        logg=float(logg[0]), feh=float(np.clip(feh, -2.0, 0.5)),
        rotation=float(min(rng.rayleigh(ROTATION[type_]), 380.0)), velocity=velocity,
        ebv=float(min(rng.exponential(_REDDENING[type_]), 2.0)),
        redshift=velocity / SPEED_OF_LIGHT, companion=companion,
    )  # fmt: skip


def _extragalactic(kind: str, redshift: float, ebv: float) -> Target:
    nan = float("nan")
    return Target(
        kind=kind, code=nan, luminosity="", height=nan, teff=nan, logg=nan, feh=nan, rotation=0.0,
        velocity=0.0, ebv=ebv, redshift=redshift, companion=nan,
    )  # fmt: skip


def needed(target: Target) -> Iterator[Node]:
    """Template nodes that `light` will ask for."""
    if target.kind == "WD":
        yield white_dwarf(_white_dwarf_number(target))
    elif target.kind == "GALAXY":
        for code, height, feh in _GALAXY_MIX:
            yield from mixture(code, height, feh).nodes
    elif target.kind != "QSO":
        yield from mixture(target.code, target.height, target.feh).nodes
        if target.kind == "DoubleStar":
            yield from mixture(target.companion, 0.0, 0.0).nodes


def light(target: Target, grid: Grid, rng: np.random.Generator) -> Floats:
    """Flux per wavelength on `WAVE` [relative], in the frame in which `velocity` still applies.

    `rng` must be the object's own stream, right after `draw`: it chooses what `Target` does not
    hold (the make-up of a galaxy, the slope of a quasar).
    """
    if target.kind == "WD":
        return grid.node(white_dwarf(_white_dwarf_number(target)))
    if target.kind == "GALAXY":
        return _galaxy(target, grid, rng)
    if target.kind == "QSO":
        return _quasar(target, rng)
    star = grid.light(target.code, target.height, target.feh)
    if target.kind == "DoubleStar":
        fainter = grid.light(target.companion, 0.0, 0.0)
        # Equal light near 7500 Angstrom: both stars are seen, each in its own arm.
        red = np.searchsorted(WAVE, 7500.0)
        move = float(rng.normal(0, 60))
        share = 10 ** rng.uniform(-0.3, 0.2)
        added = share * shift(fainter, move) * star[red] / fainter[red]
        return np.asarray(star + added, dtype=np.float64)
    if target.kind == "Carbon":
        return star * _carbon_bands(float(rng.uniform(0.6, 1.4)))
    return star


def _white_dwarf_number(target: Target) -> int:
    return int(np.argmin(np.abs(WHITE_DWARFS - target.teff)))


# Band heads of carbon stars (Keenan 1993, PASP 105, 905): vacuum wavelength, reach [Angstrom],
# depth. C2 Swan bands degrade to the violet, the red CN bands to the red.
_SWAN = (
    (4383, 60, 0.5), (4738, 100, 1.3), (5167, 140, 1.6), (5637, 160, 1.2), (6193, 120, 0.5),
)  # fmt: skip
_CN_RED = (
    (5730, 60, 0.2), (6480, 90, 0.2), (6926, 120, 0.5), (7087, 100, 0.4), (7876, 180, 0.9),
    (8067, 150, 0.6),
)  # fmt: skip


def _carbon_bands(strength: float) -> Floats:
    """Transmission of the C2 and CN bands that make a K giant a carbon star."""
    depth = np.zeros_like(WAVE)
    for bands, sign in ((_SWAN, -1), (_CN_RED, 1)):
        for head, reach, amount in bands:
            x = sign * (WAVE - head) / reach
            inside, outside = np.exp(-np.clip(x, 0, 40)), np.exp(np.clip(60 * x, -40, 0))
            depth += amount * np.where(x > 0, inside, outside)
    return np.exp(-strength * depth)


def _galaxy(target: Target, grid: Grid, rng: np.random.Generator) -> Floats:
    parts = [grid.light(*one) for one in _GALAXY_MIX]
    green = np.searchsorted(WAVE, 5500.0)
    shares = rng.dirichlet([2.0, 1.5, 1.0])
    total = sum(s * p / p[green] for s, p in zip(shares, parts, strict=True)) + np.zeros_like(WAVE)
    total = _blur(total, float(rng.uniform(80, 300)))
    if rng.random() < 0.6:
        amount = 4.0 * shares[2] + 0.5
        for wave, flux in _NEBULAR:
            total += amount * flux * np.exp(-0.5 * ((WAVE - wave) / 2.5) ** 2)
    return shift(total, SPEED_OF_LIGHT * target.redshift)


def _blur(flux: Floats, dispersion: float) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(flux, dispersion / SPEED_OF_LIGHT / STEP, mode="nearest"))


def _quasar(target: Target, rng: np.random.Generator) -> Floats:
    rest = WAVE / (1 + target.redshift)
    flux = (rest / 3000) ** (-1.56 + rng.normal(0, 0.3))
    lines = np.zeros_like(WAVE)
    for wave, sigma, equivalent in _QUASAR:
        lines += equivalent / (sigma * 2.5066) * np.exp(-0.5 * ((rest - wave) / sigma) ** 2)
    flux = flux * (1 + lines * rng.uniform(0.5, 1.5))
    return np.asarray(np.where(rest < 1216, 0.65, 1.0) * flux, dtype=np.float64)
