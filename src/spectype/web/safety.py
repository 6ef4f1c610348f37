"""Who may ask, and for how much: token, host, origin, size, and what a page may load.

Every user of a machine, and every web page that its owner visits, can reach a local port. So each
request must carry the token that was printed when the server started (as a cookie, which the
printed address sets, or as ``Authorization: Bearer``); it must name this host (against DNS
rebinding); and what changes anything must come from our own page (against cross-site requests).
"""

from __future__ import annotations

import ipaddress
import json
import re
import secrets
import socket
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOAD = 64 << 20  #: bytes of a request's body
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
_READS = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # links to SIMBAD must not tell the address
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}


class TooLarge(Exception):
    """A body went over the limit while it was read."""


class Safety:
    """ASGI middleware that lets through what it should and adds the headers of `HEADERS`.

    Parameters
    ----------
    app : ASGI application
    token : str
    host : str
        Address the server is bound to.
    port : int
        For the cookie's name: cookies are shared between the ports of a host.
    limit : int
        Bytes of a body.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, host: str, port: int, limit: int = UPLOAD
    ) -> None:
        self.app = app
        self.token = token
        self.cookie = f"spectype-{port}"
        self.names = allowed_names(host)
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on a request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = _headers(scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _answer(send, *refusal)
            return
        await self._pass(scope, headers, receive, send)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and reason if the request is not let through."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return 421, f"this server is not {host!r:.80}: use the address that was printed"
        origin, method = headers.get("origin"), scope["method"]
        same = origin is None or origin == f"http://{host}"
        elsewhere = not same or headers.get("sec-fetch-site") in ("cross-site", "same-site")
        # A link to the page may be followed from anywhere: a terminal in a browser, a note.
        followed = origin is None and method == "GET" and scope["path"] == "/"
        if elsewhere and not followed:
            return 403, "another site's page may not ask here"
        bearer = _matches(headers.get("authorization", "").removeprefix("Bearer "), self.token)
        if bearer:
            return None
        if not (_matches(self._of_cookie(headers), self.token) or self._in_address(scope)):
            return 401, "open the address that spectype serve printed: it carries the token"
        if method not in _READS and origin is None:
            return 403, "a browser that changes something says from which page (Origin)"
        return None

    def _is_ours(self, host: str) -> bool:
        # Not by urlsplit, which takes "[::1].evil.example" for ::1.
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].strip("[]")
        return name.lower() in self.names or (not self.loopback and _is_address(name))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can ask."""
        return "localhost" in self.names

    def _of_cookie(self, headers: dict[str, str]) -> str:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self.cookie)
        except CookieError:
            return ""
        return cookie.value if cookie else ""

    def _in_address(self, scope: Scope) -> bool:
        """Whether the address carries the token: the page alone can be opened with it."""
        if scope["path"] != "/" or scope["method"] not in ("GET", "HEAD"):
            return False
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])
        return _matches(given[0], self.token)

    async def _pass(
        self, scope: Scope, headers: dict[str, str], receive: Receive, send: Send
    ) -> None:
        started = False
        too_large = 413, f"at most {self.limit >> 20} MB are taken at a time"
        if headers.get("content-length", "0").isdigit() and (
            int(headers.get("content-length", "0")) > self.limit
        ):
            await _answer(send, *too_large)
            return
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.limit:
                raise TooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                sent = [*message.get("headers", []), *_encoded(HEADERS)]
                if self._in_address(scope):
                    sent += _encoded({"set-cookie": self._set_cookie()})
                if not any(name == b"cache-control" for name, _ in sent):
                    sent += _encoded({"cache-control": "no-store"})
                message = {**message, "headers": sent}
            await send(message)

        try:
            await self.app(scope, counted, with_headers)
        except TooLarge:
            if not started:
                await _answer(send, *too_large)

    def _set_cookie(self) -> str:
        return f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def allowed_names(host: str) -> frozenset[str]:
    """Names that a request to a server bound to `host` may give as its host."""
    if is_loopback(host):
        return frozenset({"127.0.0.1", "localhost", "::1", host.lower()})
    # Bound to a network: this machine's own names. A number is never a rebound name.
    return frozenset({host.lower(), socket.gethostname().lower(), socket.getfqdn().lower()})


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _matches(given: str, token: str) -> bool:
    return bool(given) and secrets.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _encoded(headers: dict[str, str]) -> Iterable[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]


async def _answer(send: Send, status: int, problem: str) -> None:
    body = json.dumps({"error": problem}).encode()
    headers: dict[str, Any] = {
        **HEADERS,
        "content-type": "application/json",
        "content-length": str(len(body)),
    }
    await send(
        {"type": "http.response.start", "status": status, "headers": list(_encoded(headers))}
    )
    await send({"type": "http.response.body", "body": body})
