"""Closed sessions on their way to the database."""

import json

from hypothesis import given
from hypothesis import strategies as st

from actors import store_buffer
from actors.call_messages import StoreSession
from actors.database import DatabaseDown, QueryFailed
from actors.session_api import SessionView

BAD_DATA = QueryFailed("22P05", "unsupported Unicode escape sequence")


def closed(number, **changes):
    view = {
        "session": f"{number:020x}",
        "rev": 1,
        "state": "closed",
        "call": f"c-{number}",
        "opened": 1.0,
        "updated": 2.0,
        "ani": "+33123456789",
    }
    return StoreSession(SessionView(**{**view, **changes}), 2.0, "cleared")


def buffer(count=0, limit=100, batch=10):
    made = store_buffer.begin(limit, batch)
    for number in range(count):
        store_buffer.add(made, closed(number))
    return made


def numbers(batch):
    return [int(one.view.session, 16) for one in batch]


def test_batches_are_taken_in_order_and_one_at_a_time():
    made = buffer(25)
    assert numbers(store_buffer.take(made)) == list(range(10))
    assert store_buffer.take(made) == []
    assert store_buffer.stored(made) == 10
    assert numbers(store_buffer.take(made)) == list(range(10, 20))


def test_a_batch_that_failed_is_sent_again_before_the_others():
    made = buffer(25)
    store_buffer.take(made)
    assert store_buffer.failed(made, DatabaseDown("gone")) is None
    assert numbers(store_buffer.take(made)) == list(range(10))


def test_the_oldest_gives_way_when_the_buffer_is_full_but_not_what_is_on_its_way():
    made = buffer(5, limit=5, batch=2)
    store_buffer.take(made)
    assert store_buffer.add(made, closed(5)) is True
    assert store_buffer.add(made, closed(6)) is True
    assert (len(made), made.dropped) == (5, 2)
    store_buffer.failed(made, DatabaseDown("gone"))
    assert numbers(made.waiting) == [0, 1, 4, 5, 6]


def store_all(made, bad):
    stored, refused = [], []
    for _ in range(1_000):
        batch = list(store_buffer.take(made))
        if not batch:
            return stored, refused
        if bad & set(numbers(batch)):
            given_up = store_buffer.failed(made, BAD_DATA)
            refused += [] if given_up is None else numbers([given_up])
        else:
            stored += numbers(batch)
            store_buffer.stored(made)
    raise AssertionError("it does not end")


@given(st.sets(st.integers(0, 39)), st.integers(1, 16))
def test_only_what_the_database_refuses_is_given_up(bad, batch):
    stored, refused = store_all(buffer(40, batch=batch), bad)
    assert refused == sorted(bad)
    assert stored == [number for number in range(40) if number not in bad]


def test_sessions_on_their_way_are_found_by_each_key():
    made = buffer(3)
    store_buffer.take(made)
    store_buffer.add(made, closed(7, ani="+4420"))
    assert [view.call for view in store_buffer.found(made, "call", "c-1")] == ["c-1"]
    assert [view.call for view in store_buffer.found(made, "ani", "+4420")] == ["c-7"]
    assert len(store_buffer.found(made, "ani", "+33123456789")) == 3
    assert store_buffer.found(made, "session", "0" * 20)[0].call == "c-0"


def test_a_batch_is_one_statement_with_an_array_for_each_column():
    statement = store_buffer.insert([closed(1), closed(2, ani=None)], 500)
    assert statement.repeatable
    assert statement.args[1:6] == (
        ["c-1", "c-2"],
        ["+33123456789", None],
        [1.0, 1.0],
        [2.0, 2.0],
        ["cleared", "cleared"],
    )


def test_a_nul_in_a_callers_data_becomes_what_the_database_can_store():
    view = closed(1, ud={"a\x00": "b\x00c", "path": "C:\\u0000"})
    (stored,) = store_buffer.insert([view], 500).args[6]
    assert json.loads(stored)["ud"] == {"a\ufffd": "b\ufffdc", "path": "C:\\u0000"}
