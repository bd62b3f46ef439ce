import asyncio
import threading

import msgpack
import pytest

BUSY = "b" * 20
CLOSED = "c" * 20
UNKNOWN = "d" * 20
NEW = {"call": "c-1", "ani": "+33612345678", "dnis": "3900", "lang": "fr", "ud": {"offer": "gold"}}


@pytest.fixture
def url(site):
    """The address of a session that is open."""
    return site.post("/api/v1/sessions", NEW, scope="ivr").headers["location"]


def change(site, url, body, tag='"1"', **options):
    headers = {"If-Match": tag} if tag is not None else {}
    return site.ask("PATCH", url, body, scope="ivr", headers=headers, **options)


def test_a_session_is_opened_once_for_a_call(site):
    first = site.post("/api/v1/sessions", NEW, scope="ivr")
    again = site.post("/api/v1/sessions", NEW, scope="ivr")
    assert (first.status, again.status) == (201, 200)
    assert first.json() == again.json()
    assert first.headers["etag"] == again.headers["etag"] == '"1"'
    assert first.headers["location"] == f"/api/v1/sessions/{first.json()['session']}"


def test_a_session_has_the_fields_of_the_contract_and_two_more(site, url):
    assert set(site.get(url, scope="ivr").json()) == {
        *("session", "rev", "state", "call", "ani", "ani_type", "dnis", "digits", "lang"),
        *("media", "customer", "platform", "rp", "auth_level", "journey", "routing"),
        "not_icm_portable",
        "events",
        *("timings", "ud", "opened", "updated", "expires"),
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "call"),
        ({"call": ""}, "call"),
        ({"call": 1}, "call"),
        ({"call": "x" * 256}, "call"),
        ({"call": "c", "ani": 33}, "ani"),
        ({"call": "c", "ud": []}, "ud"),
        ({"call": "c", "ud": "x"}, "ud"),
        ({"call": "c", "lang": "français"}, "lang"),
        ([], "body"),
    ],
)
def test_a_new_session_that_breaks_a_rule_names_the_field(site, body, field):
    answer = site.post("/api/v1/sessions", body, scope="ivr")
    assert answer.rule == (400, "invalid-value", field)
    assert answer.json()["rule"]


def test_user_data_over_its_limit_is_413(site):
    answer = site.post("/api/v1/sessions", {"call": "c", "ud": {"k": "x" * 2000}}, scope="ivr")
    assert answer.rule == (413, "user-data-too-large", "ud")


def test_sessions_are_found_by_call_and_by_number_with_a_plain_plus_sign(site, url):
    for query in ("call=c-1", "ani=%2B33612345678", "ani=+33612345678&open=1"):
        page = site.get(f"/api/v1/sessions?{query}", scope="ivr").json()
        assert [found["call"] for found in page["items"]] == ["c-1"]
        assert (page["total"], page["next_cursor"]) == (1, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "call"),
        ("?call=a&ani=b", "call"),
        ("?call=", "call"),
        ("?ani=1&open=2", "open"),
        ("?ani=abc", "ani"),
    ],
)
def test_a_search_asks_for_a_call_or_a_number(site, query, field):
    answer = site.get(f"/api/v1/sessions{query}", scope="ivr")
    assert answer.rule == (400, "invalid-value", field)


def test_an_application_is_sent_its_list_as_flat_text(site, url):
    answer = site.get(f"{url}/ivr?app=selfcare", scope="ivr")
    assert answer.json() == {
        "session": "0123456789abcdef0123",
        "ani": "+33612345678",
        "ud.offer": "gold",
        "auth_level": "0",
        "customer": "",
    }


