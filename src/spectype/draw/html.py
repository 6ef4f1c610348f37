"""Pieces of a report's page: numbers with their intervals, tables, figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from spectype.draw.canvas import TYPE_COLOURS

DASH = "–"


def ends(low: float, high: float, form: str = ".2f") -> str:
    """The ends of an interval: ``0.88–0.94``."""
    return f"{low:{form}}{DASH}{high:{form}}"


def estimate(value: float, interval: str, form: str = ".3f") -> str:
    """A number and, small, what bounds it."""
    return f'{value:{form}} <span class="ci">{interval}</span>'


def number(value: float, form: str = ".2f") -> str:
    """A number in a format; a dash where it is not finite."""
    return format(value, form) if np.isfinite(value) else DASH


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
