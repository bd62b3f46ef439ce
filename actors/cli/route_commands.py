"""The words of `vigie route`."""

from __future__ import annotations

import argparse
import math
from datetime import datetime
from pathlib import Path

from actors.cli.arguments import Commands, argument, verb, whole

MAX_LENGTH = 1_024
"""Of a text of a request, as on a CTI link."""
LAST_EPOCH_S = 253_370_764_800.0
"""As in `routing_core.facts`, which takes too long to import for a parser."""


def moment(text: str) -> float:
    """Read a moment such as `2026-12-24T17:30` or `1798129800`.

    Args:
        text: ISO 8601, in local time where it has no offset; or seconds since the epoch.

    Returns:
        Seconds since the epoch.

    Raises:
        argparse.ArgumentTypeError: It is neither, or no calendar knows it.
    """
    try:
        at = _seconds(text)
    except (ValueError, OverflowError, OSError):
        at = math.nan
    if not 0 <= at <= LAST_EPOCH_S:
        rule = "a moment such as 2026-12-24T17:30 or seconds since the epoch, 1970 to 9998"
        raise argparse.ArgumentTypeError(f"{text!r}: {rule}")
    return at


def _seconds(text: str) -> float:
    if text.replace(".", "", 1).isdecimal() and "-" not in text:
        return float(text)
    return datetime.fromisoformat(text).timestamp()


def short(text: str) -> str:
    """Read a text that is not longer than a CTI may send.

    Args:
        text: The text.

    Raises:
        argparse.ArgumentTypeError: It is longer.
    """
    if len(text) > MAX_LENGTH:
        raise argparse.ArgumentTypeError(f"at most {MAX_LENGTH} characters are required")
    return text


def fact(text: str) -> tuple[str, str]:
    """Read a fact about a customer, such as `segment=gold`.

    Args:
        text: KEY=VALUE.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    key, equals, value = short(text).partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r}: a fact such as segment=gold is required")
    return key, value


ROUTE: Commands = {
    "check": (
        "Name every mistake of the rules with its line and key.",
        verb(
            "route:check",
            argument(
                "file",
                nargs="?",
                type=Path,
                metavar="FILE",
                help="the one that ships, when left out",
            ),
        ),
    ),
    "explain": (
        "Say where a call would go, and why; no call is made.",
        verb(
            "route:explain",
            argument("--ani", type=short, required=True, metavar="N", help="the caller's number"),
            argument("--rp", type=short, required=True, metavar="NAME", help="the routing point"),
            argument("--at", type=moment, metavar="TIME", help="2026-12-24T17:30, or seconds"),
            argument("--dnis", type=short, default="", metavar="N", help="the number dialled"),
            argument("--lang", type=short, default="", metavar="L", help="the caller's language"),
            argument("--media", type=short, default="", metavar="M", help="voice, mail, chat, ..."),
            argument("--prio", type=whole(0), default=0, metavar="N", help="its priority (0)"),
            argument(
                "--tried",
                type=short,
                action="append",
                default=[],
                metavar="TARGET",
                help="a target that did not take it; may be repeated",
            ),
            argument(
                "--fact",
                type=fact,
                action="append",
                default=[],
                metavar="KEY=VALUE",
                help="of the customer: segment=gold, products=a,b, vip=true; may be repeated",
            ),
            argument(
                "--ready",
                type=short,
                action="append",
                default=[],
                metavar="AGENT",
                help="suppose that this agent of the rules is ready, or all; may be repeated",
            ),
            argument("--rules", type=Path, metavar="FILE", help="the rules (those that ship)"),
            argument("--config", type=Path, metavar="FILE", help="the configuration (TOML)"),
            argument("--live", action="store_true", help="ask the node that runs, as it is now"),
        ),
    ),
    "status": ("Show a node's rules, queues and agents.", verb("route:status")),
    "apply": (
        "Have a node take other rules, all at once; kept over restarts and upgrades.",
        verb(
            "route:apply",
            argument("file", type=Path, metavar="FILE", help="rules of a higher version"),
            argument("--check", action="store_true", help="only say whether they could be taken"),
            argument("--reason", default="", help="why, for the log"),
        ),
    ),
}
