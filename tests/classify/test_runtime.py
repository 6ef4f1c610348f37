import json
import shutil

import numpy as np
import pytest

import spectype
from spectype.classify import obtain, quality, runtime
from spectype.classify.posterior import Sequence70, only_seen, softmax, type_sets
from spectype.core.errors import DataError, UsageError
from spectype.core.flags import Flag
from spectype.dataset.preprocess import replace
from tests.stars import star_batch

CODES = np.array([22.0, 36.0, 44.0, 56.0, 64.0])


@pytest.fixture(scope="module")
def model():
    return spectype.load_model()


CONTRACT = [
    *("path", "obsid", "ra", "dec", "snr", "type", "type_probability"),
    *("p_O", "p_B", "p_A", "p_F", "p_G", "p_K", "p_M"),
    *("subclass", "subclass_code", "subclass_error", "luminosity", "luminosity_probability"),
    *("type_set", "ood_score", "flags", "flag_names", "error"),
    *("notes", "kind", "kind_probability", "p_star", "object", "survey", "redshift", "label"),
]


def test_columns_are_the_contract(model):
    assert model.predict(star_batch(CODES)).columns == CONTRACT


def test_row_is_consistent(model):
    for row in model.predict(star_batch(np.linspace(3, 68, 60), snr=25)).to_dicts():
        probabilities = {t: row[f"p_{t}"] for t in "OBAFGKM"}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
        assert row["type"] == max(probabilities, key=probabilities.get)
        assert row["subclass"][0] == row["type"] and "OBAFGKM"[int(row["subclass_code"] // 10)]
        assert row["type"] in row["type_set"].split()
        assert 0 <= row["ood_score"] <= 1 and row["subclass_error"] >= 0


def test_flux_unit_does_not_matter(model):
    spectra = star_batch(CODES)
    faint = replace(spectra, flux=spectra.flux * 3e-17, ivar=spectra.ivar / 9e-34)
    a, b = model.predict(spectra), model.predict(faint)
    np.testing.assert_allclose(a["p_G"].to_numpy(), b["p_G"].to_numpy(), atol=1e-3)


def test_batch_and_single_agree(model):
    spectra = star_batch(np.linspace(5, 65, 40))
    whole = model.predict(spectra)["subclass_code"].to_numpy()
    single = [model.predict(one)["subclass_code"][0] for one in spectra]
    np.testing.assert_allclose(whole, single, atol=0.02)


def test_little_coverage_gives_no_type(model):
    wave = np.arange(5000.0, 5200.0, 1.0)
    row = model.predict(star_batch([42.0], wave=wave)).to_dicts()[0]
    assert row["type"] is None and row["subclass"] is None and row["p_G"] is None
    assert row["flags"] & Flag.LITTLE_COVERAGE and "LITTLE_COVERAGE" in row["flag_names"]


def test_noise_lowers_snr_and_raises_flags(model):
    table = model.predict(star_batch([42.0] * 8, snr=2, seed=4))
    assert np.median(table["snr"]) == pytest.approx(2, rel=0.3)
    assert all("LOW_SNR" in names for names in table["flag_names"])


def test_snr_without_errors_comes_from_the_flux(model):
    spectra = star_batch([42.0], snr=30)
    bare = replace(spectra, ivar=np.ones_like(spectra.ivar), meta={"has_errors": [False]})
    row = model.predict(bare).to_dicts()[0]
    assert row["snr"] == pytest.approx(30, rel=0.15)
    assert "NO_ERRORS" in row["flag_names"]


def test_arms_that_do_not_join_are_said(model):
    stars = star_batch(np.linspace(8, 66, 16))
    red = stars.wave > 5850
    for factor in (3.0, 1 / 3.0):
        gain = np.where(red, factor, 1.0)
        fault = replace(stars, flux=stars.flux * gain, ivar=stars.ivar / gain**2)
        assert all("SHAPE_UNRELIABLE" in names for names in model.predict(fault)["flag_names"])
        np.testing.assert_allclose(
            quality.arm_step(fault) - quality.arm_step(stars), np.log(factor), atol=0.01
        )
    assert not any("SHAPE" in names for names in model.predict(stars)["flag_names"])
    # What lacks one arm, or has no light, says nothing of a jump.
    blue = replace(stars, mask=stars.mask | red)
    dark = replace(stars, flux=-stars.flux)
    assert not quality.arm_step(blue).any() and not quality.arm_step(dark).any()


def test_kind_and_the_outlier_score_are_one_distribution(model):
    stars = star_batch(np.linspace(8, 66, 16), snr=80)
    table = model.predict(stars)
    assert ((table["p_star"] + table["ood_score"]) <= 1 + 1e-4).all()
    assert ((table["kind"] == "star") == (table["p_star"] == table["kind_probability"])).all()
    # A quasar: a power law under broad emission.
    wave = stars.wave
    broad = sum(
        h * np.exp(-0.5 * (np.log(wave / at) / 0.012) ** 2) for at, h in ((4200, 2), (7000, 1.2))
    )
    light = ((wave / 5500) ** -1.5 * (1 + broad))[None].astype(np.float32)
    quasar = replace(stars[:1], flux=light, ivar=2500 / light**2)
    row = model.predict(quasar).to_dicts()[0]
    assert row["kind"] == "quasar" and row["p_star"] < 0.1 and row["ood_score"] > 0.9


def test_a_network_without_numbers_is_an_error_and_no_type(model, monkeypatch):
    stars = star_batch([22.0, 42.0])
    plain = runtime.Model.outputs

    def broken(self, flux, good):
        found = plain(self, flux, good)
        found.sequence[0, 3] = np.nan
        return found

    monkeypatch.setattr(runtime.Model, "outputs", broken)
    one, two = model.predict(stars).to_dicts()
    assert one["type"] is None and one["p_star"] is None and "no number" in one["error"]
    assert two["type"] in ("G", "K") and two["error"] is None


def test_an_old_model_names_the_release_that_reads_it(tmp_path):
    folder = tmp_path / "m"
    shutil.copytree(obtain.SHIPPED / "standard", folder)
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | {"format": 4}))
    with pytest.raises(DataError, match=r"spectype 0\.1 \(tag first\)"):
        runtime.load_model(folder)


