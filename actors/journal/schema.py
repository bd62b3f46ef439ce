"""How the journal lies in its database: tables, triggers, and the one statement of a commit.

A commit is one SQL statement whatever it writes: Python's sqlite3 takes the interpreter's lock back
after each statement, and while the node's loop is busy that costs milliseconds every time. The
statement inserts into a view whose triggers do the work; one statement is one transaction.

Every row has a checksum over all that is in it. The row ``meta`` has the number of the last commit,
the sum of all checksums and their count, kept by triggers within the same commit: a row that
vanished, or came back, shows in them. Sums of 32 bits do not pass 2**63 before two thousand million
rows. The row itself is guarded by a sum of its columns, which SQL can reckon.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

FORMAT = 1
"""Kept in ``PRAGMA user_version``; 0 is a database without a journal."""

CONVERSIONS: Mapping[int, str] = {}
"""SQL that makes of a format the one after it, for each older format that is still read."""

OLDEST_SQLITE = (3, 38, 0)
"""The first with the operator ``->>``, which the statement of a commit is written with."""

PRIME = 4_294_967_291
"""The greatest below 2**32."""

PAGE_BYTES = 4096
FRAME_BYTES = PAGE_BYTES + 24
"""One page in the write-ahead log."""

TABLES = """
CREATE TABLE entry(
  kind TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, number INTEGER NOT NULL,
  checksum INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE(kind, key)
) STRICT;
CREATE TABLE outbox(
  seq INTEGER PRIMARY KEY, version INTEGER NOT NULL, number INTEGER NOT NULL,
  checksum INTEGER NOT NULL, session TEXT NOT NULL, call TEXT NOT NULL, ani TEXT,
  body BLOB NOT NULL
) STRICT;
CREATE INDEX outbox_session ON outbox(session);
CREATE INDEX outbox_call ON outbox(call);
CREATE INDEX outbox_ani ON outbox(ani) WHERE ani IS NOT NULL;
CREATE TABLE meta(
  id INTEGER PRIMARY KEY CHECK(id = 1), number INTEGER NOT NULL, seq INTEGER NOT NULL,
  entries INTEGER NOT NULL, items INTEGER NOT NULL, checksum INTEGER NOT NULL,
  guard INTEGER NOT NULL
) STRICT;
INSERT INTO meta VALUES(1, 0, 0, 0, 0, 0, 0);

CREATE TRIGGER entry_new AFTER INSERT ON entry BEGIN
  UPDATE meta SET entries = entries + 1, checksum = checksum + NEW.checksum;
END;
CREATE TRIGGER entry_changed AFTER UPDATE ON entry BEGIN
  UPDATE meta SET checksum = checksum - OLD.checksum + NEW.checksum;
END;
CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN
  UPDATE meta SET entries = entries - 1, checksum = checksum - OLD.checksum;
END;
CREATE TRIGGER outbox_new AFTER INSERT ON outbox BEGIN
  UPDATE meta SET items = items + 1, checksum = checksum + NEW.checksum, seq = NEW.seq;
END;
CREATE TRIGGER outbox_gone AFTER DELETE ON outbox BEGIN
  UPDATE meta SET items = items - 1, checksum = checksum - OLD.checksum;
END;

CREATE VIEW work AS
  SELECT NULL AS what, NULL AS kind, NULL AS key, NULL AS version, NULL AS number,
         NULL AS checksum, NULL AS session, NULL AS call, NULL AS ani, NULL AS body;
CREATE TRIGGER work_number INSTEAD OF INSERT ON work WHEN NEW.what = 'number' BEGIN
  SELECT RAISE(ABORT, 'this number has been committed') FROM meta WHERE number >= NEW.number;
  UPDATE meta SET number = NEW.number, guard = (NEW.number * 7 + seq * 11 + entries * 13 +
    items * 17 + checksum % 4294967291 * 19) % 4294967291;
END;
CREATE TRIGGER work_put INSTEAD OF INSERT ON work WHEN NEW.what = 'put' BEGIN
  INSERT INTO entry(kind, key, version, number, checksum, body)
    VALUES(NEW.kind, NEW.key, NEW.version, NEW.number, NEW.checksum, NEW.body)
    ON CONFLICT(kind, key) DO UPDATE SET version = excluded.version, number = excluded.number,
      checksum = excluded.checksum, body = excluded.body;
END;
CREATE TRIGGER work_delete INSTEAD OF INSERT ON work WHEN NEW.what = 'delete' BEGIN
  DELETE FROM entry WHERE kind = NEW.kind AND key = NEW.key;
END;
CREATE TRIGGER work_append INSTEAD OF INSERT ON work WHEN NEW.what = 'append' BEGIN
  INSERT INTO outbox VALUES(NEW.key, NEW.version, NEW.number, NEW.checksum, NEW.session, NEW.call,
    NEW.ani, NEW.body);
END;
CREATE TRIGGER work_trim INSTEAD OF INSERT ON work WHEN NEW.what = 'trim' BEGIN
  DELETE FROM outbox WHERE seq = NEW.key;
END;
"""

COMMIT = """
INSERT INTO work(what, kind, key, version, number, checksum, session, call, ani, body)
SELECT value->>0, value->>1, value->>2, value->>3, ?1, value->>4, value->>7, value->>8, value->>9,
       substr(?3, value->>5, value->>6)
FROM json_each(?2)
"""
"""Parameters: the number, the work as a JSON array of arrays, the bodies one after the other.

One piece of work is ``[what, kind, key, version, checksum, first byte of its body from 1, bytes of
its body, session, call, ani]``, as short as it may be.
"""

META = "SELECT number, seq, entries, items, checksum, guard FROM meta"
ENTRIES = "SELECT kind, key, version, number, checksum, body FROM entry"
OUTBOX_ROWS = "SELECT seq, version, number, checksum, session, call, ani, body FROM outbox"


def entry_checksum(kind: str, key: str, version: int, number: int, body: bytes) -> int:
    """The checksum of an entry: CRC-32 over all that is in its row.

    Args:
        kind: of the value.
        key: of the value.
        version: of its schema.
        number: of the commit.
        body: its text.
    """
    return zlib.crc32(body, zlib.crc32(f"{kind}\0{key}\0{version}\0{number}\0".encode()))


def item_checksum(
    seq: int, version: int, number: int, names: Sequence[str | None], body: bytes
) -> int:
    """The checksum of a row of the outbox.

    Args:
        seq: its number there.
        version: of the value's schema.
        number: of the commit.
        names: session, call and ani.
        body: its text.
    """
    session, call, ani = names
    head = f"outbox\0{seq}\0{version}\0{number}\0{session}\0{call}\0{ani or ''}\0"
    return zlib.crc32(body, zlib.crc32(head.encode()))


def meta_guard(number: int, seq: int, entries: int, items: int, checksum: int) -> int:
    """What guards the row ``meta``, as ``work_number`` reckons it; 0 before any commit."""
    if number == 0:
        return 0
    return (number * 7 + seq * 11 + entries * 13 + items * 17 + checksum % PRIME * 19) % PRIME


def storable(text: str) -> str:
    """A text as SQLite's JSON keeps it whole: it would end at a NUL."""
    return text.replace("\0", "\ufffd") if "\0" in text else text
