"""The look of every figure, and the way from a figure to a file or into a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from spectype.core.errors import UsageError
from spectype.core.files import atomic_path, check_writable, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "pdf", "svg")
Width = Literal["one", "two", "screen"]
#: Widths of one and of two columns of a journal's page [inch]: 88 and 180 mm.
WIDTHS = {"one": 3.46, "two": 7.09}
DPI = 160
_LEAST = 0.7  # of its width a figure keeps in a narrow page, where letters would get too small
_BEGINNINGS = (b"\x89PNG", b"%PDF", b"<?xml", b"<svg")  # of files in these formats
INK, GREY, PALE = "#1c2430", "#6b7480", "#d7dce2"
ACCENT, SECOND = "#27589c", "#c2571a"
#: A colour for each type after the star's own, dark enough for white paper.
TYPE_COLOURS = {
    "O": "#3d3fa8",
    "B": "#2f6fc4",
    "A": "#3f9dbf",
    "F": "#8c9a3c",
    "G": "#d19a16",
    "K": "#d8692a",
    "M": "#b22a2f",
}
_STYLE: dict[str, Any] = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#e8ebee",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.2,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "path.simplify": True,
    "svg.fonttype": "none",  # letters stay letters: small, sharp, searchable
    "svg.hashsalt": "spectype",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Paper:
    """How wide figures are drawn, and how fine.

    Parameters
    ----------
    width
        Width of figures: one or two columns of a journal (88, 180 mm), or for the screen.
    dpi
        Dots an inch of a PNG, and of what is drawn as pixels in a PDF or SVG.
    """

    width: Width = "screen"
    dpi: int = DPI

    def __post_init__(self) -> None:
        if not 20 <= self.dpi <= 2400:
            raise UsageError(f"{self.dpi} dots an inch", remedy="give --dpi 20 to 2400")


SCREEN = Paper()
_paper: ContextVar[Paper] = ContextVar("paper", default=SCREEN)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the project's style; the user's matplotlib settings return afterwards."""
    import matplotlib as mpl

    settings: dict[Any, Any] = dict(mpl.rcParamsDefault)
    settings.pop("backend", None)  # setting it, even to itself, would load pyplot's backend
    settings.update(_STYLE)
    with mpl.rc_context(settings):
        yield


@contextmanager
def page(paper: Paper) -> Iterator[None]:
    """Make and save figures for this paper, their letters as large as on a screen."""
    token = _paper.set(paper)
    try:
        yield
    finally:
        _paper.reset(token)


def new_figure(width: float, height: float, *, panels: int = 1) -> Figure:
    """An empty figure of this size [inch], or of the `page`'s width, tied to no window.

    Several `panels` side by side cannot be read in one column of a page: they take two.
    """
    from matplotlib.figure import Figure

    if (wanted := WIDTHS.get(_paper.get().width)) is not None:
        wanted = max(wanted, WIDTHS["two"] if panels > 1 else 0.0)
        # Letters do not shrink, so a narrower figure loses less height than width.
        width, height = wanted, height * min(1.0, wanted / width) ** 0.5
    return Figure(figsize=(width, height), layout="constrained")


def to_svg(figure: Figure, *, title: str) -> str:
    """The figure as an ``<svg>`` element for a page; `title` is what a screen reader says."""
    from html import escape

    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    start = text.index("<svg")
    head, rest = text[start:].split(">", 1)
    # The page decides the width; the box keeps the shape.
    kept = [part for part in head.split('"') if part]
    pairs = dict(zip([k.strip(" =") for k in kept[0::2]], kept[1::2], strict=False))
    box = pairs.get("viewBox", "0 0 100 100")
    least = round(_LEAST * 96 * figure.get_figwidth())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{box}" role="img" style="min-width:{least}px">'
        f"<title>{escape(title)}</title>{rest}"
    )


def check_output(path: str | Path) -> Path:
    """Raise `UsageError` now if a figure could not be written to `path` later."""
    target = Path(path)
    suffix = target.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise UsageError(
            f"a figure cannot be written as {target.suffix or 'a file without suffix'}",
            path=target,
            remedy="end the name in .png, .pdf or .svg",
        )
    check_writable(target)
    if target.exists():
        with target.open("rb") as file:
            beginning = file.read(5)
        if beginning and not beginning.startswith(_BEGINNINGS):
            raise UsageError(
                "is there already and is no figure: it would be lost",
                path=target,
                remedy="choose another output, or remove the file",
            )
    return target


def save(figure: Figure, path: str | Path) -> Path:
    """Write the figure atomically: png, pdf or svg by the name's end, as fine as `page` says."""
    target = check_output(path)
    kind = target.suffix.lower().lstrip(".")
    stamp = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with atomic_path(target) as temporary, style():
        figure.savefig(temporary, format=kind, dpi=_paper.get().dpi, metadata=stamp)
    return target


def save_pages(figures: Iterable[Figure], path: Path) -> Path:
    """Write figures atomically as the pages of a PDF, each drawn when its turn comes."""
    from matplotlib.backends.backend_pdf import PdfPages

    stamp = {"CreationDate": None}
    with atomic_path(path) as temporary, style(), PdfPages(temporary, metadata=stamp) as book:
        for figure in figures:
            book.savefig(figure, dpi=_paper.get().dpi)
    return path


def illustrate(
    draw: Callable[[], Mapping[str, Figure]], folder: Path, *, paper: Paper, prefix: str = ""
) -> dict[str, str]:
    """Draw the figures of a page, and write each as .pdf and .svg beside it.

    Parameters
    ----------
    draw : callable
        Draws all of them, by name.
    folder : Path
        Where the files go; made if needed.
    paper : Paper
        Of the files. The page's own figures are always as wide as a screen has room for.
    prefix : str
        Of the files' names.

    Returns
    -------
    dict of str to str
        ``<svg>`` elements for the page, by name.
    """
    figures = draw()
    svgs = {
        name: to_svg(figure, title=f"{prefix}{name}".replace("-", " "))
        for name, figure in figures.items()
    }
    with page(paper):
        if paper.width != "screen":
            figures = draw()
        for name, figure in figures.items():
            path = folder / f"{prefix}{name}.svg"
            if paper == SCREEN:
                write_text(path, svgs[name])  # it is the page's
            else:
                save(figure, path)
            figure.set_layout_engine("none")  # its parts are in their places: half the time
            save(figure, path.with_suffix(".pdf"))
    return svgs
