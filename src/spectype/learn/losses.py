"""What a training makes small: distance from soft labels, and from a second look at a star."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spectype.core import mk


def type_sums(probability: Tensor) -> Tensor:
    """Probabilities along the sequence (n, N_BINS) -> of the seven types (n, 7)."""
    return probability.view(len(probability), len(mk.TYPES), -1).sum(2)


def sequence_loss(probability: Tensor, soft: Tensor, types: Tensor, type_weight: float) -> Tensor:
    """Cross entropies with a soft label along the sequence and with its type, weighted, (n,)."""
    along = -(soft * probability.clamp(min=1e-7).log()).sum(1)
    by_type = -(types * type_sums(probability).clamp(min=1e-7).log()).sum(1)
    return along + type_weight * by_type


def divergence(
    lesson: Sequence[Tensor], outputs: Sequence[Tensor], fake: Tensor, simulated: Tensor
) -> Tensor:
    """How far a network is from its teachers (Hinton, Vinyals & Dean 2015, arXiv:1503.02531).

    Kullback-Leibler divergences of the outputs' distributions from the teachers' probabilities,
    summed over the outputs: sequence, survey, luminosity and, last, kind. Spectra that were made
    strangers (`fake`, (n,)) and, for the kind, `simulated` ones do not count: what they are is
    known better than teachers do.
    """
    total = torch.zeros((), device=fake.device)
    for place, (taught, logits) in enumerate(zip(lesson, outputs)):
        apart = (taught * (taught.clamp(min=1e-7).log() - torch.log_softmax(logits, 1))).sum(1)
        of_kind = place == len(lesson) - 1
        use = (~(fake | simulated) if of_kind else ~fake).float()
        total = total + (apart * use).sum() / use.sum().clamp(min=1)
    return total


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
