"""vigie's end of one connection in framing B."""

import inspect
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import msgpack, structs

from protocols.csta import header, link_state
from protocols.csta.agent_events import AgentReadyEvent
from protocols.csta.application_session import (
    ApplicationSessionTerminated,
    ResetApplicationSessionTimer,
    ResetApplicationSessionTimerNegResponse,
    ResetApplicationSessionTimerPosResponse,
    StartApplicationSession,
    StartApplicationSessionNegResponse,
    StartApplicationSessionPosResponse,
    StopApplicationSession,
    StopApplicationSessionNegResponse,
    StopApplicationSessionPosResponse,
)
from protocols.csta.call_events import (
    CallClearedEvent,
    ConnectionClearedEvent,
    HeldEvent,
    QueuedEvent,
)
from protocols.csta.errors import CSTAErrorCode
from protocols.csta.events import MonitorStarted, MonitorStopped, StatusTold
from protocols.csta.link import Link
from protocols.csta.link_state import CstaConfig, LinkState
from protocols.csta.monitoring import (
    MonitorStart,
    MonitorStartResponse,
    MonitorStop,
    MonitorStopResponse,
)
from protocols.csta.routeing import (
    ReRoute,
    RouteEnd,
    RouteRegister,
    RouteRegisterAbort,
    RouteRegisterCancel,
    RouteRegisterCancelResponse,
    RouteRegisterResponse,
    RouteReject,
    RouteRequest,
    RouteSelect,
    RouteUsed,
)
from protocols.csta.services import decode, encode
from protocols.csta.system_status import (
    RequestSystemStatus,
    RequestSystemStatusResponse,
    SystemRegister,
    SystemRegisterCancel,
    SystemRegisterCancelResponse,
    SystemRegisterResponse,
    SystemStatus,
    SystemStatusResponse,
)
from protocols.csta.values import ConnectionID, Device, ErrorValue
from protocols.csta.xml import CSTA
from protocols.cti import link_session
from protocols.cti.events import Closed, HelloReceived, Received, Refused, Transmit
from protocols.cti.framing import FramingError
from protocols.cti.link import Link as FramingA
from protocols.cti.link_end import WrongPhaseError
from protocols.cti.link_state import LinkConfig
from protocols.cti.link_state import LinkState as FramingAState
from protocols.cti.messages import (
    Ack,
    AgentState,
    CallEvent,
    Error,
    ErrorCode,
    Heartbeat,
    RerouteRequest,
    RpAbort,
    RpCancel,
    RpRegister,
    RpRegistered,
    Void,
)
from protocols.cti.messages import RouteEnd as End
from protocols.cti.messages import RouteSelect as Answer

T0 = 1_000.0
WALL = 1_790_000_000.0
ID = "0123456789abcdef01234567"
START = StartApplicationSession("switch-a", "secret", (CSTA + "ed4",), 60)
REQUEST = RouteRequest(
    cross_ref="17", current_route=Device("8001"), routed_call=ConnectionID("c-1", "8001")
)
HELD = HeldEvent(monitor="7", connection=ConnectionID("c-1"), time=5.0)
EVENT_ID = header.EVENT_INVOKE_ID


def said(service, invoke_id: int | None = None, edition: str = "ed4") -> bytes:
    if invoke_id is None:
        invoke_id = EVENT_ID if type(service).__name__.endswith("Event") else 5
    return header.encode(invoke_id, encode(service, edition))


def heard(data: bytes) -> list:
    """What bytes of vigie's say, each with its invoke id."""
    decoder = header.Decoder()
    decoder.feed(data)
    segments = list(iter(decoder.next_segment, None))
    assert decoder.pending_bytes == 0
    return [(segment.invoke_id, decode(segment.payload).service) for segment in segments]


def told(events: list) -> list:
    return heard(b"".join(event.data for event in events if isinstance(event, Transmit)))


def messages(events: list) -> list:
    return [event.message for event in events if isinstance(event, Received)]


def the(kind: type, events: list):
    (event,) = (event for event in events if isinstance(event, kind))
    return event


def new_link(csta: CstaConfig | None = None, **limits) -> Link:
    return Link(LinkConfig(**limits), csta or CstaConfig(), now=T0, wall=WALL)


def open_link(csta: CstaConfig | None = None, **limits) -> Link:
    link = new_link(csta, **limits)
    link.receive(said(START, 1), T0)
    link.accept(ID, T0)
    return link


def ask(link: Link, service, invoke_id: int = 5, now: float = T0) -> list:
    return link.receive(said(service, invoke_id), now)


def answer(xref: str = "switch-a/17", **fields) -> Answer:
    values = {"target": "100", "rtype": "label", "session": ID, "rev": 1, "reason": "configured"}
    return Answer(xref=xref, **values | fields)


# One actor for both framings


