"""Draw the figures of docs/simulation.md and print how simulated stars compare with real ones.

    python recipes/simulation_figures.py [--data ../shared/data] [--out docs/figures]

Needs the labelled library spectra (labels.csv and the files it names); takes two minutes.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from spectype import surveys
from spectype.core import grid, indices, lines, mk
from spectype.core.errors import SpectypeError
from spectype.core.spectra import Spectra, concatenate
from spectype.simulate import templates
from spectype.simulate.instrument import Conditions, line_spread, observe
from spectype.simulate.light import rotate
from spectype.starlight import calibration

PIXELS = grid.STANDARD_GRID
# Index, first and last type code at which it exists, larger is stronger (+1) or not (-1).
CHECKS = (
    ("Hbeta", 3, 55), ("HeI4471", 3, 22), ("HeII4541", 3, 13), ("CaK", 18, 52),
    ("G4300", 28, 52), ("Mgb", 28, 62), ("NaD", 35, 65), ("TiO5", 53, 67),
)  # fmt: skip
LIBRARIES = ("miles", "jacoby", "pickles")
SNR_OF_LAMOST = 60.0


def real_spectra(data: Path) -> tuple[Spectra, list[mk.MK], list[str]]:
    """Library stars with type and subclass, and good LAMOST spectra, on one grid."""
    batches, types, origin = [], [], []
    with (data / "labels.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        lamost = row["survey"].startswith("LAMOST")
        if not lamost and row["survey"] not in LIBRARIES:
            continue
        if lamost and float(row["snr_g"] or 0) < SNR_OF_LAMOST:
            continue
        type_ = mk.parse(row["subclass"])
        if type_.type is None or type_.kind != "star" or not np.isfinite(type_.code):
            continue
        try:
            one = surveys.read(data / row["path"])
        except SpectypeError as error:
            print(error)
            continue
        if len(one) != 1:
            continue
        resampled = grid.resample(one, wave=PIXELS)
        batches.append(
            Spectra(wave=PIXELS, flux=resampled.flux, ivar=resampled.ivar, mask=resampled.mask)
        )
        types.append(type_)
        origin.append("LAMOST" if lamost else row["survey"])
    return concatenate(batches), types, origin


def all_nodes() -> templates.Grid:
    """Every node of the grid of templates."""
    nodes = sorted(
        {
            node
            for code in templates.TYPES
            for height in (0.0, 1.0, 2.0)
            for feh in templates.METALLICITIES
            for node in templates.mixture(float(code), height, float(feh)).nodes
        }
    )
    return templates.Grid(nodes, np.stack([templates.compute(node) for node in nodes]))


def simulated(models: templates.Grid, codes: np.ndarray, heights: np.ndarray) -> Spectra:
    """Noise-free stars of solar metallicity, at LAMOST's resolution."""
    spread = line_spread(1.0, len(PIXELS))
    flux = []
    for code, height in zip(codes, heights, strict=True):
        star = models.light(float(code), float(height), 0.0)
        flux.append(spread @ rotate(star, 120.0 if code < 30 else 10.0))
    array = np.array(flux)
    array = (array / np.median(array, axis=1, keepdims=True)).astype(np.float32)
    return Spectra(
        wave=PIXELS, flux=array, ivar=np.ones_like(array), mask=np.zeros(array.shape, bool)
    )


