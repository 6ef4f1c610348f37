"""Colours that stand for types and curves are told apart, also by people without green cones."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from spectype.draw.canvas import ACCENT, GREY, INK, PALE, SECOND, TYPE_COLOURS
from spectype.draw.compare import COLOURS

# Machado, Oliveira & Fernandes (2009, IEEE TVCG 15, 1291), deuteranopia, linear RGB.
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
     [-0.011820, 0.042940, 0.968881]]
)  # fmt: skip
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, *, seen_by):
    """CIE L*a*b* of a colour as such eyes see it."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(seen_by @ linear, 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eyes", [np.eye(3), DEUTERANOPIA], ids=["usual", "deuteranopia"])
@pytest.mark.parametrize(
    "colours",
    [list(TYPE_COLOURS.values()), list(COLOURS), [INK, ACCENT, SECOND, PALE], [GREY, SECOND]],
)
def test_colours_are_told_apart(colours, eyes):
    seen = [lab(colour, seen_by=eyes) for colour in colours]
    apart = {
        pair: float(np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
        for pair in combinations(range(len(colours)), 2)
    }
    assert min(apart.values()) > 11, {k: round(v) for k, v in apart.items() if v <= 11}
