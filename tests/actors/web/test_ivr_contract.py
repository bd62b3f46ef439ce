"""What the outside contract says to IVR applications, sentence by sentence, of a real node.

Each sentence is asked in JSON and in msgpack; a call that is named in one is its own.
"""

import contextlib
import http.client
import itertools
import json
import re
import threading
import time

import msgpack
import pytest
from soap_node import SoapNode

pytestmark = pytest.mark.system

LINGER = "\n[sessions]\nlinger_s = 0.2\n"
PATIENCE_S = 20
FIELDS = {
    *("session", "rev", "state", "call", "ani", "ani_type", "dnis", "digits", "lang", "media"),
    *("customer", "platform", "rp", "auth_level", "journey", "routing", "timings", "ud"),
    *("opened", "updated", "expires"),
}
TYPES = {"json": "application/json", "msgpack": "application/msgpack"}

_calls = (f"contract-{number}" for number in itertools.count(1))


class Said:
    """An answer.

    Args:
        status: of HTTP.
        headers: of it.
        body: as plain data.
    """

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def told(self):
        """Status, the last part of the problem's type, and the field that is wrong."""
        return self.status, self.body["type"].rpartition(":")[2], self.body.get("field")


class Application:
    """An IVR application that speaks one media type."""

    def __init__(self, node, media):
        self.address = node.base.removeprefix("http://")
        self.media, self.tokens = TYPES[media], {one: node.token(one) for one in ("ivr", "viewer")}

    def ask(self, method, path, body=None, *, scope="ivr", **headers):
        sent = {
            "Authorization": f"Bearer {self.tokens[scope]}",
            "Accept": self.media,
            "Content-Type": self.media,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        packs = self.media == TYPES["msgpack"]
        data = None
        if body is not None:
            data = msgpack.packb(body) if packs else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request(method, f"/api/v1/{path}", data, sent)
            answer = connection.getresponse()
            content = answer.read()
        if not content:
            return Said(answer.status, answer.headers, None)
        kind = answer.headers["Content-Type"].partition(";")[0]
        read = msgpack.unpackb if kind == TYPES["msgpack"] else json.loads
        return Said(answer.status, answer.headers, read(content))

    def opened(self, **fields):
        """A session of a new call."""
        return self.ask("POST", "sessions", {"call": next(_calls), **fields}).body

    def changed(self, session, body, tag='"1"'):
        headers = {} if tag is None else {"If_Match": tag}
        return self.ask("PATCH", f"sessions/{session}", body, **headers)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with contextlib.ExitStack() as stack:
        yield SoapNode(tmp_path_factory.mktemp("node"), stack, LINGER)


@pytest.fixture(params=list(TYPES))
def app(node, request):
    return Application(node, request.param)


def test_opening_is_201_or_200_with_the_existing_one(app):
    new = {"call": next(_calls), "ani": "0612345678", "dnis": "3900", "app": "welcome"}
    new |= {"lang": "fr", "ud": {"offer": "gold"}}
    first, again = (app.ask("POST", "sessions", new) for _ in range(2))
    assert (first.status, again.status) == (201, 200)
    assert first.body["session"] == again.body["session"]
    assert first.body["ani"] == "+33612345678"
    assert first.headers["ETag"] == again.headers["ETag"] == '"1"'


def test_of_openings_at_the_same_time_one_is_201(app):
    new, said = {"call": next(_calls)}, []
    threads = [
        threading.Thread(target=lambda: said.append(app.ask("POST", "sessions", new)))
        for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one.status for one in said) == [200] * 7 + [201]
    assert len({one.body["session"] for one in said}) == 1


def test_a_session_has_the_fields_of_the_contract(app):
    session = app.opened()
    said = app.ask("GET", f"sessions/{session['session']}", scope="viewer")
    assert (said.status, said.headers["ETag"]) == (200, '"1"')
    assert set(said.body) == FIELDS | {"events", "not_icm_portable"}
    assert re.fullmatch("[0-9a-f]{20,26}", said.body["session"])
    assert said.body["state"] == "ivr"


def test_sessions_are_found_by_call_by_number_and_the_open_ones(app):
    ani = f"+3361234{next(_calls).partition('-')[2]:>04}"
    first, second = (app.opened(ani=ani) for _ in range(2))
    by_call = app.ask("GET", f"sessions?call={first['call']}").body
    assert [one["session"] for one in by_call["items"]] == [first["session"]]
    app.ask("POST", f"sessions/{first['session']}/close")
    found = app.ask("GET", f"sessions?ani=%2B{ani[1:]}&open=1").body
    assert [one["session"] for one in found["items"]] == [second["session"]]


def test_an_application_gets_its_send_list_only_as_flat_strings(app):
    session = app.opened(ani="0612345678", ud={"offer": {"a": 1}})["session"]
    said = app.ask("GET", f"sessions/{session}/ivr?app=asking")
    assert said.body == {"ani": "+33612345678", "ud.offer": '{"a":1}', "auth_level": "0"}
    assert said.headers["ETag"] == '"1"'
    other = app.ask("GET", f"sessions/{session}/ivr?app=authentication").body
    assert list(other) == ["session", "ani", "customer", "auth_level", "digits"]
    assert other["ani"] == "06 12 34 56 78"


@pytest.mark.parametrize(
    ("key", "value"),
    [("auth_level", 2), ("lang", "fr"), ("digits", "12#"), ("ud.offer", {"a": [1, None]})],
)
def test_these_keys_may_be_set(app, key, value):
    session = app.opened()["session"]
    said = app.changed(session, {"set": {key: value}})
    assert (said.status, said.headers["ETag"], said.body["rev"]) == (200, '"2"', 2)
    name = key.removeprefix("ud.")
    assert (said.body["ud"] if key.startswith("ud.") else said.body)[name] == value
    gone = app.changed(session, {"del": [key]}, '"2"')
    assert (gone.status, gone.body["rev"]) == (200, 3)


@pytest.mark.parametrize(
    "key", ["rev", "state", "call", "ani", "journey", "routing", "ud", "ud.", "customer", ""]
)
def test_anything_else_is_400(app, key):
    session = app.opened()["session"]
    assert app.changed(session, {"set": {key: "x"}}).status == 400
    assert app.changed(session, {"del": [key]}).status == 400


def test_without_if_match_428_with_a_stale_one_412_and_the_current_revision(app):
    session = app.opened()["session"]
    change = {"set": {"lang": "fr"}}
    assert app.changed(session, change, None).told == (428, "precondition-required", "If-Match")
    assert app.changed(session, change).status == 200
    stale = app.changed(session, change)
    assert stale.told == (412, "stale-revision", "If-Match")
    assert (stale.body["rev"], stale.headers["ETag"]) == (2, '"2"')


@pytest.mark.parametrize("tag", ["*", 'W/"1"', "1", '"1", "2"', '""x'])
def test_a_star_a_weak_tag_and_what_is_none_is_400(app, tag):
    session = app.opened()["session"]
    said = app.changed(session, {"set": {"lang": "fr"}}, tag)
    assert said.told == (400, "invalid-value", "If-Match")


def test_steps_routing_and_reading_do_not_change_the_revision(app):
    session = app.opened()["session"]
    app.ask("POST", f"sessions/{session}/events", {"ev": "in", "step": "menu"})
    app.ask("POST", f"sessions/{session}/route", {"rp": "sales"})
    said = app.ask("GET", f"sessions/{session}")
    assert (said.body["rev"], said.headers["ETag"]) == (1, '"1"')
    assert said.body["routing"]["target"] == "7100"


def test_a_step_is_noted_with_its_data_and_its_time(app):
    session = app.opened()["session"]
    step = {"ev": "chosen", "step": "menu", "data": {"choice": 2, "said": "é"}}
    said = app.ask("POST", f"sessions/{session}/events", step)
    assert (said.status, said.body) == (200, {"session": session, "steps": 1})
    [noted] = app.ask("GET", f"sessions/{session}").body["journey"]
    assert {key: noted[key] for key in step} == step
    assert noted["ts"] > 1e9


def test_a_route_is_answered_as_route_select(app):
    session = app.opened()["session"]
    said = app.ask("POST", f"sessions/{session}/route", {"rp": "sales"})
    assert said.status == 200
    assert {"target", "rtype", "session", "rev", "reason"} <= set(said.body)
    assert (said.body["target"], said.body["rtype"]) == ("7100", "label")
    assert "ud" not in said.body  # no list of infoRP is sent along


def test_a_journey_goes_across_calls_of_the_number(app):
    ani = f"+3369876{next(_calls).partition('-')[2]:>04}"
    before, now = (app.opened(ani=ani)["session"] for _ in range(2))
    app.ask("POST", f"sessions/{before}/events", {"ev": "in", "step": "menu"})
    said = app.ask("GET", f"sessions/{now}/journey?across=1").body
    [call] = said["previous"]
    assert (call["session"], call["link"]) == (before, "ani")
    assert [step["step"] for step in call["journey"]] == ["menu"]
    assert said["complete"] is False  # there is no database


def test_a_closed_session_answers_for_its_linger_time_then_410(app):
    session = app.opened()["session"]
    assert app.ask("POST", f"sessions/{session}/close").body["state"] == "closed"
    assert app.ask("GET", f"sessions/{session}").status == 200
    assert app.changed(session, {"set": {"lang": "fr"}}).told[:2] == (410, "session-closed")
    until = time.monotonic() + PATIENCE_S
    while (said := app.ask("GET", f"sessions/{session}")).status == 200:
        assert time.monotonic() < until
    assert said.told[:2] == (410, "session-closed")


@pytest.mark.parametrize("session", ["d" * 24, "x", "D" * 24, "d" * 27])
def test_a_session_that_there_is_not_is_a_problem(app, session):
    said = app.ask("GET", f"sessions/{session}")
    assert said.status in (404, 503)  # 503: it may be in the database, which is not there
    assert said.headers["Content-Type"].startswith("application/problem+")


def test_a_viewer_reads_and_writes_nothing(app):
    session = app.opened()["session"]
    for path in ("", "/ivr?app=asking", "/journey"):
        assert app.ask("GET", f"sessions/{session}{path}", scope="viewer").status == 200
    for method, path in (
        ("PATCH", ""),
        ("POST", "/events"),
        ("POST", "/route"),
        ("POST", "/close"),
    ):
        said = app.ask(method, f"sessions/{session}{path}", {}, scope="viewer", If_Match='"1"')
        assert said.status == 403
