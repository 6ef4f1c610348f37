"""Images to spectra: by extension name, by rows with roles, one image a star."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block, Cards, Inherited, Named
from spectype.formats.source import Source
from spectype.reading import axes, names, roles
from spectype.reading.clean import Raw
from spectype.reading.rows import (
    FEW,
    Rows,
    looks_like_wave,
    quality_of,
    role_of_text,
    roles_said,
    sort_rows,
)

_WITNESSES = ("ivar", "error", "variance", "mask", "good")


def of_images(block: Block, source: Source) -> tuple[list[Raw], list[str]]:
    """The spectra of the images of a file, a `Raw` for each, and the names of those left out.

    Understands images by name (FLUX, IVAR, ERR, WAVELENGTH, MASK, with or without the prefix of
    an arm or a star), a star an image, a star a row, and rows that are wavelength, flux, error ...

    Raises
    ------
    ReadError
        If no image is a spectrum.
    """
    images = _unique(block.arrays, block.cards)
    sets = [s for s in _sets(images) if "flux" in s]
    raws: list[Raw] = []
    used: list[Named] = []
    for one in sets:
        raws += _of_set(one, source)
        used += list(one.values())
    left = [image.name for image in images if all(image is not u for u in used)]
    return raws, left


def _unique(images: list[Named], primary: Cards) -> list[Named]:
    """Images with names, each once; nameless ones get a number.

    An image without an axis of its own has that of a primary header without data.
    """
    seen: dict[str, int] = {}
    out = []
    heir = primary.get("NAXIS") == 0 and roles.has_axis(primary)
    for i, image in enumerate(images):
        name = image.name or f"image {i}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name = f"{name}.{seen[name]}"
        own = image.cards
        cards = Inherited(own, primary) if heir and not roles.has_axis(own) else own
        out.append(Named(name=name, load=image.load, unit=image.unit, cards=cards))
    return out


def _sets(images: list[Named]) -> list[dict[str, Named]]:
    """Images by role, a set for each spectrum (or each stack of spectra)."""
    by_name = {image.name: image for image in images}
    named = [n for n in by_name if not re.fullmatch(r"image \d+", n)]
    sets = [
        {role: by_name[name] for role, name in one.roles.items()}
        for one in names.families(named)
        if one.roles
    ]
    taken = {name for one in sets for name in (image.name for image in one.values())}
    rest = [image for image in images if image.name not in taken]
    if not sets or "flux" not in sets[0]:
        # The first image is the flux, and what has a name of its own goes with it.
        if not rest:
            return sets
        first, rest = rest[0], rest[1:]
        sets = [{**(sets[0] if sets else {}), "flux": first}]
    rest = [image for image in rest if _is_spectrum(image)]
    if len(sets) == 1:
        rest = _without_companions(sets[0], rest)
    sure = [image for image in rest if role_of_text(image.name) == "flux"]
    if not sure and _add_quality(sets[-1], rest):
        return sets  # images with roles; what has no name is no star
    stars = [image for image in rest if role_of_text(image.name) in (None, "flux")]
    return sets + [{"flux": image} for image in stars if roles.has_axis(image.cards)]


def _without_companions(one: dict[str, Named], rest: list[Named]) -> list[Named]:
    """Images but those that go with a flux by their names: ``RED_DATA``, ``RED_IVAR``.

    Another version of the flux, ``RED_DATA_NOSS``, is no star either.
    """
    main, out = one["flux"], []
    for image in rest:
        alike = image.values.shape == main.values.shape
        role = role_of_text(image.name)
        if alike and role in _WITNESSES and not one.keys() & set(_WITNESSES):
            one[role] = image
        elif not (alike and re.fullmatch(re.escape(main.name) + r"_[A-Za-z]+", image.name)):
            out.append(image)
    return out


def _add_quality(one: dict[str, Named], rest: list[Named]) -> bool:
    """Add what is the error or inverse variance of a set's flux by its numbers, if anything is."""
    flux = np.ravel(one["flux"].values)
    for image in rest:
        if image.values.shape == one["flux"].values.shape:
            role = quality_of(np.ravel(image.values), flux)
            if role is not None and not {"error", "ivar", "variance"} & one.keys():
                one[role] = image
                return True
    return False


