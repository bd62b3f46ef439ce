"""The links of a node: sockets, unread bytes and link sessions, outside of any actor.

Actors come and go; the table is what they adopt. A connection ends by the protocol, by its peer or
with the node; a link session ends when nobody has resumed it for a while. What has to survive the
node goes into the journal and comes back from there.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from actors import metrics
from actors.agent_table import AgentTable
from actors.cti_record import KIND, LinkRecord
from actors.cti_row import LinkRow, queue
from actors.entrance import Entrance
from actors.records_due import RecordsDue
from protocols.csta.link import Link as CstaLink
from protocols.csta.link_state import CstaConfig
from protocols.cti import link_session, refusals
from protocols.cti.events import Received
from protocols.cti.link import Link
from protocols.cti.link_state import session_limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from actors.cti_connection import CtiConnection
    from actors.cti_journal import LinkJournal
    from actors.standby import Standby
    from protocols.csta.events import Event
    from protocols.cti.link_session import LinkSession
    from protocols.cti.link_state import LinkConfig, LinkState
    from supervision.eventloop.kernel import Kernel


RESTING_OF_PEER = 8
"""Link sessions that a peer may leave behind when it begins another one."""


class TableLimits(Struct, frozen=True):
    """The bounds of the table, keys of ``[cti]``.

    Attributes:
        max_links: connections that may be open at once.
        max_link_sessions: link sessions without a connection; the oldest of the peer that has most
            of them give way.
        resume_s: seconds that a peer has to resume.
        max_agents: agents that are known.
    """

    max_links: int = 256
    max_link_sessions: int = 1_000
    resume_s: float = 300.0
    max_agents: int = 10_000


class TableCounts(Struct):
    """What has become of link sessions.

    Attributes:
        accepted: connections.
        refused: connections, because there were as many as may be.
        resumed: link sessions that went on by another connection.
        lost: hellos that named a link session which could not be resumed.
        expired: link sessions that nobody resumed in time.
        displaced: link sessions that gave way to younger ones.
    """

    accepted: int = 0
    refused: int = 0
    resumed: int = 0
    lost: int = 0
    expired: int = 0
    displaced: int = 0


class Over(Struct, frozen=True):
    """Tells an actor that its link session has been given up."""

    why: str


class Resumed(Struct, frozen=True):
    """Tells an actor that another connection carries its link session."""


class Proceed(Struct, frozen=True):
    """Tells an actor that what waited for other frames to be durable can be handed over."""


PROCEED = Proceed()


class LinkTable:
    """The table; one for each node, used on its loop only.

    Args:
        kernel: the node.
        journal: where link sessions survive it.
        config: the limits of each link.
        limits: its own.
        standby: the node's gate; None is one that is open.
        csta: the limits of links in framing B.

    Attributes:
        agents: that the peers have told of.
        entrance: whether connections are accepted.
        connections: that are open, those included whose link has ended and whose peer has not
            read the rest yet.
        rows: by number, those whose actor runs or is to run.
        resting: link sessions without a connection: monotonic seconds since when, the oldest first.
        leavers: ids of actors whose link session is over; who starts them forgets them.
        counts: what has become of them.
        due: the link sessions whose record is due soon.
        stopping: whether the node stops.
        still: whether connections are not read: another process is about to go on with them.
    """

    def __init__(
        self,
        kernel: Kernel,
        journal: LinkJournal,
        config: LinkConfig,
        limits: TableLimits,
        standby: Standby | None = None,
        *,
        csta: CstaConfig | None = None,
    ) -> None:
        self.entrance = Entrance(standby)
        self.journal = journal
        self.config = structs.replace(config, withhold_refusals=True)
        self.csta = csta or CstaConfig()
        self.limits = limits
        self.agents = AgentTable(journal, limits.max_agents)
        self.connections: set[CtiConnection] = set()
        self.rows: dict[int, LinkRow] = {}
        self.resting: dict[str, float] = {}
        self.leavers: set[str] = set()
        self.counts = TableCounts()
        self.stopping = False
        self.still = False
        self._kernel = kernel
        self._sessions: dict[str, LinkRow] = {}
        self._last = 0
        self.due = RecordsDue(kernel, self.record)

    # Connections

    def accept(self, connection: CtiConnection) -> LinkRow | None:
        """Take a connection in; None where there are as many as may be, or the node stops."""
        clock = self._kernel.clock
        connection.link = Link(self.config, now=clock.monotonic(), wall=clock.wall())
        if self.stopping or len(self.connections) >= self.limits.max_links:
            self.counts.refused += 1
            return None
        self.counts.accepted += 1
        self.connections.add(connection)
        if self.still:
            connection.rest()
        row = self._new_row()
        row.connection = connection
        return row

    def link_in_framing_b(self, state: LinkState) -> CstaLink:
        """The link of a connection that turns out to speak framing B.

        Args:
            state: what the link knew that has found out.
        """
        opened_at = state.opened_at
        return CstaLink(self.config, self.csta, now=opened_at, wall=opened_at + state.wall_offset)

    def _new_row(self) -> LinkRow:
        self._last += 1
        row = self.rows[self._last] = LinkRow(number=self._last)
        return row

    def closed(self, connection: CtiConnection) -> None:
        """A connection's socket is closed; one that nobody has taken leaves no row behind."""
        self.connections.discard(connection)
        for row in tuple(self.rows.values()):
            if row.connection is connection and row.session is None and row.owner is None:
                self.end(row)

    # Link sessions

    def find(self, session: str) -> LinkRow | None:
        """The link session with an id; None where there is none, or no more."""
        return self._sessions.get(session)

    @property
    def sessions(self) -> int:
        """How many link sessions there are."""
        return len(self._sessions)

    def begin(self, row: LinkRow, session: LinkSession) -> None:
        """A peer was let in with a new link session."""
        row.session = session
        self._sessions[session.id] = row
        self.record(row, 0)
        earlier = self._resting_of((session.name, session.side))
        for forgotten in earlier[: max(0, len(earlier) - RESTING_OF_PEER)]:
            self._give_up(forgotten, "displaced")

    def rest(self, row: LinkRow) -> None:
        """The connection of a link session has ended: its peer may resume it for a while."""
        row.connection = None
        if row.over:
            return
        self.resting[row.id] = self._kernel.clock.monotonic()
        self._make_room()

    def _make_room(self) -> None:
        """Give up resting link sessions beyond the bound: the oldest of who has most of them."""
        while len(self.resting) > self.limits.max_link_sessions:
            peers = Counter(map(self._peer_of, self.resting))
            [(peer, _)] = peers.most_common(1)
            self._give_up(self._resting_of(peer)[0], "displaced")

    def _resting_of(self, peer: tuple[str, str]) -> list[str]:
        """The resting link sessions of a peer, the oldest first."""
        return [session for session in self.resting if self._peer_of(session) == peer]

    def _peer_of(self, session: str) -> tuple[str, str]:
        found = self._sessions[session].session
        assert found is not None
        return found.name, found.side

    def resume(self, row: LinkRow, connection: CtiConnection, events: Sequence[Event]) -> None:
        """Have another connection carry a link session; the one before is cut off.

        Args:
            row: the link session.
            connection: whose link has let the peer resume.
            events: what that gave.
        """
        if row.connection is not None:
            row.connection.link.replaced()
            row.connection.abort()
        kept = [event for event in row.events if type(event) is Received]
        row.events.clear()
        row.events.extend(kept)
        row.connection = connection
        self.rows[row.number] = row
        self.resting.pop(row.id, None)
        self.counts.resumed += 1
        metrics.LINKS_RESUMED.inc()
        connection.write(queue(row, events))  # as long as it is: the peer asked for it

    def lose(self) -> None:
        """Count a peer that could not resume."""
        self.counts.lost += 1
        metrics.LINKS_RESUME_LOST.inc()

    def end(self, row: LinkRow) -> None:
        """Forget a link session, or a connection that never became one."""
        row.over = True
        self.rows.pop(row.number, None)
        self.leavers.add(row.child)
        if row.session is not None and self._sessions.pop(row.id, None) is not None:
            self.resting.pop(row.id, None)
            if row.lasting:
                self.journal.delete(KIND, row.id)

    def sweep(self) -> None:
        """Give up what nobody has resumed in time."""
        oldest = self._kernel.clock.monotonic() - self.limits.resume_s
        for session, since in tuple(self.resting.items()):
            if since > oldest:
                return
            self._give_up(session, "expired")

    def _give_up(self, session: str, why: str) -> None:
        row = self._sessions[session]
        self.end(row)
        if why == "expired":
            self.counts.expired += 1
        else:
            self.counts.displaced += 1
        metrics.LINK_SESSIONS_GIVEN_UP.labels(why).inc()
        if row.owner is not None and row.owner.cell is not None:
            self._kernel.send(row.owner, Over(why), None)

    # What survives the node

    def record(self, row: LinkRow, last_in: int) -> None:
        """Put a link session into the journal, and acknowledge once that is durable.

        One that does not outlive its connection is not put there, and waits for nothing.

        Args:
            row: which one.
            last_in: the number up to which that covers the peer's frames.
        """
        session = row.session
        if session is None or row.over:
            return
        if not row.lasting:
            self._recorded(row, session, last_in)
            return
        wall = self._kernel.clock.wall()
        record = LinkRecord(link_session.record(session), dict(row.registrations), wall)
        self.journal.put(KIND, session.id, record)
        self.journal.after(partial(self._recorded, row, session, last_in), (KIND, session.id))

    def _recorded(self, row: LinkRow, session: LinkSession, last_in: int) -> None:
        link_session.recorded(session, last_in)
        ways, connection = row.ways, row.connection
        first = row.first if ways.waiting else None
        if ways.durable(last_in, first) and row.owner is not None:
            self._kernel.send(row.owner, PROCEED, None)
        now = self._kernel.clock.monotonic()
        if session.withheld:
            self.tell(row, now)
        if connection is not None and connection.link.state.phase == "open":
            data = connection.link.ack(now)
            if data:
                connection.write(data)
        if session.withheld or ways.waiting:
            next_in = link_session.ackable(session, now, urgent=True)
            if next_in is not None:
                self.record(row, next_in)

    def tell(self, row: LinkRow, now: float) -> None:
        """Send a peer the refusals that hold now, or that it cannot wait for."""
        session = row.session
        if session is None or not session.withheld:
            return
        for error in refusals.take(session, now, at_once=bool(self.journal.failing)):
            if row.connection is not None and row.open:
                row.connection.write(row.connection.link.send(error, now))
            else:
                link_session.send(session, error, now)

    # What goes to another process

    @property
    def known(self) -> list[LinkRow]:
        """All rows, those of resting link sessions without an actor included."""
        return list(
            {row.number: row for row in (*self.rows.values(), *self._sessions.values())}.values()
        )

    @property
    def last(self) -> int:
        """The number of the youngest row."""
        return self._last

    def carry(self, last: int, rows: Iterable[tuple[LinkRow, bool]]) -> None:
        """Take in what another process has known.

        Args:
            last: its ``last``.
            rows: its rows, each with whether its actor runs or is to run.
        """
        self._last = max(self._last, last)
        for row, listed in rows:
            if listed:
                self.rows[row.number] = row
            if row.session is not None:
                self._sessions[row.id] = row

    def restore(self, records: Mapping[str, LinkRecord]) -> None:
        """Take in the link sessions of the node before; their peers have ``resume_s`` from now."""
        now = self._kernel.clock.monotonic()
        limits = session_limits(self.config)
        latest = sorted(records.items(), key=lambda item: item[1].at)
        for session, record in latest:
            if session in self._sessions:
                continue
            self._last += 1
            row = LinkRow(number=self._last, registrations=dict(record.registrations))
            row.session = link_session.restore(record.record, limits)
            row.ways.carry(record.record.last_in)
            self._sessions[session] = row
            self.resting[session] = now
        self._make_room()

    def stop(self) -> None:
        """The node stops: tell every peer, which resumes when the next node is there.

        What is not acknowledged is not acknowledged: the peer sends it again.
        """
        self.stopping = True
        for connection in tuple(self.connections):
            events = connection.link.close("shutdown", "vigie stops", 503)
            data = queue(LinkRow(number=0), events)
            if data:
                connection.write(data)
            connection.close()
