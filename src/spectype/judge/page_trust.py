"""The parts of a report's page that say whether its answers can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from spectype.core import mk
from spectype.draw.html import DASH, figure, number, pair, table
from spectype.judge.calibration import Detection, Sets
from spectype.judge.metrics import ClassScore
from spectype.judge.repeats import Repeat
from spectype.judge.scores import Scores
from spectype.judge.strangers import Flagged
from spectype.judge.stress import StressScore
from spectype.judge.wording import code_text, share_text


def calibration_section(s: Scores, figures: Mapping[str, str]) -> str:
    """Probabilities, conformal sets and the score of strangers."""
    if not s.bins:
        return _sets(s.sets) + _strangers(s.strangers)
    drawn = figure(figures, "calibration", "Stated probability against the share that is right.")
    said = (
        "<p>Of all spectra typed with a probability near 0.8, 80 % should be right. Points below "
        "the diagonal are boasts, points above are modesty.</p>"
    )
    return said + pair(drawn, f"<div>{_sets(s.sets)}{_strangers(s.strangers)}</div>")


def _sets(sets: Sets | None) -> str:
    if sets is None:
        return ""
    rows = [["all", f"{sets.coverage.n:,}", share_text(sets.coverage)]]
    rows += [[t, f"{c.n:,}", share_text(c)] for t, c in sets.by_type.items()]
    return (
        "<h3>Conformal sets</h3><p>The set of types that comes with each spectrum is made to "
        f"hold the true one for 90 %. It has {sets.mean_size:.2f} types on average; "
        f"{sets.single:.0%} of the sets name one type, {sets.empty:.1%} none.</p>"
        + table(
            ("true type", "spectra", "coverage"),
            rows,
            caption="Coverage by true type.",
            colours=True,
        )
    )


def _strangers(found: Detection | None) -> str:
    if found is None:
        return ""
    return (
        "<h3>Strangers</h3><p>Spectra of other kinds (white dwarfs, carbon stars, galaxies "
        f"...): {found.detected.n} in the test. At {found.false_alarms:.0%} false alarms "
        f"{share_text(found.detected)} of them are flagged; a stranger scores higher than a "
        f"normal star with probability {found.area:.3f}.</p>"
    )


def repeats_section(s: Scores) -> str:
    """Agreement of two exposures of one star, the labels' own beside it, by S/N."""
    if not s.repeats.agreement.n:
        return ""
    rows = [_pair_row("all", s.repeats, s.label_repeats)]
    for part in s.repeats_by_snr:
        name = f"{part.low:g}{DASH}{part.high:g}" if np.isfinite(part.high) else f"> {part.low:g}"
        rows.append(_pair_row(name, part.predicted, part.labels))
    head = ("S/N", "pairs", "stars", "same type", "of the labels", "mean |Δ|", "of the labels",
            "median |Δ|", "of the labels")  # fmt: skip
    return (
        "<p>A star does not change its type between two exposures. This test needs no label, and "
        "neither exposure has been seen in training; the labels' own agreement on the same pairs "
        "bounds any score against them.</p>"
        + table(head, rows, caption="Pairs of spectra of one star in one survey, by the S/N of "
                "the poorer exposure.")
    )  # fmt: skip


def _pair_row(name: str, ours: Repeat, labels: Repeat) -> list[str]:
    return [
        name, f"{ours.agreement.n:,}", f"{ours.agreement.n_stars:,}",
        share_text(ours.agreement), share_text(labels.agreement), number(ours.mean_abs),
        number(labels.mean_abs), number(ours.median_abs), number(labels.median_abs),
    ]  # fmt: skip


def stress_section(stresses: Sequence[StressScore], untouched: Sequence[ClassScore] = ()) -> str:
    """What each stress costs, and the recall of each type under it, below the `untouched`."""
    if not stresses:
        return ""
    rows = [
        [s.name, f"{s.after.n:,}", share_text(s.before), share_text(s.after), _lost_text(s),
         DASH if s.allowed is None else f"{100 * s.allowed:.0f}",
         f"{number(s.code_before.mean_abs)} → {code_text(s.code)}"]
        for s in stresses
    ]  # fmt: skip
    head = ("stress", "spectra", "types right before", "after", "points lost", "allowed",
            "mean |Δ|")  # fmt: skip
    return (
        "<p>The same test stars typed again after each has been made worse, against what they "
        "got untouched: only spectra that the stress changes are counted. Points lost are "
        "hundredths of the spectra, with the interval of a paired comparison; "
        "those beyond what is allowed are in bold. Noise is distributed over the "
        "wavelengths as in LAMOST's spectra of fainter stars.</p>"
        + table(head, rows, caption="Types and subclasses.")
        + _stress_details(stresses, untouched)
    )


def _stress_details(stresses: Sequence[StressScore], untouched: Sequence[ClassScore]) -> str:
    """Recall of each type, and whether probabilities, sets and warnings still hold."""
    types = [t for t in mk.TYPES if any(t in s.recall for s in stresses)]
    absent = [t for t in mk.TYPES if t not in types]
    recall = {t.name: t.recall.value for t in untouched}
    nan = float("nan")
    first = ["untouched", *(number(recall.get(t, nan), ".2f") for t in types), *[DASH] * 3]
    rows = [
        [s.name, *(number(s.recall[t].value if t in s.recall else nan, ".2f") for t in types),
         number(s.calibration_error, ".3f"), number(s.coverage.value, ".3f"),
         number(s.flagged.value, ".3f")]
        for s in stresses
    ]  # fmt: skip
    head = ("recall of", *types, "calibration error", "set coverage", "flagged odd")
    return table(
        head,
        [first, *rows] if untouched else rows,
        caption="Flagged odd: normal stars called out of distribution."
        + (f" No test star of type {', '.join(absent)}." if absent else ""),
    )


def _lost_text(s: StressScore) -> str:
    value = f"{100 * s.lost.value:.1f}"
    if s.allowed is not None and s.lost.value > s.allowed:
        value = f"<b>{value}</b>"
    low, high = (f"{100 * x:.1f}".replace("-", "−") for x in (s.lost.low, s.lost.high))
    return f'{value.replace("-", "−")} <span class="ci">{low} to {high}</span>'


def strangers_section(found: Sequence[Flagged]) -> str:
    """Shares flagged at the model's own limit, strangers and normal stars apart."""
    if not found:
        return ""
    odd = [s for s in found if s.kind != "star"]
    normal = [s for s in found if s.kind == "star"]
    return (
        "<p>The flag OUT_OF_DISTRIBUTION, raised at the limit that was set on validation stars "
        "for 5 % false alarms. The real spectra are of the test part; the simulated ones were "
        "made by another code than that which trained the score.</p>"
        + pair(
            table(
                ("what", "origin", "spectra", "flagged", "kind right"),
                [
                    [
                        s.kind,
                        escape(s.origin),
                        f"{s.share.n:,}",
                        share_text(s.share),
                        "-" if s.named is None else share_text(s.named),
                    ]
                    for s in odd
                ],
                caption="To be flagged.",
            ),
            table(
                ("normal stars", "spectra", "stars", "flagged"),
                [
                    [s.origin, f"{s.share.n:,}", f"{s.share.n_stars:,}", share_text(s.share)]
                    for s in normal
                ],
                caption="False alarms.",
            ),
        )
    )
