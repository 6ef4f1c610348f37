"""Training of the study's network: plain cross-entropy on types, Adam, no augmentation.

`Fit` is one training in progress on prepared inputs; runs on disk, sweeps and the judge's
comparisons all go through it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Generator, Tensor
from torch.nn import functional

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import atomic_path, write_json
from spectype.dataset.joined import Joined
from spectype.dataset.store import Store
from spectype.learn import checkpoint
from spectype.study.network import N_PIX, Prepare, ReferenceBody
from spectype.study.recipes import ReferenceConfig

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
_CHUNK = 256


@dataclass
class Fit:
    """A network and its optimiser on their way through the epochs.

    Parameters
    ----------
    config : ReferenceConfig
        Network and training.
    inputs : ndarray, shape (n, N_PIX), float32
        Prepared spectra; may be mapped from disk.
    types : ndarray, shape (n,), int64
        0-6 for O-M.
    train : ndarray of int64
        Rows to learn from.
    seed : int
        Of weights and order.
    device : str or torch.device
        Where to compute.
    """

    config: ReferenceConfig
    inputs: Floats
    types: Rows
    train: Rows
    seed: int = 1
    device: Any = "cpu"
    epochs_done: int = 0
    seconds: float = 0.0
    body: ReferenceBody = field(init=False)

    def __post_init__(self) -> None:
        if not len(self.train):
            raise DataError("no spectrum to train on has a type")
        torch.manual_seed(self.seed)
        self.body = ReferenceBody(self.config).to(self.device)
        # Fused: one pass over the memory that holds weights and moments, six times faster.
        self.optimiser = torch.optim.Adam(
            self.body.parameters(), lr=self.config.learning_rate, fused=True
        )

    def batch(self, rows: Rows) -> Tensor:
        """Inputs of these rows on the device."""
        return torch.from_numpy(np.asarray(self.inputs[rows])).to(self.device)

    def epoch(self) -> tuple[float, float]:
        """One pass; its order depends on seed and epoch alone. Returns loss and accuracy."""
        started = time.monotonic()
        draw = Generator().manual_seed(self.seed * 100_003 + self.epochs_done)
        order = self.train[torch.randperm(len(self.train), generator=draw).numpy()]
        self.body.train()
        total, right = 0.0, 0
        for start in range(0, order.size, self.config.batch):
            rows = order[start : start + self.config.batch]
            truth = torch.from_numpy(self.types[rows]).to(self.device)
            logits = self.body(self.batch(rows))
            loss = functional.cross_entropy(logits, truth)
            self.optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimiser.step()
            total += float(loss.detach()) * rows.size
            right += int((logits.detach().argmax(1) == truth).sum())
        if not np.isfinite(total):
            raise DataError(
                f"training diverged in epoch {self.epochs_done + 1}",
                remedy="lower --reference.learning-rate",
            )
        self.epochs_done += 1
        self.seconds += time.monotonic() - started
        return total / order.size, right / order.size

    @torch.no_grad()
    def logits(self, rows: Rows) -> Tensor:
        """Logits of the seven types (n, 7), on the CPU."""
        self.body.eval()
        parts = [
            self.body(self.batch(rows[start : start + _CHUNK])).cpu()
            for start in range(0, len(rows), _CHUNK)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, len(mk.TYPES))

    def judge(self, rows: Rows) -> tuple[float, float]:
        """Loss and accuracy over rows, NaN for none."""
        if not len(rows):
            return float("nan"), float("nan")
        logits, truth = self.logits(rows), torch.from_numpy(self.types[rows])
        loss = float(functional.cross_entropy(logits, truth))
        return loss, float((logits.argmax(1) == truth).double().mean())

    def predict(self, rows: Rows) -> Rows:
        """Index of the most probable type among those of the training rows, shape (n,)."""
        logits = self.logits(rows).numpy()
        seen = np.isin(np.arange(len(mk.TYPES)), self.types[self.train])
        return np.asarray(np.where(seen, logits, -np.inf).argmax(axis=1), np.int64)

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments."""
        named = {f"body.{k}": v for k, v in self.body.state_dict().items()}
        return {**named, **checkpoint.optimiser_tensors(self.optimiser)}

    def restore(self, tensors: dict[str, Tensor], *, epochs_done: int) -> None:
        """Put a checkpoint back."""
        self.body.load_state_dict(body_weights(tensors))
        checkpoint.restore_optimiser(self.optimiser, tensors)
        self.epochs_done = epochs_done


