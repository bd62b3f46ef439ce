"""A CTI's end of a connection, for load generators, benches and tests: no socket, no clock.

It says hello, numbers what it sends, checks the numbers of what it gets, answers and sends
heartbeats with the times it was given, and finds for each answer the request it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from protocols.cti import framing, heartbeat
from protocols.cti.events import Closed, CloseReason, Received, Transmit
from protocols.cti.messages import (
    Error,
    Heartbeat,
    HeartbeatOk,
    Hello,
    HelloAnswer,
    Message,
    RouteSelect,
)
from protocols.cti.parsing import FrameRefused, parse_outbound, reference, to_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

REQUESTS = frozenset({"route.request", "reroute.request"})


class Asked(Struct, frozen=True):
    """A request that was sent: its dialogue, its number, and when, monotonic seconds."""

    xref: str
    i: int
    at: float


class Opened(Struct, frozen=True):
    """vigie let the client in."""

    answer: HelloAnswer


class Answered(Struct, frozen=True):
    """An answer came at `at`; `asked` is None when no request waits for it (any more)."""

    answer: RouteSelect | Error
    asked: Asked | None
    at: float


ClientEvent: TypeAlias = Transmit | Opened | Answered | Received | Closed


class Client:
    """The client end of one link.

    Args:
        hello: how it presents itself.
        now: the caller's monotonic clock, seconds.
        wall: the same instant in seconds since the epoch.
        max_frame_bytes: longest payload, both directions.
    """

    def __init__(
        self,
        hello: Hello,
        *,
        now: float,
        wall: float,
        max_frame_bytes: int = framing.MAX_FRAME_BYTES,
    ) -> None:
        self.answer: HelloAnswer | None = None
        self.waiting: dict[str, Asked] = {}
        self.closed: Closed | None = None
        self._hello = hello
        self._wall_offset = wall - now
        self._max_frame_bytes = max_frame_bytes
        self._decoder = framing.Decoder(max_frame_bytes)
        self._watch = heartbeat.start(now)
        self._asked: dict[int, Asked] = {}
        self._next_in = 1
        self._next_out = 1

    def hello(self) -> bytes:
        """The first bytes to write."""
        return framing.encode(to_frame(self._hello), max_bytes=self._max_frame_bytes)

    def send(self, message: Message, now: float) -> bytes:
        """Number a message and make its bytes, as `send_frame`."""
        return self.send_frame(to_frame(message), now)

    def send_frame(self, frame: Mapping[str, Any], now: float) -> bytes:
        """Number a frame and make its bytes, to be written in the order of the calls.

        Args:
            frame: section 3 of the contract, without `i`; it is not checked, so that tests can
                send what a broken peer would.
            now: monotonic seconds; from here a request's answer is timed.
        """
        i = self._next_out
        data = framing.encode({**frame, "i": i}, max_bytes=self._max_frame_bytes)
        self._next_out += 1
        heartbeat.note_sent(self._watch, now)
        if frame.get("t") in REQUESTS:
            self._ask(Asked(frame["xref"], i, now))
        return data

    def forget(self, xref: str) -> None:
        """Wait no more for the answer to this dialogue."""
        asked = self.waiting.pop(xref, None)
        if asked is not None:
            del self._asked[asked.i]

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
                return [Transmit(self.send(Heartbeat(ts=now + self._wall_offset), now))]
            case "dead":
                return self.close("silent", f"{self.answer.hb.limit} heartbeats missed")
        return []

    def close(self, reason: CloseReason, msg: str) -> list[ClientEvent]:
        """End the link from this end, or note that it has ended."""
        if self.closed is not None:
            return []
        self.closed = Closed(reason, msg)
        return [self.closed]

    def _ask(self, asked: Asked) -> None:
        self.forget(asked.xref)
        self.waiting[asked.xref] = asked
        self._asked[asked.i] = asked

    def _take(self, frame: Mapping[str, Any], now: float) -> list[ClientEvent]:
        heartbeat.note_received(self._watch, now)
        try:
            message = parse_outbound(frame)
        except FrameRefused as refused:
            return self.close("malformed", f"{refused.field}: {refused.msg}")
        if self.answer is None or isinstance(message, HelloAnswer):
            return self._take_answer(message, now)
        i = reference(frame)
        if i < self._next_in:
            return []
        if i > self._next_in:
            return self.close("gap", f"frame {self._next_in} is missing")
        self._next_in += 1
        return self._take_numbered(message, now)

    def _take_answer(self, message: Message, now: float) -> list[ClientEvent]:
        """What comes before the hello is answered: the answer, or why there is none."""
        if isinstance(message, HelloAnswer) and self.answer is None:
            self.answer = message
            self._watch = heartbeat.start(now)
            return [Opened(message)]
        if isinstance(message, Error):
            return [Answered(message, None, now)]
        return self.close("malformed", "not an answer to hello")

    def _take_numbered(self, message: Message, now: float) -> list[ClientEvent]:
        match message:
            case Heartbeat():
                return [Transmit(self.send(HeartbeatOk(ts=message.ts), now))]
            case HeartbeatOk():
                return []
            case RouteSelect():
                asked = self.waiting.get(message.xref)
                self.forget(message.xref)
                return [Answered(message, asked, now)]
            case Error():
                asked = self._asked.get(message.ref)
                if asked is not None:
                    self.forget(asked.xref)
                return [Answered(message, asked, now)]
        return [Received(message, now)]