def public(kind: type) -> dict[str, list[str]]:
    names = [name for name in dir(kind) if not name.startswith("_")]
    return {
        name: list(inspect.signature(member).parameters) if callable(member) else []
        for name in names
        for member in [getattr(kind, name)]
    }


def test_whatever_an_actor_does_with_a_link_of_framing_a_it_can_do_with_this_one():
    ours, theirs = public(Link), public(FramingA)
    assert {name: ours.get(name) for name in theirs} == theirs
    assert {"config", "state", "session"} <= vars(new_link()).keys()
    used = {"phase", "name", "side", "session", "resume", "opened_at", "repetitions", "refused"}
    assert used <= set(LinkState.__struct_fields__) & set(FramingAState.__struct_fields__)


def test_what_a_link_knows_can_go_to_another_process():
    link = open_link()
    ask(link, REQUEST)
    ask(link, HELD, EVENT_ID)
    ask(link, RouteRegister())
    link.monitor("8001", T0)
    carried = msgpack.decode(msgpack.encode(link.state), type=LinkState)
    assert carried == link.state


# The application session


def test_a_peer_is_asked_about_and_let_in_by_its_application_id_and_token():
    link = new_link(CstaConfig(applications={"switch-a": "backup"}))
    hello = the(HelloReceived, link.receive(said(START, 7), T0)).hello
    assert (hello.name, hello.side, hello.token, hello.resume) == (
        "switch-a",
        "backup",
        "secret",
        None,
    )
    response = StartApplicationSessionPosResponse(ID, CSTA + "ed4", 60)
    assert told(link.accept(ID, T0)) == [(7, response)]
    assert link.state.phase == "open"
    assert (link.session.id, link.session.name, link.session.side) == (ID, "switch-a", "backup")


@pytest.mark.parametrize(
    ("versions", "actual"),
    [
        ((), "ed4"),
        ((CSTA + "ed9", CSTA + "ed3", CSTA + "ed4"), "ed3"),
        ((CSTA + "ed5",), "ed5"),
    ],
)
def test_the_first_version_that_both_speak_is_taken(versions, actual):
    link = new_link()
    link.receive(said(structs.replace(START, protocol_versions=versions)), T0)
    ((_, response),) = told(link.accept(ID, T0))
    assert response.protocol_version == CSTA + actual


@pytest.mark.parametrize(
    ("wanted", "granted"), [(None, 180), (0, 10), (60, 60), (1_000_000, 86_400)]
)
def test_a_session_lasts_as_long_as_is_wanted_within_limits(wanted, granted):
    link = new_link()
    link.receive(said(structs.replace(START, session_duration_s=wanted)), T0)
    ((_, response),) = told(link.accept(ID, T0))
    assert response.session_duration_s == granted
    assert link.next_timeout == T0 + granted


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"protocol_versions": (CSTA + "ed2",)}, "requestedProtocolVersionNotSupported"),
        ({"token": None}, "invalidApplicationInfo"),
        ({"token": "a\tb"}, "invalidApplicationInfo"),
        ({"application_id": "a\tb"}, "invalidApplicationInfo"),
        ({"application_id": "a" * 65}, "invalidApplicationInfo"),
        ({"application_id": "stranger"}, "invalidApplicationInfo"),
    ],
)
def test_a_peer_that_does_not_present_itself_well_may_try_again(change, error):
    link = new_link(CstaConfig(applications={"switch-a": "primary"}, default_side=None))
    events = ask(link, structs.replace(START, **change), 3)
    ((invoke_id, response),) = told(events)
    assert (invoke_id, response.error) == (3, error)
    assert isinstance(the(Refused, events), Refused)
    assert the(HelloReceived, ask(link, START)).hello.name == "switch-a"


def test_a_start_without_its_application_id_gets_a_negative_response():
    link = new_link()
    document = encode(START).replace(b"applicationID", b"nobody")
    ((_, response),) = told(link.receive(header.encode(4, document), T0))
    assert isinstance(response, StartApplicationSessionNegResponse)
    assert "applicationID" in response.detail


@pytest.mark.parametrize(
    ("code", "error"), [(401, "invalidApplicationInfo"), (503, "serverResourcesBusy")]
)
def test_a_peer_that_is_refused_is_told_why_and_its_link_closed(code, error):
    link = new_link()
    link.receive(said(START, 8), T0)
    events = link.refuse(code, "token is unknown", "token")
    assert told(events) == [
        (8, StartApplicationSessionNegResponse(error, "token: token is unknown"))
    ]
    assert the(Closed, events).reason == "refused"
    assert link.receive(said(START), T0) == []


def test_services_before_the_session_get_a_negative_response_and_events_nothing():
    link = new_link()
    ((invoke_id, response),) = told(ask(link, REQUEST, 12))
    assert invoke_id == 12
    assert response.error == ErrorValue("operation", "securityViolation")
    assert ask(link, HELD) == []
    assert link.state.ignored == 1
    ((_, stop),) = told(ask(link, StopApplicationSession("x")))
    assert stop == StopApplicationSessionNegResponse("invalidSessionID")
    assert the(HelloReceived, ask(link, START))


