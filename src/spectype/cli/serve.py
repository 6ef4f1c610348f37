"""``spectype serve``: a local page to look at spectra and judge their types."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spectype.classify.runtime import DEFAULT
from spectype.core.errors import DependencyError, UsageError
from spectype.draw.targets import Reading

TOKEN = "SPECTYPE_TOKEN"  #: environment variable with a token of the user's own


def serve(
    results: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = 8642,
    model: str = DEFAULT,
    standards: Path | None = None,
    store: Path | None = None,
    synthetic: Path | None = None,
    review: Path | None = None,
    blind: Annotated[bool, Parameter(negative="")] = False,
    reading: Annotated[Reading, Parameter(name="*")] = Reading(),  # noqa: B008
) -> int:
    """Look at spectra and their types in a browser, and judge them by hand.

    Prints an address with a random token: open it in a browser on this machine. Decisions are
    kept in RESULTS.review.sqlite, which build --labels takes. Without RESULTS the page and the
    API type files that are sent. Ends with Ctrl-C.

    Example: `spectype serve types.parquet`

    Parameters
    ----------
    results
        Table of classify: parquet, a folder of parquet, CSV, FITS or VOTable. Or the folder of
        mine, a queue to be judged one after another; of a run that was evaluated, with its curves
        and the spectra behind each cell of its confusion matrix; or of a store.
    host
        Address to listen on. Any but this machine's own needs the environment variable
        SPECTYPE_TOKEN with a token of 16 characters or more.
    port
        Port; 0 for any that is free.
    model
        Model that types files, and draws the distribution along the sequence.
    standards
        Store of labelled library spectra to compare with.
    store
        With a run: its store, if it has moved.
    synthetic
        With a store: synthetic spectra (gan sample) to look at side by side with its own.
    review
        File of the decisions; by default RESULTS.review.sqlite.
    blind
        Hide the machine's type until the reviewer has decided.
    reading
        What is said of the files.
    """
    try:
        from spectype.web.app import serve as run
    except ModuleNotFoundError as error:
        raise DependencyError(
            f"the page needs {error.name}", remedy='pip install "spectype[web]"'
        ) from error
    from spectype.web.desk import open_desk
    from spectype.web.safety import is_loopback

    token = os.environ.get(TOKEN)
    if token is not None and len(token) < 16:
        raise UsageError(f"{TOKEN} is shorter than 16 characters")
    if not is_loopback(host):
        if token is None:
            raise UsageError(
                f"--host {host} lets other machines ask",
                remedy=f"set {TOKEN}, or leave --host and use an ssh tunnel",
            )
        print("spectype: whoever reads the network reads the token: http, no TLS", file=sys.stderr)
    opened = open_desk(
        results,
        store=store,
        synthetic=synthetic,
        review=review,
        model=model,
        standards=standards,
        blind=blind,
        frame=reading.frame,
        columns=reading.columns,
        unit=reading.unit,
    )
    run(opened, host=host, port=port, token=token)
    return 0
