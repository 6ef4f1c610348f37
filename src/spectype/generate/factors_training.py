"""Training of the standard generator: its spectra, iterations, checkpoints, resumption."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from spectype.core.errors import DataError
from spectype.core.files import check_writable_folder, write_manifest
from spectype.core.progress import track
from spectype.dataset.store import Store
from spectype.generate import factors, latent
from spectype.generate.factors import KNOTS, LEVEL, Part, StandardGenerator, black_body
from spectype.generate.harmonise import finite_arrays, harmonise, known_codes, select
from spectype.generate.recipes import GeneratorConfig
from spectype.learn import series
from spectype.learn.split import make_split
from spectype.learn.targets import source_of

log = logging.getLogger("spectype")
FORMAT = 2  #: of the training; a checkpoint of another one does not resume
KEEP = 2  #: checkpoints kept
FEWEST = 8  #: training spectra without which no distribution can be learnt
FEWEST_AT_PIXEL = 2  #: training spectra that make a pixel of the samples good
_FEWEST_IN_GROUP = 20  # spectra of a source that make a noise profile of its own
_FLUX = (-1.0, 8.0)  # beyond, flux over the broad shape is a fault, not a line
_LEAST_GOOD = 0.3  # share of good pixels of a spectrum to learn from
_LEAST_TRUST = 0.5  # weight of a source's labels below which its stars are not learnt from
_WINDOW = 40  # pixels each side of a knot over which the broad shape is measured, at most


@dataclass(frozen=True)
class TrainingSet:
    """What the model learns from.

    Parameters
    ----------
    values, good : ndarray, shape (n, n_pix + n_knots)
        Flux over the broad shape, then the log shape at the knots, and where they are known.
    code : ndarray, shape (n,)
        Decimal codes; the middle of the type where the subclass is unknown.
    group : ndarray, shape (n,), int64
        Source whose noise profile a spectrum shares.
    rows : ndarray, shape (n,)
        Rows of the store.
    split : ndarray of str, shape (store rows,)
        Part of every row.
    blunter : tuple of str
        Sources that are blunter than the common resolution.
    """

    values: NDArray[np.float32]
    good: NDArray[np.bool_]
    code: NDArray[np.float64]
    group: NDArray[np.int64]
    rows: NDArray[np.int64]
    split: NDArray[np.str_]
    blunter: tuple[str, ...]

    def fingerprint(self) -> str:
        """A checksum: a checkpoint resumes on the same data only."""
        return f"{crc32(self.good.tobytes(), crc32(self.values.tobytes())):08x}"


@dataclass(frozen=True)
class Piece:
    """What one part of the sequence learns from.

    Arrays as in `TrainingSet`, with gaps bridged and the weights of the pixels (`latent.bridge`).
    """

    values: NDArray[np.float32]
    good: NDArray[np.bool_]
    weight: NDArray[np.float32]
    group: NDArray[np.int64]
    sequence: latent.Sequence

    @classmethod
    def of(cls, data: TrainingSet, config: GeneratorConfig, number: int) -> Piece:
        """The piece of a part: where it and its margins hold too few, all."""
        here = config.members(data.code, number)
        if here.sum() < FEWEST:
            here = np.ones(len(data.code), bool)
        sequence = latent.Sequence(data.code[here], config.neighbours)
        good = data.good[here]
        values, weight = latent.bridge(data.values[here], good, sequence)
        return cls(values, good, weight, data.group[here], sequence)

    def start(self, config: GeneratorConfig) -> latent.Factors:
        """The first state."""
        k = min(config.components, len(self.values) - 1)
        groups = int(self.group.max()) + 1
        return latent.start(self.values, self.good, self.sequence, k=k, groups=groups)


def part_numbers(data: TrainingSet, config: GeneratorConfig) -> list[int]:
    """Parts of the sequence that have a spectrum."""
    return [int(n) for n in np.unique(config.part_of(data.code))]


def train_standard(
    store: Store,
    out: str | Path,
    config: GeneratorConfig = GeneratorConfig(),  # noqa: B008
) -> Path:
    """Train the standard generator; a training that was stopped goes on where it was.

    Parameters
    ----------
    store : Store
        Real spectra.
    out : path-like
        Folder of the generator.
    config : GeneratorConfig
        The recipe.

    Returns
    -------
    Path
        The folder: ``generator.safetensors``, ``split.parquet``, ``log.jsonl``,
        ``checkpoints/`` and, last, the manifest of kind ``gan``.

    Raises
    ------
    DataError
        If the data do not suffice or hold NaN, a checkpoint is of another configuration,
        version or data, no checkpoint is whole, or the training diverges.
    """
    folder = check_writable_folder(out, kind="gan")
    data = training_set(store, config)
    same = {**config.comparable(), "format": FORMAT, "data": data.fingerprint()}
    done, states, lines = resume(folder, same)
    parts = {number: Piece.of(data, config, number) for number in part_numbers(data, config)}
    if not states:
        states = {number: piece.start(config) for number, piece in parts.items()}
    if done < config.epochs:
        (folder / "manifest.json").unlink(missing_ok=True)
    series.write_split(folder, store.meta, data.split)
    started = time.monotonic()
    for epoch in track(range(done, config.epochs), title="training"):
        # Thousands of small matrices: threads would wait for each other, ten times as long.
        with threadpool_limits(1):
            states, likelihood = _next(states, parts, epoch=epoch, folder=folder)
        scatter = np.concatenate([state.scatter for state in states.values()])
        lines.append(
            {
                "epoch": epoch + 1,
                "log_likelihood": likelihood,
                "noise": float(np.sqrt(np.median(scatter))),
                "seconds": round(time.monotonic() - started, 2),
            }
        )
        save_progress(folder, states, lines, same)
    finish(store, folder, states, parts, data, config, n_epochs=max(done, config.epochs))
    return folder


def training_set(store: Store, config: GeneratorConfig) -> TrainingSet:
    """The training spectra of a store, made alike.

    Raises
    ------
    DataError
        If a type has no spectrum, fewer than 8 are left for training, or one holds NaN.
    """
    rows = select(store, config.types)
    trust = np.array([source_of(s).weight for s in store.meta["survey"].to_list()])
    rows = rows[trust[rows] >= _LEAST_TRUST]
    split = make_split(store.meta, config)
    train = _thin(store, rows[split[rows] == "train"], config)
    _check(store, train, n_all=len(rows), types=config.types)
    alike = harmonise(store, train, resolving_power=config.resolving_power)
    good = alike.good & (alike.flux > _FLUX[0]) & (alike.flux < _FLUX[1])
    enough = good.mean(axis=1) > _LEAST_GOOD
    alike, good, train = alike.take(enough), good[enough], train[enough]
    if len(train) < FEWEST:
        raise DataError(f"{len(train)} spectra with enough good pixels", path=store.folder)
    code = known_codes(alike.code, alike.type)
    shape, known = log_shape(store, train, alike.flux, good, code=code)
    return TrainingSet(
        values=np.concatenate([np.where(good, alike.flux, 0), shape], axis=1).astype(np.float32),
        good=np.concatenate([good, known], axis=1),
        code=code,
        group=_groups(alike.survey),
        rows=train,
        split=split,
        blunter=alike.blunter,
    )


def log_shape(
    store: Store,
    rows: NDArray[np.int64],
    flat: NDArray[np.float32],
    good: NDArray[np.bool_],
    *,
    code: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Logarithm of the broad shape over the type's black body, and where it is known.

    The broad shape is what the flux of the store has more than the flux over the broad shape.
    Both are (n, n_knots); zero on average over the knots between 4400 and 5500 Angstrom.
    """  # fmt: skip
    flux, _ = store.arrays(rows)
    value = np.zeros((len(rows), KNOTS.size))
    known = np.zeros(value.shape, bool)
    for j, at in enumerate(np.searchsorted(store.wave, KNOTS)):
        reach = int(np.clip(min(at, store.wave.size - at), 1, _WINDOW))
        window = slice(max(at - reach, 0), at + reach)
        use = good[:, window]
        count = np.maximum(use.sum(axis=1), 1)
        raw = np.where(use, flux[:, window], 0).sum(axis=1) / count
        over = np.where(use, flat[:, window], 0).sum(axis=1) / count
        known[:, j] = (use.mean(axis=1) > 0.5) & (raw > 0) & (over > 0) if use.size else False
        value[known[:, j], j] = np.log(raw[known[:, j]] / over[known[:, j]])
    value = value - black_body(code)
    level = (value * known)[:, LEVEL].sum(axis=1) / np.maximum(known[:, LEVEL].sum(axis=1), 1)
    known &= known[:, LEVEL].any(axis=1, keepdims=True)
    value = np.clip(value - level[:, None], -4, 4)
    return np.where(known, value, 0).astype(np.float32), known


