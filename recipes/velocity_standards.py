"""Make the standards that `spectype classify --velocity` compares spectra with.

    python recipes/velocity_standards.py [--out src/spectype/classify/models/velocity.npz]

Simulated stars at rest, seen with LAMOST's mean resolution, of the dwarf, giant and supergiant
sequences; no data needed; three minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from spectype.classify.correlation import broad_shape
from spectype.classify.velocity import STANDARDS
from spectype.core.files import atomic_path
from spectype.core.grid import STANDARD_GRID
from spectype.simulate import calibration
from spectype.simulate.instrument import line_spread
from spectype.simulate.light import rotate
from spectype.simulate.physics import emergent_flux

# Decimal type codes of each sequence: close where spectra change quickly.
DWARFS = (4, 6, 8, 9.5, 11, 13, 16, 19, 21, 24, 27, 30, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50,
          51.5, 53, 54.5, 56, 58, 60, 61, 62, 63, 64, 65, 66, 67.5)  # fmt: skip
GIANTS = (4, 6, 8, 9.5, 11, 13, 16, 19, 21, 24, 27, 30, 33, 36, 39, 42, 45, 47, 48.5, 50, 51.5,
          53, 54.5, 56, 58, 60, 61, 62, 63, 64, 65, 66, 67.5)  # fmt: skip
SUPERGIANTS = (4, 6.5, 9, 11, 13, 16, 19, 22, 25, 28, 31, 34, 37, 40, 43, 46, 49, 52, 54, 56, 58,
               60, 61.5, 63, 64.5)  # fmt: skip
METALS = -0.1  # [Fe/H]: the mean of a survey's stars
ROTATION = ((5, 100), (20, 80), (30, 40), (36, 10), (42, 3))  # type code, mean v sin i [km/s]
QUANTUM = 2.0**-10  # to which flux is rounded: it halves the file


def standard(code: float, height: int) -> np.ndarray:
    """Flux over its broad shape, minus 1, of a simulated star at rest on `STANDARD_GRID`."""
    teff, logg = calibration.parameters([code], [float(height)])
    light = emergent_flux(float(teff[0]), float(logg[0]), METALS)
    light = rotate(light, float(np.interp(code, *zip(*ROTATION, strict=True))))
    flux = (line_spread(1.0) @ light)[: STANDARD_GRID.size][None]
    flux = flux / np.median(flux)
    return (flux / broad_shape(flux, np.ones(flux.shape, bool)) - 1.0)[0]


def main() -> None:
    """Compute every standard and write them in one file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=STANDARDS)
    out = parser.parse_args().out
    stars = [(c, h) for h, codes in enumerate((DWARFS, GIANTS, SUPERGIANTS)) for c in codes]
    flux = np.stack([standard(code, height) for code, height in stars])
    code, height = (np.array(values) for values in zip(*stars, strict=True))
    with atomic_path(out) as temporary, temporary.open("wb") as handle:
        np.savez_compressed(
            handle, code=code.astype(np.float32), height=height.astype(np.int8),
            flux=(np.round(flux / QUANTUM) * QUANTUM).astype(np.float16),
        )  # fmt: skip
    print(f"{out}: {len(stars)} standards, {out.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
