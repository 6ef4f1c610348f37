"""The page of a report: one HTML file that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from spectype.core import mk
from spectype.judge.baselines import MethodScore
from spectype.judge.calibration import Detection, Sets
from spectype.judge.canvas import TYPE_COLOURS
from spectype.judge.metrics import ClassScore, CodeScore, Share
from spectype.judge.scores import Scores

FEW_STARS = 10  #: fewer stars than this allow no conclusion
_DASH = "–"


def render(
    scores: Scores,
    *,
    title: str,
    system_text: str,
    about: Mapping[str, Any],
    figures: Mapping[str, str],
    gallery: Sequence[tuple[str, Mapping[str, Any]]] = (),
    methods: Sequence[MethodScore] = (),
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
    """
    sections = [
        ("types", "By type", _types(scores, figures)),
        ("baselines", "Baselines", _baselines(methods)),
        ("subclass", "Subclass", _subclass(scores, figures)),
        ("snr", "Against signal to noise", _snr(scores, figures)),
        ("surveys", "By survey and library", _surveys(scores)),
        ("calibration", "Are the probabilities honest?", _calibration(scores, figures)),
        ("luminosity", "Luminosity class", _luminosity(scores, figures)),
        ("repeats", "Two exposures of one star", _repeats(scores)),
        ("training", "Training", _figure(figures, "training", "Accuracy and loss by epoch.")),
        ("mistakes", "The worst mistakes", _gallery(gallery)),
        ("about", "About this report", _about(about)),
    ]
    shown = [(key, name, body) for key, name, body in sections if body]
    links = " ".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in shown)
    bodies = "".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{body}</section>' for key, name, body in shown
    )
    css = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{css}</style></head><body><header>"
        f'<h1>{escape(title)}</h1><p class="system">Scored against {escape(system_text)}.</p>'
        f'<div class="spectrum-band"></div>{_summary(scores)}{_tiles(scores)}<nav>{links}</nav>'
        f"</header><main>{bodies}</main></body></html>\n"
    )


def share_text(value: Share) -> str:
    """A share with its interval: ``0.91 (0.88–0.94)``; a dash without a trial."""
    if not value.n:
        return _DASH
    return f'{value.value:.3f} <span class="ci">{value.low:.2f}{_DASH}{value.high:.2f}</span>'


def _code_text(value: CodeScore) -> str:
    if not value.n:
        return _DASH
    interval = f"{value.low:.2f}{_DASH}{value.high:.2f}" if np.isfinite(value.low) else "one star"
    return f'{value.mean_abs:.2f} <span class="ci">{interval}</span>'


def _number(value: float, form: str = ".2f") -> str:
    return format(value, form) if np.isfinite(value) else _DASH


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
        ("Types right", f"{s.accuracy.value:.3f}", _interval(s.accuracy), _stars(s.accuracy)),
        ("Mean recall", f"{mean:.3f}", f"{low:.3f}{_DASH}{high:.3f}",
         f"over {sum(t.recall.n > 0 for t in s.types)} types"),
    ]  # fmt: skip
    if s.subclass.n:
        c = s.subclass
        tiles.append(("Subclass error", f"{c.mean_abs:.2f}", f"{c.low:.2f}{_DASH}{c.high:.2f}",
                      f"mean |Δ|, {c.n_stars:,} stars"))  # fmt: skip
    if s.luminosity:
        f1 = [x.f1 for x in s.luminosity if x.recall.n]
        n = sum(x.recall.n_stars for x in s.luminosity)
        tiles.append(("Luminosity F1", f"{np.nanmean(f1):.3f}", f"over {len(f1)} classes",
                      f"{n:,} stars"))  # fmt: skip
    if s.bins:
        tiles.append(("Calibration error", f"{s.calibration_error:.3f}", "0 is perfect",
                      f"log loss {_number(s.log_loss, '.3f')}"))  # fmt: skip
    if s.sets is not None:
        c2 = s.sets.coverage
        tiles.append(("Set coverage", f"{c2.value:.3f}", _interval(c2),
                      f"{s.sets.mean_size:.2f} types a set"))  # fmt: skip
    if s.repeats.agreement.n:
        r = s.repeats.agreement
        tiles.append(("Repeats agree", f"{r.value:.3f}", _interval(r),
                      f"{r.n} pairs of {r.n_stars} stars"))  # fmt: skip
    cells = "".join(
        f'<div class="tile"><span class="what">{a}</span><b>{b}</b><span>{c}</span>'
        f"<span>{d}</span></div>"
        for a, b, c, d in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _interval(value: Share) -> str:
    return f"{value.low:.3f}{_DASH}{value.high:.3f}"


def _stars(value: Share) -> str:
    return f"{value.n:,} spectra, {value.n_stars:,} stars"


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, colours: bool = False
) -> str:
    """A table; the first cell of a row heads it, with the colour of its type if asked."""
    body = ""
    for name, *cells in rows:
        dot = (
            f'<span class="dot" style="background:{TYPE_COLOURS[name]}"></span>'
            if colours and name in TYPE_COLOURS
            else ""
        )
        body += f'<tr><th scope="row">{dot}{escape(name)}</th>'
        body += "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    headings = "".join(f'<th scope="col">{escape(h)}</th>' for h in head)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{headings}'
        f"</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _figure(figures: Mapping[str, str], name: str, caption: str) -> str:
    if name not in figures:
        return ""
    said = f"<figcaption>{escape(caption)}</figcaption>"
    return f"<figure>{figures[name]}{said}</figure>"


