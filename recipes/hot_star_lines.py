"""Widths of the lines that type O, B and A stars: real stars of libraries against simulated ones.

    python recipes/hot_star_lines.py STORE [--fit ROUNDS]

Every star is compared with the simulated one of its own type and class, both at R = 1000, the
resolution of Jacoby's atlas. `--fit` measures the factors of `starlight/departures.py` on Jacoby's
atlas and MILES and prints them; the tables that follow are of these libraries, and of
MELCHIORS, STELIB and Indo-US, whose stars the others do not hold and on which nothing was fitted,
but for a second look at He I 6678 of dwarfs (docs/simulation.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from spectype.core.indices import equivalent_width
from spectype.core.spectra import Spectra
from spectype.dataset.store import Store
from spectype.fidelity.lines import line_index, width_index
from spectype.fidelity.ratios import BANDS as RATIO_BANDS
from spectype.generate.harmonise import harmonise, over_shape
from spectype.refine.atlas import turning
from spectype.refine.data import at_rest
from spectype.refine.plane import stars_at
from spectype.simulate import templates
from spectype.starlight import calibration, departures
from spectype.starlight.departures import OPACITY, SOURCE
from spectype.starlight.physics import STEP, WAVE, emergent_flux

RESOLVING_POWER = 1000.0
FITTED, JUDGED = ("jacoby", "miles"), ("melchiors", "stelib", "indo_us")
BANDS = {
    **RATIO_BANDS,
    "HeI4026": width_index("HeI4026", (4018.0, 4034.0), (4010.0, 4017.0), (4036.0, 4046.0)),
    "HeI6678": width_index("HeI6678", (6668.0, 6688.0), (6640.0, 6660.0), (6692.0, 6712.0)),
    "HeII5412": width_index("HeII5412", (5402.0, 5421.0), (5380.0, 5396.0), (5426.0, 5440.0)),
}
LINES = (
    "HeI4471", "HeI4026", "HeI6678", "HeII4541", "HeII5412", "HeII4686", "MgII4481", "SiIII4552",
    "SiIV4089", "Hbeta", "HgammaA", "HdeltaA", "Halpha",
)  # fmt: skip
# Group of departures: what is changed, the lines that measure it, the power by which it follows
# their widths, and the coolest knot [K] at which they exist.
GROUPS = {
    "H": (SOURCE, ("HgammaA", "HdeltaA"), -2.0, 10000.0),
    "He I": (SOURCE, ("HeI4471", "HeI4026"), -1.5, 10000.0),
    "He I red": (SOURCE, ("HeI6678",), -1.5, 10000.0),
    "He II": (OPACITY, ("HeII4541", "HeII5412"), 1.5, 27000.0),
    "Si IV": (OPACITY, ("SiIV4089",), 1.5, 22000.0),
    "He II 4686": (OPACITY, ("HeII4686",), 1.5, 27000.0),
}
_LIMITS = {True: (0.5, 30.0), False: (0.25, 1.2)}  # of factors on opacity, on the source
CODES = ((3, 7.5), (7.5, 9.9), (9.9, 11.5), (11.5, 14), (14, 17), (17, 20), (20, 22.5), (22.5, 26))
CLASSES = {"V": ("V", "IV"), "III": ("III", "II"), "I": ("I",)}
_EMISSION = -0.1  # width [Angstrom] below which a line is filled by a wind and says nothing
_NEAR = 0.10  # width of a knot in ln(temperature)
_DOUBT = 1.0  # stars' worth of belief that a factor is right as it is


@dataclass(frozen=True)
class Stars:
    """Real stars: places (n, 5), light (n, n_pix) at rest, where good, classes, libraries."""

    wave: np.ndarray
    at: np.ndarray
    flux: np.ndarray
    good: np.ndarray
    luminosity: np.ndarray
    fitted: np.ndarray


def real_stars(store: Store) -> Stars:
    """Hot stars of the libraries; those of both kinds of libraries count as fitted alone."""
    meta = store.meta.filter(
        pl.col("type").is_in(["O", "B", "A"]) & (pl.col("kind") == "star")
        & pl.col("code").is_not_null() & pl.col("luminosity").is_not_null()
        & pl.col("survey").is_in(FITTED + JUDGED)
    )  # fmt: skip
    fitted = meta["survey"].is_in(FITTED)
    known = meta.filter(fitted)["star_id"].implode()
    meta = meta.filter(fitted | ~pl.col("star_id").is_in(known))
    rows = meta["row"].to_numpy()
    light = harmonise(store, rows, resolving_power=RESOLVING_POWER)
    at = stars_at(meta, light.code)
    bare = over_shape(as_spectra(light.wave, simulated(at, light.wave, kept))).flux
    flux, good = at_rest(light.flux, light.good, np.log(np.maximum(bare, 0.05)), at[:, 0],
                            wave=light.wave)  # fmt: skip
    return Stars(light.wave, at, flux, good, meta["luminosity"].to_numpy(),
                 meta["survey"].is_in(FITTED).to_numpy())  # fmt: skip


def kept(node: templates.Node) -> np.ndarray:
    return np.exp(templates.compute(node).astype(np.float64))


def anew(node: templates.Node) -> np.ndarray:
    return emergent_flux(*templates.node_parameters(node))


def simulated(
    at: np.ndarray, wave: np.ndarray, light: Callable[[templates.Node], np.ndarray]
) -> np.ndarray:
    """Simulated stars at these places on a grid, as the real ones are made."""
    mixtures = [templates.mixture(float(code), float(height), 0.0) for code, height in at[:, :2]]
    rows = {}
    for node in sorted({n for mix in mixtures for n in mix.nodes}):
        rows[node] = np.log(blunted(turning(light(node), float(templates.TYPES[node[0]])), wave))
    mixed = [sum(w * rows[n] for n, w in zip(m.nodes, m.weights, strict=True)) for m in mixtures]
    flux = np.exp(np.array(mixed) - np.median(mixed, axis=1, keepdims=True))
    return flux.astype(np.float32)


def blunted(light: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """A star's light on `WAVE` at the common resolution, on a grid of four times the step."""
    blunt = gaussian_filter1d(light, 1 / RESOLVING_POWER / 2.3548 / STEP)
    return np.asarray(np.interp(wave, WAVE, uniform_filter1d(blunt, 4)))


