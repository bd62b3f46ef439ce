"""A node's actors go on from what those of another version were.

In two steps: all that can fail is done while the other node can still go on (found, converted,
made of its type); then each actor is given what it was, which only puts things in their places.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from supervision.behaviour import Behaviour
from supervision.behaviour.base import deliver_timeout
from supervision.eventloop import links
from supervision.eventloop.calls import OpenCalls, Response
from supervision.eventloop.cell import MEMBER, NAMED, LocalAddress, Monitor
from supervision.eventloop.links import Down
from supervision.eventloop.managed import Continued
from supervision.eventloop.timers import Timer
from supervision.gen_server import GenServer
from supervision.gen_statem import Snapshot
from supervision.gen_statem.actions import TimerLeft
from supervision.gen_statem.machine import StateMachine
from supervision.reasons import NOPROC
from supervision.release.actor_giving import asked, downgraded, own_timers
from supervision.release.actor_records import NOBODY
from supervision.release.actor_walk import address_at, kind_of, version_of
from supervision.release.carrier import NoConversion
from supervision.release.messages import (
    NO_ADAPTERS,
    TAG,
    Dropped,
    Reader,
    no_answer,
    type_name,
    unless_dropped,
)
from supervision.release.values import Pack, Unpack, plain, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from supervision.eventloop.calls import PendingCall
    from supervision.eventloop.cell import Cell, Entry
    from supervision.eventloop.kernel import Kernel
    from supervision.release.actor_calls import Callers
    from supervision.release.actor_records import (
        ActorRecord,
        EntryRecord,
        MachineRecord,
        MachineTimer,
        TimerRecord,
    )


_RESPONSE = type_name(Response)


class Adoption:
    """One actor and what it goes on from; made whole before anything of it is put in place.

    Args:
        kernel: the node.
        cell: the actor, as it has started by itself.
        record: what the other version's was.
        callers: those that have travelled.
        where: who lives here, by the paths of the other side.
        extra: what the release has to say to ``code_change``.

    Raises:
        NoConversion: its state, or a message, cannot be converted.
        ValueError: they are of another shape than this code's.
    """

    def __init__(  # noqa: PLR0917 - one call site, which names them
        self,
        kernel: Kernel,
        cell: Cell,
        record: ActorRecord,
        callers: Callers,
        where: Callable[[str], LocalAddress],
        extra: Any,
    ) -> None:
        self._kernel, self.cell, self.record = kernel, cell, record
        self._downs: list[tuple[Monitor, LocalAddress]] = []
        self._where = where
        self._callers = callers
        self._extra = extra
        self._monitors = [self._watch(one.path) for one in record.monitors]
        numbered = [one for one in record.timers if not one.idle]
        self._timers = [Timer(one.when or 0.0, deliver_timeout, cell, None) for one in numbered]
        refs = Unpack(where, self._timers, self._monitors, self._call)
        actor: Any = cell.actor
        older = record.version < version_of(actor)
        self.reader = Reader(refs, actor.adapters if older else NO_ADAPTERS)
        path = cell.address.path
        self._read_timers(numbered)
        self._idle = unless_dropped(
            lambda one: (one.when, self.reader.read(one.payload, f"{path}: its idle timeout")),
            [one for one in record.timers if one.idle],
        )
        self._state = _state(actor, record, refs, extra, _Messages(self.reader, callers, path))
        self._mailbox = list(entries(record.mailbox, self.reader, callers, where, path))
        self._deferred = [callers.call(number, self.reader) for number in record.deferred]
        self._names = unless_dropped(
            lambda one: (self.reader.read(one[0], path), one[1]), record.names
        )
        self._terms = self._terms_left(record.going_on)

    def _read_timers(self, records: Sequence[TimerRecord]) -> None:
        at = f"{self.cell.address.path}: a timer"
        for timer, record in zip(self._timers, records, strict=True):
            if record.when is None:
                timer.fire = None
            try:
                timer.payload = self.reader.read(record.payload, at)
            except Dropped:
                timer.fire = None

    def _terms_left(self, written: list[Any] | None) -> deque[Any] | None:
        """The terms to go on with after the one that is in the mailbox; if none is, none are."""
        if written is None:
            return None
        path = self.cell.address.path
        terms = deque(unless_dropped(lambda one: self.reader.read(one, path), written))
        if not any(isinstance(message, Continued) for message, _, _ in self._mailbox):
            if not terms:
                return None  # the adapters have dropped all of them
            self._mailbox.insert(0, (Continued(terms.popleft()), self.cell.address, 0.0))
        return terms

    def _call(self, number: int) -> PendingCall:
        return self._callers.call(number, self.reader)

    def _watch(self, path: str) -> Monitor:
        target = self._where(path).cell if path else None
        if target is not None and target.actor is not None:
            return Monitor(self.cell, target)
        gone = Monitor(self.cell, self.cell)
        if path:
            self._downs.append((gone, self._where(path)))
        return gone

    def again(self) -> Any:
        """The state as it would be written for the version that it came from.

        Raises:
            NoConversion: there is no way back.
            ConversionFailed: ``downgrade`` raised.
            NotCarried: what ``code_change`` made cannot travel.
        """
        actor: Any = self.cell.actor
        path, pack, given = self.record.path, Pack(lambda _: NOBODY), self._state
        if isinstance(given, Snapshot):
            state = [given.state, plain(given.data, f"{path}: data", pack)]
        else:
            state = plain(given, f"{path}: state", pack)
        if self.record.version < version_of(actor):
            return downgraded(actor, state, self.record.version, self._extra, path)
        return state

    # Put in place

    def put(self) -> None:
        """Have the actor go on; what its ``adopt`` raises is its crash."""
        cell, record, actor = self.cell, self.record, self.cell.actor
        if not isinstance(actor, Behaviour):
            return  # it has ended since
        own = list(own_timers(cell)) if record.whole else ()
        if record.whole:  # else its own messages on their way may know it by its own
            cell.address.incarnation = max(cell.address.incarnation, record.incarnation)
        cell.trap_exit = cell.trap_exit or record.trap_exit
        for watch in tuple(cell.watching or ()) if record.whole else ():
            links.demonitor(watch)
        self._relate(actor)
        for timer in own:
            self._kernel.cancel_timer(timer)
        self._set_timers()
        try:
            actor.adopt(self._state)
        except Exception as exception:  # noqa: BLE001 - as in a handler: whoever supervises it decides
            self._kernel.handler_failed(cell, self._state, None, exception)
            return
        self._go_on(actor)

    def _relate(self, actor: Behaviour) -> None:
        registry = self._kernel.registry
        for name, ties in self._names:
            if ties & NAMED and registry.whereis(name) is None:
                actor.register(name)
            if ties & MEMBER:
                actor.join(name)
        for watch in self._monitors:
            if watch.target is not watch.watcher:
                links.begin_watch(watch)
        for path in self.record.links:
            links.link(self._kernel, self.cell, self._where(path))

    def _set_timers(self) -> None:
        for timer in self._timers:
            if timer.pending:
                self._kernel.put_timer(timer)

    def _go_on(self, actor: Behaviour) -> None:
        cell = self.cell
        for call in self._deferred:
            if not call.settled:
                cell.deferred = cell.deferred if cell.deferred is not None else OpenCalls()
                cell.deferred.add(call)
        if self._terms is not None and isinstance(actor, GenServer):
            actor._continuing = self._terms  # noqa: SLF001 - its own account of what is in its mailbox
        for when, payload in self._idle:
            actor.idle_timeout(max(0.0, (when or 0.0) - actor.now()), payload)
        cell.suspended = cell.suspended or self.record.suspended
        deliver(self._kernel, cell, self._mailbox)
        for watch, address in self._downs:
            self._kernel.deliver(cell, Down(watch, address, NOPROC), None)


def _state(actor: Any, record: ActorRecord, refs: Unpack, extra: Any, of: _Messages) -> Any:
    """What ``adopt`` is given: of this code's version and type."""
    path, state, kind = record.path, record.state, kind_of(actor)
    have, own = record.version, version_of(actor)
    if have > own:
        raise NoConversion(f"{path}: {kind} is of version {have}; this code knows {own} at most")
    machine = isinstance(actor, StateMachine)
    if machine != (record.machine is not None):
        raise NoConversion(f"{path}: {kind} is a state machine in one version only")
    if have < own:
        args = (have, *state, extra) if machine else (have, state, extra)
        change = getattr(actor, "code_change", None)
        if change is None:
            change, args = actor.converted, ("code_change", state, have, own)
        state = asked(change, args, (kind, have, own, path))
    try:
        if not machine:
            return typed(state, actor.carried, refs)
        name, data = state
        return _snapshot(str(name), typed(data, actor.carried, refs), record.machine, of)
    except ValueError as why:
        raise ValueError(f"{path}: {kind} of version {have}: {why}") from why


