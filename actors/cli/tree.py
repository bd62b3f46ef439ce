"""tree and top: the actors as operators see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer
from actors.cli.text import columns

if TYPE_CHECKING:
    from argparse import Namespace

INDENT = "  "


def tree(options: Namespace) -> Answer:
    """Show the tree of actors, or a part of it."""
    with Peer(options.data) as peer:
        node = peer.api("GET", "tree", {"path": options.path, "depth": options.depth})
    heading = ("ACTOR", "STATUS", "RESTARTS", "MAILBOX", "HANDLED", "LAST EXIT")
    return Answer(node, columns([heading, *_rows(node, 0)]))


def top(options: Namespace) -> Answer:
    """Show the actors with the most of something."""
    query = {"sort": options.sort, "order": "desc", "limit": options.limit}
    with Peer(options.data) as peer:
        found = peer.api("GET", "actors", query)
    heading = ("ACTOR", "STATUS", "MAILBOX", "RATE/S", "MEMORY", "RESTARTS")
    keys = ("path", "status", "mailbox", "rate", "memory", "restarts")
    rows = [tuple(item.get(key) for key in keys) for item in found["items"]]
    return Answer(found, columns([heading, *rows]))


def _rows(node: dict[str, Any], level: int) -> list[tuple[object, ...]]:
    last = node.get("last_exit") or {}
    own: tuple[object, ...] = (
        f"{INDENT * level}{node['name']}",
        node["status"],
        node["restarts"],
        node["mailbox"],
        node["handled"],
        last.get("reason") or "",
    )
    rows = [own]
    if pool := node.get("pool"):
        rows.append(_pool_row(pool, level + 1))
    for child in node.get("children", []):
        rows += _rows(child, level + 1)
    return rows


def _pool_row(pool: dict[str, Any], level: int) -> tuple[object, ...]:
    by_status = ", ".join(f"{count} {status}" for status, count in pool["by_status"].items())
    name = f"{INDENT * level}({pool['count']} dynamic)"
    return name, by_status, "", pool["mailbox_max"], "", ""
