"""The nearest standards: the right type at the right velocity, and never the star itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spectype.classify import standards
from spectype.classify.standards import Standards, flattened
from spectype.core import mk
from spectype.core.errors import DataError
from spectype.core.grid import SPEED_OF_LIGHT, STANDARD_GRID, log_grid
from spectype.core.spectra import Spectra
from spectype.dataset.preprocess import replace, run_chain, standard_chain, to_data
from spectype.dataset.store import Store, StoreWriter, encode
from tests.stars import star_batch, star_flux

CODES = np.arange(12.0, 68.0, 4.0)


def write(folder: Path, spectra: Spectra, **columns) -> Store:
    n = len(spectra)
    writer = StoreWriter(folder, wave=STANDARD_GRID)
    ready = run_chain(spectra, standard_chain())
    writer.append(*encode(ready))
    base = {"survey": "miles", "synthetic": False, "kind": "star", "redshift": 0.0, "index": 0,
            "has_errors": True}  # fmt: skip
    rows = [
        base | {"path": f"lib/star {i}.fits.gz", "object": f"HD  {i}", "star_id": f"s{i}"}
        | {name: values[i] for name, values in columns.items()}
        for i in range(n)
    ]  # fmt: skip
    return writer.close(rows, {"chain": to_data(standard_chain())})


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Standards:
    """A library of toy stars of every type, and two rows that must not be asked."""
    spectra = star_batch([*CODES, 42.0, 42.0], snr=300.0)
    codes = [*CODES, 42.0, 42.0]
    store = write(
        tmp_path_factory.mktemp("library") / "s",
        spectra,
        type=[mk.type_of(c) for c in codes],
        code=codes,
        subclass=[mk.format_code(c) + "V" for c in codes],
        survey=["miles"] * len(CODES) + ["LAMOST LRS", "miles"],
        synthetic=[False] * (len(CODES) + 1) + [True],
    )
    return Standards(store)


def observed(code: float, *, velocity: float = 0.0, snr: float = 80.0, wave=None, **meta):
    """A star on other pixels, moving and reddened."""
    wave = log_grid(np.log10(3720.0), step=1.1e-4, n_pix=3450) if wave is None else wave
    flux = star_flux(code, wave / (1 + velocity / SPEED_OF_LIGHT)) * (wave / 5500.0) ** 1.3
    sigma = np.median(flux) / snr
    flux = flux + sigma * np.random.default_rng(4).standard_normal(flux.size)
    return Spectra(
        wave=wave,
        flux=flux[None].astype(np.float32),
        ivar=np.full((1, flux.size), sigma**-2, np.float32),
        mask=np.zeros((1, flux.size), bool),
        meta={name: [value] for name, value in meta.items()},
    )


@pytest.mark.parametrize("code", [20.0, 36.0, 44.0, 64.0])
@pytest.mark.parametrize("velocity", [-240.0, 0.0, 180.0])
def test_nearest_is_the_same_type_at_the_stars_velocity(library, code, velocity):
    matches = library.nearest(observed(code, velocity=velocity))
    assert [m.distance for m in matches] == sorted(m.distance for m in matches)
    assert len(matches) == 3 and matches[0].label == mk.format_code(code) + "V"
    assert matches[0].velocity == pytest.approx(velocity, abs=25)
    assert matches[0].distance < 0.8 * matches[1].distance


def test_only_experts_and_real_spectra_are_asked(library):
    assert len(library) == len(CODES)
    assert {m.survey for m in library.nearest(observed(42.0))} == {"miles"}


def test_search_begins_at_the_stars_own_redshift(library):
    fast = observed(44.0, velocity=1500.0, redshift=1500.0 / SPEED_OF_LIGHT)
    assert library.nearest(fast)[0].velocity == pytest.approx(1500.0, abs=25)
    assert library.nearest(fast)[0].label == "G4V"


def test_distance_does_not_depend_on_unit_and_hardly_on_reddening(library):
    seen = observed(36.0)
    plain = library.nearest(seen)
    faint = library.nearest(replace(seen, flux=3e-17 * seen.flux, ivar=seen.ivar / 9e-34))
    assert [m.label for m in faint] == [m.label for m in plain]
    assert faint[0].distance == pytest.approx(plain[0].distance, rel=0.01)
    tilt = (seen.wave / 5500.0) ** 2
    red = library.nearest(replace(seen, flux=seen.flux * tilt, ivar=seen.ivar / tilt**2))
    assert red[0].label == plain[0].label and red[0].distance < plain[1].distance


def test_unknown_errors_are_estimated(library):
    bare = observed(44.0, snr=30.0, has_errors=False)
    bare = replace(bare, ivar=np.full(bare.ivar.shape, 1e-20))
    known = library.nearest(observed(44.0, snr=30.0))[0]
    found = library.nearest(bare)[0]
    assert found.label == known.label and found.distance == pytest.approx(known.distance, rel=0.3)


def test_spectrum_itself_is_left_out(library):
    row = library.meta.row(5, named=True)
    own = library.store.spectra([row["row"]])
    assert row["row"] not in [m.row for m in library.nearest(own)]
    stranger = replace(own, meta={**own.meta, "path": ["another.fits"]})
    assert library.nearest(stranger)[0].row == row["row"]


def test_match_can_be_drawn_over_the_spectrum(library):
    spectrum = observed(36.0, velocity=150.0)
    match = library.nearest(spectrum)[0]
    flat = flattened(spectrum, library.store.wave)
    wave = library.store.wave
    moved = np.interp(wave, wave * (1 + 150 / SPEED_OF_LIGHT), match.flux)
    inside = np.isfinite(flat) & np.isfinite(moved)
    inside[:400] = False  # at the end of the coverage the broad shape has one side only
    difference = (flat - moved)[inside]
    assert np.std(difference) < 0.03 < np.std(flat[inside])
    assert match.name == f"HD {match.row}"  # of blanks, one is left


def test_vertex_of_a_parabola():
    values = 2.0 + 0.5 * (np.arange(7) - 3.3) ** 2
    assert standards._vertex(values, int(values.argmin())) == pytest.approx(3.3)
    assert standards._vertex(values, 0) == 0.0


def test_no_overlap_and_no_labels_are_errors(library, tmp_path):
    far = observed(44.0, wave=np.linspace(9200.0, 9900.0, 900), path="far.fits")
    with pytest.raises(DataError, match=r"far\.fits.*in common"):
        library.nearest(far)
    short = observed(44.0, wave=np.linspace(5000.0, 5100.0, 300))
    with pytest.raises(DataError, match="in common"):
        library.nearest(short)
    dark = observed(44.0)
    dark = Spectra(wave=dark.wave, flux=dark.flux, ivar=dark.ivar * 0, mask=~dark.mask)
    with pytest.raises(DataError, match="in common"):
        library.nearest(dark)
    for name, kind in (("bare", [None, None]), ("letters", ["A", "F"])):
        store = write(tmp_path / name, star_batch([22.0, 33.0]), type=kind, code=[None, None],
                      subclass=kind)  # fmt: skip
        with pytest.raises(DataError, match="no real spectrum with a type and subclass"):
            Standards(store)


def test_a_survey_alone_serves_where_there_is_no_library(tmp_path):
    spectra, labels = star_batch([22.0, 42.0], snr=200.0), ["A2", "G2"]
    store = write(tmp_path / "lamost", spectra, type=["A", "G"], code=[22.0, 42.0],
                  subclass=labels, survey=["lamost", "lamost"])  # fmt: skip
    matches = Standards(store).nearest(observed(42.0))
    assert [m.label for m in matches] == ["G2", "A2"]
