"""A whole node that is killed or restarted while calls are open: they go on in the next one."""

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request

import pytest

from protocols.cti.framing import Decoder, encode
from supervision.anchor.testing import wait_for

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[anchor]
restart_min_s = 0.05
[sessions]
idle_expiry_s = 900
linger_s = 600
[rp.sales]
target = "7001"
rtype = "direct"
alternates = ["7002"]
"""
CALLS = 25
PATIENCE_S = 10.0


class Http:
    """The API of a node, with the operator's token."""

    def __init__(self, url, data):
        self.url = url
        self.token = (data / "operator.token").read_text().strip()

    def ask(self, method, path, body=None, **headers):
        """One request: status, headers, and the body."""
        request = urllib.request.Request(self.url + path, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        data = None
        if body is not None:
            request.add_header("Content-Type", "application/json")
            data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, data, timeout=PATIENCE_S) as answer:
                return answer.status, answer.headers, _read(answer)
        except urllib.error.HTTPError as refused:
            return refused.code, refused.headers, _read(refused)

    def ready(self):
        """Whether the node takes traffic."""
        try:
            return self.ask("GET", "/readyz")[0] == 200
        except OSError:
            return False


def _read(answer):
    text = answer.read().decode()
    return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text


class Peer:
    """A CTI that knows its link session."""

    def __init__(self, port, token):
        self.port, self.token = port, token
        self.session, self.sent, self.last_i, self.acked = None, 0, 0, 0
        self.socket = None
        self.connect()

    def connect(self):
        """Say hello, with resume where there was a link session."""
        self.close()
        self.socket = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self.decoder = Decoder(65_535)
        hello = {"t": "hello", "proto": 1, "name": "cti-1", "side": "primary", "token": self.token}
        if self.session is not None:
            hello["resume"] = {"session": self.session, "last_i": self.last_i}
        self.socket.sendall(encode(hello))
        answer = self.next()
        assert answer["t"] == "hello", answer
        self.session = answer["session"]
        return answer

    def close(self):
        """Let go of the connection."""
        if self.socket is not None:
            self.socket.close()

    def next(self):
        """The next frame but heartbeats; acks are noted."""
        while True:
            frame = self.decoder.next_frame()
            if frame is None:
                data = self.socket.recv(65_536)
                assert data, "the link was closed"
                self.decoder.feed(data)
                continue
            self.last_i = frame.get("i", self.last_i)
            if frame["t"] == "ack":
                self.acked = frame["last_i"]
            elif not frame["t"].startswith("hb"):
                return frame

    def send(self, t, i=None, **fields):
        """Send a frame, or one of an earlier number again."""
        if i is None:
            self.sent = i = self.sent + 1
        self.socket.sendall(encode({"t": t, "i": i, **fields}))

    def route(self, call, i=None):
        """Ask for a route and wait for the answer."""
        self.send("route.request", i, xref=f"x-{call}", call=call, rp="sales", ts=1.0)
        return self.next()

    def wait_acked(self):
        """Wait until all that was sent is durable."""
        while self.acked < self.sent:
            frame = self.decoder.next_frame()
            if frame is None:
                data = self.socket.recv(65_536)
                assert data, "the link was closed"
                self.decoder.feed(data)
                continue
            self.last_i = frame.get("i", self.last_i)
            self.acked = frame["last_i"] if frame["t"] == "ack" else self.acked


