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
    heading = ("ACTOR", "STATUS", "RESTARTS", "MAILBOX", "HANDLED", "RETRY IN", "LAST EXIT")
    return Answer(node, columns([heading, *_rows(node, 0)]))


def top(options: Namespace) -> Answer:
    """Show the actors with the most of something, or that grew most within a window."""
    query = {"attribute": options.sort, "n": options.limit, "seconds": options.window}
    with Peer(options.data) as peer:
        found = peer.api("GET", "top", {**query, "under": options.under})
    heading: tuple[str, ...] = ("ACTOR", "STATUS", "MAILBOX", "RATE/S", "MEMORY", "RESTARTS")
    keys: tuple[str, ...] = ("path", "status", "mailbox", "rate", "memory", "restarts")
    if options.window is not None or options.sort == "time":
        heading, keys = (*heading, _grown(options)), (*keys, "value")
    for_humans = [item | {"value": _scaled(item, options)} for item in found["items"]]
    rows = [tuple(item.get(key) for key in keys) for item in for_humans]
    return Answer(found, columns([heading, *rows]))


def node(options: Namespace) -> Answer:
    """Show how the node is: its scheduler, its memory, what it has told."""
    with Peer(options.data) as peer:
        found = peer.api("GET", "node/statistics")
    return Answer(found, [f"{key:<18} {_flat(value)}" for key, value in found.items()])


def _grown(options: Namespace) -> str:
    """The heading of what the actors are ranked by."""
    unit = {"rate": "/S", "time": " MS"}.get(options.sort, "")
    return f"{'NEW ' if options.window is not None else ''}{options.sort.upper()}{unit}"


def _scaled(item: dict[str, Any], options: Namespace) -> Any:
    """What an actor is ranked by, in the unit of the heading: times in milliseconds."""
    value = item.get("value")
    return value * 1_000 if options.sort == "time" and value is not None else value


def _flat(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _rows(node: dict[str, Any], level: int) -> list[tuple[object, ...]]:
    last = node.get("last_exit") or {}
    own: tuple[object, ...] = (
        f"{INDENT * level}{node['name']}",
        node["status"],
        node["restarts"],
        node["mailbox"],
        node["handled"],
        node.get("retry_in_s") if node.get("retry_in_s") is not None else "",
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
    return name, by_status, "", pool["mailbox_max"], "", "", ""
