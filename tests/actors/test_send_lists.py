"""What an IVR application is sent: of the table, live, in order, as flat text."""

import msgspec
import pytest
import table_kit
from call_kit import CallKit, frame, route_request
from hypothesis import given
from hypothesis import strategies as st

from actors.alarms import Alarms
from actors.call_messages import RerouteAsked, RouteAsked
from actors.send_lists import SendLists, flat, told_by
from actors.session_api import JourneyStep, RouteFromIvr, Routing, SessionView
from protocols.cti.messages import RerouteRequest

LISTS = """
app;keys;format
default;session,call,ani;
welcome;dnis,ani,lang;national
abroad;ani;international
selfcare;customer,customer.segment,customer.vip,platform,services,ud.offer,auth_level;
routed;routing.target,routing.reason,rev,state;
"""
INFOS = """
msisdn;customer_id;segment;offer;product;status;lang;vip;services;updated
0612345678;C1;gold;o1;fibre;active;fr;yes;vdsl,tv;
"""
POINTS = """
rp;label;target;alternates;opening;closed_msg;send_list;late_ms
sales;Sales;7001;;;;welcome;
support;Support;7010;;;;nobody-knows;
billing;Bills;7020;;;;;
"""
VIEW = SessionView(
    session="a" * 24,
    rev=3,
    state="ivr",
    call="c-1",
    opened=1.0,
    updated=2.0,
    ani="+33612345678",
    ani_type="public",
    dnis="01 42 34 56 78",
    auth_level=2,
    ud={"offer": {"a": 1}, "b.c": "d"},
)


@pytest.fixture
def tables():
    return table_kit.reference(
        sendIVRList=LISTS, msisdnInfos=INFOS, infoRP=POINTS, PRDPTF="product;platform\nfibre;north"
    )


@pytest.fixture
def told():
    return []


@pytest.fixture
def lists(tables, told):
    return SendLists(tables, {"default": ("rp",), "mine": ("call",)}, "FR", told.append)


def test_an_application_is_sent_the_keys_of_its_row_in_their_order(lists):
    assert list(lists.fields(VIEW, "default").items()) == [
        ("session", "a" * 24),
        ("call", "c-1"),
        ("ani", "+33612345678"),
    ]
    assert list(lists.fields(VIEW, "welcome")) == ["dnis", "ani", "lang"]


def test_numbers_are_written_as_the_row_says(lists):
    sent = lists.fields(VIEW, "welcome")
    assert sent == {"dnis": "01 42 34 56 78", "ani": "06 12 34 56 78", "lang": ""}
    assert lists.fields(VIEW, "abroad") == {"ani": "+33 6 12 34 56 78"}


@pytest.mark.parametrize("ani", ["3900", "+999", "anonymous", "+" + "1" * 80, ""])
def test_what_is_no_number_is_sent_as_it_is(lists, ani):
    view = msgspec.structs.replace(VIEW, ani=ani, ani_type="unknown")
    assert lists.fields(view, "welcome")["ani"] == ani


def test_facts_are_those_of_the_tables(lists):
    assert lists.fields(VIEW, "selfcare") == {
        "customer": "C1",
        "customer.segment": "gold",
        "customer.vip": "true",
        "platform": "north",
        "services": "vdsl,tv",
        "ud.offer": '{"a":1}',
        "auth_level": "2",
    }


def test_facts_that_the_session_has_itself_go_before_those_of_the_tables(lists):
    view = msgspec.structs.replace(
        VIEW, customer={"id": "C9", "segment": "new", "vip": False}, platform="south"
    )
    sent = lists.fields(view, "selfcare")
    assert (sent["customer"], sent["customer.segment"]) == ("C9", "new")
    assert (sent["customer.vip"], sent["platform"], sent["services"]) == ("false", "south", "")


def test_of_a_caller_whom_nobody_knows_facts_are_empty(lists):
    sent = lists.fields(msgspec.structs.replace(VIEW, ani=None, ani_type=None), "selfcare")
    assert [key for key, value in sent.items() if value] == ["ud.offer", "auth_level"]


def test_a_decision_is_sent_where_there_is_one(lists):
    assert lists.fields(VIEW, "routed")["routing.target"] == ""
    routing = Routing(target="7001", rtype="direct", reason="rp-default", ts=1.0, ms=2.0)
    sent = lists.fields(msgspec.structs.replace(VIEW, routing=routing), "routed")
    assert list(sent.values()) == ["7001", "rp-default", "3", "ivr"]


