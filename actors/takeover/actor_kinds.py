"""The actors whose states travel to another version in the part for actors, and the configuration.

Sessions, links and what is open to the outside have parts of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from actors.call_session import CallSession
from actors.connection_router import ConnectionRouter
from actors.odbc_pool import OdbcPool
from actors.ref_server import RefServer
from actors.router import Router
from actors.session_store import SessionStore
from actors.session_sweeper import SessionSweeper
from actors.time_server import TimeServer
from actors.tree import NAME
from supervision.release.actors_part import ActorsPart

if TYPE_CHECKING:
    from actors.config import Config
    from supervision.behaviour import Behaviour
    from supervision.eventloop.kernel import Kernel

KINDS: tuple[type[Behaviour], ...] = (
    ConnectionRouter,
    OdbcPool,
    RefServer,
    Router,
    SessionStore,
    SessionSweeper,
    TimeServer,
)

POOLS: tuple[type[Behaviour], ...] = (CallSession,)
"""Those whose states other parts carry; what waits for them is adapted by their versions."""


def actors_part(kernel: Kernel, config: Config, *, taking: bool) -> ActorsPart:
    """The part for actors of a node.

    Args:
        kernel: the node.
        config: its configuration.
        taking: whether it takes over.
    """
    return ActorsPart(kernel, KINDS, pools=POOLS, tops=(NAME,), taking=taking, config=flat(config))


def flat(config: Config) -> dict[str, Any]:
    """The values of a configuration by their keys, ``section.key``."""
    found: dict[str, Any] = {}
    _gather(msgspec.to_builtins(config, enc_hook=str), "", found)
    return found


def _gather(value: Any, at: str, found: dict[str, Any]) -> None:
    if not isinstance(value, dict):
        found[at] = value
        return
    for key, one in value.items():
        _gather(one, f"{at}.{key}" if at else str(key), found)
