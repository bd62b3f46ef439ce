"""The parts of the node that the API's operations use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from actors.agent_table import KnownAgent
from actors.alarms import Alarm
from actors.channels.channels import Channels
from actors.config import HttpConfig
from actors.customer_access import CustomerAccess
from actors.journeys import Journeys
from actors.overload import Overload
from actors.reference_access import ReferenceAccess
from actors.releases.port import Releases
from actors.routing_access import RoutingAccess
from actors.session_api import SessionView
from actors.web.event_hub import EventHub
from actors.web.once import Requests
from actors.web.ports import Database, NodeCounts, Readiness, Sessions
from actors.web.tokens import TokenStore
from supervision.introspection import Introspection


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the node gives the API.

    Attributes:
        version: Version of the running release.
        config: The section `[http]` of the configuration.
        readiness: Whether the node takes traffic.
        introspection: The actor tree, looked at and steered.
        sessions: The calls' sessions.
        events: What happens in the node.
        tokens: Who may do what.
        metrics: What Prometheus is told.
        region: Whose numbering plan national numbers are read by, ISO 3166-1.
        counts: How much there is in the node.
        alarms: The alarms that are active.
        agents: The agents that CTIs have told of.
        overload: What may be begun.
        journeys: What customers did, across calls.
        sent: What an IVR application is sent of a session, by the application's name.
        database: How it stands, and the size of its pool.
        reference: The reference tables.
        routing: The router.
        customers: What is known of them.
        releases: What is installed, and the anchor that upgrades.
        channels: Mail, web chat and social media.
        wall: Seconds since the epoch.
        requests: Those with an idempotency key, however they come.
    """

    version: str
    config: HttpConfig
    readiness: Readiness
    introspection: Introspection
    sessions: Sessions
    events: EventHub
    tokens: TokenStore
    metrics: CollectorRegistry
    region: str
    counts: Callable[[], NodeCounts]
    alarms: Callable[[], Sequence[Alarm]]
    agents: Callable[[], Sequence[KnownAgent]]
    overload: Overload
    journeys: Journeys
    sent: Callable[[SessionView, str], dict[str, str]]
    database: Database
    reference: ReferenceAccess
    routing: RoutingAccess
    customers: CustomerAccess
    releases: Releases
    channels: Channels
    wall: Callable[[], float]
    requests: Requests = field(default_factory=lambda: Requests(time.monotonic))
