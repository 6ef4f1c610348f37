"""What an exported network's outputs mean: temperatures, biases, conformal sets, outlier limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.posterior import calibrated, mass_before, softmax
from spectype.classify.quality import signal_to_noise
from spectype.classify.runtime import Model
from spectype.core import mk
from spectype.core.spectra import Spectra, span
from spectype.dataset.store import Store
from spectype.learn.targets import make_targets

COVERAGE = 0.9  #: of the conformal sets
LEAST_MASS = 0.6  #: of a set: a single type less probable than that is no set
FALSE_ALARMS = 0.05  #: share of normal stars above the outlier limit
LEAST_LIMIT = 0.05  #: of the outlier score, however sure the network is of normal stars
COVERAGES = (0.2, 0.4, 0.75, 1.0)  #: shares of the grid at which the limit is set
SNR_EDGES = (10.0, 20.0, 50.0)
TEMPERATURES = (0.4, 4.0)
TEMPERATURE_PRIOR = 0.15  # standard deviation of ln(temperature)
BIAS_PRIOR = 0.3  # of a type's bias; the best of ten-fold cross-validation on validation stars
FEWEST = 30  # validation spectra behind a threshold of its own


def calibrate(model: Model, store: Store, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Temperatures, biases, conformal limits and the outlier limit from validation spectra.

    The MK type gets a bias a type, which takes back how much the survey's many labels have pulled
    it towards the types that the survey is full of; the survey's own system needs none.

    Parameters
    ----------
    model : Model
        With temperature 1.
    store : Store
        Where the rows are.
    rows : ndarray
        Validation rows: no member has trained on them.
    """
    targets = make_targets(store.meta, balance=0.0)
    spectra = store.spectra(rows)
    raw = model.outputs(spectra.flux, ~spectra.mask)
    truth, survey = targets.type_index[rows], targets.survey[rows]
    snr = signal_to_noise(spectra)
    typed = truth >= 0
    temperature, bias = {"luminosity": 1.0}, {}
    conformal: dict[str, Any] = {}
    for system, mine in (("mk", ~survey), ("survey", survey)):
        use = np.flatnonzero(typed & mine)
        biased = system == "mk" and use.size >= FEWEST
        if use.size < FEWEST:  # too few of this system: the other's serve
            use = np.flatnonzero(typed)
        logits = (raw.survey if survey[use].mean() > 0.5 else raw.sequence)[use]
        temperature[system], bias[system] = fit_types(logits, truth[use], biased=biased)
        types = type_probability(logits, temperature[system], bias[system], model.card["seen"])
        conformal[system] = conformal_mass(types, truth[use], snr[use])
    known = targets.luminosity[rows]
    use = np.flatnonzero((known >= 0) & ~survey)
    if use.size >= FEWEST:
        temperature["luminosity"] = fit_scale(
            lambda t: -np.log(softmax(raw.luminosity[use], t)[np.arange(use.size), known[use]])
        )
    return {
        "temperature": temperature,
        "type_bias": bias,
        "conformal": conformal,
        "outlier_limit": outlier_limits(model, spectra, typed),
        "calibrated_on": int(typed.sum()),
    }


def outlier_limits(model: Model, spectra: Spectra, typed: NDArray[np.bool_]) -> dict[str, Any]:
    """Limits of the outlier score that `FALSE_ALARMS` of the normal stars exceed, by coverage.

    Parameters
    ----------
    model : Model
        The network.
    spectra : Spectra, shape (n, n_pix)
        Validation spectra on the model's grid.
    typed : ndarray, shape (n,), bool
        The normal stars among them.

    Returns
    -------
    dict
        ``coverage``, shares of the grid, rising, and ``blue`` and ``red``: the limits where that
        share is seen from the blue or from the red end of the spectra. They never rise with it.
    """
    good = ~spectra.mask[typed]
    first, last = (place[:, None] for place in span(good))
    pixels = np.arange(good.shape[1])

    def limit(window: NDArray[np.bool_]) -> float:
        odd = model.outputs(spectra.flux[typed], good & window).strangeness()
        return max(float(np.quantile(odd, 1 - FALSE_ALARMS)), LEAST_LIMIT)

    lengths = [round(share * good.shape[1]) for share in COVERAGES]
    ends = {
        "blue": [limit(pixels < first + length) for length in lengths],
        "red": [limit(pixels >= last - length) for length in lengths],
    }
    falling = {k: np.maximum.accumulate(v[::-1])[::-1].tolist() for k, v in ends.items()}
    return {"coverage": list(COVERAGES), **falling}


def type_probability(
    logits: NDArray[np.float32],
    temperature: float,
    bias: Sequence[float] = (0.0,) * len(mk.TYPES),
    seen: Sequence[str] = tuple(mk.TYPES),
) -> NDArray[np.float64]:
    """Type probabilities (n, 7) at a temperature and with a bias a type."""
    return calibrated(logits, temperature=temperature, bias=bias, seen=seen).types()