def test_a_journey_is_of_the_call_alone_or_across_calls(site, url):
    site.post(f"{url}/events", {"ev": "in", "step": "menu"}, scope="ivr")
    alone = site.get(f"{url}/journey", scope="ivr").json()
    assert [step["step"] for step in alone["journey"]] == ["menu"]
    assert (alone["previous"], alone["complete"], alone["missing"]) == ([], True, "")
    across = site.get(f"{url}/journey?across=1&calls=3", scope="ivr").json()
    assert [(call["call"], call["link"]) for call in across["previous"]] == [("c-0", "ani")]
    assert (across["complete"], across["missing"]) == (False, "the database is down")
    packed = site.get(f"{url}/journey", scope="ivr", headers={"Accept": "application/msgpack"})
    assert msgpack.unpackb(packed.body) == alone


@pytest.mark.parametrize(
    ("query", "field"),
    [("across=2", "across"), ("across=", "across"), ("calls=0", "calls"), ("calls=101", "calls")],
)
def test_a_journey_names_what_breaks_a_rule(site, url, query, field):
    answer = site.get(f"{url}/journey?{query}", scope="ivr")
    assert answer.rule == (400, "invalid-value", field)


@pytest.mark.parametrize(("session", "status"), [(UNKNOWN, 404), (CLOSED, 410), (BUSY, 503)])
def test_there_is_no_journey_of_a_session_that_does_not_answer(site, session, status):
    assert site.get(f"/api/v1/sessions/{session}/journey", scope="ivr").status == status


def test_a_change_needs_the_tag_of_what_was_read_and_gives_the_next(site, url):
    body = {"set": {"auth_level": 2, "digits": "1234#", "ud.offer": "blue"}, "del": ["ud.old"]}
    answer = change(site, url, body)
    assert (answer.status, answer.headers["etag"]) == (200, '"2"')
    assert answer.json()["ud"] == {"offer": "blue"}
    assert answer.json()["auth_level"] == 2


def test_a_change_without_a_tag_is_428(site, url):
    assert change(site, url, {"set": {}}, None).rule == (428, "precondition-required", "If-Match")


@pytest.mark.parametrize("body", [{}, {"ud.offer": "blue"}, {"set": None}])
def test_a_change_that_says_neither_set_nor_del_is_400(site, url, body):
    answer = change(site, url, body)
    assert answer.rule == (400, "invalid-value", "body")
    assert answer.json()["rule"] == "an object with set, del or both"


@pytest.mark.parametrize("tag", ["*", 'W/"1"', "1", '"1", "2"', ""])
def test_a_change_with_anything_but_a_strong_tag_is_400(site, url, tag):
    assert change(site, url, {"set": {}}, tag).rule == (400, "invalid-value", "If-Match")


@pytest.mark.parametrize("tag", ['"0"', '"2"', '"abc"'])
def test_a_change_of_a_stale_version_is_412_with_the_current_one(site, url, tag):
    answer = change(site, url, {"set": {"lang": "en"}}, tag)
    assert answer.rule == (412, "stale-revision", "If-Match")
    assert (answer.json()["rev"], answer.headers["etag"]) == (1, '"1"')


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"set": {"state": "closed"}}, "state"),
        ({"set": {"ud": {}}}, "ud"),
        ({"set": {"auth_level": "2"}}, "auth_level"),
        ({"set": {"lang": "fr"}, "del": ["lang"]}, "lang"),
        ({"del": ["journey"]}, "journey"),
        ({"set": []}, "set"),
        ({"del": "ud.x"}, "del"),
        ({"del": [1]}, "del[0]"),
    ],
)
def test_a_change_that_breaks_a_rule_names_the_key(site, url, body, field):
    assert change(site, url, body).rule == (400, "invalid-value", field)


def test_the_data_of_a_step_over_its_limit_is_413(site, url):
    step = {"ev": "enter", "step": "menu", "data": {"k": "x" * 2000}}
    answer = site.post(f"{url}/events", step, scope="ivr")
    assert answer.rule == (413, "step-data-too-large", "data")
    assert answer.json()["rule"] == "at most 1000 bytes"


