"""What actors leave in the journal until it is committed, and what waits for that.

``Journal`` is the whole of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from actors.journal import effects
from actors.journal.batch import DELETED, Batch, Effect, Encoding, Place
from actors.journal.measures import Measures

if TYPE_CHECKING:
    from actors.journal.records import OutboxItem
    from supervision.eventloop.kernel import Kernel


class Gathered(ABC):
    """The batch that gathers, the one whose commit is under way, and their effects.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self.measures = Measures()
        self._kernel = kernel
        self._gathering = Batch()
        self._flying: Batch | None = None
        self._released = effects.Queue(kernel)
        # Whether it is taken care of that what gathers is committed.
        self._scheduled = False
        self._seq = 0
        # Keys whose latest value could not be encoded.
        self._unwritable: set[str] = set()

    @abstractmethod
    def _schedule(self) -> None:
        """Have the batch committed."""

    # What actors put

    def put(self, kind: str, key: str, value: Any) -> None:
        """Keep a value; the latest of its key in a commit wins.

        Args:
            kind: one that has a codec.
            key: of the value within its kind.
            value: must not be changed any more: it is encoded later.
        """
        self._gathering.entries[kind, key] = value
        if not self._scheduled:
            self._schedule()

    def watch(self, told: Callable[[str, str], object]) -> Callable[[], None]:
        """Have ``told`` called with kind and key of all that is put or deleted; one at a time.

        Nobody pays for it while nobody watches: it stands in the place of ``put`` meanwhile.

        Returns:
            What ends that.
        """
        put = self.put

        def watched(kind: str, key: str, value: Any) -> None:
            put(kind, key, value)
            told(kind, key)

        def end() -> None:
            if self.__dict__.get("put") is watched:
                del self.__dict__["put"]

        self.__dict__["put"] = watched
        return end

    def delete(self, kind: str, key: str) -> None:
        """Forget a value; one that is not there may be deleted."""
        self.put(kind, key, DELETED)

    def append(self, item: OutboxItem) -> None:
        """Put an item into the outbox."""
        self._seq += 1
        self._gathering.appended[self._seq] = item
        if not self._scheduled:
            self._schedule()

    def trim(self, seqs: Sequence[int]) -> None:
        """Take items out of the outbox by their numbers; those that are gone change nothing."""
        self._gathering.trim(seqs)
        if not self._scheduled:
            self._schedule()

    def after(self, effect: Effect, place: Place | None = None) -> None:
        """Run something when what was put so far is durable: at once where it is already.

        Args:
            effect: what is run; never, where the value of its place could not be written.
            place: kind and key of the value that it tells of: with a great batch that is written
                in pieces it waits for the piece with this value. None waits for all of it.
        """
        if self._unwritable and self._is_withheld(place):
            return
        batch: Batch | None = self._gathering
        if not self._gathering.entries and not self._gathering:
            batch = self._flying
        if batch is None:
            self._released.add(effect)
        else:
            batch.effects.append(effect)
            batch.places.append(place)

    def _is_withheld(self, place: Place | None) -> bool:
        if place is None or place[1] not in self._unwritable:
            return False
        return place not in self._gathering.entries

    def clean(self, kind: str, key: str) -> bool:
        """Whether nothing of a key waits for a commit, or could not be written at all."""
        place = (kind, key)
        if place in self._gathering.entries or key in self._unwritable:
            return False
        return self._flying is None or place not in self._flying.entries

    def unwritten(self) -> Iterator[OutboxItem]:
        """Items of the outbox whose commit is not done yet, the oldest first."""
        if self._flying is not None:
            yield from self._flying.appended.values()
        yield from self._gathering.appended.values()

    @property
    def waiting(self) -> int:
        """Records that wait for a commit."""
        return len(self._gathering) + (0 if self._flying is None else len(self._flying))

    @property
    def effects(self) -> int:
        """Effects that wait."""
        flying = 0 if self._flying is None else len(self._flying.effects)
        return len(self._gathering.effects) + flying + len(self._released)

    def _withhold(self, encoding: Encoding) -> None:
        """Nobody is told of what could not be written, until a later value of its key is."""
        self._unwritable.difference_update(key for _, key in encoding.batch.entries)
        for one in encoding.unwritable:
            self.measures.unwritable += 1
            self._unwritable.add(one.key)
            effects.report(self._kernel, one.exception, f"the {one.kind} {one.key}")
        encoding.batch.drop(self._unwritable)