def test_flags_and_their_names_agree(model):
    table = model.predict(star_batch(np.linspace(5, 66, 12), snr=3))
    for row in table.to_dicts():
        assert sum(Flag[name] for name in row["flag_names"].split()) == row["flags"]
        assert bool(row["flags"] & Flag.OUT_OF_DISTRIBUTION) == (
            row["ood_score"] > model.outlier_limit(np.ones((1, model.wave.size), bool))[0]
        )


def test_the_less_is_seen_the_odder_a_star_may_look(model):
    place = np.linspace(0, 1, model.wave.size)
    shares = np.array([0.1, 0.2, 0.4, 0.6, 1.0])[:, None]
    blue, red = (model.outlier_limit(good) for good in (place <= shares, place >= 1 - shares))
    assert blue[-1] == red[-1]
    for limits in (blue, red):
        assert (np.diff(limits) <= 0).all() and limits[1] > limits[-1]
        assert limits[0] == pytest.approx(limits[1], rel=0.01)
        assert ((limits > 0) & (limits < 1)).all()


def test_unknown_system_and_model_are_named(model):
    with pytest.raises(UsageError, match="martian"):
        model.predict(star_batch([42.0]), system="martian")
    with pytest.raises(UsageError, match="standard"):
        spectype.load_model("nonesuch")


@pytest.mark.parametrize("fault", ["no network", "not json", "not ours", "version", "broken"])
def test_model_folders_that_cannot_be(tmp_path, fault):
    folder = tmp_path / "m"
    shutil.copytree(obtain.SHIPPED / "standard", folder)
    card = json.loads((folder / "model.json").read_text())
    if fault == "no network":
        (folder / "model.onnx").unlink()
    elif fault == "not json":
        (folder / "model.json").write_text("{")
    elif fault == "not ours":
        (folder / "model.json").write_text("{}")
    elif fault == "version":
        (folder / "model.json").write_text(json.dumps(card | {"format": 99}))
    else:
        (folder / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(DataError, match=str(folder)):
        runtime.load_model(folder).predict(star_batch([42.0]))


def test_the_median_is_the_code_and_stays_in_the_type():
    probability = np.zeros((3, 140))
    probability[0, 84] = 1  # G2.0
    probability[1, [98, 99, 100]] = 0.3, 0.25, 0.45  # G9, G9.5, K0: more G than K
    probability[2, [18, 20]] = 0.4, 0.6  # O9, B0
    sequence = Sequence70(probability)
    np.testing.assert_allclose(sequence.code(), [42.0, 49.4, 10.0], atol=0.26)
    assert sequence.types()[1, 4] == pytest.approx(0.55)
    assert sequence.error()[0] == 0 and sequence.error()[2] == pytest.approx(0.49, abs=0.01)


def test_sets_and_unseen_types():
    types = np.array([[0.0, 0.0, 0.05, 0.6, 0.35, 0.0, 0.0]])
    assert type_sets(types, np.array([0.9])) == ["F G"]
    assert type_sets(types, np.array([0.6])) == ["F"]
    assert type_sets(types, np.array([1.0])) == ["F G A"]
    flat = only_seen(np.full((1, 140), 1 / 140), ["A", "F"])
    assert flat[0, 40:80].sum() == pytest.approx(1)
    np.testing.assert_allclose(softmax(np.array([[0.0, 2.0]]), 2.0)[0, 1], 1 / (1 + np.exp(-1)))
