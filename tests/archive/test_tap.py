"""Obsids by type through TAP: the question, the answer, and answers that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from spectype.archive.client import Client
from spectype.archive.tap import find_obsids, query_for, write_rows
from spectype.core.errors import DataError, SpectypeError, UsageError

ROWS = [
    (101, "F5902", 1, 12, "O"), (102, "F5902", 2, 13, "OB"), (103, "P1", 3, 14, "O9.5"),
    (104, "P1", 4, 15, "Other"),
]  # fmt: skip


def votable(rows: list[tuple[Any, ...]], *, status: str = "OK", text: str = "") -> bytes:
    kinds = {"obsid": "long", "planid": "char", "spid": "int", "fiberid": "int"}
    head = "".join(
        f'<FIELD name="{name}" datatype="{kind}"' + (' arraysize="*"/>' if kind == "char" else "/>")
        for name, kind in {**kinds, "ssa_targsubclass": "char"}.items()
    )
    body = "".join(f"<TR>{''.join(f'<TD>{v}</TD>' for v in row)}</TR>" for row in rows)
    return (
        '<?xml version="1.0"?><VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">'
        f'<RESOURCE type="results"><INFO name="QUERY_STATUS" value="{status}">{text}</INFO>'
        f"<TABLE>{head}<DATA><TABLEDATA>{body}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    ).encode()


def test_asks_for_the_type_and_checks_the_answer(
    archive: Any, client: Client, local: Any, tmp_path: Path
) -> None:
    asked: list[bytes] = []

    def answer(handler: Any) -> None:
        asked.append(handler.body)
        local.send(votable(ROWS))(handler)

    archive.on("/tap/sync", answer)
    rows = find_obsids("O", release="dr6/v2", client=client)
    assert [row.obsid for row in rows] == [101, 102, 103]  # "Other" is no O star
    form = parse_qs(asked[0].decode())
    assert form["LANG"] == ["ADQL"]
    assert form["QUERY"][0].endswith("FROM lamost6.ssa_lrs WHERE ssa_targsubclass LIKE 'O%'")
    write_rows(rows, tmp_path / "o.txt")
    assert (tmp_path / "o.txt").read_text() == "101\n102\n103\n"
    write_rows(rows, tmp_path / "o.csv")
    assert "103,P1,3,14,O9.5" in (tmp_path / "o.csv").read_text()


def test_m_stars_have_prefixes() -> None:
    query = query_for("M", limit=5)
    assert query.startswith("SELECT TOP 5 obsid")
    for pattern in ("'M%'", "'dM%'", "'gM%'", "'sdM%'"):
        assert pattern in query


@pytest.mark.parametrize("type", ["X", "", "O' OR '1'='1", "OB"])
def test_only_types_are_asked_for(type: str) -> None:
    with pytest.raises(UsageError, match="is no type"):
        query_for(type)


def test_the_mirror_has_dr6_only(client: Client) -> None:
    with pytest.raises(UsageError, match="DR6 only"):
        find_obsids("O", release="dr10/v2.0", client=client)


def test_an_answer_cut_short_is_an_error(archive: Any, client: Client, local: Any) -> None:
    archive.on("/tap/sync", local.send(votable(ROWS, status="OVERFLOW")))
    with pytest.raises(SpectypeError, match="cut its answer short"):
        find_obsids("O", release="dr6", client=client)


def test_an_error_of_the_mirror_is_told(archive: Any, client: Client, local: Any) -> None:
    archive.on("/tap/sync", local.send(votable([], status="ERROR", text="No such table")))
    with pytest.raises(SpectypeError, match="No such table"):
        find_obsids("O", release="dr6", client=client)


def test_no_votable(archive: Any, client: Client, local: Any) -> None:
    archive.on("/tap/sync", local.send(local.HTML))
    with pytest.raises(DataError, match="no VOTable"):
        find_obsids("O", release="dr6", client=client)
