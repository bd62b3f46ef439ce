"""The way in for threads, on real loops in real threads."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from thespian.actors import Actor

from supervision import (
    IGNORE,
    KILLED,
    NORMAL,
    CallTimeout,
    ChildSpec,
    GenServer,
    NoProc,
    NotStarted,
    Portal,
    ServerDied,
    Stop,
    Supervisor,
    SupervisorFlags,
    reasons,
)
from supervision.testing.children import Polite


class Account(GenServer):
    def init(self, balance):
        self.state = balance
        self.register("account")

    def handle_call(self, amount, from_):
        self.state += amount
        return self.state

    def handle_cast(self, amount):
        self.state -= amount


class Bank(Supervisor):
    def init(self, balance):
        return SupervisorFlags(), [ChildSpec("account", Account, balance)]


class Choosy(GenServer):
    def init(self, answer):
        return answer


class Silent(GenServer):
    async def handle_call(self, request, from_):
        await self.kernel.loop.create_future()


class Nosy(GenServer):
    """Does on the loop's thread what only other threads may."""

    def init(self, portal):
        self.state = portal

    def handle_call(self, request, from_):
        self.state.call("account", 1)


class Plain(Actor):
    def receiveMessage(self, msg, sender):
        self.send(sender, msg)


class Holder(GenServer):
    def init(self, release):
        self.state = release

    def handle_cast(self, request):
        self.state.wait(30)

    def handle_call(self, request, from_):
        return request


class Interrupted(GenServer):
    def handle_call(self, request, from_):
        raise KeyboardInterrupt


@pytest.fixture
def portal():
    with Portal() as node:
        yield node


def test_a_thread_starts_a_tree_and_asks_what_is_in_it(portal):
    portal.start(Bank, 100)
    portal.cast("account", 30)
    assert portal.call("account", 5) == 75
    assert portal.whereis("account").path == "Bank/account"


def test_many_threads_share_one_portal(portal):
    portal.start(Bank, 0)
    with ThreadPoolExecutor(8) as threads:
        answers = sorted(threads.map(lambda _: portal.call("account", 1), range(200)))
    assert answers == list(range(1, 201))


@pytest.mark.parametrize("answer", [IGNORE, "no sense"], ids=["ignored", "garbage"])
def test_a_thread_is_told_why_an_actor_did_not_start(portal, answer):
    with pytest.raises(NotStarted) as refusal:
        portal.start(Choosy, answer)
    assert refusal.value.outcome is not None


def test_actors_of_one_class_have_numbers_unless_they_are_named(portal):
    paths = [portal.start(Polite).path for _ in range(3)]
    assert paths == ["Polite", "Polite-2", "Polite-3"]
    with pytest.raises(NotStarted, match="Polite did not start: error: already_started"):
        portal.start(Polite, name="Polite-2")


def test_why_an_actor_did_not_start_can_be_read(portal):
    with pytest.raises(NotStarted) as refusal:
        portal.start(Choosy, Stop(reasons.error("no licence")))
    assert str(refusal.value) == "Choosy did not start: error: no licence"


@pytest.mark.parametrize("wrong", ["Account", Account(), dict], ids=["name", "instance", "class"])
def test_what_is_no_class_of_actors_is_not_started(portal, wrong):
    with pytest.raises(TypeError, match="is no class of actors"):
        portal.start(wrong)


def test_a_call_says_what_cannot_be_called(portal):
    plain = portal.system.createActor(Plain)
    with pytest.raises(TypeError, match="Plain is a plain Thespian actor: use the system's ask"):
        portal.call(plain, "hello")
    with pytest.raises(TypeError, match="None is neither an address nor a name"):
        portal.call(None, "hello")


def test_a_loop_that_was_taken_down_is_noticed(monkeypatch, portal):
    monkeypatch.setattr("threading.excepthook", lambda _: None)
    silent = portal.start(Interrupted)
    with pytest.raises(RuntimeError, match="loop has ended"):
        portal.call(silent, "go", timeout=None)


def test_a_call_is_over_in_its_time_also_where_a_handler_holds_the_loop(portal):
    release = Event()
    holder = portal.start(Holder, release)
    portal.cast(holder, "hold")
    with pytest.raises(CallTimeout):
        portal.call(holder, "anything", timeout=0.01)
    release.set()
    assert portal.call(holder, "anything") == "anything"


def test_a_program_that_forgets_to_close_its_portal_has_its_actors_end_in_order():
    program = """
from supervision import GenServer, Portal

class Till(GenServer):
    def terminate(self, reason):
        print("counted:", reason, flush=True)

Portal().start(Till)
"""
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, check=True)
    assert done.stdout == b"counted: shutdown\n"


def test_a_portal_that_is_closed_says_so():
    with Portal() as portal:
        pass
    with pytest.raises(RuntimeError, match="the portal is closed"):
        portal.call("anybody", 1)


def test_a_call_fails_in_the_thread_as_it_does_in_an_actor(portal):
    portal.start(Bank, 0)
    with pytest.raises(NoProc):
        portal.call("nobody", 1)
    with pytest.raises(ServerDied, match="TypeError"):
        portal.call("account", "a word")
    silent = portal.start(Silent)
    with pytest.raises(CallTimeout):
        portal.call(silent, "anything", timeout=0.01)


def test_an_actor_that_is_stopped_tells_its_reason_and_is_gone(portal):
    address = portal.start(Polite, name="polite")
    assert portal.stop(address, NORMAL) == NORMAL
    with pytest.raises(NoProc):
        portal.stop(address)


def test_the_supervisor_of_an_actor_that_is_stopped_starts_it_again(portal):
    portal.start(Bank, 10)
    address = portal.whereis("account")
    portal.stop("account", NORMAL)
    assert portal.call(address, 5) == 15
    assert address.incarnation == 2


def test_an_actor_that_does_not_end_in_time_or_as_it_is_told_is_an_error(portal):
    class Lingering(Polite):
        async def terminate(self, reason):
            await asyncio.get_running_loop().create_future()

    class Failing(Polite):
        def terminate(self, reason):
            raise LookupError("last words")

    lingering = portal.start(Lingering)
    with pytest.raises(CallTimeout):
        portal.stop(lingering, timeout=0.01)
    kernel = portal.base.kernel
    kernel.post_call(kernel.exit, lingering.cell, KILLED)
    with pytest.raises(ServerDied, match="last words"):
        portal.stop(portal.start(Failing))


def test_a_portal_refuses_to_block_the_loop_that_it_waits_for(portal):
    portal.start(Bank, 0)
    nosy = portal.start(Nosy, portal)
    with pytest.raises(ServerDied, match="would block the node's loop"):
        portal.call(nosy, "go")


def test_reports_reach_a_listener_until_it_is_done(portal):
    portal.start(Bank, 0)
    crashed, kinds = Event(), []

    def listen(report):
        kinds.append(report.kind)
        if report.kind == "crash":
            crashed.set()

    enough = portal.subscribe(listen)
    portal.cast("account", "a word")
    assert crashed.wait(30)
    enough()
    assert kinds[0] == "crash"


def test_a_portal_leaves_a_system_that_is_not_its_own_running(portal):
    portal.start(Bank, 1)
    with Portal(portal.system) as other:
        assert other.call("account", 1) == 2
    assert portal.call("account", 1) == 3
