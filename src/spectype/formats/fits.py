"""FITS as blocks: each table one, all images together."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import numpy as np

from spectype.formats.blocks import Block, Named
from spectype.formats.fastfits import Header
from spectype.formats.slowfits import open_fits
from spectype.formats.source import Source

_TABLES = ("BINTABLE", "TABLE", "A3DTABLE")


def read_blocks(source: Source) -> list[Block]:
    """Tables in order, then the images (if any) as one block.

    Raises
    ------
    ReadError
        If the file is damaged.
    """
    headers = [hdu.header for hdu in source.hdus]  # finds damage, and says so better than astropy
    blocks: list[Block] = []
    images = Block(kind="images", cards=headers[0])
    with open_fits(source) as hdus:
        for number, hdu in enumerate(hdus):
            if number >= len(headers):
                break
            if getattr(hdu, "is_image", False):
                if int(hdu.header.get("NAXIS", 0)) > 0 and hdu.data is not None:
                    images.arrays.append(_image(hdu, number, headers[number]))
            elif headers[number].get("ZTABLE"):
                raise source.fail(
                    f"HDU {number} is a table compressed by fpack, which is not read",
                    remedy="unpack it with funpack",
                )
            elif headers[number].text("XTENSION") in _TABLES:
                blocks.append(_table(hdu, number, headers[number]))
    return [*blocks, images] if images.arrays else blocks


def _image(hdu: Any, number: int, header: Header) -> Named:
    """An image; a tile-compressed one has its own cards inside a table's."""
    if header.get("ZIMAGE"):
        raw = hdu.header.tostring(endcard=False, padding=False).encode("latin-1", "replace")
        header = Header(raw)
    name = header.text("EXTNAME") or ""
    if name == "PRIMARY" or (name == "COMPRESSED_IMAGE"):
        name = ""
    version = header.number("EXTVER")
    if name and version and version > 1:
        name = f"{name}.{version:.0f}"
    data = hdu.data
    return Named(name=name, load=lambda: data, unit=header.text("BUNIT"), cards=header)


def _numbers(data: Any, column: Any) -> Any:
    """The values of a column; those that stand for no value (TNULL) are NaN."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is converted on the way, like undefined logicals
        values = data.field(column.name)
    if column.null in (None, "") or values.dtype.kind not in "iuf":
        return values
    null = float(column.null) * float(column.bscale or 1) + float(column.bzero or 0)
    absent = np.isclose(values, null, rtol=1e-12, atol=0)
    return np.where(absent, np.nan, values) if absent.any() else values


def _table(hdu: Any, number: int, header: Header) -> Block:
    n_rows = int(header.number("NAXIS2") or 0)
    block = Block(
        kind="table",
        name=header.text("EXTNAME") or "",
        number=number,
        cards=header,
        n_rows=n_rows,
    )
    if n_rows and len(hdu.columns):
        data = hdu.data  # read while the file is open; columns are converted when asked for
        for column in hdu.columns:
            load = partial(_numbers, data, column)
            if str(column.format).lstrip("0123456789")[:1] in ("P", "Q"):
                load = partial(np.asarray, load())  # vectors of any length lie in the heap
            block.arrays.append(Named(name=column.name, load=load, unit=column.unit))
    return block
