"""The run of temperature and pressure with depth.

The temperature is that of a grey atmosphere with Hopf's function (as fitted by Mihalas 1978,
Stellar Atmospheres, section 3-3) on the Rosseland scale, corrected for blanketing by lines: in A
to K stars by a fit to the MARCS model of the Sun (Gustafsson et al. 2008, A&A 486, 951; as the
file sun.mod that comes with Korg.jl gives it), in hotter ones by a cooler surface after Kurucz 1979
(ApJS 40, 1). The pressure is hydrostatic, reduced by that of radiation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spectype.starlight.calibration import highness
from spectype.starlight.gas import Gas, carbon_left, solve
from spectype.starlight.opacity import rosseland

Floats = NDArray[np.float64]
DEPTHS: Floats = np.logspace(-5.5, 1.8, 44)  # Rosseland optical depth
_LOG_T = np.linspace(np.log10(1300.0), np.log10(240000.0), 56)
_LOG_P = np.linspace(-3.0, 9.0, 37)


@dataclass(frozen=True, slots=True, kw_only=True)
class Atmosphere:
    """A model atmosphere on `DEPTHS`: gas, Rosseland opacity [cm-1], microturbulence [cm/s]."""

    tau: Floats
    gas: Gas
    opacity: Floats
    turbulence: float


def temperature(teff: float, tau: Floats) -> Floats:
    """Temperature [K] at Rosseland depths."""
    hopf = 0.7104 - 0.1331 * np.exp(-3.4488 * tau)
    grey = teff * (0.75 * (tau + hopf)) ** 0.25
    sunlike = float(np.interp(teff, [3700, 4400, 7800, 10800], [0.0, 1.0, 1.0, 0.0]))
    law = np.zeros_like(tau)
    if sunlike > 0:
        law += sunlike * _blanketed(grey, teff, tau)
    if sunlike < 1:
        law += (1 - sunlike) * _cooled(grey, teff, tau)
    return np.asarray(law, dtype=np.float64)


def _blanketed(grey: Floats, teff: float, tau: Floats) -> Floats:
    """A to K stars: a fit, within 1 %, to the MARCS model of the Sun, scaled with Teff.

    Lines cool the layers above optical depth 0.03 and warm those below; convection flattens the
    deep ones of stars with an outer convection zone.
    """
    ceiling = teff * float(np.interp(teff, [7800, 10000], [1.524, 3.0]))
    flat = (grey**-8.0 + ceiling**-8.0) ** (-1 / 8)
    # The fewer lines a star has, the less they warm: so that its flux stays near sigma T**4.
    warm = float(np.interp(teff, [6000, 8000], [0.0275, 0.01]))
    return np.asarray(flat * (1 + warm - 0.045 * np.log10(1 + 0.0316 / tau)), dtype=np.float64)


def _cooled(grey: Floats, teff: float, tau: Floats) -> Floats:
    """Stars outside the range of `_blanketed`: a grey law whose surface lines cool."""
    cooling = float(
        np.interp(
            teff,
            [3500, 3900, 4600, 6000, 10000, 15000, 35000, 45000],
            [0.06, 0.0, 0.0, 0.04, 0.10, 0.18, 0.18, 0.10],
        )
    )
    if teff < 5000:
        # Convection flattens the deep layers of cool stars.
        ceiling = teff * float(np.interp(teff, [3400, 4200, 5000], [1.12, 1.3, 1.8]))
        grey = (grey**-8.0 + ceiling**-8.0) ** (-1 / 8)
    # Late K and M stars approach those of `_blanketed`: a minimum of temperature, backwarming.
    minimum = float(np.interp(teff, [3600, 4300, 4400, 4401], [0.0, 0.05, 0.05, 0.0]))
    warming = float(np.interp(teff, [3800, 4600, 4601], [0.0, 0.035, 0.0]))
    fall = cooling / (1 + (tau / 0.02) ** 0.5) + minimum / (1 + (tau / 3e-4) ** 0.7)
    # In M stars, where bands are formed far out, the temperature goes on falling there.
    outer = float(np.interp(teff, [3200, 3700], [0.05, 0.0]))
    fall = fall + outer * np.log10(1 + 0.01 / tau)
    return np.asarray(grey * (1 + warming / (1 + 0.01 / tau)) * (1 - fall), dtype=np.float64)


def blanketing(run: Floats, feh: float) -> Floats:
    """Factor by which lines raise the Rosseland mean of the continuum.

    1.3 to 1.4 between 4,000 and 9,000 K in the MARCS model of the Sun, taken to fall in hotter
    gas and with the metals.
    """
    amount = np.interp(run, [3000.0, 4000.0, 9000.0, 15000.0], [0.2, 0.35, 0.40, 0.15])
    return np.asarray(1 + amount * 10 ** (0.5 * min(feh, 0.5)), dtype=np.float64)


def molecular_mean(run: Floats, pressure: Floats, feh: float) -> Floats:
    """Mean opacity of water and oxides [cm2/g], which holds up the outer layers of cool stars.

    Of the size of the tables of Ferguson et al. 2005 (ApJ 623, 585) between 2000 and 3500 K; set
    so that TiO deepens from M0 to M7 as it does in real dwarfs.
    """
    amount = 0.04 * 10**feh * (pressure / 1e5) ** 0.8
    oxides = 1 / (1 + np.exp(np.clip((run - 3700) / 170, -50, 50)))
    water = 10 * np.minimum(pressure / 1e5, 1) / (1 + np.exp(np.clip((run - 3300) / 100, -50, 50)))
    return np.asarray(amount * oxides * (1 + water), dtype=np.float64)


def model(teff: float, logg: float, feh: float = 0.0) -> Atmosphere:
    """Hydrostatic model of effective temperature [K], log g [cm/s2] and [Fe/H]."""
    table = _mass_opacity(round(feh, 2))
    run = temperature(teff, DEPTHS)
    gravity = 10.0**logg
    radiation = 5.670374e-5 * teff**4 / 2.99792458e10  # per unit of optical depth [dyn/cm2]
    # A start that the integration forgets within a few steps.
    pressure = np.empty_like(DEPTHS)
    log_p = np.log10(gravity * DEPTHS[0]) + 1.0
    for _ in range(30):
        kappa = _lookup(table, np.log10(run[0]), log_p)
        log_p = 0.5 * (log_p + np.log10(_gain(gravity, kappa, radiation) * DEPTHS[0]))
    pressure[0] = 10**log_p
    for i in range(1, len(DEPTHS)):
        pair = slice(i - 1, i + 1)
        pressure[i] = _step(table, pressure[i - 1], run[pair], DEPTHS[pair], gravity, radiation)
    gas = solve(run, pressure, feh, carbon_left(logg, feh))
    lines = blanketing(run, feh)
    opacity = lines * rosseland(gas) + molecular_mean(run, pressure, feh) * gas.density
    return Atmosphere(tau=DEPTHS, gas=gas, opacity=opacity, turbulence=turbulence(teff, logg))


def turbulence(teff: float, logg: float) -> float:
    """Microturbulence [cm/s].

    Dwarfs of 5,000 to 6,900 K after Bruntt et al. 2010 (MNRAS 405, 1907, eq. 8), growing in giants
    as is found there. Hotter dwarfs: round numbers between those of Nieva & Przybilla 2012 (A&A
    539, A143) for early B and the 10 km/s of the O star grid of Lanz & Hubeny 2003 (ApJS 146, 417).
    Supergiants: 4-8 km/s in A and late B (Przybilla et al. 2006, A&A 445, 1099), 8-20 km/s in
    earlier B (Crowther et al. 2006, A&A 446, 279; Markova & Puls 2008, A&A 478, 823).
    """
    offset = float(np.clip(teff, 5000, 6900)) - 5700
    speed = 1.01 + 4.56e-4 * offset + 2.75e-7 * offset**2 + 0.5 * max(3.6 - logg, 0.0)
    if teff > 6900:
        dwarf = float(np.interp(teff, [6900, 8000, 18000, 22000, 34000], [2, 2.5, 2.5, 5, 10]))
        supergiant = float(
            np.interp(teff, [6900, 9000, 13000, 16000, 22000], [3.0, 5.0, 8.0, 10.0, 16.0])
        )
        high = highness(teff, logg)
        speed = max(speed, (1 - high) * dwarf + high * supergiant)
    return 1e5 * speed


def _gain(gravity: float, kappa: float, radiation: float) -> float:
    """dP/dtau of the gas: gravity less radiation, which never lifts more than 9 tenths."""
    return max(gravity / kappa - radiation, 0.1 * gravity / kappa)


def _step(
    table: Floats, pressure: float, run: Floats, tau: Floats, gravity: float, radiation: float
) -> float:
    """Heun's method in ln P against ln tau."""
    h = float(np.log(tau[1] / tau[0]))
    kappa = _lookup(table, np.log10(run[0]), np.log10(pressure))
    slope = tau[0] * _gain(gravity, kappa, radiation) / pressure
    guess = pressure * np.exp(min(slope, 3.0) * h)
    kappa = _lookup(table, np.log10(run[1]), np.log10(guess))
    after = tau[1] * _gain(gravity, kappa, radiation) / guess
    return float(pressure * np.exp(0.5 * (min(slope, 3.0) + min(after, 3.0)) * h))


