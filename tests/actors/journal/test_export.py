"""Every row as plain data, whatever has become of the others."""

from base64 import b64decode

import msgspec
import pytest
from journal_files import CODECS, Written, opened

from actors.journal.export import export
from actors.journal.file import Files
from actors.journal.records import Codec
from actors.journal.salvage import Aside


@pytest.fixture
def written(tmp_path):
    return Written(tmp_path / "live", commits=20, checkpoint_after=(20,))


def state_of(lines):
    return {line.get("seq") or (line["kind"], line["key"]): line["body"] for line in lines}


def test_everything_is_exported_while_a_node_writes_it(written):
    lines = list(export(written.files, None, CODECS))
    assert state_of(lines) == written.states[written.last]
    assert {line["version"] for line in lines} == {1}
    assert max(line["number"] for line in lines) == written.last


@pytest.mark.parametrize("kind", ["session", "link", "outbox", "refused"])
def test_one_kind_is_exported_alone(written, kind):
    lines = list(export(written.files, kind, CODECS))
    assert {line["kind"] for line in lines} <= {kind}
    expected = {
        place
        for place in written.states[written.last]
        if kind == ("outbox" if isinstance(place, int) else place[0])
    }
    assert state_of(lines).keys() == expected


def test_rows_of_the_outbox_tell_what_they_are_found_by(written):
    line = next(iter(export(written.files, "outbox", CODECS)))
    assert line["call"] == f"call-{line['session']}"
    assert line["ani"] in (None, "+331")


def test_a_row_that_is_damaged_is_named_and_the_others_follow(written, tmp_path):
    files = written.crash(tmp_path / "crashed")
    files.wal.unlink()
    (first, *_) = export(files, "session", CODECS)
    body = msgspec.json.encode(first["body"])
    data = files.database.read_bytes()
    assert data.count(body) >= 1
    files.database.write_bytes(data.replace(body, body[:-2] + b"0}"))
    aside, *others = sorted(export(files, None, CODECS), key=lambda one: isinstance(one, dict))
    assert aside == Aside(f"session {first['key']}", "its checksum does not match")
    assert len(others) == len(written.states[written.last]) - 1


def test_what_sqlite_cannot_open_is_exported_page_by_page(written, tmp_path):
    files = written.crash(tmp_path / "crashed")
    files.wal.unlink()
    data = files.database.read_bytes()
    files.database.write_bytes(b"no database at a" + data[16:])
    aside, *lines = export(files, None, CODECS)
    assert "page by page" in aside.reason
    assert state_of(lines) == written.states[written.last]


class Named(msgspec.Struct, array_like=True):
    name: str
    data: dict


def test_records_that_are_written_as_arrays_are_told_by_name_and_bytes_as_base64(written):
    def decode(body, _):
        return Named("x", {"bytes": b"\0\xff", "more": [Named("y", {})], 1: None})

    codecs = CODECS | {"link": Codec(1, msgspec.json.encode, decode)}
    line = next(iter(export(written.files, "link", codecs)))
    assert line["body"]["name"] == "x"
    assert b64decode(line["body"]["data"]["bytes"]) == b"\0\xff"
    assert line["body"]["data"]["more"] == [{"name": "y", "data": {}}]
    assert line["body"]["data"]["1"] is None


def test_a_body_that_nothing_reads_is_told_as_it_is(tmp_path):
    raw = Codec(1, lambda _: b"\xff\xfe", lambda *_: 1 / 0)
    files = Written(tmp_path / "raw", commits=2, codec=raw).files
    line = next(iter(export(files, None, {})))
    assert b64decode(line["body_base64"]) == b"\xff\xfe"


def test_exporting_changes_nothing(written, tmp_path):
    files = written.crash(tmp_path / "crashed")
    before = {path.name: path.read_bytes() for path in files.directory.iterdir()}
    list(export(Files(files.directory), None, CODECS))
    after = {path.name: path.read_bytes() for path in files.directory.iterdir()}
    assert {name: after[name] for name in before} == before
    assert opened(files)[1] == written.states[written.last]
