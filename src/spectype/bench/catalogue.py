"""Split a made-up catalogue of ten million rows, and let pandas do the same.

Every step runs in a process of its own, which reports its time and its peak memory.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from spectype.core.errors import SpectypeError, UsageError
from spectype.core.progress import track

_CHUNK = 250_000
_PANDAS_BYTES_A_ROW = 1300  #: what pandas holds, roughly, while it reads
# Rows by type as in DR3 and DR6 (their published counts), with subclasses spread evenly.
_SHARES = {
    ("STAR", "O"): 1.3e-5, ("STAR", "OB"): 0.5e-5, ("STAR", "B"): 0.001, ("STAR", "A"): 0.046,
    ("STAR", "F"): 0.214, ("STAR", "G"): 0.385, ("STAR", "K"): 0.183, ("STAR", "M"): 0.054,
    ("STAR", "Carbon"): 3e-4, ("STAR", "WD"): 0.002, ("STAR", "DoubleStar"): 4e-4,
    ("STAR", "CV"): 3e-5, ("STAR", "EM"): 2e-5, ("GALAXY", "Non"): 0.0175, ("QSO", "Non"): 0.006,
    ("Unknown", "Non"): 0.0725,
}  # fmt: skip
_PLANS = [f"{a}{i:04d}N{i * 7 % 60:02d}B{i % 3}" for a in ("HD", "GAC", "KP") for i in range(400)]
_REPEATS = 0.27  #: share of spectra that are of a star observed before


@dataclass(frozen=True, slots=True)
class Step:
    """One measured step.

    Parameters
    ----------
    name : str
        What was done.
    seconds : float
        Wall-clock time without starting Python and importing.
    cpu : float
        Processor time in the same span, of all threads: does not depend on who else is busy.
    peak : float
        Peak resident memory [GB].
    result : dict
        What came out, to be compared.
    """

    name: str
    seconds: float
    cpu: float
    peak: float
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """The measurement: the catalogue and the steps."""

    rows: int
    columns: int
    gigabytes: float
    steps: list[Step]

    def step(self, name: str) -> Step | None:
        """The step of that name, if it was run."""
        return next((step for step in self.steps if step.name == name), None)

    @property
    def ratios(self) -> dict[str, float]:
        """Times that spectype is faster than pandas, and the summary's share of the split."""
        split = self.step("split")
        ratios: dict[str, float] = {}
        if split is None:
            return ratios
        for name in ("pandas", "pandas, and write"):
            if (other := self.step(name)) is not None:
                for ours in ("split", "split to CSV"):
                    if (step := self.step(ours)) is not None:
                        ratios[f"{name} / {ours}"] = other.seconds / step.seconds
        if (summary := self.step("summary")) is not None:
            ratios["summary / split"] = summary.seconds / split.seconds
        return ratios

    def as_dict(self) -> dict[str, Any]:
        """Plain content, for JSON."""
        return {**asdict(self), "ratios": self.ratios}


def write_catalogue(path: Path, rows: int, *, seed: int = 0) -> int:
    """Write a '|' catalogue in the 36 columns of DR6 v2; the number of columns.

    Over a quarter of the spectra are of stars observed before, some 0.2 arcsec off.
    """
    rng = np.random.default_rng(seed)
    stars = rng.uniform(0, 360, rows), np.degrees(np.arcsin(rng.uniform(-0.17, 0.99, rows)))
    columns = 0
    with path.open("wb") as handle:
        for start in track(range(0, rows, _CHUNK), title="writing a catalogue"):
            size = min(_CHUNK, rows - start)
            table = _chunk(start, size, stars, rng)
            columns = table.width
            table.write_csv(handle, separator="|", include_header=start == 0, quote_style="never")
    return columns


