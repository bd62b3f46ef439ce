"""What a crash leaves, at any moment of any commit or checkpoint, and what is read of it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_kit import OutboxItem, plain_codecs

from actors.journal import committing, recovery
from actors.journal.acknowledged import Acknowledged
from actors.journal.batch import DELETED, Batch, Encoding
from actors.journal.file import Files, open_database
from actors.journal.records import JournalDamaged
from actors.journal.schema import FRAME_BYTES, PAGE_BYTES

SUPPORT = Path(__file__).parents[2] / "support"
ROOT = Path(__file__).parents[3]
WAL_HEADER = 32

KEYS = st.sampled_from("abcdefgh")
CHANGES = st.dictionaries(KEYS, st.none() | st.integers(0, 3_000), max_size=6)
COMMITS = st.tuples(CHANGES, st.integers(0, 3), st.lists(st.integers(1, 9), max_size=3))
STEPS = st.lists(COMMITS | st.just("checkpoint"), min_size=1, max_size=10)


def end_of_log(wal):
    """Where the last commit ends in a log: the frames of its salt, up to the last that commits."""
    if len(wal) < WAL_HEADER:
        return 0
    salt, end = wal[16:24], WAL_HEADER
    for place in range(WAL_HEADER, len(wal) - FRAME_BYTES + 1, FRAME_BYTES):
        if wal[place + 8 : place + 16] != salt:
            break
        if struct.unpack_from(">I", wal, place + 4)[0]:
            end = place + FRAME_BYTES
    return end


class Life:
    """A journal that is written step by step, with all states that it has had."""

    def __init__(self, directory):
        self.files = Files(directory)
        directory.mkdir(parents=True)
        self.connection = open_database(self.files)
        self.told = Acknowledged(self.files.acknowledged)
        self.told.begin(0, 1.0)
        self.standing = committing.standing_of(self.connection)
        self.seq = 0
        self.entries, self.outbox = {}, set()
        self.states = [({}, set())]

    def commit(self, changes, appended, trimmed):
        """Commit, and remember what the journal holds then; nothing is acknowledged."""
        batch = Batch()
        for key, size in changes.items():
            batch.entries["session", key] = DELETED if size is None else f"{key}{'x' * size}"
        self.entries = {
            **self.entries,
            **{key: f"{key}{'x' * (size or 0)}" for key, size in changes.items()},
        }
        for key in [key for key, size in changes.items() if size is None]:
            del self.entries[key]
        batch.trim([seq for seq in trimmed if seq <= self.seq])
        self.outbox = self.outbox - batch.trimmed
        for _ in range(appended):
            self.seq += 1
            batch.appended[self.seq] = OutboxItem(f"s{self.seq}", "c", None, self.seq)
            self.outbox = self.outbox | {self.seq}
        encoding = Encoding(batch, self.standing.number + 1, plain_codecs())
        encoding.step(1_000)
        self.standing = committing.write(self.connection, encoding.commit(), self.standing)
        self.states.append((dict(self.entries), self.outbox))

    def acknowledge(self):
        self.told.write(self.standing.number, 1.0)

    def checkpoint(self):
        self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def images(self):
        """Database, log and second file as they are now."""
        wal = self.files.wal.read_bytes() if self.files.wal.exists() else b""
        return self.files.database.read_bytes(), wal, self.files.acknowledged.read_bytes()

    def close(self):
        self.connection.close()
        self.told.close()


def left(directory, database, wal, told):
    """The files that a crash left."""
    files = Files(directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    files.database.write_bytes(database)
    files.wal.write_bytes(wal)
    files.acknowledged.write_bytes(told)
    return files


def recovered(files):
    """The number of the last commit, the sessions and the outbox that a start finds."""
    connection = open_database(files)
    try:
        found = recovery.load(connection, plain_codecs(), files)
        assert found.recovered.missing_commits == 0
        seqs = {seq for (seq,) in connection.execute("SELECT seq FROM outbox")}
        return found.number, (found.recovered.values.get("session", {}), seqs)
    finally:
        connection.close()


def torn(before, after, share, *, keep_old_end):
    """A file of which a part of what was written last has come to the disk.

    Args:
        before: the file.
        after: the file with all that was written.
        share: of the bytes that differ, what has come.
        keep_old_end: whether the file has its old length at least (it was overwritten in place).
    """
    pairs = enumerate(zip(before, after, strict=False))
    first = next((place for place, (old, new) in pairs if old != new), min(len(before), len(after)))
    reach = first + int(share * (len(after) - first))
    return after[:reach] + (before[reach:] if keep_old_end else b"")


many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(STEPS, COMMITS, st.floats(0, 1), st.booleans())
def test_a_crash_amid_a_commit_leaves_all_before_it_and_all_or_nothing_of_it(
    tmp_path, steps, last, share, keep_old_end
) -> None:
    shutil.rmtree(tmp_path / "life", ignore_errors=True)
    life = Life(tmp_path / "life")
    for step in steps:
        if step == "checkpoint":
            life.checkpoint()
        else:
            life.commit(*step)
            life.acknowledge()
    acknowledged = life.standing.number
    database, wal, told = life.images()
    assert end_of_log(wal) <= len(wal)
    life.commit(*last)
    _, later, _ = life.images()
    life.close()
    files = left(
        tmp_path / "left", database, torn(wal, later, share, keep_old_end=keep_old_end), told
    )
    number, found = recovered(files)
    assert acknowledged <= number <= acknowledged + 1
    assert found == life.states[number]


@many
@given(STEPS, st.data())
def test_a_crash_amid_a_checkpoint_leaves_everything(tmp_path, steps, data) -> None:
    shutil.rmtree(tmp_path / "life", ignore_errors=True)
    life = Life(tmp_path / "life")
    for step in steps:
        if step != "checkpoint":
            life.commit(*step)
            life.acknowledge()
    before, wal, told = life.images()
    life.checkpoint()
    after, _, _ = life.images()
    life.close()
    mixed = bytearray(before.ljust(len(after), b"\0"))
    for place in range(0, len(after), PAGE_BYTES):
        if data.draw(st.booleans()):
            mixed[place : place + PAGE_BYTES] = after[place : place + PAGE_BYTES]
    number, found = recovered(left(tmp_path / "left", bytes(mixed), wal, told))
    assert number == life.standing.number
    assert found == life.states[number]


@many
@given(STEPS, st.floats(0, 1))
def test_a_log_that_was_cut_is_damage_or_shows_how_many_commits_are_missing(
    tmp_path, steps, share
) -> None:
    shutil.rmtree(tmp_path / "life", ignore_errors=True)
    life = Life(tmp_path / "life")
    for step in steps:
        if step == "checkpoint":
            life.checkpoint()
        else:
            life.commit(*step)
            life.acknowledge()
    database, wal, told = life.images()
    life.close()
    files = left(tmp_path / "left", database, wal[: int(share * len(wal))], told)
    try:
        connection = open_database(files)
    except JournalDamaged:  # the log had the tables, or pages as below
        return
    with closing(connection):
        try:
            found = recovery.load(connection, plain_codecs(), files)
        except JournalDamaged:  # pages of the log that are older than those of the database
            assert "checkpoint" in steps
            return
        has = recovery.examine(connection, plain_codecs(), None).meta.number
    assert found.recovered.missing_commits == life.standing.number - has
    assert found.recovered.values.get("session", {}) == life.states[has][0]


CHILD = """
import asyncio, os, sys
from pathlib import Path
sys.path[:0] = [{root!r}, {support!r}]
from journal_kit import OutboxItem, on_disk

