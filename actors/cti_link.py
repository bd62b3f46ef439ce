"""ctiLink: the actor of one link session, around the sans-IO protocol of ``protocols.cti``.

All that it knows is in the node's table of links: its next incarnation goes on where it stopped,
and the peer notices nothing but a pause. It begins with a connection; it goes on without one, for
as long as the peer may resume. Its handlers are synchronous: what it asks of others comes back as
messages, so that heartbeats and deadlines always get through.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from actors import metrics
from actors.call_names import link_name
from actors.cti_args import LinkArgs
from actors.cti_connection import Readable
from actors.cti_framing_b import FramingBLink
from actors.cti_greeting import GreetingLink
from actors.cti_row import forget_unconfirmed, queue
from actors.cti_table import Over, Resumed
from actors.cti_ways import Pending
from protocols.cti import link_session
from protocols.cti.events import Closed, HelloReceived, Received, Refused
from protocols.cti.messages import (
    RouteRequest,
    RpAbort,
    RpCancel,
    RpRegister,
    RpRegistered,
)
from supervision import IGNORE, Continue, Timeout
from supervision.reasons import shutdown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from protocols.csta.events import Event
    from supervision.eventloop.timers import Timer

LINKS = "ctiLinks"
"""The group of the links that are open."""

MAX_REGISTRATIONS = 1_000

_OF_LINK = frozenset({RpRegister, RpCancel, RpAbort})
_NEXT_TIMEOUT = attrgetter("next_timeout")

MAX_CRASHES = 3
"""Frames that may crash a link session's actor before its connection is closed."""


