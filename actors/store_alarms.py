"""What sessionStore tells operators: alarms, and reports of what changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from actors.alarms import AlarmName, Alarms, Severity
    from actors.config import JournalConfig
    from actors.outbox_limits import Level
    from supervision.eventloop.kernel import Kernel

Name: TypeAlias = Literal["database-down", "schema-refused"]

LEVELS: dict[Level, AlarmName] = {"filling": "outbox-filling", "full": "outbox-full"}
"""The alarms of the outbox, by how full it is."""

REPORT_EVERY = 10_000
"""Of sessions given up, the first and each of this number is reported."""


GRACE_S = 5.0
"""How long a database that has not been up yet may be starting, as an embedded one does."""

MAX_TOLD = 32
"""Reasons that are reported while sessions wait; the alarm has the latest one."""


class StoreAlarms:
    """The voice of one store.

    Args:
        alarms: Where they are raised.
        kernel: Where changes are reported.
        path: Of the store.

    Attributes:
        why: Why sessions wait, as it was told last; empty when they do not.
        level: How full the outbox is, as it was told last.
    """

    def __init__(self, alarms: Alarms, kernel: Kernel, path: str) -> None:
        self._alarms = alarms
        self._kernel = kernel
        self._path = path
        self.why = ""
        # A store before this one may have raised it.
        self.level: Level = next((one for one, name in LEVELS.items() if name in alarms), "")
        self._told: set[str] = set()
        self._was_up = "database-down" in alarms  # known to a store before this one
        self._grace_ends = kernel.clock.monotonic() + GRACE_S

    def raised(self, name: Name, text: str) -> None:
        """Sessions wait; of the two alarms only the one that is true now is active."""
        self._alarms.cleared("database-down" if name == "schema-refused" else "schema-refused")
        text = f"closed sessions wait: {text}"
        starting = not self._was_up and self._kernel.clock.monotonic() < self._grace_ends
        if name != "database-down" or not starting:
            self._alarms.raised(name, self._path, text)
        self.once(text)

    def once(self, why: str) -> None:
        """Report why it does not go on, where that was not reported since it last did."""
        self.why = why
        if why not in self._told and len(self._told) < MAX_TOLD:
            self._told.add(why)
            self.degraded(why)

    def well(self) -> None:
        """Sessions are stored, or there are none."""
        self._was_up = True
        self._alarms.cleared("database-down")
        self._alarms.cleared("schema-refused")
        if self.why:
            self.why = ""
            self._told.clear()
            self._kernel.report("recovered", self._path, part="session store")

    def filled(self, level: Level, rows: int, config: JournalConfig) -> None:
        """The outbox is this full now."""
        if level == self.level:
            return
        self.level = level
        for one, name in LEVELS.items():
            if one != level:
                self._alarms.cleared(name)
        if level:
            text = (
                f"{rows} closed sessions wait for PostgreSQL; journal.outbox_limit is"
                f" {config.outbox_limit}, journal.on_outbox_full {config.on_outbox_full}"
            )
            severity: Severity = "critical" if level == "full" else "major"
            self._alarms.raised(LEVELS[level], self._path, text, severity)

    def damaged(self, why: str) -> None:
        """A row of the outbox cannot be read."""
        self._alarms.raised("journal-damaged", self._path, why)
        self.degraded(why)

    def dropped(self, before: int, after: int) -> None:
        """More sessions than before gave way to others."""
        if not before or before // REPORT_EVERY != after // REPORT_EVERY:
            self.degraded(f"there is no room: {after} closed sessions were dropped")

    def degraded(self, why: str) -> None:
        """Report something that went wrong."""
        self._kernel.report("degraded", self._path, part="session store", why=why)
