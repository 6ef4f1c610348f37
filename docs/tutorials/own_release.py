"""Train on your own release.

Run: python own_release.py RELEASE FOLDER, RELEASE as `spectype simulate` writes one.
"""

import sys
from pathlib import Path

from spectype.cli import run

release, out = Path(sys.argv[1]), Path(sys.argv[2])


def spectype(command):
    print("$ spectype", command)
    assert run(command.split()) in (0, 3), command


# The catalogue says which stars there are: one table a type, and a sample of each, by star.
spectype(f"catalogue split {release}/catalogue.csv --out {out}/catalogue")
spectype(f"catalogue sample {out}/catalogue --per-type 400 --out {out}/sample")

# Files and labels become a store; a network is trained on it. This one is small and hardly
# trained, so that the page is quick: leave these options out for a real one.
spectype(f"build {release}/fits --labels {out}/sample/sample.parquet --only-labelled "
         f"--out {out}/store")  # fmt: skip
spectype(f"train {out}/store --out {out}/run --epochs 1 --steps 4 --network.width 8 "
         "--threads 1 --generate=")  # fmt: skip

# Judged on stars that it has not seen, and used like the one that we ship.
spectype(f"evaluate {out}/run --out {out}/report")
spectype(f"classify {release}/fits --model {out}/run --output {out}/types.parquet")
