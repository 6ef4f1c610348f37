"""Damage for files: miniature files of every kind, and the ways in which they are spoilt."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np

from spectype.core.errors import ReadError
from spectype.surveys import read
from tests.reading import test_odd_files as odd
from tests.reading.test_kinds import QUALITY, ROWS, STARS, TEXTS, UNITS
from tests.reading.toys import LINEAR, image, star
from tests.surveys.test_surveys import FILES

_CARDS = {"CRVAL1": 3750.0, "CRPIX1": 1.0, "CDELT1": 1.5, "CUNIT1": "Angstrom"}
_WORDS = [b"nan", b"inf", b"-1", b"0", b"1e400", b"'", b"T", b",", b";", b"\n", b"\x00", b"#", b"|",
          b"-9999", b"1.#QNAN", b"D+99", b"\xff\xfe", b" ", b"9" * 30]  # fmt: skip


def seeds() -> list[bytes]:
    """Whole miniature files."""
    found = [content for _, content in FILES.values()]
    found += [gzip.decompress(c) if c[:2] == b"\x1f\x8b" else c for c in found[:1]]
    found += [content for content, _ in (*STARS.values(), *QUALITY.values())]
    found += [*TEXTS.values(), *UNITS.values()]
    found += [content for content, _ in (odd.STARS | odd.IMAGES).values()]
    found += [*odd.TEXTS.values(), *odd.AXES.values(), *odd.MARKED.values()]
    flux = star("F", LINEAR)
    return found + [image(rows, _CARDS | cards) for rows, cards in ROWS.values()] + [
        image(flux, _CARDS | {"CTYPE1": kind}) for kind in ("WAVE", "FREQ", "LINEAR", "MULTISPE")
    ]  # fmt: skip


def spoil(data: bytes, rng: np.random.Generator) -> bytes:
    """`data` with bytes or words overwritten, put in or taken out; headers most of the time."""
    broken = bytearray(data)
    for _ in range(rng.integers(1, 8)):
        reach = len(broken) if rng.random() < 0.3 else min(len(broken), 9000)
        at = int(rng.integers(0, max(reach, 1)))
        word = _WORDS[rng.integers(len(_WORDS))]
        match rng.integers(5):
            case 0:
                broken[at : at + 1] = bytes([rng.integers(256)])
            case 1:
                broken[at : at + len(word)] = word
            case 2:
                broken[at:at] = word
            case 3:
                del broken[at : at + int(rng.integers(1, 200))]
            case 4:  # a card, or a line, twice
                card = at // 80 * 80
                broken[card : card + 80] = broken[card + 80 : card + 160]
    if rng.random() < 0.15:
        del broken[int(rng.integers(0, len(broken) + 1)) :]
    return gzip.compress(bytes(broken), 1) if rng.random() < 0.1 else bytes(broken)


def fault(path: Path) -> str | None:
    """What is wrong with the way in which `read` takes a file; None where all is well."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            spectra = read(path)
        except ReadError as error:
            said = str(path) in str(error) and error.remedy
            return None if said else f"message without file or remedy: {error}"
        except BaseException as error:
            return f"{type(error).__name__}: {error}"
    if caught:
        return f"warning: {caught[0].message}"
    if len(spectra) == 0:
        return "no row"
    sound = np.isfinite(spectra.ivar).all() and np.isfinite(spectra.wave).all()
    if not (sound and (np.diff(spectra.wave) > 0).all()):
        return "wavelengths that do not increase, or weights that are not finite"
    return None
