"""The journal's files are removed, or others put in their place, while a node commits."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from journal_kit import PATIENCE_S, OutboxItem, Told, durable, on_disk

from actors.journal.acknowledged import read
from actors.journal.file import Files, Lock
from actors.journal.records import Failing, JournalLocked, Working


def removed(directory):
    """Remove a directory in one step: what is written meanwhile would come in between."""
    aside = directory.with_name("removed")
    directory.rename(aside)
    shutil.rmtree(aside)


REMOVALS = {
    "the directory": lambda files: removed(files.directory),
    "the database": lambda files: files.database.unlink(),
    "the log": lambda files: files.wal.unlink(),
    "the database and its log": lambda files: (files.database.unlink(), files.wal.unlink()),
    "the number": lambda files: files.acknowledged.unlink(),
    "the lock": lambda files: files.lock.unlink(),
    "every lock": lambda files: (files.lock.unlink(), files.marker.unlink()),
}
LOCKS = ("the lock", "every lock")


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "data" / "journal")


def works(event):
    return isinstance(event, Working)


async def begun(journal):
    """An open journal with a session and a row of the outbox."""
    await journal.open()
    journal.put("session", "before", 1)
    journal.append(OutboxItem("closed", "c", None, {"kept": True}))
    await durable(journal)
    return Told(journal)


def whole(files, keys):
    """Whether the next node finds these sessions, and the outbox."""

    async def look(journal):
        recovered = await journal.open()
        assert sorted(recovered.values["session"]) == sorted(keys)
        assert (recovered.missing_commits, recovered.notes) == (0, ())
        assert journal.outbox_rows == 1

    on_disk(files.directory, look)


@pytest.mark.parametrize("what", REMOVALS)
def test_what_was_removed_is_told_and_written_anew_with_all_that_was_committed(files, what) -> None:
    async def scenario(journal):
        heard = await begun(journal)
        REMOVALS[what](files)
        await heard.until(works)
        assert isinstance(heard.events[0], Failing)
        assert "removed" in heard.events[0].why
        journal.put("session", "after", 2)
        await durable(journal)
        assert journal.failing == ""
        # As a crash here would leave it: a copy, while the journal is open.
        shutil.copytree(files.directory.parent, files.directory.parent.with_name("crashed"))

    on_disk(files.directory, scenario)
    whole(files, ["before", "after"])
    whole(Files(files.directory.parent.with_name("crashed") / "journal"), ["before", "after"])


def test_questions_are_answered_from_what_was_written_anew(files) -> None:
    async def keys(journal):
        answer = asyncio.get_running_loop().create_future()
        journal.read(lambda db: db.execute("SELECT key FROM entry").fetchall(), answer.set_result)
        return await asyncio.wait_for(answer, PATIENCE_S)

    async def scenario(journal):
        heard = await begun(journal)
        assert await keys(journal) == [("before",)]
        removed(files.directory)
        await heard.until(works)
        journal.put("session", "after", 2)
        await durable(journal)
        assert sorted(await keys(journal)) == [("after",), ("before",)]

    on_disk(files.directory, scenario)


def test_another_journal_in_the_place_is_left_alone_and_nothing_is_acknowledged(files) -> None:
    async def scenario(journal):
        heard = await begun(journal)
        files.database.unlink()
        with closing(sqlite3.connect(files.directory / "other")) as other:
            other.execute("CREATE TABLE a(b)")
        (files.directory / "other").replace(files.database)
        await heard.until(lambda event: isinstance(event, Failing) and "another" in event.why)
        content = files.database.read_bytes()
        told = []
        journal.put("session", "after", 2)
        journal.after(lambda: told.append("durable"))
        failures = journal.statistics().failures
        while journal.statistics().failures == failures:  # noqa: ASYNC110 - nobody is told of attempts
            await asyncio.sleep(0)
        assert told == []
        assert files.database.read_bytes() == content
        files.database.rename(files.directory / "moved away")
        await durable(journal)
        assert told == ["durable"]

    on_disk(files.directory, scenario, retry_s=0.02)
    whole(files, ["before", "after"])


def test_removed_while_commits_fail_for_want_of_room_it_is_written_anew_as_well(files) -> None:
    async def scenario(journal):
        heard = await begun(journal)
        journal._writer._committing._let_go()  # as after a commit that failed
        removed(files.directory)
        journal.put("session", "after", 2)
        await durable(journal)
        await heard.until(works)

    on_disk(files.directory, scenario)
    whole(files, ["before", "after"])


def test_removed_before_a_crashed_writer_is_followed_by_another(files) -> None:
    async def scenario(journal):
        await begun(journal)
        journal._writer._keeping.end()
        journal._writer._committing._let_go()
        journal._writer._committing._holding = None  # a fault of the program
        removed(files.directory)
        journal.put("session", "after", 2)
        heard = Told(journal)
        await heard.until(lambda event: not isinstance(event, Failing | Working))
        assert await journal.open() is None
        await durable(journal)

    on_disk(files.directory, scenario)
    whole(files, ["before", "after"])


@pytest.mark.parametrize("what", [None, *REMOVALS])
def test_whatever_is_removed_no_second_node_gets_in(files, what) -> None:
    async def scenario(journal):
        heard = await begun(journal)
        if what is not None:
            REMOVALS[what](files)
            if what != "every lock":  # the one outside holds until the other is there again
                with pytest.raises(JournalLocked):
                    Lock(files)
            await heard.until(works)
        with pytest.raises(JournalLocked, match=f"{os.getpid()}"):
            Lock(files)

    on_disk(files.directory, scenario)
    Lock(files).release()


def test_a_node_whose_locks_another_has_taken_acknowledges_nothing_more(files) -> None:
    async def scenario(journal):
        heard = await begun(journal)
        journal._writer._keeping.end()
        REMOVALS["every lock"](files)
        other = Lock(files)
        journal._writer._keeping.begin(journal._writer._committing, journal._writer._reading)
        await heard.until(lambda event: isinstance(event, Failing) and "in use" in event.why)
        told = []
        journal.put("session", "after", 2)
        journal.after(lambda: told.append("durable"))
        failures = journal.statistics().failures
        while journal.statistics().failures == failures:  # noqa: ASYNC110 - nobody is told of attempts
            await asyncio.sleep(0)
        assert told == []
        other.release()
        await durable(journal)

    on_disk(files.directory, scenario, retry_s=0.02)


def test_a_directory_that_is_gone_at_the_next_start_is_a_shortfall(files) -> None:
    async def fill(journal):
        await begun(journal)
        journal.put("session", "more", 1)
        await durable(journal)

    on_disk(files.directory, fill)
    removed(files.directory)

    async def look(journal):
        recovered = await journal.open()
        assert recovered.missing_commits == 2
        assert "is gone" in " ".join(recovered.notes)
        journal.put("session", "anew", 1)
        await durable(journal)
        assert read(files.acknowledged).number == 3

    on_disk(files.directory, look)

    async def again(journal):
        assert (await journal.open()).missing_commits == 0

    on_disk(files.directory, again)


def test_a_second_file_that_is_missing_beside_commits_is_told(files) -> None:
    async def fill(journal):
        await begun(journal)

    on_disk(files.directory, fill)
    files.acknowledged.unlink()

    async def look(journal):
        assert "not known" in " ".join((await journal.open()).notes)

    on_disk(files.directory, look)


PROGRAM = """
import asyncio, json, shutil, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from journal_kit import on_disk, durable
from actors.journal.records import Working

async def scenario(journal):
    await journal.open()
    done = asyncio.Event()
    journal.subscribe(lambda event: done.set() if isinstance(event, Working) else None)
    for number in range(400):
        journal.put("session", f"s{number}", number)
        await durable(journal)
        if number == 100:
            shutil.rmtree(sys.argv[1])
            await done.wait()
        if number > 100:
            print(json.dumps(number), flush=True)

on_disk(Path(sys.argv[1]), scenario)
"""


def test_what_is_acknowledged_after_it_was_written_anew_outlives_a_kill(files) -> None:
    support = os.path.dirname(sys.modules["journal_kit"].__file__)  # noqa: PTH120
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", PROGRAM, str(files.directory), support]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as node:
        for line in node.stdout:
            if json.loads(line) >= 150:
                node.send_signal(signal.SIGKILL)
                break
        acknowledged = [json.loads(line), *map(json.loads, node.stdout)]

    async def look(journal):
        recovered = await journal.open()
        assert recovered.missing_commits == 0
        found = recovered.values["session"].values()
        assert set(range(acknowledged[-1] + 1)) <= set(found)

    on_disk(files.directory, look)
