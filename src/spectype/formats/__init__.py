"""Containers: the named arrays of a FITS, text or VOTable file, with units and cards.

Nothing here knows what an array means; that is `spectype.reading`'s.
"""

from __future__ import annotations

import contextlib

from spectype.core.errors import ReadError
from spectype.formats import fits, text, votable
from spectype.formats.blocks import Block
from spectype.formats.source import Source

__all__ = ["read_blocks"]


def read_blocks(source: Source) -> list[Block]:
    """The tables, images or the one text table of a file, in order.

    Raises
    ------
    ReadError
        If the container is damaged, or a text is no table of numbers.
    """
    if source.is_fits:
        return fits.read_blocks(source)
    if source.is_votable:
        return votable.read_blocks(source)
    for format, is_it in (
        ("ascii.ecsv", source.data.startswith(text.ECSV)),
        ("ascii.cds", text.CDS in source.data[: 1 << 16]),
    ):
        if is_it:
            with contextlib.suppress(ReadError):  # then it is text under another's first line
                return votable.read_text(source, format)
    return [text.read_block(source)]
