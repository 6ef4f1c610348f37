"""The page of a report: one HTML file that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from spectype.core import mk
from spectype.draw.html import (
    DASH,
    contents,
    document,
    facts,
    figure,
    flags_in_words,
    number,
    pair,
    table,
)
from spectype.judge.method_scores import MethodScore
from spectype.judge.metrics import ClassScore, Share
from spectype.judge.page_trust import (
    calibration_section,
    repeats_section,
    strangers_section,
    stress_section,
)
from spectype.judge.scores import Scores
from spectype.judge.strangers import Flagged
from spectype.judge.stress import StressScore
from spectype.judge.wording import code_text, interval, mean_text, share_text

FEW_STARS = 10  #: fewer stars than this allow no conclusion


def render(
    scores: Scores,
    *,
    title: str,
    system_text: str,
    about: Mapping[str, Any],
    figures: Mapping[str, str],
    gallery: Sequence[tuple[str, Mapping[str, Any]]] = (),
    methods: Sequence[MethodScore] = (),
    stresses: Sequence[StressScore] = (),
    strangers: Sequence[Flagged] = (),
) -> str:
    """The page as text.

    Parameters
    ----------
    scores : Scores
        What to show.
    title, system_text : str
        Heading, and the system of the labels in words.
    about : mapping
        Printed as a list at the end.
    figures : mapping of str to str
        SVG elements by name, as `report.draw_figures` names them.
    gallery : sequence of (str, mapping)
        SVG element and row of the predictions of each mistake.
    methods : sequence of MethodScore
        The run and the baselines, the run first.
    stresses : sequence of StressScore
        What noise, cuts, motion, dust and blur cost.
    strangers : sequence of Flagged
        Shares flagged of what is no normal star, and of normal stars.
    """
    sections = [
        ("types", "By type", _types(scores, figures)),
        ("baselines", "Baselines", _baselines(methods)),
        ("subclass", "Subclass", _subclass(scores, figures)),
        ("snr", "Against signal to noise", _snr(scores, figures)),
        ("surveys", "By survey and library", _surveys(scores)),
        ("stress", "Under worse conditions", stress_section(stresses, scores.types)),
        ("strangers", "What is no normal star", strangers_section(strangers)),
        ("calibration", "Are the probabilities honest?", calibration_section(scores, figures)),
        ("luminosity", "Luminosity class", _luminosity(scores, figures)),
        ("repeats", "Two exposures of one star", repeats_section(scores)),
        ("training", "Training", figure(figures, "training", "Accuracy and loss by epoch.")),
        ("mistakes", "The worst mistakes", _gallery(gallery)),
        ("about", "About this report", _about(about)),
    ]
    links, bodies = contents((key, name, body) for key, name, body in sections if body)
    return document(
        title,
        subtitle=f"Scored against {escape(system_text)}.",
        header=f"{_summary(scores)}{_tiles(scores)}<nav>{links}</nav>",
        main=bodies,
    )


def _summary(s: Scores) -> str:
    seen = [t for t in s.types if t.recall.n]
    solid = [t for t in seen if t.recall.n_stars >= FEW_STARS]
    text = (
        f"{s.spectra:,} spectra of {s.stars:,} stars. The type is right for "
        f"<b>{s.accuracy.value:.1%}</b> of the spectra; averaged over the types, whatever their "
        f"numbers, for <b>{s.mean_recall[0]:.1%}</b>."
    )
    if s.subclass.n:
        text += f" The subclass is off by <b>{s.subclass.mean_abs:.2f}</b> on average."
    if solid:
        worst = min(solid, key=lambda t: t.recall.value)
        text += (
            f" The weakest type with {FEW_STARS} stars or more is {worst.name}: "
            f"{worst.recall.value:.1%} of {worst.recall.n} spectra are recognised."
        )
    thin = [f"{t.name} ({t.recall.n_stars})" for t in seen if t.recall.n_stars < FEW_STARS]
    absent = [t.name for t in s.types if not t.recall.n]
    warn = ""
    if thin:
        warn += f"Fewer than {FEW_STARS} stars: {', '.join(thin)}; their scores decide nothing. "
    if absent:
        warn += f"Not in the test set: {', '.join(absent)}. "
    if s.untyped:
        warn += f"{s.untyped} spectra were given no type and count as misses. "
    return f'<p class="lead">{text}</p>' + (f'<p class="note warn">{warn}</p>' if warn else "")


def _tiles(s: Scores) -> str:
    mean, low, high = s.mean_recall
    tiles = [
        ("Types right", f"{s.accuracy.value:.3f}", interval(s.accuracy), _stars(s.accuracy)),
        ("Mean recall", f"{mean:.3f}", f"{low:.3f}{DASH}{high:.3f}",
         f"over {sum(t.recall.n > 0 for t in s.types)} types"),
    ]  # fmt: skip
    if s.subclass.n:
        c = s.subclass
        tiles.append(("Subclass error", f"{c.mean_abs:.2f}", f"{c.low:.2f}{DASH}{c.high:.2f}",
                      f"mean |Δ|, {c.n_stars:,} stars"))  # fmt: skip
    if np.isfinite(s.luminosity_f1[0]):
        mean, low, high = s.luminosity_f1
        tiles.append(("Luminosity F1", f"{mean:.3f}", f"{low:.3f}{DASH}{high:.3f}",
                      "I, III, V of libraries"))  # fmt: skip
    if s.bins:
        tiles.append(("Calibration error", f"{s.calibration_error:.3f}", "0 is perfect",
                      f"log loss {number(s.log_loss, '.3f')}"))  # fmt: skip
    if s.sets is not None:
        c2 = s.sets.coverage
        tiles.append(("Set coverage", f"{c2.value:.3f}", interval(c2),
                      f"{s.sets.mean_size:.2f} types a set"))  # fmt: skip
    if s.repeats.agreement.n:
        r = s.repeats.agreement
        tiles.append(("Repeats agree", f"{r.value:.3f}", interval(r),
                      f"{r.n} pairs of {r.n_stars} stars"))  # fmt: skip
    cells = "".join(
        f'<div class="tile"><span class="what">{a}</span><b>{b}</b><span>{c}</span>'
        f"<span>{d}</span></div>"
        for a, b, c, d in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _stars(value: Share) -> str:
    return f"{value.n:,} spectra, {value.n_stars:,} stars"


def _class_rows(scores: Iterable[ClassScore]) -> list[list[str]]:
    return [
        [c.name, f"{c.recall.n:,}", f"{c.recall.n_stars:,}", share_text(c.recall),
         share_text(c.precision), number(c.f1, ".3f")]
        for c in scores
        if c.recall.n or c.precision.n
    ]  # fmt: skip


_CLASS_HEAD = ("spectra", "stars", "recall", "precision", "F1")


def _types(s: Scores, figures: Mapping[str, str]) -> str:
    return (
        "<p>Recall is the share of a type's spectra that are recognised; precision the share of "
        "those called by its name that belong to it. Intervals are 95 % (Wilson) and count "
        "stars, not spectra: exposures of one star are not independent. Precision depends on "
        "how many of each type are in the test set, and says little about a survey with "
        "other proportions.</p>"
        + table(
            ("type", *_CLASS_HEAD),
            _class_rows(s.types),
            colours=True,
            caption=f"Macro-F1 {s.macro_f1:.3f}.",
        )
        + pair(
            figure(figures, "confusion-matrix",
                    "Each row is the fate of the spectra of one true type; small: counts."),
            figure(figures, "recall-by-type", "Recall and precision with 95 % intervals."),
        )
    )  # fmt: skip


_REFERENCE = (
    "<p>The reference CNN is the 2022 study's, convolving along wavelength and without the "
    "redshift, at the size that its name says; the study had 140 epochs and a dense layer of "
    "11,500. It gives no subclass.</p>"
)


def _baselines(methods: Sequence[MethodScore]) -> str:
    if len(methods) < 2:
        return ""
    shown = [i for i, t in enumerate(methods[0].types) if t.recall.n]
    rows = [
        ["types right", *_best_bold((m.accuracy.value, share_text(m.accuracy)) for m in methods)],
        ["mean recall",
         *_best_bold((m.mean_recall[0], mean_text(m.mean_recall)) for m in methods)],
        ["mean |Δ|", *_best_bold((-m.subclass.mean_abs, code_text(m.subclass)) for m in methods)],
    ]  # fmt: skip
    for i in shown:
        recalls = [m.types[i].recall for m in methods]
        cells = _best_bold((recall.value, share_text(recall)) for recall in recalls)
        rows.append([methods[0].types[i].name, *cells])
    head = ("", *(m.name for m in methods))
    return (
        "<p>Simpler methods, trained on the same stars and scored on the same test stars. They "
        "are given the survey's redshift where it has one; the network is not.</p>"
        + (_REFERENCE if any(m.name.startswith("reference CNN") for m in methods) else "")
        + table(
            head,
            rows,
            caption="Letters: recall of the type. The best of each row in bold.",
            colours=True,
        )
        + f"<p>{_beaten(methods)}</p>"
    )


def _best_bold(values: Iterable[tuple[float, str]]) -> list[str]:
    cells = list(values)
    best = max((value for value, _ in cells if np.isfinite(value)), default=np.inf)
    return [f"<b>{text}</b>" if value == best else text for value, text in cells]


def _beaten(methods: Sequence[MethodScore]) -> str:
    """Where a baseline is better than the run, in words."""
    ours, others = methods[0], methods[1:]
    lost = []
    for i, one in enumerate(ours.types):
        if one.recall.n:
            best = max(others, key=lambda m: m.types[i].recall.value)
            value = best.types[i].recall.value
            if value > one.recall.value:
                lost.append(f"{one.name} ({best.name}: {value:.3f} against {one.recall.value:.3f})")
    if lost:
        return escape(f"A simpler method recognises more of: {', '.join(lost)}.")
    return "No simpler method recognises more of any type."


def _subclass(s: Scores, figures: Mapping[str, str]) -> str:
    if not s.subclass.n:
        return ""
    rows = [
        [name, f"{c.n:,}", f"{c.n_stars:,}", code_text(c), number(c.median_abs),
         f"{c.bias:+.2f}", f"{c.within_one:.2f}", f"{c.within_two:.2f}"]
        for name, c in [("all", s.subclass), *s.subclass_by_type.items()]
        if c.n
    ]  # fmt: skip
    head = ("type", "spectra", "stars", "mean |Δ|", "median |Δ|", "bias", "≤ 1", "≤ 2")
    without = ", ".join(name for name, c in s.subclass_by_type.items() if not c.n)
    note = f" No test star of {without} has a labelled subclass to compare." if without else ""
    return (
        "<p>Differences of the decimal subclass, predicted minus true, in subclasses; from F9 "
        f"to G0 is one. A positive bias is a type too late.{note}</p>"
        + pair(
            table(head, rows, caption="≤ 1, ≤ 2: shares within so many subclasses.", colours=True),
            figure(figures, "subclass", "Predicted against true subclass."),
        )
    )


def _snr(s: Scores, figures: Mapping[str, str]) -> str:
    if not s.snr:
        return ""
    rows = [
        [f"{b.low:g}{DASH}{b.high:g}" if np.isfinite(b.high) else f"above {b.low:g}",
         f"{b.accuracy.n:,}", f"{b.accuracy.n_stars:,}", share_text(b.accuracy),
         code_text(b.code), number(b.code.median_abs),
         DASH if b.coverage is None else share_text(b.coverage)]
        for b in s.snr
    ]  # fmt: skip
    head = ("S/N", "spectra", "stars", "types right", "mean |Δ|", "median |Δ|", "set coverage")
    counted = sum(b.accuracy.n for b in s.snr)
    return pair(
        table(head, rows, caption=f"{counted:,} of {s.spectra:,} spectra have a known S/N."),
        figure(figures, "signal-to-noise", "Types right and subclass error by S/N."),
    )


def _surveys(s: Scores) -> str:
    if not any(s.surveys):
        return ""
    rows = [
        [name or "(unknown)", f"{right.n:,}", f"{right.n_stars:,}", share_text(right),
         code_text(code), f"{code.bias:+.2f}" if code.n else DASH]
        for name, (right, code) in s.surveys.items()
    ]  # fmt: skip
    head = ("survey", "spectra", "stars", "types right", "mean |Δ|", "bias")
    return table(head, rows, caption="Each with its own labels and its own mixture of types.")


def _luminosity(s: Scores, figures: Mapping[str, str]) -> str:
    if not s.luminosity:
        return ""
    said = "Of spectra whose luminosity class is known."
    mean, low, high = s.luminosity_f1
    macro = (
        f"<p>Macro-F1 over I, III and V, of the libraries' stars alone, whose classes experts "
        f'gave: <b>{mean:.3f}</b> <span class="ci">{low:.2f}{DASH}{high:.2f}</span>.</p>'
    )
    return (macro if np.isfinite(mean) else "") + pair(
        table(("class", *_CLASS_HEAD), _class_rows(s.luminosity), caption=said),
        figure(figures, "luminosity", "By rows, as above."),
    )


def _gallery(gallery: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    if not gallery:
        return ""
    cards = ""
    for svg, row in gallery:
        true = mk.format_code(_float(row.get("true_code"))) or str(row["true_type"])
        where = row.get("path") or f"row {row.get('row')}"
        snr = _float(row.get("snr"))
        said = [f"probability {_float(row.get('type_probability')):.2f}"]
        said += [f"S/N {snr:.0f}"] if np.isfinite(snr) else []
        said += [str(row["survey"])] if row.get("survey") else []
        said += [flags_in_words(row["flag_names"])] if row.get("flag_names") else []
        cards += (
            f"<figure>{svg}<figcaption><b>{escape(true)} taken for "
            f"{escape(str(row.get('subclass') or row['type']))}</b>, "
            f"{escape(', '.join(said))}<br>{escape(str(where))}</figcaption></figure>"
        )
    return (
        "<p>Wrong types, one a star, by distance in subclasses times the probability claimed. "
        "Lines of the true and of the predicted type are named. Some of these will be wrong "
        f'labels.</p><div class="gallery">{cards}</div>'
    )


def _about(about: Mapping[str, Any]) -> str:
    return facts(about)


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)
