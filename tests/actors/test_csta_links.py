"""Links in framing B: the same actors as behind framing A, and what only framing B has."""

import pytest
from call_kit import route_request
from csta_peer import EVENT, CstaPeer, request
from link_kit import LinkKit
from msgspec import structs

from actors.call_names import link_name
from actors.config import RoutingPoint
from actors.cti_record import KIND
from actors.session_api import GetSession
from protocols.csta.agent_events import AgentLoggedOffEvent, AgentLoggedOnEvent, AgentReadyEvent
from protocols.csta.application_session import (
    ApplicationSessionTerminated,
    ResetApplicationSessionTimer,
    ResetApplicationSessionTimerPosResponse,
    StartApplicationSessionNegResponse,
    StopApplicationSession,
    StopApplicationSessionPosResponse,
)
from protocols.csta.call_events import CallClearedEvent, EstablishedEvent
from protocols.csta.errors import CSTAErrorCode
from protocols.csta.monitoring import (
    MonitorStart,
    MonitorStartResponse,
    MonitorStop,
    MonitorStopResponse,
)
from protocols.csta.routeing import (
    ReRoute,
    RouteRegister,
    RouteRegisterCancel,
    RouteRegisterCancelResponse,
    RouteRegisterResponse,
    RouteReject,
    RouteSelect,
    RouteUsed,
)
from protocols.csta.system_status import (
    RequestSystemStatus,
    RequestSystemStatusResponse,
    SystemStatus,
    SystemStatusResponse,
)
from protocols.csta.values import ConnectionID, Device
from supervision import KILLED


@pytest.fixture
def kit():
    with LinkKit() as kit:
        yield kit


@pytest.fixture
def peer(kit):
    return CstaPeer(kit)


def session_of(kit, answer):
    return kit.call(kit.pool.address_of(answer.correlator.decode()), GetSession())


def status(kit, peer):
    return kit.actor(peer.address).status()


def test_a_route_request_is_answered_with_the_routing(kit, peer):
    answer = peer.ask("17", "c1", calling=Device("0612345678"), data={"offer": "gold"})
    assert isinstance(answer, RouteSelect)
    assert (answer.cross_ref, answer.selected) == ("17", Device("7001"))
    view = session_of(kit, answer)
    assert (view.ani, view.rp, view.ud) == ("+33612345678", "sales", {"offer": "gold"})


def test_events_of_a_call_change_its_session(kit, peer):
    answer = peer.ask()
    connection = ConnectionID("c1", "7001")
    assert peer.say(EstablishedEvent(monitor="1", connection=connection, time=5.0)) == []
    assert session_of(kit, answer).state == "connected"
    peer.say(CallClearedEvent(monitor="1", connection=connection, time=6.0))
    kit.settle()
    assert session_of(kit, answer).state == "closed"
    assert peer.row.pending == {}


def test_one_xref_gets_one_decision_and_framing_a_the_same_session(kit, peer):
    first, second = peer.ask(), peer.ask()
    assert first == second
    other = kit.connect(name="cti-a")
    other.route(xref="x9", call="c1")
    [answer] = other.frames()
    assert answer["session"] == first.correlator.decode()


def test_what_failed_is_routed_again(kit, peer):
    first = peer.ask()
    [second] = peer.say(ReRoute(cross_ref="17", cause="busy"))
    assert (first.selected, second.selected) == (Device("7001"), Device("7002"))


def test_registrations_cover_their_routing_points(kit, peer):
    [registered] = peer.say(RouteRegister(Device("sales")))
    assert isinstance(registered, RouteRegisterResponse)
    answer = peer.ask("18", "c2", register_id=registered.register_id)
    assert answer.register_id == registered.register_id
    refused = peer.ask("19", "c3", register_id="reg-0")
    assert refused.error.value == "invalidRouteRegistrationCrossRefID"
    assert peer.say(RouteRegisterCancel(registered.register_id)) == [RouteRegisterCancelResponse()]
    assert peer.row.registrations == {}


def test_what_is_refused_is_told_at_once(kit, peer):
    assert peer.say(RouteUsed(cross_ref="99", used=Device("7001"), reason="ok")) == []
    kit.advance(0.1)  # its session might have been on its way
    [(_, refused)] = peer.heard()
    assert isinstance(refused, CSTAErrorCode)
    assert refused.error.value == "invalidRouteingCrossRefID"
    assert peer.row.session.withheld == []
    assert peer.row.pending == {}


