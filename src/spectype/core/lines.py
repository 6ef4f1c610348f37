"""Spectral lines by name, telluric bands, and the bands that define line indices.

The tables below are in air, as published, and converted once to vacuum, the frame of every
`Spectra`. Lines: NIST Atomic Spectra Database; band heads: Pearse & Gaydon (1976); diffuse
interstellar bands: Hobbs et al. (2008, ApJ 680, 1256).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import air_to_vacuum

FloatArray = NDArray[np.float64]
Band = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named line or band head.

    Parameters
    ----------
    name : str
        Unique name: ``"He II 4686"``.
    label : str
        Short text for a figure: ``"He II"``.
    wave : float
        Vacuum wavelength at rest [Angstrom].
    element : str
        Element, ion or molecule; ``interstellar`` for the diffuse bands.
    types : str
        Types in which the line is conspicuous at R ~ 1800 (Gray & Corbally 2009, Stellar
        Spectral Classification), from which a figure picks what to label.
    main : bool
        Whether it is among those to label first where there is little room.
    """

    name: str
    label: str
    wave: float
    element: str
    types: str
    main: bool

    @property
    def tag(self) -> str:
        """Label with the wavelength where several lines share it: ``He II 4686``, ``Hα``."""
        last = self.name.rsplit(" ", 1)[-1]
        return f"{self.label} {last}" if last.isdecimal() and len(last) == 4 else self.label


@dataclass(frozen=True, slots=True)
class Index:
    """A line index by its bands.

    Parameters
    ----------
    name : str
        Name in use: ``"Hbeta"``, ``"TiO5"``.
    kind : str
        ``"width"``: equivalent width [Angstrom], positive for absorption. ``"magnitude"``:
        ``-2.5 log10`` of the mean of flux over continuum [mag]. ``"ratio"``: mean flux in the
        feature over mean flux in the comparison band.
    features : tuple of (float, float)
        Bands of the feature, vacuum [Angstrom]; the widths of several are added.
    continuum : tuple of (float, float)
        Bands of the (pseudo-)continuum, vacuum [Angstrom].
    reference : str
        Where the bands are published.
    """

    name: str
    kind: str
    features: tuple[Band, ...]
    continuum: tuple[Band, ...]
    reference: str

    @property
    def span(self) -> Band:
        """First and last wavelength the index needs [Angstrom, vacuum]."""
        waves = [edge for band in self.features + self.continuum for edge in band]
        return min(waves), max(waves)


