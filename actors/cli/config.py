"""config check, and the configuration of a start."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from actors.cli.command import Answer
from actors.config import ConfigInvalid, load
from actors.etc_files import etc_file
from supervision.anchor.messages import ExitCode

if TYPE_CHECKING:
    from argparse import Namespace


def check(options: Namespace) -> Answer:
    """Name every mistake of a configuration with its key and its rule."""
    path = options.file or etc_file("vigie.toml")
    try:
        load(path, os.environ)
    except ConfigInvalid as invalid:
        return mistakes(str(path), invalid)
    return Answer({"file": str(path), "valid": True, "mistakes": []}, [f"{path} is valid"])


def mistakes(path: str, invalid: ConfigInvalid) -> Answer:
    """Make the answer for a configuration that cannot be used.

    Args:
        path: The file.
        invalid: Its mistakes.
    """
    found: list[dict[str, Any]] = [
        {"key": item.key, "rule": item.rule, "value": item.value, "source": item.source}
        for item in invalid.mistakes
    ]
    count = "1 mistake" if len(found) == 1 else f"{len(found)} mistakes"
    lines = [f"{path}: {count}", *(f"  {item}" for item in invalid.mistakes)]
    data = {"file": path, "valid": False, "mistakes": found}
    return Answer(data, lines, ExitCode.USAGE)
