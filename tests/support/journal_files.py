"""Journals on the disk as a crash leaves them, with every state that they have had."""

from __future__ import annotations

import random
import shutil

import msgspec

from actors.journal import evidence, recovery, schema
from actors.journal.acknowledged import Acknowledged
from actors.journal.batch import DELETED, Batch, Encoding
from actors.journal.file import Files, Lock, open_database
from actors.journal.records import Codec, JournalError, OutboxItem

PLAIN = Codec(1, msgspec.json.encode, lambda body, _: msgspec.json.decode(body))
"""For values that are plain data."""

CODECS = dict.fromkeys(("session", "link", "refused", "outbox"), PLAIN)


class Written:
    """A journal that was written and never closed.

    Attributes:
        files: where it is.
        states: after each commit, by its number: values by (kind, key) or number in the outbox.
        last: the number of the last commit, which was acknowledged.
    """

    def __init__(
        self, directory, *, commits, rows=8, seed=1, checkpoint_after=(), size=600, codec=PLAIN
    ):
        self.files = Files(directory)
        self.states = {0: {}}
        self.last = 0
        self._random = random.Random(seed)
        self._seq = 0
        self._size = size
        self._codecs = dict.fromkeys(CODECS, codec)
        directory.mkdir(parents=True, exist_ok=True)
        self._connection = open_database(self.files)
        self._told = Acknowledged(self.files.acknowledged)
        for number in range(1, commits + 1):
            self._commit(number, rows)
            if number in checkpoint_after:
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def crash(self, directory):
        """Copy the files as they are while the journal is open, and let go of it."""
        shutil.copytree(self.files.directory, directory)
        (directory / "journal.db-shm").unlink(missing_ok=True)
        self._connection.close()
        self._told.close()
        return Files(directory)

    def _commit(self, number, rows):
        batch, state = Batch(), dict(self.states[number - 1])
        for _ in range(self._random.randint(1, rows)):
            self._change(batch, state)
        encoding = Encoding(batch, number, self._codecs)
        while not encoding.step(100):
            pass
        commit = encoding.commit()
        self._connection.execute(schema.COMMIT, (number, commit.work, commit.bodies))
        self._told.write(number, 1.0)
        self.states[number], self.last = state, number

    def _change(self, batch, state):
        chance = self._random
        key = f"{chance.randrange(40):024x}"
        what = chance.random()
        if what < 0.7:
            value = {"text": "x" * chance.randint(0, self._size), "n": chance.random()}
            kind = chance.choice(("session", "session", "link"))
            batch.entries[kind, key] = state[kind, key] = value
        elif what < 0.8:
            batch.entries["session", key] = DELETED
            state.pop(("session", key), None)
        elif what < 0.95:
            self._seq += 1
            item = OutboxItem(key, f"call-{key}", None if what < 0.85 else "+331", {"a": "y" * 300})
            batch.appended[self._seq] = item
            state[self._seq] = item.value
        elif done := [seq for seq in state if isinstance(seq, int) and seq not in batch.appended]:
            batch.trimmed.add(done[0])
            del state[done[0]]


def opened(files):
    """Open a journal as a starting node does, and read it.

    Returns:
        What was found, and the state: values by (kind, key) or number in the outbox.

    Raises:
        JournalError: It cannot be opened.
    """
    lock = Lock(files)
    connection = None
    try:
        evidence.secure(files)
        connection = open_database(files)
        found = recovery.load(connection, CODECS, files)
        state = {
            (kind, key): value
            for kind, values in found.recovered.values.items()
            for key, value in values.items()
        }
        for seq, body in connection.execute("SELECT seq, body FROM outbox"):
            state[seq] = msgspec.json.decode(body)
        return found, state
    finally:
        if connection is not None:
            connection.close()
        lock.release()


def outcome(files, written):
    """What becomes of a start: ``whole``, ``shortfall`` or ``refused``; else it is a defect."""
    try:
        found, state = opened(files)
    except JournalError as error:
        words = str(error)
        found = None
    if found is None:
        assert len(words) > 10
        assert "\n" not in words
        return "refused", words
    missing = found.recovered.missing_commits
    assert state == written.states[written.last - missing], "silently not what was acknowledged"
    return ("shortfall" if missing else "whole"), found
