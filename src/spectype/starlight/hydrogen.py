"""Hydrogen lines (and those of He II) broadened by the Stark effect.

The profile is that of ions at rest, Holtsmark's distribution for the linear Stark effect, with the
far wings doubled in part by the electrons, as Griem 1960 (ApJ 132, 883) and Edmonds, Schlueter &
Wells 1967 (Mem. RAS 71, 271) do; the asymptotic constants K are those of Griem 1960 and Underhill
& Waddell 1959 (NBS Circular 603), beyond the fourth member of a series their scaling in n. Vidal,
Cooper & Smith 1973 (ApJS 25, 37) give deeper cores: at R = 1800 the difference is small. A Doppler
core carries what the Stark profile leaves. The constants K and those of the collisions are equal to
the ones in Turbospectrum's hydrogen routine; the wings of H beta and H gamma are within 15 % of
its. Collisions with neutral hydrogen after Barklem, Piskunov
& O'Mara 2000 (A&A 355, L5). Oscillator strengths: Menzel & Pekeris 1935 by Kramers' formula with
the bound-bound Gaunt factors tabulated by Green, Rush & Chandler 1957 for the lowest lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.starlight.gas import K_ERG, K_EV, LIGHT, MASS_H, Gas, partition
from spectype.starlight.opacity import RYDBERG_EV, occupation

Floats = NDArray[np.float64]
_K = {
    (2, 3): 9.019e-3, (2, 4): 1.772e-2, (2, 5): 2.507e-2, (3, 4): 0.1001, (3, 5): 0.171,
    (3, 6): 0.223,
}  # fmt: skip
_F = {
    (2, 3): 0.6407, (2, 4): 0.1193, (2, 5): 0.04467, (2, 6): 0.02209, (2, 7): 0.01270,
    (3, 4): 0.8421, (3, 5): 0.1506, (3, 6): 0.05584, (3, 7): 0.02768, (3, 8): 0.01604,
}  # fmt: skip
# Barklem et al. 2000: cross-section [atomic units] at 10 km/s and its velocity exponent.
_NEUTRAL = {(2, 3): (1180.0, 0.677), (2, 4): (2320.0, 0.455), (2, 5): (4208.0, 0.380)}

ELECTRONS = 0.8  # share of the ions' wing that electrons add
# On either side of the line, as K is defined: 1.5 beta**-2.5 for the ions.
_ASYMPTOTE = 3.0 * (1 + ELECTRONS)
_CORE = (_ASYMPTOTE * 1.3213) ** (2 / 3)  # normalises 1 / (1 + (beta/core)**2.5) with that wing


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesLine:
    """One line of H I (charge 1) or He II (charge 2): vacuum wavelength [Angstrom], levels, f."""

    wave: float
    lower: int
    upper: int
    charge: int
    strength: float

    @property
    def stark(self) -> float:
        """Asymptotic constant K: wavelength shift [Angstrom] per field [esu]."""
        known = _K.get((self.lower, self.upper)) if self.charge == 1 else None
        if known is not None:
            return known
        n, m = self.lower, self.upper
        scale = 5.5e-5 / (1 + 0.13 / (m - n))
        return float(scale * (n * m) ** 4 / (m * m - n * n) / self.charge**5)


def lines(first: float, last: float) -> Iterator[SeriesLine]:
    """Balmer, Paschen and He II lines between two wavelengths [Angstrom, vacuum]."""
    series = [(2, 1, 30), (3, 1, 26), (3, 2, 8), (4, 2, 20), (5, 2, 24)]
    for lower, charge, highest in series:
        limit = 911.7634 if charge == 1 else 227.8378
        for upper in range(lower + 1, highest + 1):
            wave = limit / (lower**-2.0 - upper**-2.0)
            if first < wave < last:
                yield SeriesLine(
                    wave=wave, lower=lower, upper=upper, charge=charge,
                    strength=oscillator_strength(lower, upper),
                )  # fmt: skip


def oscillator_strength(lower: int, upper: int) -> float:
    """Absorption oscillator strength of a hydrogenic line."""
    if (lower, upper) in _F:
        return _F[(lower, upper)]
    kramers = 1.9603 / lower**5 / upper**3 / (lower**-2.0 - upper**-2.0) ** 3
    return float(kramers * (1 - 0.12 / lower))


def opacity(wave: Floats, line: SeriesLine, gas: Gas, turbulence: float) -> Floats:
    """Line opacity [cm-1], shape (n_depths, n_wave), without stimulated emission.

    `wave` [Angstrom, vacuum] may be irregular.
    """
    name, stage, mass = ("H", 0, 1.008) if line.charge == 1 else ("He", 1, 4.003)
    t = gas.temperature
    energy = RYDBERG_EV * line.charge**2 * (1 - line.lower**-2.0)
    level = gas.stages[name][stage] / partition(name, stage, t) * 2 * line.lower**2
    level = level * np.exp(-energy / (K_EV * t))
    alive = occupation(line.upper, gas, line.charge) / occupation(line.lower, gas, line.charge)
    amount = 0.02654 * line.strength * level * alive  # pi e2 / m c, per Hz
    speed = np.sqrt(2 * K_ERG * t / (mass * MASS_H) + turbulence**2)
    doppler = line.wave * speed / LIGHT
    scale = line.stark * 1.25e-9 * gas.electrons ** (2 / 3) * _CORE  # core of the wing [Angstrom]
    profile = _profile(wave - line.wave, doppler, scale, _lorentz(line, gas))
    return np.asarray(amount[:, None] * profile * (line.wave**2 / 2.99792458e18), dtype=np.float64)


def _profile(shift: Floats, doppler: Floats, scale: Floats, lorentz: Floats) -> Floats:
    """Normalised profile [1/Angstrom], shape (n_depths, n_wave)."""
    w, s = doppler[:, None].astype(np.float32), scale[:, None].astype(np.float32)
    square = (shift * shift).astype(np.float32)[None, :]
    x = (square + w * w) / (s * s)
    wing = 1 / (1.3213 * 2 * s) / (1 + x * np.sqrt(np.sqrt(x)))
    left = np.clip(1 - _wing_share(doppler / scale), 0, 1)[:, None].astype(np.float32)
    gauss = left / (1.7725 * w) * np.exp(-np.minimum(square / (w * w), 80))
    g = lorentz[:, None].astype(np.float32)
    return np.asarray(wing + gauss + g / np.pi / (square + g * g + w * w), dtype=np.float64)


def _wing_share(ratio: Floats) -> Floats:
    """Integral of the wing function softened by the Doppler width, as a share of 1."""
    grid = np.logspace(-3, 3, 61)
    u = np.concatenate([[0.0], np.logspace(-4, 4, 400)])
    x = (u[None, :] ** 2 + grid[:, None] ** 2) ** 1.25
    share = np.trapezoid(1 / (1 + x), u, axis=1) / 1.3213
    found = np.interp(np.log10(np.clip(ratio, 1e-3, 1e3)), np.log10(grid), share)
    return np.asarray(found, dtype=np.float64)


def _lorentz(line: SeriesLine, gas: Gas) -> Floats:
    """Half width at half maximum by collisions with neutral hydrogen [Angstrom]."""
    if line.charge != 1:
        return np.full_like(gas.temperature, 1e-6)
    cross, alpha = _NEUTRAL.get((line.lower, line.upper), (4208.0, 0.38))
    mean = np.sqrt(8 * K_ERG * gas.temperature / (np.pi * 0.504 * 2 * MASS_H / 2))
    # Anstee & O'Mara 1995: w = (4/pi)^(a/2) Gamma(2 - a/2) v sigma (v/v0)^-a N, half width [rad/s].
    factor = (4 / np.pi) ** (alpha / 2) * 0.91
    rate = factor * mean * cross * 2.8003e-17 * (mean / 1e6) ** -alpha * gas.stages["H"][0]
    return np.asarray(rate * line.wave**2 / (2 * np.pi * 2.99792458e18), dtype=np.float64)
