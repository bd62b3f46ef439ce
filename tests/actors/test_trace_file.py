"""Trace files: whole lines, rotation by size, several writers, files that disappear."""

import os

import pytest

from actors.trace_file import TraceFile


@pytest.fixture
def traces(tmp_path):
    return tmp_path / "traces"


def lines(directory):
    files = sorted(directory.iterdir(), key=lambda path: (path.name == "vigie.jsonl", path.name))
    return b"".join(path.read_bytes() for path in files).split()


def write(file, *texts):
    for text in texts:
        assert file.append(text) == len(text)


def test_lines_are_appended_to_what_an_earlier_writer_left(traces):
    for number in range(3):
        file = TraceFile(traces, 1_000, 5)
        write(file, b"%d\n" % number)
        file.close()
    assert (traces / "vigie.jsonl").read_bytes() == b"0\n1\n2\n"


def test_a_full_file_is_put_away_and_nothing_is_lost(traces):
    file = TraceFile(traces, 20, 5)
    write(file, *(b"line-%d\n" % number for number in range(7)))
    assert sorted(path.name for path in traces.iterdir()) == [
        "vigie.000001.jsonl",
        "vigie.000002.jsonl",
        "vigie.000003.jsonl",
        "vigie.jsonl",
    ]
    assert lines(traces) == [b"line-%d" % number for number in range(7)]
    assert all(path.stat().st_size <= 20 for path in traces.iterdir())


def test_only_as_many_files_are_kept_as_configured_and_numbers_go_on(traces):
    for _ in range(2):
        file = TraceFile(traces, 10, 2)
        write(file, *(b"123456\n" for _ in range(4)))
        file.close()
    assert sorted(path.name for path in traces.iterdir()) == [
        "vigie.000006.jsonl",
        "vigie.000007.jsonl",
        "vigie.jsonl",
    ]


def test_a_line_longer_than_a_file_gets_a_file_of_its_own(traces):
    file = TraceFile(traces, 10, 5)
    write(file, b"a\n", b"b" * 50 + b"\n", b"c\n")
    assert (traces / "vigie.000002.jsonl").read_bytes() == b"b" * 50 + b"\n"


def test_two_writers_of_one_file_share_it_over_its_rotation(traces):
    first, second = TraceFile(traces, 30, 9), TraceFile(traces, 30, 9)
    expected = []
    for number in range(12):
        for name, file in (("first", first), ("second", second)):
            expected.append(b"%s-%d" % (name.encode(), number))
            write(file, expected[-1] + b"\n")
    assert lines(traces) == expected


def test_a_file_that_was_removed_is_made_again(traces):
    file = TraceFile(traces, 1_000, 5)
    write(file, b"one\n")
    (traces / "vigie.jsonl").unlink()
    write(file, b"two\n")
    assert (traces / "vigie.jsonl").read_bytes() == b"two\n"


def test_a_line_that_was_torn_by_a_crash_does_not_spoil_the_next(traces):
    traces.mkdir()
    (traces / "vigie.jsonl").write_bytes(b'{"Body":"whole"}\n{"Bo')
    write(TraceFile(traces, 1_000, 5), b"{}\n")
    assert lines(traces) == [b'{"Body":"whole"}', b'{"Bo', b"{}"]


def test_a_disk_that_takes_only_a_part_gets_the_rest_in_the_same_file(traces, monkeypatch):
    file = TraceFile(traces, 12, 5)
    write(file, b"before\n")
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:2]))
    assert file.append(b"ab") == 2
    monkeypatch.undo()
    write(file, b"c" * 20 + b"\n")
    assert lines(traces) == [b"before", b"ab" + b"c" * 20]


def test_a_directory_that_cannot_be_made_is_told_and_tried_again(traces):
    traces.write_text("a file is in the way")
    file = TraceFile(traces, 1_000, 5)
    with pytest.raises(OSError, match="exists"):
        file.append(b"one\n")
    traces.unlink()
    write(file, b"one\n")
    assert lines(traces) == [b"one"]
