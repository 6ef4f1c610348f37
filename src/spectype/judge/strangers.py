"""Is what is no normal star flagged, and are normal stars left in peace?

Real spectra of other kinds come from the run's own test part. They are few, and no test part
holds quasars or empty fibres in number, so others are simulated; the tables keep them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from dataclasses import replace as changed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spectype.classify.runtime import Model, load_model
from spectype.core import mk
from spectype.core.files import atomic_path
from spectype.core.flags import Flag
from spectype.core.grid import STANDARD_GRID
from spectype.core.kinds import of_label
from spectype.core.spectra import Spectra, concatenate
from spectype.dataset.labels import is_pipeline
from spectype.dataset.preprocess import replace
from spectype.dataset.store import Store
from spectype.judge import metrics
from spectype.judge.scores import plain, texts
from spectype.simulate import memory, objects
from spectype.simulate.instrument import Conditions, observe
from spectype.simulate.physics import WAVE

if TYPE_CHECKING:
    import polars as pl

FILE = "strangers.parquet"  #: in the run's folder: kind, origin, ood_score, flags
EACH = 100  #: simulated spectra of a kind
#: What a label may say that is no normal star; an unlabelled star of a library is none of them.
KINDS = ("white dwarf", "carbon", "cataclysmic", "emission", "brown dwarf", "hot subdwarf",
         "S star", "galaxy", "quasar")  # fmt: skip
_WORDS = {"empty fibre": "empty", "calibration fault": "fault"}  # in the model's words
_SIMULATED = {"galaxy": "GALAXY", "quasar": "QSO", "white dwarf": "WD", "carbon": "Carbon"}
_SNR, _SNR_SPREAD = 12.0, 0.4  # of the simulated: median, and standard deviation of the logarithm
_CARBON_CODES = (52.0, 54.0, 56.0)  # giants at nodes of the template grid
_ARMS_JOIN = 5850.0  # Angstrom
_APART = 3.0  # the arms of a fault differ by this factor


def simulated(*, n: int = EACH, seed: int = 0) -> Spectra:
    """Spectra of what is no star, or hardly one, as LAMOST would observe it.

    Parameters
    ----------
    n : int
        Spectra of each kind: galaxies, quasars, white dwarfs, carbon stars, empty fibres.
    seed : int
        Same seed, same spectra.

    Returns
    -------
    Spectra
        On the standard grid, with the column ``kind`` in the metadata.
    """
    stars, kinds = [], []
    for number, (kind, name) in enumerate(_SIMULATED.items()):
        for i in range(n):
            rng = np.random.default_rng([seed, 6, number, i])
            target = objects.draw(name, rng)
            if kind == "carbon":
                code = _CARBON_CODES[i % len(_CARBON_CODES)]
                target = changed(target, code=code, height=1.0, feh=-0.4)
            snr = float(_SNR * np.exp(_SNR_SPREAD * rng.standard_normal()))
            stars.append(memory.Star(target=target, snr=snr))
            kinds.append(kind)
    observed = replace(memory.spectra(stars, seed=seed), meta={})
    joined = concatenate([observed, _empty(n, seed)])
    return replace(joined, meta={"kind": [*kinds, *["empty fibre"] * n]})


def _empty(n: int, seed: int) -> Spectra:
    """Fibres on no star: detector noise and what the subtraction of the sky leaves."""
    shape = (n, STANDARD_GRID.size)
    flux, ivar = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for i in range(n):
        rng = np.random.default_rng([seed, 7, i])
        conditions = Conditions(
            snr_g=float(rng.uniform(0.02, 0.3)), n_pixels=shape[1], zero_tail=0
        )  # fmt: skip
        seen = observe(np.ones(WAVE.size), conditions, rng)
        flux[i], ivar[i] = seen.flux, seen.ivar
    return Spectra(wave=STANDARD_GRID, flux=flux, ivar=ivar, mask=~(ivar > 0))


def broken(spectra: Spectra, *, factor: float = _APART) -> Spectra:
    """A gross fault of the flux calibration: the red arm too bright, in every other too faint."""
    red = spectra.wave > _ARMS_JOIN
    sign = np.where(np.arange(len(spectra)) % 2, -1.0, 1.0)[:, None]
    gain = np.where(red, factor**sign, 1.0)
    return replace(spectra, flux=spectra.flux * gain, ivar=spectra.ivar / gain**2)


def run_strangers(
    run: str | Path, store: Store, predictions: pl.DataFrame, *, n: int = EACH, seed: int = 0
) -> pl.DataFrame:
    """What a run says of spectra that are no normal stars, and of those that are.

    Parameters
    ----------
    run : path-like
        A finished run.
    store : Store
        Its store, for the normal stars that get a fault.
    predictions : polars.DataFrame
        What the run says of its test part (`predictions.predict_test`).
    n, seed : int
        As in `simulated`.

    Returns
    -------
    polars.DataFrame
        Columns ``kind`` (``star`` for normal ones), ``origin`` (the survey, or how it was
        made), ``star_id``, ``ood_score``, ``flags``, ``named`` (the
        model's word); also in ``strangers.parquet`` of the run.
    """
    import polars as pl

    folder = Path(run)
    model = load_model(folder)
    known = predictions.filter(pl.col("true_type").is_in(list(mk.TYPES)))
    made = simulated(n=n, seed=seed)
    tables = [
        real(predictions),
        _judged(model, made, made.get("kind"), "simulated"),
    ]
    whole = _both_arms(store, known)
    if len(whole):
        kinds = ["calibration fault"] * len(whole)
        tables.append(_judged(model, broken(whole), kinds, "made of test stars"))
    table = pl.concat(tables)
    with atomic_path(folder / FILE) as path:
        table.write_parquet(path)
    return table


def real(predictions: pl.DataFrame) -> pl.DataFrame:
    """The normal stars and the strangers of a test part; what is neither is left out."""
    import polars as pl

    kinds = np.array(texts(predictions, "true_kind"), dtype=object)
    normal = [t in mk.TYPES and t != "" for t in texts(predictions, "true_type")]
    # A survey's "unknown" is what its pipeline could not type; a library's has no label.
    unknown = (kinds == "unknown") & is_pipeline(texts(predictions, "survey"))
    kinds[unknown] = "unknown to the survey"
    kinds[kinds == "star"] = ""  # a star without a type, or of two: neither normal nor strange
    kinds[np.array(normal)] = "star"
    found = predictions.select(
        pl.Series("kind", kinds.tolist(), dtype=pl.String),
        pl.Series("origin", texts(predictions, "survey"), dtype=pl.String),
        pl.Series("star_id", texts(predictions, "star_id"), dtype=pl.String),
        "ood_score",
        "flags",
        pl.Series("named", texts(predictions, "kind"), dtype=pl.String),
    )
    return found.filter(pl.col("kind").is_in(["star", "unknown to the survey", *KINDS]))


def _both_arms(store: Store, known: pl.DataFrame) -> Spectra:
    """Test stars that cover both arms well enough for a step between them to show."""
    spectra = store.spectra(known["row"].to_numpy())
    good, red = ~spectra.mask, spectra.wave > _ARMS_JOIN
    both = (good[:, red].mean(axis=1) > 0.5) & (good[:, ~red].mean(axis=1) > 0.5)
    return spectra[np.flatnonzero(both)]


def _judged(model: Model, spectra: Spectra, kinds: Sequence[str], origin: str) -> pl.DataFrame:
    import polars as pl

    said = model.predict(spectra).select("ood_score", "flags", named="kind")
    stars = [f"{origin} {i}" for i in range(len(spectra))]
    given = spectra.get("star_id")
    return said.select(
        pl.Series("kind", list(kinds), dtype=pl.String),
        pl.lit(origin).alias("origin"),
        pl.Series("star_id", [g or s for g, s in zip(given, stars, strict=True)], dtype=pl.String),
        "ood_score",
        "flags",
        "named",
    )


@dataclass(frozen=True, slots=True)
class Flagged:
    """How many spectra of one kind and origin carry the flag OUT_OF_DISTRIBUTION.

    Attributes
    ----------
    kind, origin : str
    share : Share
        Flagged.
    named : Share or None
        Given the kind that they are; None where the model has no word for it.
    """

    kind: str
    origin: str
    share: metrics.Share
    named: metrics.Share | None = None

    def to_data(self) -> dict[str, Any]:
        """As a nested dict for JSON."""
        return dict(plain(asdict(self)))


def score_strangers(table: pl.DataFrame) -> list[Flagged]:
    """Shares flagged at the model's own limit: strangers by kind, then normal stars by survey.

    The first of the normal stars' rows is of all of them: the false alarms.
    """
    import polars as pl

    flagged = (pl.col("flags").fill_null(0) & int(Flag.OUT_OF_DISTRIBUTION)) > 0
    table = table.with_columns(flagged=flagged)
    normal = table.filter(pl.col("kind") == "star")
    others = table.filter(pl.col("kind") != "star")
    scores = [
        _share(str(kind), str(origin), part)
        for (kind, origin), part in others.group_by("kind", "origin", maintain_order=True)
    ]
    # The real ones first: they prove more.
    scores.sort(key=lambda s: (s.origin in ("simulated", "made of test stars"), s.kind))
    scores.append(_share("star", "all", normal))
    for (origin,), part in normal.sort("origin").group_by("origin", maintain_order=True):
        scores.append(_share("star", str(origin), part))
    return scores


def _share(kind: str, origin: str, part: pl.DataFrame) -> Flagged:
    stars = part["star_id"]
    word = _WORDS.get(kind) or of_label(kind)
    named = None
    if word is not None and "named" in part.columns:
        named = metrics.share((part["named"] == word).fill_null(False).to_numpy(), stars=stars)
    return Flagged(kind, origin, metrics.share(part["flagged"].to_numpy(), stars=stars), named)
