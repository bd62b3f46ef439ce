import json
import re
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.web import connections

HEAD = "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch):
    """Do not wait for the rest of bodies that will never come."""
    monkeypatch.setattr(connections, "LINGER_S", 0.05)


def posting(site, body, *headers):
    """A POST of a session, in bytes, with the length and the headers given."""
    lines = [f"Authorization: Bearer {site.secrets['ivr']}", *headers]
    return (HEAD + "".join(f"{line}\r\n" for line in lines) + "\r\n").encode() + body


def parsed(answer):
    """Status and problem of raw bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    members = json.loads(body)
    return members["status"], members["type"].rpartition(":")[2], members.get("field")


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "malformed-body", "body")),
        (b"", "application/json", (400, "malformed-body", "body")),
        (b'{"call": "a", "call": "b"}', "application/json", (400, "malformed-body", "body")),
        (b'{"call": "\xff"}', "application/json", (400, "malformed-body", "body")),
        (b"[" * 5000, "application/json", (400, "malformed-body", "body")),
        (b"\xc1", "application/msgpack", (400, "malformed-body", "body")),
        (b"\x81\xa4call\x01", "application/msgpack", (400, "invalid-value", "call")),
        (b"{}", "application/json; charset=latin-1", (400, "invalid-value", "Content-Type")),
        (b"{}", "text/plain", (415, "unsupported-media-type", "Content-Type")),
        (
            b"call=c",
            "application/x-www-form-urlencoded",
            (415, "unsupported-media-type", "Content-Type"),
        ),
    ],
)
def test_a_body_that_cannot_be_understood_is_told_why(site, body, content_type, expected):
    headers = {"Content-Type": content_type}
    assert site.post("/api/v1/sessions", body, headers=headers).rule == expected


def test_a_content_coding_is_refused_before_it_can_swell(site):
    headers = {"Content-Encoding": "gzip"}
    answer = site.post("/api/v1/sessions", b"\x1f\x8b", headers=headers)
    assert answer.rule == (415, "unsupported-media-type", "Content-Encoding")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html", (406, "not-acceptable", "Accept")),
        ("nonsense", (400, "invalid-value", "Accept")),
        ("application/json;q=7", (400, "invalid-value", "Accept")),
    ],
)
def test_an_accept_header_is_followed_or_refused(site, accept, expected):
    assert site.get("/api/v1/tree", headers={"Accept": accept}).rule == expected


def test_a_body_over_the_limit_is_413_before_it_is_sent(make_site):
    site = make_site(max_body_bytes=1024)
    answer = site.raw(posting(site, b"", "Content-Length: 1025"))
    assert parsed(answer) == (413, "body-too-large", "body")


def test_a_body_over_the_limit_is_413_when_its_length_was_not_told(make_site):
    site = make_site(max_body_bytes=1024)
    chunk = b"200\r\n" + b" " * 512 + b"\r\n"
    answer = site.raw(posting(site, chunk * 4 + b"0\r\n\r\n", "Transfer-Encoding: chunked"))
    assert parsed(answer) == (413, "body-too-large", "body")


def test_a_body_of_just_the_limit_is_read(make_site):
    site = make_site(max_body_bytes=1024)
    body = json.dumps({"call": "c"}).encode().ljust(1024)
    assert site.post("/api/v1/sessions", body).status == 201


def test_a_body_that_stops_arriving_is_408(make_site):
    site = make_site(request_timeout_s=0.05)
    answer = site.raw(posting(site, b"{", "Content-Length: 100"))
    assert parsed(answer) == (408, "request-timeout", "body")


def test_a_body_in_broken_chunks_is_400(site):
    answer = site.raw(posting(site, b"zz\r\n{}\r\n", "Transfer-Encoding: chunked"))
    assert parsed(answer)[:2] == (400, "malformed-request")


def test_a_client_that_waits_for_a_word_is_told_to_go_on(site):
    body = b'{"call": "c"}'
    with site.connect() as connection:
        length = f"Content-Length: {len(body)}"
        connection.sendall(posting(site, b"", length, "Expect: 100-continue"))
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 201")


def test_a_client_that_waits_for_a_word_in_vain_sends_nothing(make_site):
    site = make_site(max_body_bytes=1024)
    answer = site.raw(posting(site, b"", "Content-Length: 9999", "Expect: 100-continue"))
    assert parsed(answer) == (413, "body-too-large", "body")


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nBad\x00Name: x\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_what_is_not_http_is_400(site, request_line):
    assert parsed(site.raw(request_line))[:2] == (400, "malformed-request")


def test_a_header_too_long_is_431(make_site):
    site = make_site(max_header_bytes=1024)
    long = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 5000 + b"\r\n\r\n"
    assert parsed(site.raw(long)) == (431, "headers-too-large", None)
    assert parsed(site.raw(b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\n\r\n"))[0] == 431


def test_too_many_headers_are_400(make_site):
    site = make_site(max_headers=8)
    lines = b"".join(b"X-%d: 1\r\n" % n for n in range(20))
    answer = site.raw(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    assert parsed(answer)[:2] == (400, "malformed-request")


def test_a_connection_above_the_limit_is_503_and_the_others_go_on(make_site):
    site = make_site(max_connections=1)
    with site.connect() as first:
        first.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert first.recv(4096).startswith(b"HTTP/1.1 200")
        assert parsed(site.raw(b"")) == (503, "too-many-connections", None)
        first.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert first.recv(4096).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET /livez HTTP/1.1\r\nHo"])
def test_a_connection_without_a_whole_request_is_closed_after_a_while(make_site, sent):
    assert make_site(idle_timeout_s=0.05).raw(sent) == b""


def test_a_client_that_does_not_read_its_answer_is_cut_off(make_site):
    site = make_site(write_timeout_s=0.05)
    site.services.introspection.rows *= 4000
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", site.port))
        request = (
            "GET /api/v1/tree HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {site.secrets['viewer']}\r\n\r\n"
        )
        connection.sendall(request.encode())
        while site.soon(lambda: site.server._protocols.open):
            pass


def test_requests_sent_together_are_answered_in_order(site):
    one = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = site.raw(one * 3 + last)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"200", b"404"]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300))
def test_no_bytes_end_the_server(site, data):
    with site.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass
    assert site.get("/livez").status == 200


def test_a_closed_server_leaves_the_socket_to_the_next_one(site):
    site.do(site.server.close())
    assert not site.server._protocols.open
    with site.connect() as waiting:
        waiting.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        site.server = site.soon(type(site.server), site.api, site.services.config)
        site.do(site.server.start(site._listening))
        assert waiting.recv(4096).startswith(b"HTTP/1.1 200")
