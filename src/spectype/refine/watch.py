"""Fidelity of a generator in training, measured on the stars kept for validation, and its curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.dataset.store import Store
from spectype.draw.canvas import ACCENT, GREY, INK, new_figure, save, style
from spectype.fidelity.lines import widths
from spectype.fidelity.sets import match, one_a_star
from spectype.fidelity.two_sample import two_sample
from spectype.generate.harmonise import Harmonised, harmonise, known_codes
from spectype.refine.placed import PlacedGenerator
from spectype.refine.plane import settled, stars_at

_MOST = 40  # stars a type
_FEWEST = 6  # stars of a type whose line widths say something
_EACH = 3  # samples a star
_BIN = 4  # pixels, as the judges have it
_SPAN = (3900.0, 6700.0)  # that nearly all sources cover [Angstrom]


@dataclass(frozen=True)
class Watch:
    """Held-out stars to compare samples of their places with.

    Parameters
    ----------
    stars : Harmonised
        One spectrum a star.
    at : ndarray, shape (n, 5)
        Their places.
    """

    stars: Harmonised
    at: NDArray[np.float64]

    @classmethod
    def of(cls, store: Store, split: NDArray[np.str_], generator: PlacedGenerator) -> Watch | None:
        """The validation stars of a split that are of a generator's types; None if too few."""
        types = np.array([t or "" for t in store.meta["type"].to_list()])
        here = (split == "validation") & np.isin(types, list(generator.types))
        rng = np.random.default_rng(0)
        kept = [rng.permutation(np.flatnonzero(here & (types == t)))[:_MOST]
                for t in generator.types]  # fmt: skip
        rows = np.sort(np.concatenate(kept))
        if len(rows) < _FEWEST:
            return None
        light = harmonise(store, rows, resolving_power=generator.config.resolving_power)
        light = light.take(one_a_star(light))
        at = stars_at(store.meta[light.rows.tolist()], known_codes(light.code, light.type))
        return cls(light, at)

    def measure(self, generator: PlacedGenerator) -> dict[str, float]:
        """``auc`` of the strongest classifier that tells samples from these stars, and ``lines``,
        the mean offset of the median line widths over their 5-95 % range among the stars."""
        rng = np.random.default_rng(1)
        at = settled(np.repeat(self.at, _EACH, axis=0), rng)
        drawn = generator.sample(len(at), at=at, seed=1)
        made = self.stars.take(np.repeat(np.arange(len(self.at)), _EACH))
        made = Harmonised(**vars(made) | {"flux": drawn.flux, "good": drawn.good})
        made = match(made, self.stars, rng=rng)
        bins = [self._bins(light) for light in (self.stars, made)]
        found = two_sample(*bins, stars=self.stars.star_id, seed=0)
        return {"auc": found[0].value, "lines": self._offset(made)}

    def _bins(self, light: Harmonised) -> NDArray[np.float64]:
        """Means of four pixels; the held-out stars' mean where there is no data."""
        inside = (light.wave > _SPAN[0]) & (light.wave < _SPAN[1])
        n = int(inside.sum()) // _BIN * _BIN

        def binned(one: Harmonised) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
            shape = (len(one), n // _BIN, _BIN)
            good = one.good[:, inside][:, :n].reshape(shape)
            flux = np.where(good, one.flux[:, inside][:, :n].reshape(shape), 0.0)
            return flux.sum(axis=2, dtype=np.float64), good.sum(axis=2)

        total, count = binned(self.stars)
        usual = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1)
        total, count = binned(light)
        return np.where(count > 0, total / np.maximum(count, 1), usual)

    def _offset(self, made: Harmonised) -> float:
        """Mean over types and lines of how far the median width is off, over the stars' range."""
        kinds = [np.array([mk.type_of(c) for c in at[:, 0]])
                 for at in (self.at, np.repeat(self.at, _EACH, axis=0))]  # fmt: skip
        offsets = []
        for type in np.unique(kinds[0]):
            if (kinds[0] == type).sum() < _FEWEST:
                continue
            sides = zip((self.stars, made), kinds, strict=True)
            real, drawn = (widths(light.take(kind == type), str(type)) for light, kind in sides)
            low, high = np.nanquantile(real, [0.05, 0.95], axis=0)
            off = np.abs(np.nanmedian(drawn, axis=0) - np.nanmedian(real, axis=0)) / (high - low)
            offsets += off[np.isfinite(off)].tolist()
        return float(np.mean(offsets)) if offsets else 0.0


def draw_curve(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw AUC and offset of line widths at every checkpoint against minutes of training.

    Parameters
    ----------
    lines : sequence of mapping
        Lines of ``log.jsonl``; those with ``auc`` count.
    path : Path
        The figure.
    """
    measured = [line for line in lines if "auc" in line]
    if not measured:
        return
    minutes = [line["minutes"] for line in measured]
    real = [line["minutes"] for line in lines if not line["simulated"]]
    with style():
        figure = new_figure(7.0, 5.0)
        apart, widths = figure.subplots(2, 1, sharex=True)
        apart.plot(minutes, [line["auc"] for line in measured], color=ACCENT, marker="o", ms=3)
        apart.axhline(0.5, color=GREY, lw=0.6)
        apart.set(ylim=(0.45, 1.02), ylabel="AUC, strongest of four")
        widths.plot(minutes, [line["lines"] for line in measured], color=INK, marker="o", ms=3)
        widths.set(ylim=(0, None), ylabel="line medians off\n(5–95 % ranges)")
        widths.set_xlabel("minutes of training")
        if real and real[0] > minutes[0]:
            for axes in (apart, widths):
                axes.axvline(real[0], color=GREY, lw=0.6)
            apart.annotate("real stars from here", (real[0], 0.98), size=7, color=GREY,
                           xytext=(3, 0), textcoords="offset points", va="top")  # fmt: skip
        figure.suptitle("Samples against stars kept for validation", color=INK)
        save(figure, path)
