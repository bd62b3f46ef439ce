"""What may be told of a message without telling what is in it: its type and its field names."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from msgspec import Struct

from supervision._thespian import ActorSystemMessage

MOST_NAMES = 12
"""Field names that are told; a message with more is told to have them."""


def shape_of(message: Any) -> str:
    """Name the type of a message and its fields, never a value: values may be secrets.

    Args:
        message: anything that one actor sends another.

    Returns:
        ``Open(call, ani)`` for a record, ``dict[3]`` for a container, else the type's name.
    """
    kind = type(message).__name__
    names = _names(message)
    if names is not None:
        more = ", ..." if len(names) > MOST_NAMES else ""
        return f"{kind}({', '.join(names[:MOST_NAMES])}{more})"
    if isinstance(message, dict | list | tuple | set | frozenset):
        return f"{kind}[{len(message)}]"
    return kind


def _names(message: Any) -> tuple[str, ...] | None:
    """The fields of a record; None for what is none."""
    if isinstance(message, ActorSystemMessage):
        return None  # the node's own: its name says it all
    if isinstance(message, Struct):
        return message.__struct_fields__
    if is_dataclass(message) and not isinstance(message, type):
        return tuple(field.name for field in fields(message))
    if isinstance(message, tuple) and hasattr(message, "_fields"):
        named: tuple[str, ...] = message._fields
        return named
    return None
