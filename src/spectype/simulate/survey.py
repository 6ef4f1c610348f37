"""A small LAMOST release on disk: catalogue, FITS tree, truth.

Composition after DR6 v1.1 (9,919,106 spectra: 172,866 galaxies, 60,173 quasars, 719,651 unknown)
and, for the shares of the types among stars, the counts published for DR3. The S/N in g is
log-normal, as it is in LAMOST's catalogues.
"""

from __future__ import annotations

import datetime
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spectype.core.errors import SpectypeError, UsageError
from spectype.core.files import MANIFEST, check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.simulate import layouts, objects
from spectype.simulate.instrument import Conditions, observe
from spectype.simulate.layouts import LAYOUTS, Layout
from spectype.simulate.objects import KINDS, Target
from spectype.simulate.plan import Plan, make_plan, read_weights
from spectype.simulate.records import COLUMNS, catalogue_line, header_of, truth_row
from spectype.simulate.templates import Grid, Node, compute
from spectype.starlight.physics import WAVE

CATALOGUE, TRUTH, TREE = "catalogue.csv", "truth.parquet", "fits"
_MIX = (0.15, 0.45, 0.40)  # shares of LAYOUTS among the plates
_PIXELS = (3909, 3908, 3906, 3904, 3903, 3902, 3901, 3899, 3897, 3892, 3890, 3820, 3751)
_PIXEL_SHARES = np.array([55, 5, 12, 12, 3, 3, 2, 2, 1, 2, 1, 1.5, 0.5]) / 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What to simulate.

    Parameters
    ----------
    n : int
        Spectra to write.
    balanced : bool
        Equal numbers of the seven types (and the survey's share of everything else) in place
        of the survey's own imbalance, under which 3,000 spectra hold no O star.
    types : Path
        Table of composition in place of the survey's: CSV with columns type and count; type
        is one of O B A F G K M DoubleStar WD Carbon GALAXY QSO Unknown, counts are scaled to n.
    snr : float
        Median S/N a pixel in g.
    snr_spread : float
        Standard deviation of ln S/N.
    repeats : float
        Share of the spectra that observe a star a second time, 0 to 0.5.
    label_noise : float
        Errors of the written labels, in units of the survey's own; 0 writes the truth.
    layout : str
        mix (of all three that exist), image-subcontinuum, image-wavelength or bintable-coadd.
    seed : int
        Same seed, same bytes, whatever the number of workers.
    workers : int
        Processes; 0: one a core.
    overwrite : bool
        Replace an earlier simulation in the output folder.
    """

    n: int = 3000
    balanced: bool = False
    types: Path | None = None
    snr: float = 35.0
    snr_spread: float = 1.0
    repeats: float = 0.1
    label_noise: float = 1.0
    layout: Literal["mix", "image-subcontinuum", "image-wavelength", "bintable-coadd"] = "mix"
    seed: int = 1
    workers: int = 0
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.n <= 100_000_000:
            raise UsageError(f"cannot simulate {self.n} spectra", remedy="give --n from 1 up")
        if not 0 < self.snr <= 10_000:
            raise UsageError(f"S/N {self.snr:g} is impossible", remedy="give --snr above 0")
        if not 0 <= self.snr_spread <= 3:
            raise UsageError(f"a spread of {self.snr_spread:g} in ln S/N is outside 0-3")
        if not 0 <= self.repeats <= 0.5:
            raise UsageError(f"--repeats {self.repeats:g} is outside 0-0.5")
        if not 0 <= self.label_noise <= 10:
            raise UsageError(f"--label-noise {self.label_noise:g} is outside 0-10")
        if self.workers < 0 or self.seed < 0:
            raise UsageError("--workers and --seed cannot be negative")
        if self.balanced and self.types is not None:
            raise UsageError("--balanced and --types exclude each other", remedy="give one")


def write_release(out: str | Path, *, settings: Settings) -> dict[str, int]:
    """Write a release into the folder `out`.

    Returns
    -------
    dict
        ``spectra``, ``targets`` and the number of spectra of each kind.

    Raises
    ------
    UsageError
        If the folder is not empty, or a table of types cannot be used.
    SpectypeError
        If the disk fills or fails: finished files stay, the manifest is missing.
    """
    folder = _prepare(Path(out), settings.overwrite)
    plan = make_plan(
        settings.n, weights=read_weights(settings.types, settings.balanced),
        repeats=settings.repeats, seed=settings.seed,
    )  # fmt: skip
    counts: Counter[str] = Counter()
    try:
        with ExitStack() as stack:
            run = _Workers(stack, settings.workers or _cores())
            nodes = _templates(run, plan, settings, folder, stack)
            tasks = (_Task(folder, settings, plan.part(p), nodes) for p in plan.plates())
            parts = run.map(_write_plate, tasks)
            for written in track(_save(folder, parts), total=plan.n, title="simulating"):
                counts[written] += 1
        _join_truth(folder)
        manifest = {"settings": asdict(settings), "seed": settings.seed, "spectra": plan.n}
        manifest |= {"targets": plan.n_targets, "kinds": {k: counts[k] for k in KINDS}}
        write_manifest(folder, "simulation", manifest)
    except OSError as error:
        raise SpectypeError(
            f"could not be written any further: {error.strerror or error}",
            path=error.filename or folder,
            remedy="finished files are valid; free space and run again with --overwrite",
        ) from error
    return {"spectra": plan.n, "targets": plan.n_targets, **counts}


def _prepare(folder: Path, overwrite: bool) -> Path:
    check_writable_folder(folder, kind="simulation")
    found = sorted(path.name for path in folder.iterdir())
    if found and not overwrite:
        raise UsageError(
            f"is not empty ({found[0]} is there)", path=folder,
            remedy="choose another folder, or --overwrite",
        )  # fmt: skip
    # Only what a simulation writes is ever removed, the seal first.
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in [folder / CATALOGUE, *folder.glob("truth*.parquet")]:
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / TREE, ignore_errors=True)
    return folder


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Workers:
    """Maps a function over tasks, in order, a few ahead; in this process if there is one worker."""

    def __init__(self, stack: ExitStack, workers: int) -> None:
        self._pool: Any = None
        self._ahead = 2 * workers
        if workers > 1:
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor

            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(workers, mp_context=context)
            stack.callback(self._pool.shutdown, cancel_futures=True)

    def map(self, function: Any, tasks: Iterator[Any]) -> Iterator[Any]:
        if self._pool is None:
            yield from map(function, tasks)
            return
        waiting: list[Any] = []
        for task in tasks:  # memory stays flat: never more than a few plates are under way
            waiting.append(self._pool.submit(function, task))
            if len(waiting) > self._ahead:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


@dataclass(frozen=True, slots=True)
class _Templates:
    path: str
    nodes: tuple[Node, ...]

    def grid(self) -> Grid:
        return Grid(self.nodes, np.load(self.path, mmap_mode="r"))


@dataclass(frozen=True, slots=True)
class _Task:
    folder: Path
    settings: Settings
    plan: Plan
    templates: _Templates


def _templates(
    run: _Workers, plan: Plan, settings: Settings, folder: Path, stack: ExitStack
) -> _Templates:
    """Compute the templates this release needs into a temporary file shared by the workers."""
    import tempfile

    wanted: set[Node] = set()
    for found in run.map(_nodes_of, ((settings.seed, plan.part(p)) for p in plan.first_plates())):
        wanted |= found
    nodes = tuple(sorted(wanted))
    scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix=".templates-", dir=folder))
    file = Path(scratch) / "log-flux.npy"
    rows = track(run.map(compute, iter(nodes)), total=len(nodes), title="computing stars")
    # Quasars alone need no star.
    np.save(file, np.array(list(rows), dtype=np.float32).reshape(len(nodes), len(WAVE)))
    return _Templates(str(file), nodes)


def _nodes_of(task: tuple[int, Plan]) -> set[Node]:
    seed, plan = task
    return {
        node for star, kind in zip(plan.star, plan.kind, strict=True)
        for node in objects.needed(_target(seed, int(star), KINDS[kind])[0])
    }  # fmt: skip


def _target(seed: int, star: int, kind: str) -> tuple[Target, np.random.Generator]:
    rng = np.random.default_rng([seed, 1, star])
    return objects.draw(kind, rng), rng


def _write_plate(task: _Task) -> tuple[list[str], list[dict[str, Any]]]:
    """Simulate and write all spectra of one plate; return catalogue lines and truth rows."""
    grid, plan, seed = task.templates.grid(), task.plan, task.settings.seed
    layout = _layout(task.settings, int(plan.plate[0]))
    night = datetime.date(2011, 10, 24) + datetime.timedelta(days=int(plan.lmjd[0]) - 55858)
    lines, rows = [], []
    for i in range(plan.n):
        rng = np.random.default_rng([seed, 2, int(plan.row[i])])
        target, own = _target(seed, int(plan.star[i]), KINDS[plan.kind[i]])
        exposure = observe(
            objects.light(target, grid, own), _conditions(target, task.settings, rng), rng
        )
        header = header_of(
            target, plan, i, snr=exposure.snr, layout=layout, night=night,
            label_noise=task.settings.label_noise, rng=rng,
        )  # fmt: skip
        name = header["filename"] + ".gz"
        path = task.folder / TREE / night.strftime("%Y%m%d") / plan.planid[i] / name
        layouts.write(path, exposure, layout=layout, header=header)
        lines.append(catalogue_line(header, name))
        rows.append(truth_row(target, plan, i, header, str(path.relative_to(task.folder))))
    return lines, rows


def _layout(settings: Settings, plate: int) -> Layout:
    if settings.layout != "mix":
        return settings.layout
    # The first three plates show every layout; the others follow the shares.
    if plate < 3:
        return LAYOUTS[(1, 2, 0)[plate]]
    return LAYOUTS[int(np.random.default_rng([settings.seed, 3, plate]).choice(3, p=_MIX))]


def _conditions(target: Target, settings: Settings, rng: np.random.Generator) -> Conditions:
    median, spread = settings.snr, settings.snr_spread
    if target.kind == "Unknown":  # the survey's pipeline names nothing it cannot see
        median, spread = min(3.0, median), 0.4
    elif target.kind in ("GALAXY", "QSO", "WD"):
        median = min(12.0, median)
    snr = float(np.clip(median * np.exp(spread * rng.standard_normal()), 1.0, 900.0))
    return Conditions(
        snr_g=snr, velocity=target.velocity, rotation=target.rotation, ebv=target.ebv,
        n_pixels=int(rng.choice(_PIXELS, p=_PIXEL_SHARES)), zero_tail=int(rng.integers(12, 32)),
    )  # fmt: skip


def _save(folder: Path, parts: Iterator[tuple[list[str], list[dict[str, Any]]]]) -> Iterator[str]:
    """Append each plate to the catalogue and write its truth; yield the kind of every spectrum."""
    import polars as pl

    path = folder / CATALOGUE
    path.write_text("|".join(COLUMNS) + "\n", encoding="utf-8")
    for number, (lines, rows) in enumerate(parts):
        pl.DataFrame(rows).write_parquet(folder / f"truth-{number:06d}.parquet")
        _append(path, lines)
        yield from (row["kind"] for row in rows)


def _append(path: Path, lines: Sequence[str]) -> None:
    """Add whole lines to `path`: if the disk fills, none of them stays half-written."""
    size = path.stat().st_size
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
    except OSError:
        with path.open("r+", encoding="utf-8") as file:
            file.truncate(size)
        raise


def _join_truth(folder: Path) -> None:
    """One truth table from the plates' parts, streamed."""
    import polars as pl

    from spectype.core.files import atomic_path

    parts = sorted(folder.glob("truth-*.parquet"))
    with atomic_path(folder / TRUTH) as temporary:
        pl.scan_parquet(parts).sink_parquet(temporary)
    for part in parts:
        part.unlink()
