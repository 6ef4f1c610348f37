"""Figures of the audit: the scores side by side, the two matrices, what was synthesised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.lines import LINES
from spectype.draw.canvas import ACCENT, GREY, INK, SECOND, new_figure, style
from spectype.draw.spectrum import draw_lines
from spectype.judge.metrics import Share
from spectype.study.audit import Audit
from spectype.study.audit_scores import HONEST, KEPT_OUT, PLAIN, RARE, STUDY, Case

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_REGION = (3900.0, 5000.0)  # where O stars are typed [Angstrom]
_MARKED = ("H delta", "H gamma", "H beta", "He I 4471", "He II 4541", "He II 4686", "He II 4200")


def bars(cases: Mapping[str, Case]) -> list[tuple[str, str, Share, str]]:
    """Rows of the score figure: what, of what, share, colour."""
    study = cases[STUDY]
    rows = [
        ("The study's protocol: precision",
         f"{study.synthetic} synthetic and {study.real} real O in the test", study.precision,
         SECOND),
        ("the same network, its real O alone: recall", f"{study.real} real O in the test",
         study.real_recall, SECOND),
    ]  # fmt: skip
    for name, what in ((HONEST, "Stars never seen"), (KEPT_OUT, "Libraries never seen")):
        for key, how in ((name, "recall"), (name + PLAIN, "recall, trained without synthetic")):
            if key in cases:
                case = cases[key]
                rows.append((f"{what}: {how}", f"{case.real} real O in the test",
                             case.real_recall, ACCENT if key == name else GREY))  # fmt: skip
    return rows


def score_figure(cases: Mapping[str, Case]) -> Figure:
    """The O score of each way of judging, with its 95 % interval."""
    rows = bars(cases)
    with style():
        figure = new_figure(8.6, 0.52 * len(rows) + 0.9)
        axes = figure.add_subplot()
        for place, (_, _, share, colour) in enumerate(rows):
            axes.plot([share.low, share.high], [place] * 2, color=colour, lw=5, alpha=0.3,
                      solid_capstyle="round")  # fmt: skip
            axes.plot(share.value, place, "o", color=colour, ms=8)
            axes.annotate(f"{share.value:.2f}", (share.value, place), xytext=(0, 8), size=8.5,
                          textcoords="offset points", ha="center", color=INK)  # fmt: skip
        axes.set_yticks(range(len(rows)), [f"{what}\n{of}" for what, of, *_ in rows], size=8)
        axes.set_ylim(len(rows) - 0.5, -0.7)
        axes.set_xlim(-0.02, 1.03)
        axes.set_xlabel("score of the O class, with 95 % interval over stars")
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    return figure


def matrix_figure(counts: NDArray[np.int64], *, by_columns: bool) -> Figure:
    """A confusion matrix as the study normalised it (by columns) or by rows; O is framed."""
    from matplotlib.patches import Rectangle

    shown = counts[:, : len(mk.TYPES)]
    totals = shown.sum(axis=0 if by_columns else 1, keepdims=True)
    share = np.divide(shown, totals, out=np.zeros(shown.shape), where=totals > 0)
    place = mk.index(RARE)
    with style():
        figure = new_figure(4.6, 4.1)
        axes = figure.add_subplot()
        axes.imshow(share**0.6, cmap="Oranges" if by_columns else "Blues", vmin=0, vmax=1.15)
        for i, j in np.ndindex(shown.shape):
            if shown[i, j]:
                colour = "white" if share[i, j] > 0.45 else INK
                axes.text(j, i - 0.1, f"{share[i, j]:.2f}", ha="center", va="center", size=8.5,
                          color=colour)  # fmt: skip
                axes.text(j, i + 0.27, str(shown[i, j]), ha="center", va="center", size=6.5,
                          color=colour, alpha=0.8)  # fmt: skip
        edge = (place - 0.5, -0.5) if by_columns else (-0.5, place - 0.5)
        size = (1, len(mk.TYPES)) if by_columns else (len(mk.TYPES), 1)
        axes.add_patch(Rectangle(edge, *size, fill=False, ec=INK, lw=1.6))
        axes.set_xticks(range(len(mk.TYPES)), list(mk.TYPES))
        axes.set_yticks(range(len(mk.TYPES)), list(mk.TYPES))
        axes.xaxis.tick_top()
        axes.xaxis.set_label_position("top")
        axes.set_xlabel("predicted type" + (": each column adds up to 1" if by_columns else ""))
        axes.set_ylabel("true type" + ("" if by_columns else ": each row adds up to 1"))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    return figure


def spectra_figure(audit: Audit) -> Figure:
    """Real O spectra above, synthetic below, in the region where O stars are typed."""
    real = audit.real.take(np.flatnonzero(audit.real.type == RARE)[:: max(1, _n_rare(audit) // 3)])
    wave = audit.real.wave
    inside = (wave > _REGION[0]) & (wave < _REGION[1])
    groups = [
        (INK, [np.where(g, f, np.nan) for f, g in zip(real.flux[:3], real.good[:3])]),
        (SECOND, list(audit.samples[:3])),
    ]
    with style():
        figure = new_figure(8.6, 3.6)
        axes = figure.add_subplot()
        level = room = 0.0
        for (colour, group), name in zip(groups, ("real", "synthetic")):
            # Samples of a short training are noise: they need more room than spectra.
            before, room = room, max([0.3, *(5 * float(np.nanstd(f[inside])) for f in group)])
            for number, flux in enumerate(group):
                level -= max(room, before) if number == 0 else room
                axes.plot(wave[inside], flux[inside] - 1 + level, color=colour, lw=0.8)
                if number == 0:
                    axes.text(_REGION[1] + 8, level, name, color=colour, size=8.5, va="center")
        axes.set(xlim=(_REGION[0], _REGION[1] + 70), ylim=(level - 0.6 * room, 0.25))
        draw_lines(axes, sorted(map(LINES.__getitem__, _MARKED), key=lambda line: line.wave))
        axes.set_xlabel("vacuum wavelength at rest [Å]")
        axes.set_ylabel("flux over its broad shape, set apart")
        axes.set_yticks([])
    return figure


def _n_rare(audit: Audit) -> int:
    return int((audit.real.type == RARE).sum())