def test_services_that_come_before_the_token_is_checked_wait_for_it():
    link = new_link()
    events = link.receive(said(START) + said(REQUEST), T0)
    assert messages(events) == []
    assert link.receive(said(HELD), T0) == []
    accepted = link.accept(ID, T0)
    assert [type(message).__name__ for message in messages(accepted)] == [
        "RouteRequest",
        "CallEvent",
    ]


def test_what_waits_for_the_token_is_bounded():
    link = new_link(CstaConfig(max_message_bytes=1_000))
    link.receive(said(START), T0)
    events = link.receive(b"x" * 1_001, T0)
    assert the(Closed, events).code == 429
    ((_, response),) = told(events)
    assert response.error == "serverResourcesBusy"


def test_a_second_start_is_refused_and_the_session_goes_on():
    link = open_link()
    ((_, response),) = told(ask(link, START))
    assert response == StartApplicationSessionNegResponse("maxNumberSessions")
    assert messages(ask(link, REQUEST))


def test_no_start_in_time_closes_the_link():
    link = new_link(handshake_timeout_ms=2_000)
    assert link.next_timeout == T0 + 2
    assert link.timeout(T0 + 1.9) == []
    events = link.timeout(T0 + 2)
    assert the(Closed, events).reason == "handshake-timeout"
    ((invoke_id, response),) = told(events)
    assert invoke_id == EVENT_ID
    assert isinstance(response, CSTAErrorCode)
    assert link.next_timeout is None


def test_a_token_that_is_not_checked_in_time_closes_the_link():
    link = new_link()
    link.receive(said(START, 4), T0)
    events = link.timeout(T0 + 2)
    assert told(events) == [
        (
            4,
            StartApplicationSessionNegResponse(
                "serverResourcesBusy", "the token could not be checked in time"
            ),
        )
    ]


def test_a_session_that_is_not_reset_ends_and_the_peer_is_told():
    link = open_link()
    assert link.timeout(T0 + 59.9) == []
    events = link.timeout(T0 + 60)
    assert told(events) == [(EVENT_ID, ApplicationSessionTerminated(ID, "sessionTimerExpired"))]
    assert the(Closed, events).reason == "silent"


def test_a_session_that_is_reset_goes_on():
    link = open_link()
    response = told(ask(link, ResetApplicationSessionTimer(ID, 90), 6, T0 + 50))
    assert response == [(6, ResetApplicationSessionTimerPosResponse(90))]
    assert link.next_timeout == T0 + 140
    ask(link, ResetApplicationSessionTimer(ID), 6, T0 + 60)
    assert link.next_timeout == T0 + 150
    wrong = told(ask(link, ResetApplicationSessionTimer("other")))
    assert wrong == [(5, ResetApplicationSessionTimerNegResponse("invalidSessionID"))]


def test_a_session_does_not_end_while_the_peer_is_not_heard():
    link = open_link()
    assert link.held(T0 + 100) == []
    assert link.next_timeout == T0 + 101
    link.unheard(10.0)
    assert link.next_timeout == T0 + 111
    greeting = new_link()
    greeting.unheard(1.0)
    assert greeting.next_timeout == T0 + 3


def test_a_peer_stops_its_own_session_only():
    link = open_link()
    assert told(ask(link, StopApplicationSession("other"))) == [
        (5, StopApplicationSessionNegResponse("invalidSessionID"))
    ]
    events = ask(link, StopApplicationSession(ID, "normal"), 9)
    assert told(events) == [(9, StopApplicationSessionPosResponse())]
    assert the(Closed, events).reason == "peer"


# Routing


def test_a_request_is_handed_on_with_the_dialogue_named_after_its_application():
    link = open_link()
    (message,) = messages(ask(link, structs.replace(REQUEST, time=5.0)))
    assert (message.i, message.xref, message.call, message.rp, message.ts) == (
        1,
        "switch-a/17",
        "c-1",
        "8001",
        5.0,
    )
    (again,) = messages(ask(link, REQUEST, 6, T0 + 2))
    assert (again.i, again.ts) == (2, WALL + 2)
    assert link.state.repetitions == 1


def test_an_answer_repeats_the_dialogue_and_takes_its_request_out_of_the_window():
    link = open_link()
    ask(link, structs.replace(REQUEST, register_id="reg-1"))
    assert link.statistics().waiting == 1
    ((invoke_id, selected),) = heard(link.send(answer(), T0))
    assert invoke_id == 0
    assert (selected.cross_ref, selected.register_id) == ("17", "reg-1")
    assert selected.selected == Device("100")
    assert selected.correlator == ID.encode()
    assert link.statistics().waiting == 0


