"""actor: show one, act on it, change its state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from actors.cli.text import columns, event_line, moment

if TYPE_CHECKING:
    from argparse import Namespace

_TIMES = frozenset({"since", "at", "start_time", "current_time"})


def show(options: Namespace) -> Answer:
    """Show everything of an actor but its state."""
    with Peer(options.data) as peer:
        found = peer.api("GET", f"actors/{segment(options.path)}")
    history = [line for item in found.get("history", []) for line in _restart_lines(item)]
    return Answer(found, _lines(found) + (["history", *history] if history else []))


def look(options: Namespace) -> Answer:
    """Show one thing of an actor: its status, what it is tied to, what it is watched for."""
    with Peer(options.data) as peer:
        found = peer.api("GET", f"actors/{segment(options.path)}/{options.what}")
    lines = _lines({key: value for key, value in found.items() if key != "events"})
    return Answer(found, [*lines, *map(event_line, found.get("events", []))])


def children(options: Namespace) -> Answer:
    """Show the children of a supervisor."""
    with Peer(options.data) as peer:
        query = {"limit": options.limit}
        found = peer.api("GET", f"actors/{segment(options.path)}/children", query)
    keys = ("id", "status", "type", "restart", "restarts", "failures", "retry_in_s")
    heading = ("CHILD", "STATUS", "TYPE", "RESTART", "RESTARTS", "FAILURES", "RETRY IN")
    rows = [tuple(item.get(key) for key in keys) for item in found["items"]]
    return Answer(found, columns([heading, *rows]))


def state(options: Namespace) -> Answer:
    """Show the state of an actor, without secrets."""
    with Peer(options.data) as peer:
        found = peer.api("GET", f"actors/{segment(options.path)}/state")
    text = json.dumps(found, indent=2, ensure_ascii=False)
    return Answer(found, text.splitlines())


def act(options: Namespace) -> Answer:
    """Suspend, resume, restart, stop, kill ... an actor."""
    body = {"reason": options.reason} if options.reason else None
    with Peer(options.data) as peer:
        done = peer.api("POST", f"actors/{segment(options.path)}/{options.action}", body=body)
    return Answer(done, [f"{done['action']} {done['path']}: {done['reason']}"])


def replace_state(options: Namespace) -> Answer:
    """Merge a patch into the state of an actor, or show what would come of it."""
    body = {"patch": options.patch, "dry_run": options.dry_run, "reason": options.reason}
    with Peer(options.data) as peer:
        done = peer.api("POST", f"actors/{segment(options.path)}/replace_state", body=body)
    return Answer(done, json.dumps(done, indent=2, ensure_ascii=False).splitlines())


def change_code(options: Namespace) -> Answer:
    """Have a suspended actor convert its state."""
    body = {"old_vsn": options.old, "extra": options.extra, "down": options.down}
    with Peer(options.data) as peer:
        done = peer.api(
            "POST",
            f"actors/{segment(options.path)}/change_code",
            body={**body, "reason": options.reason},
        )
    return Answer(done, [f"{done['action']} {done['path']}: {done['reason']}"])


def _lines(found: dict[str, Any]) -> list[str]:
    return [f"{key:<14} {_shown(key, value)}" for key, value in found.items() if key != "history"]


def _shown(key: str, value: Any) -> str:
    if key in _TIMES:
        return moment(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "-" if value is None else str(value)


def _restart_lines(item: dict[str, Any]) -> list[str]:
    head = f"  {moment(item['at'])}  incarnation {item['incarnation']}  {item['reason']}"
    return [head, *(f"      {line}" for line in item.get("traceback", "").splitlines())]
