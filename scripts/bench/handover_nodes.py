"""The two sides of a hand-over of sessions, and a recovery, each in a process of its own.

``handover_nodes.py fill|recover|give|take|take-later FOLDER COUNT``; each prints its figures. What
goes from one side to the other lies in files: neither waits for the other, and each is measured
alone, by the processor time that it takes; only reading a journal, which two threads share, by the
clock. Sessions are made as in ``session_actors``, then written again and again with other ids.
"""

# ruff: noqa: D102 - what a callback does is said by its class

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import memory
import msgspec
from recovery_nodes import multiply
from session_actors import Link, Node, fill, journal_of

from actors.call_messages import CallSettings
from actors.call_sup import SessionSup, SessionSupArgs
from actors.config import Config, RoutingPoint, SessionsConfig
from actors.journal.file import Files, open_database
from actors.journal.journal import Journal
from actors.open_count import OpenCount
from actors.router import Router
from actors.routing import table_of
from actors.routing_desk import RoutingDesk
from actors.session_api import PatchSession
from actors.session_data import Session
from actors.session_pool import SessionPool
from actors.session_record import SCHEMA, VERSION, Schema
from actors.standby import Standby
from actors.takeover.sessions import SessionsBulk
from supervision import ChildSpec, EventLoopBase, Started, SupervisorFlags
from supervision.release.carrier import Slice
from supervision.release.versions import Conversions

TEMPLATES = 40
SLICE = 250
CHANGED = 200
US = 1e6

_frame = msgspec.msgpack.Encoder()


class LaterSession(Session, frozen=True, omit_defaults=True):
    """A session of the version after this one: a field more, another renamed."""

    digits: str | None = msgspec.field(name="keyed", default=None)
    urgency: int = 5


def up(value: list[Any]) -> list[Any]:
    """Make a session of the next version."""
    session = value[1]
    if "digits" in session:
        session["keyed"] = session.pop("digits")
    session["urgency"] = int(session.get("ud", {}).pop("urgency", 5))
    return value


def down(value: list[Any]) -> list[Any]:
    """What ``up`` did, backwards."""
    session = value[1]
    if "keyed" in session:
        session["digits"] = session.pop("keyed")
    if "urgency" in session:
        session.setdefault("ud", {})["urgency"] = str(session.pop("urgency"))
    return value


LATER = Schema(VERSION + 1, LaterSession, Conversions(up={VERSION: up}, down={VERSION + 1: down}))


class Serving(Node):
    """A node whose sessions come from elsewhere, as its pool and its gate say."""

    def init(self, args: tuple[Config, SessionPool, CallSettings, Standby]) -> Any:  # type: ignore[override]
        config, pool, settings, standby = args
        sessions = SessionSupArgs(config.supervision, pool, settings, standby)
        return SupervisorFlags(), [
            ChildSpec("router", Router, RoutingDesk(table_of(config))),
            ChildSpec("link", Link),
            ChildSpec("sessionSup", SessionSup, sessions, type="supervisor"),
        ]


