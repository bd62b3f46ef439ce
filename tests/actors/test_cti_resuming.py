"""Link sessions that outlive their connections, their actors and the node."""

import pytest
from link_kit import LinkKit

from actors.config import SupervisionConfig
from actors.cti_link import CtiLink
from actors.cti_record import CODEC, KIND
from actors.cti_table import RESTING_OF_PEER, TableLimits
from protocols.cti.framing import encode
from protocols.cti.link import Link
from protocols.cti.messages import RouteRequest
from supervision import TerminateChild


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


def last_in(kit, peer):
    """What is durable of a link session."""
    value = kit.disk.value(KIND, peer.session)
    return None if value is None else value["record"]["last_in"]


# Acknowledging


def test_a_frame_is_acknowledged_within_50_ms_once_that_is_durable(kit):
    peer = kit.connect()
    peer.route()
    kit.advance(0.05)
    peer.frames()
    assert peer.acked == 1 == last_in(kit, peer)


def test_nothing_is_acknowledged_that_is_not_durable(kit):
    peer = kit.connect()
    kit.advance(0.1)
    kit.disk.hold()
    peer.send("rp.register", rp=["sales"])
    kit.advance(0.2)
    peer.frames()
    assert peer.acked == 0 == last_in(kit, peer)
    kit.disk.release()
    kit.settle()
    peer.frames()
    assert peer.acked == 1 == last_in(kit, peer)


def test_frames_about_the_link_itself_and_refused_ones_are_acknowledged_too(kit):
    peer = kit.connect()
    peer.send("rp.register", rp=["sales"])
    peer.send("rp.cancel", reg="no")
    peer.send("hb", ts=1.0)
    peer.send("route.request", xref="x", call=7, rp="sales", ts=1.0)
    kit.advance(0.05)
    peer.frames()
    assert peer.acked == 4


def test_of_many_frames_most_are_acknowledged_before_their_time(kit):
    peer = kit.connect()
    for _ in range(64):
        peer.send("rp.cancel", reg="no")
    kit.advance(0.005)
    peer.frames()
    assert peer.acked >= 32


def test_what_a_frame_has_to_wait_for_keeps_those_after_it_from_being_acknowledged(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    peer.send("rp.register", rp=["sales"])
    kit.advance(0.2)
    peer.frames()
    assert peer.acked == 0
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.advance(0.05)
    peer.frames()
    assert peer.acked == 2


# Actors come and go


def test_a_link_whose_actor_is_killed_goes_on_and_closes_nothing(kit):
    peer = kit.connect()
    kit.faults.kill(peer.address)
    kit.settle()
    peer.route()
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]
    assert peer.alive


def test_what_comes_while_the_actor_is_down_is_handled_by_the_next_one(kit):
    peer = kit.connect()
    cti_sup = kit.base.whereis("ctiSup")
    cti_sup.cell.suspended = True
    kit.faults.kill(peer.address)
    peer.route()
    assert peer.frames() == []
    cti_sup.cell.suspended = False
    kit.kernel.make_ready(cti_sup.cell)
    kit.settle()
    assert [frame["xref"] for frame in peer.frames()] == ["x1"]


def test_registrations_and_counts_survive_the_actor(kit):
    peer = kit.connect()
    peer.send("rp.register", rp=["sales"])
    [registered] = peer.frames()
    kit.faults.kill(peer.address)
    kit.settle()
    peer.route(reg=registered["reg"])
    assert peer.frames()[0]["t"] == "route.select"
    assert kit.actor(peer.address).status()["registrations"] == {"reg-1": ["sales"]}


