"""Links and HTTP connections move between real processes; those that take are killed before."""

import asyncio
import contextlib
import json
import os
import random
import socket
import sys
from pathlib import Path

import pytest
from csta_peer import SwitchB
from moving_links import MovingCti, faults
from moving_web import Browser

pytestmark = pytest.mark.system

PROGRAM = Path(__file__).resolve().parents[2] / "support" / "moving_program.py"
PATIENCE_S = 60.0
CALLS = 16


class Program:
    """One node, which is told lines and tells lines."""

    async def start(self, role, name, directory, *listening):
        descriptors = [one.fileno() for one in listening]
        words = (role, name, directory, *descriptors, CALLS)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            *map(str, words),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=descriptors,
            limit=64_000_000,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return self

    def tell(self, word):
        self.process.stdin.write(f"{word}\n".encode())

    async def expect(self, *whats):
        async with asyncio.timeout(PATIENCE_S):
            line = await self.process.stdout.readline()
        assert line, f"it ended, and was to say {whats}"
        said = json.loads(line)
        assert said["what"] in whats, said
        return said

    async def ask(self, word, what):
        self.tell(word)
        return await self.expect(what)

    async def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


def waits(cti):
    """Whether something of a CTI is not answered or acknowledged."""
    return cti.ended is None and (cti.acked < cti.sent or bool(cti.client.waiting))


class Ledger:
    """What the last node says that its sessions know, as ``faults`` wants it."""

    def __init__(self, effects):
        self.effects = [tuple(one) for one in effects]


