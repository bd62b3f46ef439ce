"""OTP's supervisor cases S-23 to S-28: management calls, flags and specifications."""

from __future__ import annotations

import itertools
from math import inf

import pytest
from supervisor_children import Plain
from supervisor_steps import (
    child,
    counts,
    ends,
    flags,
    leave,
    listed,
    pids,
    start_child,
    watching,
)

from supervision import (
    ChildSpec,
    CountChildren,
    DeleteChild,
    NoProc,
    Refused,
    RestartChild,
    SpecError,
    StartChild,
    Started,
    SupervisorFlags,
    TerminateChild,
    WhichChildren,
    check_childspecs,
    reasons,
)
from supervision.testing import NotStarted


def restart(kit, top, name):
    answer = kit.call(top, RestartChild(name))
    assert isinstance(answer, Started), answer
    return answer


def refusal(kit, flags, specs):
    """OTP's error term for why a supervisor did not start."""
    with pytest.raises(NotStarted) as failure:
        kit.start_supervisor(flags, specs)
    reason = failure.value.outcome.reason
    assert reason.kind == "error"
    return reason.detail


def refused(*args):
    """What check_childspecs says against specs."""
    with pytest.raises(SpecError) as failure:
        check_childspecs(*args)
    return failure.value.what, failure.value.value


# Management


def test_s23_child_adm_carries_out_what_it_can_and_says_why_not(kit):
    """Start, terminate, restart and delete, each in every state that a child can be in."""
    spec = child("child1")
    top = kit.start_supervisor(flags(), [spec])
    running, stopped = [("child1", "running")], [("child1", "stopped")]
    assert (listed(kit, top), counts(kit, top)) == (running, [1, 1, 0, 1])
    address = kit.address("top/child1")
    assert kit.call(top, StartChild(spec)) == Refused("already_started", address)

    assert kit.call(top, TerminateChild("hej")).why == "not_found"
    watch = watching(kit, address)
    assert kit.call(top, TerminateChild("child1")) is True
    assert ends(watch) == {"child1": reasons.SHUTDOWN}
    assert (listed(kit, top), counts(kit, top)) == (stopped, [1, 0, 0, 1])
    assert kit.call(top, TerminateChild("child1")) is True
    assert kit.call(top, StartChild(spec)).why == "already_present"

    assert restart(kit, top, "child1") == Started(address)
    assert (listed(kit, top), counts(kit, top)) == (running, [1, 1, 0, 1])
    assert kit.call(top, RestartChild("child1")).why == "running"
    assert kit.call(top, RestartChild("child2")).why == "not_found"

    assert kit.call(top, DeleteChild("child1")).why == "running"
    assert kit.call(top, DeleteChild("hej")).why == "not_found"
    assert kit.call(top, TerminateChild("child1")) is True
    assert kit.call(top, DeleteChild("child1")) is True
    assert kit.call(top, RestartChild("child1")).why == "not_found"
    assert (listed(kit, top), counts(kit, top)) == ([], [0, 0, 0, 0])

    again = start_child(kit, top, spec)
    assert (listed(kit, top), counts(kit, top)) == (running, [1, 1, 0, 1])
    assert kit.call(top, TerminateChild(again)).why == "not_found"
    assert (listed(kit, top), counts(kit, top)) == (running, [1, 1, 0, 1])


@pytest.mark.parametrize(
    "request_",
    [
        TerminateChild("child1"),
        DeleteChild("child1"),
        RestartChild("child1"),
        StartChild(child("child1")),
        WhichChildren(),
        CountChildren(),
    ],
    ids=lambda request: type(request).__name__,
)
def test_s23_child_adm_of_a_supervisor_that_is_not_there_fails_its_caller(kit, request_):
    """Whoever asks nobody is told noproc, whatever is asked."""
    with pytest.raises(NoProc):
        kit.call("foo", request_)


