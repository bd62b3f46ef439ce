"""What a node that serves tells its shadow: each byte of its links, and what else changes sessions.

Nothing is asked of the node: its connections say what they read and write while somebody looks on,
and nothing is in their way otherwise. A shadow that does not keep up is let go; the node never
waits for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
from msgspec import Struct

from actors.takeover.sessions import SessionsBulk

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from actors.assembly import Assembly
    from actors.cti_connection import CtiConnection
    from actors.cti_row import LinkRow
    from actors.cti_table import LinkTable
    from supervision.release.carrier import Part
    from supervision.release.giving import Giver

CHANGING = ("open", "patch", "add_step", "close", "route")
"""What applications may do to sessions, by the methods of ``CallSessions``."""


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


class Changed(Struct, frozen=True, tag="changed", array_like=True):
    """An application has changed a session, which is now so."""

    session: str
    call: str
    body: bytes


Record: TypeAlias = Opened | Came | Left | Ended | Changed

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
        self._tapped: list[tuple[Any, str]] = []
        self.records = 0
        self.broken = False

    def begin(self) -> None:
        """Tell from now on; what was before is in the states that have been copied just now."""
        for row in self._table.known:
            if row.connection is not None:
                self._tap_connection(row.number, row.connection)
        self._tap(self._table, "accept", self._accepting)
        for name in CHANGING:
            self._tap(self._applications, name, self._changing)

    def end(self) -> None:
        """Tell nothing any more."""
        tapped, self._tapped = self._tapped, []
        for of, name in tapped:
            of.__dict__.pop(name, None)

    def _tap(self, of: Any, name: str, around: Callable[[Any], Any]) -> None:
        setattr(of, name, around(getattr(of, name)))
        self._tapped.append((of, name))

    def _tell(self, record: Record) -> None:
        if self.broken:
            return
        if self._forward(encode(record)):
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

    def _changing(self, change: Callable[..., Awaitable[Any]]) -> Any:
        async def tapped(*args: Any) -> Any:
            done = await change(*args)
            self._changed(getattr(done, "value", done), args)
            return done

        return tapped

    def _changed(self, value: Any, args: tuple[Any, ...]) -> None:
        session = getattr(value, "session", None) or args[0]
        if not isinstance(session, str):
            return
        found = self._written(session)
        if found is not None:
            self._tell(Changed(session, *found))


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
