"""Baselines: each learns toy stars; chi-square against a direct fit; the table in the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype.classify import matching
from spectype.classify.obtain import SHIPPED
from spectype.cli import run
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.files import write_manifest
from spectype.core.grid import STANDARD_GRID
from spectype.dataset.preprocess import broad_shape
from spectype.dataset.store import Store, StoreWriter, encode
from spectype.judge import baselines, page
from spectype.judge.baselines import METHODS, read_sample, run_baselines
from spectype.judge.method_scores import score_methods
from spectype.study.baseline import ReferenceBaseline
from tests.stars import star_batch, star_flux

N = 210
PIXEL = np.log(10) * 1e-4
OURS = [m for _, m in METHODS.items() if not isinstance(m, ReferenceBaseline)]
SMALL = [*OURS, ReferenceBaseline(reference_epochs=8, reference_dense=32)]
NAMES = [method.name for method in SMALL]


def make_store(folder: Path, codes: np.ndarray, *, z: np.ndarray, known: bool, seed: int) -> Store:
    """A store of toy stars, half from a library, some short, with velocities."""
    batch = star_batch(codes, snr=40, seed=seed)
    for row in np.flatnonzero(z):
        batch.flux[row] += star_flux(codes[row], STANDARD_GRID / (1 + z[row])).astype("f4")
        batch.flux[row] -= star_flux(codes[row], STANDARD_GRID).astype("f4")
    batch.mask[::9, 3000:] = True  # libraries that end early
    batch.ivar[batch.mask] = 0.0
    writer = StoreWriter(folder, wave=STANDARD_GRID)
    writer.append(*encode(batch))
    rows = [
        {"path": f"{i}.fits", "index": 0, "survey": "lamost" if i % 2 else "miles",
         "obsid": None, "object": None, "star_id": f"star {i}", "ra": None, "dec": None,
         "snr": 40.0, "class": "STAR", "subclass": mk.format_code(code), "type": mk.type_of(code),
         "code": None if i % 30 == 7 else float(code), "luminosity": None, "kind": "star",
         "redshift": float(z[i]) if known else None, "synthetic": False}
        for i, code in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {})


def make_run(folder: Path, store: Store) -> Path:
    """A finished run as far as evaluation looks: a model, a split, a manifest."""
    folder.mkdir()
    for part in ("model.json", "model.onnx"):
        (folder / part).write_bytes((SHIPPED / "standard" / part).read_bytes())
    parts = ["test" if i % 3 == 0 else "validation" if i % 7 == 0 else "train" for i in range(N)]
    meta = store.meta.select("row", "star_id").with_columns(split=pl.Series(parts))
    meta.write_parquet(folder / "split.parquet")
    recipe = {"train": {"seed": 1, "leave_out": []}}
    write_manifest(
        folder, "run",
        {"store": str(store.folder), "store_rows": len(store), "recipe": recipe,
         "types": {"train": {"A": 1}}},
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(11)
    codes = np.round(np.linspace(0, 69.9, N), 1)[rng.permutation(N)]
    store = make_store(folder / "store", codes, z=rng.normal(0, 3e-4, N), known=True, seed=5)
    return make_run(folder / "run", store), store


@pytest.fixture(scope="module")
def table(toy: tuple[Path, Store], module_patch: pytest.MonkeyPatch) -> pl.DataFrame:
    return run_baselines(*toy, methods=SMALL)


@pytest.fixture(scope="module")
def module_patch() -> pytest.MonkeyPatch:
    patch = pytest.MonkeyPatch()
    patch.setattr(baselines, "TREES", 40)
    return patch


def sample_of(store: Store, rows: list[int]) -> baselines.Sample:
    return read_sample(store, store.meta[rows])


def test_every_method_learns_toy_stars(toy: tuple[Path, Store], table: pl.DataFrame) -> None:
    meta = toy[1].meta.select("row", true="type", true_code="code")
    assert table["method"].unique(maintain_order=True).to_list() == NAMES
    for name in NAMES[:-1]:
        part = table.filter(pl.col("method") == name).join(meta, on="row")
        assert part["row"].to_list() == list(range(0, N, 3))
        right = (part["type"] == part["true"]).mean()
        off = (part["code"] - part["true_code"]).abs().median()
        assert right > 0.75 and off < 2.5, (name, right, off)
    assert pl.read_parquet(toy[0] / baselines.FILE).equals(table)


def test_reference_network_learns_toy_stars_and_gives_no_subclass(
    toy: tuple[Path, Store], table: pl.DataFrame
) -> None:
    part = table.filter(pl.col("method") == NAMES[-1]).join(
        toy[1].meta.select("row", true="type"), on="row"
    )
    assert part["row"].to_list() == list(range(0, N, 3))
    assert (part["type"] == part["true"]).mean() > 0.5 and part["code"].is_nan().all()


def test_same_seed_same_table(toy: tuple[Path, Store], table: pl.DataFrame) -> None:
    again = run_baselines(*toy, methods=SMALL)
    assert again["type"].to_list() == table["type"].to_list()
    np.testing.assert_allclose(again["code"], table["code"], rtol=1e-9)


def test_test_stars_teach_nothing(toy: tuple[Path, Store], monkeypatch) -> None:  # type: ignore[no-untyped-def]
    seen = []

    def spy(train: baselines.Sample, *, seed: int) -> baselines.Predict:
        def predict(test: baselines.Sample) -> baselines.Guess:
            seen.append((train, test))
            return test.types.tolist(), test.codes

        return predict

    monkeypatch.setattr(baselines, "atomic_path", lambda path: _Nowhere())
    run_baselines(*toy, methods=[baselines.Named("spy", spy)])
    [(train, test)] = seen
    assert len(train) == N - len(test) == N - N // 3
    flux = {row.tobytes() for row in train.flux}
    assert not any(row.tobytes() in flux for row in test.flux)


class _Nowhere:
    def __enter__(self) -> Path:
        return Path("/dev/null")

    def __exit__(self, *_: object) -> None:
        return None


def test_normalised_by_the_broad_shape_at_rest(tmp_path: Path) -> None:
    codes = np.array([22.0, 22.0, 44.0])
    z = np.array([6 * PIXEL, 0.0, -4 * PIXEL])
    store = make_store(tmp_path / "s", codes, z=z, known=True, seed=1)
    sample = sample_of(store, [0, 1, 2])
    inside = slice(400, 2900)
    np.testing.assert_allclose(sample.flux[0, inside], sample.flux[1, inside], atol=0.12)
    assert np.corrcoef(sample.flux[0, inside], sample.flux[1, inside])[0, 1] > 0.95
    # Masked pixels, and those that came in from outside, have no weight and no flux.
    assert not sample.weight[0, 3010:].any() and not sample.flux[sample.weight == 0].any()
    shape = broad_shape(store.spectra([1]), width=10_000.0)
    raw = store.spectra([1]).flux[0] / shape[0] - 1
    assert sample.flux[1, inside].mean() == pytest.approx(raw[inside].mean(), abs=0.01)


def test_chi_square_is_that_of_a_direct_fit() -> None:
    rng = np.random.default_rng(3)
    n_pix = 400
    flux = rng.normal(0, 0.1, (3, n_pix)).astype("f4")
    templates = rng.normal(0, 0.1, (4, n_pix)).astype("f4")
    weight = rng.uniform(50, 100, flux.shape).astype("f4")
    weight[1, 300:] = 0
    good = np.ones_like(templates)
    good[2, :60] = 0
    got = matching.nearest(flux, weight, templates, good)
    x = np.linspace(-1, 1, n_pix)
    basis = np.stack([np.ones(n_pix), x], axis=1)
    for i in range(3):
        for j in range(4):
            values = []
            for pixels in range(-matching.FARTHEST, matching.FARTHEST + 1):
                w = np.sqrt(matching.moved(weight[i], pixels) * good[j])
                y = matching.moved(flux[i], pixels) - templates[j]
                fit = np.linalg.lstsq(basis * w[:, None], y * w, rcond=None)[0]
                values.append((((y - basis @ fit) * w) ** 2).sum() / (w > 0).sum())
            assert got[i, j] == pytest.approx(min(values), rel=1e-3)


def test_templates_are_found_at_any_velocity(tmp_path: Path) -> None:
    codes = np.array([8.0, 22.0, 35.0, 44.0, 55.0, 64.0] * 2)
    z = np.r_[np.zeros(6), np.array([5, -5, 4, -3, 2, -5]) * PIXEL]
    store = make_store(tmp_path / "s", codes, z=z, known=False, seed=2)
    known, asked = sample_of(store, list(range(6))), sample_of(store, list(range(6, 12)))
    known = replace(known, expert=np.ones(6, bool))
    types, found = baselines.template_matching(known, seed=0)(asked)
    assert types == list("OAFGKM") and found.tolist() == codes[:6].tolist()


def test_templates_are_the_experts_where_there_are_any(toy: tuple[Path, Store]) -> None:
    train, test = sample_of(toy[1], list(range(40))), sample_of(toy[1], list(range(40, 50)))
    used = baselines.template_matching(train, seed=0)(test)[1]
    assert np.isin(used, train.codes[train.expert]).all()
    none = replace(train, expert=np.zeros(40, bool))
    used = baselines.template_matching(none, seed=0)(test)[1]
    assert np.isin(used, train.codes).all() and not np.isin(used, train.codes[train.expert]).all()


def test_coefficients_come_from_good_pixels_alone() -> None:
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(80, 3)))[0].T
    truth = rng.normal(size=(50, 3)) * 5
    flux = truth @ basis
    fit = PCA(3).fit(flux)
    good = rng.uniform(size=flux.shape) > 0.3
    wild = np.where(good, flux, 1e6)
    found = baselines._coefficients(wild, good, fit)
    np.testing.assert_allclose(found, fit.transform(flux), atol=0.01, rtol=0.005)


def test_weighted_median_skips_the_unknown() -> None:
    values = np.array([[3.0, 1.0, 2.0], [np.nan, 7.0, 9.0], [np.nan] * 3])
    weights = np.array([[1.0, 1.0, 1.0], [9.0, 1.0, 3.0], [1.0, 1.0, 1.0]])
    got = baselines._weighted_median(values, weights)
    assert got[:2].tolist() == [2.0, 9.0] and np.isnan(got[2])


@pytest.fixture(scope="module")
def evaluated(toy: tuple[Path, Store], module_patch: pytest.MonkeyPatch) -> Path:
    options = ["--reference-epochs", "8", "--reference-dense", "32"]
    assert run(["evaluate", str(toy[0]), "--baselines", *options]) == 0
    return toy[0]


def test_report_holds_the_table(table: pl.DataFrame, evaluated: Path) -> None:
    # In this order: both write the run's table of baselines, and the report is of the later one.
    data = json.loads((evaluated / "report" / "report.json").read_text(encoding="utf-8"))
    names = [method["name"] for method in data["baselines"]]
    assert names == ["this run", *NAMES]
    assert data["baselines"][0]["accuracy"] == data["accuracy"]
    meta = pl.read_parquet(evaluated / "predictions.parquet").select("row", "true_type")
    forest = table.filter(pl.col("method") == names[3]).with_columns(pl.col("row").cast(pl.UInt32))
    both = forest.join(meta, on="row")
    assert data["baselines"][3]["accuracy"]["value"] == pytest.approx(
        (both["type"] == both["true_type"]).mean()
    )
    html = (evaluated / "report" / "report.html").read_text(encoding="utf-8")
    assert '<section id="baselines">' in html and "random forest on line indices" in html
    assert NAMES[-1] in html and "the study had 140 epochs" in html
    # Written again from what is kept, without training anything.
    assert run(["report", str(evaluated), "--out", str(evaluated / "again")]) == 0
    again = json.loads((evaluated / "again" / "report.json").read_text(encoding="utf-8"))
    assert again["baselines"] == data["baselines"]


def predictions_like(table: pl.DataFrame, meta: pl.DataFrame, *, wrong: str) -> pl.DataFrame:
    """Predictions that are right but for one type."""
    rows = table.select("row").unique().join(meta, on="row").sort("row")
    return rows.select(
        "row", "star_id", true_type="type", true_code="code", subclass_code="code",
        type=pl.when(pl.col("type") == wrong).then(pl.lit("M")).otherwise("type"),
    )  # fmt: skip


def test_where_a_baseline_is_better_it_is_said(
    toy: tuple[Path, Store], table: pl.DataFrame
) -> None:
    ours = predictions_like(table, toy[1].meta, wrong="G")
    methods = score_methods(table, ours)
    assert methods[0].subclass.mean_abs == 0 and methods[0].types[4].recall.value == 0
    assert methods[0].accuracy.n == N // 3 and np.isnan(methods[0].seconds)
    text = page._baselines(methods)
    assert "A simpler method recognises more of: G (" in text and "against 0.000)" in text
    perfect = score_methods(table, predictions_like(table, toy[1].meta, wrong="-"))
    assert "No simpler method recognises more of any type." in page._baselines(perfect)
    assert "<b>1.000" in page._baselines(perfect) and page._baselines([]) == ""


def test_a_table_of_other_stars_is_refused(toy: tuple[Path, Store], table: pl.DataFrame) -> None:
    ours = predictions_like(table, toy[1].meta, wrong="-")
    with pytest.raises(DataError, match="--baselines again"):
        score_methods(table.filter(pl.col("row") != 3), ours)


def test_one_type_is_too_few(toy: tuple[Path, Store], tmp_path: Path) -> None:
    split = pl.read_parquet(toy[0] / "split.parquet")
    meta = toy[1].meta.filter(pl.col("type") == "A").select("row")
    split.join(meta, on="row", how="semi").write_parquet(tmp_path / "split.parquet")
    with pytest.raises(DataError, match="too few types"):
        run_baselines(tmp_path, toy[1])