class CtiLink(FramingBLink):
    """One link session; see the module."""

    # Beginning and end

    def init(self, args: LinkArgs) -> Any:
        """Adopt what the table has of this link session."""
        row = self._row = args.row
        if row.over:
            return IGNORE
        self._args = args
        self._table = args.table
        self._timer: Timer | None = None
        self._carrying = False
        row.owner = self.address
        self._now = self.now()
        self._begin_routing(args.settings, args.openings, args.pool)
        if row.session is not None:
            self.register(link_name(row.id))
        self.at_end(self._leave)  # also when it is killed, and terminate is not called
        return Continue("adopt")

    def _leave(self) -> None:
        """The actor has ended, the link session has not: its next incarnation goes on."""
        if self._row.connection is not None:
            self._row.connection.detach()

    def handle_continue(self, term: Any) -> None:
        """Go on where the last incarnation stopped."""
        del term
        self._now = self.now()
        row = self._row
        if row.reading:
            self._reading_crashed()
        if row.handling:
            self._handling_crashed()
        if row.session is not None:
            link_session.adopted(row.session, self._now)
            self._give_all()
            due = row.questions.next_guard
            if due is not None:
                self._guard_at(due)
        self._attach()
        self._note()

    def _attach(self) -> None:
        """Read the connection, if there is one."""
        row = self._row
        self._carry_on()
        if row.connection is None:
            return
        if row.open:
            self._opened_connection()
            self._relieve_later()
        self._set_timer_anew()
        row.connection.attach(self.address)

    def _reading_crashed(self) -> None:
        row = self._row
        row.reading = False
        forget_unconfirmed(row)
        if row.connection is not None:
            why = "vigie failed while reading this connection"
            self._take(row.connection.link.close("malformed", why, 500))

    def _handling_crashed(self) -> None:
        """Refuse the frame whose handling was the end of the last incarnation."""
        row = self._row
        i, row.handling = row.handling, 0
        row.crashes += 1
        metrics.LINK_FRAMES_FAILED.inc()
        self._log("crashed", i=i)
        pending = row.pending.get(i)
        if pending is not None:
            row.questions.refuse(pending.message)
            self._error(pending.message, 500, "vigie failed while handling this frame", None)
        if row.connection is not None and row.crashes % MAX_CRASHES == 0:
            why = f"{MAX_CRASHES} frames made vigie fail"
            self._take(row.connection.link.close("malformed", why, 500))

    def status(self) -> Any:
        """The link's counters and what it waits for."""
        row, session = self._row, self._row.session
        connection = row.connection
        return {
            **self._shown(),
            "peer": None if connection is None else connection.peer,
            "session": row.id,
            "link": None if connection is None else connection.link.statistics(),
            "numbers": None if session is None else link_session.count(session),
            "last_in": 0 if session is None else session.next_in - 1,
            "confirmed": 0 if session is None else session.confirmed_in,
            "acknowledged": 0 if session is None else session.durable_in,
            "pending": len(row.pending),
            "unread": 0 if connection is None else connection.unread,
            "questions": len(row.questions.open),
            "counts": row.questions.counts,
            "opening": len(self._opening),
            "held": len(self._held),
            "waiting": len(row.ways),
            "registrations": {reg: list(rp) for reg, rp in row.registrations.items()},
        }

    # Messages of the connection, of time and of other actors

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hand a message to its method."""
        del sender
        self._now = self._myRef.kernel.now
        self._INFO[type(message)](self, message)
        row, session = self._row, self._row.session
        looks = self._again is None and row.pending
        if session is not None and (looks or session.ack_at is not None or session.withheld):
            self._note()

    def _readable(self, message: Readable) -> None:
        del message
        connection = self._row.connection
        if connection is None or self._pressed():
            return
        read = connection.take()
        if read is None:
            if connection.lost is not None:
                self._take(connection.link.eof())
            return
        self._args.overload.note(self._now - read.at)
        repeated = connection.link.state.repetitions
        self._row.reading = True
        events = connection.link.receive(read.data, read.at)
        self._row.reading = False
        self._take(events)
        if not self._row.lasting:
            self._set_timer_nearer()
        if connection.link.state.repetitions != repeated:
            metrics.LINK_FRAMES_REPEATED.inc(connection.link.state.repetitions - repeated)

    def _timeout(self, message: Timeout) -> None:
        what, ref = message.payload, message.ref
        if ref is self._guard:
            self._guard_due()
        elif ref is self._telling:
            self._tell_due()
        elif ref is self._look:
            self._look_again()
        elif ref is self._again:
            self._again_due()
        elif ref is self._timer:  # one that was set anew after it had fired is none of them
            self._timer = None
            self._link_due()
        elif what == "press":
            self._press_again()
        elif ref is self._relief:
            self._relieve()
        elif not isinstance(what, str):
            self._open_again(what)

    def _link_due(self) -> None:
        connection = self._row.connection
        if connection is not None:
            link, now = connection.link, self._now
            self._take(link.held(now) if self._pressing else link.timeout(now))
            self._set_timer()

    def _set_timer_anew(self) -> None:
        if self._timer is not None:  # an open link is due earlier than a handshake
            self.cancel_timer(self._timer)
            self._timer = None
        self._set_timer()

    def _set_timer(self) -> None:
        connection = self._row.connection
        if self._timer is None and connection is not None:
            due = partial(_NEXT_TIMEOUT, connection.link)  # of this one: it is set anew for another
            self._timer = self.start_moving_timer(due, "link")

    def _link_due_at(self) -> float | None:
        connection = self._row.connection
        return None if connection is None else connection.link.next_timeout

    def _set_timer_nearer(self) -> None:
        """In framing B a peer may shorten its application session."""
        due, timer = self._link_due_at(), self._timer
        if due is not None and timer is not None and due < timer.when:
            self._set_timer_anew()

    def _resumed(self, message: Resumed) -> None:
        """Another connection carries the link session from now on."""
        del message
        self._log("resumed")
        self._attach()

    def _over(self, message: Over) -> None:
        self._log("over", why=message.why)
        self.stop(shutdown(message.why))

    # Events of the link

    def _take(self, events: Sequence[Event]) -> None:
        """Write what a read or the time gave, then carry out the rest."""
        row = self._row
        data = queue(row, events)
        if data:
            self._write(data)
        if row.events:
            self._carry_on()

    def _carry_on(self) -> None:
        if self._carrying:
            return  # whoever does goes on
        self._carrying = True
        events = self._row.events
        while events and not self._row.over:
            event = events.popleft()
            self._EVENTS[type(event)](self, event)
        self._carrying = False

    def _write(self, data: bytes) -> None:
        connection = self._row.connection
        if connection is None or connection.write(data):
            return
        if connection.link.state.phase != "closed" and connection.lost is None:
            closed = connection.link.close("slow-reader", "the peer does not read its answers")
            connection.abort()
            self._take(closed)

    def _received(self, event: Received) -> None:
        row, message = self._row, event.message
        row.handling = message.i
        pending = row.pending.get(message.i)
        if pending is None:  # it was done with before its peer sent it again
            pending = Pending(message, event.at)
        elif event.again:
            pending.at = event.at
        pending.taken = True
        if event.again or type(message) in _OF_LINK or not self._shed(pending):
            self._MESSAGES[type(message)](self, pending)
        row.handling = 0

    def _refused(self, event: Refused) -> None:
        connection = self._row.connection
        count = 1 if connection is None else connection.link.state.refused.get(event.code, 1)
        if count.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...: a flood leaves a trace, no flood
            particulars = {"msg": event.msg, "field": event.field, "ref": event.ref}
            self._log("refused", code=event.code, count=count, **particulars)

    def _closed(self, event: Closed) -> None:
        """The connection has ended; the link session waits for another, if one may come."""
        row = self._row
        self._log("closed", why=event.reason, msg=event.msg, code=event.code)
        connection, row.connection = row.connection, None
        if connection is not None:
            connection.close()
        self.leave(LINKS)
        if row.session is None or not row.lasting:
            self._table.end(row)
            self.stop(shutdown(event.reason))
        else:
            self._table.rest(row)

    def _log(self, what: str, **particulars: Any) -> None:
        connection, session = self._row.connection, self._row.session
        named = {
            "peer": None if connection is None else connection.peer,
            "name": connection.link.state.name if session is None and connection else None,
            "session": self._row.id,
        }
        if session is not None:
            named["name"] = session.name
        self.kernel.report("link", self.address.path, what=what, **named, **particulars)

    # Frames about the link itself

    def _opened_connection(self) -> None:
        self.join(LINKS)

    def _rp_register(self, pending: Pending) -> None:
        message, registrations = pending.message, self._row.registrations
        assert isinstance(message, RpRegister)
        if len(registrations) >= MAX_REGISTRATIONS:
            rule = f"a link has at most {MAX_REGISTRATIONS} registrations"
            self._error(message, 429, rule, "rp")
            return
        reg = f"reg-{message.i}"
        registrations[reg] = tuple(message.rp)
        self._send(RpRegistered(reg=reg))
        self._confirm(message.i)

    def _rp_end(self, pending: Pending) -> None:
        message = pending.message
        assert isinstance(message, RpCancel | RpAbort)
        if self._row.registrations.pop(message.reg, None) is None:
            self._error(message, 404, "reg is not a registration of this link", "reg")
        else:
            self._confirm(message.i)

    def _route_request(self, pending: Pending) -> None:
        message = pending.message
        assert isinstance(message, RouteRequest)
        if message.reg is not None and not self._covers(message.reg, message.rp):
            self._error(message, 404, "reg is not a registration of this link for this rp", "reg")
            return
        self._request_of(pending)

    def _covers(self, reg: str, rp: str) -> bool:
        points = self._row.registrations.get(reg, ())
        return rp in points or "*" in points

    _INFO: ClassVar[dict[type, Any]] = {
        Readable: _readable,
        Resumed: _resumed,
        Over: _over,
        Timeout: _timeout,
        **GreetingLink.ROUTING_INFO,
        **GreetingLink.CONTEXT_INFO,
        **GreetingLink.SNAPSHOT_INFO,
    }
    _EVENTS: ClassVar[dict[type, Any]] = {
        HelloReceived: GreetingLink._hello,  # noqa: SLF001 - of this very class
        Received: _received,
        Refused: _refused,
        Closed: _closed,
        **FramingBLink.FRAMING_B_EVENTS,
    }
    _MESSAGES: ClassVar[dict[type, Any]] = {
        RpRegister: _rp_register,
        RpCancel: _rp_end,
        RpAbort: _rp_end,
        RouteRequest: _route_request,
        **GreetingLink.ROUTING_FRAMES,
        **GreetingLink.CONTEXT_FRAMES,
        **GreetingLink.SNAPSHOT_FRAMES,
    }
