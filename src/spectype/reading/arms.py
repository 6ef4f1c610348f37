"""Pieces of spectra: arms and orders of one star are joined, stars stay apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from spectype.reading.clean import Part
from spectype.reading.layout import COVER, cover
from spectype.reading.names import is_arm

# Names that number things and do not name stars.
_NUMBERED = re.compile(
    r"(?i)\b(spec(trum)?|table|arm|order|ext(ension)?|chip|ccd|flux|sci)[\W_]?\d*\b"
)


def gather(pieces: Sequence[list[Part]]) -> list[Part]:
    """Parts in the order of the file, arms of one star joined.

    Parameters
    ----------
    pieces : sequence of list of Part
        For each flux array of the file its parts; arms have equally many spectra.
    """
    pieces = [piece for piece in pieces if piece]
    if len(pieces) == 1:
        return _orders(pieces[0])
    groups: dict[tuple[str, str], list[int]] = {}
    numbered = _are_arms(pieces)
    for i, piece in enumerate(pieces):
        name = _NUMBERED.sub("", piece[0].name) if numbered else piece[0].name
        groups.setdefault((_stem(name), _object(piece)), []).append(i)
    done: list[tuple[int, list[Part]]] = []
    for members in groups.values():
        together = [pieces[i] for i in members]
        if len(members) > 1 and _are_arms(together):
            done.append((members[0], _join_rows(together)))
        else:
            done += [(i, pieces[i]) for i in members]
    return [part for _, parts in sorted(done, key=lambda pair: pair[0]) for part in parts]


def _stem(name: str) -> str:
    """A name without the word that tells the arm."""
    words = [w for w in re.split(r"[\W_]+", name) if w]
    rest = [w for w in words if not is_arm(w)]
    stem = " ".join(rest)
    return (
        re.sub(r"(?i)(blue|red|uvb|vis|nir)$", "", stem).lower()
        if len(rest) == len(words)
        else stem.lower()
    )


def _object(piece: list[Part]) -> str:
    names = [part.meta.get("object", [None])[0] for part in piece]
    return "" if len(set(names)) > 1 else str(names[0] or "")


def _are_arms(pieces: Sequence[list[Part]]) -> bool:
    """Whether pieces have as many spectra each, on ranges that hardly overlap."""
    if len({sum(map(len, piece)) for piece in pieces}) > 1:
        return False
    if any(len(_names(piece)) > 1 for piece in pieces) and len({_names(p) for p in pieces}) > 1:
        return False
    return cover([_span(piece[0]) for piece in pieces]) > COVER


def _span(part: Part) -> tuple[float, float]:
    """The range of wavelengths of the pixels that hold a flux."""
    lit = np.isfinite(part.flux) & (part.flux != 0) & (part.ivar > 0)
    index = np.flatnonzero(lit.any(axis=0))
    ends = part.wave[index[[0, -1]]] if index.size else part.wave[[0, -1]]
    return float(ends[0]), float(ends[1])


def _names(piece: list[Part]) -> tuple[str, ...]:
    """The names of the spectra of a piece, where they have different ones."""
    names = tuple(str(v) for part in piece for v in part.meta.get("object", [None] * len(part)))
    return names if len(set(names)) > 1 else names[:1]


def _join_rows(pieces: Sequence[list[Part]]) -> list[Part]:
    """Spectrum by spectrum the arms of `pieces`."""
    if len({tuple(map(len, piece)) for piece in pieces}) > 1:
        pieces = [[row for part in piece for row in _single(part)] for piece in pieces]
    return [join(arms) for arms in zip(*pieces)]


def _single(part: Part) -> list[Part]:
    return [
        Part(
            wave=part.wave,
            flux=part.flux[i : i + 1],
            ivar=part.ivar[i : i + 1],
            has_errors=part.has_errors,
            frame=part.frame,
            name=part.name,
            meta={name: values[i : i + 1] for name, values in part.meta.items()},
            notes=list(part.notes),
        )
        for i in range(len(part))
    ]


def _orders(parts: list[Part]) -> list[Part]:
    """One spectrum where the rows of a table or image are the orders of one, else `parts`."""
    if len(parts) < 2 or any(len(part) > 1 for part in parts) or len(_names(parts)) > 1:
        return parts
    ids = {str(part.meta.get("obsid", [None])[0]) for part in parts}
    if len(ids) > 1 or cover([(part.wave[0], part.wave[-1]) for part in parts]) < COVER:
        return parts
    return [join(parts)]


def join(arms: Sequence[Part]) -> Part:
    """One part from arms of the same spectra; wavelengths sorted, equal ones averaged."""
    arms = sorted(arms, key=lambda arm: arm.wave[0])
    has_errors = all(arm.has_errors for arm in arms)
    edges = ", ".join(f"{arm.wave[0]:.0f}-{arm.wave[-1]:.0f}" for arm in arms)
    notes = [note for arm in arms for note in arm.notes]
    if any(arm.has_errors for arm in arms) and not has_errors:
        notes.append("errors of some arms only: not used")
    meta: dict[str, list[object]] = {}
    for arm in reversed(arms):
        meta |= {
            k: v for k, v in arm.meta.items() if any(x is not None for x in v) or k not in meta
        }
    joined = Part(
        wave=np.concatenate([arm.wave for arm in arms]),
        flux=np.concatenate([arm.flux for arm in arms], axis=1),
        ivar=np.concatenate(
            [arm.ivar if has_errors else (arm.ivar > 0).astype(float) for arm in arms], axis=1
        ),
        has_errors=has_errors,
        frame=arms[0].frame,
        name=arms[0].name,
        meta=meta,
        notes=[*dict.fromkeys(notes), f"{len(arms)} arms joined: {edges} A"],
    )
    joined.sort()
    return joined
