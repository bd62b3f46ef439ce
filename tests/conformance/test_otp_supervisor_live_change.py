"""OTP's supervisor cases S-64 to S-70 and S-83 to S-86: flags and specs change while it runs.

As OTP's suite does, each change suspends the supervisor, has its ``init`` run again with start
arguments that return something new, and resumes it.
"""

from __future__ import annotations

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
    IGNORE,
    ChildSpec,
    GetChildSpec,
    RestartChild,
    SpecError,
    StartChild,
    Started,
    Supervisor,
    TerminateChild,
    reasons,
)
from supervision.introspection import CallbackFailed, Introspection

NEVER, ANY, ALL = "never", "any_significant", "all_significant"
SHUTDOWN = reasons.SHUTDOWN


class Changed(Supervisor):
    """Its start argument is what its ``init`` returns."""

    def init(self, args):
        return args


def upgrade(kit, returned):
    """Have ``init`` return this from now on; the answer is why it was refused, or None."""
    sys = Introspection(kit.kernel, "top")
    kit.run(sys.suspend("top"))
    try:
        kit.run(sys.change_code("top", None, {"args": returned}))
    except CallbackFailed as failure:
        return failure.__cause__
    finally:
        kit.run(sys.resume("top"))
    return None


def refused(kit, returned):
    """In which words an upgrade was refused; all must be as it was."""
    top = kit.address("top")
    before = state_of(kit, top)
    mistake = upgrade(kit, returned)
    assert isinstance(mistake, SpecError)
    assert state_of(kit, top) == before
    return mistake.shape


def state_of(kit, top):
    actor = kit.actor(top)
    specs = [(one.id, one.spec, one.args) for one in actor.state.children.values()]
    return actor.state.flags, actor.state.template, specs, pids(kit, top)


# Automatic shutdown


def auto(mode):
    return flags(intensity=10, auto_shutdown=mode)


def significant(name):
    return child(name, restart="transient", significant=True)


def plain(name):
    return child(name, restart="transient")


def upgraded(kit, before, after, *specs):
    """Change the mode of a supervisor of these children, of which none may end by that."""
    top = kit.start(Changed, (auto(before), []), name="top")
    addresses = [start_child(kit, top, spec) for spec in specs]
    watch = watching(kit, top, *addresses)
    actors = pids(kit, top)
    assert upgrade(kit, (auto(after), [])) is None
    assert pids(kit, top) == actors
    assert ends(watch) == {}
    return top, addresses, watch


def take_no_significant_child(kit, top):
    answer = kit.call(top, StartChild(significant("late")))
    assert answer.why == "bad_combination"
    return True


def test_s64_significant_upgrade_never_any_heeds_the_next_end(kit):
    """What was no significant child stays none; one that is added now ends the supervisor."""
    top, (one, _), watch = upgraded(kit, NEVER, ANY, plain("one"), plain("two"))
    leave(kit, one, "normal")
    late = start_child(kit, top, significant("late"))
    assert kit.alive(top)
    leave(kit, late, "normal")
    assert ends(watch) == {"one": reasons.NORMAL, "two": SHUTDOWN, "top": SHUTDOWN}


def test_s65_significant_upgrade_any_never_heeds_none_any_more(kit):
    """The children are still significant by their specs, and it means nothing."""
    top, (one, two), _ = upgraded(kit, ANY, NEVER, significant("one"), significant("two"))
    leave(kit, one, "normal")
    leave(kit, two, "normal")
    assert counts(kit, top) == [2, 0, 0, 2]
    assert take_no_significant_child(kit, top)


def test_s66_significant_upgrade_never_all_heeds_the_last(kit):
    """Of two that are added now the second one's end is the supervisor's."""
    top, (one,), watch = upgraded(kit, NEVER, ALL, plain("one"))
    first, second = (start_child(kit, top, significant(name)) for name in ("two", "three"))
    leave(kit, first, "normal")
    assert kit.alive(top)
    leave(kit, second, "normal")
    assert ends(watch) == {"one": SHUTDOWN, "top": SHUTDOWN}
    assert kit.actor(one) is None


def test_s67_significant_upgrade_all_never_heeds_none_any_more(kit):
    """Not even the last one."""
    top, (one, two), _ = upgraded(kit, ALL, NEVER, significant("one"), significant("two"))
    leave(kit, one, "normal")
    leave(kit, two, "normal")
    assert counts(kit, top) == [2, 0, 0, 2]
    assert take_no_significant_child(kit, top)


