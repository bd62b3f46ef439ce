"""Real anchors that upgrade a scripted program: each step done, killed, hung and failing."""

import dataclasses
import json
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from anchor_upgrade_kit import LIMITS, Upgradable, spec

from supervision.anchor import pointers
from supervision.anchor.messages import ExitCode, Refusal
from supervision.anchor.testing import RunningAnchor, wait_for, wait_gone

pytestmark = pytest.mark.system

BRIEF = dataclasses.replace(
    LIMITS,
    check_timeout_s=1.0,
    spawn_timeout_s=2.0,
    precopy_timeout_s=1.0,
    drain_timeout_s=0.3,
    freeze_timeout_s=0.7,
    switch_timeout_s=1.0,
    permanent_timeout_s=1.0,
)


@pytest.fixture
def start(tmp_path):
    anchors = []

    def begin(limits=LIMITS, **faults):
        anchors.append(Upgradable(tmp_path, limits, **faults))
        anchors[-1].node(do="remember", word="on the disk")
        anchors[-1].node(do="think", word="in memory")
        return anchors[-1]

    yield begin
    for anchor in anchors:
        anchor.clean_up()


def assert_as_before(anchor, before):
    """Nothing has happened to the program; not even a word that only its memory had is lost."""
    after = anchor.serving("1.0")
    assert (after["pid"], after["memory"]) == (before["pid"], "in memory")
    assert (anchor.pointers().permanent, anchor.pointers().current) == ("1.0", "1.0")
    assert anchor.program()["restarts"] == 0


def assert_started_again(anchor, before):
    """The program was started from the disk, of the permanent release."""
    after = anchor.serving("1.0")
    assert after["pid"] != before["pid"]
    assert after["memory"] == "on the disk"
    assert (anchor.pointers().permanent, anchor.pointers().current) == ("1.0", "1.0")


def test_a_new_release_takes_the_memory_over_and_is_permanent_when_it_is_committed(start):
    anchor = start()
    anchor.install("2.0")
    before = anchor.node()
    answer = anchor.upgrade()
    after = anchor.node()
    assert answer["state"] == "current"
    assert (after["vsn"], after["memory"], after["serving"]) == ("2.0", "in memory", True)
    assert after["pid"] != before["pid"]
    assert after["incarnation"] == before["incarnation"] + 1
    assert after["schema"] == "1.0"
    assert after["release"] == {
        "vsn": "2.0",
        "permanent": "1.0",
        "provisional": True,
        "permanent_states": {"word": 1},
    }
    wait_gone(before["pid"])
    assert (anchor.pointers().permanent, anchor.pointers().current) == ("1.0", "2.0")
    assert anchor.ask("release.commit", who="ann")["state"] == "permanent"
    assert anchor.node()["schema"] == "2.0"
    assert (anchor.pointers().permanent, anchor.pointers().old) == ("2.0", ("1.0",))
    assert anchor.history() == [
        ("upgrade", "2.0", "begun"),
        ("upgrade", "2.0", "provisional"),
        ("commit", "2.0", "done"),
    ]


