"""The report of an evaluation: report.json for machines, one report.html for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import spectype
from spectype.core import mk
from spectype.core.errors import DataError, UsageError
from spectype.core.files import check_writable_folder, write_json, write_text
from spectype.core.lines import lines_of
from spectype.core.spectra import Spectra
from spectype.draw.canvas import SCREEN, Paper, illustrate, new_figure, style, to_svg
from spectype.draw.spectrum import draw_lines, draw_spectrum, draw_telluric
from spectype.judge import figures, page
from spectype.judge.method_scores import score_methods
from spectype.judge.scores import Scores, numbers, score, worst_mistakes
from spectype.judge.strangers import score_strangers
from spectype.judge.stress import score_stress

if TYPE_CHECKING:
    import polars as pl

SYSTEMS = {
    "mk": "the MK system: labels that experts gave, from the literature of the libraries",
    "survey": "the survey's own labels: what its pipeline's template matching gave. They are "
    "noisy and slightly shifted against the MK system, so a perfect classifier would not "
    "score 1",
    "mixed": "each spectrum's own label: the survey's pipeline for the survey's spectra, "
    "experts for the libraries. The two systems differ by up to two subclasses; the table by "
    "survey keeps them apart",
}
_GALLERY = 12
_GALLERY_POINTS = 900


def write_report(
    folder: str | Path,
    predictions: pl.DataFrame,
    *,
    system: str,
    title: str = "Evaluation",
    about: Mapping[str, Any] | None = None,
    log_path: str | Path | None = None,
    spectra: Callable[[Sequence[int]], Spectra] | None = None,
    baselines: pl.DataFrame | None = None,
    stress: pl.DataFrame | None = None,
    strangers: pl.DataFrame | None = None,
    paper: Paper = SCREEN,
) -> Scores:
    """Score predictions and write report.json, report.html and figures/ as PDF and SVG.

    Parameters
    ----------
    folder : path-like
        Where to write; made if needed.
    predictions : polars.DataFrame
        Test set: the columns of ``classify`` and ``true_type``, ``true_code``,
        ``true_luminosity``, ``survey``, ``row``, ``star_id``. Whether training has seen it is
        for `leaks.check` to say, before.
    system : str
        System of the true labels: ``mk``, ``survey`` or ``mixed``.
    title : str
        Heading of the page.
    about : mapping, optional
        What the reader should know: model, store, counts, seed. Printed as it stands.
    log_path : path-like, optional
        ``log.jsonl`` of the training, an epoch a line.
    spectra : callable, optional
        Gives the spectra of a list of values of the column ``row``, in that order, for the
        gallery of mistakes.
    baselines : polars.DataFrame, optional
        What other methods say of the same spectra, as `baselines.run_baselines` gives it.
    stress : polars.DataFrame, optional
        The same spectra under worse conditions, as `stress.run_stress` gives it.
    strangers : polars.DataFrame, optional
        What is said of spectra of no normal stars, as `strangers.run_strangers` gives it.
    paper : Paper
        Width and resolution of the figures' files.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        If the predictions cannot be scored or the log cannot be read.
    UsageError
        If the folder cannot be written to, or the system is unknown.
    """
    if system not in SYSTEMS:
        raise UsageError(f"no label system {system!r}", remedy=f"one of {', '.join(SYSTEMS)}")
    target = check_writable_folder(folder)
    scores = score(predictions, system=system)
    methods = [] if baselines is None else score_methods(baselines, predictions)
    stresses = [] if stress is None else score_stress(stress, predictions, system=system)
    flagged = [] if strangers is None else score_strangers(strangers)
    log = [] if log_path is None else read_log(log_path)
    details = {str(k): v for k, v in (about or {}).items()}
    details.setdefault("spectype", spectype.__version__)
    details.setdefault("written", datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    svgs = illustrate(
        lambda: draw_figures(scores, predictions, log=log), target / "figures", paper=paper
    )
    data = {"title": title, "about": details, **scores.to_data()}
    if methods:
        data["baselines"] = [method.to_data() for method in methods]
    data |= {
        name: [one.to_data() for one in scored]
        for name, scored in (("stress", stresses), ("flagged", flagged))
        if scored
    }
    write_json(target / "report.json", data)
    html = page.render(
        scores,
        title=title,
        system_text=SYSTEMS[system],
        about=details,
        figures=svgs,
        gallery=draw_gallery(predictions, spectra) if spectra is not None else [],
        methods=methods,
        stresses=stresses,
        strangers=flagged,
    )
    write_text(target / "report.html", html)
    return scores


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Read a training log, a JSON object an epoch; a last line cut short is left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line) if line.strip() else None
        except ValueError as error:
            if number == len(lines):  # the training was stopped while writing it
                break
            raise DataError(f"line {number} is not JSON: {error}", path=path) from error
        if isinstance(row, dict) and "epoch" in row:
            rows.append(row)
    return rows


def draw_figures(
    scores: Scores, predictions: pl.DataFrame, *, log: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Every figure that the data allow, by name."""
    import polars as pl

    on_sequence = predictions.filter(pl.col("true_type").is_in(list(mk.TYPES)))
    drawn = {
        "recall-by-type": figures.recall_figure(scores.types),
        "confusion-matrix": figures.confusion_figure(scores.confusion),
    }
    if scores.subclass.n:
        drawn["subclass"] = figures.code_figure(
            numbers(on_sequence, "true_code"), numbers(on_sequence, "subclass_code")
        )
    if scores.snr:
        drawn["signal-to-noise"] = figures.snr_figure(scores.snr)
    if scores.bins:
        drawn["calibration"] = figures.calibration_figure(
            scores.bins, error=scores.calibration_error
        )
    if scores.luminosity:
        drawn["luminosity"] = figures.confusion_figure(
            scores.luminosity_confusion, labels=mk.LUMINOSITIES, what="class"
        )
    if log:
        drawn["training"] = figures.training_figure(log)
    return drawn


def draw_gallery(
    predictions: pl.DataFrame, spectra: Callable[[Sequence[int]], Spectra]
) -> list[tuple[str, dict[str, Any]]]:
    """The worst mistakes, each a figure as SVG with its row of the predictions."""
    rows = worst_mistakes(predictions, n=_GALLERY).to_dicts()
    if not rows:
        return []
    batch = spectra([int(row["row"]) for row in rows])
    drawn = []
    for row, spectrum in zip(rows, batch, strict=True):
        with style():
            figure = new_figure(5.0, 2.4)
            axes = figure.add_subplot()
            draw_spectrum(axes, spectrum, max_points=_GALLERY_POINTS)
            draw_telluric(axes, named=False)
            redshift = spectrum.get("redshift")[0]
            z = float(redshift) if redshift is not None and abs(redshift) < 0.1 else 0.0
            draw_lines(axes, lines_of(row["true_type"] + row["type"]), redshift=z)
            axes.set_xlabel("vacuum wavelength [Å]")
        drawn.append((to_svg(figure, title=f"{row['true_type']} taken for {row['type']}"), row))
    return drawn
