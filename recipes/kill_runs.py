"""Kill and terminate a run of `classify` at random moments; each rerun must end with the same rows.

python recipes/kill_runs.py FOLDER_OF_SPECTRA --kills 20 --terms 20

A line a signal says how many spectra had been typed, how many of these rows were kept, and whether
the rerun ends with the rows of a run that nobody disturbed. What `kill -9` costs must not exceed
a shard a worker; SIGTERM must cost nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

from spectype.bulk.results import check

SIZE = 256  #: inputs a shard
# Every process of the run notes what it has typed, a line a batch.
_NOTES = """
import os
from spectype.bulk import work
plain = work.type_units
def noted(units, model, config):
    table = plain(units, model, config)
    with open(os.environ["TYPED"], "a") as file:
        file.write(f"{len(units)}\\n")
    return table
work.type_units = noted
"""


def main() -> None:
    """Run the hunt and print a line a signal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spectra", help="folder, list or archive")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--terms", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        call = [sys.executable, "-m", "spectype", "classify", options.spectra, "--shard-size",
                str(SIZE), "--workers", str(options.workers), "--output"]  # fmt: skip
        (work / "sitecustomize.py").write_text(_NOTES)
        before = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(work), *([before] if before else [])])
        environment = os.environ | {"PYTHONPATH": path, "TYPED": str(work / "typed")}
        start = time.monotonic()
        subprocess.run([*call, f"{work}/whole/"], check=False, env=environment)
        seconds = time.monotonic() - start
        whole = rows(work / "whole")
        for number, times in ((signal.SIGKILL, options.kills), (signal.SIGTERM, options.terms)):
            allowed = SIZE * options.workers if number == signal.SIGKILL else 0
            for attempt in range(times):
                (work / "typed").unlink(missing_ok=True)
                folder = work / f"{number.name}-{attempt}"
                process = subprocess.Popen([*call, f"{folder}/"], env=environment)
                time.sleep(random.uniform(0.05, 0.95) * seconds)
                process.send_signal(number)
                process.wait()
                kept, typed = len(rows(folder)), typed_of(work / "typed")
                subprocess.run([*call, f"{folder}/"], check=False, env=environment)
                same = rows(folder).equals(whole) and check(folder).complete
                word = "the same rows" if same else "OTHER ROWS"
                print(f"{number.name} {attempt + 1}: {typed} typed, {kept} kept, then {word}",
                      flush=True)  # fmt: skip
                if not same or typed - kept > allowed:
                    sys.exit(1)
            print(f"{number.name}: {times} of {times} reruns end with the same {len(whole)} rows")


def typed_of(notes: Path) -> int:
    """Spectra that the processes of a run have typed."""
    return sum(map(int, notes.read_text().split())) if notes.exists() else 0


def rows(folder: Path) -> pl.DataFrame:
    """Rows of a folder of shards, in order; none where none was written."""
    found = sorted(folder.glob("shard-*.parquet"))
    columns = ["path", "type", "subclass", "error"]
    return pl.read_parquet(found, columns=columns) if found else pl.DataFrame({"path": []})


if __name__ == "__main__":
    main()
