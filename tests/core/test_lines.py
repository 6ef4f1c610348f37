"""Lines and indices against analytic Gaussian lines and published values."""

from __future__ import annotations

import csv
from math import erf, sqrt
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from spectype.core.grid import STANDARD_GRID, air_to_vacuum, vacuum_to_air
from spectype.core.indices import equivalent_width, measure
from spectype.core.lines import INDICES, LINES, TELLURIC, Index, lines_of
from spectype.core.spectra import Spectra

SIGMA = 3.0


def make(flux: np.ndarray, wave: np.ndarray = STANDARD_GRID, noise: float = 0.01) -> Spectra:
    flux = np.atleast_2d(flux)
    return Spectra(
        wave=wave,
        flux=flux.astype(np.float32),
        ivar=np.full(flux.shape, noise**-2, np.float32),
        mask=np.zeros(flux.shape, bool),
    )


def gaussian(wave: np.ndarray, centre: float, depth: float, sigma: float = SIGMA) -> np.ndarray:
    return depth * np.exp(-0.5 * ((wave - centre) / sigma) ** 2)


def analytic_width(index: Index, centre: float, depth: float, sigma: float = SIGMA) -> float:
    """Equivalent width of a Gaussian on a flat continuum that the feature bands hold."""
    return sum(
        depth * sigma * sqrt(np.pi / 2)
        * (erf((b - centre) / sigma / sqrt(2)) - erf((a - centre) / sigma / sqrt(2)))
        for a, b in index.features
    )  # fmt: skip


WIDTHS = {
    "Hbeta": "H beta", "Halpha": "H alpha", "HdeltaA": "H delta", "HdeltaF": "H delta",
    "HgammaA": "H gamma", "HgammaF": "H gamma", "CaK": "Ca II K", "HeI4471": "He I 4471",
    "HeII4541": "He II 4541", "HeII4686": "He II 4686", "Ca4227": "Ca I 4227", "CaT": "Ca II 8542",
    "NaI8190": "Na I 8183",
}  # fmt: skip


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("depth", [0.4, -1.5])
def test_width_of_a_gaussian_line(name: str, depth: float) -> None:
    index, centre = INDICES[name], LINES[WIDTHS[name]].wave
    sigma = 1.5
    flux = 7.0 * (1.0 - gaussian(STANDARD_GRID, centre, depth, sigma))
    value, error = equivalent_width(make(flux, noise=0.07), index)
    expected = analytic_width(index, centre, depth, sigma)
    assert value[0] == pytest.approx(expected, abs=0.02 * abs(expected) + 0.002)
    assert np.sign(value[0]) == np.sign(depth)
    assert 0 < error[0] < 1.0


def test_slope_and_scale_of_the_continuum_do_not_matter() -> None:
    index, line = INDICES["Hbeta"], 1.0 - gaussian(STANDARD_GRID, LINES["H beta"].wave, 0.5)
    tilt = 1.0 + (STANDARD_GRID - 4862.7) / 500.0
    flat, _ = equivalent_width(make(line), index)
    steep, _ = equivalent_width(make(1e-17 * line * tilt, noise=1e-19), index)
    assert steep[0] == pytest.approx(flat[0], rel=1e-4)


def test_error_matches_the_scatter_of_noisy_copies(rng: np.random.Generator) -> None:
    noise = 0.05
    clean = 1.0 - gaussian(STANDARD_GRID, LINES["H beta"].wave, 0.5)
    copies = clean + noise * rng.standard_normal((4000, STANDARD_GRID.size))
    for name in ("Hbeta", "G4300", "CN1", "TiO5", "CaT"):
        value, error = equivalent_width(make(copies, noise=noise), INDICES[name])
        assert np.std(value) == pytest.approx(np.median(error), rel=0.05), name
        assert abs(np.mean(value) - equivalent_width(make(clean), INDICES[name])[0][0]) < 4 * (
            np.std(value) / sqrt(4000) + 0.002
        )


