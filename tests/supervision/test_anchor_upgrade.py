"""The decisions of an upgrade, one by one, without processes and without a clock."""

import pytest
from anchor_upgrade_world import LIMITS, SPEC, World

from supervision.anchor.messages import ExitCode
from supervision.anchor.states import Exited, LastWords, Mode, Phase
from supervision.anchor.upgrade import stop_bound_s
from supervision.anchor.upgrade_events import Told, Verdict
from supervision.anchor.upgrade_states import Role, Stage, Step


@pytest.fixture
def world():
    return World()


def stage(world):
    return world.state.upgrade.takeover and world.state.upgrade.takeover.stage


def answer(world, number):
    (given,) = world.answers[number]
    return given


def results(world):
    return [(line["step"], line["vsn"], line["result"]) for line in world.lines]


def test_the_stages_follow_each_other_and_each_is_asked_for_in_its_time(world):
    number = world.upgrade()
    assert (stage(world), world.asked()) == (Stage.CHECK, ["release.check"])
    world.answer(hash="plan")
    assert (stage(world), world.asked()) == (Stage.LISTEN, ["takeover.listen"])
    world.answer()
    assert (stage(world), world.roles.keys()) == (Stage.SPAWN, {Role.PROGRAM, Role.SUCCESSOR})
    world.tell("connected")
    assert (stage(world), world.asked()) == (Stage.COPY, [])
    world.tell("copied")
    assert (stage(world), world.asked()) == (Stage.FREEZE, ["takeover.freeze"])
    world.answer()
    assert stage(world) is Stage.FREEZE
    world.prepared()
    assert (stage(world), world.asked()) == (Stage.SWITCH, ["takeover.switch"])
    assert world.pointers.current == "2"
    world.answer()
    assert (stage(world), world.asked()) == (None, ["takeover.exit"])
    assert answer(world, number).result["state"] == "current"


@pytest.mark.parametrize("late_one", ["given", "taken"])
def test_the_switch_waits_for_both_sides_whichever_is_first(world, late_one):
    world.copy()
    first, second = world.prepared, lambda: world.answer("takeover.freeze")
    if late_one == "taken":
        first, second = second, first
    first()
    assert not world.pointers.provisional
    second()
    assert world.pointers.provisional


def test_only_the_successor_says_that_a_stage_is_over(world):
    world.upgrade()
    world.answer(hash="plan")
    world.answer()
    world.on(Told(None, "connected", {}))
    world.on(Told(99, "connected", {}))
    assert stage(world) is Stage.SPAWN
    world.tell("copied")
    world.tell("prepared")
    assert stage(world) is Stage.SPAWN


@pytest.mark.parametrize(
    ("begin", "limits"),
    [
        (lambda world: world.upgrade(), ["check_timeout_s"]),
        (lambda world: (world.upgrade(), world.answer()), ["switch_timeout_s"]),
        (lambda world: (world.upgrade(), world.answer(), world.answer()), ["spawn_timeout_s"]),
        (lambda world: world.copy(), ["drain_timeout_s", "freeze_timeout_s"]),
    ],
    ids=["check", "listen", "spawn", "freeze"],
)
def test_every_stage_has_its_time_and_names_its_limit(world, begin, limits):
    begin(world)
    limit_s = sum(getattr(LIMITS, name) for name in limits)
    began, number = world.now, 1
    while stage(world) not in {Stage.ABORT, Stage.RESUME, None}:
        assert world.tick()
    assert world.now == began + limit_s
    world.calm()
    assert f"within {limit_s:g} s ({' and '.join(limits)})" in answer(world, number).why


def test_a_switch_that_is_not_answered_ends_both_and_starts_the_permanent_release(world):
    number = world.point_to()
    world.asks.clear()
    while not world.roles[Role.PROGRAM].killed:
        assert world.tick()
    assert world.now == 1000.0 + LIMITS.switch_timeout_s
    world.calm()
    world.check_calm()
    assert "the new node did not serve within 5 s" in answer(world, number).why
    assert [process.gone for process in world.processes] == [True, True, False]


