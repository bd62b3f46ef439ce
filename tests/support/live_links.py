"""The call path on a real loop, with real sockets and a real journal, and CTIs that call it."""

from __future__ import annotations

import asyncio
import contextlib
import time

from call_kit import POINTS
from link_kit import Tokens
from loop_cti import LoopCti
from msgspec.structs import replace

from actors.assembly import Assembly
from actors.call_sup import CallSup
from actors.config import Config, CtiConfig, SupervisionConfig
from actors.release_settings import ReleaseSettings
from protocols.cti.client import Client
from protocols.cti.messages import Hello
from supervision import KILLED, ChildSpec, Supervisor, SupervisorFlags


class Top(Supervisor):
    """Above callSup."""

    def init(self, args):
        flags = SupervisorFlags(intensity=1_000)
        return flags, [ChildSpec("callSup", CallSup, args, type="supervisor")]


class LivePath:
    """The call path below callSup; its parts outlive its actors.

    Args:
        node: a ``LiveNode``.
        data: the data directory.
        listening: the socket that CTIs connect to.
        config: the whole of it; None: of ``cti``, the keys of its section.
    """

    def __init__(self, node, data, listening, config=None, **cti):
        self.node = node
        config = config or Config(
            rp=POINTS,
            cti=CtiConfig(**cti),
            supervision=SupervisionConfig(intensity=1_000, period_s=1.0),
        )
        self.assembly = Assembly.make(
            node.kernel,
            config,
            data=data,
            listeners={"cti": listening, "http": listening},
            version="0",
            epoch="0",
            release=ReleaseSettings.alone("0"),
        )
        self.links = self.assembly.links

    async def start(self):
        args = self.assembly.arguments().call
        args = replace(args, listener=replace(args.listener, tokens=Tokens()))
        await self.node.start(Top, args, "top")
        await self.node.until(lambda: self.node.whereis("ctiListener"))

    async def stop(self):
        """End as a node does."""
        self.links.stop()
        await self.node.until(lambda: not self.links.connections)
        await self.node.stop_all()
        self.node._began.clear()
        await self.assembly.journal.close()

    def kill(self, who):
        """Kill an actor by its name, or callSup; nothing where it is down."""
        if who == "callSup":
            above = self.node.kernel.roots["top"]
            cells = [child for child in above.children.values() if child.address.name == who]
        else:
            cells = [self.node.kernel.cell_of(who)]
        for cell in filter(None, cells):
            self.node.kernel.exit(cell, KILLED)

    def state_of(self, call):
        """The state of a call's session."""
        address = self.node.kernel.registry.whereis(("call", call))
        return None if address is None or address.cell is None else address.cell.actor.state


class LiveCti(LoopCti):
    """A CTI that connects again when it is cut off, and keeps a ledger.

    Attributes:
        connections: that it has made.
        answers: all that it was told for each dialogue.
        errors: the errors that frames of its own got.
        acked: frames that were acknowledged.
    """

    def __init__(self, address, name="cti-1"):
        super().__init__()
        self._address = address
        self._hello = Hello(proto=1, name=name, side="primary", token="good")
        self._session = None
        self.connections = 0
        self.answers = {}
        self.errors = []
        self.acked = []
        self.closings = []
        self._left = []
        self._task = asyncio.ensure_future(self._run())

    # What a test does

    def cut(self):
        """Lose the connection, with what is under way in it."""
        self.writer.transport.abort()

    def vanish(self):
        """Forget the connection, which stays open, and make another."""
        self._left.append(self.writer)
        self._task.cancel()
        self._task = asyncio.ensure_future(self._run())

    async def ready(self):
        """Wait for the answer to its hello, of a connection that has not just been cut."""
        while not self._is_ready():  # noqa: ASYNC110 - as in LiveNode
            await asyncio.sleep(0.001)

    def _is_ready(self):
        answered = self.client is not None and self.client.answer is not None
        return answered and not self.writer.transport.is_closing()

    async def end(self):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        for writer in self._left:
            writer.transport.abort()

    # The connection

    async def _run(self):
        while True:
            try:
                await self._connected()
            except OSError as error:
                self.closings.append(str(error))
            await asyncio.sleep(0.005)

    async def _connected(self):
        now = time.monotonic()
        self.client = Client(self._hello, now=now, wall=time.time(), session=self._session)
        self._session = self.client.session
        reader, writer = await asyncio.open_connection(*self._address)
        self.writer = writer
        self.connections += 1
        try:
            self._write(self.client.hello())
            while data := await self._read(reader):
                self._take(self.client.receive(data, time.monotonic()))
            self.closings.append("eof")
        finally:
            if writer not in self._left:
                writer.transport.abort()

    def _acknowledged(self, frames):
        self.acked += frames

    def _closed(self, event):
        self.closings.append(event.reason)
        self.writer.transport.abort()

    def _answered(self, answer, asked, at):
        if hasattr(answer, "xref"):
            self.answers.setdefault(answer.xref, set()).add(answer.target)
        elif answer.ref:
            self.errors.append(answer)
