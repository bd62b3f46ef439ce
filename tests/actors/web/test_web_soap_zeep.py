"""zeep, built from the WSDL that a real node serves, does every operation."""

import contextlib
import threading

import pytest
import requests
import zeep
from lxml import etree
from soap_node import SoapNode
from zeep.transports import Transport

from actors.web.soap_records import TWINS

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield SoapNode(tmp_path_factory.mktemp("node"), stack)


def client_of(node, wsdl=None, scope="ivr"):
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {node.token(scope)}"
    return zeep.Client(str(wsdl or node.wsdl), transport=Transport(session=session))


@pytest.fixture
def client(node):
    return client_of(node)


def entries(**values):
    kinds = {int: "integer", bool: "boolean"}
    return {
        "entry": [
            {"key": key, "value": str(value), "type": kinds.get(type(value), "string")}
            for key, value in values.items()
        ]
    }


def plain(given):
    return {one.key: one.value for one in given.entry}


def problem(fault):
    """The problem in the detail of a fault, by the names of its members."""
    return {etree.QName(one).localname: one.text for one in fault.detail[0]}


def test_every_operation_is_done(client):
    ask = client.service
    opened = ask.OpenSession(
        call="zeep-1", ani="+33612345678", lang="fr", ud=entries(offer="gold", n=5)
    )
    session, rev = opened.session.session, opened.session.rev
    assert (opened.created, opened.session.state, rev) == (True, "ivr", 1)
    assert plain(opened.session.ud) == {"offer": "gold", "n": "5"}
    assert ask.OpenSession(call="zeep-1").created is False
    assert ask.GetSession(session).session.ani == "+33612345678"
    found = ask.FindSessions(call="zeep-1", open="1")
    assert [one.session for one in found["items"].item] == [session]
    sent = ask.GetSendList(session, "asking")
    assert (sent.rev, plain(sent.fields)) == (
        1,
        {"ani": "+33612345678", "ud.offer": "gold", "auth_level": "0"},
    )
    changed = ask.PatchSession(
        session=session,
        rev=rev,
        set={"entry": [{"key": "auth_level", "value": "2", "type": "integer"}]},
        **{"del": {"item": ["ud.n"]}},
    )
    assert (changed.session.rev, changed.session.auth_level) == (2, 2)
    assert plain(changed.session.ud) == {"offer": "gold"}
    step = {"session": session, "ev": "in", "step": "menu", "idempotency_key": "k-1"}
    added = [ask.AddJourneyStep(**step, data=entries(choice=3)) for _ in range(2)]
    assert [(one.noted.steps, one.replayed) for one in added] == [(1, False), (1, True)]
    again = ask.OpenSession(call="zeep-again", ani="+33612345678").session.session
    journey = ask.GetJourney(session=again, across="1", calls=5)
    [before] = journey.previous.item
    assert (before.call, before.link, before.journey.item[0].step) == ("zeep-1", "ani", "menu")
    assert journey.complete is False  # the node has no database
    routed = ask.RouteSession(session=session, rp="sales")
    assert (routed.decision.target, routed.decision.rtype) == ("7100", "label")
    closed = ask.CloseSession(session=session, reason="hung up")
    assert closed.session.state == "closed"
    assert [one.step for one in closed.session.journey.item] == ["menu"]


def test_the_wsdl_has_every_operation(client):
    assert sorted(client.service._operations) == sorted(twin.name for twin in TWINS)


def test_of_two_changes_on_one_revision_one_is_a_fault_with_the_current_revision(client):
    session = client.service.OpenSession(call="zeep-2").session.session

    def change(lang):
        set_ = {"entry": [{"key": "lang", "value": lang}]}
        return client.service.PatchSession(session=session, rev=1, set=set_).session.rev

    assert change("fr") == 2
    with pytest.raises(zeep.exceptions.Fault) as caught:
        change("en")
    assert caught.value.code == "soap:Client"
    told = problem(caught.value)
    assert (told["type"], told["status"], told["field"], told["rev"]) == (
        "urn:vigie:problem:stale-revision",
        "412",
        "If-Match",
        "2",
    )
    assert client.service.GetSession(session).session.lang == "fr"


def test_writers_that_read_again_when_they_are_stale_lose_nothing(node):
    session = client_of(node).service.OpenSession(call="zeep-3", ud=entries(n=0)).session.session

    def add(ask, times):
        while times:
            view = ask.GetSession(session).session
            set_ = entries(**{"ud.n": int(plain(view.ud)["n"]) + 1})
            with contextlib.suppress(zeep.exceptions.Fault):
                ask.PatchSession(session=session, rev=view.rev, set=set_)
                times -= 1

    clients = [client_of(node) for _ in range(2)]
    writers = [threading.Thread(target=add, args=(one.service, 5)) for one in clients]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    view = client_of(node).service.GetSession(session).session
    assert (plain(view.ud), view.rev) == ({"n": "10"}, 11)


def test_a_client_built_from_an_older_wsdl_goes_on_with_a_newer_node(node, tmp_path):
    path = tmp_path / "older.wsdl"
    path.write_bytes(node.older_wsdl())
    ask = client_of(node, path).service
    opened = ask.OpenSession(call="zeep-4", ani="06 12 34 56 78", ud=entries(offer="gold"))
    session = opened.session.session
    assert (opened.created, opened.session.ani) == (True, "+33612345678")
    assert "ud" not in opened.session
    assert ask.AddJourneyStep(session=session, ev="in", step="menu").noted.steps == 1
    assert ask.RouteSession(session=session, rp="sales").decision.target == "7100"
    view = ask.GetSession(session).session
    assert [(one.step, one.ev) for one in view.journey.item] == [("menu", "in")]
    assert ask.FindSessions(call="zeep-4").total == 1
    assert ask.CloseSession(session=session).session.state == "closed"


def test_who_has_no_token_is_told_so(node):
    with pytest.raises(requests.HTTPError, match="401"):
        zeep.Client(node.wsdl)
    client = client_of(node)
    del client.transport.session.headers["Authorization"]
    with pytest.raises(zeep.exceptions.Fault) as caught:
        client.service.GetSession("0" * 20)
    assert problem(caught.value)["type"] == "urn:vigie:problem:unauthorized"
