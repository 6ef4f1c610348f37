"""README.md as a package index shows it: without links that lead nowhere there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)([^)]+)\)")


def for_index(text: str, *, repository: str | None) -> str:
    """Make links into the repository absolute, or where it has no address, plain text."""
    to = rf"[\1]({repository.rstrip('/')}/blob/main/\2)" if repository else r"\1"
    return _LINK.sub(to, text)


class ReadmeHook(MetadataHookInterface):
    """Hatchling's hook (``[tool.hatch.metadata.hooks.custom]``)."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": for_index(text, repository=repository),
        }
