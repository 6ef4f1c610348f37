"""A small table of types with its spectra, and servers over it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from threading import Thread

import numpy as np
import polars as pl
import pytest
import uvicorn
from starlette.testclient import TestClient

from spectype.core.files import write_manifest
from spectype.web.app import listen, make_app
from spectype.web.desk import open_desk
from tests.stores import hot_store

TOKEN = "a-token-for-tests-only"
BASE = "http://127.0.0.1:8642"
CODES = (6.0, 12.0, 25.0, 33.0, 42.0, 52.0, 63.0)


def spectrum_text(code: float, *, n_pix: int = 1200) -> str:
    """Columns of a made-up star: a black body with H beta at its place in vacuum."""
    wave = np.linspace(3800.0, 9000.0, n_pix)
    flux = 1.0 / wave**5 / np.expm1(1.4388e8 / wave / (40_000.0 - 550.0 * code))
    flux = flux / np.median(flux) * (1.0 - 0.4 * np.exp(-(((wave - 4862.7) / 8.0) ** 2)))
    rows = [f"{w:.3f},{f:.5f},{0.02:.3f}" for w, f in zip(wave, flux, strict=True)]
    return "wave_vacuum,flux,error\n" + "\n".join(rows) + "\n"


def make_table(n: int) -> pl.DataFrame:
    """A table as `classify` writes it, its values known."""
    code = np.resize(CODES, n)
    types = ["OBAFGKM"[int(c // 10)] for c in code]
    return pl.DataFrame(
        {
            "path": [f"spectra/{i}.csv" for i in range(n)],
            "obsid": [1000 + i for i in range(n)],
            "ra": np.linspace(0, 350, n),
            "dec": np.linspace(-10, 60, n),
            "snr": np.linspace(3, 90, n),
            "type": types,
            "type_probability": np.linspace(0.5, 1.0, n),
            **{f"p_{t}": [0.9 if t == own else 0.01 for own in types] for t in "OBAFGKM"},
            "subclass": [f"{t}{int(c % 10)}" for t, c in zip(types, code, strict=True)],
            "subclass_code": code,
            "luminosity": ["V"] * n,
            "flags": [1 if i < 3 else 0 for i in range(n)],
            "flag_names": ["LOW_SNR" if i < 3 else "" for i in range(n)],
            "error": [None] * n,
            "label": ["B2V" if i % 7 == 0 else types[i] for i in range(n)],
        },
        schema_overrides={"error": pl.String},
    )


def make_run(folder):
    """A run of two epochs, evaluated on five stars of its store."""
    store = hot_store(folder / "store", n=8, subclass=["O5"] * 4 + ["B1V"] * 4)
    test = make_table(5).drop("label")
    test = test.with_columns(row=pl.Series([7, 2, 3, 0, 5]), star_id=pl.lit("s"))
    (folder / "run").mkdir()
    test.write_parquet(folder / "run" / "predictions.parquet")
    lines = [{"epoch": i, "train_loss": 2.0 / i, "validation_loss": 3.0 / i} for i in (1, 2)]
    (folder / "run" / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    write_manifest(folder / "run", "run", {"store": str(store.folder), "store_rows": len(store)})
    return folder / "run"


@contextmanager
def hosted(path):
    """A server of this process, which starts quicker: its address, and how to end it."""
    bound = listen("127.0.0.1", 0)
    port = bound.getsockname()[1]
    app = make_app(open_desk(path), token=TOKEN, port=port)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = Thread(target=server.run, kwargs={"sockets": [bound]})

    def end():
        server.should_exit = server.force_exit = True
        thread.join(20)
        bound.close()

    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/?token={TOKEN}", end
    finally:
        end()


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A parquet table of 28 stars, of whose files seven are there."""
    monkeypatch.setenv("SPECTYPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "spectra").mkdir()
    for i, code in enumerate(CODES):
        (tmp_path / "spectra" / f"{i}.csv").write_text(spectrum_text(code))
    make_table(28).write_parquet(tmp_path / "types.parquet")
    return tmp_path / "types.parquet"


@pytest.fixture
def client(results):
    """Requests with the token to a server over the table."""
    app = make_app(open_desk(results), token=TOKEN)
    with TestClient(app, base_url=BASE, raise_server_exceptions=False) as found:
        found.headers["authorization"] = f"Bearer {TOKEN}"
        yield found


@pytest.fixture
def stranger(client):
    """The same server, asked without the token."""
    del client.headers["authorization"]
    return client
