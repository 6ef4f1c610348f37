"""From trained weights to a model folder: ONNX network, calibration, card."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spectype.classify.obtain import sha256
from spectype.classify.runtime import FORMAT, OUTPUTS, SYSTEMS, WEIGHTS, Model, load_model
from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import atomic_path, read_manifest, write_json
from spectype.dataset.store import Store
from spectype.learn import checkpoint
from spectype.learn.architectures import rebuild
from spectype.learn.calibration import calibrate
from spectype.learn.targets import N_BINS

log = logging.getLogger("spectype")


class Ensemble(nn.Module):
    """Averages the probabilities of several networks; its outputs are again logits."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, flux: Tensor, good: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `StandardNetwork.forward`."""
        outputs = [member(flux, good) for member in self.members]
        if len(outputs) == 1:
            return outputs[0]  # type: ignore[no-any-return]
        sequence, survey, luminosity, kind = (
            torch.softmax(torch.stack(output), -1).mean(0).clamp(min=1e-9).log()
            for output in zip(*outputs)
        )
        return sequence, survey, luminosity, kind


def load_member(run: str | Path) -> nn.Module:
    """The network of a run with its best weights.

    Raises
    ------
    DataError
        If the run is not finished, its weights are corrupt or nobody knows its network.
    """
    folder = Path(run)
    read_manifest(folder, "run")
    path = folder / "best.safetensors"
    tensors, state = checkpoint.load(path)
    try:
        network = rebuild(state["network"])
        # What else a training keeps stands beside the network; where nothing does, no prefix.
        mine = {k: v for k, v in tensors.items() if k.startswith("network.")} or tensors
        network.load_state_dict({k.removeprefix("network."): v for k, v in mine.items()})
    except UsageError as error:
        raise DataError(error.problem, path=path, remedy=error.remedy) from error
    except RuntimeError as error:
        raise DataError(f"does not fit its own description: {error}", path=path) from error
    return network.eval()


def export_model(
    runs: Sequence[str | Path],
    store: Store,
    out: str | Path,
    *,
    name: str,
    compact: bool = False,
) -> Model:
    """Write the networks of one or more runs as one model.

    Parameters
    ----------
    runs : sequence of path-like
        Finished runs; several become an ensemble.
    store : Store
        The store they were trained on: its validation parts calibrate the model.
    out : path-like
        Folder to write ``model.onnx`` and ``model.json`` into.
    name : str
        The model's name.
    compact : bool
        Store the weights in 16 bits: half the size, the same types. What is calibrated is
        the compact model.

    Returns
    -------
    Model
        The model, loaded again from `out`.
    """
    import polars as pl

    folder = Path(out)
    members = [load_member(run) for run in runs]
    write_onnx(Ensemble(members), folder / "model.onnx", store.wave.size)
    if compact:
        halve(folder / "model.onnx")
    types = read_manifest(runs[0], "run")["types"]["train"]
    card: dict[str, Any] = {
        "kind": "spectype model",
        "format": FORMAT,
        "name": name,
        "members": len(members),
        WEIGHTS: sha256(folder / "model.onnx"),
        "chain": store.manifest["chain"],
        "n_bins": N_BINS,
        "seen": [t for t in mk.TYPES if types[t]],
        "temperature": {"mk": 1.0, "survey": 1.0, "luminosity": 1.0},
        "type_bias": {system: [0.0] * len(mk.TYPES) for system in SYSTEMS},
        "conformal": {s: {"snr_edges": [], "mass": [[0.9] * len(mk.TYPES)]} for s in SYSTEMS},
        "outlier_limit": {"coverage": [1.0], "blue": [0.5], "red": [0.5]},
    }
    write_json(folder / "model.json", card)
    # A row is validation only where no member trained on it.
    parts = [pl.read_parquet(Path(run) / "split.parquet")["split"].to_numpy() for run in runs]
    held = np.all([part == "validation" for part in parts], axis=0)
    if not held.any():
        raise DataError("no spectrum is in the validation part of every run", path=runs[0])
    card.update(calibrate(load_model(folder), store, np.flatnonzero(held)))
    write_json(folder / "model.json", card)
    return load_model(folder)


def write_onnx(network: nn.Module, path: Path, n_pix: int) -> None:
    """Export to ONNX with a free batch size, atomically."""
    network.eval()
    example = (torch.ones(2, n_pix), torch.ones(2, n_pix))
    batch = torch.export.Dim("batch", min=1, max=65536)
    for chatty in ("onnxscript", "onnx_ir", "torch.onnx"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    with atomic_path(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            example,
            temporary,
            input_names=["flux", "good"],
            output_names=list(OUTPUTS),
            dynamic_shapes=({0: batch}, {0: batch}),
            external_data=False,
            dynamo=True,
            verbose=False,
        )
        strip_traces(temporary)


def strip_traces(path: Path) -> None:
    """Take out the exporter's notes: source lines and paths of the machine that trained."""
    import onnx

    model = onnx.load(path)
    model.graph.ClearField("doc_string")
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    for node in model.graph.node:
        node.ClearField("doc_string")
    onnx.save(model, path)


def halve(path: Path) -> None:
    """Store the large weights of an ONNX file as float16; they are cast back when it is loaded."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < 1024:
            continue
        single = f"{tensor.name}_single"
        for node in model.graph.node:
            for i, name in enumerate(node.input):
                if name == tensor.name:
                    node.input[i] = single
        casts.append(helper.make_node("Cast", [tensor.name], [single], to=TensorProto.FLOAT))
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), tensor.name))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    with atomic_path(path) as temporary:
        onnx.save(model, temporary)
