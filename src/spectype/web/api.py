"""The routes: JSON, raw float32, files; described by OpenAPI at ``/openapi.json``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Body, File, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

import spectype
from spectype.core.errors import DataError, UsageError
from spectype.core.lines import LINES, TELLURIC
from spectype.web import uploads
from spectype.web.agreement import DECISIONS, FORMATS, agreement, as_table, encoded
from spectype.web.desk import ROW, Desk
from spectype.web.links import links
from spectype.web.review import Decision
from spectype.web.shelf import about, packed, plain_row


class Refusal(BaseModel):
    """Why a request is not answered, in words; of errors of ours also their parts."""

    error: str
    problem: str | None = None
    path: str | None = None
    remedy: str | None = None


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Refusal, "description": "it asks for what is not there"},
    401: {"model": Refusal, "description": "it does not carry the token"},
    403: {"model": Refusal, "description": "it comes from another site's page"},
    413: {"model": Refusal, "description": "it is too large"},
    421: {"model": Refusal, "description": "it names another host"},
}
router = APIRouter(prefix="/api", responses=_REFUSALS)
MOST_ROWS = 500  #: of a page
_RAW: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {}}, "description": "little-endian float32"}
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind: {} for kind in FORMATS.values()}, "description": "a table"}
}
Format = Annotated[str, Query(description=", ".join(FORMATS))]
# SQLite and polars count in 64 bits; a larger number is refused before either sees it.
RowNumber = Annotated[int, Field(ge=0, le=2**40)]


class Said(BaseModel):
    """A decision about a row."""

    row: RowNumber
    key: str = Field(min_length=8, max_length=64, description="made anew for each decision")
    reviewer: str = Field(min_length=1, max_length=60)
    verdict: str = Field(description="accept, reject or relabel")
    label: str = Field("", max_length=60, description="MK type of a relabelled star")
    kind: str = Field("star", max_length=40)
    note: str = Field("", max_length=2000)
    blind: bool = False


class Moved(BaseModel):
    """Where the files are now."""

    folder: str = Field(min_length=1, max_length=4096)


class Who(BaseModel):
    """A reviewer."""

    reviewer: str = Field(min_length=1, max_length=60)


def desk(request: Request) -> Desk:
    """The desk of the application."""
    found: Desk = request.app.state.desk
    return found


def query(request: Request) -> Mapping[str, str]:
    """The words of the address; of one given twice the last."""
    return dict(request.query_params)


def reviewed(request: Request) -> Any:
    """The review; UsageError where no table is open."""
    review = desk(request).review
    if review is None:
        raise UsageError("no table is open, so there is nothing to review")
    return review


@router.get("/health", tags=["service"])
def health() -> dict[str, str]:
    """Whether the service answers, and its version."""
    return {"status": "ok", "version": spectype.__version__}


@router.get("/facts", tags=["table"])
def facts(request: Request) -> dict[str, Any]:
    """What table, model and review are open."""
    return desk(request).facts()


@router.get("/lines", tags=["spectra"])
def lines() -> dict[str, Any]:
    """Named lines and telluric bands [Angstrom, vacuum]."""
    return {
        "lines": [
            {"name": x.name, "label": x.label, "wave": round(x.wave, 3), "element": x.element,
             "types": x.types, "main": x.main}
            for x in LINES.values()
        ],
        "telluric": [{"name": n, "first": a, "last": b} for n, a, b in TELLURIC],
    }  # fmt: skip


@router.get("/rows", tags=["table"])
def rows(
    request: Request,
    offset: RowNumber = 0,
    n: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 50,
) -> dict[str, Any]:
    """A page of a selection. Any column is a filter: `type=O,B`, `p_O=0.5:`, `sort=-snr`."""
    return desk(request).page(query(request), offset, n)


@router.get("/histogram", tags=["table"])
def histogram(request: Request, column: Annotated[str, Query(max_length=80)]) -> dict[str, Any]:
    """Counts of a column over the selection."""
    at = desk(request)
    return at.results.histogram(at.chosen(query(request)), column)


@router.get("/confusion", tags=["table"])
def confusion(request: Request) -> dict[str, Any]:
    """How often the survey's type, or a run's label, meets ours in the selection."""
    at = desk(request)
    return at.results.confusion(at.chosen(query(request)))


@router.get("/export", tags=["table"], responses=_FILE, response_class=Response)
def export(request: Request, format: Format = "csv") -> Response:
    """The rows of a selection as a file."""
    table = desk(request).exported(query(request)).drop(ROW)
    return _sent(encoded(table, format), "selection", format)


@router.get("/spectra/{row}", tags=["spectra"])
def spectrum(request: Request, row: RowNumber) -> dict[str, Any]:
    """A row of the table with what its file says, and links by position."""
    at = desk(request)
    found = at.results.row(row)
    answer: dict[str, Any] = {
        "row": plain_row(found),
        "links": links(found),
        "decisions": at.decisions([found["path"]]).get(found["path"], []),
    }
    try:
        _, one = at.spectrum(row)
        answer |= {"header": about(one), "links": links(found, one)}
    except DataError:
        raise
    except Exception as error:  # the row can be looked at without its file
        answer["problem"] = str(error)
    return answer


@router.get("/spectra/{row}/arrays", tags=["spectra"], responses=_RAW, response_class=Response)
def arrays(request: Request, row: RowNumber) -> Response:
    """Wavelength [Angstrom, vacuum], flux, error and bad pixels: four float32 arrays in a row."""
    return _raw(packed(desk(request).spectrum(row)[1]))


@router.get("/spectra/{row}/sequence", tags=["spectra"])
def sequence(request: Request, row: RowNumber) -> dict[str, Any]:
    """The model's distribution along O0...M9.5."""
    at = desk(request)
    return at.sequence(at.spectrum(row)[1])


