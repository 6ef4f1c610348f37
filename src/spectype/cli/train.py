"""``spectype train``: a network from a store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from spectype.core.errors import UsageError
from spectype.learn.recipe import AugmentConfig, NetworkConfig, Recipe, TrainConfig
from spectype.study.recipes import ReferenceConfig

if TYPE_CHECKING:
    from spectype.classify.runtime import Model
    from spectype.dataset.store import Store


def train(
    store: Path,
    *,
    out: Path | None = None,
    name: str = "",
    recipe: Literal["standard", "reference"] = "standard",
    repeats: int = 1,
    synthetic: tuple[Path, ...] = (),
    generate: str = "OB",
    start_from: str = "",
    train: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),  # noqa: B008
    network: NetworkConfig = NetworkConfig(),  # noqa: B008
    augment: AugmentConfig = AugmentConfig(),  # noqa: B008
    reference: ReferenceConfig = ReferenceConfig(),  # noqa: B008
) -> int:
    """Train a network on a store; run the same command again to resume.

    The stars are split into training, validation and test; the model, calibrated on the
    validation stars, and its predictions for the test stars are written into the run's folder.

    Example: `spectype train store/ --out runs/first --epochs 60`

    `--recipe reference` trains the network of the 2022 study instead, convolving along
    wavelength as it meant to, or as it was published with `--reference.as-published`. Its
    epochs, batch and learning rate are under --reference; of the standard recipe's options it
    takes the split, the seeds, the device and the threads.

    Parameters
    ----------
    store
        Folder of the store.
    out
        Folder of the run; by default runs/ and the recipe's name.
    name
        Name of the model; by default the folder's.
    recipe
        standard or reference.
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
    reference
        The study's network and its training.
    """
    from spectype.dataset.store import Store
    from spectype.generate.fill import fill_rare
    from spectype.learn.export import export_model
    from spectype.learn.start import network_of
    from spectype.learn.training import train as train_network

    data, folder = Store(store), out or Path("runs") / recipe
    extra = [Store(place) for place in synthetic]
    if recipe == "reference":
        if start_from:
            raise UsageError("the reference recipe starts from nothing: leave out --start-from")
        return _train_reference(
            data, folder, name=name, repeats=repeats, config=reference, train=train, extra=extra
        )
    if repeats != 1:
        raise UsageError("--repeats belongs to --recipe reference")
    if start_from:
        network = network_of(start_from)
    if generate and not extra:
        made = fill_rare(data, folder, train, types=generate)
        extra = [] if made is None else [made]
    run = train_network(
        data,
        folder,
        recipe=Recipe(network=network, augment=augment, train=train),
        synthetic=extra,
        start_from=start_from or None,
    )
    model = export_model([run], data, run, name=name or run.resolve().name)
    _say_unseen(model)
    print(f"model in {run}; judge it with: spectype evaluate {run}")
    return 0


def _train_reference(
    data: Store,
    folder: Path,
    *,
    name: str,
    repeats: int,
    config: ReferenceConfig,
    train: TrainConfig,
    extra: Sequence[Store],
) -> int:
    from spectype.learn.export import export_model
    from spectype.study.training import repeat_reference

    found = repeat_reference(
        data, folder, repeats=repeats, config=config, train=train, synthetic=extra
    )
    for run in map(Path, found["runs"]):
        model = export_model([run], data, run, name=name or run.resolve().name)
        print(f"model in {run}; judge it with: spectype evaluate {run}")
    _say_unseen(model)
    for what, mean in found["mean"].items():
        spread = found["standard_deviation"][what]
        print(f"{what}: {mean:.4f}" + ("" if spread is None else f" +- {spread:.4f}"))
    print(f"on test stars, {repeats} split{'s' if repeats > 1 else ''}: {folder / 'repeats.json'}")
    return 0


def _say_unseen(model: Model) -> None:
    missing = [t for t in "OBAFGKM" if t not in model.card["seen"]]
    if missing:
        print(f"no training spectra of {', '.join(missing)}: the model never predicts them")
