"""actor show, state, suspend, resume, restart, kill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.cli.peer import Peer, segment
from actors.cli.text import moment

if TYPE_CHECKING:
    from argparse import Namespace

_TIMES = frozenset({"since", "at"})


def show(options: Namespace) -> Answer:
    """Show everything of an actor but its state."""
    with Peer(options.data) as peer:
        found = peer.api("GET", f"actors/{segment(options.path)}")
    lines = [f"{key:<12} {_shown(key, value)}" for key, value in found.items() if key != "history"]
    history = [_restart_line(item) for item in found.get("history", [])]
    return Answer(found, lines + (["history", *history] if history else []))


def state(options: Namespace) -> Answer:
    """Show the state of an actor, without secrets."""
    with Peer(options.data) as peer:
        found = peer.api("GET", f"actors/{segment(options.path)}/state")
    text = json.dumps(found, indent=2, ensure_ascii=False)
    return Answer(found, text.splitlines())


def act(options: Namespace) -> Answer:
    """Suspend, resume, restart or kill an actor."""
    body = {"reason": options.reason} if options.reason else None
    with Peer(options.data) as peer:
        done = peer.api("POST", f"actors/{segment(options.path)}/{options.action}", body=body)
    return Answer(done, [f"{done['action']} {done['path']}: {done['reason']}"])


def _shown(key: str, value: Any) -> str:
    if key in _TIMES:
        return moment(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return "-" if value is None else str(value)


def _restart_line(item: dict[str, Any]) -> str:
    return f"  {moment(item['at'])}  incarnation {item['incarnation']}  {item['reason']}"
