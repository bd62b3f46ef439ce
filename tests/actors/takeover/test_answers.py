"""What was done to a node under a key is answered again by the one that takes over from it."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from shadow_kit import WholeNode

from actors.config import Config, HttpConfig
from actors.takeover.answers import AnswersPart
from actors.takeover.parts import giving_parts, taking_parts
from actors.web import once
from actors.web.api import Api, Reply, operation
from actors.web.auth import LOCAL_ADMIN, Principal
from actors.web.exchange import ApiRequest
from supervision.release.carrier import NoConversion


class Side:
    """A node with one operation; it counts how often that was done."""

    def __init__(self, now):
        self.done = 0
        self.requests = once.Requests(now)
        self.part = AnswersPart(self.requests)
        services = SimpleNamespace(config=HttpConfig(), requests=self.requests)
        self.apis = [Api(services, (self._operation(),)) for _ in range(2)]

    def _operation(self):
        async def kill_actor(call):
            self.done += 1
            return Reply(value={"done": self.done}, headers={"X-Place": call.path["actor"]})

        return operation("POST", "/kill/{actor}", scopes=("admin",), status=202)(kill_actor)

    def ask(self, key, actor="a", principal=LOCAL_ADMIN, api=0):
        async def no_body():
            return b""

        request = ApiRequest(
            method="POST",
            path=f"/kill/{actor}",
            headers={} if key is None else {"idempotency-key": key},
            read_body=no_body,
            principal=principal,
        )
        answer = asyncio.run(self.apis[api].dispatch(request))
        return answer.status, json.loads(answer.body), dict(answer.headers)


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def two(now):
    return Side(lambda: now[0]), Side(lambda: now[0])


def moved(old, new):
    new.part.unpack(1, old.part.pack(1).body, ())


def test_a_post_that_is_sent_again_after_the_switch_is_answered_and_not_done_again(two):
    old, new = two
    first = old.ask("k1")
    moved(old, new)
    again = new.ask("k1")
    assert first == (202, {"done": 1}, {"X-Place": "a"})
    assert again == (202, {"done": 1}, {"X-Place": "a", "Idempotency-Replayed": "true"})
    assert (old.done, new.done) == (1, 0)
    assert new.ask("k2")[1] == {"done": 1}
    assert new.ask(None)[1] == {"done": 2}


def test_an_answer_holds_however_the_request_comes_then(two):
    old, new = two
    old.ask("k1", api=0)
    moved(old, new)
    assert new.ask("k1", api=1)[2]["Idempotency-Replayed"] == "true"


def test_a_key_stays_that_of_who_used_it_and_of_what_was_asked(two):
    old, new = two
    old.ask("k1")
    moved(old, new)
    status, body, _ = new.ask("k1", actor="b")
    assert (status, body["type"].rpartition(":")[2]) == (422, "idempotency-key-reused")
    assert new.ask("k1", principal=Principal("admin", "another", "7"))[1] == {"done": 1}


def test_an_answer_is_known_as_long_as_it_would_have_been(two, now):
    old, new = two
    old.ask("old")
    now[0] += once.KEEP_S / 2
    old.ask("young")
    moved(old, new)
    now[0] += once.KEEP_S / 2
    assert new.ask("old")[1] == {"done": 1}
    assert "Idempotency-Replayed" in new.ask("young")[2]


def test_what_is_too_old_does_not_travel(two, now):
    old, new = two
    old.ask("k1")
    now[0] += once.KEEP_S
    moved(old, new)
    assert new.requests.kept() == []


def test_the_way_back_has_the_answers_of_both_sides(two, now):
    old, new = two
    old.ask("k1")
    moved(old, new)
    now[0] += 1.0
    new.ask("k2")
    third = Side(lambda: now[0])
    third.ask("k3")
    moved(new, third)
    assert [third.ask(key)[1] for key in ("k1", "k2", "k3")] == [{"done": 1}] * 3
    assert third.done == 1


def test_a_copy_takes_nothing_away(two):
    old, new = two
    old.ask("k1")
    new.part.unpack(1, old.part.copy(1), ())
    assert "Idempotency-Replayed" in old.ask("k1")[2]
    assert "Idempotency-Replayed" in new.ask("k1")[2]


def test_a_stream_is_no_answer_that_could_travel(two):
    old, new = two
    asked = once.once_of({"idempotency-key": "k1"}, None, "POST")
    old.requests.keep(asked, SimpleNamespace(stream=object()))
    moved(old, new)
    assert new.requests.kept() == []


def test_answers_that_are_none_are_refused(two):
    old, new = two
    body = old.part.pack(1).body
    with pytest.raises(NoConversion, match="answers: version 2 is unknown, this is 1"):
        old.part.pack(2)
    with pytest.raises(NoConversion, match="answers: version 2"):
        new.part.unpack(2, body, ())
    with pytest.raises(ValueError, match="Expected"):
        new.part.unpack(1, b"\x81\xa1a\x01", ())


def test_a_node_gives_and_takes_the_answers_of_all_its_ways_in(tmp_path):
    async def run():
        node = WholeNode(tmp_path, Config(), waiting=True)
        try:
            assembly = node.assembly
            for parts in (giving_parts(assembly), taking_parts(assembly)):
                (part,) = (one for one in parts if one.name == "answers")
                assert part.optional  # the release before does not know it
                assert part._requests is assembly.services.requests
            web = assembly.arguments().http.api
            assert web._requests is assembly.control_api._requests is assembly.services.requests
        finally:
            for one in node.listeners.values():
                one.close()

    asyncio.run(run())
