"""Whether the node takes traffic: what ``/readyz`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cti_listener import NAME as LISTENER
from actors.cti_listener import CtiListener
from actors.odbc_server import database_state
from actors.web.ports import ReadinessReport

if TYPE_CHECKING:
    from actors.alarms import Alarms
    from actors.journal.journal import Journal
    from actors.session_pool import SessionPool
    from supervision.eventloop.kernel import Kernel


class NodeReadiness:
    """Implements ``Readiness`` of the API.

    Args:
        kernel: the node.
        journal: what must be open.
        pool: where the sessions of the last process must have come back.
        alarms: of which one is told here too: that the journal was not whole.
    """

    def __init__(self, kernel: Kernel, journal: Journal, pool: SessionPool, alarms: Alarms) -> None:
        self._kernel = kernel
        self._journal = journal
        self._pool = pool
        self._alarms = alarms

    def report(self) -> ReadinessReport:
        """The state of each part, now."""
        accepting = self._accepting()
        parts = {
            "journal": self._journal_state(),
            "cti": "accepting" if accepting else "not accepting",
            "sessions": "routing" if self._routing() else "restarting",
            "database": database_state(self._kernel),  # told, but PostgreSQL never makes it red
        }
        return ReadinessReport(ready=accepting and self.recovered(), parts=parts)

    def recovered(self) -> bool:
        """Whether the journal has been opened and all sessions that were in it are back."""
        return self._pool.ready

    def _journal_state(self) -> str:
        if not self.recovered():
            return "recovering"
        if self._journal.config.mode == "off":
            return "off"
        failing = self._journal.failing
        state = f"failing: {failing}" if failing else "open"
        shortfall = self._alarms.text("journal-shortfall")
        return f"{state}; {shortfall}" if shortfall else state

    def _accepting(self) -> bool:
        actor = self._actor(LISTENER)
        return isinstance(actor, CtiListener) and actor.state.accepting

    def _actor(self, name: str) -> Any:
        address = self._kernel.registry.whereis(name)
        return None if address is None or address.cell is None else address.cell.actor

    def _routing(self) -> bool:
        names = ("router", "sessionSup")
        return all(self._kernel.registry.whereis(name) is not None for name in names)
