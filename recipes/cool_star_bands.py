"""Bands of K5 to M6 stars and lines of metal-poor giants: real stars against simulated ones.

    python recipes/cool_star_bands.py STORE

Every star is compared with the simulated one of its type and class (of its temperature, gravity and
metallicity where these are known), both at R = 1000. The molecular bands of dwarfs were set on
library stars by eye; LAMOST's stars, printed apart, had no part in that, but their table had been
seen when the wavelength grid was refined.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import polars as pl
from hot_star_lines import RESOLVING_POWER, as_spectra, blunted, kept, simulated

from spectype.core.grid import air_to_vacuum
from spectype.core.indices import equivalent_width
from spectype.core.lines import INDICES, Index
from spectype.dataset.store import Store
from spectype.generate.harmonise import harmonise, over_shape
from spectype.starlight.calibration import HEIGHT
from spectype.starlight.physics import emergent_flux

# Mean flux redward of a head over that blueward of it [Angstrom in air].
_HEADS = {
    "TiO 4761": ((4764.0, 4800.0), (4730.0, 4758.0)),
    "TiO 4954": ((4958.0, 5000.0), (4920.0, 4950.0)),
    "TiO 5167": ((5169.0, 5215.0), (5120.0, 5160.0)),
    "TiO 5448": ((5452.0, 5495.0), (5412.0, 5444.0)),
    "TiO 6158": ((6165.0, 6210.0), (6130.0, 6154.0)),
    "MgH": ((4950.0, 5105.0), (5220.0, 5260.0)),
}
_DWARFS = ("bochanski", "kesseli")  # libraries of dwarfs that do not say so
_CODES = ((54.5, 56.5), (56.5, 59.5), (59.5, 60.5), (60.5, 61.5), (61.5, 62.5), (62.5, 64.5),
          (64.5, 67.0))  # fmt: skip

#: Metal-poor giants: Teff [K], log g, [Fe/H] as catalogues of the literature have them (Cenarro et
#: al. 2007, MNRAS 374, 664, for most), from memory: good to 100 K, 0.3, 0.2.
GIANTS = {
    "HD2665": (4990, 2.3, -2.0), "HD6268": (4700, 1.2, -2.4), "HD6755": (5100, 2.6, -1.5),
    "HD8724": (4580, 1.5, -1.7), "HD44007": (4850, 2.1, -1.7), "HD74462": (4590, 1.6, -1.5),
    "HD83212": (4530, 1.4, -1.5), "HD85773": (4460, 1.0, -2.2), "HD88609": (4550, 1.2, -2.7),
    "HD165195": (4470, 1.1, -2.2), "HD166161": (5150, 2.2, -1.2), "HD175305": (5050, 2.5, -1.4),
    "HD187111": (4270, 1.0, -1.7), "HD204543": (4620, 1.3, -1.8), "HD216143": (4500, 1.3, -2.1),
    "HD221170": (4480, 1.1, -2.1), "HD103036": (4350, 0.8, -1.7),
}  # fmt: skip
METAL_LINES = ("CaK", "G4300", "Hbeta", "Mgb", "Fe5270", "Fe5335", "Ca4227", "NaD", "CaT")


def bands() -> dict[str, Index]:
    """The indices, in vacuum."""
    found = {}
    for name, pair in _HEADS.items():
        feature, side = (tuple(float(v) for v in air_to_vacuum(np.array(b))) for b in pair)
        found[name] = Index(name, "ratio", ((feature[0], feature[1]),), ((side[0], side[1]),), "")
    return found | {k: INDICES[k] for k in ("TiO5", "CaH2", "Ca4227", "Mgb", "NaD")}


def table(store: Store, *, lamost: bool, classes: tuple[str, ...], height: float) -> None:
    """Print medians, real / simulated, by type."""
    of_class = pl.col("luminosity").is_in(classes)
    if not lamost and "V" in classes:
        of_class = of_class | pl.col("survey").is_in(_DWARFS)
    if lamost:  # a survey's M stars without a class are dwarfs
        of_class = of_class | pl.col("luminosity").is_null()
    meta = store.meta.filter(
        pl.col("type").is_in(["K", "M"]) & (pl.col("code") >= _CODES[0][0]) & of_class
        & (pl.col("kind") == "star")
        & (pl.col("survey").str.starts_with("LAMOST") == lamost)
    )  # fmt: skip
    light = harmonise(store, meta["row"].to_numpy(), resolving_power=RESOLVING_POWER)
    at = np.stack([light.code, np.full(len(light), height)], axis=1)
    stars = (as_spectra(light.wave, light.flux, light.good),
             over_shape(as_spectra(light.wave, simulated(at, light.wave, kept))))  # fmt: skip
    real, found = ({k: equivalent_width(s, i)[0] for k, i in bands().items()} for s in stars)
    print(f"\n{'LAMOST' if lamost else 'libraries'}, {' '.join(classes)}: real / simulated")
    print("| | n | " + " | ".join(real) + " |")
    for low, high in _CODES:
        here = (light.code >= low) & (light.code < high)
        if here.sum() >= 2:
            cells = [f"{np.nanmedian(real[k][here]):.2f} / {np.nanmedian(found[k][here]):.2f}"
                     for k in real]  # fmt: skip
            print(f"| {low:g}-{high:g} | {here.sum()} | " + " | ".join(cells) + " |")


def giants(store: Store) -> None:
    """Print the widths of metal-poor giants, each real / simulated at its own parameters."""
    names = [re.sub(r"^HD *0*", "HD", name or "") for name in store.meta["object"]]
    meta = store.meta.with_columns(name=pl.Series(names)).filter(pl.col("name").is_in(GIANTS))
    light = harmonise(store, meta["row"].to_numpy(), resolving_power=RESOLVING_POWER)
    stars = {name: emergent_flux(*GIANTS[name]) for name in sorted(set(meta["name"]))}
    flux = np.stack([blunted(stars[name], light.wave) for name in meta["name"]])
    flux /= np.median(flux, axis=1, keepdims=True)
    real, found = (
        {k: equivalent_width(s, INDICES[k])[0] for k in METAL_LINES}
        for s in (as_spectra(light.wave, light.flux, light.good),
                  over_shape(as_spectra(light.wave, flux.astype(np.float32))))
    )  # fmt: skip
    print("\nmetal-poor giants: real / simulated\n| | [Fe/H] | " + " | ".join(METAL_LINES) + " |")
    order = np.argsort([GIANTS[name][2] for name in meta["name"]])
    for i in order:
        name = meta["name"][int(i)]
        cells = [f"{real[k][i]:.2f} / {found[k][i]:.2f}" for k in METAL_LINES]
        print(f"| {name}, {meta['survey'][int(i)]} | {GIANTS[name][2]} | {' | '.join(cells)} |")
    print({k: f"{np.nanmedian(found[k] - real[k]):+.2f}, "
              f"{np.nanmedian(np.abs(found[k] - real[k])):.2f}" for k in METAL_LINES})  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", type=Path)
    store = Store(parser.parse_args().store)
    table(store, lamost=False, classes=("V", "IV"), height=HEIGHT["V"])
    table(store, lamost=True, classes=("V", "IV"), height=HEIGHT["V"])
    table(store, lamost=False, classes=("III",), height=HEIGHT["III"])
    giants(store)


if __name__ == "__main__":
    main()
