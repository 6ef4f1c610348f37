"""Which wavelengths moved the decision: occlusion through the network, no gradients needed.

The flux in a window of wavelengths is replaced by the spectrum's broad shape, so that lines
and bands there are gone and nothing else is, and the spectrum typed again; how far the answer
moves is the weight of the window (occlusion: Zeiler & Fergus 2014, ECCV, arXiv:1311.2901).
Marking the window as not observed instead would also measure how the network reacts to gaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spectype.classify.runtime import Model
from spectype.core import mk
from spectype.core.lines import LINES, Line
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import broad_shape, run_chain

Floats = NDArray[np.float64]
WIDTH = 24  #: pixels replaced at once; 1660 km/s on LAMOST's grid, 27 Angstrom at H beta
STEP = 8  #: pixels from one window to the next
SHAPE_WIDTH = 10_000.0  #: of the broad shape [km/s], wider than any line
_SLIGHT = 0.05  # a line of less weight than this share of the highest is not named

_BALMER = ("H10", "H9", "H8", "H epsilon", "H delta", "H gamma", "H beta", "H alpha")
_HELIUM = ("He I 4026", "He I 4144", "He I 4388", "He I 4471", "He I 4922", "He I 5016",
           "He I 5876", "He I 6678", "He I 7065")  # fmt: skip
_COOL = ("Ca II K", "Ca II H", "Ca I 4227", "G band")
_BLENDS = ("Fe I 4046", "Fe I 4383", "Mg b1", "Mg b2", "Mg b4", "Fe I 5270")
#: Lines by which spectroscopists tell the subclasses of each type, after Gray & Corbally
#: (2009, Stellar Spectral Classification, ch. 3-8): names in `core.lines.LINES`.
CRITERIA: Mapping[str, tuple[str, ...]] = {
    "O": ("He II 4200", "He II 4541", "He II 4686", "He II 5412", "N III 4634", "C III 4650",
          "Si IV 4089", *_HELIUM),
    "B": (*_HELIUM, "Si II 4128", "Si III 4553", "Mg II 4481", "C III 4650", *_BALMER),
    "A": (*_BALMER, "Ca II K", "Mg II 4481"),
    "F": (*_COOL, *_BALMER[3:]),
    "G": (*_COOL, *_BALMER[4:], *_BLENDS),
    "K": (*_COOL, *_BLENDS, "Na D1", "Na D2", "TiO 4954"),
    "M": ("Ca I 4227", "Na D1", "Na D2", "Na I 8183", "Na I 8195",
          *(line.name for line in LINES.values() if line.element in ("TiO", "CaH"))),
}  # fmt: skip


@dataclass(frozen=True)
class Explanation:
    """What each window of wavelengths does to the answers for n spectra.

    Attributes
    ----------
    wave : ndarray, shape (n_pix,)
        The model's grid [Angstrom, vacuum].
    good : ndarray, shape (n, n_pix), bool
        Pixels that the model saw.
    starts : ndarray, shape (n_windows,), int64
        First pixel of each window of `width` pixels.
    width : int
    weight : ndarray, shape (n, n_windows)
        How far the distribution along the sequence moves without the window's features: the
        earth mover's distance [subclasses]. Unlike a probability it does not saturate.
    pull : ndarray, shape (n, n_windows)
        Its signed part [subclasses]: how much later in type the features make the star look;
        negative where they make it look earlier.
    types : list of str
        The type of each spectrum, all wavelengths seen; empty with too little coverage.
    """

    wave: Floats
    good: NDArray[np.bool_]
    starts: NDArray[np.int64]
    width: int
    weight: Floats
    pull: Floats
    types: list[str]

    def by_pixel(self, values: Floats) -> Floats:
        """Window values (n, n_windows) as curves: means of the windows over each pixel.

        Shape (n, n_pix); 0 at bad pixels.
        """
        if values.shape != self.weight.shape:
            raise ValueError(f"values have shape {values.shape}, not {self.weight.shape}")
        total = np.zeros((len(values), self.wave.size + 1))
        count = np.zeros(self.wave.size + 1)
        for column, start in enumerate(self.starts):
            total[:, start] += values[:, column]
            total[:, start + self.width] -= values[:, column]
            count[start] += 1
            count[start + self.width] -= 1
        curve = np.cumsum(total, axis=1)[:, :-1] / np.maximum(np.cumsum(count)[:-1], 1)
        return np.where(self.good, curve, 0.0)


def explain(
    spectra: Spectra,
    model: Model,
    *,
    system: str = "mk",
    width: int = WIDTH,
    step: int = STEP,
    preprocess: bool = True,
) -> Explanation:
    """Take the features out of each window in turn and type the spectra again.

    Parameters
    ----------
    spectra : Spectra
        Any grid and coverage.
    model : Model
        What decides.
    system : str
        ``mk`` or ``survey``.
    width, step : int
        Pixels replaced at once, and from one window to the next.
    preprocess : bool
        False if the batch has been through the model's chain already.

    Returns
    -------
    Explanation
        Windows without a good pixel have weight 0.
    """
    if not 0 < step <= width:
        raise ValueError(f"windows of {width} pixels every {step} leave gaps")
    ready = run_chain(spectra, model.chain) if preprocess else spectra
    good = ~ready.mask
    n_pix = good.shape[1]
    starts = np.arange(0, max(n_pix - width, 0) + 1, step)
    if starts[-1] + width < n_pix:
        starts = np.append(starts, n_pix - width)
    whole = model.sequence(model.outputs(ready.flux, good), system=system)
    shape = broad_shape(ready, width=SHAPE_WIDTH).astype(np.float32)
    changes = np.zeros((2, len(ready), starts.size))
    covered = good.mean(axis=1) >= 0.1  # with less, no type is given
    for i in np.flatnonzero(covered):
        inside = np.array([good[i, s : s + width].any() for s in starts])
        hidden = _windows(n_pix, starts[inside], width)
        flux = np.where(hidden, shape[i], ready.flux[i])
        others = model.sequence(
            model.outputs(flux, np.broadcast_to(good[i], flux.shape)), system=system
        )
        changes[:, i, inside] = _difference(whole.probability[i], others.probability)
    best = whole.types().argmax(axis=1)
    return Explanation(
        wave=model.wave,
        good=good,
        starts=starts.astype(np.int64),
        width=width,
        weight=changes[0],
        pull=changes[1],
        types=[mk.TYPES[b] if enough else "" for b, enough in zip(best, covered)],
    )


def _windows(n_pix: int, starts: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """The pixels of each window, shape (n_windows, n_pix)."""
    pixel = np.arange(n_pix)
    return np.asarray((pixel >= starts[:, None]) & (pixel < starts[:, None] + width))


def _difference(before: Floats, after: Floats) -> Floats:
    """Weight and pull (2, n) of what changed `after` (n, n_bins) into `before` (n_bins,)."""
    apart = np.cumsum(after - before, axis=1) * (10.0 * len(mk.TYPES) / before.size)
    # A larger cumulative distribution lies earlier on the sequence.
    return np.stack([np.abs(apart).sum(axis=1), apart.sum(axis=1)])


def join(explanations: Sequence[Explanation]) -> Explanation:
    """Explanations by one model with the same windows, as one."""
    first = explanations[0]
    return Explanation(
        wave=first.wave,
        good=np.concatenate([e.good for e in explanations]),
        starts=first.starts,
        width=first.width,
        weight=np.concatenate([e.weight for e in explanations]),
        pull=np.concatenate([e.pull for e in explanations]),
        types=[type for e in explanations for type in e.types],
    )


@dataclass(frozen=True)
class Attention:
    """Where the network looks in spectra of one type, against where spectroscopists look.

    Attributes
    ----------
    type : str
    n : int
        Spectra averaged.
    curve : ndarray, shape (n_pix,)
        Mean share of the weight of each pixel; sums to 1.
    inside : ndarray, shape (n_pix,), bool
        Pixels in the windows of the type's `CRITERIA`.
    share : float
        Share of the weight inside the windows.
    expected : float
        Share of the pixels inside them: what a network that looks nowhere would give.
    low, high : float
        95 % interval of ``share / expected`` over the spectra; NaN with one.
    """

    type: str
    n: int
    curve: Floats
    inside: NDArray[np.bool_]
    share: float
    expected: float
    low: float
    high: float

    @property
    def ratio(self) -> float:
        """How many times more weight the windows carry than their width explains."""
        return self.share / self.expected


def attention(
    explanation: Explanation,
    *,
    types: Sequence[str] | None = None,
    criteria: Mapping[str, Sequence[str]] = CRITERIA,
) -> dict[str, Attention]:
    """Average the occlusion maps of each type and compare them with the lines of the craft.

    Parameters
    ----------
    explanation : Explanation
        Of many spectra, near their rest frame.
    types : sequence of str, optional
        Type of each spectrum; by default that which the model gives.
    criteria : mapping of str to names of lines
        Where to look, for each type.

    Returns
    -------
    dict of str to Attention
        In the order of the sequence; types without a spectrum are left out. Each spectrum
        counts the same, however much its answer moves. The windows reach half an occluded
        window to each side of a line.
    """
    weight = explanation.by_pixel(explanation.weight)
    total = weight.sum(axis=1, keepdims=True)
    named = np.array(explanation.types if types is None else list(types))
    reach = 0.5 * explanation.width * _step(explanation.wave)
    found = {}
    for type in mk.TYPES:
        rows = (named == type) & (total[:, 0] > 0)
        if not rows.any() or type not in criteria:
            continue
        inside = near_lines(explanation.wave, criteria[type], reach=reach)
        share = (weight / np.where(total > 0, total, 1.0))[rows]
        good = explanation.good[rows]
        expected = (good & inside).sum(axis=1) / good.sum(axis=1)
        carried = share[:, inside].sum(axis=1)
        ratio = carried.mean() / expected.mean()
        n = len(carried)
        half = 1.96 * carried.std(ddof=1) / np.sqrt(n) / expected.mean() if n > 1 else np.nan
        found[type] = Attention(
            type=type,
            n=n,
            curve=share.mean(axis=0),
            inside=inside,
            share=float(carried.mean()),
            expected=float(expected.mean()),
            low=float(ratio - half),
            high=float(ratio + half),
        )
    return found


def near_lines(wave: Floats, names: Sequence[str], *, reach: float) -> NDArray[np.bool_]:
    """Pixels of `wave` (n_pix,) within a relative distance of the named lines, shape (n_pix,).

    A band head is a step between the peak to its blue and the trough to its red: thrice as far.
    """
    inside = np.zeros(wave.size, bool)
    for name in names:
        line = LINES[name]
        wide = 3.0 if line.element in ("TiO", "CaH") else 1.0
        inside |= np.abs(wave / line.wave - 1.0) < wide * reach
    return inside


def _step(wave: Floats) -> float:
    return float(np.median(np.diff(np.log(wave))))


def leading_lines(explanation: Explanation, row: int = 0, *, n: int = 12) -> list[Line]:
    """Named lines at the highest peaks of the weight of one spectrum, heaviest first.

    A line may count by its absence, as Ca II K does in a B star, so those conspicuous in the
    neighbouring types are named too. Peaks without such a line are left out.

    Parameters
    ----------
    explanation : Explanation
        Of spectra near their rest frame.
    row : int
        Which spectrum.
    n : int
        Lines at most.
    """
    curve = explanation.by_pixel(explanation.weight)[row]
    # The mean over the windows around a pixel is flat at its peaks: take their middle.
    smooth = np.convolve(curve, np.hanning(explanation.width + 2)[1:-1], mode="same")
    before, after = np.r_[-1.0, smooth[:-1]], np.r_[smooth[1:], -1.0]
    peaks = np.flatnonzero(
        (smooth > before) & (smooth >= after) & (smooth > _SLIGHT * smooth.max())
    )
    type = explanation.types[row]
    place = mk.TYPES.find(type or " ")
    wanted = mk.TYPES[max(place - 1, 0) : place + 2] if type else ""
    reach = 0.75 * explanation.width * _step(explanation.wave)
    found: list[Line] = []
    for peak in peaks[np.argsort(-smooth[peaks])]:
        near = [
            x
            for x in LINES.values()
            if x not in found
            and set(x.types) & set(wanted)
            and near_lines(explanation.wave[peak : peak + 1], [x.name], reach=reach)[0]
        ]
        if near:
            wave = explanation.wave[peak]
            found.append(min(near, key=lambda x: (type not in x.types, abs(x.wave - wave))))
        if len(found) == n:
            break
    return found
