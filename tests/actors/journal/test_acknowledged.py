"""The second file."""

from __future__ import annotations

import pytest

from actors.journal.acknowledged import Acknowledged, Told, read, record


def test_what_is_written_is_read(tmp_path) -> None:
    file = Acknowledged(tmp_path / "acknowledged")
    file.begin(7, 1.5)
    file.write(8, 2.5)
    file.close()
    assert read(tmp_path / "acknowledged") == Told(8, 2.5)


def test_a_file_that_is_not_there_tells_nothing(tmp_path) -> None:
    assert read(tmp_path / "acknowledged") == Told(there=False)


@pytest.mark.parametrize("place", range(28))
def test_each_byte_that_is_wrong_is_noticed(tmp_path, place) -> None:
    data = bytearray(record(4_711, 1_750_000_000.0))
    data[place] ^= 0x40
    path = tmp_path / "acknowledged"
    path.write_bytes(data)
    assert read(path).why == "acknowledged is damaged: its checksum does not match"


@pytest.mark.parametrize("size", [0, 1, 27, 29])
def test_a_torn_file_is_told_with_its_size(tmp_path, size) -> None:
    path = tmp_path / "acknowledged"
    path.write_bytes((record(4_711, 1.0) + b"\0")[:size])
    assert read(path).why == f"acknowledged has {size} bytes, not 28"


def test_a_longer_file_is_made_whole_when_the_journal_is_opened(tmp_path) -> None:
    path = tmp_path / "acknowledged"
    path.write_bytes(b"x" * 100)
    file = Acknowledged(path)
    file.begin(3, 1.0)
    file.close()
    assert read(path) == Told(3, 1.0)
