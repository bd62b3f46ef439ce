"""sessionSweeper: removes closed sessions that are older than they may be kept.

At each full hour, in batches, so that no statement holds the database long. Several nodes on one
database may sweep at the same moment: each row is removed by one of them.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from actors.config import DatabaseConfig
from actors.database import ROUTER, Execute, Executed
from actors.database_words import words
from actors.time_server import ClockStarted, Tick, subscribe
from supervision import GenServer, Response

PERIOD_S = 3_600.0
BATCH = 5_000
TIMEOUT_S = 30.0
MARGIN_S = 5.0
"""By how much the router's deadline, which answers in words, is the shorter one, seconds."""
DAY_S = 86_400.0

_DELETE = (
    "DELETE FROM closed_session WHERE session IN (SELECT session FROM closed_session"
    " WHERE closed < $1 ORDER BY closed LIMIT $2 FOR UPDATE SKIP LOCKED)"
)


class SweeperState(Struct):
    """What the sweeper knows.

    Attributes:
        keep_s: How long a session is kept after it closed, seconds.
        request: The batch on its way; None between sweeps.
        removed: Sessions removed so far.
        why: Why the last batch failed; empty when it did not.
    """

    keep_s: float
    request: int | None = None
    removed: int = 0
    why: str = ""


class Swept(Struct):
    """What of a sweeper travels to another version; a batch on its way is left to itself."""

    removed: int
    why: str


class SessionSweeper(GenServer):
    """The sweeper; its argument is the `DatabaseConfig`."""

    version = 1
    carried = Swept
    state: SweeperState

    def init(self, args: DatabaseConfig) -> None:
        """Wait for the next full hour."""
        self.state = SweeperState(args.keep_days * DAY_S)
        subscribe(self, PERIOD_S)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Sweep when an hour begins; go on while batches come back full."""
        match message:
            case Tick():
                if self.state.request is None:
                    self._sweep()
            case ClockStarted():
                subscribe(self, PERIOD_S)
            case Response(request_id, value, error) if request_id == self.state.request:
                self.state.request = None
                self._swept(value if error is None else error)
            case _:
                super().handle_info(message, sender)

    def hand_over(self) -> Swept:
        """What it has done."""
        return Swept(self.state.removed, self.state.why)

    def adopt(self, state: Swept) -> None:
        """Count on; how long sessions are kept is this version's to say."""
        self.state.removed += state.removed
        self.state.why = state.why

    def _sweep(self) -> None:
        oldest = self.wall() - self.state.keep_s
        timeout_ms = round(TIMEOUT_S * 1000)
        batch = Execute(sql=_DELETE, args=(oldest, BATCH), repeatable=True, timeout_ms=timeout_ms)
        self.state.request = self.request(ROUTER, batch, TIMEOUT_S + MARGIN_S)

    def _swept(self, outcome: Any) -> None:
        if not isinstance(outcome, Executed):
            self.state.why = words(outcome)
            self.kernel.report(
                "degraded", self.address.path, part="session sweeper", why=self.state.why
            )
            return
        self.state.why = ""
        self.state.removed += outcome.count
        if outcome.count == BATCH:
            self._sweep()