def test_what_opens_the_way_to_another_node_is_passed_on_to_no_child(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    passed_on = anchor.node()["passed_on"]
    assert "ANCHOR_TAKEOVER" not in passed_on
    assert "ANCHOR_RELEASE" in passed_on


def test_the_answer_and_the_history_say_who_did_what_and_how_long_it_took(start):
    anchor = start()
    anchor.install("2.0")
    answer = anchor.upgrade(why="a new menu")
    line = anchor.lines()[-1]
    assert set(answer["timings"]) == {
        "check_s",
        "spawn_s",
        "copy_s",
        "drain_ms",
        "freeze_ms",
        "total_s",
    }
    assert 0 < answer["timings"]["freeze_ms"] < answer["timings"]["total_s"] * 1000
    assert line["timings"] == answer["timings"]
    assert (line["who"], line["from"], line["why"]) == ("ann", "1.0", "a new menu")
    assert (line["plan"], line["pause"], line["counts"]) == ("plan-2.0", {"p99": 3.0}, {"words": 1})


@pytest.mark.parametrize("fault", ["kill", "exit", "fail", "refuse", "hang"])
@pytest.mark.parametrize("step", ["start", "connected", "copied", "prepared"])
def test_a_new_node_that_fails_before_the_switch_leaves_all_as_it_was(start, step, fault):
    anchor = start(BRIEF if fault == "hang" else LIMITS)
    anchor.install("2.0", **{step: fault})
    before = anchor.node()
    refusal = anchor.refused("release.upgrade", vsn="2.0")
    assert refusal.code is ExitCode.FAILED
    assert_as_before(anchor, before)
    assert "2.0" in anchor.pointers().refused
    assert anchor.history()[-1] == ("upgrade", "2.0", "failed")


@pytest.mark.parametrize("fault", ["kill", "exit", "refuse", "hang"])
def test_a_new_node_that_does_not_serve_after_the_switch_makes_room_for_the_permanent_release(
    start, fault
):
    anchor = start(BRIEF if fault == "hang" else LIMITS)
    anchor.install("2.0", switch=fault)
    before = anchor.node()
    refusal = anchor.refused("release.upgrade", vsn="2.0")
    assert "ended before it served" in refusal.msg
    assert_started_again(anchor, before)
    assert "2.0" in anchor.pointers().refused
    assert anchor.history()[-2:] == [("upgrade", "2.0", "failed"), ("fallback", "1.0", "done")]


@pytest.mark.parametrize("step", ["check", "listen", "freeze"])
def test_an_old_node_that_is_killed_during_a_takeover_is_started_again(start, step):
    anchor = start(**{step: "kill"})
    anchor.install("2.0")
    before = anchor.node()
    refusal = anchor.refused("release.upgrade", vsn="2.0")
    assert "the running node ended: SIGKILL" in refusal.msg
    assert_started_again(anchor, before)
    assert anchor.pointers().refused == {}


def test_a_release_whose_node_sees_the_old_one_go_is_not_refused_for_it(start):
    anchor = start(freeze="leave")
    anchor.install("2.0")
    before = anchor.node()
    refusal = anchor.refused("release.upgrade", vsn="2.0")
    assert refusal.msg == "the new node: the other side is gone"
    assert_as_before(anchor, before)
    assert anchor.pointers().refused == {}


@pytest.mark.parametrize("fault", ["refuse", "hang"])
@pytest.mark.parametrize("step", ["check", "listen", "freeze"])
def test_an_old_node_that_does_not_give_goes_on(start, step, fault):
    anchor = start(BRIEF if fault == "hang" else LIMITS, **{step: fault})
    anchor.install("2.0")
    before = anchor.node()
    assert anchor.refused("release.upgrade", vsn="2.0").code is ExitCode.FAILED
    assert_as_before(anchor, before)


@pytest.mark.parametrize("fault", ["kill", "exit", "refuse", "hang"])
def test_an_old_node_that_does_not_go_on_is_started_again(start, fault):
    anchor = start(BRIEF if fault == "hang" else LIMITS, resume=fault)
    anchor.install("2.0", copied="kill")
    before = anchor.node()
    assert "the new node ended: SIGKILL" in anchor.refused("release.upgrade", vsn="2.0").msg
    assert_started_again(anchor, before)


@pytest.mark.parametrize("fault", ["kill", "hang"])
def test_an_old_node_that_does_not_leave_is_killed(start, fault):
    anchor = start(BRIEF if fault == "hang" else LIMITS, exit=fault)
    anchor.install("2.0")
    before = anchor.node()
    assert anchor.upgrade()["state"] == "current"
    wait_gone(before["pid"])
    assert anchor.serving("2.0")["memory"] == "in memory"


@pytest.mark.parametrize("side", ["given", "taken"])
def test_a_takeover_is_off_when_both_sides_do_not_say_the_same(start, side):
    anchor = start(**({"crc": "wrong"} if side == "given" else {}))
    anchor.install("2.0", **({"prepared": "wrong"} if side == "taken" else {}))
    before = anchor.node()
    assert "crc differ" in anchor.refused("release.upgrade", vsn="2.0").msg
    assert_as_before(anchor, before)


def test_a_takeover_is_off_when_the_pointers_cannot_be_written(start):
    anchor = start()
    anchor.install("2.0")
    before = anchor.node()
    (anchor.directory / pointers.DIRECTORY / "pointers.json.new").mkdir()
    refusal = anchor.refused("release.upgrade", vsn="2.0")
    assert "the pointers cannot be written" in refusal.msg
    assert_as_before(anchor, before)


def test_an_anchor_that_cannot_read_its_pointers_names_the_file_and_what_is_wrong(tmp_path):
    home = tmp_path / pointers.DIRECTORY
    home.mkdir()
    (home / pointers.FILE).write_text('{"format": 1}')
    anchor = RunningAnchor(spec(tmp_path, "1.0"))
    try:
        with pytest.raises(Refusal) as refused:
            anchor.ask("release.list")
    finally:
        anchor.end()
        anchor.clean_up()
    assert refused.value.code is ExitCode.DATA_ERROR
    assert refused.value.msg.startswith(f"{home / pointers.FILE}: damaged: ")
    assert "'permanent'" in refused.value.msg


def test_a_check_that_says_no_is_the_end_of_it(start):
    anchor = start(plan="no")
    anchor.install("2.0")
    before = anchor.node()
    refusal = anchor.refused("release.upgrade", vsn="2.0")
    assert refusal.msg == "the check says no: no way back"
    assert_as_before(anchor, before)
    assert "1.0 listen" not in anchor.steps()
    assert anchor.upgrade(force=True)["state"] == "current"


def test_a_release_that_failed_is_not_tried_again_before_somebody_insists(start):
    anchor = start()
    anchor.install("2.0", start="exit")
    assert "it was told to end at start" in anchor.refused("release.upgrade", vsn="2.0").msg
    again = anchor.refused("release.upgrade", vsn="2.0")
    assert "2.0 has failed before" in again.msg
    assert anchor.steps().count("2.0 start") == 1
    anchor.refused("release.upgrade", vsn="2.0", force=True)
    assert anchor.steps().count("2.0 start") == 2
    anchor.ask("release.forget", vsn="2.0")
    assert anchor.pointers().refused == {}


def broken(directory, **changes):
    data = json.loads(spec(directory, "2.0").to_json())
    data["programs"][0].update(changes)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"argv": ["/nowhere/python"]}, "cannot be started"),
        ({"listeners": ["sip"]}, "names of listeners"),
        ({"argv": []}, "at least the path of the program"),
    ],
)
def test_a_release_that_cannot_be_started_here_is_refused(start, changes, why):
    anchor = start()
    anchor.install("2.0", text=broken(anchor.directory, **changes))
    before = anchor.node()
    assert why in anchor.refused("release.upgrade", vsn="2.0").msg
    assert_as_before(anchor, before)


