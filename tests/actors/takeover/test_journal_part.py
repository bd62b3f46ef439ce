"""The journal in a takeover: it goes from one to the other while it is open, with real files."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from contextlib import closing

import msgspec
import pytest
from journal_kit import OutboxItem, durable, on_disk
from passing_journals import Node, agree, pass_on, take_over

from actors.journal import recovery, schema
from actors.journal.acknowledged import read
from actors.journal.file import Files, Lock
from actors.journal.records import JournalLocked, JournalUnusable
from supervision.release.carrier import NoConversion

SESSIONS = {f"s{number}": {"rev": number} for number in range(3)}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "journal"


async def serving(directory, codecs=None, **config):
    """A node with a journal that has some rows."""
    node = Node(directory, codecs, **config)
    await node.journal.open()
    for key, value in SESSIONS.items():
        node.journal.put("session", key, value)
    node.journal.append(OutboxItem("s0", "c0", "+331", {"closed": True}))
    await durable(node.journal)
    return node


def rows(directory):
    """The sessions that the next start finds; the journal is whole."""
    found = {}

    async def look(journal):
        recovered = await journal.open()
        assert recovered.missing_commits == 0
        found.update(recovered.values.get("session", {}))

    on_disk(directory, look)
    assert recovery.verify(directory).damage == []
    return found


def test_another_goes_on_with_all_that_was_put(directory) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        old.journal.put("session", "last", {"rev": 9})
        told = []
        old.journal.after(lambda: told.append(read(Files(directory).acknowledged).number))
        await take_over(old, new)
        assert told == [2], "what waited for the last commit was not told before the pause"
        assert new.journal.outbox_rows == 1
        new.journal.put("session", "s0", {"rev": 7})
        new.journal.append(OutboxItem("s1", "c1", None, {"closed": True}))
        await durable(new.journal)
        assert (new.journal.outbox_rows, new.journal.statistics().number) == (2, 3)
        await new.journal.close()

    asyncio.run(scenario())
    assert rows(directory) == {**SESSIONS, "s0": {"rev": 7}, "last": {"rev": 9}}
    with closing(sqlite3.connect(Files(directory).database)) as connection:
        assert connection.execute("SELECT seq FROM outbox").fetchall() == [(1,), (2,)]


def test_what_is_put_before_the_switch_is_written_after_it(directory) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        new.journal.put("session", "early", {"rev": 1})
        new.journal.append(OutboxItem("early", "c", None, {"closed": True}))
        await take_over(old, new)
        await durable(new.journal)
        assert new.journal.outbox_rows == 2
        await new.journal.close()

    asyncio.run(scenario())
    assert rows(directory)["early"] == {"rev": 1}


def test_it_goes_there_and_back_again_and_again(directory) -> None:
    async def scenario():
        node = await serving(directory)
        for number in range(10):
            other = Node(directory)
            await take_over(node, other)
            other.journal.put("session", "turn", {"rev": number})
            await durable(other.journal)
            node = other
        await node.journal.close()

    asyncio.run(scenario())
    assert rows(directory) == {**SESSIONS, "turn": {"rev": 9}}


# Called off


@pytest.mark.parametrize("after", ["drain", "stop", "pack"])
def test_a_takeover_that_is_called_off_leaves_it_as_if_nothing_had_been(directory, after) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        agree(old, new)
        await old.part.drain(0.0)
        if after != "drain":
            await old.part.stop()
            old.journal.put("session", "meanwhile", {"rev": 5})
        if after == "pack":
            pass_on(old, new)
            for descriptor in new.part._taken[1]:
                os.close(descriptor)  # the end of the new process
        await old.part.resume()
        old.journal.put("session", "s1", {"rev": 6})
        await durable(old.journal)
        with pytest.raises(JournalLocked):
            Lock(Files(directory))
        await old.journal.close()

    asyncio.run(scenario())
    meanwhile = {} if after == "drain" else {"meanwhile": {"rev": 5}}
    assert rows(directory) == {**SESSIONS, "s1": {"rev": 6}, **meanwhile}


def test_to_call_off_what_never_began_changes_nothing(directory) -> None:
    async def scenario():
        old = await serving(directory)
        await old.part.resume()
        await old.part.resume()
        old.journal.put("session", "s1", {"rev": 6})
        await durable(old.journal)
        await old.journal.close()

    asyncio.run(scenario())
    assert rows(directory)["s1"] == {"rev": 6}


def test_a_pause_that_is_cut_short_may_be_called_off_and_made_again(directory) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        for steps in range(12):
            stopping = asyncio.ensure_future(old.part.stop())
            for _ in range(steps):
                await asyncio.sleep(0)
            stopping.cancel()
            await asyncio.wait([stopping])
            await old.part.resume()
            old.journal.put("session", "s2", {"rev": steps})
            await durable(old.journal)
        await take_over(old, new)
        await new.journal.close()

    asyncio.run(scenario())
    assert rows(directory)["s2"] == {"rev": 11}


def test_where_commits_fail_it_is_not_paused_and_goes_on(directory, monkeypatch) -> None:
    async def scenario():
        old = await serving(directory, retry_s=0.01)
        old.part._patience_s = 0.2
        real = schema.COMMIT
        monkeypatch.setattr(schema, "COMMIT", "SELECT RAISE_NO_SUCH(?1, ?2, ?3)")
        monkeypatch.setattr("actors.journal.committing.NAMED", ("SQLITE_ERROR",))
        old.journal.put("session", "s0", {"rev": 8})
        words = r"1 records wait: .*RAISE_NO_SUCH.* \(release\.freeze_timeout_s is 0\.2\)"
        with pytest.raises(JournalUnusable, match=words):
            await old.part.stop()
        assert "journal: 1 records" in old.part.stragglers()[0]
        monkeypatch.setattr(schema, "COMMIT", real)
        await old.part.resume()
        await durable(old.journal)
        assert old.part.stragglers() == []
        await old.journal.close()

    asyncio.run(scenario())
    assert rows(directory)["s0"] == {"rev": 8}


# The lock


def test_nobody_gets_in_between(directory) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        agree(old, new)
        await old.part.stop()
        packed = pass_on(old, new)
        with pytest.raises(JournalLocked):
            Lock(Files(directory))
        for descriptor in packed.descriptors:
            os.close(descriptor)  # the old process is killed here
        with pytest.raises(JournalLocked):
            Lock(Files(directory))
        await new.part.switch()
        assert Files(directory).lock.read_text() == f"{os.getpid()}\n"
        await new.journal.close()
        Lock(Files(directory)).release()

    asyncio.run(scenario())


def test_a_lock_that_is_not_the_journals_is_refused(directory, tmp_path) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        agree(old, new)
        await old.part.stop()
        body = old.part.pack(1).body
        other = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in "ab"]
        new.part.unpack(1, body, tuple(other))
        with pytest.raises(JournalUnusable, match="not the lock"):
            await new.part.switch()
        await old.part.resume()
        await old.journal.close()

    asyncio.run(scenario())


def test_descriptors_that_hold_no_lock_are_refused_while_another_has_it(directory) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        agree(old, new)
        await old.part.stop()
        body, files = old.part.pack(1).body, Files(directory)
        strange = tuple(os.open(path, os.O_RDWR) for path in (files.lock, files.marker))
        new.part.unpack(1, body, strange)
        with pytest.raises(JournalLocked):
            await new.part.switch()
        await old.part.resume()
        await old.journal.close()

    asyncio.run(scenario())


# What differs


def test_a_journal_that_somebody_has_written_to_is_refused(directory) -> None:
    async def scenario():
        old, new = await serving(directory), Node(directory)
        agree(old, new)
        await old.part.stop()
        pass_on(old, new)
        with closing(sqlite3.connect(Files(directory).database)) as connection, connection:
            connection.execute("DELETE FROM outbox")
        with pytest.raises(JournalUnusable, match="not as it was left: commit 1 with 0 rows"):
            await new.part.switch()

    asyncio.run(scenario())


def test_a_journal_that_was_removed_is_refused_before_the_switch(directory) -> None:
    async def scenario():
        old = await serving(directory)
        Files(directory).database.rename(directory / "elsewhere.db")
        with pytest.raises(JournalUnusable, match=r"journal\.db was removed"):
            await old.part.stop()
        await old.part.resume()  # writes it anew
        old.journal.put("session", "s0", {"rev": 3})
        await durable(old.journal)
        await old.journal.close()

    asyncio.run(scenario())
    assert rows(directory)["s0"] == {"rev": 3}


def test_formats_and_modes_that_differ_are_refused_before_anything_is_touched(
    directory, monkeypatch
) -> None:
    async def scenario():
        old, new, off = await serving(directory), Node(directory), Node(directory, mode="off")
        agree(old, new)
        await old.part.stop()
        body = old.part.pack(1).body
        with pytest.raises(NoConversion, match=r"journal\.mode is 'durable' there and 'off' here"):
            off.part.unpack(1, body, ())
        monkeypatch.setattr("actors.journal.passing.schema.FORMAT", 2)
        with pytest.raises(NoConversion, match="has format 1, this release writes 2"):
            new.part.unpack(1, body, ())
        theirs = old.part.types() | {"journal.db": 9}
        with pytest.raises(NoConversion, match="format 9 there"):
            new.part.agree(theirs)
        await old.part.resume()
        await old.journal.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("body", [b"", b"\x93\x01\x02\x03", msgspec.msgpack.encode({"format": 1})])
def test_what_is_no_journal_is_no_state(directory, body) -> None:
    async def scenario():
        with pytest.raises(ValueError, match=r".+"):
            Node(directory).part.unpack(1, body, ())

    asyncio.run(scenario())


def test_where_nothing_is_kept_it_is_counted_on() -> None:
    async def scenario():
        old, new = (Node(None, mode="off") for _ in range(2))
        await old.journal.open()
        old.journal.put("session", "s0", 1)
        await take_over(old, new)
        new.journal.put("session", "s0", 2)
        await durable(new.journal)
        assert new.journal.statistics().number == 2

    asyncio.run(scenario())


def test_a_checkpoint_does_not_begin_while_a_pause_is_near(directory) -> None:
    async def scenario():
        old = await serving(directory)
        await old.part.drain(0.0)
        assert old.journal._writer._keeping.resting
        await old.part.resume()
        assert not old.journal._writer._keeping.resting
        await old.journal.close()

    asyncio.run(scenario())


def test_a_flock_belongs_to_the_open_file_not_to_the_process(tmp_path) -> None:
    """What all of this is built on: flock(2)."""
    first = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
    second, stranger = os.dup(first), os.open(tmp_path / "lock", os.O_RDWR)
    os.close(first)
    with pytest.raises(BlockingIOError):
        fcntl.flock(stranger, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(second)
    fcntl.flock(stranger, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(stranger)
