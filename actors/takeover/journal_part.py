"""The journal in a takeover: the old node commits and writes no more, the new one goes on with it.

Its lock travels as open descriptors, so nobody else gets hold of the journal in between, and an old
node that goes on has never let go of it. Rows are not read again: the old node has verified what it
read and has written the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.config import ReleaseConfig
from actors.journal.passing import refuse_other
from actors.journal.records import JournalUnusable
from actors.journal.schema import FORMAT
from actors.journal.writer import Passed
from supervision.release.carrier import NoConversion, Packed, Part

if TYPE_CHECKING:
    from actors.journal.journal import Journal
    from actors.permanence import Permanence

VERSION = 1

_FORMAT, _MIGRATION = "journal.db", "etc/sql"
"""Beside the kinds of rows, in what the two sides tell each other."""


class JournalPart(Part):
    """The journal of a node.

    Args:
        journal: of the node; on the side that takes it is not open yet.
        permanence: whether the release of this node is permanent.
        migration: the last migration of the database that this release knows.
        patience_s: seconds that the last commit may take: as long as the freeze may, of which it
            is a part.
    """

    name = "journal"
    version = VERSION

    def __init__(
        self,
        journal: Journal,
        permanence: Permanence,
        *,
        migration: int = 0,
        patience_s: float = ReleaseConfig().freeze_timeout_s,
    ) -> None:
        self._journal = journal
        self._permanence = permanence
        self._migration = migration
        self._patience_s = patience_s
        self._theirs: dict[str, int] = {}
        self._known = 0
        self._left: Passed | None = None
        self._taken: tuple[Passed, tuple[int, ...]] | None = None

    # Both sides, when they meet

    def types(self) -> dict[str, int]:
        """The versions of the kinds of rows, of the files, and of the database's schema."""
        rows = self._journal.versions
        return {_FORMAT: FORMAT, _MIGRATION: self._migration, **rows}

    def agree(self, theirs: dict[str, int]) -> None:
        """Know which rows the other release can read.

        Raises:
            NoConversion: it cannot read, or cannot be told, rows of some kind.
        """
        rows = dict(theirs)
        form, migration = rows.pop(_FORMAT, FORMAT), rows.pop(_MIGRATION, 0)
        if form != FORMAT:
            raise NoConversion(f"the journal has format {form} there and {FORMAT} here")
        self._journal.refuse(rows)
        self._theirs, self._known = rows, migration

    # The side that gives

    async def ready(self) -> None:
        """Write rows so that the other release can read them, where it is the older one."""
        await self._journal.rewrite_for(self._permanence.narrowest(self._theirs))

    async def drain(self, until: float) -> None:
        """Begin no checkpoint that the freeze would wait for."""
        del until
        self._journal.rest()

    def idle(self) -> bool:
        """Whether all that was put is durable, and all that waited for it has been told."""
        return self._journal.idle

    def stragglers(self) -> list[str]:
        """What waits for a commit."""
        journal = self._journal
        if journal.idle:
            return []
        failing = f": {journal.failing}" if journal.failing else ""
        return [f"journal: {journal.waiting} records, {journal.effects} effects{failing}"]

    async def stop(self) -> None:
        """Commit, have all told that waited for it, and write no more.

        Raises:
            JournalError: it cannot: the takeover is off.
        """
        try:
            self._left = await self._journal.pause(self._patience_s)
        except JournalUnusable as late:
            bound = f"release.freeze_timeout_s is {self._patience_s:g}"
            raise JournalUnusable(f"{late} ({bound})") from None

    def pack(self, version: int) -> Packed:
        """How it was left, and its lock."""
        if version != VERSION:
            raise NoConversion(f"journal: version {version} is unknown, this is {VERSION}")
        if self._left is None:
            raise JournalUnusable("the journal has not been paused")
        return Packed(msgspec.msgpack.encode(self._left), self._journal.descriptors)

    async def resume(self) -> None:
        """Write again; nobody else could meanwhile."""
        self._left = None
        self._journal.write_for(self._permanence.rows)
        await self._journal.go_on()

    # The side that takes

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Keep what is needed for the switch; no file is touched.

        Raises:
            NoConversion: it is of a version or a format that this code does not know.
            ValueError: it is no such state.
        """
        if version != VERSION:
            raise NoConversion(f"journal: version {version} is unknown, this is {VERSION}")
        passed = msgspec.msgpack.decode(body, type=Passed)
        try:
            refuse_other(passed, self._journal.config.mode)
        except JournalUnusable as refused:
            raise NoConversion(str(refused)) from None
        self._taken = passed, descriptors

    async def switch(self) -> None:
        """Go on with the journal.

        Raises:
            JournalError: it is not as it was left.
        """
        if self._taken is None:
            raise JournalUnusable("no journal was passed on")
        if self._permanence.provisional:
            self._permanence.rows, self._permanence.known = self._theirs, self._known
            self._journal.write_for(self._theirs)
        await self._journal.take_over(*self._taken)
        self._permanence.when_open(self._permanent)
        self._taken = None

    def _permanent(self) -> None:
        """No other release comes back: rows are written in this one's schema."""
        self._journal.write_for(None)
