"""The kit that the other tests stand on."""

from __future__ import annotations

import asyncio

import pytest

from supervision import IGNORE, ChildSpec, GenServer, Stop, SupervisorFlags, reasons
from supervision.testing import (
    Faults,
    InjectedFault,
    Kit,
    KitStatistics,
    NotStarted,
    Restless,
    Stuck,
    Unhandled,
    VirtualClock,
    VirtualLoop,
    loop,
)


class Echo(GenServer):
    def init(self, args):
        self.state = args

    def handle_call(self, request, from_):
        return request

    def handle_cast(self, request):
        self.state = request


class Sleeper(GenServer):
    async def handle_call(self, seconds, from_):
        await asyncio.sleep(seconds)
        return self.now()


class SlowStarter(GenServer):
    async def init(self, seconds):
        await asyncio.sleep(seconds)


class Starter(GenServer):
    def init(self, outcome):
        return outcome


def test_a_virtual_clock_moves_only_when_it_is_told_to():
    clock = VirtualClock(monotonic=10.0, wall=1_000.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.wall(), clock.elapsed) == (12.5, 1_002.5, 2.5)
    clock.advance_to(11.0)
    assert clock.monotonic() == 12.5


@pytest.mark.parametrize("what", [VirtualClock, Kit])
def test_time_refuses_to_go_back(what):
    with pytest.raises(ValueError, match="time does not go back"):
        what().advance(-1.0)


def test_the_wall_clock_can_be_stepped_alone():
    clock = VirtualClock(monotonic=10.0)
    clock.set_wall(500.0)
    clock.advance(1.0)
    assert (clock.monotonic(), clock.wall()) == (11.0, 501.0)


def test_a_call_is_answered_without_time_passing(kit):
    assert kit.call(kit.start(Echo), "hello") == "hello"
    assert kit.clock.elapsed == 0.0


def test_a_call_lets_virtual_time_pass_until_the_answer_is_there(kit):
    assert kit.call(kit.start(Sleeper), 3.0) == kit.clock.monotonic()
    assert kit.clock.elapsed == 3.0


def test_starting_waits_for_an_asynchronous_init(kit):
    kit.start(SlowStarter, 4.0)
    assert kit.clock.elapsed == 4.0


@pytest.mark.parametrize("outcome", [IGNORE, Stop(reasons.error("no"))])
def test_an_actor_that_does_not_start_is_an_exception(kit, outcome):
    with pytest.raises(NotStarted, match="Starter did not start"):
        kit.start(Starter, outcome)


def test_advancing_stops_at_every_timer_on_the_way(kit):
    seen = []
    for delay in (3.0, 1.0, 2.0):
        kit.loop.call_later(delay, lambda: seen.append(kit.clock.elapsed))
    kit.advance(2.5)
    assert seen == [1.0, 2.0]
    assert kit.clock.elapsed == 2.5


def test_callbacks_of_one_instant_run_in_the_order_they_were_set(kit):
    seen = []
    for number in range(5):
        kit.loop.call_later(1.0, seen.append, number)
    kit.advance(1.0)
    assert seen == [0, 1, 2, 3, 4]


def test_sums_of_floats_do_not_delay_a_timer(kit):
    kit.advance(0.1)
    probe = kit.probe()
    probe.start_timer(0.2, "due")
    kit.advance(0.1)
    kit.advance(0.1)
    assert [timeout.payload for timeout in probe.messages] == ["due"]


def test_a_coroutine_runs_to_its_end_in_virtual_time(kit):
    async def count():
        async with asyncio.timeout(10.0):
            await asyncio.sleep(5.0)
        return await asyncio.get_running_loop().run_in_executor(None, lambda: "done")

    assert kit.run(count()) == "done"
    assert kit.clock.elapsed == 5.0


def test_an_exception_that_nobody_looked_at_is_raised_by_settle(kit):
    kit.loop.call_soon(lambda: 1 / 0)
    with pytest.raises(Unhandled) as failure:
        kit.settle()
    assert isinstance(failure.value.__cause__, ZeroDivisionError)


