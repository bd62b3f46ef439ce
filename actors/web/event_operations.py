"""The stream of what happens in the node."""

from __future__ import annotations

from typing import Any, get_args

from msgspec import Struct, convert, json

from actors import metrics
from actors.web.api import Call, Operation, Reply, operation
from actors.web.event_hub import KINDS, Event, EventHub, EventKind, Subscription
from actors.web.problems import TOO_MANY_STREAMS
from actors.web.shown import shown
from protocols.http import media, problem, sse

KEEPALIVE_S = 15.0
RECONNECT_MS = 1_000


class EventsQuery(Struct, frozen=True):
    """Which events: kinds separated by commas; all of them when left out."""

    kinds: str | None = None


class EventRow(Struct, frozen=True, kw_only=True):
    """One event: its id in the stream, its kind, when it happened, and what."""

    id: str
    kind: EventKind
    at: float
    data: Any


class LatestEvents(Struct, frozen=True):
    """The latest events that are still known, the oldest first."""

    items: list[EventRow]


class EventStream:
    """A subscription as Server-Sent Events.

    Args:
        subscription: The events to send; closed with the stream.
        epoch: Epoch of the hub they come from, for their ids.
        keepalive_s: Seconds of quiet after which a comment is sent.
    """

    def __init__(self, subscription: Subscription, epoch: str, keepalive_s: float) -> None:
        self._subscription = subscription
        self._epoch = epoch
        self._keepalive_s = keepalive_s
        self._opening: bytes | None = sse.retry(RECONNECT_MS)

    async def chunk(self) -> bytes | None:
        """The events since the last chunk, or a comment when it has been quiet."""
        if self._opening is not None:
            opening, self._opening = self._opening, None
            return opening
        if not await self._subscription.wait(self._keepalive_s):
            return sse.KEEPALIVE
        missed, events = self._subscription.take()
        return self._gap(missed) + b"".join(map(self._format, events))

    def close(self) -> None:
        """Leave the hub."""
        self._subscription.close()

    def _gap(self, missed: int | None) -> bytes:
        if missed == 0:
            return b""
        if missed is not None:
            metrics.EVENTS_DROPPED.inc(missed)
        return sse.event("gap", json.encode({"missed": missed}).decode())

    def _format(self, event: Event) -> bytes:
        row = _row(event, self._epoch)
        return sse.event(event.kind, json.encode(row).decode(), event_id=row.id)


def _row(event: Event, epoch: str) -> EventRow:
    return EventRow(
        id=sse.make_id(epoch, event.number),
        kind=event.kind,
        at=event.at,
        data=shown(event.data),
    )


@operation(
    "GET",
    "/api/v1/events",
    scopes=("viewer",),
    query=EventsQuery,
    headers={"Last-Event-ID": "The last event seen, to go on after it."},
    response=LatestEvents,
    media_types=(media.EVENT_STREAM, *media.BODY_TYPES),
    problems=(TOO_MANY_STREAMS,),
)
async def get_events(call: Call[EventsQuery, None]) -> Reply:
    """What happens in the node, as Server-Sent Events; as JSON the latest ones."""
    hub: EventHub = call.services.events
    kinds = _kinds(call.query.kinds)
    if call.media_type != media.EVENT_STREAM:
        return Reply(value=LatestEvents([_row(event, hub.epoch) for event in hub.latest(kinds)]))
    after = sse.last_event_id(call.headers.get("last-event-id"))
    subscription = hub.subscribe(kinds, call.services.config.events_buffer, after)
    return Reply(stream=EventStream(subscription, hub.epoch, KEEPALIVE_S))


def _kinds(text: str | None) -> list[EventKind]:
    if text is None:
        return list(KINDS)
    names = text.split(",")
    if not set(names) <= set(KINDS):
        raise problem.invalid("kinds", f"of {', '.join(get_args(EventKind))}, by commas")
    return convert(names, list[EventKind])


OPERATIONS: tuple[Operation, ...] = (get_events,)
