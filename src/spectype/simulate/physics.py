"""A star's light: emergent flux from effective temperature, gravity and metallicity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spectype.core.errors import UsageError

Floats = NDArray[np.float64]

# Vacuum wavelengths, uniform in ln(lambda): 17 km/s a pixel, a quarter of a LAMOST pixel.
STEP = 1e-4 * np.log(10) / 4
WAVE: Floats = np.exp(np.arange(np.log(3600.0), np.log(9250.0), STEP))


def check(teff: float, logg: float, feh: float) -> None:
    """Raise `UsageError` where the atmosphere cannot be computed."""
    if not 2300.0 <= teff <= 60000.0:
        raise UsageError(f"effective temperature {teff:g} K is outside 2300-60000 K")
    if not -0.6 <= logg <= 9.0:
        raise UsageError(f"log g {logg:g} is outside -0.6 ... 9")
    if not -4.0 <= feh <= 1.0:
        raise UsageError(f"[Fe/H] {feh:g} is outside -4 ... 1")


def emergent_flux(teff: float, logg: float, feh: float = 0.0) -> Floats:
    """Flux per wavelength at the star's surface, on `WAVE`, shape (n_wave,) [relative]."""
    check(teff, logg, feh)
    c2 = 1.4388e8
    flux = WAVE**-5.0 / np.expm1(c2 / WAVE / teff) * 3600.0**5
    if teff > 5200:
        jump = 0.55 * np.exp(-(((np.log10(teff) - 3.96) / 0.14) ** 2))
        flux *= 1 - jump / (1 + np.exp((WAVE - 3680) / 12))
        flux *= 1 - 0.3 * jump / (1 + np.exp((WAVE - 8300) / 30))
    return flux * np.exp(-_lines(teff, logg, feh))


def _lines(teff: float, logg: float, feh: float) -> Floats:
    depth = np.zeros_like(WAVE)
    log_t = np.log10(teff)

    def line(centre: float, strength: float, width: float, lorentz: bool = False) -> None:
        x = (WAVE - centre) / width
        depth[:] += strength * (1 / (1 + x * x) if lorentz else np.exp(-x * x))

    def peak(at: float, width: float) -> float:
        return float(np.exp(-(((log_t - np.log10(at)) / width) ** 2)))

    hydrogen = peak(9300, 0.17) + 0.05
    for n in range(3, 25):
        centre = 911.763 / (0.25 - n**-2.0)
        line(
            centre,
            hydrogen * 1.1 * min(1, 8 / n),
            (3 + 2 * (logg - 1)) * (1 + 0.5 * hydrogen),
            True,
        )
    for wave, strength in ((4027.3, 0.25), (4472.7, 0.3), (4922.9, 0.15), (5877.2, 0.3)):
        line(wave, strength * peak(21000, 0.16), 3.0)
    for wave, strength in ((4201.0, 0.3), (4542.9, 0.3), (4687.0, 0.35), (5413.0, 0.3)):
        line(wave, strength * peak(42000, 0.1), 3.0)
    metals = 10 ** (0.5 * feh)
    for wave, strength, width, at in (
        (3934.8, 4.0, 9.0, 4800), (3969.6, 3.5, 8.0, 4800), (4305.0, 0.5, 12.0, 5200),
        (4227.9, 1.5, 4.0, 3900), (5175.0, 0.8, 14.0, 4000), (5892.0, 1.2, 5.0, 3600),
        (8500.4, 0.7, 3.0, 4600), (8544.4, 1.1, 4.0, 4600), (8664.5, 0.9, 4.0, 4600),
        (5270.0, 0.25, 5.0, 4200), (4384.0, 0.4, 3.0, 4500), (4046.0, 0.6, 4.0, 4500),
    ):  # fmt: skip
        line(wave, strength * metals * peak(at, 0.16), width, width > 6)
    if teff < 4300:
        oxide = ((4300 - teff) / 1000) ** 1.5
        for head, width in ((4761, 120), (4954, 120), (5167, 150), (5448, 150), (5847, 200),
                            (6158, 220), (6651, 150), (7054, 200), (7589, 200), (8432, 150)):  # fmt: skip
            x = (WAVE - head) / width
            depth[:] += oxide * np.where(x > 0, np.exp(-np.clip(x, 0, 50)), 0)
    return depth
