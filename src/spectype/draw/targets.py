"""Figures of named spectra: which spectra a command names, and where their figures go."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from spectype.core.errors import UsageError
from spectype.core.grid import Medium
from spectype.draw.canvas import SCREEN, Paper

if TYPE_CHECKING:
    from spectype.core.spectra import Spectra

MOST = 500  #: figures of one command; a catalogue is not drawn by accident


@dataclass(frozen=True)
class Reading:
    """What the user says of the files.

    Parameters
    ----------
    frame
        Frame of the wavelengths, air or vacuum, of files that do not say.
    columns
        Columns of tables without conventional names: wave=LAM,flux=F,error=DF, or by number
        from 0.
    unit
        Unit of the wavelengths: Angstrom, nm, micron, m, log10 or ln (of Angstrom).
    """

    frame: Medium | None = None
    columns: str | None = None
    unit: str | None = None


# Options of figures and of reading stand together in the help of every verb that has them.
Output = Annotated[Path | None, Parameter(name=("--output", "-o"), group="Figures")]
Title = Annotated[str | None, Parameter(group="Figures")]
OnPaper = Annotated[Paper, Parameter(name="*", group="Figures")]
AsRead = Annotated[Reading, Parameter(name="*", group="Reading")]


@dataclass(frozen=True)
class FigureConfig:
    """What every figure of one spectrum can be told.

    Parameters
    ----------
    output
        Figure (.png, .pdf, .svg), or a folder; by default NAME.png beside you.
    model
        Model that types the spectra: a name or a folder.
    title
        Heading; by default object, survey, label and S/N.
    paper
        How wide and how fine.
    reading
        What is said of the files.
    """

    output: Output = None
    model: str | None = None
    title: Title = None
    paper: OnPaper = SCREEN
    reading: AsRead = Reading()


def read_one_by_one(name: str, reading: Reading) -> list[tuple[str, Spectra]]:
    """The spectra that `name` (FILE, FILE[3], STORE, STORE[3]) stands for, each with a name."""
    from spectype.classify.given import n_spectra, read, split_row

    path, row = split_row(name)
    if row is None and (n := n_spectra(path) or 0) > MOST:
        raise _too_many(path, n)
    batch = read(name, frame=reading.frame, columns=reading.columns, unit=reading.unit)
    if row is not None:
        return [(name, batch)]
    if len(batch) > MOST:
        raise _too_many(path, len(batch))
    return [(name if len(batch) == 1 else f"{name}[{i}]", one) for i, one in enumerate(batch)]


def _too_many(path: str, n: int) -> UsageError:
    return UsageError(f"has {n} spectra", path=path, remedy=f"choose one: '{path}[0]'")


def read_all(names: Sequence[str], reading: Reading) -> tuple[list[tuple[str, Spectra]], int]:
    """Named spectra, and how many files could not be read; the only file's error is raised."""
    from spectype.core.errors import ReadError

    items, unread = [], 0
    for name in names:
        try:
            items += read_one_by_one(name, reading)
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
    from spectype.draw.canvas import check_output

    if len(names) > MOST:
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


def write_figures(figures: Iterator[Any], targets: Sequence[Path], *, paper: Paper) -> list[Path]:
    """Write each figure to its target, or all into the pages of the one PDF they share.

    The figures are made one by one as they are written, so that the width holds for each.
    """
    from spectype.draw.canvas import page, save, save_pages

    with page(paper):
        if len(targets) > 1 and len(set(targets)) == 1:
            return [save_pages(figures, targets[0])]
        return [save(figure, target) for figure, target in zip(figures, targets, strict=True)]


def named(files: Sequence[str], *, least: int) -> list[str]:
    if len(files) < least:
        raise UsageError(
            "no file is named" if least == 1 else f"{len(files)} file: a comparison needs two",
            remedy="see --help for an example",
        )
    return list(files)


def only_one(name: str, reading: Reading) -> Spectra:
    items = read_one_by_one(name, reading)
    if len(items) != 1:
        raise UsageError(f"has {len(items)} spectra", path=name, remedy=f"choose: '{name}[0]'")
    return items[0][1]