class Side:
    """A node with sessions, or one that waits for them.

    Args:
        folder: with its journal.
        count: of sessions.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.base = EventLoopBase(None, False, loop=asyncio.get_running_loop())
        self.config = Config(
            rp={"sales": RoutingPoint(target="7001", rtype="direct")},
            sessions=SessionsConfig(max_open=count + CHANGED),
        )
        self.pool = SessionPool()
        self.journal: Journal = journal_of(self.base, self.config, folder)
        self.settings = CallSettings(
            table_of(self.config),
            self.config.routing,
            self.config.sessions,
            OpenCount(folder / "open"),
            self.journal,
            "answer",
        )

    async def start(self, *, waiting: bool) -> None:
        """Start the supervisor of sessions, with those of the pool."""
        args = (self.config, self.pool, self.settings, Standby(waiting=waiting))
        started = await self.base.kernel.start_root(Serving(), args, "node", lambda: None)
        assert type(started) is Started, started

    def bulk(self, schema: Schema = SCHEMA) -> SessionsBulk:
        """The sessions as a part that travels."""
        return SessionsBulk(self.base.kernel, self.pool, self.journal, self.settings, schema)


async def make(folder: Path, count: int) -> list[float]:
    """Write a journal with so many sessions."""
    templates = folder / "templates"
    templates.mkdir()
    pool = await fill(TEMPLATES, templates)
    kept = [child.kept for child in pool.children.values() if child.kept is not None]
    files = Files(folder / "journal")
    files.directory.mkdir()
    multiply(files, open_database(files), kept, range(count), 0)
    return []


async def recover(folder: Path, count: int) -> list[float]:
    """Read the journal and start all that is in it, as a node does that was killed."""
    side = await _recovered(folder, count)
    return [side.read_us, side.started_us, memory.resident()]


class _Recovered(Side):
    read_us = started_us = 0.0


async def _recovered(folder: Path, count: int) -> _Recovered:
    side = _Recovered(folder, count)
    gc.disable()
    began = time.perf_counter()
    found = await side.journal.open()
    assert found is not None
    side.pool.recovered = found.values.pop("session")
    side.read_us = (time.perf_counter() - began) / count * US
    began = time.thread_time()
    await side.start(waiting=False)
    side.started_us = (time.thread_time() - began) / count * US
    assert side.pool.count() == count
    del found
    gc.enable()
    return side


async def give(folder: Path, count: int) -> list[float]:
    """Give all sessions, then those that have changed; in this version and in the one before."""
    side = await _recovered(folder, count)
    bulk, resident = side.bulk(), memory.resident()
    bulk.begin()
    first = _written(folder / "slices", bulk, VERSION)
    for child in list(side.pool.children.values())[:CHANGED]:
        change = PatchSession(rev=child.kept[1].rev, set={"lang": "de"}, delete=())  # type: ignore[call-arg, index]
        await side.base.call(child.address, change, timeout=None)
    began = time.thread_time()
    await bulk.stop()
    stopped = time.thread_time() - began
    last = stopped + _written(folder / "last", bulk, VERSION)
    assert bulk.count() == count
    bulk.end()
    later = side.bulk(LATER)
    later.begin()
    down_s = _written(folder / "down", later, VERSION)
    return [first / count * US, last * 1000, down_s / count * US, resident]


def _written(file: Path, bulk: SessionsBulk, version: int) -> float:
    """Write all that is due to a file; return the seconds that giving it took."""
    spent = 0.0
    with file.open("wb") as slices:
        while bulk.due:
            began = time.thread_time()
            some = bulk.take(SLICE, version)
            spent += time.thread_time() - began
            body = _frame.encode(some)
            slices.write(len(body).to_bytes(4) + body)
    return spent


async def take(folder: Path, count: int, schema: Schema = SCHEMA) -> list[float]:
    """Take all sessions in, then those that have changed, and switch."""
    side = Side(folder / "new", count)
    side.base.kernel.hold_timers()
    await side.start(waiting=True)
    bulk = side.bulk(schema)
    gc.disable()
    first = _given(folder / "slices", bulk)
    last = _given(folder / "last", bulk)
    assert bulk.count() == count
    began = time.thread_time()
    await bulk.switch()
    switched = time.thread_time() - began
    gc.enable()
    return [first / count * US, last * 1000, switched * 1000, memory.resident()]


async def take_later(folder: Path, count: int) -> list[float]:
    """The same by the version after this one."""
    return await take(folder, count, LATER)


def _given(file: Path, bulk: SessionsBulk) -> float:
    """Take in what is in a file; return the seconds that it took, reading the file apart."""
    spent = 0.0
    for some in _slices(file):
        began = time.thread_time()
        bulk.give(VERSION, some)
        spent += time.thread_time() - began
    return spent


def _slices(file: Path) -> Iterator[Slice]:
    decode: Callable[[bytes], Slice] = msgspec.msgpack.Decoder(Slice).decode
    with file.open("rb") as slices:
        while length := slices.read(4):
            yield decode(slices.read(int.from_bytes(length)))


STEPS: dict[str, Callable[[Path, int], Any]] = {
    "fill": make,
    "recover": recover,
    "give": give,
    "take": take,
    "take-later": take_later,
}


def main() -> None:
    """Run one step."""
    step, folder, count = sys.argv[1:4]
    (Path(folder) / "new").mkdir(exist_ok=True)
    print(*asyncio.run(STEPS[step](Path(folder), int(count))))


if __name__ == "__main__":
    main()
