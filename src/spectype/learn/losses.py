"""What a training makes small: distance from soft labels, and from a second look at a star."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spectype.core import mk


def type_sums(probability: Tensor) -> Tensor:
    """Probabilities along the sequence (n, N_BINS) -> of the seven types (n, 7)."""
    return probability.view(len(probability), len(mk.TYPES), -1).sum(2)


def sequence_loss(
    probability: Tensor, soft: Tensor, allowed: Tensor, type_weight: float
) -> Tensor:  # fmt: skip
    """Cross entropies with a soft label along the sequence and with its types, weighted, (n,).

    Of the types that a label leaves `allowed` (n, 7) the sum counts: ``OB`` says that the star is
    O or B, not how likely either is.
    """
    along = -(soft * probability.clamp(min=1e-7).log()).sum(1)
    types = (type_sums(probability) * allowed).sum(1)
    return along - type_weight * types.clamp(min=1e-7).log()


def disagreement(logits: Sequence[Tensor], alike: Tensor, n: int) -> Tensor:
    """Mean divergence between what is said of the first and of the last `n` rows of a batch.

    These are two looks at the same stars, where both are `alike`. The symmetric
    Kullback-Leibler divergence of R-Drop (Liang et al. 2021, NeurIPS), summed over the systems.
    """
    use = (alike[:n] & alike[-n:]).float()
    total = torch.zeros((), device=alike.device)
    for system in logits:
        one, two = (torch.log_softmax(part, dim=1) for part in (system[:n], system[-n:]))
        apart = ((one.exp() - two.exp()) * (one - two)).sum(1)
        total = total + (apart * use).sum() / use.sum().clamp(min=1)
    return total