@pytest.mark.parametrize("fields", [{"rtype": "reject"}, {"rtype": "disconnect"}, {"target": ""}])
def test_a_call_without_a_target_is_rejected(fields):
    link = open_link()
    ask(link, REQUEST)
    ((_, rejected),) = heard(link.send(answer(**fields), T0))
    assert isinstance(rejected, RouteReject)
    assert rejected.cross_ref == "17"


def test_a_dialogue_that_was_forgotten_is_answered_by_its_name():
    link = open_link()
    ((_, selected),) = heard(link.send(answer("switch-a/99"), T0))
    assert selected.cross_ref == "99"
    with pytest.raises(ValueError, match="not a dialogue"):
        link.send(answer("switch-b/99"), T0)


def test_a_reroute_says_which_target_failed_for_the_link_knows_the_last():
    link = open_link()
    ask(link, REQUEST)
    link.send(answer(target="100"), T0)
    (message,) = messages(ask(link, ReRoute(cross_ref="17", reply_timeout=250)))
    assert message == RerouteRequest(i=2, xref="switch-a/17", failed="100", cause="", reply_ms=250)
    link.send(answer(target="101"), T0)
    (message,) = messages(ask(link, ReRoute(cross_ref="17")))
    assert message.failed == "101"


def test_a_reroute_of_nothing_is_refused():
    link = open_link()
    for reference in ("17", "18"):
        ((_, response),) = told(ask(link, ReRoute(cross_ref=reference)))
        assert response.error == ErrorValue("operation", "invalidRouteingCrossRefID")
        assert response.detail.startswith("crossRefIdentifier")
        ask(link, structs.replace(REQUEST, cross_ref="18"))


def test_a_dialogue_ends_by_either_end():
    link = open_link()
    ask(link, REQUEST)
    (ended,) = messages(ask(link, RouteEnd(cross_ref="17")))
    assert ended == End(i=2, xref="switch-a/17", cause="ok")
    assert link.statistics().waiting == 0
    ask(link, REQUEST)
    ((_, said_end),) = heard(link.send(End(xref="switch-a/17", cause="timeout"), T0))
    assert said_end.error == ErrorValue("operation", "routeingTimerExpired")
    assert link.state.dialogues == {}


def test_a_used_route_is_handed_on():
    link = open_link()
    (used,) = messages(ask(link, RouteUsed(cross_ref="17", used=Device("100"))))
    assert (used.xref, used.target) == ("switch-a/17", "100")


