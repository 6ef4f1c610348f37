"""Hide twenty faint O stars among 200,000 simulated spectra, hunt for them, and count.

python recipes/planted_hunt.py --n 200000 --work hunt/ --workers 2

The others have the survey's composition with its strangers (galaxies, quasars, binaries, white
dwarfs, carbon stars, spectra too faint to name) and hot subdwarfs, which look most like O stars;
every spectrum is a star of its own with its own noise. Of the O stars, S/N 3-20, half carry a label
that is wrong: Unknown or A. Spectra are made and typed in memory, a thousand at once; run it again
and it goes on.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from spectype.classify.runtime import Model, load_model
from spectype.core.files import atomic_path, write_json
from spectype.core.grid import STANDARD_GRID
from spectype.core.progress import track
from spectype.core.spectra import Spectra
from spectype.simulate import halo, objects, records
from spectype.simulate.instrument import Conditions, observe
from spectype.simulate.objects import KINDS, Target
from spectype.simulate.plan import quotas, survey_weights
from spectype.simulate.templates import Grid, compute

SUBDWARFS = 30  #: in LAMOST DR7 some 1,600 hot subdwarfs of 10.6 million are known
FAINT = (3.0, 20.0)  #: S/N of the planted
SUBDWARF = [branch.kind for branch in halo.BRANCHES].index("hot subdwarf")
PART = 1000  #: spectra that are made and typed at once
DEPTHS = (20, 50, 100, 200)


@dataclass(frozen=True)
class Sample:
    """`n` spectra, among them planted O (and B) stars; all follows from the seed."""

    n: int
    seed: int = 18
    planted: int = 20
    planted_b: int = 0


def main() -> None:
    """Make, type, hunt, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--work", type=Path, default=Path("hunt"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", type=int, help="stop at so many thousands, and hunt among them")
    options = parser.parse_args()
    sample = Sample(options.n)
    make(options.work, sample, workers=options.workers, parts=options.parts)
    hunt(options.work)


def make(work: Path, sample: Sample, *, workers: int, parts: int | None = None) -> None:
    """Make and type what is not there yet, `parts` thousands at most."""
    for name in ("parts", "truth"):
        (work / name).mkdir(parents=True, exist_ok=True)
    templates(work, sample)
    starts = [
        (work, sample, start)
        for start in range(0, sample.n, PART)
        if not part_of(work, start).exists()
    ]
    # Those with planted stars first: whatever stops the work, all of them are among the rest.
    starts.sort(key=lambda task: "planted" not in kinds_of(sample)[task[2] : task[2] + PART])
    if parts is not None:
        there = len(list((work / "parts").glob("*.parquet")))
        starts = starts[: max(0, parts - there)]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        done = pool.imap_unordered(type_part, starts)
        for _ in track(done, total=len(starts), title="typing"):
            pass


def part_of(work: Path, start: int) -> Path:
    """Where the types of the spectra from `start` on are kept."""
    return work / "parts" / f"{start:07d}.parquet"


def truth_of(work: Path, start: int) -> Path:
    """Where it is kept what they are."""
    return work / "truth" / f"{start:07d}.parquet"


@lru_cache(maxsize=1)
def kinds_of(sample: Sample) -> list[str]:
    """The kind of each spectrum, in an order drawn by lot."""
    weights = survey_weights() | {"O": 0.0}
    extra = {"planted": sample.planted, "subdwarf": SUBDWARFS, "planted B": sample.planted_b}
    counts = quotas(weights, sample.n - sum(extra.values()))
    kinds = np.repeat([*KINDS, *extra], [*counts, *extra.values()])
    return [str(kind) for kind in np.random.default_rng(sample.seed).permutation(kinds)]


def draw(sample: Sample, i: int) -> tuple[Target, float]:
    """The object of spectrum `i` and its S/N."""
    rng, kind = np.random.default_rng([sample.seed, 1, i]), kinds_of(sample)[i]
    snr = float(np.clip(35 * np.exp(rng.standard_normal()), 1.0, 900.0))
    if kind == "subdwarf":
        turn = len(halo.BRANCHES)  # one star of each, then again
        star = halo.draw(SUBDWARF + 1 + turn * (i % 5), seed=i)[-1]
        return star.target, snr
    if kind.startswith("planted"):
        target = objects.draw("B" if kind == "planted B" else "O", rng)
        return target, float(np.exp(rng.uniform(*np.log(FAINT))))
    target = objects.draw(kind, rng)
    while kind == "Unknown" and target.code < 10:  # nobody knows of O stars among these
        target = objects.draw(kind, rng)
    if kind == "Unknown":
        snr = float(np.clip(3 * np.exp(0.4 * rng.standard_normal()), 1.0, 900.0))
    elif kind in ("GALAXY", "QSO", "WD"):
        snr = max(1.0, 12 / 35 * snr)
    return target, snr


