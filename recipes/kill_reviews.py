"""Kill the server of `spectype serve` at random moments of a review: nothing lost, nothing doubled.

A reviewer decides as fast as the server answers and, like the page, sends again what was not
answered. At the end the file must hold each decision that was answered, once, and no other.

    python recipes/kill_reviews.py RESULTS.parquet --kills 50
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from pathlib import Path
from threading import Timer

import polars as pl
import urllib3

TOKEN = secrets.token_urlsafe(16)
HTTP = urllib3.PoolManager(retries=False, timeout=30)


def start(results: Path, review: Path) -> tuple[subprocess.Popen[str], str]:
    """A server, and where it answers."""
    command = [sys.executable, "-m", "spectype", "serve", str(results), "--port", "0",
               "--review", str(review)]  # fmt: skip
    environment = {**os.environ, "SPECTYPE_TOKEN": TOKEN}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    return process, process.stdout.readline().split("/?")[0]


def decide(address: str, said: dict[str, object]) -> bool:
    """Send a decision; whether it was answered."""
    try:
        answer = HTTP.request(
            "POST", f"{address}/api/decisions", json=said,
            headers={"authorization": f"Bearer {TOKEN}"},
        )  # fmt: skip
    except urllib3.exceptions.HTTPError:
        return False
    assert answer.status == 200, answer.data
    return True


def main() -> None:
    """Run all kills; exit status 1 if a decision is lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    dice = random.Random(options.seed)
    n = int(pl.scan_parquet(options.results).select(pl.len()).collect().item())
    answered: list[str] = []
    again: dict[str, object] | None = None
    repeated = 0
    with tempfile.TemporaryDirectory() as folder:
        review = Path(folder) / "review.sqlite"
        for kill in range(options.kills):
            process, address = start(options.results, review)
            first = True
            end = Timer(dice.uniform(0.0, 2.0), process.send_signal, (signal.SIGKILL,))
            while True:
                key = f"{kill:04}-{secrets.token_hex(8)}"
                new = {"row": len(answered) % n, "key": key, "reviewer": "Ada", "verdict": "accept"}
                said = again or new
                repeated += again is not None
                if not decide(address, said):
                    again = said
                    break
                answered.append(str(said["key"]))
                again = None
                if first:
                    end.start()  # the moment is random from the first decision on
                    first = False
            process.wait()
            print(f"kill {kill + 1}: {len(answered)} decisions answered so far", flush=True)
        with closing(sqlite3.connect(review)) as database:
            kept = [row[0] for row in database.execute("SELECT key FROM decision ORDER BY id")]
            whole = database.execute("PRAGMA integrity_check").fetchone()[0]
    lost, doubled = set(answered) - set(kept), [k for k, c in Counter(kept).items() if c > 1]
    unasked = set(kept) - set(answered) - ({str(again["key"])} if again else set())
    print(
        f"{options.kills} kills, {len(answered)} decisions answered, {repeated} sent again: "
        f"{len(lost)} lost, {len(doubled)} doubled, {len(unasked)} that nobody made; file {whole}"
    )
    sys.exit(bool(lost or doubled or unasked or whole != "ok"))


if __name__ == "__main__":
    main()
