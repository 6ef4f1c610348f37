"""``spectype bench``: speed against named alternatives, on this machine, in one run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from spectype.cli.catalogue import bench as catalogue

if TYPE_CHECKING:
    from spectype.bench.contest import Speed
    from spectype.bench.read import ReadSpeed

Json = Annotated[bool, Parameter(name="--json", negative="")]
app = App(name="bench", help="Measure speed against named alternatives.")
Device = Literal["auto", "cpu", "cuda"]
app.command(catalogue, name="catalogue")


@app.command
def read(
    *paths: Path,
    n: int = 300,
    rounds: int = 5,
    json_: Json = False,
) -> int:
    """Measure how fast spectra are read, next to astropy and to decompression alone.

    All take turns on the same LAMOST files, so that a busy machine slows all alike; a file's
    time is its best of all rounds, a reader's time the median over files. Reading means flux,
    inverse variance, wavelengths, masks and the header's metadata.

    Example: `spectype bench read raw/ --n 300`

    Parameters
    ----------
    paths
        Folders (searched to any depth) or files, gzipped LAMOST spectra.
    n
        Number of files, evenly spread over those found.
    rounds
        Times that each file is read by each reader.
    json_
        Print JSON instead of a table.
    """
    from spectype.bench.read import find_files, measure

    result = measure(find_files(paths, n=n), rounds=rounds)
    if json_:
        print(json.dumps(result.as_dict(), indent=1))
    else:
        _print(result)
    return 0


@app.command
def classify(
    *paths: Path,
    n: int = 1000,
    rounds: int = 5,
    against: Path | None = None,
    json_: Json = False,
) -> int:
    """Measure how fast files become rows of types on one core.

    Beside decompression alone, which no reader can be faster than, our reading and our network
    alone, and with --against another release of spectype, in turns on the same files.

    Example: `spectype bench classify raw/ --n 1000`

    Parameters
    ----------
    paths
        Folders (searched to any depth) or files, gzipped LAMOST spectra.
    n
        Number of files, evenly spread over those found.
    rounds
        Times that each does all files.
    against
        Folder src of another checkout: `git worktree add ../first first`, then ../first/src.
    json_
        Print JSON instead of a table.
    """
    from spectype.bench.classify import OURS, measure
    from spectype.bench.read import find_files

    result = measure(find_files(paths, n=n), rounds=rounds, against=against)
    if json_:
        print(json.dumps(result.as_dict(), indent=1))
        return 0
    print(f"{result.n_files} files, one core")
    for name, seconds in result.seconds.items():
        ratio = "" if name == OURS else f"{result.ratio(name):8.2f} of ours"
        peak = f"{result.megabytes[name]:8.0f} MB" if name in result.megabytes else ""
        print(f"{name:24s}{1e3 * seconds:8.3f} ms{1 / seconds:8.0f} a second{ratio}{peak}")
    return 0


@app.command
def gan(
    *,
    steps: int = 20,
    rounds: int = 5,
    device: Device = "auto",
    threads: int = 0,
    json_: Json = False,
) -> int:
    """Measure a training step of the reference GAN, next to the same recipe in plain torch.

    Both take turns: the study's layers on 3,904 pixels in batches of three. Plain torch is
    the textbook's way: nn.Linear, Adam with its defaults, real and synthetic spectra one after
    the other.

    Example: `spectype bench gan --threads 1`

    Parameters
    ----------
    steps
        Steps a round.
    rounds
        Rounds; the best counts.
    device
        auto, cpu or cuda.
    threads
        CPU threads; 0 lets torch choose.
    json_
        Print JSON instead of a table.
    """
    from dataclasses import asdict

    from spectype.bench.gan import measure

    speed = measure(steps=steps, rounds=rounds, device=device, threads=threads)
    if json_:
        print(json.dumps(asdict(speed), indent=1))
        return 0
    print(f"reference GAN, {speed.n_pix} pixels, batch {speed.batch}, {speed.device}, "
          f"{speed.threads} threads")  # fmt: skip
    for name, wall in speed.seconds.items():
        used = speed.processor[name]
        print(f"{name:12} {1 / wall:8.1f} steps/s, processor time {1e3 * used:6.1f} ms a step")
    ratio = speed.seconds["plain torch"] / speed.seconds["spectype"]
    by_processor = speed.processor["plain torch"] / speed.processor["spectype"]
    print(f"{ratio:.2f} times plain torch by the clock, {by_processor:.2f} by processor time")
    return 0


@app.command
def preprocess(
    *paths: Path,
    n: int = 300,
    rounds: int = 5,
    moved: Annotated[bool, Parameter(negative="")] = False,
    json_: Json = False,
) -> int:
    """Measure how fast spectra, once read, come onto the network's pixels and scale.

    As `classify` does it, sixty-four at a time; the same chain one by one; by numpy.interp, the
    plain way; resampled by specutils where that is installed; and a bare copy of the arrays.

    Example: `spectype bench preprocess raw/ --moved`

    Parameters
    ----------
    paths
        Folders (searched to any depth) or files, gzipped LAMOST spectra.
    n
        Number of files, evenly spread over those found.
    rounds
        Rounds; the best counts.
    moved
        Shift the wavelengths by half a pixel, so that all must be resampled.
    json_
        Print JSON instead of a table.
    """
    from spectype.bench.preprocess import measure
    from spectype.bench.read import find_files

    return _say(measure(find_files(paths, n=n), rounds=rounds, moved=moved), json_)


@app.command
def infer(*, n: int = 512, rounds: int = 5, json_: Json = False) -> int:
    """Measure how fast the shipped network is, on one thread.

    Beside it: one spectrum at a time, the same weights in torch, and its multiplications as one
    product of matrices, which is the least that this processor can do them in.

    Example: `spectype bench infer`

    Parameters
    ----------
    n
        Spectra a round.
    rounds
        Rounds; the best counts.
    json_
        Print JSON instead of a table.
    """
    from spectype.bench.infer import measure

    return _say(measure(n=n, rounds=rounds), json_)


@app.command
def train(*, steps: int = 5, rounds: int = 3, batch: int = 64, json_: Json = False) -> int:
    """Measure a step of the standard recipe's training, on one thread.

    Beside it: its augmentation alone, and the same layers in plain torch with one cross entropy
    and no augmentation; and the network's multiplications, forward and back, as one product of
    matrices.

    Example: `spectype bench train`

    Parameters
    ----------
    steps
        Steps a round.
    rounds
        Rounds; the best counts.
    batch
        Spectra a step.
    json_
        Print JSON instead of a table.
    """
    from spectype.bench.train import measure

    return _say(measure(steps=steps, rounds=rounds, batch=batch), json_)


def _say(speed: Speed, as_json: bool) -> int:
    if as_json:
        print(json.dumps(speed.as_dict(), indent=1))
        return 0
    print(", ".join(f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
                    for name, value in speed.about.items()))  # fmt: skip
    for name, seconds in speed.seconds.items():
        ratio = f"{speed.ratio[name]:8.2f} of ours" if name in speed.ratio else 16 * " "
        floor = "  (the floor)" if name == speed.floor else ""
        print(f"{name:42s}{1e3 * seconds:10.3f} ms a {speed.unit}{ratio}{floor}")
    print(f"peak memory {speed.megabytes:.0f} MB, all together")
    return 0


def _print(result: ReadSpeed) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"Reading {result.n_files} LAMOST files, {result.kilobytes:.0f} kB each when gzipped"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    for name in ("files/s", "us a file", "times"):
        table.add_column(name, justify="right")
    for name, seconds in result.seconds.items():
        ratio = seconds / result.seconds["spectype"]
        table.add_row(name, f"{1 / seconds:,.0f}", f"{1e6 * seconds:,.0f}", f"{ratio:.2f} x")
    Console().print(table)
    print(
        f"spectype reads {result.against_astropy:.1f} times as fast as astropy, and at"
        f" {result.against_gunzip:.2f} of the rate of decompression alone"
    )
