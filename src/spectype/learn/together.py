"""Training by several processes, on one machine or many, as torchrun starts them.

Each takes its part of every batch; gradients are averaged (`DistributedDataParallel`), so that all
keep the same weights. The first writes, the others do not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from spectype.core.errors import UsageError


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def count() -> int:
    """How many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun has started beside this one, if it has."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or distributed.is_initialized():
        yield
        return
    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    if rank():
        logging.getLogger("spectype").setLevel(logging.ERROR)  # the first tells enough
    try:
        yield
    finally:
        distributed.destroy_process_group()


@contextmanager
def first_before_others() -> Iterator[None]:
    """What is in it is done by the first process, then by the others, who find it done."""
    if rank():
        distributed.barrier()
    yield
    if count() > 1 and not rank():
        distributed.barrier()


def part_of(batch: int) -> slice:
    """Which rows of a batch are this process's.

    Raises
    ------
    UsageError
        If the batch cannot be cut into equal parts: the mean of their gradients would not be
        that of the batch.
    """
    if batch % count():
        raise UsageError(
            f"a batch of {batch} cannot be cut into {count()} equal parts",
            remedy=f"give --batch {batch // count() * count() or count()}",
        )
    return slice(rank(), None, count())


def parallel(network: nn.Module) -> nn.Module:
    """The network, or one whose backward pass averages the gradients of all processes."""
    return DistributedDataParallel(network) if count() > 1 else network


def mean(values: Sequence[float]) -> list[float]:
    """Means over the processes."""
    if count() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float64)
    distributed.all_reduce(total)
    return [float(value) / count() for value in total]
