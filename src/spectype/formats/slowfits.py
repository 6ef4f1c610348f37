"""FITS by astropy, for all that the fast scanner leaves alone."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from spectype.formats.source import Source


@contextlib.contextmanager
def open_fits(source: Source) -> Iterator[Any]:
    """Open the bytes of `source` with astropy, quietly.

    Yields
    ------
    astropy.io.fits.HDUList
    """
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of real files are full of small sins
        with fits.open(io.BytesIO(source.data), memmap=False) as hdus:
            yield hdus
