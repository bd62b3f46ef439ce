import asyncio

import pytest

from actors.web import control, operations
from actors.web.api import Api


@pytest.fixture
def ask(site):
    api = Api(site.services, operations.control("1.2.3"))

    def answer(method, path, body=None, **arguments):
        arguments |= {"method": method, "path": path, "body": body}
        return site.do(control.answer(api, arguments))

    return answer


def test_the_local_user_does_what_admins_may_without_a_token(ask):
    answer = ask("GET", "/api/v1/tree", query={"depth": "0"})
    assert (answer["status"], answer["body"]["path"]) == (200, "node")
    killed = ask("POST", "/api/v1/actors/node%2Fa1/kill", {"reason": "stuck"})
    assert (killed["status"], killed["body"]["by"]) == (200, "local")


def test_values_of_the_query_are_taken_as_they_are(ask):
    ask("POST", "/api/v1/sessions", {"call": "a&b=c", "ani": "+331"})
    found = ask("GET", "/api/v1/sessions", query={"ani": "+331"})["body"]
    assert [view["call"] for view in found["items"]] == ["a&b=c"]
    assert ask("GET", "/api/v1/sessions", query={"call": "a&b=c"})["body"]["total"] == 1


def test_a_change_carries_its_tag_and_gives_the_next(ask):
    view = ask("POST", "/api/v1/sessions", {"call": "c"})
    url = view["headers"]["Location"]
    headers = {"If-Match": view["headers"]["ETag"]}
    assert ask("PATCH", url, {"set": {"lang": "fr"}}, headers=headers)["headers"]["ETag"] == '"2"'
    assert ask("PATCH", url, {"set": {"lang": "fr"}})["status"] == 428


def test_a_token_is_made_used_listed_and_revoked(site, ask):
    made = ask("POST", "/api/v1/tokens", {"scope": "viewer", "name": "screen", "expires_s": 60})
    token = made["body"]
    assert made["status"] == 201
    assert token["expires"] - token["created"] == 60
    header = {"Authorization": f"Bearer {token['token']}"}
    assert site.get("/api/v1/tree", headers=header).status == 200
    listed = ask("GET", "/api/v1/tokens", query={"q": "screen"})["body"]["items"]
    assert [(row["id"], "token" in row) for row in listed] == [(token["id"], False)]
    url = f"/api/v1/tokens/{token['id']}"
    assert ask("DELETE", url) == {"status": 204, "body": None, "headers": {}}
    assert site.get("/api/v1/tree", headers=header).status == 401
    gone = ask("DELETE", url)
    assert (gone["status"], gone["body"]["type"]) == (404, "urn:vigie:problem:no-such-token")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "scope"),
        ({"scope": "root"}, "scope"),
        ({"scope": "viewer", "name": "x" * 101}, "name"),
        ({"scope": "viewer", "expires_s": 0}, "expires_s"),
        ({"scope": "viewer", "expires_s": 1e12}, "expires_s"),
    ],
)
def test_a_token_that_breaks_a_rule_names_the_field(ask, body, field):
    answer = ask("POST", "/api/v1/tokens", body)
    assert (answer["status"], answer["body"]["field"]) == (400, field)


def test_what_streams_over_http_is_shown_as_it_is_now(site, ask):
    site.soon(site.services.events.publish, "node", {"up": True}, 1.0)
    assert ask("GET", "/api/v1/events")["body"]["items"][0]["data"] == {"up": True}


def test_text_comes_as_text(ask):
    assert "vigie_generation" in ask("GET", "/metrics")["body"]


@pytest.mark.parametrize(
    ("arguments", "status", "field"),
    [
        ({"path": 1}, 400, "path"),
        ({"query": {"depth": 2}}, 400, "query[...]"),
        ({"path": "no/slash"}, 400, "path"),
        ({"path": "/nowhere"}, 404, None),
        ({"method": "BREW"}, 405, "method"),
    ],
)
def test_bad_arguments_are_answered_like_a_bad_request(site, arguments, status, field):
    api = Api(site.services, operations.control("1.2.3"))
    answer = site.do(control.answer(api, {"method": "GET", "path": "/api/v1/tree"} | arguments))
    assert (answer["status"], answer["body"].get("field")) == (status, field)


def test_an_answer_that_takes_too_long_is_503(make_site):
    site = make_site(request_timeout_s=0.05)
    site.services.sessions.blocked = site.soon(asyncio.Event)
    api = Api(site.services, operations.control("1.2.3"))
    path = "/api/v1/sessions/" + "d" * 20
    answer = site.do(control.answer(api, {"method": "GET", "path": path}))
    assert (answer["status"], answer["headers"]["Retry-After"]) == (503, "1")


def test_a_token_is_made_each_time_for_nobody_keeps_its_secret_to_tell_it_again(site, ask):
    headers = {"Idempotency-Key": "k1"}
    answer = ask("POST", "/api/v1/tokens", {"scope": "viewer"}, headers=headers)
    assert (answer["status"], answer["body"]["field"]) == (400, "Idempotency-Key")
    killed = [ask("POST", "/api/v1/actors/node%2Fa1/kill", {}, headers=headers) for _ in range(2)]
    assert killed[0]["body"] == killed[1]["body"]
    assert killed[1]["headers"]["Idempotency-Replayed"] == "true"
    assert len(site.services.introspection.done) == 1
