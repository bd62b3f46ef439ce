"""OTP's gen_statem cases: each test is named after its case; see ``otp_behaviours.md``."""

from __future__ import annotations

import math

import pytest
from statem_machines import EnteringMapMachine, HandleEvent, MapMachine, StateFunctions

from supervision import (
    CallTimeout,
    CancelTimeout,
    ChangeCallbacks,
    EventTimeout,
    Exit,
    Failed,
    Ignored,
    Keep,
    NameTaken,
    Next,
    NextEvent,
    NoProc,
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
    UpdateTimeout,
    reasons,
)
from supervision.testing import NotStarted

BOTH = pytest.mark.parametrize("kind", [StateFunctions, HandleEvent])


def check_state(kit, machine, state):
    assert kit.call(machine, "get")[0] == state


def do_func_test(kit, machine):
    """The way through the states by casts, as the suite's helper of the name."""
    probe = kit.probe()
    kit.cast(machine, ("connect", probe.address))
    kit.settle()
    check_state(kit, machine, "wfor_conf")
    kit.cast(machine, ("ping", probe.address, 1))
    kit.cast(machine, "confirm")
    kit.settle()
    check_state(kit, machine, "connected")
    for _ in range(3):
        kit.cast(machine, ("msg", probe.address, 2))
    kit.cast(machine, ("alive?", probe.address))
    kit.cast(machine, "disconnect")
    kit.settle()
    check_state(kit, machine, "idle")
    assert probe.messages == ["accept", ("pong", 1), *[("ack", 2)] * 3, "yes"]


def do_sync_func_test(kit, machine):
    """The same way by calls, and an event timeout of 200 ms that is cut short."""
    probe = kit.probe()
    assert kit.call(machine, "alive?") == "yes"
    assert kit.call(machine, "connect") == "accept"
    kit.cast(machine, ("ping", probe.address, 1))
    assert kit.call(machine, "confirm") == "yes"
    assert probe.messages == [("pong", 1)]
    assert kit.call(machine, ("msg", 2)) == ("ack", 2)
    assert kit.call(machine, "disconnect") == "yes"
    check_state(kit, machine, "idle")
    assert kit.call(machine, ("timeout", 0.2)) == "ok"
    check_state(kit, machine, "idle")


def stop_it(kit, machine):
    assert kit.call(machine, ("stop", reasons.NORMAL)) == "stopped"
    with pytest.raises(NoProc):
        kit.call(machine, "there_you_are", None)


# Group start, with both callback modes


@BOTH
def test_start1_a_machine_without_a_name_does_its_work(kit, kind):
    machine = kit.start(kind, "data")
    do_func_test(kit, machine)
    do_sync_func_test(kit, machine)
    stop_it(kit, machine)


@BOTH
def test_start2_a_machine_stops_with_shutdown(kit, kind):
    watcher = kit.probe()
    machine = kit.start(kind, "data")
    watcher.monitor(machine)
    do_func_test(kit, machine)
    assert kit.call(machine, ("stop", reasons.SHUTDOWN)) == "stopped"
    assert watcher.messages[0].reason == reasons.SHUTDOWN


@BOTH
def test_start4_a_machine_may_ask_to_be_left_out(kit, kind):
    with pytest.raises(NotStarted) as refused:
        kit.start(kind, "ignore")
    assert refused.value.outcome == Ignored()


@BOTH
def test_start5a_a_machine_may_refuse_to_start(kit, kind):
    with pytest.raises(NotStarted) as refused:
        kit.start(kind, "stop")
    assert refused.value.outcome == Failed(reasons.error("stopped"))
    assert kit.reports == []


@BOTH
def test_start6_a_machine_that_is_linked_does_its_work(kit, kind):
    linked = kit.probe()
    machine = kit.start(kind, "data")
    linked.link(machine)
    do_func_test(kit, machine)
    stop_it(kit, machine)
    assert isinstance(linked.messages[0], Exit)


class Named(HandleEvent):
    def init(self, args):
        self.register("my_stm")
        return super().init(args)


def test_start8_a_machine_with_a_name_is_the_only_one_of_it(kit):
    machine = kit.start(Named, "data")
    with pytest.raises(NotStarted) as refused:
        kit.start(Named, "data")
    assert refused.value.outcome == Failed(reasons.error(("already_started", machine)))
    do_func_test(kit, "my_stm")
    do_sync_func_test(kit, "my_stm")
    stop_it(kit, "my_stm")


