"""The memory of a node full of sessions: ``session_actors.py sessions COUNT``.

Each session is opened for a route request of its own, as a CTI link opens it, routed, and given a
step of an IVR's journey, all of it written to a journal on the disk as in a node. Prints the bytes
in memory of the whole process, interpreter and libraries included.
"""

# ruff: noqa: D102 - what a callback does is said by its class

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import memory

from actors.call_messages import CallSettings, RouteAnswered, RouteAsked
from actors.call_names import link_name
from actors.call_sup import SessionSup, SessionSupArgs
from actors.config import Config, RoutingConfig, RoutingPoint, SessionsConfig
from actors.journal.journal import Journal
from actors.journal.thread import ThreadWriter
from actors.journal_codecs import codecs
from actors.open_count import OpenCount
from actors.router import Router
from actors.routing import marks, table_of
from actors.routing_desk import RoutingDesk
from actors.session_api import AddJourneyStep
from actors.session_opening import Openings
from actors.session_pool import SessionPool
from protocols.cti.messages import RouteRequest
from supervision import ChildSpec, EventLoopBase, GenServer, Started, Supervisor, SupervisorFlags

AT_ONCE = 200
LINK = "0123456789abcdef01234567"
FORGET_MS = 1000


class Link(GenServer):
    """Takes the answers, in the place of a CTI link."""

    def init(self, args: Any) -> None:
        self.register("link")
        self.register(link_name(LINK))
        self.answered = 0

    def handle_info(self, message: Any, sender: Any) -> None:
        # Where the disk was late an answer has not waited for it, and is confirmed later.
        self.answered += type(message) is RouteAnswered


class Node(Supervisor):
    """What sessions need of a node."""

    def init(self, args: tuple[Config, SessionPool, CallSettings]) -> Any:
        config, pool, settings = args
        sessions = SessionSupArgs(config.supervision, pool, settings)
        return SupervisorFlags(), [
            ChildSpec("router", Router, RoutingDesk(table_of(config))),
            ChildSpec("link", Link),
            ChildSpec("sessionSup", SessionSup, sessions, type="supervisor"),
        ]


def request(number: int) -> RouteRequest:
    """A caller's request, with the data that a switch sends along."""
    return RouteRequest(
        i=number,
        xref=f"x{number:08d}",
        call=f"00001{number:015d}",
        rp="sales",
        ts=time.time(),
        ani=f"+3361{number % 10_000_000:07d}",
        dnis="0800123456",
        lang="fr",
        ud={"account": f"C{number:09d}", "segment": "gold", "ivr.menu": "3-1-2"},
    )


async def fill(count: int, folder: Path) -> SessionPool:
    """Open and route ``count`` sessions; return them when all dialogues are forgotten."""
    config = Config(
        rp={"sales": RoutingPoint(target="7001", rtype="direct")},
        routing=RoutingConfig(abandon_timeout_ms=FORGET_MS),
        sessions=SessionsConfig(max_open=count),
    )
    base = EventLoopBase(None, False, loop=asyncio.get_running_loop())
    pool = SessionPool()
    journal = journal_of(base, config, folder)
    await journal.open()
    count_of = OpenCount(folder / "open")
    settings = CallSettings(
        table_of(config), config.routing, config.sessions, count_of, journal, "answer"
    )
    started = await base.kernel.start_root(Node(), (config, pool, settings), "node", lambda: None)
    assert type(started) is Started, started
    openings = Openings(settings, "FR", pool.count)
    link = base.whereis("link")
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        await asyncio.gather(*(play(base, openings, number) for number in numbers))
    await asyncio.sleep(2 * FORGET_MS / 1000)
    assert link.cell.actor.answered == count, link.cell.actor.answered
    return pool


def journal_of(base: EventLoopBase, config: Config, folder: Path) -> Journal:
    """A journal of its own."""
    kernel = base.kernel
    writer = ThreadWriter(kernel, folder / "journal", config.journal)
    kinds = codecs(kernel.clock.wall, kernel.clock.monotonic)
    return Journal(kernel, writer, kinds, config.journal)


async def play(base: EventLoopBase, openings: Openings, number: int) -> None:
    """Open one session, have it routed, note a step."""
    message = request(number)
    opening = openings.for_route(message, time.time())
    started = await base.call("sessionSup", opening.request, timeout=None)
    now = base.kernel.clock.monotonic()
    times = marks(openings.settings.routing, now, None)
    base.kernel.send(started.address, RouteAsked(message, LINK, times), None)
    step = AddJourneyStep(step="welcome", ev="enter", app="menu", data={"choice": "3"})
    await base.call(started.address, step, timeout=None)


def main() -> None:
    """Fill a node and measure it."""
    count = int(sys.argv[2])
    loop = asyncio.new_event_loop()
    with tempfile.TemporaryDirectory() as folder:
        pool = loop.run_until_complete(fill(count, Path(folder)))
        assert pool.count() == count
        print(memory.resident())


if __name__ == "__main__":
    main()
