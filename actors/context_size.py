"""How large and how old the sessions that live are: ``context`` among the reference tables."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from actors.call_session import CallSession
from actors.session_opening import TIME_DIGITS
from actors.session_unread import Unread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.session_data import Session
    from actors.session_pool import SessionPool

SAMPLE = 16
"""Sessions whose size is looked at; all of them would hold the loop."""

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode  # user data may hold anything


class ContextSize(Struct, frozen=True):
    """What is told of the sessions that live.

    Attributes:
        rows: how many there are.
        bytes: that they take as they travel, estimated from some of them.
        opened: when the first of them was opened, seconds since the epoch; None without any.
    """

    rows: int = 0
    bytes: int = 0
    opened: float | None = None


def context_size(pool: SessionPool) -> ContextSize:
    """Measure the sessions that live.

    Args:
        pool: the table of them.
    """
    rows = pool.count()
    if not rows:
        return ContextSize()
    first = str(next(iter(pool.children)))
    sizes = list(_sizes(pool))
    mean = sum(sizes) / len(sizes) if sizes else 0.0
    return ContextSize(rows, round(mean * rows), int(first[:TIME_DIGITS], 16) / 1000)


def _sizes(pool: SessionPool) -> Iterator[int]:
    """Bytes of the first sessions; of those between two lives nothing is known now."""
    for child in islice(pool.children.values(), SAMPLE):
        cell = child.address.cell
        session = None if cell is None else cell.actor
        if isinstance(session, CallSession):
            yield _size(session.data)


def _size(data: Session | Unread) -> int:
    return len(data.body if type(data) is Unread else _encode(data))