@pytest.mark.parametrize("key", ["counts", "crc"])
def test_what_both_sides_say_has_to_be_the_same(world, key):
    number = world.copy()
    world.prepared(**{key: "other"})
    world.answer("takeover.freeze")
    assert stage(world) is Stage.ABORT
    world.calm()
    assert answer(world, number).why.startswith(f"{key} differ: ")


def test_the_old_node_goes_on_only_when_the_new_one_is_gone(world):
    world.copy()
    world.refuse("takeover.freeze")
    successor = world.roles[Role.SUCCESSOR]
    assert (stage(world), successor.killed, world.asked()) == (Stage.ABORT, True, [])
    world.reap(successor)
    assert (stage(world), world.asked()) == (Stage.RESUME, ["takeover.resume"])
    world.answer()
    assert stage(world) is None


def test_who_was_told_nothing_is_not_asked_to_go_on(world):
    number = world.upgrade()
    world.answer(ok=False, why=["no way from 1 to 2 of session"])
    assert (stage(world), world.asked()) == (None, [])
    assert answer(world, number).why == "the check says no: no way from 1 to 2 of session"
    assert world.pointers.refused == {}


@pytest.mark.parametrize("info", [{"own": False}, {}], ids=["of the other side", "of itself"])
def test_a_release_is_not_blamed_where_the_old_node_died_and_the_new_one_said_so_first(world, info):
    number = world.copy()
    old, new = world.roles[Role.PROGRAM], world.roles[Role.SUCCESSOR]
    world.tell("failed", why="the other side is gone", **info)
    assert stage(world) is Stage.ABORT
    world.reap(old)
    world.reap(new)
    world.calm()
    world.check_calm()
    assert world.pointers.refused == {}
    assert answer(world, number).why == (
        "the new node: the other side is gone; the running node ended: SIGKILL"
    )


def test_a_failure_of_the_new_node_is_held_against_its_release_unless_it_is_the_other_sides(world):
    world.copy()
    world.tell("failed", why="the other side: no room", own=False)
    world.calm()
    assert world.pointers.refused == {}
    world.copy()
    world.tell("failed", why="sessions: 3 items were given, 2 are here", own=True)
    world.calm()
    assert world.pointers.refused.keys() == {"2"}


def test_a_program_that_died_is_started_when_its_successor_is_gone(world):
    world.copy()
    world.die(Role.PROGRAM)
    assert world.state.programs["node"].phase is Phase.BACKOFF
    assert world.state.programs["node"].deadline is None
    world.reap_all()
    assert stage(world) is None
    assert world.state.programs["node"].deadline == world.now
    world.calm()
    world.check_calm()


def test_the_end_of_each_process_is_told_apart_by_its_number(world):
    world.take_over()
    world.on(Exited("node", "SIGKILL", None, 0.0, 4711))
    world.on(LastWords("node", "what I said"))
    old, new = world.processes
    assert (old.gone, new.gone) == (True, False)
    assert world.state.programs["node"].pid == new.pid


def test_a_new_node_that_died_as_the_pointers_were_written_is_followed_by_the_permanent_one(world):
    number = world.copy()
    successor = world.roles[Role.SUCCESSOR]
    world.prepared()
    world.roles.pop(Role.SUCCESSOR)
    successor.killed = True
    world.answer("takeover.freeze")
    world.reap(successor)
    world.calm()
    world.check_calm()
    assert world.pointers.current == "1"
    assert answer(world, number).code is ExitCode.FAILED


def test_an_old_node_that_died_as_the_pointers_were_written_is_not_missed(world):
    world.copy()
    world.answer("takeover.freeze")
    old = world.roles[Role.PROGRAM]
    old.killed = True
    world.prepared()
    world.reap(old)
    world.answer("takeover.switch")
    assert world.state.upgrade.leaving is None
    assert world.state.upgrade.probation.order.vsn == "2"


def test_an_old_node_that_does_not_leave_is_killed(world):
    world.point_to()
    world.answer("takeover.switch")
    world.asks.clear()
    while not world.roles[Role.LEAVING].killed:
        assert world.tick()
    assert world.now <= 1000.0 + LIMITS.switch_timeout_s
    world.reap_all()
    assert world.state.upgrade.leaving is None


