"""A star's light: emergent flux from effective temperature, gravity and metallicity.

Local thermodynamic equilibrium in a plane-parallel atmosphere: `atmosphere` gives temperature and
pressure, `opacity`, `hydrogen`, `metal_lines` and `molecules` the absorption, this module the
flux. What such a model cannot give is added as a documented correction: `departures` from
equilibrium, the emission of `wind`s, and the veil of weak lines that no short list holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import UsageError
from spectype.starlight import departures, hydrogen, metal_lines, molecules
from spectype.starlight.atmosphere import Atmosphere, model
from spectype.starlight.departures import NONE, Departure
from spectype.starlight.gas import K_EV, Gas
from spectype.starlight.opacity import C2, continuous
from spectype.starlight.wind import wind

Floats = NDArray[np.float64]

# Vacuum wavelengths, uniform in ln(lambda): 17 km/s a pixel, a quarter of a LAMOST pixel.
STEP = 1e-4 * np.log(10) / 4
WAVE: Floats = np.exp(np.arange(np.log(3600.0), np.log(9250.0), STEP))
_COARSE: Floats = np.exp(np.arange(np.log(3590.0), np.log(9270.0), 4 * STEP))
_WEAK = 2e-3  # lines and wings below this share of the continuum's opacity are left out
DEPARTS_FROM = 9000.0  # effective temperature [K] above which lines' source functions depart
_CORE = np.array([0.0, 0.35, 0.7, 1.1, 1.6, 2.2, 3.0, 4.2])  # Doppler widths around a line
# Beyond them in wings, which fall with the square: a straight line to the next pixel of the coarse
# grid would add a third to the width of a line.
_WINGS = 4.2 * 1.4 ** np.arange(1, 12)
_BALMER = np.array([0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.15, 1.6, 2.2])  # hydrogen's [Angstrom]


def check(teff: float, logg: float, feh: float) -> None:
    """Raise `UsageError` where the atmosphere cannot be computed."""
    if not 2300.0 <= teff <= 60000.0:
        raise UsageError(f"effective temperature {teff:g} K is outside 2300-60000 K")
    if not -0.6 <= logg <= 9.0:
        raise UsageError(f"log g {logg:g} is outside -0.6 ... 9")
    if not -4.0 <= feh <= 1.0:
        raise UsageError(f"[Fe/H] {feh:g} is outside -4 ... 1")


def emergent_flux(teff: float, logg: float, feh: float = 0.0) -> Floats:
    """Flux per wavelength at a star's surface.

    Parameters
    ----------
    teff, logg, feh : float
        Effective temperature [K], log10 of gravity [cm/s2], metals against the Sun [dex].

    Returns
    -------
    ndarray, shape (len(WAVE),), float64
        Flux [erg/s/cm2/Angstrom] on `WAVE` [vacuum], free of instrument, rotation and dust.

    Raises
    ------
    UsageError
        Outside 2300-60000 K, log g -0.6 ... 9, [Fe/H] -4 ... 1.
    """
    check(teff, logg, feh)
    atmosphere = model(teff, logg, feh)
    gas = atmosphere.gas
    background = continuous(_COARSE[::10], gas)
    departure = departures.at(teff, logg)
    chosen, grid = _grid(atmosphere, background, departure)
    total = _spread(background, _COARSE[::10], grid)
    dark = np.zeros_like(total) if teff > DEPARTS_FROM else None
    _add_hydrogen(total, dark, grid, atmosphere, departure)
    for one in chosen:
        _add_line(total, dark, grid, one, gas.temperature)
    if teff < 7000:
        total += _veil(gas, grid, _spread(background, _COARSE[::10], grid))
        flux = _behind_bands(total, grid, atmosphere)
    else:
        flux = _flux(total, grid, atmosphere, dark)
    return _rebin(flux, grid) * wind(WAVE, teff, logg)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A line that matters: strength, Doppler width, damping by depth; reach [Angstrom]; the
    share of Planck's function that it does not send out, by depth, if any."""

    line: metal_lines.MetalLine
    strength: Floats
    doppler: Floats
    damping: Floats
    reach: float
    dark: Floats | None


