"""Contestants that take turns, so that a busy machine slows all alike."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from spectype.core.errors import UsageError
from spectype.core.progress import track

OURS = "spectype"


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What a contest found.

    Parameters
    ----------
    unit : str
        What a time is for: a spectrum, a step.
    seconds : dict
        Contestant to processor time of one unit, the best round of each [s].
    floor : str, optional
        The contestant that does only what nobody can do without.
    megabytes : float
        Peak memory of the process, all contestants together [MB].
    about : dict
        Sizes, versions.
    """

    unit: str
    seconds: dict[str, float]
    floor: str | None
    megabytes: float
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> dict[str, float]:
        """Seconds of the others over ours: above 1 we are faster."""
        return {k: s / self.seconds[OURS] for k, s in self.seconds.items() if k != OURS}

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the ratios."""
        return {**asdict(self), "ratio": self.ratio}


def contest(
    contestants: Mapping[str, Callable[[], int]],
    *,
    rounds: int,
    unit: str,
    floor: str | None = None,
    about: Mapping[str, Any] | None = None,
) -> Speed:
    """Let each work once a round; the first round warms up.

    Parameters
    ----------
    contestants : mapping
        Name to what does some work and says how many units it did; ours is called `OURS`. One
        that is slow may do a few.
    rounds : int
        Rounds that count; of each contestant the best does. Time is the processor's, since others
        may be at work; contestants are asked to use one thread.
    unit, floor, about
        As of `Speed`.
    """
    if rounds < 1:
        raise UsageError(f"cannot measure in {rounds} rounds", remedy="give --rounds 1 or more")
    best = dict.fromkeys(contestants, float("inf"))
    turns = [(number, name) for number in range(rounds + 1) for name in contestants]
    for number, name in track(turns, title="measuring"):
        begin = time.process_time()
        units = contestants[name]()
        if number:
            best[name] = min(best[name], (time.process_time() - begin) / units)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Speed(unit=unit, seconds=best, floor=floor, megabytes=peak, about=dict(about or {}))
