"""An Arrow schema that says what its fields hold, without pyarrow.

References
----------
Apache Arrow, "The Arrow C data interface": the structure ``ArrowSchema`` and the bytes of its
metadata, both fixed for good.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_CAPSULE = b"arrow_schema"
_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.restype = ctypes.c_void_p
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


class _ArrowSchema(ctypes.Structure):
    """The head of ``ArrowSchema``, as far as it is needed."""


_ArrowSchema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_void_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_ArrowSchema))),
]


class Described:
    """A polars schema that carries metadata, for ``write_parquet(arrow_schema=)``.

    Parameters
    ----------
    schema : polars.Schema
        Names and types of the columns.
    fields : mapping of str to mapping of str to str
        What each says, by name; a column that is not in it says nothing.
    whole : mapping of str to str
        What the schema itself says. pyarrow shows this of a file, not the file's own metadata.
    """

    def __init__(
        self,
        schema: pl.Schema,
        fields: Mapping[str, Mapping[str, str]],
        whole: Mapping[str, str] | None = None,
    ) -> None:
        self._schema = schema
        # Kept as long as this object: whatever takes a schema copies the bytes at once.
        self._whole = ctypes.create_string_buffer(_encoded(whole or {}))
        self._fields = [ctypes.create_string_buffer(_encoded(fields.get(n, {}))) for n in schema]

    def __arrow_c_schema__(self) -> Any:
        """The schema as polars exports it, with the metadata put in."""
        capsule = self._schema.__arrow_c_schema__()
        struct = _ArrowSchema.from_address(_pointer(capsule, _CAPSULE))
        struct.metadata = ctypes.addressof(self._whole)
        for place, said in enumerate(self._fields):
            struct.children[place].contents.metadata = ctypes.addressof(said)
        return capsule


def _encoded(said: Mapping[str, str]) -> bytes:
    """Number of pairs, then length and bytes of each key and value."""
    words = [word.encode() for pair in said.items() for word in pair]
    return struct.pack("=i", len(said)) + b"".join(struct.pack("=i", len(w)) + w for w in words)
