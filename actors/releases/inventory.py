"""What a release is, as it says itself: run in its own environment, prints JSON.

    python -P -m actors.releases.inventory [--config FILE]

Everything is imported that a node is made of, so a release that lacks a library or has a module
that cannot be imported says so here and not under calls.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import re
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

import actors
from actors import migrations
from actors.config import ConfigInvalid, load
from actors.etc_files import etc_file
from actors.journal import schema
from actors.journal_codecs import codecs
from actors.releases.manifest import normal, this_platform, this_python
from actors.releases.state_types import types

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from actors.config import Config

NAME = "vigie"
_NAME = re.compile(r"[0-9A-Za-z._-]+")
_EXTRA = re.compile(r";.*\bextra\s*==")

PROGRAMS = ("actors.cli.__main__", "actors.releases.inventory")
"""Modules that do something when they are imported."""


def inventory(config: Path | None) -> dict[str, Any]:
    """Say what this release is.

    Args:
        config: the configuration to read it with; None is the one that ships.
    """
    _import_all()
    return {**_made_of(), "config": _config(config)}


def of_this_process(config: Config) -> dict[str, Any]:
    """Say what the release of this process is, which is a node: all of it is loaded.

    Args:
        config: the node's configuration.
    """
    return {**_made_of(), "config": {"mistakes": [], "values": _values(config)}}


def _made_of() -> dict[str, Any]:
    return {
        "python": this_python(),
        "platform": this_platform(),
        "libraries": libraries(),
        "states": states(),
        "ways": ways(),
        "rows": rows(),
        "journal": schema.FORMAT,
        "migrations": _migrations(),
    }


def libraries() -> dict[str, str]:
    """Version by name of vigie and all that it needs; what else is installed is of no interest."""
    found: dict[str, str] = {}
    wanted = [NAME]
    while wanted:
        name = wanted.pop()
        try:
            known = distribution(name)
        except PackageNotFoundError:  # it is for another platform, or the rooms lie in a checkout
            continue
        if normal(name) not in found:
            found[normal(name)] = known.version
            wanted += _required(known.requires or [])
    return dict(sorted(found.items()))


def _required(requirements: Iterable[str]) -> Iterator[str]:
    """The names in requirements, without those of extras."""
    for text in requirements:
        name = _NAME.match(text)
        if name is not None and not _EXTRA.search(text):
            yield name[0]


def states() -> dict[str, int]:
    """Version of the schema by type of state: of rows, sessions, actors and parts."""
    return {one.name: one.version for one in sorted(types(), key=lambda one: one.name)}


def ways() -> dict[str, dict[str, Any]]:
    """By type of state: from which versions this release converts, up and down."""
    return {
        one.name: {
            "up": sorted(one.conversions.up),
            "down": sorted(one.conversions.down),
            "by_hand": one.by_hand,
        }
        for one in sorted(types(), key=lambda one: one.name)
    }


def rows() -> list[str]:
    """The kinds of rows of the journal."""
    return sorted(codecs(time.time, time.monotonic))


def _import_all() -> None:
    for module in pkgutil.walk_packages(actors.__path__, "actors."):
        if module.name not in PROGRAMS:
            importlib.import_module(module.name)


def _migrations() -> list[dict[str, Any]]:
    found = migrations.load(etc_file("sql"))
    keep = ("number", "name", "checksum", "serves", "contract")
    return [{key: getattr(one, key) for key in keep} for one in found]


def _config(file: Path | None) -> dict[str, Any]:
    """The configuration as this release reads it, or what it finds wrong with it."""
    try:
        config = load(file, os.environ)
    except ConfigInvalid as invalid:
        return {"mistakes": [str(mistake) for mistake in invalid.mistakes]}
    return {"mistakes": [], "values": _values(config)}


def _values(config: Config) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(msgspec.json.encode(config))
    values["database"].pop("dsn", None)  # it may hold a password
    return values


def main() -> None:
    """Print the inventory."""
    parser = argparse.ArgumentParser(description=inventory.__doc__)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    print(json.dumps(inventory(options.config)))  # noqa: T201 - that is what it is for


if __name__ == "__main__":
    main()
