"""What a node's actors are, written down for another version while the node stands still."""

from __future__ import annotations

from contextlib import suppress
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from supervision.behaviour import Behaviour
from supervision.behaviour.base import deliver_timeout
from supervision.eventloop.admission import owed
from supervision.eventloop.calls import PendingCall, Response
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.idling import IdleTimeout
from supervision.eventloop.lifecycle import OWN
from supervision.gen_statem.machine import StateMachine
from supervision.gen_statem.timers import Fired
from supervision.release.actor_calls import gives_all
from supervision.release.actor_records import (
    NOBODY,
    ActorRecord,
    EntryRecord,
    MachineRecord,
    MachineTimer,
    MonitorRecord,
    TimerRecord,
)
from supervision.release.actor_walk import begins_anew, kind_of, travels, version_of
from supervision.release.carrier import NoConversion, NotCarried
from supervision.release.messages import (
    NO_ADAPTERS,
    TAG,
    Dropped,
    Writer,
    no_answer,
    unless_dropped,
)
from supervision.release.values import Pack, plain
from supervision.release.versions import ConversionFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from supervision.eventloop.cell import Cell, Entry
    from supervision.eventloop.timers import Timer
    from supervision.gen_statem.actions import Snapshot, TimerLeft
    from supervision.release.actor_calls import Calls