@router.get("/spectra/{row}/occlusion", tags=["spectra"], responses=_RAW, response_class=Response)
def occlusion(request: Request, row: RowNumber) -> Response:
    """Wavelength and how far each moves the type [subclasses]: two float32 arrays."""
    at = desk(request)
    wave, weight = at.occlusion(at.spectrum(row)[1])
    return _raw(wave.astype("<f4").tobytes() + weight.astype("<f4").tobytes())


@router.get("/standards", tags=["spectra"])
def standards(request: Request) -> dict[str, Any]:
    """The standards in the order of the sequence."""
    rack = desk(request).rack
    return {"relative": rack.relative, "standards": [vars(s) for s in rack.all]}


@router.get("/standards/{number}", tags=["spectra"], responses=_RAW, response_class=Response)
def standard(request: Request, number: RowNumber) -> Response:
    """Wavelength at rest [Angstrom, vacuum] and flux of a standard: two float32 arrays."""
    wave, flux = desk(request).rack.flux(number)
    return _raw(wave.astype("<f4").tobytes() + np.asarray(flux).astype("<f4").tobytes())


@router.post("/moved", tags=["spectra"])
def moved(request: Request, said: Moved) -> dict[str, str]:
    """Say in which folder the spectra are now."""
    return {"folder": str(desk(request).move(Path(said.folder).expanduser()))}


@router.post("/decisions", tags=["review"])
def decide(request: Request, said: Said) -> dict[str, Any]:
    """Keep a decision. Sent again with the same key it changes nothing."""
    fields = said.model_dump(exclude={"row"})
    row = desk(request).results.row(said.row)
    kept: dict[str, Any] = reviewed(request).add(Decision(**fields), row)
    return kept


@router.post("/undo", tags=["review"])
def undo(request: Request, who: Who) -> dict[str, Any]:
    """Take back a reviewer's last decision."""
    return {"undone": reviewed(request).undo(who.reviewer)}


@router.get("/reviewers", tags=["review"])
def reviewers(request: Request) -> dict[str, int]:
    """Who has decided how many."""
    counts: dict[str, int] = reviewed(request).reviewers()
    return counts


