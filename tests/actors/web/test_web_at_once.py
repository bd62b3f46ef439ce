"""What is answered at once is what would be answered anyway, byte by byte."""

import re
import socket

import pytest

from actors.session_api import SessionView

SESSION = "0123456789abcdef0123"
VIEW = SessionView(session=SESSION, rev=3, state="ivr", call="c-1", opened=1.0, updated=2.0)
PATH = f"/api/v1/sessions/{SESSION}"


class Line:
    """A connection that is kept."""

    def __init__(self, site):
        self._socket = socket.create_connection(("127.0.0.1", site.port), 10)
        self._stream = self._socket.makefile("rb")

    def ask(self, *requests):
        """Send requests in one piece; their answers, without the date."""
        self._socket.sendall(b"".join(requests))
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._stream.readline()
            assert line, head
            head += line
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        body = b"" if request.startswith(b"HEAD") else self._stream.read(length)
        return re.sub(rb"Date: [^\r]*", b"Date:", head), body

    def close(self):
        self._stream.close()
        self._socket.close()


@pytest.fixture
def ask(site):
    """Ask in one connection, with what may be answered at once and without."""
    site.services.sessions.views = {SESSION: VIEW}
    line = Line(site)
    yield line.ask
    line.close()


@pytest.fixture
def taken(site, monkeypatch):
    """The answers that were made at once."""
    found, own = [], site.api.at_once

    def at_once(request, limit):
        answer = own(request, limit)
        found.append(answer)
        return answer

    monkeypatch.setattr(site.api, "at_once", at_once)
    return found


def request(path=PATH, method="GET", version="1.1", **headers):
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\n{''.join(lines)}\r\n".encode()


def bearer(site, scope="ivr"):
    return f"Bearer {site.secrets[scope]}"


def both(site, ask, taken, monkeypatch, asked):
    """Ask twice: with and without the short way."""
    at_once = ask(asked)
    assert taken, "it was not asked whether that needs no waiting"
    monkeypatch.setattr(site.api, "at_once", lambda *_: None)
    return taken[0], at_once, ask(asked)


def asked_for(site):
    right = {"Authorization": bearer(site)}
    return {
        "seen": (200, request(**right)),
        "msgpack": (200, request(**right, Accept="application/msgpack")),
        "by an operator": (200, request(Authorization=bearer(site, "operator"))),
        "no token": (401, request()),
        "a wrong token": (401, request(Authorization="Bearer nonsense")),
        "another scope": (403, request(Authorization=bearer(site, "cti"))),
        "no id": (404, request("/api/v1/sessions/x", **right)),
        "another type": (406, request(**right, Accept="text/html")),
    }


@pytest.mark.parametrize(
    "what",
    [
        *("seen", "msgpack", "by an operator", "no token", "a wrong token", "another scope"),
        *("no id", "another type"),
    ],
)
def test_both_ways_give_the_same_bytes(site, ask, taken, monkeypatch, what):
    status, asked = asked_for(site)[what]
    made, at_once, waited_for = both(site, ask, taken, monkeypatch, asked)
    assert made.status == status
    assert at_once == waited_for


def test_a_session_that_has_to_be_asked_is_waited_for(site, ask, taken):
    unknown = request(f"/api/v1/sessions/{'0' * 20}", Authorization=bearer(site))
    [(head, _)] = ask(unknown)
    assert head.startswith(b"HTTP/1.1 404 ")
    assert taken == [None]


def test_an_answer_that_is_long_is_waited_for(site, ask, taken):
    long = SessionView(
        session=SESSION,
        rev=3,
        state="ivr",
        call="c",
        opened=1.0,
        updated=2.0,
        ud={"a": "x" * 40_000},
    )
    site.services.sessions.views = {SESSION: long}
    [(_, body)] = ask(request(Authorization=bearer(site)))
    assert len(body) > 40_000
    assert taken == [None]


def test_what_is_pipelined_is_answered_in_its_order(site, ask, taken):
    one = request(Authorization=bearer(site))
    other = request(Authorization=bearer(site), Accept="application/msgpack")
    first, second, third = ask(one, other, one)
    assert (first, third) == (ask(one)[0], ask(one)[0])
    assert b"application/msgpack" in second[0]
    assert len(taken) == 2


@pytest.mark.parametrize("asked", [{"method": "HEAD"}, {"path": f"{PATH}?a=1"}])
def test_what_is_not_plain_is_waited_for(site, ask, taken, asked):
    [(head, _)] = ask(request(Authorization=bearer(site), **asked))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'ETag: "3"' in head
    assert not taken


@pytest.mark.parametrize("asked", [{"version": "1.0"}, {"Connection": "close"}])
def test_a_connection_that_ends_with_its_answer_is_waited_for(site, ask, taken, asked):
    [(_, body)] = ask(request(Authorization=bearer(site), **asked))
    assert b'"rev":3' in body
    assert not taken


def test_requests_in_pieces_are_answered(site, ask, taken):
    whole = request(Authorization=bearer(site))
    line = Line(site)
    for place in range(1, len(whole), 40):
        line._socket.sendall(whole[:place])
        assert line.ask(whole[place:])[0] == ask(whole)[0]
    line.close()
