"""Requests with an Idempotency-Key: done once, answered as often as they are sent."""

import asyncio
import json
import threading

import msgspec
import pytest

from actors.web import once
from actors.web.auth import Principal

SESSION = "0123456789abcdef0123"
SESSIONS = "/api/v1/sessions"
SOAP = "/soap/session-context"
WEBHOOK = "/channels/social/{source}"
EVENTS = f"{SESSIONS}/{SESSION}/events"
STEP = {"ev": "in", "step": "menu", "data": {"a": 1, "b": 2}}


def key(value, **others):
    return {"Idempotency-Key": value, **others}


def replayed(answer):
    return answer.headers["idempotency-replayed"]


@pytest.fixture
def opened(site):
    site.post(SESSIONS, {"call": "c1"}, scope="ivr")
    site.services.sessions.done.clear()
    return site


def journey(site):
    return len(site.services.sessions.views[SESSION].journey)


def test_a_step_that_is_sent_twice_with_its_key_is_noted_once_and_answered_twice(opened):
    first, again = (opened.post(EVENTS, STEP, headers=key("k1")) for _ in range(2))
    assert first.status == again.status == 200
    assert first.json() == again.json() == {"session": SESSION, "steps": 1}
    assert (replayed(first), replayed(again)) == (None, "true")
    assert journey(opened) == 1


def test_without_the_header_a_post_is_done_each_time(opened):
    answers = [opened.post(EVENTS, STEP).json()["steps"] for _ in range(3)]
    assert answers == [1, 2, 3]
    assert [request.once for request in opened.services.sessions.done] == [None] * 3


def test_a_body_cannot_bring_a_key_of_its_own(opened):
    forged = {"once": {"key": "k", "fingerprint": "f"}}
    opened.post(EVENTS, STEP | forged)
    opened.post(SESSIONS, {"call": "c2"} | forged)
    assert [request.once for request in opened.services.sessions.done] == [None] * 2


def test_an_opening_is_answered_as_before_with_the_status_it_had(site):
    answers = [site.post(SESSIONS, {"call": "c9"}, headers=key('"open 9"')) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert [replayed(answer) for answer in answers] == [None, "true"]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert site.post(SESSIONS, {"call": "c9"}).status == 200


def test_a_decision_and_a_close_are_answered_as_before_too(opened):
    for path, body in (("route", {"rp": "sales"}), ("close", None)):
        answers = [
            opened.post(f"{SESSIONS}/{SESSION}/{path}", body, headers=key(path)) for _ in range(2)
        ]
        assert answers[0].json() == answers[1].json()
        assert [replayed(answer) for answer in answers] == [None, "true"]
    assert len(opened.services.sessions.done) == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (EVENTS, STEP | {"step": "other"}),
        (EVENTS, STEP | {"data": {"a": 1, "b": 2, "c": 3}}),
        (f"{SESSIONS}/{SESSION}/close", {"reason": "x"}),
        (SESSIONS, {"call": "c1"}),
        ("/api/v1/actors/node%2Fa1/kill", {"reason": "x"}),
    ],
)
def test_a_key_with_another_request_is_422_and_changes_nothing(opened, path, body):
    opened.post(EVENTS, STEP, headers=key("k1"))
    known = len(opened.services.sessions.done)
    if "kill" in path:  # known to the node only: so the other way round
        opened.post(path, body, headers=key("k2"))
        answer = opened.post(EVENTS, STEP, headers=key("k2"))
    else:
        answer = opened.post(path, body, headers=key("k1"))
    assert answer.rule == (422, "idempotency-key-reused", "Idempotency-Key")
    assert len(opened.services.sessions.done) == known


def test_what_means_the_same_is_the_same_request_in_any_order_and_media_type(opened):
    opened.post(EVENTS, STEP, headers=key("k1"))
    turned = {"data": {"b": 2, "a": 1}, "step": "menu", "ev": "in"}
    assert replayed(opened.post(EVENTS, turned, headers=key('"k1"'))) == "true"
    packed = msgspec.msgpack.encode(turned)
    headers = key("k1", **{"Content-Type": "application/msgpack"})
    assert replayed(opened.post(EVENTS, packed, headers=headers)) == "true"
    assert journey(opened) == 1


def test_the_keys_of_two_tokens_never_meet(opened):
    answers = [opened.post(EVENTS, STEP, headers=key("k1"), scope=s) for s in ("ivr", "operator")]
    assert [answer.json()["steps"] for answer in answers] == [1, 2]
    assert [replayed(answer) for answer in answers] == [None, None]


@pytest.mark.parametrize("value", ["", "a b", "x" * 256, '"open'])
def test_what_is_no_key_is_400_before_anything_is_done(opened, value):
    answer = opened.post(EVENTS, STEP, headers=key(value))
    assert answer.rule == (400, "invalid-value", "Idempotency-Key")
    assert "1 to 255 printable" in answer.json()["rule"]
    assert opened.services.sessions.done == []


def test_what_was_refused_is_tried_again_with_its_key(opened):
    too_much = STEP | {"data": {"x": "y" * 2_000}}
    assert [opened.post(EVENTS, too_much, headers=key("k")).status for _ in range(2)] == [413, 413]
    busy = f"{SESSIONS}/{'b' * 20}/close"
    answers = [opened.post(busy, headers=key("k3")) for _ in range(2)]
    assert [answer.status for answer in answers] == [503, 503]
    assert all(answer.headers["retry-after"] == "2" for answer in answers)
    assert "Idempotency-Key" in answers[0].json()["detail"]


