"""What tests of the outbox need: closed sessions, a journal that has them, and the store on it."""

from __future__ import annotations

from pathlib import Path

from journal_kit import OutboxItem, journal

from actors.alarms import Alarms
from actors.call_messages import StoreSession
from actors.config import DatabaseConfig, JournalConfig
from actors.journal.journal import Journal
from actors.journal.thread import ThreadWriter
from actors.odbc_server import OdbcServer, OdbcSettings
from actors.outbox_records import OUTBOX_CODEC, REFUSED_CODEC
from actors.session_api import JourneyStep, Routing, SessionView
from actors.session_finder import NAME as FINDER
from actors.session_finder import FindClosed
from actors.session_store import NAME as STORE

CODECS = {"outbox": OUTBOX_CODEC, "refused": REFUSED_CODEC}

QUICK = {
    "connections": 2,
    "query_timeout_ms": 5_000,
    "reconnect_min_s": 0.01,
    "reconnect_max_s": 0.05,
    "store_interval_ms": 5,
}
"""Keys of ``[database]`` with which nobody waits long."""


def view(number, **changes):
    """A closed session."""
    fields = {
        "session": f"{number:020x}",
        "rev": 3,
        "state": "closed",
        "call": f"c-{number}",
        "ani": "+33123456789",
        "opened": 1_750_000_000.25 + number,
        "updated": 1_750_000_060.5 + number,
        "journey": [JourneyStep(ts=1.5, step="menu", data={"choice": [1, None, "é"]})],
        "routing": Routing(
            target="7001", rtype="default", reason="ok", ts=1.0, ms=0.4, why=("open",)
        ),
        "ud": {"offer": "fibre"},
    }
    return SessionView(**{**fields, **changes})


def item(one):
    """A session as it is put into the outbox when it closes."""
    return OutboxItem(one.session, one.call, one.ani, StoreSession(one, one.updated, "cleared"))


class Storing:
    """A node's journal, alarms and everything under odbcServer.

    Args:
        node: a ``LiveNode`` or a ``Kit``.
        dsn: of the database.
        writer: of a journal that was there before; None begins a new one; a path is the directory
            of a journal on the disk, with threads.
        limits: keys of ``[journal]``.
        changes: keys of ``[database]``.
    """

    def __init__(self, node, dsn, writer=None, limits=None, **changes):
        self.node = node
        if isinstance(writer, Path):
            config = JournalConfig(**(limits or {}))
            self.writer = ThreadWriter(node.kernel, writer, config)
            self.journal = Journal(node.kernel, self.writer, CODECS, config)
        else:
            self.journal = journal(node, CODECS, writer, **(limits or {}))
            self.writer = self.journal._writer
        self.alarms = Alarms(node.kernel)
        self.settings = OdbcSettings(
            DatabaseConfig(dsn=dsn, **{**QUICK, **changes}),
            intensity=1_000,
            journal=self.journal,
            alarms=self.alarms,
        )
        self.top = None

    async def start(self):
        """Open the journal and start odbcServer."""
        await self.journal.open()
        self.top = await self.node.start(OdbcServer, self.settings, "odbcServer")
        return self

    async def ready(self):
        """Start, and wait until sessions are stored."""
        await self.start()
        await self.node.until(lambda: self.status("schema") == "ready")
        return self

    def close(self, *views):
        """Have sessions close."""
        for one in views:
            self.journal.append(item(one))

    def status(self, key):
        """What the store says of itself; None while it is not there."""
        cell = self.node.kernel.cell_of(STORE)
        return None if cell is None else cell.actor.status()[key]

    async def drained(self):
        """Wait until nothing is left in the outbox, and nothing on its way there."""
        await self.node.until(lambda: not (self.journal.waiting or self.journal.outbox_rows))

    async def alarmed(self, name):
        """Wait for an alarm, and return its text."""
        await self.node.until(lambda: name in self.alarms)
        (text,) = [alarm.text for alarm in self.alarms.active() if alarm.name == name]
        return text

    async def find(self, by, value, limit=100):
        """Look closed sessions up."""
        return await self.node.call(FINDER, FindClosed(by=by, value=value, limit=limit))

    def why(self):
        """Why sessions waited, as it was reported, in order."""
        told = self.node.reported("degraded", part="session store")
        return [report.data["why"] for report in told]
