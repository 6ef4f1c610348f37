"""``spectype demo``: the whole way on a simulated release, by the commands a user would type."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from spectype.core.errors import SpectypeError
from spectype.core.files import check_writable_folder


def demo(*, out: Path = Path("demo"), n: int = 900, epochs: int = 16, seed: int = 1) -> int:
    """Simulate a small release and go the whole way to a judged model and a table of types.

    Sample the catalogue, build a store, train a generator of rare O stars and judge its spectra,
    train a classifier with them, evaluate it on real test stars only, classify the release.

    Each step is an ordinary command, printed before it runs; steps that are done are skipped,
    so an interrupted demo goes on. It ends in report/report.html in the output folder.

    Example: `spectype demo --out demo`

    Parameters
    ----------
    out
        Folder to work in.
    n
        Spectra to simulate.
    epochs
        Epochs of training.
    seed
        Seed of everything.
    """
    check_writable_folder(out)
    start = time.monotonic()
    for done, command in plan(out, n=n, epochs=epochs, seed=seed):
        if done.exists():
            print(f"done before: spectype {shlex.join(command)}")
            continue
        print(f"\n$ spectype {shlex.join(command)}", flush=True)
        began = time.monotonic()
        status = run_command(command)
        if status not in (0, 3):
            raise SpectypeError(f"the step failed with status {status}", path=done.parent)
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    print(
        f"\nThe whole way took {time.monotonic() - start:.0f} s. Open {out / 'report/report.html'}"
    )
    return 0


# What a step leaves behind when it is done, and its command. The network is narrower and
# trained for less long than the standard one: it is a demonstration. One thread, because two of a
# network so small wait for each other for minutes where something else keeps a processor busy.
STEPS = (
    ("release/manifest.json", "simulate --out {out}/release --n {n} --balanced --seed {seed}"),
    (
        "catalogue/manifest.json",
        "catalogue split {out}/release/catalogue.csv --out {out}/catalogue",
    ),
    (
        "sample/manifest.json",
        "catalogue sample {out}/catalogue --per-type 400 --seed {seed} --out {out}/sample",
    ),
    (
        "store/manifest.json",
        "build {out}/release/fits --labels {out}/sample/sample.parquet --only-labelled "
        "--out {out}/store",
    ),
    (
        "gan/manifest.json",
        "gan train {out}/store --recipe standard --epochs 5 --out {out}/gan --seed {seed}",
    ),
    (
        "synthetic/manifest.json",
        "gan sample {out}/gan --type O --n 100 --snr 50 --out {out}/synthetic --seed {seed}",
    ),
    (
        "fidelity/fidelity.html",
        "gan evaluate {out}/synthetic --gan {out}/gan --held-out unseen --out {out}/fidelity",
    ),
    (
        "runs/demo/model.json",
        "train {out}/store --synthetic {out}/synthetic --out {out}/runs/demo --epochs {epochs} "
        "--steps 50 --network.width 24 --threads 1 --seed {seed}",
    ),
    ("report/report.html", "evaluate {out}/runs/demo --out {out}/report"),
    (
        "types.csv",
        "classify {out}/release/fits --model {out}/runs/demo --system survey "
        "--output {out}/types.csv",
    ),
)


def plan(out: Path, *, n: int, epochs: int, seed: int) -> list[tuple[Path, list[str]]]:
    """The steps for a folder: what shows that one is done, and its command as words."""
    values = {"out": out, "n": n, "epochs": epochs, "seed": seed}
    return [
        (out / done, [word.format(**values) for word in command.split()]) for done, command in STEPS
    ]


def run_command(command: list[str]) -> int:
    """Run one verb in this process and return its exit status."""
    from spectype.cli import run

    sys.stdout.flush()
    return run(command)
