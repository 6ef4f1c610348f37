"""Spoil miniature files of every kind and see that each is read or refused in words.

Run from the repository's root; prints each fault with the seed that makes it again, and ends with a
traceback where one file takes longer than two minutes:

    PYTHONPATH=src:. python recipes/fuzz_readers.py 10000
"""

from __future__ import annotations

import faulthandler
import sys
import tempfile
from pathlib import Path

import numpy as np

from tests.reading.fuzzing import fault, seeds, spoil


def main(count: int) -> int:
    """Spoil `count` files; the number of faults, 1 at most, is the exit status."""
    whole = seeds()
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoilt"
        for i in range(count):
            rng = np.random.default_rng(i)
            path.write_bytes(spoil(whole[i % len(whole)], rng))
            faulthandler.dump_traceback_later(120, exit=True)
            if found := fault(path):
                faults += 1
                print(f"seed {i}, kind {i % len(whole)}: {found}", flush=True)
            if (i + 1) % 500 == 0:
                print(f"{i + 1} files, {faults} faults", file=sys.stderr, flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(f"{count} files spoilt in {len(whole)} kinds, {faults} faults")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
