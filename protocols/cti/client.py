"""A CTI's end of a connection, for load generators, benches and tests: no socket, no clock.

It says hello, numbers what it sends and keeps it until vigie acknowledges it, checks the numbers of
what it gets, answers and sends heartbeats with the times it was given, and finds for each answer
the request it belongs to. Made with the session of a client whose connection has ended, it resumes
the link session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, structs

from protocols.cti import client_session, framing, heartbeat
from protocols.cti.client_session import Asked, ClientSession
from protocols.cti.events import Closed, CloseReason, Received, Transmit
from protocols.cti.link import RESUME_LOST
from protocols.cti.messages import (
    Ack,
    Error,
    Heartbeat,
    HeartbeatOk,
    Hello,
    HelloAnswer,
    Message,
    Resume,
    RouteEnd,
    RouteSelect,
    Void,
)
from protocols.cti.parsing import FrameRefused, parse_outbound, reference, to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW = 1_000
"""Frames sent and neither answered nor acknowledged, where vigie does not say how many may be."""


class ClientFullError(RuntimeError):
    """As many frames wait to be acknowledged as the client may keep; this one is not sent."""


class Opened(Struct, frozen=True):
    """vigie let the client in; `resumed` where the link session goes on."""

    answer: HelloAnswer
    resumed: bool = False


class ResumeLost(Struct, frozen=True):
    """vigie does not know the link session any more: a new one begins, nothing is sent again.

    Attributes:
        unacknowledged: the frames that vigie may not have, without numbers, in their order.
        unanswered: the requests that it acknowledged and did not answer.
    """

    unacknowledged: list[Mapping[str, Any]]
    unanswered: list[Asked]


class Acknowledged(Struct, frozen=True):
    """vigie has every frame up to `last_i` for good.

    Attributes:
        last_i: their last number.
        frames: those of them that were not known to be so before, without numbers; heartbeats and
            what was refused are not among them.
    """

    last_i: int
    frames: list[Mapping[str, Any]]


class Answered(Struct, frozen=True):
    """An answer came at `at`; `asked` is None when no request waits for it (any more)."""

    answer: RouteSelect | Error
    asked: Asked | None
    at: float


ClientEvent: TypeAlias = (
    Transmit | Opened | ResumeLost | Acknowledged | Answered | Received | Closed
)


class Client:
    """The client end of one connection.

    Args:
        hello: how it presents itself, without `resume`.
        now: the caller's monotonic clock, seconds.
        wall: the same instant in seconds since the epoch.
        session: that of an earlier connection, to go on with it.
        max_frame_bytes: longest payload, both directions.
        max_unacked: frames kept because they are not acknowledged, sent or not.

    Attributes:
        session: what outlives the connection.
        answer: vigie's hello; None until it has come.
        closed: how the connection ended.
    """

    def __init__(
        self,
        hello: Hello,
        *,
        now: float,
        wall: float,
        session: ClientSession | None = None,
        max_frame_bytes: int = framing.MAX_FRAME_BYTES,
        max_unacked: int = 100_000,
    ) -> None:
        self.session = session or ClientSession()
        self.answer: HelloAnswer | None = None
        self.closed: Closed | None = None
        self._hello = hello
        self._wall_offset = wall - now
        self._max_frame_bytes = max_frame_bytes
        self._max_unacked = max_unacked
        self._decoder = framing.Decoder(max_frame_bytes)
        self._watch = heartbeat.start(now)

    # What it sends

    def hello(self) -> bytes:
        """The first bytes to write."""
        hello, session = self._hello, self.session
        if session.id:
            hello = structs.replace(hello, resume=Resume(session.id, session.last_in))
        return framing.encode(to_frame(hello), max_bytes=self._max_frame_bytes)

    def send(self, message: Message, now: float) -> bytes:
        """Number a message and make its bytes, as `send_frame`."""
        return self.send_frame(to_frame(message), now)

    def send_frame(self, frame: Mapping[str, Any], now: float) -> bytes:
        """Take a frame, and make the bytes that can be written now, in the order of the calls.

        While the link is not open, or vigie's window is full, frames are held; they leave later, as
        `Transmit`, be it on another connection.

        Args:
            frame: section 3 of the contract, without `i`; it is not checked, so that tests can
                send what a broken peer would.
            now: monotonic seconds; from here a request's answer is timed.

        Raises:
            ClientFullError: too many are not acknowledged.
            FramingError: the frame is too long.
        """
        if self.unacked >= self._max_unacked:
            rule = f"{self._max_unacked} frames are kept that vigie has not acknowledged"
            raise ClientFullError(f"{rule}: no more is sent until it has")
        client_session.check_length(frame, self._max_frame_bytes)
        client_session.hold(self.session, frame, now)
        return self._release(now)

    def ask_again(self, xref: str, now: float) -> bytes:
        """Send the request of a dialogue once more, as a new frame whose clock starts anew.

        Raises:
            KeyError: no request waits for this answer.
        """
        return self.send_frame(self.waiting[xref].frame, now)

    def forget(self, xref: str) -> None:
        """Wait no more for the answer to this dialogue."""
        client_session.forget(self.session, xref)

    # What is known

    @property
    def waiting(self) -> Mapping[str, Asked]:
        """The requests that wait for their answer, by dialogue."""
        return self.session.waiting

    @property
    def unacked(self) -> int:
        """How many frames vigie has not acknowledged, sent or not."""
        return len(self.session.kept) + len(self.session.held)

    def acked_unanswered(self) -> list[Asked]:
        """The requests that vigie acknowledged and has not answered.

        After a resume the answer to one of these may be gone: they can be asked again.
        """
        return client_session.acked_unanswered(self.session)

    # What the connection and time tell

    def receive(self, data: bytes, now: float) -> list[ClientEvent]:
        """Take the bytes of one read."""
        events: list[ClientEvent] = []
        self._decoder.feed(data)
        try:
            while self.closed is None and (frame := self._decoder.next_frame()) is not None:
                events += self._take(frame, now)
        except framing.FramingError as error:
            events += self.close("malformed", error.msg)
        return events

    @property
    def next_timeout(self) -> float | None:
        """When to call `timeout` next, monotonic seconds; None unless the link is open."""
        if self.answer is None or self.closed is not None:
            return None
        return heartbeat.next_due(self._watch, self.answer.hb)

    def timeout(self, now: float) -> list[ClientEvent]:
        """Do what is due at `now`; nothing when called early."""
        if self.answer is None or self.closed is not None:
            return []
        match heartbeat.decide(self._watch, self.answer.hb, now):
            case "ask":
                return [self._beat(Heartbeat(ts=now + self._wall_offset), now)]
            case "dead":
                return self.close("silent", f"{self.answer.hb.limit} heartbeats missed")
        return []

    def close(self, reason: CloseReason, msg: str) -> list[ClientEvent]:
        """End the link from this end, or note that it has ended."""
        if self.closed is not None:
            return []
        self.closed = Closed(reason, msg)
        return [self.closed]

    # Within

    @property
    def _is_open(self) -> bool:
        return self.answer is not None and self.closed is None

    @property
    def _window(self) -> int:
        told = self.answer.window if self.answer is not None else None
        return told or WINDOW

    def _release(self, now: float) -> bytes:
        if not self._is_open:
            return b""
        data = client_session.release(self.session, self._window, self._max_frame_bytes)
        if data:
            heartbeat.note_sent(self._watch, now)
        return data

    def _beat(self, message: Heartbeat | HeartbeatOk, now: float) -> Transmit:
        """Send a sign of life, before all that is held: it is not kept."""
        heartbeat.note_sent(self._watch, now)
        frame = to_frame(message)
        return Transmit(client_session.number(self.session, frame, self._max_frame_bytes))

    def _take(self, frame: Mapping[str, Any], now: float) -> list[ClientEvent]:
        heartbeat.note_received(self._watch, now)
        try:
            message = parse_outbound(frame)
        except FrameRefused as refused:
            return self.close("malformed", f"{refused.field}: {refused.msg}")
        if self.answer is None or isinstance(message, HelloAnswer):
            return self._take_answer(message, now)
        i, expected = reference(frame), self.session.last_in + 1
        if i < expected:
            return []
        if i > expected:
            return self.close("gap", f"frame {expected} is missing")
        self.session.last_in = i
        return self._take_numbered(message, now)

    def _take_answer(self, message: Message, now: float) -> list[ClientEvent]:
        """What comes before the hello is answered: the answer, or why there is none."""
        if isinstance(message, HelloAnswer) and self.answer is None:
            return self._open(message, now)
        if isinstance(message, Error):
            if message.msg == RESUME_LOST and self.session.id:
                lost = ResumeLost(*client_session.lost(self.session))
                return [lost, Transmit(self.hello())]
            return [Answered(message, None, now)]
        return self.close("malformed", "not an answer to hello")

    def _open(self, answer: HelloAnswer, now: float) -> list[ClientEvent]:
        session, resumed = self.session, bool(self.session.id)
        if resumed and answer.session != session.id:
            return self.close("malformed", "another link session than the one resumed")
        if not client_session.may_acknowledge(session, answer.last_i):
            return self._contradicts(answer.last_i)
        session.id = answer.session
        self.answer = answer
        self._watch = heartbeat.start(now)
        acknowledged = self._acknowledge(answer.last_i)
        again = client_session.again(session, answer.last_i, self._max_frame_bytes)
        data = b"".join(again) + self._release(now)
        return [Opened(answer, resumed), *acknowledged, *([Transmit(data)] if data else [])]

    def _contradicts(self, last_i: int) -> list[ClientEvent]:
        session = self.session
        known = f"up to {session.acked} had been acknowledged, up to {session.next_out - 1} sent"
        return self.close("malformed", f"frames up to {last_i} are acknowledged: {known}")

    def _take_numbered(self, message: Message, now: float) -> list[ClientEvent]:
        match message:
            case Heartbeat():
                return [self._beat(HeartbeatOk(ts=message.ts), now)]
            case HeartbeatOk() | Void():
                return []
            case Ack():
                return self._take_ack(message, now)
            case RouteSelect():
                asked = self.waiting.get(message.xref)
                self.forget(message.xref)
                event: ClientEvent = Answered(message, asked, now)
            case Error():
                event = Answered(message, client_session.refused(self.session, message.ref), now)
            case _:
                if isinstance(message, RouteEnd):
                    client_session.settle(self.session, message.xref)
                event = Received(message, now)
        return self._released([event], now)

    def _released(self, events: list[ClientEvent], now: float) -> list[ClientEvent]:
        """With what can be sent now that vigie's window has room."""
        data = self._release(now) if self.session.held else b""
        return [*events, Transmit(data)] if data else events

    def _take_ack(self, ack: Ack, now: float) -> list[ClientEvent]:
        if not client_session.may_acknowledge(self.session, ack.last_i):
            return self._contradicts(ack.last_i)
        acknowledged = self._acknowledge(ack.last_i)
        return self._released(acknowledged, now)

    def _acknowledge(self, last_i: int) -> list[ClientEvent]:
        if last_i == self.session.acked:
            return []
        return [Acknowledged(last_i, client_session.acknowledged(self.session, last_i))]
