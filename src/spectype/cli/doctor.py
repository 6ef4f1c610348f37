"""``spectype doctor``: what is installed and what works."""

from __future__ import annotations

import platform
import sys
from importlib import metadata, util

BASE = ("numpy", "scipy", "astropy", "isal", "polars", "onnxruntime", "matplotlib", "urllib3")
EXTRAS = {
    "specutils": ("specutils",),
    "train": ("torch", "safetensors", "sklearn", "onnx"),
    "keyring": ("keyring",),
    "bench": ("pandas", "psutil"),
}


def doctor(*files: str) -> int:
    """Say which parts of spectype work on this machine; or explain FILES in words and type them.

    Of a file it says the container, the survey, which column was taken for what, the frame and
    whether it was assumed, the rows, and how much of each is usable.

    Example: `spectype doctor spectrum.fits`

    Parameters
    ----------
    files
        Files to explain; without any, the installation is looked at.
    """
    return _explain(files) if files else _installation()


def _explain(files: tuple[str, ...]) -> int:
    """Explain and type files; 1 where none can be read."""
    from spectype.classify.runtime import load_model
    from spectype.core.errors import SpectypeError
    from spectype.surveys import read
    from spectype.surveys.explain import explain

    model, readable = load_model(), 0
    for file in files:
        try:
            print("\n".join(explain(file)))
        except SpectypeError as error:  # explained as far as it could be opened: not at all
            print(error)
            continue
        try:
            table = model.predict(read(file))
        except SpectypeError:
            continue
        readable += 1
        for i, row in enumerate(table.head(8).to_dicts()):
            print(f"  [{i}] type {row['type']} {row['flag_names']}".rstrip())
    return 0 if readable else 1


def _installation() -> int:
    """Say what is installed and whether the shipped model loads."""
    import spectype

    print(
        f"spectype {spectype.__version__}, Python {platform.python_version()}, "
        f"{platform.machine()} {sys.platform}"
    )
    missing = [name for name in BASE if not _show(name)]
    for extra, modules in EXTRAS.items():
        if [name for name in modules if not _show(name)]:
            print(f'   the extra is not complete: pip install "spectype[{extra}]"')
    if util.find_spec("torch") is not None:
        import torch

        devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        print(f"training devices: cpu{''.join(', ' + name for name in devices)}")
    if missing:
        print(f"missing from the base install: {', '.join(missing)}; run pip install spectype")
        return 1
    from spectype.classify.runtime import load_model

    model = load_model()
    print(
        f"shipped model: {model.name}, {model.wave.size} pixels, "
        f"{model.wave[0]:.0f}-{model.wave[-1]:.0f} A"
    )
    return 0


def _show(module: str) -> bool:
    found = util.find_spec(module) is not None
    distribution = {"sklearn": "scikit-learn"}.get(module, module)
    print(f"  {distribution:14s} {metadata.version(distribution) if found else 'not installed'}")
    return found