def label(sample: Sample, i: int, target: Target, snr: float) -> str:
    """What the survey calls spectrum `i`: every second planted star Unknown, or A."""
    rng, kinds = np.random.default_rng([sample.seed, 2, i]), kinds_of(sample)
    if kinds[i] == "planted":
        number = kinds[:i].count("planted")
        if number % 2:
            return ("Unknown", "A2V")[number // 2 % 2]
    if target.kind == "hot subdwarf":
        return "A0III"
    return records.label(target, snr=snr, layout="image-wavelength", noise=1.0, rng=rng)[1]


def templates(work: Path, sample: Sample) -> None:
    """The light of the template stars between which all others lie, computed once."""
    if (work / "nodes.npy").exists():
        return
    targets = (draw(sample, i)[0] for i in range(sample.n))
    wanted = {x for t in targets if t.kind != "hot subdwarf" for x in objects.needed(t)}
    nodes = sorted(wanted)
    light = np.stack([compute(node) for node in track(nodes, title="computing stars")])
    np.save(work / "light.npy", light.astype(np.float32))
    np.save(work / "nodes.npy", np.array(nodes))


@lru_cache(maxsize=1)
def tools(work: Path) -> tuple[Grid, Model]:
    """Template stars and the network, once a process."""
    nodes = [(int(a), int(b), int(c)) for a, b, c in np.load(work / "nodes.npy")]
    return Grid(nodes, np.load(work / "light.npy", mmap_mode="r")), load_model(threads=1)


def type_part(task: tuple[Path, Sample, int]) -> None:
    """Make and type a thousand spectra; the truth goes beside the rows."""
    work, sample, start = task
    grid, model = tools(work)
    rows = range(start, min(start + PART, sample.n))
    shape = (len(rows), STANDARD_GRID.size)
    flux, ivar = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    mask = np.zeros(shape, np.bool_)
    meta: dict[str, list[Any]] = {"subclass": [], "snr": []}
    truth: dict[str, list[Any]] = {"path": [], "true_kind": [], "true_code": [], "snr_g": []}
    for place, i in enumerate(rows):
        rng = np.random.default_rng([sample.seed, 3, i])
        target, snr = draw(sample, i)
        tail = int(rng.integers(12, 32))
        conditions = Conditions(
            snr_g=snr, velocity=target.velocity, rotation=target.rotation, ebv=target.ebv,
            n_pixels=STANDARD_GRID.size, zero_tail=tail,
        )  # fmt: skip
        strange = target.kind == "hot subdwarf"
        light = halo.light(target, rng) if strange else objects.light(target, grid, rng)
        seen = observe(light, conditions, rng)
        flux[place], ivar[place] = seen.flux, seen.ivar
        mask[place] = (seen.ormask > 0) | ~(seen.ivar > 0)
        mask[place, -tail:] = True
        meta["subclass"].append(label(sample, i, target, snr))
        meta["snr"].append(seen.snr["r"])
        known = (f"{i:07d}", kinds_of(sample)[i], target.code, snr)
        for column, value in zip(truth.values(), known):
            column.append(value)
    ivar[mask] = 0
    batch = Spectra(wave=STANDARD_GRID, flux=flux, ivar=ivar, mask=mask, meta=meta)
    known_of = pl.DataFrame(truth)
    table = model.predict(batch).with_columns(known_of["path"])
    for path, content in ((truth_of(work, start), known_of), (part_of(work, start), table)):
        with atomic_path(path) as temporary:
            content.write_parquet(temporary)


def hunt(work: Path) -> None:
    """Rank the rows as a user would, and compare with what was planted.

    Twenty O stars in 200,000 are seven times as many as a survey's: a list that believes the
    survey's frequencies expects fewer. So it is made with these, and with the sample's own.
    """
    rows = work / "types.parquet"
    pl.scan_parquet(work / "parts" / "*.parquet").sink_parquet(rows)
    truth = pl.read_parquet(work / "truth" / "*.parquet")
    print(len(truth), "spectra,", truth["true_kind"].value_counts().to_dict(as_series=False))
    tables = {
        "survey": scores(work / "list", rows, truth, "survey"),
        "own": scores(work / "list-own", rows, truth, str(composition(work, truth))),
    }
    write_json(work / "hunt.json", {"n": len(truth), "depths": tables})


def composition(work: Path, truth: pl.DataFrame) -> Path:
    """The sample's own frequencies as a table for ``mine``."""
    kind = pl.col("true_kind").replace({"planted": "O", "subdwarf": "B"}).alias("type")
    counts = truth.group_by(kind).len("count").filter(pl.col("type").is_in(KINDS))
    counts.write_csv(work / "composition.csv")
    return work / "composition.csv"


def scores(out: Path, rows: Path, truth: pl.DataFrame, prevalence: str) -> list[dict[str, float]]:
    """Recall and purity at the depths, and the purity that the list expects."""
    call = [sys.executable, "-m", "spectype", "mine", str(rows), "--type", "O", "--sheet", "0"]
    call += ["--prevalence", prevalence, "--n", str(max(DEPTHS)), "--out", str(out)]
    subprocess.run(call, check=True)
    found = pl.read_csv(out / "candidates.csv", schema_overrides={"path": pl.String})
    found = found.join(truth, on="path", how="left", maintain_order="left")
    true = (found["true_kind"] == "planted").to_numpy()
    all_there = (truth["true_kind"] == "planted").sum()
    table = [
        {"depth": depth, "recall": float(true[:depth].sum() / all_there),
         "purity": float(true[:depth].mean()),
         **{f"{k}_expected": found[depth - 1, c] for k, c in
            (("purity", "purity"), ("low", "purity_low"), ("high", "purity_high"))}}
        for depth in DEPTHS if depth <= len(found)
    ]  # fmt: skip
    print(pl.DataFrame(table))
    print(found.head(40).select("rank", "score", "true_kind", "true_code", "snr_g", "label"))
    planted = truth.filter(pl.col("true_kind") == "planted").join(found, on="path", how="anti")
    missed = planted.lazy().join(pl.scan_parquet(rows), on="path").collect()
    print(missed.select("true_code", "snr_g", "type", "p_O", "p_star", "kind", "label", "flags"))
    return table


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
