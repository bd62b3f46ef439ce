"""The messages of the CTI link as typed records, one per `t` of contract 3.

Two unions name what each end may receive: `Inbound` by vigie, `Outbound` by the CTI. Names follow
CSTA (ECMA-269 routeing services) and ICM where these have one. Times are seconds since the epoch,
durations milliseconds. `i`, the sequence number, is 0 on a record that no link has numbered yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias

from msgspec import Meta, Struct

from protocols.cti.context_messages import (
    AgentState,
    AgentStatus,
    DataChanged,
    DataUpdate,
    Resync,
    Snapshot,
)
from protocols.cti.message_base import (
    MAX_LIST_ITEMS,
    Count,
    Message,
    Name,
    Names,
    Text,
    Time,
    UserData,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AgentState",
    "AgentStatus",
    "Count",
    "DataChanged",
    "DataUpdate",
    "Message",
    "Name",
    "Names",
    "Resync",
    "Snapshot",
    "Text",
    "Time",
    "UserData",
]

AniType: TypeAlias = Literal["public", "private", "unknown"]
CallType: TypeAlias = Literal["in", "out", "int", "consult", "callback"]
Side: TypeAlias = Literal["primary", "backup"]
RouteType: TypeAlias = Literal[
    "default",
    "label",
    "direct",
    "direct_agent",
    "overwrite_dnis",
    "priority",
    "reject",
    "announcement",
    "disconnect",
]
EndCause: TypeAlias = Literal[
    "ok", "busy", "noanswer", "invalid-dest", "no-agent", "abandoned", "timeout", "internal"
]
CallEventType: TypeAlias = Literal[
    "queued",
    "delivered",
    "established",
    "held",
    "retrieved",
    "diverted",
    "transferred",
    "conferenced",
    "cleared",
    "failed",
    "abandoned",
]
ErrorCode: TypeAlias = Literal[400, 401, 404, 409, 413, 429, 500, 503]


QUEUE_SELECT = "queue.select"
"""Of `caps`: the peer wants to hear when an agent is there for a call that waits."""
CAPS: Final = frozenset({QUEUE_SELECT})
"""What of `caps` vigie knows."""


def known_caps(caps: Iterable[str]) -> tuple[str, ...]:
    """Of what a peer has named, what vigie serves it with, each once."""
    return tuple(dict.fromkeys(cap for cap in caps if cap in CAPS))


class Resume(Struct, frozen=True):
    """The link session that a peer wants to go on with, and the last frame it handled of it."""

    session: Name
    last_i: Annotated[int, Meta(ge=0)]


class Hello(Message, tag="hello", frozen=True):
    """A peer presents itself; the first frame of a connection."""

    proto: Literal[1]
    name: Name
    side: Side
    token: Text
    caps: Names = []  # noqa: RUF012 - msgspec copies it
    resume: Resume | None = None

    def __repr__(self) -> str:
        """Leave the token out: messages are logged and shown."""
        return f"Hello(name={self.name!r}, side={self.side!r}, resume={self.resume!r})"


class HeartbeatTimes(Struct, frozen=True, kw_only=True):
    """How a link is watched; names and defaults of ICM's application gateway.

    Attributes:
        interval_ms: silence after which a heartbeat is sent.
        timeout_ms: how long any message may take to follow it before it counts as missed.
        retry_ms: pause between a missed heartbeat and the next one.
        limit: consecutive missed heartbeats after which the link is dead.
    """

    interval_ms: Annotated[int, Meta(ge=1)] = 300
    timeout_ms: Annotated[int, Meta(ge=1)] = 200
    retry_ms: Annotated[int, Meta(ge=0)] = 100
    limit: Annotated[int, Meta(ge=1)] = 10


class HelloAnswer(Message, tag="hello", frozen=True):
    """The peer is let in.

    Attributes:
        session: its link session.
        hb: how the link is watched.
        last_i: the last of the peer's frames that is durable; it sends again what came after.
        window: how many of its frames may be neither answered nor acknowledged.
        caps: of what its `hello` has named, what it is served with; None where that is nothing.
    """

    session: Name
    hb: HeartbeatTimes
    last_i: Annotated[int, Meta(ge=0)]
    proto: Literal[1]
    window: Count | None = None
    caps: Names | None = None


class Ack(Message, tag="ack", frozen=True):
    """Every frame of the peer up to `last_i` is durable: it need never be sent again."""

    last_i: Annotated[int, Meta(ge=0)]


class Void(Message, tag="void", frozen=True):
    """Takes the place of a frame that need not be repeated, so that numbers have no gap."""


class Heartbeat(Message, tag="hb", frozen=True):
    """Asks for a sign of life."""

    ts: Time


class HeartbeatOk(Message, tag="hb.ok", frozen=True):
    """A sign of life; `ts` is that of the heartbeat it answers: the asker learns the delay."""

    ts: Time


class RpRegister(Message, tag="rp.register", frozen=True):
    """The CTI serves these routing points (`*`: all); CSTA RouteRegister."""

    rp: Annotated[list[Name], Meta(min_length=1, max_length=MAX_LIST_ITEMS)]
    load: Count | None = None


class RpRegistered(Message, tag="rp.registered", frozen=True):
    """Answers `rp.register`."""

    reg: Name


class RpCancel(Message, tag="rp.cancel", frozen=True):
    """Undoes a registration; CSTA RouteRegisterCancel."""

    reg: Name
    cause: Text | None = None


class RpAbort(Message, tag="rp.abort", frozen=True):
    """A registration has ended by itself; CSTA RouteRegisterAbort."""

    reg: Name
    cause: Text | None = None


class RouteRequest(Message, tag="route.request", frozen=True):
    """Who takes this call? CSTA RouteRequest.

    Attributes:
        xref: the routing dialogue, chosen by the CTI, the same on primary and backup.
        call: the call's id at the switch.
        rp: the routing point where it waits.
        ts: when it got there.
        reply_ms: how long the CTI waits for the answer.
    """

    xref: Name
    call: Name
    rp: Name
    ts: Time
    reg: Name | None = None
    ucid: Name | None = None
    ani: Text | None = None
    ani_type: AniType | None = None
    dnis: Text | None = None
    called: Text | None = None
    digits: Text | None = None
    ctype: CallType | None = None
    prev_call: Name | None = None
    prio: Count | None = None
    lang: Text | None = None
    trunk: Text | None = None
    media: Text | None = None
    hist: Annotated[list[Any], Meta(max_length=MAX_LIST_ITEMS)] | None = None
    ud: UserData | None = None
    session: Name | None = None
    reply_ms: int | None = None


class RouteSelect(Message, tag="route.select", frozen=True):
    """The decision. CSTA RouteSelect.

    Attributes:
        alt: further targets, best first.
        retries: how many `reroute.request` remain.
        used_req: whether `route.used` is wanted.
        ud: user data to merge; ud_del: keys to drop.
        treat: what to play or collect meanwhile.
        stale: decided from data known to be old.
        durable: False when the decision is not in the journal yet.
    """

    xref: Name
    target: str
    rtype: RouteType
    session: str
    rev: Count
    reason: str
    alt: list[str] | None = None
    retries: Count | None = None
    used_req: bool | None = None
    ud: UserData | None = None
    ud_del: list[str] | None = None
    treat: dict[str, Any] | None = None
    stale: bool | None = None
    durable: bool | None = None


class QueueSelect(Message, tag="queue.select", frozen=True):
    """An agent is there for a call that waits in a queue; CSTA Deflect Call.

    Told to a peer whose `hello` has this type in `caps`. It is no other answer to `xref`: that was
    a place in the queue, and stays so.

    Attributes:
        xref: of the request that was answered with the place where the call waits.
        call: that waits.
        queue: where.
        target: where the agent is reached.
        reason: how he was chosen.
        for_ms: how long he is kept for the call.
    """

    xref: Name
    call: Name
    session: Name
    rev: Count
    queue: str
    target: str
    rtype: RouteType
    reason: str
    for_ms: Count


class RouteUsed(Message, tag="route.used", frozen=True):
    """Where the call went in the end, which may be the CTI's own default after a timeout."""

    xref: Name
    target: Name
    reason: Text
    ts: Time | None = None


