"""Bands of diatomic molecules: every rotational line of a rigid rotor, smeared on a fine grid.

Constants: Huber & Herzberg 1979 (Constants of Diatomic Molecules). Oscillator strengths: TiO in
the ratios of Hedgecock, Naulin & Costes 1995 (A&A 304, 667) and Davis, Littleton & Phillips 1986
(ApJ 309, 449), all scaled by a quarter (beta and epsilon by less), which brings the bands of M2 III
and M3 V to those observed and stands for what the smeared bands and the simple atmosphere get
wrong; VO: round values that fit the same stars; CN: Bauschlicher, Langhoff & Taylor 1988 (ApJ
332, 531); CH: Larsson & Siegbahn 1983; C2: Grevesse et al. 1991 (A&A 242, 488); MgH and CaH: Weck
et al. 2003 and values of Kurucz's lists. Franck-Condon factors: those of displaced harmonic
oscillators.

The model keeps the heads, the degradation and the dependence on temperature of the real bands; it
has neither spin splitting within a component nor perturbations.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spectype.starlight.gas import (
    ELEMENTS,
    K_ERG,
    LIGHT,
    MASS_H,
    MOLECULES,
    Gas,
    molecular_partition,
)

Floats = NDArray[np.float64]
TEMPERATURES: Floats = np.geomspace(1800.0, 7000.0, 12)
_LEVELS = 5  # vibrational levels of each state


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """An electronic system: upper and lower state (omega, B [cm-1], r [Angstrom]).

    `origins`: wavenumbers of the (0, 0) bands of its spin components [cm-1] with the energy of
    each component's lower state [cm-1] and its share of the weight; `strength`: electronic
    absorption oscillator strength; `parallel`: no Q branch; `doubling`: constants [cm-1] of the
    splitting of the lower state's levels by Lambda doubling, q N (N + 1), and by spin, s / N;
    `vibration`: anharmonicity and vibration-rotation constants [cm-1], x and alpha of the upper
    state, x and alpha of the lower; without them x is 0.005 omega and alpha 0.
    """

    molecule: str
    name: str
    upper: tuple[float, float, float]
    lower: tuple[float, float, float]
    origins: tuple[tuple[float, float, float], ...]
    strength: float
    parallel: bool = False
    doubling: tuple[float, float] = (0.0, 0.0)
    vibration: tuple[float, float, float, float] | None = None


_TIO = (1009.0, 0.5354, 1.6202)
_SPIN = ((0.0, 2.0), (101.0, 2.0), (202.0, 2.0))  # energy and weight of X 3Delta 1, 2, 3


def _triplet(*waves: float) -> tuple[tuple[float, float, float], ...]:
    return tuple((1e8 / w, e, g) for w, (e, g) in zip(waves, _SPIN, strict=True))


def _below_heads(
    upper: float, lower: float, *waves: float
) -> tuple[tuple[float, float, float], ...]:
    """Origins of a triplet from its observed heads [vacuum Angstrom].

    The R branch turns back (upper + lower)^2 / 4 (lower - upper) above the origin (Herzberg 1950,
    Spectra of Diatomic Molecules, p. 171), with the states' rotational constants [cm-1]. Heads:
    Pearse & Gaydon 1976.
    """
    turn = (upper + lower) ** 2 / (4 * (lower - upper))
    return tuple((1e8 / w - turn, e, g) for w, (e, g) in zip(waves, _SPIN, strict=True))


SYSTEMS = (
    System(molecule="TiO", name="alpha", upper=(838.3, 0.4899, 1.694), lower=_TIO, strength=0.025,
           origins=_triplet(5168.5, 5168.0, 5167.5), parallel=True),
    System(molecule="TiO", name="gamma'", upper=(875.0, 0.5062, 1.664), lower=_TIO, strength=0.022,
           origins=_triplet(6161.0, 6188.0, 6216.5)),
    System(molecule="TiO", name="gamma", upper=(867.8, 0.5074, 1.6643), lower=_TIO, strength=0.022,
           origins=_below_heads(0.5074, 0.5354, 7056.1, 7089.6, 7127.6)),
    System(molecule="TiO", name="epsilon", upper=(924.2, 0.5170, 1.649), lower=_TIO,
           strength=0.0015,
           origins=_triplet(8435.0, 8445.0, 8455.0)),
    System(molecule="TiO", name="beta", upper=(917.6, 0.5230, 1.639), lower=(1018.3, 0.5376, 1.617),
           strength=0.018, origins=((1e8 / 5599.0, 3444.0, 2.0),)),
    System(molecule="TiO", name="delta", upper=(919.8, 0.5134, 1.6546),
           lower=(1018.3, 0.5376, 1.617), strength=0.015, origins=((1e8 / 8862.0, 3444.0, 2.0),)),
    System(molecule="VO", name="C-X", upper=(863.0, 0.4938, 1.675), lower=(1011.3, 0.5483, 1.589),
           strength=0.05, origins=((1e8 / 5738.0, 0.0, 4.0),), parallel=True),
    System(molecule="VO", name="B-X", upper=(910.0, 0.5126, 1.644), lower=(1011.3, 0.5483, 1.589),
           strength=0.04, origins=((1e8 / 7867.0, 0.0, 1.0), (1e8 / 7899.0, 0.0, 1.0),
                                   (1e8 / 7942.0, 0.0, 1.0), (1e8 / 7975.0, 0.0, 1.0))),
    System(molecule="CN", name="violet", upper=(2163.9, 1.9730, 1.1500),
           lower=(2068.6, 1.8997, 1.1718), strength=0.0367, origins=((25797.8, 0.0, 2.0),),
           parallel=True),
    System(molecule="CN", name="red", upper=(1812.6, 1.7151, 1.2333),
           lower=(2068.6, 1.8997, 1.1718), strength=0.0045,
           origins=((9115.0, 0.0, 1.0), (9063.0, 0.0, 1.0))),
    # Origins less Lambda squared times B, upper less lower state.
    System(molecule="CH", name="A-X", upper=(2930.7, 14.58, 1.1019), lower=(2858.5, 14.19, 1.1199),
           strength=0.0053, origins=((23173.4, 0.0, 4.0),), doubling=(0.0387, 14.2),
           vibration=(96.65, 0.697, 63.02, 0.534)),
    System(molecule="CH", name="B-X", upper=(2251.0, 12.64, 1.1640), lower=(2858.5, 14.19, 1.1199),
           strength=0.0031, origins=((25712.0, 0.0, 4.0),), doubling=(0.0387, 14.2),
           vibration=(229.0, 1.49, 63.02, 0.534)),
    System(molecule="C2", name="Swan", upper=(1788.2, 1.7527, 1.2661),
           lower=(1641.4, 1.6324, 1.3119), strength=0.033,
           origins=((19378.4, 716.0, 6.0),)),
    System(molecule="MgH", name="A-X", upper=(1598.2, 6.191, 1.6778),
           lower=(1495.2, 5.8257, 1.7297), strength=0.161,
           origins=((19261.0, 0.0, 1.0), (19296.0, 0.0, 1.0)),
           vibration=(31.1, 0.1931, 31.89, 0.1859)),
    System(molecule="CaH", name="A-X", upper=(1333.0, 4.348, 1.9863),
           lower=(1298.3, 4.2766, 2.0025), strength=0.12,
           origins=((14373.0, 0.0, 1.0), (14452.0, 0.0, 1.0))),
    System(molecule="CaH", name="B-X", upper=(1285.0, 4.497, 1.9740),
           lower=(1298.3, 4.2766, 2.0025), strength=0.05,
           origins=((15754.0, 0.0, 2.0),), parallel=True),
)  # fmt: skip


DENSE = ("TiO", "VO")  # so many lines that they overlap
OPEN = ("CH", "CN", "C2", "CaH")  # few enough that light passes between them
SPARSE = ("MgH",)  # still fewer
# CH in the G band: line by line, on a grid that resolves them [Angstrom, ln(wavelength)].
RESOLVED, G_BAND, FINE = "CH", (4180.0, 4420.0), 6e-6


def franck_condon(system: System) -> Floats:
    """Overlap squared of displaced harmonic oscillators, shape (v upper, v lower)."""
    a, b = MOLECULES[system.molecule][:2]
    mass = ELEMENTS[a].mass * ELEMENTS[b].mass / (ELEMENTS[a].mass + ELEMENTS[b].mass)
    x = np.linspace(-0.6, 0.9, 1201) + system.lower[2]
    upper = _oscillator(x, mass, system.upper[0], system.upper[2])
    lower = _oscillator(x, mass, system.lower[0], system.lower[2])
    return np.asarray(((upper @ lower.T) * (x[1] - x[0])) ** 2, dtype=np.float64)


def _oscillator(x: Floats, mass: float, omega: float, centre: float) -> Floats:
    """Wave functions of the lowest levels, shape (levels, len(x)); x in Angstrom, mass in u."""
    inverse = 0.172211 * np.sqrt(mass * omega)  # 1/Angstrom: sqrt(m w / hbar)
    q = (x - centre) * inverse
    waves = [np.sqrt(inverse) * np.pi**-0.25 * np.exp(-q * q / 2)]
    waves.append(np.sqrt(2) * q * waves[0])
    for n in range(2, _LEVELS):
        waves.append(np.sqrt(2 / n) * q * waves[-1] - np.sqrt((n - 1) / n) * waves[-2])
    return np.stack(waves)


@lru_cache(maxsize=3)
def cross_sections(
    first: float, last: float, step: float, names: tuple[str, ...] = ()
) -> dict[str, Floats]:
    """Cross-section of each molecule (of all, or these) [cm2] on a grid uniform in ln(wavelength).

    Shape (len(TEMPERATURES), n), from `first` to `last` [Angstrom, vacuum] by `step`.
    """
    n = int(np.ceil(np.log(last / first) / step)) + 1
    found: dict[str, Floats] = {}
    for system in SYSTEMS:
        if names and system.molecule not in names:
            continue
        table = found.setdefault(system.molecule, np.zeros((len(TEMPERATURES), n)))
        _add_system(table, system, first, step)
    return found


def _add_system(table: Floats, system: System, first: float, step: float) -> None:
    overlap = franck_condon(system)
    n = table.shape[1]
    hckt = 1.438777 / TEMPERATURES[:, None]
    parts = molecular_partition(system.molecule, TEMPERATURES)[:, None]
    rotor = 1 / (MOLECULES[system.molecule][6] * system.lower[1] * hckt)
    vibrator = 1 / -np.expm1(-system.lower[0] * hckt)
    for origin, energy, weight in system.origins:
        state = weight * np.exp(-energy * hckt) * rotor * vibrator / parts
        for up in range(_LEVELS):
            for low in range(_LEVELS):
                if overlap[up, low] < 2e-3:
                    continue
                centre = origin + _vibration(system, up, low)
                vibration = np.exp(-low * system.lower[0] * hckt) / vibrator
                wavenumber, share = _branches(system, centre, hckt, up, low)
                at = np.log(1e8 / np.maximum(wavenumber, 1.0) / first) / step
                amount = 8.8528e-13 * system.strength * overlap[up, low] * state * vibration * share
                # From an integral over wavenumber to one over the grid's bins.
                amount = amount / (wavenumber * step)
                inside = (at >= 0) & (at < n - 1)
                bins = at[inside].astype(np.int64)
                part = at[inside] - bins
                for row, value in zip(table, amount, strict=True):
                    row += np.bincount(bins, value[inside] * (1 - part), n)
                    row += np.bincount(bins + 1, value[inside] * part, n)


def _vibration(system: System, up: int, low: int) -> float:
    """Wavenumber of the band (up, low) from that of (0, 0) [cm-1]."""
    upper, lower = system.upper[0], system.lower[0]
    if system.vibration is None:
        return float(up * upper * (1 - 0.005 * up) - low * lower * (1 - 0.005 * low))
    x, _, y, _ = system.vibration
    return float(up * upper - x * up * (up + 1) - low * lower + y * low * (low + 1))


def _branches(
    system: System, centre: float, hckt: Floats, up: int, low: int
) -> tuple[Floats, Floats]:
    """Wavenumbers of the P, Q, R lines and their share of the band, (n_temperatures, n_lines)."""
    upper, lower = system.upper[1], system.lower[1]
    if system.vibration is not None:
        upper, lower = upper - up * system.vibration[1], lower - low * system.vibration[3]
    highest = int(min(220, 4.5 * np.sqrt(1 / (lower * hckt.min())))) + 4
    j = np.arange(1, highest, dtype=np.float64)
    population = (2 * j + 1) * lower * hckt * np.exp(-lower * j * (j + 1) * hckt)
    weights = (0.5, 0.0, 0.5) if system.parallel else (0.25, 0.5, 0.25)
    p = centre - (upper + lower) * j + (upper - lower) * j**2
    q = centre + (upper - lower) * j * (j + 1)
    r = centre + (upper + lower) * (j + 1) + (upper - lower) * (j + 1) ** 2
    share = np.concatenate([w * population for w in weights], axis=1)
    lines = np.concatenate([p, q, r])
    if not any(system.doubling):
        return lines, share
    split, spin = system.doubling
    a, b = np.tile(0.5 * split * j * (j + 1), 3), np.tile(0.5 * spin / j, 3)
    lines = np.concatenate([lines + a + b, lines + a - b, lines - a + b, lines - a - b])
    return lines, np.tile(0.25 * share, (1, 4))


def opacity(gas: Gas, names: tuple[str, ...], *, first: float, last: float, step: float) -> Floats:
    """Opacity of these molecules [cm-1] on the grid of `cross_sections`, shape (n_depths, n)."""
    tables = cross_sections(first, last, step)
    return np.asarray(sum(_at_depths(gas, name, tables[name]) for name in names))


def resolved(gas: Gas, turbulence: float) -> tuple[Floats, Floats]:
    """CH in the G band, line by line.

    Returns
    -------
    wave, opacity : ndarray, shapes (n,) and (n_depths, n)
        [Angstrom, vacuum], uniform in its logarithm; [cm-1].
    """
    from scipy.ndimage import gaussian_filter1d

    table = cross_sections(*G_BAND, FINE, (RESOLVED,))[RESOLVED]
    wave = G_BAND[0] * np.exp(FINE * np.arange(table.shape[1]))
    atoms = (ELEMENTS[name].mass for name in MOLECULES[RESOLVED][:2])
    thermal = 2 * K_ERG * TEMPERATURES / (sum(atoms) * MASS_H)
    sigma = np.sqrt(0.5 * (thermal + turbulence**2)) / LIGHT / FINE
    smooth = np.stack(
        [gaussian_filter1d(row, width) for row, width in zip(table, sigma, strict=True)]
    )
    return wave, _at_depths(gas, RESOLVED, smooth)


def _at_depths(gas: Gas, name: str, table: Floats) -> Floats:
    """Opacity [cm-1] of a molecule at every depth, from its table of cross-sections."""
    t = np.clip(gas.temperature, TEMPERATURES[0], TEMPERATURES[-1])
    place = np.interp(np.log(t), np.log(TEMPERATURES), np.arange(len(TEMPERATURES)))
    low = np.minimum(place.astype(np.int64), len(TEMPERATURES) - 2)
    part = (place - low)[:, None]
    mixed = table[low] * (1 - part) + table[low + 1] * part
    return np.asarray(gas.molecules[name][:, None] * mixed, dtype=np.float64)