def _is_spectrum(image: Named) -> bool:
    return image.values.ndim in (1, 2) and image.values.shape[-1] > 1


def _of_set(one: dict[str, Named], source: Source) -> list[Raw]:
    """The spectra of one set of images that belong together."""
    main = one["flux"]
    planes, cards = _planes(np.asarray(main.values, dtype=np.float64), main.cards, source)
    bands = roles_said(cards, len(planes)) if len(planes) > 1 else {}
    data = planes[next((i for i, role in bands.items() if role == "flux"), 0)]
    axis = None if "wave" in one else axes.from_cards(cards, data.shape, source)
    if axis is None and "wave" not in one and _is_upright(data):
        data = data.T
    has_others = any(role in one for role in _WITNESSES)
    rows = (
        Rows(flux=list(range(len(data))))
        if has_others or "wave" in one or len(planes) > 1
        else sort_rows(data, cards, axis=None if axis is None else axis.wave)
    )
    if axis is None and "wave" not in one and rows.wave is None:
        raise source.fail(
            f"image {main.values.shape} has no wavelengths in its header or rows", remedy=axes.ASK
        )
    flux = data[rows.flux]
    values = {role: data[index] for role, index in rows.roles.items()}
    values |= {role: planes[i] for i, role in bands.items() if role in _WITNESSES}
    values |= {role: _fit(one[role], flux) for role in _WITNESSES if _fits(one.get(role), flux)}
    raw = roles.build(flux, {**one}, values, cards, source)
    raw.name = main.name
    raw.notes = [*rows.notes, *raw.notes]
    if len(planes) > 1:
        raw.notes.append(f"{len(planes)} bands: {', '.join(bands.values()) or 'the first is read'}")
    if "wave" in one:
        raw.wave = _wave(one["wave"], flux, source)
    elif axis is not None:
        raw.wave = axis.wave if axis.wave.ndim == 1 else axis.wave[rows.flux]
    elif rows.wave is not None:
        raw.wave, raw.unit = rows.wave, None
    shape = "x".join(map(str, main.values.shape))
    raw.meta["layout"] = [f"image {shape}"] * len(raw)
    if 1 < len(raw) <= FEW and not rows.notes and "error" not in values:
        raw.notes.append(f"{len(raw)} rows taken as a star each")
    return [raw]


def _is_upright(data: NDArray[Any]) -> bool:
    """Whether the columns of an image are wavelength, flux and error."""
    return data.shape[1] <= FEW < data.shape[0] and looks_like_wave(data[:, 0])


def _planes(data: NDArray[Any], cards: Cards, source: Source) -> tuple[NDArray[Any], Cards]:
    """An image as (n_bands, n_rows, n_pix), wavelengths along the last axis, and cards to match.

    More bands than one are IRAF's, of several apertures; of a single one they are its rows.
    """
    axis = axes.spectral_axis(cards, data.ndim)
    if axis > 1:
        data, cards = np.moveaxis(data, data.ndim - axis, -1), axes.Turned(cards, axis)
    outer = [n for n in data.shape[:-1] if n != 1]
    if len(outer) < 2:
        return data.reshape(1, -1, data.shape[-1]), cards
    if len(outer) == 2 and (data.ndim > 2 and outer[0] <= FEW and axis == 1):
        return data.reshape(*outer, data.shape[-1]), cards
    raise source.fail(
        f"holds an image of {data.ndim} axes {data.shape}, not spectra", remedy=axes.ASK
    )


def _fits(image: Named | None, flux: NDArray[Any]) -> bool:
    return image is not None and np.size(image.values) in (flux.size, flux.shape[1])


def _fit(image: Named, flux: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(image.values, dtype=np.float64)
    if values.size == flux.size:
        return values.reshape(flux.shape)
    return np.broadcast_to(values.reshape(1, -1), flux.shape)


def _wave(image: Named, flux: NDArray[Any], source: Source) -> NDArray[Any]:
    """Wavelengths of an image of their own in a shape that goes with `flux`."""
    wave = np.squeeze(np.asarray(image.values, dtype=np.float64))
    if wave.shape in (flux.shape, flux.shape[1:]):
        return wave
    if wave.shape == (flux.shape[1],):
        return wave
    raise source.fail(f"wavelengths have shape {wave.shape}, flux {flux.shape}", remedy=axes.ASK)
