"""What a commit is made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from journal_kit import PLAIN, OutboxItem, plain_codecs

from actors.journal import file, recovery
from actors.journal.batch import DELETED, Batch, Encoding
from actors.journal.committing import standing_of, write

KEYS = st.sampled_from("abcd")
STEPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.integers()),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("append"), st.text(max_size=3)),
    st.tuples(st.just("trim"), st.lists(st.integers(1, 12), max_size=3)),
    st.tuples(st.just("commit")),
)


def encoded(batch, number=1, codecs=None):
    encoding = Encoding(batch, number, plain_codecs() if codecs is None else codecs)
    assert encoding.step(10_000)
    return encoding


@contextmanager
def memory():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        file.prepare(connection)
        yield connection


def rows_of(connection):
    query = "SELECT seq, session FROM outbox ORDER BY seq"
    return dict(connection.execute(query).fetchall())


@given(st.lists(STEPS, max_size=40))
def test_commits_leave_what_one_change_after_the_other_would(steps) -> None:
    with memory() as connection:
        batch, number, seq = Batch(), 0, 0
        entries, outbox = {}, {}
        for step in [*steps, ("commit",)]:
            match step:
                case ("put", key, value):
                    batch.entries["session", key] = entries[key] = value
                case ("delete", key):
                    batch.entries["session", key] = DELETED
                    entries.pop(key, None)
                case ("append", name):
                    seq += 1
                    batch.appended[seq] = OutboxItem(name, "c", None, 1)
                    outbox[seq] = name.replace("\0", "\ufffd")
                case ("trim", seqs):
                    seqs = [one for one in seqs if one <= seq]  # others nobody can know
                    batch.trim(seqs)
                    for one in seqs:
                        outbox.pop(one, None)
                case _:
                    number += 1
                    write(connection, encoded(batch, number).commit(), standing_of(connection))
                    batch = Batch()
        found = recovery.load(connection, plain_codecs(), None)
        assert found.recovered.values.get("session", {}) == entries
        assert rows_of(connection) == outbox
        assert (found.number, found.items) == (number, len(outbox))


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), max_size=20))
def test_the_rows_of_the_outbox_are_counted_whatever_is_trimmed_again(steps) -> None:
    with memory() as connection:
        standing, seq = standing_of(connection), 0
        for number, (trimmed, appends) in enumerate(steps, 1):
            batch = Batch()
            if appends:
                seq += 1
                batch.appended[seq] = OutboxItem("s", "c", "+331", None)
            else:
                batch.trim([trimmed, trimmed + 1])
            standing = write(connection, encoded(batch, number).commit(), standing)
            assert standing.items == len(rows_of(connection))
            assert standing.number == number


def test_what_is_trimmed_before_it_is_committed_is_not_written() -> None:
    batch = Batch()
    batch.appended[7] = OutboxItem("s", "c", None, 1)
    batch.trim([7])
    assert len(batch) == 0


def test_a_great_batch_is_encoded_in_steps() -> None:
    batch = Batch()
    for number in range(1_200):
        batch.entries["session", str(number)] = number
    encoding = Encoding(batch, 1, plain_codecs())
    assert [encoding.step(500) for _ in range(3)] == [False, False, True]
    assert encoding.commit().rows == 1_200


def test_a_value_that_cannot_be_encoded_does_not_hinder_the_others() -> None:
    batch = Batch()
    batch.entries["session", "bad"] = object()
    batch.entries["session", "good"] = {"rev": 1}
    batch.appended[1] = OutboxItem("bad too", "c", None, object())
    encoding = encoded(batch)
    assert [(one.kind, one.key) for one in encoding.unwritable] == [
        ("session", "bad"),
        ("outbox", "bad too"),
    ]
    with memory() as connection:
        write(connection, encoding.commit(), standing_of(connection))
        assert connection.execute("SELECT key, body FROM entry").fetchall() == [
            ("good", msgspec.json.encode({"rev": 1}))
        ]


@given(st.text(), st.text(), st.none() | st.text(), st.binary(max_size=50))
def test_any_text_and_any_body_is_found_whole(key, call, ani, body) -> None:
    batch = Batch()
    batch.entries["session", key] = body
    batch.appended[1] = OutboxItem(key, call, ani, body)
    codec = PLAIN.__class__(3, lambda value: value, lambda read, version: (read, version))
    codecs = dict.fromkeys(("session", "outbox"), codec)
    with memory() as connection:
        write(connection, encoded(batch, 1, codecs).commit(), standing_of(connection))
        found = recovery.load(connection, codecs, None)
        assert list(found.recovered.values["session"].values()) == [(body, 3)]


def test_a_number_is_committed_once() -> None:
    with memory() as connection:
        batch = Batch()
        batch.entries["session", "a"] = 1
        commit = encoded(batch).commit()
        write(connection, commit, standing_of(connection))
        refused = None
        try:
            write(connection, commit, standing_of(connection))
        except sqlite3.IntegrityError as error:
            refused = str(error)
        assert refused == "this number has been committed"
