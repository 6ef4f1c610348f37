"""A toy simulation, a store of toy stars, and a simulator refined by them."""

from __future__ import annotations

import numpy as np
import pytest

from spectype.core.grid import STANDARD_GRID
from spectype.core.indices import equivalent_width
from spectype.core.lines import INDICES
from spectype.core.spectra import Spectra
from spectype.generate.recipes import RefinedConfig
from spectype.refine import atlas as at_las
from spectype.refine.training import train_refined
from spectype.simulate.templates import TYPES, all_nodes, node_parameters
from spectype.starlight.physics import WAVE
from tests.generate.test_factors import hot_flux
from tests.generate.test_factors import write_store as write_real
from tests.stars import star_flux

REST = STANDARD_GRID


def toy_node(node):
    """A simulated toy star: supergiants have weaker hydrogen, the metal-poor no Ca K."""
    i, height, _ = node
    metals = 10.0 ** node_parameters(node)[2]
    light = star_flux(TYPES[i], WAVE)
    extra = 0.15 * height * np.exp(-0.5 * ((WAVE - 4862.7) / 8.0) ** 2)
    iron = 0.3 * min(metals, 2.0) * np.exp(-0.5 * ((WAVE - 5271.0) / 5.0) ** 2)
    return np.log(light * (1 + extra) * (1 - iron)).astype(np.float32)


@pytest.fixture(scope="session")
def stars(tmp_path_factory):
    """The file of template stars, of toy ones."""
    path = tmp_path_factory.mktemp("stars") / at_las.STARS
    nodes = all_nodes()
    np.savez(path, nodes=np.array(nodes), rows=np.stack([toy_node(n) for n in nodes]))
    return path


def small(**options):
    return RefinedConfig(
        **({"types": "OBA", "components": 6, "epochs": 3, "neighbours": 6.0} | options)
    )


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Ninety dwarfs from O5 to A7 with He II, which the toy simulation lacks."""
    rng = np.random.default_rng(8)
    codes = np.linspace(5.0, 27.0, 90)
    light = np.stack([hot_flux(c, rng) for c in codes])
    iron = 0.3 * np.exp(-0.5 * ((REST - 5271.0) / 5.0) ** 2)
    light = light * (1 - iron) / np.median(light, axis=1, keepdims=True)
    mask = np.zeros(light.shape, bool)
    mask[::2] = REST > 7000
    return write_real(tmp_path_factory.mktemp("real") / "s", light, mask, codes, rng)


@pytest.fixture(scope="session")
def trained(store, stars, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan") / "g"
    folder.mkdir()
    (folder / at_las.STARS).write_bytes(stars.read_bytes())
    return train_refined(store, folder, small())


def width(samples, name):
    good = samples.good
    spectra = Spectra(wave=samples.wave, flux=samples.flux, ivar=np.ones_like(samples.flux),
                      mask=~good, meta={})  # fmt: skip
    return float(np.median(equivalent_width(spectra, INDICES[name])[0]))
