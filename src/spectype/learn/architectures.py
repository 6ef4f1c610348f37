"""Networks by name: what `train --recipe NAME` trains and `export` finds again.

A network of your own is one module: a dataclass of options, a network, and an `Architecture` of
both, added to `ARCHITECTURES` or named by an entry point of the group ``spectype.networks``
(`core.registry`). It is then trained, exported, calibrated and judged like the standard one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spectype.core.grid import STANDARD_GRID, log_grid
from spectype.core.registry import Registry
from spectype.learn.recipe import NetworkConfig, TrainConfig

if TYPE_CHECKING:
    from torch import nn

    from spectype.dataset.store import Store

STANDARD = "standard"


@dataclass(frozen=True)
class Trained:
    """Runs of a training, and what it has to say of them, line by line."""

    runs: Sequence[Path]
    said: Sequence[str] = ()


class Training(Protocol):
    """A training other than the standard one.

    Each run is a folder with ``best.safetensors`` (the network's weights; in its state, under
    ``network``, what `describe` gives), ``split.parquet``, ``log.jsonl`` and a manifest of kind
    ``run``. Of `train` it takes the split, the seeds, the device and the threads at least.
    """

    def __call__(
        self,
        store: Store,
        out: Path,
        *,
        config: Any,
        train: TrainConfig,
        synthetic: Sequence[Store],
        repeats: int,
    ) -> Trained: ...


@dataclass(frozen=True)
class Architecture:
    """A sort of network.

    Parameters
    ----------
    config : type
        A frozen dataclass whose fields all have defaults: the options, on the command line
        ``--NAME.field``. The first line of its docstring is their help.
    build : callable
        ``build(config, wave)``: a network with fresh weights for spectra on the grid `wave`
        [Angstrom]. It is called, and answers, as `StandardNetwork.forward`.
    train : Training, optional
        How it is trained, if not like the standard network.
    """

    config: type[Any]
    build: Callable[[Any, NDArray[np.float64]], nn.Module]
    train: Training | None = None


def _standard(config: NetworkConfig, wave: NDArray[np.float64]) -> nn.Module:
    from spectype.learn.networks import StandardNetwork  # torch: only where a network is made

    return StandardNetwork(config)


ARCHITECTURES: Registry[Architecture] = Registry("network", group="spectype.networks")
ARCHITECTURES.add(STANDARD, Architecture(NetworkConfig, _standard))


def describe(name: str, config: Any, wave: NDArray[np.float64]) -> dict[str, Any]:
    """What `rebuild` needs, as plain data."""
    log = np.log10(wave)
    grid = {"start": float(log[0]), "step": float(log[1] - log[0]), "n_pix": wave.size}
    return {"kind": name, **asdict(config), "grid": grid}


def rebuild(state: Mapping[str, Any]) -> nn.Module:
    """A network of this description, with fresh weights.

    Raises
    ------
    UsageError
        If no architecture of its name is known.
    """
    architecture = ARCHITECTURES.get(state.get("kind", STANDARD))
    known = {field.name for field in fields(architecture.config)}
    options = {k: tuple(v) if isinstance(v, list) else v for k, v in state.items() if k in known}
    wave = STANDARD_GRID
    if grid := state.get("grid"):
        wave = log_grid(grid["start"], step=grid["step"], n_pix=grid["n_pix"])
    return architecture.build(architecture.config(**options), wave)
