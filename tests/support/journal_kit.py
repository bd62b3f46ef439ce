"""A journal in virtual time: real SQL in memory, commits when a test wants them."""

from __future__ import annotations

import asyncio
import sqlite3

import msgspec

from actors.config import JournalConfig
from actors.journal import committing, file, passing, recovery
from actors.journal.journal import Journal
from actors.journal.records import Codec, JournalError, OutboxItem
from actors.journal.thread import ThreadWriter
from actors.journal.writer import Sizes
from supervision import actor_system

__all__ = [
    "PLAIN",
    "OutboxItem",
    "StepWriter",
    "Told",
    "durable",
    "journal",
    "on_disk",
    "opened",
    "plain_codecs",
]

PATIENCE_S = 30.0
"""How long anything may take on a real loop before a test gives up."""

PLAIN = Codec(1, msgspec.json.encode, lambda body, _: msgspec.json.decode(body))
"""For values that are plain data."""


class InMemory(sqlite3.Connection):
    """Closed when nobody has it any more, without a warning: it outlives kits by intent."""

    def __del__(self):
        self.close()


class StepWriter:
    """In the place of the writer's thread; what it has committed outlives journals and kits.

    A commit is done at the next turn of the loop, unless a test holds it. It may be given to the
    next journal, on another kernel, as the disk is to the next node: only what was committed is
    there then.

    Attributes:
        held: commits wait for ``step`` while it is true.
        why: commits fail and say this while it is not empty.
        commits: the commits that were done, in order.
    """

    def __init__(self):
        self.held = False
        self.why = ""
        self.commits = []
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, check_same_thread=False, factory=InMemory
        )
        file.prepare(self.connection)
        self._heard = None
        self._loop = None
        self._waiting = None

    # What a test does

    def hold(self):
        """Have commits wait for ``step``."""
        self.held = True

    def step(self):
        """Do the commit that waits, and tell the journal of it now."""
        assert self._waiting is not None, "no commit waits"
        self._do()

    def release(self):
        """Do the commit that waits, if any, and all that follow by themselves."""
        self.held = False
        if self._waiting is not None:
            self._do()

    def fail(self, why="database or disk is full"):
        """Have commits fail until ``heal``."""
        self.why = why

    def heal(self):
        """Have commits succeed again, at the journal's next attempt."""
        self.why = ""

    def crash(self, exception=None):
        """End as the thread does by a fault of its own; the commit that waits is not done."""
        self._waiting = None
        self._heard.crashed(exception or RuntimeError("crashed on purpose"))

    @property
    def waiting(self):
        """Whether a commit waits."""
        return self._waiting is not None

    def value(self, kind, key):
        """What is durable of a key, as plain data; None where nothing is."""
        query = "SELECT body FROM entry WHERE kind = ? AND key = ?"
        row = self.connection.execute(query, (kind, key)).fetchone()
        return None if row is None else msgspec.json.decode(row[0])

    def outbox(self):
        """The durable rows of the outbox: numbers and plain values."""
        rows = self.connection.execute("SELECT seq, body FROM outbox ORDER BY seq")
        return [(seq, msgspec.json.decode(body)) for seq, body in rows]

    # What the journal does

    def attach(self, heard):
        self._heard = heard
        self._loop = heard._kernel.loop
        self._waiting = None

    async def open(self, codecs):
        return recovery.load(self.connection, codecs, None)

    async def revive(self):
        return committing.standing_of(self.connection)

    def rest(self, *, resting):
        pass

    async def pause(self, patience_s):
        return committing.standing_of(self.connection)

    @property
    def descriptors(self):
        return ()

    async def take_over(self, passed, descriptors):
        del descriptors
        passing.refuse_changed(self.connection, passed)

    def commit(self, commit):
        assert self._waiting is None, "one commit after the other"
        self._waiting = commit
        if not self.held:
            self._loop.call_soon(self._unless_held, commit)

    def ask(self, question, then):
        self._loop.call_soon(self._answer, question, then)

    async def close(self, patience_s=5.0):
        self._waiting = None
        return True

    def sizes(self):
        return Sizes()

    def _unless_held(self, commit):
        if not self.held and self._waiting is commit:
            self._do()

    def _do(self):
        commit, self._waiting = self._waiting, None
        if self.why:
            self._heard.failed(commit.number, self.why)
            return
        before = committing.standing_of(self.connection)
        after = committing.write(self.connection, commit, before)
        self.commits.append(commit)
        self._heard.committed(after, 0.0)

    def _answer(self, question, then):
        try:
            answer = question(self.connection)
        except (JournalError, sqlite3.Error) as error:
            answer = JournalError(str(error))
        then(answer)


def journal(kit, codecs=None, writer=None, **config):
    """A journal on a kit's node; not opened: whoever is tested does that, or ``opened``.

    Args:
        kit: a ``supervision.testing.Kit``.
        codecs: by kind; None is plain data for session, link, refused and outbox.
        writer: one that was used before, to recover from; None is a new one.
        config: keys of ``[journal]``.
    """
    codecs = plain_codecs() if codecs is None else codecs
    writer = StepWriter() if writer is None else writer
    return Journal(kit.kernel, writer, codecs, JournalConfig(**config))


def opened(kit, codecs=None, writer=None, **config):
    """An open journal and its writer."""
    one = journal(kit, codecs, writer, **config)
    kit.run(one.open())
    return one, one._writer


def plain_codecs():
    """Codecs of plain data for every kind that a node has."""
    return dict.fromkeys(("session", "link", "refused", "outbox"), PLAIN)


def on_disk(directory, scenario, codecs=None, **config):
    """Run a scenario with a journal on the disk, on a loop and a node of its own, in real time.

    Args:
        directory: where its files are.
        scenario: a coroutine function of the journal, which is not open yet; what it returns is
            returned. The journal is closed at its end.
        codecs: by kind; None is plain data.
        config: keys of ``[journal]``.
    """

    async def run():
        kernel = actor_system(loop=asyncio.get_running_loop())._systemBase.kernel
        settings = JournalConfig(**config)
        writer = ThreadWriter(kernel, directory, settings)
        one = Journal(kernel, writer, plain_codecs() if codecs is None else codecs, settings)
        try:
            return await scenario(one)
        finally:
            await one.close()

    return asyncio.run(run())


async def durable(one):
    """Wait until everything put so far is durable."""
    done = asyncio.get_running_loop().create_future()
    one.after(lambda: done.set_result(None))
    await asyncio.wait_for(done, 30)


class Told:
    """What a journal tells its listeners, to be waited for on a real loop."""

    def __init__(self, journal):
        self.events = []
        self._changed = asyncio.Event()
        journal.subscribe(self._hear)

    def _hear(self, event):
        self.events.append(event)
        self._changed.set()

    async def until(self, wanted):
        """Wait for an event that is wanted, and return it."""
        while not (found := [event for event in self.events if wanted(event)]):
            self._changed.clear()
            await asyncio.wait_for(self._changed.wait(), PATIENCE_S)
        return found[0]

    async def until_a(self, kind):
        """Wait for an event of a kind, and return it."""
        return await self.until(lambda event: isinstance(event, kind))
