"""gen_statem's contract (reference 2.3): transitions; postponed, inserted and enter events."""

from __future__ import annotations

import pytest
from statem_kit import Entering, Machine, events, feed, machine

from supervision import (
    IGNORE,
    BadTransition,
    Keep,
    Next,
    NextEvent,
    PopCallbacks,
    Postpone,
    PushCallbacks,
    Repeat,
    Reply,
    ServerDied,
    SetTimeout,
    StateCallbacks,
    StateMachine,
    StateTimeout,
    Stop,
    StopMachine,
    reasons,
)
from supervision.testing import NotStarted

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
    with pytest.raises(
        ServerDied,
        match=r"Machine in state 'idle' on call str: bad_return_from_state_function: 'nonsense'",
    ):
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
        ("idle", "enter", "idle"),
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
    [
        Next("elsewhere", 0),
        Keep(0, Postpone()),
        Keep(0, NextEvent("internal", "x")),
        Keep(0, PushCallbacks(StateCallbacks())),
    ],
    ids=["change", "postpone", "insert", "swap"],
)
def test_an_enter_event_can_neither_change_the_state_nor_move_events(kit, answer):
    address, _ = machine(
        kit,
        {("idle", "cast", "go"): Next("busy", 0), ("busy", "enter", "idle"): answer},
        Entering,
    )
    feed(kit, address, "go")
    reason = kit.reported("crash")[0].data["reason"]
    assert "BadTransition: Entering in state 'busy' on enter 'idle': bad_state_enter_" in reason


def test_a_state_can_be_entered_again(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "a"): Keep(0, Postpone()),
            ("idle", "cast", "again"): lambda data: Repeat(data + 1),
            ("idle", "cast", "the same"): lambda data: Next("idle", data),
        },
        Entering,
    )
    feed(kit, address, "a", "again", "the same")
    assert [event for event in events(handled) if event[0] == "enter"] == [("enter", "idle")] * 2
    assert events(handled).count(("cast", "a")) == 1, "postponed until the state changes"
    assert kit.actor(address).data == 1


def test_the_enter_event_of_the_beginning_may_fail_the_machine_but_not_its_start(kit):
    address, _ = machine(kit, {("idle", "enter", "idle"): "nonsense"}, Entering)
    assert not kit.alive(address)


# What is wrong


@pytest.mark.parametrize(
    "action",
    [
        SetTimeout("a", "soon"),
        StateTimeout(None),
        SetTimeout([], 1.0),
        NextEvent("enter", "x"),
        NextEvent("nonsense", "x"),
        NextEvent("call", ("request", "nobody")),
        NextEvent("timeout", "x"),
        PopCallbacks(),
        "postpone",
    ],
    ids=repr,
)
def test_an_action_that_cannot_be_names_class_state_event_and_what_was_wrong(kit, action):
    address, _ = machine(kit, {("idle", "cast", "x"): Keep(0, action)})
    feed(kit, address, "x")
    reason = kit.reported("crash")[0].data["reason"]
    said = "BadTransition: Machine in state 'idle' on cast str: bad_action_from_state_function: "
    assert said in reason


def test_a_machine_that_stops_does_nothing_but_reply(kit):
    address, _ = machine(
        kit, {("idle", "cast", "bye"): StopMachine(reasons.NORMAL, 0, SetTimeout("a", 1.0))}
    )
    feed(kit, address, "bye")
    reason = kit.reported("crash")[0].data["reason"]
    assert "bad_reply_action_from_state_function: SetTimeout" in reason


def test_what_a_callback_returned_is_not_shown_where_it_may_be_data(kit):
    refused = BadTransition("M", "idle", ("cast", "secret"), "wrong", ("idle", "secret"))
    assert str(refused) == "M in state 'idle' on cast str: wrong: tuple"


def test_a_machine_is_not_asynchronous(kit):
    async def later(from_):
        """Never awaited."""

    address, _ = machine(kit, {("idle", "call", "x"): later})
    with pytest.raises(ServerDied, match="bad_return_from_state_function: coroutine"):
        kit.call(address, "x")


@pytest.mark.parametrize("begin", [None, "idle", ("idle",), 3], ids=repr)
def test_init_that_returns_no_state_with_data_is_refused_in_words(kit, begin):
    with pytest.raises(NotStarted, match="bad_return_from_init"):
        machine(kit, begin=begin)


def test_there_is_nothing_to_postpone_in_init(kit):
    address, handled = machine(
        kit, {("idle", "cast", "go"): Next("busy", 0)}, begin=("idle", 0, Postpone())
    )
    feed(kit, address, "go")
    assert events(handled) == [("cast", "go")]
    assert kit.actor(address).snapshot().postponed == ()


def test_what_init_inserts_comes_before_what_it_has_sent_itself(kit):
    class Selfish(Machine):
        def init(self, args):
            begun = super().init(args)
            self.send(self.address, "sent")
            return begun

    _, handled = machine(kit, kind=Selfish, begin=("idle", 0, NextEvent("internal", "first")))
    assert events(handled) == [("internal", "first"), ("info", "sent")]


def test_a_crash_on_what_init_inserted_is_no_failure_to_start(kit):
    address, _ = machine(
        kit,
        {("idle", "internal", "first"): "nonsense"},
        begin=("idle", 0, NextEvent("internal", "first")),
    )
    assert not kit.alive(address)
    assert "on internal str: bad_return" in kit.reported("crash")[0].data["reason"]
