"""``spectype sweep``: the reference study's sweeps again, and a free search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from spectype.core.errors import UsageError
from spectype.draw.canvas import SCREEN
from spectype.draw.targets import OnPaper
from spectype.learn.recipe import TrainConfig
from spectype.study.recipes import SweepConfig


def sweep(
    store: Path,
    *,
    out: Path = Path("sweep"),
    only: tuple[Literal["kernel", "filters", "learning-rate"], ...] = (),
    search: int = 0,
    seed: int = 1,
    split_seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int = 0,
    reference: Annotated[SweepConfig, Parameter(group="Reference network")] = SweepConfig(),  # noqa: B008
    paper: OnPaper = SCREEN,
) -> int:
    """Train the study's network over kernels, feature maps and learning rates.

    The study's published figures are drawn beside ours: sweep.png, .pdf, .svg; sweep.json.
    The study's are of its own test set, split by spectrum; ours are of stars not seen in
    training. Spectra are prepared once; a rerun trains only what is missing.

    Example: `spectype sweep store/ --out sweep/`

    Parameters
    ----------
    store
        Folder of the store.
    out
        Folder of the runs and the figure.
    only
        Some of the sweeps: kernel, filters, learning-rate.
    search
        Search freely instead with so many trials (optuna); validation stars decide.
    seed
        Seed of weights and order.
    split_seed
        Seed of the split by star.
    device
        auto, cpu or cuda.
    threads
        CPU threads; 0 lets torch choose.
    reference
        What is not varied.
    paper
        Of the figure.
    """
    from spectype.dataset.store import Store
    from spectype.study import sweep as sweeps
    from spectype.study.sweep_figure import write_sweeps

    data = Store(store)
    train = TrainConfig(seed=seed, split_seed=split_seed, device=device, threads=threads)
    if search < 0:
        raise UsageError(f"{search} trials are none")
    if search:
        found = sweeps.search(data, out, trials=search, base=reference, train=train)
        for name, value in found["best"].items():
            print(f"{name}: {value:.4g}")
        print(f"{len(found['trials'])} trials: {out / 'search.json'}")
        return 0
    points = sweeps.run_sweeps(
        data, out, names=only or tuple(sweeps.SWEEPS), base=reference, train=train
    )
    about = {
        "epochs": reference.epochs,
        "dense": reference.dense,
        "input": "one step of 3,500 channels" if reference.as_published else "along wavelength",
    }
    for line in write_sweeps(points, out, meta=data.meta, about=about, paper=paper):
        print(line)
    print(f"figure: {out / 'sweep.png'}")
    return 0
