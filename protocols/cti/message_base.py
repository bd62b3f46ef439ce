"""What all messages of the CTI link are made of: names, texts, times, and their common part."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from msgspec import Meta, Struct

MAX_NAME_CHARS = 255
MAX_TEXT_CHARS = 1_024
MAX_LIST_ITEMS = 1_000
MAX_EPOCH_S = 253_402_300_799.0
"""The last second of the year 9999: beyond it a time cannot be shown as a date."""

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
"""What identifies something: a call, a routing point, a target."""

Text: TypeAlias = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
"""Text that identifies nothing; it may be empty."""

Names: TypeAlias = Annotated[list[Name], Meta(max_length=MAX_LIST_ITEMS)]
Time: TypeAlias = Annotated[float, Meta(ge=0, le=MAX_EPOCH_S)]
Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**31 - 1)]

UserData: TypeAlias = dict[str, Any]
"""A call's business data: values that JSON can carry. Its size is checked by `parsing`."""


class Message(Struct, tag_field="t", kw_only=True, frozen=True, omit_defaults=True):
    """What every message has.

    Attributes:
        i: its number in its direction, from 1; 0 when it has none (a `hello`, or not sent yet).
    """

    i: Annotated[int, Meta(ge=0)] = 0
