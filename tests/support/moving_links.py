"""Two nodes with CTI links between which connections move, and CTIs that notice nothing."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace

from call_kit import POINTS
from link_kit import Tokens
from loop_cti import LoopCti

from actors.alarms import Alarms
from actors.call_messages import CallTold, FrameHandled, RouteAnswered, RouteAsked
from actors.call_names import call_name, link_name
from actors.call_sup import CtiSup
from actors.config import Config, OverloadConfig, RoutingConfig, SupervisionConfig
from actors.cti_listener import ListenerArgs
from actors.cti_table import LinkTable, TableLimits
from actors.overload import Overload
from actors.standby import Standby
from actors.takeover.links import LinksPart
from protocols.cti.client import Client
from protocols.cti.link_state import LinkConfig
from protocols.cti.messages import Hello, RouteSelect
from supervision import (
    SHUTDOWN,
    ChildSpec,
    GenServer,
    Started,
    Supervisor,
    SupervisorFlags,
    actor_system,
)

POOL = "sessionSup"
PATIENCE_S = 30.0


class LoopJournal:
    """In the place of the journal: durable in the loop's next turn."""

    load, failing = 0.0, ""

    def __init__(self):
        self.kept = {}

    def put(self, kind, key, value):
        self.kept[kind, key] = value

    def delete(self, kind, key):
        self.kept.pop((kind, key), None)

    def after(self, effect, place=None):
        asyncio.get_running_loop().call_soon(effect)

    def stalled(self, now):
        return False


class World:
    """What the sessions of both nodes know: they travel by other means.

    Attributes:
        effects: what has been applied, once for each frame: link session, number, call.
        handed: how often frames were handed over.
    """

    def __init__(self):
        self.effects = []
        self.handed = 0
        self._known = set()

    def apply(self, link, i, call):
        self.handed += 1
        if (link, i) not in self._known:
            self._known.add((link, i))
            self.effects.append((link, i, call))


class WorldCall(GenServer):
    """In the place of the session of a call; answers after a while where its node says so."""

    def init(self, args):
        self.node, self.call = args
        self.register(call_name(self.call))

    def handle_info(self, message, sender):
        match message:
            case RouteAsked(asked, link, _) if self.node.answer_s:
                self.start_timer(self.node.answer_s, (asked, link))
            case RouteAsked(asked, link, _):
                self.answer(asked, link)
            case CallTold(told, link):
                self.node.world.apply(link, told.i, self.call)
                self.tell(link, FrameHandled(told.i))
            case _:
                self.answer(*message.payload)

    def answer(self, asked, link):
        self.node.world.apply(link, asked.i, self.call)
        told = {"target": "7001", "rtype": "direct", "reason": "rp-default"}
        answer = RouteSelect(xref=asked.xref, session="a" * 20, rev=1, **told)
        self.tell(link, RouteAnswered(answer, asked.i, "rp-default", asked.rp, ""))

    def tell(self, link, message):
        address = self.whereis(link_name(link))
        if address is not None:
            self.send(address, message)


class WorldPool(Supervisor):
    """The sessions of all calls."""

    def init(self, args):
        self.register(POOL)
        node, calls = args
        specs = [ChildSpec(call, WorldCall, (node, call)) for call in calls]
        return SupervisorFlags(), specs


class LinkTop(Supervisor):
    """Above ctiSup and the sessions."""

    def init(self, args):
        pool, cti = args
        return SupervisorFlags(intensity=1_000), [
            ChildSpec(POOL, WorldPool, pool, type="supervisor"),
            ChildSpec("ctiSup", CtiSup, cti, type="supervisor"),
        ]


