"""connectionRouter: takes queries, gives them to idle connections, answers within the deadline.

It knows its connections by what they say: each tells its status when that changes, and all of them
do when the router starts. So router and connections survive each other's restart.
"""

from __future__ import annotations

from typing import Any, cast

from msgspec import Struct

from actors import dispatch, metrics
from actors.config import DatabaseConfig
from actors.connectors import host_roles
from actors.connectors.breaker import BreakerLimits
from actors.connectors.host_roles import Host, Seen
from actors.connectors.targets import targets
from actors.database import (
    NOT_CONFIGURED,
    ROUTER,
    USERS,
    CircuitOpen,
    DatabaseAnswer,
    DatabaseDown,
    DatabaseGone,
    DatabaseRequest,
    DatabaseUp,
    Execute,
    Executed,
    ExecuteMany,
    Query,
    QueryFailed,
    QueryTimeout,
    QueueFull,
    Rows,
    Transaction,
)
from actors.dispatch import Answer, Dispatch, Freed, Gone, Job, JobId, Run, Status, Up
from supervision import NO_REPLY, Down, GenServer, Timeout
from supervision.eventloop.calls import PendingCall
from supervision.eventloop.cell import LocalAddress
from supervision.eventloop.links import Monitor
from supervision.eventloop.timers import Timer

CONNECTIONS = "odbcConnections"
"""The group of the connections, which are asked to announce themselves."""

CONNECTORS = "odbcConnectors"
"""The group of the connectors, likewise."""

WATCHERS = "database watchers"
"""The group of those who are sent `HostsStand` and `ConnectionFreed`."""

_OUTCOMES = {
    kind: metrics.DB_QUERIES.labels(outcome)
    for kind, outcome in {
        Rows: "ok",
        Executed: "ok",
        QueryFailed: "failed",
        QueryTimeout: "timeout",
        QueueFull: "queue_full",
        DatabaseDown: "down",
        CircuitOpen: "circuit_open",
    }.items()
}
_WAIT, _EXEC = metrics.DB_SECONDS.labels("wait"), metrics.DB_SECONDS.labels("exec")


class Announce(Struct, frozen=True):
    """Cast to a connection: tell the router your status."""


class ConnectionSays(Struct, frozen=True):
    """Cast by a connection: its status, why when it is not usable, and the host it leads to."""

    connection: LocalAddress
    status: Status
    why: str = ""
    host: str | None = None


class HostSays(Struct, frozen=True):
    """Cast by a connector: what its host is."""

    host: str
    seen: Seen


class ConnectNow(Struct, frozen=True):
    """Cast to a connection that is down: its host can be reached again, do not wait any longer."""


class Withdraw(Struct, frozen=True):
    """Cast by the pool: give a connection nothing any more; `ConnectionFreed` follows."""

    connection: LocalAddress


class ConnectionFreed(Struct, frozen=True):
    """Sent to `WATCHERS`: a connection that was withdrawn has nothing to do any more."""

    connection: LocalAddress


class HostsStand(Struct, frozen=True):
    """Sent to `WATCHERS` when something about the hosts has changed.

    Attributes:
        missing: Why nothing can be written; empty while there is a primary, or may be one.
        breakers: The hosts whose breakers are not closed.
    """

    missing: str
    breakers: tuple[str, ...]


class RunJob(Struct, frozen=True):
    """Cast to an idle connection: run this and answer with `JobDone` within the time."""

    id: JobId
    request: DatabaseRequest
    timeout_s: float


class JobLost(Struct, frozen=True):
    """Cast by a connection: the server was lost while a job ran; its outcome is unknown."""

    connection: LocalAddress
    id: JobId
    why: str


class JobRefused(Struct, frozen=True):
    """Cast by a connection: a job was not run, for the connection was not idle."""

    connection: LocalAddress
    id: JobId


class JobDone(Struct, frozen=True):
    """Cast by a connection: a job has ended and the connection is idle again."""

    connection: LocalAddress
    id: JobId
    answer: DatabaseAnswer


class RouterState(Struct):
    """What the router knows.

    Attributes:
        timeout_s: Deadline of a query that brings none.
        dispatch: Jobs and connections.
        watched: The monitor of each connection.
        open: Each job that has not been answered, and the timer of its deadline.
        numbered: Jobs so far.
        stands: What was told of the hosts last.
    """

    timeout_s: float
    dispatch: Dispatch
    watched: dict[LocalAddress, Monitor] = {}
    open: dict[JobId, tuple[Job, Timer]] = {}
    numbered: int = 0
    stands: HostsStand = HostsStand("", ())


