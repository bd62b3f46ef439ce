"""callSup and what is below it: contextStore, the router, the pool of sessions, the CTI links.

Its parts find each other by name and survive each other's restart.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from actors import session_ending
from actors.call_messages import SessionArgs
from actors.call_session import CallSession
from actors.collecting import no_collection
from actors.context_store import ContextStore, StoreArgs
from actors.cti_listener import SUPERVISOR as CTI_SUP
from actors.cti_listener import CtiListener, ListenerArgs
from actors.router import Router
from actors.session_opening import SUPERVISOR as SESSION_SUP
from supervision import Backoff, ChildSpec, Supervisor, SupervisorFlags, strategy
from supervision.eventloop.lifecycle import Failed

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from actors.call_messages import CallSettings
    from actors.config import SupervisionConfig
    from actors.routing import RoutingTable
    from actors.session_pool import SessionPool
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
    table: RoutingTable
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
            ChildSpec("router", Router, args.table),
            ChildSpec("sessionSup", SessionSup, sessions, type="supervisor"),
            ChildSpec("ctiSup", CtiSup, args, type="supervisor"),
        ]
        return flags(args.supervision), children


class SessionSupArgs(Struct, frozen=True):
    """What sessionSup starts with."""

    supervision: SupervisionConfig
    pool: SessionPool
    settings: CallSettings


class SessionSup(Supervisor):
    """One callSession for each call; registered as ``sessionSup``.

    A session that crashes goes on from its last handled state. One that crashes again and again
    waits, longer each time, and is never given up; the pool as a whole bears restarts in proportion
    to its size. Where sessionSup itself dies or is restarted, its sessions go on under the next
    one; so do those that the journal has given back, of the process before. A session that somebody
    terminates is closed as ``failed``: nothing of it comes back.
    """

    _settings: CallSettings

    def init(self, args: SessionSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """A pool."""
        self.register(SESSION_SUP)
        self._settings = args.settings
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
        if refused is None:
            self.state.children = args.pool.children
            await self._take_over(args.pool)
            with no_collection():
                await self._take_in(args)
            args.pool.ready = True
            args.settings.count.begin()
        return refused

    async def _take_over(self, pool: SessionPool) -> None:
        for number, child in enumerate(list(pool.children.values()), 1):
            if child.kept is None:
                del pool.children[child.id]
                continue
            await self._start_kept(child)
            child.restarts += 1
            if number % SLICE == 0:
                await asyncio.sleep(0)

    async def _take_in(self, args: SessionSupArgs) -> None:
        """Start what was recovered; whoever cuts this short leaves the rest to the next one."""
        recovered = args.pool.recovered
        template = self.state.template
        assert template is not None
        same = SessionArgs(args.settings, None)  # a session that goes on needs no more
        number = 0
        while recovered:
            session, kept = recovered.popitem()
            if session in self.state.children:
                continue
            child = self._add(template, session, same)
            child.kept = kept
            await self._start_kept(child)
            number += 1
            if number % SLICE == 0:
                await asyncio.sleep(0)

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
        _, data = child.kept
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
