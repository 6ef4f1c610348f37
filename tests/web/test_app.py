"""The server itself: what it needs, what it prints, who goes away in the middle."""

from __future__ import annotations

import json
import re
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

import spectype.web.app as app
from spectype.cli import run
from spectype.core.errors import UsageError
from tests.web.conftest import TOKEN, hosted


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    monkeypatch.delitem(sys.modules, "spectype.web.app")
    assert run(["serve"]) == 1
    assert 'pip install "spectype[web]"' in capsys.readouterr().err


def test_the_page_needs_no_network():
    for file in app.STATIC.iterdir():
        outside = set(re.findall(r"https?://[^\s\"'`<]+", file.read_text()))
        assert all(address.startswith("http://127.0.0.1") for address in outside), file.name


def test_the_address_that_is_printed_opens_the_page(monkeypatch, capsys, results):
    class Still:
        def __init__(self, config):
            self.config = config

        def run(self, sockets):
            assert sockets[0].getsockname()[0] == "127.0.0.1"

    monkeypatch.setattr("uvicorn.Server", Still)
    assert run(["serve", str(results), "--port", "0"]) == 0
    printed = urlsplit(capsys.readouterr().out.strip())
    assert printed.hostname == "127.0.0.1" and printed.port
    assert re.fullmatch(r"token=[\w-]{32}", printed.query)


def test_a_port_that_is_taken_is_named():
    taken = app.listen("127.0.0.1", 0)
    with pytest.raises(UsageError, match="another --port"):
        app.listen("127.0.0.1", taken.getsockname()[1])
    taken.close()


def test_a_browser_that_goes_away_leaves_nothing_half_done(results):
    said = json.dumps({"row": 1, "key": "k" * 20, "reviewer": "Ada", "verdict": "accept"}).encode()
    head = (
        f"POST /api/decisions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
    ).encode()
    with hosted(results) as (address, _):
        port = urlsplit(address).port
        for sent in (head[:40], head, head + said[:30], head + said):
            with socket.create_connection(("127.0.0.1", port)) as browser:
                browser.sendall(sent)
        with urllib3.PoolManager(headers={"authorization": f"Bearer {TOKEN}"}) as http:
            base = f"http://127.0.0.1:{port}/api"
            # What arrived whole is kept, once, though nobody heard the answer.
            again = http.request("POST", f"{base}/decisions", json=json.loads(said))
            assert again.status == 200 and again.json()["id"] == 1
            assert http.request("GET", f"{base}/reviewers").json() == {"Ada": 1}
    assert Path(f"{results}.review.sqlite").is_file()
