"""Whatever byte of a journal is damaged: all that was acknowledged is there, or it is said."""

import shutil
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_files import CODECS, Written, opened, outcome

from actors.journal.check import check
from actors.journal.file import Files
from actors.journal.records import JournalError
from actors.journal.repair import repair

PAGE = 4096
WAL_HEADER, FRAME_HEADER = 32, 24
FRAME = FRAME_HEADER + PAGE


@pytest.fixture(scope="module", params=["log only", "checkpointed", "large rows"])
def crashed(request, tmp_path_factory):
    """A journal as a crash has left it, and what it was; its files are never changed."""
    place = tmp_path_factory.mktemp("journal")
    shapes = {
        "log only": {"commits": 12},
        "checkpointed": {"commits": 60, "checkpoint_after": (30, 52)},
        "large rows": {"commits": 30, "checkpoint_after": (20,), "size": 20_000},
    }
    written = Written(place / "live", **shapes[request.param])
    return written.crash(place / "crashed"), written


@pytest.fixture
def copy(crashed, tmp_path):
    """A copy of it to be damaged."""
    return copied(crashed[0], tmp_path / "journal")


def copied(files, directory):
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(files.directory, directory)
    return Files(directory)


def flip(path, place, mask=0xFF):
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= mask
    path.write_bytes(data)


def check_says_the_same(files, kind):
    """Before the start: opening to write brings a log to its valid end."""
    findings = check(files, CODECS)
    said = "refused" if findings.damage else "shortfall" if findings.missing_commits else "whole"
    assert said == kind or findings.notes


def kept_of(files, written):
    """Repair; what is there afterwards is of what was written, and opens without a word."""
    done = repair(files, CODECS)
    found, state = opened(files)
    assert check(files, CODECS).damage == []
    every = {}
    for number in sorted(written.states):
        for place, value in written.states[number].items():
            every.setdefault(place, []).append(value)
    assert all(value in every[place] for place, value in state.items())
    assert found.recovered.missing_commits == 0
    again = repair(files, CODECS)
    assert (again.findings, again.directory) == ([], None)
    return done, state


def survives(files, written):
    """Any outcome is fine that is said; what was refused can be repaired."""
    kind, _ = outcome(copied(files, files.directory.with_name("started")), written)
    check_says_the_same(files, kind)
    if kind == "refused":
        kept_of(files, written)
    return kind


def test_without_damage_everything_is_there(copy, crashed):
    assert survives(copy, crashed[1]) == "whole"
    assert repair(copy, CODECS).directory is None


@pytest.mark.parametrize("place", [*range(0, 100, 4), 17, 18, 19, 21, 29, 59])
def test_the_header_of_the_database(copy, crashed, place):
    flip(copy.database, place)
    survives(copy, crashed[1])


@pytest.mark.parametrize("place", [100, 101, 103, 105, 107, 108, 109, 112, 113, 120, 200, 1000])
@pytest.mark.parametrize("page", [1, 3, 4, 5, 6])
def test_the_head_and_the_pointers_of_a_page(copy, crashed, page, place):
    flip(copy.database, (page - 1) * PAGE + place - (0 if page == 1 else 100))
    survives(copy, crashed[1])


def regions(data, step):
    return range(0, len(data), step)


