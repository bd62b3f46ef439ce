"""What a 2xx promises: the change is in the journal; and what a key promises of the rest."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from call_kit import CallKit

from actors.config import HttpConfig
from actors.sessions import ANSWER_S, CallSessions
from actors.web import session_operations
from actors.web.api import Api
from actors.web.auth import Principal
from actors.web.exchange import ApiRequest
from actors.web.once import Requests

SESSIONS = "/api/v1/sessions"
STEP = {"ev": "in", "step": "menu"}
WELCOME = Principal("ivr", "welcome", "t1")


class EmptyArchive:
    async def find(self, **_wanted):
        return []


class Node:
    """The API on real sessions and a journal whose disk a test plays."""

    def __init__(self, kit):
        self.kit = kit
        services = SimpleNamespace(
            config=HttpConfig(),
            sessions=CallSessions(kit.kernel, kit.pool, EmptyArchive(), kit.openings),
            readiness=SimpleNamespace(recovered=lambda: True),
            overload=SimpleNamespace(refuses=lambda who: ""),
            requests=Requests(kit.kernel.clock.monotonic),
            channels=SimpleNamespace(wake=lambda call: False),
        )
        self._api = Api(services, session_operations.OPERATIONS)

    def begin(self, method, path, body=None, key=None):
        """Ask, and go on before the answer."""
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key

        async def read_body():
            return b"" if body is None else json.dumps(body).encode()

        request = ApiRequest(
            method=method, path=path, headers=headers, read_body=read_body, principal=WELCOME
        )
        task = self.kit.loop.create_task(self._api.dispatch(request))
        self.kit.settle()
        return task

    def ask(self, *args, **options):
        return self.end(self.begin(*args, **options))

    def end(self, task):
        self.kit.until(task.done)
        return task.result()

    def open(self, key="open"):
        return said(self.ask("POST", SESSIONS, {"call": "c1"}, key))["session"]


def said(response):
    return json.loads(response.body)


def replayed(response):
    return response.headers.get("Idempotency-Replayed")


@pytest.fixture
def node():
    with CallKit() as kit:
        yield Node(kit)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", {"call": "c2"}, 201),
        ("/{}/events", STEP, 200),
        ("/{}/close", None, 200),
    ],
)
def test_a_change_is_answered_when_it_is_durable_and_not_before(node, path, body, status):
    session = node.open()
    node.kit.disk.hold()
    task = node.begin("POST", SESSIONS + path.format(session), body)
    node.kit.advance(ANSWER_S / 2)
    assert not task.done()
    node.kit.disk.release()
    assert node.end(task).status == status


def test_what_is_not_durable_is_not_read_either(node):
    session = node.open()
    node.kit.disk.hold()
    node.begin("POST", f"{SESSIONS}/{session}/events", STEP)
    reading = node.begin("GET", f"{SESSIONS}/{session}")
    assert not reading.done()
    node.kit.disk.release()
    assert len(said(node.end(reading))["journey"]) == 1


def test_a_change_that_is_not_durable_in_time_is_503_and_its_key_tells_what_became_of_it(node):
    path = f"{SESSIONS}/{node.open()}/events"
    node.kit.disk.hold()
    late = node.ask("POST", path, STEP, "k1")
    assert (late.status, int(late.headers["Retry-After"]) >= 1) == (503, True)
    node.kit.disk.release()
    again = node.ask("POST", path, STEP, "k1")
    assert (again.status, replayed(again), said(again)["steps"]) == (200, "true", 1)
    assert said(node.ask("POST", path, STEP, "k2"))["steps"] == 2


def test_an_opening_that_is_not_durable_in_time_is_made_once(node):
    node.kit.disk.hold()
    assert node.ask("POST", SESSIONS, {"call": "c1"}, "k1").status == 503
    node.kit.disk.release()
    again = node.ask("POST", SESSIONS, {"call": "c1"}, "k1")
    assert (again.status, replayed(again)) == (201, "true")
    assert node.kit.pool.count() == 1


def test_while_the_disk_is_full_changes_are_503_at_once_and_made_when_it_is_not(node):
    path = f"{SESSIONS}/{node.open()}/events"
    node.kit.disk.fail("SQLITE_FULL")
    first = node.ask("POST", path, STEP, "k1")
    began = node.kit.clock.monotonic()
    second = node.ask("POST", path, STEP, "k2")
    assert first.status == second.status == 503
    assert node.kit.clock.monotonic() == began
    node.kit.disk.heal()
    node.kit.advance(5)
    answers = [node.ask("POST", path, STEP, key) for key in ("k1", "k2", "k1", "k2")]
    assert [answer.status for answer in answers] == [200] * 4
    assert {said(answer)["steps"] for answer in answers} == {1, 2}
    assert len(said(node.ask("GET", path.removesuffix("/events")))["journey"]) == 2


def test_a_key_is_known_by_the_next_node_of_whatever_was_acknowledged(node):
    session = node.open()
    path = f"{SESSIONS}/{session}"
    asked = [
        ("POST", f"{path}/events", STEP, "step"),
        ("POST", f"{path}/route", {"rp": "sales"}, "route"),
        ("POST", f"{path}/close", {"reason": "done"}, "close"),
    ]
    before = [node.ask(*one) for one in asked]
    assert [answer.status for answer in before] == [200, 200, 200]
    with CallKit(writer=node.kit.disk, clock=node.kit.clock) as kit:
        after = Node(kit)
        again = [after.ask(*one) for one in asked]
        assert [replayed(answer) for answer in again] == ["true"] * 3
        assert said(again[0]) == said(before[0])
        assert said(again[1]) == said(before[1])
        opened = after.ask("POST", SESSIONS, {"call": "c1"}, "open")
        assert (opened.status, replayed(opened)) == (201, "true")
        assert said(opened)["session"] == session
        other = after.ask("POST", f"{path}/events", STEP | {"step": "other"}, "step")
        assert other.status == 422
        assert len(said(after.ask("GET", path))["journey"]) == 1


def test_a_key_that_one_session_knows_is_refused_by_every_other(node):
    path = f"{SESSIONS}/{node.open()}/events"
    other = said(node.ask("POST", SESSIONS, {"call": "c2"}))["session"]
    node.ask("POST", path, STEP, "k1")
    answer = node.ask("POST", f"{SESSIONS}/{other}/events", STEP, "k1")
    assert (answer.status, said(answer)["type"]) == (
        422,
        "urn:vigie:problem:idempotency-key-reused",
    )
    answer = node.ask("POST", SESSIONS, {"call": "c3"}, "k1")
    assert answer.status == 422
    assert node.kit.pool.count() == 2


def test_two_requests_with_one_key_at_once_are_done_once(node):
    path = f"{SESSIONS}/{node.open()}/events"
    node.kit.disk.hold()
    tasks = [node.begin("POST", path, STEP, "k1") for _ in range(3)]
    node.kit.disk.release()
    answers = [node.end(task) for task in tasks]
    assert [said(answer) for answer in answers] == [said(answers[0])] * 3
    assert [replayed(answer) for answer in answers] == [None, "true", "true"]


def test_a_request_that_is_given_up_leaves_its_key_to_the_next(node):
    path = f"{SESSIONS}/{node.open()}/events"
    node.kit.disk.hold()
    first = node.begin("POST", path, STEP, "k1")
    second = node.begin("POST", path, STEP, "k1")
    first.cancel()
    node.kit.settle()
    node.kit.disk.release()
    assert replayed(node.end(second)) == "true"
    with pytest.raises(asyncio.CancelledError):
        first.result()


def test_while_the_disk_is_full_a_session_is_read_at_once_and_marked(node):
    path = f"{SESSIONS}/{node.open()}"
    assert "durable" not in said(node.ask("GET", path))
    node.kit.disk.fail("SQLITE_FULL")
    node.ask("POST", f"{path}/events", STEP, "k1")
    answer = node.ask("GET", path)
    assert (answer.status, said(answer)["durable"]) == (200, False)
    assert len(said(answer)["journey"]) == 1
