"""How a link's actor finds the sessions of its frames, in order, or has them opened.

Frames of one call reach its session in the order of their numbers. What is about a session that is
being opened, or is between two lives, waits for it; where the pool of sessions as a whole was
restarted, what it had not confirmed is handed over again before anything newer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from actors import metrics
from actors.call_names import call_name, xref_name
from actors.cti_confirming import ConfirmingLink
from actors.cti_held import Held
from actors.cti_table import Proceed
from actors.cti_ways import Pending
from protocols.cti.messages import CallEvent, DataUpdate, RouteRequest
from supervision import Down, Response
from supervision.eventloop.lifecycle import starting

if TYPE_CHECKING:
    from collections.abc import Hashable

    from actors.cti_ways import Way
    from actors.session_opening import Openings
    from actors.session_pool import SessionPool
    from protocols.cti.messages import ErrorCode, Message
    from supervision.eventloop.cell import LocalAddress
    from supervision.eventloop.links import Monitor
    from supervision.eventloop.timers import Timer

LOOK_AGAIN_S = 0.01
"""Wait before a session that is not there yet is looked for again."""

OPEN_FOR_S = 1.0
"""How long a link tries to have a session opened, before it waits for the next round."""


SESSION = "session"
"""Of names that are the id of a session: the pool knows where it lives."""


class Awaited(Struct, frozen=True):
    """A session that is being opened for a frame.

    Attributes:
        pending: the frame.
        call, xref: the names that the session will have.
    """

    pending: Pending
    call: tuple[str, str]
    xref: tuple[str, str]


class FindingLink(ConfirmingLink):
    """The look-ups of one link; ``CtiLink`` is the whole actor."""

    def _begin_finding(self, openings: Openings, sessions: SessionPool) -> None:
        self._openings = openings
        self._sessions = sessions
        self._whereis = self.kernel.registry.whereis
        self._held = Held()
        self._opening: dict[int, Awaited] = {}
        self._opening_calls: dict[tuple[str, str], str] = {}
        self._look: Timer | None = None
        self._pool: Monitor | None = None
        self._watch_pool()

    @abstractmethod
    def _hand(self, pending: Pending, session: LocalAddress) -> None:
        """Hand a frame to its session."""

    @abstractmethod
    def _about_nothing(self, message: Message) -> None:
        """Refuse a frame whose session does not exist."""

    def _refuse(self, message: Message, code: ErrorCode, msg: str, field: str) -> None:
        """Refuse a frame, and its question where it has one."""
        self._row.questions.refuse(message)
        self._error(message, code, msg, field)

    # Where a frame belongs

    def _give(self, pending: Pending) -> None:
        """Hand a frame to whom it is for."""
        self._to_session(pending)

    def _to_session(self, pending: Pending) -> None:
        """Hand a frame to its session, or have it wait for it."""
        name = self._name(pending.message)
        waits = name in self._opening_calls or name in self._held.frames
        session = None if waits else self._session_of(name)
        if session is not None:
            self._pass(pending, session)
        elif not waits and self._may_open(pending, name):
            self._open(pending, name)
        else:
            pending.handed = 0.0
            self._held.hold(name, pending, self._now)
            self._look_later()

    def _session_of(self, name: Hashable) -> LocalAddress | None:
        """Where the session with a name lives."""
        if type(name) is tuple and name[0] == SESSION:
            return self._sessions.address_of(name[1])
        return self._whereis(name)

    def _may_open(self, pending: Pending, name: tuple[str, str]) -> bool:
        """Whether a frame opens a session; not while that of its call waits to be restarted."""
        is_request = isinstance(pending.message, RouteRequest)
        return is_request and self._pool is not None and not self.kernel.held.awaits(name)

    def _pass(self, pending: Pending, session: LocalAddress) -> None:
        """Hand a frame to its session, or have it wait until earlier ones are durable."""
        row = self._row
        way = row.ways.to(session)
        if way.life != session.incarnation:
            self._lives_again(way)
        assert row.session is not None
        if row.ways.admit(way, pending, row.session.confirmed_in + 1):
            self._hand(pending, session)

    def _lives_again(self, way: Way) -> None:
        """Hand a session that was restarted what it may have died with, once for each frame."""
        row, was = self._row, way.life
        way.life = way.session.incarnation
        if not was:
            return  # nothing was handed to it before, or all of it is handed again
        for i, pending in row.pending.items():
            if pending.handed and not pending.hurried and row.ways.is_by(way, i):
                pending.hurried = True
                metrics.LINK_FRAMES_HANDED_AGAIN.inc()
                self._hand(pending, way.session)

    def _look_after_sessions(self) -> None:
        for way in self._row.ways.restarted():
            self._lives_again(way)

    def _proceed(self, message: Proceed) -> None:
        """Hand over what has waited for other frames to be durable."""
        del message
        row = self._row
        while row.ways.ready:
            way = row.ways.ready.popleft()
            while (pending := row.ways.next_of(way, row.first)) is not None:
                if row.pending.get(pending.message.i) is not pending:
                    continue  # it has been refused meanwhile
                if self._session_of(self._name(pending.message)) is not way.session:
                    for frame in (pending, *row.ways.take_waiting(way)):
                        self._give(frame)
                    break
                self._pass_on(way, pending)

    def _pass_on(self, way: Way, pending: Pending) -> None:
        """Hand over a frame that has waited: those after it still do."""
        self._row.ways.note(pending.message.i, way)
        if way.life != way.session.incarnation:
            self._lives_again(way)
        self._hand(pending, way.session)

    def _name(self, message: Any) -> tuple[str, str]:
        """The name of the session that a frame is about."""
        if isinstance(message, RouteRequest):
            return call_name(message.call)
        if isinstance(message, CallEvent):
            return self._name_of_call(message)
        if isinstance(message, DataUpdate):
            session, call = message.session, message.call
            return call_name(str(call)) if session is None else (SESSION, session)
        name = xref_name(message.xref)
        call = self._opening_calls.get(name)
        return name if call is None else call_name(call)

    def _name_of_call(self, message: CallEvent) -> tuple[str, str]:
        name = call_name(message.call)
        if message.prev_call is None or name in self._opening_calls:
            return name
        return name if self.whereis(name) is not None else call_name(message.prev_call)

    # Opening

    def _open(self, pending: Pending, call: tuple[str, str]) -> None:
        """Have a session opened that will be known by the name of its call."""
        message = pending.message
        assert isinstance(message, RouteRequest)
        assert self._row.session is not None
        opening = self._openings.for_route(message, self.wall(), self._row.session.name)
        question = self._row.questions.asked(message)
        if question is not None:
            question.session = opening.session
        if opening.request is None:
            self._refuse(message, 503, opening.refusal, "call")
            return
        xref = xref_name(message.xref)
        self._opening_calls[call] = self._opening_calls[xref] = message.call
        request_id = self.request(self._openings.supervisor, opening.request)
        self._opening[request_id] = Awaited(pending, call, xref)

    def _opened(self, response: Response) -> None:
        awaited = self._opening.pop(response.request_id, None)
        if awaited is None:
            return
        session = self._whereis(awaited.call)
        if session is None:
            # The pool is between two lives: try again.
            self.start_timer(LOOK_AGAIN_S, awaited.pending)
            return
        self._no_longer_opening(awaited.call, awaited.xref)
        self._pass(awaited.pending, session)
        if awaited.call in self._held.frames:
            for frame in self._held.release(awaited.call):
                self._pass(frame, session)

    def _open_again(self, pending: Pending) -> None:
        message = pending.message
        assert isinstance(message, RouteRequest)
        call = call_name(message.call)
        if call not in self._opening_calls:
            return  # the pool is gone: all that waits is given anew
        if message.i in self._row.pending and self._now < pending.at + OPEN_FOR_S:
            self._open(pending, call)
            return
        self._no_longer_opening(call, xref_name(message.xref))
        pending.handed = self._now

    def _no_longer_opening(self, call: tuple[str, str], xref: tuple[str, str]) -> None:
        self._opening_calls.pop(call, None)
        self._opening_calls.pop(xref, None)

    # Waiting

    def _look_later(self) -> None:
        if self._look is None:
            self._look = self.start_timer(LOOK_AGAIN_S, "look")

    def _look_again(self) -> None:
        self._look = None
        if self._pool is None:
            self._watch_pool()
        for pending, session in self._held.found(self._session_of):
            self._pass(pending, session)
        if self._pool is not None:
            for pending in self._held.overdue(self._now, self._opening_calls):
                self._overdue(pending)
        if self._held or self._pool is None:
            self._look_later()

    def _overdue(self, pending: Pending) -> None:
        """There is no session for a frame: a request has one opened, any other is about nothing."""
        name = self._name(pending.message)
        if name in self._opening_calls or self.kernel.held.awaits(name):
            self._held.hold(name, pending, self._now)
        elif isinstance(pending.message, RouteRequest):
            self._open(pending, name)
        else:
            self._about_nothing(pending.message)

    # The pool of sessions

    def _watch_pool(self) -> None:
        """See whether the pool is there; what waits has its time from then on."""
        address = self.whereis(self._openings.supervisor)
        if address is None or address.cell is None or starting(address.cell):
            self._look_later()
            return
        self._pool = self.monitor(address)
        for pending in self._held.take_all():
            self._give(pending)

    def _down(self, down: Down) -> None:
        if down.ref is not self._pool:
            return
        self._pool = None
        self._give_all()
        self._look_later()

    def _give_all(self) -> None:
        """Hand over all that is not confirmed, in order, to whoever is there now."""
        self._opening.clear()
        self._opening_calls.clear()
        self._held = Held()
        self._row.ways.begin_anew()
        for pending in tuple(self._row.pending.values()):
            if pending.taken:
                self._give(pending)

    FINDING_INFO: ClassVar[dict[type, Any]] = {
        Response: _opened,
        Down: _down,
        Proceed: _proceed,
    }