class RouteEnd(Message, tag="route.end", frozen=True):
    """The routing dialogue is over; CSTA RouteEnd."""

    xref: Name
    cause: EndCause
    detail: Text | None = None


class RerouteRequest(Message, tag="reroute.request", frozen=True):
    """The target did not take the call: another one, please. CSTA ReRoute."""

    xref: Name
    failed: Name
    cause: Text
    reply_ms: int | None = None


class CallEvent(Message, tag="call.event", frozen=True):
    """Something happened to a call; events of CSTA call control."""

    call: Name
    ev: CallEventType
    ts: Time
    seq: Count | None = None
    dev: Text | None = None
    other: Text | None = None
    agent: Text | None = None
    queue: Text | None = None
    cause: Text | None = None
    prev_call: Name | None = None
    new_call: Name | None = None


class Error(Message, tag="error", frozen=True):
    """A frame was refused.

    Attributes:
        ref: the refused frame's `i`, 0 when it had none.
        field: the field that broke the rule, when there is one.
        rev: the current revision, where a change was based on another.
    """

    code: ErrorCode
    ref: Annotated[int, Meta(ge=0)]
    msg: str
    field: str | None = None
    rev: Count | None = None


Inbound: TypeAlias = (
    Hello
    | Void
    | Heartbeat
    | HeartbeatOk
    | RpRegister
    | RpCancel
    | RpAbort
    | RouteRequest
    | RouteUsed
    | RouteEnd
    | RerouteRequest
    | CallEvent
    | AgentState
    | DataUpdate
    | Snapshot
    | Resync
    | Error
)
"""What vigie receives."""

Outbound: TypeAlias = (
    HelloAnswer
    | Ack
    | Void
    | Heartbeat
    | HeartbeatOk
    | RpRegistered
    | RpAbort
    | RouteSelect
    | RouteEnd
    | QueueSelect
    | DataChanged
    | Snapshot
    | Resync
    | Error
)
"""What vigie sends."""
