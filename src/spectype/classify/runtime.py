"""Trained models: load a folder, turn spectra into a table. ONNX Runtime, no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spectype.classify.posterior import Sequence70, calibrated, softmax, type_sets
from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import read_json
from spectype.core.flags import Flag, names
from spectype.core.names import as_text
from spectype.core.spectra import Spectra, number
from spectype.dataset.preprocess import Resample, from_data, run_chain

if TYPE_CHECKING:
    import polars as pl

FORMAT = 4  #: of model.json
SHIPPED = Path(__file__).parent / "models"
DEFAULT = "standard"
SYSTEMS = ("mk", "survey")
OUTPUTS = ("sequence", "survey", "luminosity", "outlier")  #: of the network, in this order
BATCH = 32
ARM_STEP = 0.5  #: natural logarithm of a jump between the arms that no star has
COLUMNS = ("path", "obsid", "ra", "dec", "snr", "type", "type_probability",
           *(f"p_{t}" for t in mk.TYPES), "subclass", "subclass_code", "subclass_error",
           "luminosity", "luminosity_probability", "type_set", "ood_score", "flags",
           "flag_names", "error", "notes")  # fmt: skip


@dataclass(frozen=True)
class Outputs:
    """Raw outputs of a network for n spectra.

    Attributes
    ----------
    sequence : ndarray, shape (n, n_bins)
        Logits along O0...M9.5, MK system.
    survey : ndarray, shape (n, n_bins)
        The same in the survey's system: what its pipeline would have said.
    luminosity : ndarray, shape (n, 5)
        Logits of I-V.
    outlier : ndarray, shape (n,)
        Logit of not being a normal star.
    """

    sequence: NDArray[np.float32]
    survey: NDArray[np.float32]
    luminosity: NDArray[np.float32]
    outlier: NDArray[np.float32]


@dataclass(frozen=True)
class Model:
    """A trained model: its card's facts and its network.

    Use `load_model`. ``threads`` is the number of CPU threads of one prediction.
    """

    folder: Path
    card: Mapping[str, Any]
    threads: int = 0
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.card["name"])

    @cached_property
    def chain(self) -> list[Any]:
        """The preprocess chain the model was trained behind."""
        return from_data(self.card["chain"])

    @property
    def wave(self) -> NDArray[np.float64]:
        """The grid it sees (n_pix,) [Angstrom, vacuum]."""
        for step in self.chain:
            if isinstance(step, Resample):
                return step.wave
        raise DataError("its chain has no resample step", path=self.folder)

    def session(self) -> Any:
        """The ONNX Runtime session, made on first use."""
        if "session" not in self._cache:
            import onnxruntime as ort

            options = ort.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 3
            path = self.folder / "model.onnx"
            try:
                self._cache["session"] = ort.InferenceSession(
                    path, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # onnxruntime raises its own kinds without a common base
                raise DataError(f"is not a usable network: {error}", path=path) from error
        return self._cache["session"]

    def outputs(self, flux: NDArray[np.float32], good: NDArray[np.bool_]) -> Outputs:
        """Run the network on flux and good pixels, each (n, n_pix) on `wave`."""
        parts = []
        for start in range(0, len(flux), BATCH):
            rows = slice(start, start + BATCH)
            feed = {
                "flux": np.where(good[rows], flux[rows], 0).astype(np.float32),
                "good": good[rows].astype(np.float32),
            }
            parts.append(self.session().run(list(OUTPUTS), feed))
        return Outputs(*(np.concatenate(kind) for kind in zip(*parts)))

    def sequence(self, outputs: Outputs, *, system: str = "mk") -> Sequence70:
        """The calibrated distribution along the sequence in a system, ``mk`` or ``survey``."""
        if system not in SYSTEMS:
            raise UsageError(f"unknown system {system!r}", remedy="mk or survey")
        logits = outputs.survey if system == "survey" else outputs.sequence
        return calibrated(
            logits,
            temperature=self.card["temperature"][system],
            bias=self.card["type_bias"][system],
            seen=self.card["seen"],
        )

    def predict(
        self, spectra: Spectra, *, system: str = "mk", preprocess: bool = True
    ) -> pl.DataFrame:
        """Type spectra.

        Parameters
        ----------
        spectra : Spectra
            Any grid, any coverage, any flux unit.
        system : str
            ``mk`` for MK types; ``survey`` for what the survey's pipeline would have said.
        preprocess : bool
            False if the batch has been through the model's chain already (rows of a store).

        Returns
        -------
        polars.DataFrame
            One row a spectrum with the columns of `COLUMNS`. Where nothing can be said,
            ``type`` is empty and the flags say why.
        """
        import polars as pl

        ready = run_chain(spectra, self.chain) if preprocess else spectra
        good = ~ready.mask
        outputs = self.outputs(ready.flux, good)
        sequence = self.sequence(outputs, system=system)
        coverage = good.mean(axis=1)
        snr = signal_to_noise(ready)
        types = sequence.types()
        code = sequence.code()
        classes = softmax(outputs.luminosity, self.card["temperature"]["luminosity"])
        best, star_class = types.argmax(axis=1), classes.argmax(axis=1)
        ood = 1.0 / (1.0 + np.exp(-outputs.outlier.astype(np.float64)))
        flags = self._flags(ready, coverage, snr, types, code, ood)
        usable = coverage >= 0.1
        limits = self._set_limits(snr, system)
        sets = type_sets(types, limits)

        def where(values: Any) -> list[Any]:
            return [v if ok else None for v, ok in zip(values, usable)]

        n = len(ready)
        columns: dict[str, Any] = {
            "path": [None if p is None else as_text(p) for p in spectra.get("path")],
            "obsid": [None if v is None else str(v) for v in spectra.get("obsid")],
            "ra": [number(v) for v in spectra.get("ra")],
            "dec": [number(v) for v in spectra.get("dec")],
            "snr": [number(h) or m for h, m in zip(spectra.get("snr"), digits(snr))],
            "type": where(mk.TYPES[i] for i in best),
            "type_probability": where(digits(types[np.arange(n), best])),
            **{f"p_{t}": where(digits(types[:, i])) for i, t in enumerate(mk.TYPES)},
            "subclass": where(mk.format_code(float(c), half=bool(c < 10)) for c in code),
            "subclass_code": where(np.round(code, 2).tolist()),
            "subclass_error": where(np.round(sequence.error(), 2).tolist()),
            "luminosity": where(mk.LUMINOSITIES[i] for i in star_class),
            "luminosity_probability": where(digits(classes[np.arange(n), star_class])),
            "type_set": where(sets),
            "ood_score": where(digits(ood)),
            "flags": flags.tolist(),
            "flag_names": [names(int(f)) for f in flags],
            "error": [None] * n,
            "notes": notes_of(spectra),
        }
        return pl.DataFrame(columns, schema_overrides=schema())

    def outlier_limit(self, good: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Outlier score above which a spectrum is flagged, by its good pixels (n, n_pix).

        The less is seen of a star the less sure the network is that it is one, of the red less
        than of the blue; so the limit that a given share of normal stars exceed depends on both.
        """
        table = self.card["outlier_limit"]
        share = good.mean(axis=1)
        middle = (good * np.linspace(0, 1, good.shape[1])).sum(axis=1) / np.maximum(
            good.sum(axis=1), 1
        )
        blue, red = (np.interp(share, table["coverage"], table[end]) for end in ("blue", "red"))
        return np.asarray(np.where(middle < 0.5, blue, red))

    def _set_limits(self, snr: NDArray[np.float64], system: str) -> NDArray[np.float64]:
        """Smallest probability of each type in the 90 % set (n, 7), by S/N."""
        table = self.card["conformal"][system]
        edges = np.asarray(table["snr_edges"], float)
        return np.asarray(table["limits"])[np.searchsorted(edges, np.nan_to_num(snr))]

    def _flags(
        self,
        ready: Spectra,
        coverage: NDArray[np.float64],
        snr: NDArray[np.float64],
        types: NDArray[np.float64],
        code: NDArray[np.float64],
        ood: NDArray[np.float64],
    ) -> NDArray[np.int64]:
        good = ~ready.mask
        level = np.array([np.median(f[g]) if g.any() else 0.0 for f, g in zip(ready.flux, good)])
        first, last = span(good)
        holes = 1.0 - good.sum(axis=1) / np.maximum(last - first, 1)
        inside = np.mod(code, 10.0)
        boundary = ((inside < 1) & (code >= 1)) | ((inside > 9) & (code < 69))
        has_errors = np.array([v is not False for v in ready.get("has_errors", True)])
        rules = {
            Flag.LOW_SNR: snr < 5,
            Flag.LITTLE_COVERAGE: coverage < 0.1,
            Flag.PARTIAL_COVERAGE: (coverage >= 0.1) & (coverage < 0.6),
            Flag.MANY_BAD_PIXELS: holes > 0.2,
            Flag.NEGATIVE_FLUX: level <= 0,
            Flag.NO_ERRORS: ~has_errors,
            Flag.SHAPE_UNRELIABLE: np.abs(arm_step(ready)) > ARM_STEP,
            Flag.OUT_OF_DISTRIBUTION: ood > self.outlier_limit(good),
            Flag.UNCERTAIN_TYPE: types.max(axis=1) < 0.6,
            Flag.BOUNDARY_TYPE: boundary,
        }
        total = np.zeros(len(ready), np.int64)
        for flag, on in rules.items():
            total |= np.where(on, int(flag), 0)
        return np.where(coverage < 0.1, total & 0xFFFF, total)


