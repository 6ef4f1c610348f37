"""The application, and the server that runs it on this machine."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse
from starlette.staticfiles import StaticFiles

import spectype
from spectype.core.errors import SpectypeError, UsageError
from spectype.web.api import refused, router
from spectype.web.desk import Desk
from spectype.web.safety import Safety, new_token

log = logging.getLogger("spectype")
STATIC = Path(__file__).parent / "static"


def make_app(desk: Desk, *, token: str, host: str = "127.0.0.1", port: int = 8642) -> Safety:
    """The page and the API over a desk, behind `Safety`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        desk.samp.close()

    app = FastAPI(
        lifespan=lifespan,
        title="spectype",
        version=spectype.__version__,
        description="Look at spectra and their types, judge them, type files.",
        docs_url=None,  # the usual page fetches its scripts from elsewhere; /docs is our own
        redoc_url=None,
    )
    app.state.desk = desk
    app.include_router(router)
    app.add_exception_handler(SpectypeError, refused)
    app.add_exception_handler(Exception, _unexpected)

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")

    app.mount("/static", StaticFiles(directory=STATIC))
    return Safety(app, token=token, host=host, port=port)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """An error that nobody foresaw: logged, and told without what it could give away."""
    log.error("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, error)
    return JSONResponse({"error": f"unexpected {type(error).__name__}"}, status_code=500)


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to an address; the next free port where `port` is 0.

    Raises
    ------
    UsageError
        If it is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise UsageError(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            remedy="another --port, or 0 for any that is free",
        ) from error
    return bound


def serve(desk: Desk, *, host: str, port: int, token: str | None = None) -> None:
    """Print the address and answer until interrupted."""
    token = token or new_token()
    bound = listen(host, port)
    port = bound.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    print(f"http://{shown}:{port}/?token={token}", flush=True)
    config = uvicorn.Config(
        make_app(desk, token=token, host=host, port=port),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        limit_concurrency=128,
    )
    try:
        uvicorn.Server(config).run(sockets=[bound])
    except KeyboardInterrupt:
        pass  # the way to end it
    finally:
        bound.close()