def test_masked_pixels_are_not_flux_and_few_pixels_give_nan() -> None:
    index = INDICES["Halpha"]
    flux = 1.0 - gaussian(STANDARD_GRID, LINES["H alpha"].wave, 0.4, 5.0)
    whole = make(np.repeat(flux[None], 3, axis=0))
    wrecked, mask = np.array(whole.flux), np.array(whole.mask)
    side = np.flatnonzero((STANDARD_GRID > 6505.0) & (STANDARD_GRID < 6513.0))
    core = np.flatnonzero((STANDARD_GRID > 6555.0) & (STANDARD_GRID < 6573.0))
    wrecked[1, side], mask[1, side] = np.nan, True
    wrecked[2, core], mask[2, core] = 1e6, True
    spectra = Spectra(wave=whole.wave, flux=wrecked, ivar=whole.ivar, mask=mask)
    value, error = equivalent_width(spectra, index)
    assert value[1] == pytest.approx(value[0], rel=1e-5)
    assert error[1] > error[0]
    assert np.isnan(value[2]) and np.isnan(error[2])


def test_outside_the_coverage_is_nan() -> None:
    blue = STANDARD_GRID[STANDARD_GRID < 4800.0]
    table = measure(make(np.ones(blue.size), blue))
    assert np.isfinite(table["HdeltaA"][0]) and np.isfinite(table["HeII4686"][0])
    for name in ("Hbeta", "Halpha", "TiO5", "CaT"):
        assert np.isnan(table[name][0]) and np.isnan(table[f"{name}_error"][0])


def test_redshift_moves_the_bands_and_keeps_rest_widths() -> None:
    index, centre = INDICES["Hbeta"], LINES["H beta"].wave
    z = np.array([0.0, 0.002, np.nan])
    lines = [1.0 - gaussian(STANDARD_GRID / (1 + s), centre, 0.6) for s in (0.0, 0.002, 0.0)]
    spectra = make(np.array(lines))
    value, _ = equivalent_width(spectra, index, redshift=z)
    assert value[1] == pytest.approx(value[0], rel=2e-3)
    assert value[2] == pytest.approx(value[0], rel=1e-6)
    unmoved, _ = equivalent_width(spectra, index)
    assert unmoved[1] < 0.96 * value[1]


def test_a_grid_a_spectrum_gives_the_same_as_a_shared_grid() -> None:
    flux = 1.0 - gaussian(STANDARD_GRID, LINES["Mg b2"].wave, 0.3, 8.0)
    shared = make(np.repeat(flux[None], 2, axis=0))
    own = Spectra(
        wave=np.repeat(STANDARD_GRID[None], 2, axis=0),
        flux=shared.flux,
        ivar=shared.ivar,
        mask=shared.mask,
    )
    for name, column in measure(shared).items():
        np.testing.assert_allclose(measure(own)[name], column, rtol=1e-9, equal_nan=True)


def test_ratio_and_magnitude() -> None:
    flux = np.ones(STANDARD_GRID.size)
    (low, high), (start, end) = INDICES["TiO5"].features[0], INDICES["TiO2"].features[0]
    flux[slice(*np.searchsorted(STANDARD_GRID, [low - 3, high + 3]))] = 0.25
    flux[slice(*np.searchsorted(STANDARD_GRID, [start - 3, end + 3]))] = 0.1
    table = measure(make(flux), ["TiO5", "TiO2"])
    assert table["TiO5"][0] == pytest.approx(0.25, rel=1e-4)
    assert table["TiO2"][0] == pytest.approx(2.5, rel=1e-4)
    # 9 A over 4 A: the comparison band's few pixels dominate the error of the ratio.
    assert 0.001 < table["TiO5_error"][0] < 0.02