def test_s68_significant_upgrade_any_all_waits_for_the_last(kit):
    """The first end would have been enough before."""
    top, (one, two), watch = upgraded(kit, ANY, ALL, significant("one"), significant("two"))
    leave(kit, one, "normal")
    assert kit.alive(top)
    leave(kit, two, "normal")
    assert ends(watch)["top"] == SHUTDOWN


def test_s69_significant_upgrade_all_any_waits_for_one(kit):
    """The first end would not have been enough before; those that were then do not count."""
    specs = [significant(name) for name in ("one", "two", "three")]
    top = kit.start(Changed, (auto(ALL), []), name="top")
    one, two, _ = addresses = [start_child(kit, top, spec) for spec in specs]
    watch = watching(kit, top, *addresses)
    leave(kit, one, "normal")
    assert upgrade(kit, (auto(ANY), [])) is None
    assert listed(kit, top) == [("three", "running"), ("two", "running"), ("one", "stopped")]
    leave(kit, two, "normal")
    assert ends(watch)["three"] == ends(watch)["top"] == SHUTDOWN


@pytest.mark.parametrize("mode", [ANY, ALL])
def test_s70_significant_upgrade_child_becomes_significant(kit, mode):
    """A child goes on as it is, and its next end is its supervisor's."""
    top = kit.start(Changed, (auto(mode), [plain("one"), child("two")]), name="top")
    watch, actors = watching(kit, top), pids(kit, top)
    assert upgrade(kit, (auto(mode), [significant("one"), child("two")])) is None
    assert pids(kit, top) == actors
    leave(kit, kit.address("top/one"), "normal")
    assert ends(watch) == {"top": SHUTDOWN}


@pytest.mark.parametrize("mode", [ANY, ALL])
def test_s70_significant_upgrade_child_is_significant_no_more(kit, mode):
    """And the other way round."""
    top = kit.start(Changed, (auto(mode), [significant("one"), child("two")]), name="top")
    actors = pids(kit, top)
    assert upgrade(kit, (auto(mode), [plain("one"), child("two")])) is None
    assert pids(kit, top) == actors
    leave(kit, kit.address("top/one"), "normal")
    assert listed(kit, top) == [("two", "running"), ("one", "stopped")]


def test_s70_significant_upgrade_child_is_refused_under_never(kit):
    """Such a child is no combination with such a supervisor; the children go on as they were."""
    top = kit.start(Changed, (auto(NEVER), [plain("one"), child("two")]), name="top")
    watch = watching(kit, top)
    shape = refused(kit, (auto(NEVER), [significant("one"), child("two")]))
    assert shape[:1] == ("start_spec",)
    assert shape[1][0] == "bad_combination"
    leave(kit, kit.address("top/one"), "normal")
    assert listed(kit, top) == [("two", "running"), ("one", "stopped")]
    assert ends(watch) == {}


# Flags and specs


def is_flagged(kit, shape, what, value):
    return shape == ("supervisor_data", (what, value))


def check_a_changed_supervisor(kit, top, first, spec):
    """What S-83 and S-84 have in common: ``first`` flags, ``spec`` makes a child's spec."""
    one, two = spec("child1", 2.0), spec("child2", 5.0)
    assert upgrade(kit, (first, [one, two])) is None
    assert listed(kit, top) == [("child2", "stopped"), ("child1", "stopped")]
    for name in ("child1", "child2"):
        assert isinstance(kit.call(top, RestartChild(name)), Started)
    assert kit.call(top, GetChildSpec("child1")).shutdown == 2.0
    actors = pids(kit, top)

    changed, three = spec("child1", 1.0), spec("child3", 5.0)
    assert upgrade(kit, (first, [changed, three])) is None
    # Whoever is listed no more goes on, and is the last in start order.
    assert listed(kit, top) == [
        ("child2", "running"),
        ("child3", "stopped"),
        ("child1", "running"),
    ]
    assert pids(kit, top) == actors | {"child3": None}
    assert kit.call(top, GetChildSpec("child1")).shutdown == 1.0

    before = state_of(kit, top)
    assert upgrade(kit, IGNORE) is None
    assert state_of(kit, top) == before
    bad_return = ("bad_return", ("Changed", "init", "'faulty'"))
    assert refused(kit, "faulty") == bad_return


