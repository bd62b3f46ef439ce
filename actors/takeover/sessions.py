"""The sessions in a takeover: copied while the old node serves, and again when they change.

The old node knows by its journal which session has changed, for whatever changes goes there; and
by its reports what its supervisor and its operators do to one. The new one has each as an actor
from the moment it comes, with its names and its timers, which the kernel holds. What would act,
questions to the router above all, begins at the switch.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from actors.call_saving import KIND
from actors.call_session import CallSession
from actors.session_opening import SUPERVISOR
from actors.session_record import SCHEMA, CarriedSessions, Schema, Shared
from actors.session_unread import Unread, known
from supervision.gen_statem.machine import Packed
from supervision.release.carrier import Bulk, NotCarried, Slice
from supervision.supervisor.carrying import NOTHING, past_of

if TYPE_CHECKING:
    import asyncio

    from actors.call_messages import CallSettings
    from actors.call_sup import SessionSup
    from actors.journal.journal import Journal
    from actors.session_pool import SessionPool
    from actors.session_record import Carried, Parts
    from actors.session_unread import Form
    from supervision.child import Child
    from supervision.eventloop.cell import Cell
    from supervision.eventloop.kernel import Kernel
    from supervision.eventloop.reports import Report


class SessionsBulk(Bulk):
    """The sessions of a node, on either side of a takeover.

    Args:
        kernel: the node.
        pool: its sessions.
        journal: where they are put.
        settings: shared by all of them.
        schema: what they are made of in this release.
    """

    name = "sessions"

    def __init__(
        self,
        kernel: Kernel,
        pool: SessionPool,
        journal: Journal,
        settings: CallSettings,
        schema: Schema = SCHEMA,
    ) -> None:
        self.version = schema.version
        self.conversions = schema.ways
        self._kernel = kernel
        self._pool = pool
        self._journal = journal
        self._count = settings.count
        self._records = CarriedSessions(schema)
        self._giving: _Due | None = None
        self._taking = _Taken()

    # The side that gives

    def begin(self) -> None:
        """Note what changes from now on; every session is due once."""
        self.end()
        self._giving = _Due(self._kernel, self._journal, self._pool)

    def take(self, limit: int, version: int) -> Slice:
        """The next sessions that are due.

        Raises:
            NoConversion: no way leads to that version.
            NotCarried: no actor runs any more, and one has not told a decision that it has made.
        """
        due, write = self._begun(), self._records.encoder(version)
        items: list[tuple[str, bytes]] = []
        dropped: list[str] = []
        for session in due.next(limit):
            child = self._pool.children.get(session)
            if child is None or child.kept is None:
                due.ended(session, there=child is not None)
                dropped.append(session)
            else:
                body = _as_it_came(child, version)
                items.append((session, body or write(self._carried(session, child, due))))
        return Slice(tuple(items), tuple(dropped))

    def _carried(self, session: str, child: Child, due: _Due | _Heedless) -> Parts:
        assert child.kept is not None  # else it has ended
        state, data = child.kept
        cell = child.address.cell
        machine = None if cell is None else cell.actor
        if type(data) is Packed:
            asleep: Any = machine or child.spec.start()
            data = asleep.unpack(data.packed)
        data = known(data)
        past = past_of(child)
        at = None
        if isinstance(machine, CallSession):
            at = machine.timer_at("idle" if data.closed is None else "linger")
            if machine.unsettled:
                due.unsettled(session, promised=machine.promised)
        if past is not NOTHING:
            due.again(session)
        return state, data, at, None if past is NOTHING else past

    def one(self, session: str, version: int) -> tuple[str, bytes] | None:
        """A session as it is now, at any time; its call, and how it is written in a version.

        Returns:
            None where there is no such session, or it has nothing to be remembered.
        """
        child = self._pool.children.get(session)
        if child is None or child.kept is None:
            return None
        parts = self._carried(session, child, _Heedless())
        return parts[1].call, self._records.encoder(version)(parts)

    def _begun(self) -> _Due:
        if self._giving is None:
            raise RuntimeError("nothing is given yet: begin() comes first")
        return self._giving

    @property
    def due(self) -> int:
        """How many sessions are due; those twice that have changed before they went once."""
        return 0 if self._giving is None else len(self._giving)

    async def stop(self) -> None:
        """No actor runs any more: what could not be known to have changed is due once more."""
        if self._giving is not None:
            self._giving.last()

    def end(self) -> None:
        """Note changes no longer."""
        giving, self._giving = self._giving, None
        if giving is not None:
            giving.end()

    async def resume(self) -> None:
        """The takeover is off: nothing is left of it."""
        self.end()

    def count(self) -> int:
        """How many sessions there are."""
        ending = 0 if self._giving is None else self._giving.ending()
        return len(self._pool.children) - ending

    def suspended(self) -> list[Cell]:
        """The actors of sessions that are suspended; while the sessions are given."""
        if self._giving is None:
            return []
        children = self._pool.children
        cells = [
            child.address.cell
            for session in self._giving.remarkable
            if (child := children.get(session))
        ]
        return [cell for cell in cells if cell is not None and cell.suspended]

    # The side that takes

    def give(self, version: int, items: Slice) -> asyncio.Future[None] | None:
        """Have sessions live here; they do nothing yet.

        Returns:
            None; where there is no supervisor of sessions yet, what is done when there is.
        """
        read, form = self._records.decoder(version), self._form(version)
        supervisor = self._supervisor()
        if supervisor is None:
            return self._later(version, items)
        known = self._pool.children
        for session in items.dropped:
            if session in known:
                self._drop(supervisor, session)
        for session, body in items.items:
            if session in known:  # it comes anew
                self._drop(supervisor, session)
            self._take_in(supervisor, session, read(body), Unread(body, form))
        return None

    def _form(self, version: int) -> Form:
        forms = self._taking.forms
        if version not in forms:
            forms[version] = self._records.form(version)
        return forms[version]

    def _take_in(
        self, supervisor: SessionSup, session: str, carried: Carried, came: Unread
    ) -> None:
        data = carried.session
        if data.session != session:
            raise ValueError(f"session {session} is in fact {data.session}")
        past = NOTHING
        if carried.past is not None:
            past, came = carried.past, self._without_past(carried)
        due = self._kernel.now if carried.due is None else carried.due
        acts = supervisor.carry_on(carried.state, data, due, past, came)
        if acts is not None:
            taking = self._taking
            taking.shared.share(data)
            taking.acting[session] = acts

    def _without_past(self, carried: Carried) -> Unread:
        """As it would have come: what was is not what will be when it is given back."""
        parts = carried.state, carried.session, carried.due, None
        return Unread(self._records.encoder(self.version)(parts), self._form(self.version))

    def _drop(self, supervisor: SessionSup, session: str) -> None:
        self._taking.acting.pop(session, None)
        self._count.ended(session)
        supervisor.let_go(self._pool.children[session])

    def _supervisor(self) -> SessionSup | None:
        address = self._kernel.registry.whereis(SUPERVISOR)
        cell = None if address is None else address.cell
        if cell is None or cell.task is not None:  # it is starting
            return None
        supervisor: Any = cell.actor
        return supervisor  # type: ignore[no-any-return]

    def _later(self, version: int, items: Slice) -> asyncio.Future[None]:
        taken = self._kernel.loop.create_future()

        def give() -> None:
            if taken.done():
                return
            try:
                self.give(version, items)
            except ValueError as refused:
                taken.set_exception(refused)
            else:
                taken.set_result(None)

        self._pool.when_up.append(give)
        return taken

    def tried(self, version: int, body: bytes) -> bytes:
        """Read a session and write it again in the version that it came in; nothing is touched.

        For a dry run, which compares the two.

        Raises:
            NoConversion, ValueError: as ``give``.
        """
        read = self._records.decoder(version)(body)
        return self._records.encoder(version)((read.state, read.session, read.due, read.past))

    async def switch(self) -> None:
        """The sessions are those of this node: have them ask what has not been answered."""
        self._count.go_on()
        self.take_up()

    def take_up(self) -> None:
        """Have the sessions ask what has not been answered; this node may be a mere shadow."""
        acting, self._taking = self._taking.acting, _Taken()
        self._pool.ready = True
        for session in acting.values():
            session.take_up()


def _as_it_came(child: Child, version: int) -> bytes | None:
    """What a session came as, where that is what it is: nothing has happened to it since."""
    assert child.kept is not None  # else it has ended
    data = child.kept[1]
    if type(data) is Unread and data.form.version == version and past_of(child) is NOTHING:
        return data.body
    return None


class _Heedless:
    """In the place of what notes which sessions are due."""

    def unsettled(self, session: str, *, promised: bool) -> None:
        """Note nothing."""

    def again(self, session: str) -> None:
        """Note nothing."""


class _Taken:
    """What the side that takes keeps until the switch."""

    def __init__(self) -> None:
        self.shared = Shared()
        self.forms: dict[int, Form] = {}
        self.acting: dict[str, CallSession] = {}


class _Due:
    """Which sessions are due, and how that is known.

    Attributes:
        remarkable: those that may change without a word to the journal: they are due once more
            when no actor runs.
    """

    def __init__(self, kernel: Kernel, journal: Journal, pool: SessionPool) -> None:
        self._pool = pool
        self._round: deque[str] = deque(pool.children)
        self._changed: dict[str, None] = {}
        self._ended: set[str] = set()
        self._last = False
        self.remarkable: dict[str, None] = {}
        self._ends = [
            journal.watch(self._put),
            kernel.reports.subscribe(self._told),
        ]

    def __len__(self) -> int:
        return len(self._round) + len(self._changed)

    def _put(self, kind: str, key: str) -> None:
        if kind == KIND:
            self._changed[key] = None

    def _told(self, report: Report) -> None:
        """Note whom a report is about: a session, or one that its supervisor says it of."""
        above, _, name = report.path.rpartition("/")
        if name == SUPERVISOR:
            session = report.data.get("child")
        elif above.endswith(SUPERVISOR):
            session = name
        else:
            return
        if isinstance(session, str) and session in self._pool.children:
            self.remarkable[session] = None

    def next(self, limit: int) -> list[str]:
        """The next that are due, in the order in which they changed."""
        taken: list[str] = []
        while len(taken) < limit and self:
            if not self._round:
                self._round, self._changed = deque(self._changed), {}
            session = self._round.popleft()
            if session not in self._changed:  # else it goes with its latest change
                taken.append(session)
        return taken

    def unsettled(self, session: str, *, promised: bool) -> None:
        """Note one that has to tell somebody something; in the end all decisions have been told."""
        if self._last and promised:
            raise NotCarried(f"session {session}: a decision that nobody has been told yet")
        self.again(session)

    def again(self, session: str) -> None:
        """Have one be due once more when no actor runs."""
        self.remarkable[session] = None

    def ended(self, session: str, *, there: bool) -> None:
        """Note one that has ended; its supervisor may not know of it yet."""
        if there:
            self._ended.add(session)

    def ending(self) -> int:
        """Those that have ended and are there."""
        self._ended = {session for session in self._ended if session in self._pool.children}
        return len(self._ended)

    def last(self) -> None:
        """Have all be due that may have changed unknown."""
        self._last = True
        self._changed |= self.remarkable

    def end(self) -> None:
        """Hear of nothing any more."""
        ends, self._ends = self._ends, []
        for end in ends:
            end()