class _Messages:
    """Makes messages of one actor again.

    Args:
        reader: of them.
        callers: those that have travelled.
        path: of the actor, for errors.
    """

    def __init__(self, reader: Reader, callers: Callers, path: str) -> None:
        self._reader, self._callers, self._path = reader, callers, path

    def waiting(self, written: Any, number: int) -> Any:
        """One that waits in the mailbox; ``number`` is for errors.

        Raises:
            NoConversion: it is not what this code knows, and there is no adapter for it.
            Dropped: an adapter drops it.
        """
        tag = written.get(TAG) if isinstance(written, dict) else None
        if tag == "call":
            return self._callers.waiting(written["value"], self._reader)
        try:
            return self._reader.read(written, f"{self._path}: message {number}")
        except Dropped:
            if tag != _RESPONSE:
                raise
            return no_answer(written["fields"]["request_id"])

    def timer(self, one: MachineTimer) -> TimerLeft:
        """A named timer of a machine."""
        read, path = self._reader.read, self._path
        return TimerLeft(read(one.name, path), one.at, read(one.content, path))

    def postponed(self, one: tuple[str, Any]) -> tuple[Any, Any]:
        """An event that a machine has postponed: its kind, and what it is."""
        kind, written = one
        try:
            return kind, self._reader.read(written, f"{self._path}: a postponed {kind}")
        except Dropped:
            if kind == "call":
                self._callers.drop(written["items"][1]["value"])
            raise


