"""What waited for the release to be permanent: migrations that take something away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from actors.session_store import NAME as STORE
from actors.session_store import SessionStore

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.schema_upkeep import Upkeep
    from supervision.eventloop.kernel import Kernel

LOOK_S = 0.05
SHARE = 0.9
"""Of the time that the anchor waits, so that it hears what is missing before that is over."""

_ALARMS = ("schema-refused", "database-down")


def held(kernel: Kernel) -> list[str]:
    """The migrations that wait for the release to be permanent, by name."""
    upkeep = _upkeep(kernel)
    return [] if upkeep is None else [one.name for one in upkeep.held]


async def missing(kernel: Kernel, alarms: Alarms, names: list[str], limit_s: float) -> str:
    """Wait until what was held has been applied; the release is permanent by now.

    Where that fails it is tried again, and an alarm says so, for as long as it takes.

    Args:
        kernel: the node.
        alarms: of the node.
        names: what was held.
        limit_s: seconds that the anchor waits.

    Returns:
        What has not been applied in this time, and why, in words; empty where all has.
    """
    until = kernel.clock.monotonic() + SHARE * limit_s
    while names and not _applied(kernel):
        if kernel.clock.monotonic() >= until:
            why = next(filter(None, map(alarms.text, _ALARMS)), "it is under way")
            return f"{', '.join(names)} not applied yet, and tried again until it is: {why}"
        await asyncio.sleep(LOOK_S)
    return ""


def _applied(kernel: Kernel) -> bool:
    upkeep = _upkeep(kernel)
    return (
        upkeep is not None
        and upkeep.phase == "ready"
        and not (upkeep.provisional or upkeep.held or upkeep.again)
    )


def _upkeep(kernel: Kernel) -> Upkeep | None:
    """What the store knows of the schema; None while it is between two lives."""
    cell = kernel.cell_of(STORE)
    actor = None if cell is None else cell.actor
    return actor.state.upkeep if isinstance(actor, SessionStore) else None
