"""Spectra compared: on one grid, scale, velocity and resolution, or refused."""

from __future__ import annotations

import numpy as np
import pytest

from spectype.core.errors import DataError
from spectype.core.grid import STANDARD_GRID
from spectype.core.lines import LINES
from spectype.core.spectra import Spectra
from spectype.draw.compare import align, compare_figure
from tests.stars import make_spectrum


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
