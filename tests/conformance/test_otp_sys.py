"""OTP's sys cases ([SYST]: suspend, stats, log, log_to_file, trace, install, get_state, ...)."""

from __future__ import annotations

import pytest
from msgspec import structs
from sys_actors import PATH, Account, Add, Ask, Counting, Door, Plain, System, Wait, cast, told

from supervision import CallTimeout, ChildSpec, EventManager, SupervisorFlags, reasons
from supervision.introspection import (
    DONE,
    ActionRefused,
    Asked,
    CallbackFailed,
    LimitReached,
    NoSuchActor,
    NotPlain,
    NotSuspended,
    OutOfBounds,
    StillBusy,
)


@pytest.fixture
def server(kit):
    return kit.start(Account, name=PATH)


@pytest.fixture
def system(kit):
    return System(kit)


# suspend, resume


def test_suspend_keeps_messages_until_resume_and_both_are_idempotent(kit, server, system):
    """sys_SUITE suspend."""
    system.suspend(PATH)
    system.suspend(PATH)
    for _ in range(3):
        kit.send(server, Add(1))
    assert (server.cell.depth, system.get_status(PATH).status) == (3, "suspended")
    system.resume(PATH)
    system.resume(PATH)
    kit.settle()
    assert (server.cell.depth, system.get_status(PATH).status) == (0, "running")


def test_who_calls_a_suspended_server_times_out_and_it_never_answers_late(kit, server, system):
    system.suspend(PATH)
    with pytest.raises(CallTimeout):
        kit.call(server, Add(5), timeout=2.0)
    system.resume(PATH)
    kit.settle()
    assert kit.actor(server).state.amount == 0


def test_a_suspended_server_ends_when_its_supervisor_does(kit, system):
    top = kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    system.suspend(f"{PATH}/child")
    Account.ended = None
    assert kit.stop(top) == reasons.SHUTDOWN
    assert Account.ended == "shutdown"


def test_a_suspended_supervisor_restarts_nobody_until_it_is_resumed(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    system.suspend(PATH)
    kit.faults.kill(kit.address(f"{PATH}/child"))
    kit.settle()
    assert system.actor(f"{PATH}/child").status == "stopped"
    system.resume(PATH)
    kit.settle()
    assert system.actor(f"{PATH}/child").restarts == 1


def test_suspend_waits_for_the_handler_that_runs(kit, server, system):
    call = kit.loop.run(kit.kernel.call, server, Wait(3.0))
    kit.settle()
    system.suspend(PATH)
    assert call.result() == "waited"


def test_a_handler_that_does_not_end_in_time_is_named_and_the_actor_stays_suspended(
    kit, server, system
):
    cast(kit, Wait(30.0))
    with pytest.raises(StillBusy, match="within 1 s"):
        system.suspend(PATH, Asked(), 1.0)
    assert server.cell.suspended


def test_an_actor_that_ends_while_it_is_waited_for_is_not_waited_for_longer(kit, server, system):
    cast(kit, Wait(30.0))
    kit.loop.call_later(1.0, kit.kernel.exit, server.cell, reasons.KILLED)
    with pytest.raises(NoSuchActor):
        system.suspend(PATH)
    assert kit.clock.elapsed == pytest.approx(1.0)


# get_status, get_state


def test_get_status_tells_class_parent_debug_and_the_scrubbed_state(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    system.log(f"{PATH}/child", "on")
    status = system.get_status(f"{PATH}/child")
    assert (status.actor_class, status.module) == ("Account", "sys_actors")
    assert (status.parent, status.ancestors, status.debug) == (PATH, [PATH], ["log"])
    assert status.state == {"owner": "ann", "amount": 0, "limits": {}}


def test_a_format_status_that_raises_is_named(kit, server, system):
    kit.actor(server).state = None
    with pytest.raises(CallbackFailed, match="format_status failed: AttributeError"):
        system.get_status(PATH)


def test_get_state_gives_the_state_itself(kit, server, system):
    assert system.get_state(PATH) is kit.actor(server).state


def test_a_plain_actor_has_a_status_but_no_state_that_is_known(kit, system):
    kit.start(Plain, name=PATH)
    assert (system.get_status(PATH).actor_class, system.get_status(PATH).state) == ("Plain", None)
    with pytest.raises(ActionRefused, match="Plain is no behaviour"):
        system.get_state(PATH)


# replace_state


def test_replace_state_puts_what_the_function_makes_in_its_place(kit, server, system):
    def richer(state):
        state.amount = 50
        return state

    assert system.replace_state(PATH, richer)["amount"] == 50
    assert kit.call(server, Add(1)) == 51


def test_a_function_that_raises_leaves_the_state_as_it_was(kit, server, system):
    """sys_SUITE replace_state: {callback_failed, ...}; also where it has begun to change it."""

    def failing(state):
        state.amount = 50
        state.limits["day"] = 1
        raise ValueError("no")

    with pytest.raises(CallbackFailed, match="replace_state failed: ValueError: no") as failure:
        system.replace_state(PATH, failing)
    assert failure.value.callback == "replace_state"
    assert (kit.actor(server).state.amount, kit.actor(server).state.limits) == (0, {})
    assert kit.alive(server)
    assert kit.reported("operator") == []


def test_a_dry_run_shows_what_would_be_and_changes_nothing(kit, server, system):
    def richer(state):
        state.amount = 50
        return state

    assert system.replace_state(PATH, richer, dry_run=True)["amount"] == 50
    assert kit.call(server, Add(1)) == 1
    assert kit.reported("operator") == []


def test_replace_state_waits_until_no_message_is_handled(kit, server, system):
    call = kit.loop.run(kit.kernel.call, server, Wait(3.0))
    kit.settle()
    assert system.patch_state(PATH, {"amount": 9})["amount"] == 9
    assert call.done()


def test_a_patch_is_merged_into_the_plain_fields_of_a_state(kit, server, system):
    kit.actor(server).state.limits = {"day": 1, "week": 5}
    shown = system.patch_state(PATH, {"owner": "bob", "limits": {"day": None, "month": 9}})
    assert shown == {"owner": "bob", "amount": 0, "limits": {"week": 5, "month": 9}}
    assert kit.actor(server).state.secret == "4711"


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"amount": "much"}, "state.amount"),
        ({"nothing": 1}, "state.nothing"),
        ({"limits": {"day": "x"}}, "state.limits.day"),
        ({"partner": {"x": 1}}, None),
        (7, "state"),
    ],
)
def test_a_patch_that_does_not_fit_changes_nothing_and_is_named(kit, server, system, patch, field):
    kit.actor(server).state.limits = {"day": 1}
    if field is None:
        assert system.patch_state(PATH, patch, dry_run=True)
    else:
        with pytest.raises(NotPlain) as failure:
            system.patch_state(PATH, patch)
        assert failure.value.field == field
    assert kit.actor(server).state.amount == 0


