"""Fine-tuning: the weights of a model, shipped or one's own, as the start of a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from spectype.classify.runtime import load_model
from spectype.core.errors import DataError
from spectype.learn.networks import StandardNetwork
from spectype.learn.recipe import NetworkConfig

if TYPE_CHECKING:
    from spectype.learn.session import Session

SAMPLE = 256  # spectra that set the scale of the normalisations


def start_from_model(session: Session, name: str | Path) -> None:
    """Give a session's network the weights of a model.

    The exported network has its normalisations folded into the convolutions. They are taken
    apart again on training spectra of the session, so that the network starts with the same
    outputs and can be trained on.

    Parameters
    ----------
    session : Session
        A session that has not trained yet; its network must have the model's sizes.
    name : str or path-like
        A shipped model or a model's folder. Of an ensemble the member is taken that the
        session's seed falls on.

    Raises
    ------
    DataError
        If there is no such model, or its network is of another size.
    """
    model = load_model(name)
    path = model.folder / "model.onnx"
    weights = member_weights(path, session.recipe.train.seed)
    load_folded(session.network, weights, path)
    draw = torch.Generator().manual_seed(session.recipe.train.seed)
    picks = torch.multinomial(
        torch.as_tensor(session.chance), SAMPLE, replacement=True, generator=draw
    )
    flux, good = session.batch(session.rows[picks.numpy()])
    unfold(session.network, flux.to(session.device), good.to(session.device))
    session.average.load_state_dict(session.network.state_dict())


def member_weights(path: Path, seed: int) -> dict[str, Tensor]:
    """Weights of one member of an exported ensemble, by the names of `StandardNetwork`."""
    import onnx

    tensors = {
        t.name: torch.from_numpy(onnx.numpy_helper.to_array(t).astype(np.float32))
        for t in onnx.load(path).graph.initializer
    }
    members = {int(name.split(".")[1]) for name in tensors if name.startswith("members.")}
    if not members:
        return tensors
    prefix = f"members.{sorted(members)[seed % len(members)]}."
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def network_of(name: str | Path) -> NetworkConfig:
    """The size of a model's network, read off its weights."""
    path = load_model(name).folder / "model.onnx"
    weights = member_weights(path, 0)
    try:
        width, _, _, _ = weights["stem.weight"].shape
        hidden, inputs = weights["dense.weight"].shape
        kernel = weights["blocks.0.second.weight"].shape[-1]
    except KeyError as error:
        raise DataError(
            f"is no standard network: it has no {error}",
            path=path,
            remedy="start from the shipped model or a run of recipe standard",
        ) from error
    return NetworkConfig(width=width, kernel=kernel, hidden=hidden, n_pix=inputs // width * 64)


def normalised(network: StandardNetwork) -> list[tuple[str, nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution that a normalisation follows, in the order of the data."""
    pairs: list[tuple[str, Any, Any]] = [("stem", network.stem, network.stem_norm)]
    for i, block in enumerate(network.blocks):
        pairs.append((f"blocks.{i}.first", block.first, block.norm1))
        pairs.append((f"blocks.{i}.second", block.second, block.norm2))
    pairs.append(("squeeze", network.squeeze, network.squeeze_norm))
    return pairs


def load_folded(network: StandardNetwork, weights: dict[str, Tensor], path: Path) -> None:
    """Load exported weights; normalisations become plain shifts by the folded biases."""
    norms = normalised(network)
    state = network.state_dict()
    wanted = {k for k in state if "norm" not in k} | {f"{n}.weight_bias" for n, _, _ in norms}
    # The exporter leaves out a correction that is zero, that of a model without survey labels.
    absent = {k: torch.zeros_like(state[k]) for k in ("survey.weight", "survey.bias")}
    weights = absent | weights
    if missing := sorted(k for k in wanted if k not in weights):
        raise DataError(
            f"is no standard network: it has no {missing[0]}",
            path=path,
            remedy="start from the shipped model or a run of recipe standard",
        )
    for name, value in state.items():
        if name in wanted and value.shape != weights[name].shape:
            raise DataError(
                f"has {name} of shape {tuple(weights[name].shape)}, "
                f"this network {tuple(value.shape)}",
                path=path,
                remedy="give the model's --network.width and --network.hidden",
            )
    network.load_state_dict({k: weights[k] for k in wanted if k in state}, strict=False)
    with torch.no_grad():
        for name, _, norm in norms:
            norm.running_mean.zero_()  # type: ignore[union-attr]
            norm.running_var.fill_(1.0 - norm.eps)  # type: ignore[union-attr]
            norm.weight.fill_(1.0)
            norm.bias.copy_(weights[f"{name}.weight_bias"])


@torch.no_grad()
def unfold(network: StandardNetwork, flux: Tensor, good: Tensor) -> None:
    """Set each normalisation to the statistics of these spectra, outputs unchanged.

    A layer that gives ``x + b`` becomes ``(x - m) / s * s + (m + b)`` with the mean m and the
    standard deviation s of x.
    """

    def set_scale(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].float()
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)

    hooks = [norm.register_forward_pre_hook(set_scale) for _, _, norm in normalised(network)]
    network.eval()
    network(flux, good)
    for hook in hooks:
        hook.remove()
