"""The report: numbers equal the scores, one page that needs nothing else, honest gaps."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.core.errors import DataError, UsageError
from spectype.judge import metrics, page
from spectype.judge.report import read_log, write_report
from spectype.judge.scores import score, worst_mistakes
from spectype.judge.wording import share_text
from tests.stars import make_spectrum

VOID = {"meta", "br"}


class Balance(HTMLParser):
    """Checks that every element is closed, and collects what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.seen.add(tag)
        for name, value in attrs:
            outside = value and not value.startswith(("#", "data:"))
            if name in ("src", "href", "xlink:href") and outside:
                self.fetched.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def write_log(path: Path, extra: str = "") -> Path:
    rows = [
        {"epoch": e, "train_loss": 2 / e, "validation_loss": 2 / e + 0.1 * abs(e - 4),
         "train_accuracy": 1 - 1 / (e + 1), "validation_accuracy": 0.9 - 1 / (e + 1)}
        for e in range(1, 8)
    ]  # fmt: skip
    path.write_text("\n".join(json.dumps(r) for r in rows) + "\n" + extra, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, predictions: pl.DataFrame) -> Path:
    folder = tmp_path_factory.mktemp("report")
    asked: list[list[int]] = []

    def spectra(rows: list[int]):  # type: ignore[no-untyped-def]
        asked.append(list(rows))
        return make_spectrum(len(rows))

    write_report(
        folder,
        predictions.with_columns(path=pl.lit("<script>alert('ä')</script>.fits")),
        system="mk",
        title="Stars & <b>types</b>",
        about={"seed": 7, "<i>key</i>": "a & b"},
        log_path=write_log(folder / "log.jsonl"),
        spectra=spectra,
    )
    assert asked == [worst_mistakes(predictions)["row"].to_list()]
    return folder


def test_page_is_whole_and_needs_nothing_from_outside(written: Path) -> None:
    html = (written / "report.html").read_text(encoding="utf-8")
    parser = Balance()
    parser.feed(html)
    assert parser.open == []
    assert parser.fetched == []
    assert "script" not in parser.seen and "b>types" not in html
    assert not re.search(r"@import|url\((?!#|data:)", html)
    assert len(html) < 2_000_000


def test_page_has_every_section_figure_and_mistake(written: Path) -> None:
    html = (written / "report.html").read_text(encoding="utf-8")
    for key in ("types", "subclass", "snr", "surveys", "calibration", "luminosity",
                "training", "mistakes", "about"):  # fmt: skip
        assert f'<section id="{key}">' in html and f'href="#{key}"' in html
    assert html.count("<svg") == 7 + 12
    assert "experts" in html and "&lt;script&gt;" in html
    for path in (written / "figures").glob("*.svg"):
        assert ET.parse(path).getroot().get("viewBox")
    names = {path.stem for path in (written / "figures").glob("*.svg")}
    assert len(names) == 7
    assert {path.stem for path in (written / "figures").glob("*.pdf")} == names


def test_json_equals_the_scores(written: Path, predictions: pl.DataFrame) -> None:
    data = json.loads((written / "report.json").read_text(encoding="utf-8"))
    known = predictions.filter(pl.col("true_type").is_not_null())
    right = (known["type"] == known["true_type"]).to_list()
    assert data["accuracy"]["value"] == pytest.approx(np.mean(right))
    assert data["accuracy"]["n"] == 300 and data["stars"] == 280
    assert np.sum(data["confusion"]) == 300
    assert data["subclass"]["mean_abs"] == pytest.approx(
        np.abs(known["subclass_code"] - known["true_code"]).mean()
    )
    assert data["strangers"]["detected"]["value"] == 1.0
    assert data["system"] == "mk" and data["about"]["seed"] == 7
    assert data["repeats"]["agreement"]["n"] == 0  # the pairs are of two surveys
    assert data["snr"][-1]["high"] is None  # no Infinity in JSON


def test_page_prints_the_interval_and_the_stars(written: Path, predictions: pl.DataFrame) -> None:
    html = (written / "report.html").read_text(encoding="utf-8")
    scores = score(predictions, system="mk")
    for found in scores.types:
        if found.recall.n:
            assert share_text(found.recall) in html
    assert f"{scores.accuracy.n_stars:,} stars" in html


def test_few_stars_absent_types_and_untyped_are_said(predictions: pl.DataFrame) -> None:
    some = predictions.filter(pl.col("true_type").is_in(["A", "G"]))
    thin = pl.concat([some.filter(pl.col("true_type") == "A").head(4), some.filter(
        pl.col("true_type") == "G")]).with_columns(
            type=pl.when(pl.col("row") % 9 == 0).then(None).otherwise(pl.col("type")))  # fmt: skip
    scores = score(thin, system="survey")
    html = page.render(scores, title="t", system_text="x", about={}, figures={})
    assert "Fewer than 10 stars: A (4)" in html
    assert "Not in the test set: O, B, F, K, M" in html
    assert f"{scores.untyped} spectra were given no type" in html and scores.untyped > 0


