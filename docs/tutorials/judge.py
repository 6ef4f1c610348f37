"""Judge somebody's classifier honestly.

Run: python judge.py RELEASE FOLDER, RELEASE as `spectype simulate` writes one.
"""

import sys
from pathlib import Path

import polars as pl

from spectype import classify
from spectype.core import mk
from spectype.judge.report import write_report

release, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir(parents=True, exist_ok=True)

# Somebody's types: here our own model's, as if they had come in a table.
theirs = classify(str(release / "fits"))

# The truth, a row a spectrum, with the star that each is of. A star seen twice counts once in an
# interval; and none that the classifier learnt from may be among them, which only its author
# can tell: of our own runs `spectype evaluate` checks it.
truth = pl.read_csv(release / "catalogue.csv", separator="|", infer_schema=False)
labels = [mk.parse(label) for label in truth["subclass"]]
truth = truth.select(
    pl.col("obsid").cast(pl.Int64),
    star_id=pl.col("designation"),
    true_type=pl.Series([label.type for label in labels], dtype=pl.String),
    true_code=pl.Series([label.code for label in labels], dtype=pl.Float64),
    true_luminosity=pl.Series([label.luminosity for label in labels], dtype=pl.String),
    true_kind=pl.lit("star"),
    synthetic=pl.lit(False),
).with_row_index("row")
judged = theirs.join(truth, on="obsid", how="inner")

# Recall a type with the number of stars and the interval: a share of three stars says nothing.
# All of it is on a page: report.html, with its figures as PDF and SVG beside it.
scores = write_report(out / "report", judged, system="survey", title="Somebody's types")
print(f"{scores.spectra} spectra of {scores.stars} stars, {scores.accuracy.value:.2f} right")
for found in scores.types:
    if found.recall.n:
        print(f"{found.name}: {found.recall.value:.2f} of {found.recall.n_stars} stars, "
              f"{found.recall.low:.2f}-{found.recall.high:.2f}")  # fmt: skip
