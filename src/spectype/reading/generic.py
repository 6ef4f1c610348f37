"""Spectra of any usual form: containers to arrays, arrays to roles, roles to a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spectype.core.spectra import Spectra
from spectype.formats import read_blocks
from spectype.formats.blocks import Block, Cards, Named
from spectype.formats.source import Source
from spectype.reading import about, arms, frames, layout, names, pictures, roles
from spectype.reading.clean import Raw, assemble, parts_of
from spectype.reading.rows import role_of_text

_NO_STARS = ("sky", "continuum", "raw", "model", "other")  # what a table's name may say it holds
_LEAST = 50  # pixels: a table of fewer is a list of lines beside one of many more


def read(
    source: Source,
    *,
    frame: str | None = None,
    columns: names.ColumnChoice | None = None,
    unit: str | None = None,
    survey: str = "table",
    adjust: Callable[[Raw, Source], None] | None = None,
) -> Spectra:
    """Read any spectrum of a usual form.

    Parameters
    ----------
    source : Source
        The file.
    frame : {"air", "vacuum"}, optional
        Frame of its wavelengths where the file does not say. By default vacuum on the SDSS
        grid, else air.
    columns : mapping, sequence or str, optional
        See `spectype.reading.names.choose`.
    unit : str, optional
        Unit of the wavelengths; by default what the file says, else judged by their size.
    survey : str
        Name for the metadata.
    adjust : callable, optional
        What a library knows better than the conventions; changes the `Raw` in place.

    Raises
    ------
    ReadError
        If the file holds no spectrum, or not under these names.
    """
    raws, notes = find(source, columns)
    for raw in raws:
        raw.meta["survey"] = [survey] * len(raw)
        raw.notes += notes
        if adjust is not None:
            adjust(raw, source)
    pieces = [parts_of(raw, source, frame=frame, unit=unit) for raw in raws]
    return assemble(arms.gather(pieces), source)


def find(source: Source, columns: names.ColumnChoice | None) -> tuple[list[Raw], list[str]]:
    """The spectra of a file as its arrays give them, and what was left out."""
    blocks = read_blocks(source)
    tables = [block for block in blocks if block.kind != "images"]
    if columns is None:
        tables = [layout.upright(block) for block in tables]
    images = next((block for block in blocks if block.kind == "images"), None)
    if columns is None and len(blocks) > 1:
        tables, images = _lend(tables, images)
    usable = [block for block in tables if roles.is_usable(block, columns)]
    if columns is None:
        usable = _spectra_among(usable, images)
    if not usable and images is not None and columns is None:
        raws, left = pictures.of_images(images, source)
        if raws:
            headers = [image.cards for image in images.arrays]
            for raw in raws:
                own = next((i.cards for i in images.arrays if i.name == raw.name), images.cards)
                _describe(raw, [own, images.cards, *headers], alone=len(raws) == 1)
            return raws, _left_out(left, tables)
    if not usable and not tables:
        raise source.fail(
            "holds neither an image nor a table with a spectrum",
            remedy="is the extension with the data missing? fetch the file again",
        )
    if not usable:
        _refuse(tables, columns, source)
    raws = []
    for block in usable:
        found = roles.of_table(block, columns, source)
        for raw in found:
            _describe(raw, [block.cards, *_primary(source)], alone=len(usable) == 1)
        raws += found
    idle = [block for block in tables if block not in usable]
    if len(raws) > 1 and columns is None:
        _name(raws)
    return raws, _left_out([image.name for image in images.arrays] if images else [], idle)


def _lend(tables: list[Block], images: Block | None) -> tuple[list[Block], Block | None]:
    """Give wavelengths that stand in a table of their own to fluxes that have none."""
    found = [names.guess(block.names) if block.named else {} for block in tables]
    lenders = [i for i, one in enumerate(found) if "wave" in one and "flux" not in one]
    if not lenders:
        return tables, images
    lent = tables[lenders[0]][found[lenders[0]]["wave"]]
    wave = np.ravel(lent.values)
    as_rows = Named.of(lent.name, wave[None], unit=lent.unit)
    out = []
    for block, one in zip(tables, found):
        if "flux" in one and "wave" not in one and not roles.has_axis(block.cards):
            shape = block[one["flux"]].values.shape
            if shape[-1] == wave.size:
                block = replace(block, arrays=[*block.arrays, as_rows if len(shape) > 1 else lent])
        out.append(block)
    if images is not None and not any("wave" in one and "flux" in one for one in found):
        first = images.arrays[0]
        bare = not (roles.has_axis(first.cards) or roles.has_axis(images.cards))
        if bare and "wave" not in names.guess(images.names) and first.values.shape[-1] == wave.size:
            named = Named.of(f"WAVE {lent.name}", wave, unit=lent.unit)
            images = replace(images, arrays=[*images.arrays, named])
    return out, images


def _spectra_among(tables: list[Block], images: Block | None) -> list[Block]:
    """Tables of spectra without those of sky, models, lamps or lines, if anything is left then."""
    stars = [b for b in tables if role_of_text(b.name) not in _NO_STARS] or tables
    widths = [roles.n_pixels(block) for block in stars]
    shapes = [np.shape(image.values)[-1:] for image in images.arrays] if images else []
    most = max([*widths, *(n for shape in shapes for n in shape)], default=0)
    return [block for block, n in zip(stars, widths) if n >= _LEAST or n > most / 10]


def _primary(source: Source) -> list[Cards]:
    return [source.hdus[0].header] if source.hdus else []


def _left_out(images: Sequence[str], tables: Sequence[Block]) -> list[str]:
    """A note of what holds data and was not read."""
    names_of = [f"image {name}".strip().replace("image image", "image") for name in images]
    names_of += [block.title for block in tables if block.n_rows]
    if not names_of:
        return []
    shown = ", ".join(names_of[:4]) + (", ..." if len(names_of) > 4 else "")
    return [f"left out: {shown}"]


def _name(raws: Sequence[Raw]) -> None:
    """Give stars of several tables the names of their tables, where they have no other."""
    for raw in raws:
        if raw.name and len(raw) == 1 and raw.meta.get("object", [None]) == [None]:
            arm = any(names.is_arm(word) for word in raw.name.replace("-", "_").split("_"))
            if not arm:
                raw.meta["object"] = [raw.name]


def _refuse(tables: Sequence[Block], columns: names.ColumnChoice | None, source: Source) -> None:
    """Raise with the columns that are there."""
    filled = [block for block in tables if block.n_rows and block.arrays]
    if not filled:
        raise source.fail("holds no table with rows", remedy="is the file complete? fetch it again")
    every = [name for block in filled for name in block.names]
    if columns is not None:
        names.choose(every, columns, source)  # says which of the user's names is missing
    if len(filled) == 1:
        roles.of_table(filled[0], columns, source)  # says what is missing
    raise source.fail(
        f"no table has columns that look like wavelength and flux: {', '.join(every[:12])}",
        remedy="name them: --columns wave=...,flux=... (columns= in Python)",
    )


def _describe(raw: Raw, headers: Sequence[Cards], *, alone: bool) -> None:
    """Frame and metadata from the headers, the most specific first."""
    if raw.frame is None and (said := frames.of_headers(headers)):
        raw.frame = said.name
        raw.notes += [said.note] if said.note else []
    for name, value in about.of_cards(headers if alone else headers[:1] or headers).items():
        raw.meta.setdefault(name, [value] * len(raw))
