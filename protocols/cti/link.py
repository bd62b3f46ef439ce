"""vigie's end of one CTI connection: bytes and times in, events out; no socket, no clock.

The caller owns the connection, passes what it read to `receive`, calls `timeout` when
`next_timeout` comes, and does what the returned events say, in their order; but every `Transmit` of
a list is written before anything else is sent, for it has its number already. After `Closed` the
link says nothing.

A link carries a *link session* (`link_session.LinkSession`), which goes on when the link has ended:
the peer resumes it by another connection.

What contract 3 leaves open is decided so: a first frame that is not `hello` gets `error` 401 and
the link is closed; frames sent before the answer to `hello` wait for it; an `error` sent before
that answer has no `i`, like `hello` itself; a frame without a valid `i` is malformed: `error` 400
and closed; a `hello` that is refused closes the link, but for `resume-lost`; an `error` that closes
the link is not repeated after a resume.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from protocols.cti import flow, framing, heartbeat, link_session, link_state, refusals, replaying
from protocols.cti.events import (
    Event,
    FramingB,
    HelloReceived,
    Received,
    Refused,
    Transmit,
)
from protocols.cti.link_base import LinkBase
from protocols.cti.link_end import WrongPhaseError
from protocols.cti.messages import (
    CallEvent,
    Error,
    ErrorCode,
    Heartbeat,
    HeartbeatOk,
    Hello,
    HelloAnswer,
    Message,
    RerouteRequest,
    RouteEnd,
    RouteRequest,
    Void,
    known_caps,
)
from protocols.cti.parsing import FrameRefused, parse, reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from protocols.cti.link_session import LinkSession

__all__ = ["RESUME_LOST", "Link", "WrongPhaseError"]

RESUME_LOST = "resume-lost"

REQUESTS = ("route.request", "reroute.request")  # no set: a peer's `t` may be a map, without a hash

ENDS = frozenset({"cleared", "abandoned"})
_TAKING = frozenset({"greeting", "open"})  # phases in which frames are taken out of what has come
_REQUESTS = (RouteRequest, RerouteRequest)
_OF_LINK = frozenset({Heartbeat, HeartbeatOk, Void, Error})


def ends(message: Message) -> bool:
    """Whether a message ends a call or a dialogue, which makes room."""
    if isinstance(message, CallEvent):
        return message.ev in ENDS
    return isinstance(message, RouteEnd)


class Link(LinkBase):
    """The server end of one connection.

    Args:
        config: its limits.
        now: the caller's monotonic clock when the connection was accepted, seconds.
        wall: the same instant in seconds since the epoch.
    """

    # What the connection tells

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take the bytes of one read.

        Args:
            data: what was read, not empty.
            now: when, monotonic seconds.
        """
        state = self.state
        if state.phase == "closed":
            return []
        state.bytes_in += len(data)
        self._decoder.feed(data)
        if state.phase == "verifying":
            return self._check_waiting()
        if state.framing == "undecided":
            return self._recognise(now)
        if state.framing == "B":
            return []  # it is for the link that goes on with what has arrived
        return self._take_frames(now)

    # What time tells

    @property
    def next_timeout(self) -> float | None:
        """When to call `timeout` next, monotonic seconds; None once closed.

        Messages only move it later, so that a timer need not be set again for each: call `timeout`
        when it fires and set it to the new value. It moves nearer only when a link opens. Records
        and acks have a time of their own, `LinkSession.ack_at`, for they do not need a connection.
        """
        state = self.state
        if state.phase == "open":
            return heartbeat.next_due(state.watch, self.config.hb)
        if state.phase == "closed":
            return None
        return state.opened_at + self.config.handshake_timeout_ms / 1000

    def timeout(self, now: float) -> list[Event]:
        """Do what is due at `now`; nothing when called early."""
        if self.state.phase == "open":
            return self._watch(now)
        if (due := self.next_timeout) is None or now < due:
            return []
        rule = f"no hello within {self.config.handshake_timeout_ms} ms"
        if self.state.phase == "verifying":
            return self.close("handshake-timeout", "the hello could not be checked in time", 503)
        return self.close("handshake-timeout", rule, 400)

    def held(self, now: float) -> list[Event]:
        """As `timeout` while the caller does not read: the peer is not silent, it is not heard."""
        if self.state.phase == "open":
            heartbeat.note_received(self.state.watch, now)
        return self.timeout(now)

    # What the application tells after `HelloReceived`

    def accept(self, session: str, now: float, caps: Iterable[str] = ()) -> list[Event]:
        """Let the peer in with a new link session.

        Args:
            session: the id of the new link session.
            now: monotonic seconds.
            caps: that its hello has named.

        Returns:
            The answer, and what frames that came meanwhile give.

        Raises:
            WrongPhaseError: no hello waits for its answer, or it is one that resumes.
        """
        state = self.state
        if state.phase != "verifying" or state.resume or not state.name or not state.side:
            raise WrongPhaseError(f"accept in phase {state.phase}, resuming {state.resume}")
        limits = link_state.session_limits(self.config)
        begun = link_session.begin(session, state.name, state.side, limits)
        begun.caps = known_caps(caps)
        return self._open(begun, b"", now)

    def can_resume(self, session: LinkSession) -> bool:
        """Tell whether `resume` will let the peer go on with a link session.

        It must be the one that the hello names, of the same peer, and its buffer must reach back to
        what the peer has handled.
        """
        state = self.state
        return (
            state.phase == "verifying"
            and state.resume is not None
            and state.resume.session == session.id
            and (state.name, state.side) == (session.name, session.side)
            and replaying.reaches(session, state.resume.last_i)
        )

    def resume(self, session: LinkSession, now: float, caps: Iterable[str] = ()) -> list[Event]:
        """Let the peer go on with its link session.

        The connection that carried it before must not be used any more: see `replaced`.

        Args:
            session: the link session that the hello names.
            now: monotonic seconds.
            caps: that the hello has named.

        Returns:
            The answer with all that is sent again, and what frames that came meanwhile give; as
            `resume_lost` where it cannot go on.

        Raises:
            WrongPhaseError: no hello that resumes waits for its answer.
        """
        resume = self.state.resume
        if resume is None or not self.can_resume(session):
            return self.resume_lost(now)
        session.caps = known_caps(caps)
        again = list(replaying.replay(session, resume.last_i, now))
        self.state.settled = replaying.settled(session, now)
        self.state.next_in = session.durable_in + 1
        self.state.frames_out += len(again)
        return self._open(session, b"".join(again), now)

    def resume_lost(self, now: float) -> list[Event]:
        """Tell the peer that its link session is gone: it says hello again, without `resume`.

        Raises:
            WrongPhaseError: no hello that resumes waits for its answer.
        """
        if self.state.phase != "verifying" or self.state.resume is None:
            raise WrongPhaseError(f"resume_lost in phase {self.state.phase}")
        self._step("lost")
        self._count_refusal(409)
        error = Error(code=409, ref=0, msg=RESUME_LOST, field="resume")
        refused = Refused(409, RESUME_LOST, "resume", 0)
        return [Transmit(self._plain(error)), refused, *self._take_frames(now)]

    def refuse(self, code: ErrorCode, msg: str, field: str | None = None) -> list[Event]:
        """Turn the peer away: `error`, and the link is closed.

        Args:
            code: 401 for a token that is unknown, expired or of another scope.
            msg: the rule, for the peer.
            field: the field that broke it.

        Raises:
            WrongPhaseError: no hello waits for its answer.
        """
        if self.state.phase != "verifying":
            raise WrongPhaseError(f"refuse in phase {self.state.phase}")
        return self._fail("refused", code, msg, field)

    # The beginning

    def _open(self, session: LinkSession, again: bytes, now: float) -> list[Event]:
        state = self.state
        state.session, state.told_in = session.id, session.durable_in
        answer = HelloAnswer(
            proto=1,
            session=session.id,
            hb=self.config.hb,
            last_i=session.durable_in,
            window=self.config.window,
            caps=list(session.caps) or None,
        )
        data = self._plain(answer) + again
        state.bytes_out += len(again)
        self._step("accept")
        self.session = session
        state.watch = heartbeat.start(now)
        return [Transmit(data), *self._take_frames(now)]

    def _recognise(self, now: float) -> list[Event]:
        self.state.framing = framing.recognise(self._decoder.pending)
        match self.state.framing:
            case "undecided":
                return []
            case "A":
                return self._take_frames(now)
            case "B":
                return [FramingB()]
        return self.close("framing-unknown", "the first five bytes are of no known framing", 400)

    def _check_waiting(self) -> list[Event]:
        if self._decoder.pending_bytes <= self.config.max_frame_bytes + framing.HEADER_BYTES:
            return []
        return self.close("refused", "more than one frame's bytes before hello is answered", 429)

    def _greet(self, frame: Mapping[str, Any]) -> list[Event]:
        if frame.get("t") != "hello":
            return self._fail("refused", 401, "the first frame must be hello", "t")
        try:
            hello = parse(frame)
        except FrameRefused as refused:
            return self._fail("refused", refused.code, refused.msg, refused.field)
        assert isinstance(hello, Hello)
        self._step("hello")
        self.state.name, self.state.side = hello.name, hello.side
        self.state.resume = hello.resume
        return [HelloReceived(hello)]

    # Frames

    def _take_frames(self, now: float) -> list[Event]:
        events: list[Event] = []
        state, decoder = self.state, self._decoder
        try:
            while decoder.left and state.phase in _TAKING:
                frame = decoder.next_frame()
                if frame is None:
                    break
                if self.session is not None and state.phase == "open":
                    events += self._number(self.session, frame, now)
                else:
                    events += self._greet(frame)
        except framing.FramingError as error:
            events += self._fail("malformed", error.code, error.msg)
        return events

    def _number(self, session: LinkSession, frame: Mapping[str, Any], now: float) -> list[Event]:
        """Take a frame only if it is the next one."""
        state = self.state
        watch = state.watch
        watch.received = now
        if watch.phase != "idle":
            heartbeat.note_received(watch, now)
        i = frame.get("i")
        if type(i) is not int or i < 1:
            return self._fail("unnumbered", 400, "a frame has a number from 1 in i", "i")
        if i < state.next_in:
            state.repetitions += 1
            return []
        if i > state.next_in:
            return self._fail("gap", 409, f"frame {state.next_in} is missing", "i", i)
        state.next_in += 1
        if i < session.next_in:
            return self._repeated(session, frame, now)
        session.next_in = i + 1
        state.frames_in += 1
        if not flow.take(state.bucket, now):
            rule = f"more than {self.config.max_frames_per_s} frames in a second"
            until = self._refuse_by(frame, now)
            return self._refuse_frame(Refused(429, rule, None, i), now, until)
        return self._parse(session, frame, now)

    def _repeated(self, session: LinkSession, frame: Mapping[str, Any], now: float) -> list[Event]:
        """Take a frame that another connection brought: only an unanswered request counts."""
        self.state.repetitions += 1
        if frame.get("t") not in REQUESTS or reference(frame) in self.state.settled:
            return []
        try:
            message = parse(frame, self.config.messages)
        except FrameRefused:
            return []  # it was refused then, and that refusal has been or will be sent again
        assert isinstance(message, RouteRequest | RerouteRequest)
        flow.repeat(session.window, message.i, self._request(message, now))
        return [Received(message, now, again=True)]

    def _parse(self, session: LinkSession, frame: Mapping[str, Any], now: float) -> list[Event]:
        try:
            message = parse(frame, self.config.messages)
        except FrameRefused as refused:
            refusal = Refused(refused.code, refused.msg, refused.field, refused.ref)
            return self._refuse_frame(refusal, now, self._refuse_by(frame, now))
        if isinstance(message, _REQUESTS):
            return self._admit(session, message, now)
        if type(message) in _OF_LINK:
            return self._without_effect(session, message, now)
        i, admit = message.i, link_session.admit_other
        if isinstance(message, Hello):
            return self._refuse_frame(Refused(400, "hello has been said", "t", i), now)
        if isinstance(message, RouteEnd):
            flow.answered(session.window, message.xref)
        if admit(session, i) or (ends(message) and admit(session, i, ends=True)):
            return [Received(message, now)]
        rule = f"{self.config.window} frames wait to be acknowledged"
        return self._refuse_frame(Refused(429, rule, None, i), now)

    def _without_effect(self, session: LinkSession, message: Message, now: float) -> list[Event]:
        """Take a frame that is about the link itself: it is done with as it comes."""
        link_session.confirm(session, message.i, now)
        if isinstance(message, Heartbeat):
            return [Transmit(self.send(HeartbeatOk(ts=message.ts), now))]
        if isinstance(message, Error):
            self.state.complaints += 1
        return []

    def _admit(
        self, session: LinkSession, message: RouteRequest | RerouteRequest, now: float
    ) -> list[Event]:
        request = self._request(message, now)
        if flow.admit(session.window, message.i, request, now):
            return [Received(message, now)]
        if session.restored and len(session.window.open) < session.limits.held:
            flow.repeat(session.window, message.i, request)
            return [Received(message, now)]
        rule = f"{self.config.window} requests wait for their answer"
        until = refusals.answer_by(session, message.reply_ms, now)
        return self._refuse_frame(Refused(429, rule, None, message.i), now, until)

    def _refuse_by(self, frame: Mapping[str, Any], now: float) -> float:
        """When the refusal of a frame that was not parsed must have left."""
        if frame.get("t") not in REQUESTS or self.session is None:
            return link_session.FOR_EVER
        return refusals.answer_by(self.session, None, now)

    def _request(self, message: RouteRequest | RerouteRequest, now: float) -> flow.Request:
        wait_ms = self.config.request_timeout_ms
        if message.reply_ms is not None:
            wait_ms = min(wait_ms, message.reply_ms)
        return flow.Request(message.xref, now + wait_ms / 1000)

    def _watch(self, now: float) -> list[Event]:
        match heartbeat.decide(self.state.watch, self.config.hb, now):
            case "ask":
                return [Transmit(self.send(Heartbeat(ts=now + self.state.wall_offset), now))]
            case "dead":
                return self.close("silent", f"{self.config.hb.limit} heartbeats missed")
        return []
