"""Figures of a generator in training: samples beside real spectra, losses, similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.draw.canvas import ACCENT, INK, PALE, SECOND, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from spectype.generate.gan_training import Snapshot


def draw(snapshot: Snapshot) -> None:
    """Write ``figures/samples-NNNNNN.png`` and ``figures/curves.png`` of a training."""
    folder = Path(snapshot.folder) / "figures"
    figure = samples_figure(
        snapshot.flux,
        wave=snapshot.wave,
        covered=snapshot.covered,
        real=snapshot.real,
        title=f"16 samples after {snapshot.epoch} epochs (blue); nearest training spectrum (black)",
    )
    save(figure, folder / f"samples-{snapshot.epoch:06d}.png")
    if len(snapshot.log) > 1:
        save(curves_figure(snapshot.log), folder / "curves.png")


def samples_figure(
    flux: NDArray[np.float32],
    *,
    wave: NDArray[np.float64],
    covered: NDArray[np.bool_],
    real: NDArray[np.float32],
    title: str,
) -> Figure:
    """Sixteen samples, each over the training spectrum nearest to it.

    Parameters
    ----------
    flux : ndarray, shape (n, n_pix)
        Samples.
    wave : ndarray, shape (n_pix,)
        [Angstrom].
    covered : ndarray, shape (n_pix,), bool
        Where samples have a meaning.
    real : ndarray, shape (m, n_pix)
        Training spectra, NaN where they have no data.
    title : str
        Heading.
    """
    with style():
        figure = new_figure(15.0, 9.0, panels=4)
        axes = figure.subplots(4, 4, sharex=True, sharey=True).ravel()
        low, high = np.nanquantile(real, [0.001, 0.999])
        for axis, sample in zip(axes, flux):
            near = real[nearest(sample, real)]
            axis.plot(wave, np.where(covered, sample, np.nan), color=ACCENT, lw=0.5)
            axis.plot(wave, near, color=INK, lw=0.4)  # on top: samples are the noisier ones
            axis.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        figure.supxlabel("vacuum wavelength at rest [Å]", size=9)
        figure.supylabel("flux / broad shape", size=9)
        figure.suptitle(title, color=INK)
    return figure


def nearest(sample: NDArray[np.float32], real: NDArray[np.float32]) -> int:
    """The real spectrum of least mean square difference over the pixels it has."""
    return int(np.argmin(np.nanmean((real - sample) ** 2, axis=1)))


def curves_figure(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """Losses, the discriminator's verdicts and the similarity against the epoch.

    Parameters
    ----------
    lines : sequence of mapping
        Lines of ``log.jsonl``.
    """

    def column(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        pairs = [(line["epoch"], line[name]) for line in lines if name in line]
        return tuple(np.array(pairs, np.float64).reshape(-1, 2).T)  # type: ignore[return-value]

    def plot(axis: Any, name: str, colour: str, label: str) -> None:
        epoch, value = column(name)
        width = max(1, len(value) // 100)
        mean = np.convolve(value, np.ones(width) / width, mode="valid")
        axis.plot(epoch, value, color=PALE, lw=0.6, zorder=1)
        axis.plot(epoch[width - 1 :], mean, color=colour, label=label)

    with style():
        figure = new_figure(9.0, 8.0)
        losses, scores, alike = figure.subplots(3, 1, sharex=True)
        plot(losses, "discriminator_loss", INK, "discriminator")
        plot(losses, "generator_loss", SECOND, "generator")
        losses.set_ylabel("loss")
        plot(scores, "real_score", INK, "real")
        plot(scores, "fake_score", SECOND, "synthetic")
        scores.set_ylabel("discriminator's verdict")
        scores.set_ylim(0, 1)
        alike.plot(*column("similarity"), color=ACCENT)
        alike.set_ylabel("σ of relative residual")
        alike.set_xlabel("epoch")
        for axis in (losses, scores):
            axis.legend(loc="upper right")
        figure.suptitle("Training of the reference GAN", color=INK)
    return figure
