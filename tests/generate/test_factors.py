import json

import numpy as np
import polars as pl
import pytest

from spectype.core.errors import DataError, UsageError
from spectype.core.grid import STANDARD_GRID, log_grid
from spectype.core.indices import equivalent_width
from spectype.core.lines import INDICES
from spectype.core.spectra import Spectra
from spectype.dataset import store as st
from spectype.generate import latent
from spectype.generate.factors import KNOTS, shape_between
from spectype.generate.factors_training import train_standard, training_set
from spectype.generate.recipes import GeneratorConfig
from spectype.generate.samples import NOISE_FREE, export_samples, noise_for, write_samples
from spectype.refine.registry import load_generator
from spectype.simulate.instrument import BANDS
from tests.stars import star_flux

WAVE = STANDARD_GRID
HE_II = (4542.9, 4687.0)


def small(**options):
    options = {"components": 8, "epochs": 4, "neighbours": 6.0} | options
    return GeneratorConfig(**options)


def hot_flux(code, rng):
    """A toy star with He II as in O stars, of its own line strength and colour."""
    flux = star_flux(code + rng.normal(0, 0.3), WAVE)
    strength = 0.3 * np.clip((10.0 - code) / 5.0, 0, 1) * np.exp(0.2 * rng.normal())
    for centre in HE_II:
        flux = flux * (1 - strength * np.exp(-0.5 * ((WAVE - centre) / 4.0) ** 2))
    return flux * (WAVE / 5500.0) ** (0.8 * rng.normal())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Forty O to A stars; every second ends at 7000 A, as libraries do."""
    rng = np.random.default_rng(8)
    codes = np.linspace(5.0, 27.0, 90)
    light = np.stack([hot_flux(c, rng) for c in codes])
    light /= np.median(light, axis=1, keepdims=True)
    mask = np.zeros(light.shape, bool)
    mask[::2] = WAVE > 7000
    return write_store(tmp_path_factory.mktemp("store") / "s", light, mask, codes, rng)


def write_store(folder, light, mask, codes, rng):
    noisy = light + 0.01 * rng.normal(size=light.shape)
    spectra = Spectra(
        wave=WAVE,
        flux=noisy.astype(np.float32),
        ivar=np.where(mask, 0, 1e4).astype(np.float32),
        mask=mask,
        meta={},
    )
    writer = st.StoreWriter(folder, wave=WAVE)
    writer.append(*st.encode(spectra))
    rows = [
        {"path": f"{i}", "survey": "atlas" if i % 2 else "book", "star_id": f"s{i}",
         "type": "OBAFGKM"[int(c // 10)], "code": float(c), "kind": "star", "synthetic": False,
         "luminosity": "V", "object": None, "snr": 100.0, "redshift": None}
        for i, c in enumerate(codes)
    ]  # fmt: skip
    return writer.close(rows, {"chain": []})


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "g"
    train_standard(store, folder, small(types="OBA", components=12, epochs=6))
    return folder


def width(samples, name):
    spectra = Spectra(
        wave=samples.wave,
        flux=samples.flux,
        ivar=np.ones_like(samples.flux),
        mask=~samples.good,
        meta={},
    )
    return equivalent_width(spectra, INDICES[name])[0]


def test_lines_follow_the_sequence(trained):
    generator = load_generator(trained)
    median = {
        name: [np.median(width(generator.sample(200, code=c, seed=1), name)) for c in (6, 12, 22)]
        for name in ("HeII4541", "HeI4471", "HgammaF")
    }
    o, b, a = median["HeII4541"]
    assert o > 1.0 and abs(b) < 0.25 * o and abs(a) < 0.25 * o  # He II in O stars alone
    o, b, a = median["HeI4471"]
    assert b > 1.2 * o and b > 1.2 * a  # He I is strongest at B2
    o, b, a = median["HgammaF"]
    assert o < b < a  # hydrogen grows to A2


def test_real_hot_stars_are_made_as_they_are(real_data, tmp_path):
    from spectype.dataset.build import BuildConfig, build

    config = BuildConfig(labels=real_data / "labels.csv", only_labelled=True, workers=1)
    jacoby = build([real_data / "libraries" / "jacoby"], tmp_path / "store", config=config)
    train_standard(jacoby, tmp_path / "g", small(types="OBA", components=12, epochs=5, test=0.1))
    generator = load_generator(tmp_path / "g")
    made = {c: generator.sample(300, code=c, seed=1) for c in (7.0, 12.0, 21.0)}
    he_ii, he_i, h_gamma = (
        [np.median(width(s, name)) for s in made.values()]
        for name in ("HeII4541", "HeI4471", "HgammaF")
    )
    assert he_ii[0] > 0.3 and abs(he_ii[1]) < 0.15 and abs(he_ii[2]) < 0.15
    assert he_i[1] > he_i[0] and he_i[1] > he_i[2]
    assert h_gamma[0] < h_gamma[1] < h_gamma[2]


def test_samples_vary_but_copy_no_star(store, trained):
    data = training_set(store, small(types="OBA"))
    n_pix = WAVE.size
    real, good = data.values[:, :n_pix], data.good[:, :n_pix]
    blue = (WAVE > 3900) & (WAVE < 6900)
    hot = data.code < 12
    samples = load_generator(trained).sample(100, code=8.0, seed=3)
    spread = samples.flux[:, blue].std(axis=0)
    assert spread.max() > 0.01  # not one spectrum again and again

    def nearest(a, b, own):
        gap = ((a[:, None, blue] - b[None, :, blue]) ** 2).mean(axis=2)
        return np.sqrt((gap + (1e9 * np.eye(len(a)) if own else 0)).min(axis=1))

    assert good[hot][:, blue].all()
    lonely = nearest(real[hot], real[hot], own=True)
    # Noise-free samples are nearer to a real star than another noisy one is, but only by noise.
    assert np.median(nearest(samples.flux, real[hot], own=False)) > 0.6 * np.median(lonely)


def test_gaps_are_filled_by_stars_that_have_none(trained):
    samples = load_generator(trained).sample(50, code=20.0, seed=2)
    assert samples.good.all()
    red = (WAVE > 7100) & (WAVE < 8800)
    assert np.abs(samples.flux[:, red] - 1).mean() < 0.05  # toy stars have no line there


def test_broad_shapes_follow_temperature(trained, store):
    generator = load_generator(trained)
    blue, red = (np.abs(WAVE - w) < 30 for w in (4400, 6500))
    learnt = training_set(store, small(types="OBA"))
    flux, _ = store.arrays(learnt.rows)
    real = np.log(flux[:, blue].mean(axis=1) / flux[:, red].mean(axis=1))
    for code in (6.0, 15.0, 24.0):
        shape = generator.sample(300, code=code, seed=5).shape
        colour = np.median(np.log(shape[:, blue].mean(axis=1) / shape[:, red].mean(axis=1)))
        # The stars nearby, whose colours scatter by 0.3.
        near = real[np.abs(learnt.code - code) < 2.5]
        assert colour == pytest.approx(near.mean(), abs=2 * near.std() / np.sqrt(near.size))
    assert np.corrcoef(learnt.code, real)[0, 1] < -0.5


def test_gaps_are_bridged_by_neighbours_on_the_sequence():
    """What one noiseless factor says of a gap gives way to what the neighbours show there."""
    n, n_col = 40, 80
    code = np.linspace(10.0, 20.0, n)
    wave = np.linspace(-1, 1, n_col)
    values = (1 + 0.01 * (code - 15)[:, None] * wave).astype(np.float32)
    good = np.ones((n, n_col), bool)
    good[20, :40] = False
    values[20, 40:] += 0.2 * wave[40:].astype(np.float32)  # odd where it is seen
    sequence = latent.Sequence(code, 8.0)
    filled, weight = latent.bridge(np.where(good, values, 0), good, sequence)
    np.testing.assert_array_equal(filled[good], values[good])
    np.testing.assert_allclose(filled[20, :40], values[19:22:2, :40].mean(axis=0), atol=0.002)
    assert 0 < weight[20, :40].max() < 0.1 < weight[good].min() == 1.0
    state = latent.start(np.where(good, values, 0), good, sequence, k=1, groups=1)
    group = np.zeros(n, np.int64)
    off = [
        np.abs(new.mean + new.z[20] @ new.basis - filled[20])[:40].max()
        for given in (None, np.maximum(weight, 0.5 * (weight > 0)))
        for new, _ in [
            latent.iterate(state, filled, good, sequence=sequence, group=group, weight=given)
        ]
    ]
    # The half that is seen has weight 1, the bridged half 1/2: their mean is two thirds of the odd.
    assert off[0] > 0.1
    assert off[1] == pytest.approx(off[0] * 2 / 3, rel=0.1)


def test_shape_passes_through_its_knots():
    values = np.sin(np.arange(float(KNOTS.size)))[None].astype(np.float32)
    shape = shape_between(values, KNOTS)
    np.testing.assert_allclose(np.log(shape), values, atol=1e-5)


def test_interrupted_and_resumed_gives_the_same(store, tmp_path, monkeypatch):
    train_standard(store, tmp_path / "whole", small(types="OBA"))
    iterate, count = latent.iterate, iter(range(100))

    def dying(*args, **options):
        if next(count) == 2:
            raise KeyboardInterrupt
        return iterate(*args, **options)

    monkeypatch.setattr(latent, "iterate", dying)
    with pytest.raises(KeyboardInterrupt):
        train_standard(store, tmp_path / "cut", small(types="OBA"))
    with pytest.raises(DataError, match="finished training"):
        load_generator(tmp_path / "cut")
    monkeypatch.setattr(latent, "iterate", iterate)
    train_standard(store, tmp_path / "cut", small(types="OBA"))
    one, two = (load_generator(tmp_path / name) for name in ("whole", "cut"))
    assert set(one.parts) == set(two.parts) == {0, 1}
    for number, part in one.parts.items():
        other = two.parts[number].state.arrays()
        for name, array in part.state.arrays().items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)
    logs = [(tmp_path / n / "log.jsonl").read_text().splitlines() for n in ("whole", "cut")]
    values = [[json.loads(line)["log_likelihood"] for line in log] for log in logs]
    assert values[0] == values[1] and len(values[0]) == 4
    assert values[0][-1] > values[0][0]


def test_corrupt_checkpoint_falls_back(store, tmp_path, caplog):
    folder = train_standard(store, tmp_path / "g", small(types="OBA", epochs=3))
    good = load_generator(folder).parts[0].state.z
    newest = max((folder / "checkpoints").glob("*.safetensors"))
    content = bytearray(newest.read_bytes())
    content[-5] ^= 0xFF  # one bit pattern in the values: the header still reads well
    newest.write_bytes(content)
    train_standard(store, folder, small(types="OBA", epochs=3))
    assert "falling back" in caplog.text
    np.testing.assert_array_equal(load_generator(folder).parts[0].state.z, good)


def test_checkpoint_of_another_configuration_is_refused(store, tmp_path):
    folder = train_standard(store, tmp_path / "g", small(types="OBA", epochs=1))
    with pytest.raises(DataError, match=r"components: 8 there, 9 here"):
        train_standard(store, folder, small(types="OBA", components=9))


def test_divergence_keeps_the_checkpoint_before(store, tmp_path, monkeypatch):
    folder = train_standard(store, tmp_path / "g", small(types="OBA", epochs=2))
    monkeypatch.setattr(latent, "iterate", lambda state, *a, **k: (state, float("nan")))
    with pytest.raises(DataError, match=r"diverged in epoch 3.*epoch 2 is good"):
        train_standard(store, folder, small(types="OBA", epochs=4))


@pytest.mark.parametrize("name", ["few", "nan", "missing"])
def test_bad_training_data(store, tmp_path, name):
    if name == "missing":
        with pytest.raises(DataError, match="no real spectrum of type M"):
            train_standard(store, tmp_path / "g", small(types="OM"))
        return
    flux, error = store.arrays(np.arange(12))
    if name == "few":
        flux, error = flux[:7], error[:7]
    else:
        flux[3, 100] = np.nan
    writer = st.StoreWriter(tmp_path / "s", wave=WAVE)
    writer.append(flux.astype(np.float16), error.astype(np.float16))
    rows = store.meta.drop("row").head(len(flux)).to_dicts()
    with pytest.raises(DataError, match="needed at least" if name == "few" else "row 3"):
        train_standard(writer.close(rows, {"chain": []}), tmp_path / "g",
                       small(types="O", test=0.0, validation=0.0))  # fmt: skip


def test_samples_vary_less_where_few_neighbours_have_data(store, tmp_path):
    """All hot stars end at 7000 A: what the samples show beyond is a mean from cooler ones."""
    flux, error = store.arrays(np.arange(len(store)))
    code = store.meta["code"].to_numpy()
    error[np.ix_(code < 14, WAVE > 7000)] = 0
    writer = st.StoreWriter(tmp_path / "s", wave=WAVE)
    writer.append(flux.astype(np.float16), error.astype(np.float16))
    cut = writer.close(store.meta.drop("row").to_dicts(), {"chain": []})
    generator = load_generator(train_standard(cut, tmp_path / "g", small(types="OBA")))
    red = (WAVE > 7100) & (WAVE < 8800)
    spread = [generator.sample(80, code=c, seed=2).shape[:, red].std(axis=0) for c in (6.0, 22.0)]
    assert np.median(spread[0]) < 0.5 * np.median(spread[1])


def test_untrusted_labels_are_not_learnt_from(store, tmp_path):
    flux, error = store.arrays(np.arange(len(store)))
    writer = st.StoreWriter(tmp_path / "s", wave=WAVE)
    writer.append(flux.astype(np.float16), error.astype(np.float16))
    meta = store.meta.drop("row").with_columns(
        survey=pl.when(pl.col("survey") == "book").then(pl.lit("sdss_faststars"))
        .otherwise(pl.col("survey"))
    )  # fmt: skip
    other = writer.close(meta.to_dicts(), {"chain": []})
    rows = training_set(other, small(types="OBA")).rows
    assert set(meta["survey"].to_numpy()[rows]) == {"atlas"}


def test_left_out_library_has_no_part(store):
    data = training_set(store, small(types="OBA", leave_out=("book",)))
    survey = store.meta["survey"].to_numpy()
    assert set(survey[data.rows]) == {"atlas"}
    assert set(data.split[survey == "book"]) == {"test"}


def test_crowded_subclasses_are_thinned(store):
    data = training_set(store, small(types="OBA", crowd=1))
    place = np.floor(data.code)
    assert len(np.unique(place)) == len(place)


def test_codes_not_learnt_are_refused(trained):
    generator = load_generator(trained)
    for code in (0.0, 42.0, np.nan):
        with pytest.raises(UsageError, match="has not learnt"):
            generator.sample(2, code=code)
    with pytest.raises(UsageError, match="2 codes for 3"):
        generator.sample(3, code=[5.0, 6.0])
    assert set(np.floor(generator.codes(50, type="B", seed=1) / 10)) == {1.0}
    assert set(np.floor(generator.codes(50, type="OB", seed=1) / 10)) == {0.0, 1.0}


def test_seed_decides_the_samples(trained):
    one, two, other = (load_generator(trained).sample(5, seed=s) for s in (7, 7, 8))
    np.testing.assert_array_equal(one.flux, two.flux)
    assert not np.array_equal(one.flux, other.flux)


def test_samples_become_a_store_with_the_wanted_noise(trained, tmp_path):
    samples = load_generator(trained).sample(40, code=15.0, seed=1)
    noisy = write_samples(samples, tmp_path / "s", generator="x", snr=20.0, seed=3)
    quiet = st.Store(tmp_path / "s" / NOISE_FREE)
    flux, error = noisy.arrays(np.arange(40))
    light, _ = quiet.arrays(np.arange(40))
    g = (BANDS["g"][0] < WAVE) & (BANDS["g"][1] > WAVE)
    assert np.median(flux[:, g] / error[:, g]) == pytest.approx(20, rel=0.05)
    scale = (np.median(flux, axis=1) / np.median(light, axis=1))[:, None]
    pull = (flux - light * scale) / error
    assert pull.std() == pytest.approx(1, abs=0.03)
    # The blue end, where throughput is low, is noisier than the middle of the blue arm.
    assert np.median(error[:, :50]) > 3 * np.median(error[:, g])
    meta = noisy.meta
    assert meta["synthetic"].all() and set(meta["type"]) == {"B"}
    assert meta["star_id"].n_unique() == 40 and meta["snr"].to_list() == [20.0] * 40


def test_noise_reaches_each_stars_own_level():
    light = np.stack([np.ones(WAVE.size), (WAVE / 5000.0) ** -4])
    sigma = noise_for(light, np.ones(light.shape, bool), wave=WAVE, snr=35.0)
    g = (BANDS["g"][0] <= WAVE) & (BANDS["g"][1] > WAVE)
    np.testing.assert_allclose(np.median(light[:, g] / sigma[:, g], axis=1), 35.0, rtol=1e-3)
    assert sigma[1, -1] / light[1, -1] > sigma[0, -1]  # the blue star is fainter in the red


def test_noise_needs_light_in_g():
    wave = log_grid(np.log10(6000.0), n_pix=100)
    with pytest.raises(DataError, match="no pixel in g"):
        noise_for(np.ones((1, 100)), np.ones((1, 100), bool), wave=wave, snr=10.0)


def test_table_holds_a_row_a_sample(trained, tmp_path):
    samples = load_generator(trained).sample(3, code=8.0, seed=1)
    table = pl.read_parquet(export_samples(samples, tmp_path / "t.parquet", generator="x"))
    assert table.height == 3
    column = table[f"{WAVE[1000]:.2f}"].to_numpy()
    np.testing.assert_allclose(column, samples.flux[:, 1000], rtol=1e-6)


def test_factor_model_finds_a_covariance_through_gaps():
    """Two factors with known covariance, half of the pixels missing at random."""
    rng = np.random.default_rng(4)
    n, n_col = 400, 60
    basis = rng.normal(size=(2, n_col)) * 0.1
    z = rng.normal(size=(n, 2)) * (1.0, 0.5)
    values = (1 + z @ basis + 0.01 * rng.normal(size=(n, n_col))).astype(np.float32)
    good = rng.random(values.shape) < 0.5
    code = rng.uniform(10, 20, n)
    sequence = latent.Sequence(code, 200.0)
    state = latent.start(np.where(good, values, 0), good, sequence, k=2, groups=1)
    group = np.zeros(n, np.int64)
    likelihood = []
    for _ in range(15):
        state, value = latent.iterate(state, values, good, sequence=sequence, group=group)
        likelihood.append(value)
    assert likelihood[-1] > likelihood[1] > likelihood[0]
    law = latent.Law(sequence, state.z, state.spread)
    drawn = law.draw(np.full(4000, 15.0), smoothing=0.5, rng=rng) @ state.basis
    found, true = np.cov(drawn.T), np.cov((z @ basis).T)
    assert np.linalg.norm(found - true) < 0.15 * np.linalg.norm(true)
    assert np.sqrt(np.median(state.scatter)) == pytest.approx(0.01, rel=0.25)


def test_local_lines_reproduce_a_straight_line():
    code = np.linspace(0, 30, 61)
    at = np.array([0.0, 7.3, 30.0])
    fit = latent.Sequence(code, 8.0).lines(at) @ (2.0 - 0.3 * code)
    np.testing.assert_allclose(fit, 2.0 - 0.3 * at, atol=0.02)
