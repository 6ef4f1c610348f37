"""Dust: the law of Cardelli, Clayton & Mathis against their own table."""

import numpy as np
import pytest

from spectype.core.dust import RV, extinction


def test_extinction_law_is_that_of_cardelli_clayton_mathis():
    # Their table 3 for R = 3.1: A/A(V) = 1.337 in B (4400 A), 0.751 in R (7000 A), 0.479 in I
    # (9000 A), 1 in V; the colour excess A(B) - A(V) is E(B-V) but for their polynomial's rounding.
    curve = extinction(np.array([4400.0, 5494.5, 7000.0, 9000.0]))
    np.testing.assert_allclose(curve / RV, [1.337, 1.0, 0.751, 0.479], atol=0.02)
    assert curve[0] - curve[1] == pytest.approx(1.0, abs=0.03)


def test_grey_dust_dims_all_wavelengths_more():
    wave = np.linspace(3700.0, 9000.0, 50)
    assert (extinction(wave, rv=5.0) > extinction(wave)).all()