def span(good: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First good pixel of each spectrum and the one after its last, each (n,)."""
    return good.argmax(axis=1), good.shape[1] - good[:, ::-1].argmax(axis=1)


def signal_to_noise(spectra: Spectra) -> NDArray[np.float64]:
    """Median S/N a pixel, shape (n,); from the flux itself where there are no errors.

    References
    ----------
    DER_SNR: Stoehr et al. (2008, ASP Conf. 394, 505).
    """
    out = spectra.snr().astype(np.float64)
    for i, known in enumerate(spectra.get("has_errors", True)):
        flux = spectra.flux[i, ~spectra.mask[i]].astype(np.float64)
        if known is False and flux.size > 16:
            second = 2 * flux[2:-2] - flux[:-4] - flux[4:]
            noise = 1.482602 / np.sqrt(6.0) * np.median(np.abs(second))
            out[i] = np.median(flux) / noise if noise > 0 else np.inf
    return np.nan_to_num(out, nan=0.0, posinf=9999.0)


def arm_step(spectra: Spectra) -> NDArray[np.float64]:
    """How far the flux jumps where LAMOST's and SDSS's arms join, shape (n,): a natural logarithm.

    Median flux of 5900-6150 over that of 5550-5800 Angstrom; 0 where either side has less than
    half of its pixels good, or no flux. Of 2,800 labelled spectra 4 jump by more than `ARM_STEP`.
    """
    wave = np.atleast_2d(spectra.wave)[0]
    sides = [(wave > low) & (wave < high) for low, high in ((5550, 5800), (5900, 6150))]
    out = np.zeros(len(spectra))
    for i, bad in enumerate(spectra.mask):
        if any(not side.any() or bad[side].mean() > 0.5 for side in sides):
            continue
        blue, red = (float(np.median(spectra.flux[i, side & ~bad])) for side in sides)
        if blue > 0 and red > 0:
            out[i] = np.log(red / blue)
    return out


def digits(values: NDArray[np.floating[Any]], n: int = 5) -> list[float]:
    """The values to `n` significant digits (not decimals: small ones rank rare stars)."""
    return [float(f"{value:.{n}g}") for value in values]


def notes_of(spectra: Spectra) -> list[str | None]:
    """What the reader decided or left out, a text a spectrum; None where it had nothing to say."""
    return [str(note) if note else None for note in spectra.get("notes")]


def schema() -> dict[str, Any]:
    """Polars types of `COLUMNS`."""
    import polars as pl

    text = {"path", "obsid", "type", "subclass", "luminosity", "type_set", "flag_names", "error",
            "notes"}  # fmt: skip
    return {
        name: pl.String if name in text else pl.Int64 if name == "flags" else pl.Float64
        for name in COLUMNS
    }


def load_model(name: str | Path = DEFAULT, *, threads: int = 0) -> Model:
    """Load a shipped model by name, or a model's or run's folder.

    Parameters
    ----------
    name : str or path
        Name of a shipped model, or a folder with ``model.json`` and ``model.onnx``.
    threads : int
        CPU threads of a prediction; 0 takes all cores.

    Raises
    ------
    UsageError
        If there is no such model. DataError if it is incomplete, of another version, not ours.
    """
    folder = Path(name)
    if not folder.is_dir():
        known = sorted(p.name for p in SHIPPED.iterdir() if (p / "model.json").exists())
        if os.sep in str(name) or str(name) not in known:
            raise UsageError(
                f"no model {str(name)!r}", remedy=f"a folder, or one of: {', '.join(known)}"
            )
        folder = SHIPPED / str(name)
    for part in ("model.json", "model.onnx"):
        if not (folder / part).is_file():
            raise DataError(
                f"is not a complete model: it has no {part}",
                path=folder,
                remedy="finish training, or name another folder",
            )
    card = read_json(folder / "model.json")
    if not isinstance(card, dict) or card.get("kind") != "spectype model":
        raise DataError("is not a spectype model", path=folder / "model.json")
    if card.get("format") != FORMAT:
        raise DataError(
            f"has model format {card.get('format')!r}; this version reads {FORMAT}",
            path=folder,
            remedy="export it again, or install the version that wrote it",
        )
    return Model(folder=folder, card=card, threads=threads)
