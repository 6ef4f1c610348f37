"""What a hunt leaves: the list in four formats, the obsids, the sheet, a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spectype.classify.columns import Column, dictionary
from spectype.core.files import write_manifest, write_text

if TYPE_CHECKING:
    import polars as pl

    from spectype.classify.tables import Provenance


_UNREAD = "where the spectrum cannot be read"
#: What a list has beside the columns of its results, and the helium lines (`--indices`).
COLUMNS = (
    Column("rank", "integer", "stat.rank", "Place in the list", display="I7"),
    Column("score", "real", "stat.probability", "Probability of being what is wanted, at the "
           "types' real frequency", display="E12.5"),
    Column("purity", "real", "stat.mean;stat.probability", "Expected share of true members down "
           "to this row", display="F7.4"),
    Column("purity_low", "real", "stat.min;stat.probability", "Lower end of the 90 % interval of "
           "purity", display="F7.4"),
    Column("purity_high", "real", "stat.max;stat.probability", "Upper end of the 90 % interval of "
           "purity", display="F7.4"),
    Column("exposures", "integer", "meta.number;obs", "Spectra of this star", display="I5"),
    Column("obsids", "text", "meta.id;obs", "Their identifiers, apart by blanks",
           null="where files give none"),
    Column("survey_type", "text", "src.spType", "The letter of label, the survey's type",
           null="where it has none"),
    Column("survey_label", "text", "src.spType", "Type that the spectrum's header gives",
           null=_UNREAD),
    Column("nearest", "text", "meta.id.cross", "Nearest labelled spectrum, with --standards",
           null=_UNREAD),
    Column("nearest_type", "text", "src.spType", "Its type", null=_UNREAD),
    Column("nearest_chi2", "real", "stat.fit.chi2", "Its reduced chi-square", display="F10.3",
           null=_UNREAD),
    Column("nearest_velocity", "real", "spect.dopplerVeloc", "Velocity relative to it", "km/s",
           "F9.1", _UNREAD),
    Column("check", "text", "meta.note", "Why the spectrum has not been checked",
           null="where it has"),
)  # fmt: skip


def write_list(
    table: pl.DataFrame,
    folder: Path,
    *,
    name: str,
    manifest: dict[str, Any],
    about: Provenance | None = None,
) -> None:
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
    about : mapping of str to str, optional
        From `tables.provenance`.
    """
    from spectype.classify.output import write_table

    folder.mkdir(parents=True, exist_ok=True)
    known = dictionary() | {column.name: column for column in COLUMNS}
    for suffix in ("csv", "fits", "vot"):
        write_table(table, folder / f"candidates.{suffix}", about=about, known=known)
    obsids = table["obsid"].drop_nulls().cast(str).to_list()
    write_text(folder / f"{name}-sample.txt", "".join(f"{obsid}\n" for obsid in obsids))
    write_manifest(folder, "candidates", {**manifest, "stars": len(table)})
