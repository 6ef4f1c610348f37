"""Standards to lay beside a spectrum: of a store that the user names, or the shipped ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.obtain import SHIPPED
from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.core.grid import STANDARD_GRID

_SEQUENCES = ("V", "III", "I")  # heights of the shipped standards


@dataclass(frozen=True)
class Standard:
    """A standard in the list.

    Parameters
    ----------
    number : int
        Its place in the list.
    label : str
        Type in MK notation.
    code : float
        Decimal type code.
    luminosity : str
    name : str
        Star, or what the standard is.
    """

    number: int
    label: str
    code: float
    luminosity: str
    name: str


class Rack:
    """Standards in the order of the sequence.

    Parameters
    ----------
    store : Path, optional
        A store of labelled spectra (`spectype build`); by default the simulated standards of the
        package, which have no continuum of their own.
    """

    def __init__(self, store: Path | None = None) -> None:
        self._shipped = SHIPPED / "velocity.npz"
        self.relative = store is None  #: whether flux is given over the broad shape
        self._store: Any = None
        self._rows: list[int] = []
        self.all: list[Standard] = []
        if store is not None:
            self._from_store(store)
        elif self._shipped.is_file():
            self._from_package()

    def _from_store(self, folder: Path) -> None:
        from spectype.classify.standards import Standards
        from spectype.dataset.store import Store

        library = Standards(Store(folder))
        self._store = library.store
        for row in library.meta.sort("code").iter_rows(named=True):
            label = str(row.get("subclass") or mk.format_code(row["code"]))
            self.all.append(
                Standard(
                    number=len(self.all),
                    label=label,
                    code=float(row["code"]),
                    luminosity=mk.parse(label).luminosity or "",
                    name=" ".join(str(row.get("object") or row.get("survey") or "").split()),
                )
            )
            self._rows.append(int(row["row"]))

    def _from_package(self) -> None:
        with np.load(self._shipped) as found:
            codes, heights = found["code"].astype(float), found["height"].astype(int)
        for i in np.lexsort((heights, codes)):
            luminosity = _SEQUENCES[heights[i]]
            label = f"{mk.format_code(float(codes[i]))} {luminosity}"
            self.all.append(
                Standard(len(self.all), label, float(codes[i]), luminosity, "simulated")
            )
            self._rows.append(int(i))

    def flux(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Wavelength [Angstrom, vacuum, at rest] and flux of a standard, each (n_pix,).

        NaN where it has no data.
        """
        if not 0 <= number < len(self.all):
            raise UsageError(f"there is no standard {number}; there are {len(self.all)}")
        row = self._rows[number]
        if self._store is None:
            return STANDARD_GRID, 1.0 + _shipped_flux(self._shipped)[row].astype(np.float64)
        spectrum = self._store.spectra(np.array([row]))
        wave = np.atleast_2d(spectrum.wave)[0]
        z = spectrum.get("redshift")[0]
        z = float(z) if z is not None and abs(float(z)) < 0.1 else 0.0
        return wave / (1.0 + z), np.where(spectrum.mask[0], np.nan, spectrum.flux[0])


@lru_cache(maxsize=1)
def _shipped_flux(path: Path) -> NDArray[np.float16]:
    with np.load(path) as found:
        return np.asarray(found["flux"])
