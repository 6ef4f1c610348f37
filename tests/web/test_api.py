"""The API over a table whose values are known."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from spectype.cli import run
from spectype.web.app import make_app
from spectype.web.desk import open_desk
from tests.web.conftest import BASE, TOKEN, make_table, spectrum_text


def test_facts_lines_and_openapi(client):
    facts = client.get("/api/facts").json()
    assert facts["total"] == 28 and facts["label"] == "label"
    halpha = [x for x in client.get("/api/lines").json()["lines"] if x["name"] == "H alpha"]
    assert halpha[0]["wave"] == pytest.approx(6564.61, abs=0.02)  # vacuum
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/api/classify", "/api/batch", "/api/health", "/api/rows"} <= set(paths)
    assert client.get("/docs").status_code == client.get("/").status_code == 200


def test_the_arrays_of_a_row_are_its_spectrum(client):
    raw = np.frombuffer(client.get("/api/spectra/2/arrays").content, "<f4").reshape(4, -1)
    wave, flux, error, bad = raw
    inside = np.abs(wave - 4862.7) < 30
    assert wave[inside][flux[inside].argmin()] == pytest.approx(4862.7, abs=5)
    assert np.allclose(error, 0.02) and not bad.any()
    told = client.get("/api/spectra/2").json()
    assert told["row"]["type"] == "A" and "simbad" in told["links"]["SIMBAD"]


def test_files_that_have_moved_are_asked_for_and_found(client, results, tmp_path):
    (tmp_path / "spectra").rename(tmp_path / "elsewhere")
    told = client.get("/api/spectra/0").json()
    assert "is not where the results say" in told["problem"] and told["row"]["type"] == "O"
    assert client.get("/api/spectra/0/arrays").status_code == 422
    said = client.post("/api/moved", json={"folder": str(tmp_path / "elsewhere")})
    assert said.status_code == 200
    assert client.get("/api/spectra/0/arrays").status_code == 200
    assert results.with_name("types.parquet.folder.json").is_file()


def test_decisions_select_rows_and_are_exported(client):
    said = {"row": 3, "key": "0123456789", "reviewer": "Ada", "verdict": "relabel"}
    assert client.post("/api/decisions", json=said).status_code == 400  # no label
    kept = client.post("/api/decisions", json={**said, "label": "F5 IV", "note": "metals"})
    assert kept.json()["label"] == "F5IV" and kept.json()["machine"] == "F3 V"
    page = client.get("/api/rows?review=undecided&reviewer=Ada&n=500").json()
    assert page["total"] == 27 and 3 not in [row["row"] for row in page["rows"]]
    exported = pl.read_parquet(io.BytesIO(client.get("/api/review?format=parquet").content))
    assert exported["path"].to_list() == ["spectra/3.csv"]
    selected = client.get("/api/export?type=O&format=csv").text
    assert selected.count("spectra/") == 4
    assert client.post("/api/undo", json={"reviewer": "Ada"}).json()["undone"]["path"]


def test_two_servers_on_one_review_show_each_others_decisions(client, results):
    app = make_app(open_desk(results), token=TOKEN)
    with TestClient(app, base_url=BASE, headers={"authorization": f"Bearer {TOKEN}"}) as second:
        for at, reviewer, verdict in ((client, "Ada", "accept"), (second, "Ben", "reject")):
            said = {"row": 2, "key": f"key-of-{reviewer}", "reviewer": reviewer, "verdict": verdict}
            assert at.post("/api/decisions", json=said).status_code == 200
        for at in (client, second):
            told = at.get("/api/spectra/2").json()["decisions"]
            assert {d["reviewer"]: d["verdict"] for d in told} == {"Ada": "accept", "Ben": "reject"}
            found = at.get("/api/agreement?one=Ada&other=Ben").json()
            assert (found["n"], found["same"]) == (1, 0)


def test_a_result_of_another_version_is_shown_as_far_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setenv("SPECTYPE_CACHE", str(tmp_path / "cache"))
    few = make_table(5).select("path", "type", "subclass").with_columns(later=pl.lit([1.5]))
    few.write_parquet(tmp_path / "old.parquet")
    app = make_app(open_desk(tmp_path / "old.parquet"), token=TOKEN)
    with TestClient(app, base_url=BASE, headers={"authorization": f"Bearer {TOKEN}"}) as client:
        assert client.get("/api/rows?type=O").json()["total"] == 1
        refused = client.get("/api/rows?flags=LOW_SNR")
        assert refused.status_code == 400 and "no column 'flags'" in refused.json()["error"]
        assert client.get("/api/confusion").status_code == 400
        said = {"row": 0, "key": "0123456789", "reviewer": "Ada", "verdict": "accept"}
        assert client.post("/api/decisions", json=said).json()["label"] == "O6"


def test_a_sent_file_gets_the_row_of_classify(client):
    text = spectrum_text(42.0)
    rows = client.post("/api/classify?name=star.csv", content=text).json()["rows"]
    assert rows[0]["path"] == "star.csv" and rows[0]["error"] is None
    assert sum(rows[0][f"p_{t}"] for t in "OBAFGKM") == pytest.approx(1.0, abs=1e-3)
    files = [("files", ("a.csv", text)), ("files", ("b.fits", b"SIMPLE  = no"))]
    both = client.post("/api/batch", files=files).json()["rows"]
    assert both[0]["type"] == rows[0]["type"] and both[1]["error"]
    sequence = client.get("/api/spectra/4/sequence").json()
    assert len(sequence["codes"]) == 140
    assert sum(sequence["probability"]) == pytest.approx(1.0, abs=0.01)


def test_standards_are_at_rest_and_in_order(client):
    found = client.get("/api/standards").json()
    codes = [s["code"] for s in found["standards"]]
    assert codes == sorted(codes) and {"V", "I"} <= {s["luminosity"] for s in found["standards"]}
    number = next(s["number"] for s in found["standards"] if s["label"].startswith("A1"))
    raw = np.frombuffer(client.get(f"/api/standards/{number}").content, "<f4").reshape(2, -1)
    near = np.abs(raw[0] - 4862.7) < 40
    assert raw[0][near][raw[1][near].argmin()] == pytest.approx(4862.7, abs=4)


def test_another_host_needs_a_token_of_ones_own(results, monkeypatch, capsys):
    monkeypatch.delenv("SPECTYPE_TOKEN", raising=False)
    assert run(["serve", str(results), "--host", "0.0.0.0"]) == 2
    assert "SPECTYPE_TOKEN" in capsys.readouterr().err
    assert run(["serve", str(results.with_name("none.parquet"))]) == 2