def _thin(store: Store, train: NDArray[np.int64], config: GeneratorConfig) -> NDArray[np.int64]:
    """At most `crowd` spectra a subclass, in the order of the store."""
    meta = store.meta[train.tolist()]
    code = meta["code"].cast(pl.Float64).to_numpy().astype(float)
    types = meta["type"].to_numpy().astype(str)
    place = np.floor(known_codes(code, types)).astype(np.int64)
    order = np.random.default_rng(config.seed).permutation(len(train))
    kept = [order[place[order] == p][: config.crowd] for p in np.unique(place)]
    return train[np.sort(np.concatenate(kept))] if kept else train


def _check(store: Store, train: NDArray[np.int64], *, n_all: int, types: str) -> None:
    if len(train) < FEWEST:
        raise DataError(
            f"{len(train)} spectra of types {types} are left for training of {n_all}; {FEWEST} "
            "are needed at least",
            path=store.folder,
            remedy="gather more, take more types, or keep fewer stars out (--test)",
        )
    finite_arrays(store, train)


def _groups(survey: NDArray[np.str_]) -> NDArray[np.int64]:
    """Number of each spectrum's source; small sources share the last one."""
    names, place, count = np.unique(survey, return_inverse=True, return_counts=True)
    large = np.flatnonzero(count >= _FEWEST_IN_GROUP)
    number = np.full(names.size, len(large))
    number[large] = np.arange(len(large))
    return np.asarray(number[place], np.int64)


