"""gen_statem's contract (reference 2.3): transitions, postponed and inserted events, timers."""

from __future__ import annotations

import pytest

from supervision import (
    IGNORE,
    CancelTimeout,
    Keep,
    Next,
    NextEvent,
    Postpone,
    Reply,
    ServerDied,
    SetTimeout,
    StateMachine,
    StateTimeout,
    Stop,
    StopMachine,
    reasons,
)
from supervision.testing import NotStarted


class Machine(StateMachine):
    """Looks its answers up in a table of (state, kind, event) that the test writes.

    Entries are transitions, or functions of data that make one; what is not in the table is kept.
    Everything it handles is written down.
    """

    def init(self, args):
        self.table, self.handled = args.get("table", {}), args.setdefault("handled", [])
        return args.get("begin", ("idle", 0))

    def handle_event(self, kind, event, state, data):
        name = event[0] if kind == "call" else event
        self.handled.append((state, kind, name))
        entry = self.table.get((state, kind, name), Keep())
        if kind == "call" and callable(entry):
            return entry(event[1])
        return entry(data) if callable(entry) else entry


class Entering(Machine):
    state_enter = True


def machine(kit, table=None, kind=Machine, **more):
    args = {"table": table or {}, **more}
    address = kit.start(kind, args, name="machine")
    return address, args["handled"]


def events(handled):
    return [(kind, event) for _, kind, event in handled]


def feed(kit, address, *casts):
    for cast in casts:
        kit.cast(address, cast)
    kit.settle()


# Transitions


def test_an_event_leads_from_state_to_state(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "dial"): lambda data: Next("dialing", data + 1),
            ("dialing", "cast", "answer"): lambda data: Next("talking", data + 1),
        },
    )
    feed(kit, address, "dial", "answer", "hello")
    assert (kit.actor(address).state, kit.actor(address).data) == ("talking", 2)
    assert handled[-1] == ("talking", "cast", "hello")


def test_keep_changes_nothing_or_only_the_data(kit):
    address, _ = machine(kit, {("idle", "cast", "count"): lambda data: Keep(data + 1)})
    feed(kit, address, "count", "unknown", "count")
    assert (kit.actor(address).state, kit.actor(address).data) == ("idle", 2)


def test_a_call_is_answered_by_an_action(kit):
    address, _ = machine(kit, {("idle", "call", "who?"): lambda from_: Keep(5, Reply(from_, "me"))})
    assert kit.call(address, "who?") == "me"
    assert kit.actor(address).data == 5


def test_other_messages_are_infos(kit):
    address, handled = machine(kit)
    kit.send(address, "hello")
    kit.settle()
    assert handled == [("idle", "info", "hello")]


def test_what_is_no_transition_is_a_crash_in_words(kit):
    address, _ = machine(kit, {("idle", "call", "x"): lambda from_: "nonsense"})
    with pytest.raises(ServerDied, match="returned 'nonsense', which is no transition"):
        kit.call(address, "x")


def test_a_machine_without_the_callback_ends_in_words(kit):
    class Bare(StateMachine):
        def init(self, args):
            return "idle", None

    with pytest.raises(ServerDied, match="Bare handles no call in idle"):
        kit.call(kit.start(Bare), "x")


@pytest.mark.parametrize("begin", [IGNORE, Stop(reasons.error("no"))], ids=repr)
def test_init_can_decline(kit, begin):
    with pytest.raises(NotStarted):
        machine(kit, begin=begin)


def test_a_machine_stops_with_replies_and_data(kit):
    watcher = kit.probe()
    address, _ = machine(
        kit,
        {
            ("idle", "call", "bye"): lambda from_: StopMachine(
                reasons.shutdown("done"), 7, Reply(from_, "goodbye")
            )
        },
    )
    watcher.monitor(address)
    actor = kit.actor(address)
    assert kit.call(address, "bye") == "goodbye"
    assert [down.reason for down in watcher.messages] == [reasons.shutdown("done")]
    assert actor.data == 7


def test_nothing_is_handled_after_a_stop(kit):
    address, handled = machine(kit, {("idle", "cast", "bye"): StopMachine()})
    feed(kit, address, "bye", "too late")
    assert events(handled) == [("cast", "bye")]
    assert not kit.alive(address)


