"""The part of a takeover that every node has: its actors, as far as they say that they travel.

An actor says so by its class (``carried``: the type of what travels). Of all others, and of the
supervisors, only what operators are shown travels: counts, restarts, histories. Members of pools
whose states another part carries have the messages that wait for them carried here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from supervision.behaviour import Behaviour
from supervision.eventloop.calls import PendingCall, Response, ServerDied
from supervision.management import TerminateChild
from supervision.release import actor_counts, actor_waiting
from supervision.release.actor_calls import Callers, Calls
from supervision.release.actor_giving import ActorWriter
from supervision.release.actor_records import ActorRecord, Body
from supervision.release.actor_taking import Adoption, address_of, deliver
from supervision.release.actor_trial import trial
from supervision.release.actor_walk import address_at, below, kind_of, travels, version_of
from supervision.release.carrier import NoConversion, NotCarried, Packed, Part
from supervision.release.config_changes import digests, tell
from supervision.release.messages import LOST
from supervision.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from supervision.eventloop.cell import Cell, Entry, LocalAddress
    from supervision.eventloop.kernel import Kernel

_IDS_A_MILLISECOND = 4096


class ActorsPart(Part):
    """The actors of a node; the same on the side that gives and on the one that takes.

    Args:
        kernel: the node.
        kinds: classes of actors that travel, for the other side to know their versions before
            this side's tree is up; those that live are known by themselves.
        pools: classes of members of pools that other parts carry: their versions say whether what
            waits for them is adapted. A release that does not tell them is taken for the first.
        tops: names of the roots whose trees travel; None is all of them.
        taking: whether this node takes over: numbers of its requests are then none of the other's.
        config: the configuration, by key; differences reach ``config_change``.
        extra: what the release has to say to ``code_change`` and ``downgrade``.

    Attributes:
        left: what has not travelled, in words, for operators.
    """

    name = "actors"
    version = 1

    def __init__(
        self,
        kernel: Kernel,
        kinds: Sequence[type[Behaviour]] = (),
        *,
        pools: Sequence[type[Behaviour]] = (),
        tops: Sequence[str] | None = None,
        taking: bool = False,
        config: Mapping[str, Any] | None = None,
        extra: Any = None,
    ) -> None:
        self._kernel = kernel
        self._kinds = kinds
        self._pools = pools
        self._tops = tops
        self._config = dict(config or {})
        self._extra = extra
        self._theirs: dict[str, int] = {}
        self._taken: _Taken | None = None
        self.left: list[str] = []
        if taking:
            kernel.skip_requests(int(kernel.clock.wall() * 1000) * _IDS_A_MILLISECOND)

    # Both sides

    def types(self) -> dict[str, int]:
        """The versions of the states that travel, by their kinds."""
        known = actor_waiting.versions(self._kernel, self._tops)
        known |= {kind_of(kind): version_of(kind) for kind in (*self._pools, *self._kinds)}
        return known | {kind_of(one): version_of(one) for one in self._actors()}

    def agree(self, theirs: dict[str, int]) -> None:
        """See whether this side, where it is the newer one, knows every way."""
        self._theirs = {kind_of(one): 1 for one in self._pools} | theirs
        known: dict[str, type[Behaviour]] = {kind_of(one): one for one in self._kinds}
        known |= {kind_of(one): type(one) for one in self._actors()}
        missing = [
            word
            for name, kind in known.items()
            for word in _missing(kind, theirs.get(name, version_of(kind)))
        ]
        if missing:
            raise NoConversion("; ".join(missing))

    def _actors(self) -> Iterator[Behaviour]:
        for cell, _ in below(self._kernel, self._tops):
            if isinstance(cell.actor, Behaviour) and travels(cell):
                yield cell.actor

    # The side that gives

    def pack(self, version: int) -> Packed:
        """All actors that travel, with what waits for them."""
        _known(version, "to")
        return Packed(msgspec.msgpack.encode(self.body()))

    def tells(self) -> dict[str, Any]:
        """What has not travelled, once it is known."""
        return {"left": self.left} if self.left else {}

    def body(self, *, still: bool = True) -> Body:
        """What ``pack`` writes, as records.

        Args:
            still: whether the node stands still: then those whose handlers wait begin anew.

        Raises:
            NotCarried: something in an actor cannot travel.
            NoConversion: one cannot be written in the version of the other side.
        """
        kernel, calls = self._kernel, Calls(still=still)
        writer = ActorWriter(self._theirs, calls, self._extra, still=still)
        walked = list(below(kernel, self._tops))
        actors = _written(writer, walked)
        queues = actor_waiting.Waiting(kernel, writer, calls, self._theirs)
        waiting = list(queues.records(walked, self._tops))
        lost = list(calls.left_out(self._open_calls(walked)))
        writer.left += _silent(walked)
        return Body(
            actors=actors,
            calls=calls.records,
            waiting=waiting,
            counts=[actor_counts.count_of(cell, was) for cell, was in walked],
            supervisors=list(actor_counts.supervisors(walked)),
            node=actor_counts.of_node(kernel),
            requests=kernel.last_request,
            lost=lost,
            config=digests(self._config),
            left=writer.left,
        )

    def _open_calls(self, walked: Sequence[tuple[Cell, str]]) -> Iterator[Any]:
        """Every call that is not answered, whoever is to answer it; some come twice."""
        yield from self._kernel.deadlines
        for cell, _ in walked:
            yield from cell.deferred or ()
            yield from (one for one, _, _ in cell.mailbox or () if isinstance(one, PendingCall))
            if cell.task is not None and isinstance(cell.task.message, PendingCall):
                yield cell.task.message

    # The side that takes

    def unpack(self, version: int, body: bytes, descriptors: tuple[int, ...]) -> None:
        """Find whom each record is of, convert it and make it of its type."""
        del descriptors
        _known(version, "from")
        self.load(msgspec.msgpack.decode(body, type=Body))

    def load(self, body: Body) -> None:
        """As ``unpack``, of records."""
        self.left = list(body.left)
        moved = _moved(list(below(self._kernel, self._tops)), body)
        where = address_of(self._kernel, moved)
        callers = Callers(self._kernel, body.calls, where)
        adoptions = []
        for record in body.actors:
            cell = self._cell_of(record, moved)
            if cell is None:
                self.left.append(f"{record.path}: {record.kind} is not in this version")
            else:
                adoptions.append(Adoption(self._kernel, cell, record, callers, where, self._extra))
        waiting = actor_waiting.read(body.waiting, self._kernel, callers, where, self._theirs)
        self._stop_stopped(body, where)
        self._taken = _Taken(body, adoptions, waiting, callers, where)

    def _cell_of(self, record: ActorRecord, moved: Mapping[str, str]) -> Cell | None:
        cell = address_at(self._kernel, moved.get(record.path, record.path)).cell
        known = cell is not None and isinstance(cell.actor, Behaviour) and travels(cell)
        return cell if known and kind_of(cell.actor) == record.kind else None  # type: ignore[union-attr, arg-type]

    def copy(self, version: int) -> bytes:
        """What it is now, for a dry run: packing changes nothing."""
        _known(version, "to")
        return msgspec.msgpack.encode(self.body(still=False))

    def trials(self, version: int, body: bytes) -> dict[str, tuple[str, str]]:
        """Try every conversion on copies of living states; nothing is changed on this side.

        Args:
            version: of this part on the side that gives.
            body: as its ``pack`` wrote it.

        Returns:
            By the path of each actor that travels ``equal``, ``lossy`` (what comes back from this
            version is not what it was) or ``failed``, and in words what and where.
        """
        if version != self.version:
            return {"": ("failed", f"actors: no way leads from version {version}")}
        given = msgspec.msgpack.decode(body, type=Body)
        moved = _moved(list(below(self._kernel, self._tops)), given)
        where = address_of(self._kernel, moved)
        callers = Callers(self._kernel, given.calls, where)
        found = {}
        for record in given.actors:
            cell = self._cell_of(record, moved)
            if cell is not None:
                made = partial(Adoption, self._kernel, cell, record, callers, where, self._extra)
                found[record.path] = trial(record.state, made)
        return found

    def _stop_stopped(self, body: Body, where: Callable[[str], LocalAddress]) -> None:
        """Who has been stopped there by an operator, or has ended for good, is not to run here."""
        for record in body.supervisors:
            cell = where(record.path).cell
            if cell is None or not isinstance(cell.actor, Supervisor):
                continue
            for name in record.stopped:
                child = cell.actor.state.children.get(name)
                if child is not None and child.status == "running":
                    self._kernel.call(cell.address, TerminateChild(name), None)

    async def switch(self) -> None:
        """Put everything in its place."""
        self.put()

    def put(self) -> None:
        """As ``switch``, at once."""
        taken, self._taken = self._taken, None
        if taken is None:
            return
        kernel = self._kernel
        kernel.skip_requests(taken.body.requests)
        actor_counts.put(kernel, taken.body, taken.where)
        for adoption in taken.adoptions:
            adoption.put()
        for path, mailbox in taken.waiting:
            address = taken.where(path)
            if address.cell is not None:
                deliver(kernel, address.cell, mailbox)
            else:  # it is between two lives
                for message, sender, _ in mailbox:
                    kernel.held.keep(address, message, sender)
        taken.callers.set_deadlines()
        for record in (*taken.body.lost, *taken.callers.unclaimed()):
            caller = taken.where(record.caller).cell
            if caller is not None:
                kernel.deliver(caller, Response(record.id, None, ServerDied(LOST)), None)
        tell(kernel, below(kernel, self._tops), taken.body.config, self._config)


def _known(version: int, way: str) -> None:
    if version != ActorsPart.version:
        raise NoConversion(f"actors: no way leads {way} version {version}")


def _written(writer: ActorWriter, walked: Sequence[tuple[Cell, str]]) -> list[ActorRecord]:
    """All that travel; what cannot is told of all of them together."""
    records, refused = [], []
    for cell, was in walked:
        if travels(cell) and not writer.anew(cell):
            try:
                records.append(writer.actor(cell, was))
            except NotCarried as why:
                refused.append(str(why))
    if refused:
        raise NotCarried("; ".join(refused))
    return records


def _silent(walked: Sequence[tuple[Cell, str]]) -> list[str]:
    """Those that do not travel and have messages nevertheless, in words."""
    return [
        f"{cell.address.path}: {cell.depth} messages"
        for cell, _ in walked
        if cell.mailbox and isinstance(cell.actor, Behaviour) and not travels(cell)
    ]


class _Taken:
    """What has been taken and is not in its place yet."""

    def __init__(
        self,
        body: Body,
        adoptions: list[Adoption],
        waiting: list[tuple[str, list[Entry]]],
        callers: Callers,
        where: Callable[[str], LocalAddress],
    ) -> None:
        self.body = body
        self.adoptions = adoptions
        self.waiting = waiting
        self.callers = callers
        self.where = where


def _missing(kind: type[Behaviour], theirs: int) -> list[str]:
    """The ways that this side should know, being the newer one, and does not."""
    own, name = version_of(kind), kind_of(kind)
    if theirs >= own:
        return []
    down = not overrides(kind, "downgrade") and not kind.conversions.leads(own, theirs)
    up = not overrides(kind, "code_change") and not kind.conversions.leads(theirs, own)
    words = []
    if up:
        words.append(f"{name}: no code_change from version {theirs} to {own}")
    if down:
        words.append(f"{name}: no downgrade from version {own} to {theirs}")
    return words


def overrides(kind: type[Behaviour], name: str) -> bool:
    """Whether a class has a conversion of its own, in the place of ``conversions``."""
    for base in kind.__mro__:
        if name in vars(base):
            return not base.__module__.startswith("supervision.gen_")
    return False


def _moved(walked: Sequence[tuple[Cell, str]], body: Body) -> dict[str, str]:
    """Where those of the other side live here that were renamed or moved, by either's word."""
    here = {cell.address.path for cell, _ in walked}
    by_own_word = {was: cell.address.path for cell, was in walked if was and was not in here}
    by_theirs = {
        one.path: one.was
        for one in body.counts
        if one.was and one.path not in here and one.was in here
    }
    return by_own_word | by_theirs