def test_s24_child_adm_simple_knows_its_members_by_name_and_by_address(kit):
    """An empty pool has one spec; members are terminated, but neither restarted nor deleted."""
    top = kit.start_supervisor(flags("simple_one_for_one"), [child("child")])
    assert (listed(kit, top), counts(kit, top)) == ([], [1, 0, 0, 0])
    with pytest.raises(NoProc):
        kit.call("foo", StartChild(id="one"))
    one = start_child(kit, top, "one")
    assert (listed(kit, top), counts(kit, top)) == ([("one", "running")], [1, 1, 0, 1])
    two = start_child(kit, top, "two")
    assert sorted(listed(kit, top)) == [("one", "running"), ("two", "running")]
    assert counts(kit, top) == [1, 2, 0, 2]

    assert kit.call(top, TerminateChild("child1")).why == "not_found"
    assert counts(kit, top) == [1, 2, 0, 2]
    assert kit.call(top, TerminateChild(one)) is True
    assert not kit.alive(one)
    assert (listed(kit, top), counts(kit, top)) == ([("two", "running")], [1, 1, 0, 1])
    assert kit.call(top, TerminateChild(one)) is True
    assert counts(kit, top) == [1, 1, 0, 1]

    stranger = kit.start(Plain)
    assert kit.call(top, TerminateChild(stranger)).why == "not_found"
    assert kit.alive(stranger)
    for name in ("two", "child1"):
        assert kit.call(top, RestartChild(name)).why == "simple_one_for_one"
        assert kit.call(top, DeleteChild(name)).why == "simple_one_for_one"
    assert kit.call(top, TerminateChild("two")) is True
    assert not kit.alive(two)
    assert counts(kit, top) == [1, 0, 0, 0]


def test_s25_extra_return_is_handed_on_by_start_and_restart(kit):
    """What a child's init says goes to who asked for its start, and to nobody otherwise."""
    spec = child("child1", "extra")
    top = kit.start_supervisor(flags(), [spec])
    address = kit.address("top/child1")
    for request in (TerminateChild("hej"), DeleteChild("hej"), RestartChild("hej")):
        assert kit.call(top, request).why == "not_found"
    for request in (DeleteChild("child1"), RestartChild("child1")):
        assert kit.call(top, request).why == "running"
    assert counts(kit, top) == [1, 1, 0, 1]

    watch = watching(kit, address)
    assert kit.call(top, TerminateChild("child1")) is True
    assert ends(watch) == {"child1": reasons.SHUTDOWN}
    assert counts(kit, top) == [1, 0, 0, 1]
    assert restart(kit, top, "child1") == Started(address, "extra")
    assert counts(kit, top) == [1, 1, 0, 1]

    assert kit.call(top, TerminateChild("child1")) is True
    assert kit.call(top, TerminateChild("child1")) is True
    assert kit.call(top, DeleteChild("child1")) is True
    assert kit.call(top, RestartChild("child1")).why == "not_found"
    assert (listed(kit, top), counts(kit, top)) == ([], [0, 0, 0, 0])

    answer = kit.call(top, StartChild(spec))
    assert answer.info == "extra"
    before = pids(kit, top)
    leave(kit, answer.address, "abnormal")
    assert pids(kit, top)["child1"] is not before["child1"]
    assert (listed(kit, top), counts(kit, top)) == ([("child1", "running")], [1, 1, 0, 1])


# Flags

WRONG_FLAGS = [
    ("invalid_strategy", {"strategy": "none_for_one"}),
    ("invalid_intensity", {"intensity": "infinity"}),
    ("invalid_intensity", {"intensity": inf}),
    ("invalid_intensity", {"intensity": -1}),
    ("invalid_period", {"period": 0}),
    ("invalid_period", {"period": "infinity"}),
    ("invalid_period", {"period": inf}),
    ("invalid_auto_shutdown", {"auto_shutdown": "sometimes"}),
]