def test_dialogues_are_forgotten_beyond_their_number_and_their_time():
    link = open_link(CstaConfig(max_dialogues=3, dialogue_s=10.0))
    for reference in "12345":
        ask(link, structs.replace(REQUEST, cross_ref=reference))
    assert list(link.state.dialogues) == ["switch-a/3", "switch-a/4", "switch-a/5"]
    ask(link, structs.replace(REQUEST, cross_ref="6"), now=T0 + 10)
    assert list(link.state.dialogues) == ["switch-a/6"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"routed_call": None}, 400, "routedCall/callID"),
        ({"reply_timeout": 19}, 400, "replyTimeout"),
        ({"cross_ref": "x" * 250}, 400, "crossRefIdentifier"),
        ({"cross_ref": "a\tb"}, 400, "crossRefIdentifier"),
        ({"data": {"a": "x" * 16_000, "b": "x" * 400}}, 413, "v:ud"),
        ({"data": {"a": "\0"}}, 400, "v:ud"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_and_the_link_goes_on(change, code, words):
    link = open_link()
    events = ask(link, structs.replace(REQUEST, **change), 21)
    ((invoke_id, response),) = told(events)
    assert invoke_id == 21
    assert words in response.detail
    assert the(Refused, events).code == code
    assert messages(ask(link, REQUEST))[0].i == 1


def test_the_unit_of_a_reply_timeout_is_configured():
    link = open_link(CstaConfig(reply_timeout_ms=100))
    (message,) = messages(ask(link, structs.replace(REQUEST, reply_timeout=3)))
    assert message.reply_ms == 300


# Registrations


def test_a_registration_is_answered_with_the_id_of_its_service():
    link = open_link()
    first = ask(link, RouteRegister(Device("8001")), 30)
    second = ask(link, RouteRegister(), 31)
    assert messages(first) == [RpRegister(i=1, rp=["8001"])]
    assert messages(second) == [RpRegister(i=2, rp=["*"])]
    assert heard(link.send(RpRegistered(reg="reg-1"), T0)) == [(30, RouteRegisterResponse("reg-1"))]
    assert heard(link.send(RpRegistered(reg="reg-2"), T0)) == [(31, RouteRegisterResponse("reg-2"))]


def test_a_registration_that_is_refused_does_not_confuse_the_next():
    link = open_link()
    ask(link, RouteRegister(), 30)
    ask(link, RouteRegister(), 31)
    ((invoke_id, refusal),) = heard(link.send(Error(code=429, ref=1, msg="enough"), T0))
    assert (invoke_id, refusal.detail) == (30, "enough")
    assert heard(link.send(RpRegistered(reg="reg-2"), T0))[0][0] == 31


def test_a_registration_is_undone_by_either_end():
    link = open_link()
    ask(link, RouteRegister())
    link.send(RpRegistered(reg="reg-1"), T0)
    events = ask(link, RouteRegisterCancel("reg-1"), 40)
    assert told(events) == [(40, RouteRegisterCancelResponse())]
    assert messages(events) == [RpCancel(i=2, reg="reg-1")]
    ((_, unknown),) = told(ask(link, RouteRegisterCancel("reg-1")))
    assert unknown.error == ErrorValue("operation", "invalidRouteRegistrationCrossRefID")
    link.send(RpRegistered(reg="reg-2"), T0)
    assert messages(ask(link, RouteRegisterAbort("reg-2"))) == [RpAbort(i=3, reg="reg-2")]
    link.send(RpRegistered(reg="reg-3"), T0)
    ((_, aborted),) = heard(link.send(RpAbort(reg="reg-3"), T0))
    assert aborted == RouteRegisterAbort("reg-3")
    assert told(ask(link, RouteRegisterAbort("reg-3")))


def test_registrations_are_bounded():
    link = open_link(CstaConfig(max_registrations=1))
    assert messages(ask(link, RouteRegister()))
    ((_, response),) = told(ask(link, RouteRegister()))
    assert "at most 1" in response.detail


# Events


def test_an_event_is_handed_on_once_however_often_it_is_told():
    link = open_link()
    (message,) = messages(ask(link, HELD, EVENT_ID))
    assert (message.call, message.ev, message.ts) == ("c-1", "held", 5.0)
    assert ask(link, HELD, EVENT_ID) == []
    assert link.state.repetitions == 1
    for other in ({"time": 6.0}, {"monitor": "8"}, {"connection": ConnectionID("c-2")}):
        assert messages(ask(link, structs.replace(HELD, **other), EVENT_ID))


def test_an_event_with_another_id_than_9999_is_taken_and_not_answered():
    link = open_link()
    assert messages(ask(link, HELD, 5))
    refused = ask(link, structs.replace(HELD, connection=ConnectionID(device="201")), 5)
    assert told(refused) == []
    assert the(Refused, refused).code == 400


def test_of_several_who_leave_a_call_only_the_last_ends_it():
    link = open_link()
    cleared = ConnectionClearedEvent(monitor="7", connection=ConnectionID("c-1"), time=1.0)
    assert ask(link, structs.replace(cleared, local_state="connected"), EVENT_ID) == []
    (message,) = messages(ask(link, structs.replace(cleared, local_state="null"), EVENT_ID))
    assert message.ev == "cleared"
    (message,) = messages(
        ask(link, CallClearedEvent(monitor="7", connection=ConnectionID("c-2")), EVENT_ID)
    )
    assert message.ev == "cleared"


def test_an_unknown_event_is_passed_over():
    link = open_link()
    document = encode(HELD).replace(b"HeldEvent", b"BridgedEvent")
    assert link.receive(header.encode(EVENT_ID, document), T0) == []
    assert link.state.ignored == 1


def test_an_agent_is_known_by_its_device_where_it_has_no_id():
    link = open_link()
    event = AgentReadyEvent(
        monitor="7", device=Device("201"), time=3.0, skills=("fr", "en:3", "x:y")
    )
    (message,) = messages(ask(link, event, EVENT_ID))
    expected = AgentState(
        i=1, agent="201", st="ready", ts=3.0, dev="201", skills={"fr": 1, "en": 3, "x:y": 1}
    )
    assert message == expected
    nobody = structs.replace(event, device=Device(status="notKnown"))
    assert the(Refused, ask(link, nobody, EVENT_ID)).code == 400


# What the application refuses, and what is too much


@pytest.mark.parametrize("code", get_args(ErrorCode))
def test_an_error_answers_the_service_that_it_refuses_and_confirms_its_message(code):
    link = open_link()
    ask(link, REQUEST, 33)
    ((invoke_id, response),) = heard(link.send(Error(code=code, ref=1, msg="no", field="rp"), T0))
    assert (invoke_id, response.detail) == (33, "currentRoute: no")
    assert link.statistics().waiting == 0
    assert link.session.confirmed_in == 1
    assert link.send(Error(code=code, ref=1, msg="no"), T0) == b""


def test_an_event_that_is_refused_is_confirmed_and_not_answered():
    link = open_link()
    ask(link, HELD, EVENT_ID)
    assert link.send(Error(code=404, ref=1, msg="call has no session", field="call"), T0) == b""
    assert link.session.confirmed_in == 1


def test_a_full_window_refuses_and_says_so_once_until_it_is_half_empty():
    link = open_link(window=4)
    for number in range(4):
        ask(link, structs.replace(REQUEST, cross_ref=str(number)))
    events = ask(link, structs.replace(REQUEST, cross_ref="4"), 44)
    (status, refusal) = told(events)
    assert status[1] == SystemStatus("overloadReached")
    assert refusal[0] == 44
    assert refusal[1].error.value == "outstandingReqLimitExceeded"
    assert len(told(ask(link, structs.replace(REQUEST, cross_ref="5")))) == 1
    assert len(heard(link.send(answer("switch-a/0"), T0))) == 1
    selected, relieved = heard(link.send(answer("switch-a/1"), T0))
    assert isinstance(selected[1], RouteSelect)
    assert relieved[1] == SystemStatus("overloadRelieved")
    assert messages(ask(link, structs.replace(REQUEST, cross_ref="6")))


def test_events_that_wait_to_be_confirmed_fill_the_window_too():
    link = open_link(window=2)
    for number in range(2):
        ask(link, structs.replace(HELD, time=float(number)), EVENT_ID)
    late = structs.replace(HELD, time=9.0)
    events = ask(link, late, EVENT_ID)
    assert [service for _, service in told(events)] == [SystemStatus("overloadReached")]
    assert the(Refused, events).code == 429
    for number in (1, 2):
        link_session.confirm(link.session, number, T0)
    events = ask(link, late, EVENT_ID)
    assert [service for _, service in told(events)] == [SystemStatus("overloadRelieved")]
    assert messages(events)


def test_what_ends_a_call_gets_in_whatever_the_window_holds():
    link = open_link(window=1)
    ask(link, HELD, EVENT_ID)
    gone = CallClearedEvent(monitor="7", connection=ConnectionID("c-1"))
    assert messages(ask(link, gone, EVENT_ID))[0].ev == "cleared"


def test_the_rate_is_bounded():
    link = open_link(max_frames_per_s=3)
    ask(link, RequestSystemStatus())
    ask(link, RequestSystemStatus())
    ((invoke_id, response),) = told(ask(link, RequestSystemStatus(), 77))
    assert (invoke_id, response.error.category) == (77, "performanceManagement")
    assert ask(link, HELD, EVENT_ID, T0)[0].code == 429
    assert told(ask(link, RequestSystemStatus(), 78, T0 + 1))[0][1].status == "normal"


# System services and monitors


def test_a_peer_learns_how_vigie_is_asked_or_not():
    link = open_link()
    assert heard(link.overload("overloadImminent", T0))[0][1] == SystemStatus("overloadImminent")
    assert link.overload("overloadImminent", T0) == b""
    ((_, response),) = told(ask(link, RequestSystemStatus()))
    assert response == RequestSystemStatusResponse("overloadImminent")
    assert told(ask(link, SystemRegister(), 3)) == [(3, SystemRegisterResponse("system"))]
    ((invoke_id, status),) = heard(link.overload("normal", T0))
    assert status == SystemStatus("normal", "system")
    assert link.state.questions[invoke_id].kind == "status"
    assert ask(link, SystemStatusResponse(), invoke_id) == []
    assert invoke_id not in link.state.questions
    cancel = told(ask(link, SystemRegisterCancel("system"), 4))
    assert cancel == [(4, SystemRegisterCancelResponse())]
    ((_, refusal),) = told(ask(link, SystemRegisterCancel("system")))
    assert isinstance(refusal, CSTAErrorCode)


def test_the_status_of_a_peer_is_handed_on():
    events = ask(open_link(), SystemStatus("overloadReached"), 6)
    assert told(events) == [(6, SystemStatusResponse())]
    assert the(StatusTold, events).status == "overloadReached"


def test_a_monitor_that_vigie_starts_and_stops():
    link = open_link()
    ((invoke_id, start),) = heard(link.monitor("8001", T0))
    assert start == MonitorStart(Device("8001"))
    assert ask(link, MonitorStartResponse("77"), invoke_id) == [MonitorStarted("8001", "77")]
    ((invoke_id, stop),) = heard(link.stop_monitor("77", T0))
    assert stop == MonitorStop("77")
    assert ask(link, MonitorStopResponse(), invoke_id) == [MonitorStopped("8001", "77")]
    assert link.state.monitors == {}


def test_a_monitor_that_the_peer_refuses_or_ends():
    link = open_link()
    ((invoke_id, _),) = heard(link.monitor("8001", T0))
    refusal = CSTAErrorCode(ErrorValue("operation", "invalidMonitorObject"))
    why = "operation invalidMonitorObject"
    assert ask(link, refusal, invoke_id) == [MonitorStopped("8001", "", why)]
    assert link.state.complaints == 1
    ((invoke_id, _),) = heard(link.monitor("8001", T0))
    ask(link, MonitorStartResponse("77"), invoke_id)
    events = ask(link, MonitorStop("77"), 9)
    assert told(events) == [(9, MonitorStopResponse())]
    assert the(MonitorStopped, events) == MonitorStopped("8001", "77")


def test_a_response_to_nothing_is_passed_over():
    link = open_link()
    for service in (MonitorStartResponse("1"), MonitorStopResponse(), SystemStatusResponse()):
        assert ask(link, service, 99) == []
    assert link.state.ignored == 3
    assert ask(link, CSTAErrorCode(), 99) == []


def test_monitors_of_the_peer_are_answered_and_bounded():
    link = open_link(CstaConfig(max_monitors=2))
    assert told(ask(link, MonitorStart(Device("8001")), 2)) == [(2, MonitorStartResponse("m1"))]
    assert told(ask(link, MonitorStart(call=ConnectionID("c"))))[0][1].monitor == "m2"
    ((_, response),) = told(ask(link, MonitorStart(Device("8002"))))
    assert response.error.value == "objectMonitorLimitExceeded"
    assert told(ask(link, MonitorStop("m1")))[0][1] == MonitorStopResponse()
    ((_, unknown),) = told(ask(link, MonitorStop("m1")))
    assert unknown.error.value == "invalidMonitorCrossRefID"
    ((_, nothing),) = told(ask(link, MonitorStart()))
    assert "monitorObject" in nothing.detail


def test_invoke_ids_go_round_and_spare_those_that_wait_and_9999():
    link = open_link()
    link.state.next_invoke = 9_998
    ((last, _),) = heard(link.monitor("8001", T0))
    ((first, _),) = heard(link.monitor("8002", T0))
    link.state.next_invoke = 9_998
    ((other, _),) = heard(link.monitor("8003", T0))
    assert (last, first, other) == (9_998, 0, 1)


# What is not CSTA


@pytest.mark.parametrize("service", [RouteSelect, RouteRegisterResponse, "MakeCall"])
def test_a_service_that_vigie_is_not_asked_is_refused_and_the_link_goes_on(service):
    link = open_link()
    if service == "MakeCall":
        document = encode(RouteRegister()).replace(b"RouteRegister", b"MakeCall")
    elif service is RouteSelect:
        document = encode(RouteSelect(cross_ref="1", selected=Device("1")))
    else:
        document = encode(RouteRegisterResponse("1"))
    ((_, response),) = told(link.receive(header.encode(5, document), T0))
    assert response.error == ErrorValue("operation", "serviceNotSupported")
    assert link.state.phase == "open"


def test_a_foreign_namespace_is_refused_and_the_link_goes_on():
    link = open_link()
    events = link.receive(header.encode(5, b'<a xmlns="http://www.avaya.com/csta"/>'), T0)
    assert told(events)[0][1].error.value == "serviceNotSupported"
    assert link.state.phase == "open"


def test_the_id_of_events_is_no_id_of_a_request():
    link = open_link()
    events = ask(link, REQUEST, EVENT_ID)
    assert messages(events) == []
    ((invoke_id, response),) = told(events)
    assert invoke_id == EVENT_ID
    assert "9999" in response.detail
    assert the(Refused, events).code == 400


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\0\1\0\x0c0001<a/>", 400),
        (b"\0\0\0\x070001", 400),
        (b"\0\0\xff\xff0001", 413),
        (b"\0\0\0\x0cabcd<a/>", 400),
    ],
)
def test_a_broken_header_closes_the_link_with_a_named_error(data, code):
    link = open_link(CstaConfig(max_message_bytes=60_000))
    events = link.receive(data, T0)
    assert (the(Closed, events).reason, the(Closed, events).code) == ("malformed", code)
    ((invoke_id, response),) = told(events)
    assert invoke_id == EVENT_ID
    assert isinstance(response, CSTAErrorCode)