def test_an_action_on_an_actor_is_done_once_as_long_as_the_node_runs(site):
    path = "/api/v1/actors/node%2Fa1/kill"
    answers = [site.post(path, {"reason": "x"}, headers=key("kill-1")) for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert answers[0].json() == answers[2].json()
    assert [replayed(answer) for answer in answers] == [None, "true", "true"]
    assert len(site.services.introspection.done) == 1
    site.post(path, {"reason": "x"}, headers=key("kill-2"))
    assert len(site.services.introspection.done) == 2


class Meanwhile:
    """A request in a thread of its own, held by the sessions until it is let go."""

    def __init__(self, site, *args, **options):
        self.site = site
        self.answers = []
        site.services.sessions.blocked = self.gate = asyncio.Event()
        self._threads = []
        self.ask(*args, **options)

    def ask(self, *args, **options):
        running = len(self._threads)
        thread = threading.Thread(
            target=lambda: self.answers.append(self.site.post(*args, **options))
        )
        thread.start()
        self._threads.append(thread)
        return running

    def under_way(self, count):
        """Wait until so many requests with a key have come as far as they can."""

        async def wait():
            async with asyncio.timeout(10):
                while here() < count:  # noqa: ASYNC110 - what is waited for has no event
                    await asyncio.sleep(0)

        def here():
            running = self.site.api._requests._running.values()
            return sum(1 + len(one.ended._waiters) for one in running)

        self.site.do(wait())

    def let_go(self):
        self.site.loop.call_soon_threadsafe(self.gate.set)
        for thread in self._threads:
            thread.join(10)


def test_a_second_request_waits_for_the_first_and_is_answered_as_it_was(opened):
    both = Meanwhile(opened, EVENTS, STEP, headers=key("k1"))
    both.under_way(1)
    both.ask(EVENTS, STEP, headers=key("k1"))
    both.under_way(2)
    assert both.answers == []
    both.let_go()
    assert [answer.status for answer in both.answers] == [200, 200]
    assert {json.dumps(answer.json()) for answer in both.answers} == {
        json.dumps({"session": SESSION, "steps": 1})
    }
    assert sorted(str(replayed(answer)) for answer in both.answers) == ["None", "true"]


def test_a_second_request_of_other_content_is_422_while_the_first_is_under_way(opened):
    first = Meanwhile(opened, EVENTS, STEP, headers=key("k1"))
    first.under_way(1)
    answer = opened.post(EVENTS, STEP | {"ev": "out"}, headers=key("k1"))
    first.let_go()
    assert answer.rule == (422, "idempotency-key-reused", "Idempotency-Key")


def test_a_second_request_gets_409_when_the_first_takes_too_long(opened, monkeypatch):
    monkeypatch.setattr(once, "WAIT_S", 0.02)
    first = Meanwhile(opened, EVENTS, STEP, headers=key("k1"))
    first.under_way(1)
    answer = opened.post(EVENTS, STEP, headers=key("k1"))
    first.let_go()
    assert answer.rule == (409, "idempotency-key-in-use", "Idempotency-Key")
    assert answer.headers["retry-after"] == "1"
    assert opened.api._requests._running == {}


# Apart from the server


def test_answers_are_kept_for_their_time_and_no_more_of_them_than_may_be():
    now = [0.0]
    requests = once.Requests(lambda: now[0])
    keys = [once.once_of({"idempotency-key": str(n)}, None, n) for n in range(once.MAX_ANSWERS + 5)]
    for number, one in enumerate(keys):
        assert requests.answered(one) is None
        requests.keep(one, number)
    assert requests.answered(keys[-1]) == once.MAX_ANSWERS + 4
    assert requests.answered(keys[0]) is None
    now[0] = once.KEEP_S
    assert requests.answered(keys[-1]) is None


def test_keys_are_told_apart_by_who_asks_and_say_nothing_of_what_was_sent():
    headers = {"idempotency-key": "secret"}
    principals = [
        None,
        Principal("ivr", "a", "1"),
        Principal("ivr", "a", "2"),
        Principal("admin", "local"),
    ]
    found = [once.once_of(headers, principal, "POST") for principal in principals]
    assert len({one.key for one in found}) == len(principals)
    assert len({one.fingerprint for one in found}) == 1
    assert all(len(one.key) == len(one.fingerprint) == 32 for one in found)
    assert "secret" not in str(found)


def test_the_header_its_answers_and_its_problems_are_described(site):
    paths = site.get("/openapi.json").json()["paths"]
    posts = {path: item["post"] for path, item in paths.items() if "post" in item}
    assert "Idempotency-Key" in {one["name"] for one in posts.pop(SOAP)["parameters"]}
    del posts[WEBHOOK]  # its events have ids of their own
    assert len(posts) > 10
    for path, post in posts.items():
        names = [parameter["name"] for parameter in post["parameters"]]
        assert "Idempotency-Key" in names, path
        assert {"409", "422"} <= post["responses"].keys(), path
        status = min(post["responses"])
        assert "Idempotency-Replayed" in post["responses"][status]["headers"], path
    step = posts[f"{SESSIONS}/{{session}}/events"]["responses"]
    assert "Retry-After" in step["503"]["headers"]
    assert "Retry-After" in step["429"]["headers"]
    assert "once" not in json.dumps(site.get("/openapi.json").json()["components"])