@router.get("/agreement", tags=["review"])
def agree(
    request: Request,
    one: Annotated[str, Query(max_length=60)],
    other: Annotated[str, Query(max_length=60)],
) -> dict[str, Any]:
    """Two reviewers' agreement: Cohen's kappa, by type, and where they differ."""
    return agreement(reviewed(request), one, other)


@router.get("/review", tags=["review"], responses=_FILE, response_class=Response)
def review(request: Request, format: Format = "csv") -> Response:
    """The decisions as a file."""
    table = as_table(reviewed(request))
    return _sent(encoded(table, format, known=DECISIONS), "review", format)


@router.post("/classify", tags=["service"])
def classify(
    request: Request,
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
    name: Annotated[str, Query(max_length=300)] = "spectrum",
) -> dict[str, Any]:
    """Type the spectra of one file, sent as the body: the rows of `classify`."""
    return _typed(request, [(uploads.shown_name(name), data)])


@router.post("/batch", tags=["service"])
def batch(request: Request, files: Annotated[list[UploadFile], File()]) -> dict[str, Any]:
    """Type several files, sent as a form: the rows of `classify`."""
    if len(files) > uploads.FILES:
        raise UsageError(f"{len(files)} files at once", remedy=f"send {uploads.FILES} at most")
    return _typed(request, [(uploads.shown_name(f.filename), f.file.read()) for f in files])


@router.post("/arrays", tags=["service"], responses=_RAW, response_class=Response)
def sent_arrays(
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
    name: Annotated[str, Query(max_length=300)] = "spectrum",
    index: RowNumber = 0,
) -> Response:
    """A spectrum of a file sent as the body, as `/spectra/{row}/arrays` gives one."""
    spectra = uploads.read_sent(uploads.shown_name(name), data)
    if index >= len(spectra):
        raise UsageError(f"the file holds {len(spectra)} spectra, none at {index}")
    return _raw(packed(spectra[index : index + 1]))


@router.get("/samp", tags=["samp"])
def samp(request: Request) -> dict[str, Any]:
    """Whether a hub knows us, and which row was highlighted elsewhere last (`count` so far)."""
    return desk(request).samp.state()


@router.post("/samp", tags=["samp"])
def samp_switch(request: Request, on: Annotated[bool, Body(embed=True)]) -> dict[str, Any]:
    """Register with the hub of this machine, or leave it."""
    ours = desk(request).samp
    if on:
        ours.connect()
    else:
        ours.disconnect()
    return ours.state()


@router.post("/samp/table", tags=["samp"])
def samp_table(request: Request) -> dict[str, Any]:
    """Send the rows of a selection (the words of the address) to TOPCAT and its kin."""
    at = desk(request)
    table = at.exported(query(request))
    return at.samp.send(table.drop(ROW), table[ROW].to_numpy(), name=at.results.path.name)


@router.post("/samp/row", tags=["samp"])
def samp_row(request: Request, row: Annotated[RowNumber, Body(embed=True)]) -> dict[str, int]:
    """Highlight a row in the tables that were sent; to how many programs it went."""
    return {"told": desk(request).samp.highlight(row)}


def _typed(request: Request, files: list[tuple[str, bytes]]) -> dict[str, Any]:
    table = uploads.type_files(files, desk(request).model)
    return {"model": desk(request).model_name, "rows": [plain_row(r) for r in table.to_dicts()]}


def _raw(data: bytes) -> Response:
    return Response(data, media_type="application/octet-stream")


def _sent(data: bytes, name: str, format: str) -> Response:
    disposition = f'attachment; filename="{name}.{format}"'
    return Response(data, media_type=FORMATS[format], headers={"content-disposition": disposition})


def refused(_: Request, error: Exception) -> JSONResponse:
    """A `SpectypeError` as JSON: 400 for a wrong request, 422 for a file that cannot be read."""
    status = 400 if isinstance(error, UsageError) else 422
    parts = {name: getattr(error, name, None) for name in ("problem", "path", "remedy")}
    return JSONResponse({"error": str(error), **parts}, status_code=status)
