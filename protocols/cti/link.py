"""vigie's end of one CTI connection: bytes and times in, events out; no socket, no clock.

The caller owns the connection, passes what it read to `receive`, calls `timeout` when
`next_timeout` comes, and does what the returned events say, in their order. After `Closed` the link
says nothing.

What contract 3 leaves open is decided so: a first frame that is not `hello` gets `error` 401 and
the link is closed; frames sent before the answer to `hello` wait for it; an `error` sent before
that answer has no `i`, like `hello` itself; a frame without a valid `i` is malformed: `error` 400
and closed; a `hello` that is refused closes the link, but for `resume-lost`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from protocols.cti import flow, framing, heartbeat, link_state
from protocols.cti.events import (
    Closed,
    CloseReason,
    Event,
    FramingB,
    HelloReceived,
    Received,
    Refused,
    Transmit,
)
from protocols.cti.messages import (
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
    RouteSelect,
)
from protocols.cti.parsing import FrameRefused, parse, reference, to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from protocols.cti.link_state import LinkConfig, LinkStatistics, Phase

RESUME_LOST = "resume-lost"

Step = Literal["hello", "accept", "close"]

_PHASES: Final[Mapping[tuple[Phase, Step], Phase]] = MappingProxyType(
    {
        ("greeting", "hello"): "verifying",
        ("verifying", "accept"): "open",
        ("greeting", "close"): "closed",
        ("verifying", "close"): "closed",
        ("open", "close"): "closed",
    }
)


class WrongPhaseError(RuntimeError):
    """The caller asked for what the link's phase does not allow; a mistake of the caller."""