def test_callers_that_were_not_answered_are_told_of_the_end(kit):
    address, _ = machine(kit, {("idle", "cast", "bye"): StopMachine()})
    answer = kit.loop.run(kit.base.call, address, "never answered", None)
    feed(kit, address, "bye")
    assert answer.exception().reason == reasons.NORMAL


def test_what_is_shown_is_the_state_and_the_scrubbed_data(kit):
    class Secretive(Machine):
        def format_status(self, data):
            return "***"

    address, _ = machine(kit, kind=Secretive)
    assert kit.actor(address).status() == {"state": "idle", "data": "***"}


# Postponed and inserted events


def test_postponed_events_come_again_after_the_next_change_of_state_in_their_order(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "a"): Keep(0, Postpone()),
            ("idle", "cast", "b"): Keep(0, Postpone()),
            ("idle", "cast", "go"): Next("busy", 0),
        },
    )
    feed(kit, address, "a", "x", "b", "go", "y")
    assert [event for state, _, event in handled if state == "busy"] == ["a", "b", "y"]


def test_an_event_that_is_postponed_while_the_state_changes_comes_again_at_once(kit):
    address, handled = machine(kit, {("idle", "cast", "a"): Next("busy", 0, Postpone())})
    feed(kit, address, "a")
    assert handled == [("idle", "cast", "a"), ("busy", "cast", "a")]


def test_an_event_can_be_postponed_again(kit):
    address, handled = machine(
        kit,
        {
            ("one", "cast", "a"): Keep(0, Postpone()),
            ("two", "cast", "a"): Keep(0, Postpone()),
            ("one", "cast", "go"): Next("two", 0),
            ("two", "cast", "go"): Next("three", 0),
        },
        begin=("one", 0),
    )
    feed(kit, address, "a", "go", "go")
    assert [state for state, _, event in handled if event == "a"] == ["one", "two", "three"]


def test_a_change_to_the_same_state_is_none(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "a"): Keep(0, Postpone()),
            ("idle", "cast", "again"): Next("idle", 1),
        },
    )
    feed(kit, address, "a", "again")
    assert events(handled) == [("cast", "a"), ("cast", "again")]


def test_a_postponed_call_is_answered_later(kit):
    address, _ = machine(
        kit,
        {
            ("idle", "call", "who?"): lambda from_: Keep(0, Postpone()),
            ("idle", "cast", "go"): Next("busy", 0),
            ("busy", "call", "who?"): lambda from_: Keep(0, Reply(from_, "busy")),
        },
    )
    answer = kit.loop.run(kit.base.call, address, "who?", None)
    feed(kit, address, "go")
    assert answer.result() == "busy"


def test_a_postponed_call_that_was_given_up_does_not_come_again(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "call", "who?"): lambda from_: Keep(0, Postpone()),
            ("idle", "cast", "go"): Next("busy", 0),
        },
    )
    kit.loop.run(kit.base.call, address, "who?", 1.0).add_done_callback(
        lambda answer: answer.exception()
    )
    kit.advance(2.0)
    feed(kit, address, "go")
    assert events(handled) == [("call", "who?"), ("cast", "go")]


def test_inserted_events_come_before_those_that_wait_and_before_postponed_ones(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "p"): Keep(0, Postpone()),
            ("idle", "cast", "go"): Next(
                "busy", 0, NextEvent("internal", 1), NextEvent("internal", 2)
            ),
        },
    )
    feed(kit, address, "p", "go", "w")
    assert [event for state, _, event in handled if state == "busy"] == [1, 2, "p", "w"]


def test_init_can_insert_events(kit):
    _, handled = machine(kit, begin=("idle", 0, NextEvent("internal", "first")))
    assert handled == [("idle", "internal", "first")]


# Enter events


def test_a_machine_that_asks_for_it_is_told_of_every_state_it_enters(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "go"): Next("busy", 0),
            ("busy", "enter", "idle"): lambda data: Keep(data + 10),
        },
        Entering,
    )
    feed(kit, address, "go", "x")
    assert handled == [
        ("idle", "enter", ""),
        ("idle", "cast", "go"),
        ("busy", "enter", "idle"),
        ("busy", "cast", "x"),
    ]
    assert kit.actor(address).data == 10


