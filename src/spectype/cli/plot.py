"""``spectype plot``: a spectrum with its lines and type; spectra compared; types explained."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from spectype.core import mk
from spectype.core.errors import DataError, SpectypeError, UsageError

if TYPE_CHECKING:
    from spectype.core.spectra import Spectra

app = App(name="plot", help="Draw a spectrum with its type; compare spectra; explain a type.")

_MOST = 500  # figures of one command; a catalogue is not drawn by accident
_ROW = re.compile(r"^(.*)\[(\d+)\]$")


@app.command
def spectrum(
    *files: str,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    between: Annotated[tuple[float, float] | None, Parameter(negative="")] = None,
    lines: str | None = None,
    redshift: float | None = None,
    smooth: int = 0,
    model: str | None = None,
    typed: bool = True,
    frame: str | None = None,
    title: str | None = None,
) -> int:
    """Draw spectra: flux, errors, bad pixels, named lines, telluric bands, and the type.

    One figure a spectrum. Several go into the pages of one PDF, or as PNG into a folder.

    Example: `spectype plot spectrum spec-*.fits.gz --output figures.pdf`

    Parameters
    ----------
    files
        Files of spectra; FILE[3] is the fourth spectrum of a file.
    output
        Figure (.png, .pdf, .svg), or a folder; by default NAME.png beside you.
    between
        First and last wavelength [Angstrom].
    lines
        Name the lines of these types, for example OB; "none" for none. Default: likely types.
    redshift
        Draw the lines at this redshift, not at the file's own.
    smooth
        Running mean over so many pixels; by default only where the S/N is low.
    model
        Model that types the spectra: a name or a folder.
    typed
        Type the spectra.
    frame
        Frame of the files' wavelengths, air or vacuum, where they do not say.
    title
        Heading; by default object, survey, label and S/N.
    """
    from spectype.judge.spectrum_figure import spectrum_figure

    _check_between(between)
    _check_types(lines)
    items, unread = _read_all(_named(files, least=1), frame)
    targets = figure_names([name for name, _ in items], output)
    predict = _predictor(model) if typed else None
    figures = (
        spectrum_figure(
            one,
            prediction=None if predict is None else predict(one),
            title=title or None,
            types="" if lines == "none" else lines,
            between=between,
            redshift=redshift,
            smooth=smooth,
        )
        for _, one in items
    )
    for path in write_figures(figures, targets):
        print(path)
    return 3 if unread else 0


@app.command
def compare(
    *files: str,
    output: Annotated[Path, Parameter(name=("--output", "-o"))] = Path("compare.png"),
    between: Annotated[tuple[float, float] | None, Parameter(negative="")] = None,
    lines: str | None = None,
    offset: float = 0.0,
    fwhm: float | None = None,
    normalise: bool = False,
    names: Annotated[list[str] | None, Parameter(consume_multiple=True, negative="")] = None,
    frame: str | None = None,
    title: str | None = None,
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
    frame
        Frame of the files' wavelengths, air or vacuum, where they do not say.
    title
        Heading.
    """
    from spectype.judge.canvas import check_output, save
    from spectype.judge.compare_figure import compare_figure

    _check_between(between)
    _check_types(lines)
    check_output(output)
    chosen = [_only(name, frame) for name in _named(files, least=2)]
    if names is not None and len(names) != len(chosen):
        raise UsageError(f"{len(names)} names for {len(chosen)} spectra", remedy="one name each")
    if fwhm is not None and fwhm <= 0:
        raise UsageError(f"a resolution of {fwhm:g} km/s is not positive")
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
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    average: Annotated[bool, Parameter(negative="")] = False,
    system: str = "mk",
    model: str | None = None,
    frame: str | None = None,
    title: str | None = None,
) -> int:
    """Draw which wavelengths moved the decision, over the spectrum with the lines' names.

    The features in each narrow window of wavelengths are taken out in turn and the spectrum is
    typed again. With --average the maps of all files become one figure, a row a type, against
    the lines by which spectroscopists tell the type's subclasses.

    Example: `spectype plot explain spec-*.fits.gz --output why.pdf`

    Parameters
    ----------
    files
        Files of spectra; FILE[3] is the fourth spectrum of a file.
    output
        Figure (.png, .pdf, .svg), or a folder; by default NAME.png beside you.
    average
        One figure of the average of each type.
    system
        mk or survey: whose types are explained.
    model
        Model that decides: a name or a folder.
    frame
        Frame of the files' wavelengths, air or vacuum, where they do not say.
    title
        Heading; by default object, survey, label and S/N.
    """
    from spectype.classify import explain as reasons
    from spectype.classify.runtime import DEFAULT, load_model
    from spectype.core.progress import track
    from spectype.judge.explain_figure import attention_figure, explain_figure

    items, unread = _read_all(_named(files, least=1), frame)
    names = ["attention"] if average else [name for name, _ in items]
    targets = figure_names(names, output)
    decider = load_model(model or DEFAULT)
    found = (
        (one, reasons.explain(one, decider, system=system))
        for _, one in track(items, title="explaining")
    )
    figures: Iterator[Any]
    if average:
        looked = reasons.attention(reasons.join([reason for _, reason in found]))
        if not looked:
            raise DataError("none of the spectra is given a type")
        figures = iter([attention_figure(looked, decider.wave, title=title or "")])
    else:
        figures = (
            explain_figure(
                one,
                reason,
                prediction=decider.predict(one, system=system).to_dicts()[0],
                title=title or None,
            )
            for one, reason in found
        )
    for path in write_figures(figures, targets):
        print(path)
    return 3 if unread else 0


