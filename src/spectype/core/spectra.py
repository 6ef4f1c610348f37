"""The Spectra batch: what every reader returns and every step takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

import spectype  # the package's door: what a batch offers of rooms above this one is behind it

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
_SHOWN = ("path", "object", "survey", "obsid", "subclass")  # in a notebook, as far as known
_MOST = 20  # rows there


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Spectra:
    """A batch of spectra on pixels.

    `spectype.from_arrays` makes one of arrays in any unit and order, and checks them;
    `spectype.read` one of a file. ``spectra[3]`` and ``spectra[2:5]`` are batches again.

    Parameters
    ----------
    wave : ndarray, shape (n_pix,) or (n_spec, n_pix), float64
        Wavelength of the pixel centres [Angstrom, vacuum], increasing along pixels. One
        dimension when all spectra share it. Heliocentric as observed, unless a step of the
        preprocess chain has moved it to the rest frame.
    flux : ndarray, shape (n_spec, n_pix), float32
        Flux density per wavelength [any unit; relative within a spectrum].
    ivar : ndarray, shape (n_spec, n_pix), float32
        Inverse variance [1/flux**2]; 0 where the pixel is bad. Where a file gives no errors
        it is 1 for real pixels and ``meta["has_errors"]`` is False.
    mask : ndarray, shape (n_spec, n_pix), bool
        True where the pixel is bad, missing or padding.
    meta : mapping of str to sequence
        One value a spectrum for each name. Readers fill what they know of: ``path``, ``index``
        (position in the file), ``survey``, ``layout``, ``object``, ``obsid``, ``ra``, ``dec``
        [degree], ``class``, ``subclass``, ``redshift``, ``snr`` (S/N in g where given),
        ``snr_u`` ... ``snr_z``, ``star_id`` and ``has_errors``. Missing: None.

    Raises
    ------
    ValueError
        If shapes disagree.

    Examples
    --------
    >>> import numpy as np
    >>> flux = np.ones((3, 500), np.float32)
    >>> wave = np.linspace(4000.0, 5000.0, 500)
    >>> spectra = Spectra(wave=wave, flux=flux, ivar=100 * flux, mask=flux < 0)
    >>> spectra[1:], float(spectra.snr()[0])
    (Spectra(2 spectra, 500 pixels, 4000-5000 A), 10.0)
    >>> spectra.n_pix, spectra.get("object", "a star")
    (500, ['a star', 'a star', 'a star'])
    """

    wave: NDArray[np.float64]
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    mask: BoolArray
    meta: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.flux.ndim != 2:
            raise ValueError(f"flux has shape {self.flux.shape}, not (n_spec, n_pix)")
        for name in ("ivar", "mask"):
            if getattr(self, name).shape != self.flux.shape:
                raise ValueError(
                    f"{name} has shape {getattr(self, name).shape}, flux {self.flux.shape}"
                )
        if self.wave.shape not in (self.flux.shape, self.flux.shape[1:]):
            raise ValueError(f"wave has shape {self.wave.shape}, flux {self.flux.shape}")
        n_spec = len(self)
        if set(map(len, self.meta.values())) - {n_spec}:
            name = next(name for name, values in self.meta.items() if len(values) != n_spec)
            n_values = len(self.meta[name])
            raise ValueError(f"meta[{name!r}] has {n_values} values for {n_spec} spectra")

    def __len__(self) -> int:
        return int(self.flux.shape[0])

    def __iter__(self) -> Iterator[Spectra]:
        return (self[i : i + 1] for i in range(len(self)))

    def __getitem__(
        self, rows: int | slice | Sequence[int] | NDArray[np.integer[Any]] | BoolArray
    ) -> Spectra:
        """The batch of these rows: a number (a batch of one), a slice, numbers, or a mask."""
        index = np.atleast_1d(np.arange(len(self))[rows])
        return Spectra(
            wave=self.wave if self.wave.ndim == 1 else self.wave[index],
            flux=self.flux[index],
            ivar=self.ivar[index],
            mask=self.mask[index],
            meta={name: [values[i] for i in index] for name, values in self.meta.items()},
        )

    def __repr__(self) -> str:
        one = len(self) == 1
        return f"Spectra({len(self)} {'spectrum' if one else 'spectra'}, {self._extent()})"

    def _extent(self) -> str:
        if not self.flux.size:
            return f"{self.n_pix} pixels"
        return f"{self.n_pix} pixels, {self.wave.min():.0f}-{self.wave.max():.0f} A"

    def _repr_html_(self) -> str:
        """What a notebook shows: a row a spectrum, of twenty at most."""
        names = [n for n in _SHOWN if any(v is not None for v in self.meta.get(n, ()))]
        head = "".join(f"<th>{escape(name)}</th>" for name in ("", *names, "S/N", "good pixels"))
        rows = []
        for i, (snr, good) in enumerate(zip(self.snr()[:_MOST], ~self.mask[:_MOST])):
            cells = [i, *(self.meta[name][i] for name in names)]
            cells += ["" if np.isnan(snr) else f"{snr:.0f}", f"{good.mean():.0%}"]
            said = ("" if cell is None else escape(str(cell)) for cell in cells)
            rows.append(f"<tr>{''.join(f'<td>{cell}</td>' for cell in said)}</tr>")
        more = f"<p>and {len(self) - _MOST} more</p>" if len(self) > _MOST else ""
        title = escape(repr(self).removeprefix("Spectra(").removesuffix(")"))
        return f"<p>{title}</p><table><tr>{head}</tr>{''.join(rows)}</table>{more}"

    def plot(self, **options: Any) -> Any:
        """Draw the spectra; see `spectype.plot` for the options."""
        return spectype.plot(self, **options)

    def to_specutils(self) -> Any:
        """The batch as a specutils ``SpectrumList``; see `spectype.to_specutils`."""
        return spectype.to_specutils(self)

    def write(self, path: Any) -> Any:
        """Write the spectra to a FITS file; see `spectype.write_spectra`."""
        return spectype.write_spectra(self, path)

    @property
    def n_pix(self) -> int:
        """Number of pixels of a spectrum."""
        return int(self.flux.shape[1])

    def get(self, name: str, default: Any = None) -> list[Any]:
        """The column `name` of the metadata, or `default` for each spectrum."""
        return list(self.meta.get(name, [default] * len(self)))

    def snr(self) -> NDArray[np.float32]:
        """Median S/N a pixel, shape (n_spec,): median of ``flux * sqrt(ivar)`` of good pixels.

        NaN where a spectrum has no good pixel.
        """
        return row_medians(self.flux * np.sqrt(self.ivar), ~self.mask)


def row_medians(values: NDArray[Any], good: BoolArray) -> NDArray[np.float32]:
    """Median over the good pixels of each row, shape (n_spec,), float32; NaN where there is none.

    Parameters
    ----------
    values, good : ndarray, shape (n_spec, n_pix)
        Numbers, and which of them count.
    """
    # Sorting float32 is vectorised in numpy and three times as quick as its nanmedian.
    rising = np.sort(np.where(good, values, np.float32(np.inf)).astype(np.float32, copy=False), 1)
    count = good.sum(axis=1)
    rows, n = np.arange(len(rising)), np.maximum(count, 1)
    middle = 0.5 * (rising[rows, (n - 1) // 2] + rising[rows, n // 2])
    return np.where(count > 0, middle, np.float32(np.nan)).astype(np.float32)


def span(good: BoolArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First good pixel of each spectrum and the one after its last, each (n_spec,).

    A spectrum without any spans all pixels.
    """
    return good.argmax(axis=1), good.shape[1] - good[:, ::-1].argmax(axis=1)


