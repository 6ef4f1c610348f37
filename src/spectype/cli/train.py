"""``spectype train``: a network from a store."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from spectype.core.errors import UsageError
from spectype.learn.architectures import ARCHITECTURES, STANDARD
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.study.recipes import REFERENCE  # noqa: F401  (a network more)

if TYPE_CHECKING:
    from spectype.classify.runtime import Model


def train(
    store: Path,
    *,
    out: Path | None = None,
    name: str = "",
    recipe: str = STANDARD,
    repeats: int = 1,
    synthetic: tuple[Path, ...] = (),
    generate: str = "OB",
    start_from: str = "",
    train: Annotated[TrainConfig, Parameter(name="*", group="Training")] = TrainConfig(),  # noqa: B008
    network: Annotated[NetworkConfig, Parameter(group="Network")] = NetworkConfig(),  # noqa: B008
    augment: Annotated[AugmentConfig, Parameter(group="Augmentation")] = AugmentConfig(),  # noqa: B008
    **options: Any,
) -> int:
    """Train a network on a store; run the same command again to resume.

    The stars are split into training, validation and test; the model, calibrated on the
    validation stars, and its predictions for the test stars are written into the run's folder.

    Example: `spectype train store/ --out runs/first --epochs 60`

    `--recipe reference` trains the network of the 2022 study instead, convolving along
    wavelength as it meant to, or as it was published with `--reference.as-published`. Its
    epochs, batch and learning rate are under --reference; of the standard recipe's options it
    takes the split, the seeds, the device and the threads. Networks of other installed packages
    are recipes too, with their options under their name.

    `torchrun --nproc-per-node 2 -m spectype train store/` trains on two processes, each with half
    of every batch, and likewise on several nodes and GPUs.

    Parameters
    ----------
    store
        Folder of the store.
    out
        Folder of the run; by default runs/ and the recipe's name.
    name
        Name of the model; by default the folder's.
    recipe
        standard, reference, or the name that an installed package gives its network.
    repeats
        Reference recipe: train on so many new random splits and print mean and standard
        deviation, as the study did with 5.
    synthetic
        Stores of synthetic spectra (`gan sample`, or `build` of a simulated release): for
        training only, never for validation or test. In place of --generate.
    generate
        Rare types for which a generator, trained on the training stars alone, adds 400 spectra
        each to the training: what helped most on O stars of libraries never seen. Empty for none.
    start_from
        Fine-tune a model in place of starting from nothing: `standard`, or a model's folder.
        The network then has the model's size, whatever --network says.
    train
        Training.
    network
        Size of the network.
    augment
        Strength of the augmentation.
    """
    from spectype.dataset.store import Store
    from spectype.generate.fill import fill_rare
    from spectype.learn import together
    from spectype.learn.export import export_model
    from spectype.learn.start import network_of
    from spectype.learn.training import train as train_network

    with together.joined():
        data, folder = Store(store), out or Path("runs") / recipe
        extra = [Store(place) for place in synthetic]
        architecture = ARCHITECTURES.get(recipe)
        config = network if recipe == STANDARD else options.get(recipe, architecture.config())
        if start_from:
            if recipe != STANDARD:
                raise UsageError(f"the {recipe} recipe starts from nothing: leave out --start-from")
            config = network_of(start_from)
        if architecture.train is not None:
            if together.count() > 1:
                raise UsageError(
                    f"the {recipe} recipe trains in one process", remedy="leave torchrun"
                )
            found = architecture.train(
                data, folder, config=config, train=train, synthetic=extra, repeats=repeats
            )
            runs, said = found.runs, found.said
        else:
            if repeats != 1:
                raise UsageError("--repeats belongs to --recipe reference")
            if generate and not extra:
                with together.first_before_others():
                    made = fill_rare(data, folder, train, types=generate)
                extra = [] if made is None else [made]
            made_of = Recipe(network=config, augment=augment, train=train, architecture=recipe)
            run = train_network(
                data, folder, recipe=made_of, synthetic=extra, start_from=start_from or None
            )
            runs, said = [run] if together.rank() == 0 else [], ()
    for run in runs:
        model = export_model([run], data, run, name=name or run.resolve().name)
        if run == runs[-1]:
            _say_unseen(model)
        print(f"model in {run}; judge it with: spectype evaluate {run}")
    for line in said:
        print(line)
    return 0


def _say_unseen(model: Model) -> None:
    missing = [t for t in "OBAFGKM" if t not in model.card["seen"]]
    if missing:
        print(f"no training spectra of {', '.join(missing)}: the model never predicts them")


def _signature() -> inspect.Signature:
    """That of `train`, with the options of every network but the standard one by its name."""
    given = inspect.signature(train)
    others = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=architecture.config(),
            annotation=Annotated[
                architecture.config,
                Parameter(
                    help=(architecture.config.__doc__ or "").partition("\n")[0],
                    group=f"Recipe {name}",
                ),
            ],
        )
        for name, architecture in ARCHITECTURES.items()
        if name != STANDARD
    ]
    own = [p for p in given.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    return given.replace(parameters=[*own, *others])


train.__signature__ = _signature()  # type: ignore[attr-defined]