def test_the_link_session_ends_with_its_connection_and_leaves_nothing(kit, peer):
    peer.ask()
    session = peer.session
    assert kit.links.find(session) is not None
    peer.cut()
    assert kit.links.find(session) is None
    assert kit.links.resting == {}
    assert kit.links.rows == {}
    assert kit.kernel.registry.whereis(link_name(session)) is None
    assert kit.reported("crash") == []
    kit.advance(3.0)
    assert kit.links.leavers == set()


def test_nothing_of_it_goes_into_the_journal(kit, monkeypatch):
    put, deleted = [], []
    journal = kit.links.journal
    real_put, real_delete = journal.put, journal.delete
    monkeypatch.setattr(
        journal, "put", lambda kind, key, value: (put.append(kind), real_put(kind, key, value))
    )
    monkeypatch.setattr(
        journal, "delete", lambda kind, key: (deleted.append(kind), real_delete(kind, key))
    )
    peer = CstaPeer(kit)
    for number in range(100):
        peer.ask(str(number), f"c{number}")
    peer.say(StopApplicationSession(peer.session))
    assert "session" in put
    assert KIND not in put + deleted


def test_frames_are_confirmed_without_the_journal(kit, peer):
    for number in range(200):
        peer.ask(str(number), "c1" if number % 2 else f"c{number}")
    connection = ConnectionID("c1", "7001")
    for number in range(100):
        peer.say(EstablishedEvent(monitor="1", connection=connection, time=float(number)))
    assert peer.row.pending == {}
    assert len(peer.row.ways) == 0
    kit.advance(0.1)
    assert peer.row.session.durable_in == peer.row.session.confirmed_in == 300


def test_no_peer_in_framing_a_resumes_it(kit, peer):
    thief = kit.connect(hello=False, name="switch-a")
    thief.hello(resume={"session": peer.session, "last_i": 0})
    [frame] = thief.frames()
    assert (frame["code"], frame["msg"]) == (409, "resume-lost")
    assert peer.ask() is not None


@pytest.mark.parametrize("token", ["ivr", "unknown"])
def test_who_has_no_token_of_scope_cti_is_not_let_in(kit, token):
    peer = CstaPeer(kit, token=token)
    [(_, refused)] = peer.greeting
    assert isinstance(refused, StartApplicationSessionNegResponse)
    assert refused.error == "invalidApplicationInfo"
    assert not peer.alive
    assert kit.links.rows == {}


def test_a_peer_that_does_not_begin_in_time_is_told_and_cut_off(kit):
    peer = CstaPeer(kit, token=None)
    peer.bytes(b"\x00\x00\x01\x000001")
    kit.advance(2.1)
    [(_, told)] = peer.heard()
    assert isinstance(told, CSTAErrorCode)
    assert not peer.alive


def test_a_session_that_is_not_prolonged_ends_and_a_shorter_one_earlier(kit, peer):
    kit.advance(50.0)
    [answer] = peer.say(ResetApplicationSessionTimer(peer.session, 20))
    assert answer == ResetApplicationSessionTimerPosResponse(20)
    kit.advance(19.0)
    assert peer.alive
    kit.advance(1.5)
    [(invoke_id, ended)] = peer.heard()
    assert (invoke_id, type(ended)) == (EVENT, ApplicationSessionTerminated)
    assert not peer.alive


def test_a_peer_may_stop_its_session(kit, peer):
    assert peer.say(StopApplicationSession(peer.session)) == [StopApplicationSessionPosResponse()]
    assert not peer.alive
    assert kit.links.sessions == 0


def test_peers_are_told_when_the_node_stops(kit, peer):
    kit.loop.run(kit.links.stop)
    [(_, ended)] = peer.heard()
    assert isinstance(ended, ApplicationSessionTerminated)
    assert peer.wire.ended == "closed"


# Actors that die


def test_a_killed_link_goes_on_with_its_connection(kit, peer):
    peer.ask()
    kit.kernel.exit(kit.kernel.cell_of(peer.address), KILLED)
    kit.settle()
    kit.advance(1.0)
    assert peer.ask("18", "c2").selected == Device("7001")
    assert peer.alive


def test_a_link_that_fails_while_it_reads_closes_its_connection_alone(kit, peer, monkeypatch):
    other = CstaPeer(kit, "switch-b")

    def fails(data, now):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(peer.connection.link, "receive", fails)
    peer.say(request())
    kit.advance(1.0)
    assert not peer.alive
    assert kit.links.find(peer.session) is None
    assert other.ask("18", "c2").selected == Device("7001")