def _pair(left: str, right: str) -> str:
    """Two blocks side by side where the page is wide enough."""
    return f'<div class="pair">{left}{right}</div>' if right else left


def _class_rows(scores: Iterable[ClassScore]) -> list[list[str]]:
    return [
        [c.name, f"{c.recall.n:,}", f"{c.recall.n_stars:,}", share_text(c.recall),
         share_text(c.precision), _number(c.f1, ".3f")]
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
        + _pair(
            _figure(figures, "confusion-matrix",
                    "Each row is the fate of the spectra of one true type; small: counts."),
            _figure(figures, "recall-by-type", "Recall and precision with 95 % intervals."),
        )
    )  # fmt: skip


def _baselines(methods: Sequence[MethodScore]) -> str:
    if len(methods) < 2:
        return ""
    shown = [i for i, t in enumerate(methods[0].types) if t.recall.n]
    rows = [
        ["types right", *_best_bold((m.accuracy.value, share_text(m.accuracy)) for m in methods)],
        ["mean recall",
         *_best_bold((m.mean_recall[0], _mean_text(m.mean_recall)) for m in methods)],
        ["mean |Δ|", *_best_bold((-m.subclass.mean_abs, _code_text(m.subclass)) for m in methods)],
    ]  # fmt: skip
    for i in shown:
        recalls = [m.types[i].recall for m in methods]
        cells = _best_bold((recall.value, share_text(recall)) for recall in recalls)
        rows.append([methods[0].types[i].name, *cells])
    head = ("", *(m.name for m in methods))
    return (
        "<p>Simpler methods, trained on the same stars and scored on the same test stars. They "
        "are given the survey's redshift where it has one; the network is not.</p>"
        + table(
            head,
            rows,
            caption="Letters: recall of the type. The best of each row in bold.",
            colours=True,
        )
        + f"<p>{_beaten(methods)}</p>"
    )


def _mean_text(value: tuple[float, float, float]) -> str:
    mean, low, high = value
    return f'{mean:.3f} <span class="ci">{low:.2f}{_DASH}{high:.2f}</span>'


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
        [name, f"{c.n:,}", f"{c.n_stars:,}", _code_text(c), _number(c.median_abs),
         f"{c.bias:+.2f}", f"{c.within_one:.2f}", f"{c.within_two:.2f}"]
        for name, c in [("all", s.subclass), *s.subclass_by_type.items()]
        if c.n
    ]  # fmt: skip
    head = ("type", "spectra", "stars", "mean |Δ|", "median |Δ|", "bias", "≤ 1", "≤ 2")
    return (
        "<p>Differences of the decimal subclass, predicted minus true, in subclasses; from F9 "
        "to G0 is one. A positive bias is a type too late.</p>"
        + _pair(
            table(head, rows, caption="≤ 1, ≤ 2: shares within so many subclasses.", colours=True),
            _figure(figures, "subclass", "Predicted against true subclass."),
        )
    )


