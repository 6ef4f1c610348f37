"""``spectype classify --velocity``: simulated stars of known velocity, and what has none."""

import io

import numpy as np
import polars as pl
import pytest

from spectype.bulk import run as bulk
from spectype.classify import velocity
from spectype.classify.batch import ClassifyConfig, output_schema
from spectype.classify.columns import COLUMNS
from spectype.cli import run
from spectype.core.errors import UsageError
from spectype.core.grid import SPEED_OF_LIGHT, STANDARD_GRID
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import replace
from spectype.simulate import physics
from spectype.simulate.instrument import line_spread
from spectype.simulate.light import rotate, shift

# Type code, luminosity, effective temperature, log g, [Fe/H], v sin i: between the standards.
STARS = {
    "B": (14.5, "V", 16000, 4.0, 0.0, 120.0),
    "G": (41.3, "IV", 5850, 4.2, -0.4, 4.0),
    "M": (62.4, "V", 3500, 4.8, 0.1, 4.0),
}


@pytest.fixture(scope="module")
def light():
    """Light on the fine grid of each of `STARS`."""
    found = {}
    for name, (_, _, teff, logg, feh, spin) in STARS.items():
        found[name] = rotate(physics.emergent_flux(teff, logg, feh), spin)
    return found


def observed(light, velocities, *, snr, seed=0):
    """Spectra of one star at these velocities [km/s], with white noise."""
    matrix = line_spread(1.0)
    flux = np.stack([(matrix @ shift(light, v))[: STANDARD_GRID.size] for v in velocities])
    flux /= np.median(flux)
    noise = np.random.default_rng(seed).standard_normal(flux.shape) / snr
    return Spectra(
        wave=STANDARD_GRID,
        flux=(flux + noise).astype(np.float32),
        ivar=np.full(flux.shape, snr**2, np.float32),
        mask=np.zeros(flux.shape, bool),
    )


def correlate(spectra, name, *, off=0.0):
    code, luminosity = STARS[name][:2]
    n = len(spectra)
    return velocity.correlate(spectra, code=np.full(n, code + off), luminosity=[luminosity] * n)


@pytest.mark.parametrize(("name", "snr"), [("B", 100), ("G", 30), ("M", 50)])
def test_known_velocities_are_found_within_their_errors(light, name, snr):
    true = np.linspace(-400, 400, 33)
    found = correlate(observed(light[name], true, snr=snr), name)
    assert found.problem == [None] * 33
    # The simulator's own M stars know nothing of the offset that real ones have to it.
    own = found.velocity + (velocity.OFFSET["cool"] if name == "M" else 0.0)
    error = velocity.calibrated_error(found.sigma, [name] * 33)
    assert np.median(np.abs(own - true) / error) < 1.0
    assert abs(np.mean(own - true)) < 5.0
    assert np.polyfit(true, own, 1)[0] == pytest.approx(1.0, abs=0.01)


def test_formal_errors_are_the_scatter(light):
    true = np.random.default_rng(3).uniform(-200, 200, 200)
    found = correlate(observed(light["G"], true, snr=15), "G")
    pull = (found.velocity - true) / found.sigma
    assert np.std(pull - pull.mean()) == pytest.approx(1.0, abs=0.15)
    assert np.median(found.sigma) < 8.0


def test_shifts_of_a_fraction_of_a_pixel_are_not_rounded(light):
    true = np.arange(0.0, 69.0, 3.0)
    found = correlate(observed(light["G"], true, snr=2000), "G").velocity - true
    assert np.ptp(found) < 1.0


def test_masked_pixels_do_not_count(light):
    clean = observed(light["G"], [120.0], snr=200)
    mask = np.random.default_rng(0).random(clean.mask.shape) < 0.2
    mask[:, 1000:1400] = True
    flux = np.where(mask, 1e6, clean.flux).astype(np.float32)
    dirty = replace(clean, flux=flux, mask=mask, ivar=np.where(mask, 0, clean.ivar))
    found = correlate(dirty, "G")
    assert found.velocity[0] == pytest.approx(120.0, abs=5.0)
    wild = replace(dirty, ivar=clean.ivar, flux=np.where(mask, np.nan, flux))
    assert correlate(wild, "G").velocity[0] == pytest.approx(found.velocity[0], abs=0.5)


@pytest.mark.parametrize("off", [-4.0, 4.0])
def test_a_type_that_is_somewhat_wrong_costs_little(light, off):
    found = correlate(observed(light["G"], [-75.0], snr=100), "G", off=off)
    assert found.velocity[0] == pytest.approx(-75.0, abs=8.0)


