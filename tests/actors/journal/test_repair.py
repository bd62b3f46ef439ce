"""What a repair keeps, sets aside and says; that it can be cut short anywhere."""

import json
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_files import CODECS, PLAIN, Written, opened

from actors.journal import repair as module
from actors.journal import salvage
from actors.journal.check import check
from actors.journal.file import Files, Lock
from actors.journal.pages import INTERIOR
from actors.journal.records import JournalError, JournalLocked, JournalTooNew, JournalUnusable
from actors.journal.repair import repair


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    place = tmp_path_factory.mktemp("journal")
    written = Written(place / "live", commits=80, checkpoint_after=(30, 80))
    files = written.crash(place / "crashed")
    files.wal.unlink()  # all of it has come into the database
    return files, written


@pytest.fixture
def files(crashed, tmp_path):
    return copied(crashed[0], tmp_path / "journal")


def copied(files, directory):
    shutil.copytree(files.directory, directory)
    return Files(directory)


def damage_row(files, crashed):
    """Flip a byte of the body of a row that lies in the database file; return its place."""
    found = salvage.salvage(files.database, files.directory / "none", {})
    last = crashed[1].states[crashed[1].last]
    data = files.database.read_bytes()
    for place, row in found.kept.items():
        at = data.find(row.body)
        if place in last and len(row.body) > 30:
            files.database.write_bytes(data[: at + 20] + b"\xfe" + data[at + 21 :])
            return place
    raise AssertionError("no such row")


def test_a_sound_journal_is_left_alone(files):
    before = {path.name: path.read_bytes() for path in files.directory.iterdir()}
    done = repair(files, CODECS)
    assert (done.findings, done.directory) == ([], None)
    after = {path.name: path.read_bytes() for path in files.directory.iterdir()}
    assert {name: after[name] for name in before} == before


def test_a_damaged_row_is_set_aside_and_all_others_are_kept(files, crashed):
    place = damage_row(files, crashed)
    with pytest.raises(JournalError, match="checksum does not match"):
        opened(files)
    done = repair(files, CODECS)
    assert [(one.reason, one.body is None) for one in done.aside] == [
        ("its checksum does not match", False)
    ]
    _, state = opened(files)
    last = crashed[1].states[crashed[1].last]
    assert state == {one: value for one, value in last.items() if one != place}
    assert (done.unaccounted, done.missing_commits) == (1, 0)


def test_the_report_tells_every_row_and_the_damaged_files_are_kept_as_they_were(files, crashed):
    damage_row(files, crashed)
    before = files.database.read_bytes()
    directory = repair(files, CODECS).directory
    assert (directory / "journal.db").read_bytes() == before
    head, *rows = map(json.loads, (directory / "report.jsonl").read_text().splitlines())
    assert head["set_aside"] == len(rows) == 1
    assert head["findings"]
    assert rows[0]["reason"] == "its checksum does not match"
    assert rows[0]["body"]


def test_a_node_goes_on_after_the_numbers_that_were_given(files, crashed):
    damage_row(files, crashed)
    assert repair(files, CODECS).number == crashed[1].last
    found, _ = opened(files)
    assert found.number == crashed[1].last
    assert found.seq == max(seq for seq in crashed[1].states[crashed[1].last] if type(seq) is int)
    assert found.recovered.missing_commits == 0


