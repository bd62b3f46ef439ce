"""A link session as the node's table keeps it: plain data, whichever actor works with it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct, field

from actors.cti_dialogues import Questions
from actors.cti_ways import Pending, Ways
from protocols.cti import link_session
from protocols.cti.events import Received, Transmit
from protocols.cti.link_session import LinkSession

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.cti_connection import CtiConnection
    from protocols.csta.events import Event
    from supervision.eventloop.cell import LocalAddress


class LinkRow(Struct, kw_only=True, eq=False):
    """One link session, or a connection that has not said hello yet.

    Attributes:
        number: names its actor.
        session: the protocol's part of it; None until a hello was accepted.
        connection: that carries it; None while there is none.
        owner: where its actor lives, or has lived.
        events: of reads, not carried out yet.
        reading: a read is being taken apart.
        handling: the number of the frame that is being handled, 0 while none is.
        pending: the frames that are not confirmed, by their numbers, in their order.
        ways: how many frames each session may still get again.
        questions: the requests that wait for an answer.
        registrations: routing points by the name of their registration.
        over: it has ended.
        crashes: how often a frame crashed its actor.
        to_record: it waits for its record to be due.
        lasting: whether the link session outlives its connection; not in framing B.
    """

    number: int
    session: LinkSession | None = None
    connection: CtiConnection | None = None
    owner: LocalAddress | None = None
    events: deque[Event] = field(default_factory=deque)
    reading: bool = False
    handling: int = 0
    pending: dict[int, Pending] = field(default_factory=dict)
    ways: Ways = field(default_factory=Ways)
    questions: Questions = field(default_factory=Questions)
    registrations: dict[str, tuple[str, ...]] = field(default_factory=dict)
    over: bool = False
    crashes: int = 0
    to_record: bool = False
    lasting: bool = True

    @property
    def id(self) -> str:
        """Of the link session; empty before there is one."""
        return "" if self.session is None else self.session.id

    @property
    def name(self) -> str:
        """Of the peer; empty before there is a link session."""
        return "" if self.session is None else self.session.name

    @property
    def child(self) -> str:
        """The id of its actor below ctiSup."""
        return f"ctiLink-{self.number}"

    @property
    def first(self) -> Pending | None:
        """The frame that all later ones wait for to be acknowledged."""
        session = self.session
        return None if session is None else self.pending.get(session.confirmed_in + 1)

    @property
    def open(self) -> bool:
        """Whether a connection carries it."""
        return self.connection is not None and self.connection.link.state.phase == "open"


def queue(row: LinkRow, events: Iterable[Event]) -> bytes:
    """Keep the events of a read until they have been carried out.

    Args:
        row: whose they are.
        events: of its connection.

    Returns:
        What is to be written now: its frames have their numbers, so they leave before those that
        carrying out the other events makes.
    """
    data = b""
    for event in events:
        kind = type(event)
        if kind is Transmit:
            data += event.data  # type: ignore[union-attr]
            continue
        if kind is Received and not event.again:  # type: ignore[union-attr]
            message = event.message  # type: ignore[union-attr]
            row.pending[message.i] = Pending(message, event.at)  # type: ignore[union-attr]
        row.events.append(event)
    return data


def forget_unconfirmed(row: LinkRow) -> None:
    """Be as if nothing had come after what is confirmed: the peer sends it again."""
    session = row.session
    if session is None:
        return
    row.pending.clear()
    row.events.clear()
    session.early.clear()
    session.others.clear()
    session.next_in = session.confirmed_in + 1


def confirm(row: LinkRow, i: int, now: float) -> None:
    """A frame of the peer is done with: what it has changed is durable (``now``: monotonic s)."""
    row.pending.pop(i, None)
    if row.session is not None:
        link_session.confirm(row.session, i, now)