def test_label_agreement_stands_beside_our_own(predictions: pl.DataFrame) -> None:
    one = predictions.with_columns(survey=pl.lit("lamost"))
    scores = score(one, system="survey")
    assert scores.repeats.agreement.n == scores.label_repeats.agreement.n == 20
    html = page.render(scores, title="t", system_text="x", about={}, figures={})
    assert "Two exposures of one star" in html
    assert share_text(scores.label_repeats.agreement) in html
    assert sum(r.predicted.agreement.n for r in scores.repeats_by_snr) == 20
    assert all(share_text(r.labels.agreement) in html for r in scores.repeats_by_snr)


def test_luminosity_counts_experts_classes_alone(predictions: pl.DataFrame) -> None:
    from sklearn.metrics import f1_score

    scores = score(predictions, system="mixed")
    experts = predictions.filter((pl.col("survey") == "miles") & pl.col("true_type").is_not_null())
    mean, low, high = scores.luminosity_f1
    true, given = experts["true_luminosity"], experts["luminosity"]
    assert set(true) == {"III"}  # the survey has the others
    assert mean == pytest.approx(f1_score(true, given, labels=["III"], average="macro"))
    assert low < mean < high
    html = page.render(scores, title="t", system_text="x", about={}, figures={})
    assert f"<b>{mean:.3f}</b>" in html and "Macro-F1 over I, III and V" in html
    survey = score(predictions.with_columns(survey=pl.lit("lamost")), system="survey")
    assert np.isnan(survey.luminosity_f1[0])


def test_bare_minimum_of_columns_is_scored(tmp_path: Path) -> None:
    bare = pl.DataFrame(
        {"type": ["A", "F", None], "true_type": ["A", "A", "F"], "star_id": ["1", "2", "3"]}
    )
    scores = write_report(tmp_path, bare, system="mk")
    assert scores.accuracy.value == pytest.approx(1 / 3)
    assert scores.sets is None and not scores.luminosity and not scores.snr
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<section id="snr">' not in html and '<section id="subclass">' not in html
    assert "nan" not in html


def test_a_type_without_subclasses_is_not_left_out_without_a_word() -> None:
    table = pl.DataFrame(
        {"type": ["O", "B"], "true_type": ["O", "B"], "star_id": ["1", "2"],
         "true_code": [None, 12.0], "subclass_code": [5.0, 12.5]}
    )  # fmt: skip
    scores = score(table, system="mk")
    assert "No test star of O has a labelled subclass" in page._subclass(scores, {})


def test_worst_mistakes_weigh_distance_and_confidence() -> None:
    table = pl.DataFrame(
        {
            "row": [0, 1, 2, 3, 4],
            "star_id": ["a", "b", "c", "c", "d"],
            "type": ["F", "M", "K", "K", "A"],
            "true_type": ["G", "A", "A", "A", "A"],
            "subclass_code": [39.0, 65.0, 55.0, 50.0, 22.0],
            "true_code": [40.0, 25.0, 25.0, 25.0, 25.0],
            "type_probability": [0.9, 0.4, 0.9, 0.9, 0.9],
        }
    )
    assert worst_mistakes(table)["row"].to_list() == [2, 1, 0]


def test_bad_input_is_named(tmp_path: Path, predictions: pl.DataFrame) -> None:
    with pytest.raises(UsageError, match="no label system 'harvard'"):
        write_report(tmp_path, predictions, system="harvard")
    with pytest.raises(DataError, match="no column 'true_type'"):
        write_report(tmp_path, predictions.drop("true_type"), system="mk")
    with pytest.raises(DataError, match="nothing to score"):
        write_report(tmp_path, predictions.tail(10), system="mk")
    with pytest.raises(DataError, match=r"missing\.jsonl"):
        write_report(tmp_path, predictions, system="mk", log_path=tmp_path / "missing.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        write_report(tmp_path / "file", predictions, system="mk")


def test_log_cut_short_is_read_and_a_broken_one_is_not(tmp_path: Path) -> None:
    cut = write_log(tmp_path / "cut.jsonl", '{"epoch": 8, "train_lo')
    assert [row["epoch"] for row in read_log(cut)] == list(range(1, 8))
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"epoch": 1}\nnonsense\n{"epoch": 2}\n')
    with pytest.raises(DataError, match="line 2"):
        read_log(broken)


def test_mean_recall_by_hand() -> None:
    scores = metrics.by_class(["A"] * 10 + ["F"] * 40, ["A"] * 5 + ["F"] * 45)
    mean, low, high = metrics.mean_recall(scores)
    assert mean == pytest.approx(0.75)
    # The ten A stars dominate the uncertainty: half of Wilson's 0.24-0.76.
    assert low == pytest.approx(0.75 - np.hypot(0.5 - 0.2366, 1 - 0.9124) / 2, abs=1e-3)
    assert high == pytest.approx(0.75 + 0.2634 / 2, abs=1e-3)
