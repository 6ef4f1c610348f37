"""How far are the small probabilities of a model to be believed? Fit one number, on simulations.

python recipes/tail_floor.py --work tails/ --workers 2

A network trained on labels that scatter gives an O star of S/N 10 a G star's probability of a
thousandth. Where G stars are four thousand times as many, that decides. Between neighbours the
scatter of labels is real, so only types further apart are asked about. The sample is that of
``planted_hunt.py`` with another seed and 400 O and 400 B stars of S/N 3-20, which then count as
much as there are of them in the survey. The floor is that of the highest likelihood of who is
an O star (B star) by the score of ``mine``. `FLOOR` in ``mine/prevalence.py`` lies between the two;
run again for a new model.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import planted_hunt as hunt
import polars as pl
from numpy.typing import NDArray

from spectype.core import mk
from spectype.mine.prevalence import shares, shifted

SAMPLE = hunt.Sample(12_000, seed=19, planted=400, planted_b=400)
NEAR = {"O": "B", "B": "OA"}
FLOORS = (0.0, *np.geomspace(1e-4, 3.0, 46))


def likelihood(rows: pl.DataFrame, type_: str, floor: float) -> float:
    """Mean log likelihood of being of this type or not, each row as often as in the survey."""
    score = scores(rows, type_, floor).clip(1e-12, 1 - 1e-12)
    true, weight = is_true(rows, type_), weights(rows, type_)
    return float(np.average(np.where(true, np.log(score), np.log1p(-score)), weights=weight))


def scores(rows: pl.DataFrame, type_: str, floor: float) -> NDArray[np.float64]:
    """The score of ``mine`` at the survey's frequencies."""
    types = rows.select(f"p_{t}" for t in mk.TYPES).to_numpy()
    far = {t: 0.0 if t in NEAR[type_] else share for t, share in shares().items()}
    score = shifted(types, far, floor=floor)[:, mk.index(type_)]
    return np.asarray(score * rows["p_star"].fill_null(0.0).to_numpy())


def is_true(rows: pl.DataFrame, type_: str) -> NDArray[np.bool_]:
    """Which rows are planted, or natural, stars of the type."""
    return np.asarray(rows["true_kind"].is_in(["planted"] if type_ == "O" else ["planted B", "B"]))


def weights(rows: pl.DataFrame, type_: str) -> NDArray[np.float64]:
    """The planted of a type stand for those of the survey; the planted of others do not count."""
    share = shares()[type_] * rows["true_kind"].is_in(list(mk.TYPES)).sum()
    planted = rows["true_kind"].str.starts_with("planted").to_numpy()
    true = is_true(rows, type_)
    weight = np.where(planted, 0.0, 1.0)
    weight[true] = share / true.sum()
    return weight


def main() -> None:
    """Make the sample, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("tails"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    hunt.make(options.work, SAMPLE, workers=options.workers)
    rows = pl.read_parquet(options.work / "parts" / "*.parquet").join(
        pl.read_parquet(options.work / "truth" / "*.parquet"), on="path"
    )
    for type_, near in NEAR.items():
        letter = (rows["true_code"] // 10).fill_nan(-1).cast(pl.Int32)
        asked = rows.filter(~letter.is_in([mk.index(t) for t in near]))
        curve = [likelihood(asked, type_, floor) for floor in FLOORS]
        best = int(np.argmax(curve))
        print(f"{type_}: floor {FLOORS[best]:.3g}, likelihood {curve[best]:.3e}, "
              f"without {curve[0]:.3e}")  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
