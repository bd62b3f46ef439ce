"""The commands and their options."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from actors.cli.arguments import Commands, argument, duration, group, positive, verb, whole

SCOPES = ("viewer", "ivr", "cti", "operator", "admin")
SORTS = ("mailbox", "rate", "memory", "restarts", "time")


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
    group(COMMANDS)(parser, words)
    return parser


def _actor(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from actors.cli.actor_commands import ACTOR

    group(ACTOR)(parser, words)


def _route(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from actors.cli.route_commands import ROUTE

    group(ROUTE)(parser, words)


def _release(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from actors.cli.release_commands import RELEASE

    group(RELEASE)(parser, words)


def _reference(parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
    from actors.cli.reference_commands import REFERENCE

    group(REFERENCE)(parser, words)


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

JOURNAL: Commands = {
    "check": ("Verify every row and tell what is there.", verb("journal:check")),
    "export": (
        "Print every row as a line of JSON.",
        verb(
            "journal:export",
            argument("--kind", metavar="KIND", help="only session, link, outbox or refused"),
        ),
    ),
    "repair": ("Set aside what is damaged, with no node running.", verb("journal:repair")),
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

DATABASE: Commands = {
    "show": ("Show hosts, roles, breakers, connections and look-ups.", verb("database:show")),
    "forget": (
        "Forget what was read of a customer: the next call has it read anew.",
        verb(
            "database:forget",
            argument("msisdn", nargs="?", metavar="MSISDN", help="the number, in any notation"),
            argument("--all", action="store_true", help="every customer"),
            argument("--reason", default="", metavar="TEXT", help="for the log"),
        ),
    ),
    "pool": (
        "Change how many connections to each host there are, until the next start.",
        verb(
            "database:pool",
            argument("connections", type=whole(1), metavar="N", help="how many to each host"),
            argument("--reason", default="", metavar="TEXT", help="why, for the log"),
        ),
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
    "alarms": (
        "List the alarms that are active.",
        verb(
            "alarms:alarms",
            argument("--limit", type=whole(1), metavar="N", help="how many (50)"),
        ),
    ),
    "agents": (
        "List the agents that CTIs have told of.",
        verb(
            "agents:agents",
            argument("--limit", type=whole(1), metavar="N", help="how many (50)"),
        ),
    ),
    "actor": ("Look at one actor, act on it, watch it.", _actor),
    "session": ("Show the sessions of calls.", group(SESSION)),
    "database": ("The database: hosts, connections, size of the pool.", group(DATABASE)),
    "journal": ("The journal's files: check, export, repair.", group(JOURNAL)),
    "config": ("The configuration.", group(CONFIG)),
    "route": ("The rules of routing.", _route),
    "release": ("Releases: build, install, check, upgrade, go back.", _release),
    "reference": ("Reference tables: list, load, go back.", _reference),
    "token": ("Tokens of access.", group(TOKEN)),
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