def test_start11_the_name_of_a_machine_that_was_stopped_is_free(kit):
    stop_it(kit, kit.start(Named, "data"))
    machine = kit.start(Named, "data")
    with pytest.raises(NameTaken):
        kit.probe().register("my_stm")
    stop_it(kit, machine)


@BOTH
def test_next_events_are_handled_in_the_order_of_their_actions(kit, kind):
    machine = kit.start(kind, "data")
    kit.cast(machine, "next_event")
    assert kit.call(machine, "get") == ("next_events", [])


# Group stop


def stop(kit, machine, *reason):
    """``gen_statem:stop``: ask for an orderly end and wait for it."""
    ended = kit.loop.run(kit.kernel.stop_call, machine, *reason)
    kit.until(ended.done)
    return ended.result()


@BOTH
def test_stop1_a_machine_is_stopped_from_outside(kit, kind):
    machine = kit.start(kind, "data")
    assert stop(kit, machine) is None
    assert not kit.alive(machine)
    with pytest.raises(NoProc):
        stop(kit, machine)


@BOTH
def test_stop2_a_machine_is_stopped_with_another_reason(kit, kind):
    watcher = kit.probe()
    machine = kit.start(kind, "data")
    watcher.monitor(machine)
    stop(kit, machine, reasons.error("other_reason"))
    assert watcher.messages[0].reason == reasons.error("other_reason")


def test_stop4_a_machine_is_stopped_by_its_name(kit):
    kit.start(Named, "data")
    stop(kit, "my_stm")
    with pytest.raises(NoProc):
        stop(kit, "my_stm")


# Group abnormal


@BOTH
def test_abnormal1_an_answer_that_is_late_fails_its_caller_and_is_dropped(kit, kind):
    machine = kit.start(kind, "data")
    assert kit.call(machine, ("delayed_answer", 0.1), 2.0) == "delayed"
    with pytest.raises(CallTimeout):
        kit.call(machine, ("delayed_answer", 2.0), 0.1)
    kit.advance(5.0)
    assert kit.kernel.statistics().late_replies == 1
    assert kit.stop(machine) == reasons.SHUTDOWN


@BOTH
def test_abnormal2_a_bad_return_ends_the_machine_and_its_caller_is_told(kit, kind):
    linked = kit.probe()
    machine = kit.start(kind, "data")
    linked.link(machine)
    with pytest.raises(ServerDied, match="bad_return_from_state_function: 'badreturn'"):
        kit.call(machine, "badreturn")
    assert "bad_return_from_state_function" in linked.messages[0].reason.detail


@BOTH
def test_abnormal3_a_bad_action_ends_the_machine(kit, kind):
    machine = kit.start(kind, "data")
    with pytest.raises(ServerDied, match="bad_action_from_state_function: 'badaction'"):
        kit.call(machine, ("badaction", "badaction"))


@BOTH
def test_abnormal4_a_bad_timeout_ends_the_machine(kit, kind):
    machine = kit.start(kind, "data")
    with pytest.raises(ServerDied, match="bad_action_from_state_function"):
        kit.call(machine, ("badaction", SetTimeout(4711, "ouch")))


# Single cases


def test_shutdown_with_a_detail_reaches_who_is_linked(kit):
    linked = kit.probe()
    machine = kit.start(StateFunctions, "data")
    linked.link(machine)
    assert kit.call(machine, ("stop", reasons.shutdown("reason"))) == "stopped"
    with pytest.raises(NoProc):
        kit.call(machine, "hej")
    [told] = linked.messages
    assert told.reason == reasons.shutdown("reason")


@pytest.mark.parametrize(
    ("returned", "outcome"),
    [
        (reasons.error("failed_to_start"), "failed_to_start"),
        (4711, "bad_return_from_init: 4711"),
        (RuntimeError("bailout"), "bailout"),
    ],
    ids=["stop", "garbage", "crash"],
)
def test_loop_start_fail_says_why_a_machine_does_not_start(kit, returned, outcome):
    class Failing(MapMachine):
        def init(self, args):
            if isinstance(args, Exception):
                raise args
            return Stop(args) if isinstance(args, reasons.Reason) else args

    for _ in range(5):
        with pytest.raises(NotStarted, match=outcome):
            kit.start(Failing, returned, name="machine")


