"""The gas of an atmosphere in local thermodynamic equilibrium: ions, electrons, molecules.

Sources. Abundances: Asplund, Grevesse, Sauval & Scott 2009 (ARA&A 47, 481). Ionisation energies,
statistical weights and energies of the low terms that make up the partition functions: NIST Atomic
Spectra Database (terms grouped, rounded). Dissociation energies and molecular constants: Huber &
Herzberg 1979 (Constants of Diatomic Molecules); TiO and CN after Costes & Naulin 1994 (LNP 428, 250).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

K_ERG = 1.380649e-16  # erg/K
K_EV = 8.617333e-5  # eV/K
H_ERG = 6.62607015e-27  # erg s
LIGHT = 2.99792458e10  # cm/s
MASS_H = 1.6735575e-24  # g
MASS_E = 9.1093837e-28  # g
CM_EV = 1.239842e-4  # eV of a wavenumber of 1 cm-1

# element | log abundance | atomic mass | ionisation energies [eV] |
# terms of each stage as weight@energy[eV]; stages separated by ;
_ELEMENTS = """
H  |12.00| 1.008|13.598|2@0 8@10.2; 1@0
He |10.93| 4.003|24.587 54.418|1@0 3@19.82 1@20.62 9@20.96 3@21.22; 2@0 8@40.8; 1@0
C  | 8.43|12.011|11.260 24.383 47.888 64.494|9@0.004 5@1.26 1@2.68 5@4.18; 6@0.006 12@5.33 10@9.29; 1@0 9@6.50; 2@0 6@8.0; 1@0
N  | 7.83|14.007|14.534 29.601 47.449 77.474|4@0 10@2.38 6@3.58; 9@0.014 5@1.90 1@4.05 5@5.8; 6@0.015 12@7.1 10@12.5; 1@0 9@8.34; 2@0
O  | 8.69|15.999|13.618 35.121 54.936 77.414|9@0.01 5@1.97 1@4.19; 4@0 10@3.33 6@5.02; 9@0.027 5@2.51 1@5.35; 6@0.03 12@8.9; 1@0
Ne | 7.93|20.180|21.565 40.963 63.423|1@0; 6@0.03; 9@0.05 5@3.2; 4@0
Na | 6.24|22.990|5.139 47.286|2@0 6@2.10 2@3.19 10@3.62; 1@0; 6@0
Mg | 7.60|24.305|7.646 15.035 80.144|1@0 9@2.71 3@4.35; 2@0 6@4.43 2@8.66 10@8.86; 1@0; 6@0
Al | 6.45|26.982|5.986 18.829 28.448|6@0.009 2@3.14 12@3.6 10@4.02; 1@0 9@4.64; 2@0 6@6.7; 1@0
Si | 7.51|28.085|8.152 16.346 33.493 45.142|9@0.02 5@0.78 1@1.91 5@4.13; 6@0.024 12@5.33 10@6.86 2@8.12 10@9.84; 1@0 9@6.57 3@10.28; 2@0 6@8.87; 1@0
S  | 7.12|32.060|10.360 23.338 34.790|9@0.02 5@1.15 1@2.75; 4@0 10@1.84 6@3.04; 9@0.06 5@1.40; 6@0.08
K  | 5.03|39.098|4.341 31.630|2@0 6@1.61 2@2.61 10@2.67; 1@0; 6@0
Ca | 6.34|40.078|6.113 11.872 50.913|1@0 9@1.89 15@2.52 5@2.71 3@2.93; 2@0 10@1.70 6@3.14; 1@0; 6@0
Sc | 3.15|44.956|6.561 12.800 24.757|10@0.01 28@1.44 14@1.85 30@2.1; 15@0.01 5@0.32 21@0.61 5@1.36 9@1.5 9@1.77; 10@0.02; 1@0
Ti | 4.95|47.867|6.828 13.576 27.492|21@0.02 35@0.83 5@0.90 9@1.05 21@1.44 9@1.50 15@1.74 60@2.1 80@2.5; 28@0.03 28@0.13 14@0.59 10@1.08 18@1.12 12@1.18 10@1.23 18@1.57 30@1.9; 21@0.03 5@1.05; 10@0
V  | 3.93|50.942|6.746 14.618 29.311|28@0.04 30@0.28 28@1.06 12@1.19 30@1.4 70@2.1 90@2.5; 25@0.03 35@0.36 15@1.10 21@1.12 33@1.6 40@1.9; 28@0.05; 21@0
Cr | 5.64|51.996|6.767 16.486 30.959|7@0 5@0.94 25@1.00 27@2.54 21@2.7 35@2.9; 6@0 30@1.51 20@2.45 12@2.72 28@3.75 50@3.9; 25@0.05; 28@0
Mn | 5.43|54.938|7.434 15.640 33.668|6@0 30@2.14 24@2.28 20@3.0; 7@0 5@1.17 25@1.80 27@3.5 25@3.7; 6@0; 25@0
Fe | 7.50|55.845|7.902 16.199 30.651|25@0.05 35@0.93 21@1.54 15@2.20 49@2.47 27@2.55 80@2.95 80@3.3; 30@0.05 28@0.30 20@1.04 12@1.69 18@1.98 30@2.6 80@3.0; 25@0.06 60@2.6; 30@0
Co | 4.99|58.933|7.881 17.084 33.500|28@0.10 28@0.54 14@0.97 12@1.74 60@2.4; 21@0.09 35@0.48 21@1.30 15@2.2; 28@0.1; 25@0
Ni | 6.22|58.693|7.640 18.169 35.187|21@0.13 15@0.11 5@0.42 5@1.68 9@1.95 60@3.3; 10@0.07 28@1.13 14@1.75 12@2.9; 21@0.1; 28@0
Sr | 2.87|87.620|5.695 11.030 42.884|1@0 9@1.82 15@2.26; 2@0 10@1.82 6@3.02; 1@0; 6@0
Y  | 2.21|88.906|6.217 12.224 20.525|10@0.04 28@1.38 30@1.9; 1@0 15@0.13 5@0.41 21@1.03 9@1.73; 10@0.05; 1@0
Zr | 2.58|91.224|6.634 13.130 23.170|21@0.1 35@0.66 20@0.6 30@1.3; 28@0.09 28@0.4 24@0.6 40@1.0; 21@0.1; 10@0
Ba | 2.18|137.33|5.212 10.004 35.840|1@0 15@1.17 5@1.41 9@1.6; 2@0 10@0.66 6@2.65; 1@0; 6@0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element: abundance (log, H = 12), mass [u], ionisation energies [eV], terms."""

    name: str
    abundance: float
    mass: float
    energies: tuple[float, ...]
    terms: tuple[tuple[tuple[float, float], ...], ...]


def _read() -> dict[str, Element]:
    found = {}
    for line in _ELEMENTS.strip().splitlines():
        name, abundance, mass, energies, stages = (part.strip() for part in line.split("|"))
        terms = tuple(
            tuple((float(g), float(e)) for g, e in (t.split("@") for t in stage.split()))
            for stage in stages.split(";")
        )
        found[name] = Element(
            name=name, abundance=float(abundance), mass=float(mass),
            energies=tuple(float(e) for e in energies.split()), terms=terms,
        )  # fmt: skip
    return found


ELEMENTS = _read()

# molecule: atoms, dissociation energy [eV], lower states as (weight, energy [cm-1]), harmonic
# wavenumber, rotational constant [cm-1], symmetry number.
MOLECULES: dict[str, tuple[str, str, float, tuple[tuple[float, float], ...], float, float, int]] = {
    "H2": ("H", "H", 4.478, ((1, 0),), 4401.2, 60.853, 2),
    "CO": ("C", "O", 11.09, ((1, 0),), 2169.8, 1.9313, 1),
    "CH": ("C", "H", 3.465, ((4, 0),), 2858.5, 14.457, 1),
    "CN": ("C", "N", 7.76, ((2, 0), (4, 9243)), 2068.6, 1.8997, 1),
    "C2": ("C", "C", 6.21, ((1, 0), (6, 716)), 1854.7, 1.8198, 2),
    "TiO": ("Ti", "O", 6.87, ((2, 0), (2, 101), (2, 202), (2, 3444)), 1009.0, 0.5354, 1),
    "VO": ("V", "O", 6.44, ((4, 0),), 1011.3, 0.5483, 1),
    "MgH": ("Mg", "H", 1.285, ((2, 0),), 1495.2, 5.8257, 1),
    "CaH": ("Ca", "H", 1.70, ((2, 0),), 1298.3, 4.2766, 1),
    "OH": ("O", "H", 4.392, ((4, 0),), 3737.8, 18.911, 1),
    "SiO": ("Si", "O", 8.26, ((1, 0),), 1241.6, 0.7268, 1),
    "N2": ("N", "N", 9.759, ((1, 0),), 2358.6, 1.9982, 2),
}


def partition(name: str, stage: int, temperature: Floats) -> Floats:
    """Partition function of an ion (stage 0 is neutral)."""
    terms = ELEMENTS[name].terms[stage]
    return np.asarray(sum(g * np.exp(-e / (K_EV * temperature)) for g, e in terms), np.float64)


def saha(name: str, temperature: Floats) -> list[Floats]:
    """n(next stage) n(electrons) / n(stage) of each stage of an element [cm-3]."""
    density = 2 * (2 * np.pi * MASS_E * K_ERG * temperature / H_ERG**2) ** 1.5
    lowest = partition(name, 0, temperature)
    found = []
    for stage, energy in enumerate(ELEMENTS[name].energies):
        above = partition(name, stage + 1, temperature)
        factor = density * above / lowest * np.exp(-energy / (K_EV * temperature))
        found.append(np.asarray(np.maximum(factor, 1e-60), dtype=np.float64))
        lowest = above
    return found


def ion_fractions(factors: list[Floats], electrons: Floats) -> Floats:
    """Shares of an element's stages, shape (n_stages, ...), from its `saha` factors."""
    ratios = [np.ones_like(electrons)]
    for factor in factors:
        ratios.append(ratios[-1] * np.minimum(factor / electrons, 1e40))
    stacked = np.stack(ratios)
    return np.asarray(stacked / stacked.sum(axis=0), dtype=np.float64)


