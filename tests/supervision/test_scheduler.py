"""Who runs when: fairness, batches, holds, and what a turn does not let escape."""

from __future__ import annotations

import pytest

from supervision import GenServer, SchedulerLimits, reasons
from supervision.testing import Kit

STEP_S = 0.0001
"""What a handler under test says that it takes, in seconds."""


class Busy(GenServer):
    """Takes a tenth of a millisecond for every message; sends itself the next while there are."""

    def init(self, clock):
        self.clock = clock
        self.state = 0

    def handle_info(self, message, sender):
        self.clock.advance(STEP_S)
        self.state += 1
        if message > 0:
            self.send(self.address, message - 1)


class AsyncBusy(Busy):
    async def handle_info(self, message, sender):
        self.clock.advance(STEP_S)
        self.state += 1


class Clerk(GenServer):
    """Notes when it was reached."""

    def init(self, clock):
        self.clock = clock
        self.state = []

    def handle_info(self, message, sender):
        self.state.append((message, self.clock.monotonic()))


class Holder(GenServer):
    def init(self, clock):
        self.clock = clock

    def handle_call(self, seconds, from_):
        self.clock.advance(seconds)
        return "done"

    def handle_cast(self, seconds):
        self.clock.advance(seconds)

    async def handle_info(self, message, sender):
        await self.call("desk", "question")
        self.clock.advance(message)


@pytest.mark.parametrize("flooded", [Busy, AsyncBusy])
def test_a_flooded_actor_delays_another_by_a_batch_at_most(kit, flooded):
    busy, clerk = kit.start(flooded, kit.clock), kit.start(Clerk, kit.clock)
    for _ in range(1_000):
        kit.send(busy, 0)
    began = kit.clock.monotonic()
    kit.send(clerk, "ping")
    kit.settle()
    [(_, reached)] = kit.actor(clerk).state
    assert reached - began <= kit.kernel.limits.batch * STEP_S + 1e-9
    assert kit.actor(busy).state == 1_000


def test_a_chain_of_self_sends_delays_another_by_one_turn_at_most(kit):
    busy, clerk = kit.start(Busy, kit.clock), kit.start(Clerk, kit.clock)
    kit.send(busy, 5_000)
    began = kit.clock.monotonic()
    kit.send(clerk, "ping")
    kit.settle()
    [(_, reached)] = kit.actor(clerk).state
    assert reached - began <= kit.kernel.limits.turn_budget_s


def test_flooded_actors_share_the_turns_equally(kit):
    one, other = kit.start(Busy, kit.clock), kit.start(AsyncBusy, kit.clock)
    for address in (one, other):
        for _ in range(10_000):
            kit.send(address, 0)
    deadline = kit.clock.monotonic() + 0.5
    kit.loop.call_at(deadline, kit.kernel.exit, one.cell, reasons.KILLED)
    shares = []
    kit.loop.call_at(deadline, lambda: shares.extend((one.cell.handled, other.cell.handled)))
    kit.settle()
    assert abs(shares[0] - shares[1]) <= 2 * kit.kernel.limits.batch


def test_a_timer_of_the_loop_waits_for_the_turn_that_runs_and_one_more_at_most(kit):
    busy = kit.start(Busy, kit.clock)
    began = kit.clock.monotonic()
    reached = []
    kit.send(busy, 5_000)
    kit.loop.call_at(began + 0.001, lambda: reached.append(kit.clock.monotonic()))
    kit.settle()
    assert reached[0] - began <= 2 * (kit.kernel.limits.turn_budget_s + STEP_S)


def test_an_actor_handles_a_batch_before_the_next_one_runs():
    with Kit(limits=SchedulerLimits(batch=3)) as kit:
        order = []

        class Noting(GenServer):
            def init(self, name):
                self.state = name

            def handle_info(self, message, sender):
                order.append(self.state)

        one, other = kit.start(Noting, "a"), kit.start(Noting, "b")
        for address in (one, other):
            for _ in range(4):
                kit.send(address, "x")
        kit.settle()
    assert order == [*"aaabbbab"]


def test_a_handler_that_holds_the_loop_is_named_with_what_it_handled(kit):
    holder = kit.start(Holder, kit.clock, name="holder")
    kit.call(holder, 0.2)
    kit.cast(holder, 0.3)
    kit.settle()
    reports = kit.reported("hold")
    assert [(r.path, r.data["handler"], r.data["message"]) for r in reports] == [
        ("holder", "Holder", "float"),
        ("holder", "Holder", "float"),
    ]
    assert reports[0].data["seconds"] == pytest.approx(0.2)
    assert kit.kernel.statistics().holds == 2


def test_an_asynchronous_handler_that_holds_the_loop_after_a_wait_is_named(kit):
    kit.probe("desk", answer=lambda _: "answer")
    holder = kit.start(Holder, kit.clock, name="holder")
    kit.send(holder, 0.2)
    kit.settle()
    assert [(r.path, r.data["message"]) for r in kit.reported("hold")] == [("holder", "float")]


def test_a_handler_within_the_limit_is_not_reported(kit):
    kit.call(kit.start(Holder, kit.clock), kit.kernel.limits.hold_limit_s)
    assert kit.reported("hold") == []


def test_the_end_of_one_actor_is_not_held_against_the_next_handler(kit):
    class Slow(GenServer):
        def terminate(self, reason):
            kit.clock.advance(1.0)

    slow, echo = kit.start(Slow), kit.probe(answer=lambda request: request)
    kit.faults.exit(slow, reasons.SHUTDOWN)
    kit.call(echo.address, "hello")
    assert kit.reported("hold", handler="Probe") == []


def test_what_escapes_from_a_turn_does_not_end_the_turns(kit):
    def broken():
        raise RuntimeError("a fault in the node itself")

    probe = kit.probe(answer=lambda request: request)
    kit.kernel.signal(broken)
    kit.send(probe.address, "message")
    with pytest.raises(AssertionError):
        kit.settle()
    assert kit.call(probe.address, "still here") == "still here"
    assert probe.messages == ["message", "still here"]


def test_a_listener_that_fails_on_a_report_changes_nothing(kit, caplog):
    def broken(report):
        raise RuntimeError(report.kind)

    kit.kernel.reports.subscribe(broken)
    holder = kit.start(Holder, kit.clock)
    assert kit.call(holder, 1.0) == "done"
    assert "a listener failed" in caplog.text


def test_a_suspended_actor_keeps_its_messages_until_it_goes_on(kit):
    probe = kit.probe(answer=lambda request: request)
    cell = probe.address.cell
    cell.suspended = True
    kit.send(probe.address, "one")
    answer = kit.loop.run(kit.base.call, probe.address, "two")
    kit.settle()
    assert (probe.messages, cell.depth) == ([], 2)
    cell.suspended = False
    kit.kernel.make_ready(cell)
    kit.settle()
    assert (probe.messages, answer.result()) == (["one", "two"], "two")


def test_a_suspended_actor_can_be_ended(kit):
    probe = kit.probe()
    probe.address.cell.suspended = True
    kit.send(probe.address, "never handled")
    assert kit.stop(probe.address) == reasons.SHUTDOWN
    assert probe.messages == []


def test_what_was_done_is_counted(kit):
    busy = kit.start(Busy, kit.clock)
    before = kit.kernel.statistics().handled
    kit.send(busy, 99)
    kit.settle()
    statistics = kit.kernel.statistics()
    assert statistics.handled - before == 100
    assert busy.cell.handled == 100
    assert statistics.ready == 0
