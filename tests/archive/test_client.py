"""Retries, waits, redirects and what happens to a token on the way."""

from __future__ import annotations

import logging
import pickle
import time
import traceback
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest

from spectype.archive.client import Client, Failure, Policy, retry_after, without_token
from spectype.archive.credentials import Token, find_token, may_have_token
from spectype.archive.download import get_fits, get_small
from spectype.archive.transport import HttpTransport

URL = "https://www.lamost.org/dr6/v2.0/thing?obsid=7"
SECRET = "s3cr3t-token-of-a-user"


def failure_of(client: Client, url: str = URL) -> Failure:
    with pytest.raises(Failure) as caught:
        get_fits(client, url, obsid=7)
    return caught.value


def test_names_itself_to_the_server(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(b"hello"))
    assert get_small(client, URL).content == b"hello"
    _, path, headers = archive.requests[0]
    assert path == "/dr6/v2.0/thing?obsid=7"
    assert headers["User-Agent"].startswith("spectype/")
    assert headers["Accept-Encoding"] == "identity"


def test_404_is_final(archive: Any, client: Client) -> None:
    assert failure_of(client).status == "missing"
    assert len(archive.requests) == 1


def test_waits_as_long_as_429_says(archive: Any, client: Client, clock: Any, local: Any) -> None:
    archive.on("7", local.send(b"", status=429, Retry_After="7"), local.send(local.spectrum(7)))
    get_fits(client, URL, obsid=7)
    assert clock.now == pytest.approx(7.0)


def test_one_429_makes_all_workers_wait(
    archive: Any, client: Client, clock: Any, local: Any
) -> None:
    archive.on("7", local.send(b"", status=429, Retry_After="9"))
    archive.on("8", local.send(local.spectrum(8)))
    quick = replace(client, policy=Policy(attempts=1))
    quick._pause = client._pause
    client._pause.hold(9)
    get_fits(quick, URL.replace("obsid=7", "obsid=8"), obsid=8)
    assert clock.slept == [9.0]


def test_gives_up_on_an_absurd_retry_after(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(b"", status=429, Retry_After="86400"))
    failure = failure_of(client)
    assert failure.status == "refused" and "86400" in failure.detail
    assert len(archive.requests) == 1


def test_retry_after_as_a_date() -> None:
    assert retry_after(formatdate(time.time() + 30, usegmt=True)) == pytest.approx(30, abs=3)
    assert retry_after(formatdate(time.time() - 30, usegmt=True)) == 0.0
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_500_then_fine_with_growing_waits(
    archive: Any, client: Client, clock: Any, local: Any
) -> None:
    bad = local.send(b"", status=500)
    archive.on("7", bad, bad, local.send(local.spectrum(7)))
    get_fits(client, URL, obsid=7)
    first, second = clock.slept
    assert 0.75 <= first <= 1.25 and 1.5 <= second <= 2.5


def test_500_for_ever(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(b"", status=503))
    assert failure_of(client).status == "server error"
    assert len(archive.requests) == client.policy.attempts


def test_cut_then_whole(archive: Any, client: Client, local: Any) -> None:
    content = local.spectrum(7)
    archive.on("7", local.cut(content, 100), local.send(content))
    assert get_fits(client, URL, obsid=7).content == content


def test_cut_for_ever(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.cut(local.spectrum(7), 100))
    assert failure_of(client).status == "cut"


@pytest.mark.parametrize("packed", [True, False])
def test_truncation_shows_without_a_length(
    archive: Any, client: Client, local: Any, packed: bool
) -> None:
    whole = local.spectrum(7, packed=packed)
    archive.on("7", local.unannounced(whole[:-40] if packed else whole[:3000]))
    failure = failure_of(client)
    assert failure.status == "damaged" and "truncated" in failure.detail
    assert len(archive.requests) == client.policy.attempts


def test_truncated_gzip_with_the_right_length(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(local.spectrum(7)[:-9]), local.send(local.spectrum(7)))
    assert get_fits(client, URL, obsid=7).content == local.spectrum(7)


