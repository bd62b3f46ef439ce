"""Urgent messages among those that wait: found where their actor takes none for now."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Container

    from supervision.eventloop.cell import Cell

LOOK_FROM = 8
"""Messages from which it is kept how far a mailbox has been looked through."""


def waits(cell: Cell, urgent: Container[type]) -> bool:
    """Whether a handler that begins to wait has an urgent message behind it.

    An actor may do so for each of many messages: what was looked at once is not looked at again.
    What comes while it waits gets through by itself.
    """
    mailbox = cell.mailbox
    if not mailbox:
        return False
    if len(mailbox) < LOOK_FROM:
        return any(type(message) in urgent for message, _, _ in mailbox)
    # Counted from the actor's first message on, those that were dropped among them.
    end = cell.handled + cell.overflows + len(mailbox)
    new = end - getattr(cell.actor, "_looked_through", 0)
    if new <= 0:
        return False
    for message, _, _ in islice(reversed(mailbox), new):
        if type(message) in urgent:
            return True
    cell.actor._looked_through = end  # type: ignore[union-attr]  # noqa: SLF001 - only where used
    return False


def lift(cell: Cell, urgent: Container[type]) -> list[tuple[Any, Any]]:
    """Take the urgent messages out of a mailbox.

    Returns:
        Each with its sender, in the order they came.
    """
    mailbox = cell.mailbox or ()
    lifted = [(message, sender) for message, sender, _ in mailbox if type(message) in urgent]
    if not lifted:
        return lifted
    if isinstance(mailbox, tuple):
        cell.mailbox = None
        return lifted
    left = [entry for entry in mailbox if type(entry[0]) not in urgent]
    mailbox.clear()
    mailbox.extend(left)
    if not left:
        cell.mailbox = None
    return lifted
