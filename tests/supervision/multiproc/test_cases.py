"""OTP's supervisor cases as scenarios that hold on a node's loop and in processes alike.

The same classes, the same specs, the same words: only what carries them differs. Which case is held
where is said in tests/conformance/otp_supervisor_multiproc.md.
"""

from __future__ import annotations

import pytest
from process_children import CANNOT, Fixed, Unsure, Waits
from process_trees import Tree

from supervision import (
    ChildSpec,
    DeleteChild,
    GetCallbackModule,
    GetChildSpec,
    Ignored,
    Refused,
    RestartChild,
    StartChild,
    Started,
    SupervisorFlags,
    TerminateChild,
    WhichChild,
    reasons,
)
from supervision.backoff import Backoff
from supervision.portal import NotStarted
from supervision.reasons import NORMAL, SHUTDOWN, Reason

# Thespian leaves sockets to the collector of garbage.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

INFO = reasons.shutdown("some_info")
ABNORMAL = reasons.error("abnormal")
ENDLESS = 1_000_000_000
"""Restarts that no test comes to: on a loop thousands fail in the time that it takes to look."""

LIMIT = Reason("shutdown", "reached_max_restart_intensity")


def flags(strategy="one_for_one", intensity=2, period=3600.0, **more):
    """An hour's period by default: only the number of restarts counts."""
    return SupervisorFlags(strategy=strategy, intensity=intensity, period=period, **more)


def names_of(tree: Tree) -> list[str]:
    return [name for name, _ in tree.listed()]


# Start


def test_s01_an_empty_supervisor_starts_and_ends_with_shutdown(tree):
    tree.start(flags())
    assert tree.listed() == []
    assert tree.stop() == SHUTDOWN


def test_s02_init_that_ignores_leaves_no_supervisor(tree):
    with pytest.raises(NotStarted) as caught:
        tree.start("ignore", supervisor=Unsure)
    assert caught.value.outcome == Ignored()


def test_s03_a_permanent_child_that_ignores_keeps_its_spec(tree):
    tree.start(flags())
    assert tree.ask(StartChild(tree.child("one", "ignore"))) == Ignored()
    tree.start_child(tree.child("two"))
    assert tree.listed() == [("two", "running"), ("one", "stopped")]
    assert tree.counts() == [2, 1, 0, 2]


def test_s04_a_temporary_child_that_ignores_keeps_no_spec(tree):
    tree.start(flags(), tree.child("one", "ignore", restart="temporary"), tree.child("two"))
    assert tree.counts() == [1, 1, 0, 1]