class LinkNode:
    """A node with links and nothing else.

    Args:
        listening: the socket that CTIs connect to.
        world: of the sessions.
        calls: the names of the calls that there are.
        waiting: whether it is in standby.
    """

    def __init__(self, listening, world, calls=(), *, waiting=False, link=None, limits=None):
        self.kernel = actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
        self.world = world
        self.answer_s = 0.0
        self.calls = calls
        self.standby = Standby(waiting=waiting)
        self.table = LinkTable(
            self.kernel,
            LoopJournal(),
            link or LinkConfig(request_timeout_ms=30_000),
            limits or TableLimits(max_links=1_000),
            self.standby,
        )
        self._listening = listening
        self.part = LinksPart(self.kernel, self.table, self)

    async def start(self):
        # Two cores are shared with other tests: what is late here tells nothing.
        patient = RoutingConfig(
            late_timeout_ms=20_000, default_answer_ms=25_000, request_timeout_ms=30_000
        )
        supervision = SupervisionConfig(intensity=1_000)
        config = Config(rp=POINTS, routing=patient, supervision=supervision)
        settings = SimpleNamespace(routing=config.routing, table=SimpleNamespace(points=POINTS))
        openings = SimpleNamespace(supervisor=POOL)
        overload = Overload(self.kernel, OverloadConfig(), Alarms(self.kernel))
        listener = ListenerArgs(
            self._listening, self.table, settings, Tokens(), openings, overload, self
        )
        cti = SimpleNamespace(supervision=config.supervision, listener=listener)
        args = ((self, self.calls), cti)
        outcome = await self.kernel.start_root(LinkTop(), args, "top", lambda: None)
        assert isinstance(outcome, Started), outcome

    async def stop(self):
        self.kernel.thaw()
        for connection in tuple(self.table.connections):
            connection.abort()
        await self.kernel.future_of(self.kernel.stop(self.kernel.roots["top"], SHUTDOWN, 5.0))

    def address_of(self, session):
        """As ``SessionPool.address_of``: sessions are named by their calls here."""
        return self.kernel.registry.whereis(call_name(session))

    # A takeover

    async def give(self, *, quiet_s=PATIENCE_S):
        """Stand still; return what travels."""
        self.part.hold()
        deadline = time.monotonic() + quiet_s
        while not self.done() and time.monotonic() < deadline:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0)
        self.kernel.freeze()
        await self.part.stop()
        return self.part.pack(self.part.version)

    def done(self):
        """Whether nothing is left to be handled."""
        return self.kernel.quiet and self.part.idle()

    async def resume(self):
        self.kernel.thaw()
        await self.part.resume()

    async def take(self, packed):
        self.part.unpack(self.part.version, packed.body, packed.descriptors)
        await self.switch()

    async def switch(self):
        await self.part.switch()
        self.standby.open()


async def move(giving, taking, **options):
    """Move all links from one node to the other."""
    await taking.take(await giving.give(**options))


class MovingCti(LoopCti):
    """A CTI that connects once, and keeps a ledger; a second connection is a failure.

    Attributes:
        answers: targets that it was told, by dialogue.
        acked: frames that were acknowledged.
        ended: how its connection ended; None while it is open.
        worst_s: the longest time that an answer took, seconds.
    """

    def __init__(self, address, name):
        super().__init__()
        self._address = address
        now = time.monotonic()
        hello = Hello(proto=1, name=name, side="primary", token="good")
        self.client = Client(hello, now=now, wall=time.time())
        self.answers, self.errors = {}, []
        self.acked = 0
        self.ended = None
        self.worst_s = 0.0
        self._task = asyncio.ensure_future(self._run())

    @property
    def link(self):
        """The id of its link session."""
        return self.client.session.id

    @property
    def connected(self):
        """Whether its connection is made; nobody need have accepted it."""
        return self.writer is not None

    def route(self, number, call):
        self.send("route.request", xref=f"{self.link}-{number}", call=call, rp="sales", ts=1.0)

    def event(self, number, call):
        self.send("call.event", call=call, ev="delivered", ts=2.0, seq=number)

    async def ready(self):
        while self.client.answer is None:  # noqa: ASYNC110 - as in LiveNode
            await asyncio.sleep(0.001)

    def stop(self):
        self._task.cancel()
        if self.writer is not None:
            self.writer.transport.abort()

    async def _run(self):
        reader, self.writer = await asyncio.open_connection(*self._address)
        self._write(self.client.hello())
        try:
            while self.client.closed is None:
                data = await self._read(reader)
                if not data:
                    self.ended = self.ended or "eof"
                    return
                self._take(self.client.receive(data, time.monotonic()))
        except OSError as error:
            self.ended = repr(error)

    def _acknowledged(self, frames):
        self.acked += len(frames)

    def _closed(self, event):
        self.ended = f"{event.reason}: {event.msg}"

    def _answered(self, answer, asked, at):
        if not isinstance(answer, RouteSelect):
            self.errors.append(answer)
            return
        self.answers.setdefault(answer.xref, []).append(answer.target)
        if asked is not None:
            self.worst_s = max(self.worst_s, at - asked.at)


def faults(ctis, world):
    """What was lost, doubled, reordered, closed or refused; empty where all went well."""
    found = [f"{cti.link}: {cti.ended}" for cti in ctis if cti.ended is not None]
    found += [f"{cti.link}: {error}" for cti in ctis for error in cti.errors]
    for cti in ctis:
        found += [f"{x}: {len(told)} answers" for x, told in cti.answers.items() if len(told) != 1]
        found += [f"{x}: no answer" for x in cti.client.waiting]
        if cti.acked != cti.sent:
            found.append(f"{cti.link}: {cti.acked} of {cti.sent} frames acknowledged")
    latest = {}
    for link, i, call in world.effects:
        if i <= latest.get((link, call), 0):
            found.append(f"{link}: frame {i} after {latest[link, call]}")
        latest[link, call] = i
    frames = sum(cti.sent for cti in ctis)
    if len(world.effects) != frames:
        found.append(f"{len(world.effects)} effects of {frames} frames")
    return found


async def until(condition):
    """Wait for what comes over real sockets."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - sockets tell nobody
            await asyncio.sleep(0.001)
