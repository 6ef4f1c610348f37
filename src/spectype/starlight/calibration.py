"""The MK calibration: effective temperature and gravity of a type and luminosity class.

Sources. Dwarfs: Pecaut & Mamajek 2013 (ApJS 208, 9, and the table kept up to date by E. Mamajek),
K8 to M3 up to 100 K hotter, as calibrations differ (Rajpurohit et al. 2013, A&A 556, A15; Mann et
al. 2015, ApJ 804, 64), where the bands of library stars ask for it; O stars after Martins, Schaerer
& Hillier 2005 (A&A 436, 1049). Giants: Martins et al. 2005 for O; Straizys & Kuriliene 1981 (Ap&SS
80, 353) for B to G; Gray & Corbally 2009 (Stellar Spectral Classification, appendix B) and van
Belle et al. 1999 (AJ 117, 521) for G to M, K5 to M4 20-50 K cooler for the same reason. Supergiants
(class Ib-Iab): Martins et al. 2005 for O; Crowther, Lennon & Walborn 2006 (A&A 446, 279) for B0-B3,
Markova & Puls 2008 (A&A 478, 823) for B5-B9, Przybilla et al. 2006 (A&A 445, 1099) and Firnstein &
Przybilla 2012 (A&A 543, A80) for B8-A3, all with departures from equilibrium, as far as they are
remembered; Straizys & Kuriliene 1981 for F and G; Flower 1996 (ApJ 469, 355) and Levesque et al.
2005 (ApJ 628, 973) for K and M. Values between the tabulated types are interpolated; rounded to
what such calibrations are worth (2-4 % in temperature, 0.2 dex in gravity). Classes IV and II lie
half-way between their neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# (decimal type code, effective temperature [K], log10 gravity [cm/s2])
DWARFS = np.array(
    [
        (3, 44900, 3.92), (4, 42900, 3.92), (5, 41400, 3.92), (6, 39500, 3.92), (7, 37100, 3.92),
        (8, 35100, 3.92), (9, 33300, 3.92), (9.5, 31900, 3.93), (10, 31400, 3.95),
        (10.5, 29000, 3.95), (11, 26000, 3.95), (11.5, 24500, 3.96), (12, 20600, 3.97),
        (12.5, 18500, 3.99), (13, 17000, 4.0), (14, 16400, 4.0), (15, 15700, 4.02),
        (16, 14500, 4.03), (17, 14000, 4.04), (18, 12300, 4.05), (19, 10700, 4.07),
        (19.5, 10400, 4.08), (20, 9700, 4.1), (21, 9300, 4.13), (22, 8800, 4.16), (23, 8600, 4.18),
        (24, 8250, 4.2), (25, 8100, 4.21), (26, 7910, 4.22), (27, 7760, 4.23), (28, 7590, 4.24),
        (29, 7400, 4.25), (30, 7220, 4.26), (31, 7020, 4.27), (32, 6820, 4.28), (33, 6750, 4.28),
        (34, 6670, 4.29), (35, 6550, 4.3), (36, 6350, 4.31), (37, 6280, 4.32), (38, 6180, 4.34),
        (39, 6050, 4.36), (40, 5930, 4.38), (41, 5860, 4.4), (42, 5770, 4.44), (43, 5720, 4.45),
        (44, 5680, 4.46), (45, 5660, 4.47), (46, 5600, 4.48), (47, 5550, 4.5), (48, 5480, 4.51),
        (49, 5380, 4.53), (50, 5270, 4.54), (51, 5170, 4.55), (52, 5100, 4.56), (53, 4830, 4.59),
        (54, 4600, 4.61), (55, 4440, 4.63), (56, 4300, 4.65), (57, 4100, 4.67), (58, 4040, 4.69),
        (59, 4000, 4.7), (60, 3920, 4.72), (61, 3760, 4.76), (62, 3620, 4.81), (63, 3450, 4.89),
        (64, 3210, 5.0), (65, 3060, 5.07), (66, 2810, 5.15), (67, 2680, 5.2), (68, 2570, 5.25),
        (69, 2380, 5.3),
    ]
)  # fmt: skip
GIANTS = np.array(
    [
        (3, 42900, 3.77), (4, 41500, 3.73), (5, 39500, 3.69), (6, 36700, 3.65), (7, 34600, 3.60),
        (8, 32600, 3.55), (9, 30700, 3.50), (9.5, 30200, 3.48), (10, 29000, 3.45),
        (11, 24000, 3.45), (12, 20300, 3.5), (13, 17100, 3.5), (15, 15000, 3.5), (18, 12100, 3.55),
        (20, 9900, 3.6), (22, 9000, 3.6), (25, 8100, 3.6), (30, 7150, 3.6), (35, 6450, 3.4),
        (40, 5800, 3.1), (45, 5150, 2.75), (48, 4930, 2.6), (50, 4750, 2.5), (51, 4600, 2.35),
        (52, 4420, 2.15), (53, 4230, 1.95), (54, 4050, 1.75), (55, 3890, 1.55), (57, 3820, 1.4),
        (60, 3780, 1.3), (61, 3735, 1.2), (62, 3665, 1.0), (63, 3600, 0.8), (64, 3540, 0.6),
        (65, 3420, 0.4), (66, 3250, 0.2), (67, 3100, 0.1), (68, 2950, 0.0), (69, 2800, 0.0),
    ]
)  # fmt: skip
SUPERGIANTS = np.array(
    [
        (3, 42500, 3.70), (4, 40700, 3.60), (5, 38500, 3.5), (6, 35700, 3.4), (7, 33300, 3.3),
        (8, 31000, 3.2), (9, 29600, 3.1), (9.5, 28400, 3.05), (10, 27000, 2.95), (11, 21800, 2.6),
        (12, 18900, 2.45), (13, 16500, 2.25), (15, 14800, 2.2), (18, 12500, 1.9), (19, 11000, 1.9),
        (20, 9800, 2.0), (22, 9000, 1.7), (25, 8300, 1.4), (30, 7450, 1.5), (32, 7100, 1.5),
        (35, 6550, 1.4), (38, 6000, 1.3), (40, 5550, 1.25), (42, 5300, 1.15), (45, 4950, 1.0),
        (48, 4600, 0.9), (50, 4420, 0.8), (52, 4250, 0.7), (53, 4080, 0.55), (55, 3850, 0.3),
        (60, 3750, 0.1), (62, 3650, 0.0), (64, 3530, -0.1), (65, 3450, -0.2), (69, 3200, -0.2),
    ]
)  # fmt: skip

# Luminosity class as a height between the three sequences: 0 dwarf, 1 giant, 2 supergiant.
HEIGHT = {"V": 0.0, "IV": 0.5, "III": 1.0, "II": 1.5, "I": 2.0}
HOTTEST, COOLEST = 3.0, 69.0


def parameters(code: Any, height: Any) -> tuple[Floats, Floats]:
    """Effective temperature and log gravity of MK types.

    Parameters
    ----------
    code : array_like, shape (n,)
        Decimal type codes; clipped to O3 ... M9.
    height : array_like, shape (n,)
        0 for class V, 1 for III, 2 for I, and between (see `HEIGHT`).

    Returns
    -------
    teff, logg : ndarray, shape (n,), float64
        [K] and log10 [cm/s2]. Temperature is interpolated in its logarithm.

    Examples
    --------
    >>> [round(float(x[0]), 2) for x in parameters([42.0], [0.0])]
    [5770.0, 4.44]
    """
    code = np.clip(np.asarray(code, dtype=np.float64), HOTTEST, COOLEST)
    height = np.clip(np.asarray(height, dtype=np.float64), 0.0, 2.0)
    tables = (DWARFS, GIANTS, SUPERGIANTS)
    log_teff = np.stack([np.interp(code, t[:, 0], np.log10(t[:, 1])) for t in tables])
    logg = np.stack([np.interp(code, t[:, 0], t[:, 2]) for t in tables])
    low = np.minimum(height.astype(np.int64), 1)
    part = height - low
    row = np.arange(3).reshape(-1, *[1] * code.ndim)
    weight = np.where(row == low, 1 - part, 0.0) + np.where(row == low + 1, part, 0.0)
    return 10 ** (weight * log_teff).sum(axis=0), (weight * logg).sum(axis=0)


def code_of(teff: Any, height: float) -> Floats:
    """Decimal type code at an effective temperature [K]; the inverse of `parameters`."""
    codes = np.arange(HOTTEST, COOLEST + 0.01, 0.25)
    temperatures = parameters(codes, np.full(codes.shape, height))[0]
    found = np.interp(-np.asarray(teff, dtype=np.float64), -temperatures, codes)
    return np.asarray(found, dtype=np.float64)


def highness(teff: float, logg: float) -> float:
    """Place by gravity between the dwarfs (0) and the supergiants (1) of a temperature [K]."""
    dwarf, supergiant = (
        float(np.interp(teff, table[::-1, 1], table[::-1, 2])) for table in (DWARFS, SUPERGIANTS)
    )
    return float(np.clip((dwarf - logg) / (dwarf - supergiant), 0.0, 1.0))
