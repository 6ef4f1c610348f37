"""Kill and terminate a run of `classify` at random moments; each rerun must end with the same rows.

python recipes/kill_runs.py FOLDER_OF_SPECTRA --kills 20 --terms 20
"""

from __future__ import annotations

import argparse
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
    with tempfile.TemporaryDirectory() as work:
        call = [sys.executable, "-m", "spectype", "classify", options.spectra, "--shard-size",
                str(SIZE), "--workers", str(options.workers), "--output"]  # fmt: skip
        start = time.monotonic()
        subprocess.run([*call, f"{work}/whole/"], check=False)
        seconds = time.monotonic() - start
        whole = rows(Path(work) / "whole")
        for number, times in ((signal.SIGKILL, options.kills), (signal.SIGTERM, options.terms)):
            for attempt in range(times):
                folder = Path(work) / f"{number.name}-{attempt}"
                process = subprocess.Popen([*call, f"{folder}/"])
                time.sleep(random.uniform(0.05, 0.95) * seconds)
                process.send_signal(number)
                process.wait()
                kept = rows(folder)
                subprocess.run([*call, f"{folder}/"], check=False)
                same = rows(folder)["path"].equals(whole["path"]) and check(folder).complete
                word = "same" if same else "DIFFERENT"
                print(f"{number.name} {attempt + 1}: {len(kept)} rows kept, then {word}")
                if not same:
                    sys.exit(1)
            print(f"{number.name}: {times} of {times} reruns end with the same {len(whole)} rows")


def rows(folder: Path) -> pl.DataFrame:
    """Rows of a folder of shards, in order; none where none was written."""
    found = sorted(folder.glob("shard-*.parquet"))
    return pl.read_parquet(found, columns=["path"]) if found else pl.DataFrame({"path": []})


if __name__ == "__main__":
    main()