def test_s06_a_member_of_a_pool_that_ignores_leaves_nothing(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    assert tree.ask(StartChild(id="one", args=tree.part("one", start="ignore"))) == Ignored()
    tree.start_child("two")
    assert tree.listed() == [("two", "running")]


def test_s08_init_that_returns_nonsense_is_named(tree):
    with pytest.raises(NotStarted) as caught:
        tree.start("nonsense", supervisor=Unsure)
    assert caught.value.outcome.reason.kind == "error"
    assert "nonsense" in str(caught.value.outcome.reason)


def test_s09_init_that_raises_is_named(tree):
    with pytest.raises(NotStarted) as caught:
        tree.start("raise", supervisor=Unsure)
    assert str(caught.value.outcome.reason) == "error: ValueError: no"


@pytest.mark.parametrize("how", ["fail", "raise"])
def test_s10_a_child_that_does_not_start_leaves_no_spec(tree, how):
    tree.start(flags())
    refused = tree.ask(StartChild(tree.child("one", how)))
    assert refused.why == "start_error"
    assert str(refused.detail) == (
        "error: told to fail" if how == "fail" else "error: ValueError: no"
    )
    assert tree.listed() == []


def test_s11_a_child_that_does_not_restart_keeps_its_spec(tree):
    tree.start(flags(), tree.child("one", "once"))
    tree.ask(TerminateChild("one"))
    assert tree.ask(RestartChild("one")) == Refused("start_error", CANNOT)
    assert tree.listed() == [("one", "stopped")]


def test_s12_a_member_that_does_not_start_leaves_nothing(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    answer = tree.ask(StartChild(id="one", args=tree.part("one", start="fail")))
    assert answer == Refused("start_error", CANNOT)
    assert tree.listed() == []


def test_s13_a_mapping_gets_all_defaults(tree):
    tree.start(flags())
    mapping = {"id": "one", "start": (tree.child("one").start, tree.part("one"))}
    if not isinstance(tree.ask(StartChild(mapping)), Started):
        mapping = {"id": "one", "start": tree.child("one").start, "args": tree.part("one")}
        assert isinstance(tree.ask(StartChild(mapping)), Started)
    spec = tree.ask(GetChildSpec("one"))
    assert (spec.restart, spec.shutdown, spec.significant) == ("permanent", 5.0, False)
    assert spec.start is tree.child("one").start
    assert tree.ask(GetChildSpec("two")) == Refused("not_found", "two")


def test_s14_every_member_has_the_whole_template(tree):
    template = tree.child("any", restart="transient")
    tree.start(flags("simple_one_for_one"), template)
    address = tree.start_child("one")
    assert tree.ask(GetChildSpec(address)).restart == "transient"


def test_s15_a_faulty_mapping_is_named(tree):
    tree.start(flags())
    assert tree.ask(StartChild({"start": tree.child("one").start})).why == "missing_id"
    assert tree.ask(StartChild({"id": "one"})).why == "missing_start"


# Stop


def test_s16_infinity_is_legal_for_workers(tree):
    tree.start(flags(), tree.child("one", shutdown="infinity"), tree.child("two"))
    assert tree.stop() == SHUTDOWN
    assert tree.lines()[-2:] == ["end two shutdown", "end one shutdown"]


def test_s19_brutal_kill_asks_one_child_and_kills_the_other(tree):
    tree.start(flags(), tree.child("rude", shutdown="brutal_kill"), tree.child("polite"))
    assert tree.stop() == SHUTDOWN
    assert "end rude" not in " ".join(tree.lines())
    assert tree.lines()[-1] == "end polite shutdown"


def test_s20_brutal_kill_kills_every_member_of_a_pool(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any", shutdown="brutal_kill"))
    for number in range(10):
        tree.start_child(f"m{number}")
    assert tree.stop() == SHUTDOWN
    assert all(line.startswith("start") for line in tree.lines())


def test_s22_other_reasons_than_shutdown_are_told_once_for_each(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    for number in range(2):
        tree.start_child(f"m{number}", leaves=ABNORMAL)
    assert tree.stop() == SHUTDOWN
    tree.until(lambda: tree.told("shutdown_error"))
    assert [reason for _, reason in tree.told("shutdown_error")] == ["error: abnormal"]


# Administration


def test_s23_management_calls_do_what_they_can_and_say_why_not(tree):
    tree.start(flags(), tree.child("one"))
    one = tree.child("one")
    assert tree.ask(StartChild(one)).why == "already_started"
    assert tree.ask(TerminateChild("two")) == Refused("not_found", "two")
    assert tree.ask(RestartChild("one")).why == "running"
    assert tree.ask(DeleteChild("one")).why == "running"
    assert [tree.ask(TerminateChild("one")) for _ in range(2)] == [True, True]
    assert tree.ask(StartChild(one)).why == "already_present"
    assert isinstance(tree.ask(RestartChild("one")), Started)
    assert tree.who("one")
    tree.ask(TerminateChild("one"))
    assert tree.ask(DeleteChild("one")) is True
    assert tree.ask(RestartChild("one")) == Refused("not_found", "one")
    assert tree.counts() == [0, 0, 0, 0]


def test_s24_a_pool_knows_its_members_by_name_and_by_address(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    assert tree.counts() == [1, 0, 0, 0]
    one, two = tree.start_child("one"), tree.start_child("two")
    assert tree.counts() == [1, 2, 0, 2]
    assert tree.ask(RestartChild("one")) == Refused("simple_one_for_one")
    assert tree.ask(DeleteChild("one")) == Refused("simple_one_for_one")
    assert tree.ask(WhichChild(two)).id == "two"
    assert tree.ask(TerminateChild(one)) is True
    assert tree.ask(TerminateChild(one)) is True
    assert tree.ask(TerminateChild("two")) is True
    assert tree.listed() == []


def test_s25_what_init_says_is_handed_on_by_start_and_restart(tree):
    tree.start(flags())
    answer = tree.ask(StartChild(tree.child("one", "info")))
    assert answer.info == "extra"
    tree.ask(TerminateChild("one"))
    assert tree.ask(RestartChild("one")).info == "extra"
    tree.kill("one")
    assert tree.until_restarted("one").last_exit[0].kind == "killed"


# Strategies


def test_s30_one_for_one_restarts_the_child_that_failed_and_no_other(tree):
    tree.start(flags(), tree.child("one"), tree.child("two"))
    before = tree.whos("one", "two")
    tree.kill("one")
    tree.until_restarted("one")
    assert tree.who("one") != before[0]
    assert tree.who("two") == before[1]
    tree.act("one", "die")
    tree.until_restarted("one", 2)
    tree.act("one", "die")
    tree.until_gone()
    assert tree.lines()[-1] == "end two shutdown"


def test_s31_every_attempt_to_restart_counts(tree):
    tree.start(flags(intensity=4), tree.child("one", "once"), tree.child("two"))
    tree.kill("one")
    tree.until_gone()
    assert len(tree.told("start_error")) == 4
    assert tree.told("shutdown") == [("one", str(LIMIT))]
    assert tree.lines()[-1] == "end two shutdown"


def test_s32_one_for_all_restarts_everybody(tree):
    tree.start(flags("one_for_all"), tree.child("one"), tree.child("two"))
    before = tree.whos("one", "two")
    tree.kill("one")
    tree.until(lambda: tree.lines().count("start two") == 2)
    after = tree.until(lambda: tree.whos("one", "two"))
    assert not set(before) & set(after)
    assert tree.lines()[2:] == ["end two shutdown", "start one", "start two"]


def test_s34_a_sibling_that_fails_to_restart_ends_the_one_that_was_restarted(tree, tmp_path):
    switch = tmp_path / "fail"
    tree.start(
        flags("one_for_all", intensity=ENDLESS),
        tree.child("one"),
        tree.child("two", switch=str(switch)),
    )
    switch.touch()
    tree.kill("one")
    tree.until(lambda: tree.lines().count("end one shutdown") >= 1)
    switch.unlink()
    tree.until(lambda: tree.counts() == [2, 2, 0, 2])
    assert tree.lines()[-2:] == ["start one", "start two"]


def test_s35_a_pool_restarts_the_member_that_failed_and_no_other(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    tree.start_child("one")
    tree.start_child("two")
    two = tree.who("two")
    for times in (1, 2):
        tree.kill("one")
        tree.until_restarted("one", times)
    assert tree.who("two") == two
    assert tree.counts() == [1, 2, 0, 2]
    tree.kill("one")
    tree.until_gone()


def test_s37_a_member_that_tells_something_is_restarted(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    answer = tree.ask(StartChild(id="one", args=tree.part("one", start="info")))
    assert answer.info == "extra"
    tree.kill("one")
    tree.until_restarted("one")


def test_s38_a_member_that_cannot_restart_ends_all(tree):
    tree.start(flags("simple_one_for_one", intensity=4), tree.child("any"))
    tree.start_child("one", start="once")
    tree.start_child("two")
    tree.kill("one")
    tree.until_gone()
    assert tree.lines()[-1] == "end two shutdown"


def test_s40_a_member_that_ignores_its_restart_is_forgotten(tree):
    tree.start(flags("simple_one_for_one"), tree.child("any"))
    tree.start_child("one", start="ignore_later")
    tree.kill("one")
    tree.until_forgotten("one")
    assert tree.counts() == [1, 0, 0, 0]


def test_s41_rest_for_one_restarts_the_failed_child_and_those_after_it(tree):
    tree.start(flags("rest_for_one"), *map(tree.child, ("one", "two", "three")))
    before = tree.whos("one", "two", "three")
    tree.kill("two")
    tree.until(lambda: tree.lines().count("start three") == 2)
    after = tree.until(lambda: tree.whos("one", "two", "three"))
    assert after[0] == before[0]
    assert not set(after[1:]) & set(before)
    assert tree.counts() == [3, 3, 0, 3]


def test_s43_rest_for_one_retries_the_later_child_alone(tree, tmp_path):
    switch = tmp_path / "fail"
    tree.start(
        flags("rest_for_one", intensity=ENDLESS),
        tree.child("one"),
        tree.child("two", switch=str(switch)),
    )
    switch.touch()
    tree.kill("one")
    tree.until_is("two", "restarting")
    restarted = tree.who("one")
    switch.unlink()
    tree.until_is("two", "running")
    assert tree.who("one") == restarted


# The nine cells of what an exit means


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, INFO, ABNORMAL], ids=str)
def test_s45_s48_s52_a_permanent_child_is_always_restarted(tree, reason):
    tree.start(flags(), tree.child("one"))
    tree.act("one", ("stop", reason))
    assert tree.until_restarted("one").last_exit[0] == reason
    assert tree.counts() == [1, 1, 0, 1]
    tree.until(lambda: tree.told("child_terminated") == [("one", str(reason))])


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, INFO], ids=str)
def test_s46_s49_a_transient_child_that_ended_well_is_left_stopped(tree, reason):
    tree.start(flags(), tree.child("one", restart="transient"))
    tree.act("one", ("stop", reason))
    assert tree.until_is("one", "stopped").last_exit[0] == reason
    assert tree.counts() == [1, 0, 0, 1]
    assert isinstance(tree.ask(RestartChild("one")), Started)
    assert tree.told("child_terminated") == []


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, ABNORMAL], ids=str)
def test_s47_s50_s54_a_temporary_child_is_forgotten(tree, reason):
    tree.start(flags(), tree.child("one", restart="temporary"))
    tree.act("one", ("stop", reason))
    tree.until_forgotten("one")
    assert tree.counts() == [0, 0, 0, 0]
    logged = [] if reason.clean else [("one", str(reason))]
    tree.until(lambda: tree.told("child_terminated") == logged)
    tree.start_child(tree.child("one", restart="temporary"))


def test_s53_a_transient_child_that_crashed_is_restarted(tree):
    tree.start(flags(), tree.child("one", restart="transient"))
    tree.act("one", "die")
    ended, _ = tree.until_restarted("one").last_exit
    assert str(ended) == "error: RuntimeError: died"
    assert 'raise RuntimeError("died")' in ended.traceback


def test_s51_the_whole_chain_of_a_failed_start_is_handed_up(tree):
    below = (flags(), [tree.child("worker", "raise")])
    with pytest.raises(NotStarted) as caught:
        tree.start(flags(), ChildSpec("sub", Fixed, below, type="supervisor"))
    chain = str(caught.value.outcome.reason)
    assert chain == (
        "shutdown: failed_to_start_child sub: shutdown: failed_to_start_child worker: "
        "error: ValueError: no"
    )


# Trees, significance, order


def sub(tree, name, *specs, of=None, **options):
    of = of if of is not None else flags(intensity=1)
    return ChildSpec(name, Fixed, (of, list(specs)), type="supervisor", **options)


def test_s56_a_supervisor_that_gives_up_is_restarted_with_its_static_children(tree):
    tree.start(
        flags("one_for_all"),
        sub(tree, "left", tree.child("l")),
        sub(tree, "right", tree.child("r")),
    )
    tree.ask(StartChild(tree.child("dynamic")), tree.where("left"))
    left, right = tree.who("left/l"), tree.who("right/r")
    tree.act("left/l", "die")
    tree.until(lambda: tree.who("left/l") != left)
    assert tree.who("right/r") == right
    tree.act("left/l", "die")
    tree.until(lambda: tree.who("right/r") != right)
    tree.until(lambda: tree.counts() == [2, 2, 2, 0])
    assert list(tree.infos(tree.where("left"))) == ["l"]
    assert tree.infos()["left"].last_exit[0] == LIMIT


@pytest.mark.parametrize("mode", ["any_significant", "all_significant"])
def test_s57_s58_a_child_that_is_not_significant_never_triggers(tree, mode):
    tree.start(
        flags(auto_shutdown=mode),
        tree.child("one", restart="temporary"),
        tree.child("two", restart="transient"),
    )
    tree.act("one", ("stop", NORMAL))
    tree.act("two", ("stop", NORMAL))
    tree.until_is("two", "stopped")
    tree.until_forgotten("one")
    assert tree.counts() == [1, 0, 0, 1]


def test_s59_any_significant_child_ends_its_supervisor(tree):
    tree.start(
        flags(auto_shutdown="any_significant"),
        tree.child("one", restart="temporary", significant=True),
        tree.child("two", restart="temporary", significant=True),
        tree.child("three", restart="temporary"),
    )
    assert tree.ask(TerminateChild("one")) is True
    tree.kill("two")
    tree.until_gone()
    assert tree.lines()[-1] == "end three shutdown"


def test_s59_the_last_significant_child_ends_its_supervisor(tree):
    tree.start(
        flags(auto_shutdown="all_significant"),
        tree.child("one", restart="temporary", significant=True),
        tree.child("two", restart="temporary", significant=True),
        tree.child("three"),
    )
    tree.act("one", ("stop", NORMAL))
    tree.until_forgotten("one")
    assert tree.who("three")
    tree.act("two", ("stop", NORMAL))
    tree.until_gone()


def test_s60_a_significant_transient_child_is_restarted_when_it_crashes(tree):
    tree.start(
        flags(auto_shutdown="any_significant"),
        tree.child("one", restart="transient", significant=True),
    )
    tree.act("one", "die")
    tree.until_restarted("one")
    tree.act("one", ("stop", NORMAL))
    tree.until_gone()


def test_s61_a_pool_has_no_auto_shutdown(tree):
    template = tree.child("any", restart="temporary")
    with pytest.raises(NotStarted, match="bad_combination"):
        tree.start(flags("simple_one_for_one", auto_shutdown="any_significant"), template)


def test_s63_significance_goes_up_the_tree(tree):
    auto = flags(auto_shutdown="any_significant")
    worker = tree.child("c", restart="transient", significant=True)
    tree.start(
        auto,
        tree.child("bystander"),
        sub(tree, "b", worker, of=auto, restart="transient", significant=True),
    )
    tree.act("b/c", ("stop", NORMAL))
    tree.until_gone()
    assert tree.lines()[-1] == "end bystander shutdown"


def test_s72_counts_tell_supervisors_from_workers(tree):
    tree.start(flags(), sub(tree, "a"), sub(tree, "b"), tree.child("c"))
    assert tree.counts() == [3, 3, 2, 1]


def test_s74_a_supervisor_names_its_class(tree):
    tree.start(flags())
    assert tree.ask(GetCallbackModule()) is Fixed


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_s78_a_temporary_bystander_is_dropped_by_a_group_restart(tree, strategy):
    tree.start(flags(strategy), tree.child("one"), tree.child("two", restart="temporary"))
    tree.kill("one")
    tree.until_restarted("one")
    assert tree.listed() == [("one", "running")]
    assert "end two shutdown" in tree.lines()


def test_s80_a_hanging_restart_is_seen_and_can_be_stopped(tree, tmp_path):
    switch = tmp_path / "fail"
    tree.start(flags(intensity=ENDLESS), tree.child("one", switch=str(switch)))
    switch.touch()
    tree.act("one", "die")
    tree.until_is("one", "restarting")
    assert tree.ask(StartChild(tree.child("one"))).why == "already_present"
    assert tree.ask(RestartChild("one")).why == "restarting"
    assert tree.ask(DeleteChild("one")).why == "restarting"
    assert tree.counts() == [1, 0, 0, 1]
    assert tree.ask(TerminateChild("one")) is True
    assert tree.listed() == [("one", "stopped")]


def test_s80_a_supervisor_can_be_shut_down_amid_a_hanging_restart(tree, tmp_path):
    switch = tmp_path / "fail"
    tree.start(flags(intensity=ENDLESS), tree.child("one", switch=str(switch)))
    switch.touch()
    tree.act("one", "die")
    tree.until_is("one", "restarting")
    assert tree.stop() == SHUTDOWN


def test_s87_children_start_in_order_and_end_in_reverse(tree):
    names = ["ch7", "ch3", "ch10", "ch2", "ch5"]
    tree.start(flags("rest_for_one"), *map(tree.child, names))
    assert names_of(tree) == names[::-1]
    tree.act("ch10", ("stop", ABNORMAL))
    tree.until_restarted("ch10")
    tree.until(lambda: tree.counts() == [5, 5, 0, 5])
    assert tree.stop() == SHUTDOWN
    assert tree.lines() == [
        *(f"start {name}" for name in names),
        "end ch10 error",
        "end ch5 shutdown",
        "end ch2 shutdown",
        *(f"start {name}" for name in names[2:]),
        *(f"end {name} shutdown" for name in names[::-1]),
    ]


def test_s92_which_children_says_what_is_there(tree):
    tree.start(flags(), tree.child("one"))
    assert tree.ask(WhichChild("one")).status == "running"
    tree.ask(TerminateChild("one"))
    assert tree.ask(WhichChild("one")).status == "stopped"
    tree.ask(DeleteChild("one"))
    assert tree.ask(WhichChild("one")) == Refused("not_found", "one")


# Beyond OTP


def test_a_backoff_makes_a_restart_wait(tree):
    backoff = Backoff(min_s=0.4, max_s=0.4, jitter=0.0)
    tree.start(flags(backoff=backoff), tree.child("one"))
    tree.act("one", "die")
    tree.until(lambda: tree.infos()["one"].retry_at is not None)
    assert tree.infos()["one"].status == "restarting"
    _, ended = tree.until_restarted("one").last_exit
    assert ended > 0


def test_a_handler_that_waits_is_refused_in_processes_only(tree):
    tree.start(flags())
    answer = tree.ask(StartChild(ChildSpec("one", Waits)))
    if type(tree).__name__ == "LoopTree":
        assert isinstance(answer, Started)
    else:
        assert answer.why == "start_error"
        assert answer.detail.detail == ("async_handlers_not_supported", "Waits.handle_call")
