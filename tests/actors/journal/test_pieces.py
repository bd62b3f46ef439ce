"""Great batches are written in pieces; what cannot be written is told to nobody."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import OutboxItem, journal, on_disk, opened, plain_codecs

from actors.journal import batch
from actors.journal.records import Codec
from supervision.testing import Kit


@pytest.fixture
def kit():
    with Kit() as kit:
        yield kit


def picky(value):
    """Encode anything but what is marked."""
    if value == "unwritable":
        raise ValueError("no text for this")
    return msgspec.json.encode(value)


PICKY = Codec(1, picky, lambda body, _: msgspec.json.decode(body))


def test_no_commit_is_greater_than_its_bound_and_who_is_written_is_told_at_once(kit) -> None:
    one, writer = opened(kit, commit_rows=10)
    keys = [f"s{number:02}" for number in range(35)]
    told = []

    def put():
        for key in keys:
            one.put("session", key, key)
            one.after(lambda key=key: told.append(key), ("session", key))
        one.after(lambda: told.append("all"))

    writer.hold()
    kit.loop.run(put)
    kit.advance(0.1)
    for written in (10, 20, 30):
        kit.loop.run(writer.step)
        kit.advance(0.1)
        assert told == keys[:written]
    kit.loop.run(writer.step)
    assert told == [*keys, "all"]
    assert [commit.rows for commit in writer.commits] == [10, 10, 10, 5]


def test_a_batch_of_great_values_is_cut_by_its_size(kit) -> None:
    one, writer = opened(kit, commit_mb=1)

    def put():
        for number in range(9):
            one.put("session", f"s{number}", "x" * 400_000)

    kit.loop.run(put)
    kit.advance(0.1)
    assert len(writer.commits) == 3
    assert all(len(commit.bodies) < 1.5 * 1_048_576 for commit in writer.commits)
    assert len(writer.value("session", "s8")) == 400_000


def test_a_later_value_of_what_is_left_is_the_one_that_is_written(kit) -> None:
    one, writer = opened(kit, commit_rows=2)

    def put():
        for key in "abcd":
            one.put("session", key, 1)

    writer.hold()
    kit.loop.run(put)
    kit.advance(0.1)
    kit.loop.run(one.put, "session", "d", 2)
    kit.loop.run(one.put, "session", "a", 3)
    writer.release()
    kit.advance(0.1)
    assert [writer.value("session", key) for key in "abcd"] == [3, 1, 1, 2]


PUTS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=30)


@given(PUTS, st.integers(1, 5), st.integers(0, 8))
def test_a_closed_session_and_what_it_leaves_are_written_together_in_any_piece(
    puts, rows, steps
) -> None:
    """Also where the node is killed between two pieces, or the thread crashes there."""
    with Kit() as kit:
        one, writer = opened(kit, commit_rows=rows)
        writer.hold()
        told, closed = [], set()

        def put():
            for key, closes in puts:
                if key in closed:
                    continue
                one.put("session", key, "closed" if closes else "open")
                if closes:
                    closed.add(key)
                    one.append(OutboxItem(key, "c", None, key))
                one.after(
                    lambda key=key, closes=closes: told.append((key, closes)), ("session", key)
                )

        kit.loop.run(put)
        kit.advance(0.1)
        for _ in range(steps):
            if writer.waiting:
                kit.loop.run(writer.step)
                kit.advance(0.1)
        states = {key: writer.value("session", key) for key in "abcdefgh"}
        outbox = [value for _, value in writer.outbox()]
        assert sorted(outbox) == sorted(key for key, state in states.items() if state == "closed")
        assert [seq for seq, _ in writer.outbox()] == list(range(1, len(outbox) + 1))
        for key, closes in told:
            assert states[key] == "closed" if closes else states[key] is not None
        kit.loop.run(writer.release)
        kit.advance(0.1)
        assert sorted(value for _, value in writer.outbox()) == sorted(closed)
        assert len(told) == one_of_each(puts)


def one_of_each(puts):
    """How many puts were done: none after a session has closed."""
    closed, count = set(), 0
    for key, closes in puts:
        count += key not in closed
        if closes:
            closed.add(key)
    return count


def test_pieces_on_the_disk_are_all_there_for_the_next_node(tmp_path) -> None:
    keys = [f"s{number}" for number in range(1_000)]

    async def fill(one):
        await one.open()
        for key in keys:
            one.put("session", key, key)
            one.append(OutboxItem(key, "c", None, key))

    on_disk(tmp_path / "journal", fill, commit_rows=64)

    async def look(one):
        recovered = await one.open()
        assert sorted(recovered.values["session"]) == sorted(keys)
        assert one.outbox_rows == len(keys)

    on_disk(tmp_path / "journal", look)


# What cannot be written


def unwritable(kit):
    """A journal whose session "a" has a value that its codec refuses."""
    codecs = plain_codecs() | {"session": PICKY, "outbox": PICKY}
    one, writer = opened(kit, codecs)
    kit.loop.run(one.put, "session", "a", "first")
    kit.advance(0.1)
    told = []

    def put():
        one.put("session", "a", "unwritable")
        one.after(lambda: told.append("a"), ("session", "a"))
        one.put("session", "b", "fine")
        one.after(lambda: told.append("b"), ("session", "b"))

    kit.loop.run(put)
    kit.advance(0.1)
    return one, writer, told


def test_nobody_is_told_of_a_value_that_could_not_be_written(kit) -> None:
    one, writer, told = unwritable(kit)
    assert told == ["b"]
    assert not one.clean("session", "a")
    assert one.statistics().unwritable == 1
    kit.loop.run(one.after, lambda: told.append("a again"), ("session", "a"))
    kit.advance(0.1)
    assert told == ["b"]
    assert writer.value("session", "a") == "first"


def test_a_later_value_that_is_written_is_told_again(kit) -> None:
    one, writer, told = unwritable(kit)

    def put():
        one.put("session", "a", "second")
        one.after(lambda: told.append("a"), ("session", "a"))

    kit.loop.run(put)
    kit.advance(0.1)
    assert told == ["b", "a"]
    assert one.clean("session", "a")
    assert writer.value("session", "a") == "second"


def test_nobody_is_told_of_a_session_whose_rest_could_not_be_written(kit) -> None:
    one, writer, told = unwritable(kit)

    def put():
        one.put("session", "b", "closed")
        one.append(OutboxItem("b", "c", None, "unwritable"))
        one.after(lambda: told.append("b closed"), ("session", "b"))

    kit.loop.run(put)
    kit.advance(0.1)
    assert told == ["b"]
    assert writer.outbox() == []


def test_a_text_that_sqlite_would_not_take_is_left_out_alone(kit, monkeypatch) -> None:
    monkeypatch.setattr(batch, "ROW_BYTES", 1_000)
    one, writer = opened(kit)

    def put():
        one.put("session", "a", "x" * 2_000)
        one.put("session", "b", "fine")

    kit.loop.run(put)
    kit.advance(0.1)
    assert one.statistics().unwritable == 1
    assert writer.value("session", "b") == "fine"


def test_a_crash_between_two_pieces_writes_the_rest_once(kit) -> None:
    one, writer = opened(kit, commit_rows=2)

    def put():
        for key in "abcde":
            one.put("session", key, key)
            one.append(OutboxItem(key, "c", None, key))

    writer.hold()
    kit.loop.run(put)
    kit.advance(0.1)
    kit.loop.run(writer.step)
    kit.advance(0.1)
    kit.loop.run(writer.crash)
    kit.run(one.open())
    writer.release()
    kit.advance(0.1)
    assert writer.outbox() == list(enumerate("abcde", 1))
    with Kit() as other:
        assert len(other.run(journal(other, None, writer).open()).values["session"]) == 5
