"""The operations of the database: how it stands, and how many connections there are."""

from __future__ import annotations

import logging
from typing import Annotated

from msgspec import Meta

from actors.web.api import Call, Operation, Reply, operation
from actors.web.parameters import ACT, LOOK, Reason
from actors.web.ports import DatabaseReport, PoolBusy, PoolLimit, PoolReport
from actors.web.problems import unavailable
from protocols.http import problem

RETRY_AFTER_S = 1.0

logger = logging.getLogger(__name__)


class PoolWanted(Reason, frozen=True, kw_only=True):
    """How many connections to each host there should be, and why."""

    connections: Annotated[int, Meta(ge=1, le=256)]


@operation("GET", "/api/v1/database", scopes=LOOK, response=DatabaseReport)
async def show_database(call: Call[None, None]) -> Reply:
    """Hosts and their roles, breakers, connections, the pool, and how look-ups go."""
    try:
        return Reply(value=await call.services.database.report())
    except PoolBusy as error:
        raise unavailable("the pool cannot answer now", RETRY_AFTER_S) from error


@operation(
    "POST",
    "/api/v1/database/pool",
    scopes=ACT,
    request=PoolWanted,
    response=PoolReport,
)
async def resize_pool(call: Call[None, PoolWanted]) -> Reply:
    """Change how many connections to each host there are; what runs on those that go, ends first.

    It holds until the next start, and over upgrades.
    """
    wanted = call.body
    logger.info(
        "%s asks for %d connections: %s", call.who, wanted.connections, wanted.reason.strip()
    )
    try:
        return Reply(value=await call.services.database.resize(wanted.connections))
    except PoolLimit as error:
        raise problem.invalid("connections", error.rule) from error
    except PoolBusy as error:
        raise unavailable("there is no pool of connections now", RETRY_AFTER_S) from error


OPERATIONS: tuple[Operation, ...] = (show_database, resize_pool)