def molecular_partition(name: str, temperature: Floats) -> Floats:
    """Rigid rotor, harmonic oscillator, electronic weights."""
    _, _, _, states, omega, rotation, symmetry = MOLECULES[name]
    hckt = 1.438777 / temperature
    electronic = sum(g * np.exp(-e * hckt) for g, e in states)
    return np.asarray(electronic / (symmetry * rotation * hckt) / -np.expm1(-omega * hckt))


def association(name: str, temperature: Floats) -> Floats:
    """n(AB) / (n(A) n(B)) of neutral atoms [cm3] (Guldberg-Waage)."""
    a, b, energy = MOLECULES[name][:3]
    mass = ELEMENTS[a].mass * ELEMENTS[b].mass / (ELEMENTS[a].mass + ELEMENTS[b].mass) * MASS_H
    volume = (H_ERG**2 / (2 * np.pi * mass * K_ERG * temperature)) ** 1.5
    atoms = partition(a, 0, temperature) * partition(b, 0, temperature)
    factor = molecular_partition(name, temperature) / atoms
    return np.asarray(volume * factor * np.exp(np.clip(energy / (K_EV * temperature), 0, 200)))


def abundances(feh: float) -> dict[str, float]:
    """Number of atoms per hydrogen nucleus; metals scale with 10**[Fe/H]."""
    return {
        name: 10 ** (e.abundance - 12 + (0.0 if name in ("H", "He") else feh))
        for name, e in ELEMENTS.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Gas:
    """The state of the gas at points of temperature [K] and pressure [dyn/cm2].

    Every field is an array of the shape of `temperature`, or a mapping to such arrays:
    `electrons` and `hydrogen` (nuclei) in cm-3, `density` in g/cm3, `stages[name]` the number
    densities of an element's ions [cm-3], `molecules[name]` those of molecules.
    """

    temperature: Floats
    electrons: Floats
    hydrogen: Floats
    density: Floats
    stages: dict[str, Floats]
    molecules: dict[str, Floats]


def solve(temperature: Any, pressure: Any, feh: float = 0.0) -> Gas:
    """State of the gas at temperature [K] and gas pressure [dyn/cm2], any common shape."""
    t = np.asarray(temperature, dtype=np.float64)
    total = np.asarray(pressure, dtype=np.float64) / (K_ERG * t)
    parts = abundances(feh)
    per_hydrogen = sum(parts.values())
    factors = {name: saha(name, t) for name in parts}
    low, high = np.full(t.shape, -12.0), np.full(t.shape, np.log10(0.55))
    for _ in range(30):  # bisection in the logarithm of the electrons' share of all particles
        middle = 0.5 * (low + high)
        electrons = total * 10**middle
        nuclei = (total - electrons) / per_hydrogen
        made = np.zeros_like(t)
        for name, amount in parts.items():
            fractions = ion_fractions(factors[name], electrons)
            made += nuclei * amount * sum(i * f for i, f in enumerate(fractions))
        more = made > electrons
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    electrons = total * 10**high
    shares = {name: ion_fractions(factors[name], electrons) for name in parts}
    hydrogen, h2 = _with_h2(t, total - electrons, shares["H"][0], per_hydrogen)
    weight = sum(parts[name] * ELEMENTS[name].mass for name in parts)
    stages = {name: hydrogen * parts[name] * shares[name] for name in parts}
    stages["H"] = stages["H"] * np.clip(1 - 2 * h2 / hydrogen, 1e-6, 1)
    return Gas(
        temperature=t, electrons=electrons, hydrogen=hydrogen,
        density=hydrogen * weight * 1.6605e-24, stages=stages,
        molecules={"H2": h2, **_molecules(t, stages)},
    )  # fmt: skip


def _with_h2(
    t: Floats, particles: Floats, neutral: Floats, per_hydrogen: float
) -> tuple[Floats, Floats]:
    """Hydrogen nuclei and H2 molecules [cm-3] for this many heavy particles."""
    k = np.where(t < 9000, association("H2", t), 0.0)
    nuclei = particles / per_hydrogen
    h2 = np.zeros_like(t)
    for _ in range(8):
        x = nuclei * neutral
        free = np.where(k * x > 1e-8, (np.sqrt(1 + 8 * k * x) - 1) / np.maximum(4 * k, 1e-300), x)
        h2 = k * free**2
        nuclei = (particles + h2) / per_hydrogen
    return nuclei, np.minimum(h2, 0.4999 * nuclei)


def _molecules(t: Floats, stages: dict[str, Floats]) -> dict[str, Floats]:
    """Molecules with optical bands; those that bind C, N and O reduce the free atoms first.

    `stages` is changed: the neutral atoms that remain free.
    """
    cool = t < 8000
    k = {m: np.where(cool, association(m, t), 0.0) for m in MOLECULES if m != "H2"}
    free = {name: stages[name][0].copy() for name in ("C", "N", "O", "Si", "Ti", "V", "Ca", "Mg")}
    total = {name: value.copy() for name, value in free.items()}
    hydrogen = stages["H"][0]
    for _ in range(60):  # damped fixed point: every atom given what its partners leave free
        bound = {
            "C": k["CO"] * free["O"] + k["CH"] * hydrogen + k["CN"] * free["N"] + 2 * k["C2"] * free["C"],
            "O": k["CO"] * free["C"] + k["OH"] * hydrogen + k["SiO"] * free["Si"] + k["TiO"] * free["Ti"],
            "N": 2 * k["N2"] * free["N"] + k["CN"] * free["C"],
            "Si": k["SiO"] * free["O"], "Ti": k["TiO"] * free["O"], "V": k["VO"] * free["O"],
            "Ca": k["CaH"] * hydrogen, "Mg": k["MgH"] * hydrogen,
        }  # fmt: skip
        for name, ratio in bound.items():
            free[name] = np.sqrt(free[name] * total[name] / (1 + ratio))
    for name, value in free.items():
        # Ions follow the free neutral atoms, as Saha's equation asks.
        stages[name] = stages[name] * (value / np.maximum(total[name], 1e-300))
    atoms = {**free, "H": hydrogen}
    return {
        m: k[m] * atoms[MOLECULES[m][0]] * atoms[MOLECULES[m][1]] for m in k
    }  # fmt: skip
