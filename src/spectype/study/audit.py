"""The audit: one classifier, one generator, the same spectra, judged in two ways.

The study's way: the generator learns from every real O star, its samples fill up the O class,
spectra are dealt at random to training and test, and what is read off is the precision. The
honest way: all that learns sees training stars only, synthetic spectra are for training only,
and what is read off is the recall of real O stars that nothing has seen.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import MANIFEST, atomic_path, check_writable_folder, read_json, write_json
from spectype.dataset.store import Store
from spectype.generate.harmonise import Harmonised, harmonise
from spectype.study.audit_scores import HONEST, KEPT_OUT, PLAIN, RARE, STUDY, Case, score_cases
from spectype.study.recipes import AuditConfig

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("spectype")
TEST_SHARE = 0.3  #: of the study: 2,940 of 9,800
FEWEST = 3  #: real O stars that make a library worth keeping out
LEAST_TO_LEARN = 8  #: real spectra without which the generator does not train

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Audit:
    """The outcome.

    Attributes
    ----------
    cases : dict of str to Case
        ``study``, ``other stars``, ``other library``, and the last two without synthetic
        spectra in training.
    real : Harmonised
        The real spectra that took part.
    samples : ndarray, shape (n, n_pix)
        Some synthetic spectra of the study's protocol, NaN where no data.
    samples_honest : ndarray, shape (n, n_pix)
        Some of the first fold of the honest one.
    config : AuditConfig
    """

    cases: dict[str, Case]
    real: Harmonised
    samples: NDArray[np.float32]
    samples_honest: NDArray[np.float32]
    config: AuditConfig


class SplitStore(Store):
    """A store with a split of our own: the generator learns from its training rows."""

    def __init__(self, folder: Path, split: NDArray[np.str_]) -> None:
        super().__init__(folder)
        self._split = split

    @property
    def meta(self) -> pl.DataFrame:
        """The store's metadata with our split."""
        import polars as pl

        return super().meta.with_columns(split=pl.Series(self._split))


def run_audit(store: Store, out: str | Path, *, config: AuditConfig) -> Audit:
    """Judge the same networks in both ways; a rerun goes on where it was.

    Parameters
    ----------
    store : Store
        Real spectra; those marked synthetic take no part.
    out : path-like
        Folder for the generators, the predictions and the page.
    config : AuditConfig
        Sizes.

    Raises
    ------
    DataError
        If there are too few real O spectra, or `out` holds an audit of other settings.
    UsageError
        If a library to keep out has no O star or leaves too few.
    """
    folder = check_writable_folder(out)
    _same_settings(folder, store, config)
    real = harmonise(store, choose(store, config))
    work = _Work(store, folder, real, config)
    n_rare = int((real.type == RARE).sum())
    tables = [work.study()]
    fold = deal(real.star_id, real.type, folds=config.folds, seed=config.seed)
    for number in range(config.folds):
        tables += work.honest(HONEST, f"fold-{number + 1}", fold == number)
    for name in libraries(real, config):
        stars = np.unique(real.star_id[real.survey == name])
        kept_out, shared = real.survey == name, np.isin(real.star_id, stars)
        tables += work.honest(KEPT_OUT, f"without-{name}", kept_out, unused=shared & ~kept_out)
    import polars as pl

    table = pl.concat(tables)
    with atomic_path(folder / "predictions.parquet") as path:
        table.write_parquet(path)
    log.info("audit of %d real O spectra done", n_rare)
    return Audit(
        cases=score_cases(table),
        real=real,
        samples=work.shown("study"),
        samples_honest=work.shown("fold-1"),
        config=config,
    )