@pytest.mark.parametrize("form", [dict, SupervisorFlags], ids=["mapping", "record"])
@pytest.mark.parametrize(("what", "given"), WRONG_FLAGS, ids=repr)
def test_s26_sup_flags_that_are_wrong_are_named(kit, form, what, given):
    """A supervisor with a wrong flag does not start, whichever way its flags are given."""
    [value] = given.values()
    assert refusal(kit, form(**given), []) == ("supervisor_data", (what, value))


@pytest.mark.parametrize("given", [("one_for_one", 2), 17, None], ids=repr)
def test_s26_sup_flags_that_are_no_flags_are_named(kit, given):
    """Something else in the place of flags is of an invalid type."""
    assert refusal(kit, given, []) == ("supervisor_data", ("invalid_type", given))


def test_s26_sup_flags_that_nobody_knows_are_ignored(kit):
    """The defaults hold beside them."""
    top = kit.start_supervisor({"silly_flag": True}, [])
    assert kit.actor(top).state.flags == SupervisorFlags("one_for_one", 1, 5.0)
    assert kit.stop(top) == reasons.SHUTDOWN


# Specifications

NO_SPEC = "hej"
RIGHT = {"id": "child", "start": Plain}
WRONG_SPECS = [
    ("invalid_start", {"start": "mfa"}),
    ("invalid_start", {"start": object}),
    ("invalid_restart_type", {"restart": "prmanent"}),
    ("invalid_shutdown", {"shutdown": -10}),
    ("invalid_shutdown", {"shutdown": "never"}),
    ("invalid_child_type", {"type": "wrker"}),
    ("invalid_modules", {"modules": "dy"}),
    ("invalid_significant", {"significant": "maybe"}),
]
every_wrong_spec = pytest.mark.parametrize(("what", "given"), WRONG_SPECS, ids=repr)
INCOMPLETE = [("missing_id", {}), ("missing_start", {"id": "child"}), ("missing_id", {"start": 1})]


def test_s27_child_specs_that_are_no_specs_are_refused(kit):
    """Neither StartChild nor check_childspecs takes them; the supervisor goes on."""
    top = kit.start_supervisor(flags(), [])
    assert kit.call(top, StartChild(NO_SPEC)) == Refused("invalid_child_spec", NO_SPEC)
    assert refused([NO_SPEC]) == ("invalid_child_spec", NO_SPEC)
    for no_list in (ChildSpec("child", Plain), RIGHT, "specs", None):
        assert refused(no_list) == ("badarg", no_list)
    assert counts(kit, top) == [0, 0, 0, 0]
    assert kit.stop(top) == reasons.SHUTDOWN


@every_wrong_spec
def test_s27_child_specs_as_records_are_refused_with_the_mistake(kit, what, given):
    """By StartChild, by check_childspecs and by the start of a supervisor or a pool alike."""
    spec, [value] = ChildSpec(**(RIGHT | given)), given.values()
    top = kit.start_supervisor(flags(), [], name="other")
    assert kit.call(top, StartChild(spec)) == Refused(what, value)
    assert refused([spec]) == (what, value)
    for strategy in ("one_for_one", "simple_one_for_one"):
        assert refusal(kit, flags(strategy), [spec]) == ("start_spec", (what, value))


def test_s27_child_specs_that_are_right_are_accepted():
    """Every restart type, shutdown, type and form of modules with every other."""
    for restart_type, shutdown, type_, modules in itertools.product(
        ["permanent", "transient", "temporary"],
        [0, 1.0, "infinity", "brutal_kill"],
        ["supervisor", "worker"],
        ["dynamic", [], ["m"], ["m1", "m2"]],
    ):
        spec = ChildSpec(
            "child", Plain, None, restart_type, shutdown=shutdown, type=type_, modules=modules
        )
        check_childspecs([spec])


def test_s27_child_specs_name_a_module_that_is_none():
    """The first wrong one of several modules."""
    spec = ChildSpec("child", Plain, modules=[1, 2, 3])
    assert refused([spec]) == ("invalid_module", 1)


