"""An archive on 127.0.0.1 that speaks the survey's protocol, faults included."""

from __future__ import annotations

import gzip
import io
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np

Action = Callable[["Handler"], None]


def spectrum(obsid: int, *, packed: bool = True) -> bytes:
    """A whole small FITS file in the image layout, with its OBSID."""
    from astropy.io import fits

    hdu = fits.PrimaryHDU(np.full((5, 16), float(obsid % 97), ">f4"))
    hdu.header["OBSID"] = obsid
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    content = buffer.getvalue()
    return gzip.compress(content, mtime=0) if packed else content


def send(content: bytes, *, name: str | None = None, status: int = 200, **fields: str) -> Action:
    """Answer with `content`; keyword underscores become dashes in header names."""

    def action(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        if name is not None:
            handler.send_header("Content-Disposition", f'attachment; filename="{name}"')
        for key, value in fields.items():
            handler.send_header(key.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    return action


def cut(content: bytes, after: int) -> Action:
    """Announce the whole length, send `after` bytes and hang up."""

    def action(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:after])
        handler.close_connection = True

    return action


def unannounced(content: bytes) -> Action:
    """Send `content` without a length and hang up: only the content can tell it is whole."""

    def action(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = True

    return action


def redirect(url: str, status: int = 302) -> Action:
    return send(b"", status=status, Location=url)


def after(seconds: float, action: Action) -> Action:
    """The same, late."""

    def late(handler: Handler) -> None:
        time.sleep(seconds)
        action(handler)

    return late


def ranged(content: bytes, *, etag: str = '"v1"', cut_after: int | None = None) -> Action:
    """Serve parts, as large files are served; optionally hang up early."""

    def action(handler: Handler) -> None:
        start, status = 0, 200
        wanted = handler.headers.get("Range")
        if wanted and handler.headers.get("If-Range") == etag:
            start, status = int(wanted.removeprefix("bytes=").rstrip("-")), 206
        if start >= len(content) > 0:
            return send(b"", status=416)(handler)
        handler.send_response(status)
        handler.send_header("ETag", etag)
        handler.send_header("Content-Length", str(len(content) - start))
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        stop = len(content) if cut_after is None else start + cut_after
        handler.wfile.write(content[start:stop])
        if cut_after is not None:
            handler.close_connection = True
        return None

    return action


HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


class Handler(BaseHTTPRequestHandler):
    """Looks up what to do next for the path that is asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    archive: LocalArchive

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.body = self.rfile.read(length)
        self._answer()

    def _answer(self) -> None:
        try:
            self.archive.next_action(self)(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has hung up, as some tests want

    def log_message(self, *_: object) -> None:
        pass


class LocalArchive:
    """The server, what it will answer, and what it was asked."""

    def __init__(self) -> None:
        self.script: dict[str, list[Action]] = defaultdict(list)
        self.default: Callable[[str], Action] = lambda _: send(b"", status=404)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self._lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"archive": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def next_action(self, handler: Handler) -> Action:
        parts = urlsplit(handler.path)
        with self._lock:
            self.requests.append((handler.command, handler.path, dict(handler.headers)))
            for key in (handler.path, parts.path, _obsid(handler.path)):
                if self.script.get(key):
                    actions = self.script[key]
                    return actions.pop(0) if len(actions) > 1 else actions[0]
        return self.default(handler.path)

    def on(self, key: str, *actions: Action) -> None:
        """Answer `key` (path, path with query, or obsid) by these in turn, the last for ever."""
        self.script[key] = list(actions)

    def serve_spectra(self, *, delay: float = 0.0) -> None:
        """Have every obsid that is not scripted."""

        def answer(path: str) -> Action:
            obsid = _obsid(path)
            whole = send(
                spectrum(int(obsid)), name=f"spec-56000-P1_sp01-{int(obsid) % 1000:03d}.fits.gz"
            )
            return after(delay, whole) if delay else whole

        self.default = answer

    def asked(self) -> Counter[str]:
        """How often each obsid was asked for."""
        return Counter(_obsid(path) for _, path, _ in self.requests)


def _obsid(path: str) -> str:
    parts = urlsplit(path)
    query = parse_qs(parts.query)
    return query["obsid"][0] if "obsid" in query else parts.path.rsplit("/", 1)[-1]
