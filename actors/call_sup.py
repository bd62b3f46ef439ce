"""callSup and what is below it: contextStore, the router, the pool of sessions, the CTI links.

Its parts find each other by name and survive each other's restart.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from actors import session_ending
from actors.call_messages import SessionArgs
from actors.call_session import CallSession, left_after_start
from actors.collecting import no_collection
from actors.context_store import ContextStore, StoreArgs
from actors.cti_listener import SUPERVISOR as CTI_SUP
from actors.cti_listener import CtiListener, ListenerArgs
from actors.router import Router
from actors.session_names import names_of
from actors.session_opening import SUPERVISOR as SESSION_SUP
from actors.session_unread import known
from supervision import Backoff, ChildSpec, Supervisor, SupervisorFlags, strategy
from supervision.eventloop.lifecycle import Failed
from supervision.eventloop.managed import Stop
from supervision.reasons import error
from supervision.supervisor.carrying import NOTHING, Past

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from actors.call_messages import CallSettings
    from actors.config import SupervisionConfig
    from actors.routing_desk import RoutingDesk
    from actors.session_data import Session
    from actors.session_pool import SessionPool
    from actors.session_unread import Unread
    from actors.standby import Standby
    from supervision.child import Child
    from supervision.eventloop.lifecycle import ChildExited

SESSION_STOP_S = 1.0
ONE_SESSION_RESTARTS = 5
"""Failures in a row of one session after which it waits before it is started again."""

ONE_SESSION_WAITS = Backoff(0.2, 30.0)
"""How long it waits then; what it was sent waits with it."""

SLICE = 500
"""Sessions taken over before the loop goes round once."""


class CallSupArgs(Struct, frozen=True):
    """What callSup starts with."""

    supervision: SupervisionConfig
    desk: RoutingDesk
    store: StoreArgs
    sessions: SessionSupArgs
    listener: ListenerArgs


class CallSup(Supervisor):
    """one_for_one over contextStore, router, sessionSup and ctiSup."""

    def init(self, args: CallSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """First who recovers the others' state, then the router, whom the others ask."""
        sessions = args.sessions
        children = [
            ChildSpec("contextStore", ContextStore, args.store),
            ChildSpec("router", Router, args.desk),
            ChildSpec("sessionSup", SessionSup, sessions, type="supervisor"),
            ChildSpec("ctiSup", CtiSup, args, type="supervisor"),
        ]
        return flags(args.supervision), children


class SessionSupArgs(Struct, frozen=True):
    """What sessionSup starts with.

    Attributes:
        pool: the sessions that live.
        settings: shared by all of them.
        standby: whether the sessions come from a node that serves; None: from nowhere else.
    """

    supervision: SupervisionConfig
    pool: SessionPool
    settings: CallSettings
    standby: Standby | None = None