def choose(store: Store, config: AuditConfig) -> NDArray[np.int64]:
    """Rows of the real spectra that take part: up to `per_type` of each type, at random."""
    import polars as pl

    meta = store.meta
    real = ~meta["synthetic"].fill_null(False).to_numpy() if "synthetic" in meta.columns else True
    rng = np.random.default_rng(config.seed)
    chosen = []
    for kind in mk.TYPES:
        rows = np.flatnonzero((meta["type"] == kind).fill_null(False).to_numpy() & real)
        if kind == RARE and rows.size < LEAST_TO_LEARN:
            raise DataError(
                f"has {rows.size} real O spectra; the audit needs {LEAST_TO_LEARN}",
                path=store.folder,
                remedy="build a store with a library that has O stars, such as Jacoby's",
            )
        chosen.append(np.sort(rng.permutation(rows)[: config.per_type]))
    rows = np.concatenate(chosen)
    covered = meta.select(pl.col("star_id").is_not_null()).to_series().to_numpy()
    return np.asarray(rows[covered[rows]], np.int64)


def deal(
    star: NDArray[np.str_], types: NDArray[np.str_], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """The fold of each spectrum, shape (n,): stars are dealt type by type."""
    names, first, inverse = np.unique(star, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    fold = np.zeros(names.size, np.int64)
    for kind in np.unique(types):
        members = rng.permutation(np.flatnonzero(types[first] == kind))
        fold[members] = np.arange(members.size) % folds
    return np.asarray(fold[inverse])


def libraries(real: Harmonised, config: AuditConfig) -> list[str]:
    """Libraries to keep out: those asked for, or all with enough O stars to count."""
    rare = real.type == RARE
    left = {str(s): int((rare & (real.survey != s)).sum()) for s in np.unique(real.survey)}
    held = {s: int((rare & (real.survey == s)).sum()) for s in left}
    for name in config.leave_out:
        if not held.get(name):
            known = ", ".join(s for s, n in held.items() if n)
            raise UsageError(f"no O star of {name!r}", remedy=f"O stars come from {known}")
        if left[name] < LEAST_TO_LEARN:
            raise UsageError(f"without {name} only {left[name]} O spectra are left to learn from")
    if config.leave_out:
        return list(config.leave_out)
    return [s for s in held if held[s] >= FEWEST and left[s] >= LEAST_TO_LEARN]


@dataclass
class _Work:
    """The trainings of an audit, each kept on disk once done."""

    store: Store
    folder: Path
    real: Harmonised
    config: AuditConfig

    def study(self) -> pl.DataFrame:
        """The study's protocol: GAN on all O, synthetic in the test, split by spectrum."""
        rare = self.real.type == RARE
        n_fill = max(self.config.per_type - int(rare.sum()), 0)

        def compute() -> pl.DataFrame:
            flux, good = self.samples("study", rare, n_fill)
            n = len(self.real) + n_fill
            draw = np.random.default_rng(self.config.seed).permutation(n)
            train = np.ones(n, bool)
            train[draw[: round(TEST_SHARE * n)]] = False
            return self.typed(STUDY, flux, good, train, ~train)

        return self.step(STUDY, compute)

    def honest(
        self, case: str, name: str, test: Bools, *, unused: Bools | None = None
    ) -> list[pl.DataFrame]:
        """The honest protocol on one division, with and without synthetic spectra."""
        learn = ~test if unused is None else ~test & ~unused
        rare = learn & (self.real.type == RARE)
        share = learn.mean()
        n_fill = max(round(self.config.per_type * share) - int(rare.sum()), 0)

        def compute(n: int, title: str) -> pl.DataFrame:
            flux, good = self.samples(name, rare, n)
            extra = np.zeros(n, bool)
            return self.typed(title, flux, good, np.append(learn, ~extra), np.append(test, extra))

        return [
            self.step(f"{name}", lambda: compute(n_fill, case)),
            self.step(f"{name}-plain", lambda: compute(0, case + PLAIN)),
        ]

    def step(self, name: str, compute: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """A table of predictions, from disk where it is there already."""
        import polars as pl

        path = self.folder / "steps" / f"{name}.parquet"
        if not path.exists():
            log.info("audit: %s", name)
            with atomic_path(path) as temporary:
                compute().write_parquet(temporary)
        return pl.read_parquet(path)

    def generator(self, name: str, rare: Bools) -> Any:
        """The reference GAN that has learnt from these spectra alone."""
        from spectype.generate.gan_training import train_reference
        from spectype.generate.recipes import GanConfig
        from spectype.refine.registry import load_generator

        folder = self.folder / "generators" / name
        if not (folder / MANIFEST).exists():
            split = np.full(len(self.store), "test", dtype="<U10")
            split[self.real.rows[rare]] = "train"
            train_reference(
                SplitStore(self.store.folder, split),
                folder,
                GanConfig(
                    types=RARE, epochs=self.config.gan_epochs, seed=self.config.seed,
                    checkpoint_every=200, keep=1, device="cpu", threads=self.config.threads,
                ),
            )  # fmt: skip
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return load_generator(folder)

    def samples(
        self, name: str, rare: Bools, n: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The real spectra and, behind them, `n` synthetic O: flux and good, (n_all, n_pix).

        Each synthetic spectrum wears the coverage of a real one that the generator has seen,
        so that where a spectrum ends does not tell the two apart.
        """
        if not n:
            return self.real.flux, self.real.good
        drawn = self.generator(name, rare).sample(n, seed=self.config.seed)
        coverage = np.random.default_rng(self.config.seed).choice(np.flatnonzero(rare), n)
        good = drawn.good & self.real.good[coverage]
        flux = np.where(good, drawn.flux, 0).astype(np.float32)
        return np.concatenate([self.real.flux, flux]), np.concatenate([self.real.good, good])

    def typed(
        self, case: str, flux: NDArray[np.float32], good: Bools, train: Bools, test: Bools
    ) -> pl.DataFrame:
        """Train the reference network on `train` and type `test`: a row a test spectrum."""
        import polars as pl

        from spectype.study.fitting import fit_types
        from spectype.study.recipes import ReferenceConfig

        c, real = self.config, self.real
        extra = len(flux) - len(real)
        types = np.append(real.type, np.full(extra, RARE))
        config = ReferenceConfig(epochs=c.epochs, dense=c.dense, as_published=c.as_published)
        given = fit_types(flux, good, types, wave=real.wave, train=train, config=config,
                          seed=c.seed, threads=c.threads)  # fmt: skip
        synthetic = np.arange(len(flux)) >= len(real)
        learnt = train & (types == RARE)
        table = pl.DataFrame(
            {
                "row": np.append(real.rows, np.full(extra, -1)),
                "star_id": np.append(real.star_id, [f"synthetic-{i}" for i in range(extra)]),
                "survey": np.append(real.survey, np.full(extra, "synthetic")),
                "synthetic": synthetic,
                "true_type": types,
                "type": given,
            }
        ).filter(pl.Series(test))
        return table.with_columns(
            case=pl.lit(case),
            learnt_real=pl.lit(int((learnt & ~synthetic).sum())),
            learnt_synthetic=pl.lit(int((learnt & synthetic).sum())),
        )

    def shown(self, name: str, n: int = 3) -> NDArray[np.float32]:
        """A few synthetic spectra for the page, NaN where they have no data."""
        if not (self.folder / "generators" / name / MANIFEST).exists():
            return np.empty((0, self.real.wave.size), np.float32)
        drawn = self.generator(name, np.zeros(len(self.real), bool)).sample(n, seed=7)
        return np.asarray(np.where(drawn.good, drawn.flux, np.nan), np.float32)


def _same_settings(folder: Path, store: Store, config: AuditConfig) -> None:
    """Refuse a folder that holds an audit of other settings; they are named."""
    free = {"threads"}
    wanted: Mapping[str, Any] = {
        "store": str(store.folder.resolve()),
        "rows": len(store),
        **{k: list(v) if isinstance(v, tuple) else v
           for k, v in asdict(config).items() if k not in free},
    }  # fmt: skip
    path = folder / "settings.json"
    if path.exists():
        found = read_json(path)
        if differing := [k for k in wanted if found.get(k) != wanted[k]]:
            name = differing[0]
            raise DataError(
                f"holds an audit of other settings ({name}: {found.get(name)!r} there, "
                f"{wanted[name]!r} here)",
                path=folder,
                remedy="give the same options to resume, or another --out",
            )
    write_json(path, wanted)