def test_the_database_all_over(crashed, tmp_path):
    files, written = crashed
    data = files.database.read_bytes()
    seen = set()
    for place in regions(data, max(97, len(data) // 50)):
        copy = copied(files, tmp_path / "journal")
        flip(copy.database, place, 0x41)
        seen.add(survives(copy, written))
    assert "refused" in seen or files.database.stat().st_size <= PAGE


def test_the_database_cut_anywhere(crashed, tmp_path):
    files, written = crashed
    data = files.database.read_bytes()
    for length in (0, 1, 50, 100, PAGE - 1, PAGE, 2 * PAGE, len(data) - PAGE, len(data) - 1):
        if 0 <= length < len(data):
            copy = copied(files, tmp_path / "journal")
            copy.database.write_bytes(data[:length])
            survives(copy, written)


@pytest.mark.parametrize("place", range(WAL_HEADER))
def test_the_header_of_the_log(copy, crashed, place):
    flip(copy.wal, place)
    survives(copy, crashed[1])


@pytest.mark.parametrize("place", [0, 3, 4, 7, 8, 12, 16, 20, 23, 24, 25, 29, 500, 4000])
@pytest.mark.parametrize("frame", [0, 1, 5, 9, -1])
def test_a_frame_of_the_log_header_and_data(copy, crashed, frame, place):
    frames = (copy.wal.stat().st_size - WAL_HEADER) // FRAME
    flip(copy.wal, WAL_HEADER + (frame % frames) * FRAME + place)
    survives(copy, crashed[1])


def commits_in(log):
    """Where each commit of a log ends: frames whose header tells the size of the database."""
    for place in range(WAL_HEADER, len(log) - FRAME + 1, FRAME):
        if struct.unpack_from(">I", log, place + 4)[0]:
            yield place + FRAME


def test_a_log_cut_after_any_commit_misses_just_the_ones_after_it(tmp_path):
    written = Written(tmp_path / "live", commits=12)
    files = written.crash(tmp_path / "crashed")
    log = files.wal.read_bytes()
    ends = list(commits_in(log))
    # The first two are the format's: making the tables, and the mode of the log.
    for missing, end in enumerate(reversed(ends[-12:])):
        copy = copied(files, tmp_path / "journal")
        copy.wal.write_bytes(log[:end])
        findings = check(copy, CODECS)
        assert (findings.damage, findings.missing_commits) == ([], missing)
        kind, found = outcome(copy, written)
        assert kind == ("shortfall" if missing else "whole")
        assert found.recovered.missing_commits == missing
        # Numbers are not given twice, and the next start says nothing any more of what was told.
        assert found.number == written.last


def test_a_log_cut_anywhere(crashed, tmp_path):
    files, written = crashed
    log = files.wal.read_bytes()
    for length in (0, 10, WAL_HEADER, WAL_HEADER + 1, *regions(log, len(log) // 25 + 1)):
        copy = copied(files, tmp_path / "journal")
        copy.wal.write_bytes(log[:length])
        survives(copy, written)


def test_a_log_that_is_gone(copy, crashed):
    copy.wal.unlink()
    survives(copy, crashed[1])


@pytest.mark.parametrize("place", range(28))
def test_the_number_that_was_acknowledged(copy, crashed, place):
    flip(copy.acknowledged, place)
    kind, found = outcome(copied(copy, copy.directory.with_name("started")), crashed[1])
    assert kind == "whole"
    assert found.recovered.notes
    assert check(copy, CODECS).notes


@pytest.mark.parametrize("length", range(28))
def test_the_number_that_was_acknowledged_cut(copy, crashed, length):
    copy.acknowledged.write_bytes(copy.acknowledged.read_bytes()[:length])
    assert outcome(copy, crashed[1])[0] == "whole"


def test_a_database_that_is_gone_is_no_new_journal(copy, crashed):
    copy.database.unlink()
    kind, words = outcome(copy, crashed[1])
    assert kind == "refused"
    assert "missing" in words
    assert check(copy, CODECS).damage


def examples(count):
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


@examples(50)
@given(data=st.data())
def test_random_damage(crashed, tmp_path_factory, data):
    damaged_at_random(crashed, tmp_path_factory, data)


@pytest.mark.long
@examples(1_500)
@given(data=st.data())
def test_much_random_damage(crashed, tmp_path_factory, data):
    damaged_at_random(crashed, tmp_path_factory, data)


def damaged_at_random(crashed, tmp_path_factory, data):
    files, written = crashed
    place = tmp_path_factory.mktemp("random")
    copy = copied(files, place / "journal")
    path = data.draw(st.sampled_from([copy.database, copy.wal, copy.acknowledged]), "file")
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1), "at")
    what = data.draw(st.sampled_from(["flip", "zero", "cut", "noise"]), "what")
    if what == "cut":
        del content[at:]
    elif what == "flip":
        content[at] ^= data.draw(st.integers(1, 255), "mask")
    else:
        length = min(data.draw(st.integers(1, 5_000), "length"), len(content) - at)
        noise = bytes(length) if what == "zero" else data.draw(st.randoms()).randbytes(length)
        content[at : at + length] = noise
    path.write_bytes(content)
    survives(copy, written)
    shutil.rmtree(place)


def test_a_newer_format_is_no_damage(copy):
    with opened_database(copy) as connection:
        connection.execute("PRAGMA user_version=99")
    for ask in (lambda: check(copy, CODECS), lambda: opened(copy), lambda: repair(copy, CODECS)):
        with pytest.raises(JournalError, match="format 99"):
            ask()


def opened_database(files):
    from contextlib import closing

    from actors.journal.file import connect

    return closing(connect(files.database))