def test_a_step_of_the_journey_changes_no_tag(site, url):
    step = {"ev": "enter", "step": "menu", "data": {"choice": 2}}
    assert site.post(f"{url}/events", step, scope="ivr").json()["steps"] == 1
    assert site.get(url, scope="ivr").headers["etag"] == '"1"'


def test_the_ivr_asks_for_the_routing_decision(site, url):
    answer = site.post(f"{url}/route", {"rp": "sales"}, scope="ivr").json()
    assert answer == {
        "target": "7001",
        "rtype": "direct",
        "session": "0123456789abcdef0123",
        "rev": 1,
        "reason": "sales",
    }


def test_a_session_is_closed_and_closed_again(site, url):
    for _ in range(2):
        assert site.post(f"{url}/close", scope="ivr").json()["state"] == "closed"


REQUESTS = [
    ("GET", "", None),
    ("GET", "/ivr", None),
    ("PATCH", "", {"set": {}}),
    ("POST", "/events", {"ev": "e", "step": "s"}),
    ("POST", "/route", {"rp": "sales"}),
    ("POST", "/close", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_session_that_is_not_there_answers_404_410_or_503(site, method, path, body):
    def ask(session):
        headers = {"If-Match": '"1"'}
        url = f"/api/v1/sessions/{session}{path}"
        return site.ask(method, url, body, scope="ivr", headers=headers)

    assert ask(UNKNOWN).rule == (404, "no-such-session", "session")
    assert ask("not-an-id").rule == (404, "no-such-session", "session")
    assert ask(CLOSED).rule == (410, "session-closed", "session")
    assert "can be read until" in ask(CLOSED).json()["detail"]
    busy = ask(BUSY)
    assert busy.rule == (503, "unavailable", None)
    assert busy.headers["retry-after"] == "2"


def test_only_of_a_change_it_is_said_that_it_may_have_been_made(site):
    path = f"/api/v1/sessions/{BUSY}"
    read = site.get(path, scope="ivr").json()["detail"]
    changed = site.post(f"{path}/close", {}, scope="ivr").json()["detail"]
    assert ("change" in read, "change" in changed) == (False, True)


def test_msgpack_goes_in_and_out_with_the_same_tag(site):
    headers = {"Content-Type": "application/msgpack", "Accept": "application/msgpack"}
    opened = site.post("/api/v1/sessions", msgpack.packb(NEW), scope="ivr", headers=headers)
    view = msgpack.unpackb(opened.body)
    assert (opened.status, view["ani"]) == (201, "+33612345678")
    assert opened.headers["content-type"] == "application/msgpack"
    url = opened.headers["location"]
    assert site.get(url, scope="ivr").json() == view
    body = msgpack.packb({"set": {"lang": "de"}})
    changed = site.ask(
        "PATCH", url, body, scope="ivr", headers=headers | {"If-Match": opened.headers["etag"]}
    )
    assert (changed.headers["etag"], msgpack.unpackb(changed.body)["lang"]) == ('"2"', "de")


def test_a_problem_is_json_also_for_who_accepts_msgpack(site):
    headers = {"Accept": "application/msgpack"}
    answer = site.get(f"/api/v1/sessions/{UNKNOWN}", headers=headers)
    assert answer.rule == (404, "no-such-session", "session")


def test_a_session_that_takes_too_long_is_503(make_site):
    site = make_site(request_timeout_s=0.05)
    site.services.sessions.blocked = site.soon(asyncio.Event)
    answer = site.get(f"/api/v1/sessions/{UNKNOWN}")
    assert answer.rule == (503, "unavailable", None)
    assert answer.headers["retry-after"] == "1"


def test_of_changes_at_the_same_time_one_wins_and_none_is_lost(site, url):
    answers = []

    def change_once(value):
        answers.append(change(site, url, {"set": {f"ud.k{value}": value}}).status)

    threads = [threading.Thread(target=change_once, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, *[412] * 7]
    assert len(site.get(url).json()["ud"]) == 2
