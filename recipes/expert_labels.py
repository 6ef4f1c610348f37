"""One table of labels from the labelled spectra and what other catalogues say of the same stars.

    python recipes/expert_labels.py DATA OUT.csv

DATA is a folder with ``labels.csv`` (a row a spectrum) and, where they are there,
``second_types.csv`` (another catalogue's type of a library's star) and ``relabels.csv`` (survey
labels that the literature has mended). OUT gets a column ``label_spread``: the standard deviation
of a label in subclasses, which `spectype build --labels` hands on to training.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spectype.core import mk
from spectype.core.files import atomic_path

#: Libraries whose labels were given by experts, not matched to templates.
EXPERTS = ("jacoby", "miles", "stelib", "indo_us", "calspec", "pickles", "melchiors",
           "krisciunas", "kesseli", "mastar")  # fmt: skip
#: Of them those whose types without a luminosity class are careful ones, not old HD types.
CAREFUL = ("pickles", "melchiors", "krisciunas", "kesseli")
SURE, UNSURE, OLD = 0.6, 1.5, 1.3  # spreads [subclass]: two agree, two differ in letter, HD type
TOO_FAR = 6.0  # subclasses between two catalogues beyond which neither is believed


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV; none where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def by_path(path: Path) -> dict[str, dict[str, str]]:
    """Rows of a CSV by their column ``path``."""
    return {row["path"]: row for row in rows_of(path)}


def second_opinion(label: str, second: str | None, library: str) -> tuple[str, str, str]:
    """A library's label beside another catalogue's.

    Returns
    -------
    label : str
        Mean type of the two with the luminosity class, or ``?`` where they are too far apart.
    spread : str
        Its standard deviation [subclass], empty for the library's usual one.
    what : str
        What was done, for counting.
    """
    one = mk.parse(label)
    if one.type is None or np.isnan(one.code):
        return label, "", "without a type"
    two = mk.parse(second) if second else None
    if two is None or two.type is None or np.isnan(two.code) or two.kind != "star":
        old = not one.luminosity and library not in CAREFUL
        return label, str(OLD) if old else "", "old type" if old else "one catalogue"
    apart = abs(one.code - two.code)
    if one.type != two.type and apart > TOO_FAR:
        return "?", "", "two catalogues, too far apart"
    mean = mk.exact((one.code + two.code) / 2) + (one.luminosity or two.luminosity or "")
    if one.type == two.type:
        return mean, f"{min(SURE + apart / 2, 2.5):.2f}", "two catalogues agree"
    return mean, f"{max(UNSURE, 1 + apart / 2):.2f}", "two catalogues differ in letter"


def mended(row: dict[str, str], better: Mapping[str, str]) -> str:
    """Give a survey's row the label of the literature, if that is sure enough."""
    if better["letter_confidence"] not in ("high", "medium"):
        return "label mended, but unsure: left as it is"
    text = re.split(r"[ (]", better["proposed_label"])[0].rstrip(":")
    row |= {"subclass": text, "survey": "literature"}
    row["label_spread"] = "1.0" if better["letter_confidence"] == "high" else str(UNSURE)
    return "label mended"


def write(data: Path, out: Path) -> Counter[str]:
    """Write the table; returns what was done to how many rows."""
    labels = rows_of(data / "labels.csv")  # a file of many spectra has many rows
    second, better = by_path(data / "second_types.csv"), by_path(data / "relabels.csv")
    done: Counter[str] = Counter()
    for row in labels:
        path, row["label_spread"] = row["path"], ""
        library = path.split("/")[1]
        if path in better:
            done[mended(row, better[path])] += 1
        elif library in EXPERTS:
            other = second[path]["second_type"] if path in second else None
            row["subclass"], row["label_spread"], what = second_opinion(
                row["subclass"], other, library
            )
            done[what] += 1
        row["path"] = str((data / path).resolve())
    with atomic_path(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(labels[0]))
        writer.writeheader()
        writer.writerows(labels)
    return done


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    for what, count in sorted(write(options.data, options.out).items()):
        print(f"{count:5d} {what}")
