"""Samples of the refined simulator through the instrument: a store, or files as LAMOST writes them.

The light that enters the instrument is the simulated star's own at full resolution, with its own
continuum, times the learnt correction of the lines; reddening, velocity, noise and resolution are
the instrument's. So only the correction, which is known at the common resolution, is blurred twice.
"""

from __future__ import annotations

import datetime
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spectype.core import mk
from spectype.core.errors import UsageError
from spectype.core.files import MANIFEST, atomic_path, check_writable_folder, write_manifest
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.dataset.store import Store
from spectype.generate.samples import Samples
from spectype.refine.atlas import turning
from spectype.refine.placed import PlacedGenerator
from spectype.refine.plane import points
from spectype.simulate import layouts, memory
from spectype.simulate.instrument import Conditions, observe
from spectype.simulate.layouts import LAYOUTS, Layout
from spectype.simulate.memory import Star
from spectype.simulate.objects import Target
from spectype.simulate.plan import make_plan
from spectype.simulate.records import header_of, truth_row
from spectype.simulate.templates import Grid
from spectype.starlight import calibration
from spectype.starlight.physics import WAVE

Floats = NDArray[np.float64]
TRUTH = "truth.parquet"
_FIRST_NIGHT = datetime.date(2011, 10, 24)
_FIRST_MJD = 55858
#: Names that --layout takes; lamost is the newest.
NAMES: dict[str, Layout] = {"lamost": "bintable-coadd", **{name: name for name in LAYOUTS}}


class Sky:
    """Refined stars as targets of the instrument.

    Parameters
    ----------
    generator : PlacedGenerator
        Where the samples are from.
    stars : Grid
        Light of its template stars (`atlas.template_stars`).
    samples : Samples
        What it drew.
    snr, ebv, rv : float
        Median S/N a pixel in g, E(B-V) [mag], radial velocity [km/s], of every exposure.
    """

    def __init__(
        self, generator: PlacedGenerator, stars: Grid, samples: Samples, *, snr: float,
        ebv: float = 0.0, rv: float = 0.0,
    ) -> None:  # fmt: skip
        Conditions(snr_g=snr, ebv=ebv, velocity=rv)  # refuses what is impossible
        self.grid, self.samples = stars, samples
        height, feh = samples.labels["height"], samples.labels["feh"]
        flat, _ = generator.atlas.light(points(samples.code, height, feh))
        self.correction = np.log(samples.flux) - flat
        teff, logg = calibration.parameters(samples.code, height)
        self.stars = [
            Star(target=Target(
                kind=str(samples.type[i]), code=float(samples.code[i]),
                luminosity=str(samples.labels["luminosity"][i]), height=float(height[i]),
                teff=float(teff[i]), logg=float(logg[i]), feh=float(feh[i]), rotation=0.0,
                velocity=rv, ebv=ebv, redshift=rv / SPEED_OF_LIGHT, companion=float("nan"),
            ), snr=snr)
            for i in range(len(samples))
        ]  # fmt: skip
        self._row = {id(star.target): i for i, star in enumerate(self.stars)}

    def light(self, target: Target, rng: np.random.Generator) -> Floats:
        """Flux per wavelength on `WAVE` of one of the targets, at rest; it turns already."""
        star = self.grid.light(target.code, target.height, target.feh, metals=True)
        correction = self.correction[self._row[id(target)]]
        learnt = np.interp(np.log(WAVE), np.log(self.samples.wave), correction)
        return np.asarray(turning(star, target.code) * np.exp(learnt), np.float64)


def write_store(sky: Sky, out: Path, *, seed: int, overwrite: bool) -> Store:
    """Write exposures as a training store, labels in its metadata."""
    folder = check_writable_folder(out, kind="store")
    if (folder / MANIFEST).exists() and not overwrite:
        raise UsageError("holds a store already", path=folder, remedy="add --overwrite")
    more = {"extrapolated": sky.samples.labels["extrapolated"].tolist()}
    return memory.write_store(sky.stars, out, seed=seed, light=sky.light, more=more,
                              overwrite=overwrite)  # fmt: skip


def write_files(sky: Sky, out: Path, *, layout: str, seed: int, overwrite: bool) -> Path:
    """Write exposures as FITS files in one of LAMOST's layouts, and ``truth.parquet``.

    Parameters
    ----------
    sky : Sky
        What to observe.
    out : path-like
        New folder.
    layout : str
        One of `NAMES`.
    seed : int
        Of noise, faults and positions.
    overwrite : bool
        Replace what an earlier call wrote there.
    """
    import polars as pl

    folder = check_writable_folder(out, kind="simulation")
    if any(folder.iterdir()):
        if not overwrite:
            raise UsageError("is not empty", path=folder, remedy="choose another, or --overwrite")
        (folder / MANIFEST).unlink(missing_ok=True)
        (folder / TRUTH).unlink(missing_ok=True)
        shutil.rmtree(folder / "fits", ignore_errors=True)
    plan = make_plan(len(sky.stars), weights={sky.stars[0].target.kind: 1.0}, repeats=0, seed=seed)
    rows: list[dict[str, Any]] = []
    for i, star in enumerate(sky.stars):
        rng, target = np.random.default_rng([seed, 6, i]), star.target
        conditions = Conditions(
            snr_g=star.snr, velocity=target.velocity, ebv=target.ebv,
            zero_tail=int(rng.integers(12, 32)),
        )  # fmt: skip
        exposure = observe(sky.light(target, rng), conditions, rng)
        night = _FIRST_NIGHT + datetime.timedelta(days=int(plan.lmjd[i]) - _FIRST_MJD)
        header = header_of(target, plan, i, snr=exposure.snr, layout=NAMES[layout], night=night,
                           label_noise=0.0, rng=rng)  # fmt: skip
        path = folder / "fits" / str(plan.planid[i]) / (header["filename"] + ".gz")
        layouts.write(path, exposure, layout=NAMES[layout], header=header)
        row = truth_row(target, plan, i, header, str(path.relative_to(folder)))
        rows.append({**row, "subclass": mk.format_code(target.code) + target.luminosity,
                     "extrapolated": bool(sky.samples.labels["extrapolated"][i])})  # fmt: skip
    with atomic_path(folder / TRUTH) as temporary:
        pl.DataFrame(rows).write_parquet(temporary)
    first = asdict(sky.stars[0].target)
    settings = {"layout": layout, "ebv": first["ebv"], "rv": first["velocity"],
                "snr": sky.stars[0].snr}  # fmt: skip
    write_manifest(folder, "simulation", {"settings": settings, "seed": seed, "spectra": len(rows)})
    return folder
