"""``spectype mine``: the rare stars among typed spectra."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Group, Parameter

from spectype.core.errors import UsageError
from spectype.draw.canvas import SCREEN
from spectype.draw.targets import OnPaper
from spectype.mine.prevalence import FLOOR

if TYPE_CHECKING:
    import polars as pl

    from spectype.classify.standards import Standards
    from spectype.mine.wanted import Wanted

log = logging.getLogger("spectype")
WANTED = Parameter(group=Group("What is wanted", sort_key=1), negative="")
RANKING = Parameter(group=Group("Ranking and cuts", sort_key=2))
SHOWN = Parameter(group=Group("What is shown and written", sort_key=3))


def mine(
    results: Path,
    *,
    type: Annotated[str | None, WANTED] = None,
    subclass: Annotated[str | None, WANTED] = None,
    luminosity: Annotated[str | None, WANTED] = None,
    kind: Annotated[str | None, WANTED] = None,
    disagree: Annotated[bool, WANTED] = False,
    n: Annotated[int, RANKING] = 200,
    prevalence: Annotated[str, RANKING] = "survey",
    floor: Annotated[float, RANKING] = FLOOR,
    cut: Annotated[str, RANKING] = "LITTLE_COVERAGE,NEGATIVE_FLUX",
    min_snr: Annotated[float, RANKING] = 0.0,
    min_p_star: Annotated[float, RANKING] = 0.0,
    standards: Annotated[Path | None, SHOWN] = None,
    sheet: Annotated[int, SHOWN] = 50,
    out: Annotated[Path | None, SHOWN] = None,
    paper: OnPaper = SCREEN,
) -> int:
    """Rank typed spectra by the probability of something rare; check it; show it.

    Probabilities are those at the real frequency of the types, not of a balanced training,
    times that of being a star at all. One row a star, its exposures joined; with equivalent
    widths of helium where the spectra can be read, the survey's type beside ours, and the share
    of true members that is to be expected down to each row, with its 90 % interval. The folder
    gets candidates.csv, .fits and .vot, NAME-sample.txt for the archive's search page,
    sheet.pdf and sheet.png.

    Example: `spectype mine results/ --type O --out hunt/`

    Parameters
    ----------
    results
        A folder of shards, or a table that `classify` wrote.
    type
        One of O B A F G K M.
    subclass
        A range like B0-B2.
    luminosity
        I to V, with --type or --subclass.
    kind
        A kind of object, like carbon or "white dwarf".
    disagree
        Where our type and the survey's differ most surely.
    n
        Stars at most.
    prevalence
        Frequency of the types: survey (LAMOST's), estimate (from the results themselves), or a
        CSV with columns type and count.
    floor
        Probabilities of other types below about this are held for the network's caution. That of
        the shipped model; 0 takes them as they are.
    cut
        Leave out rows with one of these flags; "none" cuts none.
    min_snr
        Least S/N.
    min_p_star
        Least probability of being a star.
    standards
        A store of labelled spectra: the nearest of them to each star, with its chi-square.
    sheet
        Stars on the contact sheet.
    out
        Folder; by default NAME-hunt.
    paper
        Of the contact sheet.
    """
    from spectype.bulk.results import origin, scan
    from spectype.core.files import check_writable_folder
    from spectype.draw.canvas import page
    from spectype.mine.checks import check
    from spectype.mine.folder import write_list
    from spectype.mine.prevalence import describe
    from spectype.mine.rank import Cuts, rank
    from spectype.mine.sheet import write_sheet
    from spectype.mine.wanted import wanted

    if not 0 <= floor <= 1:
        raise UsageError(f"--floor {floor}", remedy="give a probability, like 0.1")
    if n < 1:
        raise UsageError(f"a list of {n} stars", remedy="give --n 1 or more")
    question = wanted(
        type=type, subclass=subclass, luminosity=luminosity, kind=kind, disagree=disagree
    )
    cuts = Cuts(
        flags=() if cut in ("", "none") else tuple(cut.split(",")),
        min_snr=min_snr,
        min_p_star=min_p_star,
    )
    frame = scan(results)
    folder = check_writable_folder(out or Path(f"{question.name}-hunt"))
    share = _prevalence(prevalence, frame)
    table = rank(frame, question, prevalence=share, cuts=cuts, n=n, floor=floor)
    table, spectra, matches = check(table, _standards(standards))
    rows = table.head(max(sheet, 0)).to_dicts()
    types = "".join(question.types) or "OBA"
    with page(paper):
        write_sheet(rows, spectra, matches, folder, types=types)
    manifest: dict[str, Any] = {
        "results": str(results),
        "wanted": question.name,
        "prevalence": describe(share),
        "floor": floor,
    }
    manifest |= {"cut": list(cuts.flags), "min_snr": min_snr, "min_p_star": min_p_star}
    write_list(table, folder, name=question.name, manifest=manifest, about=origin(results))
    _print(table, question, folder)
    return 0


def _prevalence(word: str, frame: pl.LazyFrame) -> Mapping[str, float]:
    import polars as pl

    from spectype.core import mk
    from spectype.mine.prevalence import estimate, shares

    if word == "survey":
        return shares()
    if word != "estimate":
        return shares(Path(word))
    columns = [f"p_{t}" for t in mk.TYPES]
    typed = frame.filter(pl.col("type").is_not_null()).select(columns)
    every = max(1, typed.select(pl.len()).collect().item() // 1_000_000)
    return {**shares(), **estimate(typed.gather_every(every).collect().to_numpy())}


def _standards(folder: Path | None) -> Standards | None:
    if folder is None:
        return None
    from spectype.classify.standards import Standards
    from spectype.dataset.store import Store

    return Standards(Store(folder))


def _print(table: pl.DataFrame, question: Wanted, folder: Path) -> None:
    print(f"{len(table)} stars for {question.name}: {folder}")
    for depth in (20, 50, 100, 200, 500, 1000):
        if depth <= len(table):
            row: dict[str, Any] = table.row(depth - 1, named=True)
            print(
                f"first {depth:5}: {100 * row['purity']:5.1f} % expected to be true "
                f"({100 * row['purity_low']:.0f}-{100 * row['purity_high']:.0f} %), "
                f"score down to {row['score']:.2g}"
            )
