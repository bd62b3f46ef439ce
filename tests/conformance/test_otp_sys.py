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
    NoSuchActor,
    NotPlain,
    NotSuspended,
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


def test_suspend_times_out_who_calls_and_nothing_is_answered_late(kit, server, system):
    system.suspend(PATH)
    with pytest.raises(CallTimeout):
        kit.call(server, Add(5), timeout=2.0)
    system.resume(PATH)
    kit.settle()
    assert kit.actor(server).state.amount == 0


def test_suspend_still_honours_the_end_of_the_parent(kit, system):
    top = kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    system.suspend(f"{PATH}/child")
    Account.ended = None
    assert kit.stop(top) == reasons.SHUTDOWN
    assert Account.ended == "shutdown"


def test_suspend_of_a_supervisor_restarts_nobody_until_resume(kit, system):
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


def test_suspend_names_a_handler_that_does_not_end_in_time_and_holds_all_the_same(
    kit, server, system
):
    cast(kit, Wait(30.0))
    with pytest.raises(StillBusy, match="within 1 s"):
        system.suspend(PATH, Asked(), 1.0)
    assert server.cell.suspended


def test_suspend_waits_no_longer_than_the_actor_lives(kit, server, system):
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


def test_get_status_names_a_format_status_that_raises(kit, server, system):
    kit.actor(server).state = None
    with pytest.raises(CallbackFailed, match="format_status failed: AttributeError"):
        system.get_status(PATH)


def test_get_status_is_told_of_actors_that_nobody_has_named(kit, system):
    address = kit.loop.run(kit.base.newPrimaryActor, Plain, None, None, None)
    path = address.addressDetails
    assert path.isdecimal()
    assert system.get_status(path).actor_class == "Plain"
    assert system.get_status("/ActorSys").actor_class == "SystemActor"


def test_get_state_gives_the_state_itself(kit, server, system):
    assert system.get_state(PATH) is kit.actor(server).state


def test_get_state_of_a_plain_actor_is_not_known_but_its_status_is(kit, system):
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


def test_replace_state_with_a_function_that_raises_leaves_the_state_as_it_was(kit, server, system):
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


def test_replace_state_dry_run_shows_what_would_be_and_changes_nothing(kit, server, system):
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


def test_replace_state_with_what_cannot_be_shown_is_done_all_the_same(kit, server, system):
    shown = system.replace_state(PATH, lambda _: 7)
    assert "format_status failed: AttributeError" in shown
    assert kit.actor(server).state == 7
    with pytest.raises(CallbackFailed, match="format_status"):
        system.replace_state(PATH, lambda _: 8, dry_run=True)


def test_replace_state_of_a_manager_asks_for_each_handler(kit, system):
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
    system.log(PATH, "on")
    system.change_code(PATH, 1, "new", Asked("upgrade", "ann"))
    assert told(system.log(PATH)) == ["code_change 1"]
    assert kit.actor(server).state.owner == "ann/new"
    assert server.cell.suspended
    (report,) = kit.reported("operator", action="change_code")
    assert (report.data["by"], report.data["old_vsn"]) == ("ann", "1")


def test_change_code_refused_leaves_the_old_state_and_the_actor_suspended(kit, server, system):
    system.suspend(PATH)
    with pytest.raises(CallbackFailed, match="code_change failed: ValueError: no way from 7"):
        system.change_code(PATH, 7)
    assert (kit.actor(server).state.owner, server.cell.suspended) == ("ann", True)


def test_change_code_that_takes_too_long_is_given_up_and_nothing_has_changed(kit, server, system):
    system.suspend(PATH)
    before = kit.actor(server).state
    with pytest.raises(StillBusy):
        system.change_code(PATH, 1, "slow")
    assert kit.actor(server).state is before
    system.resume(PATH)
    assert kit.call(server, Add(1)) == 1


# terminate


def test_terminate_ends_an_actor_through_its_own_terminate(kit, server, system):
    """sys:terminate/2, sys_SUITE special_process."""
    system.suspend(PATH)
    system.stop(PATH, Asked(), reasons.Reason("shutdown", "as asked"))
    assert Account.ended == "shutdown: as asked"
    assert not kit.alive(server)


def test_terminate_tells_the_supervisor_its_reason(kit, system):
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


# statistics


def test_stats_are_counted_from_on_to_off(kit, server, system):
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


def test_log_keeps_the_latest_ten_events_unless_told_otherwise(kit, server, system):
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


