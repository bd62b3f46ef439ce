"""What the router works with, of the configuration of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.routing import table_of
from actors.routing_config import rules_path
from actors.routing_desk import RoutingDesk
from actors.rules_shelf import RulesShelf

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config import Config
    from actors.reference.live import Reference

APPLIED = "routing"
"""Directory of the rules that were applied, in the data directory."""


def routing_desk(config: Config, data: Path, tables: Reference) -> RoutingDesk:
    """Make the desk of a node.

    Args:
        config: the whole configuration.
        data: the data directory.
        tables: the reference tables.
    """
    shelf = RulesShelf(data / APPLIED, rules_path(config.routing.rules))
    return RoutingDesk(table_of(config), config.routing.region, shelf, tables)
