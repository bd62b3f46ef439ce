"""The commands and their options."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

SCOPES = ("viewer", "ivr", "cti", "operator", "admin")
SORTS = ("mailbox", "rate", "memory", "restarts", "time")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

Fill = Callable[[argparse.ArgumentParser, Sequence[str]], None]
"""Adds the arguments of a command, given the words of the command line."""

Commands = Mapping[str, tuple[str, Fill]]
"""Commands by name: what they do in words, and their arguments."""


class BadUsage(Exception):  # noqa: N818 - it is answered, as every other refusal
    """The words of a command line are not understood.

    Attributes:
        msg: What is wrong.
        usage: What is understood, for humans.
    """

    def __init__(self, msg: str, usage: str) -> None:
        super().__init__(msg)
        self.msg = msg
        self.usage = usage


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to its caller to say what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Refuse.

        Args:
            message: What argparse says.

        Raises:
            BadUsage: Always.
        """
        raise BadUsage(message, self.format_usage())


def make_parser(words: Sequence[str]) -> Parser:
    """Make the parser of `vigie`; it sets `verb` to ``MODULE:FUNCTION`` of this package.

    Args:
        words: What it is going to parse. Only commands that are among them get their arguments:
            making all of them takes longer than most commands do.
    """
    parser = Parser(prog="vigie", description="A contact-centre application server.")
    parser.set_defaults(json=False, data=Path("var"))
    _group(COMMANDS)(parser, words)
    return parser


def duration(text: str) -> float:
    """Read a duration such as ``90``, ``30m``, ``12h`` or ``7d``.

    Args:
        text: A number of seconds, or a number with one of the units s, m, h, d, w.

    Returns:
        Seconds, above 0.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    return positive(number, "a duration such as 90, 30m, 12h or 7d") * unit


def positive(text: str, what: str = "a number above 0") -> float:
    """Read a finite number above 0.

    Args:
        text: The number.
        what: What is said to be required when it is not one.

    Raises:
        argparse.ArgumentTypeError: It is not one.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not (number > 0 and math.isfinite(number)):
        raise argparse.ArgumentTypeError(f"{text!r}: {what} is required")
    return number


def whole(least: int) -> Callable[[str], int]:
    """Return a reader of whole numbers of at least `least`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and int(text) >= least):
            raise argparse.ArgumentTypeError(f"{text!r}: a whole number, {least} or above")
        return int(text)

    return read


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Options that are understood before and after every word of a command."""
    unset: Any = argparse.SUPPRESS
    parser.add_argument("--json", action="store_true", default=unset, help="print JSON")
    data_help = "the data directory (./var)"
    parser.add_argument("--data", type=Path, metavar="DIR", default=unset, help=data_help)


def verb(name: str, *arguments: tuple[str, Mapping[str, Any]], **defaults: object) -> Fill:
    """A command that is done by ``MODULE:FUNCTION``."""

    def fill(parser: argparse.ArgumentParser, _: Sequence[str]) -> None:
        parser.set_defaults(verb=name, **defaults)
        _add_common(parser)
        for argument_name, settings in arguments:
            parser.add_argument(argument_name, **settings)

    return fill


def _actor(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from actors.cli.actor_commands import ACTOR

    _group(ACTOR)(parser, words)


def _group(commands: Commands) -> Fill:
    """A command that has commands."""

    def fill(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
        _add_common(parser)
        # Without a prog argparse formats a usage line for it, and imports shutil for its width.
        below = parser.add_subparsers(metavar="COMMAND", required=True, prog=parser.prog)
        for name, (description, fill_one) in commands.items():
            child = below.add_parser(name, help=description, description=description)
            if name in words:
                fill_one(child, words)

    return fill


def argument(name: str, **settings: Any) -> tuple[str, Mapping[str, Any]]:
    """An argument of a command, as argparse's add_argument takes it."""
    return name, settings


SESSION: Commands = {
    "show": (
        "Show a call's context, journey and timings.",
        verb(
            "session:show",
            argument("call", metavar="CALL", help="the id of the call, or of its session"),
        ),
    ),
    "find": (
        "Find the sessions of a number.",
        verb(
            "session:find",
            argument("--ani", required=True, metavar="N", help="the number, in any notation"),
            argument("--limit", type=whole(1), default=20, metavar="N", help="how many (20)"),
        ),
    ),
}

CONFIG: Commands = {
    "check": (
        "Name every mistake with its key and rule.",
        verb(
            "config:check",
            argument(
                "file",
                nargs="?",
                type=Path,
                metavar="FILE",
                help="the one that ships, when left out",
            ),
        ),
    ),
}

TOKEN: Commands = {
    "create": (
        "Make a token; it is shown this once.",
        verb(
            "token:create",
            argument("--scope", choices=SCOPES, required=True, help="what it permits"),
            argument("--name", default="", metavar="N", help="for the list of tokens"),
            argument(
                "--expires", type=duration, metavar="D", help="after how long: 90, 30m, 12h, 7d"
            ),
        ),
    ),
    "list": ("List the tokens, without their secrets.", verb("token:list_tokens")),
    "revoke": (
        "Revoke a token.",
        verb("token:revoke", argument("id", metavar="ID", help="as token list shows it")),
    ),
}

COMMANDS: Commands = {
    "start": (
        "Start a node and wait until it is ready.",
        verb(
            "start:start",
            argument("--config", type=Path, metavar="FILE", help="the configuration (TOML)"),
            argument("--foreground", action="store_true", help="stay, and stop on Ctrl-C"),
        ),
    ),
    "stop": ("Stop the node in order, within a bounded time.", verb("life:stop")),
    "restart": (
        "Restart the node in order, on the same sockets.",
        verb(
            "life:restart",
            argument("--program", default="node", help="node (the default) or postgres"),
        ),
    ),
    "ping": ("Ask the anchor whether it lives.", verb("life:ping")),
    "status": ("How the programs are: restarts, last exits.", verb("life:status")),
    "info": ("Versions, uptime, counts, addresses and process ids.", verb("life:info")),
    "tree": (
        "Show the tree of actors.",
        verb(
            "tree:tree",
            argument("path", nargs="?", metavar="PATH", help="the actor to begin at"),
            argument("--depth", type=whole(0), metavar="N", help="levels shown below it"),
        ),
    ),
    "top": (
        "Show the actors with the most of something.",
        verb(
            "tree:top",
            argument("--sort", choices=SORTS, default="mailbox", help="the most of what"),
            argument("--limit", type=whole(1), metavar="N", help="how many (20)"),
            argument("--window", type=duration, metavar="S", help="who grew most within S seconds"),
            argument("--under", metavar="PATH", help="below this actor only"),
        ),
    ),
    "node": ("Statistics of the node.", verb("tree:node")),
    "actor": ("Look at one actor, act on it, watch it.", _actor),
    "session": ("Show the sessions of calls.", _group(SESSION)),
    "config": ("The configuration.", _group(CONFIG)),
    "token": ("Tokens of access.", _group(TOKEN)),
    "feed": (
        "Feed calls over a CTI link and report.",
        verb(
            "feed:feed",
            argument("file", nargs="?", type=Path, metavar="FILE", help="JSON lines {at, frame}"),
            argument("--rate", type=positive, metavar="R", help="route requests per second"),
            argument("--seconds", type=positive, metavar="S", help="how long calls arrive"),
            argument("--seed", type=whole(0), default=0, metavar="N", help="of all chance (0)"),
            argument("--answer-report", action="store_true", help="count the kinds of answers"),
        ),
    ),
}