def test_a_machine_can_stop_where_it_enters(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "go"): Next("over", 0, NextEvent("internal", "never")),
            ("over", "enter", "idle"): StopMachine(reasons.shutdown("over")),
        },
        Entering,
    )
    feed(kit, address, "go", "never")
    assert not kit.alive(address)
    assert "never" not in [event for _, _, event in handled]


@pytest.mark.parametrize(
    "answer",
    [Next("elsewhere", 0), Keep(0, Postpone()), Keep(0, NextEvent("internal", "x"))],
    ids=["change", "postpone", "insert"],
)
def test_an_enter_event_can_neither_change_the_state_nor_move_events(kit, answer):
    address, _ = machine(
        kit,
        {("idle", "cast", "go"): Next("busy", 0), ("busy", "enter", "idle"): answer},
        Entering,
    )
    feed(kit, address, "go")
    assert "TypeError" in kit.reported("crash")[0].data["reason"]


# Timers


def test_a_state_timeout_comes_once_after_its_time(kit):
    address, handled = machine(kit, begin=("idle", 0, StateTimeout(2.0, "late")))
    kit.advance(1.9)
    assert handled == []
    kit.advance(10.0)
    assert handled == [("idle", "timeout", ("state", "late"))]
    assert kit.alive(address)


def test_a_change_of_state_cancels_the_state_timeout(kit):
    address, handled = machine(
        kit, {("idle", "cast", "go"): Next("busy", 0)}, begin=("idle", 0, StateTimeout(2.0))
    )
    feed(kit, address, "go")
    kit.advance(10.0)
    assert events(handled) == [("cast", "go")]


def test_a_change_of_state_can_set_the_next_state_timeout(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "go"): Next("busy", 0, StateTimeout(5.0, "busy"))},
        begin=("idle", 0, StateTimeout(2.0, "idle")),
    )
    feed(kit, address, "go")
    kit.advance(10.0)
    assert handled[1:] == [("busy", "timeout", ("state", "busy"))]


def test_an_event_in_the_same_state_leaves_the_state_timeout(kit):
    address, handled = machine(kit, begin=("idle", 0, StateTimeout(2.0)))
    kit.advance(1.0)
    feed(kit, address, "x")
    kit.advance(1.0)
    assert events(handled) == [("cast", "x"), ("timeout", ("state", None))]


def test_named_timeouts_survive_changes_of_state_and_are_their_own(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "go"): Next("busy", 0)},
        begin=("idle", 0, SetTimeout("a", 2.0, 1), SetTimeout("b", 1.0, 2)),
    )
    feed(kit, address, "go")
    kit.advance(5.0)
    assert handled[1:] == [("busy", "timeout", ("b", 2)), ("busy", "timeout", ("a", 1))]


def test_a_named_timeout_can_be_cancelled_or_set_anew(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "cancel"): Keep(0, CancelTimeout("a"), CancelTimeout("unknown")),
            ("idle", "cast", "anew"): Keep(0, SetTimeout("b", 5.0, "new")),
        },
        begin=("idle", 0, SetTimeout("a", 2.0), SetTimeout("b", 2.0, "old")),
    )
    feed(kit, address, "cancel", "anew")
    kit.advance(10.0)
    assert handled[2:] == [("idle", "timeout", ("b", "new"))]
    assert kit.kernel.statistics().timers == 0


def test_a_timeout_that_was_cancelled_after_it_fired_is_not_seen(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "cancel"): Keep(0, CancelTimeout("a"))},
        begin=("idle", 0, SetTimeout("a", 2.0)),
    )
    # Both at one instant, the cast first: the timer has fired by the time it is handled.
    kit.loop.call_at(kit.clock.monotonic() + 2.0, kit.base.cast, address, "cancel")
    address.cell.suspended = True
    kit.advance(2.0)
    assert address.cell.depth == 2
    messages = list(address.cell.mailbox)
    address.cell.mailbox.clear()
    address.cell.mailbox.extend(sorted(messages, key=lambda one: type(one[0]).__name__))
    address.cell.suspended = False
    kit.kernel.make_ready(address.cell)
    kit.settle()
    assert events(handled) == [("cast", "cancel")]


def test_timers_end_with_their_machine(kit):
    address, _ = machine(kit, begin=("idle", 0, SetTimeout("a", 2.0), StateTimeout(3.0)))
    kit.stop(address)
    assert kit.kernel.statistics().timers == 0
