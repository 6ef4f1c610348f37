"""spectype: spectral types of stars from optical spectra, with honest uncertainties."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from spectype.classify.runtime import Model as Model
    from spectype.classify.runtime import load_model as load_model
    from spectype.core.flags import Flag as Flag
    from spectype.core.spectra import Spectra as Spectra
    from spectype.surveys import read as read

_LAZY = {
    "Flag": "spectype.core.flags",
    "Spectra": "spectype.core.spectra",
    "read": "spectype.surveys",
    "load_model": "spectype.classify.runtime",
    "Model": "spectype.classify.runtime",
}
__all__ = ["Flag", "Model", "Spectra", "__version__", "classify", "load_model", "read"]


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
