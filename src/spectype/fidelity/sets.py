"""Real and synthetic spectra on one footing, so that only the light is compared.

A classifier tells a noise-free spectrum from an observed one by its noise, and a complete one
from a library's by its gaps; neither says anything about the light. So every synthetic spectrum
is given the gaps and the noise of a real spectrum drawn at random, is compared only where nearly
all real spectra have data, and passes the same normalisation after that.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.lines import TELLURIC
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import Continuum
from spectype.dataset.store import Store
from spectype.generate.harmonise import Harmonised, harmonise
from spectype.judge import leaks

if TYPE_CHECKING:
    import polars as pl

FloatArray = NDArray[np.float64]
MOST = 300  #: synthetic spectra compared
FEWEST_TRAIN, FEWEST_TEST = 3, 3  #: real stars without which nothing can be said
_MOST_OTHERS = 60  # stars of each other type and side
_BIN = 4  # pixels; 276 km/s, wide enough for the noise of neighbours to be independent
_BLOCKS = 8  # pieces of a spectrum with a noise level of their own
_COVERED = 0.9  # share of the real spectra that must have data in a bin
_KERNEL = 0.75  # subclasses; how finely subclasses are matched


@dataclass(frozen=True)
class Group:
    """Spectra of one kind, ready to compare.

    Parameters
    ----------
    light : Harmonised
        On all pixels, for line widths and pictures.
    bins : ndarray, shape (n, n_bins), float64
        Flux over its broad shape, minus 1, in the bins compared; a bin without data holds the
        mean of the real spectra.
    """

    light: Harmonised
    bins: FloatArray

    def __len__(self) -> int:
        return len(self.bins)

    @property
    def star(self) -> NDArray[np.str_]:
        """Star identifiers, shape (n,)."""
        return self.light.star_id

    def take(self, index: NDArray[Any]) -> Group:
        """The spectra at these positions (integers or booleans)."""
        return Group(self.light.take(index), self.bins[index])


@dataclass(frozen=True)
class Comparison:
    """Everything that the tests of one type look at.

    Parameters
    ----------
    type : str
        The type compared.
    bin_wave : ndarray, shape (n_bins,)
        Middles of the bins compared [Angstrom].
    train : Group
        Real spectra that the generator has learnt from.
    test : Group
        Real stars held out, one spectrum a star.
    synthetic : Group
        With gaps and noise of real spectra.
    plain : Group
        The same as they were made: without noise, complete.
    copies : Group
        Spectra of `train` treated as synthetic ones: what a generator that copies would make.
    others_train, others_test : Group
        Real stars of neighbouring types from the same surveys, one spectrum a star.
    matched : bool
        Whether the synthetic spectra were drawn so that their subclasses are spread like those
        of the stars held out.
    """

    type: str
    bin_wave: FloatArray
    train: Group
    test: Group
    synthetic: Group
    plain: Group
    copies: Group
    others_train: Group
    others_test: Group
    matched: bool


def gather(
    samples: Store, store: Store, split: pl.DataFrame, *, type: str, seed: int = 0
) -> Comparison:
    """Read, harmonise and match everything that judges the synthetic spectra of one type.

    Parameters
    ----------
    samples : Store
        Synthetic spectra, noise-free.
    store : Store
        Real ones.
    split : polars.DataFrame
        ``row``, ``star_id`` and ``split`` of the real spectra: ``train`` are those that the
        generator has learnt from, ``test`` those it has never met; others are left out. Stars
        of other types that it does not name are divided at random.
    type : str
        One of ``OBAFGKM``.
    seed : int
        Of every draw.

    Raises
    ------
    DataError
        If there are too few real or synthetic spectra of the type, the samples are not marked
        as synthetic, or held-out stars are among those learnt from.
    """
    rng = np.random.default_rng(seed)
    train, test = _real(store, split, type)
    made = harmonise(samples, _synthetic_rows(samples, type))
    made = _of_type(made, type)
    made, matched = _draw(made, test.code, rng)
    others = _others(store, split, type, sorted({*train.survey, *test.survey}), rng)
    frame = _Frame.of(join(train, test))
    donors = join(train.take(one_a_star(train)), test)
    copies = train.take(rng.integers(len(train), size=len(made)))
    return Comparison(
        type=type,
        bin_wave=frame.wave,
        train=frame.group(train),
        test=frame.group(test),
        synthetic=frame.group(match(made, donors, rng=rng)),
        plain=frame.group(made),
        copies=frame.group(match(copies, donors, rng=rng)),
        others_train=frame.group(others[0]),
        others_test=frame.group(others[1]),
        matched=matched,
    )


def types_of(samples: Store) -> list[str]:
    """Types of which there are synthetic spectra, hottest first."""
    meta = samples.meta
    if "type" not in meta.columns:
        raise DataError("has no types", path=samples.folder, remedy="sample it again")
    present = set(meta["type"].drop_nulls().to_list())
    return [t for t in mk.TYPES if t in present]


def _synthetic_rows(samples: Store, type: str) -> NDArray[np.int64]:
    import polars as pl

    meta = samples.meta.filter(pl.col("type") == type)
    if not meta.height:
        raise DataError(f"has no synthetic spectrum of type {type}", path=samples.folder)
    if not meta["synthetic"].fill_null(False).all():
        raise DataError(
            "holds spectra that are not marked as synthetic", path=samples.folder,
            remedy="give the folder that spectype gan sample wrote",
        )  # fmt: skip
    return np.asarray(meta["row"].to_numpy(), np.int64)


def _of_type(light: Harmonised, type: str) -> Harmonised:
    """Only spectra with light in them; an unmade pixel is no light."""
    good = light.good & np.isfinite(light.flux)
    some = good.mean(axis=1) > 0.1
    if some.sum() < FEWEST_TRAIN:
        raise DataError(f"{int(some.sum())} usable synthetic spectra of type {type}: too few")
    return replace(light, flux=np.where(good, light.flux, 0), good=good).take(some)


def _real(store: Store, split: pl.DataFrame, type: str) -> tuple[Harmonised, Harmonised]:
    """Real spectra learnt from, and one of each held-out star."""
    import polars as pl

    meta = store.meta.filter(
        (pl.col("type") == type) & ~pl.col("synthetic").fill_null(False)
    ).join(split.select(pl.col("row").cast(pl.UInt32), part="split"), on="row")  # fmt: skip
    train, test = (meta.filter(pl.col("part") == part) for part in ("train", "test"))
    for part, name, least in (
        (train, "learnt from", FEWEST_TRAIN),
        (test, "held out", FEWEST_TEST),
    ):
        n = part["star_id"].n_unique()
        if n < least:
            raise DataError(
                f"{n} real stars of type {type} {name}: {least} are the least to compare with",
                path=store.folder,
                remedy="hold out more stars, or judge another type",
            )
    leaks.check(test, split)
    sides = [harmonise(store, part["row"].to_numpy()) for part in (train, test)]
    return sides[0], sides[1].take(one_a_star(sides[1]))


def one_a_star(light: Harmonised) -> NDArray[np.int64]:
    """Where each star has its spectrum with most data, stars in order of their identifiers."""
    order = np.lexsort((-light.good.sum(axis=1), light.star_id))
    _, first = np.unique(light.star_id[order], return_index=True)
    return np.asarray(order[first])


def _others(
    store: Store, split: pl.DataFrame, type: str, surveys: list[str], rng: np.random.Generator
) -> tuple[Harmonised, Harmonised]:
    """Stars of the two types before and after, apart from each other: to learn, to be tested.

    From the surveys that hold the type itself, else a source's own signature would do.
    """
    import polars as pl

    here = mk.index(type)
    near = [t for t in mk.TYPES if t != type and abs(mk.index(t) - here) <= 2]
    meta = (
        store.meta.filter(pl.col("type").is_in(near) & ~pl.col("synthetic").fill_null(False))
        .filter(pl.col("survey").is_in(surveys) & pl.col("star_id").is_not_null())
        .join(split.select(pl.col("row").cast(pl.UInt32), part="split"), on="row", how="left")
    )
    stars = np.unique(meta["star_id"].to_numpy().astype(str))
    if not stars.size:
        raise DataError(f"no real star of a type near {type} to tell it from", path=store.folder)
    side = dict(zip(stars, np.where(rng.random(stars.size) < 0.5, "train", "test"), strict=True))
    known = {s: p for s, p in meta.select("star_id", "part").iter_rows() if p is not None}
    part = np.array([known.get(s, side[s]) for s in meta["star_id"]])
    chosen = []
    for name in ("train", "test"):
        rows = []
        for t in near:
            found = meta["row"].to_numpy()[(part == name) & (meta["type"] == t).to_numpy()]
            rows.append(rng.permutation(found)[: 2 * _MOST_OTHERS])
        light = harmonise(store, np.sort(np.concatenate(rows)))
        light = light.take(one_a_star(light))
        kept = np.concatenate([np.flatnonzero(light.type == t)[:_MOST_OTHERS] for t in near])
        chosen.append(light.take(kept))
    return chosen[0], chosen[1]


def _draw(made: Harmonised, codes: FloatArray, rng: np.random.Generator) -> tuple[Harmonised, bool]:
    """At most `MOST` spectra, with subclasses spread like `codes` where they are known."""
    n = min(MOST, len(made))
    codes = codes[np.isfinite(codes)]
    if not np.isfinite(made.code).all() or not codes.size:
        return made.take(np.sort(rng.permutation(len(made))[:n])), False

    def density(at: FloatArray, points: FloatArray) -> FloatArray:
        return np.asarray(np.exp(-0.5 * ((at[:, None] - points) / _KERNEL) ** 2).mean(axis=1))

    weight = density(made.code, codes) / density(made.code, made.code)
    # Without replacement, no more than weights allow: else the rare would be all drawn.
    n = min(n, max(FEWEST_TRAIN, int(weight.sum() / weight.max())))
    chosen = rng.choice(len(made), size=n, replace=False, p=weight / weight.sum())
    return made.take(np.sort(chosen)), True


def join(first: Harmonised, second: Harmonised) -> Harmonised:
    """The spectra of both, the first ones first."""
    values = {f.name: getattr(first, f.name) for f in fields(first)}
    for name in ("flux", "good", "rows", "code", "type", "survey", "star_id"):
        values[name] = np.concatenate([values[name], getattr(second, name)])
    return Harmonised(**values)


def match(light: Harmonised, donors: Harmonised, *, rng: np.random.Generator) -> Harmonised:
    """Give each spectrum the gaps and the noise of a donor.

    Parameters
    ----------
    light : Harmonised
        Spectra to change; what noise they have of their own is counted.
    donors : Harmonised
        Real spectra, dealt out evenly.
    rng : numpy.random.Generator
        Deals, and makes the noise.

    Notes
    -----
    Libraries give no errors, so the noise is measured: the scatter of each bin of four pixels
    against the mean of its neighbours, by the median absolute deviation, in eight pieces of the
    spectrum. Faint lines count as noise in this, in `light` as in the donors. White noise is
    added that makes up the difference, then scaled once, alike for all, so that the scatter
    reached is the one wanted: lines weigh more in the scatter of a noisy spectrum.
    """
    deal = np.concatenate(
        [rng.permutation(len(donors)) for _ in range(len(light) // len(donors) + 1)]
    )
    deal = deal[: len(light)]
    good = light.good & donors.good[deal]
    wanted, own = scatter(donors.flux, donors.good)[deal], scatter(light.flux, light.good)
    sigma = np.sqrt(np.maximum(wanted**2 - own**2, 0.0)) * np.sqrt(_BIN)
    middle = (np.arange(_BLOCKS) + 0.5) / _BLOCKS * light.wave.size
    pixels = np.arange(light.wave.size)
    level = np.array([np.interp(pixels, middle, row) for row in sigma])
    added = level * rng.standard_normal(light.flux.shape)
    reached = scatter(light.flux + added, light.good)
    low = wanted > 1.1 * own  # where noise was lacking
    if low.any():
        lack, gain = (np.median((x**2 - own**2)[low]) for x in (wanted, reached))
        added *= np.sqrt(np.clip(lack / max(gain, 1e-12), 0.25, 4.0))
    flux = np.where(good, light.flux + added, 0)
    return replace(light, flux=flux.astype(np.float32), good=good)


def scatter(flux: NDArray[Any], good: NDArray[np.bool_]) -> FloatArray:
    """Noise of the bins of spectra (n, n_pix) in pieces of each, shape (n, 8); see `match`."""
    flux, there = _binned(flux, good)
    step = flux[:, 1:-1] - 0.5 * (flux[:, :-2] + flux[:, 2:])
    known = there[:, 1:-1] & there[:, :-2] & there[:, 2:]
    step = np.where(known, step, np.nan)
    out = np.full((len(flux), _BLOCKS), np.nan)
    for block, columns in enumerate(np.array_split(np.arange(step.shape[1]), _BLOCKS)):
        enough = known[:, columns].sum(axis=1) >= 8
        out[enough, block] = np.nanmedian(np.abs(step[enough][:, columns]), axis=1)
    some = np.isfinite(out).any(axis=1)
    typical = np.zeros(len(out))
    typical[some] = np.nanmedian(out[some], axis=1)
    out = np.where(np.isfinite(out), out, typical[:, None])
    return np.asarray(out * 1.4826 / np.sqrt(1.5))


def _binned(flux: NDArray[Any], good: NDArray[np.bool_]) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Means of the good pixels of each bin and which have half of them, (n, n_pix // 4)."""
    n = flux.shape[1] // _BIN * _BIN
    shape = (len(flux), n // _BIN, _BIN)
    count = good[:, :n].reshape(shape).sum(axis=2)
    total = np.where(good[:, :n], flux[:, :n], 0.0).astype(np.float64).reshape(shape).sum(axis=2)
    return total / np.maximum(count, 1), 2 * count >= _BIN


@dataclass(frozen=True)
class _Frame:
    """Where spectra are compared, and what stands for missing bins."""

    used: NDArray[np.bool_]  # (n_all_bins,)
    wave: FloatArray  # (n_bins,)
    span: slice  # pixels from the first to the last bin compared
    mean: FloatArray  # (n_bins,)

    @classmethod
    def of(cls, real: Harmonised) -> _Frame:
        _, there = _binned(real.flux, real.good)
        n = there.shape[1] * _BIN
        wave = real.wave[:n].reshape(-1, _BIN).mean(axis=1)
        used = there.mean(axis=0) >= _COVERED
        for _, low, high in TELLURIC:  # the Earth's, not the star's
            used &= (wave < low) | (wave > high)
        if used.sum() < 50:
            raise DataError("the real spectra have too little wavelength in common to compare")
        first, last = np.flatnonzero(used)[[0, -1]]
        frame = cls(used, wave[used], slice(first * _BIN, (last + 1) * _BIN), np.zeros(used.sum()))
        flux, known = frame._seen(real)
        return replace(frame, mean=(flux * known).sum(axis=0) / np.maximum(known.sum(axis=0), 1))

    def _seen(self, light: Harmonised) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Normalised once more, now that all have the same span."""
        bad = ~light.good[:, self.span]
        part = Spectra(
            wave=light.wave[self.span],
            flux=light.flux[:, self.span],
            ivar=(~bad).astype(np.float32),
            mask=bad,
        )
        flat = Continuum()(part)
        flux, known = _binned(flat.flux - 1.0, ~flat.mask)
        inside = self.used[self.span.start // _BIN : self.span.stop // _BIN]
        return np.clip(flux[:, inside], -2.0, 5.0), known[:, inside]

    def group(self, light: Harmonised) -> Group:
        flux, known = self._seen(light)
        return Group(light, np.where(known, flux, self.mean))