def _snr(s: Scores, figures: Mapping[str, str]) -> str:
    if not s.snr:
        return ""
    rows = [
        [f"{b.low:g}{_DASH}{b.high:g}" if np.isfinite(b.high) else f"above {b.low:g}",
         f"{b.accuracy.n:,}", f"{b.accuracy.n_stars:,}", share_text(b.accuracy),
         _code_text(b.code), _number(b.code.median_abs)]
        for b in s.snr
    ]  # fmt: skip
    head = ("S/N", "spectra", "stars", "types right", "mean |Δ|", "median |Δ|")
    counted = sum(b.accuracy.n for b in s.snr)
    return _pair(
        table(head, rows, caption=f"{counted:,} of {s.spectra:,} spectra have a known S/N."),
        _figure(figures, "signal-to-noise", "Types right and subclass error by S/N."),
    )


def _surveys(s: Scores) -> str:
    if not any(s.surveys):
        return ""
    rows = [
        [name or "(unknown)", f"{right.n:,}", f"{right.n_stars:,}", share_text(right),
         _code_text(code), f"{code.bias:+.2f}" if code.n else _DASH]
        for name, (right, code) in s.surveys.items()
    ]  # fmt: skip
    head = ("survey", "spectra", "stars", "types right", "mean |Δ|", "bias")
    return table(head, rows, caption="Each with its own labels and its own mixture of types.")


def _calibration(s: Scores, figures: Mapping[str, str]) -> str:
    if not s.bins:
        return _sets(s.sets) + _strangers(s.strangers)
    drawn = _figure(figures, "calibration", "Stated probability against the share that is right.")
    said = (
        "<p>Of all spectra typed with a probability near 0.8, 80 % should be right. Points below "
        "the diagonal are boasts, points above are modesty.</p>"
    )
    return said + _pair(drawn, f"<div>{_sets(s.sets)}{_strangers(s.strangers)}</div>")


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


def _luminosity(s: Scores, figures: Mapping[str, str]) -> str:
    if not s.luminosity:
        return ""
    said = "Of spectra whose luminosity class is known."
    return _pair(
        table(("class", *_CLASS_HEAD), _class_rows(s.luminosity), caption=said),
        _figure(figures, "luminosity", "By rows, as above."),
    )


def _repeats(s: Scores) -> str:
    if not s.repeats.agreement.n:
        return ""
    rows = [
        [name, f"{r.agreement.n:,}", f"{r.agreement.n_stars:,}", share_text(r.agreement),
         _number(r.mean_abs), _number(r.median_abs)]
        for name, r in (("predicted", s.repeats), ("labels", s.label_repeats))
        if r.agreement.n
    ]  # fmt: skip
    head = ("", "pairs", "stars", "same type", "mean |Δ|", "median |Δ|")
    return (
        "<p>A star does not change its type between two exposures. This test needs no label; "
        "the labels' own agreement on the same pairs bounds any score against them.</p>"
        + table(head, rows, caption="Pairs of spectra of one star in one survey.")
    )


def _gallery(gallery: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    if not gallery:
        return ""
    cards = ""
    for svg, row in gallery:
        true = mk.format_code(_float(row.get("true_code"))) or str(row["true_type"])
        where = row.get("path") or f"row {row.get('row')}"
        snr = _float(row.get("snr"))
        facts = [f"probability {_float(row.get('type_probability')):.2f}"]
        facts += [f"S/N {snr:.0f}"] if np.isfinite(snr) else []
        facts += [str(row["survey"])] if row.get("survey") else []
        facts += [str(row["flag_names"]).lower().replace("_", " ")] if row.get("flag_names") else []
        cards += (
            f"<figure>{svg}<figcaption><b>{escape(true)} taken for "
            f"{escape(str(row.get('subclass') or row['type']))}</b>, "
            f"{escape(', '.join(facts))}<br>{escape(str(where))}</figcaption></figure>"
        )
    return (
        "<p>Wrong types, one a star, by distance in subclasses times the probability claimed. "
        "Lines of the true and of the predicted type are named. Some of these will be wrong "
        f'labels.</p><div class="gallery">{cards}</div>'
    )


def _about(about: Mapping[str, Any]) -> str:
    items = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in about.items())
    return f"<dl>{items}</dl>"


def _float(value: Any) -> float:
    return float("nan") if value is None else float(value)
