"""Images to spectra: by extension name, by rows with roles, one image a star."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.formats.blocks import Block, Cards, Named
from spectype.formats.source import Source
from spectype.reading import axes, names, quality, roles
from spectype.reading.clean import Raw
from spectype.reading.rows import FEW, Rows, looks_like_wave, role_of_text, sort_rows

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
    images = _unique(block.arrays)
    sets = [s for s in _sets(images) if "flux" in s]
    raws: list[Raw] = []
    used: list[Named] = []
    for one in sets:
        raws += _of_set(one, source)
        used += list(one.values())
    left = [image.name for image in images if all(image is not u for u in used)]
    return raws, left


def _unique(images: list[Named]) -> list[Named]:
    """Images with names, each once; nameless ones get a number."""
    seen: dict[str, int] = {}
    out = []
    for i, image in enumerate(images):
        name = image.name or f"image {i}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name = f"{name}.{seen[name]}"
        out.append(Named(name=name, load=image.load, unit=image.unit, cards=image.cards))
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
    for image in rest:
        main = sets[-1]["flux"]
        if not _is_spectrum(image) or np.shape(image.values)[-1] < 2:
            continue
        if image.values.shape == main.values.shape and _is_error(image, main):
            sets[-1].setdefault("error", image)
        elif role_of_text(image.name) in (None, "flux") and _has_axis(image.cards):
            sets.append({"flux": image})
    return sets


def _is_error(image: Named, main: Named) -> bool:
    return quality.is_error_of(np.ravel(image.values), np.ravel(main.values))


def _is_spectrum(image: Named) -> bool:
    return image.values.ndim in (1, 2)


def _has_axis(cards: Cards) -> bool:
    step = any(key in cards for key in ("CDELT1", "CD1_1", "PC1_1"))
    return "COEFF0" in cards or ("CRVAL1" in cards and step)


def _of_set(one: dict[str, Named], source: Source) -> list[Raw]:
    """The spectra of one set of images that belong together."""
    main = one["flux"]
    data = np.asarray(main.values, dtype=np.float64)
    data, cards = _two_axes(data, main.cards, source)
    axis = None if "wave" in one else axes.from_cards(cards, data.shape, source)
    if axis is None and "wave" not in one and _is_upright(data):
        data = data.T
    has_others = any(role in one for role in _WITNESSES)
    rows = (
        Rows(flux=list(range(len(data))))
        if has_others or "wave" in one
        else sort_rows(data, cards, axis=None if axis is None else axis.wave)
    )
    if axis is None and "wave" not in one and rows.wave is None:
        raise source.fail(
            f"image {main.values.shape} has no wavelengths in its header or rows", remedy=axes.ASK
        )
    flux = data[rows.flux]
    values = {role: data[index] for role, index in rows.roles.items()}
    values |= {role: _fit(one[role], flux) for role in _WITNESSES if _fits(one.get(role), flux)}
    raw = roles.build(flux, {**one}, values, cards, source)
    raw.name = main.name
    raw.notes = [*rows.notes, *raw.notes]
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


def _two_axes(data: NDArray[Any], cards: Cards, source: Source) -> tuple[NDArray[Any], Cards]:
    """Flux as (n_rows, n_pix); of IRAF's bands all rows of a single aperture, else the first."""
    if data.ndim <= 2:
        return np.atleast_2d(data), cards
    squeezed = np.squeeze(data)
    if squeezed.ndim <= 2 and squeezed.shape and squeezed.shape[-1] == data.shape[-1]:
        return np.atleast_2d(squeezed), cards
    if data.ndim == 3 and data.shape[0] <= FEW:
        return data[0], cards
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
