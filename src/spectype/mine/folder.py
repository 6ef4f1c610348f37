"""What a hunt leaves: the list in four formats, the obsids, the sheet, a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.core.files import atomic_path, write_manifest, write_text

if TYPE_CHECKING:
    import polars as pl


def write_list(table: pl.DataFrame, folder: Path, *, name: str, manifest: dict[str, Any]) -> None:
    """Write ``candidates.csv``, ``.fits``, ``.vot`` and ``NAME-sample.txt`` (an obsid a line).

    Parameters
    ----------
    table : polars.DataFrame
        Ranked rows.
    folder : Path
        Where to; made if needed.
    name : str
        What was looked for.
    manifest : dict
        How; its file comes last.
    """
    from spectype.classify.output import write_table

    folder.mkdir(parents=True, exist_ok=True)
    write_table(table, folder / "candidates.csv")
    write_table(table, folder / "candidates.fits")
    _write_votable(table, folder / "candidates.vot")
    obsids = table["obsid"].drop_nulls().cast(str).to_list()
    write_text(folder / f"{name}-sample.txt", "".join(f"{obsid}\n" for obsid in obsids))
    write_manifest(folder, "candidates", {**manifest, "stars": len(table)})


def _write_votable(table: pl.DataFrame, path: Path) -> None:
    from astropy.table import MaskedColumn, Table

    columns = {}
    for name in table.columns:
        values, missing = table[name], table[name].is_null().to_numpy()
        if values.dtype.is_numeric():
            data = values.fill_null(0).to_numpy()
        else:
            data = values.cast(str).fill_null("").to_numpy().astype(str)
        columns[name] = MaskedColumn(data, mask=missing)
    with atomic_path(path) as temporary:
        Table(columns).write(temporary, format="votable", overwrite=True)
