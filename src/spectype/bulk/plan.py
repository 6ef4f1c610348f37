"""Who types what: inputs cut into shards, shards dealt out to machines. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from spectype.core.errors import UsageError

SHARD = 4096  #: inputs a shard


def cut(
    inputs: Iterable[str], size: int, *, alone: Callable[[str], bool] = lambda _: False
) -> Iterator[list[str]]:
    """Cut inputs into shards, in order and one at a time.

    Parameters
    ----------
    inputs : iterable of str
        As many as there are.
    size : int
        Inputs of a shard; the last, and one before an input that stands alone, may have fewer.
    alone : callable
        Whether an input is a shard of its own: an archive holds thousands of spectra.

    Yields
    ------
    list of str
        The inputs of a shard, never empty.

    Examples
    --------
    >>> list(cut(["a", "b", "c", "n.tar", "d"], 2, alone=lambda name: name.endswith(".tar")))
    [['a', 'b'], ['c'], ['n.tar'], ['d']]
    """
    waiting: list[str] = []
    for name in inputs:
        if alone(name):
            if waiting:
                yield waiting
            yield [name]
            waiting = []
            continue
        waiting.append(name)
        if len(waiting) == size:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def parse_share(shard: str) -> tuple[int, int]:
    """The numbers of ``i/n``, with 1 <= i <= n."""
    number, _, count = shard.partition("/")
    if not (number.isdigit() and count.isdigit() and 1 <= int(number) <= int(count)):
        raise UsageError(f"impossible shard {shard!r}", remedy="give i/n with 1 <= i <= n")
    return int(number), int(count)


def deal(n: int, share: str = "1/1") -> range:
    """Which of `n` shards the machine ``i/n`` types: every n-th, beginning with the i-th.

    The shares of a plan are disjoint, together complete, and differ by one shard at most.
    Neighbouring shards go to different machines, because what is slow (a crowded night, a slow
    disk) tends to lie together.

    Examples
    --------
    >>> deal(7, "2/3")
    range(1, 7, 3)
    """
    number, count = parse_share(share)
    return range(number - 1, n, count)


def covered(pieces: Sequence[tuple[int, int]]) -> int:
    """How many units of a shard are done from its beginning on.

    Parameters
    ----------
    pieces : sequence of (int, int)
        First unit and number of units of each finished piece, in any order.

    Returns
    -------
    int
        Units without a gap from 0; -1 if pieces overlap or leave one.

    Examples
    --------
    >>> covered([(0, 64), (64, 36)]), covered([(0, 64), (32, 64)]), covered([(64, 36)])
    (100, -1, -1)
    """
    done = 0
    for first, count in sorted(pieces):
        if first != done:
            return -1
        done += count
    return done