def test_a_loop_that_does_not_come_to_rest_is_an_error(monkeypatch):
    def again():
        restless.call_soon(again)

    monkeypatch.setattr(loop, "MOST_CALLBACKS", 100)
    restless = VirtualLoop(VirtualClock())
    again()
    with pytest.raises(Restless, match="100 callbacks"):
        restless.settle()
    assert restless.callbacks_run == 100
    restless.close()


def test_waiting_for_what_cannot_come_is_an_error(kit):
    probe = kit.probe()
    with pytest.raises(Stuck):
        kit.call(probe.address, "question", timeout=None)


def test_waiting_too_long_is_an_error(kit):
    kit.loop.call_later(100.0, list)
    with pytest.raises(Stuck):
        kit.until(lambda: False, within_s=50.0)


def test_a_probe_records_what_it_gets_and_when(kit):
    probe, other = kit.probe("desk"), kit.probe()
    kit.cast("desk", 0)
    other.cast("desk", 1)
    kit.advance(2.0)
    other.send(probe.address, "two")
    kit.settle()
    assert [one.kind for one in probe.received] == ["cast", "cast", "info"]
    assert probe.received[-1].sender == other.address
    assert probe.received[-1].at - probe.received[0].at == 2.0
    assert probe.take() == [0, 1, "two"]
    assert probe.messages == []


def test_a_probe_answers_calls_as_it_is_told(kit):
    kit.probe("adder", answer=sum)
    assert kit.call("adder", (1, 2)) == 3


def test_a_probe_can_answer_a_call_later(kit):
    probe = kit.probe()
    answer = kit.loop.run(kit.base.call, probe.address, "question")
    kit.advance(1.0)
    probe.reply(probe.received[0].call, "answer")
    kit.settle()
    assert answer.result() == "answer"


def test_a_killed_actor_is_gone_and_its_probe_knows_an_orderly_end(kit):
    victim, orderly = kit.probe(), kit.probe()
    address = victim.address
    kit.faults.kill(address)
    assert kit.stop(orderly.address) == reasons.SHUTDOWN
    assert not kit.alive(address)
    assert (victim.ended, orderly.ended) == (None, reasons.SHUTDOWN)


def test_a_crash_is_raised_once_in_the_place_of_the_next_message(kit):
    top = kit.start_supervisor(SupervisorFlags(), [ChildSpec("echo", Echo)])
    echo = kit.address("top/echo")
    kit.faults.crash_next(echo)
    kit.cast(echo, "boom")
    kit.settle()
    assert kit.call(echo, "again") == "again"
    assert InjectedFault.__name__ in kit.reported("crash")[0].data["reason"]
    assert kit.alive(top)


def test_starts_are_refused_as_often_as_wanted(kit):
    kit.start_supervisor(SupervisorFlags(intensity=3), [ChildSpec("echo", Echo)])
    echo = kit.address("top/echo")
    kit.faults.refuse_starts("top/echo", times=2)
    kit.faults.kill(echo)
    kit.settle()
    assert len(kit.reported("supervisor", context="start_error")) == 2
    assert type(kit.faults) is Faults
    assert (echo.incarnation, kit.alive(echo)) == (4, True)


def test_what_happened_is_counted(kit):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("echo", Echo)])
    kit.faults.kill(kit.address("top/echo"))
    kit.advance(1.5)
    statistics: KitStatistics = kit.statistics()
    assert type(statistics) is KitStatistics
    assert (statistics.actors, statistics.restarts, statistics.elapsed_s) == (2, 1, 1.5)
    assert statistics.reports == {"supervisor": 2}


def test_two_kits_do_not_know_of_each_other():
    with Kit() as one, Kit() as other:
        one.probe("desk")
        one.advance(3.0)
        assert other.base.whereis("desk") is None
        assert other.clock.elapsed == 0.0
