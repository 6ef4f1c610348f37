"""A polite client: few requests at a time, patience with tired servers, care with secrets."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

from spectype.archive.credentials import Token, may_have_token
from spectype.archive.transport import NetworkError, Response, Transport
from spectype.core.errors import SpectypeError

T = TypeVar("T")
_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 5
_LOGIN = re.compile(r"log-?in|sign-?in|passport|oauth|/auth\b|/cas\b", re.IGNORECASE)


class Failure(Exception):
    """A request that did not bring what was asked for.

    Parameters
    ----------
    status : str
        In a word or two: missing, login, not FITS, damaged, refused, server error, timeout,
        cut, unreachable.
    detail : str
        In a sentence; never with a secret.
    retry : bool
        Whether another attempt may help.
    wait : float, optional
        Seconds that the server asks us to wait.
    """

    def __init__(
        self, status: str, detail: str, *, retry: bool = False, wait: float | None = None
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.retry = retry
        self.wait = wait


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How patient the client is.

    Parameters
    ----------
    attempts
        Tries for one file.
    backoff
        Seconds before the second try; doubled for each further one, give or take a quarter.
    longest_wait
        Seconds; a server that asks for more is left alone.
    deadline
        Seconds that a single spectrum may take.
    """

    attempts: int = 5
    backoff: float = 1.0
    longest_wait: float = 300.0
    deadline: float = 180.0


class Pause:
    """A rest that one worker's 429 imposes on all."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._until = 0.0
        self._lock = threading.Lock()

    def hold(self, seconds: float) -> None:
        """No request before `seconds` have passed."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def wait(self) -> None:
        """Sleep as long as a rest lasts."""
        while (left := self._until - self._clock()) > 0:
            self._sleep(left)


@dataclass
class Client:
    """Requests with retries, redirects and a token that goes nowhere else.

    Parameters
    ----------
    transport : Transport
        What sends.
    token : Token, optional
        Added to requests to LAMOST's own servers.
    trusts : callable
        Whether an address may see the token.
    mirror : str, optional
        ``scheme://host:port`` that is asked in place of every archive; never sees the token
        unless `trusts` says so.
    policy : Policy
        Patience.
    sleep, clock : callable
        Of `time`; injected by tests.
    seed : int
        Of the jitter in the waits.
    """

    transport: Transport
    token: Token | None = None
    trusts: Callable[[SplitResult], bool] = may_have_token
    mirror: str | None = None
    policy: Policy = field(default_factory=Policy)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    seed: int = 0

    def __post_init__(self) -> None:
        self._pause = Pause(self.clock, self.sleep)
        self._random = random.Random(self.seed)

    def address(self, url: str) -> str:
        """Where `url` is really asked for: the same, or its place at the mirror."""
        if self.mirror is None:
            return url
        there, asked = urlsplit(self.mirror), urlsplit(url)
        path = there.path.rstrip("/") + asked.path
        return urlunsplit((there.scheme, there.netloc, path, asked.query, ""))

    def patiently(self, action: Callable[[], T]) -> T:
        """Run `action`, again after a rest if it raises a `Failure` that may pass.

        Raises
        ------
        Failure
            The last one, when patience ends.
        """
        for attempt in range(1, self.policy.attempts + 1):
            self._pause.wait()
            try:
                return action()
            except NetworkError as error:
                failure = Failure(error.kind, error.detail, retry=True)
                if error.kind == "unreachable" and attempt >= 2:
                    raise failure from None
            except Failure as error:
                failure = error
            if not failure.retry or attempt == self.policy.attempts:
                raise failure
            self._rest(failure, attempt)
        raise AssertionError("unreachable")

    def _rest(self, failure: Failure, attempt: int) -> None:
        if failure.wait is not None:
            if failure.wait > self.policy.longest_wait:
                raise Failure(
                    "refused", f"the server asks to wait {failure.wait:.0f} s: try again later"
                )
            self._pause.hold(failure.wait)
            return
        step = self.policy.backoff * 2 ** (attempt - 1)
        self.sleep(step * self._random.uniform(0.75, 1.25))

    def open(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Response:
        """Send one request and follow its redirects.

        Raises
        ------
        Failure
            If the answer is not 200 or 206.
        NetworkError
            If there is none.
        """
        here = self.address(url)
        first = urlsplit(here)
        for _ in range(_MAX_REDIRECTS + 1):
            response = self.transport.send(
                method, self._with_token(here, first), headers or {}, body
            )
            if response.status not in _REDIRECTS:
                return _accepted(response)
            location = response.headers.get("Location", "")
            response.close()
            there = urljoin(here, location)
            if _LOGIN.search(urlsplit(there).path) or _LOGIN.search(urlsplit(there).netloc):
                raise Failure("login", f"the archive wants a login (set {_variable()})")
            if urlsplit(there).scheme not in ("http", "https"):
                raise Failure("refused", "redirects to no web address")
            if urlsplit(here).scheme == "https" and urlsplit(there).scheme == "http":
                raise Failure("refused", "redirects from a secure to an open connection")
            here = without_token(there)
        raise Failure("refused", f"more than {_MAX_REDIRECTS} redirects")

    def _with_token(self, url: str, first: SplitResult) -> str:
        """`url` with the token, if it is for the server that was asked and may see it."""
        parts = urlsplit(url)
        same = (parts.scheme, parts.netloc) == (first.scheme, first.netloc)
        if self.token is None or not same or not self.trusts(parts):
            return url
        query = [*parse_qsl(parts.query, keep_blank_values=True), ("token", self.token.reveal())]
        return urlunsplit(parts._replace(query=urlencode(query)))


def _variable() -> str:
    from spectype.archive.credentials import VARIABLE

    return VARIABLE


def without_token(url: str) -> str:
    """`url` without the parameter ``token``."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if name.lower() != "token"]
    return url if len(kept) == len(pairs) else urlunsplit(parts._replace(query=urlencode(kept)))


def _accepted(response: Response) -> Response:
    """The response if it is one to read; a `Failure` that says what it is otherwise."""
    status = response.status
    if status in (200, 206):
        return response
    wait = retry_after(response.headers.get("Retry-After"))
    response.close()
    if status in (404, 410):
        raise Failure("missing", "the archive does not have it")
    if status in (401, 403):
        raise Failure("login", f"the archive wants a login (HTTP {status}; set {_variable()})")
    if status == 416:
        raise Failure("range", "nothing left to send", retry=True, wait=0.0)
    if status == 429:
        raise Failure("refused", "too many requests", retry=True, wait=wait)
    if status >= 500:
        raise Failure("server error", f"HTTP {status}", retry=True, wait=wait)
    raise Failure("refused", f"HTTP {status}")


def retry_after(value: str | None) -> float | None:
    """Seconds of a ``Retry-After`` field, which holds seconds or a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def unreachable(hosts: list[str], detail: str) -> SpectypeError:
    """The error for a closed network, which says what would have to be open."""
    return SpectypeError(
        f"the archive cannot be reached: {detail}; needed: {', '.join(hosts)}",
        remedy="allow these hosts, set HTTPS_PROXY, or --dry-run here and download elsewhere",
    )