class ActorWriter:
    """Writes actors down, each in the version that the other side has.

    Args:
        theirs: versions of the kinds of state that the other side knows.
        calls: numbers callers.
        extra: what the release has to say to ``downgrade``.
        still: whether the node stands still; see ``begins_anew``.

    Attributes:
        left: what does not travel, in words.
    """

    def __init__(
        self, theirs: Mapping[str, int], calls: Calls, extra: Any = None, *, still: bool = True
    ) -> None:
        self._theirs = theirs
        self._still = still
        self._calls = calls
        self._extra = extra
        self.left: list[str] = []

    def anew(self, cell: Cell) -> bool:
        """Whether an actor begins anew on the other side, for its handler waits."""
        return begins_anew(cell, still=self._still)

    def actor(self, cell: Cell, was: str) -> ActorRecord:
        """An actor that travels, with all that waits for it.

        Args:
            cell: the actor.
            was: where it was in the version before.

        Raises:
            NotCarried: something in it cannot travel; the message says where it is.
            NoConversion: it cannot be written in the other side's version.
        """
        actor, path = cell.actor, cell.address.path
        assert isinstance(actor, Behaviour)
        pack = Pack(self._calls.number)
        own = version_of(actor)
        version = min(own, self._theirs.get(kind_of(actor), own))
        writer = Writer(pack, actor.adapters if version < own else NO_ADAPTERS)
        record = ActorRecord(path, was, kind_of(actor), version, None, whole=gives_all(actor))
        self._state(actor, record, pack, writer)
        if version < own:
            record.state = downgraded(actor, record.state, version, self._extra, path)
        self._relations(cell, record, pack, writer)
        self._calls.write_requests(writer, path)
        record.timers = list(_timers(cell, pack, writer, whole=record.whole))
        watching = cell.watching or {}
        record.monitors = [
            MonitorRecord(one.target.address.path if one in watching else "")
            for one in pack.monitors
        ]
        return record

    def _state(self, actor: Behaviour, record: ActorRecord, pack: Pack, writer: Writer) -> None:
        path, given = record.path, actor.hand_over()
        if not isinstance(actor, StateMachine):
            record.state = plain(given, f"{path}: state", pack)
            return
        if actor._callbacks is not None:  # noqa: SLF001 - no name leads to who handles its events
            raise NotCarried(f"{path}: other callbacks have been put into its place")
        record.machine = _machine(given, writer, path, self._calls)
        record.state = [given.state, plain(given.data, f"{path}: data", pack)]

    def _relations(self, cell: Cell, record: ActorRecord, pack: Pack, writer: Writer) -> None:
        path = record.path
        record.mailbox = list(self._own_mailbox(cell, writer, record))
        number = self._calls.number if record.whole else self._calls.known
        numbers = map(number, cell.deferred or ())
        record.deferred = [one for one in numbers if one != NOBODY]
        record.names = unless_dropped(
            lambda one: (writer.write(one[0], f"{path}: a name"), one[1]),
            (cell.names or {}).items(),
        )
        for watch in (cell.watching or ()) if record.whole else ():
            pack.reference(watch)
        others = [one for one in cell.links or () if travels(one)]
        record.links = [one.address.path for one in others if not self.anew(one)]
        record.incarnation = cell.address.incarnation
        record.suspended, record.trap_exit = cell.suspended, cell.trap_exit
        waiting = getattr(cell.actor, "_continuing", None)
        if waiting is not None and record.whole:
            at = f"{path}: a term"
            record.going_on = unless_dropped(lambda one: writer.write(one, at), waiting)
            _go_on_with_next(record)

    def _own_mailbox(
        self, cell: Cell, writer: Writer, record: ActorRecord
    ) -> Iterator[EntryRecord]:
        actor, waiting = cell.actor, tuple(cell.mailbox or ())
        assert isinstance(actor, Behaviour)
        if not actor.carries_mailbox:
            if waiting:
                self.left.append(f"{record.path}: {len(waiting)} messages")
            return
        if not record.whole:  # answers to what it has asked, and the like, mean nothing to the next
            waiting = tuple(one for one in waiting if not owed(one[0]))
        yield from self.mailbox(waiting, writer, record.path, cell)

    def mailbox(
        self, entries: Iterable[Entry], writer: Writer, path: str, cell: Cell | None = None
    ) -> Iterator[EntryRecord]:
        """The messages that wait.

        In a copy of a node that runs first the one that is being handled: a takeover would put it
        back there (``stragglers.treat``), or not carry this actor.

        Raises:
            NotCarried: one of them cannot travel.
        """
        task = None if cell is None else cell.task
        if task is not None and task.message is not None:
            entries = [(task.message, task.sender, 0.0), *entries]
        for number, (message, sender, arrived) in enumerate(tuple(entries)):
            if not self._goes(message):
                continue
            try:
                written = self._message(message, writer, path, number)
            except Dropped:
                continue
            whose = sender.path if isinstance(sender, LocalAddress) else None
            yield EntryRecord(written, whose, arrived)

    def _message(self, message: Any, writer: Writer, path: str, number: int) -> Any:
        if isinstance(message, PendingCall):
            self._calls.write_request(message, writer, path)
        at = f"{path}: message {number} {type(message).__name__}"
        try:
            return writer.write(message, at)
        except Dropped:
            if not isinstance(message, Response):
                raise
            return writer.write(no_answer(message.request_id), at)

    def _goes(self, message: Any) -> bool:
        if isinstance(message, PendingCall):
            return self._calls.number(message) != NOBODY
        # A machine's timer is set anew, and fires anew; the ends of children are not the others'.
        return not isinstance(message, (Fired, *_NOT_CARRIED))


_NOT_CARRIED = tuple(kind for kind in OWN if kind.__name__ in {"ChildExited", "StopRequest"})


def _go_on_with_next(record: ActorRecord) -> None:
    """Put the next term into the mailbox, where the one that was there has been dropped."""
    messages = [one.message for one in record.mailbox]
    if any(isinstance(one, dict) and one.get(TAG) == "continued" for one in messages):
        return
    terms, record.going_on = record.going_on or [], None
    if terms:
        term = {TAG: "continued", "items": terms[:1]}
        record.mailbox.insert(0, EntryRecord(term, record.path, 0.0))
        record.going_on = terms[1:]


def _machine(given: Snapshot, writer: Writer, path: str, calls: Calls) -> MachineRecord:
    def timer(left: TimerLeft) -> MachineTimer:
        name = writer.write(left.name, f"{path}: a timer's name")
        content = writer.write(left.content, f"{path}: timer {left.name!r}")
        return MachineTimer(name, left.at, content)

    def event(one: tuple[str, Any]) -> tuple[str, Any]:
        kind, what = one
        try:
            return kind, writer.write(what, f"{path}: a postponed {kind}")
        except Dropped:
            if kind == "call":
                calls.drop(what[1])
            raise

    postponed = [one for one in given.postponed if one[0] != "call" or _asked(writer, one[1])]
    return MachineRecord(unless_dropped(timer, given.timers), unless_dropped(event, postponed))