def test_no_errors_in_the_file_give_no_error() -> None:
    spectra = make(np.ones(STANDARD_GRID.size))
    spectra = Spectra(
        wave=spectra.wave,
        flux=spectra.flux,
        ivar=spectra.ivar,
        mask=spectra.mask,
        meta={"has_errors": [False]},
    )
    value, error = equivalent_width(spectra, INDICES["Hbeta"])
    assert value[0] == pytest.approx(0.0, abs=1e-4) and np.isnan(error[0])


def test_negative_continuum_is_nan_not_a_number_from_nowhere() -> None:
    value, error = equivalent_width(make(-np.ones(STANDARD_GRID.size)), INDICES["Hbeta"])
    assert np.isnan(value[0]) and np.isnan(error[0])


def test_unknown_index_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"no index 'Hbta'.*Hbeta"):
        measure(make(np.ones(STANDARD_GRID.size)), ["Hbta"])


def test_line_table() -> None:
    waves = [line.wave for line in LINES.values()]
    assert waves == sorted(waves)
    # Vacuum values that any atlas gives.
    for name, wave in {"H alpha": 6564.61, "Ca II K": 3934.77, "H delta": 4102.89}.items():
        assert LINES[name].wave == pytest.approx(wave, abs=0.03)
    assert float(vacuum_to_air(LINES["He II 4686"].wave)) == pytest.approx(4685.70, abs=1e-3)
    assert {line.name for line in lines_of("M")} >= {"TiO 7054", "CaH 6830", "Na I 8183"}
    assert not {line.name for line in lines_of("A")} & {"He II 4541", "TiO 7054"}
    assert all(low < high for _, low, high in TELLURIC)


def test_no_type_is_given_lines_that_it_cannot_have() -> None:
    """Ions by the types that are hot, or cool, enough for them (Gray & Corbally 2009)."""
    where = {"He II": "O", "N III": "O", "C III": "OB", "Si IV": "OB", "Si III": "B", "He I": "OB",
             "interstellar": "OB", "Mg II": "BA", "CH": "FGK", "Na I": "GKM", "Ca I": "GKM",
             "TiO": "M", "CaH": "M", "K I": "M"}  # fmt: skip
    for element, types in where.items():
        found = [line for line in LINES.values() if line.element == element]
        assert found and all(set(line.types) <= set(types) for line in found), element


def test_bands_hold_their_line_and_do_not_touch_it_with_their_sides() -> None:
    for name, line in WIDTHS.items():
        index, wave = INDICES[name], LINES[line].wave
        assert any(a < wave < b for a, b in index.features), name
        assert not any(a < wave < b for a, b in index.continuum), name


@pytest.mark.real
def test_real_standards(real_data: Path) -> None:
    """Lines are strong where the types say so, in the mean spectra of Pickles (1998)."""
    with (real_data / "labels.csv").open(newline="") as handle:
        paths = {
            row["subclass"]: real_data / row["path"]
            for row in csv.DictReader(handle)
            if row["path"].startswith("libraries/pickles")
        }
    found = {}
    for label in ("O5V", "A0V", "G2V", "M4V", "M0V"):
        table = fits.getdata(paths[label], 1)
        wave = air_to_vacuum(table["WAVELENGTH"])
        keep = (wave > 3600) & (wave < 9100)
        columns = measure(make(np.asarray(table["FLUX"], float)[keep], wave[keep]))
        found[label] = {name: float(column[0]) for name, column in columns.items()}
    assert found["A0V"]["Hbeta"] > 6 > found["G2V"]["Hbeta"] > found["O5V"]["Hbeta"]
    assert found["O5V"]["HeII4541"] > 0.3 > abs(found["A0V"]["HeII4541"])
    assert found["G2V"]["CaK"] > 4 > found["A0V"]["CaK"]
    assert found["G2V"]["G4300"] > 3 > abs(found["O5V"]["G4300"])
    assert found["M4V"]["TiO5"] < 0.5 < found["M0V"]["TiO5"] < 1.0
    assert found["M0V"]["NaD"] > found["G2V"]["NaD"] > 1.0
