"""Operations that watch the node: alive, ready, how much is in it, metrics."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs
from prometheus_client import generate_latest

from actors.web.api import Call, Operation, Reply, operation
from actors.web.ports import NodeCounts, ReadinessReport

PROMETHEUS_TEXT = "text/plain"
_PROMETHEUS_VERSION = "; version=0.0.4; charset=utf-8"


class Alive(Struct, frozen=True):
    """The node's loop turns."""

    status: Literal["alive"] = "alive"


class NodeView(NodeCounts, frozen=True, kw_only=True):
    """The node: what it is and how much is in it.

    Attributes:
        version: Version of the running release.
        region: Whose numbering plan national numbers are read by, ISO 3166-1.
    """

    version: str
    region: str


@operation("GET", "/livez", response=Alive)
async def livez(_: Call[None, None]) -> Reply:
    """Whether the process is alive: that it answers is the whole message."""
    return Reply(value=Alive())


@operation("GET", "/readyz", response=ReadinessReport)
async def readyz(call: Call[None, None]) -> Reply:
    """Whether the node takes traffic; 503 while it does not."""
    report = call.services.readiness.report()
    return Reply(value=report, status=200 if report.ready else 503)


@operation("GET", "/api/v1/node", scopes=("viewer",), response=NodeView)
async def get_node(call: Call[None, None]) -> Reply:
    """The node's version and uptime, and how much is in it."""
    services = call.services
    counts = structs.asdict(services.counts())
    return Reply(value=NodeView(version=services.version, region=services.region, **counts))


@operation("GET", "/metrics", scopes=("viewer",), media_types=(PROMETHEUS_TEXT,))
async def prometheus(call: Call[None, None]) -> Reply:
    """All metrics as Prometheus text."""
    headers = {"Content-Type": PROMETHEUS_TEXT + _PROMETHEUS_VERSION}
    return Reply(value=generate_latest(call.services.metrics), headers=headers)


def operations(*, metrics_public: bool) -> tuple[Operation, ...]:
    """Make the table of these operations.

    Args:
        metrics_public: Whether the metrics are shown without a token.
    """
    if not metrics_public:
        return (livez, readyz, get_node, prometheus)
    public = Operation(structs.replace(prometheus.doc, scopes=()), prometheus.handler)
    return (livez, readyz, get_node, public)
