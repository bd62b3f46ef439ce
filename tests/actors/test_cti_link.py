import random

import pytest
from link_kit import LinkKit

from actors import metrics
from actors.session_api import GetSession
from protocols.cti.framing import encode
from protocols.cti.link_state import LinkConfig
from supervision import TerminateChild


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


def test_a_peer_with_a_token_of_scope_cti_or_admin_is_let_in(kit):
    for token in ("good", "boss"):
        peer = kit.connect(hello=False)
        peer.hello(token)
        [answer] = peer.frames()
        assert (answer["t"], answer["last_i"], answer["proto"]) == ("hello", 0, 1)
        assert answer["hb"]["interval_ms"] == 300


@pytest.mark.parametrize("token", ["ivr", "unknown", ""])
def test_any_other_token_gets_401_and_the_link_is_closed(kit, token):
    peer = kit.connect(hello=False)
    peer.hello(token)
    [answer] = peer.frames()
    assert (answer["code"], answer["field"]) == (401, "token")
    assert peer.wire.ended == "closed"
    assert not peer.alive


def test_a_route_request_of_a_new_call_opens_its_session_and_is_answered(kit):
    peer = kit.connect()
    peer.route(ani="0612345678", ud={"offer": "gold"})
    [answer] = peer.frames()
    assert (answer["t"], answer["xref"], answer["target"]) == ("route.select", "x1", "7001")
    view = kit.call(kit.pool.address_of(answer["session"]), GetSession())
    assert (view.ani, view.ani_type, view.ud) == ("+33612345678", "public", {"offer": "gold"})


