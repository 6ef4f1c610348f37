"""Who is let in; and what files that somebody sends can do."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import zipfile
import zlib

import pytest

from spectype.core.errors import ReadError
from spectype.web.safety import UPLOAD, allowed_names
from spectype.web.uploads import decompressed, shown_name
from tests.web.conftest import BASE, TOKEN, spectrum_text

TRICKS = [
    ({"host": "evil.example"}, 421),  # DNS rebinding
    ({"host": "127.0.0.1.evil.example:8642"}, 421),
    ({"host": "user@evil.example"}, 421),
    ({"host": ""}, 421),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "https://127.0.0.1:8642"}, 403),
    ({"origin": "http://127.0.0.1:9999"}, 403),  # another program's page on this machine
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"authorization": "Bearer wrong"}, 401),
    ({"authorization": "Bearer "}, 401),
    ({"authorization": "Basic " + TOKEN}, 401),
    ({"authorization": "Bearer " + TOKEN[:-1]}, 401),
    ({"authorization": "Bearer " + TOKEN + "x"}, 401),
    ({"authorization": "", "cookie": "spectype-8642=wrong"}, 401),
    ({"authorization": "", "cookie": "token=" + TOKEN}, 401),
    ({"host": "127.0.0.1@evil.example"}, 421),
    ({"host": "localhost.evil.example"}, 421),
    ({"host": "127.1.evil.example"}, 421),
    ({"host": "[::1].evil.example"}, 421),
    ({"host": "10.0.0.1:8642"}, 421),  # an address, but not ours
    ({"host": "evil.example", "x-forwarded-host": "127.0.0.1"}, 421),
    ({"origin": "http://127.0.0.1.evil.example"}, 403),
    ({"origin": "http://user@127.0.0.1"}, 403),
    ({"sec-fetch-site": "same-site"}, 403),
]
PATHS = ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fapp.py",
         "/static//etc/passwd", "/api/spectra/..%2f..%2fetc%2fpasswd", "/api/spectra/-1",
         "/api/spectra/1e3", "/api/spectra/999999999999999999999", "/api/spectra/28/arrays",
         "/static/%00", "/api/spectra/0%00/arrays", "/static/%252e%252e/app.py",
         "/static/....//app.py", "/static/..%5c..%5capp.py", "/static/%c0%ae%c0%ae/app.py",
         "/../../../../etc/passwd", "/static/main.js/../../app.py", "/static", "/api",
         "/api/spectra/../../../etc/passwd", "/api/standards/-1", "/api/standards/..",
         "/api/standards/99999", "/api/rows?path=../../etc/passwd&sort=../x",
         "/api/export?format=../../etc/passwd", "/api/histogram?column=../../etc/passwd",
         "/api/rows?type[]=O"]  # fmt: skip


def test_tricks_with_hosts_and_origins_are_refused(client):
    for headers, status in TRICKS:
        answer = client.get("/api/facts", headers=headers)
        assert (answer.status_code, headers) == (status, headers)
        assert "types.parquet" not in answer.text
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_tricks_with_paths_give_nothing_away(client):
    assert len(TRICKS) + len(PATHS) >= 50
    for path in PATHS:
        answer = client.get(path)
        assert answer.status_code in (400, 404, 405, 422), path
        assert "root:" not in answer.text and "import" not in answer.text, path


def test_the_printed_address_gives_a_cookie_that_scripts_cannot_read(stranger):
    assert stranger.get("/").status_code == stranger.get("/api/facts").status_code == 401
    opened = stranger.get(f"/?token={TOKEN}")
    assert opened.status_code == 200 and "<main>" in opened.text
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert stranger.get("/api/facts").status_code == 200
    assert stranger.get("/static/main.js").headers["x-content-type-options"] == "nosniff"


def test_with_a_cookie_what_changes_something_must_name_its_page(stranger):
    stranger.get(f"/?token={TOKEN}")
    said = {"reviewer": "Ada"}
    assert stranger.post("/api/undo", json=said).status_code == 403
    assert stranger.post("/api/undo", json=said, headers={"origin": BASE}).status_code == 200


def test_names_of_this_machine_alone():
    assert allowed_names("127.0.0.1") == {"127.0.0.1", "localhost", "::1"}
    assert "evil.example" not in allowed_names("0.0.0.0")


def test_too_large_a_body_is_refused_before_it_is_read(client):
    answer = client.post("/api/classify", content=b"x" * (UPLOAD + 1))
    assert answer.status_code == 413 and "64 MB" in answer.json()["error"]


def test_compression_is_undone_within_limits():
    text = spectrum_text(42.0).encode()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../etc/star.csv", text)
    for packed in (text, gzip.compress(text), gzip.compress(text[:99]) + gzip.compress(text[99:]),
                   bz2.compress(text), archive.getvalue()):  # fmt: skip
        assert decompressed(packed, "star") == text
    bomb = zlib.compressobj(9, wbits=31)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    with pytest.raises(ReadError, match="times its size"):
        decompressed(packed, "bomb.gz")
    with pytest.raises(ReadError, match="cut off"):
        decompressed(gzip.compress(text)[:-40], "cut.gz")


def test_names_never_become_paths():
    assert shown_name("../../etc/passwd") == "passwd"
    assert shown_name("C:\\x\\star\n.fits") == "star.fits"
    assert shown_name(None) == "file"


def test_malformed_uploads_are_answered_in_words(client):
    rng = random.Random(3)
    good = spectrum_text(42.0, n_pix=60).encode()
    for i in range(50):
        data = bytearray(gzip.compress(good) if i % 2 else good)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        sent = bytes(data[: rng.randint(0, len(data))]) or b"\0"
        answer = client.post("/api/arrays?name=star.csv", content=sent)
        assert answer.status_code in (200, 400, 422)
        if answer.status_code != 200:
            assert json.loads(answer.text)["error"]