class SessionSup(Supervisor):
    """One callSession for each call; registered as ``sessionSup``.

    A session that crashes goes on from its last handled state. One that crashes again and again
    waits, longer each time, and is never given up; the pool as a whole bears restarts in proportion
    to its size. Where sessionSup itself dies or is restarted, its sessions go on under the next
    one; so do those that the journal has given back, of the process before. A session that somebody
    terminates is closed as ``failed``: nothing of it comes back.
    """

    carries = "mailboxes"  # the sessions themselves are a part of their own
    _settings: CallSettings
    _same: SessionArgs
    """Of those that go on: they need no more."""

    def init(self, args: SessionSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """A pool."""
        self.register(SESSION_SUP)
        self._settings = args.settings
        self._same = SessionArgs(args.settings, None)
        bounds = args.supervision
        pool = SupervisorFlags(
            strategy="simple_one_for_one",
            intensity=bounds.intensity,
            period=bounds.period_s,
            pool_ratio=bounds.pool_intensity_ratio,
            child_intensity=ONE_SESSION_RESTARTS,
            child_backoff=ONE_SESSION_WAITS,
        )
        session = ChildSpec(
            "callSession",
            CallSession,
            restart="transient",
            shutdown=SESSION_STOP_S,
            keep_state=True,
            on_restart="keep",
        )
        return pool, [session]

    async def on_start(self, args: SessionSupArgs) -> Any:
        """Take over the sessions that the last incarnation left, or the last process."""
        refused = await super().on_start(args)
        if refused is not None:
            return refused
        if args.standby is not None and args.standby.waiting:
            if args.pool.children:  # what they were is known to nobody but the node that serves
                return Stop(error("sessionSup has ended before its node serves"))
            self.state.children = args.pool.children
        else:
            self.state.children = args.pool.children
            await self._take_over(args.pool)
            with no_collection():
                await self._take_in(args.pool)
            args.pool.ready = True
            args.settings.count.begin()
        self._say_up(args.pool)
        return None

    def _say_up(self, pool: SessionPool) -> None:
        waiting, pool.when_up = pool.when_up, []
        for then in waiting:
            then()

    async def _take_over(self, pool: SessionPool) -> None:
        for number, child in enumerate(list(pool.children.values()), 1):
            if child.kept is None:
                del pool.children[child.id]
                continue
            await self._start_kept(child)
            child.restarts += 1
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def _take_in(self, pool: SessionPool) -> None:
        """Start what was recovered; whoever cuts this short leaves the rest to the next one."""
        recovered = pool.recovered
        while recovered:
            now, wall = self.now(), self.wall()
            for _ in range(min(SLICE, len(recovered))):
                session, (state, data) = recovered.popitem()
                if session in self.state.children:
                    continue
                if data.updated > wall:
                    data = replace(data, updated=wall)
                try:
                    due = now + left_after_start(data, self._settings.sessions, wall)
                    acts = self.carry_on(state, data, due)
                    if acts is not None:
                        acts.take_up()
                except Exception:  # noqa: BLE001 - then it is one that crashes as it is started
                    await self._start_anew(session, state, data)
            await asyncio.sleep(0)

    async def _start_anew(self, session: str, state: str, data: Session) -> None:
        """Start a session in the ordinary way, which reports what is wrong with it."""
        known, template = self.state.children.get(session), self.state.template
        assert template is not None
        if known is not None:
            self.let_go(known)
        child = self._add(template, session, self._same)
        child.kept = (state, data)
        await self._start_kept(child)

    def carry_on(
        self,
        state: str,
        data: Session,
        due: float,
        past: Past = NOTHING,
        came: Unread | None = None,
    ) -> CallSession | None:
        """Have a session go on that another process had; it does nothing yet.

        Args:
            state: of its machine.
            data: its data.
            due: when it is idle for too long, or has lingered, monotonic seconds.
            past: what was remembered of it.
            came: see ``CallSession.carry_on``.

        Returns:
            The session where it has something to do: then ``take_up`` is to be called.
        """
        child = self.take_in(data.session, self._same, past)
        cell = child.address.cell
        if cell is None:
            child.kept = (state, data)
            self.kernel.held.expect(child.address, names_of(data))
            if data.closed is None:
                self._settings.count.opened(data.session)
            return None
        session = cell.actor
        assert isinstance(session, CallSession)
        acts = session.carry_on(self._same, state, data, due, came)
        return session if acts else None

    async def _start_kept(self, child: Child) -> None:
        """Start a session that goes on; one that fails to is tried again as one that crashed."""
        outcome = await self._start(child)
        if isinstance(outcome, Failed):
            self._do_all(self._start_failed(child, outcome.reason))

    def _exited(self, event: ChildExited) -> Coroutine[Any, Any, None] | None:
        child = self.state.children.get(str(event.address.name))
        further = super()._exited(event)
        if child is not None and child.id not in self.state.children:
            self._gone(child)
        return further

    def _do(self, action: strategy.Action) -> None:
        """Keep the session whose restart is one too many for this pool: the next one has it."""
        if isinstance(action, strategy.Tell) and action.context == "shutdown":
            self.state.children.setdefault(action.child.id, action.child)
        super()._do(action)

    def _leave_out(self, child: Child) -> None:
        super()._leave_out(child)
        self._gone(child)

    def _gone(self, child: Child) -> None:
        """Close a session that has left the pool but has not ended by itself."""
        if child.kept is None:
            return
        data: Session = known(child.kept[1])
        if session_ending.close(self._settings, data, self.kernel.clock.wall()):
            why = f"session {data.session} of call {data.call} was ended: closed as failed"
            self.kernel.report("degraded", self.address.path, part="callSession", why=why)


class CtiSup(Supervisor):
    """ctiListener, and one ctiLink for each connection; registered as ``ctiSup``."""

    def init(self, args: CallSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """The listener; it has the links started. As many restarts are borne as links may be."""
        self.register(CTI_SUP)
        bounds = args.supervision
        intensity = bounds.intensity + args.listener.table.limits.max_links
        listener = ChildSpec("ctiListener", CtiListener, args.listener)
        return SupervisorFlags(intensity=intensity, period=bounds.period_s), [listener]


def flags(config: SupervisionConfig) -> SupervisorFlags:
    """one_for_one with the configured intensity."""
    return SupervisorFlags(intensity=config.intensity, period=config.period_s)