def _grid(
    atmosphere: Atmosphere, background: Floats, departure: dict[str, Departure]
) -> tuple[list[_Chosen], Floats]:
    """Lines that matter, each with its strength and reach, and wavelengths that resolve them."""
    gas = atmosphere.gas
    heights = np.searchsorted(atmosphere.tau, (1e-3, 0.03, 0.4))
    populated = metal_lines.populations(gas)
    chosen, points = [], [_COARSE]
    for line in metal_lines.line_list():
        strength = metal_lines.strength(line, gas, populated)
        if strength.max() < 1e-3:
            continue
        group = departures.metal_group(line.element, line.stage, line.wave)
        departs = departure.get(group, NONE)
        strength = departs.opacity * strength
        doppler, a = metal_lines.widths(line, gas, atmosphere.turbulence)
        i = min(int(np.searchsorted(_COARSE[::10], line.wave)), background.shape[1] - 1)
        scale = strength * line.wave**2 / 2.99792458e18 / (1.7725 * doppler)
        ratio = (scale / background[:, i])[heights]
        if ratio.max() < _WEAK:
            continue
        wing = np.sqrt(np.max(ratio * a[heights]) / 1.7725 / _WEAK)
        reach = float(np.clip(max(wing, 4.2) * doppler[heights].max(), 0.0, 120.0))
        dark = departs.dark(atmosphere.tau) if departs.source != 1 else None
        chosen.append(_Chosen(line, strength, doppler, a, reach, dark))
        core = np.concatenate([_CORE, _WINGS]) * doppler[heights[1]]
        core = core[core <= max(reach, core[len(_CORE) - 1])]
        points.append(line.wave + np.concatenate([-core[:0:-1], core]))
    for series in hydrogen.lines(float(_COARSE[0]), float(_COARSE[-1])):
        points.append(series.wave + np.concatenate([-_BALMER[:0:-1], _BALMER]))
    if gas.temperature[0] < _BANDS_BELOW:
        low, high = np.log(molecules.G_BAND)
        points.append(np.exp(np.arange(low, high, molecules.FINE)))
    grid = np.unique(np.concatenate(points))
    return chosen, grid[np.concatenate([[True], np.diff(grid) > 0.004])]


def _spread(table: Floats, at: Floats, grid: Floats) -> Floats:
    """Interpolate opacities (n_depths, len(at)) to the grid."""
    place = np.clip(np.searchsorted(at, grid) - 1, 0, len(at) - 2)
    part = ((grid - at[place]) / (at[place + 1] - at[place])).astype(np.float32)
    low, high = table[:, place].astype(np.float32), table[:, place + 1].astype(np.float32)
    return np.asarray(low + (high - low) * part)


def _add_hydrogen(
    total: Floats,
    dark: Floats | None,
    grid: Floats,
    atmosphere: Atmosphere,
    departure: dict[str, Departure],
) -> None:
    gas = atmosphere.gas
    for line in hydrogen.lines(grid[0] - 30, grid[-1] + 60):
        if line.charge == 2 and gas.temperature[-12] < 18000:
            continue
        half = 0.035 * line.wave if line.upper < line.lower + 5 else 0.02 * line.wave
        low, high = np.searchsorted(grid, (line.wave - half, line.wave + half))
        if high <= low:
            continue
        emission = -np.expm1(-C2 / (line.wave * gas.temperature))
        found = hydrogen.opacity(grid[low:high], line, gas, atmosphere.turbulence)
        departs = departure[departures.series_group(line.charge, line.lower)]
        found = departs.opacity * found * emission[:, None]
        total[:, low:high] += found
        if dark is not None and departs.source != 1:
            dark[:, low:high] += departs.dark(atmosphere.tau)[:, None] * found


