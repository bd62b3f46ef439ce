"""odbcAlarms: tells operators that no primary is reachable, or that breakers are open."""

from __future__ import annotations

from typing import Any

from actors.alarms import Alarms
from actors.connection_router import WATCHERS, Announce, ConnectionFreed, HostsStand
from actors.database import ROUTER
from supervision import GenServer

_NONE = HostsStand("", ())


class OdbcAlarms(GenServer):
    """The voice of the router; its argument is where alarms are raised."""

    state: HostsStand

    def init(self, args: Alarms) -> None:
        """Ask how the hosts stand; a router that starts later tells it unasked."""
        self._alarms = args
        self.state = _NONE
        self.join(WATCHERS)
        if self.whereis(ROUTER) is not None:
            self.cast(ROUTER, Announce())

    def handle_info(self, message: Any, sender: Any) -> None:
        """Raise what is wrong now, and clear what is not any more."""
        match message:
            case HostsStand(missing, breakers):
                self.state = message
                self._say(missing, breakers)
            case ConnectionFreed():
                pass  # the pool's business
            case _:
                super().handle_info(message, sender)

    def _say(self, missing: str, breakers: tuple[str, ...]) -> None:
        alarms, path = self._alarms, self.address.path
        if missing:
            alarms.raised("primary-missing", path, missing)
        else:
            alarms.cleared("primary-missing")
        if breakers:
            hosts = ", ".join(name or "the database" for name in breakers)
            text = f"look-ups failed too often, few are tried: {hosts}"
            alarms.raised("breaker-open", path, text, "minor")
        else:
            alarms.cleared("breaker-open")
