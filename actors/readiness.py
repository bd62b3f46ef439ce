"""Whether the node takes traffic: what ``/readyz`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cti_listener import NAME as LISTENER
from actors.cti_listener import CtiListener
from actors.odbc_server import database_state
from actors.web.ports import ReadinessReport

if TYPE_CHECKING:
    from supervision.eventloop.kernel import Kernel


class NodeReadiness:
    """Implements ``Readiness`` of the API.

    Args:
        kernel: the node.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def report(self) -> ReadinessReport:
        """The state of each part, now."""
        accepting = self._accepting()
        parts = {
            "cti": "accepting" if accepting else "not accepting",
            "sessions": "routing" if self._routing() else "restarting",
            "database": database_state(self._kernel),  # told, but PostgreSQL never makes it red
        }
        return ReadinessReport(ready=accepting, parts=parts)

    def _accepting(self) -> bool:
        actor = self._actor(LISTENER)
        return isinstance(actor, CtiListener) and actor.state.accepting

    def _actor(self, name: str) -> Any:
        address = self._kernel.registry.whereis(name)
        return None if address is None or address.cell is None else address.cell.actor

    def _routing(self) -> bool:
        names = ("router", "sessionSup")
        return all(self._kernel.registry.whereis(name) is not None for name in names)
