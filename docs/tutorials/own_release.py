"""Train on your own release.

Run: python own_release.py RELEASE FOLDER, RELEASE as `spectype simulate` writes one.
"""

import sys
from pathlib import Path

from spectype.cli import run


def spectype(command: str) -> None:
    print("$ spectype", command)
    assert run(command.split()) in (0, 3), command


def main(release: Path, out: Path) -> None:
    # The catalogue says which stars there are: one table a type, and a sample of each, by star.
    spectype(f"catalogue split {release}/catalogue.csv --out {out}/catalogue")
    spectype(f"catalogue sample {out}/catalogue --per-type 400 --out {out}/sample")

    # Files and labels become a store; a network is trained on it. This one is small and hardly
    # trained, so that the page is quick: leave the options after --out away for a real one.
    labels = f"{out}/sample/sample.parquet"
    spectype(f"build {release}/fits --labels {labels} --only-labelled --out {out}/store")
    small = "--epochs 1 --steps 4 --network.width 8 --threads 1 --generate="
    spectype(f"train {out}/store --out {out}/run {small}")

    # Judged on stars that it has not seen, and used like the one that we ship.
    spectype(f"evaluate {out}/run --out {out}/report")
    spectype(f"classify {release}/fits --model {out}/run --output {out}/types.parquet")


if __name__ == "__main__":  # the processes that read and type import this script, too
    main(Path(sys.argv[1]), Path(sys.argv[2]))