# name | label | air wavelength | element | types; the starred first where there is little room
_LINES = """
  H10          | H10     | 3797.90 | H      | OBA
  H9           | H9      | 3835.39 | H      | OBA
  H8           | H8      | 3889.05 | H      | OBAF
* Ca II K      | Ca II K | 3933.66 | Ca II  | AFGK
* Ca II H      | Ca II H | 3968.47 | Ca II  | FGK
  H epsilon    | Hε      | 3970.07 | H      | OBA
* He I 4026    | He I    | 4026.19 | He I   | OB
  Fe I 4046    | Fe I    | 4045.81 | Fe I   | GK
  Sr II 4078   | Sr II   | 4077.71 | Sr II  | GK
* Si IV 4089   | Si IV   | 4088.86 | Si IV  | OB
* H delta      | Hδ      | 4101.74 | H      | OBAFG
  Si II 4128   | Si II   | 4128.07 | Si II  | B
  He I 4144    | He I    | 4143.76 | He I   | B
  Fe I 4144    | Fe I    | 4143.87 | Fe I   | K
  He II 4200   | He II   | 4199.83 | He II  | O
* Ca I 4227    | Ca I    | 4226.73 | Ca I   | GKM
* G band       | CH G    | 4305.00 | CH     | FGK
* H gamma      | Hγ      | 4340.47 | H      | OBAFG
  Fe I 4383    | Fe I    | 4383.55 | Fe I   | FGK
  He I 4388    | He I    | 4387.93 | He I   | B
  DIB 4428     | DIB     | 4428.20 | interstellar | OB
* He I 4471    | He I    | 4471.50 | He I   | OB
* Mg II 4481   | Mg II   | 4481.23 | Mg II  | BA
* He II 4541   | He II   | 4541.59 | He II  | O
* Si III 4553  | Si III  | 4552.62 | Si III | B
  N III 4634   | N III   | 4634.14 | N III  | O
  C III 4650   | C III   | 4650.25 | C III  | OB
* He II 4686   | He II   | 4685.70 | He II  | O
  TiO 4761     | TiO     | 4761.00 | TiO    | M
* H beta       | Hβ      | 4861.33 | H      | OBAFGK
  He I 4922    | He I    | 4921.93 | He I   | OB
* TiO 4954     | TiO     | 4954.00 | TiO    | M
  He I 5016    | He I    | 5015.68 | He I   | B
* Mg b1        | Mg b    | 5183.60 | Mg I   | FGK
* Mg b2        | Mg b    | 5172.68 | Mg I   | FGK
* Mg b4        | Mg b    | 5167.32 | Mg I   | FGK
  TiO 5167     | TiO     | 5167.00 | TiO    | M
  Fe I 5270    | Fe I    | 5269.54 | Fe I   | GK
  He II 5412   | He II   | 5411.52 | He II  | O
* TiO 5448     | TiO     | 5448.00 | TiO    | M
  DIB 5780     | DIB     | 5780.45 | interstellar | OB
* He I 5876    | He I    | 5875.62 | He I   | OB
* Na D2        | Na D    | 5889.95 | Na I   | GKM
* Na D1        | Na D    | 5895.92 | Na I   | GKM
  TiO 5847     | TiO     | 5847.00 | TiO    | M
* TiO 6158     | TiO     | 6158.00 | TiO    | M
  DIB 6284     | DIB     | 6283.80 | interstellar | OB
  CaH 6382     | CaH     | 6382.00 | CaH    | M
* H alpha      | Hα      | 6562.80 | H      | OBAFGKM
  TiO 6651     | TiO     | 6651.00 | TiO    | M
  He I 6678    | He I    | 6678.15 | He I   | OB
* CaH 6830     | CaH     | 6830.00 | CaH    | M
* TiO 7054     | TiO     | 7054.00 | TiO    | M
  He I 7065    | He I    | 7065.19 | He I   | OB
  TiO 7589     | TiO     | 7589.00 | TiO    | M
  K I 7699     | K I     | 7698.96 | K I    | M
  O I 7774     | O I     | 7773.40 | O I    | BAF
  Na I 8183    | Na I    | 8183.26 | Na I   | M
* Na I 8195    | Na I    | 8194.82 | Na I   | M
  TiO 8432     | TiO     | 8432.00 | TiO    | M
* Ca II 8498   | Ca II   | 8498.02 | Ca II  | FGKM
* Ca II 8542   | Ca II   | 8542.09 | Ca II  | FGKM
* Ca II 8662   | Ca II   | 8662.14 | Ca II  | FGKM
  Pa 12        | Pa12    | 8750.47 | H      | BA
  Pa 11        | Pa11    | 8862.78 | H      | BA
"""

# Worthey et al. (1994, ApJS 94, 687), Trager et al. (1998, ApJS 116, 1).
_LICK = "Trager et al. 1998, ApJS 116, 1"
_BALMER = "Worthey & Ottaviani 1997, ApJS 111, 377"
_REID = "Reid, Hawley & Gizis 1995, AJ 110, 1838"
# Ours: as wide as the line at R ~ 1800, the sides clear of N III 4510-4534, Si III 4553-4575,
# Mg II 4481, C III/N III 4634-4652 and He I 4713.
_OURS = "this package"
_DENOMINATOR = (7042.0, 7046.0)

