"""spectype: spectral types of stars from optical spectra, with honest uncertainties."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from spectype.classify.runtime import Model as Model
    from spectype.classify.runtime import load_model as load_model
    from spectype.core.spectra import Spectra as Spectra
    from spectype.surveys import read as read

_LAZY = {
    "Spectra": "spectype.core.spectra",
    "read": "spectype.surveys",
    "load_model": "spectype.classify.runtime",
    "Model": "spectype.classify.runtime",
}
__all__ = ["Model", "Spectra", "__version__", "load_model", "read"]


def __getattr__(name: str) -> object:
    # Lazy, so that ``import spectype`` costs milliseconds (PEP 562).
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'spectype' has no attribute {name!r}")
