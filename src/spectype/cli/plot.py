"""``spectype plot``: a spectrum with its lines and type; spectra compared; types explained."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from spectype.classify.runtime import System
from spectype.core import mk
from spectype.core.errors import DataError, SpectypeError, UsageError
from spectype.draw.canvas import SCREEN
from spectype.draw.targets import (
    AsRead,
    FigureConfig,
    OnPaper,
    Reading,
    Title,
    figure_names,
    named,
    only_one,
    read_all,
    write_figures,
)

if TYPE_CHECKING:
    from spectype.classify.standards import Match, Standards
    from spectype.core.spectra import Spectra

app = App(name="plot", help="Draw a spectrum with its type; compare spectra; explain a type.")

Config = Annotated[FigureConfig, Parameter(name="*")]


@app.command
def spectrum(
    *files: str,
    between: Annotated[tuple[float, float] | None, Parameter(negative="")] = None,
    lines: str | None = None,
    redshift: float | None = None,
    smooth: int = 0,
    typed: Annotated[bool, Parameter(negative="--no-typed")] = True,
    config: Config = FigureConfig(),  # noqa: B008
) -> int:
    """Draw spectra: flux, errors, bad pixels, named lines, telluric bands, and the type.

    One figure a spectrum. Several go into the pages of one PDF, or as PNG into a folder.

    Example: `spectype plot spectrum spec-*.fits.gz --output figures.pdf`

    Parameters
    ----------
    files
        Files of spectra; FILE[3] is the fourth spectrum of a file.
    between
        First and last wavelength [Angstrom].
    lines
        Name the lines of these types, for example OB; "none" for none. Default: likely types.
    redshift
        Draw the lines at this redshift, not at the file's own.
    smooth
        Running mean over so many pixels; by default only where the S/N is low.
    typed
        Type the spectra.
    """
    from spectype.draw.spectrum import spectrum_figure

    _check_between(between)
    _check_types(lines)
    items, unread = read_all(named(files, least=1), config.reading)
    targets = figure_names([name for name, _ in items], config.output)
    predict = _predictor(config.model) if typed else None
    figures = (
        spectrum_figure(
            one,
            prediction=None if predict is None else predict(one),
            title=config.title or None,
            types="" if lines == "none" else lines,
            between=between,
            redshift=redshift,
            smooth=smooth,
        )
        for _, one in items
    )
    for path in write_figures(figures, targets, paper=config.paper):
        print(path)
    return 3 if unread else 0


@app.command
def compare(
    *files: str,
    output: Annotated[Path, Parameter(name=("--output", "-o"), group="Figures")] = (
        Path("compare.png")
    ),
    between: Annotated[tuple[float, float] | None, Parameter(negative="")] = None,
    lines: str | None = None,
    offset: float = 0.0,
    fwhm: float | None = None,
    normalise: bool = False,
    names: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    title: Title = None,
    paper: OnPaper = SCREEN,
    reading: AsRead = Reading(),  # noqa: B008
) -> int:
    """Draw spectra of several files on one axis, in vacuum, at rest, scaled to each other.

    Two spectra laid over one another get their ratio below. An O star of LAMOST against one
    of Jacoby's atlas, whatever the reddening: give --normalise and --fwhm 300.

    Example: `spectype plot compare lamost.fits.gz jc_1.fits.gz --normalise -o compare.png`

    Parameters
    ----------
    files
        Files, two at least; FILE[3] is the fourth spectrum of a file.
    output
        Figure (.png, .pdf, .svg).
    between
        First and last wavelength [Angstrom]; by default where two of them overlap.
    lines
        Name the lines of these types, for example OB; "none" for none. By default the labels'.
    offset
        Distance between the curves in units of their median; 0 lays them over one another.
    fwhm
        Bring all to this resolution, full width at half maximum [km/s].
    normalise
        Divide each by its broad shape: reddening and calibration drop out.
    names
        Names for the legend, one a spectrum.
    title
        Heading.
    paper
        How wide and how fine.
    reading
        What is said of the files.
    """
    from spectype.draw.canvas import check_output, page, save
    from spectype.draw.compare import compare_figure

    _check_between(between)
    _check_types(lines)
    check_output(output)
    chosen = [only_one(name, reading) for name in named(files, least=2)]
    if names is not None and len(names) != len(chosen):
        raise UsageError(f"{len(names)} names for {len(chosen)} spectra", remedy="one name each")
    if fwhm is not None and fwhm <= 0:
        raise UsageError(f"a resolution of {fwhm:g} km/s is not positive")
    with page(paper):
        figure = compare_figure(
            chosen,
            names=names,
            types="" if lines == "none" else lines or _types_of_labels(chosen),
            offset=offset,
            fwhm=fwhm,
            normalise=normalise,
            between=between,
            title=title,
        )
        print(save(figure, output))
    return 0


@app.command
def explain(
    *files: str,
    average: Annotated[bool, Parameter(negative="")] = False,
    system: System = "mk",
    standards: Path | None = None,
    config: Config = FigureConfig(),  # noqa: B008
) -> int:
    """Draw which wavelengths moved the decision, over the spectrum with the lines' names.

    The features in each narrow window of wavelengths are taken out in turn and the spectrum is
    typed again. With --average the maps of all files become one figure, a row a type, against
    the lines by which spectroscopists tell the type's subclasses. With --standards the three
    nearest spectra of a store of labelled library spectra are drawn below, at the velocity
    that fits best.

    Example: `spectype plot explain spec-*.fits.gz --output why.pdf`

    Parameters
    ----------
    files
        Files of spectra; FILE[3] is the fourth spectrum of a file.
    average
        One figure of the average of each type.
    system
        mk or survey: whose types are explained.
    standards
        Store of labelled library spectra to compare with.
    """
    from spectype.classify import explain as reasons
    from spectype.classify.runtime import DEFAULT, load_model
    from spectype.core.progress import track
    from spectype.draw.explain import attention_figure, explain_figure

    if average and standards is not None:
        raise UsageError("--average and --standards exclude each other", remedy="give one")
    library = None if standards is None else _library(standards)
    items, unread = read_all(named(files, least=1), config.reading)
    names = ["attention"] if average else [name for name, _ in items]
    targets = figure_names(names, config.output)
    decider = load_model(config.model or DEFAULT)
    found = (
        (one, reasons.explain(one, decider, system=system))
        for _, one in track(items, title="explaining")
    )
    figures: Iterator[Any]
    if average:
        looked = reasons.attention(reasons.join([reason for _, reason in found]))
        if not looked:
            raise DataError("none of the spectra is given a type")
        figures = iter([attention_figure(looked, decider.wave, title=config.title or "")])
    else:
        figures = (
            explain_figure(
                one,
                reason,
                prediction=decider.predict(one, system=system).to_dicts()[0],
                title=config.title or None,
                matches=[] if library is None else _matches(library, one),
            )
            for one, reason in found
        )
    for path in write_figures(figures, targets, paper=config.paper):
        print(path)
    return 3 if unread else 0


def _library(store: Path) -> Standards:
    from spectype.classify.standards import Standards
    from spectype.dataset.store import Store

    return Standards(Store(store))


def _matches(library: Standards, spectrum: Spectra) -> list[Match]:
    """The nearest standards; where there are none, that is said and the figure drawn without."""
    try:
        return library.nearest(spectrum)
    except DataError as error:
        print(f"spectype: drawn without standards: {error}", file=sys.stderr)
        return []


def _predictor(model: str | None) -> Any:
    """A function from a spectrum to its row of predictions; None where no model is shipped."""
    from spectype.classify.runtime import load_model

    try:
        loaded = load_model() if model is None else load_model(model)
    except SpectypeError as error:
        if model is not None:
            raise
        print(f"spectype: drawn without types: {error}", file=sys.stderr)
        return None
    return lambda spectrum: loaded.predict(spectrum).to_dicts()[0]


def _types_of_labels(spectra: Sequence[Spectra]) -> str:
    from spectype.draw.spectrum import NO_TYPE

    found = [mk.parse(s.get("subclass")[0]).type for s in spectra]
    return "".join(dict.fromkeys(t for t in found if t)) or NO_TYPE


def _check_between(between: tuple[float, float] | None) -> None:
    if between is not None and not 0 < between[0] < between[1]:
        raise UsageError(f"no wavelengths lie between {between[0]:g} and {between[1]:g} A")


def _check_types(lines: str | None) -> None:
    if lines is not None and lines != "none" and (not lines or set(lines) - set(mk.TYPES)):
        raise UsageError(f"--lines {lines!r} names no types", remedy="for example OB, or none")
