"""What the router works with, of the configuration of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.reference_assembly import ref_server_args
from actors.reference_config import calendars
from actors.routing import table_of
from actors.routing_config import rules_path
from actors.routing_desk import RoutingDesk
from actors.rules_shelf import RulesShelf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.config import Config
    from actors.context_size import ContextSize
    from actors.ref_server import RefServerArgs
    from actors.standby import Standby

APPLIED = "routing"
"""Directory of the rules that were applied, in the data directory."""


def routing_parts(
    config: Config, data: Path, standby: Standby, sessions: Callable[[], ContextSize]
) -> tuple[RefServerArgs, RoutingDesk]:
    """Make what the router works with.

    Args:
        config: the whole configuration.
        data: the data directory.
        standby: whether the node serves yet.
        sessions: tells their size.

    Returns:
        What refServer starts with, and the desk, which reads its tables.
    """
    shelf = RulesShelf(data / APPLIED, rules_path(config.routing.rules))
    tables = ref_server_args(config, data, standby, sessions)
    table, region = table_of(config), config.routing.region
    openings = calendars(config.reference)
    return tables, RoutingDesk(table, region, shelf, tables.reference, openings)
