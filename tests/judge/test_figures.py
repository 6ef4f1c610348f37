"""Figures show the numbers they are given, and files come out whole."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectype.core.errors import DataError, UsageError
from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import LINES, lines_of
from spectype.core.spectra import Spectra
from spectype.judge import canvas, figures, metrics
from spectype.judge.calibration import reliability
from spectype.judge.compare_figure import align, compare_figure
from spectype.judge.spectrum_figure import spectrum_figure, spread

from .conftest import make_spectrum

ROW = {
    "type": "A", "subclass": "A2", "subclass_error": 1.2, "luminosity": "V", "type_set": "A F",
    "flag_names": "LOW_SNR BOUNDARY_TYPE", **dict.fromkeys([f"p_{t}" for t in "OBFGKM"], 0.02),
    "p_A": 0.88,
}  # fmt: skip


def labels(figure) -> list[str]:  # type: ignore[no-untyped-def]
    return [t.get_text() for axes in figure.axes for t in axes.texts]


def test_confusion_is_by_rows() -> None:
    counts = metrics.confusion(["A"] * 4 + ["F"], ["A", "A", "A", "F", "F"])
    shown = labels(figures.confusion_figure(counts))
    assert ".75" in shown and ".25" in shown and "1" in shown and "3" in shown
    image = figures.confusion_figure(counts).axes[0].images[0].get_array()
    assert image.shape == (7, 7)
    untyped = figures.confusion_figure(metrics.confusion(["A"], [None]))
    assert untyped.axes[0].images[0].get_array().shape == (7, 8)


def test_recall_figure_draws_the_values() -> None:
    scores = metrics.by_class(["A"] * 10 + ["F"] * 10, ["A"] * 7 + ["F"] * 13)
    drawn = {
        round(float(x), 6)
        for line in figures.recall_figure(scores).axes[0].lines
        for x in np.atleast_1d(line.get_xdata())
    }
    assert {0.7, 1.0, round(10 / 13, 6)} <= drawn


def test_snr_calibration_code_and_training_draw_their_values() -> None:
    snr = metrics.by_snr(
        [8.0, 9.0, 200.0], [True, False, True], true_code=[1.0] * 3, code=[2.0] * 3
    )
    points = figures.snr_figure(snr).axes[0].lines[0].get_ydata()
    assert list(points) == [0.5, 1.0]
    bins = reliability([0.9, 0.9, 0.3], [True, False, True])
    line = figures.calibration_figure(bins, error=0.25).axes[0].lines[1]
    assert list(line.get_ydata()) == [1.0, 0.5]
    code = figures.code_figure([42.0, 30.0, np.nan], [43.0, 30.0, 1.0])
    assert len(code.axes[0].collections[0].get_offsets()) == 2
    crowd = np.linspace(1, 69, 4000)
    assert figures.code_figure(crowd, crowd).axes[0].collections
    log = [{"epoch": e, "validation_loss": abs(e - 3.0), "train_loss": None} for e in range(1, 6)]
    training = figures.training_figure(log)
    assert training.axes[1].lines[-1].get_xdata()[0] == 3


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
    from spectype.judge.spectrum_figure import draw_lines, draw_spectrum

    figure = canvas.new_figure(4.0, 2.0)
    axes = figure.add_subplot()
    draw_spectrum(axes, make_spectrum())
    draw_lines(axes, lines_of("OBAFGKM"))
    assert len(axes.texts) < 30 and "Hα" in labels(figure)


def test_align_reconciles_grid_scale_velocity_and_resolution() -> None:
    sharp = make_spectrum(noise=1e-4)
    half = STANDARD_GRID[::2] * 1.0005
    moved = Spectra(
        wave=half,
        flux=(40.0 * np.interp(half / 1.0005 * 1.0001, STANDARD_GRID, np.nan_to_num(
            sharp.flux[0], nan=1.0)))[None].astype(np.float32),
        ivar=np.ones((1, half.size), np.float32),
        mask=np.zeros((1, half.size), bool),
        meta={"redshift": [0.0005], "survey": ["jacoby"]},
    )  # fmt: skip
    wave, (a, b) = align([sharp, moved], names=["a", "b"], between=(4000.0, 4600.0))
    assert wave[0] == pytest.approx(4000.0)
    assert np.nanmedian(a) == pytest.approx(1.0, abs=0.01)
    core = np.abs(wave - LINES["H gamma"].wave) < 3
    assert np.nanmax(np.abs(a[core] / b[core] - 1)) < 0.05
    _, (c, _) = align([sharp, moved], names=["a", "b"], between=(4000.0, 4600.0), fwhm=2000.0)
    assert np.nanmin(c) > np.nanmin(a) + 0.05  # a line is shallower at low resolution


def test_compare_refuses_what_cannot_be_compared() -> None:
    one = make_spectrum()
    with pytest.raises(DataError, match="two at least"):
        compare_figure([one])
    far = Spectra(
        wave=np.linspace(9300.0, 9900.0, 100),
        flux=np.ones((1, 100), np.float32),
        ivar=np.ones((1, 100), np.float32),
        mask=np.zeros((1, 100), bool),
    )
    with pytest.raises(DataError, match=r"share no wavelength \(x 3700-90.., y 9300-9900\)"):
        compare_figure([one, far], names=["x", "y"])


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_compare_draws_each_spectrum(offset: float) -> None:
    figure = compare_figure([make_spectrum(), make_spectrum(seed=2)], names=["one", "two"],
                            offset=offset, normalise=True)  # fmt: skip
    assert len(figure.axes) == (1 if offset else 2)
    curves = [x for x in figure.axes[0].lines if len(x.get_xdata()) > 1000]
    assert len(curves) == 2
    middle = [np.nanmedian(x.get_ydata()) for x in curves]
    assert middle[0] - middle[1] == pytest.approx(offset, abs=0.02)


@pytest.mark.parametrize(
    ("suffix", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")]
)
def test_files_are_of_their_kind_and_the_same_twice(
    tmp_path: Path, suffix: str, magic: bytes
) -> None:
    paths = [
        canvas.save(spectrum_figure(make_spectrum()), tmp_path / f"{i} ä.{suffix}") for i in "ab"
    ]
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(magic) and first == second


def test_bad_names_are_refused_before_the_work(tmp_path: Path) -> None:
    for name, message in (("x.jpg", "as .jpg"), ("x", "without suffix")):
        with pytest.raises(UsageError, match=message):
            canvas.check_output(tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError):
        canvas.check_output(tmp_path / "file" / "x.png")


def test_the_user_s_matplotlib_settings_survive() -> None:
    with mpl.rc_context({"font.size": 33.0}):
        spectrum_figure(make_spectrum())
        assert mpl.rcParams["font.size"] == 33.0
