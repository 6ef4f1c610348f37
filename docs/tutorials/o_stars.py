"""Find the O stars of a release.

Run: python o_stars.py RELEASE FOLDER, RELEASE being a folder of spectra at any depth.
"""

import sys
from pathlib import Path

import polars as pl

from spectype.cli import run


def main(release: str, out: Path) -> None:
    # Everything is typed into a folder of shards: interrupted, the same command goes on.
    assert run(["classify", release, "--output", f"{out}/results/"]) in (0, 3)
    assert run(["results", "check", f"{out}/results"]) == 0
    run(["results", "summary", f"{out}/results"])

    # Ranked at their real frequency: O stars are one in ten thousand, so a probability of 0.99 in
    # a balanced world is not 0.99 in a survey. The purity says what to expect of the list.
    call = ["mine", f"{out}/results", "--type", "O", "--n", "10", "--sheet", "4"]
    assert run([*call, "--out", f"{out}/hunt"]) == 0
    found = pl.read_csv(out / "hunt" / "candidates.csv")
    print(found.select("rank", "score", "purity", "subclass", "path").head(5))


if __name__ == "__main__":  # the processes that type import this script, too
    main(sys.argv[1], Path(sys.argv[2]))