@pytest.mark.parametrize("form", [dict, ChildSpec], ids=["mapping", "record"])
def test_s27_child_specs_have_names_of_their_own_and_a_pool_has_one(kit, form):
    """Two with one name are refused; so is a pool with no template or with two."""
    one, two = form(**RIGHT), form(**RIGHT, type="supervisor")
    assert refused([one, two]) == ("duplicate_child_name", "child")
    assert refusal(kit, flags(), [one, two]) == ("start_spec", ("duplicate_child_name", "child"))
    pool = flags("simple_one_for_one")
    assert refusal(kit, pool, []) == ("bad_start_spec", [])
    assert refusal(kit, pool, [one, two]) == ("bad_start_spec", ["child", "child"])


@every_wrong_spec
def test_s28_child_specs_map_are_refused_with_the_mistake(kit, what, given):
    """The same mistakes in mappings."""
    spec, [value] = RIGHT | given, given.values()
    top = kit.start_supervisor(flags(), [], name="other")
    assert kit.call(top, StartChild(spec)) == Refused(what, value)
    assert refused([spec]) == (what, value)
    for strategy in ("one_for_one", "simple_one_for_one"):
        assert refusal(kit, flags(strategy), [spec]) == ("start_spec", (what, value))


@pytest.mark.parametrize(("what", "given"), INCOMPLETE, ids=repr)
def test_s28_child_specs_map_that_are_incomplete_are_refused(kit, what, given):
    """What every spec must have is asked for in the order id, start."""
    top = kit.start_supervisor(flags(), [], name="other")
    assert kit.call(top, StartChild(given)).why == what
    assert refused([given])[0] == what
    assert refusal(kit, flags(), [given]) == ("start_spec", what)


ABSENT = object()
CHOICES = {
    "restart": [ABSENT, "permanent", "transient", "temporary"],
    "shutdown": [ABSENT, 0, 1.0, "infinity", "brutal_kill"],
    "type": [ABSENT, "supervisor", "worker"],
    "modules": [ABSENT, "dynamic", [], ["m"], ["m1", "m2"]],
    "significant": [ABSENT, True, False],
    "dummy": [ABSENT, "dummy"],
}
MODES = [None, "never", "any_significant", "all_significant"]


def mistake_in(auto_shutdown, spec):
    """The rule, on its own: a significant child needs a supervisor that heeds it, and an end.

    Under ``never`` nobody would heed it; a permanent child has no end.
    """
    if spec.get("significant") is not True:
        return None
    if auto_shutdown == "never":
        return "bad_combination", {("auto_shutdown", "never"), ("significant", True)}
    if spec.get("restart", "permanent") == "permanent":
        return "bad_combination", {("restart", "permanent"), ("significant", True)}
    return None


def verdict(auto_shutdown, spec):
    """What check_childspecs says: None, or the mistake and what does not go together."""
    try:
        check_childspecs([spec], auto_shutdown)
    except SpecError as mistake:
        return mistake.what, set(mistake.value)
    return None


def test_s28_child_specs_map_are_accepted_exactly_where_the_rule_says_so():
    """All 7,200 combinations of what a mapping can say, with and without an unknown key."""
    tried = 0
    for mode, *values in itertools.product(MODES, *CHOICES.values()):
        said = {
            key: value for key, value in zip(CHOICES, values, strict=True) if value is not ABSENT
        }
        spec = RIGHT | said
        assert verdict(mode, spec) == mistake_in(mode, spec), (mode, spec)
        tried += 1
    assert tried == 7_200


def test_s28_child_specs_map_of_a_significant_child_need_a_supervisor_that_heeds_it(kit):
    """The rule holds at the start of a supervisor and for StartChild too."""
    significant = RIGHT | {"significant": True, "restart": "transient"}
    what, pairs = refusal(kit, {"auto_shutdown": "never"}, [significant])[1]
    assert (what, set(pairs)) == mistake_in("never", significant)
    top = kit.start_supervisor({"auto_shutdown": "any_significant"}, [significant])
    assert listed(kit, top) == [("child", "running")]
