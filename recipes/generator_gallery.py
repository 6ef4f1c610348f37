"""Real hot stars, the nearest samples of generators, and the bare simulation.

python recipes/generator_gallery.py GENERATOR [GENERATOR ...] --store STORE --out FIGURE.png

A row for each of O4, O7, O9, B1, B3, B6, B9, A2 and A5, dwarfs left and supergiants right:
a real star (of the store, whether learnt from or not), the nearest of 60 samples of its code and
class of each generator, and, if one multiplies simulated stars, the simulated star itself, over
their broad shape at R = 1800. A generator that knows no class is asked for the code alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from spectype.core import mk
from spectype.core.lines import LINES
from spectype.dataset.store import Store
from spectype.draw.canvas import ACCENT, GREY, INK, SECOND, new_figure, style
from spectype.generate.harmonise import harmonise
from spectype.refine.order import Order
from spectype.refine.placed import PlacedGenerator
from spectype.refine.plane import points
from spectype.refine.registry import load_generator
from spectype.starlight.calibration import HEIGHT

CODES = (4.0, 7.0, 9.0, 11.0, 13.0, 16.0, 19.0, 22.0, 25.0)
CLASSES = {"V": ("V", "IV"), "I": ("I", "II")}
WINDOW = (3900.0, 4950.0)
LABEL_AT = 4838.0  # left of H beta
MARKED = ("He I 4026", "Si IV 4089", "H delta", "H gamma", "He I 4471", "Mg II 4481",
          "He II 4541", "Si III 4553", "He II 4686", "H beta")  # fmt: skip


def nearest_star(store: Store, code: float, classes: tuple[str, ...]) -> int | None:
    """Row of the real star nearest in code, of one of the classes, that covers the window."""
    meta = store.meta
    codes = np.array([np.nan if c is None else c for c in meta["code"].to_list()], float)
    fits = np.array([c in classes for c in meta["luminosity"].to_list()])
    # LAMOST's own labels are no luminosity classes of experts.
    fits &= np.array([s != "LAMOST LRS" for s in meta["survey"].to_list()])
    offset = np.where(fits & np.isfinite(codes), np.abs(codes - code), np.inf)
    return int(offset.argmin()) if offset.min() <= 1.0 else None


def main() -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generators", type=Path, nargs="+")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    generators, store = [load_generator(g) for g in asked.generators], Store(asked.store)
    placed = next((g for g in generators if isinstance(g, PlacedGenerator)), None)
    wave = store.wave
    near = (wave > WINDOW[0]) & (wave < WINDOW[1])
    with style():
        figure = new_figure(11.0, (1.0 + 0.3 * len(generators)) * 1.2 * len(CODES))
        grid = figure.subplots(len(CODES), 2, sharex=True)
        for row, code in zip(grid, CODES, strict=True):
            for axes, (name, classes) in zip(row, CLASSES.items(), strict=True):
                found = nearest_star(store, code, classes)
                curves = []
                if found is not None:
                    real = harmonise(store, [found])
                    code = float(real.code[0])
                    label = f"{mk.format_code(code)}{store.meta['luminosity'][found]}"
                    label += f" {real.survey[0]}"
                    curves.append((np.where(real.good[0], real.flux[0], np.nan), INK, label))
                for generator in generators:
                    knows = isinstance(generator, PlacedGenerator)
                    order = Order(code=code, luminosity=name if knows else None)
                    made = order.draw(generator, 60, seed=1)
                    target = curves[0][0] if found is not None else np.median(made.flux, axis=0)
                    far = np.nanmean((made.flux[:, near] - target[near]) ** 2, axis=1)
                    best = int(far.argmin())
                    said = f"nearest {generator.recipe} sample"
                    if knows and made.labels["extrapolated"][best]:
                        said += " (extrapolated)"
                    curves.append((made.flux[best], SECOND, said))
                if placed is not None:
                    at = points(np.array([code]), HEIGHT[name], 0.0)
                    curves.append((np.exp(placed.atlas.light(at)[0][0]), ACCENT, "bare simulation"))
                step = 0.35
                for i, (flux, colour, said) in enumerate(curves):
                    axes.plot(wave[near], flux[near] - step * i, color=colour, lw=0.8)
                    axes.annotate(said, (LABEL_AT, 1.0 - step * i), ha="right", va="bottom",
                                  size=6, color=colour, xytext=(-2, 2),
                                  textcoords="offset points")  # fmt: skip
                for line in MARKED:
                    axes.axvline(LINES[line].wave, color=GREY, lw=0.4, alpha=0.6, zorder=0)
                axes.set_title(f"{mk.format_code(code)} {name}", size=8, loc="left", pad=1)
                axes.set(yticks=[], xlim=WINDOW)
        for axes, name in zip(grid[-1], CLASSES, strict=True):
            axes.set_xlabel(f"vacuum wavelength at rest [Å], class {name}")
        figure.savefig(asked.out, dpi=80)


if __name__ == "__main__":
    main()