def _add_line(
    total: Floats, dark: Floats | None, grid: Floats, chosen: _Chosen, temperature: Floats
) -> None:
    wave, doppler, a = chosen.line.wave, chosen.doppler, chosen.damping
    emission = -np.expm1(-C2 / (wave * temperature))
    scale = chosen.strength * emission * wave**2 / 2.99792458e18 / (1.7725 * doppler)
    core = min(5.0 * float(doppler.max()), chosen.reach)
    edges = wave + np.array([-chosen.reach, -core, core, chosen.reach])
    start, left, right, stop = np.searchsorted(grid, edges)
    shape = metal_lines.voigt
    for low, high, profile in ((start, left, _wing), (left, right, shape), (right, stop, _wing)):
        if high > low:
            u = (grid[low:high] - wave)[None, :] / doppler[:, None]
            found = scale[:, None] * profile(u, a[:, None])
            total[:, low:high] += found
            if dark is not None and chosen.dark is not None:
                dark[:, low:high] += chosen.dark[:, None] * found


def _wing(u: Floats, a: Floats) -> Floats:
    """Voigt function far from the core."""
    square = u * u + a * a
    return np.asarray(a / 1.7725 / square * (1 + 1.5 / square), dtype=np.float64)


def _behind_bands(total: Floats, grid: Floats, atmosphere: Atmosphere) -> Floats:
    """Flux through molecular bands whose lines are narrower than the grid: a picket fence.

    A share `FILLED` of the wavelengths lies within lines, where a band's opacity is gathered; the
    rest sees none of it. So a band saturates as its lines do, not as a smooth absorber would.
    """
    if atmosphere.gas.temperature[0] > _BANDS_BELOW:
        return _flux(total, grid, atmosphere)
    first, last = np.searchsorted(grid, molecules.G_BAND)
    at, found = molecules.resolved(atmosphere.gas, atmosphere.turbulence)
    total[:, first:last] += _spread(found, at, grid[first:last])
    # From the light between all lines to that behind all of them: the widest kind comes first.
    flux, weight = np.zeros(len(grid)), 1 - FILLED[0][1]
    shares = [share for _, share in FILLED]
    for (names, share), next_ in zip(FILLED, [*shares[1:], 0.0], strict=True):
        band = _bands(atmosphere.gas, names, grid) / share
        if molecules.RESOLVED in names:
            others = tuple(name for name in names if name != molecules.RESOLVED)
            band[:, first:last] = _bands(atmosphere.gas, others, grid[first:last]) / share
        if (band > _WEAK * total).any():
            flux += weight * _flux(total, grid, atmosphere)
            total, weight = total + band, 0.0
        weight += share - next_
    return flux + weight * _flux(total, grid, atmosphere)


# Molecules by the share of the wavelengths of a band that their lines cover: Doppler width over
# mean spacing. MgH has six branches of lines 12 cm-1 apart, three bands on top of each other, and
# lines of some 0.2 cm-1 where they are strong.
FILLED = ((molecules.DENSE, 0.8), (molecules.OPEN, 0.6), (molecules.SPARSE, 0.2))
_BANDS_BELOW = 5400.0  # surface temperature [K] under which molecules are counted


def _bands(gas: Gas, names: tuple[str, ...], grid: Floats) -> Floats:
    step, first = 2 * STEP, float(_COARSE[0])
    found = molecules.opacity(gas, names, first=first, last=float(_COARSE[-1]), step=step)
    at = first * np.exp(step * np.arange(found.shape[1]))
    return _spread(found, at, grid)


