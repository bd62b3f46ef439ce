"""gen_statem's other callbacks (reference 2.3): swapped, converted, gone on from, hibernating."""

from __future__ import annotations

import pytest
from statem_kit import Entering, Machine, events, feed, machine

from supervision import (
    BadTransition,
    ChangeCallbacks,
    ChildSpec,
    Hibernate,
    Keep,
    Next,
    NextEvent,
    PopCallbacks,
    Postpone,
    PushCallbacks,
    SetTimeout,
    Snapshot,
    StateCallbacks,
    StateMachine,
    StateTimeout,
    SupervisorFlags,
    reasons,
)
from supervision.gen_statem import TimerLeft

# State functions


class Door(StateMachine):
    callback_mode = "state_functions"

    def init(self, args):
        return "closed", args

    def in_closed(self, kind, event, data):
        return Next("open", data + 1) if event == "push" else Keep()

    def in_open(self, kind, event, data):
        return Next("ajar", data) if event == "pull" else Next("closed", data)


def test_each_state_may_have_a_function_of_its_own(kit):
    door = kit.start(Door, 0)
    feed(kit, door, "nothing", "push", "push", "push")
    assert kit.actor(door).system_get_state() == ("open", 2)


def test_a_state_without_its_function_is_a_crash_in_words(kit):
    door = kit.start(Door, 0)
    feed(kit, door, "push", "pull", "x")
    reason = kit.reported("crash")[0].data["reason"]
    assert "Door in state 'ajar' on cast str: no_state_function: 'in_ajar'" in reason


def test_a_mode_that_there_is_none_of_is_a_crash_in_words(kit):
    class Odd(Door):
        callback_mode = "none"

    feed(kit, kit.start(Odd, 0), "x")
    assert "bad_callback_mode: 'none'" in kit.reported("crash")[0].data["reason"]


# Callbacks that are swapped


class Other(StateCallbacks):
    callback_mode = "state_functions"
    state_enter = True

    def __init__(self, log):
        self.log = log

    def in_idle(self, kind, event, data):
        self.log.append((kind, event))
        return Keep(data, PopCallbacks()) if event == "pop" else Keep(data + 1)

    def terminate(self, reason, state, data):
        self.log.append(("terminate", state, data))

    def format_status(self, data):
        return "other"

    def code_change(self, old_vsn, state, data, extra):
        return state, data + extra


def test_another_object_handles_events_until_it_is_popped(kit):
    log = []
    address, handled = machine(kit, {("idle", "cast", "push"): Keep(0, PushCallbacks(Other(log)))})
    feed(kit, address, "push", 1, "pop", 2)
    assert log == [("cast", 1), ("cast", "pop")]
    assert events(handled) == [("cast", "push"), ("cast", 2)]


def test_callbacks_may_be_changed_for_good_and_are_asked_everything(kit):
    log = []
    address, _ = machine(
        kit,
        {("busy", "cast", "go"): Next("idle", 0, ChangeCallbacks(Other(log)))},
        begin=("busy", 0),
    )
    feed(kit, address, "go", "x")
    actor = kit.actor(address)
    assert actor.system_code_change(1, 10) == ("idle", 12)
    assert actor.status() == {"state": "idle", "data": "other"}
    kit.stop(address)
    assert log == [("enter", "busy"), ("cast", "x"), ("terminate", "idle", 12)]


def test_callbacks_that_were_changed_cannot_be_popped(kit):
    address, _ = machine(kit, {("idle", "cast", "go"): Keep(0, ChangeCallbacks(Other([])))})
    feed(kit, address, "go", "pop")
    reason = kit.reported("crash")[0].data["reason"]
    assert "Other in state 'idle' on cast str: bad_action_from_state_function" in reason


# State as data, and changes of code


class Versioned(Machine):
    def code_change(self, old_vsn, state, data, extra):
        if extra == "refuse":
            raise ValueError(extra)
        if extra == "forget":
            return state
        return "busy" if extra == "busy" else state, (old_vsn, data)

    def downgrade(self, new_vsn, state, data, extra):
        return state, ("down", new_vsn, data)


def test_code_change_converts_state_and_data_and_leaves_timers_and_postponed_events(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "a"): Keep(0, Postpone()), ("busy", "cast", "go"): Next("idle", 0)},
        Versioned,
        begin=("idle", 0, SetTimeout("t", 5.0)),
    )
    feed(kit, address, "a")
    actor = kit.actor(address)
    assert actor.system_code_change(1, "busy") == ("busy", (1, 0))
    assert actor.system_code_change(("down", 1), None) == ("busy", ("down", 1, (1, 0)))
    feed(kit, address, "go")
    kit.advance(5.0)
    assert events(handled)[2:] == [("cast", "a"), ("timeout", ("t", None))]


