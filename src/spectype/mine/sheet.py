"""A contact sheet: the stars of a list under one another, to be judged by eye."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.classify.standards import Match
from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import lines_of
from spectype.core.spectra import Spectra
from spectype.draw.canvas import GREY, SECOND, new_figure, save, save_pages, style
from spectype.draw.labels import draw_lines
from spectype.draw.spectrum import draw_spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

A_PAGE = 5  #: stars
BLUE = (3800.0, 5050.0)  #: Angstrom, where the types O to A are told
WHOLE = (3700.0, 9000.0)


def write_sheet(
    rows: Sequence[Mapping[str, Any]],
    spectra: Mapping[int, Spectra],
    matches: Mapping[int, Match],
    folder: Path,
    *,
    types: str,
) -> list[Path]:
    """Write ``sheet.pdf`` with all stars and ``sheet.png`` with the first page.

    Parameters
    ----------
    rows : sequence of mapping
        Ranked rows.
    spectra, matches : mapping
        Place in the rows to spectrum and to nearest standard, where there is one.
    folder : Path
        Where to.
    types : str
        Types whose lines are named.

    Returns
    -------
    list of Path
        What was written; nothing if no spectrum could be read.
    """
    places = [place for place in range(len(rows)) if place in spectra]
    pages = [places[i : i + A_PAGE] for i in range(0, len(places), A_PAGE)]
    if not pages:
        return []

    def figures() -> Iterator[Figure]:
        for page in pages:
            yield _page([(rows[i], spectra[i], matches.get(i)) for i in page], types)

    drawn = figures()
    first = next(drawn)
    picture = save(first, folder / "sheet.png")
    return [save_pages(chain([first], drawn), folder / "sheet.pdf"), picture]


def _page(stars: Sequence[tuple[Mapping[str, Any], Spectra, Match | None]], types: str) -> Figure:
    with style():
        figure = new_figure(11.0, 3.0 * len(stars) + 0.2, panels=2)
        grid = figure.add_gridspec(len(stars), 2, width_ratios=[1.6, 1.0])
        for number, (row, spectrum, match) in enumerate(stars):
            blue, whole = (figure.add_subplot(grid[number, i]) for i in (0, 1))
            above = _draw(blue, spectrum, match, row, between=BLUE, types=types)
            blue.set_title(_heading(row), pad=6 + above, size=8.5)
            _draw(whole, spectrum, None, row, between=WHOLE, types="")
            whole.set_title(_second(row), pad=2, size=7.5, color=GREY)
        figure.supxlabel("vacuum wavelength [Å]", size=8.5)
        figure.supylabel("flux / median", size=8.5)
    return figure


def _draw(
    axes: Axes,
    spectrum: Spectra,
    match: Match | None,
    row: Mapping[str, Any],
    *,
    between: tuple[float, float],
    types: str,
) -> float:
    """Draw a spectrum over its standard; how far labels reach over the axes [points]."""
    draw_spectrum(axes, spectrum, between=between)
    if match is not None:
        low, high = axes.get_ylim()
        inside = (between[0] < STANDARD_GRID) & (between[1] > STANDARD_GRID)
        below = low + 0.02 * (high - low) + 0.3 * (match.flux - 1.0) * (high - low)
        axes.plot(STANDARD_GRID[inside], below[inside], color=SECOND, lw=0.7)
        axes.set_ylim(low - 0.25 * (high - low), high)
        axes.annotate(
            f"{match.label}, {match.name}: shape removed, at rest", (0.01, 0.02),
            xycoords="axes fraction", size=6.5, color=SECOND,
        )  # fmt: skip
    z = spectrum.get("redshift")[0]
    named = lines_of(types, between=between)
    return draw_lines(
        axes, named, redshift=float(z) if z is not None and abs(float(z)) < 0.01 else 0.0
    )


def _heading(row: Mapping[str, Any]) -> str:
    kind = " ".join(str(row[k]) for k in ("subclass", "luminosity") if row.get(k))
    survey = row.get("survey_label") or row.get("label")
    parts = [
        f"{row['rank']}.  {row.get('obsid') or Path(str(row['path'])).name}",
        f"score {row['score']:.2g}",
        kind or str(row.get("type")),
        f"survey: {survey}" if survey else "",
        f"S/N {row['snr']:.0f}" if row.get("snr") else "",
    ]
    return " · ".join(part for part in parts if part)


def _second(row: Mapping[str, Any]) -> str:
    lines = [
        f"{name[:2]} {name[2:-4]} {name[-4:]}: {row[name]:.2f} ± {row[f'{name}_error']:.2f} Å"
        for name in ("HeI4471", "HeII4541", "HeII4686")
        if row.get(name) is not None and row.get(f"{name}_error") is not None
    ]
    if row.get("nearest_chi2") is not None:
        lines.append(f"χ² {row['nearest_chi2']:.2f}")
    return "\n".join(lines)
