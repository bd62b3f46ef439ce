#!/usr/bin/env python3
"""How soon a process that was killed with SIGKILL answers again, and whether it is noticed at all.

Ours is a supervised server on multiprocTCPBase. Beside it: the same server on an EventLoopBase,
killed there as nobody can prevent; and a server on plain multiprocTCPBase whose parent makes a
new one by hand as soon as Thespian tells it that its child has exited. What is measured is what a
client sees that asks for the server again and again: from the kill to the first answer of the next
incarnation.

    scripts/bench/multiproc_restart.py [--json] [--kills N]
"""

# ruff: noqa: D102 - what a callback does is said by the class that it belongs to

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
# The rooms first: a script here has the name of one of them.
others = [place for place in sys.path if Path(place) != HERE]
sys.path[:] = [str(HERE.parents[1]), *others, str(HERE)]

from report import Row, publish  # noqa: E402 - found by the line above
from thespian.actors import Actor, ActorSystem, ChildActorExited  # noqa: E402

from supervision import (  # noqa: E402
    CallFailed,
    ChildSpec,
    GenServer,
    Supervisor,
    SupervisorFlags,
    WhichChild,
)
from supervision.multiproc import call, start_supervisor  # noqa: E402
from supervision.portal import Portal  # noqa: E402
from supervision.reasons import KILLED  # noqa: E402

GIVE_UP_S = 3.0
"""Seconds after which a kill was not noticed."""

BASE = "EventLoopBase, killed"
PLAIN = "Thespian, by hand"


class Server(GenServer):
    """Says which one it is."""

    def handle_call(self, request: Any, from_: Any) -> Any:
        return os.getpid(), self.address.incarnation


class Top(Supervisor):
    """Has one server, and restarts it as often as the bench likes."""

    def init(self, args: Any) -> Any:
        return SupervisorFlags(intensity=1_000_000), [ChildSpec("server", Server)]


class PlainServer(Actor):
    """Says which one it is, without supervision."""

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if msg == "who":
            self.send(sender, os.getpid())


class PlainParent(Actor):
    """Makes its server again when it is told that it has exited; tells where it is."""

    def __init__(self) -> None:
        self.server: Any = None

    def receiveMessage(self, msg: Any, sender: Any) -> None:
        if self.server is None or isinstance(msg, ChildActorExited):
            self.server = self.createActor(PlainServer)
        if msg == "where":
            self.send(self.server, "who")  # queued by Thespian until it is there
            self.send(sender, self.server)


def free_port() -> int:
    """A port that nobody has, below those that the system hands out to others meanwhile."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - any port will do
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


@contextmanager
def processes() -> Iterator[Any]:
    """An ActorSystem of our own."""
    quiet = {"version": 1, "root": {"level": "CRITICAL", "handlers": []}}
    system = ActorSystem(
        "multiprocTCPBase", {"Admin Port": free_port()}, logDefs=quiet, transientUnique=True
    )
    try:
        yield system
    finally:
        system.shutdown()


def timed(kill: Callable[[], Any], answers_anew: Callable[[Any], bool]) -> float | None:
    """Seconds from a kill to the first answer of another incarnation; None if none came."""
    begun = time.perf_counter()
    killed = kill()
    while time.perf_counter() - begun < GIVE_UP_S:
        if answers_anew(killed):
            return time.perf_counter() - begun
    return None


def killing(pid: int) -> Callable[[], int]:
    """What kills a process and tells which it was."""

    def kill() -> int:
        os.kill(pid, signal.SIGKILL)
        return pid

    return kill


def supervised(kills: int) -> list[float | None]:
    """Ours, in processes."""
    with processes() as system:
        top = start_supervisor(system, Top)

        def who() -> int:
            server = call(system, top, WhichChild("server")).address
            pid: int = call(system, server, "who", 0.2)[0]
            return pid

        def anew(killed: int) -> bool:
            try:
                return who() != killed
            except (CallFailed, AttributeError):
                return False

        return [timed(killing(who()), anew) for _ in range(kills)]


def on_a_loop(kills: int) -> list[float | None]:
    """Ours, on a node's loop."""
    with Portal() as portal:
        top = portal.start(Top)
        server = portal.call(top, WhichChild("server")).address

        def kill() -> int:
            incarnation = server.incarnation
            portal.base.kernel.post_call(portal.base.kernel.exit, server.cell, KILLED)
            return incarnation

        def anew(killed: int) -> bool:
            try:
                return bool(portal.call(server, "who")[1] != killed)
            except CallFailed:
                return False

        return [timed(kill, anew) for _ in range(kills)]


def plain(kills: int) -> list[float | None]:
    """Thespian's own, with a parent that does by hand what it can."""
    with processes() as system:
        parent = system.createActor(PlainParent)

        def who() -> int | None:
            where = system.ask(parent, "where", 0.5)
            return None if where is None else system.ask(where, "who", 0.2)

        def anew(killed: int) -> bool:
            return who() not in {None, killed}

        taken: list[float | None] = []
        while len(taken) < kills:
            pid = who()
            taken.append(None if pid is None else timed(killing(pid), anew))
        return taken


def at(share: float, taken: list[float | None]) -> float:
    """A percentile in milliseconds of those that were noticed."""
    noticed = sorted(one for one in taken if one is not None)
    if not noticed:
        return math.nan
    return 1000 * noticed[min(len(noticed) - 1, math.ceil(share * len(noticed)) - 1)]


def rows(kills: int) -> Iterator[Row]:
    """What is measured, beside each peer."""
    ours, peers = supervised(kills), {BASE: on_a_loop(kills), PLAIN: plain(kills)}
    for peer, taken in peers.items():
        for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0)):
            value = None if math.isnan(at(share, taken)) else round(at(share, taken), 3)
            yield Row(
                f"SIGKILL to first answer, {name} of {kills}",
                round(at(share, ours), 3),
                "ms",
                peer,
                value,
            )
        seen, theirs = (sum(one is not None for one in all_) for all_ in (ours, taken))
        yield Row("kills that were noticed", seen, "kills", peer, theirs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="of each (%(default)s)")
    options = parser.parse_args()
    publish("multiproc_restart", list(rows(options.kills)), as_json=options.json)


if __name__ == "__main__":
    main()