class Calls:
    """A node with calls in every state, and all that was told of them."""

    def __init__(self, vigie, data):
        self.vigie = vigie
        info = wait_for(lambda: self.info(running=True))
        self.http = Http(info["http"], data)
        code, made = vigie("token", "create", "--scope", "cti", "--name", "peer")
        assert code == 0, made
        self.peer = Peer(int(info["cti"].rsplit(":", 1)[-1]), made["token"])
        self.pid = info["node"]["pid"]

    def info(self, running):
        code, info = self.vigie("info")
        return code == 0 and (info["node"]["state"] == "running") is running and info

    def begin(self):
        """Calls that were routed, one of them again; sessions of applications, one closed."""
        self.routes = {f"c{number}": self.peer.route(f"c{number}") for number in range(CALLS)}
        for number in range(CALLS):
            self.peer.send("call.event", call=f"c{number}", ev="established", ts=2.0 + number)
        self.peer.wait_acked()
        self.key = {"Idempotency_Key": '"0123456789abcdef"'}
        new = {"call": "ivr-1", "ani": "0612345678", "ud": {"offer": "gold"}}
        status, _, opened = self.http.ask("POST", "/api/v1/sessions", new, **self.key)
        assert status == 201, opened
        self.new, self.opened = new, opened["session"]
        url = f"/api/v1/sessions/{self.opened}"
        change = {"set": {"digits": "42"}}
        assert self.http.ask("PATCH", url, change, If_Match='"1"')[0] == 200
        assert self.http.ask("POST", f"{url}/route", {"rp": "sales"})[0] == 200
        _, _, over = self.http.ask("POST", "/api/v1/sessions", {"call": "ivr-2"})
        assert self.http.ask("POST", f"/api/v1/sessions/{over['session']}/close", {})[0] == 200
        self.seen = self.views([*(f"c{number}" for number in range(CALLS)), "ivr-1", "ivr-2"])
        self.closed = over["session"]

    def views(self, calls):
        found = {}
        for call in calls:
            [found[call]] = wait_for(lambda call=call: self.items(call))
        return found

    def items(self, call):
        """What is found of a call; nothing where the node asks to be asked again."""
        status, headers, page = self.http.ask("GET", f"/api/v1/sessions?call={call}")
        if status == 503:
            assert headers["Retry-After"]
            return None
        assert status == 200, page
        return page["items"]

    def go_on(self):
        """Wait for the next node, and see that everything is there."""
        wait_for(lambda: (info := self.info(running=True)) and info["node"]["pid"] != self.pid)
        wait_for(self.http.ready)
        assert self.views(self.seen) == self.seen
        answer = self.peer.connect()
        assert (answer["session"], answer["last_i"]) == (self.peer.session, self.peer.sent)

    def timeouts(self, session):
        """The timers of a session, seconds from now."""
        path = f"node%2FcallSup%2FsessionSup%2F{session}"
        status, _, shown = self.http.ask("GET", f"/api/v1/actors/{path}/state")
        assert status == 200, shown
        return shown["state"]["timeouts"]


@pytest.fixture
def calls(vigie, tmp_path):
    """Calls of every kind, on a node that runs."""
    made = Calls(vigie, tmp_path / "var")
    try:
        made.begin()
        yield made
    finally:
        made.peer.close()


@pytest.mark.parametrize("how", ["kill", "restart", "stop"])
def test_open_calls_go_on_in_the_next_node(vigie, calls, tmp_path, how):
    if how == "kill":
        os.kill(calls.pid, signal.SIGKILL)
    elif how == "restart":
        assert vigie("restart")[0] == 0
    else:
        assert vigie("stop")[0] == 0
        assert vigie("start", "--config", str(tmp_path / "vigie.toml"))[0] == 0
        info = wait_for(lambda: calls.info(running=True))
        calls.http.url, calls.peer.port = info["http"], int(info["cti"].rsplit(":", 1)[-1])
    calls.go_on()
    nothing_is_done_twice(calls)
    deadlines_are_those_of_before(calls)
    calls_go_on(calls)


def nothing_is_done_twice(calls):
    peer, first = calls.peer, calls.routes["c0"]
    peer.send("call.event", call="c0", ev="held", ts=9.0)
    peer.wait_acked()
    before = calls.views(["c0"])["c0"]
    assert (before["state"], before["events"]) == ("held", 2)
    again = peer.route("c0")
    wanted = ("xref", "target", "rtype", "session", "rev", "reason", "alt")
    assert {name: again[name] for name in wanted} == {name: first[name] for name in wanted}
    status, headers, opened = calls.http.ask("POST", "/api/v1/sessions", calls.new, **calls.key)
    assert (status, opened["session"]) == (201, calls.opened)
    assert headers["Idempotency-Replayed"] == "true"
    metrics = calls.http.ask("GET", "/metrics")[2]
    assert "\nvigie_sessions_lost 0.0\n" in metrics


def deadlines_are_those_of_before(calls):
    view = calls.seen["ivr-1"]
    left = calls.timeouts(calls.opened)["idle"]
    assert left == pytest.approx(view["expires"] - time.time(), abs=2.0)
    over = calls.seen["ivr-2"]
    assert calls.timeouts(calls.closed) == {
        "linger": pytest.approx(over["expires"] - time.time(), abs=2.0)
    }


def calls_go_on(calls):
    for number in range(CALLS):
        calls.peer.send("call.event", call=f"c{number}", ev="cleared", ts=100.0)
    calls.peer.wait_acked()
    ended = calls.views([f"c{number}" for number in range(CALLS)])
    assert {view["state"] for view in ended.values()} == {"closed"}
    assert calls.peer.route("new-call")["target"] == "7001"