class Link:
    """The server end of one link.

    Args:
        config: its limits.
        now: the caller's monotonic clock when the connection was accepted, seconds.
        wall: the same instant in seconds since the epoch.
    """

    def __init__(self, config: LinkConfig, *, now: float, wall: float) -> None:
        self.config = config
        self.state = link_state.start(config, now=now, wall=wall)
        self._decoder = framing.Decoder(config.max_frame_bytes)

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
        return self._take_frames(now)

    def eof(self) -> list[Event]:
        """The peer closed its side; nothing more will come."""
        if self._decoder.pending_bytes:
            return self.close("truncated", "the connection ended within a frame")
        return self.close("peer", "the connection was closed by the peer")

    # What time tells

    @property
    def next_timeout(self) -> float | None:
        """When to call `timeout` next, monotonic seconds; None once closed.

        Messages only move it later, so that a timer need not be set again for each: call `timeout`
        when it fires and set it to the new value. It moves nearer only when a link opens.
        """
        if self.state.phase == "closed":
            return None
        if self.state.phase == "open":
            return heartbeat.next_due(self.state.watch, self.config.hb)
        return self.state.opened_at + self.config.handshake_timeout_ms / 1000

    def timeout(self, now: float) -> list[Event]:
        """Do what is due at `now`; nothing when called early."""
        due = self.next_timeout
        if due is None or now < due:
            return []
        if self.state.phase == "open":
            return self._watch(now)
        rule = f"no hello within {self.config.handshake_timeout_ms} ms"
        if self.state.phase == "verifying":
            return self.close("handshake-timeout", "the hello could not be checked in time", 503)
        return self.close("handshake-timeout", rule, 400)

    # What the application tells

    def accept(self, session: str, now: float) -> list[Event]:
        """Let the peer in after `HelloReceived`.

        Args:
            session: the id of the new link session.
            now: monotonic seconds.

        Returns:
            The answer, and what frames that came meanwhile give.

        Raises:
            WrongPhaseError: no hello waits for its answer.
        """
        if self.state.phase != "verifying":
            raise WrongPhaseError(f"accept in phase {self.state.phase}")
        data = self._encode(HelloAnswer(proto=1, session=session, hb=self.config.hb, last_i=0))
        self._step("accept")
        self.state.session = session
        self.state.watch = heartbeat.start(now)
        return [Transmit(data), *self._take_frames(now)]

    def refuse(self, code: ErrorCode, msg: str, field: str | None = None) -> list[Event]:
        """Turn the peer away after `HelloReceived`: `error`, and the link is closed.

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

    def send(self, message: Message, now: float) -> bytes:
        """Number a message and make its bytes, to be written in the order of the calls.

        An answer (`route.select`, `route.end`, `error`) takes its request out of the window.

        Raises:
            WrongPhaseError: the link is not open.
            FramingError: the message is too long for a frame; no number was used.
        """
        if self.state.phase != "open":
            raise WrongPhaseError(f"send in phase {self.state.phase}")
        data = self._encode(message)
        heartbeat.note_sent(self.state.watch, now)
        match message:
            case RouteSelect() | RouteEnd():
                flow.answered(self.state.window, message.xref)
            case Error():
                flow.close(self.state.window, message.ref)
        return data

    def close(self, reason: CloseReason, msg: str, code: ErrorCode | None = None) -> list[Event]:
        """End the link.

        Args:
            reason: why.
            msg: for the log and, with a code, for the peer.
            code: that of an `error` to send first; None sends none.
        """
        if self.state.phase == "closed":
            return []
        if code is not None:
            return self._fail(reason, code, msg)
        self._step("close")
        return [Closed(reason, msg)]

    def statistics(self) -> LinkStatistics:
        """What the link counted so far."""
        return link_state.statistics(self.state)

    # Within

    def _step(self, step: Step) -> None:
        phase = _PHASES.get((self.state.phase, step))
        if phase is None:
            raise WrongPhaseError(f"{step} in phase {self.state.phase}")
        self.state.phase = phase

    def _encode(self, message: Message) -> bytes:
        """Make the bytes of a message, numbered once the hello has been answered."""
        state = self.state
        frame = to_frame(message)
        if state.phase == "open":
            frame["i"] = state.next_out
        data = framing.encode(frame, max_bytes=self.config.max_frame_bytes)
        if state.phase == "open":
            state.next_out += 1
        state.bytes_out += len(data)
        return data

    def _recognise(self, now: float) -> list[Event]:
        self.state.framing = framing.recognise(self._decoder.pending)
        match self.state.framing:
            case "undecided":
                return []
            case "A":
                return self._take_frames(now)
            case "B":
                return [FramingB(), *self.close("framing-b", "framing B is not served yet")]
        return self.close("framing-unknown", "the first five bytes are of no known framing", 400)

    def _take_frames(self, now: float) -> list[Event]:
        events: list[Event] = []
        try:
            while self.state.phase in ("greeting", "open"):
                frame = self._decoder.next_frame()
                if frame is None:
                    break
                greeting = self.state.phase == "greeting"
                events += self._greet(frame) if greeting else self._number(frame, now)
        except framing.FramingError as error:
            events += self._fail("malformed", error.code, error.msg)
        return events

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
        if hello.resume is not None:
            return self._refusal(409, RESUME_LOST, "resume", 0)
        self._step("hello")
        self.state.name, self.state.side = hello.name, hello.side
        return [HelloReceived(hello)]

    def _number(self, frame: Mapping[str, Any], now: float) -> list[Event]:
        """Take a frame only if it is the next one."""
        state = self.state
        heartbeat.note_received(state.watch, now)
        i = reference(frame)
        if i == 0:
            return self._fail("unnumbered", 400, "a frame has a number from 1 in i", "i")
        if i < state.next_in:
            state.repetitions += 1
            return []
        if i > state.next_in:
            return self._fail("gap", 409, f"frame {state.next_in} is missing", "i", i)
        state.next_in += 1
        if not flow.take(state.bucket, now):
            rule = f"more than {self.config.max_frames_per_s} frames in a second"
            return self._refusal(429, rule, None, i)
        return self._parse(frame, now)

    def _parse(self, frame: Mapping[str, Any], now: float) -> list[Event]:
        try:
            message = parse(frame, self.config.messages)
        except FrameRefused as refused:
            return self._refusal(refused.code, refused.msg, refused.field, refused.ref)
        match message:
            case RouteRequest() | RerouteRequest():
                return self._admit(message, now)
            case Heartbeat():
                return [Transmit(self.send(HeartbeatOk(ts=message.ts), now))]
            case HeartbeatOk():
                return []
            case RouteEnd():
                flow.answered(self.state.window, message.xref)
            case Hello():
                return self._refusal(400, "hello has been said", "t", message.i)
        return [Received(message, now)]

    def _admit(self, message: RouteRequest | RerouteRequest, now: float) -> list[Event]:
        wait_ms = self.config.request_timeout_ms
        if message.reply_ms is not None:
            wait_ms = min(wait_ms, message.reply_ms)
        request = flow.Request(message.xref, now + wait_ms / 1000)
        if flow.admit(self.state.window, message.i, request, now):
            return [Received(message, now)]
        rule = f"{self.config.window} requests wait for their answer"
        return self._refusal(429, rule, None, message.i)

    def _watch(self, now: float) -> list[Event]:
        match heartbeat.decide(self.state.watch, self.config.hb, now):
            case "ask":
                return [Transmit(self.send(Heartbeat(ts=now + self.state.wall_offset), now))]
            case "dead":
                return self.close("silent", f"{self.config.hb.limit} heartbeats missed")
        return []

    def _refusal(self, code: ErrorCode, msg: str, field: str | None, ref: int) -> list[Event]:
        self.state.refused[code] = self.state.refused.get(code, 0) + 1
        error = Error(code=code, ref=ref, msg=msg, field=field)
        return [Transmit(self._encode(error)), Refused(code, msg, field, ref)]

    def _fail(
        self,
        reason: CloseReason,
        code: ErrorCode,
        msg: str,
        field: str | None = None,
        ref: int = 0,
    ) -> list[Event]:
        events = self._refusal(code, msg, field, ref)
        self._step("close")
        return [*events, Closed(reason, msg, code)]
