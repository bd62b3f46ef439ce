"""CTI links in virtual time, with peers that a test plays, byte by byte if it likes."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace

from call_kit import CallKit
from msgspec import structs

from actors.alarms import Alarms
from actors.call_messages import CallTold, FrameHandled, RouteAsked, RouteTold
from actors.call_names import call_name, link_name, xref_name
from actors.call_sup import CtiSup
from actors.config import OverloadConfig
from actors.cti_handled import FramesHandled
from actors.cti_link import LINKS
from actors.cti_listener import CtiListener, ListenerArgs
from actors.cti_record import KIND
from actors.cti_table import LinkTable, TableLimits
from actors.overload import Overload
from protocols.cti.framing import Decoder, encode
from protocols.cti.link_state import LinkConfig
from supervision import ChildSpec, GenServer, SupervisorFlags

ASKED = (CallTold, RouteAsked, RouteTold)


class Wire:
    """In the place of a transport: what is written is kept, and may be refused."""

    def __init__(self, loop):
        self.takes = True
        self.ended = None
        self.reading = True
        self.protocol = None
        self._loop = loop
        self._coming = deque()
        self._decoder = Decoder(65_535)

    # What a test does

    def feed(self, data):
        """The peer's bytes; while nothing is read they wait, as in a socket."""
        self._coming.append(data)
        self._deliver()

    def cut(self):
        """The network takes the connection away from both ends."""
        self._end("cut")

    def frames(self):
        """What has been written since the last look."""
        got = []
        while (frame := self._decoder.next_frame()) is not None:
            got.append(frame)
        return got

    def _deliver(self):
        while self._coming and self.reading and self.ended is None:
            self.protocol.data_received(self._coming.popleft())

    def _end(self, how):
        if self.ended is None:
            self.ended = how
            self._loop.call_soon(self.protocol.connection_lost, None)

    # What the connection does

    def get_extra_info(self, what):
        return ("192.0.2.1", 7300) if what == "peername" else None

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True
        self._loop.call_soon(self._deliver)

    def is_closing(self):
        return self.ended is not None

    def write(self, data):
        if self.takes and self.ended is None:
            self._decoder.feed(data)

    def get_write_buffer_size(self):
        return 0 if self.takes else 1_000_000_000

    def close(self):
        self._end("closed")

    def abort(self):
        self._end("aborted")


class Tokens:
    """In the place of TokenStore."""

    def authenticate(self, secret, now):
        scope = {"good": "cti", "boss": "admin", "ivr": "ivr"}.get(secret)
        return None if scope is None else SimpleNamespace(scope=scope)


class _NoAcceptor:
    async def begin(self, _socket):
        pass

    def pause(self):
        pass

    def end(self):
        pass


class KitListener(CtiListener):
    """A listener without a socket."""

    def _make_acceptor(self):
        return _NoAcceptor()


class KitCtiSup(CtiSup):
    """ctiSup with that listener."""

    def init(self, args):
        flags, [spec] = super().init(args)
        return flags, [structs.replace(spec, start=KitListener)]


class LinkKit(CallKit):
    """The call path with links on it."""

    def __init__(self, link=None, limits=None, **sessions):
        super().__init__(**sessions)
        self.links = LinkTable(
            self.kernel, self.journal, link or LinkConfig(), limits or TableLimits()
        )
        self.links.restore(self.recovered.values.get(KIND, {}))
        self.desk.agents = self.links.agents
        self.links.agents.hand_to(self.actor(self.router)._hear)
        self.overload = Overload(self.kernel, OverloadConfig(), Alarms(self.kernel))
        args = ListenerArgs(
            None,
            self.links,
            self.settings,
            Tokens(),
            self.openings,
            self.overload,
            self.pool,
        )
        above = SimpleNamespace(supervision=self.config.supervision, listener=args)
        spec = ChildSpec("ctiSup", KitCtiSup, above, type="supervisor")
        self.cti_top = self.start_supervisor(SupervisorFlags(intensity=1_000), [spec], name="cti")

    def confirm(self, link, i):
        FramesHandled(self.kernel, self.links).confirm(link, i)

    @property
    def listener(self):
        return self.base.whereis("ctiListener")

    def connect(self, hello=True, token="good", name="cti-1", side="primary", **fields):
        """A new peer; with ``hello`` it has been let in."""
        peer = Peer(self, name, side)
        if hello:
            peer.hello(token, **fields)
            answer = peer.frames()[0]
            assert answer["t"] == "hello", answer
            peer.session = answer["session"]
        return peer

    def open_links(self):
        return len(list(self.kernel.registry.members(LINKS)))


