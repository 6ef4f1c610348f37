"""What a session of looking works with: the table, its spectra, the review, a model, standards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.classify.runtime import DEFAULT, Model, load_model
from spectype.core import kinds
from spectype.core.errors import SpectypeError, UsageError
from spectype.core.flags import Flag
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import run_chain
from spectype.web.filters import Filter
from spectype.web.review import KINDS, Review
from spectype.web.samp import Samp
from spectype.web.shelf import Shelf, plain_row
from spectype.web.sources import Source, open_source
from spectype.web.standards import Rack
from spectype.web.table import ROW, Table

if TYPE_CHECKING:
    import polars as pl

MOST_EXPORTED = 1_000_000  #: rows

#: What a flag means, for people.
WORDS: Mapping[Flag, str] = {
    Flag.LOW_SNR: "little light: median S/N below 5 a pixel",
    Flag.LITTLE_COVERAGE: "under 10 % of the wavelengths the model needs",
    Flag.PARTIAL_COVERAGE: "under 60 % of the wavelengths the model needs",
    Flag.MANY_BAD_PIXELS: "over 20 % of its pixels are bad",
    Flag.NEGATIVE_FLUX: "the median flux is not positive",
    Flag.NO_ERRORS: "the file gives no errors; S/N judged from the flux",
    Flag.SHAPE_UNRELIABLE: "the flux jumps where the two arms join",
    Flag.OUT_OF_DISTRIBUTION: "unlike every spectrum the model was trained on",
    Flag.UNCERTAIN_TYPE: "the winning type has a probability below 0.6",
    Flag.BOUNDARY_TYPE: "within one subclass of a neighbouring type",
}


@dataclass
class Desk:
    """All that the pages and the API are about.

    Parameters
    ----------
    source : Source, optional
        The table and its spectra; None where only files are to be typed.
    review : Review, optional
        Goes with the table.
    model_name : str
        Types files that are sent, and gives the distribution along the sequence.
    rack : Rack
        Standards.
    samp : Samp
        Our side of a SAMP hub.
    blind : bool
        Whether reviewers begin with the machine's type hidden.
    """

    source: Source | None = None
    review: Review | None = None
    model_name: str = DEFAULT
    rack: Rack = field(default_factory=Rack)
    samp: Samp = field(default_factory=Samp)
    blind: bool = False

    @cached_property
    def model(self) -> Model:
        """The model, loaded at its first use."""
        return load_model(self.model_name)

    @property
    def opened(self) -> Source:
        """The table and its spectra; UsageError where the server has none."""
        if self.source is None:
            raise UsageError(
                "no table is open", remedy="start spectype serve with the table of classify"
            )
        return self.source

    @property
    def results(self) -> Table:
        """The table; UsageError where the server has none."""
        return self.opened.table

    def chosen(self, query: Mapping[str, str]) -> Filter:
        """The selection of an address; ``review`` with ``reviewer`` selects by decisions."""
        chosen = Filter.from_query(query)
        wanted, reviewer = query.get("review", ""), query.get("reviewer", "")
        if not wanted or self.review is None:
            return chosen
        decided = self.review.all(reviewer=reviewer)
        if wanted == "undecided":
            return chosen.among([d["path"] for d in decided], out=True)
        if wanted == "decided":
            return chosen.among([d["path"] for d in decided])
        return chosen.among([d["path"] for d in decided if d["verdict"] == wanted])

    def page(self, query: Mapping[str, str], offset: int, n: int) -> dict[str, Any]:
        """Rows of a selection with the decisions about them."""
        page = self.results.page(self.chosen(query), offset, n)
        decisions = self.decisions([row["path"] for row in page.rows])
        rows = [plain_row(row) | {"decisions": decisions.get(row["path"], [])} for row in page.rows]
        return {"total": page.total, "offset": offset, "rows": rows}

    def decisions(self, paths: list[str]) -> dict[str, list[dict[str, Any]]]:
        """What reviewers say of these spectra."""
        return {} if self.review is None else self.review.of(paths)

    def spectrum(self, number: int) -> tuple[dict[str, Any], Spectra]:
        """A row of the table and its spectrum."""
        row = self.results.row(number)
        return row, self.opened.spectra.spectrum(row)

    def move(self, folder: Path) -> Path:
        """Look for the files in this folder from now on; what it is in full."""
        shelf = self.opened.spectra
        if not isinstance(shelf, Shelf):
            raise UsageError("the spectra are of a store, which names itself")
        return shelf.move(folder)

    def sequence(self, spectrum: Spectra) -> dict[str, Any]:
        """The distribution of a batch of one along O0...M9.5, and the codes of its bins."""
        ready = run_chain(spectrum, self.model.chain)
        found = self.model.sequence(self.model.outputs(ready.flux, ~ready.mask))
        return {
            "codes": found.codes.tolist(),
            "probability": [float(f"{p:.4g}") for p in found.probability[0]],
            "model": self.model.name,
        }

    def occlusion(self, spectrum: Spectra) -> tuple[Any, Any]:
        """Wavelengths and how far each moves the type [subclasses] (`classify.explain`)."""
        from spectype.classify.explain import explain

        found = explain(spectrum, self.model)
        return found.wave, found.by_pixel(found.weight)[0]

    def exported(self, query: Mapping[str, str]) -> pl.DataFrame:
        """The rows of a selection in its order, their numbers in `ROW`.

        Raises
        ------
        UsageError
            If they are more than `MOST_EXPORTED`.
        """
        import polars as pl

        chosen, table = self.chosen(query), self.results
        if (total := table.count(chosen)) > MOST_EXPORTED:
            raise UsageError(f"{total} rows are selected", remedy=f"{MOST_EXPORTED} can be sent")
        rows = table.select(chosen)
        if chosen.sort:
            chosen.check_sort(table)
            rows = rows.sort(
                pl.col(chosen.sort), ROW, descending=[chosen.descending, False], nulls_last=True
            )
        return rows.collect(engine="streaming")

    def facts(self) -> dict[str, Any]:
        """What the page needs to know first."""
        table = None if self.source is None else self.source.table
        return {
            "name": None if table is None else table.path.name,
            "total": 0 if table is None else len(table),
            "columns": {} if table is None else {
                name: "number" if kind.is_numeric() else "text"
                for name, kind in table.schema.items()
            },
            "label": None if table is None else table.label,
            "flags": {str(flag.name): words for flag, words in WORDS.items()},
            "kinds": KINDS,
            "machine_kinds": kinds.KINDS,
            "model": self.model_name,
            "blind": self.blind,
            "queue": self.source is not None and self.source.queue,
            "synthetic": self.source is not None and self.source.synthetic,
            "epochs": [] if self.source is None else self.source.epochs,
            "standards": len(self.rack.all),
            "review": None if self.review is None else self.review.path.name,
        }  # fmt: skip


def model_or_none(name: str) -> str:
    """The name, if there is such a model; UsageError otherwise, before the page is opened."""
    try:
        load_model(name)
    except SpectypeError as error:
        raise UsageError(error.problem, path=error.path, remedy=error.remedy) from error
    return name


def open_desk(
    results: Path | None,
    *,
    store: Path | None = None,
    synthetic: Path | None = None,
    review: Path | None = None,
    model: str = DEFAULT,
    standards: Path | None = None,
    blind: bool = False,
    frame: str | None = None,
    columns: str | None = None,
    unit: str | None = None,
) -> Desk:
    """Open what a server is started with."""
    rack = Rack(standards)
    name = model_or_none(model)
    if results is None:
        if synthetic is not None:
            raise UsageError("--synthetic goes with a store")
        if store is not None:
            raise UsageError("--store goes with a run")
        return Desk(model_name=name, rack=rack)
    return Desk(
        source=open_source(
            results,
            store=store,
            synthetic=synthetic,
            said={"frame": frame, "columns": columns, "unit": unit},
        ),
        review=Review(review or results.with_name(results.name + ".review.sqlite"), model=name),
        model_name=name,
        rack=rack,
        blind=blind,
    )


__all__ = ["ROW", "WORDS", "Desk", "open_desk"]
