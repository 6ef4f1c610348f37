"""Type a million spectra, one in a hundred of them broken, and prove what came out.

python recipes/million_spectra.py DATA/lamost --n 1000000 --work million/ --workers 2

The inputs are links to copies of the gzipped spectra in the folder; every hundredth is broken, in
each of the ways that the tests know. Run it again and it goes on. It ends with status 0 if every
good one was typed, every broken one named, `classify` ended with 3, and the memory of all its
processes stayed under 1.5 GB and did not grow.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import psutil

from spectype.bulk.results import check
from spectype.core.files import write_json

EVERY = 100  #: one in so many is broken
A_FOLDER = 1000  #: inputs
LIMIT = 1500  #: of the memory of all processes [MB]
FROM = 10_000  #: spectra, from which on memory is not to grow
GROWTH = 0.05  #: what is taken for none, of the peak


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the inputs, type them, judge what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("spectra", type=Path, help="folder of gzipped spectra")
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, default=Path("million"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--shard-size", type=int, default=4096)
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    make_inputs(options.spectra, options.work, options.n)
    status = run(options.work, options.workers, options.shard_size)
    return judge(options.work, options.n, status)


def broken(whole: bytes) -> dict[str, bytes | None]:
    """Names and contents of files that are no spectra; None for one that does not exist."""
    plain = gzip.decompress(whole)
    flipped = bytearray(whole)
    flipped[-6] ^= 0xFF  # of the check sum
    wave = np.arange(3800, 8800, 2.0)
    nan = "wave,flux\n" + "\n".join(f"{w},nan" for w in wave)
    ultraviolet = "wave,flux\n" + "\n".join(f"{w - 2500},1.5" for w in wave[:99])
    return {
        "empty.fits.gz": b"",
        "text.fits": b"hello world" * 50,
        "page.fits.gz": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "cut.fits.gz": whole[: len(whole) // 2],
        "crc.fits.gz": bytes(flipped),
        "short.fits.gz": gzip.compress(plain[: len(plain) // 2]),
        "header.fits": plain[:2880],
        "nan.csv": nan.encode(),
        "ultraviolet.csv": ultraviolet.encode(),
        "gone.fits.gz": None,
    }


def make_inputs(spectra: Path, work: Path, n: int) -> None:
    """Links to good and broken files, a thousand a folder; a folder is there whole or not at all.

    Spectra that cannot be typed are no good ones: all are typed once to see which.
    """
    copies, inputs = work / "copies", work / "inputs"
    if not copies.is_dir():
        table = work / "sources.parquet"
        subprocess.run([*classify(1), str(spectra), "--output", str(table)], check=False)
        good = pl.read_parquet(table).filter(pl.col("error").is_null())["path"].unique().sort()
        good = good.filter(good.str.ends_with(".fits.gz"))
        _fill(copies, {f"{i}.fits.gz": Path(path).read_bytes() for i, path in enumerate(good)})
    whole = (copies / "0.fits.gz").read_bytes()
    if not (work / "broken").is_dir():
        _fill(work / "broken", broken(whole))
    ways, count = list(broken(whole)), len(list(copies.iterdir()))
    for start in range(0, n, A_FOLDER):
        folder = inputs / f"{start // A_FOLDER:05d}"
        if folder.is_dir():
            continue
        new = inputs / ".new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for i in range(start, min(start + A_FOLDER, n)):
            if i % EVERY == EVERY // 2:
                way = ways[i // EVERY % len(ways)]
                (new / f"{i:07d}-broken-{way}").symlink_to((work / "broken" / way).resolve())
            else:
                os.link(copies / f"{i % count}.fits.gz", new / f"{i:07d}.fits.gz")
        new.rename(folder)


def _fill(folder: Path, files: dict[str, bytes | None]) -> None:
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for name, data in files.items():
        if data is not None:
            (new / name).write_bytes(data)
    new.rename(folder)


def classify(workers: int) -> list[str]:
    """The beginning of the command."""
    return [sys.executable, "-m", "spectype", "classify", "--workers", str(workers)]


def run(work: Path, workers: int, size: int) -> int:
    """Type the inputs and write the memory of all processes to ``memory.csv``; the status."""
    call = [*classify(workers), str(work / "inputs"), "--output", f"{work}/results/"]
    log, before, used = work / "memory.csv", 0.0, 0.0
    if log.exists():  # this goes on, and so do the clocks
        before, used = pl.read_csv(log).select(pl.col("seconds", "processor_seconds").max()).row(0)
    else:
        log.write_text("seconds,processor_seconds,spectra,megabytes,processes\n")
    begin = time.monotonic() - before
    process = psutil.Popen([*call, "--shard-size", str(size)])
    with log.open("a") as handle:
        while process.poll() is None:
            seconds, megabytes, count = measured(process)
            done = size * len(list((work / "results").glob("shard-*")))
            now = time.monotonic() - begin
            handle.write(f"{now:.1f},{used + seconds:.1f},{done},{megabytes:.1f},{count}\n")
            handle.flush()
            time.sleep(0.2 if done < FROM else 2)
    return int(process.returncode)


def measured(process: psutil.Process) -> tuple[float, float, int]:
    """Processor seconds, resident memory [MB] and number of a process and all below it.

    Pages that processes share count for each of them: no less than what is taken.
    """
    seconds = memory = count = 0.0
    try:
        for each in [process, *process.children(recursive=True)]:
            times = each.cpu_times()
            seconds += times.user + times.system
            memory += each.memory_info().rss / 1e6
            count += 1
    except psutil.NoSuchProcess:
        pass
    return seconds, memory, int(count)


def judge(work: Path, n: int, status: int) -> int:
    """Print what came out; 0 if all is as it should be."""
    rows = pl.scan_parquet(f"{work}/results/shard-*.parquet").select(
        bad=pl.col("path").str.contains("-broken-"),
        typed=pl.col("type").is_not_null() & pl.col("error").is_null(),
        named=pl.col("error").is_not_null() & pl.col("type").is_null(),
    )
    counts = rows.select(
        good=(~pl.col("bad")).sum(), typed=(~pl.col("bad") & pl.col("typed")).sum(),
        bad=pl.col("bad").sum(), named=(pl.col("bad") & pl.col("named")).sum(),
    ).collect().row(0, named=True)  # fmt: skip
    memory = pl.read_csv(work / "memory.csv")
    peak = float(memory["megabytes"].max())  # type: ignore[arg-type]
    steady = memory.filter(pl.col("spectra") >= FROM)["megabytes"].to_numpy()
    parts = np.array_split(steady, 10)
    growth = float(np.median(parts[-1]) - np.median(parts[0])) if len(steady) >= 20 else 0.0
    found = {"status": status, **counts, "peak_mb": round(peak), "growth_mb": round(growth, 1)}
    found["seconds"] = float(memory["seconds"].max())  # type: ignore[arg-type]
    found["processor_seconds"] = float(memory["processor_seconds"].max())  # type: ignore[arg-type]
    verdicts = {
        "every input has its row": check(work / "results").complete,
        "every good one is typed": counts["typed"] == counts["good"] == n - _broken(n),
        "every broken one is named": counts["named"] == counts["bad"] == _broken(n),
        "it ends with status 3": status == 3,
        f"memory is under {LIMIT} MB": peak < LIMIT,
        f"and does not grow from {FROM:,} on": growth < GROWTH * peak,
    }
    print(found)
    for words, true in verdicts.items():
        print(f"{'yes' if true else 'NO ':4s} {words}")
    write_json(work / "verdict.json", {**found, "verdicts": verdicts})
    return 0 if all(verdicts.values()) else 1


def _broken(n: int) -> int:
    return len(range(EVERY // 2, n, EVERY))


if __name__ == "__main__":
    sys.exit(main())
