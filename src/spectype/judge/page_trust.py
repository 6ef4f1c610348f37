"""The parts of a report's page that say whether its answers can be trusted."""

from __future__ import annotations

from collections.abc import Mapping

from spectype.judge.calibration import Detection, Sets
from spectype.judge.html import figure, number, pair, share_text, table
from spectype.judge.scores import Scores


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
    """Agreement of two exposures of one star, the labels' own beside it."""
    if not s.repeats.agreement.n:
        return ""
    rows = [
        [name, f"{r.agreement.n:,}", f"{r.agreement.n_stars:,}", share_text(r.agreement),
         number(r.mean_abs), number(r.median_abs)]
        for name, r in (("predicted", s.repeats), ("labels", s.label_repeats))
        if r.agreement.n
    ]  # fmt: skip
    head = ("", "pairs", "stars", "same type", "mean |Δ|", "median |Δ|")
    return (
        "<p>A star does not change its type between two exposures. This test needs no label; "
        "the labels' own agreement on the same pairs bounds any score against them.</p>"
        + table(head, rows, caption="Pairs of spectra of one star in one survey.")
    )
