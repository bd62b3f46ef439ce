"""What is refused for now: under overload, and while the sessions are being recovered."""

import pytest

SESSION = "0123456789abcdef0123"
SESSIONS = "/api/v1/sessions"
ONE = f"{SESSIONS}/{SESSION}"
NEW = "overload.new_after_ms is 50"
ALL = "overload.all_after_ms is 150"

ON_SESSIONS = [
    ("POST", SESSIONS, {"call": "c2"}),
    ("GET", ONE, None),
    ("GET", f"{SESSIONS}?call=c1", None),
    ("GET", f"{ONE}/ivr", None),
    ("PATCH", ONE, {"set": {"lang": "fr"}}),
    ("POST", f"{ONE}/events", {"ev": "in", "step": "menu"}),
    ("POST", f"{ONE}/route", {"rp": "sales"}),
    ("POST", f"{ONE}/close", None),
]
FOR_OPERATORS = ["/livez", "/readyz", "/metrics", "/api/v1/tree", "/api/v1/actors", "/api/v1/node"]


def refused(answer, status, slug):
    return (
        answer.rule == (status, slug, None)
        and int(answer.headers["retry-after"]) >= 1
        and answer.json().get("rule")
    )


@pytest.fixture
def opened(site):
    site.post(SESSIONS, {"call": "c1"}, scope="ivr")
    site.services.overload.asked.clear()
    return site


def test_what_would_begin_a_call_is_refused_first(opened):
    opened.services.overload.rules = {"new": NEW}
    assert refused(opened.post(SESSIONS, {"call": "c2"}), 429, "overloaded") == NEW
    assert len(opened.services.sessions.views) == 1


def test_an_opening_that_opens_nothing_is_of_an_established_call(opened):
    opened.services.overload.rules = {"new": NEW}
    assert opened.post(SESSIONS, {"call": "c1"}).status == 200
    headers = {"Idempotency-Key": "k"}
    opened.services.overload.rules = {}
    assert opened.post(SESSIONS, {"call": "c3"}, headers=headers).status == 201
    opened.services.overload.rules = {"new": NEW}
    assert opened.post(SESSIONS, {"call": "c3"}, headers=headers).status == 201


@pytest.mark.parametrize(("method", "path", "body"), ON_SESSIONS[1:])
def test_what_goes_on_with_a_call_is_done_until_that_is_too_much_as_well(
    opened, method, path, body
):
    headers = {"If-Match": '"1"'} if method == "PATCH" else {}
    opened.services.overload.rules = {"new": NEW, "established": ALL}
    answer = opened.ask(method, path, body, scope="ivr", headers=headers)
    assert refused(answer, 429, "overloaded") == ALL
    opened.services.overload.rules = {"new": NEW}
    answer = opened.ask(method, path, body, scope="ivr", headers=headers)
    assert answer.status == 200
    assert set(opened.services.overload.asked) == {"established"}


@pytest.mark.parametrize("scope", ["viewer", "operator", "admin"])
def test_operators_read_sessions_all_the_same(opened, scope):
    opened.services.overload.rules = {"new": NEW, "established": ALL}
    for method, path, _ in ON_SESSIONS[1:4]:
        assert opened.ask(method, path, scope=scope).status == 200


@pytest.mark.parametrize("path", FOR_OPERATORS)
def test_the_node_is_looked_at_however_much_is_asked_of_it(opened, path):
    opened.services.overload.rules = {"new": NEW, "established": ALL}
    opened.services.readiness.there = False
    assert opened.get(path).status == 200
    assert opened.services.overload.asked == []


def test_an_operator_acts_on_actors_under_overload(opened):
    opened.services.overload.rules = {"new": NEW, "established": ALL}
    assert opened.post("/api/v1/actors/node%2Fa1/kill", {"reason": "x"}).status == 200


@pytest.mark.parametrize(("method", "path", "body"), ON_SESSIONS)
def test_until_the_sessions_are_recovered_nobody_is_told_that_there_is_none(
    site, method, path, body
):
    site.services.readiness.there = False
    answer = site.ask(method, path, body, headers={"If-Match": '"1"'})
    assert answer.rule == (503, "unavailable", None)
    assert answer.headers["retry-after"] == "1"
    assert site.services.sessions.views == {}
    site.services.readiness.there = True
    assert site.ask(method, path, body, headers={"If-Match": '"1"'}).status in (200, 201, 404)


def test_a_node_that_is_not_ready_says_when_to_ask_again(site):
    site.services.readiness.ready = False
    answer = site.get("/readyz", scope=None)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    site.services.readiness.ready = True
    assert site.get("/readyz", scope=None).headers["retry-after"] is None
