"""What the figures on synthetic spectra mean: an answer to each question, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass

from spectype.fidelity import lines
from spectype.fidelity.judge import Fidelity

AUC_LIMIT = 0.75  #: of the two-sample test on held-out stars
COPYING_LEVEL = 0.01  #: of the data-copying test
LEAST_DIVERSITY, MOST_DIVERSITY = 0.8, 1.5  #: of the median distance of two stars
_SLACK = 0.1  # of recall, by which synthetic training may fall short of real training


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer to one question.

    Parameters
    ----------
    question : str
        What was asked.
    state : str
        ``met``, ``missed``, or ``open`` where these stars cannot decide.
    text : str
        The numbers behind it.
    """

    question: str
    state: str
    text: str


def verdicts(found: Fidelity) -> list[Verdict]:
    """Five answers on the synthetic spectra of one type."""
    return [rule(found) for rule in (_apart, _copied, _physical, _varied, _useful)]


def _apart(f: Fidelity) -> Verdict:
    best, real = f.held_out[0], f.reference[0]
    state = "met" if best.high <= AUC_LIMIT else "missed" if best.low > AUC_LIMIT else "open"
    side = "within" if best.value <= AUC_LIMIT else "above"
    text = (
        f"AUC {best.value:.2f} ({best.low:.2f}–{best.high:.2f}) by {best.name}, {side} the limit "
        f"of {AUC_LIMIT}; real stars of the training set, tested alike, score {real.value:.2f}."
    )
    if state == "open":
        text += f" {best.n_real} held-out stars do not settle it."
    return Verdict("Hard to tell from real stars?", state, text)


def _copied(f: Fidelity) -> Verdict:
    question, test, power = "New, not copies?", f.copying, f.copies.p_copying
    if not test.cells:
        return Verdict(question, "open", "No cell holds both held-out and synthetic spectra.")
    text = (
        f"C_T = {test.statistic:+.1f}, p = {test.p_copying:.4f}; copies of the training spectra, "
        f"made on purpose, give p = {power:.4f}."
    )
    if test.p_copying < COPYING_LEVEL:
        return Verdict(
            question, "missed", f"Nearer to the training spectra than new stars are: {text}"
        )
    if power >= COPYING_LEVEL:
        return Verdict(
            question, "open", f"With {test.n_test} held-out stars the test has no power: {text}"
        )
    if test.p_remote < COPYING_LEVEL:
        text += " They lie farther from the training spectra than new stars do."
    return Verdict(question, "met", text)


def _physical(f: Fidelity) -> Verdict:
    question = "Line widths of real stars?"
    if not f.lines:
        return Verdict(question, "open", "No line could be measured in enough spectra.")
    n = min(line.n_real for line in f.lines)
    against = f"5–95 % range of {n} {f.lines_against}"
    if out := [line.name for line in f.lines if not line.inside]:
        return Verdict(question, "missed", f"Outside the {against} in median: {', '.join(out)}.")
    state = "met" if n >= lines.ENOUGH else "open"
    return Verdict(question, state, f"All {len(f.lines)} medians lie within the {against}.")


def _varied(f: Fidelity) -> Verdict:
    d, c = f.diversity, f.coverage
    share = c.coverage
    text = (
        f"Two synthetic spectra differ {d.value:.2f} ({d.low:.2f}–{d.high:.2f}) times as much as "
        f"two held-out stars; {share.value:.0%} ({share.low:.0%}–{share.high:.0%}) of these have "
        f"a synthetic neighbour, where {c.expected:.0%} is ideal and real training stars reach "
        f"{f.real_coverage.coverage.value:.0%}."
    )
    state = "open"
    if d.high < LEAST_DIVERSITY or share.high < min(c.expected, f.real_coverage.coverage.value):
        state = "missed"
    elif d.low > MOST_DIVERSITY:
        state, text = "missed", text + " They are more scattered than stars."
    elif d.value >= LEAST_DIVERSITY and d.low > LEAST_DIVERSITY / 2 and share.low > 0.5:
        state = "met"
    return Verdict("As varied as stars?", state, text)


def _useful(f: Fidelity) -> Verdict:
    real, made = f.transfer[0].recall, f.transfer[1].recall
    text = (
        f"A classifier that knows type {f.type} from synthetic spectra alone recognises "
        f"{made.value:.0%} ({made.low:.0%}–{made.high:.0%}) of {made.n_stars} held-out stars; one "
        f"that knows it from real spectra, {real.value:.0%}."
    )
    state = "open"
    if f.lost > f.gained and _sign_test(f.lost, f.gained) < 0.05:
        state = "missed"
    elif made.value >= real.value - _SLACK and made.low > 0.5:
        state = "met"
    text += f" It loses {f.lost} of those and gains {f.gained}."
    return Verdict("Enough to learn the type from?", state, text)


def _sign_test(lost: int, gained: int) -> float:
    """Two-sided p-value of so unequal a pair if both were equally likely (McNemar, exact)."""
    from scipy.stats import binomtest

    return float(binomtest(lost, lost + gained, 0.5).pvalue) if lost + gained else 1.0
