"""SAMP both ways, through astropy's own hub on the loopback."""

from __future__ import annotations

import contextlib
import time
import warnings
from urllib.parse import unquote, urlsplit

import polars as pl
import pytest

from spectype.core.errors import UsageError
from spectype.web.samp import Samp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # astropy 8 announces that it moves to pyvo
    from astropy import samp


@pytest.fixture
def no_hub(tmp_path, monkeypatch):
    """A lock file of a hub that is not there."""
    lock = tmp_path / "hub.lock"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    with samp.conf.set_temp("use_internet", False):
        yield lock


@pytest.fixture
def topcat(no_hub):
    """Another program at a hub, that keeps what it is told."""
    hub = samp.SAMPHubServer(addr="127.0.0.1", lockfile=str(no_hub), web_profile=False)
    hub.start()
    client = samp.SAMPIntegratedClient(name="topcat", addr="127.0.0.1")
    client.connect()
    client.told = []

    def keep(key, sender, mtype, params, extra):
        client.told.append((mtype, params))

    for mtype in ("table.load.fits", "table.highlight.row"):
        client.bind_receive_notification(mtype, keep)
    yield client
    client.disconnect()
    hub.stop()


def heard(what, least=1):
    """Wait until a list has so many entries: messages come on threads of their own."""
    for _ in range(200):
        if len(what()) >= least:
            return what()
        time.sleep(0.02)
    raise AssertionError("nothing was heard in 4 s")


def test_a_selection_is_sent_and_rows_are_highlighted_both_ways(client, topcat):
    assert client.post("/api/samp", json={"on": True}).json()["connected"]
    sent = client.post("/api/samp/table?type=O&sort=-snr").json()
    assert sent["sent"] == 1
    mtype, params = heard(lambda: topcat.told)[0]
    assert (mtype, params["table-id"]) == ("table.load.fits", sent["id"])
    from astropy.table import Table

    url = urlsplit(params["url"])
    assert url.scheme == "file"
    there = Table.read(unquote(url.path))
    ours = client.get("/api/rows?type=O&sort=-snr").json()["rows"]
    assert [int(x) for x in there["obsid"]] == [row["obsid"] for row in ours]  # in our order
    # A row highlighted there is opened here ...
    topcat.notify_all(
        {"samp.mtype": "table.highlight.row", "samp.params": {"table-id": sent["id"], "row": "1"}}
    )
    heard(lambda: [1] * client.get("/api/samp").json()["count"])
    assert client.get("/api/samp").json()["row"] == ours[1]["row"]
    # ... and one opened here is highlighted there.
    told = client.post("/api/samp/row", json={"row": ours[2]["row"]}).json()["told"]
    assert told == 1
    mtype, params = heard(lambda: topcat.told, 2)[1]
    assert (mtype, params["row"], params["table-id"]) == ("table.highlight.row", "2", sent["id"])
    # One that was not sent is highlighted nowhere.
    assert client.post("/api/samp/row", json={"row": 1}).json()["told"] == 0
    assert not client.post("/api/samp", json={"on": False}).json()["connected"]


@pytest.mark.parametrize(
    "params",
    [{}, {"table-id": "x", "row": "1"}, *({"table-id": "T", "row": r} for r in ("9", "-1", "a"))],
    ids=str,
)
def test_what_another_program_says_can_only_name_a_row_that_was_sent(topcat, params):
    ours = Samp()
    ours.connect()
    ident = ours.send(pl.DataFrame({"path": ["a", "b"]}), [5, 7], name="t")["id"]
    named = {k: ident if v == "T" else v for k, v in params.items()}
    answered(topcat, {"samp.mtype": "table.highlight.row", "samp.params": named})
    assert ours.state()["count"] == 0
    ours.close()


def answered(client, message):
    """What we answer; astropy's hub forgets an answer that comes before it has begun to wait."""
    for _ in range(4):
        with contextlib.suppress(samp.SAMPProxyError):
            return client.call_and_wait(topcat_of(client), message, "5")
    return client.call_and_wait(topcat_of(client), message, "5")


def topcat_of(client):
    """The name that the hub knows spectype by."""
    return next(iter(client.get_subscribed_clients("table.highlight.row")))


def test_without_a_hub_it_says_what_to_start(no_hub):
    with pytest.raises(UsageError, match="TOPCAT"):
        Samp().connect()
    with pytest.raises(UsageError, match="connect first"):
        Samp().send(pl.DataFrame({"path": ["a"]}), [0], name="t")
