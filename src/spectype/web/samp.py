"""SAMP: tables sent to TOPCAT and other programs on this machine, rows highlighted there and here.

The hub is the user's own, found by its lock file; we listen on the loopback alone. What another
program says can do one thing: name a row of a table that we sent.

References
----------
Taylor et al. (2012), Simple Application Messaging Protocol 1.3, IVOA Recommendation.
"""

from __future__ import annotations

import secrets
import tempfile
import warnings
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import spectype
from spectype.core.errors import SpectypeError, UsageError

HIGHLIGHT = "table.highlight.row"
_HERE = "127.0.0.1"


class Samp:
    """Our side of a hub: connected when the user asks for it, left when the server ends."""

    def __init__(self) -> None:
        self._client: Any = None
        self._sent: dict[str, NDArray[np.int64]] = {}  # table-id to the numbers of its rows
        self._files: tempfile.TemporaryDirectory[str] | None = None  # readable by the user alone
        self._lock = Lock()
        self._heard = (0, -1)  # how many rows were highlighted elsewhere; the last one

    @property
    def connected(self) -> bool:
        """Whether a hub knows us."""
        try:
            return self._client is not None and bool(self._client.is_connected)
        except Exception:  # the hub has gone
            return False

    def connect(self) -> None:
        """Register with the hub that is running.

        Raises
        ------
        UsageError
            If there is none.
        """
        if self.connected:
            return
        module = _module()
        client = module.SAMPIntegratedClient(
            name="spectype",
            description="stellar spectra and their types",
            metadata={"spectype.version": spectype.__version__},
            addr=_HERE,
        )
        try:
            # Or it would ask an outside address whether there is a network.
            with module.conf.set_temp("use_internet", False):
                client.connect()
        except Exception as error:  # astropy raises many kinds, sockets others
            raise UsageError(
                f"no SAMP hub answers: {error}", remedy="start TOPCAT, which brings one"
            ) from error
        client.bind_receive_notification(HIGHLIGHT, self._notified)
        client.bind_receive_call(HIGHLIGHT, self._called)
        self._client = client

    def disconnect(self) -> None:
        """Leave the hub, if we are with one."""
        client, self._client = self._client, None
        if client is not None:
            try:
                client.disconnect()
            except Exception:  # a hub that has gone needs no farewell
                return

    def close(self) -> None:
        """Leave the hub and remove what was sent."""
        self.disconnect()
        if self._files is not None:
            self._files.cleanup()

    def send(self, table: Any, rows: ArrayLike, *, name: str) -> dict[str, Any]:
        """Send rows of our table to whoever takes tables.

        Parameters
        ----------
        table : polars.DataFrame
            The rows.
        rows : array_like, shape (n,)
            Their numbers in our table.
        name : str
            What the table is called there.

        Returns
        -------
        dict
            ``id`` of the table, ``sent`` to how many programs.
        """
        from spectype.classify.output import write_table

        client = self._ready()
        ident = f"spectype-{secrets.token_hex(6)}"
        with self._lock:
            if self._files is None:
                self._files = tempfile.TemporaryDirectory(prefix="spectype-samp-")
            path = Path(self._files.name) / f"{ident}.fits"
            self._sent[ident] = np.asarray(rows, dtype=np.int64)
        write_table(table, path)
        message = {
            "samp.mtype": "table.load.fits",
            "samp.params": {"url": path.as_uri(), "table-id": ident, "name": name},
        }
        return {"id": ident, "sent": len(_tell(client, message))}

    def highlight(self, row: int) -> int:
        """Highlight a row of ours in every table that we sent with it; to how many programs."""
        client, told = self._ready(), 0
        for ident, rows in list(self._sent.items()):
            for place in np.flatnonzero(rows == row)[:1]:
                params = {"table-id": ident, "row": str(int(place))}
                told += len(_tell(client, {"samp.mtype": HIGHLIGHT, "samp.params": params}))
        return told

    def state(self) -> dict[str, Any]:
        """What the page asks for again and again."""
        count, row = self._heard
        return {"connected": self.connected, "count": count, "row": row if count else None}

    def _ready(self) -> Any:
        if not self.connected:
            raise UsageError("not connected to a SAMP hub", remedy="connect first")
        return self._client

    def _heard_of(self, params: dict[str, Any]) -> None:
        rows = self._sent.get(str(params.get("table-id", "")))
        try:
            place = int(params["row"])
        except (KeyError, TypeError, ValueError):
            return
        if rows is not None and 0 <= place < len(rows):
            with self._lock:
                self._heard = (self._heard[0] + 1, int(rows[place]))

    def _notified(
        self, key: str, sender: str, mtype: str, params: dict[str, Any], extra: dict[str, Any]
    ) -> None:
        self._heard_of(params)

    def _called(
        self, key: str, sender: str, id: str, mtype: str, params: dict[str, Any], extra: Any
    ) -> None:
        self._heard_of(params)
        self._client.reply(id, {"samp.status": "samp.ok", "samp.result": {}})


def _tell(client: Any, message: dict[str, Any]) -> list[str]:
    try:
        return list(client.notify_all(message) or [])
    except Exception as error:
        raise SpectypeError(f"the SAMP hub does not answer: {error}") from error


def _module() -> ModuleType:
    """``astropy.samp``, or where astropy has it no longer its successor ``pyvo.samp``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # astropy 8 announces the move; we know
        try:
            from astropy import samp
        except ImportError:
            from pyvo import samp
    found: ModuleType = samp
    return found
