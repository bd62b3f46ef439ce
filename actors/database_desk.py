"""The database as operators see it, and the size of its pool as they change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.customer_lookup import NAME as CUSTOMERS
from actors.database import ROUTER
from actors.odbc_pool import NAME as POOL
from actors.odbc_pool import Pool, PoolAsked, PoolRefused, Resize
from actors.odbc_server import database_state
from actors.web.ports import DatabaseReport, HostReport, PoolBusy, PoolLimit, PoolReport
from supervision import CallFailed, GenServer

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Kernel

ANSWER_S = 2.0


class DatabaseDesk:
    """Implements ``Database`` of the API.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def report(self) -> DatabaseReport:
        """Hosts, connections, pool and look-ups, now."""
        router = self._status(ROUTER)
        return DatabaseReport(
            state=database_state(self._kernel),
            primary=router.get("primary", ""),
            hosts={name: HostReport(**host) for name, host in router.get("hosts", {}).items()},
            connections=router.get("connections", {}),
            waiting=router.get("waiting", 0),
            running=router.get("running", 0),
            queries=router.get("queries", 0),
            pool=await self._pool(PoolAsked()) if self._is_there(POOL) else None,
            customers=self._status(CUSTOMERS),
        )

    async def resize(self, connections: int) -> PoolReport:
        """Have so many connections to each host.

        Args:
            connections: How many.

        Raises:
            PoolLimit: There may not be so many.
            PoolBusy: There is no pool, or it does not answer now.
        """
        return await self._pool(Resize(connections))

    async def _pool(self, request: Resize | PoolAsked) -> PoolReport:
        if not self._is_there(POOL):
            raise PoolBusy
        try:
            answer = await self._kernel.call(POOL, request, ANSWER_S)
        except CallFailed as failure:
            raise PoolBusy from failure
        match answer:
            case PoolRefused(rule):
                raise PoolLimit(rule)
            case Pool(connections, configured, limit, hosts, leaving):
                return PoolReport(
                    connections=connections,
                    configured=configured,
                    limit=limit,
                    hosts=hosts,
                    leaving=leaving,
                )
        raise TypeError(type(answer).__name__)

    def _is_there(self, name: str) -> bool:
        return self._kernel.registry.whereis(name) is not None

    def _status(self, name: str) -> dict[str, Any]:
        cell = self._kernel.cell_of(name) if self._is_there(name) else None
        actor = None if cell is None else cell.actor
        if not isinstance(actor, GenServer) or actor.state is None:
            return {}  # it is starting
        status: dict[str, Any] = actor.status()
        return status
