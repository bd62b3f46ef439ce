"""OTP's supervisor cases S-01 to S-15: how supervisors and their children start."""

from __future__ import annotations

import pytest
from supervisor_children import CANNOT_RESTART, Plain
from supervisor_steps import child, counts, flags, listed, start_child, told

from supervision import (
    IGNORE,
    Failed,
    GetChildSpec,
    Ignored,
    RestartChild,
    StartChild,
    Stop,
    Supervisor,
    TerminateChild,
    reasons,
)
from supervision.testing import NotStarted


class TestSupervisor(Supervisor):
    """Its start argument is what its ``init`` returns, or raises."""

    __test__ = False

    def init(self, args):
        if isinstance(args, Exception):
            raise args
        return args


def refusal(kit, args, *, parent=None):
    """Why a supervisor with this result of ``init`` does not start."""
    with pytest.raises(NotStarted) as failure:
        kit.start(TestSupervisor, args, name="top", parent=parent)
    return failure.value.outcome


# sup_start


def test_s01_sup_start_normal_an_empty_supervisor_starts_and_ends_with_shutdown(kit):
    """Nothing needs to be in a supervisor for it to start and to be shut down."""
    top = kit.start_supervisor(flags())
    assert counts(kit, top) == [0, 0, 0, 0]
    assert kit.stop(top) == reasons.SHUTDOWN
    assert kit.statistics().actors == 0
    assert kit.reports == []


def test_s02_sup_start_ignore_init_leaves_no_supervisor_and_its_starter_hears_no_exit(kit):
    """An init that returns IGNORE is no failure: nobody is told of an end."""
    starter = kit.probe()
    assert refusal(kit, IGNORE, parent=starter.address) == Ignored()
    assert starter.messages == []
    assert kit.statistics().actors == 1
    assert kit.reports == []


def test_s03_sup_start_ignore_child_keeps_the_spec_of_a_permanent_child(kit):
    """A child that ignores its start is known and stopped; those after it start."""
    top = kit.start_supervisor(flags())
    assert kit.call(top, StartChild(child("child1", "ignore"))) == Ignored()
    start_child(kit, top, child("child2"))
    assert listed(kit, top) == [("child2", "running"), ("child1", "stopped")]
    assert counts(kit, top) == [2, 1, 0, 2]


def test_s04_sup_start_ignore_temporary_child_keeps_no_spec(kit):
    """A temporary child of init that ignores its start is forgotten."""
    specs = [
        child("child1", "ignore", restart="temporary"),
        child("child2", restart="temporary"),
    ]
    top = kit.start_supervisor(flags(), specs)
    assert listed(kit, top) == [("child2", "running")]
    assert counts(kit, top) == [1, 1, 0, 1]


def test_s05_sup_start_ignore_temporary_child_start_child_keeps_no_spec(kit):
    """So is one that is added later, and the answer says that it ignored its start."""
    top = kit.start_supervisor(flags())
    ignoring = child("child1", "ignore", restart="temporary")
    assert kit.call(top, StartChild(ignoring)) == Ignored()
    start_child(kit, top, child("child2", restart="temporary"))
    assert listed(kit, top) == [("child2", "running")]
    assert counts(kit, top) == [1, 1, 0, 1]


def members_of_a_pool_one_of_which_ignores(kit, restart):
    top = kit.start_supervisor(flags("simple_one_for_one"), [child("child", restart=restart)])
    assert kit.call(top, StartChild(id="one", args="ignore")) == Ignored()
    start_child(kit, top, "two")
    assert listed(kit, top) == [("two", "running")]
    assert counts(kit, top) == [1, 1, 0, 1]
    return top


def test_s06_sup_start_ignore_temporary_child_start_child_simple_leaves_nothing(kit):
    """A temporary member of a pool that ignores its start was never there."""
    members_of_a_pool_one_of_which_ignores(kit, "temporary")


def test_s07_sup_start_ignore_permanent_child_start_child_simple_leaves_nothing(kit):
    """Neither was a permanent one, and the pool still shuts down in order."""
    top = members_of_a_pool_one_of_which_ignores(kit, "permanent")
    assert kit.stop(top) == reasons.SHUTDOWN
    assert told(kit) == []


def test_s08_sup_start_error_return_names_what_init_returned(kit):
    """What is neither flags and specs nor IGNORE nor Stop is a bad return; no exit follows."""
    starter = kit.probe()
    outcome = refusal(kit, "invalid", parent=starter.address)
    detail = ("bad_return", ("TestSupervisor", "init", "'invalid'"))
    assert outcome == Failed(reasons.error(detail))
    assert starter.messages == []


def test_s09_sup_start_fail_names_what_init_raised(kit):
    """An init that raises is the reason, with its traceback; no exit follows."""
    starter = kit.probe()
    outcome = refusal(kit, LookupError("fail"), parent=starter.address)
    assert (outcome.reason.kind, outcome.reason.detail) == ("error", "LookupError: fail")
    assert "in init" in outcome.reason.traceback
    assert starter.messages == []