def test_a_release_with_other_programs_is_refused(start):
    anchor = start()
    text = spec(anchor.directory, "2.0").to_json().replace('"node"', '"knot"')
    anchor.install("2.0", text=text)
    assert "other ones are guarded" in anchor.refused("release.upgrade", vsn="2.0").msg


def test_a_release_that_cannot_compose_itself_is_refused_with_its_words(start):
    anchor = start(dataclasses.replace(LIMITS, compose_timeout_s=1.0))
    home = anchor.directory / pointers.DIRECTORY
    anchor.install("2.0")
    (home / "2.0" / "spec.json").unlink()
    assert "No such file" in anchor.refused("release.upgrade", vsn="2.0").msg
    anchor.install("2.1", text="surely not JSON")
    assert "not JSON" in anchor.refused("release.upgrade", vsn="2.1").msg
    anchor.install("2.2")
    manifest = json.loads((home / "2.2" / "manifest.json").read_text())
    manifest["compose"]["argv"] = ["/bin/sh", "-c", "read never < /dev/zero"]
    (home / "2.2" / "manifest.json").write_text(json.dumps(manifest))
    assert "within 1 s" in anchor.refused("release.upgrade", vsn="2.2").msg
    assert "is not installed" in anchor.refused("release.upgrade", vsn="2.3").msg
    (home / "2.2" / "manifest.json").write_text("{")
    assert "not JSON" in anchor.refused("release.upgrade", vsn="2.2").msg


