"""What the links and the sessions of calls tell each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from actors.config import RoutingConfig, SessionsConfig
    from actors.open_count import OpenCount
    from actors.routing import Decision, Marks, RoutingTable
    from actors.session_api import SessionView
    from actors.session_data import Session
    from protocols.cti.messages import (
        CallEvent,
        ErrorCode,
        RerouteRequest,
        RouteEnd,
        RouteRequest,
        RouteSelect,
        RouteUsed,
    )
    from supervision.eventloop.cell import LocalAddress


class CallSettings(Struct, frozen=True):
    """What every session of a node is told; one record, shared by all of them.

    Attributes:
        table: the routing points, for the default answer.
        routing: the deadlines.
        sessions: the bounds.
        count: of the open sessions.
    """

    table: RoutingTable
    routing: RoutingConfig
    sessions: SessionsConfig
    count: OpenCount


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
    """A link asks where its call goes."""

    message: RouteRequest
    link: LocalAddress
    marks: Marks


class RerouteAsked(Struct, frozen=True):
    """A link asks for another target."""

    message: RerouteRequest
    link: LocalAddress
    marks: Marks


class RouteTold(Struct, frozen=True):
    """A link tells what became of a dialogue."""

    message: RouteUsed | RouteEnd
    link: LocalAddress


class GuardAnswered(Struct, frozen=True):
    """A link has answered for a mute session: that is the decision now."""

    xref: str
    rp: str
    decision: Decision
    link: LocalAddress


class CallTold(Struct, frozen=True):
    """A link tells what happened to the call."""

    message: CallEvent


class RouteAnswered(Struct, frozen=True):
    """A session answers a link.

    Attributes:
        message: to be sent.
        reason: of the decision, for statistics.
        rp: where the call waits, for statistics.
        waited_for: the actor that the answer took time for; empty where there was none.
    """

    message: RouteSelect | RouteEnd
    reason: str
    rp: str
    waited_for: str


class RouteRefused(Struct, frozen=True):
    """A session refuses a link's frame."""

    xref: str
    code: ErrorCode
    msg: str
    field: str


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
