"""What a command takes: its arguments, how they are read, and the commands below it."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


Fill = Callable[[argparse.ArgumentParser, Sequence[str]], None]
"""Adds the arguments of a command, given the words of the command line."""

Commands = Mapping[str, tuple[str, Fill]]
"""Commands by name: what they do in words, and their arguments."""


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


def group(commands: Commands) -> Fill:
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