every_error = pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (Stop(reasons.error("reason")), reasons.error("reason")),
        ("error_reason", reasons.error(("bad_return_value", "'error_reason'"))),
    ],
    ids=["error", "other"],
)


@every_error
def test_s10_sup_start_child_returns_error_is_passed_on_and_leaves_no_spec(kit, returned, reason):
    """Why a child did not start is the answer to StartChild; nothing of it is kept."""
    top = kit.start_supervisor(flags())
    answer = kit.call(top, StartChild(child("child1", ("return", returned))))
    assert (answer.why, answer.detail) == ("start_error", reason)
    assert listed(kit, top) == []
    assert told(kit) == []


def test_s11_sup_start_restart_child_returns_error_keeps_the_spec(kit):
    """A stopped child that does not start again stays known and stopped."""
    top = kit.start_supervisor(flags(), [child("child1", "error")])
    assert kit.call(top, TerminateChild("child1")) is True
    answer = kit.call(top, RestartChild("child1"))
    assert (answer.why, answer.detail) == ("start_error", CANNOT_RESTART)
    assert listed(kit, top) == [("child1", "stopped")]
    assert counts(kit, top) == [1, 0, 0, 1]


@every_error
def test_s12_sup_start_child_returns_error_simple_is_passed_on_and_leaves_nothing(
    kit, returned, reason
):
    """The same for a member of a pool."""
    top = kit.start_supervisor(flags("simple_one_for_one"), [child("child1")])
    answer = kit.call(top, StartChild(id="one", args=("return", returned)))
    assert (answer.why, answer.detail) == ("start_error", reason)
    assert listed(kit, top) == []
    assert counts(kit, top) == [1, 0, 0, 0]


# sup_start_map


def test_s13_sup_start_map_fills_in_the_defaults_of_a_mapping(kit):
    """What a mapping does not say can be read back with its default."""
    specs = [
        {"id": "child1", "start": Plain},
        {"id": "child2", "start": Plain, "shutdown": "brutal_kill"},
        {"id": "child3", "start": Plain, "type": "supervisor"},
    ]
    top = kit.start_supervisor({}, specs)
    read = [kit.call(top, GetChildSpec(f"child{number}")) for number in (1, 2, 3)]
    assert [(one.id, one.shutdown, one.type) for one in read] == [
        ("child1", 5.0, "worker"),
        ("child2", "brutal_kill", "worker"),
        ("child3", "infinity", "supervisor"),
    ]
    for one in read:
        assert (one.start, one.restart, one.significant) == (Plain, "permanent", False)
        assert list(one.modules) == [Plain.__module__]
    assert kit.call(top, GetChildSpec("child4")).why == "not_found"
    assert kit.stop(top) == reasons.SHUTDOWN


def test_s14_sup_start_map_simple_gives_every_member_the_whole_template(kit):
    """Members of a pool are looked up by address; who is not one of them has no spec here."""
    template = {"id": "child", "start": Plain, "restart": "temporary"}
    top = kit.start_supervisor({"strategy": "simple_one_for_one"}, [template])
    members = [start_child(kit, top, name) for name in ("one", "two", "three")]
    read = [kit.call(top, GetChildSpec(address)) for address in members]
    assert read[0] == read[1] == read[2]
    spec = read[0]
    assert (spec.id, spec.start, spec.restart) == ("child", Plain, "temporary")
    assert (spec.shutdown, spec.type, spec.significant) == (5.0, "worker", False)
    assert list(spec.modules) == [Plain.__module__]
    assert kit.call(top, GetChildSpec(kit.start(Plain))).why == "not_found"
    assert kit.stop(top) == reasons.SHUTDOWN


@pytest.mark.parametrize(
    ("spec", "detail"),
    [
        ({"start": Plain}, ("start_spec", "missing_id")),
        ({"id": "child2"}, ("start_spec", "missing_start")),
        ("child4", ("start_spec", ("invalid_child_spec", "child4"))),
    ],
    ids=["no id", "no start", "no spec"],
)
def test_s15_sup_start_map_faulty_specs_says_what_is_missing(kit, spec, detail):
    """A supervisor whose specs are wrong does not start, and names the mistake."""
    assert refusal(kit, ({}, [spec])) == Failed(reasons.error(detail))


def test_s15_sup_start_map_faulty_specs_ignores_a_key_that_it_does_not_know(kit):
    """A key of somebody else's does not hurt."""
    spec = {"id": "child3", "start": Plain, "silly_flag": True}
    top = kit.start_supervisor({}, [spec])
    assert listed(kit, top) == [("child3", "running")]
    assert kit.stop(top) == reasons.SHUTDOWN
