"""odbcConnection: one connection to PostgreSQL, which connects again by itself.

It starts at once, whether the server can be reached or not. Its state is `connecting` until the
first attempt has ended and after the server was lost, `idle`, `busy` while a job runs, and `down`
after an attempt that failed, until one succeeds.
"""

from __future__ import annotations

import random
from typing import Any

from msgspec import Struct

from actors import backoff
from actors.config import DatabaseConfig
from actors.connection_router import (
    CONNECTIONS,
    Announce,
    ConnectionSays,
    ConnectNow,
    JobDone,
    JobLost,
    JobRefused,
    RunJob,
)
from actors.connectors.targets import Target
from actors.database import ROUTER
from actors.dispatch import JobId, Status
from actors.pg_session import Broken, Connected, Lost, NotConnected, PgSession, Ran
from supervision import GenServer, Timeout
from supervision.eventloop.timers import Timer
from supervision.reasons import Reason


class ConnectionSettings(Struct, frozen=True):
    """What a connection is started with.

    Attributes:
        database: The configuration.
        target: Where it leads to.
    """

    database: DatabaseConfig
    target: Target


class ConnectionState(Struct):
    """What a connection knows.

    Attributes:
        settings: Its configuration.
        target: Where it leads to.
        session: The session with the server.
        status: As above.
        failed: Attempts to connect that failed since the last that succeeded.
        why: Why it is not usable.
        server: Version and process of the server's side.
        job: What runs.
        jobs: Jobs so far.
        connects: Successful attempts so far.
        timer: Of the next attempt; None while none is waited for.
    """

    settings: DatabaseConfig
    target: Target
    session: PgSession
    status: Status = "connecting"
    failed: int = 0
    why: str = ""
    server: str = ""
    job: JobId | None = None
    jobs: int = 0
    connects: int = 0
    timer: Timer | None = None


class OdbcConnection(GenServer):
    """A connection; its argument is the `ConnectionSettings`."""

    state: ConnectionState

    def init(self, args: ConnectionSettings) -> None:
        """Begin to connect."""
        session = PgSession(args.target.dsn, args.database.connect_timeout_s, self._told)
        self.at_end(session.abandon)
        self.state = ConnectionState(args.database, args.target, session)
        self.join(CONNECTIONS)
        self._announce()
        session.connect()

    def handle_cast(self, request: Any) -> None:
        """Run a job, or tell the status."""
        match request:
            case RunJob(job_id):
                if self.state.status == "idle":
                    self._run(request)
                else:
                    self.cast(ROUTER, JobRefused(self.address, job_id))
            case Announce():
                self._announce()
            case ConnectNow():
                if self.state.timer is not None:
                    self._connect()
            case _:
                super().handle_cast(request)

    def handle_info(self, message: Any, sender: Any) -> None:
        """Hear from the session, or try again."""
        match message:
            case Connected(server):
                self._connected(server)
            case Ran(job_id, answer):
                self.state.status, self.state.job = "idle", None
                self.cast(ROUTER, JobDone(self.address, job_id, answer))
            case Lost(why, job_id):
                self._lost(why, job_id)
            case NotConnected(why):
                self._not_connected(why)
            case Broken(error):
                raise error
            case Timeout():
                self._connect()
            case _:
                super().handle_info(message, sender)

    async def terminate(self, reason: Reason) -> None:
        """Close the connection, cancelling what runs; bounded."""
        await self.state.session.close()

    def format_status(self, state: ConnectionState) -> dict[str, Any]:
        """Where it is connected to, without the password; never a statement."""
        return {
            "status": state.status,
            "hosts": state.target.host,
            "server": state.server,
            "why": state.why,
            "failed_attempts": state.failed,
            "connects": state.connects,
            "jobs": state.jobs,
        }

    def _connect(self) -> None:
        if self.state.timer is not None:
            self.cancel_timer(self.state.timer)
            self.state.timer = None
        self.state.session.connect()

    def _told(self, event: Any) -> None:
        # Called by the session's task: from here on it is a message like any other.
        self.send(self.address, event)

    def _is(self, status: Status) -> None:
        self.state.status = status
        self._announce()

    def _announce(self) -> None:
        if self.whereis(ROUTER) is not None:  # it asks for this itself when it starts
            state = self.state
            said = ConnectionSays(self.address, state.status, state.why, state.target.host)
            self.cast(ROUTER, said)

    def _run(self, job: RunJob) -> None:
        self.state.status, self.state.job = "busy", job.id
        self.state.jobs += 1
        self.state.session.run(job.id, job.request, job.timeout_s)

    def _connected(self, server: str) -> None:
        state = self.state
        if state.why:
            self.kernel.report("recovered", self.address.path, part="database connection")
        state.server, state.failed, state.why = server, 0, ""
        state.connects += 1
        self._is("idle")

    def _lost(self, why: str, job_id: JobId | None) -> None:
        if job_id is None:  # it ended while it was idle: what was begun since did not reach it
            job_id = self.state.job
        self.kernel.report("degraded", self.address.path, part="database connection", why=why)
        self.state.why, self.state.job = why, None
        self._is("connecting")
        if job_id is not None:
            self.cast(ROUTER, JobLost(self.address, job_id, why))
        self.state.session.connect()

    def _not_connected(self, why: str) -> None:
        state = self.state
        if state.why != why:
            self.kernel.report("degraded", self.address.path, part="database connection", why=why)
        state.failed += 1
        state.why = why
        self._is("down")
        lot = random.random()  # noqa: S311 - it spreads attempts, it hides nothing
        wait = backoff.wait_s(
            state.failed, state.settings.reconnect_min_s, state.settings.reconnect_max_s, lot
        )
        state.timer = self.start_timer(wait, "connect")
