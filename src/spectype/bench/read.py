"""How fast are files read? This package, astropy and bare decompression, side by side."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip

from spectype.core.errors import ReadError, UsageError
from spectype.core.progress import track
from spectype.formats.source import GZIP_MAGIC, load, read_raw
from spectype.surveys import lamost, read

GUNZIP = "gunzip alone (isal)"
ZLIB = "gunzip alone (zlib)"
_CHUNK = 50  # files that one reader reads before the next has its turn


@dataclass(frozen=True, slots=True)
class ReadSpeed:
    """Typical seconds a file, by reader.

    Parameters
    ----------
    n_files : int
        Files that were read.
    kilobytes : float
        Their median size as gzipped.
    seconds : dict
        Reader's name to the median over files of the best time of a file [s].
    """

    n_files: int
    kilobytes: float
    seconds: dict[str, float]

    @property
    def against_astropy(self) -> float:
        """How many times as fast as astropy."""
        return self.seconds["astropy"] / self.seconds["spectype"]

    @property
    def against_gunzip(self) -> float:
        """Share of the rate of decompression alone, by the same decompressor."""
        return self.seconds[GUNZIP] / self.seconds["spectype"]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with files a second and the ratios."""
        return {
            **asdict(self),
            "files_per_second": {name: 1 / value for name, value in self.seconds.items()},
            "against_astropy": self.against_astropy,
            "against_gunzip": self.against_gunzip,
        }


def find_files(paths: Sequence[str | Path], *, n: int) -> list[str]:
    """At most `n` gzipped LAMOST spectra under `paths`, evenly spread.

    Raises
    ------
    UsageError
        If a path does not exist or there is no such file.
    """
    if n < 1:
        raise UsageError(f"cannot measure on {n} files", remedy="give --n 1 or more")
    found: list[str] = []
    for path in map(Path, paths):
        if not path.exists():
            raise UsageError("does not exist", path=path, remedy="give a folder of LAMOST spectra")
        files = sorted(path.rglob("*.gz")) if path.is_dir() else [path]
        found.extend(str(file) for file in files)
    # Of a whole release only some are opened to see what they are.
    chosen = [file for file in _spread(found, 4 * n) if _is_gzipped_lamost(file)]
    if not chosen:
        where = ", ".join(str(path) for path in paths) or "no path"
        raise UsageError(
            f"no gzipped LAMOST spectrum in {where}",
            remedy="give a folder with spec-*.fits.gz; `spectype simulate` makes one",
        )
    return _spread(chosen, n)


def _spread(files: list[str], n: int) -> list[str]:
    """At most `n` of `files`, evenly spread."""
    index = np.linspace(0, len(files) - 1, min(n, len(files))).astype(int)
    return [files[i] for i in np.unique(index)]


def _is_gzipped_lamost(path: str) -> bool:
    try:
        return read_raw(path).startswith(GZIP_MAGIC) and lamost.recognise(load(path))
    except ReadError:
        return False


def measure(files: Sequence[str], *, rounds: int = 5) -> ReadSpeed:
    """Time the readers on `files`, in turns of 50 files.

    Parameters
    ----------
    files : sequence of str
        Gzipped LAMOST spectra.
    rounds : int
        Times that each reader reads each file; the best counts.
    """
    if rounds < 1:
        raise UsageError(f"cannot measure in {rounds} rounds", remedy="give --rounds 1 or more")
    readers: dict[str, Callable[[str], object]] = {
        "spectype": read,
        GUNZIP: gunzip_alone,
        "astropy": read_by_astropy,
        ZLIB: _gunzip_by_zlib,
    }
    best = {name: [float("inf")] * len(files) for name in readers}
    for reader in readers.values():  # imports, and the file into the system's cache
        reader(files[0])
    passes = [(start, name) for start in range(0, len(files), _CHUNK) for name in readers]
    for start, name in track(passes * rounds, title="reading"):
        # Each works for a while before the next takes over: alternating single files would
        # have every reader start with the processor's caches full of another's.
        for i in range(start, min(start + _CHUNK, len(files))):
            begin = time.perf_counter()
            readers[name](files[i])
            best[name][i] = min(best[name][i], time.perf_counter() - begin)
    return ReadSpeed(
        n_files=len(files),
        kilobytes=statistics.median(Path(file).stat().st_size for file in files) / 1000,
        seconds={name: statistics.median(times) for name, times in best.items()},
    )


def gunzip_alone(path: str) -> bytes:
    """The bytes of a gzipped file: what no reader can be faster than."""
    with open(path, "rb") as file:  # noqa: PTH123 (as fast as it goes)
        return igzip.decompress(file.read())  # type: ignore[no-untyped-call,no-any-return]


def _gunzip_by_zlib(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123
        return zlib.decompress(file.read(), wbits=31)


_KEYS = ("OBSID", "DATA_V", "DESIG", "CLASS", "SUBCLASS", "PLANID", "LMJD", "SPID", "FIBERID")
_NUMBERS = ("RA", "DEC", "Z", "SNRU", "SNRG", "SNRR", "SNRI", "SNRZ")


def read_by_astropy(path: str) -> tuple[Any, ...]:
    """The same from a LAMOST file by astropy: the plain way that its manual shows.

    Returns
    -------
    wave, flux, ivar, bad : ndarray, shape (n_pix,)
    meta : dict
        The cards that `spectype.surveys.lamost` reads.

    Notes
    -----
    Leading and trailing zeros are left in; astropy is spared that.
    """
    import warnings

    from astropy.io import fits

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, memmap=False) as hdus:
            header = hdus[0].header
            if len(hdus) > 1:
                row = hdus[1].data[0]
                flux, ivar, wave = row["FLUX"], row["IVAR"], row["WAVELENGTH"]
                or_mask = row["ORMASK"]
            else:
                flux, ivar, wave, _, or_mask = hdus[0].data
            if "Subcontinuum" in header.get("EXTEN0", ""):
                wave = 10 ** (header["COEFF0"] + header["COEFF1"] * np.arange(flux.size))
            meta = {key: header.get(key) for key in (*_KEYS, *_NUMBERS)}
            flux, ivar = np.array(flux, np.float32), np.array(ivar, np.float32)
            bad = (ivar <= 0) | (np.asarray(or_mask) != 0) | ~np.isfinite(flux)
            return np.asarray(wave, np.float64), flux, ivar, bad, meta
