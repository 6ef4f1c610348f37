"""The shards of a plan on a cluster, by Dask: each machine is told a folder and a number."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spectype.bulk.folder import Piece, Results
from spectype.bulk.lock import locked
from spectype.bulk.plan import SHARD
from spectype.bulk.run import counts, listening, prepare, seal
from spectype.bulk.work import type_shard
from spectype.classify.batch import ClassifyConfig
from spectype.classify.paths import find
from spectype.core.errors import DependencyError, Interrupted, SpectypeError, UsageError
from spectype.core.files import check_writable_folder
from spectype.core.progress import progress

log = logging.getLogger("spectype")
TRIES = 2  #: of a shard, before it is reported and left


def classify_on_cluster(
    paths: Iterable[str],
    output: str | Path,
    address: str,
    *,
    config: ClassifyConfig,
    size: int = SHARD,
) -> dict[str, int]:
    """Type files into a folder of shards that all machines see.

    Parameters
    ----------
    paths, output, config, size
        As for `run.classify_folder`.
    address : str
        Of a scheduler (``tcp://HOST:8786``); ``local`` for processes here; ``slurm`` for jobs as
        dask-jobqueue's configuration describes them, ``workers`` of them.

    Returns
    -------
    dict
        ``spectra``, ``typed``, ``errors``, and ``failed``: shards that failed twice. They are
        named in the log, do not stop the rest, and are typed by the next run.

    Raises
    ------
    SpectypeError
        If the scheduler cannot be reached, or goes away; what is done stays.
    """
    if config.shard != "1/1":
        raise UsageError("--dask deals out all shards", remedy="leave --shard out")
    folder = check_writable_folder(Path(output)).resolve()
    with locked(folder):
        results = prepare(find(paths), folder, config=config, size=size)
        pieces = results.pieces()
        todo = [n for n in range(len(results)) if not results.done(pieces, n)[1]]
        failed: dict[int, str] = {}
        if todo:
            total, before = len(results), len(results) - len(todo)
            with (
                _client(address, config.workers or 0) as client,
                listening() as stop,
                progress(total, done=before, title="typing", unit="shards") as advance,
            ):
                for shard, problem in _finished(client, results, todo, config, address):
                    advance(1)
                    if problem is not None:
                        failed[shard] = problem
                        log.error("shard %d failed twice: %s", shard, problem)
                    if stop.signal:
                        raise Interrupted(
                            "interrupted; finished shards are kept",
                            signal=stop.signal,
                            path=folder,
                            remedy="run the same command again to go on",
                        )
        seal(results)
        every: list[Piece] = [piece for own in results.pieces().values() for piece in own]
    return counts(every) | {"failed": len(failed)}


def _finished(
    client: Any, results: Results, todo: list[int], config: ClassifyConfig, address: str
) -> Iterator[tuple[int, str | None]]:
    """Shards as they are done, each with what is wrong if it failed twice."""
    from distributed import CancelledError, as_completed

    def submit(shard: int) -> Any:
        return client.submit(type_shard, str(results.folder), shard, config, pure=False)

    shards = {submit(shard): shard for shard in todo}
    tries = dict.fromkeys(todo, 0)
    running = as_completed(list(shards), loop=client.loop)
    for future in running:
        shard = shards.pop(future)
        if future.status == "finished":
            yield shard, None
            continue
        error = future.exception() if future.status == "error" else CancelledError()
        if isinstance(error, CancelledError):
            raise SpectypeError(
                f"the scheduler at {address} has gone away",
                path=results.folder,
                remedy="finished shards are kept: run the same command again to go on",
            )
        tries[shard] += 1
        # A worker that dies is the scheduler's to replace; it gives up after some deaths itself.
        if tries[shard] < TRIES and type(error).__name__ != "KilledWorker":
            again = submit(shard)
            shards[again] = shard
            running.add(again)
        else:
            yield shard, f"{type(error).__name__}: {error}"


@contextmanager
def _client(address: str, workers: int) -> Iterator[Any]:
    """A client of the scheduler, which is started first where the address is a word."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise DependencyError(
            "--dask needs dask.distributed", remedy="pip install 'spectype[cluster]'"
        ) from error
    cluster: Any = address
    if address == "local":
        cluster = LocalCluster(
            n_workers=workers or None, threads_per_worker=1, dashboard_address=None
        )
    elif address == "slurm":
        cluster = _slurm(workers)
    try:
        client = Client(cluster, timeout=30, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SpectypeError(
            f"no scheduler answers at {address}: {error}", remedy="start one: dask scheduler"
        ) from error
    try:
        yield client
    finally:
        client.close()
        if cluster is not address:
            cluster.close()


def _slurm(workers: int) -> Any:
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise DependencyError(
            "--dask slurm needs dask-jobqueue", remedy="pip install 'spectype[cluster]'"
        ) from error
    cluster = SLURMCluster()
    cluster.scale(jobs=workers or 1)
    return cluster
