import numpy as np
import pytest

from spectype.core.grid import log_grid
from spectype.core.lines import LINES
from spectype.fidelity.ratios import RATIOS, compare, ratios
from spectype.generate.harmonise import Harmonised

WAVE = log_grid(3.585, n_pix=1800)


def light_of(widths):
    """Spectra with Gaussian lines of these equivalent widths [Angstrom] by line, (n,) each."""
    n = len(next(iter(widths.values())))
    flux = np.ones((n, WAVE.size))
    for name, width in widths.items():
        profile = np.exp(-0.5 * ((WAVE - LINES[name].wave) / 1.0) ** 2) / np.sqrt(2 * np.pi)
        flux -= np.asarray(width)[:, None] * profile
    text = np.full(n, "x")
    return Harmonised(
        wave=WAVE, flux=flux.astype(np.float32), good=np.ones(flux.shape, bool),
        rows=np.arange(n), code=np.zeros(n), type=text, survey=text, star_id=text,
        resolving_power=1800.0, shape="flat", blunter=(), unknown=(),
    )  # fmt: skip


def test_ratios_are_those_of_the_lines_put_in():
    light = light_of({"He I 4471": [0.5, 0.8], "He II 4541": [0.25, 0.0], "Mg II 4481": [0.2, 0.4]})
    found = dict(zip(RATIOS, ratios(light).T, strict=True))
    helium = found["He I 4471 / He II 4541"]
    assert 10 ** helium[0] == pytest.approx(2.0, rel=0.1) and np.isnan(helium[1])
    assert 10 ** found["Mg II 4481 / He I 4471"] == pytest.approx([0.4, 0.5], rel=0.15)
    assert np.isnan(found["Si III 4552 / Si IV 4089"]).all()


def test_a_ratio_is_judged_by_the_stars_of_its_subclass():
    rng = np.random.default_rng(2)
    code = np.repeat(np.arange(5.0, 10.0), 8)

    def column(shift):
        value = np.full((code.size, 3), np.nan)
        value[:, 0] = 0.3 * (code - 7) + shift + 0.05 * rng.standard_normal(code.size)
        return value

    real = column(0.0)
    (like,), (off,) = (compare(real, code, column(s), code) for s in (0.0, 1.0))
    assert like.name == "He I 4471 / He II 4541"
    assert like.inside > 0.85 and like.real_inside > 0.85 and abs(like.offset) < 0.05
    assert off.inside < 0.1 and off.offset == pytest.approx(1.0, abs=0.1)
