"""Pieces of a report's page: numbers with their intervals, tables, figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from spectype.judge.canvas import TYPE_COLOURS
from spectype.judge.metrics import CodeScore, Share

DASH = "–"


def share_text(value: Share) -> str:
    """A share with its interval: ``0.91 (0.88–0.94)``; a dash without a trial."""
    if not value.n:
        return DASH
    return f'{value.value:.3f} <span class="ci">{value.low:.2f}{DASH}{value.high:.2f}</span>'


def code_text(value: CodeScore) -> str:
    """A mean difference of codes with its interval; a dash without a pair."""
    if not value.n:
        return DASH
    interval = f"{value.low:.2f}{DASH}{value.high:.2f}" if np.isfinite(value.low) else "one star"
    return f'{value.mean_abs:.2f} <span class="ci">{interval}</span>'


def number(value: float, form: str = ".2f") -> str:
    """A number in a format; a dash where it is not finite."""
    return format(value, form) if np.isfinite(value) else DASH


def interval(value: Share) -> str:
    """The interval of a share."""
    return f"{value.low:.3f}{DASH}{value.high:.3f}"


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


def figure(figures: Mapping[str, str], name: str, caption: str) -> str:
    """A drawn figure with its caption; nothing if it was not drawn."""
    if name not in figures:
        return ""
    said = f"<figcaption>{escape(caption)}</figcaption>"
    return f"<figure>{figures[name]}{said}</figure>"


def pair(left: str, right: str) -> str:
    """Two blocks side by side where the page is wide enough."""
    return f'<div class="pair">{left}{right}</div>' if right else left


def mean_text(value: tuple[float, float, float]) -> str:
    """A mean with the ends of its interval."""
    mean, low, high = value
    return f'{mean:.3f} <span class="ci">{low:.2f}{DASH}{high:.2f}</span>'
