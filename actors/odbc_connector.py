"""odbcConnector: looks at one host, whether it can be reached and whether it is the primary.

It has a connection of its own, so that neither a busy pool nor a broken connection hides what the
host is. Where there is one host only there is no connector: it gets everything, whatever it is.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from actors.connection_router import CONNECTORS, Announce, HostSays
from actors.connectors.host_roles import Role, Seen
from actors.connectors.targets import Target
from actors.database import ROUTER, DatabaseAnswer, Query, Rows
from actors.database_words import words
from actors.pg_session import Broken, Connected, Lost, NotConnected, PgSession, Ran
from supervision import GenServer, Timeout
from supervision.eventloop.timers import Timer
from supervision.reasons import Reason

ROLE = (
    "SELECT pg_is_in_recovery() AS replica, CASE WHEN pg_is_in_recovery() THEN NULL"
    " ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END AS timeline"
)
"""PostgreSQL 9.28.3: the name of a file of the log begins with its timeline, hexadecimal."""

NAME = "vigie connector"
"""What its connection is called in pg_stat_activity."""

_JOB = (0, 0)


class ConnectorSettings(Struct, frozen=True):
    """What a connector is started with.

    Attributes:
        target: Its host.
        probe_s: How often the host is asked, and how long it has to answer, seconds.
    """

    target: Target
    probe_s: float


class ConnectorState(Struct):
    """What a connector knows.

    Attributes:
        settings: As above.
        session: With its host.
        seen: What the host was, the last time.
        since: When it began to be that, monotonic seconds.
        probes: Answers so far.
        changes: How often what it has seen has changed.
        timer: Of what is done next.
    """

    settings: ConnectorSettings
    session: PgSession
    since: float
    seen: Seen = Seen()
    probes: int = 0
    changes: int = 0
    timer: Timer | None = None


class OdbcConnector(GenServer):
    """A connector; its argument is the `ConnectorSettings`."""

    state: ConnectorState

    def init(self, args: ConnectorSettings) -> None:
        """Begin to connect."""
        session = PgSession(args.target.dsn, args.probe_s, self._told, NAME)
        self.at_end(session.abandon)
        self.state = ConnectorState(args, session, self.now())
        self.join(CONNECTORS)
        session.connect()

    def handle_cast(self, request: Any) -> None:
        """Tell a router that has just started what is known."""
        match request:
            case Announce():
                self._announce()
            case _:
                super().handle_cast(request)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear from the session, or ask again."""
        match message:
            case Connected():
                self._ask()
            case Ran(_, answer):
                self._heard(answer)
                self._later("ask")
            case Lost(why) | NotConnected(why):
                self._is("unreachable", why=why)
                self._later("connect")
            case Broken(error):
                raise error
            case Timeout(payload="ask"):
                self._ask()
            case Timeout():
                self.state.session.connect()
            case _:
                super().handle_info(message, sender)

    async def terminate(self, reason: Reason) -> None:
        """Close the connection; bounded."""
        await self.state.session.close()

    def format_status(self, state: ConnectorState) -> dict[str, Any]:
        """The host and what it is, without its DSN."""
        return {
            "host": state.settings.target.host,
            "role": state.seen.role,
            "timeline": state.seen.timeline,
            "why": state.seen.why,
            "for_s": round(self.now() - state.since, 3),
            "probes": state.probes,
            "changes": state.changes,
        }

    def _told(self, event: Any) -> None:
        self.send(self.address, event)

    def _later(self, what: str) -> None:
        if self.state.timer is not None:
            self.cancel_timer(self.state.timer)
        self.state.timer = self.start_timer(self.state.settings.probe_s, what)

    def _ask(self) -> None:
        self.state.session.run(_JOB, Query(sql=ROLE), self.state.settings.probe_s)

    def _heard(self, answer: DatabaseAnswer) -> None:
        self.state.probes += 1
        match answer:
            case Rows([{"replica": True}]):
                self._is("replica")
            case Rows([{"timeline": str(timeline)}]):
                self._is("primary", timeline=int(timeline, 16))
            case _:
                self._is("unreachable", why=words(answer))

    def _is(self, role: Role, timeline: int = 0, why: str = "") -> None:
        state, seen = self.state, Seen(role, timeline, why)
        if seen == state.seen:
            return
        if seen.role != state.seen.role:
            state.since = self.now()
            state.changes += 1
            host = state.settings.target.host
            self.kernel.report("database", self.address.path, host=host, role=role, why=why)
        state.seen = seen
        self._announce()

    def _announce(self) -> None:
        if self.whereis(ROUTER) is not None:  # it asks for this itself when it starts
            self.cast(ROUTER, HostSays(self.state.settings.target.host, self.state.seen))
