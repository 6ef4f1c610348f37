"""From trained weights to a model folder: ONNX network, calibration, card."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spectype.classify.runtime import FORMAT, SYSTEMS, Model, load_model
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import atomic_path, read_manifest, write_json
from spectype.dataset.store import Store
from spectype.learn import checkpoint, reference
from spectype.learn.calibration import calibrate
from spectype.learn.networks import NetworkConfig, StandardNetwork, SurveyView
from spectype.learn.reference_fit import body_weights
from spectype.learn.targets import N_BINS

log = logging.getLogger("spectype")


class Ensemble(nn.Module):
    """Averages the probabilities of several networks; its outputs are again logits."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, flux: Tensor, good: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See `StandardNetwork.forward`."""
        outputs = [member(flux, good) for member in self.members]
        if len(outputs) == 1:
            return outputs[0]  # type: ignore[no-any-return]
        sequence, luminosity, outlier = (torch.stack(kind) for kind in zip(*outputs))
        return (
            torch.softmax(sequence, -1).mean(0).clamp(min=1e-9).log(),
            torch.softmax(luminosity, -1).mean(0).clamp(min=1e-9).log(),
            outlier.mean(0),
        )


@dataclass(frozen=True)
class Member:
    """A trained network with its view of the survey's labels."""

    network: nn.Module
    view: NDArray[np.float64]


def load_member(run: str | Path) -> Member:
    """The best weights of a run.

    Raises
    ------
    DataError
        If the run is not finished or its weights are corrupt.
    """
    folder = Path(run)
    read_manifest(folder, "run")
    tensors, state = checkpoint.load(folder / "best.safetensors")
    if state["network"].get("kind") == reference.KIND:
        network = reference.rebuild(state["network"])
        network.body.load_state_dict(body_weights(tensors))
        # It has learnt the labels as they stand, of both systems: there is no view to apply.
        return Member(network.eval(), np.eye(N_BINS))
    return load_standard(tensors, state["network"])


def load_standard(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> Member:
    """A standard network and its view from the tensors of a checkpoint."""
    network, view = StandardNetwork(NetworkConfig(**config)), SurveyView()
    for name, module in (("network", network), ("view", view)):
        module.load_state_dict(
            {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(f"{name}.")}
        )
        module.eval()
    with torch.no_grad():
        matrix = view.matrix().double().numpy()
    return Member(network, matrix)


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
    write_onnx(Ensemble([m.network for m in members]), folder / "model.onnx", store.wave.size)
    if compact:
        halve(folder / "model.onnx")
    types = read_manifest(runs[0], "run")["types"]["train"]
    card: dict[str, Any] = {
        "kind": "spectype model",
        "format": FORMAT,
        "name": name,
        "members": len(members),
        "chain": store.manifest["chain"],
        "n_bins": N_BINS,
        "seen": [t for t in mk.TYPES if types[t]],
        "survey_view": band(np.mean([m.view for m in members], axis=0)),
        "temperature": {"mk": 1.0, "survey": 1.0, "luminosity": 1.0},
        "conformal": {s: {"snr_edges": [], "limits": [0.1]} for s in SYSTEMS},
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
            output_names=["sequence", "luminosity", "outlier"],
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


def band(matrix: NDArray[np.float64]) -> list[tuple[int, list[float]]]:
    """A banded matrix as (first column, values) a row, values of 1e-5 and more."""
    rows = []
    for row in matrix:
        inside = np.flatnonzero(row > 1e-5)
        values = row[inside[0] : inside[-1] + 1]
        rows.append((int(inside[0]), [round(float(v), 6) for v in values]))
    return rows
