"""The audit's page: both scores side by side, and why they differ, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.core.files import write_json, write_text
from spectype.draw.canvas import SCREEN, Paper, illustrate
from spectype.draw.html import DASH, contents, document, facts, figure, pair, table
from spectype.judge.metrics import Share
from spectype.judge.scores import plain
from spectype.judge.wording import interval, percent, share_text
from spectype.study.audit import Audit
from spectype.study.audit_figures import matrix_figure, score_figure, spectra_figure
from spectype.study.audit_scores import (
    HONEST,
    KEPT_OUT,
    PLAIN,
    PREVALENCE,
    RARE,
    STUDY,
    Case,
    at_prevalence,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Two scores for one classifier of O stars"
TITLES = {
    STUDY: "the study's protocol",
    HONEST: "honest, other stars",
    HONEST + PLAIN: "the same without synthetic spectra",
    KEPT_OUT: "honest, other libraries",
    KEPT_OUT + PLAIN: "the same without synthetic spectra ",
}
SHORT = {
    STUDY: "study's",
    HONEST: "other stars",
    HONEST + PLAIN: "no synthetic",
    KEPT_OUT: "other libraries",
    KEPT_OUT + PLAIN: "no synthetic ",
}


def write_audit(
    audit: Audit,
    folder: Path,
    *,
    about: Mapping[str, Any],
    paper: Paper = SCREEN,
) -> Path:
    """Write audit.json, audit.html and figures/ as PDF and SVG; returns the page's path."""
    cases = audit.cases
    svgs = illustrate(lambda: _draw(audit), folder / "figures", paper=paper)
    data = {name: plain(asdict(case)) for name, case in cases.items()}
    write_json(
        folder / "audit.json",
        {"about": dict(about), "config": asdict(audit.config), "cases": data},
    )
    page = folder / "audit.html"
    write_text(page, render(audit, svgs, about=about))
    return page


def _draw(audit: Audit) -> dict[str, Figure]:
    cases = audit.cases
    return {
        "scores": score_figure(cases),
        "matrix-study": matrix_figure(cases[STUDY].confusion, by_columns=True),
        "matrix-honest": matrix_figure(cases[HONEST].confusion, by_columns=False),
        "spectra": spectra_figure(audit),
    }


def render(audit: Audit, figures: Mapping[str, str], *, about: Mapping[str, Any]) -> str:
    """The page as text."""
    cases = audit.cases
    sections = (
        ("what", "What was held fixed, what was changed", _protocols(audit)),
        ("scores", "The scores", _scores(cases, figures)),
        ("why", "Why they differ", _why(cases)),
        ("matrices", "The same word, two matrices", _matrices(cases, figures)),
        ("prevalence", "In a survey", _prevalence(cases[HONEST])),
        ("spectra", "What was synthesised", figure(
            figures, "spectra", "Above: real O stars. Below: samples of the generator that the "
            "study's protocol trains on all real O stars.")),
        ("about", "About this page", _about(audit, about)),
    )  # fmt: skip
    links, bodies = contents(sections)
    return document(
        TITLE,
        subtitle="An audit: the same spectra, the same network, the same generator; only the "
        "judging differs.",
        header=f"{_lead(cases)}{_tiles(cases)}<nav>{links}</nav>",
        main=bodies,
    )


def say(audit: Audit) -> list[str]:
    """The outcome for the terminal: both scores side by side, and the explanation."""
    cases = audit.cases
    study = cases[STUDY]
    lines = [
        f"study's protocol: O {_plainly(study.precision)} (precision; {study.synthetic} of "
        f"{study.synthetic + study.real} O test spectra are synthetic)",
        f"  its real O alone: recall {_plainly(study.real_recall)}, {study.real} spectra",
    ]
    for name in (HONEST, HONEST + PLAIN, KEPT_OUT, KEPT_OUT + PLAIN):
        if name in cases:
            case = cases[name]
            lines.append(
                f"{TITLES[name].strip()}: O {_plainly(case.real_recall)} (recall of "
                f"{case.real} real O spectra of {case.real_recall.n_stars} stars)"
            )
    return [*lines, "", *_reasons(cases)]


def _plainly(value: Share) -> str:
    return f"{value.value:.3f} ({value.low:.2f}-{value.high:.2f})" if value.n else DASH


