"""Rows written again in the schema of an older release, which is about to go on with them.

A release that is permanent has written rows in its own schema. Before it hands over to an older
one it writes them again, in the background and page by page, for it is the one that knows both
schemas. What is put meanwhile is written for the other release anyway, and wins.
"""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors.journal.batch import TAKEN_OUT, Place, Row
from actors.journal.records import OUTBOX, Codec, JournalError, OutboxItem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from actors.journal.commits import Commits
    from actors.journal.writer import Answered, Question

    Reads = Callable[[Question[list[Any]], Answered[list[Any]]], None]

PAGE = 100
"""Rows at a time: a millisecond or two of the loop."""

_ENTRIES = (
    "SELECT rowid, key, version, body FROM entry"
    " WHERE rowid > ? AND kind = ? AND version > ? ORDER BY rowid LIMIT ?"
)
_ITEMS = (
    "SELECT seq, version, session, call, ani, body FROM outbox"
    " WHERE seq > ? AND version > ? ORDER BY seq LIMIT ?"
)


class Target(Struct, frozen=True):
    """What becomes of the rows of a kind.

    Attributes:
        kind: of the rows.
        codec: of this release.
        version: that is written; 0 where the other release does not know the kind: they are taken
            out, and kept in memory for the case that it does not go on with them.
    """

    kind: str
    codec: Codec
    version: int


def targets(codecs: Mapping[str, Codec], writing: Mapping[str, Codec | None]) -> list[Target]:
    """The kinds of which rows may have to be written again."""
    found = []
    for kind, codec in codecs.items():
        written = writing[kind]
        version = 0 if written is None else written.version
        if version < codec.version:
            found.append(Target(kind, codec, version))
    return found


class Rewriting:
    """Writes the rows of an open journal again.

    Args:
        journal: whose rows.
        read: asks what reads them.
        wanted: which.

    Attributes:
        touched: places that were written since the page was asked for; the journal adds to it.
        kept_back: rows that were taken out.
        rows: written again so far.
    """

    def __init__(self, journal: Commits, read: Reads, wanted: list[Target]) -> None:
        self.touched: set[Place] = set()
        self.kept_back: dict[Place, Any] = {}
        self.rows = 0
        self._journal = journal
        self._read = read
        self._wanted = wanted

    async def run(self) -> None:
        """Write all of them again; done when that is durable.

        Raises:
            JournalError: they cannot be read.
        """
        for target in self._wanted:
            if target.kind == OUTBOX:
                await self._items(target)
            else:
                await self._entries(target)
        await self._durable()

    async def _entries(self, target: Target) -> None:
        async for rows in self._pages(_ENTRIES, target.kind, target.version):
            for _, key, version, body in rows:
                place = target.kind, key
                if place not in self.touched and self._journal.clean(*place):
                    self._entry(target, place, Row(version, body))

    def _entry(self, target: Target, place: Place, row: Row) -> None:
        self.rows += 1
        if not target.version:
            self.kept_back[place] = row
            self._journal.put(*place, TAKEN_OUT)
            return
        body = target.codec.lowered(row.body, row.version, target.version)
        self._journal.put(*place, Row(target.version, body))

    async def _items(self, target: Target) -> None:
        """One that has been stored meanwhile is stored again, which changes nothing."""
        async for rows in self._pages(_ITEMS, target.version):
            for _, version, session, call, ani, body in rows:
                text = target.codec.lowered(body, version, target.version)
                self._journal.append(OutboxItem(session, call, ani, Row(target.version, text)))
            await self._durable()  # first: a crash in between must leave one of the two
            self._journal.trim([seq for seq, *_ in rows])
            self.rows += len(rows)

    async def _pages(self, sql: str, *what: Any) -> AsyncIterator[list[Any]]:
        after = 0
        while rows := await self._asked(partial(_fetched, sql, (after, *what, PAGE))):
            yield rows
            after = rows[-1][0]

    async def _asked(self, question: Question[list[Any]]) -> list[Any]:
        """Ask the reader; what is on its way to the disk may not be in the answer."""
        self.touched.clear()
        self.touched.update(self._journal.flying())
        answered = asyncio.get_running_loop().create_future()
        self._read(question, partial(_tell, answered))
        answer = await answered
        if isinstance(answer, JournalError):
            raise answer
        rows: list[Any] = answer
        return rows

    async def _durable(self) -> None:
        durable = asyncio.get_running_loop().create_future()
        self._journal.after(partial(_tell, durable))
        await durable


def _fetched(sql: str, what: tuple[Any, ...], connection: sqlite3.Connection) -> list[Any]:
    return connection.execute(sql, what).fetchall()


def _tell(future: asyncio.Future[Any], answer: Any = None) -> None:
    if not future.done():  # whoever waited may have been called off
        future.set_result(answer)
