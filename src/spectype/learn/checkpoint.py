"""Checkpoints: everything a run needs to go on as if it had not been stopped.

Tensors go into one safetensors file (no pickle); configuration and counters into its
header. A file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spectype.core.errors import DataError
from spectype.core.files import atomic_path

FORMAT = "1"


def save(path: Path, *, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Write `tensors` and the JSON-able `state` to `path` atomically."""
    header = {"format": FORMAT, "state": json.dumps(state)}
    with atomic_path(path) as temporary:
        save_file(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            temporary,
            metadata=header,
        )


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint.

    Raises
    ------
    DataError
        If it is corrupt or of another format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise DataError(f"is not a whole checkpoint: {error}", path=path) from error
    if header.get("format") != FORMAT:
        raise DataError(
            f"has checkpoint format {header.get('format')!r}, this version writes {FORMAT!r}",
            path=path,
            remedy="train anew in another folder",
        )
    return tensors, json.loads(header["state"])


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """State of an optimiser as named tensors."""
    return {
        f"optimiser.{index}.{name}": torch.as_tensor(value)
        for index, entry in optimiser.state_dict()["state"].items()
        for name, value in entry.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def check_same(path: Path, *, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `DataError` naming the differences if a checkpoint is of another configuration."""
    names = sorted(set(found) | set(wanted))
    differences = [
        f"{name}: {found.get(name)!r} there, {wanted.get(name)!r} here"
        for name in names
        if found.get(name) != wanted.get(name)
    ]
    if differences:
        raise DataError(
            f"belongs to another configuration ({'; '.join(differences)})",
            path=path,
            remedy="give the same options to resume, or another --out to start anew",
        )
