"""What the API of a node uses, made of the node's parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from actors.channels.channels import Channels
from actors.customer_access import CustomerAccess
from actors.database_desk import DatabaseDesk
from actors.journal.collector import JournalCollector
from actors.journeys import Journeys
from actors.node_counts import counter
from actors.node_reports import NodeCollector, registry_of, to_events
from actors.overload import Overload
from actors.readiness import NodeReadiness
from actors.reference_access import ReferenceAccess
from actors.release_handler import NAME as RELEASE_HANDLER
from actors.releases.port import Releases
from actors.routing_access import RoutingAccess
from actors.session_archive import StoredSessions
from actors.sessions import CallSessions
from actors.tree import NAME
from actors.web.event_hub import EventHub
from actors.web.services import Services
from supervision.introspection import DebugLimits, Introspection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prometheus_client import CollectorRegistry

    from actors.alarms import Alarms
    from actors.config import Config
    from actors.cti_table import LinkTable
    from actors.journal.journal import Journal
    from actors.release_settings import ReleaseSettings
    from actors.routing_desk import RoutingDesk
    from actors.send_lists import SendLists
    from actors.session_opening import Openings
    from actors.session_pool import SessionPool
    from actors.web.tokens import TokenStore
    from supervision.eventloop.kernel import Kernel


@dataclass(frozen=True, slots=True)
class Made:
    """What the services are made of.

    Attributes:
        kernel: the node.
        config: the whole configuration.
        data: the data directory.
        tokens: who may do what.
        alarms: what is wrong now.
        pool: the sessions that live.
        openings: how sessions are opened.
        desk: what the router works with.
        links: the link sessions and their connections.
    """

    kernel: Kernel
    config: Config
    data: Path
    tokens: TokenStore
    alarms: Alarms
    pool: SessionPool
    openings: Openings
    desk: RoutingDesk
    links: LinkTable

    def services(self, version: str, epoch: str, release: ReleaseSettings) -> Services:
        """What the API uses.

        Args:
            version: of the running release.
            epoch: hexadecimal name of this life of the node.
            release: how it stands among the others.
        """
        kernel, config, pool, lists = self.kernel, self.config, self.pool, self._lists
        sessions = CallSessions(kernel, pool, StoredSessions(kernel), self.openings)
        customers = CustomerAccess(kernel, self.desk, sessions, config.routing.region)
        readiness, overload = self._gates()
        return Services(
            version=version,
            config=config.http,
            readiness=readiness,
            introspection=Introspection(kernel, NAME, _limits(config, self.data)),
            sessions=sessions,
            journeys=Journeys(kernel, sessions, sessions.archive, config.journey),
            events=_events(kernel, config, epoch),
            tokens=self.tokens,
            metrics=self._metrics(),
            region=config.routing.region,
            counts=counter(kernel, pool),
            alarms=self.alarms.active,
            agents=self.links.agents.known,
            overload=overload,
            sent=lists.fields,
            database=DatabaseDesk(kernel),
            wall=kernel.clock.wall,
            reference=ReferenceAccess(kernel),
            routing=RoutingAccess(kernel, self.desk, customers, lists),
            customers=customers,
            releases=Releases(self.data, release.ask, partial(_tell_release, kernel)),
            channels=self._channels(sessions, release, partial(_refuses, readiness, overload)),
        )

    def _gates(self) -> tuple[NodeReadiness, Overload]:
        """What says whether anything may begin."""
        journal, alarms = self._journal, self.alarms
        return (
            NodeReadiness(self.kernel, journal, self.pool, alarms),
            Overload(self.kernel, self.config.overload, alarms, lambda: journal.load),
        )

    @property
    def _lists(self) -> SendLists:
        return self.openings.settings.send_lists

    @property
    def _journal(self) -> Journal:
        return self.openings.settings.journal

    def _metrics(self) -> CollectorRegistry:
        count = self.openings.settings.count
        collector = NodeCollector(self.kernel, self.pool, count)
        return registry_of(collector, JournalCollector(self._journal))

    def _channels(
        self, sessions: CallSessions, release: ReleaseSettings, refuses: Callable[[], str]
    ) -> Channels:
        return Channels.make(
            self.kernel,
            self.config,
            self.data,
            sessions,
            standby=release.standby,
            refuses=refuses,
        )


def _refuses(readiness: NodeReadiness, overload: Overload) -> str:
    """Why no conversation begins now; empty where it may."""
    if not readiness.recovered():
        return "the sessions are being recovered"
    return overload.refuses("new") or ""


def _events(kernel: Kernel, config: Config, epoch: str) -> EventHub:
    http = config.http
    hub = EventHub(epoch, keep=http.events_buffer, max_subscriptions=http.max_event_streams)
    kernel.reports.subscribe(to_events(hub))
    return hub


def _limits(config: Config, data: Path) -> DebugLimits:
    watching = config.introspection
    return DebugLimits(
        trace_messages=watching.trace_messages,
        trace_seconds=watching.trace_s,
        traces=watching.traces,
        traced_actors=watching.traced_actors,
        watched_actors=watching.watched_actors,
        probes=watching.probes,
        log_events=watching.log_events,
        log_file_bytes=watching.log_file_bytes,
        directory=data / "debug",
        top_rows=watching.top_rows,
        window_seconds=watching.window_s,
    )


def _tell_release(kernel: Kernel, told: dict[str, Any]) -> None:
    """Tell of a step of a release that somebody asked for."""
    kernel.report("release", f"{NAME}/{RELEASE_HANDLER}", **told)