@pytest.mark.parametrize("extra", ["refuse", "forget"])
def test_a_code_change_that_fails_leaves_the_old_state(kit, extra):
    address, _ = machine(kit, kind=Versioned)
    actor = kit.actor(address)
    with pytest.raises((ValueError, BadTransition)):
        actor.system_code_change(1, extra)
    assert actor.system_get_state() == ("idle", 0)


def test_a_replaced_state_is_what_the_supervisor_keeps(kit):
    top = kit.start_supervisor(
        SupervisorFlags(),
        [ChildSpec("m", Machine, {"begin": ("idle", 0)}, keep_state=True)],
    )
    address = kit.address("top/m")
    assert kit.actor(address).system_replace_state(lambda _: ("busy", 5)) == ("busy", 5)
    feed(kit, address, "x")
    kit.loop.run(kit.kernel.exit, address.cell, reasons.KILLED)
    kit.settle()
    assert kit.actor(kit.address("top/m")).system_get_state() == ("busy", 5)
    assert kit.alive(top)


def test_a_machine_goes_on_from_a_snapshot(kit):
    table = {
        ("idle", "cast", "a"): Keep(7, Postpone()),
        ("idle", "cast", "go"): Next("busy", 8),
    }
    address, _ = machine(
        kit, table, begin=("idle", 0, SetTimeout("t", 5.0, 1), StateTimeout(2.0, 2))
    )
    kit.advance(1.0)
    feed(kit, address, "a")
    snapshot = kit.actor(address).snapshot()
    now = kit.clock.monotonic()
    timers = (TimerLeft("t", now + 4.0, 1), TimerLeft("state", now + 1.0, 2))
    assert snapshot == Snapshot("idle", 7, timers, (("cast", "a"),))
    kit.stop(address)
    kit.advance(0.5)
    again, handled = machine(kit, table, Entering, begin=snapshot)
    kit.advance(1.0)
    feed(kit, again, "go")
    kit.advance(5.0)
    assert events(handled) == [
        ("timeout", ("state", 2)),
        ("cast", "go"),
        ("enter", "idle"),
        ("cast", "a"),
        ("timeout", ("t", 1)),
    ]


def test_what_is_shown_has_the_timers_and_the_types_of_postponed_events(kit):
    address, _ = machine(
        kit,
        {("idle", "cast", "secret"): Keep(0, Postpone())},
        begin=("idle", 0, SetTimeout(("a", 1), 5.0), StateTimeout(2.0)),
    )
    feed(kit, address, "secret")
    kit.loop.run(kit.base.call, address, "x", None).add_done_callback(lambda one: one.exception())
    assert kit.actor(address).status() == {
        "state": "idle",
        "data": 0,
        "timeouts": {"('a', 1)": 5.0, "state": 2.0},
        "postponed": ["cast str"],
    }


# Hibernation


class Sleepy(Machine):
    state_type = dict[str, int]


def test_a_machine_hibernates_when_nothing_is_left_to_do(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "sleep"): lambda data: Keep(data, Hibernate()),
            ("idle", "cast", "later"): lambda data: Keep(
                data, Hibernate(), NextEvent("internal", "first")
            ),
        },
        Sleepy,
        begin=("idle", {"x": 1}),
    )
    actor = kit.actor(address)
    feed(kit, address, "later")
    assert not actor.hibernating, "the event that was inserted did not ask for it"
    feed(kit, address, "sleep")
    assert actor.hibernating
    assert isinstance(actor.data, bytes)
    assert actor.system_get_state() == ("idle", {"x": 1})
    assert actor.snapshot().data == actor.status()["data"] == {"x": 1}
    assert actor.hibernating, "it was only looked at"
    feed(kit, address, "wake")
    assert (actor.hibernating, actor.data) == (False, {"x": 1})
    assert handled[-1] == ("idle", "cast", "wake")


def test_what_a_supervisor_keeps_of_a_hibernating_machine_is_packed_too(kit):
    asleep = {("idle", "cast", "sleep"): lambda data: Keep(data, Hibernate())}
    args = {"begin": ("idle", {"x": 1}), "table": asleep}
    kit.start_supervisor(
        SupervisorFlags(), [ChildSpec("m", Sleepy, args, keep_state=True)], name="top"
    )
    address = kit.address("top/m")
    feed(kit, address, "sleep")
    keeper = address.cell.keeper
    state, data = keeper.kept
    assert (state, type(data.packed)) == ("idle", bytes)
    kit.loop.run(kit.kernel.exit, address.cell, reasons.KILLED)
    kit.settle()
    actor = kit.actor(address)
    assert (actor.hibernating, actor.system_get_state()) == (False, ("idle", {"x": 1}))
    assert keeper.kept == ("idle", {"x": 1})