def test_a_service_that_makes_vigie_fail_is_refused_and_the_link_goes_on(kit, peer, monkeypatch):
    actor = type(kit.actor(peer.address))
    handled = actor._MESSAGES

    def fails(self, pending):
        raise RuntimeError("a mistake of ours")

    frame = type(route_request())
    monkeypatch.setattr(actor, "_MESSAGES", {**handled, frame: fails})
    [refused] = peer.say(request())
    monkeypatch.undo()
    assert refused.error.value == "generic"
    assert peer.ask("18", "c2").selected == Device("7001")


# Monitors, status, agents


def test_monitors_are_shown_in_the_status_of_the_link(kit, peer):
    [started] = peer.say(MonitorStart(Device("4711")))
    assert isinstance(started, MonitorStartResponse)
    assert status(kit, peer)["monitors"] == {started.monitor: "4711"}
    assert peer.say(MonitorStop(started.monitor)) == [MonitorStopResponse()]
    assert status(kit, peer)["monitors"] == {}
    assert kit.reported("link", what="monitor stopped")


def test_a_monitor_that_vigie_starts_is_shown_as_well(kit, peer):
    link = peer.connection.link
    peer.connection.write(link.monitor("4711", 0.0))
    [(invoke_id, asked)] = peer.heard()
    assert asked == MonitorStart(Device("4711"))
    peer.say(MonitorStartResponse("77"), invoke_id=invoke_id)
    assert status(kit, peer)["monitors"] == {"77": "4711"}
    assert kit.reported("link", what="monitor started")


def test_a_peer_tells_how_it_is_and_asks_how_vigie_is(kit, peer):
    assert peer.say(SystemStatus("partiallyDisabled")) == [SystemStatusResponse()]
    assert status(kit, peer)["peer_status"] == "partiallyDisabled"
    assert peer.say(RequestSystemStatus()) == [RequestSystemStatusResponse("normal")]
    assert status(kit, peer)["framing"] == "B"
    assert status(kit, kit.connect())["framing"] == "A"


def agent(event, name, time, **fields):
    return event(monitor="1", device=Device("4711"), agent=name, time=time, **fields)


def test_agents_are_known_as_those_of_framing_a_are(kit, peer):
    agents, heard = kit.links.agents, []
    peer.say(agent(AgentLoggedOnEvent, "ann", 5.0))
    agents.hand_to(heard.append)
    peer.say(agent(AgentReadyEvent, "ann", 6.0), agent(AgentReadyEvent, "bob", 6.0))
    assert [(one.agent, one.st) for one in heard] == [
        ("ann", "login"),
        ("ann", "ready"),
        ("bob", "ready"),
    ]
    peer.say(agent(AgentLoggedOffEvent, "ann", 5.5))  # late: he is ready since
    known = agents.get("ann")
    assert (known.st, known.dev, known.cti) == ("ready", "4711", "switch-a")
    kit.advance(0.1)
    assert peer.row.pending == {}


def test_an_agent_for_whom_there_is_no_room_is_counted_and_the_link_goes_on(kit, peer):
    kit.links.agents._limit = 1
    peer.say(agent(AgentReadyEvent, "ann", 1.0), agent(AgentReadyEvent, "bob", 1.0))
    kit.advance(0.1)
    assert len(kit.links.agents) == 1
    assert peer.connection.link.state.refused == {429: 1}
    assert peer.row.pending == {}


# Too much


def test_under_overload_new_calls_are_refused_and_the_peer_is_told_once_and_of_its_end(kit, peer):
    overload = kit.overload
    overload._level = structs.replace(overload.level, shed=1.0)
    overload._settle()
    told, refused = [], []
    for number in range(3):
        for service in peer.say(request(str(number), f"c{number}")):
            (told if isinstance(service, SystemStatus) else refused).append(service)
    assert told == [SystemStatus("overloadReached")]
    assert {one.error.value for one in refused} == {"outstandingReqLimitExceeded"}
    assert len(refused) == 3
    kit.advance(2.0)
    assert peer.heard() == []
    overload._level = structs.replace(overload.level, shed=0.0)
    overload._settle()
    kit.advance(1.1)
    assert [service for _, service in peer.heard()] == [SystemStatus("overloadRelieved")]
    assert isinstance(peer.ask("9", "c9"), RouteSelect)


def test_a_point_that_turns_calls_away_is_a_reject(kit, peer, monkeypatch):
    monkeypatch.setitem(kit.settings.table.points, "shut", RoutingPoint(target="x", rtype="reject"))
    answer = peer.ask("20", "c20", point="shut")
    assert isinstance(answer, RouteReject)
