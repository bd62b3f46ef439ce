"""The journal on the disk: threads, files, what disks do."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from contextlib import closing

import pytest
from journal_kit import PLAIN, OutboxItem, Told, durable, on_disk, plain_codecs

from actors.journal import committing, file, keeping, recovery, schema
from actors.journal.acknowledged import read
from actors.journal.export import export
from actors.journal.file import Files, check_sqlite
from actors.journal.records import (
    Codec,
    Crashed,
    Failing,
    JournalDamaged,
    JournalError,
    JournalLocked,
    JournalTooNew,
    JournalUnusable,
    Working,
)

MB = 1_048_576


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "journal"


async def asked(journal, question):
    """What a question is answered with."""
    answer = asyncio.get_running_loop().create_future()
    journal.read(question, answer.set_result)
    return await asyncio.wait_for(answer, 30)


async def kept(journal):
    """Open a journal and return the sessions that it recovers."""
    recovered = await journal.open()
    return recovered.values.get("session", {})


def sessions_of(connection):
    return [key for (key,) in connection.execute("SELECT key FROM entry ORDER BY key")]


def filled(directory, count=3, **config):
    """A journal with some sessions, closed."""

    async def fill(journal):
        await journal.open()
        for number in range(count):
            journal.put("session", f"s{number}", {"rev": number})
        journal.append(OutboxItem("s0", "c0", "+331", {"closed": True}))
        await durable(journal)

    on_disk(directory, fill, **config)


# A life


def test_what_is_durable_is_there_for_the_next_node(directory) -> None:
    filled(directory)

    async def check(journal):
        recovered = await journal.open()
        assert recovered.values == {
            "session": {f"s{number}": {"rev": number} for number in range(3)}
        }
        assert (recovered.missing_commits, recovered.rows, recovered.notes) == (0, 4, ())
        assert journal.outbox_rows == 1

    on_disk(directory, check)


def test_an_orderly_end_leaves_no_log_and_says_how_far_it_came(directory) -> None:
    filled(directory)
    files = Files(directory)
    assert not files.wal.exists() or files.wal.stat().st_size == 0
    assert read(files.acknowledged).number == 1
    assert recovery.verify(directory).damage == []


def test_the_file_knows_before_anybody_is_told(directory) -> None:
    seen = []

    async def scenario(journal):
        await journal.open()
        for number in range(20):
            journal.put("session", "a", number)
            journal.after(lambda: seen.append(read(Files(directory).acknowledged).number))
            await durable(journal)

    on_disk(directory, scenario)
    assert all(known >= number for number, known in enumerate(seen, 1))
    assert len(seen) == 20


def test_numbers_of_the_outbox_rise_also_when_it_was_empty(directory) -> None:
    async def first(journal):
        await journal.open()
        journal.append(OutboxItem("a", "c", None, 1))
        await durable(journal)
        journal.trim([1])
        await durable(journal)
        assert journal.outbox_rows == 0

    async def second(journal):
        await journal.open()
        journal.append(OutboxItem("b", "c", None, 1))
        await durable(journal)
        assert await asked(journal, lambda db: db.execute("SELECT seq FROM outbox").fetchall()) == [
            (2,)
        ]

    on_disk(directory, first)
    on_disk(directory, second)


def test_it_may_be_closed_and_opened_again_with_what_was_put_meanwhile(directory) -> None:
    async def scenario(journal):
        await journal.open()
        journal.put("session", "a", 1)
        await journal.close()
        journal.put("session", "b", 2)
        assert await kept(journal) == {"a": 1}
        await durable(journal)
        assert await asked(journal, sessions_of) == ["a", "b"]

    on_disk(directory, scenario)


def test_who_waits_for_it_to_open_may_be_killed(directory) -> None:
    filled(directory)

    async def scenario(journal):
        first = asyncio.ensure_future(journal.open())
        await asyncio.sleep(0)
        first.cancel()
        recovered = await journal.open()
        assert len(recovered.values["session"]) == 3
        assert await journal.open() is None

    on_disk(directory, scenario)


def test_what_is_put_before_it_is_open_is_committed_then(directory) -> None:
    async def scenario(journal):
        journal.put("session", "early", 1)
        await journal.open()
        await durable(journal)
        assert await asked(journal, sessions_of) == ["early"]

    on_disk(directory, scenario)


# Who may open it


def test_two_nodes_do_not_share_a_journal(directory) -> None:
    async def scenario(journal):
        await journal.open()

        async def other(second):
            with pytest.raises(JournalLocked, match=f"in use by process {os.getpid()}"):
                await second.open()
            assert isinstance(second.refused, JournalLocked)

        await asyncio.to_thread(on_disk, directory, other)

    on_disk(directory, scenario)


def test_a_newer_format_is_refused_in_words(directory) -> None:
    filled(directory)
    with sqlite3.connect(Files(directory).database) as connection:
        connection.execute("PRAGMA user_version=9")
    connection.close()

    async def scenario(journal):
        with pytest.raises(JournalTooNew, match="has format 9; this release knows formats up to 1"):
            await journal.open()

    on_disk(directory, scenario)


def test_a_newer_schema_of_a_value_is_refused_in_words(directory) -> None:
    codecs = {**plain_codecs(), "session": Codec(7, PLAIN.encode, PLAIN.decode)}

    async def fill(journal):
        await journal.open()
        journal.put("session", "a", 1)

    async def scenario(journal):
        with pytest.raises(JournalTooNew, match="does not know: session of version 7"):
            await journal.open()

    on_disk(directory, fill, codecs)
    on_disk(directory, scenario)


def test_an_sqlite_that_is_too_old_is_refused_in_words() -> None:
    with pytest.raises(JournalUnusable, match=r"SQLite 3\.37\.2; the journal needs 3\.38\.0"):
        check_sqlite((3, 37, 2))


def test_a_value_that_cannot_be_decoded_is_damage_with_its_name(directory) -> None:
    filled(directory, 1)

    def refuse(body, version):
        raise ValueError("no such field")

    codecs = {**plain_codecs(), "session": Codec(1, PLAIN.encode, refuse)}

    async def scenario(journal):
        with pytest.raises(JournalDamaged, match="session s0: cannot be decoded: no such field"):
            await journal.open()

    on_disk(directory, scenario, codecs)


def test_missing_commits_are_counted_and_do_not_stop_the_start(directory) -> None:
    filled(directory)
    told = file.acknowledged.Acknowledged(Files(directory).acknowledged)
    told.write(15, 1.0)
    told.close()

    async def scenario(journal):
        recovered = await journal.open()
        assert recovered.missing_commits == 14
        journal.put("session", "new", 1)
        await durable(journal)
        assert journal.statistics().number == 16  # their numbers are not given again

    async def later(journal):
        assert (await journal.open()).missing_commits == 0

    on_disk(directory, scenario)
    on_disk(directory, later)


def test_a_torn_second_file_is_told_and_made_anew(directory) -> None:
    filled(directory)
    Files(directory).acknowledged.write_bytes(b"torn")

    async def scenario(journal):
        recovered = await journal.open()
        assert recovered.notes == (
            "acknowledged has 4 bytes, not 28: whether commits are missing is not known",
        )

    on_disk(directory, scenario)
    assert read(Files(directory).acknowledged).number == 1


# What disks do


def limited(monkeypatch, pages):
    """Have the first connection of each journal filled up after some pages."""
    begun = threading.Event()
    connect = committing.connect

    def full(path):
        connection = connect(path)
        if not begun.is_set():
            connection.execute(f"PRAGMA max_page_count={pages}")
        return connection

    monkeypatch.setattr(committing, "connect", full)
    return begun


def test_a_full_disk_keeps_everything_until_there_is_room(directory, monkeypatch) -> None:
    room = limited(monkeypatch, 40)
    effects = []

    async def scenario(journal):
        told = Told(journal)
        await journal.open()
        journal._writer._committing._let_go()  # the next commit opens the limited connection
        for number in range(100):
            journal.put("session", f"s{number}", "x" * 2_000)
        journal.after(lambda: effects.append("first"))
        await told.until_a(Failing)
        assert "SQLITE_FULL" in journal.failing
        assert journal.stalled(journal._kernel.clock.monotonic())
        journal.put("session", "later", 1)
        journal.after(lambda: effects.append("second"))
        assert effects == []
        room.set()
        await told.until_a(Working)
        await durable(journal)
        assert effects == ["first", "second"]
        assert len(await asked(journal, sessions_of)) == 101
        assert journal.statistics().failures >= 1

    on_disk(directory, scenario, retry_s=0.02)


class Broken:
    """A connection of which commits fail, before or after they are durable."""

    def __init__(self, connection, after):
        self._connection = connection
        self._after = after
        self.failed = False

    def execute(self, sql, parameters=()):
        if sql != schema.COMMIT or self.failed:
            return self._connection.execute(sql, parameters)
        self.failed = True
        if self._after:
            self._connection.execute(sql, parameters)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    def close(self):
        self._connection.close()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_commit_whose_outcome_is_unknown_is_done_once(directory, after) -> None:
    async def scenario(journal):
        told = Told(journal)
        await journal.open()
        thread = journal._writer._committing
        thread._connection = Broken(thread._connection, after)
        journal.append(OutboxItem("a", "c", None, 1))
        failing = await told.until_a(Failing)
        assert failing.why == "disk I/O error (SQLITE_IOERR_FSYNC)"
        await told.until_a(Working)
        await durable(journal)
        assert journal.outbox_rows == 1
        assert await asked(journal, lambda db: db.execute("SELECT seq FROM outbox").fetchall()) == [
            (1,)
        ]

    on_disk(directory, scenario, retry_s=0.02)


def test_a_second_file_that_cannot_be_written_holds_what_would_be_told(
    directory, monkeypatch
) -> None:
    room = threading.Event()
    write = file.acknowledged.Acknowledged.write

    def full(self, number, at):
        if number == 2 and not room.is_set():
            raise OSError(28, "No space left on device")
        write(self, number, at)

    monkeypatch.setattr(file.acknowledged.Acknowledged, "write", full)

    async def scenario(journal):
        told = Told(journal)
        await journal.open()
        journal.put("session", "a", 1)
        await durable(journal)
        journal.put("session", "a", 2)
        done = []
        journal.after(lambda: done.append(1))
        await told.until_a(Failing)
        assert journal.failing == "No space left on device (acknowledged)"
        assert done == []
        room.set()
        await durable(journal)
        assert done == [1]

    on_disk(directory, scenario, retry_s=0.02)


def test_a_fault_of_the_thread_is_told_and_the_next_opening_goes_on(directory) -> None:
    async def scenario(journal):
        told = Told(journal)
        await journal.open()
        journal._writer._committing._let_go()
        journal._writer._committing._holding = None  # a fault of the program
        journal.put("session", "a", 1)
        done = []
        journal.after(lambda: done.append(1))
        crashed = await told.until_a(Crashed)
        assert "AttributeError" in crashed.why
        assert journal.failing
        assert done == []
        assert await journal.open() is None
        await durable(journal)
        assert done == [1]
        assert journal.failing == ""
        assert await asked(journal, sessions_of) == ["a"]

    on_disk(directory, scenario)


def test_closing_while_commits_fail_ends_in_time_and_says_what_is_lost(directory) -> None:
    reports = []

    async def scenario(journal):
        journal._kernel.reports.subscribe(reports.append)
        told = Told(journal)
        await journal.open()
        thread = journal._writer._committing
        journal._writer._holding.files = Files(directory / "no such directory")
        thread._let_go()
        journal.put("session", "a", 1)
        await told.until_a(Failing)
        assert "SQLITE_CANTOPEN" in journal.failing
        await journal.close(patience_s=0.05)

    on_disk(directory, scenario)
    (unsaved,) = [report for report in reports if report.kind == "unsaved"]
    assert unsaved.data["records"] == 1


# Reading


def test_a_question_sees_what_is_committed_and_changes_nothing(directory) -> None:
    async def scenario(journal):
        await journal.open()
        journal.put("session", "a", 1)
        await durable(journal)
        assert await asked(journal, sessions_of) == ["a"]
        refused = await asked(journal, lambda db: db.execute("DELETE FROM entry"))
        assert isinstance(refused, JournalError)
        assert "readonly" in str(refused)

    on_disk(directory, scenario)


def test_a_question_that_fails_is_answered_and_the_next_one_too(directory) -> None:
    async def scenario(journal):
        await journal.open()
        answer = await asked(journal, lambda db: 1 / 0)
        assert str(answer) == "the question failed: ZeroDivisionError('division by zero')"
        assert await asked(journal, lambda db: 7) == 7

    on_disk(directory, scenario)


def test_a_question_before_the_opening_and_after_the_end_is_answered(directory) -> None:
    async def scenario(journal):
        assert str(await asked(journal, lambda db: 7)) == "the journal is not open"
        await journal.open()
        reading = journal._writer._reading
        await journal.close()
        assert str(await asked(journal, lambda db: 7)) == "the journal is not open"
        journal._writer._reading = reading  # as while another is begun
        assert str(await asked(journal, lambda db: 7)) == "the journal is not open"
        journal._writer._reading = None

    on_disk(directory, scenario)


def test_a_question_that_takes_too_long_is_broken_off(directory, monkeypatch) -> None:
    monkeypatch.setattr("actors.journal.reading.LONGEST_S", 0.05)
    endless = (
        "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    )

    async def scenario(journal):
        await journal.open()
        answer = await asked(journal, lambda db: db.execute(endless).fetchone())
        assert str(answer) == "SQLite says interrupted"

    on_disk(directory, scenario)


# Keeping it small


def test_the_log_is_bounded_while_commits_never_pause(directory) -> None:
    sizes = []

    async def scenario(journal):
        await journal.open()
        for round_ in range(60):
            for number in range(200):
                journal.put("session", f"s{number}", {"round": round_, "text": "x" * 3_000})
            await durable(journal)
            sizes.append(Files(directory).wal.stat().st_size)

    on_disk(directory, scenario, wal_max_mb=1)
    assert max(sizes) < 8 * 1_048_576  # written: some 48 MB


def test_room_is_given_back(directory, monkeypatch) -> None:
    monkeypatch.setattr(keeping, "REST_S", 0.01)
    monkeypatch.setattr(keeping, "LOOK_S", 0.005)
    monkeypatch.setattr(keeping, "FREE_PAGES", 16)
    database = Files(directory).database

    async def scenario(journal):
        await journal.open()
        for number in range(600):
            journal.put("session", f"s{number}", "x" * 3_000)
        await durable(journal)
        await journal.close()
        full = database.stat().st_size
        await journal.open()
        for number in range(600):
            journal.delete("session", f"s{number}")
        await durable(journal)
        while journal.statistics().size_bytes > full / 3:
            journal.put("session", "a", 1)
            await durable(journal)

    on_disk(directory, scenario)
    assert recovery.verify(directory).damage == []


def test_it_tells_what_it_takes_and_what_is_free(directory) -> None:
    async def scenario(journal):
        await journal.open()
        journal.put("session", "a", 1)
        await durable(journal)
        while (stands := journal.statistics()).free_bytes < 0:
            await durable(journal)
            await asyncio.sleep(0)
        assert stands.size_bytes > 0
        assert (stands.commits, stands.rows, stands.number, stands.waiting) == (1, 1, 1, 0)
        assert 0 < stands.p50_ms <= stands.p99_ms

    on_disk(directory, scenario)


def test_what_a_crashed_writer_has_committed_is_acknowledged_before_it_is_told(
    directory, monkeypatch
) -> None:
    write = committing.write

    def crashing(*args):
        write(*args)
        monkeypatch.setattr(committing, "write", write)
        raise RuntimeError("between the commit and the second file")

    async def scenario(journal):
        told = Told(journal)
        await journal.open()
        monkeypatch.setattr(committing, "write", crashing)
        journal.put("session", "a", 1)
        noted = []
        journal.after(lambda: noted.append(read(Files(directory).acknowledged).number))
        await told.until_a(Crashed)
        await journal.open()
        await durable(journal)
        assert noted == [1]

    on_disk(directory, scenario)


def test_a_disk_that_does_not_answer_keeps_nobody_from_ending(directory, monkeypatch) -> None:
    answers, write, reports = threading.Event(), committing.write, []

    def hanging(*args):
        answers.wait()
        return write(*args)

    async def scenario(journal):
        journal._kernel.reports.subscribe(reports.append)
        await journal.open()
        monkeypatch.setattr(committing, "write", hanging)
        journal.put("session", "a", 1)
        await asyncio.wait_for(journal.close(patience_s=0.05), 20)

    on_disk(directory, scenario)
    assert {"unsaved", "unclosed"} <= {report.kind for report in reports}
    thread = next(one for one in threading.enumerate() if one.name == "vigie-journal")
    answers.set()
    thread.join(30)


def test_an_opening_that_never_ends_does_not_keep_the_process(directory) -> None:
    """The threads of a pool are waited for when Python ends; ours are not."""

    async def scenario(journal):
        await journal.open()
        ours = [one for one in threading.enumerate() if one.name.startswith("vigie-journal")]
        assert ours
        assert all(one.daemon for one in ours)
        assert not [one for one in threading.enumerate() if one.name.startswith("asyncio_")]

    on_disk(directory, scenario)


def test_a_log_that_another_program_keeps_from_beginning_anew_is_measured(directory) -> None:
    async def scenario(journal):
        await journal.open()
        journal.put("session", "a", 1)
        await durable(journal)
        with closing(sqlite3.connect(Files(directory).database)) as other:
            other.execute("BEGIN")
            other.execute("SELECT * FROM entry").fetchall()
            while journal.statistics().wal_bytes <= 4 * MB:
                for number in range(100):
                    journal.put("session", f"s{number}", "x" * 3_000)
                await durable(journal)
        while journal.statistics().wal_bytes > MB:  # it begins anew when the reader is gone
            journal.put("session", "a", 2)
            await durable(journal)

    on_disk(directory, scenario, wal_max_mb=1)


def test_an_export_that_is_not_read_on_keeps_no_log_from_beginning_anew(directory) -> None:
    async def scenario(journal):
        await journal.open()
        for number in range(2_000):
            journal.put("session", f"s{number}", "x" * 1_000)
        await durable(journal)
        lines = export(Files(directory), None, plain_codecs())
        first = next(lines)
        journal.put("session", "s1999", "changed")
        journal.delete("session", "s1500")
        await durable(journal)
        with closing(sqlite3.connect(Files(directory).database)) as other:
            busy, log, done = other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        assert (busy, log) == (0, done)
        keys = [first["key"], *(line["key"] for line in lines)]
        assert len(keys) == len(set(keys)) == 1_999

    on_disk(directory, scenario)
