"""The same Thespian programs on any of its bases: ``thespian_actors.py BASE SHAPE COUNT``.

Prints one number: what was done in a second, or the bytes of an idle actor.
"""

# ruff: noqa: D102 - what a callback does is said by the shape that it belongs to

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import memory
from thespian.actors import Actor, ActorSystem, WakeupMessage

PAIRS = {"multiprocTCPBase": 2}
BURST = 100
TIMERS_AT_ONCE = 1000


@dataclass
class Start:
    """Do it ``count`` times; the answer is the seconds that it took."""

    count: int
    pairs: int = 0


@dataclass
class Send:
    """Send ``count`` messages to ``sink``, in bursts."""

    sink: Any
    count: int


@dataclass
class Expect:
    """Tell the sender when ``count`` messages have come."""

    count: int


class Measured(Actor):
    """Runs one shape and answers with the seconds it took."""

    def begin(self, count: int, asker: Any) -> None:
        """Note what is to be done."""
        self.left = count
        self.asker = asker
        self.started = time.monotonic()

    def finish(self) -> None:
        """Answer."""
        self.send(self.asker, time.monotonic() - self.started)


class Echo(Actor):
    """Sends numbers back."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is int:
            self.send(sender, msg)


class PingPong(Measured):
    """One message goes to and fro; each way counts as a message."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is int:
            if msg:
                self.send(sender, msg - 1)
            else:
                self.finish()
        elif type(msg) is Start:
            self.begin(msg.count, sender)
            self.send(self.createActor(Echo), msg.count // 2)


class Source(Actor):
    """Sends bursts one way; its own messages to itself are not counted."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is Send:
            sink = msg.sink
            for number in range(BURST):
                self.send(sink, number)
            if msg.count > BURST:
                self.send(self.myAddress, Send(sink, msg.count - BURST))


class Sink(Actor):
    """Counts what comes."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is int:
            self.left -= 1
            if not self.left:
                self.send(self.asker, "done")
        elif type(msg) is Expect:
            self.left, self.asker = msg.count, sender


class Flood(Measured):
    """As many sources as sinks, one way."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if msg == "done":
            self.left -= 1
            if not self.left:
                self.finish()
        elif type(msg) is Start:
            share = msg.count // msg.pairs // BURST * BURST
            ends = [(self.createActor(Source), self.createActor(Sink)) for _ in range(msg.pairs)]
            self.begin(msg.pairs, sender)
            for source, sink in ends:
                self.send(sink, Expect(share))
                self.send(source, Send(sink, share))


class Spawn(Measured):
    """Makes an actor and makes the next one when that has answered."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is Start:
            self.begin(msg.count, sender)
        elif type(msg) is not int:
            return
        if self.left:
            self.left -= 1
            self.send(self.createActor(Echo), 0)
        else:
            self.finish()


class Fire(Measured):
    """Sets timers of a millisecond, a thousand at once."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is Start:
            self.begin(msg.count, sender)
            self.waiting = 0
        elif isinstance(msg, WakeupMessage):
            self.waiting -= 1
        else:
            return
        if not self.waiting:
            if self.left <= 0:
                self.finish()
                return
            self.waiting = TIMERS_AT_ONCE
            self.left -= TIMERS_AT_ONCE
            for _ in range(TIMERS_AT_ONCE):
                self.wakeupAfter(timedelta(milliseconds=1))


class Idle(Actor):
    """Has a small state and nothing to do."""

    def __init__(self) -> None:
        self.state = memory.SmallState()

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is int:
            self.send(sender, msg)


class Crowd(Measured):
    """Makes idle actors and answers when each of them runs."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if type(msg) is Start:
            self.begin(msg.count, sender)
            for _ in range(msg.count):
                self.send(self.createActor(Idle), 0)
        elif type(msg) is int:
            self.left -= 1
            if not self.left:
                self.finish()


SHAPES = {"pingpong": PingPong, "flood": Flood, "calls": PingPong, "spawns": Spawn, "fire": Fire}


def main() -> None:
    """Run one shape."""
    base, shape, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if base == "eventLoopBase":
        import supervision.eventloop  # noqa: F401 - makes the base known to Thespian
    memory.adopt_descendants()
    system = ActorSystem(base, logDefs={"version": 1}, transientUnique=True)
    try:
        if shape in memory.METERS:
            crowd = system.createActor(Crowd)
            grown = memory.METERS[shape](lambda: system.ask(crowd, Start(count), 600))
            print(grown / count)
            return
        # A call of a system without calls is a question and its answer: two messages.
        messages = count * 2 if shape == "calls" else count
        asked = Start(messages, PAIRS.get(base, 100))
        print(count / system.ask(system.createActor(SHAPES[shape]), asked, 600))
    finally:
        system.shutdown()


if __name__ == "__main__":
    main()
