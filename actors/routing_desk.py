"""What the router works with, and what outlives it: rules, reference tables, the floor.

The next incarnation of a router that has crashed goes on from the floor of the last one, built
anew of its plain data. A floor that cannot be built so is given up: it would be the end of the
next one too, and agents and calls tell of themselves again.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec.structs import replace

from actors.reference.live import Reference as LiveTables
from actors.router_waiting import WaitingCalls
from actors.routing import RoutingTable
from actors.routing_core.core import RoutingCore
from actors.routing_core.rules_file import NO_RULES
from actors.routing_core.steps import platform_of
from actors.routing_customers import of_hit, shown
from actors.routing_points import NodeHours, PointHours, RoutingPoints
from actors.routing_reference import customer, reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.agent_table import AgentTable
    from actors.calendars.hours import Calendar
    from actors.routing_core.facts import Customer, World
    from actors.routing_core.floor import FloorState
    from actors.routing_core.rules_file import RuleSet, RulesVersion
    from actors.routing_customers import Lookups
    from actors.rules_shelf import RulesShelf
    from actors.session_api import SessionView

REGION = "FR"
NO_CALENDARS: Mapping[str, Calendar] = MappingProxyType({})


class RoutingDesk:
    """One for each node.

    Args:
        table: the targets of the node's configuration.
        region: where numbers without a prefix are read, ISO 3166-1.
        shelf: where rules come from; None: there are none.
        tables: the reference tables; None: they are empty.
        calendars: of the node, by name.

    Attributes:
        table: as given, and the targets of points that only ``infoRP`` has.
        tables: the reference tables.
        source: the file that the rules in force are from; empty where there are none.
        lookups: how customers are looked up that no table knows; None: they are not.
        waiting: calls that wait in the router for that.
        agents: that CTIs tell of, of whom each incarnation of the router hears; None: of nobody.

    Raises:
        RulesInvalid: the configured rules have mistakes.
    """

    def __init__(
        self,
        table: RoutingTable,
        region: str = REGION,
        shelf: RulesShelf | None = None,
        tables: LiveTables | None = None,
        calendars: Mapping[str, Calendar] = NO_CALENDARS,
    ) -> None:
        self.tables = LiveTables() if tables is None else tables
        points = RoutingPoints(table.points, self.tables)
        self.table = RoutingTable(points, table.default_target)
        self.shelf = shelf
        self.ruleset: RuleSet = NO_RULES
        self.source = ""
        self._region = region
        openings = {name: NodeHours(calendar) for name, calendar in calendars.items()}
        self._reference = reference(self.tables, PointHours(table.points, self.tables), openings)
        self.agents: AgentTable | None = None
        self.lookups: Lookups | None = None
        self.waiting = WaitingCalls()
        self._core: RoutingCore | None = None
        self.reread()

    @property
    def listens(self) -> bool:
        """Whether the router has to be told what becomes of calls: there somebody is or waits."""
        return self._core is None or not self._core.floor.idle or len(self.waiting) > 0

    @property
    def world(self) -> World | None:
        """What decisions rest on now; None where no router has begun."""
        return None if self._core is None else self._core.world

    def reread(self) -> None:
        """Have the rules hold that are on the disk."""
        if self.shelf is not None:
            self.ruleset, self.source = self.shelf.read()

    def core(self) -> RoutingCore:
        """Make the core of an incarnation, which goes on from the floor of the last one."""
        before, self._core = self._core, None
        return self.core_of(None if before is None else before.floor.dump())

    def core_of(self, state: FloorState | None) -> RoutingCore:
        """Make a core that goes on from a floor.

        Args:
            state: of another core; None: nobody is there.
        """
        self._core = RoutingCore(self.table, self._region, self.ruleset, state, self._reference)
        return self._core

    def follow(self, version: RulesVersion) -> None:
        """Read the rules again where another process had others, applied while this one began.

        Args:
            version: that were in force there.
        """
        if version != self.ruleset.version:
            self.reread()

    def customer(self, number: str, at: float) -> Customer | None:
        """What is known of a caller.

        Args:
            number: normalised; empty where it is withheld.
            at: now, seconds since the epoch.
        """
        return customer(self.tables, number, at)

    def with_customer(self, view: SessionView, now: float) -> SessionView:
        """The view of a session with what is known of its customer at once; nobody is asked.

        Args:
            view: as the session knows itself.
            now: monotonic seconds.
        """
        if view.ani is None or view.ani_type != "public":
            return view
        known = self.customer(view.ani, view.updated)
        if known is None and self.lookups is not None:
            hit = self.lookups.cache.peek(view.ani, now)
            known = None if hit is None else of_hit(hit)
        platform = None if self.world is None else platform_of(self.world.ground, view.ani, known)
        facts = None if known is None or not known.known else shown(known)
        return replace(view, customer=facts, platform=platform) if facts or platform else view
