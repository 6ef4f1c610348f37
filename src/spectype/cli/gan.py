"""``spectype gan``: generators of spectra: train, sample, judge."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from cyclopts import App, Parameter

from spectype.cli.gan_judge import audit, evaluate
from spectype.core.errors import UsageError
from spectype.draw.canvas import SCREEN
from spectype.draw.targets import OnPaper
from spectype.generate.recipes import (
    FlowConfig,
    GanConfig,
    GeneratorConfig,
    RefinedConfig,
    WassersteinConfig,
)

if TYPE_CHECKING:
    from spectype.generate.samples import Samples
    from spectype.refine.registry import Generator

Config = TypeVar("Config")

app = App(name="gan", help="Train generators of rare stars, draw samples, judge them.")


@app.command
def train(
    store: Path,
    *,
    out: Path = Path("gan"),
    recipe: Literal["reference", "standard", "refined", "wasserstein", "flow"] = "reference",
    types: str | None = None,
    epochs: int | None = None,
    leave_out: tuple[str, ...] | None = None,
    seed: int | None = None,
    split_seed: int | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
    threads: int | None = None,
    simulator: Path | None = None,
    paper: OnPaper = SCREEN,
    reference: Annotated[GanConfig, Parameter(group="Reference recipe")] = GanConfig(),  # noqa: B008
    standard: Annotated[GeneratorConfig, Parameter(group="Standard recipe")] = GeneratorConfig(),  # noqa: B008
    refined: Annotated[RefinedConfig, Parameter(group="Refined recipe")] = RefinedConfig(),  # noqa: B008
    wasserstein: Annotated[
        WassersteinConfig, Parameter(group="Wasserstein recipe")
    ] = WassersteinConfig(),  # noqa: B008
    flow: Annotated[FlowConfig, Parameter(group="Flow recipe")] = FlowConfig(),  # noqa: B008
) -> int:
    """Train a generator on the real stars of a store; run the same command again to resume.

    Stars that `train` keeps for validation and test are kept out here too: the split is
    the same.

    Example: `spectype gan train store/ --out gan/ --recipe reference`

    The reference recipe is the 2022 study's GAN with its numerical faults repaired;
    `--reference.faults all` brings them back. It writes a checkpoint every 50 epochs and
    a figure of samples every 500. The refined recipe multiplies simulated stars by what real ones
    have more than they; it first computes 230 template stars, some minutes, once. The wasserstein
    recipe (a convolutional GAN) and flow (flow matching) learn what real stars have more by a
    network, first from the samples of a trained refined generator, then from real stars.

    Parameters
    ----------
    store
        Folder of the store.
    out
        Folder of the generator.
    recipe
        reference: the study's dense GAN, one pool of types. standard: conditional on type and
        subclass. refined, wasserstein, flow: on luminosity and metallicity, too.
    types
        Types to learn: the reference recipe's default is O, the others' all; wasserstein and flow
        have the simulator's.
    epochs
        Passes over the training spectra; more can be added later.
    leave_out
        Surveys or libraries whose stars are all kept out.
    seed
        Seed of weights and draws.
    split_seed
        Seed of the split.
    device
        auto, cpu or cuda.
    threads
        CPU threads; 0 lets torch choose.
    simulator
        Trained generator of the refined recipe, on the same store: wasserstein and flow learn from
        it first and have its split.
    paper
        Of the figures.
    reference
        The reference recipe; the options above win over it.
    standard
        The standard recipe, likewise.
    refined
        The refined recipe, likewise.
    wasserstein
        The wasserstein recipe, likewise.
    flow
        The flow recipe, likewise.
    """
    from spectype.dataset.store import Store
    from spectype.draw.canvas import page
    from spectype.generate.factors_training import train_standard
    from spectype.generate.gan_figures import draw
    from spectype.generate.gan_training import train_reference
    from spectype.refine.flow import Flow
    from spectype.refine.neural_training import train_neural
    from spectype.refine.training import train_refined
    from spectype.refine.wasserstein import Adversary

    common = {"types": types, "epochs": epochs, "leave_out": leave_out, "seed": seed,
              "split_seed": split_seed, "device": device, "threads": threads,
              "simulator": None if simulator is None else str(simulator)}  # fmt: skip
    with page(paper):
        if recipe == "standard":
            train_standard(Store(store), out, with_options(standard, common))
        elif recipe == "refined":
            train_refined(Store(store), out, with_options(refined, common))
        elif recipe == "wasserstein":
            train_neural(Store(store), out, with_options(wasserstein, common), Adversary)
        elif recipe == "flow":
            train_neural(Store(store), out, with_options(flow, common), Flow)
        else:
            train_reference(Store(store), out, with_options(reference, common), draw=draw)
    print(
        f"generator in {out}; draw from it with: spectype gan sample {out} --n 1278 --out samples"
    )
    return 0


@app.command
def sample(
    gan: Path,
    *,
    out: Path,
    n: int = 1278,
    code: float | None = None,
    type_: str | None = None,
    subclass: str | None = None,
    luminosity: str | None = None,
    feh: float | None = None,
    snr: float | None = None,
    ebv: float | None = None,
    rv: float | None = None,
    layout: Literal["lamost", "image-subcontinuum", "image-wavelength", "bintable-coadd"]
    | None = None,
    seed: int = 0,
    overwrite: bool = False,
) -> int:
    """Draw spectra from a trained generator: a store, FITS files, or a table as the study wrote.

    Samples are noise-free; `--snr` adds the instrument's noise, and the noise-free ones then
    stand in noise-free/ inside. With `--ebv`, `--rv` or `--layout` they go through the whole
    instrument. They belong into training only: `spectype train store/ --synthetic samples/`.

    Example: `spectype gan sample gan/ --n 1278 --out samples/`

    What too few real stars support is marked in the column extrapolated and counted at the end.

    Parameters
    ----------
    gan
        Folder of the generator.
    out
        A folder for a store or files; a file ending in .csv or .parquet for a table (one row a
        spectrum, one column a wavelength); or one ending in .fits for a FITS table of spectra.
    n
        How many; the study wrote 1,278.
    code
        Decimal type code, 10 a type: O5 is 5, B0 is 10.
    type_
        A type, or several like OB, of their subclasses at random.
    subclass
        Of the type, one or a range: 5, 5-9.
    luminosity
        Luminosity class, I II III IV V; refined, wasserstein and flow know it.
    feh
        Metallicity [Fe/H], -1.5 to 0.3; refined, wasserstein and flow know it.
    snr
        Median S/N a pixel in g; without it the samples have no noise.
    ebv
        Reddening E(B-V) [mag]; the same recipes.
    rv
        Radial velocity [km/s]; the same recipes.
    layout
        Write FITS files and truth.parquet; lamost is bintable-coadd, LAMOST's newest. Refined
        recipe.
    seed
        Seed.
    overwrite
        Replace what an earlier call wrote there.
    """
    from spectype.dataset.fitsfile import is_fits_name
    from spectype.generate.samples import export_samples, write_fits, write_samples
    from spectype.refine.order import Order
    from spectype.refine.registry import load_generator

    order = Order(type=type_, subclass=subclass, code=code, luminosity=luminosity, feh=feh)
    as_table = out.suffix in (".csv", ".parquet")
    seen = ebv is not None or rv is not None or layout is not None
    if as_table and (seen or snr is not None):
        raise UsageError(
            "a table holds noise-free samples at rest",
            remedy="leave --snr, --ebv, --rv and --layout, or name a folder",
        )
    if not (as_table or is_fits_name(out) or out.is_dir()) and out.suffix[1:].isalpha():
        raise UsageError(
            f"a file ending in {out.suffix} is not written",
            path=out,
            remedy="name a folder, or a .fits, .csv or .parquet file",
        )
    if seen and is_fits_name(out):
        raise UsageError(
            "exposures go into a folder", path=out, remedy="name one; --layout writes FITS files"
        )
    generator = load_generator(gan)
    samples = order.draw(generator, n, seed=seed)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", gan.resolve().name) or "gan"
    if seen:
        _observe(gan, generator, samples, out, snr=snr, ebv=ebv or 0.0, rv=rv or 0.0,
                 layout=layout, seed=seed, overwrite=overwrite)  # fmt: skip
    elif as_table:
        export_samples(samples, out, generator=name)
    elif is_fits_name(out):
        write_fits(samples, out, generator=name, snr=snr, seed=seed)
    else:
        write_samples(samples, out, generator=name, snr=snr, seed=seed, overwrite=overwrite)
    print(f"{n} synthetic spectra in {out}")
    beyond = int(samples.labels["extrapolated"].sum()) if samples.labels else 0
    if beyond:
        print(
            f"{beyond} of them are extrapolated: too few real stars of their type, luminosity and "
            "metallicity speak for them, the simulation does (column extrapolated)"
        )
    return 0


def _observe(
    gan: Path, generator: Generator, samples: Samples, out: Path, *, snr: float | None, ebv: float,
    rv: float, layout: str | None, seed: int, overwrite: bool,
) -> None:  # fmt: skip
    """Samples through the instrument, into files or a store."""
    from spectype.refine.atlas import template_stars
    from spectype.refine.exposures import Sky, write_files, write_store
    from spectype.refine.placed import PlacedGenerator

    if not isinstance(generator, PlacedGenerator):
        raise UsageError(
            f"the {generator.recipe} recipe has no light for --ebv, --rv and --layout",
            remedy="train with --recipe refined",
        )
    if snr is None:
        raise UsageError("an exposure has noise", remedy="say how much with --snr")
    sky = Sky(generator, template_stars(gan), samples, snr=snr, ebv=ebv, rv=rv)
    if layout is None:
        write_store(sky, out, seed=seed, overwrite=overwrite)
    else:
        write_files(sky, out, layout=layout, seed=seed, overwrite=overwrite)


@app.command
def table(
    store: Path,
    *,
    out: Path,
    types: str = "O",
    resolving_power: float = 1800.0,
    shape: Literal["flat", "intrinsic"] = "flat",
) -> int:
    """Write the real spectra of some types, made alike, as one table: what generators learn.

    One row a spectrum, one column a wavelength (vacuum, at rest); empty where a spectrum has no
    data.

    Example: `spectype gan table store/ --types O --out o.parquet`

    Parameters
    ----------
    store
        Folder of the store.
    out
        File ending in .csv or .parquet, or in .fits for a FITS table of spectra.
    types
        Types, as letters: O, OB.
    resolving_power
        Common resolution; sharper spectra are convolved down, blunter ones stay.
    shape
        flat: over the broad shape. intrinsic: times a black body of the type's temperature.
    """
    from spectype.dataset.store import Store
    from spectype.generate.harmonise import harmonise, select, write_table

    data = Store(store)
    alike = harmonise(data, select(data, types), resolving_power=resolving_power, shape=shape)
    write_table(alike, out)
    print(f"{len(alike)} spectra in {out}")
    for names, what in ((alike.blunter, "are blunter than the common resolution"),
                        (alike.unknown, "have no known resolution")):  # fmt: skip
        if names:
            print(f"left as they are: spectra of {', '.join(names)}, which {what}")
    return 0


app.command(evaluate)
app.command(audit)


def with_options(config: Config, options: dict[str, Any]) -> Config:
    """The configuration with the options that were given; one that it has not is refused."""
    given = {name: value for name, value in options.items() if value is not None}
    known = {field.name for field in fields(config)}  # type: ignore[arg-type]
    if odd := [name for name in given if name not in known]:
        raise UsageError(f"this recipe has no --{odd[0].replace('_', '-')}", remedy="leave it out")
    return replace(config, **given)  # type: ignore[type-var]