def _next(
    states: dict[int, latent.Factors], parts: dict[int, Piece], *, epoch: int, folder: Path
) -> tuple[dict[int, latent.Factors], float]:
    """One iteration of every part; log-likelihood a pixel over all."""
    problem, new, total, count = "the likelihood is not finite", {}, 0.0, 0
    try:
        for number, piece in parts.items():
            new[number], likelihood = latent.iterate(
                states[number], piece.values, piece.good, sequence=piece.sequence,
                group=piece.group, weight=piece.weight,
            )  # fmt: skip
            n_good = int(piece.good.sum())
            total, count = total + likelihood * n_good, count + n_good
        whole = all(np.isfinite(a).all() for s in new.values() for a in s.arrays().values())
    except np.linalg.LinAlgError as error:
        whole, problem = False, str(error)
    if whole and np.isfinite(total):
        return new, total / count
    good = f"the checkpoint of epoch {epoch} is good" if epoch else "no checkpoint came before"
    raise DataError(
        f"training diverged in epoch {epoch + 1} ({problem}); {good}",
        path=folder,
        remedy="in another folder, with fewer --components or more --neighbours",
    )


def save_progress(
    folder: Path, states: dict[int, latent.Factors], lines: list[dict[str, Any]],
    same: dict[str, Any],
) -> None:  # fmt: skip
    """Write the log and the checkpoint to resume from; drop the oldest."""
    tensors, state = factors.tensors_of(states), {"same": same, "log": lines}
    series.save(folder, epoch=lines[-1]["epoch"], tensors=tensors, state=state, keep=KEEP)
    series.write_log(folder, lines)


def resume(
    folder: Path, same: dict[str, Any]
) -> tuple[int, dict[int, latent.Factors], list[dict[str, Any]]]:
    """Take up the newest whole checkpoint: epochs done, the models, the log up to it."""
    found = series.load_newest(folder, same)
    if found is None:
        return 0, {}, []
    tensors, header = found
    series.write_log(folder, header["log"])
    return int(header["epoch"]), factors.states_of(tensors), header["log"]


def finish(
    store: Store, folder: Path, states: dict[int, latent.Factors], parts: dict[int, Piece],
    data: TrainingSet, config: GeneratorConfig, *, n_epochs: int,
) -> None:  # fmt: skip
    """Write the generator and, last, the manifest."""
    n_pix = store.wave.size
    known = data.good[:, :n_pix].sum(axis=0) >= FEWEST_AT_PIXEL
    models = {n: Part(states[n], piece.sequence.code, piece.good) for n, piece in parts.items()}
    trained = StandardGenerator(
        models, code=data.code, wave=store.wave, covered=known, config=config
    )
    factors.save(trained, folder / factors.WEIGHTS)
    content = {
        "recipe": "standard", "types": trained.types, "config": asdict(config),
        "epochs": n_epochs, "store": str(store.folder.resolve()), "store_rows": len(store),
        "training_spectra": len(data.rows), "training_rows": data.rows,
        "blunter": list(data.blunter),
    }  # fmt: skip
    write_manifest(folder, "gan", content)
