"""``spectype gan audit``: the study's protocol and the honest one, side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

import spectype
from spectype.study.recipes import AuditConfig


def audit(
    store: Path,
    *,
    out: Path = Path("audit"),
    config: Annotated[AuditConfig, Parameter(name="*")] = AuditConfig(),  # noqa: B008
) -> int:
    """Show what an O score is worth when synthetic spectra are in the test set.

    The reference network and the reference GAN, on the same spectra of a store, are judged
    twice: as the 2022 study did, and on real O stars that neither has seen. Both O scores are
    printed side by side and explained on one page. A rerun goes on where it was.

    Example: `spectype gan audit store/ --out audit/`

    Parameters
    ----------
    store
        Folder of the store; it needs eight real O spectra.
    out
        Folder for the page and for what it takes.
    config
        Sizes.
    """
    from spectype.dataset.store import Store
    from spectype.study.audit import run_audit
    from spectype.study.audit_page import say, write_audit

    data = Store(store)
    found = run_audit(data, out, config=config)
    about = {
        "store": str(data.folder.resolve().name),
        "spectype": spectype.__version__,
        "written": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "command": f"spectype gan audit {store} --out {out}",
    }
    page = write_audit(found, out, about=about)
    for line in say(found):
        print(line)
    print(f"page: {page}")
    return 0