@pytest.mark.parametrize(
    ("document", "code", "rule"),
    [
        (b"<!DOCTYPE a><a/>", 400, "doctype"),
        (b"<a", 400, "malformed"),
        (b"", 400, "empty"),
        (b"<a>" * 20 + b"</a>" * 20, 413, "depth"),
        (b"\xff\xfe<\0", 400, "encoding"),
    ],
)
def test_a_document_that_is_not_read_closes_the_link_with_a_named_error(document, code, rule):
    link = open_link()
    events = link.receive(header.encode(66, document), T0)
    assert the(Closed, events).code == code
    ((invoke_id, response),) = told(events)
    assert invoke_id == 66
    assert response.detail.startswith(rule)


# The end


def test_a_message_that_is_too_long_is_not_sent_and_still_waits():
    link = open_link(CstaConfig(max_message_bytes=2_000))
    ask(link, REQUEST)
    with pytest.raises(FramingError) as error:
        link.send(answer(reason="x" * 2_000), T0)
    assert error.value.code == 413
    assert link.statistics().waiting == 1
    assert link.send(answer(), T0)


def test_what_framing_b_has_no_word_for_is_nothing():
    link = open_link()
    for message in (Ack(last_i=1), Void(), Heartbeat(ts=1.0)):
        assert link.send(message, T0) == b""
    assert link.ack(T0) == b""


