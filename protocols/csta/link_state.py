"""How a link in framing B is configured, and what it knows: plain data."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from protocols.csta import header
from protocols.csta.idempotency import Seen
from protocols.csta.system_status import SystemStatusValue
from protocols.csta.xml import Edition, XmlLimits
from protocols.cti import flow, link_session
from protocols.cti.link_session import LinkSession
from protocols.cti.link_state import LinkConfig, LinkStatistics, Phase, shown
from protocols.cti.messages import Side

Asked: TypeAlias = Literal["status", "monitor-start", "monitor-stop", "deflect"]
"""What vigie asks its peer and gets a response to."""


MAX_REASON_CHARS = 255
"""Of the text with which vigie ends a session."""


class CstaConfig(Struct, frozen=True, kw_only=True):
    """The limits that framing B has besides those of ``LinkConfig``.

    Attributes:
        max_message_bytes: longest message, header included, both directions; at most 65,535.
        xml: limits of one document.
        applications: the side of each applicationID.
        default_side: that of any other; None lets no other in.
        session_s: seconds that an application session lasts where the peer does not say.
        min_session_s: the shortest that a peer gets, whatever it asks.
        max_session_s: the longest.
        reply_timeout_ms: milliseconds in one unit of ``replyTimeout``.
        max_dialogues: routing dialogues that are remembered after their answer.
        dialogue_s: seconds for which they are.
        max_events: events of which a repetition is recognised.
        max_monitors: monitors at once, of either end.
        max_registrations: of routing points at once.
        deflect: applicationIDs that take DeflectCall.
    """

    max_message_bytes: int = header.MAX_TOTAL_BYTES
    xml: XmlLimits = field(default_factory=XmlLimits)
    applications: dict[str, Side] = field(default_factory=dict)
    default_side: Side | None = "primary"
    session_s: int = 180
    min_session_s: int = 10
    max_session_s: int = 86_400
    reply_timeout_ms: int = 1
    max_dialogues: int = 10_000
    dialogue_s: float = 600.0
    max_events: int = 10_000
    max_monitors: int = 1_000
    max_registrations: int = 1_000
    deflect: frozenset[str] = frozenset()


class Origin(Struct, frozen=True):
    """The service that a message came with; what refuses the message answers it.

    Attributes:
        invoke_id: of the service; 9999 gets no answer.
        edition: in which it was said.
        tag: the type of framing A's message that it became, empty for none.
    """

    invoke_id: int
    edition: Edition
    tag: str = ""


class Dialogue(Struct, frozen=True, kw_only=True):
    """A routing dialogue that goes on.

    Attributes:
        cross_ref: the switch's crossRefIdentifier.
        register_id: of the registration that covers it.
        edition: in which it was asked, and is answered.
        target: the last answer's; None before it.
        until: when it is forgotten, monotonic seconds.
    """

    cross_ref: str
    register_id: str | None
    edition: Edition
    target: str | None
    until: float


class Question(Struct, frozen=True):
    """What vigie has asked its peer.

    Attributes:
        kind: of the service.
        subject: the device of a monitor that starts, the monitor of one that stops, the call
            that is deflected.
    """

    kind: Asked
    subject: str = ""


class LinkState(Struct, kw_only=True):
    """All that a connection knows but its link session and the bytes of an incomplete message.

    Attributes:
        opened_at: when the connection was accepted, monotonic seconds.
        wall_offset: what makes the caller's monotonic seconds seconds since the epoch.
        name: the peer's applicationID.
        session: the id of the link session, which is the application session's.
        resume: None; framing B goes on with no link session.
        edition: in which vigie speaks of its own accord.
        session_s: how long the application session lasts each time it is prolonged, seconds.
        session_until: when it ends, monotonic seconds.
        asked_by: the invoke id and wish of the service that waits for the peer's token.
        next_invoke: the invoke id of vigie's next service.
        next_name: for the next monitor that the peer starts.
        origins: services by their message's number, the oldest first.
        registering: numbers of RouteRegister that wait for their response.
        registrations: what the peer has registered.
        dialogues: by framing A's xref, the oldest first.
        questions: vigie's own, by invoke id.
        monitors: monitorCrossRefIDs and the device that each is about.
        seen: the events told last.
        system_register: under which id the peer wants to be told how vigie is.
        status: what it was told last.
        full: whether it was told so because its window is full.
        peer_status: how the peer is, as it has told last; None where it has not.
        ignored: events that were passed over: not spoken, or without effect.
        received_at: when the last message came.
    """

    opened_at: float
    wall_offset: float
    bucket: flow.TokenBucket
    seen: Seen
    received_at: float
    phase: Phase = "greeting"
    name: str | None = None
    side: Side | None = None
    session: str | None = None
    resume: None = None
    edition: Edition = "ed4"
    session_s: int = 0
    session_until: float = 0.0
    asked_by: int = 0
    next_invoke: int = 0
    next_name: int = 1
    origins: dict[int, Origin] = field(default_factory=dict)
    registering: list[int] = field(default_factory=list)
    registrations: set[str] = field(default_factory=set)
    dialogues: dict[str, Dialogue] = field(default_factory=dict)
    questions: dict[int, Question] = field(default_factory=dict)
    monitors: dict[str, str] = field(default_factory=dict)
    system_register: str | None = None
    status: SystemStatusValue = "normal"
    full: bool = False
    peer_status: SystemStatusValue | None = None
    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    repetitions: int = 0
    complaints: int = 0
    ignored: int = 0
    refused: dict[int, int] = field(default_factory=dict)


def start(config: LinkConfig, csta: CstaConfig, *, now: float, wall: float) -> LinkState:
    """Make the state of a new connection.

    Args:
        config: the limits that both framings have.
        csta: those of framing B.
        now: the caller's monotonic clock, seconds.
        wall: the same instant in seconds since the epoch.
    """
    return LinkState(
        opened_at=now,
        wall_offset=wall - now,
        bucket=flow.new_bucket(config.max_frames_per_s, now),
        seen=Seen(csta.max_events),
        received_at=now,
    )


def statistics(state: LinkState, session: LinkSession | None) -> LinkStatistics:
    """Show a link as it is now, as framing A's."""
    counted = link_session.count(session) if session else link_session.Counted()
    counted = replace(counted, kept_frames=0, kept_bytes=0)  # nothing is kept for a resume
    return shown(state, counted, missed=0, received=state.received_at)