def _chunk(
    start: int, n: int, stars: tuple[NDArray[Any], NDArray[Any]], rng: np.random.Generator
) -> pl.DataFrame:
    which = np.arange(start, start + n)
    again = rng.random(n) < _REPEATS
    which[again] = rng.integers(0, start + n, again.sum())
    shift = rng.normal(0, 0.2 / 3600, (2, n)).round(8) * again
    ra, dec = (stars[0][which] + shift[0]) % 360, stars[1][which] + shift[1]
    labels = list(_SHARES)
    share = np.array(list(_SHARES.values()))
    kind = rng.choice(len(labels), n, p=share / share.sum())
    number = rng.integers(0, 10, n)

    def pick(values: list[str], index: NDArray[Any]) -> pl.Series:
        return pl.Series(values).gather(index)

    names = [s + str(i) if len(s) == 1 and s != "O" else s for _, s in labels for i in range(10)]
    day = rng.integers(55_858, 58_300, n)
    plan = rng.integers(0, len(_PLANS), n)
    snr = rng.gamma(1.5, 20.0, (5, n)).round(2)
    snr[:, rng.random(n) < 0.01] = -9999.0
    mags = rng.uniform(9.0, 19.0, (7, n)).round(2)
    return pl.DataFrame(
        {
            "obsid": np.arange(start, start + n) + 101_001,
            "designation": _designations(ra, dec),
            "obsdate": pick([str(np.datetime64("1858-11-17") + d) for d in range(60_000)], day),
            "lmjd": day, "mjd": day - 1, "planid": pick(_PLANS, plan),
            "spid": rng.integers(1, 17, n), "fiberid": rng.integers(1, 251, n),
            "ra_obs": ra.round(7), "dec_obs": dec.round(7),
            **{f"snr{band}": values for band, values in zip("ugriz", snr)},
            "objtype": pick(["Star", "gal", "FS"], (number == 9) * 1),
            "class": pick([group for group, _ in labels], kind),
            "subclass": pick(names, 10 * kind + number),
            "z": rng.normal(0, 2e-4, n).round(9), "z_err": rng.uniform(0, 1e-4, n).round(9),
            "magtype": pick(["ugrizjh", "gri", "pmag"], number % 3),
            **{f"mag{i}": values for i, values in enumerate(mags, start=1)},
            "tsource": pick(["LEGUE_LCH", "PILOT", "KP", "JFEI"], number % 4),
            "fibertype": pick(["Obj", "F-Std"], (number == 5) * 1),
            "tfrom": pick(["LCH100002", "SDSS_S_Y", "PS1"], number % 3),
            "tcomment": pl.Series(rng.integers(10**17, 10**18, n)).cast(pl.String),
            "offsets": pick(["f", "t"], (number == 3) * 1), "offset_v": (mags[0] * 0.1).round(2),
            "ra": ra.round(7), "dec": dec.round(7),
        }
    )  # fmt: skip


