"""The report on synthetic spectra: fidelity.json for machines, one fidelity.html for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import spectype
from spectype.core.files import check_writable_folder, write_json, write_text
from spectype.draw.canvas import SCREEN, Paper, illustrate
from spectype.draw.html import DASH, contents, document, facts, figure, number, pair, table
from spectype.fidelity import figures
from spectype.fidelity.distances import Copying, Coverage, Spread
from spectype.fidelity.judge import Evidence, Fidelity
from spectype.fidelity.sets import Comparison
from spectype.fidelity.two_sample import Auc
from spectype.fidelity.verdicts import AUC_LIMIT, COPYING_LEVEL, Verdict, verdicts
from spectype.judge.scores import plain
from spectype.judge.wording import code_text, share_text

_MARKS = {"met": ("✓", "#2c7a4b"), "missed": ("✗", "#a8461b"), "open": ("?", "#6b7480")}
_WORDS = {"met": "yes", "missed": "no", "open": "cannot be said"}
_KINDS = {"real": "real stars", "synthetic": "synthetic alone", "both": "real and synthetic"}


def write_page(
    folder: str | Path,
    judged: Sequence[tuple[Comparison, Fidelity, Evidence]],
    *,
    title: str,
    about: Mapping[str, Any],
    paper: Paper = SCREEN,
) -> Path:
    """Write fidelity.json, fidelity.html and figures/ as PDF and SVG.

    Parameters
    ----------
    folder : path-like
        Where to write; made if needed.
    judged : sequence of (Comparison, Fidelity, Evidence)
        What was compared and found, type by type.
    title : str
        Heading.
    about : mapping
        Printed as a list at the end.
    paper : Paper
        Width and resolution of the figures' files.

    Returns
    -------
    Path
        The page.
    """
    target = check_writable_folder(folder)
    details = {str(k): v for k, v in about.items()}
    details.setdefault("spectype", spectype.__version__)
    details.setdefault("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    sections, data = [], []
    for compared, found, evidence in judged:
        answers = verdicts(found)
        svgs = illustrate(
            partial(figures.draw_all, compared, found, evidence), target / "figures",
            paper=paper, prefix=f"{found.type}-",
        )  # fmt: skip
        sections.append((found, answers, svgs))
        answered = [{"question": v.question, "state": v.state, "text": v.text} for v in answers]
        data.append({**found.to_data(), "verdicts": answered})
    write_json(target / "fidelity.json", {"title": title, "about": plain(details), "types": data})
    page = target / "fidelity.html"
    write_text(page, render(sections, title=title, about=details))
    return page


def render(
    sections: Sequence[tuple[Fidelity, Sequence[Verdict], Mapping[str, str]]],
    *,
    title: str,
    about: Mapping[str, Any],
) -> str:
    """The page as text: what was found, the answers and the SVG figures of each type."""
    links, bodies = contents(
        (f"type-{found.type}", f"Type {found.type}", _section(found, answers, svgs))
        for found, answers, svgs in sections
    )
    return document(
        title,
        subtitle="Synthetic spectra beside real stars that the generator has never met.",
        header="<p>Synthetic spectra are judged by their light alone: each is given the gaps and "
        "the noise of a real spectrum drawn at random, and all are divided by their broad shape "
        "and compared only where real spectra have data, telluric bands left out. Intervals are "
        "95 % and count stars. Where the stars are too few to decide, the answer is that it "
        f'cannot be said.</p><nav>{links} <a href="#about">About</a></nav>',
        main=f'{bodies}<section id="about"><h2>About this report</h2>{facts(about)}</section>',
        css=".verdicts th, .verdicts td { white-space: normal; text-align: left; "
        "vertical-align: top; } .mark { font-weight: 700; white-space: nowrap; }",
    )


def _section(f: Fidelity, answers: Sequence[Verdict], svgs: Mapping[str, str]) -> str:
    blocks = (
        _lead(f), _verdicts(answers), _spectra(f, svgs), _two_sample(f, svgs), _copying(f, svgs),
        _variety(f), _lines(f, svgs), _transfer(f), _embedding(f, svgs),
    )  # fmt: skip
    return "".join(blocks)


def _lead(f: Fidelity) -> str:
    n = f.counts
    sources = ", ".join(f"{name or 'unnamed'} {count}" for name, count in f.surveys.items())
    text = (
        f"{n['synthetic spectra']} synthetic spectra, {n['training stars']} real stars that the "
        f"generator has learnt from, <b>{n['held-out stars']} held out</b>."
    )
    drawn = (
        "The synthetic spectra were drawn so that their subclasses are spread like those of the "
        "stars held out."
        if f.matched
        else "Not all synthetic spectra have a subclass, so their spread may differ from the "
        "real one."
    )
    return (
        f'<p class="lead">{text}</p><p class="note">Real stars by source: {escape(sources)}; '
        f"{n['stars of other types']} stars of neighbouring types from the same sources. {drawn}"
        "</p>"
    )


def _verdicts(answers: Sequence[Verdict]) -> str:
    rows = []
    for v in answers:
        mark, colour = _MARKS[v.state]
        said = f'<span class="mark" style="color:{colour}">{mark} {_WORDS[v.state]}</span>'
        rows.append([v.question, said, escape(v.text).replace("C_T", "C<sub>T</sub>")])
    shown = table(("question", "answer", "why"), rows, caption="")
    return f'<div class="verdicts">{shown}</div>'


def _spectra(f: Fidelity, svgs: Mapping[str, str]) -> str:
    real, made = f.scatter
    return "<h3>The spectra</h3>" + figure(
        svgs, "spectra",
        "Median (line) and 5–95 % (band) of real and synthetic spectra, in bins of 276 km/s; "
        "below, the lines that decide the type. Scatter from bin to bin: "
        f"{real:.4f} in real spectra, {made:.4f} in synthetic ones before noise was added.",
    )  # fmt: skip


def _two_sample(f: Fidelity, svgs: Mapping[str, str]) -> str:
    rows = [
        [one.name, *(_auc(_named(found, one.name)) for found in
                     (f.held_out, f.as_made, f.all_real, f.reference))]
        for one in sorted(f.held_out, key=lambda a: a.name)
    ]  # fmt: skip
    said = (
        "<p>Simple classifiers, fixed beforehand, learn "
        "to tell synthetic from real spectra and are scored on spectra, and stars, that they have "
        "not seen. 0.5: they cannot. 1: they always can. The strongest counts, which for few "
        "stars lies above 0.5 by chance; the last row, where real stars stand in for synthetic "
        f"spectra, shows by how much. The limit is {AUC_LIMIT} against held-out stars.</p>"
    )
    head = ("classifier", "held out", "as made", "all real", "real against real")
    return (
        "<h3>Can a classifier tell them apart?</h3>"
        + pair(f"<div>{said}</div>", figure(svgs, "two-sample", "Area under the curve (AUC)."))
        + table(head, rows, caption="AUC, 95 % interval: the wider of DeLong's and Newcombe's.")
    )


def _named(found: Sequence[Auc], name: str) -> Auc | None:
    return next((one for one in found if one.name == name), None)


def _auc(one: Auc | None) -> str:
    return DASH if one is None else _spread(Spread(one.value, one.low, one.high))


def _spread(s: Spread) -> str:
    to = DASH if s.low >= 0 else " … "
    text = f'{number(s.value)} <span class="ci">{s.low:.2f}{to}{s.high:.2f}</span>'
    return text.replace("-", "−") if s.low < 0 else text


def _copying(f: Fidelity, svgs: Mapping[str, str]) -> str:
    def row(name: str, c: Copying) -> list[str]:
        return [name, f"{c.statistic:+.2f}", f"{c.p_copying:.4f}", f"{c.p_remote:.4f}",
                f"{c.cells}", f"{c.n_test}", f"{c.n_synthetic}"]  # fmt: skip

    said = (
        "<h3>New spectra, or copies?</h3><p>A generator that copies makes spectra nearer to those "
        "it has learnt from than new stars are. The three-sample test of Meehan, Chaudhuri and "
        "Dasgupta (2020) compares these distances; p is by permutation. The same test of "
        "copies made on purpose says whether it could have found any: above "
        f"{COPYING_LEVEL:g} it could not, with so few stars.</p>"
    )
    head = ("", "statistic", "p copying", "p too far", "cells", "held out", "synthetic")
    rows = [row("synthetic", f.copying), row("copies on purpose", f.copies)]
    return (
        said
        + table(head, rows, caption="Far below 0: copies. Far above 0: remote.")
        + figure(svgs, "distances",
                 "Left: a curve of synthetic spectra far left of the held-out stars' means copies."
                 " Right: a narrower one than the stars' means too little variety.")
        + figure(svgs, "neighbours",
                 "Synthetic spectra with their nearest training spectrum and held-out star, "
                 "each lifted. Left column: those that look most like copies.")
    )  # fmt: skip


def _variety(f: Fidelity) -> str:
    def row(name: str, c: Coverage) -> list[str]:
        return [name, _spread(c.coverage), f"{c.expected:.2f}", _spread(c.density), f"{c.n}"]

    rows = [row("synthetic", f.coverage), row("real training stars", f.real_coverage)]
    head = ("", "coverage", "ideal", "density", "of each")
    return (
        "<h3>As varied as stars?</h3><p>Coverage is the share of held-out stars with another "
        f"spectrum among their {f.coverage.k} nearest neighbours, density how thickly these "
        "neighbourhoods are filled (ideal 1); Naeem et al. (2020). Two synthetic spectra lie "
        f"{f.diversity.value:.2f} ({f.diversity.low:.2f}–{f.diversity.high:.2f}) times as far "
        "apart as two held-out stars.</p>"
        + table(head, rows, caption="At equal numbers; ideal: two samples of one population.")
    )


def _lines(f: Fidelity, svgs: Mapping[str, str]) -> str:
    if not f.lines:
        return ""
    rows = []
    for line in f.lines:
        inside = "yes" if line.inside else '<b class="warn">no</b>'
        rows.append(
            [f"{line.name} [{line.unit}]" if line.unit else line.name, f"{line.n_real}",
             number(line.real_median), f"{number(line.real_low)} … {number(line.real_high)}",
             _spread(Spread(line.median, line.low, line.high)), inside, number(line.spread)]
        )  # fmt: skip
    head = ("line", "real", "median", "5–95 %", "synthetic median", "inside", "spread ratio")
    text = (
        "<h3>Line widths</h3><p>Equivalent widths, positive for absorption. A population of the "
        "right kind has its medians well within the real 5–95 % range and a spread ratio near "
        f"1. The real ones are {escape(f.lines_against)}.</p>"
        + table(head, rows, caption="Spread ratio: 5–95 % range of synthetic over real.")
        + figure(svgs, "widths", "Points: spectra. Bars: 5–95 %. Strokes: medians. "
                 "Orange titles: median outside the real range.")
    )  # fmt: skip
    text += _ratios(f, svgs)
    if f.correlations is not None:
        c = f.correlations
        verdict = "more than" if c.difference > c.by_chance else "no more than"
        text += figure(
            svgs, "correlations",
            "Spearman's rank correlations between lines: physics ties them together. Real and "
            f"synthetic differ by {c.difference:.2f} (root mean square), {verdict} two random "
            f"halves of the pooled spectra would ({c.by_chance:.2f}, 95 %).",
        )  # fmt: skip
    return text


def _ratios(f: Fidelity, svgs: Mapping[str, str]) -> str:
    if not f.ratios:
        return ""
    rows = [
        [r.name, f"{r.n_real}", f"{r.n_synthetic}", f"{r.inside:.2f}", f"{r.real_inside:.2f}",
         f"{r.offset:+.2f}".replace("-", "−")]
        for r in f.ratios
    ]  # fmt: skip
    head = ("ratio", "real", "synthetic", "inside", "real inside", "offset [dex]")
    return (
        "<h3>Ratios that tell the type</h3><p>Against the subclass. Inside: the share of synthetic "
        "spectra within the range of the real stars, learnt from or held out, within one subclass; "
        "beside it that of a real star within the range of the others.</p>"
        + table(head, rows, caption="Where both lines are wider than 0.05 Å.")
        + figure(svgs, "ratios", "Ratios of equivalent widths against the subclass.")
    )


def _transfer(f: Fidelity) -> str:
    rows = [
        [_KINDS[t.name], f"{t.n_train}", share_text(t.recall), share_text(t.precision),
         share_text(t.overall), code_text(t.subclass)]
        for t in f.transfer
    ]  # fmt: skip
    head = ("learnt from", "spectra", "recall", "precision", "all types", "mean |Δ|")
    back = f"Trained on real stars, it gives type {f.type} to {f.recognised.value:.0%} of the "
    back += "synthetic spectra"
    if f.recognised_code.n:
        back += f", {f.recognised_code.mean_abs:.1f} subclasses from those they were made for"
    return (
        "<h3>Train on synthetic, test on real, and the reverse</h3><p>A small classifier "
        f"(principal components, logistic regression) tells type {f.type} from its neighbours; "
        "only the spectra of the type itself are exchanged. Scored on held-out real stars. "
        f"{back}.</p>"
        + table(head, rows, caption=f"Recall, precision and subclass error of type {f.type}.")
    )


def _embedding(f: Fidelity, svgs: Mapping[str, str]) -> str:
    return "<h3>Among real stars</h3>" + figure(
        svgs, "embedding",
        "Principal components of real spectra; synthetic ones should lie where stars of "
        f"type {f.type} do, and fill that region.",
    )  # fmt: skip