class Peer:
    """The other end of a link."""

    def __init__(self, kit, name="cti-1", side="primary"):
        self.kit = kit
        self.name = name
        self.side = side
        self.sent = 0
        self.got = 0
        self.acked = 0
        self.acks = []
        self.session = None
        self.dial()

    def dial(self):
        """Connect, anew where it was connected before."""
        kit = self.kit
        listener = kit.actor(kit.listener)
        connection = listener._connection()
        self.wire = Wire(kit.loop)
        self.wire.protocol = connection
        self.connection = connection
        kit.loop.run(connection.connection_made, self.wire)
        kit.settle()

    def hello(self, token="good", **fields):
        hello = {"t": "hello", "proto": 1, "name": self.name, "side": self.side, "token": token}
        self.bytes(encode(hello | fields))

    def resume(self, dial=True, last_i=None, **fields):
        """Go on with the link session by another connection; return the frames that come."""
        if dial:
            self.dial()
        last_i = self.got if last_i is None else last_i
        self.hello(resume={"session": self.session, "last_i": last_i}, **fields)
        return self.frames()

    def bytes(self, data):
        self.kit.loop.run(self.wire.feed, data)
        self.kit.settle()

    def send(self, t, i=None, **fields):
        """Send a frame with the next number, or with ``i`` again; return the number."""
        if i is None:
            self.sent += 1
        self.bytes(encode({"t": t, "i": i or self.sent, **fields}))
        return i or self.sent

    def route(self, xref="x1", call="c1", rp="sales", **fields):
        return self.send("route.request", xref=xref, call=call, rp=rp, ts=1.0, **fields)

    def event(self, ev="established", call="c1", **fields):
        return self.send("call.event", **({"call": call, "ev": ev, "ts": 2.0} | fields))

    def frames(self):
        """What came since the last look, but for heartbeats and acks; numbers have no gap."""
        shown = []
        for frame in self.wire.frames():
            if "i" in frame:
                assert frame["i"] == self.got + 1, (frame, self.got)
                self.got = frame["i"]
            if frame["t"] == "ack":
                assert frame["last_i"] > self.acked
                self.acked = frame["last_i"]
                self.acks.append(frame["last_i"])
            elif frame["t"] not in ("hb", "hb.ok", "void"):
                shown.append(frame)
        return shown

    def eof(self):
        self.cut()

    def cut(self):
        self.kit.loop.run(self.wire.cut)
        self.kit.settle()

    @property
    def row(self):
        return self.kit.links.find(self.session)

    @property
    def address(self):
        """Of the actor of its link session."""
        return self.row.owner

    @property
    def alive(self):
        """Whether the connection is open."""
        return self.wire.ended is None


class FakeSession(GenServer):
    """In the place of the session of a call: notes what it is told, confirms when it may."""

    def init(self, args):
        kit, call, xrefs, confirms = args
        self.kit, self.confirms = kit, confirms
        self.told = []
        self.register(call_name(call))
        for xref in xrefs:
            self.register(xref_name(xref))

    def handle_info(self, message, sender):
        if isinstance(message, ASKED):
            self.told.append(message.message.i)
            if self.confirms:
                self.confirm(message.link, message.message.i)

    def confirm(self, link, i):
        address = self.whereis(link_name(link))
        if address is not None:
            self.send(address, FrameHandled(i))


def session(kit, call="c1", xrefs=(), confirms=True):
    """Have such a session for a call, and return it."""
    kit.start(
        FakeSession, (kit, call, xrefs, confirms), name=f"fake-{call}-{len(kit.kernel.roots)}"
    )
    return kit.actor(kit.kernel.registry.whereis(call_name(call)))
