"""Are synthetic spectra physical, new and varied? The figures that say so, type by type.

Every number is about real stars held out from the generator, one spectrum a star, with an
interval that counts stars, and stands beside what real stars of the generator's own training set
would score: that, not perfection, is what a generator can reach.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.fidelity import distances, lines, ratios, two_sample
from spectype.fidelity.distances import Copying, Coverage, Spread
from spectype.fidelity.lines import Correlations, LineScore
from spectype.fidelity.ratios import RatioScore
from spectype.fidelity.sets import Comparison, Group, join, one_a_star, scatter
from spectype.fidelity.two_sample import Auc, Components
from spectype.generate.harmonise import Harmonised
from spectype.judge.metrics import CodeScore, Share, code_score, share
from spectype.judge.scores import plain

FloatArray = NDArray[np.float64]
_TRANSFER_COMPONENTS = 20
_SPACE = 10  # principal components in which distances are measured, at most


@dataclass(frozen=True, slots=True)
class Transfer:
    """One way to train a classifier of the type against its neighbours, and what it scores.

    Parameters
    ----------
    name : str
        ``real``, ``synthetic`` or ``both``: what spectra of the type it learnt from. The
        neighbouring types are real in all.
    n_train : int
        Spectra of the type in training.
    recall, precision : Share
        Of the type, on real stars held out.
    overall : Share
        Right types among all real stars held out.
    subclass : CodeScore
        Decimal subclass of the held-out stars of the type by ridge regression.
    """

    name: str
    n_train: int
    recall: Share
    precision: Share
    overall: Share
    subclass: CodeScore


@dataclass(frozen=True)
class Fidelity:
    """Everything that is said of the synthetic spectra of one type.

    Parameters
    ----------
    type : str
        The type.
    counts : dict of str to int
        Spectra and stars on each side.
    surveys : dict of str to int
        Real stars by source, both sides.
    matched : bool
        Whether subclasses of the synthetic spectra are spread like the held-out stars'.
    transfer : list of Transfer
        Trained on real, on synthetic, on both; tested on real.
    lost, gained : int
        Held-out stars of the type that only the classifier trained on real spectra recognises,
        and only the one trained on synthetic ones.
    recognised : Share
        Reverse: trained on real, the share of synthetic spectra given their type.
    recognised_code : CodeScore
        The subclass they are given against the one that was asked of the generator.
    held_out, all_real, as_made, reference : list of Auc
        Two-sample tests, strongest classifier first: synthetic against held-out stars; against
        all real stars; without noise and gaps of real spectra; and real stars of the training
        set, in place of synthetic spectra, against held-out stars.
    copying, copies : Copying
        The data-copying test, and the same test of copies of the training spectra: if these
        are not found out, nothing would be.
    coverage, real_coverage : Coverage
        Share of held-out stars with a synthetic neighbour, and with one from the training set.
    diversity : Spread
        Median distance of two synthetic spectra over that of two held-out stars.
    lines : list of LineScore
        Line widths.
    lines_against : str
        Which real stars: those held out or, where they are too few for a range, all.
    correlations : Correlations or None
        Between the lines.
    ratios : list of RatioScore
        Of lines that tell hot stars' types, against all real stars.
    scatter : tuple of float
        Median scatter of bins of the real spectra and of the synthetic ones as made.
    """

    type: str
    counts: dict[str, int]
    surveys: dict[str, int]
    matched: bool
    transfer: list[Transfer]
    lost: int
    gained: int
    recognised: Share
    recognised_code: CodeScore
    held_out: list[Auc]
    all_real: list[Auc]
    as_made: list[Auc]
    reference: list[Auc]
    copying: Copying
    copies: Copying
    coverage: Coverage
    real_coverage: Coverage
    diversity: Spread
    lines: list[LineScore]
    lines_against: str
    correlations: Correlations | None
    ratios: list[RatioScore]
    scatter: tuple[float, float]

    def to_data(self) -> dict[str, Any]:
        """As nested dicts and lists for JSON."""
        return dict(plain(asdict(self)))


@dataclass(frozen=True)
class Evidence:
    """What the figures draw beyond the numbers.

    Parameters
    ----------
    space : dict of str to ndarray, shape (n, n_components)
        ``train``, ``test``, ``synthetic`` and ``copies`` in the components of the training
        spectra, in which distances are measured.
    widths : dict of str to ndarray, shape (n, n_lines)
        ``real`` and ``synthetic``.
    ratios : dict of str to ndarray, shape (n, 1 + n_ratios)
        ``real`` and ``synthetic``: decimal code, then the ratios' logarithms; empty for cool types.
    """

    space: dict[str, FloatArray]
    widths: dict[str, FloatArray]
    ratios: dict[str, FloatArray]


def judge(c: Comparison, *, seed: int = 0) -> tuple[Fidelity, Evidence]:
    """Run every test on one type.

    Parameters
    ----------
    c : Comparison
        As `fidelity_sets.gather` gives it.
    seed : int
        Of folds, permutations and bootstrap draws.
    """
    stars = c.train.take(one_a_star(c.train.light))
    every = _both(stars, c.test)
    space = distance_space(c)
    groups = {"test": c.test, "train": stars, "synthetic": c.synthetic, "plain": c.plain}
    widths = {name: lines.widths(group.light, c.type) for name, group in groups.items()}
    every_width = np.concatenate([widths["train"], widths["test"]])
    measured = np.isfinite(widths["test"]).sum(axis=0)
    enough = bool(
        measured[np.isfinite(every_width).any(axis=0)].min(initial=len(c.test)) >= lines.ENOUGH
    )
    real_width = widths["test"] if enough else every_width

    def told(real: Group, a: FloatArray, other: Group, b: FloatArray) -> list[Auc]:
        return two_sample.two_sample(
            real.bins, other.bins, stars=real.star, widths=(a, b), seed=seed
        )

    transfer = _transfer(c)
    seen = _ratios(every, c.synthetic) if c.type in ratios.TYPES else {}
    copying = {
        name: distances.copying(space["train"], space["test"], space[name], seed=seed)
        for name in ("synthetic", "copies")
    }
    found = Fidelity(
        type=c.type,
        counts={
            "training spectra": len(c.train),
            "training stars": len(stars),
            "held-out stars": len(c.test),
            "synthetic spectra": len(c.synthetic),
            "stars of other types": len(c.others_train) + len(c.others_test),
        },
        surveys=dict(Counter(str(name) for name in every.light.survey)),
        matched=c.matched,
        **transfer,
        held_out=told(c.test, widths["test"], c.synthetic, widths["synthetic"]),
        all_real=told(every, every_width, c.synthetic, widths["synthetic"]),
        as_made=told(c.test, widths["test"], c.plain, widths["plain"]),
        reference=told(c.test, widths["test"], stars, widths["train"]),
        copying=copying["synthetic"],
        copies=copying["copies"],
        coverage=distances.coverage(space["test"], space["synthetic"], seed=seed),
        real_coverage=distances.coverage(
            space["test"], space["train"][one_a_star(c.train.light)], seed=seed
        ),
        diversity=distances.diversity(space["test"], space["synthetic"], seed=seed),
        lines=lines.compare(real_width, widths["synthetic"], type=c.type, seed=seed),
        lines_against="held-out stars" if enough else "real stars, those learnt from among them",
        correlations=lines.correlate(every_width, widths["synthetic"], type=c.type, seed=seed),
        ratios=ratios.compare(
            seen["real"][:, 1:],
            seen["real"][:, 0],
            seen["synthetic"][:, 1:],
            seen["synthetic"][:, 0],
        )
        if seen
        else [],
        scatter=(_noise(every.light), _noise(c.plain.light)),
    )
    return found, Evidence(space, {"real": real_width, "synthetic": widths["synthetic"]}, seen)


def _noise(light: Harmonised) -> float:
    """Median scatter of the bins."""
    return float(np.median(scatter(light.flux, light.good)))


def _ratios(real: Group, synthetic: Group) -> dict[str, FloatArray]:
    """Codes and ratios of both kinds."""
    return {
        name: np.column_stack([group.light.code, ratios.ratios(group.light)])
        for name, group in (("real", real), ("synthetic", synthetic))
    }


def distance_space(c: Comparison) -> dict[str, FloatArray]:
    """Spectra in the principal components of the training spectra, unscaled.

    Held-out stars have no part in finding the components: else a new star would keep more of
    its noise than a synthetic spectrum does, and seem the farther for it.
    """
    n = int(np.clip(len(c.train) // 3, 2, _SPACE))
    fit = Components(n=n).fit(c.train.bins)
    groups = {"train": c.train, "test": c.test, "synthetic": c.synthetic, "copies": c.copies}
    return {name: fit.transform(group.bins) * fit.scale_ for name, group in groups.items()}


def _both(first: Group, second: Group) -> Group:
    return Group(join(first.light, second.light), np.concatenate([first.bins, second.bins]))


def _transfer(c: Comparison) -> dict[str, Any]:
    """Train on real, synthetic and both; the reverse comes from the one trained on real."""
    sources = {"real": [c.train], "synthetic": [c.synthetic], "both": [c.train, c.synthetic]}
    found: dict[str, Any] = {"transfer": []}
    hits = {}
    star = np.concatenate([c.test.star, c.others_test.star])
    for name, groups in sources.items():
        typed, coded = _trained(groups, c.others_train)
        own, others = typed(c.test.bins), typed(c.others_test.bins)
        truth = np.repeat([True, False], [len(own), len(others)])
        said = np.concatenate([own, others]) == c.type
        right = np.concatenate([own == c.type, others == c.others_test.light.type])
        hits[name] = own == c.type
        found["transfer"].append(
            Transfer(
                name=name,
                n_train=sum(len(g) for g in groups),
                recall=share(said[truth], stars=star[truth]),
                precision=share(truth[said], stars=star[said]),
                overall=share(right, stars=star),
                subclass=code_score(c.test.light.code, coded(c.test.bins), stars=c.test.star),
            )
        )
        if name == "real":
            found["recognised"] = share(typed(c.synthetic.bins) == c.type)
            found["recognised_code"] = code_score(c.synthetic.light.code, coded(c.synthetic.bins))
    found["lost"] = int((hits["real"] & ~hits["synthetic"]).sum())
    found["gained"] = int((hits["synthetic"] & ~hits["real"]).sum())
    return found


def _trained(groups: list[Group], others: Group) -> tuple[Any, Any]:
    """Functions from bins to types and to codes, learnt from these spectra."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline

    x = np.concatenate([*(g.bins for g in groups), others.bins])
    y = np.concatenate([*(g.light.type for g in groups), others.light.type])
    code = np.concatenate([*(g.light.code for g in groups), others.light.code])
    machine = make_pipeline(
        Components(n=_TRANSFER_COMPONENTS),
        LogisticRegression(class_weight="balanced", max_iter=500),
    ).fit(x, y)
    own = np.isfinite(np.concatenate([g.light.code for g in groups]))
    known = np.isfinite(code)
    if own.sum() < 5:
        return machine.predict, lambda bins: np.full(len(bins), np.nan)
    # The type weighs as much as all others, however many spectra it has.
    weight = np.where(
        np.arange(len(y)) < own.size, 1 / own.sum(), 1 / max(known[own.size :].sum(), 1)
    )
    components = Components(n=_TRANSFER_COMPONENTS).fit(x)
    ridge = RidgeCV(np.logspace(-3, 2, 6)).fit(
        components.transform(x[known]), code[known], sample_weight=weight[known] / weight.mean()
    )
    return machine.predict, lambda bins: ridge.predict(components.transform(bins))
