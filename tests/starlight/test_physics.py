"""The light of simulated stars against what is known of real ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spectype.core.errors import UsageError
from spectype.core.indices import measure
from spectype.core.spectra import Spectra
from spectype.simulate.instrument import line_spread, pixels
from spectype.starlight import (
    calibration,
    departures,
    gas,
    hydrogen,
    metal_lines,
    molecules,
    opacity,
)
from spectype.starlight.atmosphere import DEPTHS, model
from spectype.starlight.physics import WAVE, emergent_flux
from spectype.starlight.wind import wind


def star(code: float, height: float = 0.0, feh: float = 0.0) -> np.ndarray:
    teff, logg = calibration.parameters([code], [height])
    return emergent_flux(float(teff[0]), float(logg[0]), feh)


def index(name: str, *light: np.ndarray) -> np.ndarray:
    """Value of an index in noise-free LAMOST spectra of these stars."""
    spread = line_spread(1.0, 3904)
    flux = np.stack([spread @ (one / np.median(one)) for one in light]).astype(np.float32)
    spectra = Spectra(
        wave=pixels(3904), flux=flux, ivar=np.ones_like(flux), mask=np.zeros(flux.shape, bool)
    )
    return measure(spectra, [name])[name]


@pytest.fixture(scope="module")
def dwarfs() -> dict[float, np.ndarray]:
    return {code: star(code) for code in (5, 7, 9, 10.5, 12, 18, 21, 25, 32, 42, 50, 55, 61, 64)}


def test_flux_is_near_that_of_a_black_body(dwarfs):
    # Lines and the H- opacity take a quarter or so of a cool star's optical light elsewhere; what
    # an A star cannot send out below the Balmer edge it sends above it (Vega at 5556 Angstrom:
    # 1.09 of the black body of its temperature, from its flux and its angular diameter; Sun 1.07).
    for code, least, most in ((5, 0.75, 1.05), (21, 0.9, 1.14), (42, 0.9, 1.05), (55, 0.55, 1.0)):
        teff = float(calibration.parameters([code], [0.0])[0][0])
        planck = np.pi * 1.191043e27 / WAVE**5 / np.expm1(1.438777e8 / WAVE / teff)
        share = np.trapezoid(dwarfs[code], WAVE) / np.trapezoid(planck, WAVE)
        assert least < share < most, code
    # Hotter stars shine more per area at every wavelength.
    for cool, hot in ((64, 55), (55, 42), (42, 32), (32, 25), (25, 18), (18, 9)):
        assert (np.median(dwarfs[hot]) > np.median(dwarfs[cool])) and (dwarfs[hot] > 0).all()


def test_balmer_lines_peak_at_early_a(dwarfs):
    strength = dict(zip(dwarfs, index("Hbeta", *dwarfs.values()), strict=True))
    assert max(strength, key=strength.__getitem__) in (21, 25)
    assert 7.0 < strength[21] < 11.0  # MILES A1V: 8-10 A
    assert strength[5] < 2.5 and strength[50] < 2.5


def test_helium_and_metals_in_their_order(dwarfs):
    codes = np.array(list(dwarfs))
    table = {name: index(name, *dwarfs.values()) for name in ("HeI4471", "HeII4541", "CaK", "NaD")}
    assert codes[np.argmax(table["HeI4471"][codes < 20])] in (9, 12)
    assert table["HeII4541"][0] > 0.3  # O5
    assert abs(table["HeII4541"][codes == 12][0]) < 0.12  # B2: gone
    assert (np.diff(table["CaK"][(codes >= 18) & (codes <= 42)]) > 0).all()
    assert (np.diff(table["NaD"][(codes >= 32) & (codes <= 61)]) > 0).all()


def test_ionisation_of_helium_types_hot_stars(dwarfs):
    # Gray & Corbally 2009, chapters 3 and 4: He I 4471 and He II 4541 are equal at O7 (in library
    # stars' widths a little later), He II is gone at B0.5, He I strongest at B2.
    neutral, ionised = (
        dict(zip(dwarfs, index(name, *dwarfs.values()), strict=True))
        for name in ("HeI4471", "HeII4541")
    )
    assert neutral[5] / ionised[5] < neutral[7] / ionised[7] < 1 < neutral[9] / ionised[9]
    assert abs(ionised[10.5]) < 0.06 < ionised[9] - 0.2
    assert neutral[12] > 1.1 and neutral[12] > max(neutral[9], neutral[18])


def test_supergiants_have_strong_helium_and_magnesium(dwarfs):
    # B5 Ia, Ib in libraries: He I 4471 0.75, Mg II 4481 a third of an Angstrom, narrow Balmer.
    narrow, helium = (index(name, star(15.0, 2.0), dwarfs[18]) for name in ("Hbeta", "HeI4471"))
    assert narrow[0] < 0.4 * narrow[1]
    assert 0.6 < helium[0] < 0.9


def test_lines_depart_in_hot_stars_only():
    sun, late, early = (departures.at(*star) for star in ((5777, 4.44), (9000, 4.1), (31400, 3.95)))
    for group in departures.SOURCE:
        assert sun[group].source == late[group].source == 1
        assert early[group].source < 0.85
        dark = early[group].dark(DEPTHS)
        assert (np.diff(dark) < 0).all() and dark[-1] < 0.01  # in equilibrium deep down
    assert early["He II"].opacity > 5
    white = departures.at(32000.0, 8.0)
    assert white["Si IV"] == departures.NONE  # dense: collisions rule
    assert white["He I"].opacity == white["He II"].opacity == 0  # sunk


def test_oxide_bands_appear_at_late_k(dwarfs):
    ratio = dict(zip(dwarfs, index("TiO5", *dwarfs.values()), strict=True))
    assert ratio[50] > 0.93
    assert ratio[50] > ratio[61] > ratio[64]
    assert ratio[64] < 0.75


def test_oxide_bands_deepen_along_giants_and_supersede_the_hydride():
    early, late = star(60.0, 1.0), star(65.0, 1.0)
    ratio = index("TiO5", early, late)
    assert ratio[1] < ratio[0] - 0.05
    # M0 III in libraries: 0.71; its TiO 4954 is a shallow step, not a gap.
    assert 0.6 < ratio[0] < 0.85


def test_balmer_jump_is_deepest_at_a(dwarfs):
    def jump(light: np.ndarray) -> float:
        return light[np.searchsorted(WAVE, 4020)] / light[np.searchsorted(WAVE, 3640)]

    assert jump(dwarfs[21]) > 2.0
    assert jump(dwarfs[5]) < 1.2
    assert jump(dwarfs[12]) < jump(dwarfs[18]) < jump(dwarfs[21])


def test_gravity_narrows_hydrogen_and_metals_deepen_lines():
    teff, logg = 9700.0, 4.1
    dwarf, giant = emergent_flux(teff, logg), emergent_flux(teff, 1.8)
    wide, narrow = index("HgammaA", dwarf, giant)
    assert wide > 1.8 * narrow
    poor, solar = index("Mgb", emergent_flux(5200.0, 4.5, -1.5), emergent_flux(5200.0, 4.5, 0.0))
    assert solar > poor + 1.0


def test_white_dwarfs_have_broad_hydrogen_and_no_helium():
    subdwarf, white = emergent_flux(26000, 5.5, -0.5), emergent_flux(26000, 7.9, -4.0)
    helium = index("HeI4471", subdwarf, white)
    assert helium[0] > 0.5 and abs(helium[1]) < 0.1
    depth = 1 - np.stack([subdwarf, white])[:, np.abs(WAVE - 4862.7 - 25) < 1].mean(axis=1) / (
        np.stack([subdwarf, white])[:, np.abs(WAVE - 4862.7 - 120) < 1].mean(axis=1)
    )
    assert depth[1] > depth[0] + 0.08  # 25 Angstrom off the middle of H beta


def test_sodium_doublet_of_the_sun():
    # Equivalent widths 752 and 564 mA (Moore, Minnaert & Houtgast 1966); a grey model comes near.
    light = emergent_flux(5772.0, 4.44)
    inside = np.abs(WAVE - 5891.58) < 1.5
    level = np.percentile(light[np.abs(WAVE - 5891.58) < 8], 96)
    width = np.sum((1 - light[inside] / level) * np.gradient(WAVE)[inside])
    assert 0.5 < width < 1.2


def test_lines_of_the_sun_have_their_widths(monkeypatch):
    # Moore, Minnaert & Houtgast 1966 [Angstrom]: medium and strong lines, so cores and wings. On a
    # grid too coarse for wings they were a third too wide.
    expected = {5234.4: 0.346, 5529.9: 0.293, 6163.9: 0.222, 8809.2: 0.50}
    alone = [
        min((x for x in metal_lines.line_list() if x.element in "Fe Mg Ca"),
            key=lambda x: abs(x.wave - wave)) for wave in expected
    ]  # fmt: skip
    light = {}
    for name, chosen in (("lines", tuple(alone)), ("none", ())):
        with monkeypatch.context() as patch:
            patch.setattr(metal_lines, "line_list", lambda chosen=chosen: chosen)
            light[name] = emergent_flux(5777.0, 4.44)
    for wave, width in expected.items():
        near = np.abs(WAVE - wave) < 12
        found = np.sum((1 - light["lines"] / light["none"])[near] * np.gradient(WAVE)[near])
        assert found == pytest.approx(width, rel=0.12), wave


@pytest.mark.parametrize(
    "teff, logg, feh", [(1000, 4, 0), (70000, 4, 0), (5000, 12, 0), (5000, 4, 3)]
)
def test_impossible_stars_are_refused(teff, logg, feh):
    with pytest.raises(UsageError):
        emergent_flux(teff, logg, feh)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_not_a_number_is_refused(value):
    with pytest.raises(UsageError):
        emergent_flux(value, 4.0)


def test_wind_fills_lines_of_hot_supergiants_only():
    assert (wind(WAVE, 8300.0, 1.5) == 1).all()
    np.testing.assert_allclose(wind(WAVE, 14800.0, 4.0), 1, atol=1e-4)  # a dwarf
    red = WAVE > 6500
    assert wind(WAVE, 14800.0, 2.2)[red].max() > wind(WAVE, 14800.0, 2.2)[~red].max() > 1.01
    dwarf, giant = wind(WAVE, 40000.0, 3.92), wind(WAVE, 40000.0, 3.4)
    at = np.searchsorted(WAVE, 4687.0)
    assert giant[at] > dwarf[at] + 0.1


class TestGas:
    def test_halo_giants_are_rich_in_alpha_elements_and_poor_in_carbon(self):
        sun, poor = gas.abundances(0.0), gas.abundances(-2.0, gas.carbon_left(1.2, -2.0))
        ratio = {name: np.log10(poor[name] / sun[name]) + 2 for name in ("Fe", "Mg", "O", "C")}
        assert ratio["Fe"] == pytest.approx(0, abs=1e-9)
        assert ratio["Mg"] == ratio["O"] == pytest.approx(0.4)
        assert ratio["C"] < -0.5
        assert gas.carbon_left(4.5, -2.0) == gas.carbon_left(1.2, 0.0) == 0.0

    def test_hydrogen_ionisation_by_hand(self):
        # Saha at 10,000 K and ne 1e14: (2 pi m k T / h2)**1.5 exp(-13.598/kT) / ne.
        factors = gas.saha("H", np.array([10000.0]))
        ratio = factors[0][0] / 1e14
        assert ratio == pytest.approx(2.41e21 / 1e14 * np.exp(-13.598 / 0.86173), rel=0.02)

    @settings(max_examples=20)
    @given(st.floats(2000, 60000), st.floats(0, 6))
    def test_charge_and_particles_are_conserved(self, temperature, log_pressure):
        state = gas.solve([temperature], [10**log_pressure])
        positive = sum(i * n for ions in state.stages.values() for i, n in enumerate(ions[:, 0]))
        # Molecules take up neutral atoms after the electrons are counted.
        tolerance = 1e-3 if temperature > 6000 else 0.3
        assert positive == pytest.approx(state.electrons[0], rel=tolerance)
        assert 0 < state.electrons[0] < 10**log_pressure / (gas.K_ERG * temperature)

    def test_titanium_oxide_forms_in_the_cold(self):
        cold, hot = gas.solve([2800.0, 5000.0], [1e5, 1e5]).molecules["TiO"]
        assert cold > 1e4 * hot

    def test_carbon_monoxide_binds_carbon(self):
        state = gas.solve([2800.0], [1e5])
        carbon = state.hydrogen[0] * gas.abundances(0.0)["C"]
        assert state.molecules["CO"][0] == pytest.approx(carbon, rel=0.1)


class TestAtmosphere:
    def test_sun(self):
        sun = model(5772.0, 4.44)
        at = np.searchsorted(DEPTHS, 0.6)
        there = np.interp(np.log(2 / 3), np.log(DEPTHS), sun.gas.temperature)
        # Backwarming lifts the photosphere above a grey one, as in Holweger & Mueller 1974.
        assert there == pytest.approx(5900, rel=0.03)
        pressure = (sun.gas.hydrogen * 1.085 + sun.gas.electrons) * gas.K_ERG * sun.gas.temperature
        assert 4.8 < np.log10(pressure[at]) < 5.4  # Holweger & Mueller 1974: 5.0
        assert (np.diff(pressure) > 0).all()

    # The MARCS model of the Sun (Gustafsson et al. 2008): log tau Rosseland, T, gas and electron
    # pressure, opacity at 5000 Angstrom [cm2/g] that its two scales of optical depth imply.
    MARCS = np.array(
        [
            (-3.95, 4292, 1028.0, 0.0819, 0.00599), (-2.95, 4516, 3607.0, 0.286, 0.01499),
            (-1.95, 4742, 12540.0, 0.984, 0.0407), (-0.95, 5119, 42980.0, 3.73, 0.1107),
            (-0.45, 5540, 77700.0, 9.38, 0.203), (0.05, 6344, 122700.0, 51.3, 0.675),
        ]
    )  # fmt: skip

    def test_sun_is_that_of_marcs(self):
        sun = model(5777.0, 4.44)
        depth = self.MARCS[:, 0]
        run = np.interp(depth, np.log10(DEPTHS), sun.gas.temperature)
        np.testing.assert_allclose(run, self.MARCS[:, 1], rtol=0.015)
        heavy = sun.gas.hydrogen * sum(gas.abundances(0.0).values())
        pressure = (heavy + sun.gas.electrons) * gas.K_ERG * sun.gas.temperature
        found = np.interp(depth, np.log10(DEPTHS), np.log10(pressure))
        np.testing.assert_allclose(10**found, self.MARCS[:, 2], rtol=0.1)

    def test_gas_and_opacity_are_those_of_marcs(self):
        state = gas.solve(self.MARCS[:, 1], self.MARCS[:, 2])
        electrons = state.electrons * gas.K_ERG * state.temperature
        np.testing.assert_allclose(electrons, self.MARCS[:, 3], rtol=0.13)
        mass = opacity.continuous(np.array([5000.0]), state)[:, 0] / state.density
        np.testing.assert_allclose(mass, self.MARCS[:, 4], rtol=0.1)

    def test_pressure_grows_with_gravity(self):
        dwarf, giant = model(5000.0, 4.5), model(5000.0, 2.0)
        assert (dwarf.gas.electrons > giant.gas.electrons).all()


class TestOpacity:
    def test_negative_hydrogen_ion_has_its_minimum_at_16_micron(self):
        state = gas.solve([6000.0], [1e5])
        near = opacity.continuous(np.array([5000.0, 8500.0, 16000.0, 22000.0]), state)[0]
        assert near[1] > near[0] and near[2] < near[1] and near[2] < near[3]

    def test_balmer_edge_is_smooth_and_deep(self):
        state = gas.solve([10000.0], [3e3])
        below, above = opacity.continuous(np.array([3600.0, 4000.0]), state)[0]
        assert below > 5 * above
        wave = np.linspace(3600, 3800, 400)
        steps = np.abs(np.diff(np.log(opacity.continuous(wave, state)[0])))
        assert steps.max() < 0.2  # dissolved levels join the edge to the lines

    def test_low_levels_survive_and_high_ones_dissolve(self):
        state = gas.solve([10000.0], [3e3])
        alive = np.array([opacity.occupation(n, state)[0] for n in (2, 10, 30)])
        assert alive[0] > 0.999 and alive[1] > 0.5 and alive[2] < 0.1


class TestLines:
    def test_balmer_wavelengths(self):
        waves = {(x.lower, x.upper): x.wave for x in hydrogen.lines(3600, 9200) if x.charge == 1}
        assert waves[(2, 3)] == pytest.approx(6564.6, abs=0.3)
        assert waves[(2, 4)] == pytest.approx(4862.7, abs=0.3)
        assert waves[(3, 12)] == pytest.approx(8752.9, abs=0.5)

    def test_oscillator_strengths_join_their_asymptote(self):
        # Exact values (Menzel & Pekeris 1935): H10 0.00421... within a tenth.
        assert hydrogen.oscillator_strength(2, 8) == pytest.approx(0.008036, rel=0.1)
        assert hydrogen.oscillator_strength(2, 10) == pytest.approx(0.003851, rel=0.1)

    def test_stark_profile_is_normalised(self):
        shift = np.sinh(np.linspace(-9, 9, 20001)) * 0.05
        for doppler, scale in ((0.05, 1.0), (0.5, 0.02), (0.2, 0.2)):
            profile = hydrogen._profile(
                shift, np.array([doppler]), np.array([scale]), np.array([1e-9])
            )[0]
            assert np.trapezoid(profile, shift) == pytest.approx(1.0, abs=0.03)

    def test_stark_wings_are_holtsmarks(self):
        # Griem 1960: ions give 1.5 beta**-2.5 on either side, beta in units of K F0; electrons
        # nearly as much again.
        line = next(x for x in hydrogen.lines(4800, 4900) if x.charge == 1)
        field = 1.25e-9 * 1e15 ** (2 / 3)
        beta = 60.0
        scale = line.stark * field * hydrogen._CORE
        profile = hydrogen._profile(
            np.array([beta * line.stark * field]), np.array([1e-3]), np.array([scale]),
            np.array([1e-9]),
        )[0, 0]  # fmt: skip
        ions = 1.5 * beta**-2.5 / (line.stark * field)
        assert 1.6 < profile / ions < 2.1

    @pytest.mark.parametrize(
        "element, wave, expected", [("Mg", 5185.05, -7.27), ("Na", 5891.58, -7.53)]
    )
    def test_collisional_width(self, element, wave, expected):
        # log10 of the full width a hydrogen atom at 10,000 K, as VALD gives it for these lines.
        line = min(
            (x for x in metal_lines.line_list() if x.element == element and x.stage == 0),
            key=lambda x: abs(x.wave - wave),
        )
        state = gas.solve([10000.0], [1e7])
        assert abs(line.wave - wave) < 0.1
        perturbers = state.stages["H"][0] + 0.42 * state.stages["He"][0]
        rest = 0.2223e16 / line.wave**2 + 3e-7 * state.electrons
        width = (metal_lines._damping(line, state) - rest) / perturbers
        assert np.log10(width[0]) == pytest.approx(expected, abs=0.02)

    def test_list_is_sane(self):
        found = metal_lines.line_list()
        assert 600 < len(found) < 2000
        assert all(3590 < x.wave < 9260 and x.loggf < 2 for x in found)
        assert all(x.energy < gas.ELEMENTS[x.element].energies[x.stage] for x in found)
        same = [(x.element, x.stage, round(x.wave, 2), x.energy) for x in found]
        assert len(set(same)) == len(same)

    @pytest.mark.parametrize("ion", ["Fe 1", "Ti 1", "Ca 1", "Na 1", "Mg 1", "Si 2", "O 2", "He 1"])
    def test_upper_levels_are_bound_or_nearly(self, ion):
        element, stage = ion.split()
        limit = gas.ELEMENTS[element].energies[int(stage) - 1]
        for line in metal_lines.line_list():
            if (line.element, line.stage) == (element, int(stage) - 1):
                assert line.energy + 12398.4 / line.wave < limit + 1.0

    def test_voigt_has_unit_area_times_root_pi(self):
        u = np.sinh(np.linspace(-12, 12, 8001))
        assert np.trapezoid(metal_lines.voigt(u, np.array(0.3)), u) == pytest.approx(
            1.7725, rel=1e-3
        )


class TestMolecules:
    def test_franck_condon_rows_add_up_to_one(self):
        for system in molecules.SYSTEMS:
            table = molecules.franck_condon(system)
            assert 0.5 < table[:, 0].sum() <= 1.0001

    def test_heads_lie_where_they_are_observed(self):
        tables = molecules.cross_sections(3600.0, 9250.0, 5.76e-5)
        wave = 3600.0 * np.exp(5.76e-5 * np.arange(tables["TiO"].shape[1]))
        for molecule, head in (("TiO", 7056.0), ("TiO", 6160.0), ("TiO", 4956.0), ("TiO", 5450.0)):
            # A band degraded to the red: a sudden rise of the cross-section at the head.
            blue = tables[molecule][4][(wave > head - 14) & (wave < head - 4)].mean()
            red = tables[molecule][4][(wave > head + 3) & (wave < head + 13)].mean()
            assert red > 1.5 * blue, head
        # MgH, (1, 0): head at 4845 A in air (Pearse & Gaydon), degraded to the violet.
        blue, red = (
            tables["MgH"][4][(wave > low) & (wave < low + 25)].mean() for low in (4818, 4849)
        )
        assert blue > 5 * red
        centre = (tables["CH"][6] * wave)[(wave > 4200) & (wave < 4400)].sum()
        weight = tables["CH"][6][(wave > 4200) & (wave < 4400)].sum()
        assert 4280 < centre / weight < 4330  # the G band

    def test_g_band_ends_at_its_head(self):
        # CH, (0, 0) band, Q head at 4314 Angstrom in air (Pearse & Gaydon): nothing just beyond.
        state = gas.solve([5000.0], [4e4])
        wave, found = molecules.resolved(state, 1e5)
        inside = found[0, (wave > 4300) & (wave < 4315)].mean()
        beyond = found[0, (wave > 4318) & (wave < 4322)].mean()
        assert inside > 2.5 * beyond

    def test_resolved_lines_hold_the_whole_band(self):
        state = gas.solve([5000.0], [4e4])
        _, fine = molecules.resolved(state, 1e5)
        step = 5.76e-5
        coarse = molecules.opacity(state, ("CH",), first=4180.0, last=4420.0, step=step)[0]
        assert coarse.sum() * step == pytest.approx(fine[0].sum() * molecules.FINE, rel=0.02)


class TestCalibration:
    def test_sun_is_g2(self):
        assert calibration.parameters([42.0], [0.0])[0][0] == pytest.approx(5770)

    @given(st.floats(3, 68.9), st.floats(0, 2))
    def test_later_types_are_cooler(self, code, height):
        teff, _ = calibration.parameters([code, code + 0.1], [height, height])
        assert teff[0] > teff[1] - 1e-9

    @given(st.floats(3.5, 67))
    def test_code_of_inverts(self, code):
        teff = calibration.parameters([code], [0.0])[0][0]
        assert abs(float(calibration.code_of(teff, 0.0)) - code) < 0.6

    def test_brighter_classes_have_lower_gravity(self):
        codes = np.arange(3, 69, 2.0)
        logg = [calibration.parameters(codes, np.full(codes.shape, h))[1] for h in (0.0, 1.0, 2.0)]
        assert (logg[0] > logg[1]).all() and (logg[1] > logg[2]).all()

    @pytest.mark.parametrize("code", [8.0, 15.0, 25.0])
    def test_gravity_says_how_high_a_star_stands(self, code):
        for height, expected in ((0.0, 0.0), (2.0, 1.0)):
            teff, logg = calibration.parameters([code], [height])
            found = calibration.highness(float(teff[0]), float(logg[0]))
            assert found == pytest.approx(expected, abs=0.02)
