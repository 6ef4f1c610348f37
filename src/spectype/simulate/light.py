"""What happens to a star's light on its way: rotation, motion, dust.

Sources. Extinction: `core.dust`. Interstellar Na D: Poznanski, Prochaska & Bloom 2012 (MNRAS 426,
1465). Diffuse bands: equivalent widths a magnitude of E(B-V) after Friedman et al. 2011 (ApJ 727,
33) and, for 4430, Snow, Zukowski & Massey 2002 (ApJ 578, 877).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from spectype.core.dust import RV, extinction
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.starlight.physics import STEP, WAVE

Floats = NDArray[np.float64]
# Interstellar features: vacuum wavelength, full width, equivalent width for E(B-V) = 1 [Angstrom].
INTERSTELLAR = (
    (4429.5, 20.0, 2.0), (4763.3, 4.0, 0.15), (5782.1, 2.1, 0.48), (5798.7, 1.0, 0.16),
    (6205.0, 3.0, 0.18), (6285.6, 4.5, 0.9), (6615.5, 1.0, 0.21), (3934.8, 0.6, 0.45),
    (3969.6, 0.6, 0.25),
)  # fmt: skip


@lru_cache(maxsize=1)
def _extinction() -> Floats:
    """The curve on the fine grid."""
    return extinction(WAVE)


def rotate(light: Floats, rotation: float, darkening: float = 0.6) -> Floats:
    """Broaden light on `WAVE` by rotation v sin i [km/s] (Gray 2005, eq. 18.14)."""
    reach = int(rotation / SPEED_OF_LIGHT / STEP)
    if reach < 1:
        return light
    x = np.arange(-reach, reach + 1) * STEP * SPEED_OF_LIGHT / rotation
    inside = np.clip(1 - x * x, 0, None)
    kernel = 2 * (1 - darkening) * np.sqrt(inside) + 0.5 * np.pi * darkening * inside
    kernel /= kernel.sum()
    return np.convolve(np.pad(light, reach, mode="edge"), kernel, mode="valid")


def shift(light: Floats, velocity: float) -> Floats:
    """Move light on `WAVE` by a radial velocity [km/s]; the ends keep their last value."""
    if velocity == 0:
        return light
    x = np.arange(len(light), dtype=np.float64)
    moved = np.log1p(velocity / SPEED_OF_LIGHT) / STEP
    return np.asarray(np.interp(x - moved, x, light), dtype=np.float64)


def redden(light: Floats, ebv: float, velocity: float = -5.0) -> Floats:
    """Dim light on `WAVE` by dust: extinction, Na D, Ca II and diffuse bands [gas at km/s]."""
    if ebv == 0:
        return light
    depth = 0.4 * np.log(10) * ebv * (_extinction() - RV)
    move = 1 + velocity / SPEED_OF_LIGHT
    # Poznanski et al. 2012, eqs. 7 and 8, saturating as their relation does.
    d2 = min(1.1, max(0.0, (np.log10(ebv + 1e-4) + 1.91) / 2.16))
    d1 = min(0.9, max(0.0, (np.log10(ebv + 1e-4) + 1.76) / 2.47))
    features = [
        *((w, f, e * ebv) for w, f, e in INTERSTELLAR),
        (5891.58, 0.7, d2),
        (5897.56, 0.7, d1),
    ]
    for centre, width, equivalent in features:
        sigma = width / 2.3548
        low, high = np.searchsorted(WAVE, (centre * move - 5 * sigma, centre * move + 5 * sigma))
        near = WAVE[low:high]
        profile = np.exp(-0.5 * ((near - centre * move) / sigma) ** 2)
        depth[low:high] += equivalent / (sigma * 2.5066) * profile
    return np.asarray(light * np.exp(-depth), dtype=np.float64)