def _lead(cases: Mapping[str, Case]) -> str:
    study, honest = cases[STUDY], cases[HONEST]
    text = (
        f"Judged as the study judged it, the classifier scores "
        f"<b>{study.precision.value:.1%}</b> for O stars. Asked whether it recognises real O "
        f"stars that neither it nor its generator has seen, it finds "
        f"<b>{round(honest.real_recall.value * honest.real)} of {honest.real}</b>, "
        f"{honest.real_recall.value:.0%}, and of what it calls O there "
        f"{honest.precision.value:.0%} is O"
    )
    if KEPT_OUT in cases:
        kept = cases[KEPT_OUT]
        text += (
            f"; in libraries it has not seen it finds "
            f"<b>{round(kept.real_recall.value * kept.real)} of {kept.real}</b>, "
            f"{kept.real_recall.value:.0%}"
        )
    return f'<p class="lead">{text}.</p>'


def _tiles(cases: Mapping[str, Case]) -> str:
    study = cases[STUDY]
    tiles = [
        ("The study's O score", study.precision, f"precision; {study.synthetic} of "
         f"{study.synthetic + study.real} O test spectra synthetic"),
        ("Its real O alone", study.real_recall, f"recall; {study.real} spectra"),
    ]  # fmt: skip
    for name, title in ((HONEST, "Honest: other stars"), (KEPT_OUT, "Honest: other libraries")):
        if name in cases:
            case = cases[name]
            tiles.append((title, case.real_recall, f"recall; {case.real} real O spectra"))
    cells = "".join(
        f'<div class="tile"><span class="what">{title}</span><b>{share.value:.3f}</b>'
        f"<span>{interval(share)}</span><span>{said}</span></div>"
        for title, share, said in tiles
        if share.n
    )
    return f'<div class="tiles">{cells}</div>'


def _protocols(audit: Audit) -> str:
    c = audit.config
    rare = int((audit.real.type == RARE).sum())
    sources = ", ".join(sorted({str(s) for s in audit.real.survey[audit.real.type == RARE]}))
    rows = [
        ["the generator learns from", f"all {rare} real O spectra", "O stars of training alone"],
        ["synthetic spectra stand in", "training and test", "training alone"],
        ["spectra are dealt", "at random, by spectrum", "by star; or by library"],
        ["test and validation set", "are the same", "nothing is chosen on the test stars"],
        ["the O score is", "precision, off a matrix normalised by column",
         "recall of real O stars"],
    ]  # fmt: skip
    network = "as published" if c.as_published else "convolving along wavelength"
    return (
        f"<p>{len(audit.real):,} real spectra, up to {c.per_type} a type, brought to one "
        f"wavelength grid, resolution and broad shape; {rare} of them O ({escape(sources)}). The "
        f"O class is filled up to {c.per_type} with samples of the study's generative "
        f"adversarial network, its numerical faults mended ({c.gan_epochs:,} epochs). The "
        f"classifier is the study's four convolutions, {network}, with {c.dense:,} dense "
        f"units, {c.epochs} epochs.</p>"
        + table(("", "the study's protocol", "the honest one"), rows, caption="Two ways to judge.")
    )


def _scores(cases: Mapping[str, Case], figures: Mapping[str, str]) -> str:
    rows = [
        [TITLES[name], f"{case.real}", f"{case.synthetic}", share_text(case.precision),
         share_text(case.real_recall), share_text(case.false_alarms), share_text(case.accuracy)]
        for name in TITLES
        if (case := cases.get(name))
    ]  # fmt: skip
    head = ("", "real O in test", "synthetic O", "O precision", "recall of real O",
            "others called O", "types right")  # fmt: skip
    names = sorted({s for key, case in cases.items() if key != STUDY for s in case.libraries})
    shown = [key for key in TITLES if key in cases]
    per = [
        [name, *(share_text(cases[key].libraries[name]) if name in cases[key].libraries else DASH
                 for key in shown)]
        for name in names
    ]  # fmt: skip
    return (
        figure(figures, "scores", "Orange: the study's protocol. Blue: the honest one. Grey: the "
               "same networks without any synthetic spectrum in training.")
        + table(head, rows, caption="Small: 95 % intervals (Wilson), counting stars. The first "
                "precision is the study's figure.")
        + table(("library", *(SHORT[key] for key in shown)), per,
                caption="Recall of the real O spectra by where they come from.")
    )  # fmt: skip


