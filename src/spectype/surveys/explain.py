"""A file in words: what it is, what was taken for what, what was assumed, what can be used."""

from __future__ import annotations

import os

import numpy as np

from spectype.core.errors import ReadError, SpectypeError
from spectype.core.spectra import Spectra
from spectype.formats import read_blocks
from spectype.formats.blocks import Block
from spectype.formats.source import Source, load
from spectype.reading import names
from spectype.surveys import SURVEYS, read

_RANGE = (3700.0, 9100.0)  # Angstrom, vacuum: what is typed
_SHOWN = 8


def explain(path: str | os.PathLike[str], *, row: int | None = None) -> list[str]:
    """Lines that explain a file.

    Parameters
    ----------
    path : path-like
    row : int, optional
        The one of its spectra that is meant; by default the first of them.

    Raises
    ------
    ReadError
        If it cannot even be opened.
    """
    source = load(path)
    lines = [f"{source.path}: {_container(source)}"]
    survey = next((s for s in SURVEYS if s.recognise(source)), None)
    if survey is None:
        lines.append("survey: none that is known; read by names, units and numbers")
    else:
        lines.append(f"survey: {survey.title} (cite {survey.citation})")
    try:
        lines += _blocks(source, judged=survey is None)
        lines += describe(read(path), row=row)
    except SpectypeError as error:
        words = f"{error.problem} ({error.remedy})" if error.remedy else error.problem
        lines.append(f"cannot be read: {words}")
    return lines


def _container(source: Source) -> str:
    if source.is_fits:
        return f"FITS, {len(source.hdus)} HDU{'s' * (len(source.hdus) != 1)}"
    return "VOTable" if source.is_votable else "text"


def _blocks(source: Source, *, judged: bool) -> list[str]:
    """What the arrays of the file look like; where no survey is known, also by their names."""
    return [line for block in read_blocks(source) for line in _block(block, judged=judged)]


def _block(block: Block, *, judged: bool) -> list[str]:
    if block.kind == "images":
        shapes = ", ".join(
            f"{image.name or 'image'} {'x'.join(map(str, image.values.shape))}"
            for image in block.arrays[:_SHOWN]
        )
        return [f"images: {shapes}"]
    title = "table" if block.kind == "text" else block.title
    shown = ", ".join(block.names[:_SHOWN]) + (", ..." if len(block.names) > _SHOWN else "")
    lines = [f"{title}: {block.n_rows} rows; columns {shown}"]
    if not judged:
        return lines
    if block.named:
        for one in names.families(block.names):
            roles = ", ".join(f"{role} = {name}" for role, name in one.roles.items())
            lines.append(f"  by their names: {roles or 'nothing that looks like a spectrum'}")
    else:
        lines.append("  without names: judged by position and numbers")
    return lines


def describe(spectra: Spectra, *, row: int | None = None) -> list[str]:
    """What was read: rows, wavelengths, frame, errors, and each decision; of one row, or the first.

    Raises
    ------
    ReadError
        If there is no such row.
    """
    if row is not None and row >= len(spectra):
        raise ReadError(f"there is no spectrum {row}; the last is {len(spectra) - 1}")
    lines = [f"spectra: {len(spectra)}, {spectra.n_pix} pixels"]
    if frames := ", ".join(sorted({frame for frame in spectra.get("wave_frame") if frame})):
        lines.append(f"wavelengths of the file in {frames}; here in vacuum")
    shown = range(min(len(spectra), _SHOWN)) if row is None else [row]
    for i in shown:
        one = spectra[i]
        wave = one.wave if one.wave.ndim == 1 else one.wave[0]
        good = ~one.mask[0]
        inside = good & (wave > _RANGE[0]) & (wave < _RANGE[1])
        name = one.get("object")[0] or one.get("obsid")[0] or ""
        span = f"{wave[good][0]:.0f}-{wave[good][-1]:.0f} A" if good.any() else "nothing usable"
        errors = f"S/N {one.snr()[0]:.0f}" if one.get("has_errors")[0] else "no errors"
        share = inside.sum() / max(1, int(np.sum((wave > _RANGE[0]) & (wave < _RANGE[1]))))
        lines.append(f"  [{i}] {name} {span}, {errors}, {share:.0%} good in 3700-9100 A".rstrip())
        lines += [f"      {note}" for note in (one.get("notes")[0] or "").split("; ") if note]
    if row is None and len(spectra) > _SHOWN:
        lines.append(f"  ... and {len(spectra) - _SHOWN} more")
    return lines