def read_one_by_one(name: str, frame: str | None) -> list[tuple[str, Spectra]]:
    """The spectra that `name` (FILE or FILE[3]) stands for, with a name for each."""
    from spectype.surveys import read

    match = None if Path(name).exists() else _ROW.match(name)
    path = match.group(1) if match else name
    batch = read(path, frame=frame)
    if match:
        row = int(match.group(2))
        if row >= len(batch):
            raise UsageError(f"has no spectrum {row}; the last is {len(batch) - 1}", path=path)
        return [(name, batch[row : row + 1])]
    if len(batch) > _MOST:
        raise UsageError(
            f"has {len(batch)} spectra", path=path, remedy=f"choose one: '{path}[0]'"
        )  # fmt: skip
    return [(name if len(batch) == 1 else f"{name}[{i}]", one) for i, one in enumerate(batch)]


def _read_all(names: Sequence[str], frame: str | None) -> tuple[list[tuple[str, Spectra]], int]:
    """Named spectra, and how many files could not be read; the only file's error is raised."""
    from spectype.core.errors import ReadError

    items, unread = [], 0
    for name in names:
        try:
            items += read_one_by_one(name, frame)
        except ReadError as error:
            if len(names) == 1:
                raise
            unread += 1
            print(f"spectype: {error}", file=sys.stderr)
    if not items:
        raise ReadError(f"none of the {len(names)} files can be read")
    return items, unread


def figure_names(names: Sequence[str], output: Path | None) -> list[Path]:
    """Where each figure goes; several figures of one PDF share its name."""
    from spectype.core.files import check_writable_folder
    from spectype.judge.canvas import check_output

    if len(names) > _MOST:
        raise UsageError(f"{len(names)} spectra are too many figures", remedy="name fewer files")
    is_folder = output is not None and (output.is_dir() or not output.suffix)
    if output is not None and not is_folder:
        check_output(output)
        if len(names) > 1 and output.suffix.lower() != ".pdf":
            raise UsageError(
                f"{len(names)} spectra do not fit into one {output.suffix} file",
                path=output,
                remedy="name a .pdf, whose pages they become, or a folder",
            )
        return [output] * len(names)
    folder = check_writable_folder(output or Path())
    stems = [re.sub(r"\.(fits?|csv|txt|dat)?(\.gz)?(?=\[|$)", "", Path(n).name) for n in names]
    used: dict[str, int] = {}
    targets = []
    for stem in stems:
        used[stem] = used.get(stem, 0) + 1  # files of one name from two folders
        again = f"-{used[stem]}" if used[stem] > 1 else ""
        targets.append(folder / f"{stem}{again}.png")
    return targets


def write_figures(figures: Iterator[Any], targets: Sequence[Path]) -> list[Path]:
    """Write each figure to its target, or all into the pages of the one PDF they share."""
    from spectype.core.files import atomic_path
    from spectype.judge.canvas import save, style

    if len(targets) > 1 and len(set(targets)) == 1:
        from matplotlib.backends.backend_pdf import PdfPages

        with atomic_path(targets[0]) as temporary, style(), PdfPages(temporary) as pages:
            for figure in figures:
                pages.savefig(figure)
        return [targets[0]]
    return [save(figure, target) for figure, target in zip(figures, targets, strict=True)]


def _named(files: Sequence[str], *, least: int) -> list[str]:
    if len(files) < least:
        raise UsageError(
            "no file is named" if least == 1 else f"{len(files)} file: a comparison needs two",
            remedy="see --help for an example",
        )
    return list(files)


def _only(name: str, frame: str | None) -> Spectra:
    items = read_one_by_one(name, frame)
    if len(items) != 1:
        raise UsageError(f"has {len(items)} spectra", path=name, remedy=f"choose: '{name}[0]'")
    return items[0][1]


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
    found = [mk.parse(s.get("subclass")[0]).type for s in spectra]
    return "".join(dict.fromkeys(t for t in found if t)) or "AGM"


def _check_between(between: tuple[float, float] | None) -> None:
    if between is not None and not 0 < between[0] < between[1]:
        raise UsageError(f"no wavelengths lie between {between[0]:g} and {between[1]:g} A")


def _check_types(lines: str | None) -> None:
    if lines is not None and lines != "none" and (not lines or set(lines) - set(mk.TYPES)):
        raise UsageError(f"--lines {lines!r} names no types", remedy="for example OB, or none")
