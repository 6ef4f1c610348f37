"""A spectrum drawn: lines at their places, labels apart, gaps where pixels are bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.lines import LINES, lines_of
from spectype.core.spectra import Spectra
from spectype.draw import canvas
from spectype.draw.spectrum import OPTICAL, optical, spectrum_figure, spread
from tests.stars import make_spectrum

ROW = {
    "type": "A", "subclass": "A2", "subclass_error": 1.2, "luminosity": "V", "type_set": "A F",
    "flag_names": "LOW_SNR BOUNDARY_TYPE", **dict.fromkeys([f"p_{t}" for t in "OBFGKM"], 0.02),
    "p_A": 0.88,
}  # fmt: skip


def labels(figure) -> list[str]:  # type: ignore[no-untyped-def]
    return [t.get_text() for axes in figure.axes for t in axes.texts]


@given(
    st.lists(st.floats(3700, 9000), min_size=1, max_size=40),
    st.floats(1.0, 300.0),
)
def test_labels_never_overlap_and_keep_their_order(waves: list[float], gap: float) -> None:
    places = spread(np.sort(waves), gap=gap, low=3700.0, high=9000.0)
    room = min(gap, 5300.0 / max(len(waves) - 1, 1))
    assert (np.diff(places) >= room - 1e-6).all()
    assert places.min() >= 3700.0 - 1e-6 and places.max() <= 9000.0 + 1e-6


def test_labels_stay_put_where_there_is_room() -> None:
    waves = np.array([4000.0, 5000.0, 6000.0])
    np.testing.assert_allclose(spread(waves, gap=50.0, low=3700.0, high=9000.0), waves)


def test_spectrum_figure_names_lines_at_their_places() -> None:
    figure = spectrum_figure(make_spectrum(), prediction=ROW, redshift=0.001)
    names = labels(figure)
    assert {"Hα", "Hβ", "Hγ"} <= set(names) and "He II" not in names
    wanted = LINES["H beta"].wave * 1.001
    drawn = [line.get_xdata()[0] for line in figure.axes[0].lines]
    assert min(abs(x - wanted) for x in drawn) < 1e-6
    assert "0.88" in names and "± 1.2 subclasses" in names
    assert figure.axes[1].get_title("left") == "A2 V"
    assert "low snr\nboundary type" in figure.axes[1].get_xlabel()


@pytest.mark.parametrize(
    ("label", "there", "never"),
    [("B1I", "He I 4471", "TiO"), ("G2V", "Mg b", "He"), ("M4V", "TiO 7054", "He"),
     (None, "Hα", "TiO")],
)  # fmt: skip
def test_without_a_prediction_the_label_says_which_lines(label, there, never) -> None:
    spectrum = make_spectrum()
    spectrum = replace(spectrum, meta={**spectrum.meta, "subclass": [label]})
    names = labels(spectrum_figure(spectrum))
    assert there in names and not [name for name in names if name.startswith(never)]


def test_of_a_spectrum_far_into_the_infrared_the_optical_part_is_drawn() -> None:
    wave = np.linspace(1200.0, 25000.0, 4000)
    one = np.ones((1, wave.size), np.float32)
    far = Spectra(wave=wave, flux=one, ivar=100 * one, mask=one < 0)
    assert spectrum_figure(far).axes[0].get_xlim() == OPTICAL
    assert spectrum_figure(far, between=(11000, 13000)).axes[0].get_xlim() == (11000, 13000)
    assert optical(11000.0, 25000.0) == (11000.0, 25000.0)


def test_bad_pixels_are_gaps_and_errors_a_band() -> None:
    figure = spectrum_figure(make_spectrum())
    axes = figure.axes[0]
    curve = max(axes.lines, key=lambda line: len(line.get_xdata()))
    assert np.isnan(curve.get_ydata()[1000:1050]).all()
    assert np.isfinite(curve.get_ydata()[:1000]).all()
    assert "bad pixels" in axes.get_xlabel()
    assert axes.collections  # the error band
    spectrum = make_spectrum()
    bare = Spectra(
        wave=spectrum.wave,
        flux=spectrum.flux,
        ivar=spectrum.ivar,
        mask=spectrum.mask,
        meta={"has_errors": [False]},
    )
    assert not spectrum_figure(bare).axes[0].collections


def test_a_cosmic_ray_does_not_set_the_scale() -> None:
    spectrum = make_spectrum()
    flux = np.array(spectrum.flux)
    flux[0, 2000] = 1e4
    hit = Spectra(
        wave=spectrum.wave, flux=flux, ivar=spectrum.ivar, mask=spectrum.mask, meta=spectrum.meta
    )
    limits = [spectrum_figure(s).axes[0].get_ylim() for s in (spectrum, hit)]
    assert limits[1][1] < 1.2 * limits[0][1]


def test_spectrum_without_a_good_pixel_says_so() -> None:
    spectrum = make_spectrum()
    dead = Spectra(
        wave=spectrum.wave,
        flux=spectrum.flux * np.nan,
        ivar=spectrum.ivar * 0,
        mask=np.ones_like(spectrum.mask),
    )
    assert "no good pixel" in labels(spectrum_figure(dead))
    with pytest.raises(ValueError, match="one spectrum"):
        spectrum_figure(make_spectrum(2))


def test_crowded_labels_keep_the_main_lines() -> None:
    from spectype.draw.spectrum import draw_lines, draw_spectrum

    figure = canvas.new_figure(4.0, 2.0)
    axes = figure.add_subplot()
    draw_spectrum(axes, make_spectrum())
    draw_lines(axes, lines_of("OBAFGKM"))
    assert len(axes.texts) < 30 and "Hα" in labels(figure)
