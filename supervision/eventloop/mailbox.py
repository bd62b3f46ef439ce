"""Bounds of mailboxes and what happens when one is full."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from supervision._thespian import ActorAddress, ActorSystemMessage

Overflow = Literal["reject", "drop_oldest", "drop_newest", "wait"]


class MailboxPolicy(msgspec.Struct, frozen=True):
    """The bound of a mailbox.

    Attributes:
        limit: messages that may wait; 0 is no bound.
        overflow: what happens to one more: ``reject`` gives it back to its sender
            (``Rejected``, or ``MailboxFull`` for a call), ``drop_oldest`` and ``drop_newest``
            make the older or the newer one a dead letter, ``wait`` holds an asynchronous
            sender (``send_wait``) until there is room and rejects the others.
    """

    limit: int = 0
    overflow: Overflow = "reject"


UNBOUNDED = MailboxPolicy()


class Rejected(ActorSystemMessage):  # type: ignore[misc]
    """Given back to a sender whose message found a full mailbox.

    Attributes:
        address: of the actor whose mailbox is full.
        message: the message, untouched.
        limit: the bound that was met.
    """

    def __init__(self, address: ActorAddress, message: Any, limit: int) -> None:
        self.address = address
        self.message = message
        self.limit = limit

    def __repr__(self) -> str:
        return f"Rejected({self.address!r}, {type(self.message).__name__}, limit={self.limit})"