def test_fields_of_a_specification_that_a_newer_release_knows_are_passed_over(start):
    anchor = start()
    data = json.loads(spec(anchor.directory, "2.0").to_json())
    data["invented"], data["programs"][0]["invented"] = {"later": 1}, True
    anchor.install("2.0", text=json.dumps(data))
    assert anchor.upgrade()["state"] == "current"


def test_one_upgrade_at_a_time(start):
    anchor = start(dataclasses.replace(LIMITS, spawn_timeout_s=3.0))
    anchor.install("2.0", start="hang")
    anchor.install("3.0")
    anchor.ask("release.upgrade", vsn="2.0", wait=False)
    wait_for(lambda: "2.0 start" in anchor.steps())
    for op in ("release.upgrade", "release.rollback", "restart"):
        refusal = anchor.refused(op, vsn="3.0", program="node")
        assert refusal.code is ExitCode.TRY_AGAIN
        assert refusal.msg == "the upgrade to 2.0 is under way (spawn)"
    status = anchor.ask("release.status")
    assert (status["takeover"]["vsn"], status["takeover"]["stage"]) == ("2.0", "spawn")
    assert anchor.refused("release.forget", vsn="2.0").msg == "2.0 is in use"
    wait_for(lambda: anchor.history()[-1][2] == "failed")
    assert anchor.upgrade("3.0")["state"] == "current"


def test_nothing_is_checked_during_a_takeover(start):
    anchor = start(dataclasses.replace(LIMITS, spawn_timeout_s=3.0))
    anchor.install("2.0", start="hang")
    anchor.install("3.0")
    anchor.ask("release.upgrade", vsn="2.0", wait=False)
    wait_for(lambda: "2.0 start" in anchor.steps())
    refusal = anchor.refused("release.check", vsn="3.0")
    assert refusal.code is ExitCode.TRY_AGAIN
    assert refusal.msg == "the upgrade to 2.0 is under way (spawn)"
    assert anchor.steps().count("1.0 check") == 1
    wait_for(lambda: anchor.history()[-1][2] == "failed")
    assert anchor.ask("release.check", vsn="3.0")["ok"]


@pytest.mark.parametrize("shadow", [False, True])
def test_no_upgrade_begins_while_the_program_checks_something_for_somebody(start, shadow):
    anchor = start(dataclasses.replace(LIMITS, check_timeout_s=3.0), check="hang")
    anchor.install("2.0")
    with ThreadPoolExecutor() as pool:
        check = pool.submit(anchor.refused, "release.check", vsn="2.0")
        wait_for(lambda: "1.0 check" in anchor.steps())
        refusal = anchor.refused("release.upgrade", vsn="2.0", shadow=shadow)
        assert refusal.code is ExitCode.TRY_AGAIN
        assert refusal.msg == "the check of 2.0 is under way"
        assert anchor.ask("release.status")["busy"] == refusal.msg
        assert check.result(timeout=60).code is ExitCode.TRY_AGAIN
    assert anchor.ask("release.status")["busy"] == ""
    assert anchor.history() == []


