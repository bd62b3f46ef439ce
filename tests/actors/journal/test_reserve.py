"""What a start needs of a disk that is full."""

import os
import sqlite3

from actors.journal import reserve
from actors.journal.file import Files, connect, open_database


def made(directory):
    directory.mkdir(exist_ok=True)
    return Files(directory)


def test_opening_a_journal_writes_nothing_into_it(tmp_path):
    files = made(tmp_path / "journal")
    open_database(files).close()  # the last connection: its log is emptied and removed
    before = files.database.read_bytes()
    with_log = connect(files.database)
    assert files.wal.stat().st_size == 0
    with_log.close()
    assert files.database.read_bytes() == before


def test_a_new_journal_gives_room_back_to_the_disk_by_and_by(tmp_path):
    files = made(tmp_path / "journal")
    connection = open_database(files)
    assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)  # incremental
    connection.close()
    again = sqlite3.connect(files.database)
    assert again.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    again.close()


def test_the_reserve_takes_room_once_and_gives_it_up_once(tmp_path):
    files = made(tmp_path / "journal")
    reserve.keep(files)
    reserve.keep(files)
    assert files.reserve.stat().st_size == reserve.BYTES
    assert files.reserve.stat().st_blocks * 512 >= reserve.BYTES
    assert reserve.give_up(files)
    assert not reserve.give_up(files)


def test_a_disk_with_little_room_is_left_alone(tmp_path, monkeypatch):
    files = made(tmp_path / "journal")
    monkeypatch.setattr(reserve, "LEAST_FREE", 2**62)
    reserve.keep(files)
    assert not files.reserve.exists()


def test_half_a_reserve_is_none(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    files = made(tmp_path / "journal")
    monkeypatch.setattr(os, "posix_fallocate", full)
    reserve.keep(files)
    assert not files.reserve.exists()
