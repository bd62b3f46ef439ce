"""What one commit is made of: pure, no clock, no disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress, islice
from typing import Any, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from actors.journal.records import OUTBOX, Codec, OutboxItem
from actors.journal.schema import entry_checksum, item_checksum, storable

T = TypeVar("T")

Effect: TypeAlias = Callable[[], None]
Place: TypeAlias = tuple[str, str]
"""A kind and a key."""

DELETED: Any = object()
"""In the place of a value: the entry is deleted."""

TAKEN_OUT: Any = object()
"""In the place of a value: there is to be no row of it, though it has not been deleted."""

ROW_BYTES = 256 * 1_048_576
"""Of a text: SQLite takes four times as much in one statement."""

_json = msgspec.json.Encoder()


class Batch:
    """What is to be committed together; of a key only the latest value.

    Attributes:
        entries: the latest value of each place, ``DELETED`` where there is to be none.
        appended: new rows of the outbox, by rising number.
        trimmed: numbers of rows of the outbox that have come where they were to go.
        effects: what waits for the commit, in order.
        places: of each effect the entry that it tells of; None where it waits for all.
    """

    __slots__ = ("appended", "effects", "entries", "places", "trimmed")

    def __init__(self) -> None:
        self.entries: dict[Place, Any] = {}
        self.appended: dict[int, OutboxItem] = {}
        self.trimmed: set[int] = set()
        self.effects: list[Effect] = []
        self.places: list[Place | None] = []

    def __len__(self) -> int:
        """Records that a commit of it would write or delete."""
        return len(self.entries) + len(self.appended) + len(self.trimmed)

    def __bool__(self) -> bool:
        """Whether there is something to commit."""
        return bool(self.entries or self.appended or self.trimmed)

    def held(self) -> int:
        """Records and effects in it."""
        return len(self.entries) + len(self.appended) + len(self.trimmed) + len(self.effects)

    def drop(self, keys: set[str]) -> None:
        """Forget the effects that tell of some keys."""
        kept = [
            (effect, place)
            for effect, place in zip(self.effects, self.places, strict=True)
            if place is None or place[1] not in keys
        ]
        self.effects = [effect for effect, _ in kept]
        self.places = [place for _, place in kept]

    def take(self, count: int) -> Batch:
        """Take the oldest entries out, with all that belongs to them.

        What a session leaves in the outbox goes with its entry: neither is written without the
        other. New rows of the outbox are numbered again, in the order in which they are written.

        Args:
            count: how many entries.

        Returns:
            The batch that is written first; this one is what is left.
        """
        piece = Batch()
        for place in tuple(islice(self.entries, count)):
            piece.entries[place] = self.entries.pop(place)
        piece.trimmed, self.trimmed = self.trimmed, set()
        keys = {key for _, key in piece.entries}
        seqs = sorted(self.appended)
        items = [self.appended[seq] for seq in seqs]
        first = [item for item in items if item.session in keys]
        piece.appended = dict(zip(seqs, first, strict=False))
        rest = (item for item in items if item.session not in keys)
        self.appended = dict(zip(seqs[len(first) :], rest, strict=True))
        goes = [place_of in piece.entries for place_of in self.places]
        stays = [not one for one in goes]
        piece.effects, piece.places = _chosen(self.effects, goes), _chosen(self.places, goes)
        self.effects, self.places = _chosen(self.effects, stays), _chosen(self.places, stays)
        return piece

    def extend(self, later: Batch) -> None:
        """Take in what was put later."""
        self.entries.update(later.entries)
        self.appended.update(later.appended)
        self.trimmed |= later.trimmed
        self.effects += later.effects
        self.places += later.places

    def trim(self, seqs: Sequence[int]) -> None:
        """Have rows of the outbox deleted; one that is not committed yet is not even written."""
        if not self.appended:
            self.trimmed.update(seqs)
            return
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


def _chosen(items: Iterable[T], which: Iterable[bool]) -> list[T]:
    return list(compress(items, which))


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


class Row(Struct, frozen=True):
    """In the place of a value: the text as it is to lie in the journal.

    Attributes:
        version: of its schema.
        body: the text.
    """

    version: int
    body: bytes


class Unwritable(Struct, frozen=True):
    """A value that its codec could not encode: a fault of the program."""

    kind: str
    key: str
    exception: Exception


class Encoding:
    """Encodes a batch step by step, so that a great one does not hold the loop.

    Args:
        batch: what is written; what is put must not change any more.
        number: of the commit.
        codecs: by kind; None where values of a kind are kept back.
        most_rows: entries after which the rest is left for the next commit.
        most_bytes: of texts after which it is; one that is longer is written alone.

    Attributes:
        batch: what the commit is made of; the rest is left in the one that was given.
        unwritable: values that were left out because they could not be encoded.
        kept_back: those that were because they are to be kept back.
    """

    def __init__(
        self,
        batch: Batch,
        number: int,
        codecs: Mapping[str, Codec | None],
        most_rows: int = sys.maxsize,
        most_bytes: int = sys.maxsize,
    ) -> None:
        self.batch = batch
        self.unwritable: list[Unwritable] = []
        self.kept_back: dict[Place, Any] = {}
        self._number = number
        self._codecs = codecs
        self._work: list[tuple[Any, ...]] = []
        self._bodies: list[bytes] = [b"\0"]  # of an empty blob SQLite's parts are NULL, not empty
        self._offset = 2
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._appends = 0
        self._entries = iter(batch.entries.items())
        self._entered = 0
        self._outbox: tuple[Iterator[tuple[int, OutboxItem]], Iterator[int]] | None = None

    def step(self, rows: int) -> bool:
        """Encode some more rows; return whether that was all."""
        done = self._encode_entries(rows)
        if done < rows and (self.batch.appended or self.batch.trimmed):
            done += self._encode_outbox(rows - done)
        return done < rows

    def commit(self) -> Commit:
        """The commit, once ``step`` has said that all is encoded."""
        self._work.append(("number",))
        work = _json.encode(self._work).decode()
        bodies = b"".join(self._bodies)
        rows, trims = len(self.batch), len(self.batch.trimmed)
        return Commit(self._number, work, bodies, rows, self._appends, trims)

    def _encode_entries(self, rows: int) -> int:
        count, codecs = self._entered, self._codecs
        for (kind, key), value in islice(self._entries, rows):
            if count and (count >= self._most_rows or self._offset > self._most_bytes):
                self.batch, self._entries = self.batch.take(count), iter(())
                break
            count += 1
            codec = codecs[kind]
            if codec is None or value is DELETED or value is TAKEN_OUT:
                self._leave_out(codec, kind, key, value)
            else:
                self._put(codec, kind, key, value)
        done, self._entered = count - self._entered, count
        return done

    def _encode_outbox(self, rows: int) -> int:
        if self._outbox is None:
            self._outbox = iter(self.batch.appended.items()), iter(self.batch.trimmed)
        appended, trimmed = self._outbox
        done = 0
        for seq, item in islice(appended, rows):
            self._append(seq, item)
            done += 1
        for seq in islice(trimmed, rows - done):
            self._work.append(("trim", None, seq))
            done += 1
        return done

    def _leave_out(self, codec: Codec | None, kind: str, key: str, value: Any) -> None:
        """There is to be no row of it, or none yet."""
        if codec is None and value is not TAKEN_OUT:
            self.kept_back[kind, key] = value
        if value is DELETED or value is TAKEN_OUT:
            self._work.append(("delete", kind, storable(key)))

    def _put(self, codec: Codec, kind: str, key: str, value: Any) -> None:
        body = self._body(codec, kind, key, value)
        if body is None:
            return
        if "\0" in key:
            key = storable(key)
        version = value.version if type(value) is Row else codec.version
        checksum = entry_checksum(kind, key, version, self._number, body)
        first, size = self._offset, len(body)
        self._work.append(("put", kind, key, version, checksum, first, size))
        self._bodies.append(body)
        self._offset = first + size

    def _append(self, seq: int, item: OutboxItem) -> None:
        codec = self._codecs[OUTBOX]
        assert codec is not None  # every release has an outbox
        body = self._body(codec, OUTBOX, item.session, item.value)
        if body is None:
            return
        version = item.value.version if type(item.value) is Row else codec.version
        names: tuple[str | None, ...] = (item.session, item.call, item.ani)
        if "\0" in f"{item.session}{item.call}{item.ani}":
            names = tuple(name if name is None else storable(name) for name in names)
        self._appends += 1
        checksum = item_checksum(seq, version, self._number, names, body)
        first, size = self._offset, len(body)
        self._work.append(("append", None, seq, version, checksum, first, size, *names))
        self._bodies.append(body)
        self._offset = first + size

    def _body(self, codec: Codec, kind: str, key: str, value: Any) -> bytes | None:
        try:
            body = value.body if type(value) is Row else codec.encode(value)
            if len(body) > ROW_BYTES:
                raise ValueError(f"its text is longer than {ROW_BYTES} bytes")  # noqa: TRY301
        except Exception as exception:  # noqa: BLE001 - of any codec; the others must not wait for it
            self.unwritable.append(Unwritable(kind, key, exception))
            return None
        return body if isinstance(body, bytes) else body.encode()