def test_flipped_bit_in_gzip(archive: Any, client: Client, local: Any) -> None:
    content = bytearray(local.spectrum(7))
    content[len(content) // 2] ^= 0x10
    archive.on("7", local.send(bytes(content)))
    assert failure_of(client).status == "damaged"


def test_web_page_in_place_of_the_file(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(local.HTML, Content_Type="text/html"))
    assert failure_of(client).status == "login"
    assert len(archive.requests) == 1


def test_something_else_in_place_of_the_file(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(b'{"error": "no such obsid"}'))
    failure = failure_of(client)
    assert failure.status == "not FITS" and '{"error"' in failure.detail


def test_redirect_to_a_login(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.redirect("/user/login?next=x"))
    failure = failure_of(client)
    assert failure.status == "login" and "LAMOST_TOKEN" in failure.detail
    assert len(archive.requests) == 1


def test_401_is_a_login(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(b"", status=401))
    assert failure_of(client).status == "login"


def test_redirects_that_never_end(archive: Any, client: Client, local: Any) -> None:
    archive.on("/dr6/v2.0/thing", local.redirect("/dr6/v2.0/thing"))
    assert "redirects" in failure_of(client).detail


def test_slow_server_is_tried_again(archive: Any, client: Client, local: Any) -> None:
    whole = local.send(local.spectrum(7))
    archive.on("7", local.after(1.5, whole), whole)
    hasty = replace(client, transport=HttpTransport(read_timeout=1.0))
    assert get_fits(hasty, URL, obsid=7).content == local.spectrum(7)
    assert len(archive.requests) >= 2


def test_slow_for_ever(archive: Any, clock: Any, local: Any) -> None:
    archive.on("7", local.after(0.4, local.send(local.spectrum(7))))
    hasty = Client(
        HttpTransport(read_timeout=0.1), mirror=archive.url, policy=Policy(attempts=2),
        sleep=clock.sleep, clock=clock,
    )  # fmt: skip
    assert failure_of(hasty).status == "timeout"


def test_header_of_another_spectrum(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(local.spectrum(8)))
    assert failure_of(client).status == "wrong file"


def test_nobody_listens(clock: Any) -> None:
    deaf = Client(
        HttpTransport(connect_timeout=0.5), mirror="http://127.0.0.1:9", sleep=clock.sleep,
        clock=clock,
    )  # fmt: skip
    failure = failure_of(deaf)
    assert failure.status == "unreachable" and "127.0.0.1" in failure.detail


@pytest.fixture
def trusted(client: Client) -> Client:
    """A client with a token, which the local server may see."""
    return replace(client, token=Token(SECRET), trusts=lambda url: url.hostname == "127.0.0.1")


def test_token_is_sent_where_it_may(archive: Any, trusted: Client, local: Any) -> None:
    archive.on("7", local.send(local.spectrum(7)))
    get_fits(trusted, URL, obsid=7)
    assert archive.requests[0][1].endswith(f"?obsid=7&token={SECRET}")


def test_token_goes_to_lamost_over_https_only(archive: Any, client: Client, local: Any) -> None:
    archive.on("7", local.send(local.spectrum(7)))
    get_fits(replace(client, token=Token(SECRET)), URL, obsid=7)
    assert SECRET not in str(archive.requests)
    from urllib.parse import urlsplit

    assert may_have_token(urlsplit("https://www.lamost.org/x"))
    for url in (
        "http://dr5.lamost.org/x", "https://lamost.org.evil.com/x", "https://notlamost.org/x",
        "https://www.lamost.org@evil.com/x",
    ):  # fmt: skip
        assert not may_have_token(urlsplit(url)), url


def test_redirect_does_not_carry_the_token_to_another_server(
    archive: Any, trusted: Client, local: Any
) -> None:
    other = local.LocalArchive()
    try:
        # The first server even writes the token into the address it redirects to.
        archive.on("7", local.redirect(f"{other.url}/elsewhere?obsid=7&token={SECRET}"))
        other.on("7", local.send(local.spectrum(7)))
        get_fits(trusted, URL, obsid=7)
        assert len(other.requests) == 1
        assert SECRET not in str(other.requests)
    finally:
        other.close()


def test_redirect_on_the_same_server_keeps_the_token_once(
    archive: Any, trusted: Client, local: Any
) -> None:
    archive.on("7", local.redirect("/new/place/7x"))
    archive.on("/new/place/7x", local.send(local.spectrum(7)))
    get_fits(trusted, URL, obsid=7)
    assert archive.requests[1][1] == f"/new/place/7x?token={SECRET}"


@pytest.mark.parametrize("fault", ["404", "500", "cut", "html", "slow"])
def test_token_is_in_no_error_and_no_log(
    archive: Any, trusted: Client, local: Any, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {
        "404": local.send(b"", status=404),
        "500": local.send(b"", status=500),
        "cut": local.cut(local.spectrum(7), 50),
        "html": local.send(local.HTML),
        "slow": local.after(0.8, local.send(b"x")),
    }
    archive.on("7", answers[fault])
    impatient = replace(trusted, policy=Policy(attempts=1))
    if fault == "slow":
        impatient = replace(impatient, transport=HttpTransport(read_timeout=0.4))
    with caplog.at_level(logging.DEBUG), pytest.raises(Failure) as caught:
        get_fits(impatient, URL, obsid=7)
    assert SECRET in archive.requests[0][1]  # it was sent: there was something to leak
    shown = "".join(traceback.format_exception(caught.value))
    assert SECRET not in shown + repr(caught.value) + repr(trusted)
    assert SECRET not in caplog.text
    assert "token=***" in caplog.text or fault == "slow"


def test_a_token_does_not_print_or_pickle() -> None:
    token = Token(SECRET)
    assert SECRET not in f"{token} {token!r}"
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMOST_TOKEN", f" {SECRET}\n")
    token = find_token()
    assert token is not None and token.reveal() == SECRET


def test_token_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    monkeypatch.delenv("LAMOST_TOKEN", raising=False)
    asked = []

    def get(service: str, account: str) -> str:
        asked.append((service, account))
        return SECRET

    monkeypatch.setattr(keyring, "get_password", get)
    token = find_token()
    assert token is not None and token.reveal() == SECRET
    assert asked == [("spectype", "lamost")]


def test_no_token_without_a_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring = pytest.importorskip("keyring")
    monkeypatch.delenv("LAMOST_TOKEN", raising=False)

    def get(*_: str) -> str:
        raise keyring.errors.NoKeyringError("none here")

    monkeypatch.setattr(keyring, "get_password", get)
    assert find_token() is None


def test_without_token_leaves_the_rest() -> None:
    assert without_token("http://a/b?x=1&token=z&y=%2F") == "http://a/b?x=1&y=%2F"
    assert without_token("http://a/b?x=a+b") == "http://a/b?x=a+b"
