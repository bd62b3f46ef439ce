"""What a CTI still has, and what it wants to be told anew, as a part of its link's actor.

The parts of a snapshot stay unconfirmed until the last has come and its effect is durable: so they
come again after whatever crash, and the link itself need not remember them.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, field

from actors.call_messages import ContextAsked, SnapshotTaken
from actors.call_names import call_name, link_name
from actors.cti_context import ContextLink
from protocols.cti.framing import FramingError
from protocols.cti.message_base import MAX_LIST_ITEMS
from protocols.cti.messages import Resync, Snapshot
from supervision import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.cti_ways import Pending

SLICE = 200
"""Sessions that are told or opened in one turn."""


class Taking(Struct, eq=False):
    """A snapshot whose parts have all come.

    Attributes:
        parts: the numbers of its frames.
        told: what sessions are told.
        sessions: those that have not been told yet.
        unknown: calls that had no session.
        to_open: those of them that have none yet.
        agents: agents that are not known.
        opening: requests to open a session that have no answer yet.
    """

    parts: list[int]
    told: SnapshotTaken
    sessions: Iterator[str]
    unknown: list[str]
    to_open: Iterator[str]
    agents: list[str]
    opening: set[int] = field(default_factory=set)


class NextSlice(Struct, frozen=True):
    """Tells a link to go on with its snapshot, after what has come meanwhile."""


class Durable(Struct, frozen=True):
    """Tells a link that the effect of a snapshot is durable."""

    taking: Taking


class SnapshotLink(ContextLink):
    """The snapshots of one link; ``CtiLink`` is the whole actor."""

    _taking: Taking | None = None

    def _snapshot(self, pending: Pending) -> None:
        """Take a part; with the last one, take the snapshot."""
        message = pending.message
        assert isinstance(message, Snapshot)
        if message.more:
            return
        parts = [one for one in self._parts() if one.i <= message.i]
        calls = frozenset(call for part in parts for call in part.calls)
        unknown = [call for call in sorted(calls) if self._is_unknown(call)]
        self._taking = Taking(
            [part.i for part in parts],
            SnapshotTaken(self._row.name, calls, self.wall() - (self._now - pending.at)),
            iter(tuple(self._sessions.children)),
            unknown,
            iter(unknown),
            self._unknown_agents(parts),
        )
        self.send(self.address, NextSlice())

    def _parts(self) -> list[Snapshot]:
        messages = [pending.message for pending in self._row.pending.values()]
        return [message for message in messages if isinstance(message, Snapshot)]

    def _is_unknown(self, call: str) -> bool:
        name = call_name(call)
        opening = name in self._opening_calls or self.kernel.held.awaits(name)
        return not opening and self.whereis(name) is None

    def _unknown_agents(self, parts: list[Snapshot]) -> list[str]:
        """Have agents log out that are not named; return those that are not known."""
        named = [part.agents for part in parts if part.agents is not None]
        if not named:
            return []
        agents = self._table.agents
        present = frozenset(agent for some in named for agent in some)
        agents.leave(self._row.name, present, self.wall())
        return [agent for agent in sorted(present) if agents.get(agent) is None]

    def _next_slice(self, message: NextSlice) -> None:
        """Tell some sessions, have some opened."""
        del message
        taking = self._taking
        if taking is None:
            return
        told = list(islice(taking.sessions, SLICE))
        for session in told:
            address = self._sessions.address_of(session)
            if address is not None:
                self.send(address, taking.told)
        opened = [] if taking.opening else list(islice(taking.to_open, SLICE))
        for call in opened:
            self._open_for(taking, call)
        if told or opened:
            self.send(self.address, NextSlice())
        elif not taking.opening:
            self._taken(taking)

    def _open_for(self, taking: Taking, call: str) -> None:
        opening = self._openings.for_snapshot(call, self.wall(), self._row.name)
        if opening.request is not None:  # else there is no room, as its next request is told
            taking.opening.add(self.request(self._openings.supervisor, opening.request))

    def _answer_of_pool(self, response: Response) -> None:
        taking = self._taking
        if taking is None or response.request_id not in taking.opening:
            self._opened(response)
            return
        taking.opening.discard(response.request_id)
        if not taking.opening:
            self.send(self.address, NextSlice())

    def _taken(self, taking: Taking) -> None:
        self._taking = None
        self._table.journal.after(partial(self._durable, self._row.id, Durable(taking)))

    def _durable(self, link: str, message: Durable) -> None:
        address = self.kernel.registry.whereis(link_name(link))
        if address is not None:
            self.kernel.send(address, message, None)

    def _answer_snapshot(self, message: Durable) -> None:
        """Say what the peer is to tell anew, and confirm the parts."""
        taking = message.taking
        last = taking.parts[-1] if taking.parts else 0
        if last not in self._row.pending:
            return  # it has been taken again meanwhile, and answered
        self._send_names(Resync, last, taking.unknown, taking.agents)
        for i in taking.parts:
            self._confirm(i)

    def _resync(self, pending: Pending) -> None:
        """Tell the peer anew what it asks for, then which of it there is."""
        message = pending.message
        assert isinstance(message, Resync)
        found = [(call, self.whereis(call_name(call))) for call in dict.fromkeys(message.calls)]
        for _, session in found:
            if session is not None:
                self.send(session, ContextAsked(self._row.id, message.i))
        calls = [call for call, session in found if session is not None]
        known = self._table.agents.get
        agents = [agent for agent in message.agents if known(agent) is not None]
        self._send_names(Snapshot, message.i, calls, agents)
        self._confirm(message.i)

    def _send_names(
        self, kind: type[Snapshot | Resync], ref: int, calls: list[str], agents: list[str]
    ) -> None:
        """Tell the peer names, in as many frames as it takes."""
        size, more = MAX_LIST_ITEMS, True
        while more:
            more = max(len(calls), len(agents)) > size
            try:
                self._send(kind(calls=calls[:size], agents=agents[:size], more=more, ref=ref))
            except FramingError:
                if size > 1:
                    size, more = size // 2, True
                    continue
            calls, agents = calls[size:], agents[size:]

    def _give(self, pending: Pending) -> None:
        """Hand a frame to whom it is for, which may be the link itself."""
        if type(pending.message) is Snapshot:
            self._snapshot(pending)
        else:
            super()._give(pending)

    SNAPSHOT_INFO: ClassVar[dict[type, Any]] = {
        Response: _answer_of_pool,
        NextSlice: _next_slice,
        Durable: _answer_snapshot,
    }
    SNAPSHOT_FRAMES: ClassVar[dict[type, Any]] = {Snapshot: _snapshot, Resync: _resync}
