"""The reader of raw pages, beside SQLite itself."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.journal.pages import Image, Row, Unreadable, logged, record, varint

PAGE_BYTES = 4096
values = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=40),
    st.binary(max_size=40),
    st.integers(0, 20_000).map(bytes),
)


def open_database(path):
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("page_size=4096", "auto_vacuum=2", "journal_mode=WAL", "wal_autocheckpoint=0"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE t(a, b)")
    return database


def image(path):
    file = path.read_bytes()
    log = path.with_name(path.name + "-wal").read_bytes()
    return Image(file, PAGE_BYTES, logged(log))


def rows_of(path, root=3):
    """All rows of the table; its root is page 3, after the schema and the map of pointers."""
    pages = image(path)
    leaves, wrong = pages.leaves(root)
    assert wrong == []
    rows = [row for leaf in leaves for row in pages.rows(leaf)]
    assert all(isinstance(row, Row) for row in rows)
    return [(row.rowid, *row.values) for row in rows]


@given(st.data())
def test_every_row_is_read_as_sqlite_reads_it(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("pages") / "a.db"
    database = open_database(path)
    for _ in range(data.draw(st.integers(1, 4))):
        database.execute("BEGIN")
        for _ in range(data.draw(st.integers(0, 60))):
            row = (data.draw(values), data.draw(values))
            database.execute("INSERT INTO t VALUES(?, ?)", row)
        database.execute("DELETE FROM t WHERE rowid % 7 = ?", (data.draw(st.integers(0, 6)),))
        database.execute("COMMIT")
        if data.draw(st.booleans()):
            database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        if data.draw(st.booleans()):
            database.execute("PRAGMA incremental_vacuum").fetchall()
    stored = database.execute("SELECT rowid, a, b FROM t ORDER BY rowid").fetchall()
    assert rows_of(path) == stored
    database.close()


def test_pages_that_were_freed_are_known(tmp_path):
    database = open_database(tmp_path / "a.db")
    database.executemany("INSERT INTO t VALUES(?, ?)", [(bytes(500), n) for n in range(1000)])
    database.execute("DELETE FROM t WHERE rowid > 100")
    (free,) = database.execute("PRAGMA freelist_count").fetchone()
    assert free > 50
    assert len(image(tmp_path / "a.db").free()) == free
    database.close()


def test_a_log_is_read_up_to_the_first_frame_that_is_damaged(tmp_path):
    path = tmp_path / "a.db"
    database = open_database(path)
    lengths = []
    wal = tmp_path / "a.db-wal"
    for number in range(5):
        database.execute("INSERT INTO t VALUES(?, NULL)", (number,))
        lengths.append(wal.stat().st_size)
    log = bytearray(wal.read_bytes())
    file = path.read_bytes()
    log[lengths[2] + 200] ^= 1
    pages = Image(file, PAGE_BYTES, logged(bytes(log)))
    assert [row.values[0] for row in pages.rows(3)] == [0, 1, 2]
    database.close()


def test_what_is_no_number_or_no_record_is_refused_in_words():
    with pytest.raises(Unreadable, match="beyond the end"):
        varint(b"\x81\x82", 0)
    for payload in (b"\x05\x01\x01", b"\x02\x0a", b"\x02\x0f\xff", b"\x02\x06\x00"):
        with pytest.raises(Unreadable):
            record(payload)


@given(st.binary(max_size=3 * PAGE_BYTES), st.binary(max_size=300))
def test_whatever_the_bytes_are_reading_them_ends_without_an_accident(file, log):
    pages = Image(file, PAGE_BYTES, logged(log))
    if pages.count:
        pages.free()
        for number in pages.leaves(1)[0]:
            list(pages.rows(number))