async def main(journal):
    recovered = await journal.open()
    kept = recovered.values.get("session", dict())
    number = max(kept.values(), default=0)
    os.write(1, b"%d %d %d\\n" % (number, recovered.missing_commits, journal.outbox_rows))
    while True:
        for _ in range(7):
            number += 1
            journal.put("session", f"s{{number % 50}}", number)
            if number % 10 == 0:
                journal.append(OutboxItem("s", "c", None, number))
            journal.after(lambda told=number: os.write(1, b"%d\\n" % told))
        await asyncio.sleep(0)

on_disk(Path(sys.argv[1]), main, wal_max_mb=1)
"""


@pytest.mark.system
def test_killed_again_and_again_it_loses_nothing_that_was_told(tmp_path) -> None:
    code = textwrap.dedent(CHILD).format(root=str(ROOT), support=str(SUPPORT))
    told = 0
    lives = random.Random(4)
    for _ in range(4):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "journal")],
            stdout=subprocess.PIPE,
            text=True,
        )
        number, missing, outbox = map(int, child.stdout.readline().split())
        assert number >= told
        assert missing == 0
        assert outbox == number // 10
        lines = lives.randrange(50, 3_000)
        numbers = [int(child.stdout.readline()) for _ in range(lines)]
        os.kill(child.pid, signal.SIGKILL)
        numbers += [int(line) for line in child.stdout.read().split("\n") if line]
        child.wait()
        child.stdout.close()
        assert numbers == list(range(number + 1, number + 1 + len(numbers)))  # in order, each once
        told = numbers[-1]
    assert recovery.verify(tmp_path / "journal").damage == []
