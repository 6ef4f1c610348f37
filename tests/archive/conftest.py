"""A local archive and a client that does not really sleep."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from spectype.archive.client import Client, Policy
from spectype.archive.transport import HttpTransport


def _load() -> ModuleType:
    name = "local_archive"
    if name not in sys.modules:
        path = Path(__file__).with_name("local_archive.py")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def local() -> ModuleType:
    """The module of answers: `send`, `cut`, `redirect` ..."""
    return _load()


@pytest.fixture
def archive(local: ModuleType) -> Iterator[Any]:
    """A server on 127.0.0.1."""
    server = local.LocalArchive()
    yield server
    server.close()


@dataclass
class Clock:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(archive: Any, clock: Clock) -> Client:
    """A client of the local archive: real sockets, no real waiting."""
    return Client(
        HttpTransport(connect_timeout=20, read_timeout=20),  # a busy machine is not a slow server
        mirror=archive.url,
        policy=Policy(attempts=4),
        sleep=clock.sleep,
        clock=clock,
    )