def as_spectra(wave: np.ndarray, flux: np.ndarray, good: np.ndarray | None = None) -> Spectra:
    good = np.ones(flux.shape, bool) if good is None else good
    return Spectra(wave=wave, flux=flux, ivar=good.astype(np.float32), mask=~good)


def widths(spectra: Spectra) -> dict[str, np.ndarray]:
    """Equivalent widths [Angstrom] of `LINES`."""
    return {k: equivalent_width(spectra, line_index(k, bands=BANDS))[0] for k in LINES}


def fit(stars: Stars, rounds: int) -> None:
    """Change the factors in memory until widths of the fitted libraries are met."""
    use = stars.fitted & (stars.at[:, 0] < 20)
    at = stars.at[use]
    real = widths(as_spectra(stars.wave, stars.flux[use], stars.good[use]))
    teff, logg = calibration.parameters(at[:, 0], at[:, 1])
    high = np.array([calibration.highness(*pair) for pair in zip(teff, logg, strict=True)])
    for number in range(rounds):
        found = widths(as_spectra(stars.wave, simulated(at, stars.wave, anew)))
        for group, (held, lines, power, coolest) in GROUPS.items():
            tables = []
            for values, side in zip(held[group], (1 - high, high), strict=True):
                new = []
                for knot, value in zip(departures.TEMPERATURES, values, strict=True):
                    near = side**2 * np.exp(-0.5 * (np.log(teff / knot) / _NEAR) ** 2)
                    if knot < coolest or (group, side is high) == ("He II 4686", True):
                        new.append(value)
                        continue
                    ratio = _ratio([real[k] for k in lines], [found[k] for k in lines], near)
                    new.append(float(np.clip(value * ratio**power, *_LIMITS[held is OPACITY])))
                tables.append(_smooth(new) if held is SOURCE else tuple(new))
            held[group] = (tables[0], tables[1])
            print(number + 1, group)
            for values in tables:
                print(f"        ({', '.join(f'{v:.2g}' for v in values)}),", flush=True)


def _smooth(values: list[float]) -> tuple[float, ...]:
    """Logarithms averaged with their neighbours': few stars speak for each knot."""
    log = np.pad(np.log(values), 1, mode="edge")
    return tuple(np.exp(0.2 * log[:-2] + 0.6 * log[1:-1] + 0.2 * log[2:]).tolist())


def _ratio(real: list[np.ndarray], found: list[np.ndarray], near: np.ndarray) -> float:
    """Mean width of the real stars near a knot over that of the simulated ones."""
    above, below = 0.0, 0.0
    for a, b in zip(real, found, strict=True):
        use = np.isfinite(a) & np.isfinite(b) & (a > _EMISSION)
        if near[use].sum() < 1e-3:
            continue
        typical = max(float(np.average(b[use], weights=near[use])), 0.03)
        above += float(near[use] @ a[use]) + _DOUBT * typical
        below += float(near[use] @ b[use]) + _DOUBT * typical
    return max(above / below, 0.05) if below > 0 else 1.0


def table(stars: Stars, *, fitted: bool) -> None:
    """Print median widths, real / simulated, by type and class."""
    use = stars.fitted == fitted
    real = widths(as_spectra(stars.wave, stars.flux[use], stars.good[use]))
    found = widths(as_spectra(stars.wave, simulated(stars.at[use], stars.wave, kept)))
    code, classes = stars.at[use, 0], stars.luminosity[use]
    print(f"\n{', '.join(FITTED if fitted else JUDGED)}: {use.sum()} stars, real / simulated")
    print("| | n | " + " | ".join(LINES) + " |")
    for name, members in CLASSES.items():
        for low, high in CODES:
            here = (code >= low) & (code < high) & np.isin(classes, members)
            if here.sum() < 2:
                continue
            cells = [f"{np.nanmedian(real[k][here]):.2f} / {np.nanmedian(found[k][here]):.2f}"
                     for k in LINES]  # fmt: skip
            print(f"| {low:g}-{high:g} {name} | {here.sum()} | " + " | ".join(cells) + " |")
    for k in LINES:
        cells = []
        for low, high, members in ((3, 9.9, "V IV"), (9.9, 14, "V IV"), (14, 20, "V IV"),
                                   (3, 9.9, "I"), (9.9, 14, "I"), (14, 26, "I")):  # fmt: skip
            here = (code >= low) & (code < high) & np.isin(classes, members.split())
            off = found[k][here] - real[k][here]
            cells.append(f"{np.nanmedian(off):+.2f} ({np.nanmedian(np.abs(off)):.2f})")
        print(f"| {k} off, absolute | {' | '.join(cells)} |")


def main() -> None:
    """Fit if asked to, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    parser.add_argument("--fit", type=int, default=0, metavar="ROUNDS")
    options = parser.parse_args()
    stars = real_stars(Store(options.store))
    if options.fit:
        fit(stars, options.fit)
        return
    for fitted in (True, False):
        table(stars, fitted=fitted)


if __name__ == "__main__":
    main()
