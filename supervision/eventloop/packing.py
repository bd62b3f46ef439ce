"""Typed records in few bytes: msgpack without the names of the record's fields."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, get_type_hints

import msgspec


class _Format:
    """How the values of one type are written.

    Args:
        kind: the type, as msgspec knows it.
    """

    def __init__(self, kind: Any) -> None:
        self._fields: tuple[str, ...] | None = None
        self._kind = kind
        written = kind
        if _is_plain_record(kind):
            self._fields = kind.__struct_fields__
            hints = get_type_hints(kind, include_extras=True)
            written = tuple[tuple(hints[name] for name in self._fields)]  # type: ignore[misc]
        self._decoder = msgspec.msgpack.Decoder(written)

    def encode(self, value: Any) -> bytes:
        """The bytes of a value."""
        parts = value if self._fields is None else msgspec.structs.astuple(value)
        return msgspec.msgpack.encode(parts)

    def decode(self, packed: bytes) -> Any:
        """The value again."""
        decoded = self._decoder.decode(packed)
        if self._fields is None:
            return decoded
        return self._kind(**dict(zip(self._fields, decoded, strict=True)))


def _is_plain_record(kind: Any) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, msgspec.Struct)
        and not getattr(kind, "__parameters__", ())
        and bool(kind.__struct_fields__)
    )


@lru_cache
def _format_of(kind: Any) -> _Format:
    return _Format(kind)


def pack(value: Any, kind: Any) -> bytes:
    """Write a value in few bytes.

    Args:
        value: to be packed.
        kind: its type, as msgspec knows it.

    Raises:
        ValueError: what was read again would not be the same: a field holds what its type does
            not say.
        TypeError: msgspec cannot write it.
    """
    form = _format_of(kind)
    packed = form.encode(value)
    if form.decode(packed) != value:
        raise ValueError(f"a {type(value).__name__} does not come back as it was")
    return packed


def unpack(packed: bytes, kind: Any) -> Any:
    """Read what ``pack`` wrote.

    Raises:
        msgspec.DecodeError: it is no value of that type.
    """
    return _format_of(kind).decode(packed)
