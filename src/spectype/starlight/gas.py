"""The gas of an atmosphere in local thermodynamic equilibrium: ions, electrons, molecules.

Sources. Abundances: Asplund, Grevesse, Sauval & Scott 2009 (ARA&A 47, 481). Ionisation energies,
statistical weights and energies of the low terms that make up the partition functions: NIST Atomic
Spectra Database (terms grouped, rounded), in `elements.txt`. Dissociation energies and constants
of molecules: Huber & Herzberg 1979 (Constants of Diatomic Molecules); TiO and CN after Costes &
Naulin 1994 (Lecture Notes in Physics 428, 250).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
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
    text = files("spectype.starlight").joinpath("elements.txt").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
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


ALPHA = ("O", "Ne", "Mg", "Si", "S", "Ca", "Ti")


def abundances(feh: float, carbon: float = 0.0) -> dict[str, float]:
    """Number of atoms per hydrogen nucleus; metals scale with 10**[Fe/H].

    The alpha elements of metal-poor stars are 0.4 dex above iron, reached at [Fe/H] -1, as in the
    standard composition of MARCS (Gustafsson et al. 2008). `carbon`: [C/Fe].
    """
    alpha = 0.4 * float(np.clip(-feh, 0.0, 1.0))
    found = {}
    for name, e in ELEMENTS.items():
        metals = 0.0 if name in ("H", "He") else feh
        extra = alpha if name in ALPHA else carbon if name == "C" else 0.0
        found[name] = float(10 ** (e.abundance - 12 + metals + extra))
    return found


def carbon_left(logg: float, feh: float) -> float:
    """[C/Fe] of metal-poor giants, which have burnt some of it.

    After Gratton et al. 2000 (A&A 354, 169): the first dredge-up takes little, mixing above the
    bump of the giant branch, at log g 2, leaves a quarter. Half-way there at [Fe/H] -0.75.
    """
    poor = float(np.clip(-feh - 0.25, 0.0, 1.0))
    return poor * float(np.interp(logg, [1.4, 2.2, 3.2, 3.8], [-0.6, -0.35, -0.2, 0.0]))


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


def solve(temperature: Any, pressure: Any, feh: float = 0.0, carbon: float = 0.0) -> Gas:
    """State of the gas at temperature [K] and gas pressure [dyn/cm2], any common shape.

    `carbon`: [C/Fe].
    """
    t = np.asarray(temperature, dtype=np.float64)
    total = np.asarray(pressure, dtype=np.float64) / (K_ERG * t)
    parts = abundances(feh, carbon)
    per_hydrogen = sum(parts.values())
    factors = {name: saha(name, t) for name in parts}
    boost = np.ones_like(t)
    # Where hydrogen is molecular there are more nuclei, and metals, a particle: twice is enough.
    for _ in range(2 if t.min() < 4500 else 1):
        electrons = _electrons(total, boost / per_hydrogen, parts, factors)
        shares = {name: ion_fractions(factors[name], electrons) for name in parts}
        hydrogen, h2 = _with_h2(t, total - electrons, shares["H"][0], per_hydrogen)
        boost = hydrogen * per_hydrogen / (total - electrons)
    weight = sum(parts[name] * ELEMENTS[name].mass for name in parts)
    stages = {name: hydrogen * parts[name] * shares[name] for name in parts}
    stages["H"] = stages["H"] * np.clip(1 - 2 * h2 / hydrogen, 1e-6, 1)
    return Gas(
        temperature=t, electrons=electrons, hydrogen=hydrogen,
        density=hydrogen * weight * 1.6605e-24, stages=stages,
        molecules={"H2": h2, **_molecules(t, stages)},
    )  # fmt: skip


def _electrons(
    total: Floats, nuclei: Floats, parts: dict[str, float], factors: dict[str, list[Floats]]
) -> Floats:
    """Electrons [cm-3] among `total` particles; `nuclei`: hydrogen nuclei a heavy particle."""
    low, high = np.full(total.shape, -12.0), np.full(total.shape, np.log10(0.55))
    for _ in range(30):  # bisection in the logarithm of the electrons' share of all particles
        middle = 0.5 * (low + high)
        electrons = total * 10**middle
        made = np.zeros_like(total)
        for name, amount in parts.items():
            fractions = ion_fractions(factors[name], electrons)
            made += amount * sum(i * f for i, f in enumerate(fractions))
        more = made * nuclei * (total - electrons) > electrons
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    return np.asarray(total * 10**high, dtype=np.float64)


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
    for _ in range(25):  # damped fixed point: every atom given what its partners leave free
        bound = {
            "C": k["CH"] * hydrogen + k["CN"] * free["N"] + 2 * k["C2"] * free["C"],
            "O": k["OH"] * hydrogen + k["SiO"] * free["Si"] + k["TiO"] * free["Ti"],
            "N": 2 * k["N2"] * free["N"] + k["CN"] * free["C"],
            "Si": k["SiO"] * free["O"], "Ti": k["TiO"] * free["O"], "V": k["VO"] * free["O"],
            "Ca": k["CaH"] * hydrogen, "Mg": k["MgH"] * hydrogen,
        }  # fmt: skip
        # Carbon monoxide takes nearly all of its rarer partner: solved, not iterated.
        both = (1 + bound["C"]) * (1 + bound["O"]) / np.maximum(k["CO"], 1e-100)
        half = 0.5 * (total["C"] + total["O"] + both)
        product = total["C"] * total["O"]
        monoxide = product / (half + np.sqrt(np.maximum(half**2 - product, 0)))
        for name, ratio in bound.items():
            left = total[name] - (monoxide if name in "CO" else 0.0)
            free[name] = np.sqrt(free[name] * np.maximum(left, 1e-30 * total[name]) / (1 + ratio))
    for name, value in free.items():
        # Ions follow the free neutral atoms, as Saha's equation asks.
        stages[name] = stages[name] * (value / np.maximum(total[name], 1e-300))
    atoms = {**free, "H": hydrogen}
    return {
        m: k[m] * atoms[MOLECULES[m][0]] * atoms[MOLECULES[m][1]] for m in k
    }  # fmt: skip
