"""``spectype.plot``: a batch as one figure, in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.core.errors import ArgumentError
from spectype.core.lines import lines_of
from spectype.core.spectra import Spectra
from spectype.draw.canvas import Paper, Width, new_figure, page, save, style
from spectype.draw.labels import draw_lines, draw_telluric
from spectype.draw.spectrum import (
    draw_spectrum,
    heading,
    in_words,
    likely_types,
    put_title,
    spectrum_figure,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST = 12  # panels of a figure


def plot(
    spectra: Spectra,
    *,
    types: Any = None,
    lines: str | None = None,
    between: tuple[float, float] | None = None,
    smooth: int = 0,
    width: Width = "screen",
    output: str | Path | None = None,
) -> Figure:
    """Draw the spectra of a batch: flux, errors, bad pixels, named lines, telluric bands.

    Parameters
    ----------
    spectra : Spectra
        One has a figure of its own; several stand below each other, 12 at most.
    types : polars.DataFrame, optional
        What `predict` says of them, a row each: lines of the likely types are named, and of one
        spectrum the probabilities are drawn.
    lines : str, optional
        Name the lines of these types, for example ``"OB"``; empty names none.
    between : (float, float), optional
        First and last wavelength [Angstrom].
    smooth : int
        Running mean over so many pixels; 0 decides by the S/N.
    width : {"one", "two", "screen"}
        As wide as one or two columns of a journal (88, 180 mm), or for the screen.
    output : path-like, optional
        Write the figure (.png, .pdf, .svg).

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If there is nothing to draw, or too much, or `types` has another number of rows.

    Examples
    --------
    >>> from spectype import from_arrays
    >>> star = from_arrays(range(3800, 8800, 2), [1.0, 1.1] * 1250, frame="vacuum")
    >>> star.plot().axes[0].get_xlabel()
    'vacuum wavelength [Å]'
    """
    rows = _rows(spectra, types)
    with page(Paper(width)):
        if len(spectra) == 1:
            figure = spectrum_figure(
                spectra, prediction=rows[0], types=lines, between=between, smooth=smooth
            )
        else:
            figure = _stacked(spectra, rows, lines=lines, between=between, smooth=smooth)
    if output is not None:
        save(figure, output)
    return figure


def _rows(spectra: Spectra, types: Any) -> Sequence[dict[str, Any] | None]:
    if not len(spectra):
        raise ArgumentError("holds no spectrum to draw", path="spectra")
    if len(spectra) > _MOST:
        raise ArgumentError(
            f"holds {len(spectra)} spectra, too many for a figure",
            path="spectra",
            remedy=f"choose {_MOST} at most: spectra[:{_MOST}]",
        )
    if types is None:
        return [None] * len(spectra)
    if len(types) != len(spectra):
        raise ArgumentError(f"has {len(types)} rows for {len(spectra)} spectra", path="types")
    return list(types.to_dicts())


def _stacked(
    spectra: Spectra,
    rows: Sequence[dict[str, Any] | None],
    *,
    lines: str | None,
    between: tuple[float, float] | None,
    smooth: int,
) -> Figure:
    """A panel a spectrum, all over the same wavelengths."""
    with style():
        figure = new_figure(11.0, 1.0 + 1.9 * len(spectra))
        figure.set_figheight(1.0 + 1.9 * len(spectra))  # labels are as high in a column
        panels = figure.subplots(len(spectra), 1, sharex=between is not None, squeeze=False)[:, 0]
        for axes, one, row in zip(panels, spectra, rows, strict=True):
            redshift = float(one.get("redshift")[0] or 0.0)
            draw_spectrum(axes, one, between=between, smooth=smooth)
            draw_telluric(axes, named=axes is panels[-1])
            wanted = likely_types(row, one) if lines is None else lines
            above = draw_lines(axes, lines_of(wanted), redshift=redshift)
            found = "" if row is None else in_words(row)
            put_title(axes, " · ".join(x for x in (heading(one), found) if x), above=above)
            axes.set_ylabel("flux / median")
        panels[-1].set_xlabel("vacuum wavelength [Å]")
    return figure
