"""Things by name: those that spectype brings, and those of any installed package.

A package adds to a registry by an entry point in its ``pyproject.toml``, for instance

    [project.entry-points."spectype.networks"]
    mine = "my_package.network:ARCHITECTURE"
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar, cast

from spectype.core.errors import DependencyError, SpectypeError, UsageError

Thing = TypeVar("Thing")
log = logging.getLogger("spectype")


class Registry(Generic[Thing]):
    """Things of one sort by name.

    Parameters
    ----------
    noun : str
        What they are, for messages.
    group : str
        The group of entry points by which packages add theirs. They are loaded when they are
        asked for.
    """

    def __init__(self, noun: str, *, group: str) -> None:
        self.noun, self.group = noun, group
        self._own: dict[str, Thing] = {}

    def add(self, name: str, thing: Thing) -> Thing:
        """Register a thing; one of that name is replaced. Returns the thing."""
        self._own[name] = thing
        return thing

    def names(self) -> list[str]:
        """All names, spectype's own first."""
        return [*self._own, *self._outside()]

    def get(self, name: str) -> Thing:
        """The thing of this name.

        Raises
        ------
        UsageError
            If there is none.
        DependencyError
            If it cannot be imported.
        """
        if name in self._own:
            return self._own[name]
        outside = self._outside()
        if name not in outside:
            raise UsageError(
                f"unknown {self.noun} {name!r}",
                remedy=f"{', '.join(self.names())}, or install the package that brings it",
            )
        try:
            return self.add(name, cast(Thing, outside[name].load()))
        except (ImportError, AttributeError) as error:
            raise DependencyError(
                f"the {self.noun} {name!r} ({outside[name].value}) cannot be loaded: {error}",
                remedy="repair or remove the package that brings it",
            ) from error

    def items(self) -> Iterator[tuple[str, Thing]]:
        """Names and things; one that cannot be imported is passed over with a warning."""
        for name in self.names():
            try:
                yield name, self.get(name)
            except SpectypeError as error:
                log.warning("%s", error)

    def _outside(self) -> dict[str, EntryPoint]:
        found = entry_points(group=self.group)
        return {entry.name: entry for entry in found if entry.name not in self._own}
