"""Primary and backup of one CTI: one decision, and an answer to every xref when one is cut off."""

import random

import pytest
from link_kit import LinkKit

from actors.session_api import GetSession


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


def answers(peer):
    return {frame["xref"]: frame for frame in peer.frames() if frame["t"] == "route.select"}


DECISION = ("target", "rtype", "reason", "session")


@pytest.mark.parametrize("seed", range(4))
def test_every_xref_is_answered_though_the_primary_is_cut_off_under_load(kit, seed):
    rng = random.Random(seed)
    primary, backup = kit.connect(), kit.connect(side="backup")
    told, calls = {}, [f"c{number}" for number in range(60)]
    at = rng.randrange(10, 50)
    for number, call in enumerate(calls):
        sides = [primary, backup]
        rng.shuffle(sides)
        for peer in sides:
            if peer.alive:
                peer.route(xref=f"x-{call}", call=call)
        if number == at:
            told |= answers(primary)
            primary.cut()
    told |= {} if primary.alive else answers(primary)
    got = answers(backup)
    assert set(got) == {f"x-{call}" for call in calls}
    for xref, answer in told.items():
        assert [answer[key] for key in DECISION] == [got[xref][key] for key in DECISION]


def test_what_the_primary_had_asked_is_answered_on_the_backup_at_once_with_the_same_decision(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    kit.disk.hold()  # decided, and not told yet
    for number in range(20):
        primary.route(xref=f"x{number}", call=f"c{number}")
    primary.cut()
    for number in range(20):
        backup.route(xref=f"x{number}", call=f"c{number}")
    kit.loop.run(kit.disk.release)
    kit.advance(0.1)
    got = answers(backup)
    assert len(got) == 20
    primary.resume()
    assert kit.pool.count() == 20
    for answer in got.values():
        view = kit.call(kit.pool.address_of(answer["session"]), GetSession())
        assert view.routing.target == answer["target"]


def test_a_primary_that_was_reset_goes_on_within_a_second(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    primary.route(xref="x0", call="c0")
    backup.route(xref="x0", call="c0")
    first = answers(primary)["x0"]
    answers(backup)
    kit.advance(0.1)  # what was asked is acknowledged
    primary.frames()
    primary.cut()
    cut_at = kit.clock.monotonic()
    primary.resume()
    primary.route(xref="x1", call="c1")
    assert "x1" in answers(primary)
    assert kit.clock.monotonic() - cut_at < 1.0
    backup.route(xref="x0", call="c0")
    again = answers(backup)["x0"]
    assert [again[key] for key in DECISION] == [first[key] for key in DECISION]


def test_reroutes_of_one_failed_target_on_both_links_get_one_other_target(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    for peer in (primary, backup):
        peer.route()
        peer.frames()
    for peer in (primary, backup):
        peer.send("reroute.request", xref="x1", failed="7001", cause="busy")
    [first], [second] = primary.frames(), backup.frames()
    assert first["target"] == second["target"] == "7002"


def test_a_peer_that_reports_ever_new_failures_is_told_that_it_is_enough(kit):
    peer = kit.connect()
    peer.route()
    [answer] = peer.frames()
    session = kit.pool.address_of(answer["session"])
    for number in range(40):
        peer.send("reroute.request", xref="x1", failed=f"made-up-{number}", cause="busy")
    last = peer.frames()[-1]
    assert (last["t"], last["cause"], last["detail"]) == ("route.end", "no-agent", "max-tries")
    [(_, dialogue)] = kit.actor(session).data.dialogues
    assert len(dialogue.tried) <= 17
