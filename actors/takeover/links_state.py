"""The links of a node as plain data: what of a `LinkTable` goes to another process, and back.

A change of what is here, or of a record in here, is a new version of the part ``links`` and needs
its conversions. Times are seconds of the machine's monotonic clock, which goes on for both.
"""

from __future__ import annotations

from typing import cast

from msgspec import Struct

from actors.cti_connection import BytesRead, EndOfFile
from actors.cti_dialogues import Counts, Question
from actors.cti_row import LinkRow
from actors.cti_table import TableCounts
from actors.cti_ways import Pending
from actors.routing import Decision
from actors.takeover.links_events import EventState, event_of, event_state
from protocols.csta.link import Link as CstaLink
from protocols.csta.link_state import LinkState as CstaLinkState
from protocols.cti.link import Link
from protocols.cti.link_session import LinkSession
from protocols.cti.link_state import LinkState
from protocols.cti.messages import HeartbeatTimes, Inbound


class PendingState(Struct, kw_only=True):
    """As `actors.cti_ways.Pending`, but for its way: all are handed over anew."""

    message: Inbound
    at: float
    taken: bool
    tries: int
    guarded: tuple[str, Decision] | None
    told: bool


class ConnectionState(Struct, kw_only=True):
    """A connection.

    Attributes:
        socket: the place of its descriptor among those that travel; None where it has ended.
        peer: where it comes from.
        unsent: what is to be sent first.
        closing: whether it is closed after that.
        unread: what was read and not handled.
        lost: how it has ended; None while it is open.
        abort_at: when it is cut off unless something happens; None for never.
        link: what its end of the protocol knows, in framing A; None in framing B.
        csta: the same in framing B; None in framing A.
        arrived: the bytes of an incomplete frame.
        hb: the heartbeats that its peer was told.
        window: the window that its peer was told.
    """

    socket: int | None
    peer: str
    unsent: bytes
    closing: bool
    unread: tuple[BytesRead, ...]
    lost: EndOfFile | None
    abort_at: float | None
    link: LinkState | None
    csta: CstaLinkState | None
    arrived: bytes
    hb: HeartbeatTimes
    window: int


class RowState(Struct, kw_only=True):
    """A row; attributes as those of `actors.cti_row.LinkRow` but for these.

    Attributes:
        listed: whether its actor runs or is to run.
        released: the number up to which all is durable.
        handed: numbers of frames that may be handed over again, and the ids of their sessions.
        questions: what waits for an answer, in the order of asking.
        counts: what the link has answered.
    """

    number: int
    listed: bool
    session: LinkSession | None
    connection: ConnectionState | None
    events: list[EventState]
    pending: list[PendingState]
    released: int
    handed: list[tuple[int, str]]
    questions: list[Question]
    counts: Counts
    registrations: dict[str, tuple[str, ...]]
    crashes: int


class LinksState(Struct, kw_only=True):
    """All links.

    Attributes:
        rows: the rows, by number.
        closing: connections that belong to none any more and whose peers read the rest.
        resting: link sessions without a connection and since when, the oldest first.
        last: the number of the youngest row.
        counts: what has become of link sessions.
        held_at: since when nothing has been read.
    """

    rows: list[RowState]
    closing: list[ConnectionState]
    resting: list[tuple[str, float]]
    last: int
    counts: TableCounts
    held_at: float


def row_state(row: LinkRow, connection: ConnectionState | None, *, listed: bool) -> RowState:
    """Write a row down.

    Args:
        row: the row; its session and questions are not copied.
        connection: that carries it, written down.
        listed: whether its actor runs or is to run.
    """
    released, handed = row.ways.carried()
    return RowState(
        number=row.number,
        listed=listed,
        session=row.session,
        connection=connection,
        events=[event_state(event) for event in row.events],
        pending=[_pending_state(pending) for pending in row.pending.values()],
        released=released,
        handed=handed,
        questions=list(row.questions.open.values()),
        counts=row.questions.counts,
        registrations=row.registrations,
        crashes=row.crashes,
    )


def row_of(state: RowState) -> LinkRow:
    """The row of what ``row_state`` has written down; its connection and its ways come later."""
    row = LinkRow(
        number=state.number,
        session=state.session,
        registrations=state.registrations,
        crashes=state.crashes,
        lasting=state.connection is None or state.connection.csta is None,
    )
    row.events.extend(map(event_of, state.events))
    row.pending.update((one.message.i, _pending(one)) for one in state.pending)
    row.questions.counts = state.counts
    for question in state.questions:
        row.questions.ask(question)
    return row


def _pending_state(pending: Pending) -> PendingState:
    return PendingState(
        message=cast("Inbound", pending.message),
        at=pending.at,
        taken=pending.taken,
        tries=pending.tries,
        guarded=pending.guarded,
        told=pending.told,
    )


def _pending(state: PendingState) -> Pending:
    return Pending(
        state.message,
        state.at,
        taken=state.taken,
        tries=state.tries,
        guarded=state.guarded,
        told=state.told,
    )


def known_of(link: Link | CstaLink) -> tuple[LinkState | None, CstaLinkState | None]:
    """What a link knows, by its framing: one of the two."""
    if isinstance(link, CstaLink):
        return None, link.state
    return link.state, None


def told_of(link: Link | CstaLink) -> tuple[HeartbeatTimes, int]:
    """What the peer of a link was told: heartbeats and the window."""
    return link.config.hb, link.config.window
