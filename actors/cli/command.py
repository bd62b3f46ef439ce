"""One command from its words to its exit code."""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from actors.cli import rooms
from actors.cli.parser import BadUsage, make_parser

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from supervision.anchor.messages import Refusal

FAILED = 1
USAGE = 64
INTERRUPTED = 130
"""128 and the number of SIGINT, as shells do."""


class Answer(NamedTuple):
    """What a command found out.

    Attributes:
        data: It as plain data, for ``--json``.
        lines: It for humans.
        exit_code: 0 unless what was asked for failed.
    """

    data: Any
    lines: list[str]
    exit_code: int = 0


def run(words: Sequence[str] | None) -> int:
    """Run one command and print its answer.

    Args:
        words: The arguments; None takes those of the process.

    Returns:
        The exit code.
    """
    words = sys.argv[1:] if words is None else words
    try:
        options = make_parser(words).parse_args(words)
    except BadUsage as usage:
        return _refuse_usage(usage, as_json="--json" in words)
    mistake = rooms.mistake(rooms.found())
    if mistake is not None:
        sys.stderr.write(f"vigie: {mistake}\n")
        return USAGE
    try:
        return _run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough, as head(1) does; nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _refuse_usage(usage: BadUsage, *, as_json: bool) -> int:
    if as_json:
        error = {"code": USAGE, "msg": usage.msg, "usage": usage.usage.strip()}
        print(json.dumps({"error": error}, indent=2, ensure_ascii=False))
    else:
        sys.stderr.write(f"{usage.usage}vigie: {usage.msg}\n")
    return USAGE


def _run(options: Namespace) -> int:
    from supervision.anchor.messages import Refusal

    try:
        answer = _verb(options.verb)(options)
    except Refusal as refusal:
        _print_refusal(refusal, as_json=options.json)
        return int(refusal.code)
    if options.json:
        print(json.dumps(answer.data, indent=2, ensure_ascii=False, default=str))
    else:
        for line in answer.lines:
            print(line)
    sys.stdout.flush()
    return answer.exit_code


def _verb(name: str) -> Callable[[Namespace], Answer]:
    """Return the function ``MODULE:FUNCTION`` of this package."""
    module, _, function = name.partition(":")
    verb: Callable[[Namespace], Answer] = getattr(import_module(f"actors.cli.{module}"), function)
    return verb


def _print_refusal(refusal: Refusal, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": refusal.as_error()}, indent=2, ensure_ascii=False))
    else:
        sys.stderr.write(f"vigie: {refusal.msg}\n")
