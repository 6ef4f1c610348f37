"""``spectype train``: a network from a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from spectype.core.errors import DependencyError

try:
    from spectype.learn.augment import AugmentConfig
    from spectype.learn.networks import NetworkConfig
    from spectype.learn.recipe import Recipe, TrainConfig
except ImportError as error:
    raise DependencyError(
        f"training needs {error.name}", remedy='pip install "spectype[train]"'
    ) from error


def train(
    store: Path,
    *,
    out: Path = Path("runs/standard"),
    name: str = "",
    synthetic: tuple[Path, ...] = (),
    start_from: str = "",
    train: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),  # noqa: B008
    network: NetworkConfig = NetworkConfig(),  # noqa: B008
    augment: AugmentConfig = AugmentConfig(),  # noqa: B008
) -> int:
    """Train a network on a store; run the same command again to resume.

    The stars are split into training, validation and test; the model, calibrated on the
    validation stars, and its predictions for the test stars are written into the run's folder.

    Example: `spectype train store/ --out runs/first --epochs 60`

    Parameters
    ----------
    store
        Folder of the store.
    out
        Folder of the run.
    name
        Name of the model; by default the folder's.
    synthetic
        Stores of synthetic spectra (`gan sample`, or `build` of a simulated release): for
        training only, never for validation or test.
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
    from spectype.learn.export import export_model
    from spectype.learn.start import network_of
    from spectype.learn.training import train as train_network

    data = Store(store)
    if start_from:
        network = network_of(start_from)
    recipe = Recipe(network=network, augment=augment, train=train)
    run = train_network(
        data,
        out,
        recipe=recipe,
        synthetic=[Store(folder) for folder in synthetic],
        start_from=start_from or None,
    )
    model = export_model([run], data, run, name=name or run.resolve().name)
    missing = [t for t in "OBAFGKM" if t not in model.card["seen"]]
    if missing:
        print(f"no training spectra of {', '.join(missing)}: the model never predicts them")
    print(f"model in {run}; judge it with: spectype evaluate {run}")
    return 0