class Site:
    """A node, those that follow it, CTIs and browsers."""

    def __init__(self, directory):
        self.directory = directory
        self.cti, self.http = (socket.create_server(("127.0.0.1", 0), backlog=600) for _ in "ab")
        self.names = 0
        self.ctis, self.browsers, self._tasks, self.asks = [], [], [], []
        self.programs = []

    async def program(self, role):
        self.names += 1
        made = Program()
        self.programs.append(made)
        return await made.start(role, self.names, self.directory, self.cti, self.http)

    async def begin(self, busy, idle, browsers):
        self.node = await self.program("give")
        await self.node.expect("serves")
        self.ctis = [
            MovingCti(self.cti.getsockname(), f"cti-{number}") for number in range(busy + idle)
        ]
        for cti in self.ctis:
            await cti.ready()
        self.browsers = [await Browser().connect(self.http) for _ in range(browsers)]
        self._tasks = [asyncio.ensure_future(self._talk(cti)) for cti in self.ctis[:busy]]
        self._tasks += [asyncio.ensure_future(self._ask(one)) for one in self.browsers[:busy]]
        self.talking = True

    async def _talk(self, cti):
        number = 0
        while self.talking:
            number += 1
            (cti.route if number % 2 else cti.event)(number, f"c{number % CALLS}")
            await asyncio.sleep(0.005)

    async def _ask(self, browser):
        while self.talking:
            self.asks.append(await browser.ask("/a", body=b"b" * 100))
            await asyncio.sleep(0.005)

    async def talk(self, answers):
        """Wait until HTTP clients have got so many more answers."""
        wanted = len(self.asks) + answers
        async with asyncio.timeout(PATIENCE_S):
            while len(self.asks) < wanted:  # noqa: ASYNC110 - sockets tell nobody
                await asyncio.sleep(0.005)

    async def take_over(self):
        """Have a new process take over; the old one ends."""
        following = await self.copied()
        self.node.tell("freeze")
        await following.expect("prepared")
        frozen = await self.node.expect("frozen")
        switched = await following.ask("switch", "switched")
        self.pause = switched["pause"]
        self.node.tell("exit")
        await self.node.process.wait()
        self.node = following
        return frozen

    async def copied(self):
        (self.directory / "takeover.sock").unlink(missing_ok=True)
        await self.node.ask("listen", "listens")
        following = await self.program("take")
        await following.expect("copied")
        return following

    async def settle(self, besides=()):
        """Everything is answered, and nothing was lost, doubled, reordered or closed."""
        self.talking = False
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._tasks)
            while any(map(waits, self.ctis)):  # noqa: ASYNC110 - sockets tell nobody
                await asyncio.sleep(0.005)
        seen = await self.node.ask("look", "seen")
        effects = [one for one in seen["effects"] if one[0] not in besides]
        assert faults(self.ctis, Ledger(effects)) == []
        assert seen["connections"] == len(self.ctis)
        assert seen["browsers"] == len(self.browsers)
        for browser in self.browsers:
            assert (await browser.ask("/z")).split()[0] == str(self.names).encode()
        return seen

    async def left_alone(self):
        """Wait until nobody but the CTIs is connected."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.node.ask("look", "seen"))["connections"] > len(self.ctis):  # noqa: ASYNC110 - as there
                await asyncio.sleep(0.01)

    async def end(self):
        for cti in self.ctis:
            cti.stop()
        for task in self._tasks:
            task.cancel()
        for browser in self.browsers:
            browser.writer.transport.abort()
        for program in self.programs:
            await program.kill()
        self.cti.close()
        self.http.close()


def scenario(tmp_path, play):
    async def run():
        site = Site(tmp_path)
        try:
            await play(site)
        finally:
            await site.end()

    asyncio.run(run())


def test_five_hundred_idle_and_eight_busy_of_each_move_to_another_process_and_on(tmp_path):
    async def play(site):
        await site.begin(8, 500, 508)
        for _ in range(2):
            await site.talk(50)
            frozen = await site.take_over()
            worst = max(cti.worst_s for cti in site.ctis)
            print(f"freeze {frozen['freeze_ms']} ms, worst answer {worst:.3f} s")  # noqa: T201
            assert frozen["more"]["links"] == {"cti": 508}
            assert site.pause["connections"] == 1_016
            assert frozen["freeze_ms"] <= site.pause["p50"] <= site.pause["p99"]
            assert site.pause["p99"] <= site.pause["max"]
            await site.talk(50)
        await site.settle()
        assert {int(one.split()[0]) for one in site.asks} == {1, 2, 3}

    scenario(tmp_path, play)


def test_a_link_in_framing_b_moves_under_calls_beside_those_in_framing_a(tmp_path):
    async def play(site):
        await site.begin(2, 0, 2)
        switch = await SwitchB(site.cti.getsockname()).connect()
        try:
            calls = asyncio.ensure_future(routed(switch, 400))
            for _ in range(2):
                await site.talk(20)
                frozen = await site.take_over()
                assert frozen["more"]["links"] == {"cti": 3}
            await calls
        finally:
            switch.end()
        await site.left_alone()
        seen = await site.settle(besides={switch.session})
        told = [i for link, i, _ in seen["effects"] if link == switch.session]
        assert told == list(range(1, 401))  # all of them, once each, in order

    scenario(tmp_path, play)


async def routed(switch, calls):
    """Call after call is routed."""
    for number in range(calls):
        await switch.route(str(number), f"c{number % CALLS}")
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("when", ["copied", "prepared"])
def test_a_process_that_is_killed_before_the_switch_changes_nothing(tmp_path, when):
    async def play(site):
        await site.begin(4, 20, 24)
        following = await site.copied()
        if when == "prepared":
            site.node.tell("freeze")
            await following.expect("prepared")
            await site.node.expect("frozen")
        await following.kill()
        await site.node.ask("resume", "resumed")
        await site.talk(10)
        site.names = 1
        await site.settle()

    scenario(tmp_path, play)


def test_processes_that_are_killed_at_any_moment_of_the_freeze_change_nothing(tmp_path):
    async def play(site):
        chance = random.Random(5)
        await site.begin(4, 60, 64)
        for _ in range(8):
            following = await site.copied()
            site.node.tell("freeze")
            await asyncio.sleep(chance.random() * 0.03)
            await following.kill()
            said = await site.node.expect("frozen", "failed")
            assert said["what"] == "frozen" or "gone" in said["why"] or "ended" in said["why"], said
            await site.node.ask("resume", "resumed")
            await site.talk(10)
        seen = await site.node.ask("look", "seen")
        assert not seen["frozen"]
        frozen = await site.take_over()
        assert frozen["more"]["http"] == {"http": 64}
        await site.talk(10)
        await site.settle()

    scenario(tmp_path, play)


def test_the_descriptors_of_a_process_do_not_grow(tmp_path):
    async def play(site):
        await site.begin(2, 20, 22)

        def open_ones():
            return len(os.listdir(f"/proc/{site.node.process.pid}/fd"))  # noqa: PTH208

        counted = []
        for _ in range(4):
            await site.take_over()
            await site.talk(10)
            counted.append(open_ones())
        assert len(set(counted)) == 1, counted
        await site.settle()

    scenario(tmp_path, play)
