"""Fields found in bytes, against a plain reading in Python."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.catalogue.lines import (
    QuotesBroken,
    as_words,
    decimals,
    distinct,
    find_fields,
    place,
    read_blocks,
    whole_numbers,
)
from spectype.catalogue.split import split
from spectype.catalogue.split_folder import open_split
from spectype.core.errors import DataError

PAD = bytes(64)


def found(text: bytes, n: int, **options: Any) -> Any:
    return find_fields(text + PAD, 0, separator="|", n_columns=n, **options)


def texts(lines: Any, column: int) -> list[bytes]:
    start, length = lines.field(column)
    return [lines.data[a : a + b].tobytes() for a, b in zip(start, length)]


field = st.text("ab1. ", max_size=4)
line = st.lists(field, min_size=1, max_size=6).map("|".join)


@given(st.lists(line, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]))
def test_fields_are_those_of_a_plain_reading(rows: list[str], end: str) -> None:
    lines = found("".join(row + end for row in rows).encode(), 4)
    expected, sound = [], []
    for i, row in enumerate(rows):
        parts = row.split("|")
        count = 0 if not row.strip() else len(parts)
        if count > 4 and not any(parts[4:]):
            count = 4
        expected.append(count)
        if count == 4:
            sound.append((i, parts[:4]))
    assert lines.fields.tolist() == expected
    assert lines.sound.tolist() == [i for i, _ in sound]
    for column in range(4):
        assert [t.decode() for t in texts(lines, column)] == [p[column] for _, p in sound]


@given(
    st.lists(st.text("abc|", max_size=30), min_size=1, max_size=9),
    st.integers(1, 40),
    st.booleans(),
)
def test_blocks_hold_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], size: int, packed: bool
) -> None:
    path = tmp_path_factory.mktemp("blocks") / "c.csv"
    text = "header\n" + "\n".join(rows)  # the last line does not end
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    seen: list[bytes] = []
    for first, block in read_blocks(path, size=size):
        assert first == len(seen) and block.endswith(b"\n" + PAD)
        seen += block[: -len(PAD)].split(b"\n")[:-1]
    expected = rows[:-1] if rows[-1] == "" else rows
    assert [line.decode() for line in seen] == expected


def test_separators_in_quotes_separate_nothing() -> None:
    text = b'1|"a|b"|c\n2|d|"|"\n3|e|f\n'
    assert texts(found(text, 3, quoted=True), 1) == [b'"a|b"', b"d", b"e"]
    assert found(text, 3).fields.tolist() == [4, 4, 3]
    with pytest.raises(QuotesBroken):
        found(b'1|"a|b\n2|c"|d\n', 3, quoted=True)


@pytest.mark.parametrize(
    ("text", "number", "good"),
    [
        (b"605006", 605006, True), (b"605006.0", 605006, True), (b"7.", 7, True), (b"", -1, True),
        (b' "12" ', 12, True), (b"999999999999999999", 10**18 - 1, True),
        (b"1234567890123456789", -1, True), (b"12.5", None, False), (b"-3", None, False),
        (b"1e5", None, False), (b"x", None, False), (b"0x1f", None, False), (b"/", None, False),
        (b":", None, False),
    ],
)  # fmt: skip
def test_whole_numbers(text: bytes, number: int | None, good: bool) -> None:
    lines = found(b"1|2|3\n" + text + b"|2|3\n", 3)
    values, whole = whole_numbers(lines, 0)
    assert whole.tolist() == [True, good]
    assert values[0] == 1 and (not good or values[1] == number)


def test_distinct_labels_are_told_apart_by_every_byte() -> None:
    labels = ["G2", "G21", "", "STAR", "a" * 8, "a" * 9, "b" + "a" * 8, "Non"] * 5
    text = "".join(f"{x}|{x[::-1]}|0\n" for x in labels).encode()
    lines = found(text, 3)
    rows, which = distinct(as_words(lines, 0)[0], as_words(lines, 1)[0])
    assert len(rows) == 8
    assert [labels[rows[i]] for i in which] == labels


def test_pieces_and_numbers(rng: np.random.Generator) -> None:
    pieces = [bytes(rng.integers(65, 90, n, dtype=np.uint8)) for n in rng.integers(0, 400, 200)]
    data = np.frombuffer(b"".join(pieces), np.uint8)
    length = np.array([len(p) for p in pieces])
    start = np.cumsum(length) - length
    order = rng.permutation(200)
    at = np.cumsum(length[order]) - length[order]
    out = np.zeros(data.size, np.uint8)
    place(out, at, data, start[order], length[order])
    assert out.tobytes() == b"".join(pieces[i] for i in order)
    numbers = np.array([0, 7, 9, 10, 99, 100, 9999, 10_000, 12_345_678, 10**11 + 1])
    text, digits = decimals(numbers)
    assert [bytes(t[12 - d :]) for t, d in zip(text, digits)] == [b"%d" % n for n in numbers]


def test_copied_tables_hold_what_parsed_ones_do(tmp_path: Path, rng: np.random.Generator) -> None:
    """All kinds of damage at once, in blocks and out of them."""
    labels = ["STAR|G2", "STAR|OB", "STAR|dM3", "STAR|WD", "GALAXY|Non", "Unknown|", "STAR| K5"]
    rows = [
        f"{rng.integers(1, 300)}|F{i % 9}|{labels[i % 7]}|{rng.normal():.3f}" for i in range(3000)
    ]
    damage = {
        50: "", 60: "  ", 99: "5|F", 120: "abc|F|STAR|G2|1", 121: "|F|STAR|G2|1",
        700: "7|F|STAR|G2|1|", 701: "7|F|STAR|G2|1|x", 702: "7|F|STAR|G2|1|||",
        900: '8|F|STAR|"K2"|', 1500: "7.0|F|STAR|B3|",
    }  # fmt: skip
    for i, text in damage.items():
        rows[i] = text
    path = tmp_path / "c.csv"
    path.write_text("obsid|plan|class|subclass|z\r\n" + "\r\n".join(rows), newline="")
    parsed = split(path, tmp_path / "parquet")
    copied = split(path, tmp_path / "csv", format="csv")
    assert copied.rejected == parsed.rejected and sum(copied.rejected.values()) == 3
    for name in ("rows", "counts", "kinds", "ob", "rejected_rows", "without_obsid"):
        assert getattr(copied, name) == getattr(parsed, name), name
    assert copied.duplicate_obsids == parsed.duplicate_obsids > 2000
    ours = ["catalogue_row", "type", "code", "kind", "ob", "problem"]
    for name in (*copied.counts, "rejected"):
        one = open_split(tmp_path / "parquet").table(name).select(ours).sort("catalogue_row")
        two = open_split(tmp_path / "csv").table(name).select(ours)
        assert one.collect().rows() == two.collect().rows()
    kept = {
        line.split("|")[-2]: line
        for name in copied.counts
        for line in (tmp_path / "csv" / f"{name}.csv").read_text().splitlines()[1:]
    }
    assert len(kept) == copied.rows - 3
    for number, line in kept.items():
        assert line.startswith(rows[int(number)].rstrip("|") + "|")


def test_text_that_is_not_utf8_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(b"obsid|class|subclass|who\n1|STAR|G2|Guo Shouj\xefng\n")
    split(path, tmp_path / "out", format="csv")
    assert b"Guo Shouj\xefng|G|42.0|" in (tmp_path / "out" / "G.csv").read_bytes()
    assert open_split(tmp_path / "out").table("G").collect()["code"].to_list() == [42.0]


def test_truncated_gzip_in_the_middle(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = "".join(f"{i}|STAR|G2|{x}\n" for i, x in enumerate(rng.random(200_000)))
    path = tmp_path / "c.csv.gz"
    path.write_bytes(gzip.compress(f"obsid|class|subclass|z\n{rows}".encode(), 1)[:-4000])
    for format in ("csv", "parquet"):
        with pytest.raises(DataError):
            split(path, tmp_path / format, format=format)  # type: ignore[arg-type]
        assert not list((tmp_path / format).iterdir())