def test_of_a_machine_state_and_data_are_patched(kit, system):
    kit.start(Door, name=PATH)
    with pytest.raises(NotPlain):
        system.patch_state(PATH, {"data": {"count": 1}})
    with pytest.raises(NotPlain, match="a machine has state and data"):
        system.patch_state(PATH, {"colour": "red"})
    assert system.patch_state(PATH, {"state": "open"}) == {"state": "open", "data": 0}
    assert kit.actor(kit.address(PATH)).state == "open"


def test_what_is_no_plain_record_is_not_patched(kit, system):
    kit.start_supervisor(SupervisorFlags(), name=PATH)
    with pytest.raises(ActionRefused):
        system.patch_state(PATH, {"flags": None})


def test_a_state_that_cannot_be_shown_is_replaced_all_the_same(kit, server, system):
    shown = system.replace_state(PATH, lambda _: 7)
    assert "format_status failed: AttributeError" in shown
    assert kit.actor(server).state == 7
    with pytest.raises(CallbackFailed, match="format_status"):
        system.replace_state(PATH, lambda _: 8, dry_run=True)


def test_the_states_of_a_manager_s_handlers_are_replaced_one_by_one(kit, system):
    """gen_event's replace_state: the function is given each handler's."""
    kit.start(EventManager, [("count", Counting())], name=PATH)
    system.replace_state(PATH, lambda held: structs.replace(held, state=held.state + 5))
    assert [held.state for held in system.get_state(PATH)] == [5]
    with pytest.raises(NotPlain, match="event_manager"):
        system.patch_state(PATH, {"state": 7})
    with pytest.raises(ActionRefused, match="many states"):
        system.replace_state(PATH, lambda held: held, dry_run=True)


# change_code


def test_change_code_is_refused_unless_suspended(kit, server, system):
    """sys_SUITE change_code: {error, {unknown_system_msg, _}}."""
    with pytest.raises(NotSuspended):
        system.change_code(PATH, 1)
    assert kit.actor(server).state.owner == "ann"


def test_change_code_converts_the_state_of_a_suspended_actor(kit, server, system):
    system.suspend(PATH)
    system.change_code(PATH, 1, "new", Asked("upgrade", "ann"))
    assert kit.actor(server).state.owner == "ann/new"
    assert server.cell.suspended
    (report,) = kit.reported("operator", action="change_code")
    assert (report.data["by"], report.data["old_vsn"]) == ("ann", "1")


