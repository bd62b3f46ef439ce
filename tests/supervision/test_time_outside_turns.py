"""Time where no turn runs: deadlines from callbacks, timers that fail, many due at once."""

from __future__ import annotations

import pytest

from supervision import CallTimeout, GenServer
from supervision.eventloop.timekeeping import SchedulerLimits
from supervision.testing import Kit
from supervision.testing.loop import Unhandled

TICK_S = 1 / 1024
"""About a millisecond, of which sums are exact."""


class Patient(GenServer):
    """Notes when and how its requests are answered, and which of its timers fire."""

    def init(self, args):
        self.state = []

    def handle_info(self, message, sender):
        self.state.append((self.now(), message))


def test_a_deadline_set_by_a_callback_of_the_loop_starts_then(kit):
    kit.probe("desk")
    patient = kit.actor(kit.start(Patient))
    kit.advance(10.0)
    asked = kit.clock.monotonic()
    kit.loop.run(patient.request, "desk", "question", 5.0)
    kit.advance(4.999)
    assert patient.state == []
    kit.advance(0.001)
    [(at, response)] = patient.state
    assert at == asked + 5.0
    assert isinstance(response.error, CallTimeout)


def test_the_deadline_that_travels_with_a_call_starts_when_it_is_made(kit):
    desk = kit.probe("desk")
    kit.advance(10.0)
    future = kit.loop.run(kit.base.call, "desk", "question", 5.0)
    kit.settle()
    assert desk.received[0].call.deadline == kit.clock.monotonic() + 5.0
    desk.reply(desk.received[0].call, "answer")
    assert future.result() == "answer"


def test_an_actor_started_by_a_callback_is_as_old_as_it_is(kit):
    kit.advance(10.0)
    address = kit.start(Patient)
    assert address.cell.since == kit.clock.monotonic()


def test_a_message_sent_by_a_callback_to_an_idle_node_has_the_time_of_then(kit):
    address = kit.start(Patient)
    kit.advance(10.0)
    kit.loop.run(kit.kernel.send, address, "message", None)
    [(_, _, at)] = address.cell.mailbox
    assert at == kit.clock.monotonic()


def test_a_timer_that_fails_stops_no_other(kit):
    patient = kit.actor(kit.start(Patient))
    kit.loop.run(patient.start_timer, 1.0, "first")
    kit.loop.run(patient.start_timer, 2.0, "second")
    kit.loop.run(kit.kernel.set_timer, 0.5, lambda _: 1 / 0, None, None)
    with pytest.raises(Unhandled):
        kit.advance(10.0)
    kit.advance(10.0)
    assert [message.payload for _, message in patient.state] == ["first", "second"]


class Slow:
    """What takes a tick of the clock when its time comes."""

    def __init__(self, kit, passed):
        self.settled = False
        self._kit = kit
        self._passed = passed

    def expire(self):
        self._kit.clock.advance(TICK_S)
        self._passed.append(self._kit.loop.callbacks_run)


@pytest.mark.parametrize("kind", ["timers", "deadlines"])
def test_many_that_are_due_at_once_let_the_loop_go_round_in_between(kind):
    with Kit(limits=SchedulerLimits(turn_budget_s=5 * TICK_S)) as kit:
        passed = []
        for _ in range(100):
            entry = Slow(kit, passed)
            if kind == "timers":
                kit.loop.run(kit.kernel.set_timer, 1.0, lambda _, e=entry: e.expire(), None, None)
            else:
                kit.loop.run(kit.kernel.set_deadline, 1.0, entry)
        kit.advance(2.0)
        assert len(passed) == 100
        assert len(set(passed)) == 20


class Note(GenServer):
    """Appends what it is told to a list that others have too."""

    def init(self, args):
        self.state = args

    def handle_info(self, message, sender):
        self.state.append(message)
        if message == "first":
            self.kernel.after_turn(lambda: self.state.append("after the turn"))
            self.kernel.send(self.address, "second", None)


def test_what_runs_after_a_turn_runs_when_all_of_the_turn_is_handled(kit):
    said = []
    note = kit.start(Note, said)
    kit.send(note, "first")
    kit.settle()
    assert said == ["first", "second", "after the turn"]


def test_what_runs_after_a_turn_runs_soon_where_there_is_none(kit):
    said = []
    kit.loop.run(kit.kernel.after_turn, lambda: said.append("soon"))
    kit.settle()
    assert said == ["soon"]


def test_what_a_thread_has_told_an_actor_is_handled_before_the_loop_goes_round(kit):
    said = []
    note = kit.start(Note, said)
    kit.kernel.post_call(kit.kernel.send, note, "from a thread", None)
    kit.loop.call_soon(said.append, "the next of the loop")
    kit.settle()
    assert said == ["from a thread", "the next of the loop"]
