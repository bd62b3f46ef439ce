"""What the node's actors measure, for Prometheus; names are those of the contract.

The objects are for every actor of the node: `metrics.GENERATION.set(3)`. They live in a registry of
their own, so that nothing else in the process adds to what operators see. Labels have few values:
never a call, a number or a path of an actor.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector

from actors.quick_metrics import Counter, Histogram

REGISTRY = CollectorRegistry(auto_describe=True)

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)

ROUTE_SECONDS = Histogram(
    "vigie_route_seconds",
    "From the bytes of a route request read to its answer accepted for writing.",
    ("rp", "reason"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0),
    registry=REGISTRY,
)
ROUTES_LATE = Counter(
    "vigie_routes_late_total",
    "Answers to route requests after the late mark, by the actor that was waited for.",
    ("actor",),
    registry=REGISTRY,
)
ROUTES_EXPIRED = Counter(
    "vigie_routes_expired_total",
    "Route requests that nothing was sent for, since their time had run out.",
    registry=REGISTRY,
)
ROUTES_ABANDONED = Counter(
    "vigie_routes_abandoned_total",
    "Answered routing dialogues of which nothing was heard within the abandon timeout.",
    registry=REGISTRY,
)
ROUTE_LOOPS = Counter(
    "vigie_route_loops_total",
    "Calls that were routed more often than may be, and sent to a default target or rejected.",
    ("rp",),
    registry=REGISTRY,
)
DB_SECONDS = Histogram(
    "vigie_db_seconds",
    "Time of a query: waiting for a connection, and being executed.",
    ("phase",),
    buckets=(0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
    registry=REGISTRY,
)
DB_QUERIES = Counter(
    "vigie_db_queries_total",
    "Queries answered: ok, failed, timeout, queue_full, circuit_open or down.",
    ("outcome",),
    registry=REGISTRY,
)
CUSTOMER_LOOKUPS = Counter(
    "vigie_customer_lookups_total",
    "Customers looked up: cached, found, unknown, stale, unavailable, or late and dropped.",
    ("outcome",),
    registry=REGISTRY,
)
CUSTOMER_SECONDS = Histogram(
    "vigie_customer_lookup_seconds",
    "From asking the database for a customer to its answer, or failure.",
    buckets=(0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.12, 0.15, 0.25, 0.5, 1.0),
    registry=REGISTRY,
)
STORE_SESSIONS = Counter(
    "vigie_store_sessions_total",
    "Closed sessions: stored, refused by the database, or dropped from a full outbox.",
    ("outcome",),
    registry=REGISTRY,
)
OUTBOX_ROWS = Gauge(
    "vigie_journal_outbox_rows",
    "Closed sessions in the journal's outbox, waiting for PostgreSQL.",
    registry=REGISTRY,
)
LOG_DROPPED = Counter(
    "vigie_log_records_dropped_total",
    "Log records for which the disk was too slow.",
    registry=REGISTRY,
)
ANSWERS_NOT_DURABLE = Counter(
    "vigie_answers_not_durable_total",
    "Routing answers that left before the journal had them.",
    registry=REGISTRY,
)
ALARMS_ACTIVE = Gauge(
    "vigie_alarms_active", "1 while an alarm is active, 0 since.", ("name",), registry=REGISTRY
)
GENERATION = Gauge(
    "vigie_generation", "Number of this node process since the anchor started.", registry=REGISTRY
)
UPGRADE_PAUSE_SECONDS = Histogram(
    "vigie_upgrade_pause_seconds",
    "The longest that a connection which was moved was not read.",
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0, 5.0),
    registry=REGISTRY,
)
RELEASE_INFO = Gauge(
    "vigie_release_info",
    "1 for the version that runs: permanent, or on probation.",
    ("vsn", "phase"),
    registry=REGISTRY,
)
PROBATION_FAILURES = Counter(
    "vigie_probation_failures_total",
    "Versions that failed their probation in this process: at most 1.",
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "vigie_http_seconds",
    "Time of an operation of the API, sending not included.",
    ("operation",),
    buckets=(0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0),
    registry=REGISTRY,
)
HTTP_REQUESTS = Counter(
    "vigie_http_requests_total",
    "Requests answered, by operation and status.",
    ("operation", "status"),
    registry=REGISTRY,
)
HTTP_CONNECTIONS = Gauge("vigie_http_connections", "HTTP connections open now.", registry=REGISTRY)
HTTP_SLOW_CLIENTS = Counter(
    "vigie_http_slow_clients_total",
    "Connections closed because the client did not read its answer.",
    registry=REGISTRY,
)
EVENTS_DROPPED = Counter(
    "vigie_events_dropped_total",
    "Events that a reader of an event stream was too slow for.",
    registry=REGISTRY,
)
LINKS_RESUMED = Counter(
    "vigie_links_resumed_total",
    "Link sessions that went on by another connection.",
    registry=REGISTRY,
)
LINKS_RESUME_LOST = Counter(
    "vigie_links_resume_lost_total",
    "Peers that wanted to go on with a link session that was gone.",
    registry=REGISTRY,
)
LINK_SESSIONS_GIVEN_UP = Counter(
    "vigie_link_sessions_given_up_total",
    "Link sessions that nobody resumed: expired, or displaced by younger ones.",
    ("why",),
    registry=REGISTRY,
)
LINK_FRAMES_REPEATED = Counter(
    "vigie_link_frames_repeated_total",
    "Frames that peers sent again.",
    registry=REGISTRY,
)
LINK_FRAMES_HANDED_AGAIN = Counter(
    "vigie_link_frames_handed_again_total",
    "Frames handed to their session again, for nothing was heard of them.",
    registry=REGISTRY,
)
LINK_FRAMES_FAILED = Counter(
    "vigie_link_frames_failed_total",
    "Frames that vigie could not handle; they got error 500.",
    registry=REGISTRY,
)
SHED = Counter(
    "vigie_shed_total",
    "Requests refused under overload: of new calls or of established ones, and what was too much.",
    ("priority", "why"),
    registry=REGISTRY,
)
OVERLOAD_LEVEL = Gauge(
    "vigie_overload_level",
    "How much is refused: 0 nothing, 1 all new calls, 2 everything; shares in between.",
    registry=REGISTRY,
)
CHANNEL_MESSAGES = Counter(
    "vigie_channel_messages_total",
    "Messages of mail, chat and social media: opened, joined, repeated, or refused-RULE.",
    ("channel", "outcome"),
    registry=REGISTRY,
)
JOURNAL_SECONDS = Histogram(
    "vigie_journal_commit_seconds",
    "From handing a commit to the journal's writer to its being durable.",
    buckets=(0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
    registry=REGISTRY,
)