def test_a_refused_change_leaves_the_old_state_and_the_actor_suspended(kit, server, system):
    system.suspend(PATH)
    with pytest.raises(CallbackFailed, match="code_change failed: ValueError: no way from 7"):
        system.change_code(PATH, 7)
    assert (kit.actor(server).state.owner, server.cell.suspended) == ("ann", True)


def test_a_change_that_takes_too_long_is_given_up_and_nothing_has_changed(kit, server, system):
    system.suspend(PATH)
    before = kit.actor(server).state
    with pytest.raises(StillBusy):
        system.change_code(PATH, 1, "slow")
    assert kit.actor(server).state is before
    system.resume(PATH)
    assert kit.call(server, Add(1)) == 1


# terminate


def test_stop_ends_an_actor_through_its_own_terminate(kit, server, system):
    """sys:terminate/2, sys_SUITE special_process."""
    system.suspend(PATH)
    system.stop(PATH, Asked(), reasons.Reason("shutdown", "as asked"))
    assert Account.ended == "shutdown: as asked"
    assert not kit.alive(server)


def test_a_supervisor_sees_the_reason_with_which_its_child_was_stopped(kit, system):
    spec = ChildSpec("child", Account, restart="transient")
    kit.start_supervisor(SupervisorFlags(), [spec], name=PATH)
    path = f"{PATH}/child"
    system.stop(path)
    kit.settle()
    assert system.actor(path).status == "stopped"
    system.restart(path)
    system.stop(path, Asked(), reasons.error("broken"))
    kit.settle()
    found = system.actor(path)
    assert (found.status, found.last_exit.reason) == ("running", "error: broken")


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


# statistics


def test_statistics_are_counted_from_on_to_off(kit, server, system):
    """sys_SUITE stats: no_statistics when off."""
    assert system.statistics(PATH).on is False
    system.statistics(PATH, "on")
    kit.call(server, Add(1))
    kit.advance(2.0)
    cast(kit, ("tell", kit.probe().address))
    row = system.statistics(PATH)
    assert (row.messages_in, row.messages_out, row.reductions) == (2, 3, 2)
    assert row.current_time - row.start_time == pytest.approx(2.0)
    assert system.statistics(PATH, "on").messages_in == 2
    off = system.statistics(PATH, "off")
    assert (off.on, off.messages_in) == (False, None)


# log


def test_the_log_keeps_the_latest_ten_events_unless_told_otherwise(kit, server, system):
    """sys_SUITE log."""
    assert system.log(PATH).on is False
    system.log(PATH, "on")
    for _ in range(8):
        kit.call(server, Add(1))
    row = system.log(PATH)
    assert (row.size, len(row.events)) == (10, 10)
    assert told(row)[-2:] == ["in call Add(amount)", "reply int"]
    assert len(system.log(PATH, "on", 4).events) == 4
    assert system.log(PATH, "off").events == []


def test_the_log_tells_every_kind_of_event_of_a_server(kit, server, system):
    probe = kit.probe()
    system.log(PATH, "on", 100)
    later = kit.loop.run(kit.kernel.call, server, "later")
    kit.settle()
    cast(kit, "answer")
    cast(kit, ("tell", probe.address))
    cast(kit, "timer")
    kit.advance(3.0)
    cast(kit, "timer")
    cast(kit, "no timer")
    assert later.result() == 7
    words = told(system.log(PATH))
    for expected in (
        "in call str",
        "noreply str",
        "reply int",
        "out send Add(amount)",
        "out cast Add(amount)",
        "start_timer str",
        "timeout str",
        "cancel_timer str",
    ):
        assert expected in words
    outs = [event for event in system.log(PATH).events if event.event == "out"]
    assert {event.other for event in outs} == {probe.address.path}


def test_the_log_of_a_machine_tells_of_states_postponed_events_and_timers(kit, system):
    """gen_statem's enter, postpone, consume, start_timer, timeout."""
    kit.start(Door, name=PATH)
    system.log(PATH, "on", 50)
    cast(kit, "open")
    cast(kit, "knock")
    kit.advance(2.0)
    assert told(system.log(PATH)) == [
        "in cast str",
        "consume cast str",
        "enter open",
        "start_timer state",
        "noreply str",
        "in cast str",
        "postpone cast str",
        "noreply str",
        "timeout state",
        "consume timeout state",
        "enter shut",
        "consume cast str",
        "noreply state",
    ]


def test_questions_to_many_are_told_one_by_one(kit, server, system):
    other = kit.start(Account, name="other")
    system.log(PATH, "on")
    assert kit.call(server, Ask((other, other))) == 2
    events = [(event.event, event.way, event.other) for event in system.log(PATH).events]
    assert events.count(("out", "call", "other")) == 2


