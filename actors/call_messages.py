"""What the links and the sessions of calls tell each other.

A link stands here for a link session, by its id: it outlives connections and actors, and its actor
of the moment is found by ``call_names.link_name``. What comes from elsewhere has "" in its place.
Every frame that a link hands over is answered: by ``RouteAnswered`` or ``RouteRefused``, which
confirm their frame, or by ``FrameHandled``; and none of them leaves before what the frame has
changed is durable, but for an answer that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from actors.send_lists import NO_LISTS, SendLists
from actors.session_api import SessionView

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.config import RoutingConfig, SessionsConfig
    from actors.journal.journal import Journal
    from actors.open_count import OpenCount
    from actors.routing import Decision, Marks, RoutingTable
    from actors.routing_desk import RoutingDesk
    from actors.session_data import Session
    from protocols.cti.messages import (
        CallEvent,
        DataChanged,
        DataUpdate,
        ErrorCode,
        QueueSelect,
        RerouteRequest,
        RouteEnd,
        RouteRequest,
        RouteSelect,
        RouteUsed,
    )


class CallSettings(Struct, frozen=True):
    """What every session of a node is told; one record, shared by all of them.

    Attributes:
        table: the routing points, for the default answer.
        routing: the deadlines.
        sessions: the bounds.
        count: of the open sessions.
        journal: what must not be forgotten.
        on_stall: ``answer`` or ``refuse``, where the journal does not take a decision in time.
        desk: of the router; None where nobody has to tell it what becomes of calls.
        send_lists: what goes along with calls.
        confirm: has a link session know that a frame of it, by its number, is handled; None where
            its actor is told by ``FrameHandled``.
    """

    table: RoutingTable
    routing: RoutingConfig
    sessions: SessionsConfig
    count: OpenCount
    journal: Journal
    on_stall: str
    desk: RoutingDesk | None = None
    send_lists: SendLists = NO_LISTS
    confirm: Callable[[str, int], None] | None = None


class SessionArgs(Struct):
    """What a session starts with.

    Attributes:
        settings: shared by all sessions.
        first: the record that it begins with, until it has begun: the supervisor keeps the
            arguments as long as the session lives, and the record of its birth need not be.
        state: ``new``, or ``ivr`` where an application opened it.
    """

    settings: CallSettings
    first: Session | None
    state: str = "new"


class RouteAsked(Struct, frozen=True):
    """A link asks where its call goes; ``cti`` is the name of its peer."""

    message: RouteRequest
    link: str
    marks: Marks
    cti: str = ""


class RerouteAsked(Struct, frozen=True):
    """A link asks for another target."""

    message: RerouteRequest
    link: str
    marks: Marks


class RouteTold(Struct, frozen=True):
    """A link tells what became of a dialogue."""

    message: RouteUsed | RouteEnd
    link: str


class GuardAnswered(Struct, frozen=True):
    """A link has answered for a mute session: that is the decision now.

    ``i`` is the request's frame: ``FrameHandled`` confirms it once the decision is durable.
    ``failed`` is the target of a reroute request, empty for a first request.
    """

    xref: str
    i: int
    rp: str
    decision: Decision
    link: str
    failed: str = ""


class CallTold(Struct, frozen=True):
    """A link tells what happened to the call."""

    message: CallEvent
    link: str


class DataAsked(Struct, frozen=True):
    """A link asks for a change of the call's context; answered with ``DataTold``, or refused."""

    message: DataUpdate
    link: str


class ContextAsked(Struct, frozen=True):
    """A link asks for the whole context, by its frame ``i``; answered with ``DataTold``."""

    link: str
    i: int


class SnapshotTaken(Struct, frozen=True):
    """A CTI has said which calls it has.

    Attributes:
        cti: its name.
        calls: all of them.
        at: when, seconds since the epoch.
    """

    cti: str
    calls: frozenset[str]
    at: float


class DataTold(Struct, frozen=True):
    """A session tells a link that the context of its call has changed."""

    message: DataChanged


class QueueTold(Struct, frozen=True):
    """A session tells a link that an agent is there for its call, which waits in a queue."""

    message: QueueSelect


class RouteAnswered(Struct, frozen=True):
    """A session answers a link; its frame is handled, and durably so.

    With ``message.durable`` False it is not: ``FrameHandled`` follows when it is.

    Attributes:
        message: to be sent.
        i: the number of the request, 0 where it is not the answer to one of this link.
        reason: of the decision, for statistics.
        rp: where the call waits, for statistics.
        waited_for: the actor that the answer took time for; empty where there was none.
    """

    message: RouteSelect | RouteEnd
    i: int
    reason: str
    rp: str
    waited_for: str


class RouteRefused(Struct, frozen=True):
    """A session refuses a link's frame, the number of which is ``i``; that confirms it.

    ``rev`` is the current revision, where a change was based on another.
    """

    xref: str
    i: int
    code: ErrorCode
    msg: str
    field: str
    rev: int | None = None


class FrameHandled(Struct, frozen=True):
    """What a link's frame has changed is durable: it need not be handed over again.

    Attributes:
        i: its number.
    """

    i: int


class StoreSession(Struct, frozen=True):
    """A session has been closed: to be stored.

    Attributes:
        view: the session as it was then.
        closed: seconds since the epoch.
        why: what closed it.
    """

    view: SessionView
    closed: float
    why: str
