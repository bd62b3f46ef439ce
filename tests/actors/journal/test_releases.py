"""Journals of other releases: converted where there is a way, never called damaged."""

from __future__ import annotations

import msgspec
import pytest
from journal_kit import PLAIN, OutboxItem, durable, on_disk, plain_codecs

from actors.journal import schema
from actors.journal.check import check
from actors.journal.file import Files, open_database
from actors.journal.records import Codec, JournalDamaged, JournalTooOld
from actors.journal.repair import repair


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "journal"


def written(directory):
    """A journal whose rows are of version 1."""

    async def fill(journal):
        await journal.open()
        journal.put("session", "a", {"name": "old"})
        journal.append(OutboxItem("a", "c", None, {"name": "old"}))
        await durable(journal)

    on_disk(directory, fill)


def renamed(body):
    return msgspec.json.encode({"title": msgspec.json.decode(body)["name"]})


def capitalized(body):
    return msgspec.json.encode({"title": msgspec.json.decode(body)["title"].upper()})


def release(version, **older):
    """The codecs of a later release."""
    table = {int(name[1:]): convert for name, convert in older.items()}
    newer = Codec(version, PLAIN.encode, PLAIN.decode, table)
    return plain_codecs() | {"session": newer, "outbox": newer}


def test_values_of_older_releases_are_converted_version_by_version(directory) -> None:
    written(directory)

    async def look(journal):
        assert (await journal.open()).values == {"session": {"a": {"title": "OLD"}}}

    on_disk(directory, look, codecs=release(3, v1=renamed, v2=capitalized))


@pytest.mark.parametrize("older", [{}, {"v2": capitalized}])
def test_values_that_are_too_old_are_not_damaged_and_are_not_set_aside(directory, older) -> None:
    written(directory)
    codecs = release(3, **older)

    async def look(journal):
        with pytest.raises(JournalTooOld, match="outbox of version 1, session of version 1"):
            await journal.open()

    on_disk(directory, look, codecs=codecs)
    found = check(Files(directory), codecs)
    assert found.damage == []
    assert found.older == {"session of version 1", "outbox of version 1"}
    assert repair(Files(directory), codecs).findings == []


def test_a_format_that_is_too_old_is_not_damaged(directory, monkeypatch) -> None:
    written(directory)
    monkeypatch.setattr(schema, "FORMAT", 3)
    monkeypatch.setattr(schema, "CONVERSIONS", {2: "SELECT 1;"})
    with pytest.raises(JournalTooOld, match="format 1"):
        open_database(Files(directory))
    with pytest.raises(JournalTooOld, match="format 1"):
        check(Files(directory), plain_codecs())


def test_an_older_format_is_converted_format_by_format(directory, monkeypatch) -> None:
    written(directory)
    monkeypatch.setattr(schema, "FORMAT", 3)
    scripts = {1: "CREATE TABLE more(a);", 2: "ALTER TABLE more ADD COLUMN b;"}
    monkeypatch.setattr(schema, "CONVERSIONS", scripts)
    connection = open_database(Files(directory))
    try:
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        assert connection.execute("SELECT a, b FROM more").fetchall() == []
        assert connection.execute("SELECT count(*) FROM entry").fetchone() == (1,)
    finally:
        connection.close()


def deep(body, version):
    raise RecursionError("maximum recursion depth exceeded")


def test_a_row_that_is_too_deep_to_be_read_is_named_as_damage(directory) -> None:
    written(directory)
    codecs = plain_codecs() | {"session": Codec(1, PLAIN.encode, deep)}

    async def look(journal):
        with pytest.raises(JournalDamaged, match="session a: cannot be decoded: RecursionError"):
            await journal.open()
        assert isinstance(journal.refused, JournalDamaged)

    on_disk(directory, look, codecs=codecs)
    done = repair(Files(directory), codecs)
    assert [one.what for one in done.aside] == ["session a"]
