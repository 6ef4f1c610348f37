"""Judge the velocities of `spectype classify --velocity` on real spectra, and fit their errors.

    python recipes/velocity_scores.py DATA

DATA is a folder of labelled spectra with labels.csv. Prints: LAMOST spectra against the survey's
own redshifts and between exposures of one star; library stars at rest, moved by known velocities,
with noise added; the factor and the floors of the errors, fitted on half of the stars, and what
pulls the other half has with them. Five minutes.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import polars as pl

import spectype
from spectype.classify.velocity import calibrated_error, correlate
from spectype.core.errors import SpectypeError
from spectype.core.grid import SPEED_OF_LIGHT
from spectype.core.sky import group_by_position
from spectype.core.spectra import Spectra, concatenate
from spectype.dataset.preprocess import run_chain
from spectype.judge.velocity import agreement, fit_factor, fit_floor, repeats

AT_REST = ("miles", "indo_us", "bochanski", "kesseli")  # wavelengths good to a few km/s, at rest
OTHERS = ("stelib", "melchiors", "sdss_templates")  # shown, not fitted to
SNR = (5.0, 10.0, 20.0, 50.0, None)  # None: as the library has it
TYPES = "OBAFGKM"
GROUPS = ("OBA", "F", "G", "K", "M")  # types that share a floor


def read(data: Path, rows: Iterable[dict[str, str]], chain: list, rng=None) -> Spectra:
    """Spectra of label rows through the chain; with `rng` moved by up to 300 km/s."""
    found = []
    for row in rows:
        try:
            one = spectype.read(data / row["path"])
        except SpectypeError as error:
            print(error)
            continue
        shift = rng.uniform(-300, 300) if rng else 0.0
        known = SPEED_OF_LIGHT * float(row["redshift"] or 0)
        ready = run_chain(replace(one, wave=one.wave * (1 + shift / SPEED_OF_LIGHT)), chain)
        meta = {
            "path": ready.get("path"),
            "has_errors": ready.get("has_errors", True),
            "name": [row["object"] or row["path"]] * len(one),
            "library": [row["survey"]] * len(one),
            "true": [known + shift] * len(one),
            **{name: [float(row[name] or "nan")] * len(one) for name in ("ra", "dec", "snr_g")},
        }
        found.append(replace(ready, meta=meta))
    return concatenate(found)


def with_noise(spectra: Spectra, snr: float, rng: np.random.Generator) -> Spectra:
    """The spectra with white noise of that S/N a pixel, at the median."""
    level = np.nanmedian(np.where(spectra.mask, np.nan, spectra.flux), axis=1, keepdims=True)
    sigma = np.broadcast_to(np.abs(level) / snr, spectra.flux.shape)
    flux = spectra.flux + sigma * rng.standard_normal(sigma.shape)
    known = {**spectra.meta, "has_errors": [True] * len(spectra)}
    return replace(spectra, flux=flux.astype(np.float32), ivar=(sigma**-2).astype(np.float32),
                   meta=known)  # fmt: skip


def velocities(spectra: Spectra, model) -> pl.DataFrame:
    """Types, velocities and what is known of the spectra, a row each."""
    parts = []
    for start in range(0, len(spectra), 64):
        batch = spectra[start : start + 64]
        table = model.predict(batch, preprocess=False)
        code = table["subclass_code"].fill_null(np.nan).to_numpy()
        found = correlate(batch, code=code, luminosity=table["luminosity"].to_list())
        error = calibrated_error(found.sigma, table["type"].to_list())
        parts.append(table.select("type").with_columns(
            rv=found.velocity, sigma=found.sigma, rv_error=error))  # fmt: skip
    known = {k: spectra.get(k) for k in ("name", "library", "true", "ra", "dec", "snr_g")}
    return pl.concat(parts).hstack(pl.DataFrame(known)).with_columns(pl.col("rv").fill_nan(None))


def say(title: str, table: pl.DataFrame, error: str = "rv_error") -> None:
    """One line of a table by type: number, offset, scatter, pull."""
    cells = []
    for type_ in TYPES:
        rows = table.filter(pl.col("type") == type_)
        found = agreement(*(rows[c].cast(pl.Float64).fill_null(np.nan).to_numpy()
                            for c in ("rv", "true", error)))  # fmt: skip
        if found.n > 1:
            cells.append(f"{type_} {found.n} {found.offset:+.1f} {found.scatter:.1f} "
                         f"p{found.pull:.2f}")  # fmt: skip
    lost = table["rv"].null_count()
    print(f"{title:22s} " + " | ".join(cells) + (f" | none {lost}" if lost else ""), flush=True)


def lamost(data: Path, model: spectype.Model) -> pl.DataFrame:
    """Velocities of LAMOST's stars, one row each; `true` is the survey's own."""
    rows = [r for r in labels(data) if r["survey"].startswith("LAMOST") and r["class"] == "STAR"
            and abs(float(r["redshift"])) < 0.003]  # fmt: skip
    return velocities(read(data, rows, model.chain), model)


def labels(data: Path) -> list[dict[str, str]]:
    """Rows of labels.csv."""
    with (data / "labels.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def half(table: pl.DataFrame, which: int) -> pl.DataFrame:
    """Stars of one half, told by their names."""
    return table.filter(pl.Series([crc32(n.encode()) % 2 == which for n in table["name"]]))


def judge_lamost(table: pl.DataFrame) -> pl.DataFrame:
    """Print LAMOST's scores; the rows at S/N above 20 with the stars they are of."""
    print("LAMOST minus its own z, by S/N in g: number, median, scatter [km/s], pull")
    for low, high in ((5, 10), (10, 20), (20, 50), (50, 1e9)):
        say(f"S/N {low}-{high:.0f}", table.filter(pl.col("snr_g").is_between(low, high)))
    good = table.filter((pl.col("snr_g") > 20) & pl.col("rv").is_not_null())
    say("S/N > 20", good)
    cool = good.filter(pl.col("type").is_in(list("AFGKM")))
    print("A-M, S/N > 20:", agreement(cool["rv"], cool["true"], cool["rv_error"]))
    star = [str(i) for i in group_by_position(good["ra"], good["dec"])]
    good = good.with_columns(star=pl.Series(star))
    print("two exposures:", repeats(star, good["rv"], good["rv_error"]))
    print("their z      :", repeats(star, good["true"], good["rv_error"]))
    for type_ in "AFGK":
        rows = good.filter(pl.col("type") == type_)
        print(f"  {type_}", repeats(rows["star"].to_list(), rows["rv"], rows["rv_error"]))
    return good


