"""A simulated release on disk."""

from __future__ import annotations

import errno
import hashlib
import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from spectype import cli, surveys
from spectype.core import mk
from spectype.core.errors import SpectypeError, UsageError
from spectype.core.files import read_manifest
from spectype.simulate import layouts, objects, survey, templates
from spectype.simulate.instrument import Conditions, observe
from spectype.simulate.objects import KINDS
from spectype.simulate.plan import make_plan, quotas, read_weights, survey_weights
from spectype.simulate.records import designation, label
from spectype.simulate.survey import Settings, write_release
from spectype.starlight.physics import WAVE


def cheap_star(node: templates.Node) -> np.ndarray:
    """A black body: for tests of what surrounds the physics."""
    teff = templates.node_parameters(node)[0]
    light = -5 * np.log(WAVE) - np.log(np.expm1(1.4388e8 / WAVE / teff))
    return (light - np.median(light)).astype(np.float32)


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """Six hundred spectra of cheap stars."""
    folder = tmp_path_factory.mktemp("release")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "compute", cheap_star)
        write_release(folder, settings=Settings(n=640, balanced=True, workers=1, seed=4))
    return folder


@pytest.fixture
def few(tmp_path) -> Path:
    """A table of types whose stars take little computing."""
    path = tmp_path / "types.csv"
    path.write_text("type,count\nQSO,3\nWD,1\n")
    return path


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.gz"))
    }


def test_catalogue_truth_files_and_manifest_agree(release):
    catalogue = pl.read_csv(release / "catalogue.csv", separator="|")
    truth = pl.read_parquet(release / "truth.parquet")
    files = sorted(release.rglob("*.fits.gz"))
    assert len(catalogue) == len(truth) == len(files) == 640
    assert catalogue["obsid"].to_list() == truth["obsid"].to_list()
    assert catalogue["obsid"].n_unique() == 640
    assert {path.name for path in files} == set(catalogue["file"])
    assert read_manifest(release, "simulation")["spectra"] == 640
    assert [p.name for p in release.iterdir() if p.name.startswith((".", "truth-"))] == []


def test_catalogue_has_the_columns_of_dr6(release, real_data):
    real = (real_data / "catalogue" / "lamost_extract.csv").read_text(encoding="utf-8")
    ours = (release / "catalogue.csv").read_text(encoding="utf-8")
    assert ours.partition("\n")[0] == real.partition("\n")[0]


def test_every_file_reads_back_with_its_labels(release):
    catalogue = pl.read_csv(release / "catalogue.csv", separator="|", infer_schema=False)
    truth = pl.read_parquet(release / "truth.parquet")
    seen = set()
    for row, path in zip(catalogue.iter_rows(named=True), truth["path"], strict=True):
        one = surveys.read(release / path)
        meta = {name: values[0] for name, values in one.meta.items()}
        seen.add(meta["layout"])
        assert meta["class"] == row["class"].upper() or meta["class"] == row["class"]
        assert meta["subclass"] == row["subclass"] or row["subclass"] == "Non"
        assert meta["snr_g"] == pytest.approx(float(row["snrg"]), abs=0.01)
        assert meta["ra"] == pytest.approx(float(row["ra"]), abs=1e-6)
        if meta["layout"] != "image-subcontinuum":
            assert meta["obsid"] == row["obsid"]
        good = ~one.mask[0]
        assert good.mean() > 0.9 and np.isfinite(one.flux[0][good]).all()
    assert seen == set(layouts.LAYOUTS)


def test_repeated_observations_are_of_one_star(release):
    truth = pl.read_parquet(release / "truth.parquet")
    catalogue = pl.read_csv(release / "catalogue.csv", separator="|")
    table = truth.hstack(catalogue.select("designation", "lmjd", "ra"))
    counts = [pl.col(name).n_unique() for name in ("designation", "code", "lmjd")]
    pairs = table.group_by("target").agg(pl.len(), *counts).filter(pl.col("len") > 1)
    assert 40 < len(pairs) < 80  # a tenth of 640
    assert (pairs["designation"] == 1).all() and (pairs["code"] == 1).all()
    assert (pairs["lmjd"] == pairs["len"]).all()
    # Two exposures of one star differ in noise.
    first, second = table.filter(pl.col("target") == pairs["target"][0])["path"]
    a, b = surveys.read(release / first), surveys.read(release / second)
    n = min(a.n_pix, b.n_pix)
    assert not np.array_equal(a.flux[0, :n], b.flux[0, :n])


def test_labels_are_near_the_truth(release):
    truth = pl.read_parquet(release / "truth.parquet").filter(pl.col("kind").is_in(list("AFGKM")))
    parsed = [mk.parse(text) for text in truth["label"]]
    difference = np.array([p.code for p in parsed]) - truth["code"].to_numpy()
    assert np.median(np.abs(difference)) < 1.8
    agree = np.mean([p.type == t for p, t in zip(parsed, truth["type"], strict=True)])
    assert 0.75 < agree < 0.98


