"""What a node is made of: what its actors share, and what each part of the tree starts with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec import structs

from actors.alarms import Alarms
from actors.api_services import Made
from actors.call_messages import CallSettings
from actors.call_sup import CallSupArgs, SessionSupArgs
from actors.context_size import context_size
from actors.context_store import StoreArgs
from actors.cti_handled import FramesHandled
from actors.cti_listener import ListenerArgs
from actors.cti_table import LinkTable, TableLimits
from actors.customer_lookup import CustomerCache, cache_of
from actors.http_server import HttpEntrance, HttpServerArgs
from actors.journal.journal import Journal
from actors.journal.no_writer import NoWriter
from actors.journal.thread import ThreadWriter
from actors.journal_codecs import codecs
from actors.link_settings import csta_config, link_config
from actors.log_writer import LogSettings
from actors.node_reports import count_given_up
from actors.odbc_server import OdbcSettings
from actors.open_count import OpenCount
from actors.ref_server import RefServerArgs
from actors.reference_config import calendars
from actors.release_counts import reader
from actors.release_handler import HandlerArgs
from actors.release_probes import Prober
from actors.routing_assembly import routing_parts
from actors.routing_customers import lookups_of
from actors.send_lists import lists_of
from actors.session_opening import Openings
from actors.session_pool import SessionPool
from actors.tree import NodeArgs
from actors.web import control, operations
from actors.web.api import Api
from actors.web.services import Services
from actors.web.tokens import open_store
from protocols.csta import services

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from actors.config import Config
    from actors.journal.writer import Writer
    from actors.release_settings import ReleaseSettings
    from actors.routing_desk import RoutingDesk
    from actors.standby import Standby
    from actors.web.tokens import TokenStore
    from supervision.eventloop.kernel import Kernel


@dataclass(frozen=True, slots=True)
class Assembly:
    """The shared parts of one node.

    Attributes:
        kernel: the node.
        config: the whole configuration.
        data: the data directory.
        listeners: the inherited listening sockets, by name.
        services: what the API uses.
        journal: what must not be forgotten.
        alarms: what is wrong now.
        pool: the sessions that live.
        links: the link sessions and their connections.
        openings: how sessions are opened.
        control_api: what the control channel offers.
        operator_token: the operator's secret, at the first start only.
        release: how this one stands among the others.
        web: where HTTP connections come in.
        customers: what is known of callers.
        reference: what refServer starts with, and what is read of it.
        desk: what the router works with.
    """

    kernel: Kernel
    config: Config
    data: Path
    listeners: Mapping[str, socket.socket]
    services: Services
    journal: Journal
    alarms: Alarms
    pool: SessionPool
    links: LinkTable
    openings: Openings
    control_api: Api
    operator_token: str | None
    release: ReleaseSettings
    web: HttpEntrance
    customers: CustomerCache
    reference: RefServerArgs
    desk: RoutingDesk

    @classmethod
    def make(
        cls,
        kernel: Kernel,
        config: Config,
        *,
        data: Path,
        listeners: Mapping[str, socket.socket],
        version: str,
        epoch: str,
        release: ReleaseSettings,
    ) -> Assembly:
        """Make the parts; nothing runs yet.

        Args:
            kernel: the node.
            config: the whole configuration.
            data: the data directory.
            listeners: listening sockets named ``http`` and ``cti``.
            version: of the running release.
            epoch: hexadecimal name of this life of the node.
            release: how it stands among the others.
        """
        opened = open_store(data, kernel.clock.wall(), makes=not release.standby.waiting)
        pool, journal, alarms = SessionPool(), _journal(kernel, config, data), Alarms(kernel)
        links = _links(kernel, config, journal, release.standby)
        routing = *_, desk = _routing(config, data, release.standby, pool, links)
        calls = _calls(config, data, desk, journal, alarms)
        openings = _openings(kernel, config, pool, calls, links)
        made = Made(kernel, config, data, opened[0], alarms, pool, openings, desk, links)
        services = made.services(version, epoch, release)
        return cls(
            kernel,
            config,
            data,
            listeners,
            services,
            journal,
            made.alarms,
            pool,
            links,
            openings,
            Api(services, operations.control(version)),
            opened[1],
            release,
            HttpEntrance(release.standby),
            *routing,
        )

    def arguments(self) -> NodeArgs:
        """What the top of the tree starts with."""
        config = self.config
        return NodeArgs(
            supervision=config.supervision,
            log=_log_settings(self),
            calendars=calendars(config.reference),
            database=_odbc_settings(self),
            reference=self.reference,
            call=CallSupArgs(
                config.supervision,
                self.desk,
                _store_args(self),
                SessionSupArgs(
                    config.supervision, self.pool, self.openings.settings, self.release.standby
                ),
                _listener_args(self, self.services.tokens),
            ),
            http=_http_args(self),
            release=_handler_args(self),
            channels=self.services.channels.arguments(
                self.listeners, self.pool, self.release.standby
            ),
        )

    def info(self) -> dict[str, Any]:
        """What the anchor tells of the node."""
        lost = self.openings.settings.count.lost
        mode = self.openings.settings.journal.config.mode
        said: dict[str, Any] = {
            "version": self.services.version,
            "release": self.release.standing.vsn,
            "sessions_lost": lost,
            "journal": mode,
        }
        if self.operator_token is not None:
            said["operator_token"] = self.operator_token
        return said

    async def control(self, args: dict[str, Any]) -> dict[str, Any]:
        """Answer one request that came over the control channel."""
        return await control.answer(self.control_api, args)


def _journal(kernel: Kernel, config: Config, data: Path) -> Journal:
    clock = kernel.clock
    writer: Writer = NoWriter(kernel)
    if config.journal.mode == "durable":
        writer = ThreadWriter(kernel, data / "journal", config.journal)
    return Journal(kernel, writer, codecs(clock.wall, clock.monotonic), config.journal)


def _openings(
    kernel: Kernel, config: Config, pool: SessionPool, calls: CallSettings, links: LinkTable
) -> Openings:
    kernel.reports.subscribe(count_given_up(calls.count))
    settings = structs.replace(calls, confirm=FramesHandled(kernel, links).confirm)
    return Openings(settings, config.routing.region, pool.count)


def _calls(
    config: Config, data: Path, desk: RoutingDesk, journal: Journal, alarms: Alarms
) -> CallSettings:
    return CallSettings(
        desk.table,
        config.routing,
        config.sessions,
        OpenCount(data / "sessions.open"),
        journal,
        config.journal.on_stall,
        desk,
        lists_of(config, desk.tables, alarms),
    )


def _store_args(node: Assembly) -> StoreArgs:
    least = node.config.journal.min_free_mb
    standby = node.release.standby
    return StoreArgs(node.journal, node.pool, node.links, node.alarms, least, standby)


def _odbc_settings(node: Assembly) -> OdbcSettings:
    config = node.config
    return OdbcSettings(
        config.database,
        config.supervision.intensity,
        config.supervision.period_s,
        node.journal,
        node.alarms,
        node.release.standby,
        node.release.permanence,
        config.customers,
        node.customers,
    )


def _log_settings(node: Assembly) -> LogSettings:
    logs = node.config.logs
    return LogSettings(
        directory=node.data / "traces",
        resource={"service.name": "vigie", "service.version": node.services.version},
        level=logs.level,
        max_bytes=logs.max_bytes,
        keep=logs.keep,
        queue_limit=logs.queue_limit,
        standby=node.release.standby,
    )


def _listener_args(node: Assembly, tokens: TokenStore) -> ListenerArgs:
    return ListenerArgs(
        socket=node.listeners["cti"],
        table=node.links,
        settings=node.openings.settings,
        tokens=tokens,
        openings=node.openings,
        overload=node.services.overload,
        pool=node.pool,
    )


def _routing(
    config: Config, data: Path, standby: Standby, pool: SessionPool, links: LinkTable
) -> tuple[CustomerCache, RefServerArgs, RoutingDesk]:
    customers = cache_of(config.customers)
    reference, desk = routing_parts(config, data, standby, partial(context_size, pool))
    desk.agents, desk.lookups = links.agents, lookups_of(config, customers)
    return customers, reference, desk


def _links(kernel: Kernel, config: Config, journal: Journal, standby: Standby) -> LinkTable:
    cti = config.cti
    limits = TableLimits(cti.max_links, cti.max_link_sessions, cti.resume_s, cti.max_agents)
    link = link_config(cti, config.routing.request_timeout_ms)
    services.VOCABULARY.max_names = config.csta.xml.max_names
    csta = csta_config(config.csta)
    return LinkTable(kernel, journal, link, limits, standby, csta=csta)


def _http_args(node: Assembly) -> HttpServerArgs:
    http = node.config.http
    table = operations.http(node.services.version, metrics_public=http.metrics_public)
    return HttpServerArgs(
        api=Api(node.services, table),
        config=http,
        listening=node.listeners["http"],
        entrance=node.web,
        chat=node.services.channels.chat,
    )


def _handler_args(node: Assembly) -> HandlerArgs:
    release = node.release
    host, port, *_ = node.listeners["http"].getsockname()
    known = {
        "VIGIE_VSN": release.standing.vsn,
        "VIGIE_HTTP": f"http://{host}:{port}",
        "VIGIE_DATA": str(node.data),
    }
    return HandlerArgs(
        standing=release.standing,
        standby=release.standby,
        config=node.config.release.probation,
        counts=reader(node.kernel),
        failed=release.failed,
        probes=Prober(node.data, known),
    )