def calls(kit, machine, request):
    """Ask and leave the call open."""
    return kit.loop.run(kit.base.call, machine, request, None)


def test_stop_and_reply_answers_every_caller_before_the_end(kit):
    order = []
    machine = kit.start(
        MapMachine,
        {
            "init": ("start", None),
            "start": lambda _kind, event, _data: Next("wait", Reply(event[1], "reply1")),
            "wait": lambda _kind, event, first: StopMachine(
                reasons.error("reason"), first, first, Reply(event[1], "reply2")
            ),
        },
    )
    watcher = kit.probe()
    watcher.link(machine)
    for request in ("echo", "stop"):
        calls(kit, machine, request).add_done_callback(lambda one: order.append(one.result()))
    kit.settle()
    assert order == ["reply1", "reply2"]
    assert watcher.messages[0].reason == reasons.error("reason")


def test_state_enter_calls_come_at_the_beginning_and_when_repeated(kit):  # noqa: C901 - a machine
    told = []

    def start(kind, event, data):
        match kind, event:
            case "enter" | "internal", before:
                told.append((data, kind, "start", before))
                return Keep(data + 1)
            case "call", ("repeat", from_):
                return Repeat(data + 1, Reply(from_, (data, "repeat", "start")))
            case "call", ("echo", from_):
                answer = Reply(from_, (data, "echo", "start"))
                return Next("wait", data + 1, answer, EventTimeout(0, data))
        return None

    def wait(kind, event, data):
        match kind, event:
            case "enter", before if data < 5:
                told.append((data, "repeated", before))
                return Repeat(data + 1, EventTimeout(0, data), StateTimeout(0, data))
            case "enter", before:
                told.append((data, "enter", "wait", before))
                return Keep(data + 1, EventTimeout(0, data), StateTimeout(0, data))
            case "timeout", (name, content):
                told.append((data, name, content))
                return Keep(data + 1)
            case "call", ("repeat", from_):
                answer = Reply(from_, (data, "repeat", "wait"))
                return Repeat(data, answer, EventTimeout(0, data))
            case "call", ("echo", from_):
                answer = Reply(from_, (data, "echo", "wait"))
                return Next("start", data + 1, NextEvent("internal", "wait"), answer)
        return None

    def since():
        new = told.copy()
        told.clear()
        return new

    machine = kit.start(EnteringMapMachine, {"init": ("start", 1), "start": start, "wait": wait})
    assert since() == [(1, "enter", "start", "start")]
    assert kit.call(machine, "echo") == (2, "echo", "start")
    assert since() == [
        (3, "repeated", "start"),
        (4, "repeated", "start"),
        (5, "enter", "wait", "start"),
        (6, "event", 5),
        (7, "state", 5),
    ]
    assert kit.call(machine, "repeat") == (8, "repeat", "wait")
    assert since() == [(8, "enter", "wait", "wait"), (9, "event", 8), (10, "state", 8)]
    assert kit.call(machine, "echo") == (11, "echo", "wait")
    assert since() == [(12, "enter", "start", "wait"), (13, "internal", "start", "wait")]
    assert kit.call(machine, "repeat") == (14, "repeat", "start")
    assert since() == [(15, "enter", "start", "start")]


def test_event_order_is_inserted_then_postponed_and_no_event_timeout_among_them(kit):
    seen = []

    def start(kind, event, data):
        if kind == "cast":
            return Keep(data, Postpone())
        _, from_ = event
        inserted = (NextEvent("internal", "ok3"), NextEvent("internal", "ok4"))
        return Next("buffer", 0, *inserted, EventTimeout(0, "ok5"), Reply(from_, "ok"))

    def buffer(kind, event, data):
        if kind == "call":
            return StopMachine(reasons.error("reason"), data, Reply(event[1], "ok"))
        seen.append((kind, event))
        return Keep(data)

    machine = kit.start(MapMachine, {"init": ("start", None), "start": start, "buffer": buffer})
    kit.cast(machine, "ok1")
    kit.cast(machine, "ok2")
    assert kit.call(machine, "buffer") == "ok"
    assert kit.call(machine, "stop") == "ok"
    assert seen == [("internal", "ok3"), ("internal", "ok4"), ("cast", "ok1"), ("cast", "ok2")]


