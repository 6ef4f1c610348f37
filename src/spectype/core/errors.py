"""Errors that name the file, what is wrong with it and what to do."""

from __future__ import annotations

from pathlib import Path


class SpectypeError(Exception):
    """Base of every error that spectype raises on purpose.

    Parameters
    ----------
    problem : str
        What is wrong, in a few words, without a full stop.
    path : path-like, optional
        The file or folder it is about.
    remedy : str, optional
        What the user can do.

    Notes
    -----
    The command line prints ``str(error)`` and exits with ``exit_code``.
    """

    exit_code = 1

    def __init__(
        self, problem: str, *, path: str | Path | None = None, remedy: str | None = None
    ) -> None:
        self.problem = problem
        self.path = None if path is None else str(path)
        self.remedy = remedy
        super().__init__(problem)

    def __str__(self) -> str:
        text = self.problem if self.path is None else f"{self.path}: {self.problem}"
        return text if self.remedy is None else f"{text} ({self.remedy})"

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments survive the trip through a process pool.
        return (_rebuild, (type(self), self.problem, self.path, self.remedy))


def _rebuild(
    cls: type[SpectypeError], problem: str, path: str | None, remedy: str | None
) -> SpectypeError:
    return cls(problem, path=path, remedy=remedy)


class UsageError(SpectypeError):
    """The request itself is wrong: an impossible option, a missing input, no place to write."""

    exit_code = 2


class ArgumentError(UsageError, ValueError):
    """An argument of a call from Python is wrong; its name is the ``path``."""


class Interrupted(SpectypeError):
    """A signal ended the work; the exit status is the shell's, 128 and its number."""

    def __init__(
        self,
        problem: str,
        *,
        signal: int = 2,
        path: str | Path | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem, path=path, remedy=remedy)
        self.exit_code = 128 + signal


class ReadError(SpectypeError):
    """A file cannot be read as a spectrum."""


class DataError(SpectypeError):
    """A table, store, manifest or model is not what it should be."""


class DependencyError(SpectypeError):
    """An optional dependency is missing; the remedy names the extra to install."""
