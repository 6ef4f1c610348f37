"""``spectype gan evaluate``, ``audit``: what are synthetic spectra and scores with them worth?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

import spectype
from spectype.core.errors import DataError, UsageError
from spectype.draw.canvas import SCREEN
from spectype.draw.targets import OnPaper
from spectype.study.recipes import AuditConfig

if TYPE_CHECKING:
    import polars as pl

    from spectype.dataset.store import Store


def evaluate(
    samples: Path,
    *,
    gan: Path | None = None,
    store: Path | None = None,
    split: Path | None = None,
    out: Path | None = None,
    types: str | None = None,
    held_out: Literal["test", "unseen"] = "test",
    seed: int = 0,
    paper: OnPaper = SCREEN,
) -> int:
    """Judge synthetic spectra on real stars that the generator has never met: one HTML page.

    Example: `spectype gan evaluate samples/ --gan gan/`

    Per type: a two-sample test, a test for copies of the training spectra, coverage and
    diversity, line widths and their correlations, training on synthetic and testing on real.

    Parameters
    ----------
    samples
        Folder that `spectype gan sample` wrote.
    gan
        Folder of the generator, whose split and store are used.
    store
        Store of real spectra, if it has moved or there is no generator.
    split
        Table of row, star_id and split (train, test) of the real spectra, if there is
        no generator.
    out
        Folder of the report; by default report/ in the samples.
    types
        Types to judge, as letters; all that are in the samples by default.
    held_out
        test: stars kept for testing. unseen: also those kept for validation, if the generator
        was not chosen by them: more stars, sharper answers.
    seed
        Of folds, permutations and draws.
    paper
        Of the figures' files.
    """
    from spectype.core.files import check_writable_folder
    from spectype.dataset.store import Store
    from spectype.fidelity.judge import judge
    from spectype.fidelity.page import write_page
    from spectype.fidelity.sets import gather, types_of
    from spectype.fidelity.verdicts import verdicts

    folder = check_writable_folder(out or samples / "report")
    made = Store(_noise_free(samples))
    real, parts, recipe = _real(gan, store, split, held_out)
    judged = []
    for type in types or types_of(made):
        try:
            compared = gather(made, real, parts, type=type, seed=seed)
        except DataError as error:
            if types or len(types_of(made)) == 1:
                raise
            print(f"type {type} is left out: {error}")
            continue
        found, evidence = judge(compared, seed=seed)
        judged.append((compared, found, evidence))
        print(f"type {type}:")
        for answer in verdicts(found):
            print(f"  {answer.question} {answer.state}. {answer.text}")
    if not judged:
        raise DataError("has no type that can be judged", path=samples)
    about = {
        "samples": str(samples), "generator": str(gan or "-"), "recipe": recipe,
        "store of real spectra": str(real.folder), "held out": held_out, "seed": seed,
    }  # fmt: skip
    title = f"Synthetic spectra in {samples.resolve().name}/"
    print(f"report: {write_page(folder, judged, title=title, about=about, paper=paper)}")
    return 0


def _noise_free(samples: Path) -> Path:
    inside = samples / "noise-free"
    return inside if inside.is_dir() else samples


def _real(
    gan: Path | None, store: Path | None, split: Path | None, held_out: str
) -> tuple[Store, pl.DataFrame, str]:
    """The real spectra, what the generator saw of them, and its recipe."""
    import polars as pl

    from spectype.core.files import read_manifest
    from spectype.dataset.store import Store

    recipe = "-"
    if gan is not None:
        manifest = read_manifest(gan, "gan")
        recipe = str(manifest.get("recipe", "-"))
        store, split = store or Path(manifest["store"]), split or gan / "split.parquet"
    if store is None or split is None:
        raise UsageError(
            "no real spectra to compare with", remedy="give --gan, or --store and --split"
        )
    real = Store(store)
    try:
        table = pl.read_parquet(split)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(f"cannot be read as a split: {error}", path=split) from error
    if missing := {"row", "star_id", "split"} - set(table.columns):
        raise DataError(f"has no column {sorted(missing)[0]!r}", path=split)
    if table["row"].max() is None or int(table["row"].max()) >= len(real):  # type: ignore[arg-type]
        raise DataError(
            f"names rows beyond the {len(real)} of {real.folder}", path=split,
            remedy="name the generator's own store with --store",
        )  # fmt: skip
    if held_out == "unseen":
        table = table.with_columns(split=pl.col("split").replace("validation", "test"))
    return real, table, recipe


def audit(
    store: Path,
    *,
    out: Path = Path("audit"),
    config: Annotated[AuditConfig, Parameter(name="*")] = AuditConfig(),  # noqa: B008
    paper: OnPaper = SCREEN,
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
    paper
        Of the figures' files.
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
    page = write_audit(found, out, about=about, paper=paper)
    for line in say(found):
        print(line)
    print(f"page: {page}")
    return 0
