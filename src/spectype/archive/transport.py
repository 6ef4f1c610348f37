"""The one door to the network: a small protocol, and urllib3 behind it.

Everything above speaks to `Transport`, so it is tested against a server of one's own, and a
site with other habits (a cache, another protocol) can put its own in place.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import spectype

USER_AGENT = f"spectype/{spectype.__version__} (spectral classification of stars)"


class Response(Protocol):
    """An answer whose body has not been read yet."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Header fields; names in any case."""

    def chunks(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The body in pieces, as sent; raises `NetworkError` if it breaks off."""

    def close(self) -> None:
        """Let the connection go."""


class Transport(Protocol):
    """Sends one request; follows no redirect, retries nothing, raises `NetworkError` only."""

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        """Send a request and return the answer's head."""


class NetworkError(Exception):
    """What the network did, without the URL: that may hold a secret.

    Parameters
    ----------
    kind : {"unreachable", "timeout", "cut"}
        No connection; no answer in time; an answer that broke off.
    detail : str
        In a few words.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail


class HttpTransport:
    """`Transport` over urllib3; honours the usual proxy variables of the environment.

    Parameters
    ----------
    connections : int
        Kept open to a host.
    connect_timeout, read_timeout : float
        Seconds to wait for a connection, and for the next bytes.
    """

    def __init__(
        self, *, connections: int = 8, connect_timeout: float = 15.0, read_timeout: float = 60.0
    ) -> None:
        import urllib3

        self._options: dict[str, Any] = {
            "maxsize": connections,
            "timeout": urllib3.Timeout(connect=connect_timeout, read=read_timeout),
            "retries": False,
        }
        self._direct = urllib3.PoolManager(**self._options)
        # At level DEBUG urllib3 logs addresses, and with them a token.
        logging.getLogger("urllib3.connectionpool").addFilter(_without_secrets)
        self._proxies: dict[str, urllib3.ProxyManager] = {}

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        """Send a request; see `Transport`."""
        import urllib3.exceptions as errors

        fields = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers}
        try:
            raw = self._pool(url).request(
                method, url, headers=fields, body=body, preload_content=False, redirect=False,
                decode_content=False,
            )  # fmt: skip
        except errors.HTTPError as error:
            raise _explain(error, url) from None
        return _Urllib3Response(raw, url)

    def _pool(self, url: str) -> Any:
        from urllib.request import getproxies, proxy_bypass

        import urllib3

        parts = urlsplit(url)
        proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
        if proxy is None:
            return self._direct
        if proxy not in self._proxies:
            self._proxies[proxy] = urllib3.ProxyManager(proxy, **self._options)
        return self._proxies[proxy]


class _Urllib3Response:
    def __init__(self, raw: Any, url: str) -> None:
        self._raw = raw
        self._url = url

    @property
    def status(self) -> int:
        return int(self._raw.status)

    @property
    def headers(self) -> Mapping[str, str]:
        return self._raw.headers  # type: ignore[no-any-return]

    def chunks(self, size: int = 1 << 16) -> Iterator[bytes]:
        import urllib3.exceptions as errors

        try:
            yield from self._raw.stream(size, decode_content=False)
        except errors.HTTPError as error:
            raise _explain(error, self._url) from None

    def close(self) -> None:
        # A body that was not read to its end would block the connection for the next request.
        self._raw.close()


def _without_secrets(record: logging.LogRecord) -> bool:
    if "token=" in (text := record.getMessage()):
        record.msg, record.args = re.sub(r"(token=)[^&\s\"']+", r"\1***", text), None
    return True


def _explain(error: Exception, url: str) -> NetworkError:
    """The error without its text, which holds the URL."""
    import urllib3.exceptions as errors

    host = urlsplit(url).hostname
    if isinstance(error, errors.NameResolutionError):
        return NetworkError("unreachable", f"the name {host} cannot be resolved")
    if isinstance(error, errors.ProxyError):
        return NetworkError("unreachable", "the proxy does not let us through")
    if isinstance(error, errors.SSLError):
        return NetworkError("unreachable", f"no secure connection to {host}")
    if isinstance(error, errors.ReadTimeoutError):
        return NetworkError("timeout", f"{host} stopped sending")
    if isinstance(error, (errors.NewConnectionError, errors.ConnectTimeoutError)):
        return NetworkError("unreachable", f"no connection to {host}")
    return NetworkError("cut", f"{host} broke off ({type(error).__name__})")
