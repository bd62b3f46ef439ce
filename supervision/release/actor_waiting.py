"""Messages for those whose states the part for actors does not carry, by their own adapters.

They are members of pools whose states other parts carry, actors that are down for the moment, and
those that begin anew because their handlers wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervision.behaviour import Behaviour
from supervision.eventloop.admission import owed
from supervision.eventloop.calls import Response
from supervision.release.actor_records import WaitingRecord
from supervision.release.actor_taking import entries
from supervision.release.actor_walk import address_at, below, kind_of, pools, travels, version_of
from supervision.release.messages import NO_ADAPTERS, Adapters, Reader, Writer
from supervision.release.values import Pack, Unpack
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from supervision.eventloop.cell import Cell, Entry, LocalAddress
    from supervision.eventloop.kernel import Kernel
    from supervision.release.actor_calls import Callers, Calls
    from supervision.release.actor_giving import ActorWriter


def versions(kernel: Kernel, tops: Sequence[str] | None) -> dict[str, int]:
    """The versions of those that messages may wait for, by their kinds, as their classes say."""
    found = {}
    for cell, _ in below(kernel, tops):
        for kind in _children(cell.actor):
            if numbered(kind):
                found[kind_of(kind)] = version_of(kind)
    return found


def _children(actor: Any) -> Iterator[type[Behaviour]]:
    """The classes of children that messages are kept for, or that another part carries."""
    if not isinstance(actor, Supervisor) or not hasattr(actor, "state"):
        return
    template, pool = actor.state.template, actor.carries != "all"
    children = actor.state.children.values() if template is None else ()
    for spec in (template, *(child.spec for child in children)):
        if spec is not None and (pool or spec.on_restart == "keep"):
            yield from _behaviour(spec.start)


def _behaviour(kind: type[Any]) -> Iterator[type[Behaviour]]:
    if issubclass(kind, Behaviour):
        yield kind


def numbered(kind: type[Behaviour]) -> bool:
    """Whether a class says by a number which version it is of."""
    return kind.version is None or isinstance(kind.version, int)


def receiver(kernel: Kernel, path: str) -> type[Behaviour] | None:
    """The class of who lives at a path, or will again; None where no behaviour does."""
    cell = address_at(kernel, path).cell
    if cell is not None and cell.actor is not None:
        return type(cell.actor) if isinstance(cell.actor, Behaviour) else None
    above, _, name = path.rpartition("/")
    parent = address_at(kernel, above).cell if above else None
    actor = None if parent is None else parent.actor
    if not isinstance(actor, Supervisor) or not hasattr(actor, "state"):
        return None
    child = actor.state.children.get(name)
    spec = actor.state.template if child is None else child.spec
    return None if spec is None else next(_behaviour(spec.start), None)


class Waiting:
    """Writes what waits.

    Args:
        kernel: the node.
        writer: of the actors that travel; it is told what does not.
        calls: numbers callers.
        theirs: versions of the kinds that the other side knows.
    """

    def __init__(
        self, kernel: Kernel, writer: ActorWriter, calls: Calls, theirs: Mapping[str, int]
    ) -> None:
        self._kernel, self._writer, self._calls, self._theirs = kernel, writer, calls, theirs

    def records(
        self, walked: Sequence[tuple[Cell, str]], tops: Sequence[str] | None
    ) -> Iterator[WaitingRecord]:
        """For each of those that anything waits for.

        Args:
            walked: the actors that are looked at.
            tops: names of the roots; None is all of them.

        Raises:
            NotCarried: a message cannot travel.
        """
        for path, mailbox in self._queues(walked, tops):
            record = self._record(path, mailbox)
            if record.mailbox:
                yield record

    def _queues(
        self, walked: Sequence[tuple[Cell, str]], tops: Sequence[str] | None
    ) -> Iterator[tuple[str, list[Entry]]]:
        for cell in pools(self._kernel, tops):
            if cell.mailbox:  # of hundreds of thousands a few, and the node stands still meanwhile
                # What answers it was the concern of whoever carries it.
                waiting = [one for one in cell.mailbox if not isinstance(one[0], Response)]
                yield cell.address.path, waiting
        for path, held in self._kernel.held.entries():
            yield path, list(held)
        for cell, _ in walked:
            if travels(cell) and self._writer.anew(cell):
                yield cell.address.path, self._left(cell)

    def _left(self, cell: Cell) -> list[Entry]:
        """What waits for one that begins anew; what the node owes the one before is not for it."""
        path, actor, waiting = cell.address.path, cell.actor, list(cell.mailbox or ())
        assert isinstance(actor, Behaviour)
        self._writer.left.append(f"{path}: begins anew, what it does is left behind")
        if actor.carries_mailbox:
            return [one for one in waiting if not owed(one[0])]
        if waiting:
            self._writer.left.append(f"{path}: {len(waiting)} messages")
        return []

    def _record(self, path: str, mailbox: Iterable[Entry]) -> WaitingRecord:
        adapters = _adapters(receiver(self._kernel, path), self._theirs)
        plainly = Writer(Pack(self._calls.number), adapters)
        record = WaitingRecord(path, list(self._writer.mailbox(mailbox, plainly, path)))
        self._calls.write_requests(plainly, path)
        return record


def _adapters(kind: type[Behaviour] | None, theirs: Mapping[str, int]) -> Adapters:
    """Those of this side's class, where the other side has an older one.

    A version that a side is not told it takes for its own. Where nodes are built alike but only one
    has its tree up yet, both write and read as themselves so.
    """
    if kind is None or not numbered(kind):
        return NO_ADAPTERS
    own = version_of(kind)
    return kind.adapters if theirs.get(kind_of(kind), own) < own else NO_ADAPTERS


# On the other side


def read(
    records: Iterable[WaitingRecord],
    kernel: Kernel,
    callers: Callers,
    where: Callable[[str], LocalAddress],
    theirs: Mapping[str, int],
) -> list[tuple[str, list[Entry]]]:
    """What waits, by the paths of the other side.

    Args:
        records: as ``Waiting`` wrote them.
        kernel: this node.
        callers: those that have travelled.
        where: who lives here, by the paths of the other side.
        theirs: versions of the kinds that the other side has.

    Raises:
        NoConversion: a message is not what this code knows, and there is no adapter for it.
    """
    found = []
    for one in records:
        kind = receiver(kernel, where(one.path).path)
        reader = _reader(_adapters(kind, theirs), callers, where)
        found.append((one.path, list(entries(one.mailbox, reader, callers, where, one.path))))
    return found


def _reader(adapters: Adapters, callers: Callers, where: Callable[[str], LocalAddress]) -> Reader:
    made: list[Reader] = []
    refs = Unpack(where, [], [], lambda number: callers.call(number, made[0]))
    made.append(Reader(refs, adapters))
    return made[0]