def test_an_old_node_that_stays_for_a_moment_holds_up_no_start(world):
    world.point_to()
    world.answer("takeover.switch")
    leaving = world.roles[Role.LEAVING]
    assert not leaving.killed
    world.die(Role.PROGRAM)
    assert leaving.killed
    world.reap_all()
    world.calm()
    assert world.state.programs["node"].phase is Phase.RUNNING


def test_nothing_else_begins_while_something_is_under_way(world):
    world.upgrade()
    others = [world.upgrade("3"), world.commit(), world.rollback()]
    assert [answer(world, number).code for number in others] == [ExitCode.TRY_AGAIN] * 3
    world.restart()
    assert world.state.programs["node"].phase is Phase.RUNNING


def test_on_probation_there_is_only_the_way_forward_and_the_way_back(world):
    world.take_over()
    assert answer(world, world.upgrade("3")).why.startswith("2 is on probation")
    assert world.rollback() not in world.answers


def test_a_verdict_that_comes_during_the_switch_is_carried_out_after_it(world):
    world.point_to()
    world.verdict()
    assert stage(world) is Stage.SWITCH
    world.answer("takeover.switch")
    assert stage(world) is None
    world.answer("takeover.exit")
    assert (stage(world), world.state.upgrade.takeover.order.vsn) == (Stage.LISTEN, "1")


def test_a_verdict_about_what_is_permanent_by_now_is_of_no_interest(world):
    world.take_over()
    late = world.back(why="too slow", insists=True, blames=True)
    world.commit()
    world.answer("release.permanent")
    world.on(Verdict(late))
    assert stage(world) is None
    assert world.pointers.permanent == "2"


def test_a_commit_that_the_disk_does_not_take_leaves_the_probation_and_is_tried_again(world):
    world.take_over()
    world.disk_full = True
    assert "no room" in answer(world, world.commit()).why
    while results(world)[-1] != ("commit", "2", "failed"):
        world.tick()
    assert world.state.upgrade.probation.order.vsn == "2"
    world.disk_full = False
    world.calm()
    assert world.pointers.permanent == "2"


def test_a_commit_by_time_that_the_disk_does_not_take_waits_before_it_is_tried_again(world):
    world.take_over()
    world.disk_full = True
    while world.tick():
        if world.now >= 1000.0 + 3 * LIMITS.probation_s:
            break
    assert 2 <= results(world).count(("commit", "2", "failed")) <= 6


def test_a_node_that_does_not_say_that_it_is_permanent_is_not_waited_for(world):
    world.take_over()
    number = world.commit()
    world.asks.clear()
    while number not in world.answers:
        assert world.tick()
    assert world.now == 1000.0 + LIMITS.permanent_timeout_s
    assert "did not answer within 61.5 s" in answer(world, number).result["missing"]


def test_what_the_node_has_not_done_of_what_waited_is_told_and_in_the_history(world):
    world.take_over()
    number = world.commit()
    world.answer("release.permanent", missing="004_less.sql not applied yet: no right")
    assert answer(world, number).result["missing"] == "004_less.sql not applied yet: no right"
    assert "004_less.sql not applied yet: no right" in world.lines[-1]["why"]


def test_the_pointers_say_permanent_before_the_node_is_told(world):
    world.take_over()
    world.commit()
    assert (world.pointers.permanent, world.asked()) == ("2", ["release.permanent"])
    assert world.spec_vsn == "2"
    assert world.gone_on == []
    world.answer()
    assert world.gone_on == ["2"]


def test_the_anchor_goes_on_in_new_code_only_when_the_old_node_is_gone(world):
    world.point_to()
    world.answer("takeover.switch")
    world.commit()
    world.answer("release.permanent")
    assert world.gone_on == []
    world.answer("takeover.exit")
    assert world.gone_on == ["2"]


def test_a_stop_waits_for_the_end_of_a_takeover(world):
    number = world.copy()
    world.stop()
    assert world.state.mode is Mode.RUNNING
    world.reap_all()
    world.answer("takeover.resume")
    assert world.state.mode is Mode.STOPPING
    assert answer(world, number).why == "the anchor stops: asked"
    assert world.pointers.refused == {}


