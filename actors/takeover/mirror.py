"""What a node that serves tells its shadow: each byte of its links, and what else changes sessions.

Nothing is asked of the node: its connections say what they read and write while somebody looks on,
and nothing is in their way otherwise. A shadow that does not keep up is let go; the node never
waits for it.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct

from actors.takeover.application_calls import REQUESTS, outcome_of
from actors.takeover.sessions import SessionsBulk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.assembly import Assembly
    from actors.cti_connection import CtiConnection
    from actors.cti_row import LinkRow
    from actors.cti_table import LinkTable
    from supervision.release.carrier import Part
    from supervision.release.giving import Giver


class Opened(Struct, frozen=True, tag="opened", array_like=True):
    """A connection was accepted; ``link`` is its number."""

    link: int
    peer: str


class Came(Struct, frozen=True, tag="came", array_like=True):
    """Bytes were read of a connection, at monotonic seconds ``at``."""

    link: int
    at: float
    data: bytes


class Left(Struct, frozen=True, tag="left", array_like=True):
    """Bytes were written to a connection."""

    link: int
    data: bytes


class Ended(Struct, frozen=True, tag="ended", array_like=True):
    """A connection has ended."""

    link: int


class Asked(Struct, frozen=True, tag="asked", array_like=True):
    """An application asks for something, see ``REQUESTS``; the call says which session it is."""

    number: int
    way: str
    call: str
    request: bytes


class Answered(Struct, frozen=True, tag="answered", array_like=True):
    """It has been answered; the session, if there is one, is now so."""

    number: int
    outcome: dict[str, Any]
    session: str
    call: str
    body: bytes


class Untold(Struct, frozen=True, tag="untold", array_like=True):
    """A request of an application, or its answer, cannot be told."""

    why: str


Record: TypeAlias = Opened | Came | Left | Ended | Asked | Answered | Untold

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode


class Mirror:
    """Tells a shadow what happens.

    Args:
        table: the node's links.
        applications: what they change sessions through: ``CallSessions``.
        written: a session's call, and how it is written down in a takeover; None of one that
            is not there.
        forward: sends a record; False where it was dropped.
        lost: called once with the number of records that were sent before one was dropped: what
            the shadow has seen from then on is not what has happened.

    Attributes:
        records: that were sent.
        broken: whether one was dropped: nothing more is told then.
    """

    def __init__(
        self,
        table: LinkTable,
        applications: Any,
        written: Callable[[str], tuple[str, bytes] | None],
        forward: Callable[[bytes], bool],
        lost: Callable[[int], None],
    ) -> None:
        self._table = table
        self._applications = applications
        self._written = written
        self._forward = forward
        self._lost = lost
        self._numbers = count(1)
        self._tapped: list[tuple[Any, str]] = []
        self.records = 0
        self.broken = False

    def begin(self) -> None:
        """Tell from now on; what was before is in the states that have been copied just now."""
        for row in self._table.known:
            if row.connection is not None:
                self._tap_connection(row.number, row.connection)
        self._tap(self._table, "accept", self._accepting)
        for name in REQUESTS:
            self._tap(self._applications, name, partial(self._changing, name))

    def end(self) -> None:
        """Tell nothing any more."""
        tapped, self._tapped = self._tapped, []
        for of, name in tapped:
            of.__dict__.pop(name, None)

    def _tap(self, of: Any, name: str, around: Callable[[Any], Any]) -> None:
        setattr(of, name, around(getattr(of, name)))
        self._tapped.append((of, name))

    def _tell(self, record: Record) -> None:
        self._send(encode(record))

    def _send(self, record: bytes) -> None:
        if self.broken:
            return
        if self._forward(record):
            self.records += 1
            return
        self.broken = True
        self.end()
        self._lost(self.records)

    # Links

    def _accepting(self, accept: Callable[[CtiConnection], LinkRow | None]) -> Any:
        def tapped(connection: CtiConnection) -> LinkRow | None:
            row = accept(connection)
            if row is not None:
                self._tell(Opened(row.number, connection.peer))
                self._tap_connection(row.number, connection)
            return row

        return tapped

    def _tap_connection(self, link: int, connection: CtiConnection) -> None:
        def reading(received: Callable[[bytes], None]) -> Any:
            def tapped(data: bytes) -> None:
                received(data)
                self._tell(Came(link, connection.reads[-1].at if connection.unread else 0.0, data))

            return tapped

        def writing(write: Callable[[bytes], bool]) -> Any:
            def tapped(data: bytes) -> bool:
                self._tell(Left(link, data))
                return write(data)

            return tapped

        def losing(lost: Callable[[Exception | None], None]) -> Any:
            def tapped(error: Exception | None) -> None:
                self._tell(Ended(link))
                lost(error)
                self._tapped = [one for one in self._tapped if one[0] is not connection]

            return tapped

        self._tap(connection, "data_received", reading)
        self._tap(connection, "write", writing)
        self._tap(connection, "connection_lost", losing)

    # Applications

    def _changing(self, way: str, change: Callable[..., Awaitable[Any]]) -> Any:
        async def tapped(*args: Any) -> Any:
            number = next(self._numbers)
            self._record(self._asked, number, way, args)
            try:
                done = await change(*args)
            except BaseException as error:
                self._record(self._answered, number, error, args)
                raise
            self._record(self._answered, number, done, args)
            return done

        return tapped

    def _record(self, make: Callable[..., Record], *what: Any) -> None:
        """Tell of a request; the application gets its answer, whatever becomes of that."""
        try:
            record = encode(make(*what))
        except Exception as error:  # noqa: BLE001 - the shadow is told, the application goes on
            record = encode(Untold(f"{type(error).__name__}: {error}"))
        self._send(record)

    def _asked(self, number: int, way: str, args: tuple[Any, ...]) -> Asked:
        *session, request = args
        found = self._written(session[0]) if session else (request.call, b"")
        call = "" if found is None else found[0]
        return Asked(number, way, call, encode(request))

    def _answered(self, number: int, done: Any, args: tuple[Any, ...]) -> Answered:
        session = getattr(getattr(done, "value", done), "session", None) or args[0]
        found = self._written(session) if isinstance(session, str) else None
        name, (call, body) = (session, found) if found is not None else ("", ("", b""))
        return Answered(number, outcome_of(done), name, call, body)


def mirror_of(
    node: Assembly, parts: Sequence[Part], giver: Giver, lost: Callable[[int], None]
) -> Mirror:
    """The mirror of a node, which tells whoever a giver gives to.

    Args:
        node: that serves.
        parts: of it, as the giver gives them.
        giver: knows who looks on.
        lost: called where the shadow does not keep up, with the number of records that it has got.
    """
    [sessions] = [part for part in parts if isinstance(part, SessionsBulk)]

    def written(session: str) -> tuple[str, bytes] | None:
        return sessions.one(session, giver.versions[sessions.name])

    return Mirror(node.links, node.services.sessions, written, giver.forward, lost)