def test_a_request_that_waits_is_answered_by_the_next_actor(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    kit.faults.kill(peer.address)
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.settle()
    [answer] = peer.frames()
    assert (answer["xref"], answer["target"]) == ("x1", "7001")
    kit.advance(1.0)
    assert peer.frames() == []
    assert peer.acked == 1


def test_the_guard_of_a_request_survives_the_actor(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    kit.advance(0.1)
    kit.faults.kill(peer.address)
    kit.advance(0.18)
    [answer] = peer.frames()
    assert (answer["reason"], answer["durable"]) == ("late-default", False)


@pytest.mark.parametrize("who", ["ctiListener", "ctiSup"])
def test_links_survive_the_end_of_those_above_them(kit, who):
    peers = [kit.connect(name=f"cti-{number}") for number in range(5)]
    kit.faults.kill(kit.base.whereis(who))
    kit.settle()
    for number, peer in enumerate(peers):
        peer.route(xref=f"x{number}", call=f"c{number}")
        assert [frame["t"] for frame in peer.frames()] == ["route.select"]
        assert peer.alive
    assert kit.open_links() == 5


def test_a_listener_adopts_links_that_have_no_actor(kit):
    peer = kit.connect()
    kit.call("ctiSup", TerminateChild(peer.row.child))
    peer.route()
    assert peer.frames() == []
    kit.faults.kill(kit.listener)
    kit.settle()
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]


@pytest.fixture
def poison(monkeypatch):
    """Route requests of the call `poison` crash the actor of their link."""
    handle = CtiLink._MESSAGES[RouteRequest]

    def crash_on_poison(link, pending):
        if pending.message.call == "poison":
            raise RuntimeError("poison")
        handle(link, pending)

    monkeypatch.setitem(CtiLink._MESSAGES, RouteRequest, crash_on_poison)


@pytest.mark.usefixtures("poison")
def test_the_frame_that_crashes_the_actor_gets_500_and_the_rest_goes_on(kit):
    peer = kit.connect()
    peer.route(xref="x1", call="poison")
    peer.route(xref="x2", call="c2")
    refused, answer = peer.frames()
    assert (refused["t"], refused["code"], refused["ref"]) == ("error", 500, 1)
    assert answer["xref"] == "x2"
    kit.advance(0.1)
    peer.frames()
    assert peer.acked == 2


@pytest.mark.usefixtures("poison")
def test_frames_of_one_read_behind_the_one_that_crashed_are_carried_out(kit):
    peer = kit.connect()
    frames = b"".join(
        encode(
            {"t": "route.request", "i": i, "xref": f"x{i}", "call": call, "rp": "sales", "ts": 1.0}
        )
        for i, call in enumerate(("a", "poison", "b"), 1)
    )
    peer.bytes(frames)
    got = peer.frames()
    assert {frame.get("xref") or frame["ref"] for frame in got} == {"x1", 2, "x3"}


@pytest.mark.usefixtures("poison")
def test_a_peer_whose_frames_crash_its_link_again_and_again_is_cut_off_for_once(kit):
    peer = kit.connect()
    for _ in range(3):
        peer.route(call="poison")
    told = peer.frames()
    assert [(frame["code"], frame["ref"]) for frame in told] == [(500, 1), (500, 2), (500, 0)]
    assert not peer.alive
    kit.advance(0.1)
    _, third = peer.resume()
    assert (third["code"], third["ref"]) == (500, 3)
    peer.route(xref="x2", call="c2")
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]


def test_a_read_that_crashes_the_protocol_closes_the_connection_and_loses_nothing(kit, monkeypatch):
    peer = kit.connect()
    receive = Link.receive

    def crash_behind(link, data, now):
        receive(link, data, now)
        raise RuntimeError("behind the frames of this read")

    with monkeypatch.context() as crashing:
        crashing.setattr(Link, "receive", crash_behind)
        peer.event(call="c1")
    assert [frame["code"] for frame in peer.frames()] == [500]
    assert not peer.alive
    answer, *_ = peer.resume()
    assert answer["last_i"] == 0
    peer.send("rp.register", i=1, rp=["sales"])
    assert [frame["t"] for frame in peer.frames()] == ["rp.registered"]


