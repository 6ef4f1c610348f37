"""A dense layer for a few spectra at a time, where a CPU's time goes into reading weights.

On a batch of three the products of `torch.nn.Linear` take the general matrix product of the
linear algebra library, which is 2 to 4 times slower at this shape than oneDNN's inner product,
forward and backward. Same numbers up to rounding; elsewhere (GPU, other types) the usual layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

FEW = 32  #: rows up to which this pays


def _inner(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x @ weight.T + bias`` by oneDNN."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def _available() -> bool:
    # The operator is what torch's own compiler emits, without a promise: fall back without it.
    there: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return there and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class _FewRows(torch.autograd.Function):
    """The layer and its derivatives, each by the same inner product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _inner(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, weight = ctx.saved_tensors
        to_x = _inner(grad, weight.t()) if ctx.needs_input_grad[0] else None
        to_weight = _inner(grad.t(), x.t()) if ctx.needs_input_grad[1] else None
        to_bias = grad.sum(0) if ctx.needs_input_grad[2] else None
        return to_x, to_weight, to_bias


class Dense(nn.Linear):
    """``nn.Linear`` that is fast on few rows: (n, in_features) to (n, out_features)."""

    usable = _available()

    def forward(self, input: Tensor) -> Tensor:
        """Apply the layer."""
        few = input.ndim == 2 and len(input) <= FEW and input.dtype == torch.float32
        if not (self.usable and few and input.device.type == "cpu"):
            return super().forward(input)
        result: Tensor = _FewRows.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return result


@contextmanager
def without_denormals() -> Iterator[None]:
    """Numbers below 1e-38 count as 0 inside: Adam's second moments of idle weights decay so far.

    It is a state of the whole process, so it is put back.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
