"""The Jacoby atlas: the table of CDS III/92 by its byte columns, and the download."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from spectype.archive.client import Client
from spectype.archive.jacoby import fetch_jacoby, parse_stars
from spectype.core.errors import DataError
from spectype.surveys.jacoby import N_STARS


def line(name: str, spt: str, lum: str, *, ebv: str = "0.33", other: str = "") -> str:
    """A line of stars.dat, laid out as its ReadMe says (bytes from 1)."""
    card = [" "] * 100
    fields = [
        (2, name), (13, spt), (17, lum), (21, other), (28, ebv), (33, "-.99"), (64, "3510.00"),
        (72, "1.40"), (77, "05"), (80, "22"), (83, "29.30"), (90, "-"), (91, "33"), (94, "30"),
        (97, "50.0"),
    ]  # fmt: skip
    for start, text in fields:
        card[start - 1 : start - 1 + len(text)] = text
    return "".join(card)


@pytest.fixture
def stars() -> str:
    lines = [line(f"HD {n:6d}", "G2", "V") for n in range(1, N_STARS + 1)]
    lines[0] = line("HD 242908", "O5", "V", other="O5")
    lines[114] = line("BD+40 4220", "O6.5", "Ia", ebv="1.96")
    lines[46] = "*" + line("TR A 14", "G4", "V")[1:75].rstrip()
    return "\n".join(lines) + "\n"


def test_reads_the_byte_columns(stars: str) -> None:
    table = parse_stars(stars)
    first = table[0]
    assert (first.number, first.name, first.mk, first.literature) == (1, "HD 242908", "O5V", "O5")
    assert first.reddening == 0.33
    assert first.ra == pytest.approx(15 * (5 + 22 / 60 + 29.3 / 3600))
    assert first.dec == pytest.approx(-(33 + 30 / 60 + 50 / 3600))
    assert table[114].mk == "O6.5Ia" and table[114].reddening == 1.96
    unknown = table[46]
    assert unknown.name == "TR A 14" and unknown.mk == "G4V" and unknown.ra is None


def test_a_short_table_is_refused(stars: str) -> None:
    with pytest.raises(DataError, match="160 lines"):
        parse_stars("\n".join(stars.splitlines()[1:]))


def test_downloads_spectra_and_types(
    archive: Any, client: Client, local: Any, tmp_path: Path, stars: str
) -> None:
    archive.default = lambda path: local.send(local.spectrum(3, packed=False))
    archive.on("/ftp/III/92/stars.dat", local.send(stars.encode()))
    bad = "/hlsps/reference-atlases/cdbs/grid/jacobi/jc_5.fits"
    archive.on(bad, local.send(local.HTML))
    result = fetch_jacoby(tmp_path, client=client)
    assert result.exit_status == 3 and [r.key for r in result.absent] == ["5"]
    assert len(list(tmp_path.glob("jc_*.fits"))) == N_STARS - 1
    with (tmp_path / "stars.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == N_STARS
    assert rows[0]["path"] == "jc_1.fits" and rows[0]["subclass"] == "O5V"
    archive.on(bad, local.send(local.spectrum(3, packed=False)))
    archive.requests.clear()
    assert fetch_jacoby(tmp_path, client=client).exit_status == 0
    assert len(archive.requests) == 2  # the one that was missing, and the table


def test_the_table_labels_the_files(tmp_path: Path, stars: str) -> None:
    """What is written is what `build --labels` reads."""
    from spectype.archive.jacoby import _fetch_table
    from spectype.dataset.labels import read_labels

    class Library:
        address = staticmethod(str)

        def patiently(self, _: object) -> Any:
            from spectype.archive.download import Body

            return Body(stars.encode(), None)

    _fetch_table(tmp_path, Library(), {"1": "jc_1.fits"})  # type: ignore[arg-type]
    labels = read_labels(tmp_path / "stars.csv").among([tmp_path / "jc_1.fits"])
    row = labels.find({"path": str(tmp_path / "jc_1.fits"), "index": 0, "obsid": None})
    assert row is not None and row["subclass"] == "O5V" and row["object"] == "HD 242908"