def _snapshot(name: str, data: Any, record: MachineRecord | None, of: _Messages) -> Snapshot:
    assert record is not None
    timers = unless_dropped(of.timer, record.timers)
    postponed = unless_dropped(of.postponed, record.postponed)
    return Snapshot(name, data, tuple(timers), tuple(postponed))


def entries(
    records: Iterable[EntryRecord],
    reader: Reader,
    callers: Callers,
    where: Callable[[str], LocalAddress],
    path: str,
) -> Iterable[Entry]:
    """Messages that wait, as a mailbox has them.

    Raises:
        NoConversion: one of them is not what this code knows, and there is no adapter for it.
    """
    of = _Messages(reader, callers, path)
    for number, one in enumerate(records):
        with suppress(Dropped):
            message = of.waiting(one.message, number)
            sender = None if one.sender is None else where(one.sender)
            yield message, sender, one.arrived


def deliver(kernel: Kernel, cell: Cell, mailbox: Sequence[Entry]) -> None:
    """Put messages before those that have come here."""
    if not mailbox or cell.actor is None:
        return
    was_empty, behind = cell.mailbox is None, cell.mailbox or ()
    cell.mailbox = deque((*mailbox, *behind))
    if was_empty:
        kernel.make_ready(cell)


def address_of(kernel: Kernel, moved: dict[str, str]) -> Callable[[str], LocalAddress]:
    """Who lives here, by the paths of the other side.

    Args:
        kernel: the node.
        moved: paths here of those that were renamed or moved.
    """
    known: dict[str, LocalAddress] = {}

    def where(path: str) -> LocalAddress:
        found = known.get(path)
        if found is None or found.cell is None:
            found = known[path] = address_at(kernel, _path_here(path, moved))
        return found

    return where


def _path_here(path: str, moved: dict[str, str]) -> str:
    if not moved or path in moved:
        return moved.get(path, path)
    above, slash, name = path.rpartition("/")
    return f"{_path_here(above, moved)}/{name}" if slash else path
