"""What watching an actor costs, what it leaves behind, and who is told that it was asked for."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sys_actors import PATH, Account, Add, Ask, Plain, System, Wait, cast, told

from supervision import CallTimeout, ChildSpec, GenServer, ServerDied, SupervisorFlags, reasons
from supervision.introspection import (
    ActionRefused,
    Asked,
    LimitReached,
    NoSuchActor,
    NotSuspended,
    OutOfBounds,
    StillBusy,
)
from supervision.testing.children import SlowStop


@pytest.fixture
def server(kit):
    return kit.start(Account, name=PATH)


@pytest.fixture
def system(kit):
    return System(kit)


def test_children_are_terminated_and_deleted_by_their_supervisor(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    path = f"{PATH}/child"
    with pytest.raises(ActionRefused, match="running"):
        system.delete(path)
    system.terminate(path)
    assert system.actor(path).status == "stopped"
    system.delete(path)
    with pytest.raises(NoSuchActor):
        system.actor(path)
    with pytest.raises(ActionRefused, match="has no supervisor"):
        system.terminate(PATH)


@pytest.mark.parametrize(
    ("name", "state"),
    [("count", {"Add": 2, "str": 1}), ("slow", {"over_s": 0.0, "count": 3})],
)
def test_a_probe_that_is_built_in_ends_by_itself_and_tells_its_result(
    kit, server, system, name, state
):
    system.install_built_in(PATH, name, 30.0, over_s=0.0)
    for request in (Add(1), "hello", Add(2)):
        kit.call(server, request)
    with pytest.raises(ActionRefused, match="already"):
        system.install_built_in(PATH, name, 30.0)
    kit.advance(30.0)
    assert system.probes(PATH) == []
    (report,) = kit.reported("trace", probe=name)
    assert state.items() <= report.data["result"].items()


def test_a_probe_that_nobody_has_built_in_is_refused(server, system):
    with pytest.raises(OutOfBounds, match="one of count, slow"):
        system.install_built_in(PATH, "eval", 1.0)


def test_an_actor_that_is_watched_no_longer_is_as_it_was_before(kit, server, system):
    other = kit.start(Account, name="other")
    actor, before = kit.actor(server), vars(kit.actor(other)).keys()
    system.log(PATH, "on")
    assert type(actor) is not Account
    assert type(actor).__name__ == "Account"
    assert isinstance(actor, Account)
    assert type(kit.actor(other)) is Account
    kit.call(server, Add(1))
    system.log(PATH, "off")
    assert type(actor) is Account
    assert vars(actor).keys() == before
    assert server.cell.at_end is None


def test_nothing_is_left_of_the_watch_of_an_actor_that_has_ended(kit, server, system):
    from supervision.introspection import watching

    before = dict(watching._watches), dict(watching._classes)  # other nodes of this process
    system.log(PATH, "on")
    assert before != (watching._watches, watching._classes)
    kit.stop(server)
    assert (watching._watches, watching._classes) == before
    assert {kind for kind in kit.kernel.latencies if kind is not Account} == set()


def test_a_handler_time_of_a_watched_actor_is_its_class_s(kit, server, system):
    system.log(PATH, "on")
    for _ in range(64):
        kit.call(server, Add(1))
    assert kit.kernel.latencies[Account].count >= 1


def test_faults_of_the_test_kit_work_on_a_watched_actor(kit, server, system):
    system.log(PATH, "on")
    kit.faults.crash_next(server)
    kit.send(server, Add(1))
    kit.settle()
    assert not kit.alive(server)


def test_an_asynchronous_handler_is_told_of_when_it_ends(kit, server, system):
    system.statistics(PATH, "on")
    system.log(PATH, "on")
    assert kit.call(server, Wait(3.0)) == "waited"
    assert told(system.log(PATH)) == ["in call Wait(seconds)", "reply str"]
    row = system.statistics(PATH)
    assert row.reductions == 1
    assert 0 < row.busy_s < 1.0


def test_an_asynchronous_handler_that_is_watched_can_be_cancelled_and_can_fail(kit, server, system):
    system.log(PATH, "on")
    with pytest.raises(ServerDied):
        kit.call(server, Wait("long"))
    assert not kit.alive(server)
    again = kit.start(Account, name="again")
    system.log("again", "on")
    cast(kit, Wait(60.0), "again")
    assert kit.stop(again) == reasons.SHUTDOWN


def test_what_a_plain_actor_sends_from_a_thread_is_told_on_the_loop(kit, system):
    plain, probe = kit.start(Plain, name=PATH), kit.probe()
    system.log(PATH, "on")
    thread = threading.Thread(target=kit.actor(plain).send, args=(probe.address, 7))
    thread.start()
    thread.join()
    kit.settle()
    assert [event.event for event in system.log(PATH).events] == ["out"]
    assert probe.messages == [7]


def test_as_many_actors_are_watched_as_may_be(kit, server):
    kit.start(Account, name="other")
    system = System(kit, watched_actors=1, probes=1)
    system.log(PATH, "on")
    system.statistics(PATH, "on")
    with pytest.raises(LimitReached, match="at most 1 watched actors"):
        system.statistics("other", "on")
    system.install(PATH, "p", lambda state, _: state)
    with pytest.raises(LimitReached, match="at most 1 probes"):
        system.install(PATH, "q", lambda state, _: state)
    with pytest.raises(OutOfBounds, match="size must be 1 to 1000"):
        system.log(PATH, "on", 1001)


def test_what_an_operator_does_is_told_with_who_and_why(kit, server, system):
    asked = Asked("to see", "ann")
    system.statistics(PATH, "on", asked)
    system.log(PATH, "on", 5, asked)
    system.install_built_in(PATH, "count", 5.0, None, asked)
    system.trace(PATH, 5, 5.0, asked)
    system.no_debug(PATH, asked)
    system.stop(PATH, asked)
    told_of = kit.reported("operator", by="ann", reason="to see")
    assert [report.data["action"] for report in told_of] == [
        "statistics_on",
        "log_on",
        "install_count",
        "trace",
        "no_debug",
        "stop",
    ]


class Sealed(GenServer):
    """Nothing may be derived from it."""

    def __init_subclass__(cls):
        raise ValueError("sealed")


def test_an_actor_whose_class_allows_none_below_it_is_not_watched(kit, system):
    kit.start(Sealed, name=PATH)
    with pytest.raises(ActionRefused, match="cannot be watched: sealed"):
        system.log(PATH, "on")
    assert type(kit.actor(kit.address(PATH))) is Sealed


def test_a_plain_actor_s_own_timer_is_told(kit, system):
    plain = kit.start(Plain, name=PATH)
    system.log(PATH, "on")
    kit.loop.run(kit.actor(plain).wakeupAfter, timedelta(seconds=3), "tea")
    kit.advance(3.0)
    first, *rest = system.log(PATH).events
    assert (first.event, first.seconds) == ("start_timer", 3.0)
    assert [event.event for event in rest] == ["timeout", "noreply"]
    assert system.actor(PATH).timers == []


def test_the_timers_of_an_actor_are_shown(kit, server, system):
    cast(kit, "timer")
    (timer,) = system.actor(PATH).timers
    assert (timer.name, timer.after_s) == ("tick", 3.0)


def test_who_calls_an_actor_is_told(kit, server, system):
    other = kit.start(Account, name="other")
    system.log("other", "on")
    kit.call(server, Ask((other,)))
    events = [event for event in system.log("other").events if event.event == "in"]
    assert [event.other for event in events] == [PATH]


def test_a_log_file_that_cannot_be_written_is_refused(kit, server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    system = System(kit, directory=tmp_path / "file")
    with pytest.raises(ActionRefused, match="cannot be written"):
        system.log_to_file(PATH, "on")
    assert system.get_status(PATH).debug == []


def test_types_beyond_a_hundred_are_counted_together(kit, server, system):
    system.install_built_in(PATH, "count", 60.0)
    for number in range(150):
        kit.send(server, type(f"T{number}", (), {})())
    kit.settle()
    (row,) = system.probes(PATH)
    assert (len(row.state), row.state["(others)"]) == (101, 50)


def test_an_actor_is_killed_and_one_that_is_slow_to_end_is_named(kit, server, system):
    slow = kit.start(SlowStop, name="slow")
    with pytest.raises(StillBusy, match=r"within 0\.5 s"):
        system.stop("slow", Asked(), reasons.SHUTDOWN, 0.5)
    kit.advance(1.0)
    assert not kit.alive(slow)
    system.kill(PATH, Asked("stuck", "ann"))
    kit.settle()
    assert not kit.alive(server)


def test_an_actor_whose_code_is_being_changed_is_not_resumed(kit, server, system):
    system.suspend(PATH)
    changing = kit.loop.create_task(system._own.change_code(PATH, 1, "slow"))
    kit.settle()
    with pytest.raises(ActionRefused, match="being changed"):
        system.resume(PATH)
    with pytest.raises(NotSuspended):
        system.change_code(PATH, 1)
    kit.advance(5.0)
    assert isinstance(changing.exception(), StillBusy)


def test_a_trace_that_finds_no_room_for_its_actors_leaves_nothing_behind(kit, server):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("a", Account)], name="top")
    system = System(kit, watched_actors=1)
    with pytest.raises(LimitReached, match="watched actors"):
        system.trace("top", 5, 5.0, under=True)
    assert system.traces() == []
    system.log(PATH, "on")


def test_a_trace_whose_asker_goes_before_it_has_begun_leaves_nothing_behind(kit, server, system):
    kit.loop.run(kit.loop.create_task, system._own.pace.rest(1.0))  # others are looking
    kit.settle()
    asking = kit.loop.create_task(system._own.trace(PATH, 5, 60.0, under=True))
    kit.settle()
    assert len(system.traces()) == 1
    asking.cancel()
    kit.settle()
    assert asking.cancelled()
    assert system.traces() == []


def test_the_path_of_nobody_is_no_actor(system):
    for path in ("nobody", "nobody/below", "", "/", "7"):
        with pytest.raises(NoSuchActor):
            system.get_status(path)


def test_a_call_that_is_past_its_deadline_is_not_told_as_answered(kit, server, system):
    class Holding(GenServer):
        def handle_cast(self, clock):
            clock.advance(10.0)

    holding = kit.start(Holding)
    system.log(PATH, "on")

    def both():
        kit.base.cast(holding, kit.clock)
        return kit.base.call(server, Add(1), 1.0)

    future = kit.loop.run(both)
    kit.settle()
    assert isinstance(future.exception(), CallTimeout)
    assert [event.event for event in system.log(PATH).events] == ["in", "noreply"]
