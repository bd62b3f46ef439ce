"""Calls that wait for their answers while the version changes: numbered here, made anew there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from supervision.behaviour import Behaviour
from supervision.eventloop.calls import MessageCall, PendingCall
from supervision.gen_statem.machine import StateMachine
from supervision.release.actor_records import NOBODY, CallRecord
from supervision.release.actor_walk import begins_anew, travels
from supervision.release.messages import Dropped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from supervision.eventloop.cell import Cell, LocalAddress
    from supervision.eventloop.kernel import Kernel
    from supervision.release.messages import Reader, Writer


class Calls:
    """The callers that travel, numbered from 1.

    Args:
        still: whether the node stands still; see ``begins_anew``.

    Attributes:
        records: in the order of their numbers.
        new: calls that have a number and whose request is not written yet, by their numbers.
    """

    def __init__(self, *, still: bool = True) -> None:
        self._still = still
        self.records: list[CallRecord] = []
        self.new: dict[int, MessageCall] = {}
        self._numbers: dict[int, int] = {}
        self._kept: list[PendingCall] = []

    def number(self, call: PendingCall) -> int:
        """The number of a call; ``NOBODY`` where its caller does not travel or has given up."""
        if not (type(call) is MessageCall and call.wanted and self._waits_on(call)):
            return NOBODY
        known = self._numbers.get(id(call))
        if known is not None:
            return known
        path = _caller(call).address.path
        self.records.append(CallRecord(path, call.request_id, call.deadline))
        self._kept.append(call)
        number = self._numbers[id(call)] = len(self.records)
        self.new[number] = call
        return number

    def known(self, call: PendingCall) -> int:
        """The number of a call that has one already; else ``NOBODY``."""
        return self._numbers.get(id(call), NOBODY)

    def write_requests(self, writer: Writer, at: str) -> None:
        """Write what the new ones ask, as their receiver's messages are written."""
        while self.new:
            with suppress(Dropped):  # it is handled already, and only owed an answer
                self._write_request(*self.new.popitem(), writer, at)

    def write_request(self, call: PendingCall, writer: Writer, at: str) -> None:
        """Write what one asks that nobody has handled.

        Raises:
            Dropped: an adapter drops it. Then nobody answers it: the other side tells its caller.
        """
        number = self.number(call)
        new = self.new.pop(number, None)
        if new is None:
            return
        try:
            self._write_request(number, new, writer, at)
        except Dropped:
            self.drop(call)
            raise

    def _write_request(self, number: int, call: MessageCall, writer: Writer, at: str) -> None:
        said = f"{at}: {type(call.request).__name__}"
        self.records[number - 1].request = writer.write(call.request, said)

    def drop(self, call: PendingCall) -> None:
        """Have nobody answer a call: the other side tells its caller."""
        number = self.number(call)
        if number != NOBODY:
            self.new.pop(number, None)
            self._numbers[id(call)] = NOBODY

    def left_out(self, open_calls: Iterable[Any]) -> Iterator[CallRecord]:
        """Those of some calls whose callers travel, and that nobody will answer."""
        for call in open_calls:
            known = type(call) is MessageCall and id(call) in self._numbers
            if type(call) is MessageCall and not known and call.wanted and self._waits_on(call):
                self._numbers[id(call)] = NOBODY
                self._kept.append(call)
                yield CallRecord(_caller(call).address.path, call.request_id)

    def _waits_on(self, call: MessageCall) -> bool:
        """Whether its caller knows of it in the next version."""
        cell = _caller(call)
        actor = cell.actor
        if not travels(cell) or begins_anew(cell, still=self._still):
            return False
        return isinstance(actor, Behaviour) and gives_all(actor)


def _caller(call: MessageCall) -> Cell:
    caller: Any = call.caller
    return caller  # type: ignore[no-any-return]


def gives_all(actor: Behaviour) -> bool:
    """Whether all of an actor's state travels: it has not said what of it."""
    return type(actor).hand_over in {Behaviour.hand_over, StateMachine.hand_over}


# On the other side


class Callers:
    """The callers that have travelled: a call for each number, made when it is first met.

    Args:
        kernel: the node.
        records: in the order of their numbers.
        where: who lives here, by the paths of the other side.
    """

    def __init__(
        self, kernel: Kernel, records: Sequence[CallRecord], where: Callable[[str], LocalAddress]
    ) -> None:
        self._kernel = kernel
        self._records = records
        self._where = where
        self._made: dict[int, MessageCall] = {}
        self._dropped: set[int] = set()

    def call(self, number: int, reader: Reader | None = None) -> PendingCall:
        """The call of a number.

        Args:
            number: of the call; that of nobody is one that nobody wants answered.
            reader: of its receiver, who is to be told what is asked.

        Raises:
            LookupError: there is no such number.
        """
        if number == NOBODY or number in self._dropped:
            return _given_up(self._kernel)
        made = self._made.get(number)
        if made is None:
            record = self._records[number - 1]
            caller = self._where(record.caller).cell
            made = self._made[number] = MessageCall(None, record.deadline, caller, record.id)  # type: ignore[arg-type]
            made.settled = caller is None
        if reader is not None and made.request is None:
            with suppress(Dropped):  # it is handled already, and only owed an answer
                made.request = self._request(number, reader)
        return made

    def waiting(self, number: int, reader: Reader) -> PendingCall:
        """As ``call``, one that nobody has handled.

        Raises:
            Dropped: an adapter drops what is asked; nobody answers it then.
        """
        try:
            request = self._request(number, reader) if number != NOBODY else None
        except Dropped:
            self.drop(number)
            raise
        call = self.call(number)
        call.request = request
        return call

    def _request(self, number: int, reader: Reader) -> Any:
        record = self._records[number - 1]
        return reader.read(record.request, f"a call of {record.caller}")

    def drop(self, number: int) -> None:
        """Have nobody answer the call of a number: its caller is told."""
        self._dropped.add(number)
        made = self._made.pop(number, None)
        if made is not None:
            made.settled = True

    def unclaimed(self) -> Iterator[CallRecord]:
        """Those whose receiver is not here: nobody will answer them."""
        for number, record in enumerate(self._records, 1):
            if number not in self._made:
                yield record

    def set_deadlines(self) -> None:
        """Have those expire in time that have a deadline."""
        for call in self._made.values():
            if call.deadline is not None and not call.settled:
                self._kernel.set_deadline_at(call.deadline, call)


def _given_up(kernel: Kernel) -> MessageCall:
    nobody: Any = kernel
    call = MessageCall(None, None, nobody, 0)
    call.settled = True
    return call
