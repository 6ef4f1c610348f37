"""Arrays of the user's own to a batch: checked, each fault with the name of its argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spectype.core.errors import ArgumentError, ReadError
from spectype.core.spectra import Spectra
from spectype.formats.source import Source
from spectype.reading.clean import Part, Raw, assemble, parts_of
from spectype.reading.units import Floats, guess_unit, is_per_frequency, to_angstrom

FRAMES = ("air", "vacuum")
_UNITS = "Angstrom, nm, micron, m, log10 or ln of Angstrom, or a frequency, wavenumber or energy"
_MOST_SHOWN = 60  # letters of a value in a message


def from_arrays(
    wave: ArrayLike,
    flux: ArrayLike,
    *,
    error: ArrayLike | None = None,
    ivar: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    unit: str | None = None,
    frame: str | None = None,
    meta: Mapping[str, Sequence[Any]] | None = None,
) -> Spectra:
    """Make a batch of spectra of arrays, lists, masked arrays or astropy quantities.

    Parameters
    ----------
    wave : array_like, shape (n_pix,) or (n_spec, n_pix)
        Wavelengths of the pixel centres, in any order and unit; also frequencies, wavenumbers
        and energies. NaN is no pixel.
    flux : array_like, shape (n_pix,) or (n_spec, n_pix)
        Flux density per wavelength, in any unit; a quantity per frequency is converted. NaN and
        masked values are bad pixels.
    error : array_like, shape of `flux`, optional
        Standard deviation, in the unit of `flux`; 0, negative and NaN are bad pixels.
    ivar : array_like, shape of `flux`, optional
        Inverse variance in place of `error`; 0 is a bad pixel.
    mask : array_like, shape of `flux`, optional
        True, or any number but 0, where a pixel is bad.
    unit : str or astropy unit, optional
        Unit of `wave`: Angstrom, nm, micron, m, log10 or ln (of Angstrom), or one of frequency,
        wavenumber or energy. By default that of the quantity, else judged by the size of the
        numbers, which ``meta["notes"]`` then says.
    frame : {"air", "vacuum"}, optional
        Frame of `wave`. By default vacuum on the SDSS pixel grid and for frequencies, else air,
        which ``meta["notes"]`` then says.
    meta : mapping of str to sequence, optional
        A value a spectrum for each name, see `spectype.Spectra`: ``object``, ``redshift`` ...

    Returns
    -------
    Spectra
        In vacuum Angstrom, wavelengths increasing.

    Raises
    ------
    ArgumentError
        A ``ValueError`` that begins with the name of the argument: shapes that do not fit, a unit
        that is none of wavelengths, an array of objects, of texts, or without numbers.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.linspace(380, 750, 2000)
    >>> from_arrays(wave, 1 + wave / 500, error=np.full(2000, 0.05), frame="vacuum")
    Spectra(1 spectrum, 2000 pixels, 3800-7500 A)
    >>> from_arrays(wave, np.ones(1999))
    Traceback (most recent call last):
    spectype.core.errors.ArgumentError: wave: has 2000 pixels, flux 1999
    """
    raw = to_raw(wave, flux, error=error, ivar=ivar, mask=mask, unit=unit, meta=meta)
    return gather([raw], frame=frame)


def gather(raws: Iterable[Raw], *, frame: str | None = None) -> Spectra:
    """One batch of what `to_raw` made, padded to one width where the grids differ."""
    if frame is not None and frame not in FRAMES:
        raise ArgumentError(f"{frame!r} is not known", path="frame", remedy="air or vacuum")
    source = Source("wave", b"")  # what is still found wrong is so with the wavelengths
    parts: list[Part] = []
    try:
        with np.errstate(all="ignore"):  # what is infinite or overflows is masked
            for raw in raws:
                parts += parts_of(raw, source, frame=frame, unit=raw.unit)
    except ReadError as error:
        raise ArgumentError(error.problem, path="wave", remedy=f"unit= {_UNITS}") from error
    if not parts:
        raise ArgumentError("holds no spectrum", path="flux")
    return assemble(parts, source)


def to_raw(
    wave: ArrayLike,
    flux: ArrayLike,
    *,
    error: ArrayLike | None = None,
    ivar: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    unit: Any = None,
    meta: Mapping[str, Sequence[Any]] | None = None,
) -> Raw:
    """The checked arrays of `from_arrays`, before units, frame and order are judged."""
    if error is not None and ivar is not None:
        raise ArgumentError("is given beside ivar", path="error", remedy="give one of them")
    waves, bad_wave, wave_unit = _numbers("wave", wave)
    values, bad, flux_unit = _numbers("flux", flux)
    values, bad = np.atleast_2d(values), np.atleast_2d(bad)
    _check_shapes(waves, values)
    waves = np.where(bad_wave, np.nan, waves)
    spelt, notes = _unit_of_waves(waves, wave_unit, unit)
    _check_flux_unit(flux_unit)
    weights = None
    if error is not None:
        weights = _ivar_of_errors(error, flux_unit, values.shape)
    elif ivar is not None:
        weights, absent = _like("ivar", ivar, values.shape)
        weights = np.where(absent, 0.0, weights)
    if weights is not None:
        _check_positive("error" if ivar is None else "ivar", weights)
    if mask is not None:
        bad = bad | _mask(mask, values.shape)
    raw = Raw(wave=waves, flux=values, ivar=weights, bad=bad, unit=spelt, notes=notes)
    raw.power = 2 if is_per_frequency(flux_unit) else 0
    raw.meta = _meta(meta, len(values))
    keeps = flux_unit is not None and not raw.power
    raw.meta["flux_unit"] = [str(flux_unit) if keeps else None] * len(values)
    return raw


def _numbers(name: str, given: Any) -> tuple[Floats, NDArray[np.bool_], Any]:
    """float64 values, where they are masked, and the unit, if any, of a 1-D or 2-D argument."""
    unit = getattr(given, "unit", None)
    given = getattr(given, "value", given) if unit is not None else given
    masked = getattr(given, "mask", None)
    plain = getattr(given, "unmasked", given) if masked is not None else given
    try:
        array = np.ma.getdata(plain) if isinstance(plain, np.ma.MaskedArray) else np.asarray(plain)
    except ValueError as error:  # lists of unequal length
        raise ArgumentError(
            "has rows of different lengths",
            path=name,
            remedy="make a batch of each, and give predict the list of them",
        ) from error
    if array.dtype.kind not in "fiu":
        raise ArgumentError(
            f"is an array of {array.dtype.name}, not of numbers",
            path=name,
            remedy=f"for example np.asarray({name}, dtype=float)",
        )
    if array.ndim == 0:
        raise ArgumentError("is a single number, not an array", path=name)
    if array.ndim > 2:
        raise ArgumentError(
            f"has shape {array.shape}", path=name, remedy="one or two dimensions: (n_spec, n_pix)"
        )
    if not array.size:
        raise ArgumentError(f"is empty: its shape is {array.shape}", path=name)
    absent = np.broadcast_to(False if masked is None else np.asarray(masked, bool), array.shape)
    return np.asarray(array, np.float64), absent, unit


def _check_shapes(wave: Floats, flux: Floats) -> None:
    n_spec, n_pix = flux.shape
    if wave.shape in ((n_pix,), flux.shape):
        if n_pix < 2:
            raise ArgumentError("has one pixel", path="flux", remedy="a spectrum needs more")
        return
    if wave.ndim == 1 and wave.size == n_spec:
        raise ArgumentError(
            f"has shape {flux.shape}, wave {wave.shape}: wavelengths run along the last axis",
            path="flux",
            remedy="transpose it: flux.T",
        )
    if wave.ndim == 1:
        raise ArgumentError(f"has {wave.size} pixels, flux {n_pix}", path="wave")
    raise ArgumentError(
        f"has shape {wave.shape}, flux {flux.shape}",
        path="wave",
        remedy="(n_pix,), or a row of wavelengths a spectrum",
    )


def _unit_of_waves(wave: Floats, own: Any, asked: Any) -> tuple[str | None, list[str]]:
    """The unit as `reading.units` takes it, and what is to be said of it."""
    real = wave[np.isfinite(wave)]
    if real.size < 2:
        raise ArgumentError("holds no two finite numbers", path="wave")
    if asked is not None:
        if own is not None and str(asked) != str(own):
            raise ArgumentError(
                f"{str(asked)!r} contradicts wave, which is in {own}",
                path="unit",
                remedy="leave it out",
            )
        own = asked
    if own is None or not str(own).strip():
        guessed = guess_unit(real)
        if guessed is None:
            raise ArgumentError(
                f"{real.min():.6g} to {real.max():.6g} are not optical wavelengths in any usual "
                "unit",
                path="wave",
                remedy=f"give unit=: {_UNITS}",
            )
        known = guessed == "angstrom"
        return guessed, [] if known else [f"unit of wave not given: taken as {guessed}"]
    spelt = str(own)
    if real.min() <= 0 and not spelt.lower().startswith(("log", "ln", "dex")):
        raise ArgumentError(f"reaches down to {real.min():g} {spelt}", path="wave")
    return _known_unit("unit" if asked is not None else "wave", spelt), []


def _known_unit(name: str, spelt: str) -> str:
    """The spelling, unless it is one of no wavelengths."""
    try:
        # Any optical number will do: it is the unit that is on trial.
        to_angstrom(np.array([1.0, 2.0]), spelt, Source(name, b""), asked=spelt)
    except ReadError as error:
        raise ArgumentError(
            f"{spelt[:_MOST_SHOWN]!r} is no unit of wavelengths", path=name, remedy=_UNITS
        ) from error
    return spelt


def _check_flux_unit(unit: Any) -> None:
    text = str(unit or "").lower()
    if text.startswith(("mag", "dex(", "db(")) or "mag(" in text:
        raise ArgumentError(
            f"is in {unit}, which is no flux", path="flux", remedy="10 ** (-0.4 * magnitude)"
        )


def _like(name: str, given: Any, shape: tuple[int, ...]) -> tuple[Floats, NDArray[np.bool_]]:
    """Numbers of an argument that has the shape of flux, and where they are masked."""
    values, absent, _ = _numbers(name, given)
    values, absent = np.atleast_2d(values), np.atleast_2d(absent)
    if values.shape != shape:
        raise ArgumentError(f"has shape {values.shape}, flux {shape}", path=name)
    return values, absent


def _ivar_of_errors(error: Any, flux_unit: Any, shape: tuple[int, ...]) -> Floats:
    own = getattr(error, "unit", None)
    if own is not None and flux_unit is not None and own != flux_unit:
        from astropy.units import UnitConversionError

        try:
            error = error.to(flux_unit)
        except UnitConversionError as problem:
            raise ArgumentError(
                f"is in {own}, flux in {flux_unit}", path="error", remedy="give both in one unit"
            ) from problem
    sigma, absent = _like("error", error, shape)
    good = np.isfinite(sigma) & (sigma > 0) & ~absent
    return np.where(good, 1.0 / np.where(good, sigma, 1.0) ** 2, 0.0)


def _check_positive(name: str, weights: Floats) -> None:
    if not (weights > 0).any():
        raise ArgumentError(
            "holds no positive number", path=name, remedy="leave it out where there are none"
        )


def _mask(given: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    array = np.atleast_2d(np.asarray(given))
    if array.dtype.kind not in "biu":
        raise ArgumentError(
            f"is an array of {array.dtype.name}", path="mask", remedy="True where a pixel is bad"
        )
    if array.shape != shape:
        raise ArgumentError(f"has shape {array.shape}, flux {shape}", path="mask")
    return np.asarray(array != 0)


def _meta(given: Mapping[str, Sequence[Any]] | None, n_spec: int) -> dict[str, list[Any]]:
    """The user's columns; arrays have neither a path nor a survey."""
    meta: dict[str, list[Any]] = {"path": [None] * n_spec, "survey": [None] * n_spec}
    for name, values in (given or {}).items():
        if isinstance(values, str) or not hasattr(values, "__len__") or len(values) != n_spec:
            raise ArgumentError(
                f"{name!r} is not a sequence of {n_spec} values", path="meta", remedy="one each"
            )
        meta[str(name)] = list(values)
    return meta