def test_flux_unit_and_batch_do_not_matter(light):
    spectra = observed(light["G"], [30.0, -60.0, 500.0], snr=50)
    faint = replace(spectra, flux=spectra.flux * 1e-16, ivar=spectra.ivar * 1e32)
    whole = correlate(spectra, "G")
    assert correlate(faint, "G").velocity == pytest.approx(whole.velocity, abs=0.1)
    alone = [correlate(one, "G").velocity[0] for one in spectra]
    assert alone == pytest.approx(whole.velocity, abs=0.01)


def test_another_grid_is_resampled(light):
    spectra = observed(light["G"], [90.0], snr=200)
    cut = slice(100, 3200)
    part = Spectra(
        wave=STANDARD_GRID[cut], flux=spectra.flux[:, cut], ivar=spectra.ivar[:, cut],
        mask=spectra.mask[:, cut],
    )  # fmt: skip
    assert correlate(part, "G").velocity[0] == pytest.approx(90.0, abs=5.0)


def test_the_red_alone_still_gives_a_velocity(light):
    spectra = observed(light["G"], [150.0], snr=100)
    red = replace(spectra, mask=spectra.mask | (STANDARD_GRID < 6000))
    assert correlate(red, "G").velocity[0] == pytest.approx(150.0, abs=10.0)


def table_of(*rows):
    names = ("type", "subclass_code", "luminosity", "notes", "kind")
    types = (pl.String, pl.Float64, pl.String, pl.String, pl.String)
    schema = dict(zip(names, types, strict=True))
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows], schema=schema)


def test_what_has_no_velocity_says_why(light):
    spectra = observed(light["G"], [10.0] * 5, snr=100)
    mask, flux = spectra.mask.copy(), spectra.flux.copy()
    mask[1, 300:] = True
    flux[2] = 1 + np.random.default_rng(1).standard_normal(flux[2].shape)
    g = ("G", 41.3, "V", None, "star")
    nothing = (None, None, None, "empty", "empty")
    galaxy = (*g[:-1], "galaxy")
    table = table_of(("G", 41.3, "V", "air", "star"), g, g, nothing, galaxy)
    found = velocity.with_velocity(table, replace(spectra, mask=mask, flux=flux))
    assert found.columns == [*table.columns, "rv", "rv_error"]
    assert found["rv"].is_null().to_list() == [False, True, True, True, True]
    assert found["rv_error"].is_null().to_list() == [False, True, True, True, True]
    assert found["notes"].to_list() == [
        "air", "no velocity: too few good pixels", "no velocity: no line stands out",
        "empty; no velocity: no star's type", "no velocity: no star's type",
    ]  # fmt: skip
    assert abs(found["rv"][0] - 10) < 3 * found["rv_error"][0]


def test_standards_cover_the_sequence_at_rest():
    standards = velocity.load_standards()
    assert velocity.STANDARDS.stat().st_size < 700_000
    for height in (0, 1, 2):
        codes = standards.code[standards.height == height]
        assert codes[0] <= 4 and codes[-1] >= 64 and (np.diff(codes) > 0).all()
    sun = standards.flux[standards.near(42.0, "V")[1]]
    for line in (4862.69, 6564.6, 8544.4):  # H beta, H alpha, Ca II
        near = np.abs(STANDARD_GRID - line) < 8
        centre = (STANDARD_GRID * sun * near).sum() / (sun * near).sum()
        assert abs(centre / line - 1) * SPEED_OF_LIGHT < 60


def write(path, spectra):
    np.savetxt(path, np.stack([STANDARD_GRID, spectra.flux[0], spectra.ivar[0] ** -0.5], 1), "%.6f",
               ",", header="wave,flux,error", comments="")  # fmt: skip
    return str(path)


def test_columns_stand_between_notes_and_indices(light, tmp_path, capsys):
    star = write(tmp_path / "a.csv", observed(light["G"], [-140.0], snr=80))
    arguments = ["classify", star, str(tmp_path / "none.csv"), "--frame", "vacuum"]
    assert run([*arguments, "--velocity", "--indices"]) == 3
    table = pl.read_csv(io.StringIO(capsys.readouterr().out))
    assert table.columns[: len(COLUMNS) + 3] == [*COLUMNS, "rv", "rv_error", "CaK"]
    assert list(output_schema(ClassifyConfig(velocity=True, indices=True))) == table.columns
    assert table["rv"][0] == pytest.approx(-140.0, abs=10.0) and table["rv_error"][0] < 12
    assert table["rv"][1] is None and table["error"][1]


def test_a_model_that_sees_stars_at_rest_gives_none(tmp_path, monkeypatch):
    from spectype.classify.runtime import Model, load_model
    from spectype.dataset.preprocess import standard_chain, to_data

    card = {**load_model().card, "chain": to_data(standard_chain(rest_frame=True))}
    monkeypatch.setattr(bulk, "load_model", lambda name: Model(folder=tmp_path, card=card))
    with pytest.raises(UsageError, match="rest"):
        bulk.classify([str(tmp_path / "a.csv")], "-", config=ClassifyConfig(velocity=True))
