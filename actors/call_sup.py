"""callSup and what is below it: the router, the pool of sessions, the CTI links.

Its parts find each other by name and survive each other's restart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from actors.call_session import CallSession
from actors.cti_listener import SUPERVISOR as CTI_SUP
from actors.cti_listener import CtiListener, ListenerArgs
from actors.router import Router
from actors.session_api import Busy
from actors.session_opening import SUPERVISOR as SESSION_SUP
from supervision import ChildSpec, Supervisor, SupervisorFlags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.config import SupervisionConfig
    from actors.routing import RoutingTable
    from supervision.eventloop.address import LocalAddress
    from supervision.eventloop.kernel import Kernel

SESSION_STOP_S = 1.0
ONE_SESSION_RESTARTS = 5
"""Restarts of one session within the period after which it is given up alone."""

RETRY_AFTER_S = 0.2


class CallSupArgs(Struct, frozen=True):
    """What callSup starts with."""

    supervision: SupervisionConfig
    table: RoutingTable
    listener: ListenerArgs


class CallSup(Supervisor):
    """one_for_one over router, sessionSup and ctiSup."""

    def init(self, args: CallSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """The router first: whoever comes after may ask it."""
        children = [
            ChildSpec("router", Router, args.table),
            ChildSpec("sessionSup", SessionSup, args.supervision, type="supervisor"),
            ChildSpec("ctiSup", CtiSup, args, type="supervisor"),
        ]
        return flags(args.supervision), children


class SessionSup(Supervisor):
    """One callSession for each call; registered as ``sessionSup``.

    A session that crashes goes on from its last handled state. One that crashes again and again is
    given up alone; the pool as a whole bears restarts in proportion to its size.
    """

    def init(self, args: SupervisionConfig) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """A pool."""
        self.register(SESSION_SUP)
        pool = SupervisorFlags(
            strategy="simple_one_for_one",
            intensity=args.intensity,
            period=args.period_s,
            pool_ratio=args.pool_intensity_ratio,
            child_intensity=ONE_SESSION_RESTARTS,
        )
        session = ChildSpec(
            "callSession",
            CallSession,
            restart="transient",
            shutdown=SESSION_STOP_S,
            keep_state=True,
        )
        return pool, [session]


class CtiSup(Supervisor):
    """ctiListener, and one ctiLink for each connection; registered as ``ctiSup``."""

    def init(self, args: CallSupArgs) -> tuple[SupervisorFlags, Sequence[ChildSpec]]:
        """The listener; it has the links started."""
        self.register(CTI_SUP)
        return flags(args.supervision), [ChildSpec("ctiListener", CtiListener, args.listener)]


class SessionPool:
    """The sessions that live, as their supervisor knows them.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def address_of(self, session: str) -> LocalAddress | None:
        """Where a session lives, also while it is being restarted.

        Raises:
            Busy: the supervisor of sessions is being restarted.
        """
        supervisor = self._supervisor()
        if supervisor is None:
            raise Busy(RETRY_AFTER_S)
        child = supervisor.state.children.get(session)
        return None if child is None else child.address

    def count(self) -> int:
        """How many sessions there are; 0 while their supervisor is being restarted."""
        supervisor = self._supervisor()
        return 0 if supervisor is None else len(supervisor.state.children)

    def _supervisor(self) -> Supervisor | None:
        address = self._kernel.registry.whereis(SESSION_SUP)
        actor = None if address is None or address.cell is None else address.cell.actor
        return actor if isinstance(actor, Supervisor) and hasattr(actor, "state") else None


def flags(config: SupervisionConfig) -> SupervisorFlags:
    """one_for_one with the configured intensity."""
    return SupervisorFlags(intensity=config.intensity, period=config.period_s)