def fit_types(
    logits: NDArray[np.float32], truth: NDArray[np.int64], *, biased: bool = True
) -> tuple[float, list[float]]:
    """The temperature and the bias of each type that make the true types likeliest.

    Parameters
    ----------
    logits : ndarray, shape (n, n_bins)
        Along the sequence.
    truth : ndarray, shape (n,)
        Index of the true type.
    biased : bool
        False leaves the biases 0.

    Returns
    -------
    temperature : float
        Within `TEMPERATURES`; its logarithm is expected at 0 within `TEMPERATURE_PRIOR`, since a
        hundred stars leave it uncertain by a fifth or more.
    bias : list of float
        Added to the logits of a type's bins; expected at 0 within `BIAS_PRIOR`.

    References
    ----------
    Temperature: Guo et al. 2017 (ICML, arXiv:1706.04599). With biases, for types that are not as
    frequent as in training: Alexandari, Kundaje & Shrikumar 2020 (ICML, arXiv:1901.06852).
    """
    from scipy.optimize import minimize

    rows = np.arange(len(truth))

    def meaning(x: NDArray[np.float64]) -> tuple[float, list[float]]:
        return float(np.exp(x[0])), x[1:].tolist() if biased else [0.0] * len(mk.TYPES)

    def cost(x: NDArray[np.float64]) -> float:
        own = type_probability(logits, *meaning(x))[rows, truth]
        prior = (x[0] / TEMPERATURE_PRIOR) ** 2 + ((x[1:] / BIAS_PRIOR) ** 2).sum()
        return float(-np.log(np.maximum(own, 1e-9)).sum() + 0.5 * prior)

    low, high = np.log(TEMPERATURES)
    bounds = [(low, high), *[(-3.0, 3.0)] * (len(mk.TYPES) if biased else 0)]
    found = minimize(cost, np.zeros(len(bounds)), method="L-BFGS-B", bounds=bounds)
    temperature, bias = meaning(found.x)
    return temperature, [round(b, 4) for b in bias]


def fit_scale(losses: Any) -> float:
    """The likeliest of `TEMPERATURES` given the losses of spectra, ``losses(temperature)``.

    A hundred stars leave a temperature uncertain by a fifth or more, so its logarithm is expected
    at 0 with a standard deviation of `TEMPERATURE_PRIOR`.
    """
    from scipy.optimize import minimize_scalar

    def cost(log_t: float) -> float:
        return float(np.sum(losses(np.exp(log_t)))) + 0.5 * (log_t / TEMPERATURE_PRIOR) ** 2

    found = minimize_scalar(cost, bounds=tuple(np.log(TEMPERATURES)), method="bounded")
    return float(np.exp(found.x))


def conformal_mass(
    types: NDArray[np.float64], truth: NDArray[np.int64], snr: NDArray[np.float64]
) -> dict[str, Any]:
    """Mass of adaptive conformal sets of coverage `COVERAGE`, by S/N and most probable type.

    A spectrum's score is the probability of all types more probable than its own; a set gathers
    types until they reach the score that a share `COVERAGE` of the calibration spectra stay
    under. Where the most probable type alone is right that often, that score is 0, and the least
    mass, `LEAST_MASS`, decides: whoever is less sure than that names a second type.

    Parameters
    ----------
    types : ndarray, shape (n, 7)
        Probabilities of the types.
    truth : ndarray, shape (n,)
        Index of the true type.
    snr : ndarray, shape (n,)
        Signal-to-noise.

    Returns
    -------
    dict
        ``snr_edges`` between the bins, and ``mass``: for each bin one a most probable type. A type
        with fewer than `FEWEST` spectra in a bin has the bin's over all types.

    References
    ----------
    Romano, Sesia & Candes 2020 (NeurIPS, arXiv:2006.02544), with the finite sample correction;
    by groups: Vovk 2012 (arXiv:1209.2673).
    """
    score = mass_before(types)[np.arange(len(truth)), truth]
    best = types.argmax(axis=1)
    edges: list[float] = []
    mass: list[list[float]] = []
    low = -np.inf
    for edge in (*SNR_EDGES, np.inf):
        inside = (snr >= low) & (snr < edge)
        if inside.sum() < FEWEST and edge < np.inf:
            continue  # joined with the next bin
        row = []
        for kind in range(len(mk.TYPES)):
            groups = (inside & (best == kind), inside, np.ones(len(truth), bool))
            group = next(g for g in groups if g.sum() >= FEWEST or g.all())
            row.append(max(upper_quantile(score[group]), LEAST_MASS))
        mass.append(row)
        if edge < np.inf:
            edges.append(float(edge))
        low = edge
    return {"snr_edges": edges, "mass": mass}


def upper_quantile(score: NDArray[np.float64]) -> float:
    """The score that a share of `COVERAGE` of new ones stay at or under, given these (n,).

    A little is added, since a set holds what lies below its mass.
    """
    rank = min(int(np.ceil((score.size + 1) * COVERAGE)), score.size) - 1
    return float(np.nextafter(np.sort(score)[max(rank, 0)], 1.0))