def test_the_way_back_from_what_is_on_probation_waits_for_no_check(start):
    anchor = start()
    anchor.install("2.0", check="hang")
    anchor.upgrade()
    with ThreadPoolExecutor() as pool:
        check = pool.submit(anchor.refused, "release.check", vsn="1.0")
        wait_for(lambda: "2.0 check" in anchor.steps())
        assert anchor.ask("release.rollback")["state"] == "permanent"
        assert check.result(timeout=60).code is ExitCode.UNREACHABLE


def test_a_shadow_looks_on_and_reports_and_nothing_else(start):
    anchor = start()
    anchor.install("2.0")
    before = anchor.node()
    answer = anchor.upgrade(shadow=True, seconds=0.2)
    assert answer["report"] == {"differing": 0}
    assert_as_before(anchor, before)
    assert anchor.pointers().refused == {}
    assert anchor.history()[-1] == ("shadow", "2.0", "done")
    assert "1.0 freeze" not in anchor.steps()


# Probation -----------------------------------------------------------------------------------


def test_a_rollback_on_probation_brings_the_memory_back_to_the_permanent_release(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    anchor.node(do="think", word="of the new one")
    answer = anchor.ask("release.rollback", who="ben", why="the menu was wrong")
    after = anchor.node()
    assert answer["state"] == "permanent"
    assert (after["vsn"], after["memory"], after["schema"]) == ("1.0", "of the new one", "1.0")
    assert not after["release"]["provisional"]
    assert anchor.pointers() == pointers.Pointers("1.0", "1.0")
    assert anchor.history()[-1] == ("rollback", "1.0", "done")
    assert anchor.upgrade()["state"] == "current"


def test_a_release_that_is_judged_to_have_failed_is_rolled_back_and_refused(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    anchor.node(do="think", word="of the new one")
    anchor.node(do="complain", why="too many crashes")
    assert anchor.serving("1.0")["memory"] == "of the new one"
    assert anchor.pointers().refused["2.0"].why == "too many crashes"
    line = wait_for(lambda: anchor.lines()[-1] if anchor.lines()[-1]["result"] == "done" else None)
    assert (line["step"], line["who"], line["why"]) == ("rollback", "probation", "too many crashes")


def test_a_release_that_dies_on_probation_is_followed_by_the_permanent_one(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    before = anchor.node()
    with pytest.raises(Refusal):
        anchor.node(do="die")
    assert_started_again(anchor, before)
    assert anchor.pointers().refused["2.0"].why == "it ended on probation: SIGKILL"
    assert anchor.history()[-1] == ("fallback", "1.0", "done")
    assert not anchor.node()["release"]["provisional"]


def change(anchor, vsn):
    """Have a release be something else than what was recorded, as an installation in place."""
    file = anchor.directory / pointers.DIRECTORY / vsn / pointers.MANIFEST
    manifest = json.loads(file.read_text())
    code = "import sys; sys.exit('/opt/vigie has changed since it was recorded')"
    manifest["compose"]["argv"] = [sys.executable, "-c", code]
    file.write_text(json.dumps(manifest))


def warned(anchor):
    """Wait until the history says that what runs has changed; return what it says that of."""
    found = wait_for(lambda: [one for one in anchor.lines() if one["result"] == "warning"])
    (line,) = found
    assert line["why"].startswith("what runs may be something else than 1.0 was: ")
    assert line["why"].endswith("/opt/vigie has changed since it was recorded")
    return line["step"]


def test_a_rollback_to_a_permanent_release_that_has_changed_is_refused_unless_it_is_forced(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    before = anchor.node()
    change(anchor, "1.0")
    refusal = anchor.refused("release.rollback")
    assert refusal.code is ExitCode.FAILED
    assert "/opt/vigie has changed since it was recorded" in refusal.msg
    assert "or commit 2.0, or go back with force" in refusal.msg
    assert anchor.node()["pid"] == before["pid"]
    assert "2.0 listen" not in anchor.steps()
    assert anchor.ask("release.rollback", force=True)["state"] == "permanent"
    assert warned(anchor) == "rollback"


def test_what_goes_back_by_itself_to_a_release_that_has_changed_says_so(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    change(anchor, "1.0")
    anchor.node(do="complain", why="too many crashes")
    assert anchor.serving("1.0")["memory"] == "in memory"
    assert warned(anchor) == "rollback"


def test_a_fallback_to_a_release_that_has_changed_says_so(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    before = anchor.node()
    change(anchor, "1.0")
    with pytest.raises(Refusal):
        anchor.node(do="die")
    assert_started_again(anchor, before)
    assert warned(anchor) == "fallback"


@pytest.mark.parametrize("fault", ["kill", "refuse", "hang"])
@pytest.mark.parametrize("step", ["listen", "freeze", "resume"])
def test_a_verdict_is_carried_out_even_where_no_takeover_leads_back(start, step, fault):
    anchor = start(BRIEF)
    anchor.install("2.0", **{step: fault})
    if step == "resume":
        anchor.install("1.1", connected="kill")
    anchor.upgrade()
    before = anchor.node()
    anchor.node(do="complain", why="too slow")
    if step == "resume":
        assert anchor.serving("1.0")["memory"] == "in memory"
    else:
        assert_started_again(anchor, before)
    assert "2.0" in anchor.pointers().refused


def test_a_rollback_that_fails_leaves_the_new_release_on_probation_unless_it_is_forced(start):
    anchor = start()
    anchor.install("2.0", freeze="refuse")
    anchor.upgrade()
    before = anchor.node()
    assert "no freeze today" in anchor.refused("release.rollback").msg
    after = anchor.node()
    assert (after["pid"], after["memory"]) == (before["pid"], "in memory")
    assert anchor.ask("release.status")["probation"]["vsn"] == "2.0"
    anchor.refused("release.rollback", force=True)
    assert_started_again(anchor, before)


def fill(anchor):
    """Have the pointers find no room; return what gives it back."""
    aside = anchor.directory / pointers.DIRECTORY / pointers.ASIDE
    aside.mkdir()
    return aside.rmdir


@pytest.mark.parametrize("end", ["commit", "rollback", "verdict"])
def test_a_rollback_that_the_disk_does_not_take_is_as_if_nothing_had_been(start, end):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    before, known, make_room = anchor.node(), anchor.pointers(), fill(anchor)
    assert "the pointers cannot be written" in anchor.refused("release.rollback").msg
    after, status = anchor.node(), anchor.ask("release.status")
    assert (after["pid"], after["vsn"], after["serving"]) == (before["pid"], "2.0", True)
    assert (status["permanent"], status["current"]) == ("1.0", "2.0")
    assert status["probation"]["vsn"] == "2.0"
    make_room()
    assert anchor.pointers() == known
    if end == "commit":
        assert anchor.ask("release.commit")["vsn"] == "2.0"
        assert anchor.pointers() == pointers.Pointers("2.0", "2.0", ("1.0",))
        return
    if end == "rollback":
        assert anchor.ask("release.rollback")["state"] == "permanent"
    else:
        anchor.node(do="complain", why="too slow")
    assert anchor.serving("1.0")["memory"] == "in memory"
    assert ("2.0" in anchor.pointers().refused) == (end == "verdict")


def test_a_probation_without_a_complaint_makes_the_release_permanent(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade(seconds=0.3)
    wait_for(lambda: anchor.history()[-1] == ("commit", "2.0", "done"))
    assert anchor.lines()[-1]["why"] == "0.3 s without a complaint"
    assert anchor.pointers() == pointers.Pointers("2.0", "2.0", ("1.0",))


@pytest.mark.parametrize("fault", ["kill", "refuse", "hang"])
def test_a_release_is_permanent_even_if_its_node_does_not_do_what_waited(start, fault):
    anchor = start(BRIEF)
    anchor.install("2.0", permanent=fault)
    anchor.upgrade()
    answer = anchor.ask("release.commit")
    assert answer["state"] == "permanent"
    assert answer["missing"]
    assert anchor.pointers().permanent == "2.0"
    assert anchor.serving("2.0")


def test_what_is_permanent_is_started_after_a_crash(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    anchor.ask("release.commit")
    before = anchor.node()
    with pytest.raises(Refusal):
        anchor.node(do="die")
    after = anchor.serving("2.0")
    assert after["pid"] != before["pid"]
    assert after["release"]["permanent_states"] == {"word": 2}
    assert anchor.pointers() == pointers.Pointers("2.0", "2.0", ("1.0",))


def test_a_rollback_of_what_is_permanent_leads_to_the_release_before_it_on_probation(start):
    anchor = start()
    anchor.install("2.0")
    assert "no release was permanent before" in anchor.refused("release.rollback").msg
    anchor.upgrade()
    anchor.ask("release.commit")
    assert anchor.ask("release.rollback")["state"] == "current"
    assert anchor.node()["vsn"] == "1.0"
    assert (anchor.pointers().permanent, anchor.pointers().current) == ("2.0", "1.0")


def test_an_anchor_that_is_stopped_on_probation_goes_back_without_a_reproach(start):
    anchor = start()
    anchor.install("2.0")
    anchor.upgrade()
    assert anchor.end() == ExitCode.DONE
    assert anchor.pointers() == pointers.Pointers("1.0", "1.0")
    assert anchor.history()[-1] == ("fallback", "1.0", "stopped")


def test_a_stop_says_what_starts_next_and_how_long_it_takes_at_most(start):
    anchor = start()
    anchor.install("3.0")
    anchor.upgrade("3.0")
    said = anchor.ask("stop")
    assert (said["starts_next"], said["was_on_probation"]) == ("1.0", "3.0")
    assert said["bound_s"] == 5.0


def test_a_stop_during_a_takeover_is_over_within_what_it_said(start):
    anchor = start(BRIEF, resume="hang")
    anchor.install("2.0", copied="hang")
    anchor.ask("release.upgrade", vsn="2.0", wait=False)
    wait_for(lambda: "2.0 copied" in anchor.steps())
    said, began = anchor.ask("stop"), time.monotonic()
    assert (said["bound_s"], said["was_on_probation"]) == (5.0 + BRIEF.switch_timeout_s, None)
    assert anchor.end() == ExitCode.DONE
    assert time.monotonic() - began < said["bound_s"]


def test_an_anchor_that_is_told_to_stop_during_a_takeover_calls_it_off_first(start):
    anchor = start()
    anchor.install("2.0", copied="hang")
    anchor.ask("release.upgrade", vsn="2.0", wait=False)
    wait_for(lambda: "2.0 copied" in anchor.steps())
    assert anchor.end(signal.SIGTERM) == ExitCode.DONE
    assert anchor.steps()[-2:] == ["1.0 resume", "1.0 stopped plain"]
    assert anchor.pointers() == pointers.Pointers("1.0", "1.0")
    assert anchor.history()[-1] == ("upgrade", "2.0", "failed")


def test_a_program_may_ask_for_what_concerns_releases_and_for_nothing_else(start):
    anchor = start()
    anchor.install("2.0")
    listed = anchor.node(do="ask", what="release.list")
    assert [item["vsn"] for item in listed["releases"]] == ["1.0", "2.0"]
    assert "may not be asked for" in anchor.refused("api", do="ask", what="stop").msg
    args = {"vsn": "2.0", "wait": False}
    assert "number" in anchor.node(do="ask", what="release.upgrade", args=args)
    assert anchor.serving("2.0")["memory"] == "in memory"
