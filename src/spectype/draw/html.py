"""Pieces of a report's page: numbers with their intervals, tables, figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

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


def contents(parts: Iterable[tuple[str, str, str]]) -> tuple[str, str]:
    """Links to the parts (anchor, heading, body) of a page, and the parts themselves."""
    there = list(parts)
    links = " ".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in there)
    bodies = "".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{body}</section>' for key, name, body in there
    )
    return links, bodies


def facts(about: Mapping[str, object]) -> str:
    """A list of names and values; a mapping's own in words, nothing of what is empty."""
    items = "".join(
        f"<dt>{escape(str(name))}</dt><dd>{escape(_words(value))}</dd>"
        for name, value in about.items()
        if value not in (None, "", (), [], {})
    )
    return f"<dl>{items}</dl>"


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items())
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_words, value))
    return str(value)


def flags_in_words(names: object) -> str:
    """Names of flags as a page says them: ``low snr, partial coverage``."""
    return ", ".join(name.lower().replace("_", " ") for name in str(names or "").split())


def document(title: str, *, subtitle: str, header: str, main: str, css: str = "") -> str:
    """A whole page that needs no other file.

    Parameters
    ----------
    title : str
        Plain text.
    subtitle, header, main : str
        HTML: the line under the title, what stands above the parts, and the parts.
    css : str
        Rules beside those of every page.
    """
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8") + css
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><header>"
        f'<h1>{escape(title)}</h1><p class="system">{subtitle}</p>'
        f'<div class="spectrum-band"></div>{header}</header><main>{main}</main></body></html>\n'
    )
