"""Rows that two releases read: of a provisional one, of one that is taken back after its commit."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_kit import PLAIN, OutboxItem, durable, on_disk, plain_codecs
from passing_journals import Node, take_over

from actors.journal import rewriting, versions
from actors.journal.file import Files
from actors.journal.records import Codec, JournalTooNew
from supervision.release.carrier import NoConversion
from supervision.release.versions import Conversions

WAYS = Conversions(
    up={
        1: lambda value: {"title": value["name"], "more": 0},
        2: lambda value: {**value, "title": value["title"].upper()},
    },
    down={
        2: lambda value: {"name": value["title"]},
        3: lambda value: {**value, "title": value["title"].lower()},
    },
)
KINDS = ("session", "link", "outbox", "refused")


def codec(kind, version, ways=WAYS):
    return Codec(version, PLAIN.encode, PLAIN.decode, *versions.steps(kind, ways))


def release(version, **more):
    """The codecs of a release."""
    return {kind: codec(kind, version) for kind in KINDS} | more


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "data" / "journal"


def told(directory):
    """What lies in the journal: versions and texts by kind and key, and of the outbox."""
    with closing(sqlite3.connect(Files(directory).database)) as connection:
        entries = connection.execute("SELECT kind, key, version, body FROM entry")
        items = connection.execute("SELECT 'outbox', session, version, body FROM outbox")
        return {
            (kind, key): (version, msgspec.json.decode(body))
            for kind, key, version, body in [*entries, *items]
        }


def crashed(directory):
    """The files as a crash leaves them now."""
    left = directory.parent.with_name(f"crashed-{len(list(directory.parent.parent.iterdir()))}")
    shutil.copytree(directory.parent, left)
    return left / directory.name


def recovered(directory, codecs):
    """What a node of a release finds."""

    async def look(journal):
        found = await journal.open()
        assert found.missing_commits == 0
        return found.values

    return on_disk(directory, look, codecs)


async def older(directory, codecs=None):
    """A node of version 1 that serves, with a row of each kind."""
    node = Node(directory, release(1) if codecs is None else codecs)
    await node.journal.open()
    put(node, "old", {"name": "old"})
    await durable(node.journal)
    return node


def put(node, key, value):
    for kind in ("session", "link", "refused"):
        node.journal.put(kind, key, value)
    node.journal.append(OutboxItem(key, "c", None, value))


# Probation


def test_a_crash_in_probation_starts_the_release_before_from_what_is_there(directory) -> None:
    async def scenario():
        old, new = await older(directory), Node(directory, release(3), provisional=True)
        await take_over(old, new)
        put(new, "new", {"title": "NEW", "more": 4})
        await durable(new.journal)
        left = crashed(directory)
        await new.journal.close()
        return left

    left = asyncio.run(scenario())
    assert {version for version, _ in told(left).values()} == {1}
    values = recovered(left, release(1))
    for kind in ("session", "link", "refused"):
        assert values[kind] == {"old": {"name": "old"}, "new": {"name": "new"}}
    assert told(left)["outbox", "new"] == (1, {"name": "new"})


def test_once_it_is_permanent_rows_are_its_own(directory) -> None:
    async def scenario():
        old, new = await older(directory), Node(directory, release(3), provisional=True)
        await take_over(old, new)
        new.permanence.become()
        put(new, "new", {"title": "NEW", "more": 4})
        await durable(new.journal)
        await new.journal.close()

    asyncio.run(scenario())
    assert told(directory)["session", "new"] == (3, {"title": "NEW", "more": 4})
    assert told(directory)["outbox", "new"] == (3, {"title": "NEW", "more": 4})
    assert recovered(directory, release(3))["link"] == {
        "old": {"title": "OLD", "more": 0},
        "new": {"title": "NEW", "more": 4},
    }
    with pytest.raises(JournalTooNew, match="session of version 3"):
        recovered(directory, release(1))


def test_a_kind_of_rows_that_the_release_before_does_not_know_waits(directory) -> None:
    def later():
        return release(2, agent=codec("agent", 1))

    async def scenario():
        old, new = await older(directory), Node(directory, later(), provisional=True)
        await take_over(old, new)
        done = []
        new.journal.put("agent", "a1", {"state": "ready"})
        new.journal.put("agent", "a2", {"state": "ready"})
        new.journal.after(lambda: done.append(1))
        await durable(new.journal)
        new.journal.delete("agent", "a2")
        await durable(new.journal)
        assert done == [1], "nobody may wait for ever for what is kept back"
        left = crashed(directory)
        new.permanence.become()
        await durable(new.journal)
        await new.journal.close()
        return left

    assert "agent" not in recovered(asyncio.run(scenario()), release(1))
    assert recovered(directory, later())["agent"] == {"a1": {"state": "ready"}}


def test_without_a_way_down_the_two_do_not_agree(directory) -> None:
    async def scenario():
        old = await older(directory)
        no_way = Conversions(up=WAYS.up, down={3: WAYS.down[3]})
        new = Node(directory, release(3, link=codec("link", 3, no_way)), provisional=True)
        with pytest.raises(NoConversion, match="rows of kind link: no downgrade from version 3"):
            new.part.agree(old.part.types())
        blind = Node(directory, release(3, link=codec("link", 3, Conversions(down=WAYS.down))))
        with pytest.raises(NoConversion, match="rows of kind link: no code_change from version 1"):
            blind.part.agree(old.part.types())
        await old.journal.close()

    asyncio.run(scenario())


def test_what_is_taken_back_in_probation_is_written_as_before(directory) -> None:
    async def scenario():
        old, new = await older(directory), Node(directory, release(2), provisional=True)
        await take_over(old, new)
        put(new, "new", {"title": "new", "more": 4})
        back = Node(directory, release(1))
        await take_over(new, back)
        put(back, "back", {"name": "back"})
        await durable(back.journal)
        await back.journal.close()

    asyncio.run(scenario())
    names = ("old", "new", "back")
    assert recovered(directory, release(1))["session"] == {one: {"name": one} for one in names}


# After the commit


async def permanent(directory, count=250):
    """A node of version 2 that has written many rows of its own."""
    node = Node(directory, release(2))
    await node.journal.open()
    for number in range(count):
        put(node, f"k{number}", {"title": f"t{number}", "more": number})
    await durable(node.journal)
    return node


def test_a_release_that_is_taken_back_writes_its_rows_again(directory) -> None:
    async def scenario():
        new, back = await permanent(directory), Node(directory, release(1), provisional=True)
        await take_over(new, back)
        await durable(back.journal)
        assert back.journal.outbox_rows == 250
        await back.journal.close()

    asyncio.run(scenario())
    rows = told(directory)
    assert {version for version, _ in rows.values()} == {1}
    assert len(rows) == 1000
    values = recovered(directory, release(1))
    assert values["session"] == {f"k{number}": {"name": f"t{number}"} for number in range(250)}


def test_a_release_that_is_not_taken_back_after_all_goes_on_in_its_own_schema(directory) -> None:
    def later():
        return release(2, agent=codec("agent", 1))

    async def scenario():
        new = Node(directory, later())
        await new.journal.open()
        put(new, "k", {"title": "t", "more": 1})
        new.journal.put("agent", "a1", {"state": "ready"})
        await durable(new.journal)
        back = Node(directory, release(1), provisional=True)
        new.part.agree(back.part.types())
        await new.part.ready()
        left = crashed(directory)
        await new.part.stop()
        await new.part.resume()
        put(new, "k", {"title": "t", "more": 2})
        await durable(new.journal)
        await new.journal.close()
        return left

    left = asyncio.run(scenario())
    assert "agent" not in recovered(left, release(1))
    assert told(directory)["session", "k"] == (2, {"title": "t", "more": 2})
    assert recovered(directory, later())["agent"] == {"a1": {"state": "ready"}}


CHANGES = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["put", "delete", "turn", "durable"])),
    max_size=40,
)


@settings(max_examples=25, deadline=None)
@given(changes=CHANGES)
def test_what_changes_while_rows_are_written_again_wins(tmp_path_factory, changes) -> None:
    directory = tmp_path_factory.mktemp("race") / "data" / "journal"
    wanted = {f"k{number}": f"t{number}" for number in range(10)}

    async def scenario():
        new = await permanent(directory, 10)
        back = Node(directory, release(1), provisional=True)
        back.part.agree(new.part.types())
        new.part.agree(back.part.types())
        writing = asyncio.ensure_future(new.part.ready())
        for step, (number, what) in enumerate(changes):
            if what == "put":
                new.journal.put("session", f"k{number}", {"title": f"c{step}", "more": 0})
                wanted[f"k{number}"] = f"c{step}"
            elif what == "delete":
                new.journal.delete("session", f"k{number}")
                wanted.pop(f"k{number}", None)
            elif what == "turn":
                await asyncio.sleep(0)
            else:
                await durable(new.journal)
        await asyncio.wait_for(writing, 30)
        await take_over(new, back)
        await back.journal.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewriting, "PAGE", 3)
        asyncio.run(scenario())
    assert recovered(directory, release(1)).get("session", {}) == {
        key: {"name": title} for key, title in wanted.items()
    }


def test_plain_codecs_of_one_version_convert_nothing() -> None:
    codecs = plain_codecs()
    assert versions.writing_for(codecs, versions.of(codecs)) == codecs
    assert rewriting.targets(codecs, codecs) == []
