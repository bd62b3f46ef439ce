"""How actors begin and end, and what of them stays: paths, incarnations, names."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from supervision import (
    IGNORE,
    ChildSpec,
    Continue,
    Failed,
    GenServer,
    Ignored,
    Info,
    NameTaken,
    Started,
    Stop,
    Supervisor,
    SupervisorFlags,
    reasons,
)
from supervision.behaviour import Behaviour
from supervision.testing import NotStarted


class Recorder(GenServer):
    """Writes its life down in the list that it is started with."""

    def init(self, args):
        self.state = args
        self.note("init")

    def note(self, *what):
        if self.state is not None:
            self.state.append((*what, self.address.path))

    def terminate(self, reason):
        self.note("terminate", str(reason))


class Crashing(GenServer):
    def init(self, exception):
        raise exception


class CrashingLater(GenServer):
    async def init(self, exception):
        await asyncio.sleep(1.0)
        raise exception


class Returning(GenServer):
    def init(self, outcome):
        return outcome


class ReturningLater(GenServer):
    async def init(self, outcome):
        await asyncio.sleep(1.0)
        return outcome


class SlowEnd(GenServer):
    async def terminate(self, reason):
        await asyncio.sleep(3.0)


class BadEnd(GenServer):
    def terminate(self, reason):
        raise LookupError("last words")


class BadSlowEnd(GenServer):
    async def terminate(self, reason):
        await asyncio.sleep(1.0)
        raise LookupError("last words")


class Named(GenServer):
    def init(self, name):
        self.register(name)
        self.join("everybody")


@pytest.mark.parametrize("kind", [Crashing, CrashingLater])
@pytest.mark.parametrize("exception", [LookupError("no"), SystemExit(3)], ids=repr)
def test_an_exception_in_init_is_why_it_did_not_start_and_is_reported(kit, kind, exception):
    with pytest.raises(NotStarted) as failure:
        kit.start(kind, exception, name="crashing")
    assert type(exception).__name__ in failure.value.outcome.reason.detail
    [report] = kit.reported("crash", message="init", actor=kind.__name__)
    assert report.path == "crashing"
    assert "Traceback" in report.data["traceback"]
    assert kit.statistics().actors == 0


@pytest.mark.parametrize("kind", [Returning, ReturningLater])
@pytest.mark.parametrize(
    ("returned", "outcome"),
    [(IGNORE, Ignored()), (Stop(reasons.error("no")), Failed(reasons.error("no")))],
    ids=["ignore", "stop"],
)
def test_init_can_decline_without_a_crash(kit, kind, returned, outcome):
    with pytest.raises(NotStarted) as failure:
        kit.start(kind, returned)
    assert failure.value.outcome == outcome
    assert kit.reported("crash") == []
    assert kit.statistics().actors == 0


@pytest.mark.parametrize("kind", [Returning, ReturningLater])
def test_init_can_tell_something_to_whoever_starts_it(kit, kind):
    spawned = kit.loop.run(
        lambda: kit.kernel.start_root(kind(), Info("port 5060"), "a", lambda: None)
    )
    kit.until(spawned.done)
    assert spawned.result() == Started(kit.address("a"), "port 5060")


@pytest.mark.parametrize("kind", [Returning, ReturningLater])
def test_anything_else_that_init_returns_is_a_bad_return_value(kit, kind):
    with pytest.raises(NotStarted) as failure:
        kit.start(kind, "x" * 1_000)
    [what, shown] = failure.value.outcome.reason.detail
    assert (what, shown[:2], len(shown)) == ("bad_return_value", "'x", 200)
    assert kit.reported("crash", message="init", actor=kind.__name__)
    assert kit.statistics().actors == 0


def test_an_actor_without_handle_continue_cannot_begin_with_one(kit):
    class Plain(Behaviour):
        def on_start(self, args):
            return Continue("more")

    with pytest.raises(NotStarted, match="Plain has no handle_continue for str"):
        kit.start(Plain)


def test_two_actors_cannot_live_in_one_place(kit):
    kit.start(Recorder, name="here")
    with pytest.raises(NotStarted, match="already_started"):
        kit.start(Recorder, name="here")
    assert kit.alive(kit.address("here"))


@pytest.mark.parametrize(
    "reason",
    [reasons.NORMAL, reasons.SHUTDOWN, reasons.shutdown("x"), reasons.error("x")],
    ids=str,
)
def test_terminate_is_told_the_reason(kit, reason):
    life = []
    actor = kit.start(Recorder, life, name="a")
    kit.faults.exit(actor, reason)
    kit.settle()
    assert life == [("init", "a"), ("terminate", str(reason), "a")]


def test_terminate_is_told_of_a_crash(kit):
    life = []
    actor = kit.start(Recorder, life, name="a")
    kit.faults.crash_next(actor, LookupError("lost"))
    kit.send(actor, "boom")
    kit.settle()
    assert life[-1] == ("terminate", "error: LookupError: lost", "a")


def test_a_killed_actor_has_no_terminate(kit):
    life = []
    kit.faults.kill(kit.start(Recorder, life, name="a"))
    kit.settle()
    assert life == [("init", "a")]


def test_an_asynchronous_terminate_is_waited_for(kit):
    actor = kit.start(SlowEnd)
    assert kit.stop(actor) == reasons.SHUTDOWN
    assert kit.clock.elapsed == 3.0


def test_a_kill_interrupts_an_asynchronous_terminate(kit):
    actor = kit.start(SlowEnd)
    assert kit.stop(actor, timeout=1.0) == reasons.KILLED
    assert kit.clock.elapsed == 1.0


def test_only_the_first_reason_counts_but_for_a_kill(kit):
    watcher, actor = kit.probe(), kit.start(SlowEnd)
    watcher.monitor(actor)
    kit.faults.exit(actor, reasons.error("first"))
    kit.faults.exit(actor, reasons.error("second"))
    kit.advance(3.0)
    assert [down.reason for down in watcher.messages] == [reasons.error("first")]


@pytest.mark.parametrize("kind", [BadEnd, BadSlowEnd])
def test_a_crash_in_terminate_is_the_reason_it_ended_with(kit, kind):
    actor = kit.start(kind)
    assert kit.stop(actor).detail == "LookupError: last words"
    assert kit.reported("crash", message="terminate", actor=kind.__name__)


def test_a_crash_is_reported_with_what_was_handled(kit):
    actor = kit.start(Recorder, name="a")
    kit.cast(actor, {"a": "dict"})
    kit.send(actor, "one that waits")
    kit.settle()
    [report] = kit.reported("crash")
    assert report.path == "a"
    assert (
        report.data.items()
        >= {
            "actor": "Recorder",
            "incarnation": 1,
            "message": "dict",
            "mailbox": 1,
        }.items()
    )
    assert "takes no dict" in report.data["reason"]


def test_an_actor_that_stops_itself_handles_nothing_more(kit):
    class Once(GenServer):
        def handle_info(self, message, sender):
            self.state = (*(self.state or ()), message)
            self.stop()

    once = kit.start(Once)
    actor = kit.actor(once)
    for number in range(3):
        kit.send(once, number)
    kit.settle()
    assert actor.state == (0,)


def test_an_actor_that_stops_in_init_starts_and_then_ends(kit):
    class Brief(GenServer):
        def init(self, args):
            self.stop(reasons.shutdown("that was all"))

    watcher = kit.probe()
    brief = kit.kernel.child_address(None, "brief")
    kit.loop.run(lambda: kit.kernel.spawn(Brief(), None, parent=None, address=brief))
    watcher.monitor(brief)
    kit.settle()
    assert [down.reason for down in watcher.messages] == [reasons.shutdown("that was all")]


def test_an_end_during_an_asynchronous_init_has_no_terminate(kit):
    life = []

    class Slow(Recorder):
        async def init(self, args):
            self.state = args
            await asyncio.sleep(5.0)

    kit.loop.run(
        lambda: kit.kernel.spawn(
            Slow(), life, parent=None, address=kit.kernel.child_address(None, "slow")
        )
    )
    kit.faults.exit(kit.address("slow"), reasons.SHUTDOWN)
    kit.settle()
    assert life == []
    assert kit.statistics().actors == 0


# What stays


def test_an_address_outlives_the_actor_behind_it(kit):
    kit.start_supervisor(SupervisorFlags(intensity=5), [ChildSpec("a", Recorder)])
    address = kit.address("top/a")
    for incarnation in (2, 3, 4):
        kit.faults.kill(address)
        kit.settle()
        assert (address.incarnation, address.path) == (incarnation, "top/a")
        assert kit.alive(address)


def test_a_reference_outlives_the_restart_of_the_supervisor_above(kit):
    class Inner(Supervisor):
        def init(self, args):
            return SupervisorFlags(), [ChildSpec("echo", Echo)]

    class Echo(GenServer):
        def handle_call(self, request, from_):
            return request

    kit.start_supervisor(SupervisorFlags(), [ChildSpec("inner", Inner, type="supervisor")])
    old = kit.address("top/inner/echo")
    kit.faults.kill(kit.address("top/inner"))
    kit.settle()
    assert kit.call(old, "still there?") == "still there?"


def test_messages_that_waited_for_an_old_incarnation_never_reach_the_new_one(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("probe", type(kit.probe()))])
    probe = kit.address("top/probe")
    kit.faults.crash_next(probe)
    for number in range(5):
        kit.send(probe, number)
    kit.settle()
    assert (probe.incarnation, kit.actor(probe).messages) == (2, [])
    assert kit.kernel.dead_letters.total == 4


def test_an_address_travels_as_its_path(kit):
    address = kit.start(Recorder, name="here")
    copy = pickle.loads(pickle.dumps(address))
    assert copy == address
    assert address == copy
    kit.send(copy, "found by its path")
    kit.settle()
    assert address.cell.handled == 1


# Names


def test_a_name_finds_its_owner_until_it_ends(kit):
    named = kit.start(Named, "desk")
    assert kit.base.whereis("desk") is named
    kit.stop(named)
    assert kit.base.whereis("desk") is None


def test_a_name_has_one_owner(kit):
    owner = kit.start(Named, "desk")
    with pytest.raises(NotStarted) as failure:
        kit.start(Named, "desk")
    assert failure.value.outcome == Failed(reasons.error(("already_started", owner)))
    assert kit.reported("crash") == []


def test_who_takes_a_name_that_is_taken_is_told_whose_it_is(kit):
    owner, other = kit.start(Named, "desk"), kit.probe()
    with pytest.raises(NameTaken) as failure:
        other.register("desk")
    assert failure.value.address is owner


def test_a_name_can_be_given_back(kit):
    first = kit.actor(kit.start(Named, "desk"))
    first.unregister("desk")
    second = kit.start(Named, "desk")
    assert first.whereis("desk") is second
    kit.stop(first.address)
    assert kit.base.whereis("desk") is second


def test_a_restarted_actor_takes_its_name_again(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("a", Named, "desk")])
    kit.faults.kill("desk")
    kit.settle()
    assert kit.base.whereis("desk") is kit.address("top/a")


def test_a_group_has_its_members_in_the_order_they_joined(kit):
    members = [kit.start(Named, number) for number in range(3)]
    actor = kit.actor(members[0])
    assert list(actor.members("everybody")) == members
    kit.stop(members[1])
    actor.leave("everybody")
    assert list(actor.members("everybody")) == [members[2]]
    kit.stop(members[2])
    assert list(actor.members("everybody")) == []
    actor.join("everybody")
    assert list(actor.members("everybody")) == [members[0]]


class Patient(GenServer):
    """Takes as long to start as it is told, which may be too long."""

    start_timeout_s = 2.0

    async def init(self, args):
        await asyncio.sleep(args)


def test_an_init_that_takes_too_long_is_killed_and_the_start_has_failed(kit):
    with pytest.raises(NotStarted) as failure:
        kit.start(Patient, 3.0)
    assert failure.value.outcome == Failed(reasons.error("timeout"))
    assert kit.clock.elapsed == 2.0
    assert kit.statistics().actors == 0


def test_a_supervisor_that_is_told_to_end_while_it_starts_ends_in_its_own_time(kit):
    class Impatient(Supervisor):
        start_timeout_s = 2.0

        def init(self, args):
            return SupervisorFlags(), [ChildSpec("slow", SlowEnd), ChildSpec("later", Patient, 9.0)]

    kit.loop.run(lambda: kit.kernel.start_root(Impatient(), None, "top", lambda: None))
    kit.settle()
    slow = kit.address("top/slow")
    watcher = kit.probe()
    watcher.monitor(slow)
    assert kit.stop(kit.address("top")) == reasons.SHUTDOWN
    assert [down.reason for down in watcher.messages] == [reasons.SHUTDOWN]
    assert kit.clock.elapsed == 3.0


def test_an_init_that_is_in_time_leaves_no_timer(kit):
    actor = kit.start(Patient, 1.0)
    kit.advance(10.0)
    assert kit.alive(actor)
    assert kit.kernel.statistics().timers == 0


def test_an_end_with_an_error_is_reported_as_a_crash(kit):
    class Leaving(GenServer):
        def handle_cast(self, request):
            self.stop(request)

    for reason in (reasons.NORMAL, reasons.SHUTDOWN, reasons.shutdown("x"), reasons.error("x")):
        kit.cast(kit.start(Leaving), reason)
        kit.settle()
    [report] = kit.reported("crash")
    assert (report.data["message"], report.data["reason"]) == ("stop", "error: x")
