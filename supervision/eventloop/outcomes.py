"""What became of a start, what asks for an end, and what a parent is told of it."""

from __future__ import annotations

from typing import Any

import msgspec

from supervision._thespian import ActorSystemMessage
from supervision.eventloop.cell import LocalAddress
from supervision.reasons import Reason


class Started(msgspec.Struct, frozen=True):
    """The actor runs.

    Attributes:
        address: of the actor.
        info: what its ``init`` told with ``Info``; None where it told nothing.
    """

    address: LocalAddress
    info: Any = None


class Ignored(msgspec.Struct, frozen=True):
    """``init`` asked to be left out."""


class Failed(msgspec.Struct, frozen=True):
    """The actor did not start."""

    reason: Reason


Outcome = Started | Ignored | Failed


class ChildExited(ActorSystemMessage, msgspec.Struct, eq=False):  # type: ignore[misc]
    """Told to a managed parent when a child has ended without having been asked by it.

    Attributes:
        address: of the child.
        incarnation: which of the actors behind that address it was.
        reason: why it ended.
    """

    address: LocalAddress
    incarnation: int
    reason: Reason


class StopRequest(ActorSystemMessage):  # type: ignore[misc]
    """Asks an actor to end when its turn comes: after what waits before it in the mailbox."""

    __slots__ = ("reason",)

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