def _asked(writer: Writer, event: Any) -> bool:
    return bool(writer.write(event[1], "a caller")["value"] != NOBODY)


def downgraded(actor: Behaviour, state: Any, want: int, extra: Any, path: str) -> Any:
    """The state of an actor as an older version knows it.

    Raises:
        NoConversion: it does not know how; also where it had to be awaited.
        ConversionFailed: ``downgrade`` raised.
    """
    kind, have = kind_of(actor), version_of(actor)
    if isinstance(actor, StateMachine):
        return list(asked(actor.downgrade, (want, *state, extra), (kind, have, want, path)))
    convert = getattr(actor, "downgrade", None)
    if convert is not None:
        return asked(convert, (want, state, extra), (kind, have, want, path))
    return asked(actor.converted, ("downgrade", state, have, want), (kind, have, want, path))


def asked(
    convert: Callable[..., Any], args: tuple[Any, ...], about: tuple[str, int, int, str]
) -> Any:
    """What a callback makes of a state, as plain data.

    Args:
        convert: ``code_change`` or ``downgrade``.
        args: what it is given.
        about: the kind of state, its version, the version to make, the path of the actor.

    Raises:
        NoConversion: it does not know how; also where it had to be awaited.
        ConversionFailed: it raised.
    """
    kind, have, want, path = about
    try:
        made = convert(*args)
    except NoConversion as why:
        raise NoConversion(f"{path}: {why}") from why
    except ConversionFailed as why:
        cause = why.__cause__ or why
        raise ConversionFailed(f"{path}: {why.kind}", why.have, why.want, cause) from cause
    except Exception as why:
        # The callback is the code of whoever wrote the actor: anything comes out of it. Its actor
        # runs on, with the state that it has: a conversion that fails is a takeover that is refused
        # and no crash, so its supervisor, which would restart it without that state, hears nothing.
        if isinstance(why, TypeError) and " has no " in str(why):
            raise NoConversion(f"{path}: {why}") from why
        raise ConversionFailed(f"{path}: {kind}", have, want, why) from why
    if isawaitable(made):
        getattr(made, "close", _nothing)()
        raise NoConversion(f"{path}: the conversion of {kind} would have to be awaited")
    return plain(made, f"{path}: what became of {kind}", Pack())


def _nothing() -> None:
    """There is nothing to be closed."""


def _timers(cell: Cell, pack: Pack, writer: Writer, *, whole: bool) -> Iterator[TimerRecord]:
    """The timers of an actor: first those that its state knows, then the others, the oldest first.

    What a machine has set by name travels with the machine.
    """
    for timer in reversed(list(own_timers(cell))) if whole else ():
        if not isinstance(timer.payload, Fired | IdleTimeout):
            pack.reference(timer)
    path = cell.address.path
    for timer in pack.timers:  # grows where one says another
        pending = timer.pending and timer.owner is cell
        if pending and timer.fire is not deliver_timeout:
            raise NotCarried(f"{path}: a timer that start_timer has not set")
        yield _timer(timer, writer, path) if pending else TimerRecord(None)
    idle = getattr(cell.actor, "_idle_timeout", None)
    if whole and idle is not None and idle.due is not None:
        with suppress(Dropped):
            payload = writer.write(idle.payload, f"{path}: its idle timeout")
            yield TimerRecord(idle.due, payload, idle=True)


def _timer(timer: Timer, writer: Writer, path: str) -> TimerRecord:
    try:
        return TimerRecord(timer.when, writer.write(timer.payload, f"{path}: a timer"))
    except Dropped:
        return TimerRecord(None)  # whoever knows it by its number finds one that does not fire


def own_timers(cell: Cell) -> Iterator[Timer]:
    """The timers of an actor that have not fired, the youngest first."""
    timer = cell.timers
    while timer is not None:
        yield timer
        timer = timer.after
