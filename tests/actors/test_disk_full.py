"""A real node whose files may not grow any more: an alarm, answers by configuration, and back."""

import json
import os
import resource
import signal
import socket
import time
import urllib.error
import urllib.request

import pytest

from actors.cli import main
from protocols.cti.client import Answered, Client, Opened
from protocols.cti.events import Transmit
from protocols.cti.messages import Error, Hello, RouteSelect
from supervision.anchor.testing import PATIENCE_S, wait_for, wait_gone

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
[journal]
retry_s = 0.1
on_stall = "{on_stall}"
[anchor]
restart_min_s = 0.02
"""


class Peer:
    """A CTI that asks one thing after the other."""

    def __init__(self, address, token):
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), PATIENCE_S)
        hello = Hello(1, "switch", "primary", token)
        self._client = Client(hello, now=time.monotonic(), wall=time.time())
        self._socket.sendall(self._client.hello())
        self._until(Opened)
        self._send({"t": "rp.register", "rp": ["*"]})

    def route(self, call):
        """The answer to a route request."""
        self._send({"t": "route.request", "xref": f"x-{call}", "call": call, "rp": "s", "ts": 1.0})
        return self._until(Answered).answer

    def _send(self, frame):
        self._socket.sendall(self._client.send_frame(frame, time.monotonic()))

    def _until(self, kind):
        while True:
            data = self._socket.recv(65_536)
            assert data, "the node has closed the link"
            for event in self._client.receive(data, time.monotonic()):
                if isinstance(event, Transmit):
                    self._socket.sendall(event.data)
                if isinstance(event, kind):
                    return event

    def close(self):
        self._socket.close()


class Node:
    """A node that is started, looked at, and kept from writing."""

    def __init__(self, directory, capfd, on_stall):
        self._directory, self._capfd = directory, capfd
        file = directory / "vigie.toml"
        file.write_text(CONFIG.format(on_stall=on_stall))
        self.info = self.run("start", "--config", str(file))
        token = self.run("token", "create", "--scope", "cti")["token"]
        self.peer = Peer(self.info["cti"], token)

    def run(self, *words):
        code = main([*words, "--data", str(self._directory / "var"), "--json"])
        out, err = self._capfd.readouterr()
        assert code == 0, out + err
        return json.loads(out)

    def files_may_grow(self, bytes_):
        """As setrlimit(2): a write beyond is refused, in every file of the process."""
        pid = self.info["node"]["pid"]
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_, hard))

    def alarms(self):
        return [item["name"] for item in self.run("alarms")["items"]]

    def open_session(self, call):
        """The status of POST sessions, and its Retry-After."""
        request = urllib.request.Request(
            f"{self.info['http']}/api/v1/sessions",
            json.dumps({"call": call}).encode(),
            {
                "Authorization": f"Bearer {self.info['operator_token']}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, None
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Retry-After"]


@pytest.fixture
def start(tmp_path, capfd):
    nodes = []

    def begin(on_stall):
        nodes.append(Node(tmp_path, capfd, on_stall))
        return nodes[-1]

    yield begin
    for node in nodes:
        node.peer.close()
        node.run("stop")


def test_a_full_disk_is_an_alarm_and_answers_are_marked_until_there_is_room(start):
    node = start("answer")
    assert node.peer.route("before").durable is None
    node.files_may_grow(0)
    answer = node.peer.route("meanwhile")
    assert isinstance(answer, RouteSelect)
    assert answer.durable is False
    wait_for(lambda: "journal-failing" in node.alarms())
    status, wait = node.open_session("over-http")
    assert status == 503
    assert int(wait) >= 1
    node.files_may_grow(resource.RLIM_INFINITY)
    wait_for(lambda: "journal-failing" not in node.alarms())
    assert node.peer.route("after").durable is None
    assert node.open_session("over-http")[0] in {200, 201}
    crash(node)
    for call in ("before", "meanwhile", "after", "over-http"):
        assert node.run("session", "show", call)["call"] == call


def crash(node):
    """Kill the node and wait for the next one; what waited for the disk was written in time."""
    pid = node.info["node"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_gone(pid)
    wait_for(lambda: node.run("status")["programs"]["node"]["state"] == "running")


def test_a_full_disk_refuses_where_it_is_configured_so(start):
    node = start("refuse")
    assert isinstance(node.peer.route("before"), RouteSelect)
    node.files_may_grow(0)
    answer = node.peer.route("meanwhile")
    assert isinstance(answer, Error)
    assert answer.code == 503
    wait_for(lambda: "journal-failing" in node.alarms())
    node.files_may_grow(resource.RLIM_INFINITY)
    wait_for(lambda: "journal-failing" not in node.alarms())
    assert isinstance(node.peer.route("after"), RouteSelect)