class ConnectionRouter(GenServer):
    """The router; its argument is the `DatabaseConfig`."""

    version = 1
    carries_mailbox = False  # who has sent them, or been asked, has not travelled
    carried = int
    state: RouterState

    def init(self, args: DatabaseConfig) -> None:
        """Ask the connections of an earlier incarnation to announce themselves."""
        limits = BreakerLimits(args.breaker_failures, args.breaker_open_ms / 1000)
        hosts = host_roles.begin(tuple(one.host for one in targets(args.dsn)), limits)
        core = dispatch.begin(args.queue_limit, "" if args.dsn else NOT_CONFIGURED, hosts)
        self.state = RouterState(args.query_timeout_ms / 1000, core)
        self.register(ROUTER)
        for group in (CONNECTIONS, CONNECTORS):
            for member in self.members(group):
                self.cast(member, Announce())
        self._tell_watchers(self.state.stands)  # what the one before told is not true any more

    def handle_call(self, request: Any, from_: PendingCall) -> Any:
        """Take a query; it is answered later."""
        if not isinstance(request, Query | Execute | ExecuteMany | Transaction):
            return super().handle_call(request, from_)
        job = self._job(request, from_)
        # The payload of a timer is shown to operators: the number, not the query.
        timer = self.start_timer(job.deadline - job.arrived, job.id)
        self.state.open[job.id] = (job, timer)
        self._do(dispatch.submit(self.state.dispatch, job, job.arrived))
        return NO_REPLY

    def handle_cast(self, request: Any) -> None:
        """Hear from a connection."""
        core, now = self.state.dispatch, self.now()
        match request:
            case ConnectionSays(connection, status, why, host):
                self._watch(connection)
                self._do(dispatch.said(core, connection, status, now, why, host=host))
            case HostSays(host, seen):
                self._host_said(host, seen, now)
            case Withdraw(connection):
                self._do(dispatch.withdraw(core, connection))
            case Announce():
                self._tell_watchers(self.state.stands)
            case JobDone(connection, job_id, answer):
                self._measure(connection, job_id, now)
                self._do(dispatch.done(core, connection, job_id, answer, now))
            case JobLost(connection, job_id, why):
                self._do(dispatch.lost(core, connection, job_id, why, now))
            case JobRefused(connection, job_id):
                self._do(dispatch.refused(core, connection, job_id, now))
            case _:
                super().handle_cast(request)

    def handle_info(self, message: Any, sender: Any) -> None:
        """A deadline passed or a connection ended."""
        match message:
            case Timeout(payload=job_id):
                self._expired(job_id)
            case Down(ref, LocalAddress() as connection, reason):
                if self.state.watched.get(connection) is ref:
                    del self.state.watched[connection]
                    core = self.state.dispatch
                    self._do(dispatch.gone(core, connection, str(reason), self.now()))
            case _:
                super().handle_info(message, sender)

    def hand_over(self) -> int:
        """How many queries there were: connections and what runs on them are each process's own."""
        return self.state.numbered

    def adopt(self, state: int) -> None:
        """Count on."""
        self.state.numbered += state

    def format_status(self, state: RouterState) -> dict[str, Any]:
        """Numbers and the connections' statuses; neither statements nor parameters."""
        core = state.dispatch
        return {
            "waiting": len(core.waiting),
            "limit": core.limit,
            "running": sum(not job.answered for job in core.running.values()),
            "queries": state.numbered,
            "down": dispatch.down(core),
            "connections": {_name(address): status for address, status in core.status.items()},
            "primary": core.hosts.primary,
            "hosts": {name: _host(host) for name, host in core.hosts.by_name.items()},
        }

    def _job(self, request: DatabaseRequest, caller: PendingCall) -> Job:
        now = self.now()
        configured = self.state.timeout_s
        timeout_s = configured if request.timeout_ms is None else request.timeout_ms / 1000
        deadline = now + timeout_s
        if caller.deadline is not None:
            deadline = min(deadline, caller.deadline)
        self.state.numbered += 1
        job_id = (self.address.incarnation, self.state.numbered)
        return Job(job_id, request, caller, now, deadline)

    def _expired(self, job_id: JobId) -> None:
        found = self.state.open.get(job_id)
        if found is not None:  # else it was answered while the timer's message was on its way
            self._do(dispatch.expired(self.state.dispatch, found[0]))

    def _host_said(self, host: str, seen: Seen, now: float) -> None:
        core = self.state.dispatch
        self._do(dispatch.host_said(core, host, seen, now))
        if seen.role in ("primary", "replica"):
            for connection, status in core.status.items():
                if status == "down" and core.host_of[connection] == host:
                    self.cast(cast("LocalAddress", connection), ConnectNow())

    def _watch(self, connection: LocalAddress) -> None:
        if connection not in self.state.watched:
            self.state.watched[connection] = self.monitor(connection)

    def _measure(self, connection: LocalAddress, job_id: JobId, now: float) -> None:
        job = self.state.dispatch.running.get(connection)
        if job is not None and job.id == job_id and job.sent is not None:
            _EXEC.observe(now - job.sent)

    def _do(self, actions: list[dispatch.Action]) -> None:
        for action in actions:
            match action:
                case Run(connection, job):
                    self._run(connection, job)
                case Answer(job, answer):
                    self._answer(job, answer)
                case Up():
                    self._tell(DatabaseUp())
                case Gone(why):
                    self._tell(DatabaseGone(why))
                case Freed(LocalAddress() as connection):
                    self._tell_watchers(ConnectionFreed(connection))
        self._look()

    def _look(self) -> None:
        """Tell those who watch what has changed about the hosts."""
        hosts = self.state.dispatch.hosts
        stands = HostsStand(host_roles.missing(hosts), tuple(host_roles.open_breakers(hosts)))
        if stands != self.state.stands:
            self.state.stands = stands
            self._tell_watchers(stands)

    def _tell_watchers(self, news: HostsStand | ConnectionFreed) -> None:
        for watcher in self.members(WATCHERS):
            self.send(watcher, news)

    def _tell(self, news: DatabaseUp | DatabaseGone) -> None:
        for user in self.members(USERS):
            self.send(user, news)

    def _run(self, connection: Any, job: Job) -> None:
        now = self.now()
        self.cast(connection, RunJob(job.id, job.request, max(job.deadline - now, 0.0)))
        if not job.repeated:
            _WAIT.observe(now - job.arrived)

    def _answer(self, job: Job, answer: DatabaseAnswer) -> None:
        _, timer = self.state.open.pop(job.id)
        self.cancel_timer(timer)
        _OUTCOMES[type(answer)].inc()
        self.reply(job.caller, answer)


def _host(host: Host) -> dict[str, Any]:
    return {
        "role": host.seen.role,
        "why": host.seen.why,
        "breaker": host.breaker.state,
        "failed": host.breaker.failed,
        "opened": host.breaker.opened,
    }


def _name(address: Any) -> str:
    return str(address.name)
