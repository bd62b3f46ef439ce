"""A shadow: this version of the node on a copy of the live traffic and states, without effects.

It is a whole node in standby: it listens nowhere, writes no journal and no log, and has no
database. Its links have no sockets: they read what the links of the node that serves read, and what
they would send is compared with what that one sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec.structs import replace

from actors.call_names import call_name
from actors.cti_connection import CtiConnection
from actors.cti_greeting import LISTENER, EnsureLink
from actors.cti_listener import limits
from actors.takeover.application_calls import REQUESTS, ApplicationCalls, outcome_of
from actors.takeover.decisions import Decisions, Stream
from actors.takeover.links import NOT_PASSED
from actors.takeover.mirror import Answered, Asked, Came, Ended, Left, Opened, Untold, decode
from supervision.eventloop.managed import Cast
from supervision.release.carrier import Slice

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.assembly import Assembly
    from actors.config import Config
    from actors.takeover.sessions import SessionsBulk
    from supervision.eventloop.reports import Report
    from supervision.release.carrier import Part

ERRORS = frozenset({"crash", "unexpected", "degraded", "crash_loop"})
"""Kinds of reports that tell of something that went wrong."""
MOST_ERRORS = 20
GRACE_S = 1.0
"""Seconds after which a decision that only one side has taken is missed on the other."""


def suppressed(config: Config) -> Config:
    """A configuration without what acts outside of the node."""
    return replace(
        config,
        journal=replace(config.journal, mode="off"),
        database=replace(config.database, dsn=""),
    )


class Shadow:
    """Looks on.

    Args:
        node: in standby.
        parts: of it, which have taken in what was copied.
        versions: that what is copied is written in, by part.
    """

    def __init__(self, node: Assembly, parts: Sequence[Part], versions: Mapping[str, int]) -> None:
        self._node = node
        self._kernel = node.kernel
        self._parts = {part.name: part for part in parts}
        self._versions = versions
        self._sockets: dict[int, NoSocket] = {}
        self._streams: dict[tuple[int, str], Stream] = {}
        self._decisions = Decisions()
        self._calls = ApplicationCalls()
        self._asking: set[asyncio.Task[None]] = set()
        self._turns: dict[str, asyncio.Event] = {}
        self._settles: dict[int, asyncio.Event] = {}
        self._errors: list[dict[str, Any]] = []
        self._crashes = 0
        self._records = 0
        self._began = 0.0

    async def begin(self) -> None:
        """Have the copied node live; the sockets of its links are none."""
        self._began = self._kernel.clock.monotonic()
        self._kernel.reports.subscribe(self._reported)
        await self._node.journal.open()
        for row in self._node.links.known:
            if row.connection is not None and _is_open(row.connection):
                row.connection.lost = None
                self._connect(row.number, row.connection, row.connection.peer)
        self._sessions.take_up()
        for name in ("actors", "links"):
            await self._parts[name].switch()
        self._kernel.release_timers()
        self._kernel.thaw()

    @property
    def _sessions(self) -> SessionsBulk:
        return cast("SessionsBulk", self._parts["sessions"])

    def _connect(self, link: int, connection: CtiConnection, peer: str) -> None:
        self._node.links.connections.add(connection)
        for way in ("asked", "live", "shadow"):
            self._streams[link, way] = Stream()
        if (known := getattr(connection, "link", None)) is not None:
            self._streams[link, "asked"] = Stream(known.arrived)
        socket = self._sockets[link] = NoSocket(connection, peer, self._would_send(link))
        connection.connection_made(socket)

    # What happens on the node that serves

    def heard(self, data: bytes) -> None:
        """Take a record of the mirror."""
        self._records += 1
        match decode(data):
            case Came(link, _, came):
                self._came(link, came)
            case Left(link, left):
                for frame in self._frames(link, "live", left):
                    self._decisions.live(link, frame)
            case Opened(link, peer):
                self._opened(link, peer)
            case Ended(link):
                self._ended(link)
            case Asked(number, way, call, request):
                self._asked(number, way, call, request)
            case Answered(number, outcome, session, call, body):
                self._calls.live(
                    number, outcome, partial(self._settled, number, session, call, body)
                )
            case Untold(why):
                self._calls.untold[why] += 1

    def _frames(self, link: int, way: str, data: bytes) -> list[dict[str, Any]]:
        stream = self._streams.get((link, way))
        return [] if stream is None else stream.frames(data)

    def _came(self, link: int, data: bytes) -> None:
        now = self._kernel.clock.monotonic()
        for frame in self._frames(link, "asked", data):
            self._decisions.asked(link, frame, now)
        socket = self._sockets.get(link)
        if socket is not None:
            socket.came(data)

    def _opened(self, link: int, peer: str) -> None:
        table = self._node.links
        bounds = limits(table.config, table.limits.resume_s)
        connection = CtiConnection(self._kernel, self._accepted, table.closed, bounds)
        self._connect(link, connection, peer)

    def _accepted(self, connection: CtiConnection) -> None:
        row = self._node.links.accept(connection)
        if row is not None:
            self._kernel.cast(LISTENER, Cast(EnsureLink(row.number)))

    def _ended(self, link: int) -> None:
        socket = self._sockets.pop(link, None)
        if socket is not None:
            socket.end()

    def _session_of(self, call: str) -> str:
        """The session that a call has here; one that began meanwhile has an id of its own."""
        known = self._kernel.registry.whereis(call_name(call))
        return "" if known is None else str(known.name)

    def _asked(self, number: int, way: str, call: str, request: bytes) -> None:
        self._calls.asked(number, way, call)
        before, own = self._turns.get(call), asyncio.Event()
        self._turns[call] = self._settles[number] = own
        turn = self._take_turn(number, way, call, request, before)
        task = asyncio.get_running_loop().create_task(turn)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _take_turn(
        self, number: int, way: str, call: str, request: bytes, before: asyncio.Event | None
    ) -> None:
        """Ask once the request before has left the session as it is there, which takes a moment."""
        own = self._settles[number]
        await _set(before)
        await self._ask(number, way, call, request)
        await _set(own)
        del self._settles[number]
        if self._turns.get(call) is own:
            del self._turns[call]

    async def _ask(self, number: int, way: str, call: str, request: bytes) -> None:
        """Do what an application has asked for, on the copy that is here."""
        try:
            said = msgspec.msgpack.decode(request, type=REQUESTS[way])
            session = [] if way.startswith("open") else [self._session_of(call)]
            done: Any = await getattr(self._node.services.sessions, way)(*session, said)
        except Exception as error:  # noqa: BLE001 - whatever the version makes of it is what is told
            done = error
        self._calls.shadow(number, outcome_of(done))

    def _settled(self, number: int, session: str, call: str, body: bytes, alike: bool) -> None:
        """Both have answered: the copy goes on as the session does there, where it is another."""
        if session and not (alike and self._session_of(call) == session):
            self._changed(session, call, body)
        if (own := self._settles.get(number)) is not None:
            own.set()

    def _changed(self, session: str, call: str, body: bytes) -> None:
        """An application has changed a session there: here it is as it is there."""
        known = self._session_of(call)
        own = () if known in {"", session} else (known,)
        sessions = self._sessions
        sessions.give(self._versions[sessions.name], Slice(((session, body),), own))
        sessions.take_up()

    # What happens here

    def _would_send(self, link: int) -> Any:
        def send(data: bytes) -> None:
            now = self._kernel.clock.monotonic()
            for frame in self._frames(link, "shadow", data):
                self._decisions.shadow(link, frame, now)

        return send

    def _reported(self, report: Report) -> None:
        if report.kind not in ERRORS:
            return
        self._crashes += report.kind == "crash"
        if len(self._errors) < MOST_ERRORS:
            why = report.data.get("reason") or report.data.get("error") or report.data.get("why")
            self._errors.append({"kind": report.kind, "path": report.path, "why": str(why)})

    def report(self) -> dict[str, Any]:
        """What has come of it, as plain data."""
        now = self._kernel.clock.monotonic()
        return {
            "seconds": round(now - self._began, 3),
            "records": self._records,
            "sessions": self._node.pool.count(),
            "links": len(self._sockets),
            "decisions": self._decisions.report(now, GRACE_S),
            "applications": self._calls.report(),
            "crashes": self._crashes,
            "errors": self._errors,
        }


class NoSocket(asyncio.Transport):
    """In the place of a connection's socket: takes what the other node's has read.

    Args:
        protocol: the connection.
        peer: where its peer comes from.
        send: takes what would be sent.
    """

    def __init__(self, protocol: CtiConnection, peer: str, send: Any) -> None:
        host, _, port = peer.rpartition(":")
        super().__init__({"peername": (host, port)})
        self._connection = protocol
        self._send = send
        self._waiting: deque[bytes] = deque()
        self._reading = True
        self._ended = False
        self._closing = False

    def came(self, data: bytes) -> None:
        """The other node has read something."""
        self._waiting.append(data)
        self._hand_on()

    def end(self) -> None:
        """The other node's connection has ended."""
        self._ended = True
        self._hand_on()

    def _hand_on(self) -> None:
        while self._waiting and self._reading and not self._closing:
            self._connection.data_received(self._waiting.popleft())
        if self._ended and not self._waiting and not self._closing:
            self.close()

    def pause_reading(self) -> None:
        """Keep what comes."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand on what has come, soon."""
        self._reading = True
        asyncio.get_running_loop().call_soon(self._hand_on)

    def is_reading(self) -> bool:
        """Whether what comes is handed on."""
        return self._reading

    def write(self, data: Any) -> None:
        """Compare what would be sent."""
        self._send(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def is_closing(self) -> bool:
        """Whether it has ended."""
        return self._closing

    def close(self) -> None:
        """End, soon."""
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        """End, soon."""
        self.close()


async def _set(event: asyncio.Event | None) -> None:
    """Wait for an event, but not long: what cannot be told of the other node never comes."""
    if event is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_S):
                await event.wait()


def _is_open(connection: CtiConnection) -> bool:
    """Whether it was open when it was copied; its socket has not come along."""
    return connection.lost is not None and connection.lost.error == NOT_PASSED
