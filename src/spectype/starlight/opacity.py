"""Continuous opacity: H-, hydrogen with dissolved edges, helium, scattering.

Sources. H- bound-free: John 1988 (A&A 193, 189); free-free: the fit of Gray 2005 (The Observation
and Analysis of Stellar Photospheres, eq. 8.13) to Bell & Berrington 1987 (J. Phys. B 20, 801).
Hydrogenic cross-sections: Kramers with Gaunt factors of Menzel & Pekeris 1935 as in Gray's eqs. 8.5
and 8.6. Occupation probabilities and the dissolved part of the continua: Hummer & Mihalas 1988
(ApJ 331, 794) in the form of Hubeny, Hummer & Lanz 1994 (A&A 282, 151). Rayleigh scattering:
Dalgarno 1962, as quoted by Kurucz 1970 (SAO Special Report 309). H2+: not included. At
5000 Angstrom the sum is within 8 % of what the MARCS model of the Sun implies, 4,300 to 8,800 K.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.starlight.gas import K_ERG, K_EV, Gas

Floats = NDArray[np.float64]
RYDBERG_EV = 13.598
RYDBERG_WAVE = 911.7634  # Angstrom, vacuum, hydrogen
C2 = 1.438777e8  # h c / k in Angstrom K
LEVELS = 8  # bound levels of hydrogen with a continuum of their own


def occupation(level: Any, gas: Gas, charge: float = 1.0) -> Floats:
    """Probability that a hydrogenic level is not dissolved by the plasma's fields.

    `level` may be an array that broadcasts against the gas's points.
    """
    n = np.asarray(level, dtype=np.float64)
    k = np.where(n <= 3, 1.0, 16 * n / (3 * (n + 1) ** 2))
    beta = 8.3e14 * charge**3 * gas.electrons ** (-2 / 3) * k / n**4
    x = (1 + 0.09 * gas.electrons ** (1 / 6) / np.sqrt(gas.temperature)) ** 3.15
    f = 0.1402 * x * beta**3 / (1 + 0.1285 * x * beta**1.5)
    return np.asarray(f / (1 + f), dtype=np.float64)


def continuous(wave: Floats, gas: Gas) -> Floats:
    """Opacity [cm-1] at wavelengths [Angstrom] (n_wave,) and gas points (n,): shape (n, n_wave).

    Stimulated emission is included; scattering is counted as absorption.
    """
    w, state = wave[None, :], _columns(gas)
    emission = -np.expm1(-C2 / (w * state.temperature))
    neutral = state.stages["H"][0]
    total = _h_minus_bound(w, state) * emission
    total = total + _h_minus_free(w, state)
    total += _hydrogenic(w, state, "H", 0, 1) * emission
    total += _free_free(w, state, state.stages["H"][1] + state.stages["He"][1], 1) * emission
    total += _free_free(w, state, state.stages["He"][2], 2) * emission
    total += _hydrogenic(w, state, "He", 1, 2) * emission
    total += _helium(w, state) * emission
    total += 6.6524e-25 * state.electrons
    total += neutral * (5.8e-13 / w**4 + 1.39e-6 / w**6 + 2.78 / w**8)
    return np.asarray(total, dtype=np.float64)


def rosseland(gas: Gas) -> Floats:
    """Rosseland mean opacity [cm-1] of the gas's points, shape (n,)."""
    wave = np.concatenate([np.geomspace(300, 3600, 60), np.geomspace(3700, 60000, 50)])
    x = C2 / (wave[None, :] * gas.temperature[:, None])
    weight = x**4 * np.exp(-x) / np.expm1(-x) ** 2 / wave  # dB/dT d(ln lambda) / lambda
    weight = weight * np.gradient(np.log(wave))
    return np.asarray(weight.sum(axis=1) / (weight / continuous(wave, gas)).sum(axis=1))


def _columns(gas: Gas) -> Gas:
    """The gas with every array as a column, to broadcast against wavelengths."""
    return Gas(
        temperature=gas.temperature[:, None], electrons=gas.electrons[:, None],
        hydrogen=gas.hydrogen[:, None], density=gas.density[:, None],
        stages={name: value[:, :, None] for name, value in gas.stages.items()},
        molecules={name: value[:, None] for name, value in gas.molecules.items()},
    )  # fmt: skip


def _h_minus_bound(w: Floats, gas: Gas) -> Floats:
    micron = w * 1e-4
    x = np.clip(1 / micron - 1 / 1.6419, 0, None)
    # Below 0.125 micron the fit is not meant to be used; it is held there.
    x = np.minimum(x, 8 - 1 / 1.6419)
    series = (152.519, 49.534, -118.858, 92.536, -34.194, 4.982)
    f = sum(c * x ** (i / 2) for i, c in enumerate(series))
    cross = 1e-18 * np.maximum(micron, 0.125) ** 3 * x**1.5 * np.clip(f, 0, None)
    # Saha: H- has statistical weight 1, an electron affinity of 0.754 eV.
    share = 0.25 * 4.1413e-16 * gas.electrons * gas.temperature**-1.5
    return np.asarray(cross * gas.stages["H"][0] * share * np.exp(0.754 / (K_EV * gas.temperature)))