def test_state_timeout_of_no_time_comes_after_inserted_events_and_before_messages(kit):
    seen = []

    def state1(kind, event, data):
        seen.append((kind, event))
        following = NextEvent("internal", 2)
        return Next("state2", data, EventTimeout(0, 2), StateTimeout(0, 2), following)

    def state2(kind, event, data):
        seen.append((kind, event))
        match kind, event:
            case "internal", 2:
                return Keep(data, EventTimeout(0, 3))
            case "timeout", ("state", 2):
                return Keep(data, EventTimeout(0, 4), StateTimeout(0, 5))
            case "timeout", ("event", 4):
                return Keep(data, StateTimeout(0, 6), EventTimeout(0, 7))
            case "timeout", ("state", 6):
                return Next("state3", data, Reply(data[1], "ok"), StateTimeout(data[0], 8))
        return None

    def start(kind, event, data):
        (_, after_s), from_ = event
        timers = (EventTimeout(after_s, 1), StateTimeout(after_s, 1))
        return Next("state1", (after_s, from_), *timers, NextEvent("internal", 1))

    def state3(kind, event, data):
        seen.append((kind, event))
        return StopMachine() if kind == "timeout" else Keep(data)

    states = {"init": ("start", 0), "start": start, "state1": state1, "state2": state2}
    machine = kit.start(MapMachine, {**states, "state3": state3})
    answer = calls(kit, machine, ("go", 0.5))
    kit.send(machine, "message_to_self")
    kit.settle()
    assert answer.result() == "ok"
    assert seen == [
        ("internal", 1),
        ("internal", 2),
        ("timeout", ("state", 2)),
        ("timeout", ("event", 4)),
        ("timeout", ("state", 6)),
        ("info", "message_to_self"),
    ]
    kit.advance(0.5)
    assert seen[6:] == [("timeout", ("state", 8))]
    assert not kit.alive(machine)


def test_timeout_cancel_and_update_keep_the_time_or_fire_at_once(kit):
    def state1(kind, event, data):
        match kind, event:
            case "internal", 1:
                return Keep(data, CancelTimeout("state"), SetTimeout("a", 0.017, 1))
            case "info", "message_to_self":
                return Keep(data, UpdateTimeout("a", "a"))
            case "timeout", ("a", "a"):
                return Next("state2", data, StateTimeout(0.017, 2), NextEvent("internal", 2))
        return None

    def state2(kind, event, data):
        match kind, event:
            case "internal", 2:
                kit.clock.advance(0.05)  # the state's timer is due by now
                return Keep(data, UpdateTimeout("state", "b"), EventTimeout(0.017, 2))
            case "timeout", ("state", "b"):
                return Next("state3", 3, Reply(data, "ok"), EventTimeout(17.0))
        return None

    def start(kind, event, data):
        return Next("state1", event[1], StateTimeout(0.017, 1), NextEvent("internal", 1))

    states = {"init": ("start", 0), "start": start, "state1": state1, "state2": state2}
    machine = kit.start(MapMachine, states)
    answer = calls(kit, machine, "test")
    kit.send(machine, "message_to_self")
    kit.advance(1.0)
    assert answer.result() == "ok"
    assert set(kit.actor(machine).status()["timeouts"]) == {"event"}


def test_event_types_may_all_be_inserted(kit):
    seen = []

    def start(kind, event, data):
        seen.append((kind, event))
        return Next("next", data)

    def following(kind, event, data):
        seen.append((kind, event if kind != "call" else event[0]))
        if len(seen) > 2:
            answer = (Reply(event[1], "stopped"),) if kind == "call" else ()
            return Keep(data, *answer) if not answer else StopMachine(reasons.SHUTDOWN, 0, *answer)
        kinds = [
            NextEvent("internal", 1),
            NextEvent("timeout", ("state", 2)),
            NextEvent("timeout", ("event", 3)),
            NextEvent("info", 4),
            NextEvent("cast", 5),
            NextEvent("timeout", (6, 6)),
            NextEvent(kind, event),
        ]
        return Next("last", data, *kinds)

    begin = ("start", 0, NextEvent("internal", 0))
    states = {"init": begin, "start": start, "next": following, "last": following}
    machine = kit.start(MapMachine, states)
    assert kit.call(machine, "stop") == "stopped"
    assert seen == [
        ("internal", 0),
        ("call", "stop"),
        ("internal", 1),
        ("timeout", ("state", 2)),
        ("timeout", ("event", 3)),
        ("info", 4),
        ("cast", 5),
        ("timeout", (6, 6)),
        ("call", "stop"),
    ]


