"""A node on a real loop, for actors that work with threads, processes and sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from postgres_server import PostgresServer

from actors.cli import main
from supervision import KILLED, SHUTDOWN, Started, actor_system

PATIENCE_S = 20.0
"""How long anything may take before a test gives up."""


class LiveNode:
    """The actors of one test, on the loop that runs it."""

    def __init__(self):
        self.base = actor_system(loop=asyncio.get_running_loop())._systemBase
        self.kernel = self.base.kernel
        self.reports = []
        self.kernel.reports.subscribe(self.reports.append)
        self.cast = self.base.cast
        self.whereis = self.base.whereis
        self._began = []

    async def start(self, actor_class, args=None, name="actor"):
        address = self.kernel.child_address(None, name)
        outcome = self.kernel.spawn(actor_class(), args, parent=None, address=address)
        if not isinstance(outcome, Started):
            await self.until(lambda: outcome.settled)
            outcome = outcome.value
        assert isinstance(outcome, Started), outcome
        self._began.append(address)
        return address

    async def call(self, target, request):
        return await self.base.call(target, request, PATIENCE_S)

    def actor(self, target):
        return self.kernel.cell_of(target).actor

    def kill(self, target):
        self.kernel.exit(self.kernel.cell_of(target), KILLED)

    async def stop(self, address):
        if address.cell is not None:
            gone = self.kernel.stop(address.cell, SHUTDOWN, None)
            await self.until(lambda: gone.settled)

    async def stop_all(self):
        for address in reversed(self._began):
            await self.stop(address)

    async def until(self, condition: Callable[[], object], patience_s=PATIENCE_S):
        """Ask between two turns of the loop until the answer is true, and return it."""
        async with asyncio.timeout(patience_s):
            while not (answer := condition()):  # noqa: ASYNC110 - threads and servers tell nobody
                await asyncio.sleep(0.002)
        return answer

    def reported(self, kind, **data):
        return [
            report
            for report in self.reports
            if report.kind == kind and data.items() <= report.data.items()
        ]


@pytest.fixture(autouse=True)
def _same_path_afterwards(monkeypatch):
    """`vigie start` sets where the programs find the rooms: for itself, not for later tests."""
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.delenv("PYTHONPATH")


@pytest.fixture
def on_node():
    """Run a scenario, a coroutine function of a `LiveNode`, and stop what it started."""

    async def play(scenario):
        node = LiveNode()
        try:
            return await scenario(node)
        finally:
            await node.stop_all()

    def run(scenario: Callable[[LiveNode], Awaitable[object]]):
        return asyncio.run(play(scenario))

    return run


@pytest.fixture(scope="session")
def _postgres_server():
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def postgres(_postgres_server):
    """A real server that runs; a test may kill it, the next one finds it running again."""
    _postgres_server.start()
    return _postgres_server


@pytest.fixture
def vigie(request, tmp_path, capfd):
    """A whole node with the module's ``CONFIG``, and its commands.

    Each gives its exit code and what it printed as JSON.
    """

    def run(*words):
        code = main([*map(str, words), "--data", str(tmp_path / "var"), "--json"])
        out, _ = capfd.readouterr()
        return code, json.loads(out)

    config = tmp_path / "vigie.toml"
    config.write_text(request.module.CONFIG)
    code, started = run("start", "--config", config)
    assert code == 0, started
    yield run
    run("stop")