def fit_errors(noisy: dict[float | None, pl.DataFrame]) -> None:
    """Print factor and floors from half of the stars, and pulls of the other half."""
    low = pl.concat([half(noisy[snr].drop_nulls(["rv", "own"]), 0) for snr in (5.0, 10.0, 20.0)])
    factor = fit_factor(low["rv"] - low["true"] - low["own"], low["sigma"])
    floors: dict[str, float] = {}
    for group in GROUPS:
        rows = pl.concat(list(noisy.values())).drop_nulls("rv").filter(
            pl.col("library").is_in(AT_REST) & pl.col("type").is_in(list(group)))  # fmt: skip
        rows = half(rows, 0)
        floor = fit_floor(rows["rv"] - rows["true"], factor * rows["sigma"])
        floors |= dict.fromkeys(group, floor)
    print(f"factor {factor:.2f}; floors", {t: round(f, 1) for t, f in floors.items()})
    fit = (factor * pl.col("sigma")).pow(2) + pl.col("type").replace_strict(floors).pow(2)
    for snr, table in noisy.items():
        rest = half(table.drop_nulls("type").filter(pl.col("library").is_in(AT_REST)), 1)
        say(f"other half, S/N {snr or 'own'}", rest.with_columns(fitted=fit.sqrt()), "fitted")


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    model = spectype.load_model(threads=1)
    judge_lamost(lamost(data, model))
    stars = [r for r in labels(data) if r["survey"] in AT_REST + OTHERS and r["mk_type"] in TYPES]
    rest = velocities(read(data, stars, model.chain), model)
    for name in (*AT_REST, *OTHERS):
        say(f"{name} at rest", rest.filter(pl.col("library") == name))
    library = read(data, stars, model.chain, np.random.default_rng(17))
    noisy = {}
    print(
        "moved by up to 300 km/s, with noise; truth: the shift, then that and its velocity at rest"
    )
    for snr in SNR:
        batch = with_noise(library, snr, np.random.default_rng(18)) if snr else library
        table = velocities(batch, model).with_columns(own=rest["rv"])
        noisy[snr] = table
        few = table.filter(pl.col("library").is_in(AT_REST))
        say(f"S/N {snr or 'own'}", few)
        say("  formal error", few.with_columns(pl.col("true") + pl.col("own")), "sigma")
    fit_errors(noisy)


if __name__ == "__main__":
    main()