def test_generic_timers_are_set_anew_cancelled_and_absolute(kit):
    seen = []

    def start(kind, event, data):
        timers = (SetTimeout("a", 1.5, 1), StateTimeout(1.5, 1), SetTimeout("b", 1.0, 1))
        return Next("state1", data, *timers, NextEvent(kind, event))

    def state1(kind, event, data):
        return Next(
            "state2",
            event[1],
            SetTimeout("c", kit.clock.monotonic() + 0.5, 2, absolute=True),
            SetTimeout("d", 0, 2, absolute=False),
            EventTimeout(0, 2),
            SetTimeout("b", math.inf, 2),
            SetTimeout("a", 1.0, "last"),
        )

    def state2(kind, event, from_):
        seen.append(event)
        if event[0] == "a":
            return StopMachine(reasons.SHUTDOWN, from_, Reply(from_, "stopped"))
        return Keep()

    states = {"init": ("start", 0), "start": start, "state1": state1, "state2": state2}
    assert kit.call(kit.start(MapMachine, states), "stop") == "stopped"
    assert seen == [("d", 2), ("c", 2), ("a", "last")]


def test_code_change_reads_the_callback_mode_again(kit):
    machine = kit.start(StateFunctions, "data")
    actor = kit.actor(machine)
    actor.handle_event = HandleEvent.handle_event.__get__(actor)
    assert actor.system_get_state() == ("idle", "data")
    mode = "handle_event_function"
    assert actor.system_code_change("old_vsn", mode) == ("idle", ("old_vsn", "data", mode))
    assert kit.call(machine, "get_callback_mode") == mode


# Group sys


@BOTH
def test_sys1_a_suspended_machine_does_not_answer(kit, kind):
    machine = kit.start(kind, "data")
    machine.cell.suspended = True
    with pytest.raises(CallTimeout):
        kit.call(machine, "get", 3.0)
    kit.loop.run(kit.kernel.resume, machine.cell)
    stop_it(kit, machine)


@BOTH
def test_call_format_status_is_what_status_shows(kit, kind):
    machine = kit.start(kind, "secret")
    assert kit.actor(machine).status() == {"state": "idle", "data": "format_status_called"}


@BOTH
def test_error_format_status_scrubs_the_crash_report(kit, kind):
    machine = kit.start(kind, "secret")
    with pytest.raises(ServerDied):
        kit.call(machine, "badreturn")
    [report] = kit.reported("crash")
    assert report.data["state"] == {"state": "idle", "data": "format_status_called"}
    assert "secret" not in repr(report)


@BOTH
def test_terminate_crash_format_scrubs_the_report_of_a_crash_in_terminate(kit, kind):
    machine = kit.start(kind, "crash_terminate")
    stop_it(kit, machine)
    [report] = kit.reported("crash", message="terminate")
    assert report.data["reason"] == "error: RuntimeError: crash in terminate"
    assert report.data["state"]["data"] == "format_status_called"


def test_format_all_status_shows_timers_and_the_types_of_postponed_events(kit):
    def idle(kind, event, data):
        action = Postpone() if event == "secret" else SetTimeout("t", 100.0, "secret")
        return Keep(data, action)

    machine = kit.start(MapMachine, {"init": ("idle", 0), "idle": idle})
    kit.cast(machine, "secret")
    kit.cast(machine, "timeout")
    kit.settle()
    shown = kit.actor(machine).status()
    assert (shown["timeouts"], shown["postponed"]) == ({"t": 100.0}, ["cast str"])
    assert "secret" not in repr(shown)


@BOTH
def test_get_state_gives_state_and_data_also_of_a_suspended_machine(kit, kind):
    machine = kit.start(kind, "data")
    actor = kit.actor(machine)
    assert actor.system_get_state() == ("idle", "data")
    machine.cell.suspended = True
    assert actor.system_get_state() == ("idle", "data")