# name, kind, features, continuum, reference; air wavelengths
_INDICES: tuple[tuple[str, str, tuple[Band, ...], tuple[Band, ...], str], ...] = (
    ("CaK", "width", ((3927.7, 3939.7),), ((3903.0, 3923.0), (4000.0, 4020.0)),
     "K12 of Beers et al. 1999, AJ 117, 981"),
    ("HdeltaA", "width", ((4083.5, 4122.25),), ((4041.6, 4079.75), (4128.5, 4161.0)), _BALMER),
    ("HdeltaF", "width", ((4091.0, 4112.25),), ((4057.25, 4088.5), (4114.75, 4137.25)), _BALMER),
    ("CN1", "magnitude", ((4142.125, 4177.125),),
     ((4080.125, 4117.625), (4244.125, 4284.125)), _LICK),
    ("CN2", "magnitude", ((4142.125, 4177.125),),
     ((4083.875, 4096.375), (4244.125, 4284.125)), _LICK),
    ("Ca4227", "width", ((4222.25, 4234.75),), ((4211.0, 4219.75), (4241.0, 4251.0)), _LICK),
    ("G4300", "width", ((4281.375, 4316.375),),
     ((4266.375, 4282.625), (4318.875, 4335.125)), _LICK),
    ("HgammaA", "width", ((4319.75, 4363.5),), ((4283.5, 4319.75), (4367.25, 4419.75)), _BALMER),
    ("HgammaF", "width", ((4331.25, 4352.25),), ((4283.5, 4319.75), (4354.75, 4384.75)), _BALMER),
    ("HeI4471", "width", ((4465.0, 4477.5),), ((4445.0, 4461.0), (4488.0, 4506.0)), _OURS),
    ("HeII4541", "width", ((4535.0, 4548.0),), ((4490.0, 4506.0), (4580.0, 4600.0)), _OURS),
    ("HeII4686", "width", ((4679.0, 4692.5),), ((4662.0, 4675.0), (4696.0, 4707.0)), _OURS),
    ("Hbeta", "width", ((4847.875, 4876.625),),
     ((4827.875, 4847.875), (4876.625, 4891.625)), _LICK),
    ("Mgb", "width", ((5160.125, 5192.625),),
     ((5142.625, 5161.375), (5191.375, 5206.375)), _LICK),
    ("Fe5270", "width", ((5245.65, 5285.65),), ((5233.15, 5248.15), (5285.65, 5318.15)), _LICK),
    ("Fe5335", "width", ((5312.125, 5352.125),),
     ((5304.625, 5315.875), (5353.375, 5363.375)), _LICK),
    ("NaD", "width", ((5876.875, 5909.375),),
     ((5860.625, 5875.625), (5922.125, 5948.125)), _LICK),
    ("TiO1", "magnitude", ((5936.625, 5994.125),),
     ((5816.625, 5849.125), (6038.625, 6103.625)), _LICK),
    ("TiO2", "magnitude", ((6189.625, 6272.125),),
     ((6066.625, 6141.625), (6372.625, 6415.125)), _LICK),
    ("Halpha", "width", ((6548.0, 6578.0),), ((6500.0, 6540.0), (6595.0, 6635.0)), _OURS),
    ("CaH2", "ratio", ((6814.0, 6846.0),), (_DENOMINATOR,), _REID),
    ("CaH3", "ratio", ((6960.0, 6990.0),), (_DENOMINATOR,), _REID),
    ("TiO5", "ratio", ((7126.0, 7135.0),), (_DENOMINATOR,), _REID),
    ("NaI8190", "width", ((8180.0, 8200.0),), ((8143.0, 8153.0), (8233.0, 8244.0)),
     "La Barbera et al. 2013, MNRAS 433, 3017"),
    ("CaT", "width", ((8484.0, 8513.0), (8522.0, 8562.0), (8642.0, 8682.0)),
     ((8474.0, 8484.0), (8563.0, 8577.0), (8619.0, 8642.0), (8700.0, 8725.0), (8776.0, 8792.0)),
     "Cenarro et al. 2001, MNRAS 326, 959"),
)  # fmt: skip

#: Bands of the Earth's atmosphere [Angstrom, vacuum]: name, first, last wavelength.
TELLURIC: tuple[tuple[str, float, float], ...] = (
    ("O2 B", 6867.0, 6944.0),
    ("H2O", 7168.0, 7340.0),
    ("O2 A", 7594.0, 7700.0),
    ("H2O", 8105.0, 8240.0),
)


def _vacuum(bands: Sequence[Band]) -> tuple[Band, ...]:
    return tuple((float(a), float(b)) for a, b in air_to_vacuum(np.asarray(bands)))


def _read_lines() -> dict[str, Line]:
    lines = []
    for row in _LINES.strip("\n").splitlines():
        name, label, air, element, types = (cell.strip() for cell in row[2:].split("|"))
        wave = float(air_to_vacuum(float(air)))
        lines.append(Line(name, label, wave, element, types, main=row[0] == "*"))
    return {line.name: line for line in sorted(lines, key=lambda line: line.wave)}


#: Lines by name, in order of wavelength.
LINES: dict[str, Line] = _read_lines()
#: Line indices by name.
INDICES: dict[str, Index] = {
    name: Index(name, kind, _vacuum(features), _vacuum(continuum), reference)
    for name, kind, features, continuum, reference in _INDICES
}


def lines_of(types: str, *, between: Band = (0.0, np.inf)) -> list[Line]:
    """Lines conspicuous in any of these types, in order of wavelength.

    Parameters
    ----------
    types : str
        Types, for example ``"A"`` or ``"OB"``.
    between : (float, float)
        Wavelength range [Angstrom, vacuum].

    >>> [line.name for line in lines_of("O", between=(4500.0, 4700.0))]
    ['He II 4541', 'N III 4634', 'C III 4650', 'He II 4686']
    """
    low, high = between
    return [
        line
        for line in LINES.values()
        if low <= line.wave <= high and any(type in line.types for type in types)
    ]