@lru_cache(maxsize=16)
def _mass_opacity(feh: float) -> Floats:
    """log10 of the Rosseland mean [cm2/g] on the grid of temperature and pressure."""
    t, p = np.meshgrid(10**_LOG_T, 10**_LOG_P, indexing="ij")
    gas = solve(t.ravel(), p.ravel(), feh)
    kappa = blanketing(t.ravel(), feh) * rosseland(gas) / gas.density
    kappa = kappa + molecular_mean(t.ravel(), p.ravel(), feh)
    return np.asarray(np.log10(kappa).reshape(t.shape), dtype=np.float64)


def _lookup(table: Floats, log_t: float, log_p: float) -> float:
    x = (np.clip(log_t, _LOG_T[0], _LOG_T[-1]) - _LOG_T[0]) / (_LOG_T[1] - _LOG_T[0])
    y = (np.clip(log_p, _LOG_P[0], _LOG_P[-1]) - _LOG_P[0]) / (_LOG_P[1] - _LOG_P[0])
    i, j = min(int(x), len(_LOG_T) - 2), min(int(y), len(_LOG_P) - 2)
    u, v = x - i, y - j
    low = table[i, j] * (1 - v) + table[i, j + 1] * v
    high = table[i + 1, j] * (1 - v) + table[i + 1, j + 1] * v
    return float(10 ** (low * (1 - u) + high * u))
