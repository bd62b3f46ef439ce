"""database: how it stands, how many connections there are, what was read of customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns
from supervision.anchor.messages import ExitCode, Refusal

if TYPE_CHECKING:
    from argparse import Namespace


def show(options: Namespace) -> Answer:
    """Show hosts with their roles and breakers, connections, the pool and look-ups."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "database")
    heading = ("HOST", "ROLE", "BREAKER", "OPENED", "WHY")
    rows = [
        (name, host["role"], host["breaker"], host["opened"], host["why"])
        for name, host in found["hosts"].items()
    ]
    statuses = list(found["connections"].values())
    counts = ", ".join(f"{statuses.count(one)} {one}" for one in sorted(set(statuses)))
    return Answer(
        found,
        [
            f"database     {found['state']}",
            f"connections  {counts or 'none'}",
            f"pool         {_pool(found['pool'])}",
            f"queries      {found['queries']}, {found['running']} run, {found['waiting']} wait",
            *columns([heading, *rows]),
        ],
    )


def pool(options: Namespace) -> Answer:
    """Change how many connections to each host there are."""
    body: dict[str, Any] = {"connections": options.connections}
    if options.reason:
        body["reason"] = options.reason
    with Peer(options.data) as peer:
        done = peer.api("POST", "database/pool", body=body)
    return Answer(done, [f"pool: {_pool(done)}"])


def forget(options: Namespace) -> Answer:
    """Forget what was read of a customer, or of all.

    Raises:
        Refusal: Neither of them is named, or both are.
    """
    if (options.msisdn is None) != options.all:
        raise Refusal(ExitCode.USAGE, "name a number, or --all", "msisdn")
    body: dict[str, Any] = {"all": True} if options.all else {"msisdn": options.msisdn}
    if options.reason:
        body["reason"] = options.reason
    with Peer(options.data) as peer:
        done = peer.api("POST", "database/forget", body=body)
    return Answer(done, [f"{done['forgotten']} forgotten"])


def _pool(pool: dict[str, Any] | None) -> str:
    if pool is None:
        return "none"
    where = f"to each of {pool['hosts']} hosts" if pool["hosts"] > 1 else "to one host"
    text = f"{pool['connections']} {where}"
    if pool["connections"] != pool["configured"]:
        text += f", database.connections says {pool['configured']}"
    return f"{text}; at most {pool['limit']}"
