"""When two of a peer's messages are the same one (contract 4), as pure functions.

Framing B has no numbers and no replay: routing is the same by (applicationID, crossRefIdentifier),
an event by (monitorCrossRefID, call, event, time).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from protocols.cti.messages import CallEvent

SEPARATOR = "/"

EventKey: TypeAlias = tuple[str, str, str, float]


def dialogue(application: str, cross_ref: str) -> str:
    """Name a routing dialogue among those of all applications; framing A's ``xref``.

    Args:
        application: the peer's applicationID.
        cross_ref: its crossRefIdentifier, often a small number.
    """
    return f"{application}{SEPARATOR}{cross_ref}"


def cross_ref(application: str, xref: str) -> str:
    """The crossRefIdentifier of a dialogue of an application; the inverse of ``dialogue``.

    Raises:
        ValueError: the dialogue is another application's.
    """
    prefix = application + SEPARATOR
    if not xref.startswith(prefix):
        raise ValueError(f"not a dialogue of {application}")
    return xref[len(prefix) :]


def event_key(monitor: str, event: CallEvent, time: float) -> EventKey:
    """What two tellings of one event have in common.

    Args:
        monitor: the monitorCrossRefID.
        event: what happened to which call.
        time: when the peer says that it happened, seconds since the epoch.
    """
    return (monitor, event.call, event.ev, time)


class Seen(Struct):
    """The events that were told last.

    Attributes:
        limit: how many are remembered.
        keys: theirs, the oldest first.
    """

    limit: int
    keys: dict[EventKey, None] = field(default_factory=dict)


def seen(memory: Seen, key: EventKey) -> bool:
    """Tell whether an event was told before, as far back as is remembered."""
    return key in memory.keys


def remember(memory: Seen, key: EventKey) -> None:
    """Remember an event, and forget the oldest beyond the limit."""
    if memory.limit <= 0:
        return
    memory.keys[key] = None
    while len(memory.keys) > memory.limit:
        del memory.keys[next(iter(memory.keys))]
