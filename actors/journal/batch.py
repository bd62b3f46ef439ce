"""What one commit is made of: pure, no clock, no disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from actors.journal.records import OUTBOX, Codec, OutboxItem
from actors.journal.schema import entry_checksum, item_checksum, storable

Effect: TypeAlias = Callable[[], None]
Place: TypeAlias = tuple[str, str]
"""A kind and a key."""

DELETED: Any = object()
"""In the place of a value: the entry is deleted."""

_json = msgspec.json.Encoder()


class Batch:
    """What is to be committed together; of a key only the latest value.

    Attributes:
        entries: the latest value of each place, ``DELETED`` where there is to be none.
        appended: new rows of the outbox, by rising number.
        trimmed: numbers of rows of the outbox that have come where they were to go.
        effects: what waits for the commit, in order.
    """

    __slots__ = ("appended", "effects", "entries", "trimmed")

    def __init__(self) -> None:
        self.entries: dict[Place, Any] = {}
        self.appended: dict[int, OutboxItem] = {}
        self.trimmed: set[int] = set()
        self.effects: list[Effect] = []

    def __len__(self) -> int:
        """Records that a commit of it would write or delete."""
        return len(self.entries) + len(self.appended) + len(self.trimmed)

    def trim(self, seqs: Sequence[int]) -> None:
        """Have rows of the outbox deleted; one that is not committed yet is not even written."""
        for seq in seqs:
            if self.appended.pop(seq, None) is None:
                self.trimmed.add(seq)

    def renumber(self, taken: int, last: int) -> int:
        """Have new rows of the outbox come after those that were found in it.

        Args:
            taken: the greatest number that was found.
            last: the greatest number that was given.

        Returns:
            The greatest number now.
        """
        if not self.appended or min(self.appended) > taken:
            return max(taken, last)
        items = self.appended.values()
        self.appended = dict(enumerate(items, taken + 1))
        return taken + len(self.appended)


class Commit(Struct, frozen=True):
    """A batch as it is written.

    Attributes:
        number: of the commit.
        work: JSON, see ``schema.COMMIT``.
        bodies: the texts of all values, one after the other.
        rows: records written or deleted.
        appends: rows that it adds to the outbox.
        trims: rows that it takes from the outbox, where they are there.
    """

    number: int
    work: str
    bodies: bytes
    rows: int
    appends: int = 0
    trims: int = 0


class Unwritable(Struct, frozen=True):
    """A value that its codec could not encode: a fault of the program."""

    kind: str
    key: str
    exception: Exception


class Encoding:
    """Encodes a batch step by step, so that a great one does not hold the loop.

    Args:
        batch: what is written; it must not change any more.
        number: of the commit.
        codecs: by kind.

    Attributes:
        unwritable: values that were left out because they could not be encoded.
    """

    def __init__(self, batch: Batch, number: int, codecs: Mapping[str, Codec]) -> None:
        self.unwritable: list[Unwritable] = []
        self._number = number
        self._codecs = codecs
        self._work: list[tuple[Any, ...]] = []
        self._bodies: list[bytes] = [b"\0"]  # of an empty blob SQLite's parts are NULL, not empty
        self._offset = 2
        self._rows = len(batch)
        self._appends = 0
        self._trims = len(batch.trimmed)
        self._steps = self._encode(batch)

    def step(self, rows: int) -> bool:
        """Encode some more rows; return whether that was all."""
        return sum(1 for _ in islice(self._steps, rows)) < rows

    def commit(self) -> Commit:
        """The commit, once ``step`` has said that all is encoded."""
        self._work.append(("number",))
        work = _json.encode(self._work).decode()
        bodies = b"".join(self._bodies)
        return Commit(self._number, work, bodies, self._rows, self._appends, self._trims)

    def _encode(self, batch: Batch) -> Iterator[None]:
        for (kind, key), value in batch.entries.items():
            if value is DELETED:
                self._work.append(("delete", kind, storable(key)))
            else:
                self._put(kind, storable(key), value)
            yield
        for seq, item in batch.appended.items():
            self._append(seq, item)
            yield
        for seq in batch.trimmed:
            self._work.append(("trim", None, seq))
            yield

    def _put(self, kind: str, key: str, value: Any) -> None:
        body = self._body(kind, key, value)
        if body is not None:
            version = self._codecs[kind].version
            checksum = entry_checksum(kind, key, version, self._number, body)
            self._work.append(("put", kind, key, version, checksum, *self._placed(body)))

    def _append(self, seq: int, item: OutboxItem) -> None:
        body = self._body(OUTBOX, item.session, item.value)
        if body is not None:
            version = self._codecs[OUTBOX].version
            names = (
                storable(item.session),
                storable(item.call),
                None if item.ani is None else storable(item.ani),
            )
            self._appends += 1
            checksum = item_checksum(seq, version, self._number, names, body)
            self._work.append(("append", None, seq, version, checksum, *self._placed(body), *names))

    def _body(self, kind: str, key: str, value: Any) -> bytes | None:
        try:
            body = self._codecs[kind].encode(value)
        except Exception as exception:  # noqa: BLE001 - of any codec; the others must not wait for it
            self.unwritable.append(Unwritable(kind, key, exception))
            return None
        return body if isinstance(body, bytes) else body.encode()

    def _placed(self, body: bytes) -> tuple[int, int]:
        first, size = self._offset, len(body)
        self._bodies.append(body)
        self._offset += size
        return first, size
