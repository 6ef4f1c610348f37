"""Trained models: load a folder, turn spectra into a table. ONNX Runtime, no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from spectype.classify import columns
from spectype.classify.columns import digits
from spectype.classify.obtain import PARTS, folder_of, sha256
from spectype.classify.posterior import Sequence70, calibrated, softmax, type_sets
from spectype.classify.quality import (
    LEAST_COVERAGE,
    coverage_faults,
    flags_of,
    signal_to_noise,
)
from spectype.classify.tables import provenance
from spectype.core import kinds, mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import read_json
from spectype.core.flags import names
from spectype.core.spectra import Spectra, concatenate, number
from spectype.dataset.preprocess import BadPixels, Resample, from_data, run_chain

if TYPE_CHECKING:
    from spectype.classify.given import Given
    from spectype.classify.results import Results

FORMAT = 5  #: of model.json
_RELEASES = {4: "0.1 (tag first)"}  # spectype that reads an older format
DEFAULT = "standard"
System = Literal["mk", "survey"]
SYSTEMS: tuple[System, ...] = ("mk", "survey")
OUTPUTS = ("sequence", "survey", "luminosity", "kind")  #: of the network, in this order
WEIGHTS = "weights_sha256"  #: of the card: SHA-256 of model.onnx
BATCH = 64


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
    kind : ndarray, shape (n, n_kinds)
        Logits of `core.kinds.KINDS`.
    """

    sequence: NDArray[np.float32]
    survey: NDArray[np.float32]
    luminosity: NDArray[np.float32]
    kind: NDArray[np.float32]

    def finite(self) -> NDArray[np.bool_]:
        """Which spectra have a number in every output, shape (n,)."""
        parts = (self.sequence, self.survey, self.luminosity, self.kind)
        return np.asarray(np.all([np.isfinite(part).all(axis=1) for part in parts], axis=0))

    def kinds(self) -> NDArray[np.float64]:
        """Probabilities of the kinds of objects, shape (n, n_kinds)."""
        return softmax(np.nan_to_num(self.kind))

    def strangeness(self) -> NDArray[np.float64]:
        """Probability of no place on the sequence: neither a normal nor a weak-lined star, (n,)."""
        found = self.kinds()
        return np.clip(1.0 - found[:, kinds.STAR] - found[:, kinds.METAL_WEAK], 0.0, 1.0)