def binned(codes: np.ndarray, values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Median of the values in each bin of type; NaN where there are fewer than three."""
    out = np.full(len(edges) - 1, np.nan)
    for i in range(len(out)):
        inside = (codes >= edges[i]) & (codes < edges[i + 1]) & np.isfinite(values)
        if inside.sum() >= 3:
            out[i] = np.median(values[inside])
    return out


def index_figure(models: templates.Grid, data: Path, out: Path) -> None:
    """Indices against type, real and simulated, with rank correlations."""
    spectra, types, origin = real_spectra(data)
    codes = np.array([t.code for t in types])
    # Without a luminosity class a star is taken for what most of its type in LAMOST are: a dwarf.
    heights = np.array([calibration.HEIGHT[t.luminosity or "V"] for t in types])
    models_of_them = simulated(models, codes, heights)
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), sharex=True)
    for axis, (name, first, last) in zip(axes.ravel(), CHECKS, strict=True):
        real = indices.measure(spectra, [name])[name]
        model = indices.measure(models_of_them, [name])[name]
        for label, colour in (("LAMOST", "0.75"), ("miles", "0.45"), ("jacoby", "tab:blue")):
            shown = np.array([o == label for o in origin])
            axis.plot(codes[shown], real[shown], ".", ms=2, color=colour, label=label)
        edges = np.arange(2.5, 70, 2.0)
        centres = 0.5 * (edges[1:] + edges[:-1])
        a, b = binned(codes, real, edges), binned(codes, model, edges)
        both = np.isfinite(a) & np.isfinite(b)
        axis.plot(centres[both], a[both], "k-", lw=1, label="real, median")
        axis.plot(centres[both], b[both], "r-", lw=1.5, label="simulated, median")
        used = both & (centres >= first) & (centres <= last)
        rank = spearmanr(a[used], b[used]).statistic
        here = (codes >= first) & (codes <= last) & np.isfinite(real)
        each = spearmanr(real[here], model[here]).statistic
        peak = np.nanargmin if name == "TiO5" else np.nanargmax
        at = [mk.format_code(centres[used][peak(values[used])]) for values in (a, b)]
        print(
            f"{name:9s} {first}-{last} {used.sum():2d} bins: rank correlation {rank:.3f}, of "
            f"{here.sum()} stars one by one {each:.3f}; median ratio "
            f"{np.median(b[used] / a[used]):.2f}; strongest at {at[1]}, real {at[0]}"
        )
        axis.axvspan(first, last, color="0.95", zorder=0)
        axis.set_title(f"{name}: {rank:.2f}", fontsize=10)
        axis.set_xticks(range(0, 71, 10), [*mk.TYPES, ""])
        low, high = np.nanpercentile(np.concatenate([real, model]), [0.5, 99.5])
        axis.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
    axes[0, 0].legend(fontsize=7, frameon=False)
    figure.supylabel("index [Angstrom; TiO5: ratio]")
    figure.tight_layout()
    figure.savefig(out / "simulation_indices.png", dpi=80)


def sequence_figure(models: templates.Grid, out: Path, *, height: float, name: str) -> None:
    """The MK sequence at R ~ 1800, normalised and shifted."""
    codes = np.array([5, 8, 10, 13, 18, 20, 25, 30, 35, 42, 48, 50, 55, 60, 62, 65], dtype=float)
    spectra = simulated(models, codes, np.full(len(codes), height))
    figure, axis = plt.subplots(figsize=(11, 12))
    for i, (code, flux) in enumerate(zip(codes, spectra.flux, strict=True)):
        shown = flux / np.percentile(flux, 98)
        axis.plot(PIXELS, shown - 0.75 * i, lw=0.6, color="k")
        label = mk.format_code(code) + ("V" if height == 0 else "I")
        axis.text(9110, shown[-100:].mean() - 0.75 * i, label, fontsize=9, va="center")
    for line in ("Ca II K", "H delta", "G band", "H gamma", "H beta", "Mg b1", "Na D2", "H alpha"):
        where = lines.LINES[line]
        axis.axvline(where.wave, color="tab:blue", lw=0.4, alpha=0.6)
        axis.text(where.wave, 1.15, where.label, rotation=90, fontsize=8, ha="center")
    axis.set(
        xlabel="vacuum wavelength [Angstrom]", ylabel="flux, shifted", yticks=[], xlim=(3680, 9350)
    )
    figure.tight_layout()
    figure.savefig(out / f"{name}.png", dpi=80)


def instrument_figure(models: templates.Grid, out: Path) -> None:
    """What the instrument makes of three stars, at three S/N."""
    rng = np.random.default_rng(7)
    figure, axes = plt.subplots(3, 1, figsize=(11, 8), sharex=True)
    for axis, (code, snr) in zip(axes, ((13.0, 80.0), (42.0, 20.0), (62.0, 8.0)), strict=True):
        star = models.light(code, 0.0, 0.0)
        seen = observe(star, Conditions(snr_g=snr, ebv=0.3, velocity=30), rng)
        axis.plot(seen.wave, seen.flux, lw=0.5, color="k")
        error = np.full(len(seen.wave), np.nan)
        np.divide(1, np.sqrt(seen.ivar), out=error, where=seen.ivar > 0)
        axis.plot(seen.wave, error, lw=0.5, color="tab:red")
        text = ", ".join(f"{band} {value:.0f}" for band, value in seen.snr.items())
        axis.set_title(f"{mk.format_code(code)}V, S/N in {text}", fontsize=10)
    axes[1].set_ylabel("flux (black) and its error (red)")
    axes[2].set_xlabel("vacuum wavelength [Angstrom]")
    figure.tight_layout()
    figure.savefig(out / "simulation_instrument.png", dpi=80)


def main() -> None:
    """Make all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=here / "docs" / "figures")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    models = all_nodes()
    sequence_figure(models, options.out, height=0.0, name="simulation_dwarfs")
    sequence_figure(models, options.out, height=2.0, name="simulation_supergiants")
    instrument_figure(models, options.out)
    index_figure(models, options.data, options.out)


if __name__ == "__main__":
    main()
