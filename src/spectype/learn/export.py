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

from spectype.classify.posterior import Sequence70, only_seen, softmax
from spectype.classify.runtime import FORMAT, SYSTEMS, Model, Outputs, load_model, signal_to_noise
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import atomic_path, read_manifest, write_json
from spectype.dataset.store import Store
from spectype.learn import checkpoint, reference
from spectype.learn.networks import NetworkConfig, StandardNetwork, SurveyView
from spectype.learn.reference_fit import body_weights
from spectype.learn.targets import N_BINS, make_targets

log = logging.getLogger("spectype")
COVERAGE = 0.9  #: of the conformal sets
FALSE_ALARMS = 0.05  #: share of normal stars above the outlier limit
SNR_EDGES = (10.0, 20.0, 50.0)
FEWEST = 40  # validation spectra behind a threshold of its own


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
        "outlier_limit": 0.5,
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


def calibrate(model: Model, store: Store, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Temperatures, conformal limits and the outlier limit from validation spectra.

    Parameters
    ----------
    model : Model
        With temperature 1.
    store : Store
        Where the rows are.
    rows : ndarray
        Validation rows: no member has trained on them.
    """
    targets = make_targets(store.meta, balance=0.0)
    spectra = store.spectra(rows)
    raw = model.outputs(spectra.flux, ~spectra.mask)
    truth, survey = targets.type_index[rows], targets.survey[rows]
    snr = signal_to_noise(spectra)
    typed = truth >= 0
    temperature = {"luminosity": 1.0}
    conformal: dict[str, Any] = {}
    for system, mine in (("mk", ~survey), ("survey", survey)):
        use = np.flatnonzero(typed & mine)
        if use.size < FEWEST:  # too few of this system: the other's serve
            use = np.flatnonzero(typed)
        part = Outputs(raw.sequence[use], raw.luminosity[use], raw.outlier[use])
        view = model.survey_view if survey[use].mean() > 0.5 else None
        temperature[system] = fit_temperature(part.sequence, truth[use], view)
        types = type_probability(part.sequence, temperature[system], view, model.card["seen"])
        own = types[np.arange(use.size), truth[use]]
        conformal[system] = conformal_limits(own, snr[use])
    odd = 1 / (1 + np.exp(-raw.outlier[typed].astype(float)))
    known = targets.luminosity[rows]
    use = np.flatnonzero((known >= 0) & ~survey)
    if use.size >= FEWEST:
        temperature["luminosity"] = fit_scale(
            lambda t: -np.log(softmax(raw.luminosity[use], t)[np.arange(use.size), known[use]])
        )
    return {
        "temperature": temperature,
        "conformal": conformal,
        "outlier_limit": float(max(np.quantile(odd, 1 - FALSE_ALARMS), 0.05)),
        "calibrated_on": int(typed.sum()),
    }


def type_probability(
    logits: NDArray[np.float32],
    temperature: float,
    view: NDArray[np.float64] | None,
    seen: Sequence[str] = tuple(mk.TYPES),
) -> NDArray[np.float64]:
    """Type probabilities (n, 7) at a temperature, through a survey's view where given."""
    probability = only_seen(softmax(logits, temperature), seen)
    if view is not None:
        probability = probability @ view
    return Sequence70(probability).types()


def fit_temperature(
    logits: NDArray[np.float32], truth: NDArray[np.int64], view: NDArray[np.float64] | None
) -> float:
    """The temperature that makes the type probabilities most likely (Guo et al. 2017)."""
    rows = np.arange(len(truth))
    return fit_scale(
        lambda t: -np.log(np.maximum(type_probability(logits, t, view)[rows, truth], 1e-9))
    )


def fit_scale(losses: Any) -> float:
    """The temperature in 0.4 ... 4 with the least mean of ``losses(temperature)``."""
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log_t: float(np.mean(losses(np.exp(log_t)))),
        bounds=(np.log(0.4), np.log(4.0)),
        method="bounded",
    )
    return float(np.exp(found.x))


def conformal_limits(own: NDArray[np.float64], snr: NDArray[np.float64]) -> dict[str, Any]:
    """Limits of split-conformal sets of coverage `COVERAGE`, for each S/N bin with enough stars.

    Parameters
    ----------
    own : ndarray, shape (n,)
        Probability that the model gave the true type.
    snr : ndarray, shape (n,)
        Signal-to-noise.

    References
    ----------
    Least ambiguous sets of Sadinle, Lei & Wasserman (2019, JASA 114, 223), with the finite
    sample correction.
    """
    edges: list[float] = []
    limits: list[float] = []
    low = -np.inf
    for edge in (*SNR_EDGES, np.inf):
        inside = (snr >= low) & (snr < edge)
        if inside.sum() < FEWEST and edge < np.inf:
            continue  # joined with the next bin
        use = own[inside] if inside.sum() >= FEWEST else own
        rank = int(np.floor((use.size + 1) * (1 - COVERAGE))) - 1
        limits.append(float(np.sort(use)[max(rank, 0)]))
        if edge < np.inf:
            edges.append(float(edge))
        low = edge
    return {"snr_edges": edges, "limits": limits}
