"""What `predict` returns: a polars data frame that other tools can take."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from spectype.classify import columns, output, tables

if TYPE_CHECKING:
    from astropy.table import Table

_SHOWN = ("path", "object", "subclass", "subclass_error", "luminosity", "type_probability",
          "type_set", "snr", "flag_names", "error")  # fmt: skip
_MOST = 20  # rows in a notebook


class Results(pl.DataFrame):
    """Types of spectra, a row each: a polars data frame in every respect.

    What polars makes of it (``filter``, ``select`` ...) is a plain data frame, which
    `spectype.to_table` takes as well.

    Attributes
    ----------
    provenance : dict of str to str
        Which spectype, model, system and date; see `classify.tables.provenance`.

    Examples
    --------
    >>> import spectype
    >>> star = spectype.from_arrays(range(3800, 8800, 2), [1.0, 1.1] * 1250, frame="vacuum")
    >>> types = spectype.load_model().predict(star)
    >>> types.to_table()["subclass_error"].description
    'Standard deviation of subclass_code, in subclasses'
    >>> types.provenance["model"]
    'standard'
    >>> len(types.to_pandas())
    1
    >>> import pathlib, tempfile
    >>> types.write(pathlib.Path(tempfile.mkdtemp()) / "types.vot").name
    'types.vot'
    """

    provenance: Mapping[str, str] = {}

    @classmethod
    def of(cls, rows: dict[str, list[Any]], about: Mapping[str, str]) -> Results:
        """A result of these columns, in their order, whatever the order of `rows`."""
        found = cls({name: rows[name] for name in columns.COLUMNS}, schema=columns.schema())
        found.provenance = dict(about)
        return found

    def to_table(self) -> Table:
        """As an astropy table: units, UCDs, descriptions; the provenance in its ``meta``."""
        return tables.to_table(self, about=self.provenance)

    def to_pandas(self, **options: Any) -> Any:
        """As a pandas data frame; unlike polars' own way without pyarrow.

        Whole numbers with a missing value are pandas' ``Int64``. Options go to
        ``pandas.DataFrame``.
        """
        import pandas as pd

        data: dict[str, Any] = {}
        for series in self:
            if series.dtype.is_integer():
                whole = pd.array(series.to_list(), dtype="Int64")
                data[series.name] = whole if series.null_count() else series.to_numpy()
            elif series.dtype.is_numeric():
                data[series.name] = series.cast(float).fill_null(np.nan).to_numpy()
            else:
                data[series.name] = series.to_list()
        return pd.DataFrame(data, **options)

    def write(self, path: str | Path) -> Path:
        """Write the table: .csv, .csv.gz, .parquet, .fits, .vot or .ecsv, by the name's end.

        Raises
        ------
        UsageError
            If the name ends otherwise, or something other than a table of types would be lost.
        """
        target = output.check_output(path)
        output.write_table(self, target, about=self.provenance)
        return target

    def _repr_html_(self, *, _from_series: bool = False) -> str:
        """What a notebook shows: the columns that matter most, of twenty rows at most."""
        names = [n for n in _SHOWN if n in self.columns and self[n].null_count() < len(self)]
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        rows = []
        for row in self.head(_MOST).select(names).iter_rows():
            cells = "".join(f"<td>{'' if v is None else escape(str(v))}</td>" for v in row)
            rows.append(f"<tr>{cells}</tr>")
        more = f", {_MOST} shown" if len(self) > _MOST else ""
        return f"<p>{len(self)} rows{more}</p><table><tr>{head}</tr>{''.join(rows)}</table>"
