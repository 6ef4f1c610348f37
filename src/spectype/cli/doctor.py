"""``spectype doctor``: what is installed and what works."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata, util

BASE = ("numpy", "scipy", "astropy", "isal", "polars", "onnxruntime", "matplotlib", "urllib3",
        "cyclopts", "rich")  # fmt: skip
#: Modules of each extra.
EXTRAS = {
    "train": ("torch", "safetensors", "sklearn", "threadpoolctl", "onnx", "onnxscript"),
    "search": ("optuna",),
    "web": ("fastapi", "uvicorn", "multipart"),
    "cluster": ("distributed", "dask_jobqueue"),
    "specutils": ("specutils",),
    "keyring": ("keyring",),
    "bench": ("pandas", "psutil"),
}
#: What each of them is for.
NEEDED_BY = {
    "train": "train, sweep, evaluate --baselines, gan, demo",
    "search": "recipes that search for settings",
    "web": "serve",
    "cluster": "classify --dask",
    "specutils": "from_specutils, to_specutils, files of further surveys",
    "keyring": "fetch lamost, a token kept by the system",
    "bench": "bench, beside pandas",
}
_DISTRIBUTIONS = {
    "sklearn": "scikit-learn", "multipart": "python-multipart", "dask_jobqueue": "dask-jobqueue",
}  # fmt: skip
_TRIAL = {"O5": 42_000, "B5": 15_000, "A5": 8_000, "F5": 6_600, "G2": 5_800, "K5": 4_400}  # [K]


def doctor(*files: str) -> int:
    """Say what works on this machine, typing spectra; or explain FILES in words and type them.

    Of a file it says the container, the survey, which column was taken for what, the frame and
    whether it was assumed, the rows, and how much of each is usable.

    Example: `spectype doctor spectrum.fits`

    Parameters
    ----------
    files
        Files to explain, stores, or one spectrum of them, FILE[3]; without any, the installation
        is looked at.
    """
    return _explain(files) if files else _installation()


def _explain(files: tuple[str, ...]) -> int:
    """Explain and type files; 1 where none can be read."""
    from spectype.classify.given import is_store, read, split_row
    from spectype.classify.runtime import load_model
    from spectype.core.errors import SpectypeError
    from spectype.surveys.explain import describe, explain

    model, readable = load_model(), 0
    for file in files:
        whole, row = split_row(file)
        try:
            if is_store(whole):
                print("\n".join([f"{whole}: a store", *describe(read(whole), row=row)]))
            else:
                print("\n".join(explain(whole, row=row)))
        except SpectypeError as error:  # explained as far as it could be opened: not at all
            print(error)
            continue
        try:
            table = model.predict(read(file)[:8])
        except SpectypeError:
            continue
        readable += 1
        for i, typed in enumerate(table.to_dicts(), row or 0):
            print(f"  [{i}] type {typed['type']} {typed['flag_names'] or ''}".rstrip())
    return 0 if readable else 1


def _installation() -> int:
    """Say what is installed, what is missing for what, and whether spectra are typed."""
    import spectype

    print(
        f"spectype {spectype.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()} {sys.platform}, {_machine()}"
    )
    if missing := [name for name in BASE if not _show(name)]:
        print(f"missing from the base install: {', '.join(missing)}; run pip install spectype")
        return 1
    for extra, modules in EXTRAS.items():
        gone = [_distribution(name) for name in modules if util.find_spec(name) is None]
        state = f"missing: {', '.join(gone)} (spectype[{extra}])" if gone else "there"
        print(f"extra {extra:10s} for {NEEDED_BY[extra]}: {state}")
    if util.find_spec("torch") is not None:
        import torch

        devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        print(f"training devices: cpu{''.join(', ' + name for name in devices)}")
    return _trial()


def _machine() -> str:
    """Cores and memory, as far as the system says."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (ValueError, OSError, AttributeError):
        return f"{cores} cores"
    return f"{cores} cores, {memory:.0f} GiB"


def _trial() -> int:
    """Type simulated standards; 1 unless each gets its type."""
    import time

    import numpy as np

    from spectype.classify.obtain import SHIPPED
    from spectype.classify.runtime import load_model
    from spectype.core import mk
    from spectype.core.grid import STANDARD_GRID
    from spectype.reading.arrays import from_arrays

    model = load_model()
    print(
        f"shipped model: {model.name}, {model.wave.size} pixels, "
        f"{model.wave[0]:.0f}-{model.wave[-1]:.0f} A, SHA-256 {model.checksum[:12]}"
    )
    with np.load(SHIPPED / "velocity.npz") as standards:
        dwarfs = standards["height"] == 0
        codes, lines = standards["code"][dwarfs], standards["flux"][dwarfs].astype(float)
    wanted = np.array([mk.parse(label).code for label in _TRIAL], float)
    nearest = np.abs(codes - wanted[:, None]).argmin(axis=1)
    x = 1.438777e8 / (STANDARD_GRID * np.array(list(_TRIAL.values()))[:, None])  # hc/k [A K]
    light = (1 + lines[nearest]) * (5500 / STANDARD_GRID) ** 5 / np.expm1(x)
    light /= np.median(light, axis=1, keepdims=True)
    spectra = from_arrays(STANDARD_GRID, light, error=0.01 * np.abs(light) + 1e-3, frame="vacuum")
    start = time.perf_counter()
    found = model.predict(spectra)["subclass"].to_list()
    each = (time.perf_counter() - start) / len(found)
    said = f"{' '.join(map(str, found))}, {1e3 * each:.0f} ms each"
    print(f"types of simulated {' '.join(_TRIAL)}: {said}")
    return 0 if all(str(f)[0] == label[0] for f, label in zip(found, _TRIAL)) else 1


def _distribution(module: str) -> str:
    return _DISTRIBUTIONS.get(module, module)


def _show(module: str) -> bool:
    found = util.find_spec(module) is not None
    name = _distribution(module)
    print(f"  {name:14s} {metadata.version(name) if found else 'not installed'}")
    return found