def concatenate(batches: Sequence[Spectra]) -> Spectra:
    """Join batches that share one wavelength grid of shape (n_pix,).

    Raises
    ------
    ValueError
        If there is none, or their grids differ.
    """
    if not batches:
        raise ValueError("no spectra to join")
    if len(batches) == 1:
        return batches[0]
    wave = batches[0].wave
    if any(b.wave.shape != wave.shape or not np.array_equal(b.wave, wave) for b in batches):
        raise ValueError("batches on different wavelength grids cannot be joined; resample first")
    return Spectra(
        wave=wave,
        flux=np.concatenate([b.flux for b in batches]),
        ivar=np.concatenate([b.ivar for b in batches]),
        mask=np.concatenate([b.mask for b in batches]),
        meta=join_meta(batches),
    )


def join_meta(batches: Sequence[Spectra]) -> Mapping[str, Sequence[Any]]:
    """The metadata of several batches, joined; None for what one of them does not know."""
    if len(batches) == 1:
        return batches[0].meta
    first = list(batches[0].meta)
    if all(list(b.meta) == first for b in batches):  # files of one survey, thousands a second
        columns = zip(*(b.meta.values() for b in batches))
        return {name: list(chain.from_iterable(values)) for name, values in zip(first, columns)}
    names = dict.fromkeys(name for b in batches for name in b.meta)
    nothing = [[None] * len(b) for b in batches]
    return {
        name: list(chain.from_iterable(b.meta.get(name, n) for b, n in zip(batches, nothing)))
        for name in names
    }


def number(value: Any) -> float | None:
    """A finite float, or None. Sexagesimal text is not a number here."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if np.isfinite(result) else None
