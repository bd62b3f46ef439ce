"""Webhooks of social media into a real node."""

import json
import threading
import time

import pytest
from channel_node import SOCIAL, ChannelNode, event, signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.system

BIRDS = "/channels/social/birds"


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    limits = "max_body_bytes = 16384\nmax_events_per_s = 100"
    directory = tmp_path_factory.mktemp("social")
    node = ChannelNode(directory, SOCIAL.format(limits=limits), ("http", "cti"))
    yield node
    node.close()


def send(node, *events, path=BIRDS, secret="the-new-secret-of-birds", headers=None, body=None):
    body = json.dumps({"events": events}).encode() if body is None else body
    headers = signed(body, secret) if headers is None else headers
    return node.ask("POST", path, body, headers, token=False)


def taken(node, *events, **options):
    status, said = send(node, *events, **options)
    assert status == 200, said
    return [(one["outcome"], one["session"]) for one in said["events"]]


def slug(said):
    return said["type"].rpartition(":")[2]


def test_an_event_opens_a_session_that_is_routed_as_a_call(node):
    [(outcome, session)] = taken(node, event(1, lang="fr", name="Ann"))
    assert outcome == "opened"
    view = node.routed(session)
    assert (view["media"], view["ani"], view["dnis"]) == ("social", "birds:ann", "shop")
    assert (view["rp"], view["routing"]["target"], view["lang"]) == ("sales", "7001", "fr")
    status, found = node.ask("GET", "/api/v1/sessions?ani=birds:ann&open=1")
    assert (status, session in {one["session"] for one in found["items"]}) == (200, True)


def test_events_of_a_thread_are_one_conversation_and_those_of_another_are_not(node):
    first, second, other = taken(
        node,
        event(10, "a", **{"from": "bob"}),
        event(11, "b", **{"from": "bob"}),
        event(12, "c", thread="t2", **{"from": "bob"}),
    )
    assert [first[0], second[0], other[0]] == ["opened", "joined", "opened"]
    assert first[1] == second[1] != other[1]
    _, said = node.ask("GET", f"/api/v1/sessions/{first[1]}/messages")
    assert [(one["n"], one["text"]) for one in said["messages"]] == [(1, "a"), (2, "b")]


def test_an_event_that_comes_again_is_taken_once_and_with_another_text_refused(node):
    [(_, session)] = taken(node, event(20, **{"from": "eve"}))
    assert taken(node, event(20, **{"from": "eve"})) == [("repeated", session)]
    status, said = send(node, event(20, "another", **{"from": "eve"}))
    assert (status, slug(said), said["field"]) == (409, "event-reused", "events[].id")


def test_numbers_are_normalised_where_the_source_has_numbers(node):
    [(_, session)] = taken(
        node,
        event(30, **{"from": "06 12 34 56 78"}),
        path="/channels/social/texts",
        secret="the-only-secret-of-texts",
    )
    view = node.session(session)
    assert (view["ani"], view["ani_type"]) == ("+33612345678", "public")


def test_both_secrets_hold_and_no_other(node):
    taken(node, event(40), secret="the-old-secret-of-birds")
    status, said = send(node, event(41), secret="the-only-secret-of-texts")
    assert (status, slug(said), said["field"]) == (401, "signature-invalid", "X-Vigie-Signature")


def test_a_request_without_a_signature_or_an_old_one_is_refused(node):
    body = json.dumps({"events": [event(42)]}).encode()
    assert send(node, body=body, headers={"X-None": "1"})[0] == 401
    old = signed(body, at=int(time.time()) - 400)
    status, said = send(node, body=body, headers=old)
    assert (status, said["field"]) == (401, "X-Vigie-Timestamp")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"not json", "body"),
        (b'{"events": []}', "events"),
        (b'{"events": [{"id": 7}]}', "events[0].id"),
        (json.dumps({"events": [event(50, "x" * 2_001)]}).encode(), "events[0].text"),
        (b"\xff\xfe", "body"),
    ],
)
def test_what_is_no_event_is_refused_by_its_field(node, body, field):
    status, said = send(node, body=body)
    assert (status, said["field"]) == (400, field)


def test_what_is_too_long_too_much_or_unknown_has_an_error_of_its_own(node):
    status, said = send(node, body=b" " * 17_000)
    assert (status, said["rule"]) == (413, "at most 16384 bytes")
    wide = event(60, "é" * 2_000, attachments=[{"type": "image", "url": "https://x/" + "y" * 400}])
    status, said = send(node, wide)
    assert (status, slug(said)) == (413, "step-data-too-large")
    status, said = send(node, event(61), path="/channels/social/nobody")
    assert (status, slug(said)) == (404, "no-such-source")
    many = [event(100 + n, **{"from": "flood"}) for n in range(60)]
    refused = [said for status, said in [send(node, *many) for _ in range(3)] if status == 429]
    assert {slug(said) for said in refused} == {"too-many-events"}


def test_a_platform_that_knows_the_token_gets_its_challenge_back(node):
    def asked(token, mode="subscribe", challenge="12ab"):
        query = f"hub.mode={mode}&hub.verify_token={token}&hub.challenge={challenge}"
        return node.ask("GET", f"{BIRDS}?{query}", token=False)

    assert asked("the-token-of-birds-0") == (200, b"12ab")
    assert asked("another-token-00000")[0] == 401
    assert asked("the-token-of-birds-0", mode="x")[0] == 400
    assert asked("the-token-of-birds-0", challenge="%3Cscript%3E")[0] == 400


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "from", "to", "text", "thread", "attachments"), VALUES),
)


@given(VALUES | st.fixed_dictionaries({"events": VALUES | st.lists(EVENTS, max_size=3)}))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_signed_is_taken_or_refused_by_name(node, payload):
    status, said = send(node, body=json.dumps(payload).encode())
    assert status in {200, 400, 409, 429}, said
    if status != 200:
        assert said["type"].startswith("urn:vigie:problem:")


def test_a_channel_that_is_killed_is_back(node):
    path = "/api/v1/actors/node%2FchannelSup%2FsocialServer/kill"
    assert node.ask("POST", path, {"reason": "a test"})[0] == 200
    status, _ = node.until(
        lambda found: found[0] == 200, lambda: send(node, event(70, **{"from": "max"}))
    )
    assert status == 200


def test_what_was_answered_200_survives_the_death_of_the_node(tmp_path):
    node = ChannelNode(tmp_path, SOCIAL.format(limits="max_events_per_s = 10000"), ("http", "cti"))
    try:
        answered = _sent_until_killed(node)
        node.start()
        for number, session in answered.items():
            again = taken(node, event(number, **{"from": f"u{number}"}))
            assert again == [("repeated", session)]
            assert node.routed(session)["journey"][0]["data"]["id"] == f"e{number}"
    finally:
        node.close()


def _sent_until_killed(node):
    answered = {}

    def work():
        for number in range(5_000):
            try:
                [(_, answered[number])] = taken(node, event(number, **{"from": f"u{number}"}))
            except (OSError, AssertionError):
                return

    sending = threading.Thread(target=work)
    sending.start()
    node.until(lambda count: count >= 30, lambda: len(answered))
    node.kill()
    sending.join()
    return answered