def _veil(gas: Gas, grid: Floats, background: Floats) -> Floats:
    """Weak lines of neutral iron-group atoms, thousands of them, as a smooth opacity.

    Its run with wavelength follows the density of such lines in the Sun's spectrum (Moore, Minnaert
    & Houtgast 1966), which falls by e in some 350 Angstrom; its amount was set against spectra of
    G and K dwarfs. In M stars the blue systems of TiO and molecules that are not in this model
    (CaOH, AlO) take its place, counted here by the number of TiO molecules.
    """
    iron = gas.stages["Fe"][0] * np.exp(-3.0 / (K_EV * gas.temperature))
    # Below 4000 Angstrom the list itself is dense.
    redward = np.clip(grid - 4000, 0, None)
    run = 0.85 * np.exp(-redward / 350) + 0.15 * np.exp(-redward / 2000)
    run = run * np.exp(-np.clip(4000 - grid, 0, None) / 80)
    oxide = np.clip((5500.0 - grid) / 900.0, 0.0, 1.0)
    weak = VEIL * iron[:, None] * run
    # Weak lines leave light between them: they cannot do more than triple the opacity.
    weak = weak / (1 + weak / (2 * background))
    return np.asarray(weak + VEIL_OXIDE * gas.molecules["TiO"][:, None] * oxide, dtype=np.float32)


VEIL = 4e-17  # cm2 an excited iron atom at 4000 Angstrom
VEIL_OXIDE = 4e-18  # cm2 a TiO molecule in the blue, where its weaker systems crowd


def _flux(
    opacity: Floats, grid: Floats, atmosphere: Atmosphere, dark: Floats | None = None
) -> Floats:
    """Formal solution: integral of the source function over the third exponential integral.

    `dark`: the part of the opacity that absorbs and sends nothing out.
    """
    tau = atmosphere.tau
    ratio = opacity / atmosphere.opacity[:, None].astype(np.float32)
    # d tau_lambda = ratio d tau; trapezoid in ln tau, where the layers are evenly spaced.
    scaled = ratio * tau[:, None].astype(np.float32)
    step = np.float32(np.log(tau[1] / tau[0]))
    depth = np.cumsum(0.5 * step * (scaled[1:] + scaled[:-1]), axis=0, dtype=np.float32)
    depth = np.concatenate([scaled[:1], scaled[:1] + depth])
    source = _planck(grid, atmosphere.gas.temperature)
    if dark is not None:
        source = source * (1 - dark / opacity).astype(np.float32)
    e3 = _third_exponential(depth)
    middle = 0.5 * (source[1:] + source[:-1])
    flux = 2 * ((e3[:-1] - e3[1:]) * middle).sum(axis=0)
    flux += 2 * (0.5 - e3[0]) * source[0] + 2 * e3[-1] * source[-1]
    return np.asarray(np.pi * flux, dtype=np.float64)


def _planck(wave: Floats, temperature: Floats) -> NDArray[np.float32]:
    x = C2 / (wave[None, :] * temperature[:, None])
    value = 1.191043e27 / wave[None, :] ** 5 / np.expm1(np.clip(x, 1e-6, 80))
    return np.asarray(value, dtype=np.float32)


def _table() -> tuple[float, float, NDArray[np.float32]]:
    from scipy.special import expn

    x = np.linspace(-7.0, 1.8, 4000)
    return float(x[0]), float(x[1] - x[0]), np.asarray(expn(3, 10**x), dtype=np.float32)


_E3: list[tuple[float, float, NDArray[np.float32]]] = []


def _third_exponential(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    if not _E3:
        _E3.append(_table())
    start, step, table = _E3[0]
    place = (np.log10(np.maximum(depth, 1e-7, dtype=np.float32)) - start) / step
    place = np.clip(place, 0, len(table) - 1.001)
    low = place.astype(np.int32)
    part = (place - low).astype(np.float32)
    return np.asarray(table[low] * (1 - part) + table[low + 1] * part, dtype=np.float32)


def _rebin(flux: Floats, grid: Floats) -> Floats:
    """Mean flux in the pixels of `WAVE` (flux is conserved)."""
    total = np.concatenate([[0.0], np.cumsum(0.5 * (flux[1:] + flux[:-1]) * np.diff(grid))])
    edges = np.concatenate([WAVE * np.exp(-STEP / 2), WAVE[-1:] * np.exp(STEP / 2)])
    return np.asarray(np.diff(np.interp(edges, grid, total)) / np.diff(edges), dtype=np.float64)
