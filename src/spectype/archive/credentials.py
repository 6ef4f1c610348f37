"""The user's own token: from the environment or the keyring, and never shown."""

from __future__ import annotations

import os
from urllib.parse import SplitResult

VARIABLE = "LAMOST_TOKEN"
_SERVICE, _ACCOUNT = "spectype", "lamost"


class Token:
    """A secret that does not print.

    Parameters
    ----------
    value : str
        The secret.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the request that needs it and nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Token(***)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a token is not written to files or sent to other processes")


def find_token() -> Token | None:
    """The token in ``LAMOST_TOKEN``, else in the keyring (service spectype, user lamost)."""
    value = os.environ.get(VARIABLE, "").strip()
    if value:
        return Token(value)
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        found = keyring.get_password(_SERVICE, _ACCOUNT)
    except (keyring.errors.KeyringError, RuntimeError):
        return None  # no keyring on this machine: public data need no token
    return Token(found) if found else None


def may_have_token(url: SplitResult) -> bool:
    """Whether the token may go to this address: LAMOST's own servers, encrypted."""
    host = (url.hostname or "").lower()
    return url.scheme == "https" and (host == "lamost.org" or host.endswith(".lamost.org"))
