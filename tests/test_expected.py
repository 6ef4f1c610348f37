"""What users of the field's tools expect: docs/expected.md, line by line."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from astropy.io import votable
from astropy.table import Table

import spectype
from spectype.bulk.join import join
from spectype.cli import run
from spectype.mine.folder import write_list
from spectype.web.agreement import DECISIONS, encoded
from tests.stars import star_batch

ROOT = Path(__file__).resolve().parents[1]
LINES = [line for line in (ROOT / "docs/expected.md").read_text().splitlines() if "tests/" in line]
CODES = (5.0, 22.0, 36.0, 52.0)


@pytest.fixture(scope="module")
def types():
    """Four stars, the last without a good pixel."""
    meta = {"obsid": ["1", "2", "3", None], "ra": [1.0, 2.0, 3.0, None],
            "dec": [-5.0, 0.0, 5.0, None]}  # fmt: skip
    stars = star_batch(CODES, meta=meta)
    stars.mask[3] = True
    return spectype.load_model().predict(stars)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("|")])
def test_every_line_has_its_test(line):
    path = ROOT / line.rsplit("|", 2)[1].strip()
    assert path.is_file() and "def test_" in path.read_text()


def test_strict_readers_find_no_fault(types, tmp_path):
    path = types.write(tmp_path / "types.vot")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = votable.parse(path, verify="exception").get_first_table()
    assert len(table.array) == 4 and table.array["obsid"].mask.tolist() == [False] * 3 + [True]


@pytest.mark.skipif(shutil.which("stilts") is None, reason="stilts is not installed")
def test_votlint_has_nothing_to_say(types, tmp_path):
    made = [types.write(tmp_path / "types.vot"), tmp_path / "hunt/candidates.vot",
            tmp_path / "joined.vot", tmp_path / "review.vot"]  # fmt: skip
    hunted = types.with_columns(rank=pl.lit(1), check=pl.lit("gone"), nearest=None, HeI4471=0.5)
    write_list(hunted, made[1].parent, name="B", manifest={}, about=types.provenance)
    types.select("ra", "dec").write_csv(tmp_path / "there.csv")
    join(made[0], tmp_path / "there.csv", made[2])
    decided = pl.DataFrame({"path": ["a.fits", "\u00e9"], "label": ["B2 V", None], "blind": [0, 1]})
    made[3].write_bytes(encoded(decided, "vot", known=DECISIONS))
    for path in made:
        said = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True)
        assert (said.returncode, said.stdout, said.stderr) == (0, "", ""), path.name
        assert (path == made[3]) != ("standard" in path.read_text())  # the model that typed them


def test_what_pyvo_fetched_is_joined(types, tmp_path, capsys):
    dal = pytest.importorskip("pyvo").dal
    fetched = Table({"obsid": np.array([2, 1], np.int64), "teff": [9000.0, 40000.0]})
    document = votable.from_table(fetched)
    document.resources[0].type = "results"
    document.resources[0].infos.append(votable.tree.Info(name="QUERY_STATUS", value="OK"))
    dal.DALResults(document).to_table().write(tmp_path / "fetched.vot", format="votable")
    types.write(tmp_path / "types.parquet")
    files = [str(tmp_path / name) for name in ("types.parquet", "fetched.vot")]
    assert run(["results", "join", *files, "-o", str(tmp_path / "both.parquet")]) == 0
    both = pl.read_parquet(tmp_path / "both.parquet")
    assert both["teff"].to_list() == [40000.0, 9000.0, None, None]


def test_the_network_runs_with_onnxruntime_alone(types):
    import onnxruntime

    model = spectype.load_model()
    card = model.card
    grid = next(step for step in card["chain"] if step["name"] == "resample")
    wave = 10 ** (grid["start"] + grid["step"] * np.arange(grid["n_pix"]))
    stars = star_batch(CODES[:3])
    np.testing.assert_allclose(stars.wave, wave, rtol=1e-9)
    flux = np.clip(stars.flux / np.median(stars.flux, axis=1, keepdims=True), -10, 50)
    session = onnxruntime.InferenceSession(model.folder / "model.onnx",
                                           providers=["CPUExecutionProvider"])  # fmt: skip
    feed = {"flux": flux.astype(np.float32), "good": np.ones(flux.shape, np.float32)}
    (logits,) = session.run(["sequence"], feed)
    scaled = logits / card["temperature"]["mk"] + np.repeat(card["type_bias"]["mk"], 20)
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probability = (weights / weights.sum(axis=1, keepdims=True)).reshape(3, 7, 20).sum(axis=2)
    ours = types.head(3).select([f"p_{t}" for t in "OBAFGKM"]).to_numpy()
    np.testing.assert_allclose(probability, ours, atol=2e-3)


def test_the_page_of_columns_is_the_dictionary():
    from spectype.bulk.join import SEPARATION
    from spectype.classify import columns
    from spectype.core import flags
    from spectype.mine.folder import COLUMNS

    page = (ROOT / "docs/columns.md").read_text().splitlines()
    said = [*columns.describe(), *columns.describe([SEPARATION, *COLUMNS, *DECISIONS.values()])]
    assert set(said) | set(flags.describe()) <= set(page)
    assert len([line for line in page if line.startswith("| `")]) == len(said) - 4


def test_every_member_of_the_reference_is_in_an_example():
    page = (ROOT / "docs/api.md").read_text()
    named = re.findall(r":members: (.+)", page)
    members = {member for line in named for member in line.split(", ")}
    sources = [path.read_text() for path in (ROOT / "src/spectype").rglob("*.py")]
    examples = "\n".join(re.findall(r">>> .+", "\n".join(sources)))
    assert len(members) > 10
    assert not [name for name in members if f".{name}" not in examples]


@pytest.mark.parametrize("name", sorted(set(spectype.__all__) - {"__version__"}))
def test_every_public_name_has_an_example(name):
    thing = getattr(spectype, name)
    found = doctest.DocTestFinder(recurse=False).find(thing, name)
    (example,) = (test for test in found if test.examples)
    assert not any(doctest.SKIP in part.options for part in example.examples)


MODULES = [path for path in sorted((ROOT / "src/spectype").rglob("*.py"))
           if ">>>" in path.read_text()]  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_examples_hold(path):
    module = import_module(".".join(path.relative_to(ROOT / "src").with_suffix("").parts))
    assert not doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed
