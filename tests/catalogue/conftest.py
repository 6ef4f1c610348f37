"""Small catalogues in the layouts of the releases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

HEADER = ["obsid", "designation", "lmjd", "planid", "spid", "fiberid", "snrg", "class", "subclass",
          "z", "ra", "dec"]  # fmt: skip

Write = Callable[..., Path]


def line(obsid: object, group: str, subclass: str, *, snr: float = 20.0, ra: float = 10.0,
         dec: float = 20.0) -> list[str]:  # fmt: skip
    """Fields of one row."""
    return [str(obsid), f"J{obsid}", "55859", "F5902", "1", "12", str(snr), group, subclass,
            "1e-5", f"{ra:.6f}", f"{dec:.6f}"]  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write rows (lists of fields, or lines as they are) as a CSV."""

    def writer(
        rows: list[list[str] | str], *, separator: str = "|", name: str = "c.csv",
        header: list[str] = HEADER, end: str = "\n",
    ) -> Path:  # fmt: skip
        lines = [separator.join(header)]
        lines += [row if isinstance(row, str) else separator.join(row) for row in rows]
        path = tmp_path / name
        path.write_bytes((end.join(lines) + end).encode())
        return path

    return writer


@pytest.fixture
def row() -> Callable[..., list[str]]:
    return line


SUBCLASSES = [
    ("STAR", "O"), ("STAR", "OB"), ("STAR", "B6"), ("STAR", "A7V"), ("STAR", "A1IV"),
    ("STAR", "F5"), ("STAR", "G2"), ("STAR", "K3"), ("STAR", "M0"), ("STAR", "dM3"),
    ("STAR", "gM1"), ("STAR", "sdM1"), ("STAR", "Carbon"), ("STAR", "CV"), ("STAR", "DoubleStar"),
    ("STAR", "EM"), ("STAR", "WD"), ("STAR", "WDMagnetic"), ("STAR", "Non"), ("STAR", ""),
    ("GALAXY", "Non"), ("QSO", "Non"), ("Unknown", "Non"), ("STAR", "sdB"),
]  # fmt: skip


@pytest.fixture
def every_label(write: Write) -> Path:
    """A catalogue with each kind of label once."""
    return write([line(i, *label, ra=10.0 + i) for i, label in enumerate(SUBCLASSES)])
