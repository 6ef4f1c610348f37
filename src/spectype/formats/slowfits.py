"""FITS by astropy, for all that the fast scanner leaves alone."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

from spectype.formats.source import Source

_SIZES = ("SIMPLE", "XTENSION", "BITPIX", "PCOUNT", "GCOUNT", "GROUPS", "EXTEND")


@contextlib.contextmanager
def open_fits(source: Source) -> Iterator[Any]:
    """Open the bytes of `source` with astropy, quietly.

    Yields
    ------
    astropy.io.fits.HDUList

    Raises
    ------
    ReadError
        If astropy cannot tell where an HDU ends.
    """
    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers of real files are full of small sins
        check_ends(source)
        with fits.open(io.BytesIO(source.data), memmap=False) as hdus:
            yield hdus


def check_ends(source: Source) -> None:
    """See that astropy can read the cards that say where the HDUs end.

    It takes an HDU whose cards it cannot parse for a corrupted one that ends where it begins, and
    reads that again and again, for ever, in whoever walks over the list.

    Raises
    ------
    ReadError
        Where it cannot.
    """
    from astropy.io import fits

    for number, hdu in enumerate(source.hdus):
        try:
            cards = fits.Header.fromstring(hdu.header.raw)
            for key in [k for k in cards if k.startswith("NAXIS")] + list(_SIZES):
                cards.get(key)
        except (fits.VerifyError, ValueError) as error:
            raise source.fail(
                f"HDU {number}: broken header: {error}", remedy="fetch or copy it again"
            ) from error
