"""What a takeover is bounded by, and what is told of one."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from supervision.eventloop.managed import Straggler


class TakeoverLimits(Struct, frozen=True):
    """How long each stage may take, and how much at once.

    Attributes:
        hello_s: seconds from a connection to its agreement.
        drain_s: seconds that what is under way has to end, while the node still serves.
        quiet_s: seconds that what has been read has to be handled, once nothing more is read.
        freeze_s: seconds from there until the other side has everything.
        slice_items: items that travel between two events of the node.
        slice_s: seconds that they may hold the loop.
        few: items due that do not delay the freeze.
        rounds: how often what has changed meanwhile travels before it is told to be enough.
        frame_bytes: the longest message between the two.
        buffer_bytes: what waits to be sent before the side that gives waits too.
        forward_bytes: what waits to be forwarded to a shadow before more is dropped.
        stragglers: what becomes of handlers that wait at the freeze, where their actors say
            nothing else (``ManagedActor.straggler``).
        freeze_key: what operators know ``freeze_s`` by, who may have set it too low.
    """

    hello_s: float = 5.0
    drain_s: float = 1.0
    quiet_s: float = 0.1
    freeze_s: float = 5.0
    slice_items: int = 250
    slice_s: float = 0.001
    few: int = 200
    rounds: int = 10
    frame_bytes: int = 256 * 1024 * 1024
    buffer_bytes: int = 1024 * 1024
    forward_bytes: int = 8 * 1024 * 1024
    stragglers: Straggler = "redeliver"
    freeze_key: str = "freeze_s"


class CopiedOnce(Struct, frozen=True):
    """Everything has travelled once, and what changes meanwhile follows.

    Attributes:
        copy_s: seconds that it took.
        items: that travelled, those that did so again among them.
        sent_bytes: of them.
        rounds: over what had changed meanwhile, the first one included.
        due: items that were left.
    """

    copy_s: float
    items: int
    sent_bytes: int
    rounds: int
    due: int


class Frozen(Struct, frozen=True):
    """The side that gives has given everything, and stands still.

    Attributes:
        counts: items of each bulk.
        crc: of every byte that was sent (CRC-32).
        drain_ms: that what was under way had to end, while the node still served.
        freeze_ms: from the last input until the other side had everything.
        stragglers: what was not done with, and what became of it; for operators.
        more: what the parts tell besides, and measures of the copy.
    """

    counts: dict[str, int]
    crc: int
    drain_ms: float
    freeze_ms: float
    stragglers: list[str]
    more: dict[str, Any]


class Prepared(Struct, frozen=True):
    """The side that takes has everything, and has touched nothing.

    Attributes:
        counts: items of each bulk.
        crc: of every byte that was received (CRC-32).
        dropped: parts that this side does without.
        new: parts that the other side knows nothing of.
    """

    counts: dict[str, int]
    crc: int
    dropped: tuple[str, ...] = ()
    new: tuple[str, ...] = ()


class Switched(Struct, frozen=True):
    """The side that takes serves.

    Attributes:
        counts: items of each bulk.
        pause_ms: from the last input that the other side took.
        more: what the parts tell besides.
    """

    counts: dict[str, int]
    pause_ms: float
    more: dict[str, Any]
