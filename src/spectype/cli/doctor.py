"""``spectype doctor``: what is installed and what works."""

from __future__ import annotations

import platform
import sys
from importlib import metadata, util

BASE = ("numpy", "scipy", "astropy", "isal", "polars", "onnxruntime", "matplotlib", "urllib3")
EXTRAS = {
    "train": ("torch", "safetensors", "sklearn", "onnx"),
    "keyring": ("keyring",),
    "bench": ("pandas", "psutil"),
}


def doctor() -> int:
    """Say which parts of spectype work on this machine, and what the others need.

    Example: `spectype doctor`
    """
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