def _reasons(cases: Mapping[str, Case]) -> list[str]:
    """The explanation, a paragraph each, of the numbers as they came out."""
    study, honest = cases[STUDY], cases[HONEST]
    total = study.synthetic + study.real
    made = study.synthetic / max(total, 1)
    reasons = [
        f"The test measures the generator. {study.synthetic} of the {total} O spectra in the "
        f"study's test set ({made:.0%}) are synthetic, from the same generator as those in "
        "training. To recognise them is to recognise the generator's hand, which any network "
        "learns; whether it knows an O star is hardly asked.",
        "The generator has seen the test. It was trained on every real O spectrum before they "
        "were dealt, so what training knows of the test stars reaches the network through the "
        "samples, even where the spectrum itself is kept back.",
        "Precision is not recall. A matrix normalised by column says how many of those called "
        "O are O. It does not fall when real O stars are missed, and it rises with every "
        "synthetic O that is put into the test.",
        f"Few real stars stand behind it. {study.real} real O spectra in the study's test set "
        f"allow an interval of {interval(study.real_recall)}; the synthetic ones make it look "
        f"as if {total} had been tested.",
    ]
    control = cases.get(HONEST + PLAIN)
    if control is not None:
        gain = honest.real_recall.value - control.real_recall.value
        reasons.append(
            f"Whether the samples help is another question, and this is its answer here: with "
            f"them the network finds {honest.real_recall.value:.0%} of the unseen O stars, "
            f"without {control.real_recall.value:.0%} ({gain:+.0%}; the intervals "
            f"{interval(honest.real_recall)} and {interval(control.real_recall)} "
            f"{'overlap' if _overlap(honest.real_recall, control.real_recall) else 'are apart'})."
        )
    return reasons


def _overlap(one: Share, two: Share) -> bool:
    return one.low <= two.high and two.low <= one.high


def _why(cases: Mapping[str, Case]) -> str:
    items = []
    for reason in _reasons(cases):
        first, _, rest = escape(reason).partition(". ")
        items.append(f"<li><b>{first}.</b> {rest}</li>" if rest else f"<li>{first}</li>")
    return f"<ol>{''.join(items)}</ol>"


def _matrices(cases: Mapping[str, Case], figures: Mapping[str, str]) -> str:
    return pair(
        figure(figures, "matrix-study", "The study's protocol, normalised by column: the framed "
               "column is its O score."),
        figure(figures, "matrix-honest", "The honest protocol, other stars, normalised by row: "
               "the framed row is what became of the real O stars."),
    )  # fmt: skip


def _prevalence(case: Case) -> str:
    alarms, recall = case.false_alarms, case.real_recall.value
    text = (
        "No test set with as many O stars as others tells what a survey will see. In the "
        f"survey's sixth release one star in {round(1 / PREVALENCE):,} is an O star. The honest "
        f"network calls {alarms.value:.2%} of other real stars O ({interval(alarms)})"
    )
    if not recall > 0:
        return f"<p>{text}, and recognised no real O star: among those called O none would be.</p>"
    worst = at_prevalence(recall, alarms.high)
    if not alarms.value > 0:
        return (
            f"<p>{text}: too few other stars to know how often it errs. The share of true O stars "
            f"among those called O is at least {percent(worst)}; nothing bounds it from above.</p>"
        )
    most = at_prevalence(recall, alarms.low) if alarms.low > 0 else 0.0
    upper = percent(most) if most else "an unknown upper bound"
    there = percent(at_prevalence(recall, alarms.value))
    return (
        f"<p>{text}; at that rate the share of true O stars among those called O would be "
        f"{there} ({percent(worst)} to {upper} within the interval). "
        "A list of candidates for the eye, not a catalogue.</p>"
    )


def _about(audit: Audit, about: Mapping[str, Any]) -> str:
    values = {**about, **{f"--{k.replace('_', '-')}": v for k, v in asdict(audit.config).items()}}
    said = (
        "<p>The study: a CNN for types O to M of LAMOST DR6 with a spectral GAN for the O class "
        "(2022); it reported 99 % for O, with 1,278 of its 1,400 O spectra synthetic. The honest "
        "folds together test every star once; intervals count stars. One seed: another gives other "
        "folds and samples.</p>"
    )
    return f"{said}{facts(values)}"
