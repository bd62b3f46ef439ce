"""The same on pykka, a thread for each actor: ``pykka_actors.py SHAPE COUNT``.

Prints one number: what was done in a second, or the bytes of an idle actor.
"""

# ruff: noqa: D102 - what a callback does is said by the shape that it belongs to

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import memory
import pykka

PAIRS = 20
BURST = 100


class Echo(pykka.ThreadingActor):
    """Answers a question, and sends a message back to the actor that comes with it."""

    def on_receive(self, message: Any) -> Any:
        if type(message) is tuple:
            back, number = message
            back.tell((self.actor_ref, number))
            return None
        return message


class PingPong(pykka.ThreadingActor):
    """One message goes to and fro; each way counts as a message."""

    def __init__(self, done: threading.Event) -> None:
        super().__init__()
        self.done = done

    def on_receive(self, message: Any) -> None:
        other, number = message
        if number:
            other.tell((self.actor_ref, number - 1))
        else:
            self.done.set()


class Sink(pykka.ThreadingActor):
    """Counts what comes."""

    def __init__(self, count: int, done: threading.Semaphore) -> None:
        super().__init__()
        self.left = count
        self.done = done

    def on_receive(self, message: Any) -> None:
        self.left -= 1
        if not self.left:
            self.done.release()


class Source(pykka.ThreadingActor):
    """Sends bursts one way."""

    def on_receive(self, message: Any) -> None:
        sink, count = message
        for number in range(BURST):
            sink.tell(number)
        if count > BURST:
            self.actor_ref.tell((sink, count - BURST))


class Caller(pykka.ThreadingActor):
    """Asks, one question after the other."""

    def on_receive(self, message: Any) -> float:
        other, count = message
        started = time.monotonic()
        for number in range(count):
            other.ask(number)
        return time.monotonic() - started


class Idle(pykka.ThreadingActor):
    """Has a small state and nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.state = memory.SmallState()


def pingpong(count: int) -> float:
    """Seconds of ``count`` messages between two actors."""
    done = threading.Event()
    ping, echo = PingPong.start(done), Echo.start()
    started = time.monotonic()
    echo.tell((ping, count // 2))
    done.wait()
    return time.monotonic() - started


def flood(count: int) -> float:
    """Seconds of ``count`` messages from sources to sinks."""
    done = threading.Semaphore(0)
    share = count // PAIRS // BURST * BURST
    ends = [(Source.start(), Sink.start(share, done)) for _ in range(PAIRS)]
    started = time.monotonic()
    for source, sink in ends:
        source.tell((sink, share))
    for _ in ends:
        done.acquire()
    return time.monotonic() - started


def calls(count: int) -> float:
    """Seconds of ``count`` questions with their answers."""
    seconds: float = Caller.start().ask((Echo.start(), count))
    return seconds


def spawns(count: int) -> float:
    """Seconds until ``count`` actors have been made and have answered, one after the other."""
    started = time.monotonic()
    for _ in range(count):
        Echo.start().ask(0)
    return time.monotonic() - started


SHAPES = {"pingpong": pingpong, "flood": flood, "calls": calls, "spawns": spawns}


def main() -> None:
    """Run one shape."""
    shape, count = sys.argv[1], int(sys.argv[2])
    if shape in memory.METERS:
        figure = memory.METERS[shape](lambda: [Idle.start() for _ in range(count)]) / count
    else:
        figure = count / SHAPES[shape](count)
    print(figure)
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main()
