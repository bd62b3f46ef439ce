"""The tables of operations: what HTTP offers, and what the control channel offers besides."""

from __future__ import annotations

import msgspec

from actors.web import (
    actor_operations,
    agent_operations,
    alarm_operations,
    channel_operations,
    customer_operations,
    database_operations,
    debug_operations,
    event_operations,
    health,
    reference_operations,
    release_operations,
    routing_operations,
    session_operations,
    soap_operations,
    steering_operations,
    token_operations,
    top_operations,
    trace_operations,
    webhook_operations,
)
from actors.web.api import Call, Operation, Reply, operation
from protocols.http import media, openapi

TITLE = "vigie"


def http(version: str, *, metrics_public: bool) -> tuple[Operation, ...]:
    """Make the table of what HTTP offers.

    Args:
        version: Version of the running release.
        metrics_public: Whether the metrics are shown without a token.
    """
    table = (
        *health.operations(metrics_public=metrics_public),
        *actor_operations.OPERATIONS,
        *steering_operations.OPERATIONS,
        *debug_operations.OPERATIONS,
        *trace_operations.OPERATIONS,
        *top_operations.OPERATIONS,
        *event_operations.OPERATIONS,
        *alarm_operations.OPERATIONS,
        *database_operations.OPERATIONS,
        *customer_operations.OPERATIONS,
        *agent_operations.OPERATIONS,
        *session_operations.OPERATIONS,
        *channel_operations.OPERATIONS,
        *webhook_operations.OPERATIONS,
        *soap_operations.operations(),
        *reference_operations.OPERATIONS,
        *routing_operations.OPERATIONS,
        *release_operations.OPERATIONS,
    )
    return (*table, _description(version, table))


def control(version: str) -> tuple[Operation, ...]:
    """Make the table of what the control channel offers: everything, and tokens.

    Args:
        version: Version of the running release.
    """
    return (*http(version, metrics_public=False), *token_operations.OPERATIONS)


def _description(version: str, table: tuple[Operation, ...]) -> Operation:
    @operation("GET", "/openapi.json", media_types=(media.JSON,))
    async def openapi_document(_: Call[None, None]) -> Reply:
        """This description."""
        return Reply(value=body)

    docs = [*(described.doc for described in table), openapi_document.doc]
    body = msgspec.json.encode(openapi.document(TITLE, version, docs))
    return openapi_document
