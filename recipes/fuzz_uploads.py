"""Send malformed files, and tricks with paths, hosts and origins, to a server of `spectype serve`.

Every answer must be one in words with a status below 500, tell nothing of this machine, and leave
the server as it was. Run from the repository's root:

    PYTHONPATH=src:. python recipes/fuzz_uploads.py 2000
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import urllib3
import uvicorn

from spectype.web.app import listen, make_app
from spectype.web.desk import open_desk
from tests.reading.fuzzing import seeds, spoil
from tests.web.conftest import TOKEN, make_table
from tests.web.test_safety import PATHS, TRICKS

HTTP = urllib3.PoolManager(retries=False, timeout=60)
SECRETS = ("root:", "Traceback", "/site-packages", "/home/", "spectype/web")


def files(count: int) -> Iterator[tuple[str, bytes]]:
    """Spoilt files of every kind that is read, bare and packed, and packings that are spoilt."""
    whole = seeds()
    for i in range(count):
        rng = np.random.default_rng(i)
        data = spoil(whole[i % len(whole)], rng)
        kind = i % 5
        if kind == 1:
            data = gzip.compress(data, mtime=0)
        elif kind == 2:
            data = spoil(gzip.compress(whole[i % len(whole)], mtime=0), rng)
        elif kind == 3:
            data = spoil(zipped({"../../x.fits": data}), rng)
        elif kind == 4 and i % 3:
            data = rng.bytes(int(rng.integers(0, 3000)))
        yield ("../" * (i % 4) + f"star{i % 7}.fits", data)


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip archive in memory."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def ask(address: str, method: str, path: str, **options: object) -> tuple[int, str]:
    """Status and text of an answer; a status of 0 where there is none."""
    headers = {"authorization": f"Bearer {TOKEN}", **(options.pop("headers", {}) or {})}  # type: ignore[dict-item]
    try:
        answer = HTTP.request(method, f"{address}{path}", headers=headers, **options)  # type: ignore[arg-type]
    except urllib3.exceptions.HTTPError as error:
        return 0, str(error)
    return answer.status, answer.data.decode("latin-1")


def main(count: int) -> int:
    """Send all of it; the exit status is 1 if anything went wrong."""
    faults: list[str] = []
    seen: Counter[str] = Counter()

    def judge(what: str, status: int, text: str) -> None:
        seen[f"{what.split(' ')[0]} {status}"] += 1
        if status == 0 or status >= 500 or any(word in text for word in SECRETS):
            faults.append(f"{what}: {status} {text[:300]}")

    with tempfile.TemporaryDirectory() as folder:
        make_table(28).write_parquet(Path(folder) / "types.parquet")
        bound = listen("127.0.0.1", 0)
        port = bound.getsockname()[1]
        app = make_app(open_desk(Path(folder) / "types.parquet"), token=TOKEN, port=port)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        address = f"http://127.0.0.1:{port}"
        for i, (name, data) in enumerate(files(count)):
            route = ("arrays", "classify", "batch")[i % 3]
            if route == "batch":
                sent = ask(address, "POST", "/api/batch", fields={"files": (name, data)})
            else:
                sent = ask(address, "POST", f"/api/{route}?name={name}", body=data)
            judge(f"{route} {i}", *sent)
            if sent[0] >= 400 and not json.loads(sent[1]):
                faults.append(f"{route} {i}: no words")
        for headers, _ in TRICKS:
            judge(f"trick {headers}", *ask(address, "GET", "/api/facts", headers=headers))
        for path in PATHS:
            judge(f"path {path}", *ask(address, "GET", path))
        alive = ask(address, "GET", "/api/health")
        left = sorted(p.name for p in Path(folder).iterdir())
        server.should_exit = True
        thread.join()
        bound.close()
    print("\n".join(faults))
    print(dict(sorted(seen.items())))
    print(
        f"{count} files, {len(TRICKS) + len(PATHS)} tricks: {len(faults)} faults; {alive}; {left}"
    )
    return int(bool(faults) or alive[0] != 200 or left != ["types.parquet"])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