def test_nothing_is_said_before_the_session_and_nothing_resumed():
    link = new_link()
    with pytest.raises(WrongPhaseError):
        link.send(answer(), T0)
    with pytest.raises(WrongPhaseError):
        link.accept(ID, T0)
    with pytest.raises(WrongPhaseError):
        link.refuse(401, "no")
    with pytest.raises(WrongPhaseError):
        link.resume_lost(T0)
    opened = open_link()
    assert not opened.can_resume(opened.session)
    with pytest.raises(WrongPhaseError):
        opened.resume(opened.session, T0)


def test_a_link_that_is_closed_by_vigie_says_why_where_a_code_is_given():
    assert [type(event) for event in open_link().close("shutdown", "vigie stops")] == [Closed]
    events = open_link().close("shutdown", "vigie stops", 503)
    assert told(events) == [(EVENT_ID, ApplicationSessionTerminated(ID, "resourceLimitation"))]
    events = open_link().close("malformed", "vigie failed", 500)
    assert told(events)[0][1].reason == "vigie failed"
    link = open_link()
    assert link.replaced()[0].reason == "replaced"
    assert link.close("shutdown", "again", 503) == []
    assert link.timeout(T0 + 1_000) == []


def test_the_end_of_the_connection_is_told_between_and_within_messages():
    assert open_link().eof()[0].reason == "peer"
    link = open_link()
    link.receive(said(REQUEST)[:20], T0)
    assert link.eof()[0].reason == "truncated"


