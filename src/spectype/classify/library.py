"""``spectype.classify``: files to a table, in one call."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from spectype.classify.runtime import DEFAULT, System
from spectype.core.grid import Medium

if TYPE_CHECKING:
    import polars as pl

_BATCH = 64  # files whose spectra are in memory together


def classify(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    model: str = DEFAULT,
    system: System = "mk",
    frame: Medium | None = None,
    columns: str | None = None,
    unit: str | None = None,
    indices: bool = False,
) -> pl.DataFrame:
    """Type files in this process, one row a spectrum, as ``spectype classify`` does.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Files, folders (recursive), globs, ``@list.txt``.
    model, system, frame, columns, unit, indices
        See `spectype.classify.batch.ClassifyConfig`.

    Returns
    -------
    polars.DataFrame
        A file that cannot be read has one row, with an error. For more files than fit into
        memory, or more processes, there is `spectype.bulk.run.classify`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "star.csv"
    >>> rows = [f"{3800 + 2 * i},{1 + 0.01 * (i % 7)},0.02" for i in range(2000)]
    >>> _ = path.write_text("wave,flux,error\\n" + "\\n".join(rows))
    >>> table = classify([path, "gone.fits"])
    >>> table["error"].to_list()
    [None, 'does not exist (was it moved or deleted? check the path)']
    """
    import polars as pl

    from spectype.classify.batch import ClassifyConfig, File, classify_files
    from spectype.classify.paths import find
    from spectype.classify.runtime import load_model

    given = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    config = ClassifyConfig(
        model=model, system=system, frame=frame, columns=columns, unit=unit, indices=indices
    )
    loaded = load_model(model)
    files = [File(file) for file in find([os.fspath(path) for path in given])]
    batches = (files[i : i + _BATCH] for i in range(0, len(files), _BATCH))
    return pl.concat([classify_files(batch, loaded, config) for batch in batches])
