"""A write-ahead log broken in its middle: SQLite gives up what is behind it, vigie does not."""

import shutil

import pytest
from journal_files import CODECS, Written, opened, outcome

from actors.journal import evidence, looking, wal
from actors.journal.check import check
from actors.journal.export import export
from actors.journal.file import Files, Lock
from actors.journal.records import JournalUnusable
from actors.journal.repair import repair

FRAME = wal.FRAME_BYTES


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    place = tmp_path_factory.mktemp("journal")
    written = Written(place / "live", commits=60)
    return written.crash(place / "crashed"), written


@pytest.fixture
def copy(crashed, tmp_path):
    shutil.copytree(crashed[0].directory, tmp_path / "journal")
    return Files(tmp_path / "journal")


def flip(files, frame, place=1000, mask=0xFF):
    data = bytearray(files.wal.read_bytes())
    at = wal.WAL_HEADER_BYTES + (frame - 1) * FRAME + place if frame else place
    data[at] ^= mask
    files.wal.write_bytes(data)


def frames(files):
    return (files.wal.stat().st_size - wal.WAL_HEADER_BYTES) // FRAME


def test_a_sound_log_has_only_sound_frames(copy):
    log = wal.read(copy.wal.read_bytes())
    assert log.broken is None
    assert len(log.frames) == frames(copy)
    assert all(frame.sound for frame in log.frames)


@pytest.mark.parametrize("place", [0, 3, 8, 15, 16, 23, 24, 1000, 4100])
def test_one_wrong_byte_makes_one_broken_frame(copy, place):
    flip(copy, 10, place)
    log = wal.read(copy.wal.read_bytes())
    assert (log.broken, log.where, log.goes_on) == (10, "frame 10", True)
    assert [frame.index for frame in log.frames if not frame.sound] == [10]


@pytest.mark.parametrize("place", [0, 3, 8, 16, 20, 24, 28])
def test_a_header_that_is_wrong_hides_no_frame(copy, place):
    flip(copy, 0, place)
    log = wal.read(copy.wal.read_bytes())
    assert (log.broken, log.where, log.goes_on) == (0, "its header", True)
    assert all(frame.sound for frame in log.frames)


def test_a_start_is_refused_and_the_log_is_as_it_was(copy, crashed):
    flip(copy, 25)
    before = copy.wal.read_bytes()
    kind, words = outcome(copy, crashed[1])
    assert kind == "refused"
    missing = crashed[1].last - evidence.last_commit(copy)
    told = f"the write-ahead log is damaged in frame 25: {missing} acknowledged commits behind it"
    assert told in words
    assert 0 < missing < crashed[1].last
    assert check(copy, CODECS).damage[0] == told
    assert copy.wal.read_bytes() == before


@pytest.mark.parametrize("frame", [0, 5, 25, 40, -2])
def test_a_repair_finds_the_commits_behind_what_is_broken(copy, crashed, frame):
    flip(copy, frame if frame >= 0 else frames(copy) + frame)
    if outcome(copy, crashed[1])[0] != "refused":
        return  # of the last commit, of which nothing is behind
    done = repair(copy, CODECS)
    assert done.missing_commits == 0
    assert done.number == crashed[1].last
    found, state = opened(copy)
    last = crashed[1].states[crashed[1].last]
    # One page may have lost rows, or have given way to what it was before.
    assert len([place for place in last if state.get(place) != last[place]]) <= 12
    assert found.recovered.missing_commits == 0
    assert check(copy, CODECS).damage == []


def test_a_log_broken_far_before_its_end_loses_nothing_that_was_written_again(copy, crashed):
    flip(copy, 0, 9)
    repair(copy, CODECS)
    assert opened(copy)[1] == crashed[1].states[crashed[1].last]


def test_a_torn_end_is_a_shortfall_whose_log_is_kept_aside(copy, crashed):
    torn = copy.wal.read_bytes()[: -10 * FRAME]
    copy.wal.write_bytes(torn)
    assert outcome(copy, crashed[1])[0] == "shortfall"
    (kept,) = copy.directory.glob("shortfall-*")
    assert (kept / "journal.db-wal").read_bytes() == torn
    assert (kept / "acknowledged").exists()


def test_a_last_frame_that_is_broken_is_a_torn_end(copy, crashed):
    flip(copy, frames(copy))
    kind, found = outcome(copy, crashed[1])
    assert (kind, found.recovered.missing_commits) == ("shortfall", 1)


def test_only_the_latest_copies_of_torn_logs_are_kept(copy, monkeypatch):
    copy.wal.write_bytes(copy.wal.read_bytes()[: -10 * FRAME])
    for day in range(1, 7):
        monkeypatch.setattr(evidence.time, "strftime", lambda *_, day=day: f"2026010{day}T000000Z")
        evidence.secure(copy)
    names = sorted(path.name for path in copy.directory.glob("shortfall-*"))
    assert names == [f"shortfall-2026010{day}T000000Z" for day in (4, 5, 6)]


def test_that_there_is_no_room_for_the_copy_stops_nobody(copy, crashed, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    copy.wal.write_bytes(copy.wal.read_bytes()[: -10 * FRAME])
    monkeypatch.setattr(evidence.shutil, "copy2", full)
    assert outcome(copy, crashed[1])[0] == "shortfall"
    assert list(copy.directory.glob("shortfall-*")) == []


def test_a_sound_log_is_not_read_a_second_time(copy, crashed, monkeypatch):
    monkeypatch.setattr(evidence.wal, "read", lambda _: pytest.fail("it was read"))
    assert outcome(copy, crashed[1])[0] == "whole"


@pytest.mark.parametrize("there", [True, False])
def test_a_log_is_read_where_nothing_tells_what_was_acknowledged(copy, crashed, there):
    flip(copy, 25)
    if there:
        copy.acknowledged.write_bytes(b"nothing")
    else:
        copy.acknowledged.unlink()
    assert outcome(copy, crashed[1])[0] == "refused"
    repair(copy, CODECS)
    assert opened(copy)[0].number == crashed[1].last


# Where nothing may be written


@pytest.fixture
def read_only(monkeypatch):
    """As on a read-only mount: SQLite can make no file; elsewhere it can."""
    real = looking.connect

    def refusing(path, *, read_only):
        connection = real(path, read_only=read_only)
        if path.parent.name != "journal":
            return connection
        connection.close()
        return Refusing()

    monkeypatch.setattr(looking, "connect", refusing)


class Refusing:
    """A connection that cannot make its file."""

    def execute(self, _):
        import sqlite3

        error = sqlite3.OperationalError("unable to open database file")
        error.sqlite_errorname = "SQLITE_CANTOPEN"
        raise error

    def close(self):
        pass


@pytest.mark.parametrize("logged", [True, False])
def test_check_and_export_need_to_write_nothing(copy, crashed, read_only, logged):
    if not logged:
        opened(copy)  # an orderly end brings the log into the database
        assert not copy.wal.exists()
    before = sorted(copy.directory.iterdir())
    findings = check(copy, CODECS)
    assert (findings.damage, findings.missing_commits) == ([], 0)
    assert findings.meta.number == crashed[1].last
    lines = list(export(copy, None, CODECS))
    assert len(lines) == len(crashed[1].states[crashed[1].last])
    assert sorted(copy.directory.iterdir()) == before


def test_nothing_is_read_past_a_writer_that_cannot_be_asked(copy, read_only):
    lock = Lock(copy)
    try:
        with pytest.raises(JournalUnusable, match="a node has it open"):
            check(copy, CODECS)
    finally:
        lock.release()
