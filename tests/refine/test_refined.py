import numpy as np
import polars as pl
import pytest

from spectype.core.errors import DataError, UsageError
from spectype.core.files import read_manifest
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.dataset.store import Store
from spectype.generate.samples import export_samples, write_samples
from spectype.refine import atlas as at_las
from spectype.refine.check import check
from spectype.refine.data import velocities
from spectype.refine.exposures import Sky, write_files, write_store
from spectype.refine.order import Order
from spectype.refine.plane import Plane, points, stars_at
from spectype.refine.registry import load_generator
from spectype.refine.training import train_refined
from spectype.simulate.templates import all_nodes, mixture, node_parameters
from spectype.starlight.physics import WAVE
from spectype.surveys import read
from tests.refine.conftest import REST, small, width


def test_real_stars_add_what_the_simulation_lacks_and_only_where_they_speak(trained):
    generator = load_generator(trained)
    he_ii = {}
    for code, height in ((6.0, 0.0), (6.0, 2.0), (15.0, 0.0), (60.0, 0.0)):
        at = np.repeat(points(np.array([code]), height, 0.0), 40, axis=0)
        made = generator.sample(40, at=at, seed=1)
        he_ii[code, height] = width(made, "HeII4541")
        assert made.labels["extrapolated"].all() == ((code, height) not in ((6, 0), (15, 0)))
    assert he_ii[6, 0] > 1.0 and abs(he_ii[15, 0]) < 0.2 * he_ii[6, 0]
    far = points(np.array([60.0]), 2.0, 0.0)
    assert np.abs(generator.correction(far)).max() < 1e-3  # no star speaks: bare simulation


def test_samples_know_luminosity_and_metallicity(trained):
    generator = load_generator(trained)

    def made(**kind):
        return Order(code=22.0, **kind).draw(generator, 60, seed=2)

    dwarf, giant = made(luminosity="V", feh=0.0), made(luminosity="I", feh=0.0)
    assert width(giant, "Hbeta") < width(dwarf, "Hbeta") - 0.5
    assert width(made(luminosity="V", feh=-1.5), "Fe5270") < 0.5 * width(dwarf, "Fe5270")
    assert set(giant.labels["luminosity"]) <= {"I", "II"} and set(dwarf.type) == {"A"}
    assert (made(feh=-1.5).labels["feh"] == -1.5).all()


def test_labels_reach_store_and_table(trained, tmp_path):
    made = Order(type="O", subclass="6-8", luminosity="I").draw(load_generator(trained), 5, seed=3)
    assert made.code.min() >= 6 and made.code.max() <= 8
    meta = write_samples(made, tmp_path / "s", generator="g").meta
    assert meta["extrapolated"].all() and meta["luminosity"].to_list() == ["I"] * 5
    table = pl.read_parquet(export_samples(made, tmp_path / "t.parquet", generator="g"))
    assert table["height"].to_numpy() == pytest.approx(made.labels["height"])


def test_training_resumes_to_the_bit_and_says_what_it_checked(trained, store, stars, tmp_path):
    (tmp_path / at_las.STARS).write_bytes(stars.read_bytes())
    train_refined(store, tmp_path, small(epochs=1))
    train_refined(store, tmp_path, small())
    first, second = (load_generator(f).sample(9, seed=4) for f in (trained, tmp_path))
    assert np.array_equal(first.flux, second.flux) and first.flux.std() > 0.01
    found = read_manifest(trained, "gan")["check"]
    assert set(found) == {"O", "B", "A"} and abs(found["B"]["velocity"]) < 10


class Moved:
    """A generator whose correction moves its stars by a velocity or by subclasses."""

    def __init__(self, generator, *, velocity=0.0, subclasses=0.0):
        self.inner, self.velocity, self.subclasses = generator, velocity, subclasses

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def correction(self, at):
        bare, _ = self.atlas.light(at)
        elsewhere = at.copy()
        elsewhere[:, 0] += self.subclasses
        other, _ = self.atlas.light(elsewhere)
        wave = self.wave * (1 + self.velocity / SPEED_OF_LIGHT)
        moved = np.stack([np.interp(self.wave, wave, light) for light in other])
        return np.pad(moved - bare, ((0, 0), (0, 10)))


def test_a_refinement_that_moves_lines_or_types_is_refused(trained, store):
    from spectype.generate.factors_data import training_set
    from spectype.refine.atlas import make_alike, template_stars
    from spectype.refine.data import ratios

    generator = load_generator(trained)
    atlas = make_alike(template_stars(trained), store.wave, resolving_power=1800.0)
    data = ratios(store, training_set(store, generator.config), atlas)
    assert check(Moved(generator, velocity=3.0), data)
    with pytest.raises(DataError, match=r"moves the lines of . stars by \+(29|30|31) km/s"):
        check(Moved(generator, velocity=30.0), data)
    with pytest.raises(DataError, match="subclasses, as real stars read them"):
        check(Moved(generator, subclasses=3.0), data)


def test_velocities_left_in_by_libraries_are_measured(trained):
    atlas = load_generator(trained).atlas
    simulated, _ = atlas.light(points(np.array([12.0, 22.0]), 0.0, 0.0))
    moved = np.stack([np.interp(REST, REST * (1 + 50 / SPEED_OF_LIGHT), s) for s in simulated])
    good = np.ones(moved.shape, bool)
    found = velocities(np.exp(moved).astype(np.float32), good, simulated, np.array([12.0, 22.0]),
                       wave=REST)  # fmt: skip
    assert found == pytest.approx([50, 50], abs=3)


