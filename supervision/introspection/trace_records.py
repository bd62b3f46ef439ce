"""What is shown of traces, as plain data."""

from __future__ import annotations

from msgspec import Struct

from supervision.introspection.events import SystemEvent


class TraceRow(Struct, frozen=True, kw_only=True):
    """A trace: what was asked for, and how far it is.

    Attributes:
        id: its name.
        path: the actor, or the one above those that are traced.
        messages: events after which it ends.
        seconds: after which it ends.
        under: whether those below the path are traced too.
        of_class: the only class that is traced; None is every one.
        started: seconds since the epoch.
        actors: how many are watched now.
        more: whether there are more that would have been, had there been room.
        events: how many were told.
        ended: why it has ended: ``messages``, ``seconds``, ``stopped``, or ``actors`` when none
            is left; None while it runs.
        by: who asked for it.
        reason: why.
    """

    id: str
    path: str
    messages: int
    seconds: float
    under: bool = False
    of_class: str | None = None
    started: float
    actors: int = 0
    more: bool = False
    events: int = 0
    ended: str | None = None
    by: str = ""
    reason: str = ""


class TraceEvents(Struct, frozen=True, kw_only=True):
    """Some events of a trace, in order.

    Attributes:
        next: how many are known with these: what to ask for next.
    """

    trace: TraceRow
    items: list[SystemEvent]
    next: int
