"""The part ``counters``: what has been counted, what is wrong, and who may do what, go on.

It is the last one: what the others have to say of their ends is in it, and the last lines of the
log are in their file before the other process writes there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from actors.alarms import Alarm
from actors.log_writer import NAME as LOG_WRITER
from actors.log_writer import LogWriter
from actors.overload import CALM, Level
from actors.takeover import counted
from actors.takeover.counted import Counted, Handled
from actors.takeover.part_states import read, written
from actors.web.tokens import TokensUnreadable
from supervision.release.carrier import Packed, Part
from supervision.release.versions import Conversions

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.journal.journal import Journal
    from actors.open_count import OpenCount
    from actors.overload import Overload
    from actors.web.tokens import TokenStore
    from supervision.eventloop.kernel import Kernel

VERSION = 2

LOG_S = 0.1
"""Seconds that the last lines of the log may take to their file; a disk may not answer."""


class JournalCounts(Struct):
    """What a journal has done."""

    commits: int
    rows: int
    failures: int
    unwritable: int


class CountersState(Struct):
    """What travels.

    Attributes:
        metrics: counters and histograms.
        handled: how long handlers took, by class.
        alarms: that are active.
        lost: sessions that went down with an earlier process.
        journal: what it has done.
        level: how much is refused.
    """

    metrics: list[Counted]
    handled: dict[str, Handled]
    alarms: list[Alarm]
    lost: int
    journal: JournalCounts
    level: Level


_DECODER = msgspec.msgpack.Decoder(CountersState)


def _with_level(state: dict[str, Any]) -> dict[str, Any]:
    return {**state, "level": msgspec.to_builtins(CALM)}


def _without_level(state: dict[str, Any]) -> dict[str, Any]:
    del state["level"]
    return state


CONVERSIONS = Conversions(up={1: _with_level}, down={2: _without_level})
"""Version 2 says how much is refused under overload; version 1 began anew, calm."""


class CountersPart(Part):
    """What a node has counted and raised.

    Args:
        kernel: the node.
        journal: of the node.
        alarms: of the node.
        count: of open sessions.
        tokens: who may do what.
        overload: how much is refused.
    """

    name = "counters"
    version = VERSION
    conversions = CONVERSIONS

    def __init__(
        self,
        kernel: Kernel,
        journal: Journal,
        alarms: Alarms,
        count: OpenCount,
        tokens: TokenStore,
        *,
        overload: Overload,
    ) -> None:
        self._kernel = kernel
        self._journal = journal
        self._alarms = alarms
        self._count = count
        self._tokens = tokens
        self._overload = overload
        self._taken: CountersState | None = None

    async def stop(self) -> None:
        """Have the lines of the log in their file, or leave them to the thread that writes them."""
        cell = self._kernel.cell_of(LOG_WRITER)
        actor = None if cell is None else cell.actor
        if not isinstance(actor, LogWriter):
            return
        loop, reached = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(reached.set)

        actor.state.thread.fence(tell)
        try:
            async with asyncio.timeout(LOG_S):
                await reached.wait()
        except TimeoutError:
            return

    def pack(self, version: int) -> Packed:
        """Write it all."""
        return Packed(written(self, self._state(), version))

    def copy(self, version: int) -> bytes | None:
        """As it is now."""
        return self.pack(version).body

    def _state(self) -> CountersState:
        done = self._journal.measures
        journal = JournalCounts(done.commits, done.rows, done.failures, done.unwritable)
        return CountersState(
            counted.written(),
            counted.latencies(self._kernel),
            self._alarms.active(),
            self._count.lost,
            journal,
            self._overload.level,
        )

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Keep it until the switch.

        Raises:
            NoConversion: it is of another version.
            ValueError: it is no such state.
        """
        del descriptors
        self._taken = read(self, _DECODER, version, body)

    async def switch(self) -> None:
        """Count on; and let in whom the other process has let in last."""
        taken, self._taken = self._taken, None
        if taken is not None:
            self._go_on(taken)
        try:
            self._tokens.again()
        except (TokensUnreadable, OSError) as why:
            self._kernel.report("degraded", "node", part="tokens", why=str(why))

    def _go_on(self, taken: CountersState) -> None:
        counted.add(taken.metrics)
        counted.add_latencies(self._kernel, taken.handled)
        self._alarms.adopt(taken.alarms)
        self._count.add_lost(taken.lost)
        self._overload.carry(taken.level)
        done, before = self._journal.measures, taken.journal
        done.commits += before.commits
        done.rows += before.rows
        done.failures += before.failures
        done.unwritable += before.unwritable