def test_a_page_above_the_rows_that_is_destroyed_takes_no_row_with_it(files, crashed):
    """SQLite reaches no row through it; each is found by its checksum."""
    data = bytearray(files.database.read_bytes())
    pages = range(2, len(data) // 4096 + 1)
    above = [number for number in pages if data[(number - 1) * 4096] == INTERIOR]
    assert above
    for number in above:
        data[(number - 1) * 4096 : number * 4096] = bytes(4096)
    files.database.write_bytes(data)
    done = repair(files, CODECS)
    assert done.findings
    assert opened(files)[1] == crashed[1].states[crashed[1].last]


def test_what_a_codec_cannot_read_is_set_aside_for_a_node_could_not_either(files, crashed):
    def strict(body, version):
        value = PLAIN.decode(body, version)
        if len(value["text"]) > 500:
            raise ValueError("too long for this release")
        return value

    codecs = CODECS | {"link": PLAIN.__class__(1, PLAIN.encode, strict)}
    done = repair(files, codecs)
    assert {one.reason for one in done.aside} == {"it cannot be decoded: too long for this release"}
    state = opened(files)[1]
    last = crashed[1].states[crashed[1].last]
    assert set(state) == {
        place
        for place, value in last.items()
        if isinstance(place, int) or place[0] != "link" or len(value["text"]) <= 500
    }


def test_a_journal_that_is_in_use_is_not_repaired(files, crashed):
    damage_row(files, crashed)
    lock = Lock(files)
    with pytest.raises(JournalLocked, match="in use by process"):
        repair(files, CODECS)
    lock.release()
    assert repair(files, CODECS).directory


def test_where_there_is_no_journal_there_is_nothing_to_repair(tmp_path):
    with pytest.raises(JournalUnusable, match="there is no journal in"):
        repair(Files(tmp_path / "journal"), CODECS)


class Killed(BaseException):
    """The process ends here."""


def test_a_repair_that_is_killed_at_any_step_is_taken_up_where_it_was(
    crashed, tmp_path, monkeypatch
):
    whole = copied(crashed[0], tmp_path / "whole")
    damage_row(whole, crashed)
    damaged = copied(whole, tmp_path / "damaged")
    expected = repair(whole, CODECS), opened(whole)[1]
    real, steps = module.sync, 0

    def dying(path):
        nonlocal left
        left -= 1
        if not left:
            raise Killed
        real(path)

    while True:
        steps += 1
        files = copied(damaged, tmp_path / f"cut{steps}")
        left = steps
        monkeypatch.setattr(module, "sync", dying)
        try:
            repair(files, CODECS)
        except Killed:
            monkeypatch.setattr(module, "sync", real)
        else:
            break
        done = repair(files, CODECS)
        if done.directory is not None:  # the report may have been all that was left to be done
            assert (done.kept, len(done.aside)) == (expected[0].kept, len(expected[0].aside))
        assert opened(files)[1] == expected[1]
        (directory,) = files.directory.glob("damaged-*")
        assert (directory / "report.jsonl").exists()
    assert steps > 5


def test_a_disk_that_does_not_take_the_new_journal_leaves_the_damaged_one(
    files, crashed, monkeypatch
):
    damage_row(files, crashed)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(module, "_build", full)
        with pytest.raises(JournalUnusable, match="No space left on device"):
            repair(files, CODECS)
    with pytest.raises(JournalError, match="checksum does not match"):
        opened(files)
    assert repair(files, CODECS).kept


many = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(data=st.data())
def test_what_a_repair_does_not_bring_back_it_tells_and_it_brings_back_nothing_old(
    crashed, tmp_path_factory, data
):
    directory = tmp_path_factory.mktemp("random") / "journal"
    files = copied(crashed[0], directory)
    content = bytearray(files.database.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1), "place")
    length = data.draw(st.sampled_from([1, 1, 4, 100, 4096]), "length")
    for one in range(place, min(place + length, len(content))):
        content[one] ^= data.draw(st.integers(1, 255)) if length < 5 else 0x5A
    files.database.write_bytes(content)
    try:
        damaged = check(files, CODECS).damage
    except JournalTooNew:  # a flipped version looks like one of a newer release
        return
    if not damaged:
        return
    done = repair(files, CODECS)
    state = opened(files)[1]
    last = crashed[1].states[crashed[1].last]
    assert state.items() <= last.items()
    assert len(last) - len(state) <= len(done.aside) + done.unaccounted
    shutil.rmtree(directory)