def test_primary_and_backup_get_one_answer_to_one_xref(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    primary.route()
    backup.route()
    [first], [second] = primary.frames(), backup.frames()
    same = ("xref", "target", "session", "rev", "reason")
    assert [first[key] for key in same] == [second[key] for key in same]
    assert kit.pool.count() == 1


def test_both_links_may_open_the_same_call_at_the_same_instant(kit):
    primary, backup = kit.connect(), kit.connect(side="backup")
    frame = {"t": "route.request", "i": 1, "xref": "x", "call": "c", "rp": "sales", "ts": 1.0}
    for peer in (primary, backup):
        kit.loop.run(peer.wire.feed, encode(frame))
    kit.settle()
    assert primary.frames()[0]["session"] == backup.frames()[0]["session"]
    assert kit.pool.count() == 1


def test_the_link_answers_for_a_suspended_session_before_the_time_is_up(kit):
    peer = kit.connect()
    peer.route()
    [first] = peer.frames()
    session = kit.pool.address_of(first["session"])
    session.cell.suspended = True
    peer.route(xref="x2")
    kit.advance(0.259)
    assert peer.frames() == []
    kit.advance(0.002)
    [answer] = peer.frames()
    assert (answer["target"], answer["reason"]) == ("7001", "late-default")
    session.cell.suspended = False
    kit.kernel.make_ready(session.cell)
    kit.settle()
    assert peer.frames() == []
    backup = kit.connect(side="backup")
    backup.route(xref="x2")
    [again] = backup.frames()
    assert (again["target"], again["reason"]) == ("7001", "late-default")


def test_the_link_answers_when_no_session_can_be_opened_in_time(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    kit.advance(0.28)
    [answer] = peer.frames()
    assert (answer["target"], answer["reason"]) == ("7001", "late-default")


def test_the_link_answers_while_the_supervisor_of_sessions_is_dead(kit):
    peer = kit.connect()
    kit.call(kit.top, TerminateChild("sessionSup"), timeout=None)
    peer.route()
    kit.advance(0.28)
    assert [frame["reason"] for frame in peer.frames()] == ["late-default"]


def test_nothing_is_sent_for_an_xref_after_its_time(kit):
    before = metrics.ROUTES_EXPIRED._value.get()
    peer = kit.connect()
    peer.route()
    [first] = peer.frames()
    session = kit.pool.address_of(first["session"])
    session.cell.suspended = True
    link = peer.address.cell
    peer.route(xref="x2", reply_ms=100)
    link.suspended = True
    kit.advance(0.2)
    link.suspended = False
    kit.kernel.make_ready(link)
    session.cell.suspended = False
    kit.kernel.make_ready(session.cell)
    kit.advance(0.2)
    assert peer.frames() == []
    assert kit.actor(peer.address).status()["counts"].expired == 1
    assert metrics.ROUTES_EXPIRED._value.get() == before + 1


def test_over_max_open_a_new_call_gets_503_and_the_others_go_on():
    with LinkKit(max_open=1) as kit:
        peer = kit.connect()
        peer.route()
        peer.route(xref="x2", call="c2")
        first, second = peer.frames()
        assert first["t"] == "route.select"
        assert (second["code"], second["ref"]) == (503, 2)
        assert "sessions.max_open is 1" in second["msg"]


def test_a_reroute_offers_the_next_target_and_ends_when_none_is_left(kit):
    peer = kit.connect()
    peer.route()
    peer.frames()
    said = []
    for failed in ("7001", "7002", "7009"):
        peer.send("reroute.request", xref="x1", failed=failed, cause="busy")
        [frame] = peer.frames()
        said.append(frame.get("target") or frame["cause"])
    assert said == ["7002", "7009", "no-agent"]


@pytest.mark.parametrize(
    ("t", "fields", "field"),
    [
        ("reroute.request", {"xref": "no", "failed": "1", "cause": "busy"}, "xref"),
        ("route.used", {"xref": "no", "target": "1", "reason": "ok"}, "xref"),
        ("route.end", {"xref": "no", "cause": "ok"}, "xref"),
        ("call.event", {"call": "no", "ev": "queued", "ts": 1.0}, "call"),
        ("rp.cancel", {"reg": "no"}, "reg"),
    ],
)
def test_what_refers_to_nothing_gets_404_naming_the_field(kit, t, fields, field):
    peer = kit.connect()
    ref = peer.send(t, **fields)
    kit.advance(0.1)
    [answer] = peer.frames()
    assert (answer["code"], answer["ref"], answer["field"]) == (404, ref, field)
    assert peer.alive


def test_a_registration_covers_its_routing_points_until_it_is_cancelled(kit):
    peer = kit.connect()
    peer.send("rp.register", rp=["sales"])
    [registered] = peer.frames()
    peer.route(reg=registered["reg"])
    assert peer.frames()[0]["t"] == "route.select"
    peer.route(xref="x2", rp="other", reg=registered["reg"])
    assert peer.frames()[0]["field"] == "reg"
    peer.send("rp.cancel", reg=registered["reg"])
    peer.route(xref="x3", reg=registered["reg"])
    assert peer.frames()[0]["code"] == 404


def test_a_star_registers_every_routing_point(kit):
    peer = kit.connect()
    peer.send("rp.register", rp=["*"])
    peer.route(rp="whatever", reg=peer.frames()[0]["reg"])
    assert peer.frames()[0]["reason"] == "unknown-rp"


def test_a_bad_frame_is_answered_and_leaves_the_other_link_untouched(kit):
    bad, good = kit.connect(), kit.connect(name="cti-2")
    bad.bytes(b"\xff\xff\xff\xff rubbish")
    assert bad.frames()[0]["code"] == 413
    assert not bad.alive
    good.route()
    assert good.frames()[0]["t"] == "route.select"


def test_a_wrong_type_is_refused_naming_the_field_and_the_link_goes_on(kit):
    peer = kit.connect()
    ref = peer.send("route.request", xref="x", call=7, rp="sales", ts=1.0)
    [answer] = peer.frames()
    assert (answer["code"], answer["ref"], answer["field"]) == (400, ref, "call")
    peer.route()
    assert peer.frames()[0]["t"] == "route.select"


def test_random_bytes_never_crash_a_link(kit):
    noise = random.Random(7)
    for _ in range(300):
        peer = kit.connect(hello=noise.random() < 0.5)
        for _ in range(3):
            if peer.alive:
                peer.bytes(noise.randbytes(noise.randrange(1, 60)))
    assert kit.reported("crash") == []


def test_a_peer_that_does_not_read_its_answers_is_cut_off(kit):
    peer, other = kit.connect(), kit.connect(name="cti-2")
    peer.wire.takes = False
    peer.route()
    assert peer.wire.ended is not None
    assert not peer.alive
    other.route(xref="x2", call="c2")
    assert other.frames()[0]["t"] == "route.select"


def test_a_silent_peer_is_closed_after_ten_missed_heartbeats(kit):
    peer = kit.connect()
    kit.advance(10.0)
    assert not peer.alive
    assert kit.reported("link", why="silent")


def test_a_peer_that_says_no_hello_in_time_gets_400(kit):
    peer = kit.connect(hello=False)
    peer.bytes(b"\x00\x00")
    kit.advance(2.1)
    assert peer.frames()[0]["code"] == 400
    assert not peer.alive


def test_the_end_of_a_connection_that_said_no_hello_ends_its_actor_in_order(kit):
    peer = kit.connect(hello=False)
    peer.eof()
    assert kit.links.rows == {}
    assert kit.reported("crash") == []


def test_vigie_tells_its_peers_when_it_stops(kit):
    peer = kit.connect()
    kit.loop.run(kit.links.stop)
    [frame] = peer.frames()
    assert (frame["t"], frame["code"]) == ("error", 503)
    assert peer.wire.ended == "closed"


def test_over_the_window_a_request_gets_429():
    with LinkKit(link=LinkConfig(window=2)) as kit:
        peer = kit.connect()
        kit.sessions.cell.suspended = True
        for number in range(3):
            peer.route(xref=f"x{number}", call=f"c{number}")
        kit.advance(0.245)
        [refusal] = peer.frames()
        assert (refusal["code"], refusal["ref"]) == (429, 3)


def test_a_call_event_moves_the_session_of_its_call(kit):
    peer = kit.connect()
    peer.route()
    [answer] = peer.frames()
    peer.send("call.event", call="c1", ev="established", ts=2.0)
    assert kit.state(kit.pool.address_of(answer["session"])) == "connected"
    assert peer.frames() == []


def test_frames_wait_in_order_for_a_session_that_is_being_opened(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    for seq, ev in enumerate(("queued", "delivered", "established")):
        peer.send("call.event", call="c1", ev=ev, ts=1.0 + seq, seq=seq)
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.settle()
    [answer] = peer.frames()
    assert kit.state(kit.pool.address_of(answer["session"])) == "connected"


def test_an_event_that_comes_between_two_lives_of_its_session_is_not_lost(kit):
    peer = kit.connect()
    peer.route()
    [answer] = peer.frames()
    session = kit.pool.address_of(answer["session"])
    kit.sessions.cell.suspended = True
    kit.faults.kill(session)
    kit.settle()
    peer.send("call.event", call="c1", ev="established", ts=2.0)
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.advance(0.02)
    assert kit.state(session) == "connected"
    assert peer.frames() == []


def test_a_reroute_of_a_suspended_session_is_ended_by_the_guard(kit):
    peer = kit.connect()
    peer.route()
    [answer] = peer.frames()
    kit.pool.address_of(answer["session"]).cell.suspended = True
    peer.send("reroute.request", xref="x1", failed="7001", cause="busy")
    kit.advance(0.27)
    [end] = peer.frames()
    assert (end["t"], end["cause"]) == ("route.end", "timeout")


def test_a_session_keeps_to_the_end_that_the_guard_has_told_for_a_reroute(kit):
    peer, backup = kit.connect(), kit.connect(side="backup")
    peer.route()
    [answer] = peer.frames()
    session = kit.pool.address_of(answer["session"])
    session.cell.suspended = True
    peer.send("reroute.request", xref="x1", failed="7001", cause="busy")
    kit.advance(0.27)
    [first] = peer.frames()
    session.cell.suspended = False
    kit.kernel.make_ready(session.cell)
    kit.advance(0.1)
    backup.send("reroute.request", xref="x1", failed="7001", cause="busy")
    [second] = backup.frames()
    assert (
        (first["t"], first["cause"]) == (second["t"], second["cause"]) == ("route.end", "timeout")
    )


def test_a_session_that_is_opened_after_the_guard_has_answered_keeps_to_that_answer(kit):
    peer, backup = kit.connect(), kit.connect(side="backup")
    kit.sessions.cell.suspended = True
    peer.route()
    kit.advance(0.27)
    [first] = peer.frames()
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.settle()
    backup.route()
    [second] = backup.frames()
    assert first["reason"] == second["reason"] == "late-default"
    assert first["session"] == second["session"]


def test_frames_of_a_session_that_waits_to_be_restarted_wait_with_it(kit):
    peer = kit.connect()
    peer.route()
    [answer] = peer.frames()
    session = kit.pool.address_of(answer["session"])
    for _ in range(6):
        kit.faults.kill(session)
        kit.settle()
    peer.event(ev="held")
    peer.route(xref="x2")
    kit.advance(0.15)
    assert not kit.alive(session)
    kit.advance(0.5)
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]
    assert (kit.state(session), kit.pool.count()) == ("held", 1)


def test_an_event_of_a_new_leg_finds_its_session_by_the_call_before(kit):
    peer = kit.connect()
    peer.route()
    [answer] = peer.frames()
    peer.send("call.event", call="c2", ev="transferred", ts=2.0, prev_call="c1")
    peer.send("call.event", call="c2", ev="held", ts=3.0)
    assert kit.state(kit.pool.address_of(answer["session"])) == "held"
