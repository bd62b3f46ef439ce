"""A CTI link in virtual time, with a peer that a test plays, byte by byte if it likes."""

from __future__ import annotations

from types import SimpleNamespace

from call_kit import CallKit

from actors.cti_connection import BytesRead, EndOfFile
from actors.cti_link import CtiLink, LinkArgs
from protocols.cti.framing import Decoder, encode
from protocols.cti.link_state import LinkConfig
from supervision import SupervisorFlags


class Wire:
    """In the place of CtiConnection: what is written is kept, and may be refused."""

    peer = "192.0.2.1:7300"

    def __init__(self):
        self.link = None
        self.takes = True
        self.ended = None
        self._decoder = Decoder(65_535)

    def attach(self, link):
        self.link = link

    def handled(self):
        pass

    def write(self, data):
        if self.takes and self.ended is None:
            self._decoder.feed(data)
        return self.takes

    def close(self):
        self.ended = self.ended or "closed"

    def abort(self):
        self.ended = self.ended or "aborted"

    def frames(self):
        """What the peer has got since it last looked, heartbeats left out."""
        got = []
        while (frame := self._decoder.next_frame()) is not None:
            if not frame["t"].startswith("hb"):
                got.append(frame)
        return got


class Tokens:
    """In the place of TokenStore."""

    def authenticate(self, secret, now):
        scope = {"good": "cti", "boss": "admin", "ivr": "ivr"}.get(secret)
        return None if scope is None else SimpleNamespace(scope=scope)


class LinkKit(CallKit):
    """The call path with one link on it."""

    def __init__(self, link=None, **sessions):
        super().__init__(**sessions)
        self.link_config = link or LinkConfig()
        self.links = 0
        self.start_supervisor(SupervisorFlags(intensity=100), name="ctiSup")

    def connect(self, hello=True, token="good", name="cti-1", side="primary"):
        """A new peer; with ``hello`` it has been let in."""
        wire = Wire()
        args = LinkArgs(wire, self.link_config, self.settings, Tokens(), self.openings)
        self.links += 1
        peer = Peer(self, wire, self.start(CtiLink, args, name=f"ctiLink-{self.links}"))
        if hello:
            peer.hello(token, name, side)
            assert peer.frames()[0]["t"] == "hello"
        return peer


class Peer:
    """The other end of a link."""

    def __init__(self, kit, wire, address):
        self.kit = kit
        self.wire = wire
        self.address = address
        self.sent = 0

    def hello(self, token="good", name="cti-1", side="primary", **fields):
        hello = {"t": "hello", "proto": 1, "name": name, "side": side, "token": token}
        self.bytes(encode(hello | fields))

    def bytes(self, data):
        self.kit.send(self.address, BytesRead(data, self.kit.clock.monotonic()))
        self.kit.settle()

    def send(self, t, **fields):
        """Send a frame with the next number and return the number."""
        self.sent += 1
        self.bytes(encode({"t": t, "i": self.sent, **fields}))
        return self.sent

    def route(self, xref="x1", call="c1", rp="sales", **fields):
        return self.send("route.request", xref=xref, call=call, rp=rp, ts=1.0, **fields)

    def frames(self):
        return self.wire.frames()

    def eof(self):
        self.kit.send(self.address, EndOfFile(None))
        self.kit.settle()

    @property
    def alive(self):
        return self.kit.alive(self.address)