def test_a_plain_actor_is_logged_too(kit, system):
    plain = kit.start(Plain, name=PATH)
    system.log(PATH, "on")
    kit.send(plain, Add(1), kit.probe().address)
    kit.settle()
    assert told(system.log(PATH)) == ["in info Add(amount)", "out send int", "noreply Add(amount)"]


def test_a_supervisor_is_logged_too(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    system.log(PATH, "on")
    kit.faults.kill(kit.address(f"{PATH}/child"))
    kit.settle()
    assert "in info ChildExited" in told(system.log(PATH))
    assert system.actor(f"{PATH}/child").restarts == 1


def test_the_end_is_the_last_event_and_the_next_incarnation_is_not_watched(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    path, seen = f"{PATH}/child", []
    system.install(path, "p", lambda _, event: seen.append(event.shown.line()))
    system.stop(path, Asked(), reasons.error("broken"))
    kit.settle()
    assert seen == [f"{path} terminate error: broken"]
    assert (system.log(path).on, system.get_status(path).debug) == (False, [])


def test_messages_show_what_their_actor_allows_and_no_more(kit, server, system):
    system.log(PATH, "on", 20)
    kit.call(server, Add(5))
    type(kit.actor(server)).format_message = lambda self, message: f"{message!r}"[:20]
    try:
        kit.call(server, Add(6))
    finally:
        del type(kit.actor(server)).format_message
    words = told(system.log(PATH))
    assert words[0] == "in call Add(amount)"
    assert words[2] == "in call Add(amount=6)"


def test_a_format_message_that_raises_costs_its_words_only(kit, server, system):
    system.log(PATH, "on")
    kit.actor(server).format_message = lambda message: 1 / 0
    assert kit.call(server, Add(5)) == 5
    assert told(system.log(PATH))[0] == "in call Add(amount)"


# log_to_file


def test_events_are_written_to_a_file_of_bounded_size(kit, server, tmp_path):
    """sys_SUITE log_to_file."""
    system = System(kit, directory=tmp_path, log_file_bytes=400)
    system.log_to_file(PATH, "on")
    file = tmp_path / f"sys-{PATH}.log"
    kit.call(server, Add(1))
    assert [line.split(" ", 1)[1] for line in file.read_text().splitlines()] == [
        "server in call Add(amount)",
        "server reply int",
    ]
    for _ in range(50):
        kit.call(server, Add(1))
    assert file.stat().st_size <= 400
    assert (system.log(PATH).file, file.stat().st_mode & 0o777) == (None, 0o600)
    assert kit.call(server, Add(0)) == 51


def test_without_a_directory_nothing_is_written(server, system):
    with pytest.raises(ActionRefused, match="no directory"):
        system.log_to_file(PATH, "on")


# install, remove, no_debug


def test_a_probe_sees_messages_until_it_is_removed(kit, server, system):
    """sys_SUITE install."""
    seen = []
    assert system.install(PATH, "p", lambda n, event: seen.append((n, event.kind)) or n + 1, 0)
    assert system.install(PATH, "p", lambda *_: 1 / 0) is False
    kit.call(server, Add(1))
    assert seen == [(0, "in"), (1, "reply")]
    assert [row.state for row in system.probes(PATH)] == [2]
    assert system.remove(PATH, "p")
    assert system.remove(PATH, "p") is False
    kit.call(server, Add(1))
    assert len(seen) == 2


def test_a_probe_that_is_done_is_removed(kit, server, system):
    system.install(PATH, "p", lambda n, _: DONE if n == 2 else n + 1, 0)
    for _ in range(3):
        kit.call(server, Add(1))
    assert system.probes(PATH) == []


def test_a_probe_that_crashes_is_removed_and_reported_and_the_actor_never_notices(
    kit, server, system
):
    system.install(PATH, "p", lambda *_: 1 / 0)
    assert kit.call(server, Add(1)) == 1
    assert system.probes(PATH) == []
    (report,) = kit.reported("probe")
    assert "ZeroDivisionError" in report.data["error"]


def test_no_debug_drops_all_of_it(kit, server, system):
    system.statistics(PATH, "on")
    system.log(PATH, "on")
    system.install(PATH, "p", lambda state, _: state)
    system.trace(PATH, 10, 10.0)
    assert system.get_status(PATH).debug == ["statistics", "log", "probe p", "trace"]
    system.no_debug(PATH)
    assert system.get_status(PATH).debug == []
    assert system.traces()[0].ended == "actors"


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


# What watching costs


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

    system.log(PATH, "on")
    kit.stop(server)
    assert (watching._watches, watching._classes) == ({}, {})
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