def test_log_tells_every_kind_of_event_of_a_server(kit, server, system):
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
    cast(kit, "go on")
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
        "continue str",
    ):
        assert expected in words
    outs = [event for event in system.log(PATH).events if event.event == "out"]
    assert {event.other for event in outs} == {probe.address.path}


def test_log_of_a_machine_tells_of_states_postponed_events_and_timers(kit, system):
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


def test_log_tells_questions_to_many_one_by_one(kit, server, system):
    other = kit.start(Account, name="other")
    system.log(PATH, "on")
    assert kit.call(server, Ask((other, other))) == 2
    events = [(event.event, event.way, event.other) for event in system.log(PATH).events]
    assert events.count(("out", "call", "other")) == 2


def test_log_tells_what_a_synchronous_caller_was_answered(kit, server, system):
    """The answer comes to it as a message, and the call does not keep it."""
    probe = kit.probe()
    system.log(PATH, "on")
    kit.loop.run(kit.actor(probe.address).request, server, Add(1))
    kit.settle()
    (reply,) = [event for event in system.log(PATH).events if event.event == "reply"]
    assert (reply.message, reply.other) == ("int", probe.address.path)


def test_log_of_a_plain_actor(kit, system):
    plain = kit.start(Plain, name=PATH)
    system.log(PATH, "on")
    kit.send(plain, Add(1), kit.probe().address)
    kit.settle()
    assert told(system.log(PATH)) == ["in info Add(amount)", "out send int", "noreply Add(amount)"]


def test_log_of_a_supervisor(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    system.log(PATH, "on")
    kit.faults.kill(kit.address(f"{PATH}/child"))
    kit.settle()
    assert "in info ChildExited" in told(system.log(PATH))
    assert system.actor(f"{PATH}/child").restarts == 1


def test_install_ends_with_the_incarnation_whose_end_is_the_last_event(kit, system):
    kit.start_supervisor(SupervisorFlags(), [ChildSpec("child", Account)], name=PATH)
    path, seen = f"{PATH}/child", []
    system.install(path, "p", lambda _, event: seen.append(event.shown.line()))
    system.stop(path, Asked(), reasons.error("broken"))
    kit.settle()
    assert seen == [f"{path} terminate error: broken"]
    assert (system.log(path).on, system.get_status(path).debug) == (False, [])


def test_log_shows_of_a_message_what_its_actor_allows_and_no_more(kit, server, system):
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


def test_log_with_a_format_message_that_raises_loses_its_words_only(kit, server, system):
    system.log(PATH, "on")
    kit.actor(server).format_message = lambda message: 1 / 0
    assert kit.call(server, Add(5)) == 5
    assert told(system.log(PATH))[0] == "in call Add(amount)"


# log_to_file


def test_log_to_file_writes_a_file_of_bounded_size(kit, server, tmp_path):
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


def test_log_to_file_without_a_directory_is_refused(server, system):
    with pytest.raises(ActionRefused, match="no directory"):
        system.log_to_file(PATH, "on")


# install, remove, no_debug


def test_install_puts_a_probe_into_the_path_of_messages_until_it_is_removed(kit, server, system):
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


def test_install_of_a_probe_that_is_done_ends(kit, server, system):
    system.install(PATH, "p", lambda n, _: DONE if n == 2 else n + 1, 0)
    for _ in range(3):
        kit.call(server, Add(1))
    assert system.probes(PATH) == []


def test_install_of_a_probe_that_crashes_ends_with_a_report_and_the_actor_never_notices(
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


# trace, special_process


def test_trace_tells_of_every_message_until_it_is_stopped(kit, server, system):
    """sys_SUITE trace; ours has limits, see test_recon.py."""
    trace = system.trace(PATH, 10, 60.0)
    kit.call(server, Add(1))
    system.stop_trace(trace.id)
    kit.call(server, Add(1))
    assert [event.event for event in system.trace_events(trace.id).items] == ["in", "reply"]


def test_special_process_a_plain_actor_is_suspended_watched_and_ended_too(kit, system):
    """sys_SUITE special_process: what no behaviour stands behind."""
    plain, asker = kit.start(Plain, name=PATH), kit.probe()
    system.suspend(PATH)
    system.statistics(PATH, "on")
    kit.send(plain, Add(1), asker.address)
    assert asker.messages == []
    system.resume(PATH)
    kit.settle()
    assert asker.messages == [2]
    row = system.statistics(PATH)
    assert (row.messages_in, row.messages_out) == (1, 1)
    system.stop(PATH)
    assert not kit.alive(plain)