def body_weights(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the layers among the tensors of a checkpoint."""
    return {k.removeprefix("body."): v for k, v in tensors.items() if k.startswith("body.")}


@torch.no_grad()
def prepare(
    flux: Floats, good: NDArray[np.bool_], wave: NDArray[np.float64], *, as_published: bool
) -> Floats:
    """The study's inputs of spectra in memory, (n, n_pix) -> (n, N_PIX)."""
    step = Prepare(wave, as_published=as_published)
    out = np.empty((len(flux), N_PIX), np.float32)
    for start in range(0, len(flux), _CHUNK):
        part = slice(start, start + _CHUNK)
        out[part] = step(
            torch.from_numpy(np.asarray(flux[part], np.float32)),
            torch.from_numpy(np.asarray(good[part], np.float32)),
        ).numpy()
    return out


def prepared(store: Store | Joined, folder: Path, *, as_published: bool) -> Floats:
    """The inputs of a whole store, kept in `folder` between runs and mapped from there.

    Made once for a store; made again if the store or the way of preparing has changed.
    """
    name = "inputs-as-published" if as_published else "inputs"
    array, about = folder / f"{name}.npy", folder / f"{name}.json"
    stores = store.stores if isinstance(store, Joined) else [store]
    key = {
        "stores": [str(s.folder.resolve()) for s in stores],
        "rows": [len(s) for s in stores],
        "sealed": [(s.folder / "manifest.json").stat().st_mtime_ns for s in stores],
        "as_published": as_published,
    }
    if not (array.exists() and about.exists() and json.loads(about.read_text()) == key):
        about.unlink(missing_ok=True)
        with atomic_path(array) as temporary:
            out = open_memmap(temporary, "w+", np.float32, (len(store), N_PIX))
            for start in range(0, len(store), _CHUNK):
                rows = np.arange(start, min(start + _CHUNK, len(store)))
                flux, error = store.arrays(rows)
                out[rows] = prepare(flux, error > 0, store.wave, as_published=as_published)
            out.flush()
        write_json(about, key)
    return np.asarray(np.load(array, mmap_mode="r"))


def fit_types(
    flux: Floats,
    good: NDArray[np.bool_],
    types: NDArray[np.str_],
    *,
    wave: NDArray[np.float64],
    train: NDArray[np.bool_],
    config: ReferenceConfig,
    seed: int = 1,
    threads: int = 0,
) -> NDArray[np.str_]:
    """Train on some of these spectra and type them all.

    Parameters
    ----------
    flux : ndarray, shape (n, n_pix), float32
        Flux on any scale.
    good : ndarray, shape (n, n_pix), bool
        Pixels with data.
    types : ndarray of str, shape (n,)
        Letters O to M; those of rows outside `train` are not looked at.
    wave : ndarray, shape (n_pix,)
        The grid [Angstrom, vacuum].
    train : ndarray, shape (n,), bool
        Which to learn from.
    config : ReferenceConfig
        Network and training.
    seed : int
        Of weights and order.
    threads : int
        CPU threads; 0 leaves the choice to torch.

    Returns
    -------
    ndarray of str, shape (n,)
        The most probable type of each, among those of the training rows.
    """
    if threads:
        torch.set_num_threads(threads)
    inputs = prepare(flux, good, wave, as_published=config.as_published)
    index = np.array([mk.TYPES.find(t) if t else -1 for t in types], np.int64)
    fit = Fit(config, inputs, index, np.flatnonzero(train & (index >= 0)), seed)
    for _ in range(config.epochs):
        fit.epoch()
    return np.array(list(mk.TYPES))[fit.predict(np.arange(len(flux)))]