def test_labels_without_noise_are_the_truth(rng):
    grid = itertools.product("AFGKM", layouts.LAYOUTS)
    for kind, layout in grid:
        for _ in range(20):
            target = objects.draw(kind, rng)
            class_, text = label(target, snr=30.0, layout=layout, noise=0.0, rng=rng)
            assert class_ == "STAR"
            assert abs(mk.parse(text).code - target.code) <= 0.5001


def test_spellings(rng):
    one = objects.draw("O", rng)
    found = {
        label(one, snr=99.0, layout="image-wavelength", noise=0.0, rng=rng)[1] for _ in range(60)
    }
    assert found == {"O", "OB"}
    dwarf = objects.draw("M", rng)
    assert label(dwarf, snr=99.0, layout="bintable-coadd", noise=0, rng=rng)[1][0] in "dg"
    quasar = objects.draw("QSO", rng)
    assert label(quasar, snr=9, layout="bintable-coadd", noise=1, rng=rng) == ("QSO", "Non")


@pytest.mark.parametrize("layout", layouts.LAYOUTS)
def test_files_are_what_astropy_reads(layout, tmp_path, rng):
    from astropy.io import fits

    light = np.exp(-(((WAVE - 5000) / 3000) ** 2))
    seen = observe(light, Conditions(snr_g=40.0), rng)
    header = {
        "filename": "spec-55859-F1_sp01-001.fits", "obsid": 101001, "release": "LAMOST DR9",
        "date": "2020-01-01", "date_obs": "2011-10-25T12:00:00", "lmjd": 55859, "mjd": 55858,
        "planid": "F1", "spid": 1, "fiberid": 1, "ra": 10.0, "dec": 20.0, "designation": "J1",
        "objname": "1", "objtype": "Star", "class": "STAR", "subclass": "G2", "z": 1e-4,
        "z_err": 1e-5, "helio_rv": 3.0, "mag_g": 15.0, "mag_r": 14.5, "mag_i": 14.2,
        **{f"snr{band}": value for band, value in seen.snr.items()},
    }  # fmt: skip
    path = tmp_path / "one.fits.gz"
    layouts.write(path, seen, layout=layout, header=header)
    with fits.open(path, ignore_missing_simple=False) as file:
        assert file[0].header["SUBCLASS"] == "G2" and file[0].header["RA"] == 10.0
        if layout == "bintable-coadd":
            flux, wave = (file["COADD"].data[name][0] for name in ("FLUX", "WAVELENGTH"))
            assert (file["COADD"].data["NORMALIZATION"] == -9999).all()
        else:
            flux, wave = file[0].data[0], file[0].data[2]
            assert file[0].data.shape == (5, 3909)
    np.testing.assert_array_equal(flux, seen.flux)
    if layout == "image-subcontinuum":
        assert np.median(wave[100:3000]) == pytest.approx(1, abs=0.1)  # a normalised spectrum
    else:
        np.testing.assert_allclose(wave, seen.wave, rtol=1e-6)


def test_same_seed_same_bytes_whatever_the_workers(few, tmp_path):
    for name, workers in (("one", 1), ("two", 2)):
        write_release(tmp_path / name, settings=Settings(n=210, types=few, workers=workers, seed=9))
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    tables = [(tmp_path / name / "catalogue.csv").read_bytes() for name in ("one", "two")]
    assert tables[0] == tables[1]
    truth = [pl.read_parquet(tmp_path / name / "truth.parquet") for name in ("one", "two")]
    assert truth[0].equals(truth[1])


def test_survey_imbalance_and_tables():
    counts = dict(zip(KINDS, quotas(survey_weights(), 100_000), strict=True))
    assert sum(counts.values()) == 100_000
    by_number = sorted(mk.TYPES, key=counts.__getitem__, reverse=True)
    assert "".join(by_number) == "GFKMABO"
    assert counts["O"] <= 5  # about 130 in 9.9 million
    assert counts["Unknown"] == pytest.approx(7255, abs=3)
    assert counts["GALAXY"] == pytest.approx(1743, abs=3)
    equal = dict(zip(KINDS, quotas(read_weights(None, True), 700), strict=True))
    assert len({equal[t] for t in mk.TYPES}) <= 2 and equal["O"] > 80


def test_plan_puts_no_two_spectra_in_a_fibre():
    plan = make_plan(3000, weights=survey_weights(), repeats=0.1, seed=1)
    keys = set(zip(plan.plate, plan.spid, plan.fiberid, strict=True))
    assert len(keys) == plan.n == 3000
    assert (np.diff(plan.plate) >= 0).all()
    assert plan.spid.min() >= 1 and plan.spid.max() <= 16 and plan.fiberid.max() <= 250
    assert ((plan.ra >= 0) & (plan.ra < 360) & (np.abs(plan.dec) < 90)).all()