def test_another_process_goes_on_where_this_one_stopped():
    old, stream = open_link(), said(RouteUsed(cross_ref="17", used=Device("1")))
    ask(old, REQUEST, 33)
    old.receive(stream[:30], T0)
    new = new_link()
    new.carry(old.state, old.session, old.arrived)
    assert [type(one).__name__ for one in messages(new.receive(stream[30:], T0))] == ["RouteUsed"]
    ((_, selected),) = heard(new.send(answer(), T0))
    assert selected.cross_ref == "17"


def test_a_link_in_numbers():
    link = open_link()
    ask(link, REQUEST)
    ask(link, RouteSelect(cross_ref="1", selected=Device("1")))
    numbers = link.statistics()
    assert (numbers.phase, numbers.name, numbers.session) == ("open", "switch-a", ID)
    assert (numbers.frames_in, numbers.frames_out) == (3, 2)
    assert (numbers.waiting, numbers.refused) == (1, {400: 1})
    assert numbers.bytes_in > 0 < numbers.bytes_out


# Properties


services = st.sampled_from(
    [
        REQUEST,
        structs.replace(REQUEST, cross_ref="18", reply_timeout=1),
        HELD,
        structs.replace(HELD, time=7.0),
        QueuedEvent(monitor="7", connection=ConnectionID("c-2")),
        RouteRegister(Device("8001")),
        RouteEnd(cross_ref="17"),
        ReRoute(cross_ref="17"),
        MonitorStart(Device("1")),
        RequestSystemStatus(),
        CallEvent,
    ]
)


def bytes_of(service, invoke_id: int) -> bytes:
    if service is CallEvent:  # stands for a message that ends the link
        return b"\0\0\0\x0c" + b"%04d" % invoke_id + b"<a/>"
    return said(service, EVENT_ID if type(service).__name__.endswith("Event") else invoke_id)


@settings(max_examples=60)
@given(st.lists(services, max_size=8), st.data())
def test_any_split_of_the_stream_gives_the_same_events(sent, data):
    stream = said(START, 1) + b"".join(bytes_of(one, n) for n, one in enumerate(sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    outcomes = []
    for borders in ([], cuts):
        link, events = new_link(), []
        for start, end in zip([0, *borders], [*borders, len(stream)], strict=True):
            events += link.receive(stream[start:end], T0)
            if link.state.phase == "verifying":
                events += link.accept(ID, T0)
        outcomes.append((events, link.statistics(), link_state.statistics(link.state, None)))
    assert outcomes[0] == outcomes[1]


def test_an_answer_too_long_with_its_user_data_leaves_without_it():
    link = open_link(CstaConfig(max_message_bytes=8_192))
    ask(link, REQUEST)
    target = {"xref": "switch-a/17", "target": "7001", "rtype": "direct", "reason": "rp-default"}
    answer = Answer(session=ID, rev=1, ud={"k": "<&>" * 3_000}, **target)
    [(_, select)] = heard(link.send(answer, T0))
    assert (select.selected, select.data) == (Device("7001"), None)
    assert link.state.refused == {413: 1}
    [(_, select)] = heard(link.send(structs.replace(answer, ud={"k": "<&>"}), T0))
    assert select.data == {"k": "<&>"}


def test_how_the_peer_is_stays_known():
    link = open_link()
    assert link.state.peer_status is None
    ask(link, SystemStatus("partiallyDisabled"))
    assert link.state.peer_status == "partiallyDisabled"
