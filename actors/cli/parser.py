"""The commands and their options."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = 64
SCOPES = ("viewer", "ivr", "cti", "operator", "admin")
SORTS = ("mailbox", "rate", "memory", "restarts")
UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}

_Commands = "argparse._SubParsersAction[Parser]"


class Parser(argparse.ArgumentParser):
    """A parser that ends with 64, as the contract says, when it is used badly."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end.

        Args:
            message: What argparse says.
        """
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def make_parser() -> Parser:
    """Make the parser of `vigie`; it sets `verb` to ``MODULE:FUNCTION`` of this package."""
    parser = Parser(prog="vigie", description="A contact-centre application server.")
    parser.set_defaults(json=False, data=Path("var"))
    _add_common(parser)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_life, _add_tree, _add_actor, _add_session, _add_config, _add_token, _add_feed):
        add(commands)
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
    """Options that are understood before and after the command."""
    unset: Any = argparse.SUPPRESS
    parser.add_argument("--json", action="store_true", default=unset, help="print JSON")
    data_help = "the data directory (./var)"
    parser.add_argument("--data", type=Path, metavar="DIR", default=unset, help=data_help)


def _add(commands: Any, name: str, verb: str, words: str) -> Parser:
    parser: Parser = commands.add_parser(name, help=words, description=words)
    parser.set_defaults(verb=verb)
    _add_common(parser)
    return parser


def _group(commands: Any, name: str, words: str) -> Any:
    parser = commands.add_parser(name, help=words, description=words)
    return parser.add_subparsers(metavar="COMMAND", required=True)


def _add_life(commands: Any) -> None:
    start = _add(commands, "start", "start:start", "Start a node and wait until it is ready.")
    start.add_argument("--config", type=Path, metavar="FILE", help="the configuration (TOML)")
    start.add_argument("--foreground", action="store_true", help="stay, and stop on Ctrl-C")
    _add(commands, "stop", "life:stop", "Stop the node in order, within a bounded time.")
    restart = _add(
        commands, "restart", "life:restart", "Restart the node in order, on the same sockets."
    )
    restart.add_argument(
        "--program", default="node", help="what to restart: node (the default) or postgres"
    )
    _add(commands, "ping", "life:ping", "Ask the anchor whether it lives.")
    _add(commands, "status", "life:status", "How the programs are: restarts, last exits.")
    _add(commands, "info", "life:info", "Versions, uptime, addresses and process ids.")


def _add_tree(commands: Any) -> None:
    tree = _add(commands, "tree", "tree:tree", "Show the tree of actors.")
    tree.add_argument("path", nargs="?", metavar="PATH", help="the actor to begin at")
    tree.add_argument("--depth", type=whole(0), metavar="N", help="levels shown below it")
    top = _add(commands, "top", "tree:top", "Show the actors with the most of something.")
    top.add_argument("--sort", choices=SORTS, default="mailbox", help="the most of what")
    top.add_argument("--limit", type=whole(1), default=20, metavar="N", help="how many (20)")


def _add_actor(commands: Any) -> None:
    actor = _group(commands, "actor", "Show one actor, or act on it.")
    looks = {"show": "Show an actor.", "state": "Show its state, without secrets."}
    acts = {
        "suspend": "Let it take system messages only.",
        "resume": "Let it go on.",
        "restart": "Let its supervisor restart it.",
        "kill": "Kill it; its supervisor restarts it.",
    }
    for name, words in {**looks, **acts}.items():
        parser = _add(actor, name, f"actor:{name if name in looks else 'act'}", words)
        parser.add_argument("path", metavar="PATH", help="such as node/callSup/router")
        if name in acts:
            parser.add_argument("--reason", default="", help="why, for the log and the history")
            parser.set_defaults(action=name)


def _add_session(commands: Any) -> None:
    session = _group(commands, "session", "Show the sessions of calls.")
    show = _add(session, "show", "session:show", "Show a call's context, journey and timings.")
    show.add_argument("call", metavar="CALL", help="the id of the call, or of its session")
    find = _add(session, "find", "session:find", "Find the sessions of a number.")
    find.add_argument("--ani", required=True, metavar="N", help="the number, in any notation")
    find.add_argument("--limit", type=whole(1), default=20, metavar="N", help="how many (20)")


def _add_config(commands: Any) -> None:
    config = _group(commands, "config", "The configuration.")
    check = _add(config, "check", "config:check", "Name every mistake with its key and rule.")
    check.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="the one that ships, when left out"
    )


def _add_token(commands: Any) -> None:
    token = _group(commands, "token", "Tokens of access.")
    create = _add(token, "create", "token:create", "Make a token; it is shown this once.")
    create.add_argument("--scope", choices=SCOPES, required=True, help="what it permits")
    create.add_argument("--name", default="", metavar="N", help="for the list of tokens")
    create.add_argument(
        "--expires", type=duration, metavar="D", help="after how long: 90 (seconds), 30m, 12h, 7d"
    )
    _add(token, "list", "token:list_tokens", "List the tokens, without their secrets.")
    revoke = _add(token, "revoke", "token:revoke", "Revoke a token.")
    revoke.add_argument("id", metavar="ID", help="as token list shows it")


def _add_feed(commands: Any) -> None:
    feed = _add(commands, "feed", "feed:feed", "Feed calls over a CTI link and report.")
    feed.add_argument("file", nargs="?", type=Path, metavar="FILE", help="JSON lines {at, frame}")
    feed.add_argument("--rate", type=positive, metavar="R", help="route requests per second")
    feed.add_argument("--seconds", type=positive, metavar="S", help="how long calls arrive")
    feed.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of all chance (0)")
    feed.add_argument("--answer-report", action="store_true", help="count the kinds of answers")
