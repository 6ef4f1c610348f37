"""spectype: spectral types of stars from optical spectra, with honest uncertainties."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from spectype.classify.given import read as read
    from spectype.classify.results import Results as Results
    from spectype.classify.runtime import Model as Model
    from spectype.classify.runtime import load_model as load_model
    from spectype.classify.tables import to_table as to_table
    from spectype.core.flags import Flag as Flag
    from spectype.core.spectra import Spectra as Spectra
    from spectype.dataset.fitsfile import write_spectra as write_spectra
    from spectype.draw.plot import plot as plot
    from spectype.reading.arrays import from_arrays as from_arrays
    from spectype.surveys.specutils_io import from_specutils as from_specutils
    from spectype.surveys.specutils_io import to_specutils as to_specutils

_LAZY = {
    "Flag": "spectype.core.flags",
    "Model": "spectype.classify.runtime",
    "Results": "spectype.classify.results",
    "Spectra": "spectype.core.spectra",
    "from_arrays": "spectype.reading.arrays",
    "from_specutils": "spectype.surveys.specutils_io",
    "load_model": "spectype.classify.runtime",
    "plot": "spectype.draw.plot",
    "read": "spectype.classify.given",
    "to_specutils": "spectype.surveys.specutils_io",
    "to_table": "spectype.classify.tables",
    "write_spectra": "spectype.dataset.fitsfile",
}
__all__ = ["__version__", "classify", *_LAZY]


def __getattr__(name: str) -> object:
    # Lazy, so that ``import spectype`` costs milliseconds (PEP 562).
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'spectype' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__file__", "__name__", "__path__"]


class _Package(ModuleType):
    """The package, whose ``classify`` is a function although a room has that name.

    Python binds a sub-package to its parent when it is imported. Here the function stays, and has
    the names of the room as attributes: ``import spectype.classify.runtime`` works as ever.
    """

    @property
    def classify(self) -> Any:
        from spectype.classify.library import classify

        classify.__dict__ = vars(sys.modules["spectype.classify"])
        return classify

    @classify.setter
    def classify(self, room: ModuleType) -> None:
        """What the import system binds; `sys.modules` has it, and nobody needs it here."""


sys.modules[__name__].__class__ = _Package
