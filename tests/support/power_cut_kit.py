"""A node with two releases of this installation, calls on it, and power cuts: all of it at once.

The second release keeps sessions of another shape, so that whatever the first one starts from has
been converted down. Both are copies: what is tested may change while the test runs.
"""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from soak_parts.vigie import SETTINGS, Vigie

from actors.cli import rooms
from actors.etc_files import etc_file
from protocols.feed.run import FeedOptions, open_books
from protocols.feed.run import run as run_feed
from protocols.feed.schedule import Load
from supervision.anchor import history, pointers
from supervision.anchor.testing import wait_gone

BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench"
PATIENCE_S = 60.0
LOOK_S = 0.001
RATE = 20.0
"""Calls a second."""

NO = "verdict"
"""A file: while it is there a version on probation has failed."""

CHANGES = {
    # Everything stays in the node, so that it can be compared.
    "VIGIE_SESSIONS__LINGER_S": "600",
    # A probation ends when somebody says so, in the data directory.
    "VIGIE_RELEASE__PROBATION__SAMPLE_S": "0.1",
    "VIGIE_RELEASE__PROBATION__PROBE_EVERY_S": "0.1",
    "VIGIE_RELEASE__PROBATION__PROBE_FAILURES": "1",
    "VIGIE_RELEASE__PROBATION__PROBES__VERDICT": f"{shutil.which('test')},!,-e,{NO}",
}


# Releases


def lay_out(place):
    """Copy this installation twice, the second time with sessions of another shape."""
    first, second = (_copy(place / name) for name in ("one", "two"))
    # By its path: beside it lie modules that have the names of the rooms.
    found = importlib.util.spec_from_file_location("changes", BENCH / "upgrade_changes.py")
    changes = importlib.util.module_from_spec(found)
    found.loader.exec_module(changes)
    changes.with_priority(second)
    return first, second


def _copy(tree):
    for room in rooms.ROOMS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(rooms.home() / room, tree / room, ignore=ignored)
    shutil.copytree(etc_file("vigie.toml").parent, tree / "etc")
    (tree / "pyproject.toml").write_text("# a checkout\n")
    return tree


@dataclass
class Site:
    """A data directory with both releases.

    Attributes:
        node: what runs there, once it is started.
        first: the version that is permanent.
        second: the other one.
        ports: of the first start; a switch knows no others.
    """

    node: Vigie
    first: str
    second: str
    trees: dict[str, Path]

    @classmethod
    def make(cls, trees, data):
        data.mkdir(mode=0o700)
        versions = [_adopted(tree, data) for tree in reversed(trees)]
        second, first = versions
        found = dict(zip((first, second), trees, strict=True))
        program = (sys.executable, "-P", "-m", "actors.cli")
        settings = SETTINGS | CHANGES | {"PYTHONPATH": str(trees[0])}
        return cls(Vigie(data, settings, program), first, second, found)

    def start(self):
        """Start the node, where it was before; return what it says of itself."""
        info = self.node.run("start")
        ports = {name: info[name.lower()].rpartition(":")[2] for name in ("HTTP", "CTI")}
        more = {f"VIGIE_{name}__PORT": port for name, port in ports.items()}
        self.node.settings = {**self.node.settings, **more}
        return info

    def use(self, vsn):
        """Have commands be those of a release from now on."""
        self.node.settings = {**self.node.settings, "PYTHONPATH": str(self.trees[vsn])}

    def say_no(self):
        """Have the version on probation fail."""
        (self.node.data / NO).touch()

    def say_nothing(self):
        (self.node.data / NO).unlink(missing_ok=True)

    def pointers(self):
        return pointers.read(self.node.data)

    def history(self):
        return history.read(self.node.data)

    def other(self, vsn):
        return self.second if vsn == self.first else self.first


def _adopted(tree, data):
    """Record a copy as the permanent release; return its version."""
    command = [sys.executable, "-P", "-m", "actors.cli", "release", "adopt", "--data", str(data)]
    environ = {**os.environ, "PYTHONPATH": str(tree)}
    subprocess.run(command, env=environ, check=True, capture_output=True, timeout=PATIENCE_S)
    return pointers.read(data).permanent


# The power


def power_cut(anchor):
    """End an anchor, its nodes and its PostgreSQL at one instant; none of them does anything more.

    Stopped first, each before anybody could answer the death of another.
    """
    stopped = set()
    while found := set(_family(anchor)) - stopped:
        for pid in found:
            _signal(pid, signal.SIGSTOP)
        stopped |= found
    for pid in stopped:
        _signal(pid, signal.SIGKILL)
    for pid in stopped:
        wait_gone(pid)


def _family(pid):
    """A process and everything below it."""
    yield pid
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        for child in map(int, text.split()):
            yield from _family(child)


def _signal(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


# The calls


class Calls:
    """A switch that asks for routes and tells what becomes of the calls, until it is ended.

    Args:
        site: where a node runs.
        region: of the node.
        seed: of all chance.

    Attributes:
        books: what was sent, answered and acknowledged.
    """

    def __init__(self, site, region, seed):
        port = int(site.node.settings["VIGIE_CTI__PORT"])
        token = site.node.run("token", "create", "--scope", "cti")["token"]
        self._node = site.node
        self._stop = asyncio.Event()
        self._options = FeedOptions(
            host="127.0.0.1",
            port=port,
            token=token,
            load=Load(rate=RATE, seconds=None, speed=20.0, seed=seed),
            name="switch",
            wait_s=20.0,  # a start included
            compare=1_000_000,
            settle_s=10.0,
            region=region,
        )
        self.books = open_books(self._options)
        self._task = asyncio.create_task(self._run())

    async def _run(self):
        return await run_feed(
            self._options, sessions=self._sessions, stop=self._stop, books=self.books
        )

    async def some(self, count=10):
        """Wait until so many more requests have been answered."""
        wanted = self.books.answered + count
        await until(lambda: self.books.answered >= wanted or self._task.done())

    async def end(self):
        """End them, compare what both sides know; return the report."""
        self._stop.set()
        return await self._task

    async def _sessions(self, calls):
        found = {}
        for call in calls:
            query = {"call": call, "sort": "opened", "order": "desc", "limit": 1}
            items = (await self._node.wait_api("GET", "sessions", query))["items"]
            if items:
                found[call] = items[0]
        return found


async def until(condition):
    """Look again and again, every millisecond: what is waited for tells nobody."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK_S)
