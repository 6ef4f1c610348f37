"""Generic spectra: FITS tables, FITS images and text, by the conventions of the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spectype.core.spectra import Spectra
from spectype.surveys import columns as cols
from spectype.surveys import image, text
from spectype.surveys.clean import Raw, finish, variance_inverse
from spectype.surveys.slowfits import open_fits
from spectype.surveys.source import Source

# Columns of a table with a spectrum a row that say what the spectrum is.
_ROW_NAMES = {
    "object": ("object", "name", "target", "star", "objid", "id"),
    "obsid": ("obsid", "specobjid"),
    "ra": ("ra", "plugra", "targetra", "radeg"),
    "dec": ("dec", "plugdec", "targetdec", "dedeg", "decdeg"),
    "class": ("class",),
    "subclass": ("subclass", "sptype", "spectype", "spectraltype"),
    "redshift": ("z", "redshift"),
}
_TYPE_KEYS = ("SPTYPE", "SP_TYPE", "SPECTYPE", "SPTYPE1", "SUBCLASS", "SPEC_TYP")


def read(
    source: Source,
    *,
    frame: str | None = None,
    columns: cols.ColumnChoice | None = None,
    unit: str | None = None,
    survey: str = "table",
    adjust: Callable[[Raw, Source], None] | None = None,
) -> Spectra:
    """Read any spectrum of a usual form.

    Parameters
    ----------
    source : Source
        The file.
    frame : {"air", "vacuum"}, optional
        Frame of its wavelengths. By default what the file says, else vacuum on the SDSS grid,
        else air.
    columns : mapping, sequence or str, optional
        See `spectype.surveys.columns.choose`.
    unit : str, optional
        Unit of the wavelengths; by default what the file says, else judged by their size.
    survey : str
        Name for the metadata.
    adjust : callable, optional
        What a library knows better than the conventions; changes the `Raw` in place.

    Raises
    ------
    ReadError
        If the file holds no spectrum, or not under these names.
    """
    if source.is_fits:
        source.hdus  # noqa: B018 (finds damage, and says so better than astropy)
        raw = _read_fits(source, columns)
    else:
        raw = text.read_raw(source, columns=columns)
    raw.meta["survey"] = [survey] * raw.flux.shape[0]
    if adjust is not None:
        adjust(raw, source)
    return finish(raw, source, frame=frame, unit=unit)


def _read_fits(source: Source, columns: cols.ColumnChoice | None) -> Raw:
    with open_fits(source) as hdus:
        tables = [hdu for hdu in hdus if hdu.header.get("XTENSION", "").strip() in _TABLES]
        usable = [hdu for hdu in tables if _usable(hdu, columns)]
        if usable:
            raw = _read_table(source, usable[0], columns)
            if len(usable) > 1:
                raw.warnings.append(f"{len(usable)} tables hold spectra: the first is read")
            headers = [usable[0].header, hdus[0].header]
        elif tables and (columns is not None or not _has_image(hdus)):
            names = [name for hdu in tables for name in hdu.columns.names]
            cols.choose(names, columns, source)  # says which of the user's names is missing
            raise source.fail(
                f"no table has columns that look like wavelength and flux: {', '.join(names[:12])}",
                remedy='name them: columns="wave=...,flux=..."',
            )
        else:
            raw = image.read_raw(source, hdus)
            headers = [hdu.header for hdu in hdus]
        _describe(raw, headers)
        return raw


_TABLES = ("BINTABLE", "TABLE", "A3DTABLE")


def _has_image(hdus: Any) -> bool:
    return any(getattr(h, "is_image", False) and h.header.get("NAXIS", 0) > 0 for h in hdus)


def _usable(hdu: Any, columns: cols.ColumnChoice | None) -> bool:
    """Whether a table has rows, a flux column and wavelengths (a column, or in the header)."""
    if len(hdu.columns) == 0 or hdu.header.get("NAXIS2", 0) == 0:
        return False
    if columns is not None:
        lower = {name.lower() for name in hdu.columns.names}
        wanted = cols._as_mapping(columns).values()
        return all(isinstance(c, int) or c.isdigit() or c.strip().lower() in lower for c in wanted)
    roles = cols.guess(hdu.columns.names)
    return "flux" in roles and ("wave" in roles or "COEFF0" in hdu.header)


def _read_table(source: Source, hdu: Any, columns: cols.ColumnChoice | None) -> Raw:
    """A table with a pixel a row, or a spectrum a row."""
    roles = cols.choose(hdu.columns.names, columns, source)
    if "flux" not in roles or ("wave" not in roles and "COEFF0" not in hdu.header):
        raise source.fail(
            f"the table has no column that looks like"
            f" {'flux' if 'flux' not in roles else 'wavelength'}: {', '.join(hdu.columns.names)}",
            remedy='name them: columns="wave=...,flux=..."',
        )
    units = {column.name: column.unit for column in hdu.columns}
    flux = _matrix(hdu.data[roles["flux"]], roles["flux"], source)
    values = {
        role: _like(flux, hdu.data[name], name, source)
        for role, name in roles.items()
        if role not in ("wave", "flux")
    }
    raw = Raw(wave=np.empty(0), flux=flux, frame=image.stated_frame(hdu.header))
    raw.ivar = values.get("ivar")
    if raw.ivar is None:
        raw.ivar = variance_inverse(error=values.get("error"), variance=values.get("variance"))
    _take_mask(raw, values)
    if "wave" in roles:
        name = roles["wave"]
        raw.wave = _like(flux, hdu.data[name], name, source)
        raw.unit = cols.unit_in_name(name) or units[name]
        raw.frame = cols.frame_in_text(name) or raw.frame
    else:
        image.from_header(hdu.header, raw, source)
    raw.per_frequency = image.is_per_frequency(units[roles["flux"]])
    many = hdu.data[roles["flux"]].ndim > 1 or hdu.data[roles["flux"]].dtype == object
    raw.meta["layout"] = [f"table, a {'spectrum' if many else 'pixel'} a row"] * flux.shape[0]
    if many:
        raw.meta.update(_row_columns(hdu))
    return raw


def _take_mask(raw: Raw, values: dict[str, Any]) -> None:
    if "mask" in values:
        raw.bad = ~(values["mask"] == 0)
    elif "good" in values:
        raw.bad = ~(values["good"] > 0)
    if raw.bad is not None and raw.bad.all():
        raw.bad = None
        raw.warnings.append("the mask column marks every pixel: ignored")


def _matrix(column: Any, name: str, source: Source) -> Any:
    """A column as (n_spec, n_pix) floats: scalars are pixels, vectors are spectra."""
    try:
        if column.dtype == object:  # vectors of different lengths
            width = max(len(row) for row in column)
            out = np.full((len(column), width), np.nan)
            for i, row in enumerate(column):
                out[i, : len(row)] = row
            return out
        data = np.asarray(column)
        if data.dtype.kind != "f":  # float32 stays as it is, for the memory of big tables
            data = data.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise source.fail(f"column {name!r} holds no numbers", remedy="name another") from error
    if data.ndim == 1:
        return data[None]
    return data.reshape(data.shape[0], -1)


def _like(flux: Any, column: Any, name: str, source: Source) -> Any:
    """A column in the shape of `flux`."""
    data = _matrix(column, name, source)
    if data.shape != flux.shape:
        raise source.fail(
            f"column {name!r} has shape {data.shape}, flux {flux.shape}",
            remedy="name columns of one shape",
        )
    return data


def _row_columns(hdu: Any) -> dict[str, list[Any]]:
    """Metadata that the table gives a spectrum."""
    plain = {cols.normal(name): name for name in reversed(hdu.columns.names)}
    found: dict[str, list[Any]] = {}
    for key, spellings in _ROW_NAMES.items():
        name = next((plain[s] for s in spellings if s in plain), None)
        if name is None or hdu.data[name].ndim != 1:
            continue
        values = hdu.data[name].tolist()
        if key in ("ra", "dec", "redshift"):
            found[key] = [v if isinstance(v, float) else None for v in values]
        else:
            found[key] = [str(v).strip() or None for v in values]
    return found


def _describe(raw: Raw, headers: list[Any]) -> None:
    """Metadata from the headers, the most specific first."""
    n_spec = raw.flux.shape[0]
    if raw.frame is None:
        frames = (image.stated_frame(h) or image.frame_in_comments(h) for h in headers)
        raw.frame = next((frame for frame in frames if frame), None)
    found = {
        "object": _first(headers, ("OBJECT", "OBJNAME", "TARGNAME", "TARGETID")),
        "subclass": _first(headers, _TYPE_KEYS),
        "ra": degrees(_first(headers, ("RA", "RA_TARG", "RA_OBJ", "OBJ_RA")), hours=True),
        "dec": degrees(_first(headers, ("DEC", "DEC_TARG", "DEC_OBJ", "OBJ_DEC")), hours=False),
    }
    if found["subclass"] is not None:
        found["class"] = "STAR"
    for name, value in found.items():
        if value is not None:
            raw.meta.setdefault(name, [value] * n_spec)


def _first(headers: list[Any], keys: tuple[str, ...]) -> Any:
    """The first of these cards that is there and not empty."""
    for header in headers:
        for key in keys:
            value = header.get(key)
            if value is not None and str(value).strip():
                return value.strip() if isinstance(value, str) else value
    return None


def degrees(value: Any, *, hours: bool) -> float | None:
    """A coordinate in degrees from a number (degrees) or text (sexagesimal, or degrees).

    Parameters
    ----------
    value : float or str
        ``266.4``, ``"17:45:40.04"`` or ``"-29 00 28"``.
    hours : bool
        Sexagesimal text is in hours (right ascension).
    """
    if isinstance(value, (int, float)):
        return float(value)
    parts = str(value or "").replace(":", " ").split()
    try:
        numbers = [abs(float(part)) for part in parts]
    except ValueError:
        return None
    if not numbers or len(numbers) > 3:
        return None
    sign = -1.0 if parts[0].startswith("-") else 1.0
    size = sum(number / 60.0**i for i, number in enumerate(numbers))
    return sign * size * (15.0 if hours and len(numbers) > 1 else 1.0)
