"""OTP's supervisor cases S-16 to S-22: how supervisors end their children."""

from __future__ import annotations

import pytest
from supervisor_children import LeavesWith, SlowStop
from supervisor_steps import child, ends, flags, start_child, told, watching

from supervision import reasons

RESTART_TYPES = ["temporary", "transient", "permanent"]
LEAVING = {
    "normal": reasons.NORMAL,
    "shutdown": reasons.SHUTDOWN,
    "shutdown_test": reasons.shutdown("test"),
    "other": reasons.error("other"),
}


def an_error_when_asked_to_end(restart, reason):
    """Whether a child that leaves with this reason did not do as it was told."""
    if restart == "permanent":
        return reason != reasons.SHUTDOWN
    return reason.kind == "error"


def test_s16_sup_stop_infinity_is_legal_for_workers_and_supervisors(kit):
    """Without a limit both end in order, the last started first."""
    top = kit.start_supervisor(flags())
    one = start_child(kit, top, child("child1", shutdown="infinity", type="supervisor"))
    two = start_child(kit, top, child("child2", shutdown="infinity"))
    watch = watching(kit, one, two)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert list(ends(watch).items()) == [
        ("child2", reasons.SHUTDOWN),
        ("child1", reasons.SHUTDOWN),
    ]
    assert told(kit) == []


def test_s17_sup_stop_timeout_kills_a_busy_child_and_shuts_its_sibling_down(kit):
    """A child that is busy for 200 s under a limit of 1 s is killed after that second."""
    top = kit.start_supervisor(flags())
    one = start_child(kit, top, child("child1"))
    two = start_child(kit, top, child("child2"))
    watch = watching(kit, one, two)
    kit.cast(two, ("busy", 200.0))
    assert kit.stop(top) == reasons.SHUTDOWN
    assert ends(watch) == {"child2": reasons.KILLED, "child1": reasons.SHUTDOWN}
    assert kit.clock.elapsed == 1.0
    assert told(kit) == [("shutdown_error", "child2", "killed")]


def test_s18_sup_stop_timeout_dynamic_kills_the_busy_member_of_a_pool(kit):
    """The same in a pool, which itself ends in order."""
    template = child("child", restart="temporary")
    top = kit.start_supervisor(flags("simple_one_for_one"), [template])
    one, two = (start_child(kit, top, name) for name in ("one", "two"))
    watch = watching(kit, one, two)
    kit.cast(two, ("busy", 200.0))
    assert kit.stop(top) == reasons.SHUTDOWN
    assert ends(watch) == {"one": reasons.SHUTDOWN, "two": reasons.KILLED}
    assert kit.clock.elapsed == 1.0
    [report] = kit.reported("supervisor")
    assert (report.data["context"], report.data["reason"]) == ("shutdown_error", "killed")
    assert report.data["children"] == 1


def test_s19_sup_stop_brutal_kill_asks_one_child_and_kills_the_other(kit):
    """A brutal kill takes no time and is no error."""
    top = kit.start_supervisor(flags())
    one = start_child(kit, top, child("child1"))
    two = start_child(kit, top, child("child2", shutdown="brutal_kill"))
    watch = watching(kit, one, two)
    kit.cast(two, ("busy", 200.0))
    assert kit.stop(top) == reasons.SHUTDOWN
    assert ends(watch) == {"child2": reasons.KILLED, "child1": reasons.SHUTDOWN}
    assert kit.clock.elapsed == 0.0
    assert told(kit) == []


def test_s20_sup_stop_brutal_kill_dynamic_kills_every_member_of_a_pool(kit):
    """All ten are killed, whatever they would have said when asked."""
    template = child("child", start=LeavesWith, restart="temporary", shutdown="brutal_kill")
    top = kit.start_supervisor(flags("simple_one_for_one"), [template])
    members = [
        start_child(kit, top, f"child{number}", reasons.error("asked")) for number in range(10)
    ]
    watch = watching(kit, *members)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert ends(watch) == {f"child{number}": reasons.KILLED for number in range(10)}
    assert told(kit) == []


def test_s21_sup_stop_race_keeps_the_reasons_of_children_that_leave_by_themselves(kit):
    """Twelve children leave 200 ms into a shutdown that a slow last child holds open."""
    top = kit.start_supervisor(flags())
    start_child(kit, top, child("child_a", restart="temporary"))
    leaving = {}
    for restart in RESTART_TYPES:
        for name, reason in LEAVING.items():
            leaving[f"{restart}_{name}"] = reason
            start_child(kit, top, child(f"{restart}_{name}", reason, LeavesWith, restart=restart))
    slow = child("child_z", 1.0, SlowStop, restart="temporary", shutdown=2.0)
    start_child(kit, top, slow)
    everybody = ["child_a", *leaving, "child_z"]
    watch = watching(kit, top, *(kit.address(f"top/{name}") for name in everybody))

    kit.faults.exit(top, reasons.SHUTDOWN)
    kit.advance(0.2)
    assert ends(watch) == {}
    for name in leaving:
        kit.cast(kit.address(f"top/{name}"), "stop")
    kit.settle()
    assert ends(watch) == leaving

    kit.advance(0.8)
    ended = ends(watch)
    assert list(ended)[-3:] == ["child_z", "child_a", "top"]
    assert ended == leaving | dict.fromkeys(["child_z", "child_a", "top"], reasons.SHUTDOWN)
    assert (kit.kernel.restarts, kit.statistics().actors) == (0, 1)
    expected = [
        ("shutdown_error", f"{restart}_{name}", str(reason))
        for restart in RESTART_TYPES
        for name, reason in LEAVING.items()
        if an_error_when_asked_to_end(restart, reason)
    ]
    assert told(kit) == list(reversed(expected))


@pytest.mark.parametrize("restart", RESTART_TYPES)
def test_s22_sup_stop_non_shutdown_exit_dynamic_is_told_once_for_each_reason(kit, restart):
    """Members of a pool may answer the shutdown with any reason; the pool ends in order."""
    template = child("child", start=LeavesWith, restart=restart, shutdown=5.0)
    top = kit.start_supervisor(flags("simple_one_for_one"), [template])
    leaving = {f"{name}_{n}": reason for name, reason in LEAVING.items() for n in (1, 2)}
    members = [start_child(kit, top, name, reason) for name, reason in leaving.items()]
    watch = watching(kit, *members)
    assert kit.stop(top) == reasons.SHUTDOWN
    assert ends(watch) == leaving
    assert kit.clock.elapsed == 0.0
    errors = [
        (report.data["context"], report.data["reason"], report.data["children"])
        for report in kit.reported("supervisor")
    ]
    assert sorted(errors) == sorted(
        ("shutdown_error", str(reason), 2)
        for reason in LEAVING.values()
        if an_error_when_asked_to_end(restart, reason)
    )
