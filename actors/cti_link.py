"""ctiLink: the actor of one CTI connection, around the sans-IO link of ``protocols.cti``.

Its handlers are synchronous: what it asks of others comes back as messages, so that heartbeats and
deadlines always get through.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct

from actors.call_names import link_name
from actors.cti_connection import BytesRead, CtiConnection, EndOfFile
from actors.cti_dialogues import Question
from actors.cti_routing import RoutingLink
from actors.session_opening import Openings
from actors.web.tokens import TokenStore, includes
from protocols.cti.events import Closed, FramingB, HelloReceived, Received, Refused, Transmit
from protocols.cti.link import Link
from protocols.cti.messages import (
    Error,
    ErrorCode,
    Message,
    RouteRequest,
    RpAbort,
    RpCancel,
    RpRegister,
    RpRegistered,
)
from supervision import Timeout
from supervision.reasons import shutdown

if TYPE_CHECKING:
    from actors.call_messages import CallSettings
    from protocols.cti.events import Event
    from protocols.cti.link_state import LinkConfig
    from supervision.eventloop.timers import Timer
    from supervision.reasons import Reason

SESSION_BYTES = 12
LINKS = "ctiLinks"
"""The group of the links that are open."""

MAX_REGISTRATIONS = 1_000


class LinkArgs(Struct, frozen=True):
    """What a link starts with.

    Attributes:
        connection: accepted, not yet read.
        config: the limits of the protocol.
        settings: those of calls.
        tokens: who may connect.
        openings: how sessions of new calls are opened.
    """

    connection: CtiConnection
    config: LinkConfig
    settings: CallSettings
    tokens: TokenStore
    openings: Openings


class CtiLink(RoutingLink):
    """One CTI connection; see the module."""

    # Beginning and end

    def init(self, args: LinkArgs) -> None:
        """Attach to the connection, which is read from now on."""
        self._args = args
        self._link = Link(args.config, now=self.now(), wall=self.wall())
        self._registrations: dict[str, tuple[str, ...]] = {}
        self._timer: Timer | None = None
        self._begin_routing(args.settings, args.openings)
        self._set_timer()
        self.join(LINKS)
        self.at_end(args.connection.close)  # also when it is killed, and terminate is not called
        args.connection.attach(self.address)

    def terminate(self, reason: Reason) -> None:
        """Tell the peer where vigie stops."""
        if reason.clean:
            self._carry_out(self._link.close("shutdown", "vigie stops this link", 503))

    def status(self) -> Any:
        """The link's counters and what it waits for."""
        return {
            "peer": self._args.connection.peer,
            "link": self._link.statistics(),
            "questions": len(self._questions.open),
            "counts": self._questions.counts,
            "opening": len(self._opening),
            "held": len(self._held),
            "registrations": {reg: list(rp) for reg, rp in self._registrations.items()},
        }

    # Messages of the connection, of time and of other actors

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hand a message to its method."""
        del sender
        self._INFO[type(message)](self, message)

    def _bytes_read(self, message: BytesRead) -> None:
        self._carry_out(self._link.receive(message.data, message.at))
        self._args.connection.handled()

    def _end_of_file(self, message: EndOfFile) -> None:
        del message
        self._carry_out(self._link.eof())

    def _timeout(self, message: Timeout) -> None:
        if isinstance(message.payload, Question):
            self._open_again(message.payload)
        elif message.ref is self._guard:
            self._guard_due()
        elif message.ref is self._look:
            self._look_again()
        elif message.ref is self._timer:  # one that was set anew after it had fired is none of them
            self._timer = None
            self._carry_out(self._link.timeout(self.now()))
            self._set_timer()

    def _set_timer(self) -> None:
        due = self._link.next_timeout
        if due is not None and self._timer is None:
            self._timer = self.start_timer(due - self.now(), "link")

    def _carry_out(self, events: list[Event]) -> None:
        for event in events:
            self._EVENTS[type(event)](self, event)

    # Events of the link

    def _transmit(self, event: Transmit) -> None:
        self._write(event.data)

    def _write(self, data: bytes) -> bool:
        written = self._args.connection.write(data)
        if not written and self._link.state.phase != "closed":
            self._carry_out(self._link.close("slow-reader", "the peer does not read its answers"))
            self._args.connection.abort()
        return written

    def _hello(self, event: HelloReceived) -> None:
        token = self._args.tokens.authenticate(event.hello.token, self.wall())
        if token is None:
            events = self._link.refuse(401, "token is unknown or has expired", "token")
        elif not includes(token.scope, ("cti",)):
            events = self._link.refuse(401, "token must be of scope cti or admin", "token")
        elif event.hello.resume is not None:
            events = self._link.resume_lost(self.now())
        else:
            events = self._link.accept(secrets.token_hex(SESSION_BYTES), self.now())
            self.register(link_name(self._session_id()))
        self._carry_out(events)
        if self._timer is not None:  # an open link is due earlier than a handshake
            self.cancel_timer(self._timer)
            self._timer = None
        self._set_timer()

    def _received(self, event: Received) -> None:
        handler = self._MESSAGES.get(type(event.message))
        if handler is not None:
            handler(self, event.message, event.at)

    def _refused(self, event: Refused) -> None:
        count = self._link.state.refused[event.code]
        if count.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...: a flood leaves a trace, no flood
            particulars = {"msg": event.msg, "field": event.field, "ref": event.ref}
            self._log("refused", code=event.code, count=count, **particulars)

    def _framing_b(self, event: FramingB) -> None:
        del event
        self._log("framing B is not served yet")

    def _closed(self, event: Closed) -> None:
        self._log("closed", why=event.reason, msg=event.msg, code=event.code)
        self._args.connection.close()
        self.stop(shutdown(event.reason))

    def _session_id(self) -> str:
        return self._link.state.session or ""

    def _log(self, what: str, **particulars: Any) -> None:
        peer = self._args.connection.peer
        name = self._link.state.name
        self.kernel.report(
            "link", self.address.path, what=what, peer=peer, name=name, **particulars
        )

    # Frames of the peer

    def _send(self, message: Message) -> bool:
        if self._link.state.phase != "open":
            return False
        return self._write(self._link.send(message, self.now()))

    def _error(self, message: Message, code: ErrorCode, msg: str, field: str) -> None:
        self._send(Error(code=code, ref=message.i, msg=msg, field=field))

    def _rp_register(self, message: RpRegister, _at: float) -> None:
        if len(self._registrations) >= MAX_REGISTRATIONS:
            rule = f"a link has at most {MAX_REGISTRATIONS} registrations"
            self._error(message, 429, rule, "rp")
            return
        reg = f"reg-{message.i}"
        self._registrations[reg] = tuple(message.rp)
        self._send(RpRegistered(reg=reg))

    def _rp_end(self, message: RpCancel | RpAbort, _at: float) -> None:
        if self._registrations.pop(message.reg, None) is None:
            self._error(message, 404, "reg is not a registration of this link", "reg")

    def _route_request(self, message: RouteRequest, at: float) -> None:
        if message.reg is not None and not self._covers(message.reg, message.rp):
            self._error(message, 404, "reg is not a registration of this link for this rp", "reg")
            return
        self._route(message, at)

    def _covers(self, reg: str, rp: str) -> bool:
        points = self._registrations.get(reg, ())
        return rp in points or "*" in points

    _INFO: ClassVar[dict[type, Any]] = {
        BytesRead: _bytes_read,
        EndOfFile: _end_of_file,
        Timeout: _timeout,
        **RoutingLink.ROUTING_INFO,
    }
    _EVENTS: ClassVar[dict[type, Any]] = {
        Transmit: _transmit,
        HelloReceived: _hello,
        Received: _received,
        Refused: _refused,
        FramingB: _framing_b,
        Closed: _closed,
    }
    _MESSAGES: ClassVar[dict[type, Any]] = {
        RpRegister: _rp_register,
        RpCancel: _rp_end,
        RpAbort: _rp_end,
        RouteRequest: _route_request,
        **RoutingLink.ROUTING_FRAMES,
    }