def test_the_listener_shows_how_many_link_sessions_there_are(kit):
    peer, _other = kit.connect(), kit.connect(side="backup")
    peer.cut()
    shown = kit.actor(kit.listener).status()
    assert (shown["connections"], shown["link_sessions"], shown["resting"]) == (1, 2, 1)


def test_link_sessions_that_are_over_leave_no_child_behind(kit):
    for _ in range(3):
        peer = kit.connect()
        peer.cut()
        peer.resume()
    greeter = kit.connect(hello=False)
    greeter.cut()
    kit.advance(2.0)
    children = kit.actor("ctiSup").state.children
    assert len(children) == 4  # three links and the listener


# Resuming


def test_a_peer_that_was_cut_off_resumes_and_gets_its_answer(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    peer.cut()
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.settle()
    hello, answer = peer.resume()
    assert (hello["session"], answer["xref"]) == (peer.session, "x1")
    assert kit.links.counts.resumed == 1


def test_an_answer_that_has_expired_is_repeated_as_void(kit):
    peer = kit.connect()
    kit.sessions.cell.suspended = True
    peer.route()
    peer.cut()
    kit.sessions.cell.suspended = False
    kit.kernel.make_ready(kit.sessions.cell)
    kit.advance(1.0)
    [hello] = peer.resume()
    assert hello["last_i"] == 1
    assert peer.got > 0


def test_a_half_open_connection_gives_way_to_the_one_that_resumes(kit):
    peer = kit.connect()
    old = peer.wire
    peer.resume()
    assert old.ended == "aborted"
    peer.route()
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]
    assert kit.open_links() == 1


def test_frames_that_are_sent_again_are_handled_once(kit):
    peer = kit.connect()
    peer.send("rp.register", rp=["sales"])
    peer.resume()
    peer.send("rp.register", i=1, rp=["sales"])
    peer.route(reg="reg-1")
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]
    assert len(peer.row.registrations) == 1


def test_frames_that_come_with_the_resuming_hello_are_handled(kit):
    peer = kit.connect()
    peer.cut()
    peer.dial()
    hello = {"t": "hello", "proto": 1, "name": "cti-1", "side": "primary", "token": "good"}
    hello["resume"] = {"session": peer.session, "last_i": 0}
    route = {"t": "route.request", "i": 1, "xref": "x", "call": "c", "rp": "sales", "ts": 1.0}
    peer.bytes(encode(hello) + encode(route))
    assert [frame["t"] for frame in peer.frames()] == ["hello", "route.select"]


@pytest.mark.parametrize(
    "other", [{"name": "cti-2"}, {"side": "backup"}, {"session": "unknown"}, {"last_i": 99}]
)
def test_another_peer_or_session_cannot_be_resumed(kit, other):
    peer = kit.connect()
    peer.cut()
    stranger = kit.connect(
        hello=False, name=other.get("name", "cti-1"), side=other.get("side", "primary")
    )
    stranger.session = other.get("session", peer.session)
    [answer] = stranger.resume(dial=False, last_i=other.get("last_i", 0))
    assert (answer["code"], answer["msg"]) == (409, "resume-lost")
    stranger.hello()
    assert stranger.frames()[0]["t"] == "hello"
    assert peer.row is not None


def test_who_resumes_needs_a_token(kit):
    peer = kit.connect()
    peer.cut()
    [answer] = peer.resume(token="ivr")
    assert answer["code"] == 401
    assert not peer.alive


def test_a_link_session_that_nobody_resumes_is_over_and_so_is_its_record(kit):
    peer = kit.connect()
    peer.cut()
    kit.advance(302.0)
    assert peer.row is None
    assert last_in(kit, peer) is None
    assert kit.links.counts.expired == 1
    [answer] = peer.resume()
    assert answer["msg"] == "resume-lost"