@BOTH
def test_replace_state_takes_what_the_function_makes_unless_it_raises(kit, kind):
    actor = kit.actor(kit.start(kind, "data"))
    assert actor.system_replace_state(lambda was: (was[0], "new")) == ("idle", "new")
    assert actor.system_replace_state(lambda _: ("error", "again")) == ("error", "again")
    with pytest.raises(ZeroDivisionError):
        actor.system_replace_state(lambda _: 1 / 0)
    assert actor.system_get_state() == ("error", "again")


# Hibernation


@BOTH
def test_hibernate_is_an_action_of_init_and_of_every_event(kit, kind):
    class Packed(kind):
        state_type = list[int]

    assert kit.actor(kit.start(Packed, "hiber_now")).hibernating
    machine = kit.start(Packed, "hiber")
    actor = kit.actor(machine)
    assert not actor.hibernating
    assert kit.call(machine, "hibernate_sync") == "hibernating"
    assert actor.hibernating
    assert kit.call(machine, "snooze_sync") == "please_just_five_more"
    assert actor.hibernating
    assert kit.call(machine, "wakeup_sync") == "good_morning"
    assert not actor.hibernating
    for cast, hibernating in (("hibernate_async", True), ("snooze_async", True)):
        kit.cast(machine, cast)
        kit.settle()
        assert actor.hibernating is hibernating
    kit.cast(machine, "wakeup_async")
    kit.settle()
    assert not actor.hibernating
    kit.send(machine, "hibernate_now")
    kit.settle()
    assert actor.hibernating
    machine.cell.suspended = True
    kit.loop.run(kit.kernel.resume, machine.cell)
    kit.settle()
    assert actor.hibernating


@BOTH
def test_auto_hibernate_comes_after_a_time_without_messages(kit, kind):
    class Packed(kind):
        state_type = list[int]
        hibernate_after_s = 1.0

    machine = kit.start(Packed, "hiber")
    actor = kit.actor(machine)
    kit.advance(2.1)
    assert actor.hibernating
    assert kit.call(machine, "alive?") == "alive!"
    assert not actor.hibernating
    kit.advance(2.1)
    assert actor.hibernating


# Group undef_callbacks


class Bare(StateMachine):
    def init(self, args):
        return "start", {}


def test_undef_code_change_refuses_the_change(kit):
    actor = kit.actor(kit.start(Bare))
    with pytest.raises(TypeError, match="Bare has no code_change from 'old_vsn'"):
        actor.system_code_change("old_vsn", None)
    assert actor.system_get_state() == ("start", {})


@pytest.mark.parametrize("reason", [reasons.NORMAL, reasons.error("test")], ids=str)
def test_undef_terminate_is_no_fault(kit, reason):
    assert kit.stop(kit.start(Bare), reason) == reason


def test_undef_in_terminate_is_a_crash(kit):
    class Undefined(Bare):
        def terminate(self, reason):
            self.nothing_of_that_name()

    assert "AttributeError" in kit.stop(kit.start(Undefined)).detail


def test_pop_too_many_is_a_bad_action_and_changed_callbacks_enter_the_new_state(kit):
    told = []

    class Changed(StateCallbacks):
        state_enter = True

        def handle_event(self, kind, event, state, data):
            if kind == "enter":
                told.append((kind, state))
                return Keep("enter")
            request, from_ = event
            action = PushCallbacks(Pushed()) if request == "push" else PopCallbacks()
            return Keep(data, action, Reply(from_, request))

    class Pushed(StateCallbacks):
        def handle_event(self, kind, event, state, data):
            return Keep(data, PopCallbacks(), Reply(event[1], "pushed"))

    def state_1(kind, event, data):
        return Next("state_2", data, ChangeCallbacks(Changed()), Reply(event[1], "ok"))

    machine = kit.start(MapMachine, {"init": ("state_1", None), "state_1": state_1})
    assert kit.call(machine, "change") == "ok"
    assert told == [("enter", "state_2")], "the new callbacks' mode counts (OTP-18239)"
    assert kit.actor(machine).data == "enter"
    assert kit.call(machine, "push") == "push"
    assert kit.call(machine, "x") == "pushed"
    with pytest.raises(ServerDied, match="bad_action_from_state_function: PopCallbacks"):
        kit.call(machine, "pop")