def test_designation_is_truncated():
    assert designation(99.238526, 27.374228) == "J063657.24+272227.2"
    assert designation(10.0, -0.5) == "J004000.00-003000.0"


@pytest.mark.parametrize(
    "wrong",
    [
        {"n": 0}, {"n": -5}, {"snr": 0.0}, {"snr": -1.0}, {"snr": float("nan")}, {"repeats": 0.9},
        {"label_noise": -1.0}, {"workers": -1}, {"seed": -1}, {"snr_spread": 9.0},
        {"balanced": True, "types": Path("x.csv")},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "no columns"), ("kind,n\nA,3\n", "no columns"), ("type,count\nX,3\n", "no type"),
        ("type,count\nA,-3\n", "not 0 or more"), ("type,count\nA,many\n", "not 0 or more"),
        ("type,count\nA,0\n", "above 0"), ("type,count\nA\n", "not 0 or more"),
    ],
)  # fmt: skip
def test_bad_tables_are_refused(tmp_path, text, problem):
    path = tmp_path / "types.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=problem):
        read_weights(path, False)


def test_missing_table_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"absent\.csv"):
        read_weights(tmp_path / "absent.csv", False)


class TestFolder:
    def test_not_empty_is_refused_and_left_alone(self, tmp_path, few):
        out = tmp_path / "out"
        out.mkdir()
        (out / "notes.txt").write_text("mine")
        with pytest.raises(UsageError, match="not empty"):
            write_release(out, settings=Settings(n=4, types=few, workers=1))
        assert [path.name for path in out.iterdir()] == ["notes.txt"]

    def test_overwrite_replaces_only_its_own(self, tmp_path, few):
        out = tmp_path / "out"
        write_release(out, settings=Settings(n=8, types=few, workers=1))
        (out / "notes.txt").write_text("mine")
        write_release(out, settings=Settings(n=4, types=few, workers=1, overwrite=True))
        assert len(list(out.rglob("*.fits.gz"))) == 4
        assert len(pl.read_parquet(out / "truth.parquet")) == 4
        assert (out / "notes.txt").read_text() == "mine"

    def test_full_disk_keeps_what_is_valid(self, tmp_path, few, monkeypatch):
        out, written = tmp_path / "out", itertools.count()
        real_write = layouts.write

        def write(path, exposure, **options):
            if next(written) >= 250:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            real_write(path, exposure, **options)

        monkeypatch.setattr(layouts, "write", write)
        with pytest.raises(SpectypeError, match="No space left") as caught:
            write_release(out, settings=Settings(n=450, types=few, workers=1, repeats=0.0))
        assert caught.value.exit_code == 1 and "overwrite" in str(caught.value)
        assert not (out / "manifest.json").exists()
        rows = pl.read_csv(out / "catalogue.csv", separator="|")
        assert len(rows) == 200  # the plate that was finished
        assert len(pl.read_parquet(out / "truth-000000.parquet")) == 200
        files = list(out.rglob("*.fits.gz"))
        assert len(files) == 250 and all(len(surveys.read(path)) == 1 for path in files[::25])
        assert not list(out.rglob(".*"))

    def test_path_that_is_a_file(self, tmp_path, few):
        blocked = tmp_path / "file"
        blocked.write_text("")
        with pytest.raises(UsageError):
            write_release(blocked, settings=Settings(n=4, types=few, workers=1))


def test_quasars_alone_need_no_star(tmp_path):
    table = tmp_path / "types.csv"
    table.write_text("type,count\nQSO,5\n")
    counts = write_release(tmp_path / "out", settings=Settings(n=3, types=table, workers=1))
    assert counts["QSO"] == 3 and len(list(tmp_path.rglob("*.fits.gz"))) == 3


class TestCommandLine:
    def test_small_release(self, tmp_path, few, capsys):
        out = tmp_path / "out"
        status = cli.run(
            ["simulate", "--out", str(out), "--n", "6", "--types", str(few), "--workers", "1",
             "--layout", "bintable-coadd"]
        )  # fmt: skip
        assert status == 0
        assert "6 spectra" in capsys.readouterr().out
        layout = {surveys.read(p).meta["layout"][0] for p in out.rglob("*.fits.gz")}
        assert layout == {"bintable-coadd"}

    @pytest.mark.parametrize("options", [["--n", "-3"], ["--snr", "0"], ["--layout", "square"]])
    def test_bad_usage(self, tmp_path, options, capsys):
        assert cli.run(["simulate", "--out", str(tmp_path / "out"), *options]) == 2
        assert not (tmp_path / "out").exists()
