"""The commands below `vigie actor`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from actors.cli.arguments import Commands, Fill, argument, duration, positive, verb, whole

_PATH = argument("path", metavar="PATH", help="such as node/callSup/router")
_REASON = argument("--reason", default="", help="why, for the log and the events")


def mapping(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    value = value_of(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r}: a JSON object is required")
    return value


def value_of(text: str) -> Any:
    """Read a JSON value.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    try:
        return json.loads(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: JSON is required") from None


def version(text: str) -> int | str:
    """Read a version: a number where it is one, else a word."""
    return int(text) if text.isascii() and text.isdecimal() else text


def _act(action: str) -> Fill:
    return verb("actor:act", _PATH, _REASON, action=action)


def _look(what: str) -> Fill:
    return verb("actor:look", _PATH, what=what)


_SWITCH = argument(
    "switch", nargs="?", choices=("on", "off"), help="on or off; left out: what is known"
)

ACTOR: Commands = {
    "show": ("Show an actor.", verb("actor:show", _PATH)),
    "state": ("Show its state, without secrets.", verb("actor:state", _PATH)),
    "status": ("Show its class, ancestors, and what it is watched for.", _look("status")),
    "info": ("Show what it is tied to, takes and does.", _look("info")),
    "children": (
        "Show the children of a supervisor.",
        verb(
            "actor:children",
            _PATH,
            argument("--limit", type=whole(1), default=100, metavar="N", help="how many (100)"),
        ),
    ),
    "suspend": ("Let it take system messages only.", _act("suspend")),
    "resume": ("Let it go on.", _act("resume")),
    "restart": ("Let its supervisor restart it.", _act("restart")),
    "stop": ("End it in order; its restart type says what follows.", _act("stop")),
    "kill": ("Kill it; its supervisor restarts it.", _act("kill")),
    "terminate": ("Let its supervisor stop it and leave it stopped.", _act("terminate")),
    "delete": ("Let its supervisor forget it, once stopped.", _act("delete")),
    "replace-state": (
        "Merge a patch into the plain fields of its state.",
        verb(
            "actor:replace_state",
            _PATH,
            argument("patch", type=mapping, metavar="JSON", help='such as {"decided": {}}'),
            argument("--dry-run", action="store_true", help="show it and change nothing"),
            _REASON,
        ),
    ),
    "change-code": (
        "Let it convert its state, suspended as it is.",
        verb(
            "actor:change_code",
            _PATH,
            argument("--old", type=version, metavar="VSN", help="version that its state has"),
            argument("--down", action="store_true", help="VSN is an older one, to go back to"),
            argument("--extra", type=value_of, metavar="JSON", help="what it is told besides"),
            _REASON,
        ),
    ),
    "trace": (
        "Print what passes through it, within limits.",
        verb(
            "watching:trace",
            _PATH,
            argument("--messages", type=whole(1), required=True, metavar="N", help="events"),
            argument("--seconds", type=duration, required=True, metavar="T", help="how long"),
            argument("--under", action="store_true", help="those below it as well"),
            argument("--class", dest="of_class", metavar="NAME", help="only those of this class"),
            argument("--actors", type=whole(1), metavar="N", help="how many are watched at most"),
            _REASON,
        ),
    ),
    "traces": ("List the traces.", verb("watching:traces")),
    "untrace": (
        "End a trace.",
        verb("watching:untrace", argument("id", metavar="ID", help="as traces shows it")),
    ),
    "statistics": (
        "Count what it does, or show the counts.",
        verb("watching:statistics", _PATH, _SWITCH, _REASON),
    ),
    "log": (
        "Keep its latest system events, or show them.",
        verb(
            "watching:log",
            _PATH,
            _SWITCH,
            argument("--size", type=whole(1), default=10, metavar="N", help="events kept (10)"),
            argument("--file", action="store_true", help="in DATA/debug as well, bounded"),
            _REASON,
        ),
    ),
    "probe": (
        "Install a probe, or show what the probes have found.",
        verb(
            "watching:probe",
            _PATH,
            argument("name", nargs="?", choices=("count", "slow"), help="left out: show them"),
            argument("--seconds", type=duration, default=60.0, metavar="T", help="how long (60)"),
            argument("--over", type=positive, metavar="S", help="seconds that are slow"),
            argument("--remove", action="store_true", help="remove it before its time"),
            _REASON,
        ),
    ),
    "no-debug": ("Stop all that it is watched for.", verb("watching:no_debug", _PATH, _REASON)),
}