def test_a_stop_after_the_pointers_waits_for_the_switch_and_goes_back(world):
    world.point_to()
    world.stop()
    assert world.state.mode is Mode.RUNNING
    world.answer("takeover.switch")
    assert world.state.mode is Mode.STOPPING
    assert not world.pointers.provisional
    assert results(world)[-1] == ("fallback", "1", "stopped")


def test_the_freeze_is_measured_without_the_drain(world):
    number = world.copy()
    world.prepared()
    world.now += 0.5
    world.answer("takeover.freeze", drain_ms=300.0)
    world.now += 0.1
    world.answer("takeover.switch")
    timings = answer(world, number).result["timings"]
    assert timings["freeze_ms"] == pytest.approx(300.0)
    assert timings["drain_ms"] == 300.0
    assert timings["total_s"] == pytest.approx(0.6)


def test_a_rollback_that_the_disk_does_not_take_at_the_switch_is_as_if_nothing_had_been(world):
    world.take_over()
    before = world.pointers
    number = world.rollback()
    world.answer("takeover.listen")
    world.tell("connected")
    world.tell("copied")
    world.answer("takeover.freeze")
    world.disk_full = True
    world.prepared()
    world.reap_all()
    world.answer("takeover.resume")
    assert "no room" in answer(world, number).why
    assert (world.pointers, stage(world)) == (before, None)
    assert world.state.upgrade.probation.order.vsn == "2"
    world.disk_full = False
    world.commit()
    world.answer("release.permanent")
    assert (world.pointers.permanent, world.pointers.old) == ("2", ("1",))


def test_what_ended_on_probation_is_not_current_even_if_the_disk_does_not_take_it(world):
    world.take_over()
    world.disk_full = True
    world.die(Role.PROGRAM)
    assert not world.pointers.provisional
    assert world.pointers.refused.keys() == {"2"}


def test_nothing_is_made_permanent_but_what_runs(world):
    world.take_over()
    world.pointers = world.pointers.back()
    world.deep = 1  # what is known is wrong here
    number = world.commit()
    why = "the pointers cannot be written: 2 cannot be made permanent: 1 is what runs"
    assert (answer(world, number).code, answer(world, number).why) == (ExitCode.FAILED, why)
    assert (world.pointers.permanent, world.asked()) == ("1", [])


def stopped_within(world):
    """Stop, let nobody answer but what ends when it is told to; return how long it took."""
    bound_s, began = stop_bound_s(SPEC, world.state), world.now
    world.asks.clear()
    world.stop()
    while world.state.mode is not Mode.STOPPED:
        for process in world.living():  # to a SIGTERM nobody listens
            if process.killed:
                world.reap(process)
        assert world.state.mode is Mode.STOPPED or world.tick()
    return world.now - began, bound_s


@pytest.mark.parametrize("way", ["upgrade", "copy", "point_to", "take_over"])
def test_a_stop_takes_no_longer_than_is_said_whatever_is_under_way(world, way):
    getattr(world, way)()
    took_s, bound_s = stopped_within(world)
    assert took_s <= bound_s


def test_a_stop_is_given_longer_only_while_a_takeover_is_under_way(world):
    world.copy()
    assert stop_bound_s(SPEC, world.state) == SPEC.stop_bound_s + LIMITS.switch_timeout_s
    world.refuse("takeover.freeze")
    world.reap_all()
    world.answer("takeover.resume")
    assert stop_bound_s(SPEC, world.state) == SPEC.stop_bound_s


def test_a_shadow_that_the_node_has_lost_is_no_success_and_nobody_is_blamed(world):
    number = world.upgrade(step=Step.SHADOW)
    world.answer()
    world.answer()
    world.tell("connected")
    world.tell("copied")
    assert stage(world) is Stage.SHADOW
    world.on(Told(None, "failed", {"why": "the shadow did not keep up"}))
    world.reap_all()
    world.calm()
    assert answer(world, number).why == "the running node: the shadow did not keep up"
    assert answer(world, number).code is ExitCode.FAILED
    assert results(world)[-1] == ("shadow", "2", "failed")
    assert world.pointers.refused == {}