def _h_minus_free(w: Floats, gas: Gas) -> Floats:
    x = np.log10(np.clip(w, 2600, 113900))
    theta = np.log10(np.clip(5040 / gas.temperature, 0.3, 3.6))
    f0 = -2.2763 - 1.6850 * x + 0.76661 * x**2 - 0.0533464 * x**3
    f1 = 15.2827 - 9.2846 * x + 1.99381 * x**2 - 0.142631 * x**3
    f2 = -197.789 + 190.266 * x - 67.9775 * x**2 + 10.6913 * x**3 - 0.625151 * x**4
    pressure = gas.electrons * K_ERG * gas.temperature
    hot = np.exp(-np.clip(gas.temperature / 12000 - 1, 0, None) * 3)  # beyond the fit: fades
    return np.asarray(
        1e-26 * pressure * 10 ** (f0 + f1 * theta + f2 * theta**2) * gas.stages["H"][0] * hot
    )


def _hydrogenic(w: Floats, gas: Gas, name: str, stage: int, charge: int) -> Floats:
    """Bound-free opacity of H I or He II, each edge continued by its dissolved levels."""
    ground = gas.stages[name][stage] / _partition(name, stage, gas.temperature)
    energy = RYDBERG_EV * charge**2
    inverse = RYDBERG_WAVE / (w * charge**2)  # photon energy in units of the ionisation energy
    total = np.zeros(np.broadcast(w, gas.temperature).shape)
    kt = K_EV * gas.temperature
    for n in range(1, LEVELS + 1):
        cross = 1.0449e-26 * charge**4 * w**3 / n**5 * _gaunt_bound(w, n, charge)
        population = ground * 2 * n**2 * np.exp(-energy * (1 - n**-2.0) / kt)
        total += population * cross * _beyond_edge(inverse, n, gas, charge)
    rest = ground * 2 * 1.0449e-26 * charge**4 * w**3  # the higher levels, as an integral
    total += rest * kt / (2 * energy) * (
        np.exp(-energy * (1 - (LEVELS + 0.5) ** -2.0) / kt) - np.exp(-energy / kt)
    )  # fmt: skip
    return np.asarray(total)


def _beyond_edge(inverse: Floats, n: int, gas: Gas, charge: int) -> Floats:
    """1 above the edge of level n; below it the share of upper levels that are dissolved."""
    gap = n**-2.0 - inverse
    upper = np.where(gap > 1e-9, 1 / np.sqrt(np.maximum(gap, 1e-9)), 1e4)
    bound = occupation(np.clip(upper, n + 1, 1e4), gas, charge) / occupation(n, gas, charge)
    # Well below the edge dissolution is no continuum any more: lines there are lines.
    tail = np.clip((upper - 0.9 * (n + 3)) / (n + 3), 0, 1)
    dissolved = np.clip(1 - bound, 0, 1) * tail
    return np.where(gap <= 0, 1.0, dissolved)


def _gaunt_bound(w: Floats, n: int, charge: int) -> Floats:
    x = w * charge**2 / RYDBERG_WAVE
    return np.clip(1 - 0.3456 / np.cbrt(x) * (x / n**2 - 0.5), 0.3, 1.2)


def _free_free(w: Floats, gas: Gas, ions: Floats, charge: int) -> Floats:
    x = C2 / (w * gas.temperature)
    gaunt = 1 + 0.3456 / np.cbrt(w * charge**2 / RYDBERG_WAVE) * (1 / x + 0.5)
    frequency = 2.99792458e18 / w
    root = np.sqrt(gas.temperature)
    return np.asarray(3.692e8 * charge**2 * gas.electrons * ions * gaunt / (root * frequency**3))


def _helium(w: Floats, gas: Gas) -> Floats:
    """He I bound-free: ground state and n = 2 by their edges, n >= 3 like hydrogen."""
    neutral = gas.stages["He"][0]
    kt = K_EV * gas.temperature
    total = np.where(w < 504.3, neutral * 7.4e-18 * (w / 504.3) ** 2, 0.0)
    for weight, energy, edge, cross in (
        (3, 19.82, 2600.0, 5.0e-18), (1, 20.62, 3122.0, 9.2e-18), (9, 20.96, 3422.0, 15.5e-18),
        (3, 21.22, 3679.0, 13.5e-18),
    ):  # fmt: skip
        population = neutral * weight * np.exp(-energy / kt)
        total = total + np.where(w < edge, population * cross * (w / edge) ** 3, 0.0)
    for n in range(3, LEVELS + 1):
        population = neutral * 4 * n**2 * np.exp(-(24.587 - RYDBERG_EV / n**2) / kt)
        kramers = 1.0449e-26 * w**3 / n**5
        total = total + np.where(w < RYDBERG_WAVE * n**2, population * kramers, 0.0)
    return np.asarray(total)


def _partition(name: str, stage: int, temperature: Floats) -> Floats:
    from spectype.starlight.gas import partition

    return partition(name, stage, temperature)