@dataclass(frozen=True, repr=False)
class Model:
    """A trained model: its card's facts and its network.

    Use `load_model`. ``threads`` is the number of CPU threads of one prediction.

    Examples
    --------
    >>> model = load_model()
    >>> model.name, model.wave.shape, model.card["seen"]
    ('standard', (3904,), ['O', 'B', 'A', 'F', 'G', 'K', 'M'])
    >>> len(model.checksum)
    64
    """

    folder: Path
    card: Mapping[str, Any]
    threads: int = 0
    _cache: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        wave = self.wave
        return f"Model({self.name!r}, {wave.size} pixels, {wave[0]:.0f}-{wave[-1]:.0f} A)"

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
        """The grid it sees (n_pix,) [Angstrom, vacuum], read-only."""
        for step in self.chain:
            if isinstance(step, Resample):
                return step.wave
        raise DataError("its chain has no resample step", path=self.folder)

    @cached_property
    def grid_first(self) -> Resample | None:
        """The chain's grid, if spectra on its pixels may be moved there before all other steps."""
        before: list[Any] = []
        for step in self.chain:
            if isinstance(step, Resample):
                return step if all(isinstance(s, BadPixels) for s in before) else None
            before.append(step)
        return None

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
                "flux": np.where(good[rows], flux[rows], np.float32(0)).astype(
                    np.float32, copy=False
                ),
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

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the card and the weights together: what a table says it was typed by."""
        content = hashlib.sha256()
        for part in PARTS:
            content.update((self.folder / part).read_bytes())
        return content.hexdigest()

    def predict(self, spectra: Given, *, system: str = "mk", preprocess: bool = True) -> Results:
        """Type spectra.

        Parameters
        ----------
        spectra : Spectra, path-like, specutils object, or iterable of these
            Any grid, any coverage, any flux unit. Paths as `spectype.read` takes them: a file,
            ``FILE[3]``, a store.
        system : str
            ``mk`` for MK types; ``survey`` for what the survey's pipeline would have said.
        preprocess : bool
            False if the batch has been through the model's chain already (rows of a store).

        Returns
        -------
        Results
            A polars data frame: one row a spectrum with the columns of `columns.COLUMNS`. Where
            nothing can be said, ``type`` is empty, and the flags and ``error`` say why.

        Raises
        ------
        ArgumentError
            If `spectra` is none of these.
        ReadError
            If a file cannot be read. `spectype.classify` makes that a row with an error.

        Examples
        --------
        >>> from spectype import from_arrays
        >>> star = from_arrays(range(3800, 8800, 2), [1.0, 1.1] * 1250, frame="vacuum")
        >>> load_model().predict([star, star])["flag_names"].to_list()[0].split()[0]
        'NO_ERRORS'
        """
        from spectype.classify.given import batches
        from spectype.classify.results import Results

        found = batches(spectra)
        ready = [run_chain(one, self.chain) if preprocess else one for one in found]
        about = provenance(model=self.name, checksum=self.checksum, system=system)
        if not ready:
            return Results(schema=columns.schema())
        together = concatenate(ready)
        rows = self.rows(together, system=system)
        faults = coverage_faults(found, together, self.wave)
        rows["error"] = [own or said for own, said in zip(faults, rows["error"])]
        return Results.of(rows, about)

    def rows(self, ready: Spectra, *, system: str = "mk") -> dict[str, list[Any]]:
        """Columns of `predict` for spectra that have been through the model's chain."""
        good = ~ready.mask
        outputs = self.outputs(ready.flux, good)
        finite = outputs.finite()
        sequence = self.sequence(outputs, system=system)
        types, code, error = sequence.types(), sequence.code(), sequence.error()
        snr, strangeness = signal_to_noise(ready), outputs.strangeness()
        strange = strangeness > self.outlier_limit(good)
        flags = flags_of(ready, snr=snr, types=types, code=code, error=error, strange=strange)
        usable = ((good.mean(axis=1) >= LEAST_COVERAGE) & finite).tolist()
        classes = softmax(outputs.luminosity, self.card["temperature"]["luminosity"])
        kind = outputs.kinds()
        said = {
            "type": [mk.TYPES[i] for i in types.argmax(axis=1)],
            "type_probability": digits(types.max(axis=1)),
            **{f"p_{t}": digits(types[:, i]) for i, t in enumerate(mk.TYPES)},
            "subclass": [mk.format_code(c, half=c < 10) for c in code.tolist()],
            "subclass_code": np.round(code, 2).tolist(),
            "subclass_error": np.round(error, 2).tolist(),
            "luminosity": [mk.LUMINOSITIES[i] for i in classes.argmax(axis=1)],
            "luminosity_probability": digits(classes.max(axis=1)),
            "type_set": type_sets(types, self._set_mass(snr, types, system)),
            "ood_score": digits(strangeness),
            "kind": [kinds.KINDS[i] for i in kind.argmax(axis=1)],
            "kind_probability": digits(kind.max(axis=1)),
            "p_star": digits(kind[:, kinds.STAR]),
        }
        return (
            columns.identity(ready)
            | {name: columns.where(values, usable) for name, values in said.items()}
            | {
                "snr": [number(h) or m for h, m in zip(ready.get("snr"), digits(snr))],
                "flags": flags.tolist(),
                "flag_names": [names(value) for value in flags.tolist()],
                "error": [None if ok else "the network gave no number" for ok in finite.tolist()],
            }
        )

    def outlier_limit(self, good: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Outlier score above which a spectrum is flagged, by its good pixels (n, n_pix).

        The less is seen of a star the less sure the network is that it is one, of the red less
        than of the blue; so the limit that a given share of normal stars exceed depends on both.
        """
        table = self.card["outlier_limit"]
        share = good.mean(axis=1)
        place = np.linspace(0, 1, good.shape[1], dtype=np.float32)
        middle = good.astype(np.float32) @ place / np.maximum(good.sum(axis=1), 1)
        blue, red = (np.interp(share, table["coverage"], table[end]) for end in ("blue", "red"))
        return np.asarray(np.where(middle < 0.5, blue, red))

    def _set_mass(
        self, snr: NDArray[np.float64], types: NDArray[np.float64], system: str
    ) -> NDArray[np.float64]:
        """Mass that the 90 % set gathers (n,), by S/N and the most probable type."""
        table = self.card["conformal"][system]
        edges = np.asarray(table["snr_edges"], float)
        rows = np.searchsorted(edges, np.nan_to_num(snr), side="right")
        return np.asarray(np.asarray(table["mass"])[rows, types.argmax(axis=1)])


def load_model(name: str | Path = DEFAULT, *, threads: int = 0) -> Model:
    """Load a shipped model by name, a model's or run's folder, a zip archive or an address.

    Parameters
    ----------
    name : str or path
        Name of a shipped model; a folder with ``model.json`` and ``model.onnx``; a ``.zip`` of
        one; or ``https://.../model.zip#sha256=HEX``, which is fetched once, checked, and kept in
        a cache (``SPECTYPE_CACHE``). Nothing in a model is ever run as a program.
    threads : int
        CPU threads of a prediction; 0 takes all cores.

    Raises
    ------
    UsageError
        If there is no such model, or an address names no checksum.
    DataError
        If it is incomplete, of another version, not ours, or its weights are not the card's.

    Examples
    --------
    >>> load_model()
    Model('standard', 3904 pixels, 3700-9089 A)
    """
    folder = folder_of(name)
    for part in PARTS:
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
            remedy=f"export it again, or install spectype {_RELEASES[found]}, which reads it"
            if (found := card.get("format")) in _RELEASES
            else "export it again, or install the version that wrote it",
        )
    # Models that were exported before cards had a checksum have none.
    said = card.get(WEIGHTS)
    if said is not None and said != sha256(folder / "model.onnx"):
        raise DataError(
            "does not have the checksum that its card says",
            path=folder / "model.onnx",
            remedy="the file is damaged or of another model: fetch or export it again",
        )
    return Model(folder=folder, card=card, threads=threads)
