"""Operations that watch the node: alive, ready, metrics."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, structs
from prometheus_client import generate_latest

from actors import metrics
from actors.web.api import Call, Operation, Reply, operation
from actors.web.ports import ReadinessReport

PROMETHEUS_TEXT = "text/plain"
_PROMETHEUS_VERSION = "; version=0.0.4; charset=utf-8"


class Alive(Struct, frozen=True):
    """The node's loop turns."""

    status: Literal["alive"] = "alive"


@operation("GET", "/livez", response=Alive)
async def livez(_: Call[None, None]) -> Reply:
    """Whether the process is alive: that it answers is the whole message."""
    return Reply(value=Alive())


@operation("GET", "/readyz", response=ReadinessReport)
async def readyz(call: Call[None, None]) -> Reply:
    """Whether the node takes traffic; 503 while it does not."""
    report = call.services.readiness.report()
    return Reply(value=report, status=200 if report.ready else 503)


@operation("GET", "/metrics", scopes=("viewer",), media_types=(PROMETHEUS_TEXT,))
async def prometheus(_: Call[None, None]) -> Reply:
    """All metrics as Prometheus text."""
    headers = {"Content-Type": PROMETHEUS_TEXT + _PROMETHEUS_VERSION}
    return Reply(value=generate_latest(metrics.REGISTRY), headers=headers)


def operations(*, metrics_public: bool) -> tuple[Operation, ...]:
    """Make the table of these operations.

    Args:
        metrics_public: Whether the metrics are shown without a token.
    """
    if not metrics_public:
        return (livez, readyz, prometheus)
    public = Operation(structs.replace(prometheus.doc, scopes=()), prometheus.handler)
    return (livez, readyz, public)
