"""How long does a release take on many machines? The shard plan simulated, faults and all.

python recipes/shard_plan.py

Shards of one release are typed by machines of unequal speed, some of which die and come back;
tasks reach their time limit and are put back into the queue. Dealt out beforehand (``--shard i/n``,
`bulk.plan.deal`) or on demand (``--dask``). Prints a table: hours until the last row is there,
beside the hours that equal machines without faults would take.
"""

from __future__ import annotations

import argparse
import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.bulk.plan import SHARD, deal

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Machines and what befalls them.

    Parameters
    ----------
    machines, cores : int
        How many, and cores of each.
    spread : float
        Standard deviation of ln speed among machines.
    slow : float
        Share of machines at a third of the speed (a busy disk, a hot processor).
    wait : float
        Mean hours that a task waits in the queue before it runs first.
    failures : float
        Failures an hour and machine; it comes back after `away` hours.
    away : float
        Hours until a machine, or a task put back into the queue, runs again.
    limit : float
        Hours that a task may run; then it is put back.
    """

    machines: int
    cores: int
    spread: float = 0.1
    slow: float = 0.05
    wait: float = 0.1
    failures: float = 0.01
    away: float = 0.25
    limit: float = 4.0


@dataclass
class Machine:
    """One machine: when it is free, how fast it is, when it fails next and reaches its limit."""

    speed: float
    fails: float
    ends: float
    lost: float = 0.0


def finish(cluster: Cluster, hours: Floats, *, dealt: bool, seed: int) -> tuple[float, float, int]:
    """When the last shard is done, what was lost, how often a task was put back into the queue.

    Parameters
    ----------
    cluster : Cluster
        Machines.
    hours : ndarray, shape (n_shards,)
        Work of each shard on one core of normal speed [hour].
    dealt : bool
        Each machine has its own share (an array); else the next shard goes to whoever is free.
    seed : int
        Of speeds and failures.

    Returns
    -------
    hours, lost, requeued : float
        Wall-clock [hour]; core hours [hour]; times.
    """
    rng = np.random.default_rng(seed)
    n = cluster.machines
    speed = np.exp(cluster.spread * rng.standard_normal(n))
    speed[rng.random(n) < cluster.slow] /= 3
    machines = [Machine(s, float(rng.exponential(1 / cluster.failures)), cluster.limit)
                for s in speed]  # fmt: skip
    shares = [list(deal(len(hours), f"{i + 1}/{n}")) for i in range(n)]
    common = list(range(len(hours)))
    for queue in [*shares, common]:
        queue.reverse()
    free = [(float(begin), i) for i, begin in enumerate(rng.exponential(cluster.wait, n))]
    for begin, i in free:
        machines[i].fails += begin
        machines[i].ends += begin
    heapq.heapify(free)
    last, requeued = 0.0, 0
    while free:
        now, i = heapq.heappop(free)
        queue, machine = (shares[i] if dealt else common), machines[i]
        if not queue:
            continue
        shard = queue.pop()
        done = now + hours[shard] / machine.speed / cluster.cores
        stop = min(machine.fails, machine.ends)
        if done <= stop:
            last = max(last, done)
            heapq.heappush(free, (done, i))
            continue
        queue.append(shard)
        requeued += 1
        if machine.fails <= machine.ends:  # the shard in hand is lost
            machine.lost += max(0.0, stop - now) * cluster.cores
            machine.fails = stop + float(rng.exponential(1 / cluster.failures))
        else:  # SIGTERM: what is typed of it is kept
            hours[shard] -= max(0.0, stop - now) * machine.speed * cluster.cores
        machine.ends = stop + cluster.away + cluster.limit
        heapq.heappush(free, (stop + cluster.away, i))
    return last, sum(machine.lost for machine in machines), requeued


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="simulated, of each line")
    options = parser.parse_args(arguments)
    bad = {"slow": 0.1, "failures": 2.0, "limit": 0.25}
    cases = [  # spectra, milliseconds of a core for each (docs/scale.md)
        ("LAMOST DR6", 9.9e6, 1.75, Cluster(machines=1, cores=2, wait=0.0)),
        ("LAMOST DR6", 9.9e6, 1.75, Cluster(machines=10, cores=4)),
        ("LAMOST DR13", 13.5e6, 1.75, Cluster(machines=10, cores=4)),
        ("100 million", 1e8, 2.9, Cluster(machines=50, cores=4)),
        ("100 million", 1e8, 2.9, Cluster(machines=200, cores=4)),
        ("the same, bad machines", 1e8, 2.9, Cluster(machines=200, cores=4, **bad)),
    ]
    print("| release | machines x cores | even [h] | array, median and worst [h] | "
          "Dask, median and worst [h] | put back | lost [core h] |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for name, spectra, milliseconds, cluster in cases:
        shards = int(np.ceil(spectra / SHARD))
        work = np.full(shards, SHARD * milliseconds / 3.6e6)
        work *= np.exp(0.15 * np.random.default_rng(0).standard_normal(shards))  # crowded nights
        even = work.sum() / cluster.machines / cluster.cores
        found = {
            dealt: np.array([finish(cluster, work.copy(), dealt=dealt, seed=seed)
                             for seed in range(options.runs)])
            for dealt in (True, False)
        }  # fmt: skip
        cells = [f"{np.median(found[d][:, 0]):.2f}, {found[d][:, 0].max():.2f}"
                 for d in (True, False)]  # fmt: skip
        lost, back = (max(found[d][:, k].max() for d in (True, False)) for k in (1, 2))
        print(f"| {name} | {cluster.machines} x {cluster.cores} | {even:.2f} | {cells[0]} | "
              f"{cells[1]} | {back:.0f} | {lost:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