def test_the_oldest_link_session_without_a_connection_gives_way():
    with LinkKit(limits=TableLimits(max_link_sessions=2)) as kit:
        peers = [kit.connect(name=f"cti-{number}") for number in range(3)]
        for peer in peers:
            peer.cut()
        assert [peer.row is None for peer in peers] == [True, False, False]
        assert kit.links.counts.displaced == 1


def test_a_link_session_whose_actor_was_terminated_can_be_resumed(kit):
    peer = kit.connect()
    peer.cut()
    kit.call("ctiSup", TerminateChild(peer.row.child))
    peer.resume()
    peer.route()
    assert [frame["t"] for frame in peer.frames()] == ["route.select"]


# The node ends


def test_a_link_session_goes_on_after_the_node_has_crashed(kit):
    peer = kit.connect()
    peer.send("rp.register", rp=["sales"])
    peer.send("rp.cancel", reg="no")
    kit.advance(0.1)
    peer.frames()
    assert peer.acked == 2
    with LinkKit(writer=kit.disk) as later:
        peer.kit = later
        peer.got = 2  # registered, and the error; not the ack
        answer, *_ = peer.resume()
        assert (answer["session"], answer["last_i"]) == (peer.session, 2)
        peer.route(reg="reg-1")
        assert [frame["t"] for frame in peer.frames()] == ["route.select"]


def test_what_was_refused_is_told_again_after_the_node_has_crashed(kit):
    peer = kit.connect()
    peer.send("rp.cancel", reg="no")
    kit.advance(0.1)
    with LinkKit(writer=kit.disk) as later:
        peer.kit, peer.got = later, 0
        _hello, refused = peer.resume()
        assert (refused["t"], refused["ref"]) == ("error", 1)


def test_a_restored_link_session_that_nobody_resumes_is_over(kit):
    kit.connect()
    kit.advance(0.1)
    with LinkKit(writer=kit.disk) as later:
        assert later.links.sessions == 1
        later.advance(302.0)
        assert later.links.sessions == 0


def test_a_node_that_stops_lets_no_peer_in_and_keeps_their_link_sessions(kit):
    peer = kit.connect()
    kit.loop.run(kit.links.stop)
    kit.settle()
    assert not peer.alive
    assert last_in(kit, peer) == 0
    peer.dial()
    [frame] = peer.frames()
    assert (frame["code"], frame["msg"]) == (503, "vigie stops")


def test_records_of_another_version_are_refused():
    with pytest.raises(ValueError, match="version 3"):
        CODEC.decode(b"{}", 3)


def test_a_peer_that_never_resumes_displaces_its_own_link_sessions_first():
    with LinkKit(limits=TableLimits(max_link_sessions=5)) as kit:
        good = kit.connect(name="good")
        good.cut()
        for _ in range(7):
            kit.connect(name="flapping").cut()
        assert kit.links.counts.displaced == 3
        [answer] = good.resume()
        assert answer["session"] == good.session


def test_a_new_link_session_ends_the_oldest_of_many_that_its_peer_has_left_behind(kit):
    left = [kit.connect(name="flapping") for _ in range(RESTING_OF_PEER + 2)]
    for peer in left:
        peer.cut()
    other = kit.connect(name="flapping", side="backup")
    assert kit.links.counts.displaced == 0
    kit.connect(name="flapping")
    assert [peer.row is None for peer in left] == [True, True] + [False] * RESTING_OF_PEER
    assert other.alive


def test_links_that_are_killed_again_and_again_do_not_cost_their_supervisor(kit):
    peers = [kit.connect(name=f"cti-{number}") for number in range(8)]
    before = kit.base.whereis("ctiSup").incarnation
    for number in range(5 * SupervisionConfig().intensity):
        kit.faults.kill(peers[number % 8].address)
        kit.settle()
    assert kit.base.whereis("ctiSup").incarnation == before
    for peer in peers:
        peer.send("rp.register", rp=["sales"])
        assert [frame["t"] for frame in peer.frames()] == ["rp.registered"]
