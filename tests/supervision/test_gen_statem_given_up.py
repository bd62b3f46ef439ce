"""What state machines do with calls that were given up, and with what outlives an incarnation."""

from __future__ import annotations

from math import nan

import pytest
from statem_kit import Machine, feed, machine

from supervision import (
    CallTimeout,
    ChangeCallbacks,
    ChildSpec,
    Keep,
    Next,
    Postpone,
    PushCallbacks,
    Reply,
    ServerDied,
    SetTimeout,
    StateCallbacks,
    StateTimeout,
    SupervisorFlags,
    reasons,
)


def answered(from_):
    return Keep(0, Reply(from_, "answer"))


def holding(kit, seconds):
    """A callback that holds the loop."""

    def hold(data):
        kit.clock.advance(seconds)
        return Keep(data)

    return hold


def asked(kit, address, request, timeout):
    return kit.loop.run(kit.base.call, address, request, timeout)


@pytest.mark.parametrize("timeout", [1.0, 5.0])
def test_a_call_whose_deadline_passed_while_the_loop_was_held_is_not_handled(kit, timeout):
    table = {("idle", "cast", "hold"): holding(kit, 3.0), ("idle", "call", "ask"): answered}
    address, handled = machine(kit, table)
    kit.cast(address, "hold")
    call = asked(kit, address, "ask", timeout)
    kit.settle()
    late = timeout < 3.0
    assert isinstance(call.exception(), CallTimeout) == late
    assert (("idle", "call", "ask") in handled) != late


def test_a_postponed_call_whose_deadline_passed_while_the_loop_was_held_does_not_come_again(kit):
    table = {
        ("idle", "call", "ask"): Keep(0, Postpone()),
        ("idle", "cast", "go"): lambda _: kit.clock.advance(3.0) or Next("busy", 0),
        ("busy", "call", "ask"): answered,
    }
    address, handled = machine(kit, table)
    call = asked(kit, address, "ask", 1.0)
    feed(kit, address, "go")
    assert isinstance(call.exception(), CallTimeout)
    assert [state for state, *_ in handled] == ["idle", "idle"]


def test_postponed_calls_that_were_given_up_do_not_gather_while_the_state_stays(kit):
    table = {
        ("idle", "call", "ask"): Keep(0, Postpone()),
        ("idle", "cast", "kept"): Keep(0, Postpone()),
        ("idle", "cast", "go"): Next("busy", 0),
    }
    address, handled = machine(kit, table)
    feed(kit, address, "kept")
    for _ in range(500):
        call = asked(kit, address, "ask", 1.0)
        kit.advance(1.0)
        assert isinstance(call.exception(), CallTimeout)
    assert len(kit.actor(address).status()["postponed"]) <= 64
    feed(kit, address, "go")
    assert handled[-1] == ("busy", "cast", "kept")


def test_the_caller_of_a_call_that_came_with_a_snapshot_is_told_of_the_end(kit):
    old, _ = machine(kit, {("idle", "call", "ask"): Keep(0, Postpone())})
    call = asked(kit, old, "ask", None)
    kit.settle()
    new = kit.start(Machine, {"begin": kit.actor(old).snapshot()}, name="new")
    kit.stop(new)
    assert isinstance(call.exception(), ServerDied)


@pytest.mark.parametrize(
    "action",
    [
        PushCallbacks(None),
        ChangeCallbacks(None),
        StateTimeout(nan),
        SetTimeout("t", nan, absolute=True),
    ],
)
def test_nobody_can_handle_no_events_and_what_is_no_number_is_no_time(kit, action):
    address, _ = machine(kit, {("idle", "cast", "x"): Keep(0, action)})
    feed(kit, address, "x")
    [report] = kit.reported("crash")
    assert "bad_action_from_state_function" in report.data["reason"]


# Beyond an incarnation


class Restored(Machine):
    def restore(self, args, state, data):
        self.table, self.handled = {}, []
        return state, data


def supervised(kit, table):
    args = {"table": table}
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("m", Restored, args, keep_state=True)])
    address = kit.address("top/m")
    feed(kit, address, "go")
    return address


GO = {("idle", "cast", "go"): Next("busy", 7)}


@pytest.mark.parametrize(
    ("reason", "state"),
    [(reasons.NORMAL, ("idle", 0)), (reasons.error("bad"), ("busy", 7))],
)
def test_a_machine_that_was_stopped_begins_anew_where_its_end_was_normal(kit, reason, state):
    address = supervised(kit, GO)
    ended = kit.loop.run(kit.kernel.stop_call, address, reason)
    kit.settle()
    assert ended.result() is None
    assert address.incarnation == 2
    assert kit.actor(address).system_get_state() == state


class Others(StateCallbacks):
    def handle_event(self, kind, event, state, data):
        raise LookupError(event)


def test_callbacks_that_were_swapped_in_are_gone_with_their_incarnation(kit):
    address = supervised(kit, {("idle", "cast", "go"): Next("busy", 7, PushCallbacks(Others()))})
    feed(kit, address, "crash")
    feed(kit, address, "x")
    assert (address.incarnation, address.cell.handled) == (2, 1)
    assert kit.actor(address).handled == [("busy", "cast", "x")]