def test_s83_code_change_replaces_flags_and_specs_and_starts_nothing(kit):
    """New children are there and down, changed ones go on, removed ones too."""
    first = flags(intensity=0, period=1)
    top = kit.start(Changed, (first, []), name="top")
    assert upgrade(kit, (flags(intensity=1, period=3), [])) is None
    assert kit.actor(top).state.flags == flags(intensity=1, period=3)
    assert refused(kit, (first, [Plain])) == ("start_spec", ("invalid_child_spec", Plain))
    check_a_changed_supervisor(kit, top, first, lambda name, seconds: child(name, shutdown=seconds))
    shape = refused(kit, (flags(intensity="many"), []))
    assert is_flagged(kit, shape, "invalid_intensity", "many")
    assert is_flagged(kit, refused(kit, ("faulty", [])), "invalid_type", "faulty")
    assert kit.stop(top) == SHUTDOWN


def test_s84_code_change_map_does_the_same_with_mappings(kit):
    """Flags and specs are mappings with OTP's keys, their defaults are filled in."""
    top = kit.start(Changed, ({}, []), name="top")
    assert upgrade(kit, ({"intensity": 1, "period": 3}, [])) is None
    assert kit.actor(top).state.flags == flags(intensity=1, period=3)
    assert refused(kit, ({}, [{"id": "faulty"}])) == ("start_spec", "missing_start")
    check_a_changed_supervisor(
        kit, top, {}, lambda name, seconds: {"id": name, "start": Plain, "shutdown": seconds}
    )
    shape = refused(kit, ({"intensity": "many"}, []))
    assert is_flagged(kit, shape, "invalid_intensity", "many")
    assert kit.stop(top) == SHUTDOWN


def test_s83_code_change_takes_effect_with_the_next_event(kit):
    """The new intensity and the new shutdown time hold from now on."""
    specs = [child("child1"), child("child2", shutdown=100.0)]
    top = kit.start(Changed, (flags(intensity=5), specs), name="top")
    new = [child("child1"), child("child2", shutdown=1.0)]
    assert upgrade(kit, (flags(intensity=0), new)) is None
    kit.cast(kit.address("top/child2"), ("busy", 50.0))
    kit.settle()
    began, watch = kit.clock.monotonic(), watching(kit, top, kit.address("top/child2"))
    leave(kit, kit.address("top/child1"), "abnormal")
    kit.until(lambda: not kit.actor("top") and len(ends(watch)) == 2)
    assert ends(watch)["child2"] == reasons.KILLED
    assert kit.clock.monotonic() - began == 1.0


def check_a_changed_pool(kit, simple, spec):
    """What S-85 and S-86 have in common."""
    top = kit.start(Changed, (simple, [spec("child1", 5.0)]), name="top")
    member = start_child(kit, top, "member")
    actor = kit.actor(member)
    assert upgrade(kit, (simple, [spec("child1", 1.0)])) is None
    assert kit.call(top, GetChildSpec(member)).shutdown == 1.0
    assert kit.actor(member) is actor
    two = [spec("child1", 1.0), spec("child2", 1.0)]
    assert refused(kit, (simple, two)) == ("bad_start_spec", ["child1", "child2"])
    assert refused(kit, (simple, [])) == ("bad_start_spec", [])
    assert kit.call(top, TerminateChild(member)) is True
    assert kit.stop(top) == SHUTDOWN


def test_s85_code_change_simple_keeps_exactly_one_template(kit):
    """The template may change, also for members that run; there can be neither two nor none."""
    simple = flags("simple_one_for_one", intensity=0, period=1)
    check_a_changed_pool(kit, simple, lambda name, seconds: child(name, shutdown=seconds))


def test_s86_code_change_simple_map_keeps_exactly_one_template(kit):
    """So it is with mappings."""
    simple = {"strategy": "simple_one_for_one"}
    check_a_changed_pool(
        kit, simple, lambda name, seconds: {"id": name, "start": Plain, "shutdown": seconds}
    )


def test_s85_code_change_simple_stays_a_pool(kit):
    """A pool has members and no specs: it cannot become a supervisor of another kind."""
    specs = [ChildSpec("child1", Plain)]
    top = kit.start(Changed, (flags("simple_one_for_one"), specs), name="top")
    assert refused(kit, (flags(), specs))[0] == "supervisor_data"
    assert kit.alive(top)
