"""A node that stands still and loses its anchor: it ends without a word, whoever serves goes on."""

import contextlib
import signal
import socket
import struct

import msgspec
import pytest
from node_alone import NodeAlone

from supervision.anchor.inheritance import TakeoverOrder

pytestmark = pytest.mark.system

CONFIG = """
[http]
port = 0
[cti]
port = 0
[cti.hb]
interval_ms = 60000
[database]
dsn = "postgresql://nobody@127.0.0.1:1/none"
"""
SECRET = "no one else knows"
PATIENCE_S = 60.0


class Peer:
    """A CTI, byte by byte."""

    def __init__(self, address, token):
        self.socket = socket.create_connection(address, PATIENCE_S)
        self.sent = 0
        hello = {"t": "hello", "proto": 1, "name": "avaya", "side": "primary", "token": token}
        self.send(hello)
        assert self.receive()["t"] == "hello"

    def send(self, message):
        data = msgspec.msgpack.encode(message)
        self.socket.sendall(struct.pack(">I", len(data)) + data)

    def beat(self):
        self.sent += 1
        self.send({"t": "hb", "i": self.sent, "ts": 0})

    def receive(self):
        (length,) = struct.unpack(">I", self._exactly(4))
        return msgspec.msgpack.decode(self._exactly(length))

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the connection was closed"
            data += more
        return data


class Site:
    """The node that serves, the one that follows it, and a CTI."""

    def __init__(self, directory, stack):
        self.directory, self.stack = directory, stack
        (directory / "vigie.toml").write_text(CONFIG)
        self.listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in ("http", "cti")}
        for one in self.listeners.values():
            one.setblocking(False)
            stack.enter_context(one)
        self.old = self.start()
        self.old.expect("ready")
        body = {"scope": "cti", "name": "peer"}
        asked = {"method": "POST", "path": "/api/v1/tokens", "query": {}, "body": body}
        made = self.old.ask("api", **asked)["body"]
        self.peer = Peer(self.listeners["cti"].getsockname(), made["token"])
        stack.enter_context(self.peer.socket)

    def start(self, **extra):
        node = NodeAlone(self.directory, self.directory / "vigie.toml", self.listeners, **extra)
        self.stack.callback(node.clean_up)
        return node

    def freeze(self):
        """Have everything be with the new node, which does not serve yet."""
        path = self.old.ask("takeover.listen", secret=SECRET, mode="takeover")["path"]
        order = TakeoverOrder(path, SECRET).to_json()
        self.new = self.start(ANCHOR_TAKEOVER=order)
        self.new.expect("takeover", phase="copied")
        self.old.ask("takeover.freeze")
        self.new.expect("takeover", phase="prepared")


@pytest.fixture
def site(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Site(tmp_path, stack)


def heard(peer):
    """What a peer hears until its next heartbeat is answered."""
    peer.beat()
    found = []
    while (message := peer.receive())["t"] != "hb.ok":
        found.append(message["t"])
    return found


@pytest.mark.parametrize("how", ["its anchor dies", "it is told to stop"])
def test_a_node_that_has_given_everything_ends_without_a_word(site, how):
    site.freeze()
    site.new.ask("takeover.switch", probation_s=60.0)
    if how == "its anchor dies":
        site.old.control.close()
    else:
        site.old.process.send_signal(signal.SIGTERM)
    assert site.old.ended() == 0
    for _ in range(3):
        assert set(heard(site.peer)) <= {"hb", "ack"}
    assert site.new.process.poll() is None


def test_a_node_that_stands_still_tells_nobody_that_its_anchor_died(site):
    site.freeze()
    site.old.control.close()
    site.new.control.close()
    assert (site.old.ended(), site.new.ended()) == (0, 0)
    site.peer.socket.settimeout(PATIENCE_S)
    try:
        left = site.peer.socket.recv(65536)
    except ConnectionResetError:
        left = b""
    assert b"503" not in left
    assert b"error" not in left


def test_a_node_that_goes_on_after_all_stops_in_order(site):
    site.freeze()
    site.new.clean_up()
    site.old.ask("takeover.resume")
    assert set(heard(site.peer)) <= {"hb", "ack"}
    site.old.control.close()
    assert site.old.ended() == 0
    told = site.peer.receive()
    while told["t"] in {"hb", "ack"}:
        told = site.peer.receive()
    assert (told["t"], told["code"]) == ("error", 503)