def _designations(ra: NDArray[Any], dec: NDArray[Any]) -> pl.Series:
    """Names like J063657.24+272227.2, from the position."""
    t = (ra / 15 * 360_000).astype(np.int64)
    s = (np.abs(dec) * 36_000).astype(np.int64)
    parts = pl.DataFrame(
        {"h": t // 360_000, "m": t // 6000 % 60, "s": t // 100 % 60, "f": t % 100,
         "sign": np.where(dec < 0, "-", "+"), "d": s // 36_000, "am": s // 600 % 60,
         "as": s // 10 % 60, "af": s % 10}
    )  # fmt: skip
    two = [pl.col(c).cast(pl.String).str.zfill(2) for c in ("h", "m", "s", "f", "d", "am", "as")]
    h, m, sec, f, d, am, asec = two
    name = pl.format("J{}{}{}.{}{}{}{}{}.{}", h, m, sec, f, pl.col("sign"), d, am, asec, "af")
    return parts.select(name.alias("n"))["n"]


def measure(
    rows: int,
    *,
    folder: Path | None = None,
    pandas: bool = True,
    pandas_writes: bool = False,
    seed: int = 0,
) -> Report:
    """Write a catalogue, and measure what is done with it.

    Parameters
    ----------
    rows : int
        Rows of the catalogue; a row takes some 700 bytes of disk at most.
    folder : Path, optional
        Where to work; a temporary folder by default. All is removed in the end.
    pandas : bool
        Let pandas read the file and filter the seven types.
    pandas_writes : bool
        Let it write them, too (it takes minutes): the same job as a split.
    seed : int
        Of the catalogue.

    Raises
    ------
    UsageError
        If there are no rows, or the disk has no room for them.
    """
    if rows < 1:
        raise UsageError("no rows", remedy="take at least one")
    with tempfile.TemporaryDirectory(prefix="spectype-bench-", dir=folder) as name:
        work = Path(name)
        if shutil.disk_usage(work).free < rows * 1000:
            raise UsageError(
                f"needs {rows * 1000 / 1e9:.0f} GB of disk", path=work, remedy="name a --folder"
            )
        path = work / "catalogue.csv"
        columns = write_catalogue(path, rows, seed=seed)
        jobs: list[tuple[str | Path, ...]] = [
            ("split", path, work / "split"),
            ("split to CSV", path, work / "csv"),
            ("summary", path),
            ("split by star", work / "split", work / "sample"),
        ]
        if pandas and _room_for_pandas(rows):
            jobs.append(("pandas, and write" if pandas_writes else "pandas", path, work / "pandas"))
        steps = []
        for job in track(jobs, title="measuring"):
            steps.extend(_in_child(*map(str, job)))
            if job[0] == "split to CSV":
                shutil.rmtree(job[2])
        return Report(rows, columns, path.stat().st_size / 1e9, steps)


def _room_for_pandas(rows: int) -> bool:
    from importlib import util

    if util.find_spec("pandas") is None:
        return False
    try:
        available = next(
            int(line.split()[1]) * 1024
            for line in Path("/proc/meminfo").read_text().splitlines()
            if line.startswith("MemAvailable")
        )
    except (OSError, StopIteration):
        return True
    return available > rows * _PANDAS_BYTES_A_ROW


def _in_child(*arguments: str) -> list[Step]:
    command = [sys.executable, "-m", "spectype.bench.catalogue", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SpectypeError(f"the step {arguments[0]!r} failed: {done.stderr.strip()[-500:]}")
    return [Step(**step) for step in json.loads(done.stdout.splitlines()[-1])]


def _split(path: str, out: str) -> dict[str, Any]:
    from spectype.catalogue.split import split

    return {"counts": split(path, out).counts}


def _split_csv(path: str, out: str) -> dict[str, Any]:
    from spectype.catalogue.split import split

    return {"counts": split(path, out, format="csv").counts}


def _summary(path: str) -> dict[str, Any]:
    from spectype.catalogue.summary import summarise

    found = summarise(path)
    return {"rows": found.rows, "stars": found.stars}


def _sample(folder: str, out: str) -> dict[str, Any]:
    from spectype.catalogue.sample import SampleConfig, sample

    found = sample(folder, out, config=SampleConfig(per_type="all"))
    return {"rows": sum(found.taken.values()), "stars": found.stars}


def _pandas_read(path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """One read and seven filters by the rules of the reference study."""
    import pandas

    table = pandas.read_csv(path, sep="|", low_memory=False)
    stars, subclass = table["class"] == "STAR", table["subclass"]
    frames = {
        "O": table[stars & subclass.isin(["O", "OB"])],
        "M": table[stars & subclass.str.match(r"(?:d|g|sd)?M\d")],
    }
    for type in "BAFGK":
        frames[type] = table[stars & subclass.str.match(rf"{type}\d")]
    counts = {type: len(frame) for type, frame in frames.items()}
    # Where pyarrow is installed pandas keeps strings in it, and reads twice as fast.
    return frames, {"counts": counts, "strings": getattr(subclass.dtype, "storage", "python")}


def _timed(action: Callable[[], Any]) -> tuple[Any, float, float]:
    """Result, wall-clock seconds and processor seconds of an action."""
    cpu, start = time.process_time(), time.perf_counter()
    result = action()
    return result, time.perf_counter() - start, time.process_time() - cpu


def peak_memory() -> float:
    """Peak resident memory of this process [GB]."""
    try:
        # Not ru_maxrss, which starts from what the parent held.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) * 1024 / 1e9
    except (OSError, StopIteration):
        import resource

        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e9


def _child(name: str, *arguments: str) -> list[Step]:
    """Run one step in this process, which was started for it."""
    if not name.startswith("pandas"):
        # Imports are not to be timed; pandas' are not, either.
        import spectype.catalogue.sample
        import spectype.catalogue.summary  # noqa: F401

        actions: dict[str, Callable[..., dict[str, Any]]] = {
            "split": _split, "split to CSV": _split_csv, "summary": _summary,
            "split by star": _sample,
        }  # fmt: skip
        result, seconds, cpu = _timed(lambda: actions[name](*arguments))
        return [Step(name, seconds, cpu, peak_memory(), result)]
    import pandas  # noqa: F401 (its import is not to be timed)

    (frames, result), seconds, cpu = _timed(lambda: _pandas_read(arguments[0]))
    steps = [Step("pandas", seconds, cpu, peak_memory(), result)]
    if name == "pandas, and write":
        out = Path(arguments[1])
        out.mkdir()

        def write() -> None:
            for type, frame in frames.items():
                frame.to_csv(out / f"{type}.csv", sep="|", index=False)

        _, more, more_cpu = _timed(write)
        steps.append(Step(name, seconds + more, cpu + more_cpu, peak_memory(), result))
    return steps


if __name__ == "__main__":
    print(json.dumps([asdict(step) for step in _child(*sys.argv[1:])]))