def test_orders_go_through_the_instrument_into_files(trained, tmp_path):
    generator = load_generator(trained)
    made = Order(type="O", subclass="6-8", luminosity="V").draw(generator, 3, seed=5)
    sky = Sky(generator, at_las.template_stars(trained), made, snr=40.0, ebv=0.8, rv=120.0)
    write_files(sky, tmp_path / "f", layout="lamost", seed=5, overwrite=False)
    truth = pl.read_parquet(tmp_path / "f" / "truth.parquet")
    assert truth["velocity"].to_list() == [120.0] * 3 and truth["ebv"].to_list() == [0.8] * 3
    spectra = read(tmp_path / "f" / truth["path"][0])
    assert float(spectra.get("snr")[0]) == pytest.approx(40, rel=0.05)
    assert float(spectra.get("redshift")[0]) * SPEED_OF_LIGHT == pytest.approx(120, abs=5)
    with pytest.raises(UsageError, match="not empty"):
        write_files(sky, tmp_path / "f", layout="lamost", seed=5, overwrite=False)
    meta = write_store(sky, tmp_path / "s", seed=5, overwrite=False).meta
    assert meta["ebv"].to_list() == [0.8] * 3 and not meta["extrapolated"].any()
    # Reddening by physics: the blue end falls against the red one.
    quiet = Sky(generator, at_las.template_stars(trained), made, snr=40.0, ebv=0.0, rv=120.0)
    plain = write_store(quiet, tmp_path / "p", seed=5, overwrite=False)
    blue, red = np.searchsorted(REST, (4000, 4200)), np.searchsorted(REST, (6800, 7000))
    light = [folder.spectra([0]).flux[0] for folder in (Store(tmp_path / "s"), plain)]
    colour = [np.median(f[slice(*blue)]) / np.median(f[slice(*red)]) for f in light]
    assert colour[0] < 0.5 * colour[1]


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"code": 5.0, "type": "O"}, "not both"),
        ({"subclass": "5"}, "needs the one --type"),
        ({"type": "OB", "subclass": "5"}, "needs the one --type"),
        ({"type": "OX"}, "no type"),
        ({"type": "O", "subclass": "9-5"}, "no subclass"),
        ({"type": "O", "subclass": "1"}, "beyond O3"),
        ({"type": "B", "luminosity": "Ia"}, "no luminosity class"),
        ({"type": "G", "feh": -3.0}, "cannot be simulated"),
        ({"type": "G", "feh": float("nan")}, "cannot be simulated"),
        ({"type": "M"}, "no 'M'"),
        ({"code": 75.0}, "has not learnt"),
        ({"code": 45.0}, "has not learnt"),
    ],
)
def test_orders_that_cannot_be_met_are_refused(trained, order, said):
    with pytest.raises(UsageError, match=said):
        Order(**order).draw(load_generator(trained), 3, seed=0)


@pytest.mark.parametrize("option", [{"snr": 0.0}, {"snr": 9.0, "ebv": -1.0},
                                    {"snr": 9.0, "rv": float("nan")}])  # fmt: skip
def test_impossible_exposures_are_refused(trained, option):
    generator = load_generator(trained)
    made = generator.sample(2, code=6.0, seed=1)
    with pytest.raises(UsageError):
        Sky(generator, at_las.template_stars(trained), made, **option)


def test_recipes_that_know_no_luminosity_name_the_one_that_does(store, tmp_path):
    from spectype.generate.factors_training import train_standard
    from spectype.generate.recipes import GeneratorConfig

    config = GeneratorConfig(types="OBA", components=4, epochs=1, neighbours=6.0)
    generator = load_generator(train_standard(store, tmp_path / "g", config))
    assert Order(type="O", subclass="6-7").draw(generator, 3, seed=1).code.max() <= 7
    for kind in ({"luminosity": "I"}, {"feh": -1.0}):
        with pytest.raises(UsageError, match="--recipe refined"):
            Order(type="O", **kind).draw(generator, 3, seed=1)


def test_other_template_stars_are_refused(tmp_path):
    np.savez(tmp_path / at_las.STARS, nodes=np.zeros((3, 3), int), rows=np.zeros((3, WAVE.size)))
    with pytest.raises(DataError, match="other template stars"):
        at_las.template_stars(tmp_path)
    (tmp_path / at_las.STARS).write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(DataError, match="cannot be read as template stars"):
        at_las.template_stars(tmp_path)


def test_a_star_without_a_class_stands_between_them():
    meta = pl.DataFrame({"luminosity": ["V", "I", None], "feh": [-1.2, None, None]})
    at = stars_at(meta, np.array([52.0, 52.0, 52.0]))
    assert at[:2, 1].tolist() == [0.0, 2.0] and 0.3 < at[2, 1] < 1.0 and at[2, 3] > 0.3
    assert at[0, 2] == -1.2 and at[0, 4] == 0.0 and at[1, 4] > 0.0
    plane = Plane(at, 1.0)
    near = plane.speaking(points(np.array([52.0]), 0.0, -1.2))[0]
    assert near[0] == 1.0 and near[1] < 1e-5 and near[2] < 0.1


def test_hot_stars_have_metal_poor_templates_only_on_demand():
    assert {k for _, _, k in mixture(6.0, 2.0, -1.0).nodes} == {1}
    mix = mixture(6.0, 2.0, -0.75, metals=True)
    poor = sum(w for n, w in zip(mix.nodes, mix.weights, strict=True) if n[2] == 0)
    assert poor == pytest.approx(0.5) and sum(mix.weights) == pytest.approx(1.0)
    assert {node_parameters(n)[2] for n in mix.nodes} == {0.0, -1.5}
    assert set(mixture(50.0, 0.3, -1.0, metals=True).nodes) <= set(all_nodes())
