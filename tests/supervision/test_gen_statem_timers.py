"""gen_statem's timers (reference 2.3): of a state, of the next event, named; no time, no end."""

from __future__ import annotations

import math

import pytest
from statem_kit import events, feed, machine

from supervision import (
    CancelTimeout,
    EventTimeout,
    Keep,
    Next,
    NextEvent,
    SetTimeout,
    StateTimeout,
    UpdateTimeout,
)


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


@pytest.mark.parametrize("after_s", [0, -1.0], ids=["none", "past"])
def test_a_timeout_of_no_time_comes_before_any_message(kit, after_s):
    address, handled = machine(
        kit, {("idle", "cast", "set"): Keep(0, SetTimeout("a", after_s, "now"))}
    )
    feed(kit, address, "set", "x")
    assert events(handled) == [("cast", "set"), ("timeout", ("a", "now")), ("cast", "x")]


def test_init_may_set_a_timeout_of_no_time(kit):
    _, handled = machine(kit, begin=("idle", 0, SetTimeout("a", 0)))
    assert handled == [("idle", "timeout", ("a", None))]


def test_any_event_cancels_the_events_timer(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "set"): Keep(0, EventTimeout(2.0, "quiet"))},
        begin=("idle", 0, EventTimeout(2.0, "begun")),
    )
    kit.advance(1.0)
    feed(kit, address, "x")
    kit.advance(5.0)
    feed(kit, address, "set")
    kit.advance(5.0)
    assert events(handled) == [("cast", "x"), ("cast", "set"), ("timeout", ("event", "quiet"))]


def test_a_timer_may_be_set_for_a_time_of_the_clock(kit):
    at = kit.clock.monotonic() + 3.0
    _, handled = machine(
        kit, begin=("idle", 0, SetTimeout("a", at, absolute=True), StateTimeout(at, 1, True))
    )
    kit.advance(2.9)
    assert handled == []
    kit.advance(0.1)
    assert events(handled) == [("timeout", ("a", None)), ("timeout", ("state", 1))]


def test_a_time_of_the_clock_that_has_passed_is_due_after_what_waits(kit):
    past = SetTimeout("a", 1.0, absolute=True)
    address, handled = machine(kit, {("idle", "cast", "set"): Keep(0, past)})
    feed(kit, address, "set", "x")
    assert events(handled) == [("cast", "set"), ("cast", "x"), ("timeout", ("a", None))]


def test_infinity_cancels(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "never"): Keep(0, SetTimeout("a", math.inf), StateTimeout(math.inf))},
        begin=("idle", 0, SetTimeout("a", 2.0), StateTimeout(2.0)),
    )
    feed(kit, address, "never")
    assert kit.kernel.statistics().timers == 0
    kit.advance(5.0)
    assert events(handled) == [("cast", "never")]


def test_an_update_changes_the_content_and_leaves_the_time(kit):
    address, handled = machine(
        kit,
        {("idle", "cast", "update"): Keep(0, UpdateTimeout("a", "new"))},
        begin=("idle", 0, SetTimeout("a", 2.0, "old")),
    )
    kit.advance(1.5)
    feed(kit, address, "update")
    kit.advance(0.5)
    assert handled[1:] == [("idle", "timeout", ("a", "new"))]


def test_an_update_of_a_timer_that_does_not_run_fires_it_now(kit):
    address, handled = machine(kit, {("idle", "cast", "update"): Keep(0, UpdateTimeout("a", 1))})
    feed(kit, address, "update", "x")
    assert events(handled) == [("cast", "update"), ("timeout", ("a", 1)), ("cast", "x")]


def test_the_last_word_of_a_transition_on_a_timer_counts(kit):
    both = Keep(0, SetTimeout("a", 1.0, "set"), UpdateTimeout("a", "updated"))
    address, handled = machine(
        kit, {("idle", "cast", "both"): both}, begin=("idle", 0, SetTimeout("a", 5.0))
    )
    feed(kit, address, "both")
    kit.advance(4.9)
    assert events(handled) == [("cast", "both")]
    kit.advance(0.1)
    assert events(handled)[1:] == [("timeout", ("a", "updated"))]


def test_a_timeout_that_is_due_can_be_cancelled_by_what_comes_before_it(kit):
    address, handled = machine(
        kit,
        {
            ("idle", "cast", "go"): Keep(
                0, NextEvent("internal", "cancel"), SetTimeout("a", 0), SetTimeout("b", 0)
            ),
            ("idle", "internal", "cancel"): Keep(0, CancelTimeout("a")),
        },
    )
    feed(kit, address, "go")
    assert events(handled)[2:] == [("timeout", ("b", None))]