def test_a_switch_of_the_table_holds_for_the_next_answer(lists, tables):
    assert list(lists.fields(VIEW, "welcome")) == ["dnis", "ani", "lang"]
    table_kit.switch(tables, sendIVRList="app;keys;format\nwelcome;lang;")
    assert list(lists.fields(VIEW, "welcome")) == ["lang"]


def test_an_application_without_a_row_has_its_configured_list(lists, told):
    assert lists.fields(VIEW, "mine") == {"call": "c-1"}
    assert told == []


def test_an_unknown_application_is_sent_the_default_list_and_operators_are_told(lists, told):
    assert lists.fields(VIEW, "typo" * 100) == lists.fields(VIEW, "default")
    assert told == [("typo" * 100)[:64]]


def test_an_application_that_does_not_say_its_name_is_sent_the_default_list(lists, told):
    assert lists.fields(VIEW, "") == lists.fields(VIEW, "default")
    assert told == []


def test_without_a_default_row_the_configured_default_holds(told):
    lists = SendLists(table_kit.reference(), {"default": ("rp",)}, "FR", told.append)
    assert lists.fields(VIEW, "any") == {"rp": ""}


def test_the_alarm_of_an_unknown_application_is_over_with_the_next_table(lists, tables, told):
    lists.fields(VIEW, "typo")
    table_kit.switch(tables, sendIVRList=LISTS + "typo;ani;\n")
    lists.fields(VIEW, "typo")
    assert told == ["typo", ""]


def test_the_alarm_names_the_application():
    with CallKit() as kit:
        alarms = Alarms(kit.kernel)
        told_by(alarms)("typo")
        [alarm] = alarms.active()
        assert (alarm.name, alarm.severity) == ("ivr-app-unknown", "warning")
        assert "'typo'" in alarm.text
        told_by(alarms)("")
        assert alarms.active() == []


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_whatever_a_value_is_it_is_shown_as_one_string(value):
    assert isinstance(flat(value), str)


def test_a_list_in_user_data_is_json_and_one_of_codes_has_commas(lists):
    view = msgspec.structs.replace(
        VIEW, ud={"offer": ["a", "b"]}, customer={"id": "C9", "services": ["tv", "vdsl"]}
    )
    sent = lists.fields(view, "selfcare")
    assert (sent["ud.offer"], sent["services"]) == ('["a","b"]', "tv,vdsl")


def test_user_data_of_types_that_json_does_not_know_is_shown_all_the_same():
    assert flat({"a": object}) == f'{{"a":"{object!r}"}}'
    assert flat(JourneyStep(ts=1.0, step="s"))


# What goes along with a call


@pytest.fixture
def kit(tables):
    with CallKit(lists=SendLists(tables, {"default": ("rp",)}, "FR")) as kit:
        yield kit


def asked(kit, session, **fields):
    request = route_request(**fields)
    kit.send(session, RouteAsked(request, "link-1", kit.marks(None)))
    kit.settle()
    [answer] = kit.answers()
    return answer


def test_a_call_takes_what_there_is_of_its_applications_list_along(kit):
    session = kit.open(ani="+33612345678", dnis="3900")
    assert asked(kit, session, rp="sales").ud == {"dnis": "3900", "ani": "06 12 34 56 78"}


def test_a_routing_point_without_an_application_sends_nothing_along(kit):
    session = kit.open()
    assert asked(kit, session, rp="billing").ud is None
    assert asked(kit, session, rp="elsewhere", xref="x2").ud is None


def test_a_routing_point_of_an_unknown_application_sends_the_default_list_along(kit):
    session = kit.open()
    assert set(asked(kit, session, rp="support").ud) == {"session", "call"}


def test_an_application_that_asks_for_a_route_gets_the_list_too(kit):
    session = kit.open(ani="+33612345678")
    answer = kit.call(session, RouteFromIvr("sales"))
    assert answer.ud == {"ani": "06 12 34 56 78"}


def test_the_next_target_of_a_reroute_gets_the_list_too(kit):
    session = kit.open(ani="+33612345678")
    first = asked(kit, session, rp="sales")
    again = RerouteRequest(i=frame(), xref=first.xref, failed=first.target, cause="busy")
    kit.send(session, RerouteAsked(again, "link-1", kit.marks(None)))
    kit.settle()
    [second] = kit.answers()
    assert (second.target, second.ud) == ("7002", first.ud)
